//! How fast messages are read: `cargo bench --bench parse`.
//!
//! On the corpus, on one thread: index every message and read its header, patient and visit, against a bare scan for
//! separators in the same run (the floor), with the acknowledgement built, and as a link does it: understood for the
//! flows of a site (routes, hashes, character set) and answered. Then a result with 200 KB of base64 on the same way. Then one message of 1 to 16 MiB, whole
//! and as a frame in pieces of 64 KiB and of one byte, to show that twice the bytes take twice the time. Plain
//! `std::time`; the best of several rounds counts, since other work on the machine only ever adds time.
#![allow(clippy::print_stdout, clippy::cast_precision_loss, clippy::disallowed_methods, clippy::panic, missing_docs)]

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use gurney::{
    flow::{self, Flows, Original, Verdict},
    hl7::{Index, ack},
    ids::JournalId,
    mapping::Registry,
    settings::{self, AckMode, Known},
    units::Timestamp,
    wire::mllp::{self, Decoder},
};

#[path = "../tests/corpus/hl7.rs"]
mod corpus;

const ROUNDS: usize = 15;
const PASSES: usize = 200;

fn main() {
    let messages: Vec<&[u8]> = corpus::CORPUS.iter().map(|(_, raw)| *raw).collect();
    let bytes: usize = messages.iter().map(|raw| raw.len()).sum();
    println!("{} messages, {} bytes on average", messages.len(), bytes / messages.len());
    let floor = rate("scan for CR and | only", &messages, scan);
    let mut index = Index::new();
    let index_only = rate("index", &messages, |raw| usize::from(index.parse(raw).is_ok()));
    let access = rate("index + MSH, PID, PV1", &messages, |raw| read(&mut index, raw));
    let answer = rate("index + acknowledgement", &messages, |raw| acknowledge(&mut index, raw));
    println!(
        "of the floor: index {:.2}, access {:.2}, answer {:.2}",
        index_only / floor,
        access / floor,
        answer / floor
    );
    let verdict = if access >= 100_000.0 { "held" } else { "MISSED" };
    println!("at least 100000 messages/s with access: {verdict}");
    let link = Link::new();
    let way = rate("parse + route + ACK", &messages, |raw| link.take(&mut index, raw));
    let verdict = |held: bool| if held { "held" } else { "MISSED" };
    println!("at least 200000 messages/s indexed: {}", verdict(index_only >= 200_000.0));
    println!("at least 60000 messages/s parsed, routed, answered: {}", verdict(way >= 60_000.0));
    let result = large(200_000, b"JVBERi0xLjQKJcfs");
    let took = best_of(50, || assert!(link.take(&mut index, &result) > 0));
    let held = took < Duration::from_millis(5);
    println!("ORU of 200 KB base64, the same way: {:.3} ms, under 5 ms: {}", took.as_secs_f64() * 1e3, verdict(held));
    linearity();
    let twice = |index: &mut Index, size: usize| {
        let raw = large(size << 20, b"NTE|1|L|a^b&c~d&e^f|20260301101500|||x~y|and some more words\rOBX|");
        best_of(5, || assert!(link.take(index, &raw) > 0)).as_secs_f64()
    };
    let ratios: Vec<f64> =
        [1, 2, 4, 8].iter().map(|size| twice(&mut index, size * 2) / twice(&mut index, *size)).collect();
    let worst = ratios.iter().copied().fold(0.0, f64::max);
    println!(
        "twice the bytes up to 16 MiB take at most {worst:.2} times the time, at most 2.2: {}",
        verdict(worst <= 2.2)
    );
}

/// A link of a site with one raw flow for everything, and its answers.
struct Link {
    flows: Flows,
    zone: jiff::tz::TimeZone,
}

const SITE: &str = include_str!("../config/sites/loopback/gurney.toml");

impl Link {
    fn new() -> Self {
        let files = [("bench.toml".to_owned(), SITE.to_owned())];
        let checked = settings::read(&files, &Known::nothing(Timestamp(0))).unwrap_or_else(|faults| panic!("{faults}"));
        let registry = Registry::builtin().unwrap_or_else(|faults| panic!("{faults:?}"));
        let flows = Flows::new(&checked.settings, Arc::new(registry));
        Self { zone: flows.zone(0), flows }
    }

    fn take(&self, index: &mut Index, raw: &[u8]) -> usize {
        let now = Timestamp(1_772_359_200_000);
        let understood = self.flows.understand(0, now, raw, index);
        let verdict = if understood.is_answer { Verdict::Silent } else { Verdict::Accept };
        let original = Original { journal: JournalId(4711), received_at: now, verdict, expected: None };
        let answer = flow::reply(raw, index, AckMode::Auto, &original, &self.zone);
        understood.routes.len() + answer.map_or(0, |reply| reply.bytes.len())
    }
}

