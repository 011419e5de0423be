//! How fast maps turn messages into Bundles, on one thread: `cargo bench --bench map`.
//!
//! The messages are those of `tests/corpus/transport` that become a job, and the admissions (ADT^A01) of
//! `tests/corpus/record`, read from disk before the clock starts. Each pass parses, indexes, prepares and (in the second
//! figure) renders every one of them; the passes of all measures take turns, so that what else the machine does slows
//! all alike. Beside them stands the making of a plain tree of the same messages with serde_json, every field a string:
//! the cheapest JSON that says all that the message says and means nothing.

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

/// Rounds in which every measure has a turn.
const ROUNDS: u32 = 8;

/// The length of a turn.
const TURN: Duration = Duration::from_millis(400);

/// Makes of a message what is measured, and says its size.
type Make<'m> = Box<dyn Fn(&[u8], &mut Index) -> Option<usize> + 'm>;

struct Measure<'m> {
    name: &'static str,
    messages: &'m [Vec<u8>],
    made: Make<'m>,
    count: u64,
    bytes: usize,
    seconds: f64,
}

fn main() {
    let (jobs, admissions, fullest) =
        (corpus("transport", ""), corpus("record", "-a01-"), corpus("record", "01-a01-admit"));
    let registry = Registry::builtin().unwrap();
    let (transport, adt) = (registry.get("transport", 1).unwrap(), registry.get("adt", 1).unwrap());
    let zone = TimeZone::get("America/New_York").unwrap();
    let context = Context {
        site: "bench",
        zone: &zone,
        encoding: None,
        received_at: Timestamp(0),
        source_hash: [7; 32],
        dialect: STANDARD,
    };
    let map = |map: &'static str, renders: bool| {
        let (map, context) = (if map == "adt" { adt } else { transport }, &context);
        Box::new(move |raw: &[u8], index: &mut Index| {
            index.parse(raw).unwrap();
            let Ok(Outcome::Send(prepared)) = black_box(map.prepare(&index.message(raw), context)) else {
                return None;
            };
            Some(if renders { black_box(prepared.render()).len() } else { 0 })
        })
    };
    let measure = |name, messages, made| Measure { name, messages, made, count: 0, bytes: 0, seconds: 0.0 };
    let mut measures = [
        measure("transport@1, parse and prepare", jobs.as_slice(), map("transport", false) as Make<'_>),
        measure("transport@1, parse, prepare and render", &jobs, map("transport", true)),
        measure("adt@1 on ADT^A01, parse and prepare", &admissions, map("adt", false)),
        measure("adt@1 on ADT^A01, parse, prepare and render", &admissions, map("adt", true)),
        measure("adt@1 on the fullest ADT^A01, parse, prepare and render", &fullest, map("adt", true)),
        measure("ADT^A01 as a plain tree of serde_json", &admissions, Box::new(plain)),
    ];
    let mut index = Index::new();
    for _ in 0..ROUNDS {
        measures.iter_mut().for_each(|measure| measure.turn(&mut index));
    }
    for Measure { name, count, bytes, seconds, .. } in measures {
        let (rate, size) = (count as f64 / seconds, bytes as f64 / count as f64);
        println!("{name}: {rate:.0} messages/s, {:.1} MB/s out, {size:.0} bytes each", bytes as f64 / seconds / 1e6);
    }
}

impl Measure<'_> {
    #[expect(clippy::disallowed_methods, reason = "a bench measures time")]
    fn turn(&mut self, index: &mut Index) {
        let start = Instant::now();
        while start.elapsed() < TURN {
            for raw in self.messages {
                if let Some(bytes) = (self.made)(raw, index) {
                    self.count += 1;
                    self.bytes += bytes;
                }
            }
        }
        self.seconds += start.elapsed().as_secs_f64();
    }
}

/// Segments, fields and repetitions as arrays of strings.
fn plain(raw: &[u8], index: &mut Index) -> Option<usize> {
    index.parse(raw).unwrap();
    let message = index.message(raw);
    let charset = message.charset(None);
    let segments = message.segments().map(|segment| {
        let fields = (1..=segment.field_count()).map(|number| {
            let repetitions = segment.field(number).repetitions();
            repetitions.map(|one| one.value().text(&charset).into_owned()).collect::<serde_json::Value>()
        });
        let name = String::from_utf8_lossy(segment.name()).into_owned();
        serde_json::json!({ "segment": name, "fields": fields.collect::<Vec<_>>() })
    });
    let tree: serde_json::Value = segments.collect();
    Some(black_box(serde_json::to_vec(&tree).unwrap()).len())
}

/// The messages of a corpus that become a Bundle and whose name has this part.
fn corpus(name: &str, part: &str) -> Vec<Vec<u8>> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(name);
    let cases = fs::read_dir(corpus).unwrap().map(|case| case.unwrap().path());
    let mut becoming: Vec<_> = cases
        .filter(|case| case.to_string_lossy().contains(part) && case.join("out.json").try_exists().unwrap())
        .collect();
    becoming.sort_unstable();
    assert!(!becoming.is_empty(), "no messages in {name}");
    becoming.into_iter().map(|case| fs::read(case.join("in.hl7")).unwrap()).collect()
}
