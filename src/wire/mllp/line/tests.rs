//! Both releases, from both ends, on a virtual clock.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use proptest::prelude::*;

use super::*;
use crate::{hl7_corpus::CORPUS, wire::Happening};

const ONE: Options = Options {
    bounds: Bounds { frame_max: 4096, frame_timeout: Duration::from_secs(30), gap_max: None },
    release: Release::One,
    wide: Wide::No,
    commit_timeout: Duration::from_secs(10),
    resends: 2,
};
const TWO: Options = Options { release: Release::Two, ..ONE };
const GAP: Options = Options { bounds: Bounds { gap_max: Some(Duration::from_secs(2)), ..ONE.bounds }, ..ONE };

const COMMITTED: &[u8] = b"\x0b\x06\x1c\r";
const NOT_COMMITTED: &[u8] = b"\x0b\x15\x1c\r";

fn frame(payload: &[u8]) -> Event {
    Event::Frame(payload.to_vec())
}

fn noise(cause: Cause, bytes: &[u8]) -> Event {
    Event::Noise { cause, bytes: bytes.to_vec(), count: u64::try_from(bytes.len()).unwrap() }
}

fn taken(replies: &[&[u8]]) -> Answer {
    Answer::Taken(replies.iter().map(|reply| reply.to_vec()).collect())
}

/// A machine and a clock.
struct Bench {
    line: MllpLine,
    now: i64,
}

impl Bench {
    fn new(options: Options) -> Self {
        Self { line: MllpLine::new(options), now: 0 }
    }

    fn at(&self) -> Timestamp {
        Timestamp(self.now)
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.line.receive(self.at(), bytes);
    }

    fn answer(&mut self, answer: Answer) {
        self.line.answer(self.at(), answer);
    }

    fn send(&mut self, payload: &[u8]) {
        self.line.send(self.at(), payload.to_vec());
    }

    /// Lets time pass, tick by tick.
    fn wait(&mut self, milliseconds: i64) {
        let end = self.now + milliseconds;
        while let Some(deadline) = self.line.deadline().filter(|deadline| deadline.0 <= end) {
            self.now = deadline.0.max(self.now);
            self.line.tick(self.at());
            assert!(self.line.deadline() != Some(deadline), "a deadline that is not met");
        }
        self.now = end;
    }

    #[track_caller]
    fn expect(&mut self, written: &[u8], events: &[Event]) {
        assert_eq!(self.line.transmit(), written);
        let found: Vec<Event> = std::iter::from_fn(|| self.line.next()).collect();
        assert!(found == events, "{found:?} instead of {events:?}");
        assert_eq!((self.line.transmit(), self.line.next()), (Vec::new(), None));
    }
}

#[test]
fn writes_nothing_before_the_answer_and_each_reply_as_a_frame() {
    let mut bench = Bench::new(ONE);
    bench.receive(b"\x0bMSH|1\r\x1c\r\x0bMSH|2\r\x1c\r");
    bench.expect(b"", &[frame(b"MSH|1\r"), frame(b"MSH|2\r")]);
    bench.answer(taken(&[b"A1\r", b"A2\r"]));
    bench.expect(b"\x0bA1\r\x1c\r\x0bA2\r\x1c\r", &[]);
    bench.answer(Answer::Refused);
    bench.expect(b"", &[]);
    assert_eq!(bench.line.deadline(), None);
}

#[test]
fn commits_before_it_replies() {
    let mut bench = Bench::new(TWO);
    bench.receive(b"\x0bMSH|1\r\x1c\r\x0bMSH|2\r\x1c\r\x0bMSH|3\r\x1c\r");
    bench.expect(b"", &[frame(b"MSH|1\r"), frame(b"MSH|2\r"), frame(b"MSH|3\r")]);
    bench.answer(taken(&[b"A1\r"]));
    bench.expect(b"\x0b\x06\x1c\r\x0bA1\r\x1c\r", &[]);
    bench.answer(Answer::Refused);
    bench.expect(NOT_COMMITTED, &[Event::Count(Happening::NakSent)]);
    bench.answer(taken(&[]));
    bench.expect(COMMITTED, &[]);
    bench.answer(taken(&[b"nobody asked"]));
    bench.expect(b"", &[]);
}

