//! Bad input of classes A and I at every machine: no panic, no hang, bounded memory, nothing positive for what was not handed
//! over and answered, and a good message behind each is taken.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::disallowed_methods)]

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::{
    bench::{Bench, taken},
    mllp::{MllpLine, Release, Wide},
    *,
};
use crate::{
    units::limits,
    wire_bad::{Case, Fault, Step, Wire, frames, lines},
};

const BOUNDS: Bounds = Bounds { frame_max: 20_000, frame_timeout: Duration::from_secs(30), gap_max: None };

/// Generous: a bound against work that grows out of hand, in an unoptimised build on a busy machine.
const HANG: Duration = Duration::from_secs(20);

const REPLY: &[u8] = b"GOOD-REPLY";

/// One machine, and what is known of its protocol.
struct Kind {
    name: &'static str,
    make: Box<dyn Fn() -> Box<dyn Line>>,
    /// What it writes when it has taken a message; nothing where the protocol has no such thing.
    positive: &'static [u8],
    /// What is said to its frames.
    replies: &'static [&'static [u8]],
    resync: Resync,
    damage: Damage,
    ends: [&'static [u8]; 2],
    marks: &'static [u8],
}

/// What a machine needs before it takes a good frame again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Resync {
    /// Nothing: the frame's begin says it.
    AtOnce,
    /// Silence.
    Silence,
}

/// What a protocol does about a damaged payload.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Damage {
    /// It cannot tell.
    Unseen,
    /// It has a check.
    Seen,
}

fn mllp_kind(name: &'static str, release: Release, wide: Wide, positive: &'static [u8]) -> Kind {
    let options = mllp::Options { bounds: BOUNDS, release, wide, ..mllp::Options::default() };
    Kind {
        name,
        make: Box::new(move || Box::new(MllpLine::new(options))),
        positive,
        replies: if release == Release::One { &[REPLY] } else { &[] },
        resync: if wide == Wide::No { Resync::AtOnce } else { Resync::Silence },
        damage: Damage::Unseen,
        ends: match wide {
            Wide::No => [b"\x0b", b"\x1c\r"],
            Wide::Utf16Le => [b"\x0b\0", b"\x1c\0\r\0"],
            Wide::Utf16Be => [b"\0\x0b", b"\0\x1c\0\r"],
        },
        marks: b"\x0b\x1c\r\n\0\x06\x15",
    }
}

fn text_kind(name: &'static str, options: text::Options, ends: [&'static [u8]; 2]) -> Kind {
    Kind {
        name,
        positive: if options.reply == text::Reply::None { b"" } else { b"\x06" },
        replies: &[],
        resync: if options.start.is_some() && options.check.is_none() { Resync::AtOnce } else { Resync::Silence },
        // Without a start mark lines are joined, which a check of eight bits accepts once in 256 times.
        damage: if options.check.and(options.start).is_some() { Damage::Seen } else { Damage::Unseen },
        make: Box::new(move || Box::new(text::TextLine::new(options.clone()))),
        ends,
        marks: b"\x01\x02\x03\r\n\x06\x15",
    }
}

fn kinds() -> Vec<Kind> {
    let check = |algorithm, form, place| {
        let (start, end) = (text::Span::Excluded, text::Span::Included);
        Some(text::Check { algorithm, form, place, start, end })
    };
    let line = text::Options {
        bounds: BOUNDS,
        reply: text::Reply::AckNak { ack: 0x06, nak: 0x15 },
        ..text::Options::default()
    };
    let crlf = text::Options { start: None, end: text::End::CRLF, ..line.clone() };
    let hllp_options = hllp::Options { bounds: BOUNDS, ..hllp::Options::default() };
    let lis01_options = lis01::Options::new(lis01::Role::Host, BOUNDS.frame_max);
    vec![
        mllp_kind("MLLP 1", Release::One, Wide::No, REPLY),
        mllp_kind("MLLP 2", Release::Two, Wide::No, b"\x0b\x06\x1c\r"),
        mllp_kind("MLLP in UTF-16LE", Release::One, Wide::Utf16Le, REPLY),
        mllp_kind("MLLP in UTF-16BE", Release::One, Wide::Utf16Be, REPLY),
        Kind {
            name: "HLLP",
            make: Box::new(move || Box::new(hllp::Hllp::new(hllp_options))),
            positive: REPLY,
            replies: &[REPLY],
            resync: Resync::Silence,
            damage: Damage::Seen,
            ends: [b"\x0bD21\r", b"\x1c\r"],
            marks: b"\x0b\x1c\r\n\0DN0",
        },
        Kind {
            name: "LIS01",
            make: Box::new(move || Box::new(lis01::Lis01::new(lis01_options))),
            positive: b"\x06",
            replies: &[],
            resync: Resync::Silence,
            damage: Damage::Seen,
            ends: [b"\x05\x021", b"\r\n\x04"],
            marks: b"\x02\x03\x04\x05\x06\x15\x17\r\n",
        },
        text_kind("lines from STX to ETX", line.clone(), [b"\x02", b"\x03"]),
        text_kind("lines one way", text::Options { reply: text::Reply::None, ..line.clone() }, [b"\x02", b"\x03"]),
        text_kind("lines to CR LF", crlf.clone(), [b"", b"\r\n"]),
        text_kind(
            "lines with a check in digits",
            text::Options {
                check: check(text::Algorithm::Twos, text::Form::Hex, text::Place::BeforeEnd),
                ..line.clone()
            },
            [b"\x02", b"\x03"],
        ),
        text_kind(
            "lines with a check of one byte",
            text::Options { check: check(text::Algorithm::Sum8, text::Form::Byte, text::Place::AfterEnd), ..line },
            [b"\x02", b"\x03"],
        ),
        text_kind(
            "lines to CR LF with a check",
            text::Options { check: check(text::Algorithm::Sum8, text::Form::Hex, text::Place::AfterEnd), ..crlf },
            [b"", b"\r\n"],
        ),
    ]
}

