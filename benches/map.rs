//! How fast transport@1 turns messages into Bundles, on one thread: `cargo bench --bench map`.
//!
//! The messages are those of `tests/corpus/transport` that become a Bundle, read from disk before the clock starts.
//! Each pass parses, indexes, prepares and (in the second figure) renders every one of them.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::cast_precision_loss, missing_docs)]

use std::{
    fs,
    hint::black_box,
    path::Path,
    time::{Duration, Instant},
};

use gurney::{
    hl7::Index,
    mapping::{Context, Outcome, Registry, STANDARD},
    units::Timestamp,
};
use jiff::tz::TimeZone;

const PASS: Duration = Duration::from_secs(2);

#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
fn main() {
    let messages = messages();
    let registry = Registry::builtin().unwrap();
    let map = registry.get("transport", 1).unwrap();
    let zone = TimeZone::get("America/New_York").unwrap();
    let context = Context {
        site: "bench",
        zone: &zone,
        encoding: None,
        received_at: Timestamp(0),
        source_hash: [7; 32],
        dialect: STANDARD,
    };
    let mut index = Index::new();
    for renders in [false, true] {
        let (mut count, mut bytes) = (0_u64, 0_usize);
        let start = Instant::now();
        while start.elapsed() < PASS {
            for raw in &messages {
                index.parse(raw).unwrap();
                if let Ok(Outcome::Send(prepared)) = black_box(map.prepare(&index.message(raw), &context)) {
                    count += 1;
                    bytes += if renders { black_box(prepared.render()).len() } else { 0 };
                }
            }
        }
        let seconds = start.elapsed().as_secs_f64();
        let what = if renders { "parse, prepare and render" } else { "parse and prepare" };
        println!(
            "{what}: {:.0} messages/s, {:.1} MB/s of Bundles",
            count as f64 / seconds,
            bytes as f64 / seconds / 1e6
        );
    }
}

fn messages() -> Vec<Vec<u8>> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/transport");
    let cases = fs::read_dir(corpus).unwrap().map(|case| case.unwrap().path());
    let becoming = cases.filter(|case| case.join("out.json").try_exists().unwrap());
    becoming.map(|case| fs::read(case.join("in.hl7")).unwrap()).collect()
}
