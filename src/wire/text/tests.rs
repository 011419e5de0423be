//! Framed lines of text from both ends, on a virtual clock.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use proptest::prelude::*;

use super::*;
use crate::{
    hl7_corpus::CORPUS,
    wire::bench::{Bench, Dice, converse, frame, frames_of, holds_for_every_split, noise, taken, taken_of_corrupted},
};

mod damage;

const ACK: u8 = 0x06;
const NAK: u8 = 0x15;

fn one_way() -> Options {
    let bounds = Bounds { frame_max: 4096, frame_timeout: Duration::from_secs(30), gap_max: None };
    Options { bounds, ..Options::default() }
}

fn two_way() -> Options {
    Options { reply: Reply::AckNak { ack: ACK, nak: NAK }, ..one_way() }
}

const XOR: Check = Check {
    algorithm: Algorithm::Xor,
    form: Form::Hex,
    place: Place::BeforeEnd,
    start: Span::Excluded,
    end: Span::Excluded,
};

fn checked() -> Options {
    Options { check: Some(XOR), ..two_way() }
}

fn bench(options: Options) -> Bench {
    Bench::new(TextLine::new(options))
}

fn checks() -> Vec<Check> {
    let mut checks = Vec::new();
    for algorithm in [Algorithm::Sum8, Algorithm::Xor, Algorithm::Twos] {
        for form in [Form::Byte, Form::Hex] {
            for place in [Place::BeforeEnd, Place::AfterEnd] {
                // No link may be set so.
                if (form, place) == (Form::Byte, Place::BeforeEnd) {
                    continue;
                }
                for start in [Span::Included, Span::Excluded] {
                    for end in [Span::Included, Span::Excluded] {
                        checks.push(Check { algorithm, form, place, start, end });
                    }
                }
            }
        }
    }
    checks
}

/// Every combination of start, end and check.
fn variants() -> Vec<Options> {
    let mut variants = Vec::new();
    for start in [Some(0x02), Some(0x01), None] {
        for end in [End::ETX, End::CR, End::CRLF, End::LF, End::new(b"\x03\r\n").unwrap()] {
            for check in checks().into_iter().map(Some).chain([None]) {
                variants.push(Options { start, end, check, ..two_way() });
            }
        }
    }
    variants
}

fn encode(options: &Options, payload: &[u8]) -> Option<Vec<u8>> {
    Scanner::new(options.clone()).encode(payload)
}

const NAK_SENT: Event = Event::Count(Happening::NakSent);
const NAK_RECEIVED: Event = Event::Count(Happening::NakReceived);
const RETRANSMITTED: Event = Event::Count(Happening::Retransmitted);
const HEARTBEAT: Event = Event::Count(Happening::Heartbeat);

#[test]
fn writes_the_lines_that_manuals_show() {
    let check = |algorithm, form, place, start, end| Some(Check { algorithm, form, place, start, end });
    let none = Span::Excluded;
    let cases: [(Options, &[u8]); 8] = [
        (one_way(), b"\x02AB\x03"),
        (Options { start: None, end: End::CRLF, ..one_way() }, b"AB\r\n"),
        (Options { start: Some(1), end: End::CR, ..one_way() }, b"\x01AB\r"),
        (
            Options { check: check(Algorithm::Sum8, Form::Hex, Place::AfterEnd, none, Span::Included), ..one_way() },
            b"\x02AB\x0386",
        ),
        (
            Options { check: check(Algorithm::Xor, Form::Byte, Place::AfterEnd, none, Span::Included), ..one_way() },
            b"\x02AB\x03\0",
        ),
        (
            Options { check: check(Algorithm::Twos, Form::Byte, Place::AfterEnd, none, none), ..one_way() },
            b"\x02AB\x03\x7d",
        ),
        (
            Options { check: check(Algorithm::Xor, Form::Hex, Place::BeforeEnd, Span::Included, none), ..one_way() },
            b"\x02AB01\x03",
        ),
        (Options { start: None, end: End::new(b"\x03\r\n").unwrap(), ..one_way() }, b"AB\x03\r\n"),
    ];
    for (options, line) in cases {
        assert_eq!(encode(&options, b"AB").unwrap().escape_ascii().to_string(), line.escape_ascii().to_string());
        assert_eq!(frames_of(TextLine::new(options), [line]), [b"AB"]);
    }
    assert_eq!((End::new(b""), End::new(b"12345")), (None, None));
    assert_eq!(End::new(b"\r\n"), Some(End::CRLF));
}

