//! The device and a gateway's own machine back to back over noisy lines, on a virtual clock.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::{
    sim::{
        ehr::{Clock, Dialect, Generator, Profile},
        noise::{Channel, Noise},
        serial::content::Content,
    },

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
    Generator::new(1, Profile { link: "S0".into(), dialect: Dialect::Legacy, clock, ..Profile::default() })
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

const NOISE: Noise = Noise {
    flips_per_million: 300,
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
            assert_eq!(tally.acknowledged, MESSAGES as u64, "{framing:?} {seed}");
            assert!(tally.retransmitted + tally.repeated > 10, "the line was not noisy: {tally:?}");
            assert_eq!(distinct(&bench.taken), sent, "{framing:?} {seed}");
        }
    }
}