#[test]
fn refuses_what_it_cannot_take_in_its_turn() {
    let mut bench = Bench::new(TWO);
    let large = [b'a'; 5000];
    bench.receive(b"\x0bMSH|1\r\x1c\r\x0b\x1c\r\x0b");
    bench.receive(&large);
    bench.receive(b"\x1c\r\x0bMSH|2\r\x1c\r");
    let kept = large[..limits::SKIPPED_BYTES_KEPT].to_vec();
    let oversize = Event::Noise { cause: Cause::Oversize, bytes: kept, count: 4097 };
    bench.expect(b"", &[frame(b"MSH|1\r"), noise(Cause::Empty, b""), oversize, frame(b"MSH|2\r")]);
    bench.answer(taken(&[]));
    let nak = || Event::Count(Happening::NakSent);
    bench.expect(&[COMMITTED, NOT_COMMITTED, NOT_COMMITTED].concat(), &[nak(), nak()]);
    bench.answer(taken(&[]));
    bench.expect(COMMITTED, &[]);
    bench.receive(b"\x0bMSH|3");
    bench.line.damaged(bench.at(), LineFault::Parity);
    bench.receive(b"\x1c\r");
    bench.expect(NOT_COMMITTED, &[noise(Cause::Parity, b"MSH|3"), nak()]);
}

#[test]
fn ends_a_frame_without_return_after_the_lull() {
    for options in [ONE, TWO, GAP] {
        let mut bench = Bench::new(options);
        bench.receive(b"\x0bMSH|1\r\x1c");
        bench.wait(49);
        bench.expect(b"", &[]);
        assert!(bench.line.is_busy());
        bench.wait(1);
        bench.expect(b"", &[frame(b"MSH|1\r"), noise(Cause::MissingReturn, b"")]);
        assert!(!bench.line.is_busy());
        bench.receive(b"log line");
        bench.wait(50);
        bench.expect(b"", &[noise(Cause::Garbage, b"log line")]);
        assert_eq!(bench.line.deadline(), None);
    }
}

#[test]
fn gives_a_frame_its_time_and_no_more() {
    let mut bench = Bench::new(ONE);
    bench.receive(b"\x0b");
    for _ in 0..29 {
        bench.wait(1000);
        bench.receive(b"a");
    }
    bench.wait(999);
    bench.expect(b"", &[]);
    bench.wait(1);
    bench.expect(b"", &[noise(Cause::Timeout, &[b'a'; 29])]);
    bench.receive(b"a\x1c\r\x0bMSH|2\r\x1c\r");
    bench.expect(b"", &[noise(Cause::Garbage, b"a\x1c\r"), frame(b"MSH|2\r")]);
    // A shell that reads on without looking at the clock.
    bench.receive(b"\x0b");
    bench.now += 30_000;
    bench.receive(b"b");
    bench.expect(b"", &[noise(Cause::Timeout, b"b")]);
    // What completes a frame is taken, however late it is read.
    bench.wait(50);
    bench.receive(b"\x0bMSH|3\r");
    bench.now += 30_000;
    bench.receive(b"\x1c\r");
    bench.expect(b"", &[frame(b"MSH|3\r")]);
}

#[test]
fn times_each_frame_of_a_stream_that_never_rests() {
    let mut bench = Bench::new(ONE);
    bench.receive(b"\x0bMSH");
    for _ in 0..100 {
        bench.wait(20_000);
        bench.receive(b"|1\r\x1c\r\x0bMSH");
        bench.expect(b"", &[frame(b"MSH|1\r")]);
    }
    bench.wait(29_999);
    bench.expect(b"", &[]);
    bench.wait(1);
    bench.expect(b"", &[noise(Cause::Timeout, b"MSH")]);
}

#[test]
fn gives_up_a_frame_whose_bytes_stop() {
    let mut bench = Bench::new(GAP);
    bench.receive(b"\x0bMSH|1");
    bench.wait(1999);
    bench.receive(b"2");
    bench.wait(1999);
    bench.expect(b"", &[]);
    bench.wait(1);
    bench.expect(b"", &[noise(Cause::Timeout, b"MSH|12")]);
    assert_eq!(bench.line.deadline(), None);
    bench.wait(100_000);
    bench.receive(b"\x0bMSH|3\r\x1c\r");
    bench.expect(b"", &[frame(b"MSH|3\r")]);
}

#[test]
fn drops_a_damaged_frame_and_takes_the_next() {
    for (fault, cause) in
        [(LineFault::Parity, Cause::Parity), (LineFault::Framing, Cause::Line), (LineFault::Overrun, Cause::Overrun)]
    {
        let mut bench = Bench::new(GAP);
        bench.receive(b"\x0bMSH|1");
        bench.line.damaged(bench.at(), fault);
        bench.receive(b"rest\x1c\r\x0bMSH|2\r\x1c\r");
        bench.expect(b"", &[noise(cause, b"MSH|1"), frame(b"MSH|2\r")]);
        // The end was damaged: silence ends the dropping.
        bench.receive(b"\x0bMSH|1");
        bench.line.damaged(bench.at(), fault);
        bench.wait(2000);
        assert!(!bench.line.is_busy());
        bench.expect(b"", &[noise(cause, b"MSH|1")]);
    }
}

