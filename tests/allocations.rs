//! What it costs in memory to take a message: a bounded number of allocations, however many fields it has, and no more bytes
//! at once than a few times its size. Counted by an allocator, per thread.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::sync::Arc;

use allocation_counter::{AllocationInfo, measure};
use gurney::{
    flow::{self, Flows, Original, Verdict},
    hl7::Index,
    ids::JournalId,
    mapping::Registry,
    settings::{self, AckMode, Known},
    units::Timestamp,
    wire::{
        Event, Line,
        mllp::{self, MllpLine},
    },
};

const SITE: &str = include_str!("../config/sites/loopback/gurney.toml");
const NOW: Timestamp = Timestamp(1_772_359_200_000);

/// A link with a raw flow for everything.
struct Link {
    flows: Flows,
    index: Index,
}

impl Link {
    fn new() -> Self {
        let files = [("site.toml".to_owned(), SITE.to_owned())];
        let checked = settings::read(&files, &Known::nothing(Timestamp(0))).unwrap_or_else(|faults| panic!("{faults}"));
        let registry = Registry::builtin().unwrap_or_else(|faults| panic!("{faults:?}"));
        Self { flows: Flows::new(&checked.settings, Arc::new(registry)), index: Index::new() }
    }

    /// Takes a message as a link does, from understanding it to its answer.
    fn take(&mut self, raw: &[u8]) {
        let understood = self.flows.understand(0, NOW, raw, &mut self.index);
        assert_eq!(understood.routes.len(), 1, "it is passed through");
        let original =
            Original { journal: JournalId(4711), received_at: NOW, verdict: Verdict::Accept, expected: None };
        let answer = flow::reply(raw, &mut self.index, AckMode::Auto, &original, &self.flows.zone(0)).unwrap();
        assert!(answer.bytes.windows(6).any(|window| window == b"MSA|AA"));
    }

    /// What it costs once room that is used again is there.
    fn cost(&mut self, raw: &[u8]) -> AllocationInfo {
        self.take(raw);
        measure(|| self.take(raw))
    }
}

/// A message whose last segment has so many fields, each with so many components.
fn message(fields: usize, components: usize) -> Vec<u8> {
    let mut raw = b"MSH|^~\\&|LANTERN|HARBOUR|GURNEY|BOX|20260301||ORU^R01|1|P|2.5.1\rOBX|1|ST|X||".to_vec();
    for field in 0..fields {
        raw.push(b'|');
        for component in 0..components {
            raw.extend(format!("{field}^{component}&~").bytes());
        }
    }
    raw.push(b'\r');
    raw
}

#[test]
fn allocates_no_more_for_more_fields() {
    let mut link = Link::new();
    let few = link.cost(&message(1, 1));
    for (fields, components) in [(10, 1), (1000, 1), (10, 100), (2000, 20)] {
        let many = link.cost(&message(fields, components));
        assert_eq!(many.count_total, few.count_total, "{fields} fields of {components} components");
    }
}

#[test]
fn holds_a_large_message_a_bounded_number_of_times() {
    let mut link = Link::new();
    for size in [1_usize << 20, 16 << 20] {
        let raw = [message(1, 1), b"OBX|2|ED|X||".to_vec(), vec![b'A'; size - 200], b"\r".to_vec()].concat();
        let mut frame = Vec::new();
        mllp::encode(&mut frame, &raw);
        let mut taken = Vec::new();
        let framing = measure(|| {
            let mut line = MllpLine::new(mllp::Options::default());
            for bytes in frame.chunks(64 << 10) {
                line.receive(NOW, bytes);
            }
            let Some(Event::Frame(payload)) = line.next() else { panic!("no frame of {size} bytes") };
            taken = payload;
        });
        assert!(taken == raw);
        let taking = link.cost(&raw);
        let most = u64::try_from(size).unwrap() * 3;
        assert!(framing.bytes_max <= most, "{} bytes to frame {size}", framing.bytes_max);
        assert!(taking.bytes_max <= 64 << 10, "{} bytes to take {size}", taking.bytes_max);
    }
}
