//! Frames as they come: every row of the field's violations, every cut, sizes, and bytes at random.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use proptest::prelude::*;

use super::*;
use crate::hl7_corpus::CORPUS;

const LIMIT: usize = 4096;

/// What a test does to a decoder.
enum Step {
    Bytes(&'static [u8]),
    Idle,
    Finish,
    Expire,
}
use Step::{Bytes, Expire, Finish, Idle};

fn frame(payload: &[u8]) -> Event {
    Event::Frame(payload.to_vec())
}

fn noise(cause: Cause, bytes: &[u8], count: u64) -> Event {
    Event::Noise { cause, bytes: bytes.to_vec(), count }
}

fn play(steps: &[Step]) -> Vec<Event> {
    let mut decoder = Decoder::new(LIMIT);
    for step in steps {
        match step {
            Bytes(bytes) => decoder.push(bytes),
            Idle => decoder.idle(),
            Finish => decoder.finish(),
            Expire => decoder.expire(),
        }
    }
    decoder.by_ref().collect()
}

/// All events of `bytes` that arrive in these pieces, with the end of the stream.
fn decode<'b>(limit: usize, pieces: impl IntoIterator<Item = &'b [u8]>) -> Vec<Event> {
    let mut decoder = Decoder::new(limit);
    let mut events = Vec::new();
    for piece in pieces {
        decoder.push(piece);
        events.extend(decoder.by_ref());
    }
    decoder.finish();
    events.extend(decoder);
    events
}

fn check(cases: Vec<(&str, Vec<Step>, Vec<Event>)>) {
    for (name, steps, expected) in cases {
        let events = play(&steps);
        assert!(events == expected, "{name}: {events:?} instead of {expected:?}");
    }
}

#[test]
fn takes_plain_frames() {
    check(vec![
        ("one", vec![Bytes(b"\x0bMSH|a\r\x1c\r")], vec![frame(b"MSH|a\r")]),
        ("two at once", vec![Bytes(b"\x0ba\x1c\r\x0bb\x1c\r")], vec![frame(b"a"), frame(b"b")]),
        ("no end of the last segment", vec![Bytes(b"\x0bMSH|a\x1c\r")], vec![frame(b"MSH|a")]),
        ("LF as segment end", vec![Bytes(b"\x0bMSH|a\nPID|1\n\x1c\r")], vec![frame(b"MSH|a\nPID|1\n")]),
        ("blank lines stay inside", vec![Bytes(b"\x0ba\r\r\rb\r\n\r\n\x1c\r")], vec![frame(b"a\r\r\rb\r\n\r\n")]),
        (
            "all other bytes",
            vec![Bytes(b"\x0b\0\x01\x06\x15\x7f\x80\xff\x1c\r")],
            vec![frame(b"\0\x01\x06\x15\x7f\x80\xff")],
        ),
    ]);
}

#[test]
fn passes_over_what_stands_between_frames() {
    check(vec![
        (
            "log text before",
            vec![Bytes(b"12:00 connected\n\x0ba\x1c\r")],
            vec![noise(Cause::Garbage, b"12:00 connected\n", 16), frame(b"a")],
        ),
        (
            "NULs between",
            vec![Bytes(b"\x0ba\x1c\r\0\0\0\x0bb\x1c\r")],
            vec![frame(b"a"), noise(Cause::Padding, b"\0\0\0", 3), frame(b"b")],
        ),
        (
            "LF after each frame",
            vec![Bytes(b"\x0ba\x1c\r\n\x0bb\x1c\r\n"), Finish],
            vec![frame(b"a"), noise(Cause::Padding, b"\n", 1), frame(b"b"), noise(Cause::Padding, b"\n", 1)],
        ),
        ("blanks", vec![Bytes(b" \t\r\n\x0ba\x1c\r")], vec![noise(Cause::Padding, b" \t\r\n", 4), frame(b"a")]),
        (
            "byte order mark",
            vec![Bytes(b"\xef\xbb\xbf\x0ba\x1c\r")],
            vec![noise(Cause::ByteOrderMark, b"\xef\xbb\xbf", 3), frame(b"a")],
        ),
        (
            "byte order mark and padding, in pieces",
            vec![Bytes(b"\n\xef"), Bytes(b"\xbb"), Bytes(b"\xbf\0\x0ba\x1c\r")],
            vec![noise(Cause::ByteOrderMark, b"\n\xef\xbb\xbf\0", 5), frame(b"a")],
        ),
        (
            "end bytes without a frame",
            vec![Bytes(b"\x1c\r\x0ba\x1c\r")],
            vec![noise(Cause::Garbage, b"\x1c\r", 2), frame(b"a")],
        ),
        (
            "silence reports what was passed over",
            vec![Bytes(b"hello"), Idle, Bytes(b"\x0ba\x1c\r")],
            vec![noise(Cause::Garbage, b"hello", 5), frame(b"a")],
        ),
        ("the end does, too", vec![Bytes(b"hello"), Finish], vec![noise(Cause::Garbage, b"hello", 5)]),
        ("nothing, nothing", vec![Idle, Finish, Expire], vec![]),
    ]);
}