#[test]
fn acknowledges_after_the_answer_only() {
    let mut bench = bench(checked());
    let line = |payload: &[u8]| encode(&checked(), payload).unwrap();
    bench.receive(&[line(b"one"), line(b"two"), line(b"three")].concat());
    bench.expect(b"", &[frame(b"one"), frame(b"two"), frame(b"three")]);
    bench.answer(taken(&[]));
    bench.expect(b"\x06", &[]);
    bench.answer(Answer::Refused);
    bench.expect(b"\x15", &[NAK_SENT]);
    bench.answer(taken(&[b"reply"]));
    bench.expect(&[b"\x06".as_slice(), &line(b"reply")].concat(), &[]);
    bench.receive(b"\x06");
    bench.expect(b"", &[]);
    bench.answer(taken(&[b"nobody asked"]));
    bench.expect(b"", &[]);
}

#[test]
fn writes_nothing_one_way() {
    let mut bench = bench(Options { check: Some(XOR), ..one_way() });
    let line = encode(&one_way(), b"unchecked").unwrap();
    bench.receive(&line);
    bench.expect(b"", &[noise(Cause::Checksum, &line[1..])]);
    bench.receive(b"\x02A41\x03\x06");
    bench.answer(taken(&[b"reply"]));
    bench.answer(Answer::Refused);
    bench.wait(60_000);
    bench.expect(b"", &[frame(b"A"), noise(Cause::Garbage, b"\x06")]);
    bench.send(b"B");
    bench.send(b"\x03");
    bench.expect(b"\x02B42\x03", &[Event::Sent, Event::Unsent(Unsent::Unfit)]);
}

#[test]
fn refuses_what_it_cannot_take_in_its_turn() {
    let mut bench = bench(checked());
    let good = encode(&checked(), b"good").unwrap();
    bench.receive(&[good.as_slice(), b"\x02bad00\x03\x02\x03"].concat());
    bench.expect(b"", &[frame(b"good"), noise(Cause::Checksum, b"bad00\x03"), noise(Cause::Checksum, b"\x03")]);
    bench.answer(taken(&[]));
    bench.expect(b"\x06\x15\x15", &[NAK_SENT, NAK_SENT]);
    bench.receive(&[b"\x02".as_slice(), &[b'a'; 5000], b"00\x03", &good].concat());
    let events = bench.events();
    assert!(matches!(
        &events[..],
        [Event::Noise { cause: Cause::Oversize, count: 4100, .. }, NAK_SENT, Event::Frame(_)]
    ));
    assert_eq!(bench.line.transmit(), b"\x15");
    bench.answer(taken(&[]));
    bench.receive(b"\x02go");
    bench.damaged(LineFault::Framing);
    bench.receive(b"od\x03");
    bench.expect(b"\x06\x15", &[noise(Cause::Line, b"go"), NAK_SENT]);
    bench.receive(b"\x02go");
    bench.wait(30_000);
    bench.expect(b"\x15", &[noise(Cause::Timeout, b"go"), NAK_SENT]);
    // The next line cuts it short: no refusal of ours could be told apart.
    bench.receive(&[b"\x02go".as_slice(), &good].concat());
    bench.expect(b"", &[noise(Cause::Restarted, b"go"), frame(b"good")]);
    bench.answer(taken(&[]));
    bench.receive(&encode(&two_way(), b"").unwrap_or_else(|| b"\x0200\x03".to_vec()));
    bench.expect(b"\x06\x15", &[noise(Cause::Empty, b""), NAK_SENT]);
}

#[test]
fn drops_a_whole_line_after_a_damaged_byte_without_a_start_mark() {
    let mut bench = bench(Options { start: None, end: End::CRLF, ..two_way() });
    bench.damaged(LineFault::Parity);
    bench.receive(b"ne\r\ntwo\r\n");
    bench.answer(taken(&[]));
    bench.expect(b"\x15\x06", &[noise(Cause::Parity, b""), NAK_SENT, frame(b"two")]);
    bench.receive(b"\r\n");
    bench.expect(b"", &[noise(Cause::Padding, b"\r\n")]);
    // One byte too many, which is the first of the end.
    bench.receive(&[[b'a'; 4098].as_slice(), b"\r\nnext\r\n"].concat());
    let events = bench.events();
    assert!(
        matches!(&events[..], [Event::Noise { cause: Cause::Oversize, .. }, NAK_SENT, Event::Frame(_)]),
        "{events:?}"
    );
}

