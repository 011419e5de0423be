//! HLLP from both ends, on a virtual clock.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use proptest::prelude::*;

use super::*;
use crate::{
    hl7_corpus::CORPUS,
    wire::{
        Cause, Unsent,
        bench::{Bench, Dice, converse, frame, frames_of, holds_for_every_split, noise, taken, taken_of_corrupted},
    },
};

fn options() -> Options {
    let bounds = Bounds { frame_max: 4096, frame_timeout: Duration::from_secs(30), gap_max: None };
    Options { bounds, ..Options::default() }
}

fn bench(options: Options) -> Bench {
    Bench::new(Hllp::new(options))
}

/// A block written out by hand: count and exclusive or over everything before them.
fn block(kind: char, data: &[u8]) -> Vec<u8> {
    let mut block = [format!("\x0b{kind}21\r").as_bytes(), data].concat();
    block.extend(format!("{:05}", block.len()).into_bytes());
    let sum = block.iter().fold(0, |sum, byte| sum ^ byte);
    [block, format!("{sum:03}\x1c\r").into_bytes()].concat()
}

fn variants() -> Vec<Options> {
    let mut variants = Vec::new();
    for checksum in [Checksum::Xor, Checksum::Sum, Checksum::WideSum, Checksum::None] {
        for (radix, count_digits, checksum_digits) in
            [(Radix::Decimal, 5, 3), (Radix::Hex, 4, 2), (Radix::Decimal, 6, 5)]
        {
            for (count_from, checksum_from) in
                [(From::Mark, From::Mark), (From::Type, From::Data), (From::Data, From::Type)]
            {
                for line_max in [None, Some(1), Some(20)] {
                    let base = options();
                    variants.push(Options {
                        checksum,
                        radix,
                        count_digits,
                        checksum_digits,
                        count_from,
                        checksum_from,
                        line_max,
                        ..base
                    });
                }
            }
        }
    }
    variants
}

const NAK_SENT: Event = Event::Count(Happening::NakSent);
const NAK_RECEIVED: Event = Event::Count(Happening::NakReceived);
const RETRANSMITTED: Event = Event::Count(Happening::Retransmitted);

#[test]
fn takes_a_block_and_writes_nothing_before_the_answer() {
    let mut bench = bench(options());
    bench.receive(&block('D', b"MSH|1\r"));
    bench.expect(b"", &[frame(b"MSH|1\r")]);
    bench.answer(taken(&[b"MSA|AA\r"]));
    bench.expect(&block('D', b"MSA|AA\r"), &[]);
    bench.receive(&block('D', b"MSH|2\r"));
    bench.answer(Answer::Refused);
    bench.expect(&block('N', b"G"), &[frame(b"MSH|2\r"), NAK_SENT]);
    bench.receive(&block('D', b"MSH|3\r"));
    bench.answer(taken(&[]));
    bench.answer(taken(&[b"nobody asked"]));
    bench.expect(b"", &[frame(b"MSH|3\r")]);
}

#[test]
fn refuses_a_bad_block_by_its_reason() {
    let good = block('D', b"MSH|1\r");
    let mut bad_count = good.clone();
    bad_count[15] ^= 1;
    let mut bad_sum = good.clone();
    bad_sum[18] ^= 1;
    let cases: [(Vec<u8>, Cause, &[u8]); 5] = [
        (bad_count, Cause::Length, b"C"),
        (bad_sum, Cause::Checksum, b"X"),
        (block('D', &[b'a'; 4097]), Cause::Oversize, b"B"),
        (block('D', &[b'a'; 9000]), Cause::Oversize, b"B"),
        (block('D', b""), Cause::Empty, b"G"),
    ];
    for (bytes, cause, reason) in cases {
        let mut bench = bench(options());
        bench.receive(&bytes);
        bench.wait(1000);
        assert_eq!(bench.line.transmit(), block('N', reason));
        let events = bench.events();
        assert!(matches!(&events[..], [Event::Noise { cause: found, .. }, NAK_SENT] if *found == cause), "{events:?}");
        bench.receive(&good);
        bench.expect(b"", &[frame(b"MSH|1\r")]);
    }
}