/// Runs `work` over all messages and gives messages per second of the best round.
fn rate(name: &str, messages: &[&[u8]], mut work: impl FnMut(&[u8]) -> usize) -> f64 {
    let best = best_of(ROUNDS, || {
        for _ in 0..PASSES {
            for raw in messages {
                black_box(work(black_box(raw)));
            }
        }
    });
    let count = (messages.len() * PASSES) as f64;
    let bytes: usize = messages.iter().map(|raw| raw.len()).sum();
    let per_second = count / best.as_secs_f64();
    let megabytes = (bytes * PASSES) as f64 / best.as_secs_f64() / 1e6;
    println!("{name:<28} {per_second:>10.0} messages/s {megabytes:>8.0} MB/s");
    per_second
}

fn best_of(rounds: usize, mut work: impl FnMut()) -> Duration {
    let timed = (0..rounds).map(|_| {
        let start = Instant::now();
        work();
        start.elapsed()
    });
    timed.min().unwrap_or_default()
}

fn scan(raw: &[u8]) -> usize {
    memchr::memchr2_iter(b'\r', b'|', raw).count()
}

fn read(index: &mut Index, raw: &[u8]) -> usize {
    if index.parse(raw).is_err() {
        return 0;
    }
    let message = index.message(raw);
    let kind = message.message_type();
    let mut total = kind.code.len() + kind.trigger.len() + message.control_id().len() + message.version().len();
    total += message.sending_application().len() + message.sending_facility().len();
    if let Some(patient) = message.segment("PID") {
        for identifier in patient.field(3).repetitions() {
            total += identifier.component(1).bytes().len() + identifier.component(4).bytes().len();
        }
        let name = patient.field(5);
        total += name.component(1).bytes().len() + name.component(2).bytes().len();
        total += patient.field(7).bytes().len() + patient.field(8).bytes().len();
    }
    if let Some(visit) = message.segment("PV1") {
        let place = visit.field(3);
        total += place.component(1).bytes().len() + place.component(2).bytes().len() + place.component(4).bytes().len();
        total += visit.field(2).bytes().len() + visit.field(19).component(1).bytes().len();
        total += visit.field(36).bytes().len() + visit.field(44).bytes().len();
    }
    total
}

fn acknowledge(index: &mut Index, raw: &[u8]) -> usize {
    if index.parse(raw).is_err() {
        return 0;
    }
    let stamp = ack::Stamp { at: "20260301101501.250+0100", control_id: "G0000001" };
    ack::build(&index.message(raw), &stamp, ack::Code::Ca, None).len()
}

/// Times for one large message, per MiB; a rising figure would mean more than linear work.
fn linearity() {
    println!(
        "{:>6} {:>16} {:>16} {:>16} {:>16}",
        "MiB", "index base64", "index fields", "frame 64 KiB", "frame 1 byte"
    );
    for size in [1, 2, 4, 8, 16] {
        let base64 = large(size << 20, b"JVBERi0xLjQKJcfs");
        let fields = large(size << 20, b"NTE|1|L|a^b&c~d&e^f|20260301101500|||x~y|and some more words\rOBX|");
        let mut frame = Vec::new();
        mllp::encode(&mut frame, &base64);
        let mut index = Index::new();
        let per_mib = |time: Duration| format!("{:.0} us/MiB", time.as_secs_f64() * 1e6 / size as f64);
        println!(
            "{size:>6} {:>16} {:>16} {:>16} {:>16}",
            per_mib(best_of(5, || assert!(index.parse(&base64).is_ok()))),
            per_mib(best_of(5, || assert!(index.parse(&fields).is_ok()))),
            per_mib(best_of(5, || decode(&frame, 64 << 10))),
            per_mib(best_of(2, || decode(&frame, 1))),
        );
    }
}

/// A message with one segment that repeats `filler` up to `bytes`.
fn large(bytes: usize, filler: &[u8]) -> Vec<u8> {
    let mut raw = b"MSH|^~\\&|A|B|C|D|20260301||ORU^R01|1|P|2.5.1\rOBX|1|ED|X||".to_vec();
    let missing = bytes.saturating_sub(raw.len() + 1);
    raw.extend(filler.iter().cycle().take(missing));
    raw.push(b'\r');
    raw
}

fn decode(frame: &[u8], piece: usize) {
    let mut decoder = Decoder::new(16 << 20);
    for bytes in frame.chunks(piece) {
        decoder.push(bytes);
    }
    assert_eq!(decoder.by_ref().count(), 1);
}
