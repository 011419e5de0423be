//! How fast messages are read: `cargo bench --bench parse`.
//!
//! On the corpus, on one thread: index every message and read its header, patient and visit, against a bare scan for
//! separators in the same run (the floor), and with the acknowledgement built. Then one message of 1 to 16 MiB, whole
//! and as a frame in pieces of 64 KiB and of one byte, to show that twice the bytes take twice the time. Plain
//! `std::time`; the best of several rounds counts, since other work on the machine only ever adds time.
#![allow(clippy::print_stdout, clippy::cast_precision_loss, clippy::disallowed_methods, missing_docs)]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use gurney::{
    hl7::{Index, ack},
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
    linearity();
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