#[test]
fn takes_no_lone_acknowledgement_byte_for_a_message() {
    let mut bench = Bench::new(ONE);
    bench.receive(b"\x0b\x06\x1c\r\x0b\x15\x1c\r\x0b\x06\x06\x1c\r");
    bench.expect(b"", &[noise(Cause::Malformed, b"\x06"), noise(Cause::Malformed, b"\x15"), frame(b"\x06\x06")]);
    let mut bench = Bench::new(TWO);
    bench.receive(COMMITTED);
    bench.expect(b"", &[noise(Cause::Malformed, b"\x06")]);
}

#[test]
fn sends_at_once_in_release_1() {
    let mut bench = Bench::new(ONE);
    bench.send(b"MSH|1\r");
    bench.send(b"MSH|\x0b\r");
    bench.send(b"MSH|\x1c\r");
    bench.send(b"");
    bench.send(b"MSH|2\r");
    let unfit = || Event::Unsent(Unsent::Unfit);
    bench.expect(b"\x0bMSH|1\r\x1c\r\x0bMSH|2\r\x1c\r", &[Event::Sent, unfit(), unfit(), unfit(), Event::Sent]);
    assert!(!bench.line.is_busy());
}

#[test]
fn waits_for_each_commit_block_in_release_2() {
    let mut bench = Bench::new(TWO);
    bench.send(b"MSH|1\r");
    bench.send(b"\x1c");
    bench.send(b"MSH|2\r");
    bench.expect(b"\x0bMSH|1\r\x1c\r", &[]);
    assert!(bench.line.is_busy());
    bench.receive(b"\x0b\x06");
    bench.expect(b"", &[]);
    bench.receive(b"\x1c\r");
    bench.expect(b"\x0bMSH|2\r\x1c\r", &[Event::Sent, Event::Unsent(Unsent::Unfit)]);
    bench.receive(COMMITTED);
    bench.expect(b"", &[Event::Sent]);
    assert!(!bench.line.is_busy() && bench.line.deadline().is_none());
}

#[test]
fn credits_only_an_exact_block() {
    for wrong in [&b"\x0b\x06\x06\x1c\r"[..], b"\x06", b"\x0bMSA|AA\r\x1c\r", b"\x0b\x06\x1c\x0b"] {
        let mut bench = Bench::new(TWO);
        bench.send(b"MSH|1\r");
        bench.receive(wrong);
        bench.wait(9999);
        let events: Vec<Event> = std::iter::from_fn(|| bench.line.next()).collect();
        assert!(!events.is_empty() && !events.contains(&Event::Sent), "{wrong:?}: {events:?}");
        assert_eq!(bench.line.transmit(), b"\x0bMSH|1\r\x1c\r");
    }
    let mut bench = Bench::new(TWO);
    bench.send(b"MSH|1\r");
    bench.receive(b"\x0b\x06\x1c");
    bench.wait(50);
    bench.expect(b"\x0bMSH|1\r\x1c\r", &[noise(Cause::Malformed, b"\x06"), noise(Cause::MissingReturn, b"")]);
}

#[test]
fn sends_again_and_gives_up() {
    let block = b"\x0bMSH|1\r\x1c\r";
    let again = || Event::Count(Happening::Retransmitted);
    let mut bench = Bench::new(TWO);
    bench.send(b"MSH|1\r");
    bench.expect(block, &[]);
    for _ in 0..2 {
        bench.receive(NOT_COMMITTED);
        bench.expect(block, &[Event::Count(Happening::NakReceived), again()]);
    }
    bench.receive(NOT_COMMITTED);
    bench.expect(b"", &[Event::Count(Happening::NakReceived), Event::Unsent(Unsent::Refused)]);
    bench.send(b"MSH|1\r");
    bench.expect(block, &[]);
    for _ in 0..2 {
        bench.wait(9999);
        bench.expect(b"", &[]);
        bench.wait(1);
        bench.expect(block, &[again()]);
    }
    bench.wait(10_000);
    bench.expect(b"", &[Event::Unsent(Unsent::NoAnswer)]);
    assert!(!bench.line.is_busy());
}

