//! Damage and noise, at every place and for every setting.

use super::*;

/// Only damage that an eight-bit check always sees: not in two lines that follow each other, and not in the end of a
/// line that the next one would go on from.
#[test]
fn talks_to_itself_over_a_line_that_damages_bytes() {
    for (number, options) in (0..).zip(variants().into_iter().filter(|options| options.check.is_some())) {
        let options = Options { retries: 20, ..options };
        let (mut dice, mut is_spared) = (Dice(number), false);
        let (mut left, mut right) = (bench(options.clone()), bench(options.clone()));
        let messages: Vec<Vec<u8>> = (0..10).map(|number| format!("{number}|unit 7|on scene").into_bytes()).collect();
        messages.iter().for_each(|message| left.send(message));
        let (events, mut arrived) = converse(&mut left, &mut right, &[], |bytes| {
            // Replies are too short to carry a check: where they are damaged, nothing is promised.
            if bytes.len() > 1 {
                let at = dice.roll(bytes.len());
                is_spared =
                    !is_spared && dice.roll(2) == 0 && (options.start.is_some() || !is_end(&options, bytes, at));
                if is_spared {
                    bytes[at] ^= 0x40;
                }
            }
        });
        arrived.dedup();
        let sent = events.iter().filter(|event| **event == Event::Sent).count();
        assert_eq!(sent, messages.len(), "{options:?}");
        assert!(arrived == messages, "{options:?}");
    }
}

/// Whether the byte at `at` of a line is one of its end mark.
fn is_end(options: &Options, line: &[u8], at: usize) -> bool {
    let mark = options.end.as_bytes();
    let begin = memchr::memmem::rfind(line, mark).unwrap();
    (begin..begin + mark.len()).contains(&at)
}

#[test]
fn reads_the_same_wherever_the_bytes_are_cut() {
    for options in variants() {
        let lines = CORPUS.iter().flat_map(|(_, message)| message.split(|byte| matches!(byte, b'\r' | b'\n')));
        let lines = lines.filter(|line| (1..50).contains(&line.len()));
        let streams: Vec<_> =
            lines.filter_map(|line| encode(&options, line).map(|stream| (line.to_vec(), stream))).take(20).collect();
        assert_eq!(streams.len(), 20);
        holds_for_every_split(|| TextLine::new(options.clone()), &streams);
    }
}

#[test]
fn takes_no_corrupted_line() {
    let payload = b"1|7|status|x";
    // Seven and the number of checks have no common divisor: each start, end and check is there.
    for options in variants().into_iter().step_by(7).filter(|options| options.check.is_some()) {
        let stream = encode(&options, payload).unwrap();
        let made = options.clone();
        let frames = taken_of_corrupted(move || TextLine::new(made.clone()), &stream);
        // The same data may come with a check in small letters.
        assert!(frames.iter().all(|frame| frame == payload), "{options:?} took {}", frames[0].escape_ascii());
        if options.check.is_some_and(|check| check.form == Form::Byte) {
            assert!(frames.is_empty(), "{options:?}");
        }
    }
}

#[test]
fn finds_every_line_in_a_million_bytes_of_noise() {
    for (seed, options) in (0..).zip(variants().into_iter().step_by(79)) {
        finds_every_line_in_noise(seed, &options, 200);
    }
    for (seed, options) in (0..).zip(variants()) {
        finds_every_line_in_noise(seed, &options, 2);
    }
}

fn finds_every_line_in_noise(seed: u64, options: &Options, lines: usize) {
    let mut dice = Dice(seed);
    let (mut stream, mut payloads) = (Vec::new(), Vec::new());
    for number in 0..lines {
        stream.extend(dice.noise(5000, b"\x01\x02\x03\x06\x15\r\n"));
        if options.start.is_none() {
            // A line of noise ends where a line ends.
            stream.extend([options.end.as_bytes(), b"??"].concat().repeat(3));
            stream.extend(options.end.as_bytes());
        }
        let payload = format!("{number}|unit 7|at hospital").into_bytes();
        // A check behind the noise may swallow the beginning of the first one.
        stream.extend(encode(options, &payload).unwrap().repeat(3));
        payloads.push(payload);
    }
    assert!(stream.len() > lines * 5000);
    let frames = frames_of(TextLine::new(options.clone()), stream.chunks(4099));
    let mut wanted = payloads.iter().flat_map(|payload| [payload, payload]).peekable();
    let mut rest = stream.as_slice();
    for found in &frames {
        wanted.next_if(|next| *next == found);
        // Noise makes some lines with a right check of eight bits.
        assert!(options.check.is_none() || is_next_in(&mut rest, options, found), "{options:?}");
    }
    assert!(
        wanted.peek().is_none(),
        "{options:?} missed {:?}",
        wanted.next().map(|line| line.escape_ascii().to_string())
    );
}

/// Whether the rest of a stream holds a line with this payload; goes behind it.
fn is_next_in(rest: &mut &[u8], options: &Options, payload: &[u8]) -> bool {
    let Some(line) = encode(options, payload) else { return false };
    let before = usize::from(options.start.is_some());
    let is_here = |at: &usize| rest[..*at + line.len() - before][at - before..].eq_ignore_ascii_case(&line);
    let found = memchr::memmem::find_iter(rest, payload)
        .filter(|at| *at >= before && at - before + line.len() <= rest.len())
        .find(is_here);
    if let Some(at) = found {
        *rest = &rest[at - before + line.len()..];
    }
    found.is_some()
}