#[test]
fn finds_the_next_line_behind_a_check_that_is_missing() {
    let check = Check { form: Form::Byte, place: Place::AfterEnd, ..XOR };
    let options = Options { check: Some(check), ..one_way() };
    let good = encode(&options, b"good").unwrap();
    let mut bench = bench(options);
    bench.receive(&[b"\x02lost\x03", good.as_slice()].concat());
    bench.expect(b"", &[noise(Cause::Checksum, b"lost\x03\x02"), frame(b"good")]);
    bench.receive(b"\x02lo");
    bench.damaged(LineFault::Parity);
    bench.receive(&[b"t\x03", good.as_slice()].concat());
    bench.expect(b"", &[noise(Cause::Parity, b"lo"), frame(b"good")]);
}

#[test]
fn counts_heartbeats() {
    let byte = Options { heartbeat: Some(Heartbeat::Byte(0)), ..checked() };
    let mut end = bench(byte.clone());
    end.receive(b"\0\0");
    end.expect(b"", &[HEARTBEAT, HEARTBEAT]);
    let mut end = bench(Options { start: None, end: End::CR, check: None, ..byte });
    end.receive(b"\0one\0\r");
    end.expect(b"", &[HEARTBEAT, frame(b"one\0")]);
    let line = Options { heartbeat: Some(Heartbeat::Line(b"ALIVE".to_vec())), ..checked() };
    let mut end = bench(line);
    let beat = encode(&checked(), b"ALIVE").unwrap();
    end.receive(&[encode(&checked(), b"one").unwrap(), beat].concat());
    end.expect(b"", &[frame(b"one"), HEARTBEAT]);
    end.answer(taken(&[]));
    end.expect(b"\x06\x06", &[]);
    end.send(b"ALIVE");
    end.expect(b"", &[Event::Unsent(Unsent::Unfit)]);
}

#[test]
fn sends_again_after_a_refusal_and_after_silence() {
    let mut end = bench(checked());
    let line = encode(&checked(), b"one").unwrap();
    end.send(b"one");
    end.send(b"two");
    end.expect(&line, &[]);
    end.receive(b"\x15");
    end.expect(&line, &[NAK_RECEIVED, RETRANSMITTED]);
    end.wait(5000);
    end.expect(&line, &[RETRANSMITTED]);
    end.receive(b"\x06");
    end.expect(b"", &[Event::Sent]);
    // The other copy's answer is not taken for that of the next line.
    end.receive(b"\x15");
    end.expect(&encode(&checked(), b"two").unwrap(), &[NAK_RECEIVED]);
    end.wait(5000 * 4);
    assert_eq!(end.events().last(), Some(&Event::Unsent(Unsent::NoAnswer)));
    assert_eq!(end.line.deadline(), None);
    end.wait(5000);
    end.line.transmit();
    end.receive(b"\x06");
    end.expect(b"", &[]);
}

#[test]
fn gives_up_after_the_retries_and_minds_nobody_elses_replies() {
    let mut end = bench(two_way());
    end.receive(b"\x06\x15");
    let unasked = |byte| noise(Cause::Malformed, &[byte]);
    end.expect(b"", &[unasked(6), NAK_RECEIVED, unasked(0x15)]);
    end.send(b"one");
    (0..4).for_each(|_| end.receive(b"\x15"));
    let mut expected: Vec<Event> = (0..3).flat_map(|_| [NAK_RECEIVED, RETRANSMITTED]).collect();
    expected.extend([NAK_RECEIVED, Event::Unsent(Unsent::Refused)]);
    end.expect(&b"\x02one\x03".repeat(4), &expected);
    // Not while the peer sends or waits.
    end.receive(b"\x02li");
    end.send(b"two");
    end.receive(b"ne\x03");
    end.expect(b"", &[frame(b"line")]);
    end.answer(taken(&[]));
    end.expect(b"\x06\x02two\x03", &[]);
}

