//! MLLP: the decoder against a plain reading of the whole stream at once, its accounting, and its way back to order.

use gurney::{
    units::limits,
    wire::mllp::{Decoder, Event, encode},
};

use super::{Input, messages};

const VT: u8 = 0x0b;
const FS: u8 = 0x1c;
const CR: u8 = 0x0d;

pub(super) fn seeds() -> Vec<Vec<u8>> {
    messages().iter().map(|message| seed(message)).collect()
}

fn seed(message: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0xff];
    encode(&mut bytes, message);
    bytes
}

pub(super) fn run(data: &[u8]) {
    let mut input = Input(data);
    let frame_max = 32 + usize::from(input.byte()) * 16;
    let stream = input.rest();

    let mut decoder = Decoder::new(frame_max);
    decoder.push(stream);
    let mut events: Vec<Event> = decoder.by_ref().collect();
    decoder.finish();
    events.extend(decoder.by_ref());
    assert!(!decoder.in_frame() && !decoder.awaits_idle());

    let frames: Vec<&[u8]> = events.iter().filter_map(payload).collect();
    assert!(frames == plain_reading(stream, frame_max), "other frames than a plain reading gives");
    account(&events, stream.len());
    takes_what_follows(stream, frame_max);
}

fn payload(event: &Event) -> Option<&[u8]> {
    if let Event::Frame(payload) = event { Some(payload) } else { None }
}

/// Payloads by the rules alone: after VT, up to a VT (which begins anew) or to FS before CR, VT or the end.
fn plain_reading(stream: &[u8], frame_max: usize) -> Vec<&[u8]> {
    let mut payloads = Vec::new();
    let mut begin = None;
    let mut at = 0;
    while at < stream.len() {
        match (stream[at], begin) {
            (VT, _) => begin = Some(at + 1),
            (FS, Some(start)) if matches!(stream.get(at + 1), None | Some(&VT | &CR)) => {
                payloads.push(&stream[start..at]);
                begin = None;
            }
            _ => {}
        }
        at += 1;
    }
    payloads.retain(|payload| !payload.is_empty() && payload.len() <= frame_max);
    payloads
}

/// No byte is counted twice, and no more is kept than is allowed.
fn account(events: &[Event], stream_len: usize) {
    let mut accounted = 0;
    for event in events {
        match event {
            Event::Frame(payload) => accounted += payload.len(),
            Event::Noise { bytes, count, .. } => {
                let count = usize::try_from(*count).expect("a count of bytes that are in memory");
                assert!(bytes.len() <= limits::SKIPPED_BYTES_KEPT && bytes.len() <= count);
                accounted += if bytes.is_empty() { 0 } else { count };
            }
            other => panic!("an event that MLLP does not have: {other:?}"),
        }
    }
    assert!(accounted <= stream_len, "{accounted} bytes accounted for of {stream_len}");
}

/// Whatever came before, a good frame is taken.
fn takes_what_follows(stream: &[u8], frame_max: usize) {
    let message = b"MSH|^~\\&|PROBE\r";
    let mut frame = Vec::new();
    encode(&mut frame, message);
    let mut decoder = Decoder::new(frame_max);
    decoder.push(stream);
    decoder.push(&frame);
    let last = decoder.by_ref().last();
    assert!(last == Some(Event::Frame(message.to_vec())), "a good frame after the stream is not taken");
}
