//! The device and a gateway's own machine back to back over noisy lines, on a virtual clock.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::sim::{
    ehr::{Clock, Dialect, Generator, Profile},
    noise::{Channel, Noise},
    serial::content::Content,
};

fn bounds() -> Bounds {
    Bounds { frame_max: 1 << 16, frame_timeout: Duration::from_secs(30), gap_max: Some(Duration::from_secs(2)) }
}

fn manner(messages: u64) -> Manner {
    Manner {
        role: Role::Sender,
        messages: Some(messages),
        until: None,
        gap: Duration::from_millis(200),
        answer_timeout: Duration::from_secs(5),
        tries: None,
        refuse_every: None,
        stuck_after: None,
    }
}

fn generator() -> Generator {
    let clock = Clock::Steps { from: jiff::Timestamp::UNIX_EPOCH, step: Duration::from_secs(1) };
    Generator::new(1, Profile { link: "S0".into(), dialect: Dialect::Modern, clock, ..Profile::default() })
}

fn content() -> Content {
    Content::Hl7(Box::new(generator()))
}

/// The device, the gateway, and the line between them.
struct Bench {
    now: Timestamp,
    station: Station,
    gateway: Box<dyn Line>,
    toward: Channel,
    back: Channel,
    /// Every frame that the gateway took, in order.
    taken: Vec<Vec<u8>>,
    causes: BTreeMap<&'static str, u64>,
}

impl Bench {
    fn new(framing: &Framing, manner: Manner, content: Content, (noise, seed): (Noise, u64)) -> Self {
        let other = match manner.role {
            Role::Sender => Role::Receiver,
            Role::Receiver => Role::Sender,
        };
        Self {
            now: Timestamp(0),
            station: Station::new(framing, bounds(), manner, content),
            gateway: opposite(framing, bounds(), other),
            toward: Channel::new(noise, seed),
            back: Channel::new(noise.back(), !seed),
            taken: Vec::new(),
            causes: BTreeMap::new(),
        }
    }

    /// Runs until the device is done.
    fn run(&mut self) {
        self.station.connected(self.now);
        for _ in 0..1_000_000 {
            let moved = self.toward_gateway() | self.toward_station();
            if moved {
                continue;
            }
            if self.station.is_done(self.now) {
                return;
            }
            let due = [self.station.deadline(), self.gateway.deadline()].into_iter().flatten().min();
            self.now = due.unwrap().max(self.now.plus(Duration::from_millis(1)));
            self.station.tick(self.now);
            if self.gateway.deadline().is_some_and(|at| at <= self.now) {
                self.gateway.tick(self.now);
            }
        }
        panic!("the device does not come to an end: {:?}, {:?}", self.station.tally, self.causes);
    }

    fn toward_gateway(&mut self) -> bool {
        let bytes = self.station.transmit();
        if !bytes.is_empty() {
            let passed = self.toward.pass(&bytes);
            self.now = self.now.plus(Duration::from_millis(1));
            if !passed.bytes.is_empty() {
                self.gateway.receive(self.now, &passed.bytes);
            }
            if passed.is_cut {
                self.gateway.end(self.now);
                self.gateway.transmit();
                self.station.lost(self.now);
                self.station.connected(self.now);
            }
        }
        self.station.written(self.now);
        !bytes.is_empty() | self.attend()
    }

    /// The gateway's shell: stores every frame, and answers as its protocol does.
    fn attend(&mut self) -> bool {
        let mut moved = false;
        while let Some(event) = self.gateway.next() {
            moved = true;
            match event {
                Event::Frame(payload) => {
                    let replies = reply(&payload);
                    self.taken.push(payload);
                    self.gateway.answer(self.now, Answer::Taken(replies));
                }
                Event::Noise { cause, .. } => *self.causes.entry(cause.as_str()).or_default() += 1,
                _ => {}
            }
        }
        moved
    }

    fn toward_station(&mut self) -> bool {
        let bytes = self.gateway.transmit();
        if !bytes.is_empty() {
            let passed = self.back.pass(&bytes);
            self.station.receive(self.now, &passed.bytes);
        }
        !bytes.is_empty()
    }
}

/// What a gateway says to an HL7 message; nothing to what it cannot read.
fn reply(payload: &[u8]) -> Vec<Vec<u8>> {
    let Ok(index) = Index::of(payload) else { return Vec::new() };
    let stamp = Stamp { at: "20260301101500", control_id: "G1" };
    vec![ack::build(&index.message(payload), &stamp, Code::Aa, None)]
}