#[test]
fn refuses_what_is_damaged_or_late() {
    let mut bench =
        bench(Options { bounds: Bounds { gap_max: Some(Duration::from_secs(2)), ..options().bounds }, ..options() });
    let good = block('D', b"MSH|1\r");
    bench.receive(&good[..9]);
    bench.damaged(LineFault::Parity);
    bench.receive(&good[10..]);
    bench.expect(&block('N', b"G"), &[noise(Cause::Parity, b"MSH|"), NAK_SENT]);
    bench.receive(&good[..9]);
    assert!(bench.line.is_busy());
    bench.wait(2000);
    bench.expect(&block('N', b"G"), &[noise(Cause::Timeout, b"MSH|"), NAK_SENT]);
    // However slowly it drips.
    for _ in 0..40 {
        bench.receive(&good[..1]);
    }
    bench.receive(&good[1..7]);
    for _ in 0..35 {
        bench.wait(1000);
        bench.receive(b"a");
    }
    let events = bench.events();
    assert!(events.contains(&NAK_SENT));
    assert_eq!(bench.line.transmit(), block('N', b"G"));
}

#[test]
fn refuses_in_turn() {
    let mut bench = bench(options());
    bench.receive(&block('D', b"MSH|1\r"));
    let mut bad = block('D', b"MSH|2\r");
    bad[6] ^= 1;
    bench.receive(&bad);
    bench.expect(b"", &[frame(b"MSH|1\r"), noise(Cause::Checksum, &bad[5..])]);
    bench.answer(taken(&[b"A1\r"]));
    bench.expect(&[block('D', b"A1\r"), block('N', b"X")].concat(), &[NAK_SENT]);
}

#[test]
fn never_refuses_noise_nor_a_refusal() {
    let mut bench = bench(options());
    bench.receive(b"login: \x0b\x0bD2\x1c\r\x0bX21\r");
    bench.wait(100);
    bench.expect(b"", &[noise(Cause::Garbage, b"login: \x0b\x0bD2\x1c\r\x0bX21\r")]);
    let mut bad = block('N', b"X");
    bad[5] ^= 1;
    bench.receive(&bad);
    bench.expect(b"", &[noise(Cause::Checksum, &bad[5..])]);
    // A block that the next one cuts short.
    bench.receive(&[&block('D', b"MSH|1\r")[..12], &block('D', b"MSH|2\r")].concat());
    bench.expect(b"", &[noise(Cause::Restarted, b"MSH|1\r0"), frame(b"MSH|2\r")]);
}

#[test]
fn lets_the_count_settle_the_end() {
    for data in [&b"OBX|\x1c\r|\x1c\x1c\r"[..], b"\x1c\r", b"\x0b\x1c\r\x0b", b"00001000\x1c\r00001000\x1c\r"] {
        assert_eq!(frames_of(Hllp::new(options()), block('D', data).chunks(1)), [data]);
        let mut bench = bench(options());
        bench.send(data);
        bench.expect(&block('D', data), &[]);
    }
}

#[test]
fn sends_again_after_a_refusal_and_after_silence() {
    let mut bench = bench(options());
    let message = block('D', b"MSH|1\r");
    bench.send(b"MSH|1\r");
    bench.expect(&message, &[]);
    bench.receive(&block('N', b"X"));
    bench.expect(&message, &[NAK_RECEIVED, RETRANSMITTED]);
    bench.wait(30_000);
    bench.expect(&message, &[RETRANSMITTED]);
    bench.receive(&block('D', b"MSA|AA\r"));
    bench.expect(b"", &[Event::Sent, frame(b"MSA|AA\r")]);
    bench.answer(taken(&[]));
    // The second copy may still be answered: the next message waits for that.
    bench.send(b"MSH|2\r");
    bench.expect(b"", &[]);
    bench.receive(&block('D', b"MSA|AA\r"));
    bench.expect(b"", &[frame(b"MSA|AA\r")]);
    bench.answer(taken(&[]));
    bench.expect(&block('D', b"MSH|2\r"), &[]);
}

#[test]
fn gives_up_after_the_retries() {
    let mut end = bench(options());
    end.send(b"MSH|1\r");
    for _ in 0..4 {
        end.receive(&block('N', b"C"));
    }
    let mut expected: Vec<Event> = (0..3).flat_map(|_| [NAK_RECEIVED, RETRANSMITTED]).collect();
    expected.extend([NAK_RECEIVED, Event::Unsent(Unsent::Refused)]);
    end.expect(&block('D', b"MSH|1\r").repeat(4), &expected);
    let mut end = bench(options());
    end.send(b"MSH|1\r");
    end.wait(30_000 * 4);
    let gone = Event::Unsent(Unsent::NoAnswer);
    end.expect(&block('D', b"MSH|1\r").repeat(4), &[RETRANSMITTED, RETRANSMITTED, RETRANSMITTED, gone]);
    assert_eq!(end.line.deadline(), None);
}