#[test]
fn never_credits_a_late_answer_to_the_next_message() {
    let mut bench = Bench::new(TWO);
    bench.send(b"MSH|1\r");
    bench.wait(10_000);
    bench.expect(b"\x0bMSH|1\r\x1c\r\x0bMSH|1\r\x1c\r", &[Event::Count(Happening::Retransmitted)]);
    bench.send(b"MSH|2\r");
    bench.receive(COMMITTED);
    bench.expect(b"", &[Event::Sent]);
    // The answer to the second copy is still to come.
    bench.wait(5000);
    bench.receive(COMMITTED);
    bench.expect(b"\x0bMSH|2\r\x1c\r", &[]);
    // One NAK while another copy may still be committed does not send it again.
    bench.wait(10_000);
    bench.expect(b"\x0bMSH|2\r\x1c\r", &[Event::Count(Happening::Retransmitted)]);
    bench.receive(NOT_COMMITTED);
    bench.expect(b"", &[Event::Count(Happening::NakReceived)]);
    bench.receive(COMMITTED);
    bench.expect(b"", &[Event::Sent]);
    // An answer that never comes holds the next message back for one time-out.
    bench.send(b"MSH|3\r");
    bench.wait(10_000);
    bench.receive(COMMITTED);
    bench.send(b"MSH|4\r");
    bench.expect(b"\x0bMSH|3\r\x1c\r\x0bMSH|3\r\x1c\r", &[Event::Count(Happening::Retransmitted), Event::Sent]);
    bench.wait(9999);
    bench.expect(b"", &[]);
    bench.wait(1);
    bench.expect(b"\x0bMSH|4\r\x1c\r", &[]);
}

#[test]
fn bears_with_peers_that_commit_replies_and_with_peers_that_do_not() {
    let mut bench = Bench::new(TWO);
    bench.receive(b"\x0bMSH|1\r\x1c\r");
    bench.answer(taken(&[b"A1\r"]));
    bench.send(b"MSH|9\r");
    bench.expect(b"\x0b\x06\x1c\r\x0bA1\r\x1c\r", &[frame(b"MSH|1\r")]);
    bench.receive(COMMITTED);
    bench.expect(b"\x0bMSH|9\r\x1c\r", &[]);
    bench.receive(COMMITTED);
    bench.expect(b"", &[Event::Sent]);
    // This one does not: known after one time-out, and not waited for again.
    bench.receive(b"\x0bMSH|2\r\x1c\r");
    bench.answer(taken(&[b"A2\r"]));
    bench.send(b"MSH|10\r");
    bench.wait(9999);
    bench.expect(b"\x0b\x06\x1c\r\x0bA2\r\x1c\r", &[frame(b"MSH|2\r")]);
    bench.wait(1);
    bench.expect(b"\x0bMSH|10\r\x1c\r", &[]);
    bench.receive(b"\x0bMSH|3\r\x1c\r");
    bench.answer(taken(&[b"A3\r"]));
    bench.receive(COMMITTED);
    bench.send(b"MSH|11\r");
    bench.expect(b"\x0b\x06\x1c\r\x0bA3\r\x1c\r\x0bMSH|11\r\x1c\r", &[frame(b"MSH|3\r"), Event::Sent]);
}

#[test]
fn forgets_an_old_reply_in_the_tick_that_gives_a_message_up() {
    let mut bench = Bench::new(Options { resends: 1, ..TWO });
    bench.send(b"MSH|1\r");
    bench.send(b"MSH|2\r");
    bench.receive(b"\x0bMSH|7\r\x1c\r");
    bench.answer(taken(&[b"A7\r"]));
    bench.receive(NOT_COMMITTED);
    bench.line.transmit();
    bench.wait(10_000);
    assert!(std::iter::from_fn(|| bench.line.next()).any(|event| event == Event::Unsent(Unsent::NoAnswer)));
    bench.wait(9999);
    bench.expect(b"", &[]);
    bench.wait(1);
    bench.expect(b"\x0bMSH|2\r\x1c\r", &[]);
}

#[test]
fn bounds_what_it_remembers_of_replies() {
    let mut bench = Bench::new(TWO);
    for _ in 0..10_000 {
        bench.receive(b"\x0bMSH|1\r\x1c\r");
        bench.answer(taken(&[b"A1\r"]));
        bench.expect(b"\x0b\x06\x1c\r\x0bA1\r\x1c\r", &[frame(b"MSH|1\r")]);
    }
    bench.send(b"MSH|2\r");
    bench.expect(b"\x0bMSH|2\r\x1c\r", &[]);
}