#[test]
fn ends_a_frame_only_when_it_has_ended() {
    let returnless = || noise(Cause::MissingReturn, b"", 0);
    let inside = |count| noise(Cause::SeparatorInside, b"", count);
    check(vec![
        ("end bytes in two reads", vec![Bytes(b"\x0ba\x1c"), Bytes(b"\r")], vec![frame(b"a")]),
        ("end bytes alone", vec![Bytes(b"\x0ba"), Bytes(b"\x1c\r")], vec![frame(b"a")]),
        (
            "next frame in place of CR",
            vec![Bytes(b"\x0ba\x1c\x0bb\x1c\r")],
            vec![frame(b"a"), returnless(), frame(b"b")],
        ),
        ("silence in place of CR", vec![Bytes(b"\x0ba\x1c"), Idle], vec![frame(b"a"), returnless()]),
        (
            "CR after the silence",
            vec![Bytes(b"\x0ba\x1c"), Idle, Bytes(b"\r\x0bb\x1c\r")],
            vec![frame(b"a"), returnless(), noise(Cause::Padding, b"\r", 1), frame(b"b")],
        ),
        ("end of stream in place of CR", vec![Bytes(b"\x0ba\x1c"), Finish], vec![frame(b"a"), returnless()]),
        ("FS inside", vec![Bytes(b"\x0ba\x1cb\x1c\r")], vec![frame(b"a\x1cb"), inside(1)]),
        ("FS twice at the end", vec![Bytes(b"\x0ba\x1c\x1c\r")], vec![frame(b"a\x1c"), inside(1)]),
        ("FS inside, cut", vec![Bytes(b"\x0ba\x1c"), Bytes(b"b"), Bytes(b"\x1c\r")], vec![frame(b"a\x1cb"), inside(1)]),
        ("FS LF is data", vec![Bytes(b"\x0ba\x1c\n"), Idle, Finish], vec![noise(Cause::Partial, b"a\x1c\n", 3)]),
        ("CR alone is data", vec![Bytes(b"\x0ba\r"), Idle, Finish], vec![noise(Cause::Partial, b"a\r", 2)]),
        ("silence inside ends nothing", vec![Bytes(b"\x0ba"), Idle, Bytes(b"b\x1c\r")], vec![frame(b"ab")]),
        (
            "the count of FS is per frame",
            vec![Bytes(b"\x0ba\x1cb\x1c\r\x0bc\x1c\r")],
            vec![frame(b"a\x1cb"), inside(1), frame(b"c")],
        ),
    ]);
}

#[test]
fn never_makes_a_frame_of_a_part() {
    check(vec![
        ("end of stream", vec![Bytes(b"\x0bMSH|a\rPID"), Finish], vec![noise(Cause::Partial, b"MSH|a\rPID", 9)]),
        ("end of stream after VT", vec![Bytes(b"\x0b"), Finish], vec![noise(Cause::Partial, b"", 0)]),
        ("too slow", vec![Bytes(b"\x0bMSH|a"), Expire], vec![noise(Cause::Timeout, b"MSH|a", 5)]),
        (
            "late rest of a slow frame",
            vec![Bytes(b"\x0bMSH|a"), Expire, Bytes(b"b\x1c\r\x0bc\x1c\r")],
            vec![noise(Cause::Timeout, b"MSH|a", 5), noise(Cause::Garbage, b"b\x1c\r", 3), frame(b"c")],
        ),
        ("nested VT", vec![Bytes(b"\x0bMSH|a\x0bb\x1c\r")], vec![noise(Cause::Restarted, b"MSH|a", 5), frame(b"b")]),
        ("VT twice", vec![Bytes(b"\x0b\x0bb\x1c\r")], vec![noise(Cause::Restarted, b"", 0), frame(b"b")]),
        ("empty", vec![Bytes(b"\x0b\x1c\r")], vec![noise(Cause::Empty, b"", 0)]),
        (
            "a new stream after the end",
            vec![Bytes(b"\x0ba"), Finish, Bytes(b"\x0bb\x1c\r")],
            vec![noise(Cause::Partial, b"a", 1), frame(b"b")],
        ),
    ]);
}

