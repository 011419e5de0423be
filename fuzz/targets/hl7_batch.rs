//! Batches: every message is somewhere in exactly one batch, nothing is lost between them, and the answer is one batch.

use gurney::{
    hl7::{
        ack::Stamp,
        batch::{Batch, acknowledge},
    },
    units::limits,
};

use super::messages;

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let messages = messages();
    let (first, second) = (&*messages[0], &*messages[1]);
    let header: &[u8] = b"BHS|^~\\&|LAB|GH|GW|IN|20260301||nightly||B7\r";
    vec![
        first.to_vec(),
        [first, second].concat(),
        [header, first, second, b"BTS|2\r"].concat(),
        [b"FHS|^~\\&|LAB\r", header, first, b"BTS|7\r", header, second, b"BTS|x\rFTS|9\r"].concat(),
        [b"BTS|1\rFTS\r\n\xef\xbb\xbfstray\r", first, header, header, b"FHS|^~\\&\r"].concat(),
        header.repeat(40),
    ]
}

pub(super) fn run(raw: &[u8]) {
    let batch = Batch::read(raw);
    let mut at = 0;
    for message in &batch.messages {
        assert!(message.start >= at && message.start < message.end && message.end <= raw.len(), "messages overlap");
        at = message.end;
    }
    let mut next = 0;
    for envelope in &batch.envelopes {
        assert!(
            envelope.messages.start == next && envelope.messages.end >= next,
            "a message in two batches or in none"
        );
        next = envelope.messages.end;
        assert!(envelope.control_id(raw).len() <= raw.len() && envelope.file_control_id(raw).len() <= raw.len());
        for header in [&envelope.file_header, &envelope.header].into_iter().flatten() {
            assert!(raw[header.clone()].get(1..3) == Some(b"HS"), "a header elsewhere");
        }
    }
    assert!(
        batch.envelopes.is_empty()
            || next == batch.messages.len()
            || batch.envelopes.len() >= limits::BATCH_ENVELOPES_MAX
    );
    assert!(batch.findings.len() <= limits::BATCH_FINDINGS_MAX);
    assert!(
        batch.findings.iter().all(|finding| finding.place.start <= finding.place.end && finding.place.end <= raw.len())
    );
    for message in batch.messages.iter().skip(1).take(20) {
        let alone = Batch::read(&raw[message.clone()]).messages;
        assert!(alone.len() == 1 && alone[0] == (0..message.len()), "a message is not one");
    }
    answers(raw, &batch);
}

fn answers(raw: &[u8], batch: &Batch) {
    let stamp = Stamp { at: "20260301101501", control_id: "GW7" };
    let made = acknowledge(raw, batch, &stamp, &[b"MSH|^~\\&|GW\rMSA|AA|1\r".to_vec()]);
    let read = Batch::read(&made);
    assert!(read.is_enveloped && read.messages.len() == 1 && read.envelopes.len() == 1, "the answer is not one batch");
    assert!(read.findings.is_empty(), "{:?}", read.findings);
    assert!(made.iter().all(|byte| *byte == b'\r' || !byte.is_ascii_control()), "a control character");
}