/// So little that one frame has hardly ever two flips: of those a sum of eight bits may know nothing.
const NOISE: Noise = Noise {
    flips_per_million: 100,
    drops_per_million: 100,
    bursts_per_thousand: 50,
    mutes_per_thousand: 10,
    unplug_every: None,
    misheard: None,
};

fn hllp() -> Framing {
    Framing::Hllp(hllp::Options::default())
}

/// LIS01-A2 with whole texts for messages, so that HL7 can be carried.
fn lis01() -> Framing {
    let options = lis01::Options::new(lis01::Role::Host, 1 << 16);
    Framing::Lis01(lis01::Options { grouping: lis01::Grouping::EndFrame, ..options })
}

fn records() -> Framing {
    Framing::Lis01(lis01::Options::new(lis01::Role::Host, 1 << 16))
}

fn lines(check: Option<text::Check>) -> Framing {
    let reply = text::Reply::AckNak { ack: 0x06, nak: 0x15 };
    Framing::Line(text::Options { reply, check, ..text::Options::default() })
}

/// Once what comes again is known again, each message is there once, unchanged and in order.
fn distinct(taken: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut seen = BTreeSet::new();
    taken.iter().filter(|message| seen.insert((*message).clone())).cloned().collect()
}

#[test]
fn protocols_with_checks_carry_every_message_through_noise_and_corrupt_none() {
    const MESSAGES: usize = 100;
    let mut generator = generator();
    let sent: Vec<Vec<u8>> = (0..MESSAGES).map(|_| generator.next().bytes).collect();
    for framing in [hllp(), lis01()] {
        for seed in 1..=10 {
            let noise = Noise { unplug_every: Some(20_000), ..NOISE };
            let mut bench = Bench::new(&framing, manner(MESSAGES as u64), content(), (noise, seed));
            bench.run();
            let tally = bench.station.tally;
            assert_eq!(tally.acknowledged, MESSAGES as u64, "{framing:?} {seed} {tally:?} {:?}", bench.causes);
            assert!(tally.retransmitted + tally.repeated > 10, "the line was not noisy: {tally:?}");
            assert!(distinct(&bench.taken) == sent, "not what was sent: {framing:?}, seed {seed}");
        }
    }
}

#[test]
fn records_of_a_laboratory_come_through_noise_as_they_were_sent() {
    let clock = Clock::Steps { from: jiff::Timestamp::UNIX_EPOCH, step: Duration::from_secs(1) };
    let content = || Content::new(&crate::sim::serial::Speech::Records, generator, (3, "LAB", clock));
    let mut same = content();
    let sent: Vec<Vec<u8>> = (0..60).map(|_| same.next().unwrap().bytes).collect();
    for seed in 1..=10 {
        let mut bench = Bench::new(&records(), manner(60), content(), (NOISE, seed));
        bench.run();
        assert_eq!(bench.station.tally.acknowledged, 60);
        // A session that was cut short between two records is handed over as it is, and said to have no end.
        let (whole, cut): (Vec<_>, Vec<_>) =
            distinct(&bench.taken).into_iter().partition(|message| message.ends_with(b"\rL|1|N\r"));
        assert!(whole == sent, "not what was sent: seed {seed}");
        assert!(cut.iter().all(|part| sent.iter().any(|message| message.starts_with(part))), "seed {seed}");
        assert!(bench.causes.get("unterminated").copied().unwrap_or(0) >= cut.len() as u64);
    }
}

#[test]
fn mllp_loses_nothing_though_it_cannot_tell_a_flipped_bit() {
    for seed in 1..=10 {
        let noise = Noise { unplug_every: Some(20_000), ..NOISE };
        let framing = Framing::Mllp(mllp::Options::default());
        let mut bench = Bench::new(&framing, manner(100), content(), (noise, seed));
        bench.run();
        assert_eq!(bench.station.tally.acknowledged, 100);
        let ids: BTreeSet<Vec<u8>> = bench.taken.iter().filter_map(|message| control_id(message)).collect();
        let mut generator = generator();
        for _ in 0..100 {
            let id = generator.next().control_id;
            assert!(ids.contains(id.as_bytes()), "{id} was acknowledged and is not there, seed {seed}");
        }
    }
}