#[test]
fn drops_a_damaged_frame_up_to_its_end() {
    for (before, after, expected) in [
        (&b"\x0bMSH|a"[..], &b"b\x1c\r\x0bc\x1c\r"[..], vec![noise(Cause::Parity, b"MSH|a", 5), frame(b"c")]),
        (b"\x0bMSH|a", b"\x0bc\x1c\r", vec![noise(Cause::Parity, b"MSH|a", 5), frame(b"c")]),
        (b"\x0bMSH|a\x1c", b"\x0bc\x1c\r", vec![noise(Cause::Parity, b"MSH|a", 5), frame(b"c")]),
        (b"\x0bMSH|a\x1c", b"b\x1c\r\x0bc\x1c\r", vec![noise(Cause::Parity, b"MSH|a", 5), frame(b"c")]),
        (b"\x0ba\x1c\r", b"\x0bc\x1c\r", vec![frame(b"a"), frame(b"c")]),
        (b"\x0ba\x1c\r", b"b\x1c\r\x0bc\x1c\r", vec![frame(b"a"), noise(Cause::Garbage, b"b\x1c\r", 3), frame(b"c")]),
    ] {
        let mut decoder = Decoder::new(LIMIT);
        decoder.push(before);
        decoder.damage(Cause::Parity);
        decoder.push(after);
        decoder.finish();
        assert_eq!(decoder.collect::<Vec<_>>(), expected);
    }
}

#[test]
fn keeps_no_more_than_allowed_of_what_it_passes_over() {
    let long = vec![b'x'; 10_000];
    let events = decode(LIMIT, [&long[..], b"\x0b", &long[..3000]]);
    let kept = &long[..limits::SKIPPED_BYTES_KEPT];
    assert_eq!(events, [noise(Cause::Garbage, kept, 10_000), noise(Cause::Partial, kept, 3000)]);
}

#[test]
fn reports_endless_noise_and_stays_small() {
    let mut decoder = Decoder::new(LIMIT);
    let mut total = 0;
    for _ in 0..1000 {
        decoder.push(&[b'n'; 4096]);
        assert!(decoder.skipped.kept.len() <= limits::SKIPPED_BYTES_KEPT);
        for event in decoder.by_ref() {
            let Event::Noise { cause: Cause::Garbage, count, .. } = event else { panic!("{event:?}") };
            total += count;
        }
    }
    assert_eq!(total + decoder.skipped.count, 4096 * 1000);
}

#[test]
fn refuses_a_frame_at_its_limit_in_constant_memory() {
    for (size, taken) in
        [(0, false), (1, true), (LIMIT - 1, true), (LIMIT, true), (LIMIT + 1, false), (10 * LIMIT, false)]
    {
        for piece in [1, 7, 1000, 100_000] {
            let mut bytes = vec![0x0b];
            bytes.extend(std::iter::repeat_n(b'a', size));
            bytes.extend_from_slice(b"\x1c\r\x0bnext\x1c\r");
            let events = decode(LIMIT, bytes.chunks(piece));
            let frames = events.iter().filter(|event| matches!(event, Event::Frame(_))).count();
            assert_eq!(frames, if taken { 2 } else { 1 }, "{size} in {piece}");
            let over = events.iter().any(|event| matches!(event, Event::Noise { cause: Cause::Oversize, .. }));
            assert_eq!(over, size > LIMIT);
            assert_eq!(events.len(), 2);
            assert_eq!(events[1], frame(b"next"));
        }
    }
    let mut decoder = Decoder::new(LIMIT);
    decoder.push(b"\x0b");
    for _ in 0..1000 {
        decoder.push(&[b'a'; 1000]);
        assert!(decoder.frame.0.capacity() <= LIMIT);
    }
    let events: Vec<Event> = decoder.by_ref().collect();
    assert_eq!(events, [noise(Cause::Oversize, &[b'a'; limits::SKIPPED_BYTES_KEPT], 4097)]);
    decoder.push(b"\x1cb\x1c");
    assert!(decoder.awaits_idle() && decoder.in_frame());
    decoder.idle();
    assert!(!decoder.in_frame());
    decoder.push(b"\x0ba\x1c\r");
    assert_eq!(decoder.next(), Some(frame(b"a")));
}

