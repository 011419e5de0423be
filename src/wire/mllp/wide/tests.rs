//! UTF-16 as it comes: every cut, every lost byte, and code points that hold the bytes of marks.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::time::Duration;

use super::{super::tests::frames, *};
use crate::{
    hl7_corpus::CORPUS,
    units::Timestamp,
    wire::{
        Answer, Event, Line, LineFault,
        mllp::{MllpLine, Options, Release},
    },
};

const NOW: Timestamp = Timestamp(0);

fn line(wide: Wide, release: Release) -> MllpLine {
    MllpLine::new(Options { wide, release, ..Options::default() })
}

fn text(wide: Wide, text: &str) -> Vec<u8> {
    let bytes = |unit: u16| if wide == Wide::Utf16Be { unit.to_be_bytes() } else { unit.to_le_bytes() };
    text.encode_utf16().flat_map(bytes).collect()
}

fn framed(wide: Wide, payload: &[u8]) -> Vec<u8> {
    [&text(wide, "\x0b")[..], payload, &text(wide, "\x1c\r")].concat()
}

fn events(line: &mut MllpLine) -> Vec<Event> {
    std::iter::from_fn(|| line.next()).collect()
}

fn decode(wide: Wide, pieces: &[&[u8]]) -> Vec<Event> {
    let mut line = line(wide, Release::One);
    pieces.iter().for_each(|piece| line.receive(NOW, piece));
    line.end(NOW);
    events(&mut line)
}

/// A message with code points that hold 0x0B, 0x1C and 0x0D in either half.
const AWKWARD: &str =
    "MSH|^~\\&|ଖ|\u{1c0d}|\u{0b1c}|\u{1c1c}|\u{0d00}|ĀĊċ|\u{0b00}|\u{1c00}|\u{0d00}|\u{10b1c}\rPID|1||எம்.Example^一\r";

#[test]
fn takes_every_cut_in_both_orders() {
    for wide in [Wide::Utf16Le, Wide::Utf16Be] {
        let mut payloads = vec![text(wide, AWKWARD)];
        payloads.extend(CORPUS.iter().take(5).map(|(_, bytes)| text(wide, &String::from_utf8_lossy(bytes))));
        for payload in payloads {
            let bytes = framed(wide, &payload);
            for at in 0..=bytes.len() {
                assert!(
                    decode(wide, &[&bytes[..at], &bytes[at..]]) == [Event::Frame(payload.clone())],
                    "{wide:?} {at}"
                );
            }
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            assert_eq!(decode(wide, &single), [Event::Frame(payload)]);
        }
    }
}

#[test]
fn takes_the_frames_around_a_lost_byte() {
    for wide in [Wide::Utf16Le, Wide::Utf16Be] {
        let (first, last) = (text(wide, "MSH|first\r"), text(wide, "MSH|last\r"));
        let middle = framed(wide, &text(wide, AWKWARD));
        let mut abandoned = 0;
        // What is lost of the first or last unit of the frame leaves its payload whole.
        for lost in 2..middle.len() - 4 {
            let mut bytes = framed(wide, &first);
            bytes.extend(middle.iter().enumerate().filter(|(at, _)| *at != lost).map(|(_, byte)| *byte));
            bytes.extend(framed(wide, &last));
            let found = decode(wide, &[&bytes]);
            assert_eq!(frames(&found), [&first[..], &last[..]], "{wide:?} without byte {lost}: {found:?}");
            abandoned += usize::from(found.iter().any(|event| is_noise(event, Cause::Malformed)));
        }
        assert!(abandoned > middle.len() - 10, "{abandoned} of {}", middle.len());
    }
}

fn is_noise(event: &Event, wanted: Cause) -> bool {
    matches!(event, Event::Noise { cause, .. } if *cause == wanted)
}

#[test]
fn begins_anew_where_a_lost_byte_hid_the_end() {
    for wide in [Wide::Utf16Le, Wide::Utf16Be] {
        for first in ["MSH|1\r", "BHS|1\r", "FHS|1\r"] {
            let payload = text(wide, first);
            let mut bytes = text(wide, "\x0bMSH|lost");
            bytes.remove(5);
            bytes.extend(framed(wide, &payload));
            let found = decode(wide, &[&bytes]);
            assert!(is_noise(&found[0], Cause::Restarted) && found.len() == 2, "{found:?}");
            assert_eq!(frames(&found), [&payload[..]]);
        }
    }
}