/// Whether the protocol acknowledges parts of a message, which promises nothing.
fn acknowledges_parts(kind: &Kind) -> bool {
    kind.name == "LIS01"
}

impl Kind {
    fn bench(&self) -> Bench {
        Bench { line: (self.make)(), now: 0 }
    }

    fn payload(&self, number: usize) -> Vec<u8> {
        match self.name {
            "LIS01" => format!("H|\\^&|{number}\rR|1|5.8|mmol\rL|1|N\r").into_bytes(),
            "MLLP in UTF-16LE" => format!("MSH|{number}\r").encode_utf16().flat_map(u16::to_le_bytes).collect(),
            "MLLP in UTF-16BE" => format!("MSH|{number}\r").encode_utf16().flat_map(u16::to_be_bytes).collect(),
            _ => format!("MSH|^~\\&|SHAM|{number}|unit 7|on scene").into_bytes(),
        }
    }

    /// What a good sender writes.
    fn encode(&self, payload: &[u8]) -> Vec<u8> {
        let mut sender = self.bench();
        sender.send(payload);
        let mut stream = sender.line.transmit();
        while acknowledges_parts(self) && stream.last() != Some(&0x04) {
            sender.receive(b"\x06");
            stream.extend(sender.line.transmit());
        }
        stream
    }

    /// Cut where a sender would wait for an answer.
    fn turns<'a>(&self, bytes: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        let cuts_turns = acknowledges_parts(self);
        bytes.split_inclusive(move |byte| cuts_turns && matches!(byte, b'\n' | 0x05))
    }
}

/// What a shell does with frames.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shell {
    /// It takes every one.
    Takes,
    /// It has no time for any.
    Stands,
}

/// A machine with a shell, and its books.
struct Run<'a> {
    kind: &'a Kind,
    shell: Shell,
    bench: Bench,
    handed_over: Vec<Vec<u8>>,
    /// Frames that were answered.
    answered: usize,
    /// Positive acknowledgements that were written.
    told: usize,
    pushed: u64,
    kept: u64,
}

impl<'a> Run<'a> {
    fn new(kind: &'a Kind, shell: Shell) -> Self {
        Self { kind, shell, bench: kind.bench(), handed_over: Vec::new(), answered: 0, told: 0, pushed: 0, kept: 0 }
    }

    fn step(&mut self, step: &Step) {
        self.pushed += u64::from(matches!(step, Step::Fault(_)));
        match step {
            Step::Bytes(bytes) => return self.receive(bytes),
            Step::Fault(fault) => self.bench.damaged(match fault {
                Fault::Parity => LineFault::Parity,
                Fault::Framing => LineFault::Framing,
                Fault::Overrun => LineFault::Overrun,
            }),
            Step::Silence(milliseconds) => self.bench.wait(*milliseconds),
        }
        self.settle();
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.pushed += bytes.len() as u64;
        for turn in self.kind.turns(bytes) {
            self.bench.receive(turn);
            self.settle();
        }
    }