#[test]
fn drops_the_rest_of_a_large_frame_up_to_its_end() {
    let big = [b'a'; LIMIT + 1];
    for (rest, expected) in [
        (&b"\x1c\r\x0bb\x1c\r"[..], vec![frame(b"b")]),
        (b"\x1c\x0bb\x1c\r", vec![frame(b"b")]),
        (b"\x0bb\x1c\r", vec![frame(b"b")]),
        (b"x\x1cy\x1c\r\x0bb\x1c\r", vec![frame(b"b")]),
        (b"x", vec![]),
    ] {
        let events = decode(LIMIT, [&b"\x0b"[..], &big, rest]);
        assert!(matches!(events[0], Event::Noise { cause: Cause::Oversize, .. }));
        assert_eq!(&events[1..], &expected[..]);
    }
}

#[test]
fn reports_a_frame_that_is_too_large_the_same_way_however_cut() {
    for size in [LIMIT + 1, LIMIT + 2, 2 * LIMIT] {
        let bytes = [b"\x0b".to_vec(), vec![b'a'; size], b"\x1c\r".to_vec()].concat();
        let expected = [noise(Cause::Oversize, &[b'a'; limits::SKIPPED_BYTES_KEPT], 4097)];
        for piece in [1, 7, 1000, bytes.len()] {
            assert_eq!(decode(LIMIT, bytes.chunks(piece)), expected, "{size} in pieces of {piece}");
        }
    }
}

#[test]
fn takes_every_cut_of_every_sample() {
    let mut cuts = 0;
    for (name, payload) in CORPUS {
        let mut bytes = Vec::new();
        encode(&mut bytes, payload);
        for at in 0..=bytes.len() {
            let (first, second) = bytes.split_at(at);
            let events = decode(LIMIT, [first, second]);
            assert!(events == [frame(payload)], "{name} cut at {at}");
            cuts += 1;
        }
        assert_eq!(decode(LIMIT, bytes.chunks(1)), [frame(payload)], "{name} byte by byte");
        for end in 1..bytes.len() - 1 {
            let events = decode(LIMIT, [&bytes[..end]]);
            assert_eq!(
                events.iter().filter(|event| matches!(event, Event::Frame(_))).count(),
                0,
                "{name} ends at {end}"
            );
        }
    }
    assert!(CORPUS.len() >= 40 && cuts > 30_000);
}

#[test]
fn gives_the_room_of_large_frames_back() {
    let mut decoder = Decoder::new(16 << 20);
    decoder.push(b"\x0b");
    for _ in 0..129 {
        decoder.push(&[b'a'; 64 << 10]);
    }
    assert!(decoder.frame.0.capacity() <= 16 << 20);
    decoder.push(b"\x1c\r");
    let Some(Event::Frame(payload)) = decoder.next() else { panic!("no frame") };
    assert!(payload.capacity() - payload.len() <= SLACK_BYTES_MAX);
    assert_eq!(decoder.frame.0.capacity(), 0);
    for _ in 0..1000 {
        decoder.push(b"\x0ba\x1c\r");
    }
    assert_eq!(decoder.by_ref().count(), 1000);
    assert!(decoder.events.capacity() <= EVENTS_KEPT);
}

#[test]
fn moves_every_byte_a_bounded_number_of_times() {
    let mut decoder = Decoder::new(16 << 20);
    let mut moved = 0;
    let mut room = 0;
    decoder.push(b"\x0b");
    for _ in 0..4 << 20 {
        decoder.push(b"a");
        let now = decoder.frame.0.capacity();
        if now != room {
            moved += decoder.frame.0.len();
            room = now;
        }
    }
    assert!(moved < 3 * (4 << 20), "{moved} bytes moved for 4 MiB pushed one by one");
}

