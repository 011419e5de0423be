//! A serial line's frames: however the bytes are cut, and wherever the line falls silent, the events are the same.
//!
//! The input is the line as bytes, in which `0xF5` and a byte after it stand for what the shell says: the line was
//! silent, a frame took too long, the line ended.

use gurney::wire::mllp::{Decoder, Event, encode};

use super::{Input, cut, messages};

const MARK: u8 = 0xf5;

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let ends: [&[u8]; 4] = [b"", &[MARK, 0], &[MARK, 1, b'\n'], &[MARK, 2]];
    messages().iter().zip(ends.iter().cycle()).map(|(message, end)| seed(message, end)).collect()
}

fn seed(message: &[u8], end: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x80, 0xff, b'\0', b'\n'];
    encode(&mut bytes, message);
    bytes.extend_from_slice(end);
    bytes.extend_from_slice(b"\x0bMSH|^~\\&|NEXT\r\x1c");
    bytes.extend_from_slice(&[MARK, 0]);
    bytes
}

pub(super) fn run(data: &[u8]) {
    let mut input = Input(data);
    let cuts = input.byte();
    let frame_max = 32 + usize::from(input.byte()) * 16;
    let steps = steps(input.rest());
    let whole = play(frame_max, &steps, |bytes| vec![bytes]);
    assert!(whole == play(frame_max, &steps, |bytes| bytes.chunks(1).collect()), "byte by byte it reads otherwise");
    assert!(whole == play(frame_max, &steps, |bytes| cut(bytes, cuts).collect()), "in pieces it reads otherwise");
}

enum Step<'a> {
    Bytes(&'a [u8]),
    Idle,
    Expire,
    Finish,
}

fn steps(mut rest: &[u8]) -> Vec<Step<'_>> {
    let mut steps = Vec::new();
    while !rest.is_empty() {
        let length = rest.iter().position(|byte| *byte == MARK).unwrap_or(rest.len());
        let (bytes, after) = rest.split_at(length);
        steps.push(Step::Bytes(bytes));
        steps.extend(after.get(1).map(|what| match what % 3 {
            0 => Step::Idle,
            1 => Step::Expire,
            _ => Step::Finish,
        }));
        rest = after.get(2..).unwrap_or_default();
    }
    steps
}

fn play<'a>(frame_max: usize, steps: &[Step<'a>], cut: impl Fn(&'a [u8]) -> Vec<&'a [u8]>) -> Vec<Event> {
    let mut decoder = Decoder::new(frame_max);
    let mut events = Vec::new();
    for step in steps {
        match step {
            Step::Bytes(bytes) => {
                for piece in cut(bytes) {
                    decoder.push(piece);
                    events.extend(decoder.by_ref());
                }
            }
            Step::Idle => events.extend(silence(&mut decoder)),
            Step::Expire => decoder.expire(),
            Step::Finish => decoder.finish(),
        }
        events.extend(decoder.by_ref());
    }
    events
}

/// A silence changes something only where the decoder waits for one.
fn silence(decoder: &mut Decoder) -> Vec<Event> {
    let awaited = decoder.awaits_idle();
    decoder.idle();
    let events: Vec<Event> = decoder.by_ref().collect();
    assert!(awaited || events.is_empty(), "an event out of a silence that was not awaited");
    assert!(!decoder.awaits_idle(), "a silence that is awaited after it came");
    events
}