    /// Does what a shell does, and checks what the machine says.
    fn settle(&mut self) {
        let waiting = self.handed_over.len() - self.answered;
        self.write(waiting);
        for event in self.bench.events() {
            match event {
                Event::Frame(payload) => {
                    self.kept += payload.len() as u64;
                    self.handed_over.push(payload);
                }
                Event::Noise { bytes, count, .. } => {
                    let is_dropped_text = acknowledges_parts(self.kind) && bytes.len() <= BOUNDS.frame_max;
                    assert!(bytes.len() <= limits::SKIPPED_BYTES_KEPT || is_dropped_text);
                    assert!(bytes.len() as u64 <= count);
                    self.kept += bytes.len() as u64;
                }
                Event::Count(_) => {}
                Event::Sent | Event::Unsent(_) => panic!("nothing was sent"),
            }
        }
        // A session of LIS01 gives text once more if it had no end.
        assert!(self.kept <= 2 * self.pushed, "more is kept than came");
        while self.shell == Shell::Takes && self.answered < self.handed_over.len() {
            self.bench.answer(taken(self.kind.replies));
            self.answered += 1;
            self.write(0);
        }
    }

    /// Counts what was written while so many frames waited for their answer.
    fn write(&mut self, waiting: usize) {
        let written = self.bench.line.transmit();
        if self.kind.positive.is_empty() {
            return assert!(written.is_empty(), "one way");
        }
        let told = memchr::memmem::find_iter(&written, self.kind.positive).count();
        if acknowledges_parts(self.kind) {
            assert!(waiting == 0 || told == 0, "INV-01");
            return;
        }
        self.told += told;
        assert!(self.told <= self.answered, "INV-01");
    }
}

fn bear(kind: &Kind, case: &Case, payloads: &[Vec<u8>; 2]) {
    for shell in [Shell::Takes, Shell::Stands] {
        let mut run = Run::new(kind, shell);
        case.steps.iter().for_each(|step| run.step(step));
        if shell == Shell::Stands {
            run.step(&Step::Silence(120_000));
            continue;
        }
        if kind.resync == Resync::Silence {
            run.step(&Step::Silence(120_000));
        }
        let before = (run.handed_over.len(), run.told);
        let good = kind.payload(7);
        run.receive(&kind.encode(&good));
        assert_eq!(run.handed_over.last(), Some(&good), "the good frame behind it");
        assert!(kind.positive.is_empty() || acknowledges_parts(kind) || run.told > before.1, "it is told");
        if kind.damage == Damage::Seen {
            // A sum sees neither the order of bytes nor NUL.
            let is_sent = |found: &Vec<u8>| match case.name.ends_with("swapped") {
                true => payloads.iter().any(|payload| sorted(payload) == sorted(found)),
                false => payloads.contains(&without_nul(found)),
            };
            let others: Vec<_> = run.handed_over[..before.0].iter().filter(|payload| !is_sent(payload)).collect();
            // A check of eight bits and nothing else accepts one in 256 of all lines of noise.
            let likely =
                if kind.name.starts_with("lines") && case.name.contains("noise") { run.pushed / 1000 } else { 0 };
            assert!(others.len() as u64 <= likely, "damaged ones are taken: {}", others[0].escape_ascii());
        }
        run.bench.end();
    }
}

fn without_nul(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().filter(|byte| *byte != 0).collect()
}

fn sorted(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes.sort_unstable();
    bytes
}

fn survive(prefix: &str) {
    let kinds: Vec<Kind> = kinds().into_iter().filter(|kind| kind.name.starts_with(prefix)).collect();
    assert!(!kinds.is_empty());
    for kind in kinds {
        let payloads = [kind.payload(1), kind.payload(2)];
        let streams = payloads.each_ref().map(|payload| kind.encode(payload));
        let wire = Wire { frames: [&streams[0], &streams[1]], ends: kind.ends, marks: kind.marks };
        let mut counts = BTreeMap::<char, usize>::new();
        for case in frames(&wire).into_iter().chain(lines(&wire)) {
            println!("{}: {}", kind.name, case.name);
            let began = Instant::now();
            bear(&kind, &case, &payloads);
            assert!(began.elapsed() < HANG, "took {:?}", began.elapsed());
            *counts.entry(case.class()).or_default() += 1;
        }
        println!("{}: {counts:?}", kind.name);
        assert!(counts[&'A'] >= 300 && counts[&'I'] >= 80, "{}: {counts:?}", kind.name);
    }
}

#[test]
fn mllp_survives_every_bad_frame_and_every_bad_line() {
    survive("MLLP");
}

#[test]
fn hllp_survives_every_bad_frame_and_every_bad_line() {
    survive("HLLP");
}

#[test]
fn lis01_survives_every_bad_frame_and_every_bad_line() {
    survive("LIS01");
}

#[test]
fn lines_of_text_survive_every_bad_frame_and_every_bad_line() {
    survive("lines");
}