#[test]
fn names_every_cause_once() {
    let mut names: Vec<&str> = Cause::ALL.iter().map(|cause| cause.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Cause::ALL.len());
    let kinds = ["checksum", "framing", "overrun", "oversize", "parity", "timeout"];
    assert!(Cause::ALL.iter().all(|cause| kinds.contains(&cause.kind())));
}

#[test]
fn prints_no_content() {
    let mut decoder = Decoder::new(LIMIT);
    decoder.push(b"SECRET\x0bSECRET\x1c\r SECRET \x0bSECRET");
    assert!(!format!("{decoder:?}").contains("SECRET"));
    decoder.finish();
    assert!(!format!("{:?}", decoder.collect::<Vec<_>>()).contains("SECRET"));
}

/// Frames and what stands around them, spoilt in a way drawn from `seed`; the same for every run.
fn spoil(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut draw = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % u64::try_from(below).unwrap()).unwrap()
    };
    let mut bytes = Vec::new();
    for _ in 0..=draw(4) {
        encode(&mut bytes, CORPUS[draw(CORPUS.len())].1);
    }
    for _ in 0..=draw(6) {
        let at = draw(bytes.len());
        match draw(6) {
            0 => bytes.insert(at, VT),
            1 => bytes.insert(at, FS),
            2 => drop(bytes.remove(at)),
            3 => bytes[at] = [0, CR, b'\n', VT, FS, 0xff][draw(6)],
            4 => bytes.truncate(at.max(1)),
            _ => bytes.splice(at..at, [FS, CR]).for_each(drop),
        }
    }
    bytes
}

#[test]
fn gives_the_same_events_for_spoilt_streams_however_cut() {
    for seed in 0..300 {
        let bytes = spoil(seed);
        let whole = decode(LIMIT, [&bytes[..]]);
        assert_eq!(whole, decode(LIMIT, bytes.chunks(1)), "seed {seed} byte by byte");
        assert_eq!(whole, decode(LIMIT, bytes.chunks(13)), "seed {seed} by thirteen");
        assert_accounted(&bytes, &whole);
    }
}

/// Every byte is in a frame, in a count, or one of the marks around them.
fn assert_accounted(bytes: &[u8], events: &[Event]) {
    let held: u64 = events
        .iter()
        .map(|event| match event {
            Event::Frame(payload) => u64::try_from(payload.len()).unwrap(),
            Event::Noise { cause: Cause::SeparatorInside | Cause::MissingReturn, .. } => 0,
            Event::Noise { count, .. } => *count,
            Event::Count(_) | Event::Sent | Event::Unsent(_) => 0,
        })
        .sum();
    let marks = bytes.iter().filter(|byte| [VT, FS, CR].contains(byte)).count();
    let length = u64::try_from(bytes.len()).unwrap();
    assert!(held <= length && length <= held + u64::try_from(marks).unwrap());
}

proptest! {
    #[test]
    fn returns_every_payload_it_encoded(
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..200), 1..5),
        piece in 1_usize..300,
    ) {
        let plain: Vec<Vec<u8>> = payloads
            .into_iter()
            .map(|payload| payload.into_iter().filter(|byte| *byte != VT && *byte != FS).chain([b'\r']).collect())
            .collect();
        let mut bytes = Vec::new();
        plain.iter().for_each(|payload| encode(&mut bytes, payload));
        let expected: Vec<Event> = plain.into_iter().map(Event::Frame).collect();
        prop_assert!(decode(LIMIT, bytes.chunks(piece)) == expected);
    }

    #[test]
    fn takes_any_bytes_however_cut(
        bytes in prop::collection::vec(prop_oneof![Just(VT), Just(FS), Just(CR), Just(0), Just(b'a'), any::<u8>()], 0..200),
        piece in 1_usize..50,
        limit in 0_usize..20,
    ) {
        let whole = decode(limit, [&bytes[..]]);
        let pieces = decode(limit, bytes.chunks(piece));
        prop_assert_eq!(frames(&whole), frames(&pieces));
        prop_assert!(frames(&whole).iter().all(|payload| payload.len() <= limit && !payload.contains(&VT)));
    }
}

pub(super) fn frames(events: &[Event]) -> Vec<&[u8]> {
    events
        .iter()
        .filter_map(|event| match event {
            Event::Frame(payload) => Some(&payload[..]),
            _ => None,
        })
        .collect()
}