#[test]
fn takes_a_check_that_looks_like_a_mark() {
    for options in variants() {
        if options.check.is_none_or(|check| check.form != Form::Byte) {
            continue;
        }
        for mark in options.start.iter().chain(options.end.as_bytes()) {
            // A last byte of data that brings the check to the mark.
            let made = (0..=u8::MAX).find_map(|last| {
                let line = encode(&options, &[b"status|7|", [last].as_slice()].concat())?;
                (line.last() == Some(mark)).then_some((last, line))
            });
            let (last, line) = made.unwrap_or_else(|| panic!("no line with check {mark} in {options:?}"));
            let payload = [b"status|7|", [last].as_slice()].concat();
            let stream = line.repeat(3);
            assert!(frames_of(TextLine::new(options.clone()), stream.chunks(1)) == vec![payload; 3], "{options:?}");
        }
    }
}

#[test]
fn ends_with_the_stream_and_begins_anew() {
    let mut bench = bench(two_way());
    bench.send(b"one");
    bench.send(b"two");
    bench.receive(b"log \x02li");
    bench.end();
    let ended = || Event::Unsent(Unsent::Ended);
    bench.expect(b"\x02one\x03", &[noise(Cause::Garbage, b"log "), noise(Cause::Partial, b"li"), ended(), ended()]);
    bench.receive(b"\x02line\x03");
    bench.expect(b"", &[frame(b"line")]);
}

#[test]
fn prints_no_content() {
    let mut bench = bench(two_way());
    bench.send(b"SECRET");
    bench.receive(b"SECRET\x02SECRET");
    assert!(!format!("{:?}", bench.line).contains("SECRET"));
}

proptest! {
    #[test]
    fn reads_what_it_writes(data in prop::collection::vec(any::<u8>(), 1..60), options in prop::sample::select(variants())) {
        if let Some(line) = encode(&options, &data) {
            prop_assert_eq!(frames_of(TextLine::new(options), line.repeat(2).chunks(3)), [data.clone(), data]);
        }
    }

    /// What is found does not depend on how the bytes are cut.
    #[test]
    fn reads_any_bytes_the_same_however_they_are_cut(
        data in prop::collection::vec(prop_oneof![Just(2_u8), Just(3), Just(13), Just(10), Just(6), Just(1), 0x20_u8..0x24, any::<u8>()], 1..120),
        options in prop::sample::select(variants()),
        piece in 1_usize..9,
    ) {
        let options = Options { bounds: Bounds { frame_max: 20, ..options.bounds }, ..options };
        let play = |piece: usize| {
            let mut bench = bench(options.clone());
            data.chunks(piece).for_each(|bytes| bench.receive(bytes));
            bench.wait(60_000);
            bench.end();
            (bench.events(), bench.line.transmit())
        };
        prop_assert_eq!(play(piece), play(data.len()));
    }

    /// Whatever comes and however long it takes: every message is settled once, in bounded time, and every
    /// acknowledgement was earned.
    #[test]
    fn settles_everything_and_promises_nothing(
        steps in prop::collection::vec((0_u8..10, 0_usize..9, 0_i64..9_000), 1..60),
        options in prop::sample::select(variants()),
    ) {
        let line = encode(&options, b"line").unwrap();
        let mut bench = bench(options);
        let (mut sent, mut settled, mut answers, mut acks) = (0, 0, 0, 0);
        for (step, which, pause) in steps {
            match step {
                0 => { bench.send(b"one"); sent += 1; }
                1 => bench.receive(&[ACK]),
                2 => bench.receive(&[NAK]),
                3 => bench.receive(&line[which.min(line.len())..]),
                4 => bench.receive(&line[..which.min(line.len())]),
                5 => bench.damaged(LineFault::Overrun),
                6 => bench.answer(Answer::Refused),
                7 => { bench.answer(taken(&[b"reply"])); answers += 1; }
                8 => { bench.send(b""); sent += 1; }
                _ => bench.wait(pause),
            }
            acks += usize::from(bench.line.transmit().first() == Some(&ACK));
            for event in bench.events() {
                settled += usize::from(matches!(event, Event::Sent | Event::Unsent(_)));
            }
            prop_assert!(settled <= sent && acks <= answers);
        }
        for _ in 0..100 {
            bench.answer(taken(&[]));
        }
        bench.wait(60_000 * 60);
        for event in bench.events() {
            settled += usize::from(matches!(event, Event::Sent | Event::Unsent(_)));
        }
        prop_assert_eq!(settled, sent);
        prop_assert!(!bench.line.is_busy() && bench.line.deadline().is_none());
    }
}
