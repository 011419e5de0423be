//! Damage of every kind, at every place.

use super::{pair::*, *};

/// Three frames.
const SHORT: &[u8] = b"H|\\^&\rR|1|5.8\rL|1\r";

/// Twenty sessions of a well-behaved sender, by its turns.
fn sessions() -> Vec<Vec<Vec<u8>>> {
    let mut sessions = Vec::new();
    for count in 0..20_u8 {
        let mut message = format!("H|\\^&|{count}\r").into_bytes();
        message.extend(b"C|1|I|x\r".repeat(usize::from(count)));
        message.extend(b"L|1|N\r");
        let mut turns = vec![b"\x05".to_vec()];
        if count % 2 == 0 {
            turns.extend(frames(&message));
        } else {
            let cuts: Vec<&[u8]> = message.chunks(usize::from(count) + 3).collect();
            turns.extend(cuts.iter().enumerate().map(|(at, text)| {
                let end = if at + 1 == cuts.len() { End::Whole } else { End::Continued };
                frame(u8::try_from((at + 1) % 8).unwrap(), text, end)
            }));
        }
        turns.push(b"\x04".to_vec());
        sessions.push(turns);
    }
    sessions
}

/// Gives bytes and takes every message that they complete.
fn give(host: &mut Lis01, bytes: &[u8], seen: &mut Vec<Event>) {
    host.receive(START, bytes);
    let new = events(host);
    for _ in payloads(&new) {
        host.answer(START, taken());
    }
    seen.extend(new);
}

#[test]
fn every_split_gives_the_same() {
    for turns in sessions() {
        let whole = turns.iter().fold((host(), Vec::new()), |(mut host, mut seen), turn| {
            give(&mut host, turn, &mut seen);
            (host, seen)
        });
        assert_eq!(payloads(&whole.1).len(), 1);
        for split in 0..turns.len() {
            for at in 1..turns[split].len() {
                let (mut host, mut seen) = (host(), Vec::new());
                for (number, turn) in turns.iter().enumerate() {
                    let (first, rest) = turn.split_at(if number == split { at } else { 0 });
                    give(&mut host, first, &mut seen);
                    give(&mut host, rest, &mut seen);
                }
                assert_eq!(seen, whole.1, "turn {split}, byte {at}");
                assert_eq!(host.transmit(), whole.0.out);
            }
        }
    }
}

#[test]
fn no_damage_of_one_byte_is_taken_from_a_sender_that_does_not_listen() {
    let good: Vec<u8> = frames(SHORT).concat();
    for at in 0..good.len() {
        for wrong in 1..=255_u8 {
            let mut bytes = good.clone();
            bytes[at] ^= wrong;
            let (mut host, mut seen) = (host(), Vec::new());
            give(&mut host, b"\x05", &mut seen);
            give(&mut host, &bytes, &mut seen);
            host.tick(after(2));
            give(&mut host, b"\x04", &mut seen);
            seen.extend(events(&mut host));
            // A small letter in a checksum is no damage.
            let is_harmless = good[at].is_ascii_uppercase() && wrong == 0x20 && !is_text(&good, at);
            assert_eq!(payloads(&seen).is_empty(), !is_harmless, "byte {at} ^ {wrong:#x}: {seen:?}");
        }
    }
}

/// Whether the byte at `at` is inside the part that the checksum covers.
fn is_text(frames: &[u8], at: usize) -> bool {
    let begin = frames[..=at].iter().rposition(|byte| *byte == 0x02).unwrap();
    !frames[begin..at].contains(&0x03)
}

#[test]
fn one_wrong_byte_either_way_costs_no_message_and_gives_no_other() {
    let lengths = [2 + frames(SHORT).concat().len(), 4];
    for (writer, length) in [(1, lengths[0]), (0, lengths[1])] {
        for at in 0..length {
            for wrong in 1..=255_u8 {
                let mut sides = [Side::new(host()), Side::new(instrument())];
                sides[1].send(START, SHORT);
                let mut wire = |from: usize, place: usize, byte: u8| {
                    Some(if (from, place) == (writer, at) { byte ^ wrong } else { byte })
                };
                settle(&mut sides, START, &mut wire);
                assert!(sides[1].waiting.is_empty());
                let got = &sides[0].got;
                let is_known = |message: &Vec<u8>| message == SHORT;
                assert!(!got.is_empty() && got.iter().all(is_known), "side {writer}, byte {at} ^ {wrong:#x}: {got:?}");
            }
        }
    }
}