#[test]
fn finds_a_frame_at_any_byte_between_frames() {
    for wide in [Wide::Utf16Le, Wide::Utf16Be] {
        let payload = text(wide, "MSH|1\r");
        for noise in
            [&b"\xff\xfe"[..], b"\xfe\xff", b"x", b"\0", b"\x0b", b"\0\x0b\x0b\0\x0b", b"\x1c\0\r\0\0", b"\x0b\x0b"]
        {
            let bytes = [noise, &framed(wide, &payload)].concat();
            let found = decode(wide, &[&bytes]);
            assert_eq!(frames(&found).last(), Some(&&payload[..]), "{wide:?} after {noise:?}: {found:?}");
        }
        let found = decode(wide, &[&text(wide, "\u{feff}"), &framed(wide, &payload)]);
        assert!(is_noise(&found[0], Cause::ByteOrderMark) && found.len() == 2);
    }
}

#[test]
fn keeps_the_rules_of_single_bytes() {
    for wide in [Wide::Utf16Le, Wide::Utf16Be] {
        let [a, b] = ["a", "b"].map(|letter| Event::Frame(text(wide, letter)));
        for (stream, expected) in [
            (
                "\x0ba\x1c\x0bb\x1c\r",
                vec![a.clone(), Event::Noise { cause: Cause::MissingReturn, bytes: vec![], count: 0 }, b.clone()],
            ),
            (
                "\x0bab\x0bb\x1c\r",
                vec![Event::Noise { cause: Cause::Restarted, bytes: text(wide, "ab"), count: 4 }, b.clone()],
            ),
            ("\x0b\x1c\r\x0bb\x1c\r", vec![Event::Noise { cause: Cause::Empty, bytes: vec![], count: 0 }, b.clone()]),
            (
                "\x0ba\x1c\x1cb\x1c\r",
                vec![
                    Event::Frame(text(wide, "a\x1c\x1cb")),
                    Event::Noise { cause: Cause::SeparatorInside, bytes: vec![], count: 2 },
                ],
            ),
            ("\x0bab", vec![Event::Noise { cause: Cause::Partial, bytes: text(wide, "ab"), count: 4 }]),
        ] {
            assert_eq!(decode(wide, &[&text(wide, stream)]), expected, "{stream:?}");
        }
        let mut line = line(wide, Release::One);
        line.receive(NOW, &text(wide, "\x0ba\x1c"));
        line.tick(line.deadline().unwrap());
        assert_eq!(events(&mut line).first(), Some(&a));
    }
}

#[test]
fn drops_a_damaged_or_oversized_frame() {
    for wide in [Wide::Utf16Le, Wide::Utf16Be] {
        let bounds = crate::wire::Bounds { frame_max: 8, frame_timeout: Duration::from_secs(30), gap_max: None };
        let mut machine = MllpLine::new(Options { wide, bounds, ..Options::default() });
        machine.receive(NOW, &text(wide, "\x0babcde\x1cf\x1c\r\x0bok\x1c\r"));
        let found = events(&mut machine);
        assert!(is_noise(&found[0], Cause::Oversize) && found.len() == 2, "{found:?}");
        assert_eq!(frames(&found), [&text(wide, "ok")[..]]);
        for at in 2..14 {
            let bytes = text(wide, "\x0babcdef\x1c\r\x0bok\x1c\r");
            let mut line = line(wide, Release::One);
            line.receive(NOW, &bytes[..at]);
            line.damaged(NOW, LineFault::Framing);
            line.receive(NOW, &bytes[at + 1..]);
            let found = events(&mut line);
            assert!(is_noise(&found[0], Cause::Line), "at {at}: {found:?}");
            assert_eq!(frames(&found), [&text(wide, "ok")[..]], "at {at}");
        }
    }
}

#[test]
fn replies_and_commits_in_the_same_width() {
    for wide in [Wide::Utf16Le, Wide::Utf16Be] {
        let mut line = line(wide, Release::Two);
        line.receive(NOW, &text(wide, "\x0bMSH\x1c\r"));
        line.answer(NOW, Answer::Taken(vec![text(wide, "MSA")]));
        assert_eq!(line.transmit(), text(wide, "\x0b\x06\x1c\r\x0bMSA\x1c\r"));
        line.receive(NOW, &text(wide, "\x0b\x06\x1c\r"));
        line.send(NOW, text(wide, AWKWARD));
        line.send(NOW, text(wide, "a\x0b"));
        line.send(NOW, b"odd".to_vec());
        assert_eq!(line.transmit(), framed(wide, &text(wide, AWKWARD)));
        line.receive(NOW, &text(wide, "\x0b\x06\x1c\r"));
        let unfit = Event::Unsent(crate::wire::Unsent::Unfit);
        assert_eq!(events(&mut line)[1..], [Event::Sent, unfit.clone(), unfit]);
    }
}