#[test]
fn ends_with_the_stream_and_begins_anew() {
    let mut bench = Bench::new(TWO);
    bench.send(b"MSH|1\r");
    bench.send(b"MSH|2\r");
    bench.receive(b"\x0bMSH|7\r\x1c\r\x0bMSH");
    bench.line.end(bench.at());
    let ended = || Event::Unsent(Unsent::Ended);
    bench.expect(b"\x0bMSH|1\r\x1c\r", &[frame(b"MSH|7\r"), noise(Cause::Partial, b"MSH"), ended(), ended()]);
    // A peer that closed its half still reads.
    bench.answer(taken(&[b"A7\r"]));
    bench.expect(b"\x0b\x06\x1c\r\x0bA7\r\x1c\r", &[]);
    assert!(!bench.line.is_busy() && bench.line.deadline().is_none());
}

#[test]
fn prints_no_content() {
    for options in [ONE, TWO] {
        let mut bench = Bench::new(options);
        bench.send(b"SECRET");
        bench.send(b"SECRET");
        bench.receive(b"SECRET\x0bSECRET\x1c\r SECRET \x0bSECRET");
        assert!(!format!("{:?}", bench.line).contains("SECRET"));
    }
}

/// Lets two machines talk until neither has anything to say; the second takes every frame and replies.
fn converse(left: &mut Bench, right: &mut Bench, piece: usize) -> (Vec<Event>, Vec<Vec<u8>>) {
    let (mut events, mut arrived) = (Vec::new(), Vec::new());
    loop {
        let (there, back) = (left.line.transmit(), right.line.transmit());
        there.chunks(piece).for_each(|bytes| right.receive(bytes));
        back.chunks(piece).for_each(|bytes| left.receive(bytes));
        while let Some(event) = right.line.next() {
            let Event::Frame(payload) = event else { panic!("{event:?}") };
            arrived.push(payload);
            right.answer(taken(&[b"MSA|AA\r"]));
        }
        while let Some(event) = left.line.next() {
            if matches!(event, Event::Frame(_)) {
                left.answer(taken(&[]));
            }
            events.push(event);
        }
        if there.is_empty() && back.is_empty() {
            return (events, arrived);
        }
    }
}

#[test]
fn talks_to_itself() {
    for options in [ONE, TWO] {
        for piece in [1, 3, 1000] {
            let (mut left, mut right) = (Bench::new(options), Bench::new(options));
            for (_, message) in CORPUS {
                left.send(message);
            }
            let (events, arrived) = converse(&mut left, &mut right, piece);
            assert!(arrived.iter().zip(CORPUS).all(|(found, (_, sent))| found == sent));
            let count = |wanted: Event| events.iter().filter(|event| **event == wanted).count();
            assert_eq!(arrived.len(), CORPUS.len());
            assert_eq!((count(Event::Sent), count(frame(b"MSA|AA\r"))), (CORPUS.len(), CORPUS.len()));
            assert_eq!(events.len(), 2 * CORPUS.len());
        }
    }
}

proptest! {
    /// Whatever comes and however long it takes: every message is settled once, in bounded time, and every positive
    /// commit block was earned.
    #[test]
    fn settles_everything_and_promises_nothing(
        steps in prop::collection::vec((0_u8..9, 0_usize..10, 0_i64..20_000), 1..60),
    ) {
        let mut bench = Bench::new(TWO);
        let (mut sent, mut settled, mut taken_count, mut written) = (0, 0, 0, Vec::new());
        for (step, which, pause) in steps {
            match step {
                0 => { bench.send(b"MSH|1\r"); sent += 1; }
                1 => bench.receive(COMMITTED),
                2 => bench.receive(NOT_COMMITTED),
                3 => bench.receive(b"\x0bMSH|7\r\x1c\r"),
                4 => bench.receive(&b"\x0b\x06\x1c\rMSH\x0b\x1c\r"[which..]),
                5 => bench.line.damaged(bench.at(), LineFault::Parity),
                6 => { bench.answer(Answer::Refused); }
                7 => { bench.answer(taken(&[b"A\r"])); taken_count += 1; }
                _ => bench.wait(pause),
            }
            written.extend(bench.line.transmit());
            while let Some(event) = bench.line.next() {
                settled += usize::from(matches!(event, Event::Sent | Event::Unsent(_)));
            }
            prop_assert!(settled <= sent);
        }
        bench.wait(60_000 * 60);
        while let Some(event) = bench.line.next() {
            settled += usize::from(matches!(event, Event::Sent | Event::Unsent(_)));
        }
        prop_assert_eq!(settled, sent);
        let commits = written.windows(4).filter(|bytes| *bytes == COMMITTED).count();
        prop_assert!(commits <= taken_count);
    }
}