#[test]
fn refuses_to_send_what_does_not_fit_and_says_so_in_turn() {
    let mut end = bench(options());
    end.send(b"MSH|1\r");
    let large = vec![b'a'; 100_000];
    let misleading = b"MSH|\x0bD21\r|".to_vec();
    for unfit in [&large, &misleading, &Vec::new(), &large[..99_995].to_vec()] {
        end.send(unfit);
    }
    end.expect(&block('D', b"MSH|1\r"), &[]);
    end.receive(&block('D', b"MSA|AA\r"));
    end.answer(taken(&[&misleading]));
    let unfit = || Event::Unsent(Unsent::Unfit);
    end.expect(b"", &[Event::Sent, frame(b"MSA|AA\r"), unfit(), unfit(), unfit(), unfit()]);
    end.send(&large[..99_994]);
    assert_eq!(end.line.transmit().len(), 99_994 + 15);
    let mut end = bench(Options { count_from: From::Data, ..options() });
    end.send(&large[..99_999]);
    assert_eq!(end.line.transmit().len(), 99_999 + 15);
}

#[test]
fn repeats_a_reply_that_was_refused_and_asks_for_a_damaged_one() {
    let mut bench = bench(options());
    bench.receive(&block('D', b"MSH|1\r"));
    bench.answer(taken(&[b"A1\r"]));
    bench.expect(&block('D', b"A1\r"), &[frame(b"MSH|1\r")]);
    for _ in 0..3 {
        bench.receive(&block('N', b"X"));
        bench.expect(&block('D', b"A1\r"), &[NAK_RECEIVED, RETRANSMITTED]);
    }
    bench.receive(&block('N', b"X"));
    bench.expect(b"", &[NAK_RECEIVED]);
    bench.send(b"MSH|2\r");
    bench.expect(&block('D', b"MSH|2\r"), &[]);
    let mut damaged = block('D', b"A2\r");
    damaged[6] ^= 1;
    bench.wait(29_000);
    bench.receive(&damaged);
    bench.expect(&block('N', b"X"), &[noise(Cause::Checksum, &damaged[5..]), NAK_SENT]);
    bench.wait(29_000);
    bench.receive(&block('D', b"A2\r"));
    bench.expect(b"", &[Event::Sent, frame(b"A2\r")]);
}

#[test]
fn waits_with_its_own_message_until_the_peer_has_its_answer() {
    let mut bench = bench(options());
    let one = block('D', b"MSH|1\r");
    bench.receive(&one[..8]);
    bench.send(b"MSH|9\r");
    bench.expect(b"", &[]);
    bench.receive(&one[8..]);
    bench.expect(b"", &[frame(b"MSH|1\r")]);
    bench.answer(taken(&[b"A1\r"]));
    bench.expect(&[block('D', b"A1\r"), block('D', b"MSH|9\r")].concat(), &[]);
}

#[test]
fn talks_to_itself_over_a_line_that_damages_bytes() {
    for (number, options) in
        variants().into_iter().enumerate().filter(|(_, options)| options.checksum != Checksum::None)
    {
        let options = Options { npt: Npt { send_retries: 20, ..options.npt }, ..options };
        let mut dice = Dice(u64::try_from(number).unwrap());
        let (mut left, mut right) = (bench(options), bench(options));
        let messages: Vec<&[u8]> =
            CORPUS.iter().map(|(_, message)| *message).filter(|message| message.len() < 4000).collect();
        messages.iter().for_each(|message| left.send(message));
        let (events, mut arrived) = converse(&mut left, &mut right, &[b"MSA|AA\r"], |bytes| {
            if !bytes.is_empty() && dice.roll(10) == 0 {
                let at = dice.roll(bytes.len());
                bytes[at] ^= 1 << dice.roll(7);
            }
        });
        arrived.dedup();
        let sent = events.iter().filter(|event| **event == Event::Sent).count();
        assert_eq!(sent, messages.len(), "{options:?}");
        assert!(arrived == messages, "{options:?}");
    }
}

#[test]
fn reads_the_same_wherever_the_bytes_are_cut() {
    for options in [options(), Options { line_max: Some(40), radix: Radix::Hex, ..options() }] {
        let payloads =
            CORPUS.iter().map(|(_, message)| message.to_vec()).filter(|message| message.len() < 900).take(20);
        let streams: Vec<_> =
            payloads.map(|payload| (payload.clone(), block::encode(&options, &payload).unwrap())).collect();
        assert_eq!(streams.len(), 20);
        holds_for_every_split(|| Hllp::new(options), &streams);
    }
}

#[test]
fn takes_no_corrupted_block() {
    for checksum in [Checksum::Xor, Checksum::Sum, Checksum::WideSum] {
        for from in [From::Mark, From::Type] {
            let options = Options { checksum, checksum_from: from, count_from: from, ..options() };
            let stream = block::encode(&options, b"MSH|^~\\&|ADT\rPID|1||4711\r").unwrap();
            assert_eq!(taken_of_corrupted(|| Hllp::new(options), &stream), Vec::<Vec<u8>>::new(), "{options:?}");
        }
    }
}