#[test]
fn one_lost_byte_costs_no_message_and_gives_no_other() {
    for at in 0..2 + frames(SHORT).concat().len() {
        let mut sides = [Side::new(host()), Side::new(instrument())];
        sides[1].send(START, SHORT);
        settle(&mut sides, START, &mut |from, place, byte| ((from, place) != (1, at)).then_some(byte));
        assert!(sides[1].waiting.is_empty());
        assert!(!sides[0].got.is_empty() && sides[0].got.iter().all(|message| message == SHORT), "byte {at}");
    }
}

#[test]
fn a_byte_that_the_receiver_doubts_spoils_its_frame_at_every_place() {
    let good = frames(SHORT).concat();
    for fault in [LineFault::Parity, LineFault::Framing, LineFault::Overrun] {
        for at in 0..=good.len() {
            let (mut host, mut seen) = (host(), Vec::new());
            give(&mut host, b"\x05", &mut seen);
            give(&mut host, &good[..at], &mut seen);
            host.damaged(START, fault);
            give(&mut host, good.get(at + 1..).unwrap_or_default(), &mut seen);
            host.tick(after(2));
            give(&mut host, b"\x04", &mut seen);
            assert_eq!(payloads(&seen).is_empty(), at < good.len(), "byte {at}: {seen:?}");
        }
    }
}

/// A sequence of bytes that looks like none.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u8 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.to_be_bytes()[3]
    }
}

#[test]
fn a_million_bytes_of_noise_hide_no_message() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut sides = [Side::new(host()), Side::new(instrument())];
    let mut now = START;
    let mut sent = Vec::new();
    for round in 0..100 {
        for _ in 0..10 {
            let noise: Vec<u8> = (0..1000).map(|_| random.next()).collect();
            sides[0].line.receive(now, &noise);
            sides[0].line.transmit();
            while let Some(event) = sides[0].line.next() {
                match event {
                    Event::Noise { bytes, .. } => assert!(bytes.len() <= limits::SKIPPED_BYTES_KEPT),
                    Event::Count(_) => {}
                    other => panic!("out of noise: {other:?}"),
                }
            }
            assert!(sides[0].line.scanner.held() <= limits::LIS01_FRAME_TEXT_MAX + 2);
        }
        let message = format!("H|\\^&|{round}\rR|1\rL|1\r").into_bytes();
        sides[1].send(now, &message);
        sent.push(message);
        now = settle(&mut sides, now, &mut perfect);
        assert_eq!(sides[0].got, sent, "after {round} thousand bytes times ten");
    }
}

/// The sender would take an answer to the enquiry for the acknowledgement of its last frame.
#[test]
fn an_enquiry_within_noise_inside_a_session_is_not_answered() {
    let mut host = host();
    let mut seen = Vec::new();
    let frames = frames(SHORT);
    let (last, before) = frames.split_last().unwrap();
    give(&mut host, b"\x05", &mut seen);
    before.iter().for_each(|frame| give(&mut host, frame, &mut seen));
    host.transmit();
    give(&mut host, b"\xf3p\x05\x9b\xca", &mut seen);
    assert_eq!(host.transmit(), b"");
    give(&mut host, last, &mut seen);
    assert_eq!(host.transmit(), b"\x06");
    assert_eq!(payloads(&seen), [SHORT]);
    give(&mut host, b"\x04\x05", &mut seen);
    frames.iter().for_each(|frame| give(&mut host, frame, &mut seen));
    assert_eq!(host.transmit(), b"\x06".repeat(4));
    assert_eq!(payloads(&seen), [SHORT, SHORT]);
}