#[test]
fn lines_of_text_come_through_lost_bytes_where_they_have_a_check() {
    let check = text::Check {
        algorithm: text::Algorithm::Sum8,
        form: text::Form::Hex,
        place: text::Place::AfterEnd,
        start: text::Span::Excluded,
        end: text::Span::Included,
    };
    let clock = Clock::Steps { from: jiff::Timestamp::UNIX_EPOCH, step: Duration::from_secs(1) };
    let content = || Content::new(&crate::sim::serial::Speech::Calls, generator, (3, "CALL", clock));
    let mut same = content();
    let sent: Vec<Vec<u8>> = (0..100).map(|_| same.next().unwrap().bytes).collect();
    for seed in 1..=10 {
        let noise = Noise { flips_per_million: 1000, drops_per_million: 300, ..Noise::default() };
        let mut bench = Bench::new(&lines(Some(check)), manner(100), content(), (noise, seed));
        bench.run();
        assert!(bench.station.tally.acknowledged == 100 && bench.causes.contains_key("checksum"), "{:?}", bench.causes);
        let there: BTreeSet<_> = bench.taken.iter().collect();
        assert!(sent.iter().all(|line| there.contains(line)), "seed {seed}");
    }
}

#[test]
fn a_line_that_goes_one_way_proves_nothing() {
    let framing = Framing::Line(text::Options::default());
    let mut bench = Bench::new(&framing, manner(5), content(), (Noise::default(), 1));
    bench.run();
    let tally = bench.station.tally;
    assert_eq!((tally.made, tally.acknowledged, tally.unproven), (5, 0, 5));
    assert_eq!(bench.taken.len(), 5);
}

#[test]
fn gives_a_message_up_after_as_many_tries_as_it_is_allowed() {
    let mute = Noise { mutes_per_thousand: 1000, ..Noise::default() };
    for framing in [Framing::Mllp(mllp::Options::default()), hllp(), lis01(), lines(None)] {
        let manner = Manner { tries: Some(2), ..manner(3) };
        let mut bench = Bench::new(&framing, manner, content(), (mute, 1));
        bench.run();
        let tally = bench.station.tally;
        assert_eq!((tally.made, tally.given_up, tally.sent, tally.repeated), (3, 3, 6, 3), "{framing:?}");
        assert!(tally.timeouts >= 6 && bench.taken.is_empty());
    }
}

#[test]
fn two_ends_that_are_set_to_different_speeds_never_understand_each_other() {
    use crate::{
        settings::Parity,
        sim::noise::{Misheard, Shape},
    };
    let ends = Misheard { sent: Shape::new(9600, 8, Parity::None, 1), heard: Shape::new(19_200, 8, Parity::None, 1) };
    let noise = Noise { misheard: Some(ends), ..Noise::default() };
    for framing in [hllp(), lis01()] {
        let manner = Manner { tries: Some(3), ..manner(3) };
        let mut bench = Bench::new(&framing, manner, content(), (noise, 1));
        bench.run();
        assert_eq!((bench.station.tally.acknowledged, bench.taken.len()), (0, 0), "{framing:?}");
    }
}

#[test]
fn a_device_that_hangs_says_and_hears_nothing_more() {
    let manner = Manner { stuck_after: Some(2), ..manner(5) };
    let mut station = Station::new(&lines(None), bounds(), manner, content());
    let now = Timestamp(0);
    station.connected(now);
    for at in [0, 300] {
        let now = Timestamp(at);
        station.tick(now);
        assert!(!station.transmit().is_empty());
        station.written(now);
        station.receive(now, b"\x06");
    }
    station.tick(Timestamp(10_000));
    assert_eq!((station.transmit(), station.deadline(), station.tally.acknowledged), (Vec::new(), None, 2));
    assert!(!station.is_done(Timestamp(10_000)));
}

/// A gateway's machine sends; the device takes, refuses one of three, and knows what comes again.
#[test]
fn a_receiver_takes_refuses_and_knows_repeats() {
    for framing in [hllp(), lis01(), lines(None)] {
        let manner = Manner { role: Role::Receiver, refuse_every: Some(3), ..manner(6) };
        let mut bench = Bench::new(&framing, manner, content(), (Noise::default(), 1));
        let mut generator = generator();
        let sent: Vec<Vec<u8>> = (0..5).map(|_| generator.next().bytes).collect();
        for message in sent.iter().chain(&sent[4..]) {
            bench.gateway.send(bench.now, message.clone());
        }
        bench.station.connected(bench.now);
        for _ in 0..10_000 {
            if bench.toward_gateway() | bench.toward_station() {
                continue;
            }
            let Some(due) = [bench.station.deadline(), bench.gateway.deadline()].into_iter().flatten().min() else {
                break;
            };
            bench.now = due;
            bench.station.tick(bench.now);
            bench.gateway.tick(bench.now);
        }
        let tally = bench.station.tally;
        assert_eq!((tally.received, tally.duplicates, tally.turned_away), (6, 1, 2), "{framing:?}");
        assert!(bench.station.taken == sent, "{framing:?}");
    }
}