#[test]
fn finds_every_block_in_a_million_bytes_of_noise() {
    let mut dice = Dice(7);
    let (mut stream, mut payloads) = (Vec::new(), Vec::new());
    for (number, (_, message)) in CORPUS.iter().cycle().take(200).enumerate() {
        stream.extend(dice.noise(5000, b"\x0b\x1c\rDN0123456789"));
        if number % 3 == 0 {
            stream.extend(b"\x0bD21\r");
        }
        if message.len() < 4000 {
            stream.extend(block('D', message));
            payloads.push(message.to_vec());
        }
    }
    assert!(stream.len() > 1_000_000);
    assert!(frames_of(Hllp::new(options()), [stream.as_slice()]) == payloads);
    assert!(frames_of(Hllp::new(options()), stream.chunks(611)) == payloads);
}

#[test]
fn ends_with_the_stream_and_begins_anew() {
    let mut bench = bench(options());
    bench.send(b"MSH|1\r");
    bench.send(b"MSH|2\r");
    bench.receive(&block('D', b"MSH|7\r")[..9]);
    bench.end();
    let ended = || Event::Unsent(Unsent::Ended);
    bench.expect(&block('D', b"MSH|1\r"), &[noise(Cause::Partial, b"MSH|"), ended(), ended()]);
    bench.receive(&block('D', b"MSH|7\r"));
    bench.expect(b"", &[frame(b"MSH|7\r")]);
}

#[test]
fn prints_no_content() {
    let mut bench = bench(options());
    bench.send(b"SECRET");
    bench.receive(b"SECRET\x0bD21\rSECRET");
    assert!(!format!("{:?}", bench.line).contains("SECRET"));
}

proptest! {
    #[test]
    fn stuffs_and_unstuffs(data in prop::collection::vec(prop_oneof![Just(b'\r'), any::<u8>()], 0..200), line in 1_usize..9) {
        let stuffed = trailer::stuffed(&data, line);
        prop_assert!(stuffed.split(|byte| *byte == b'\r').all(|run| run.len() <= line));
        prop_assert_eq!(trailer::unstuffed(&stuffed, line), data);
    }

    #[test]
    fn reads_what_it_writes(data in prop::collection::vec(any::<u8>(), 1..300), which in 0_usize..108) {
        let options = variants()[which];
        if let Some(block) = block::encode(&options, &data) {
            prop_assert_eq!(frames_of(Hllp::new(options), block.chunks(3)), [data]);
        }
    }

    /// Whatever comes and however long it takes: every message is settled once, in bounded time, and every reply and
    /// every refusal was earned.
    #[test]
    fn settles_everything_and_promises_nothing(
        steps in prop::collection::vec((0_u8..10, 0_usize..21, 0_i64..40_000), 1..60),
    ) {
        let gap_max = Some(Duration::from_secs(2));
        let mut bench = bench(Options { bounds: Bounds { gap_max, ..options().bounds }, ..options() });
        let (mut sent, mut settled, mut answers, mut replies) = (0, 0, 0, 0);
        for (step, which, pause) in steps {
            match step {
                0 => { bench.send(b"MSH|1\r"); sent += 1; }
                1 => bench.receive(&block('D', b"MSA|AA\r")),
                2 => bench.receive(&block('N', b"X")),
                3 => bench.receive(&block('D', b"MSH|7\r")[which..]),
                4 => bench.receive(&block('D', b"MSH|7\r")[..which]),
                5 => bench.damaged(LineFault::Parity),
                6 => bench.answer(Answer::Refused),
                7 => { bench.answer(taken(&[b"A\r"])); answers += 1; }
                8 => { bench.send(b""); sent += 1; }
                _ => bench.wait(pause),
            }
            let written = bench.line.transmit();
            replies += usize::from(written.starts_with(&block('D', b"A\r")));
            for event in bench.events() {
                settled += usize::from(matches!(event, Event::Sent | Event::Unsent(_)));
            }
            prop_assert!(settled <= sent && replies <= 4 * answers);
        }
        for _ in 0..100 {
            bench.answer(taken(&[]));
        }
        bench.wait(60_000 * 60 * 5);
        for event in bench.events() {
            settled += usize::from(matches!(event, Event::Sent | Event::Unsent(_)));
        }
        prop_assert_eq!(settled, sent);
        prop_assert!(!bench.line.is_busy() && bench.line.deadline().is_none());
    }
}
