//! Bad input below the message: frames as they should not be (class A) and lines as they should not be (class I), made up case
//! by case and the same in every run. The cases of a protocol are made from two good frames of it and its marks.

use std::ops::Range;

/// One bad input.
pub(crate) struct Case {
    /// Class and what is wrong.
    pub(crate) name: String,
    /// What happens on the wire.
    pub(crate) steps: Vec<Step>,
}

impl Case {
    /// The class: A or I.
    pub(crate) fn class(&self) -> char {
        self.name.chars().next().unwrap_or(' ')
    }
}

/// Something that happens on the wire.
pub(crate) enum Step {
    /// Bytes arrive at once.
    Bytes(Vec<u8>),
    /// The receiver of a serial line says that the next byte is damaged.
    Fault(Fault),
    /// Nothing arrives for so many milliseconds.
    Silence(i64),
}

/// What is wrong with a byte.
#[derive(Clone, Copy)]
pub(crate) enum Fault {
    /// Its parity.
    Parity,
    /// Its stop bit, or it is a break.
    Framing,
    /// Bytes before it are lost.
    Overrun,
}

/// What the cases of a protocol are made from.
pub(crate) struct Wire<'a> {
    /// A good frame, and another one.
    pub(crate) frames: [&'a [u8]; 2],
    /// What begins a frame, and what ends it.
    pub(crate) ends: [&'a [u8]; 2],
    /// Bytes that mean something to the protocol.
    pub(crate) marks: &'a [u8],
}

/// Longer than the protocols under test take a frame.
const ENDLESS: usize = 25_000;

/// Numbers that look random, the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or_default() % sides
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.roll(256)).unwrap_or_default()
    }
}

struct Cases(Vec<Case>);

impl Cases {
    fn add(&mut self, name: String, steps: Vec<Step>) {
        self.0.push(Case { name, steps });
    }

    fn add_bytes(&mut self, name: String, bytes: Vec<u8>) {
        self.add(name, vec![Step::Bytes(bytes)]);
    }
}

/// About so many places of a range, its first and last six among them.
fn places(range: Range<usize>, count: usize) -> Vec<usize> {
    let step = (range.len() / count).max(1);
    let inner = range.clone().step_by(step);
    let mut places: Vec<usize> = inner.chain(range.clone().take(6)).chain(range.rev().take(6)).collect();
    places.sort_unstable();
    places.dedup();
    places
}

/// Class A: the frame.
pub(crate) fn frames(wire: &Wire<'_>) -> Vec<Case> {
    let mut cases = Cases(Vec::new());
    cut(wire, &mut cases);
    edited(wire, &mut cases);
    marked(wire, &mut cases);
    foreign(wire, &mut cases);
    repeated(wire, &mut cases);
    slow(wire, &mut cases);
    cases.0
}

fn cut(Wire { frames: [frame, next], .. }: &Wire<'_>, cases: &mut Cases) {
    for at in places(1..frame.len(), 16) {
        let (head, tail) = frame.split_at(at);
        cases.add_bytes(format!("A the first {at} bytes, then a frame"), [head, next].concat());
        cases.add_bytes(format!("A the bytes from {at} on, then a frame"), [tail, next].concat());
        cases.add_bytes(format!("A a frame, then the first {at} bytes"), [next, head].concat());
        let halves = vec![Step::Bytes(head.to_vec()), Step::Silence(200), Step::Bytes(tail.to_vec())];
        cases.add(format!("A a pause before byte {at}"), halves);
        cases.add_bytes(format!("A a frame inside a frame, at {at}"), [head, next, tail].concat());
    }
}

fn edited(Wire { frames: [frame, next], .. }: &Wire<'_>, cases: &mut Cases) {
    for at in places(0..frame.len(), 10) {
        let (head, tail) = frame.split_at(at);
        cases.add_bytes(format!("A byte {at} is missing"), [head, &tail[1..], next].concat());
        cases.add_bytes(format!("A byte {at} comes twice"), [head, &tail[..1], tail, next].concat());
        for flip in [0x01, 0x20, 0x80, 0xff] {
            cases.add_bytes(format!("A byte {at} ^ {flip:#x}"), [head, &[tail[0] ^ flip], &tail[1..], next].concat());
        }
        if let [first, second, rest @ ..] = tail {
            let swapped = [head, &[*second, *first], rest, next].concat();
            cases.add_bytes(format!("A bytes {at} and the next are swapped"), swapped);
        }
    }
}

fn marked(Wire { frames: [frame, next], marks, .. }: &Wire<'_>, cases: &mut Cases) {
    let last = frame.len() - 1;
    for mark in *marks {
        for at in [0, 1, 2, frame.len() / 3, frame.len() / 2, last - 1, last] {
            let (head, tail) = frame.split_at(at);
            cases.add_bytes(format!("A {mark:#04x} before byte {at}"), [head, &[*mark], tail, next].concat());
            cases.add_bytes(format!("A {mark:#04x} as byte {at}"), [head, &[*mark], &tail[1..], next].concat());
        }
        for count in [1, 2, 3, 5000] {
            let run = vec![*mark; count];
            cases.add_bytes(format!("A {count} of {mark:#04x} between frames"), [frame, &*run, next].concat());
        }
    }
}

/// What other programs say when they reach the wrong port, and what comes with files and terminals.
fn foreign(Wire { frames: [frame, next], ends: [start, _], .. }: &Wire<'_>, cases: &mut Cases) {
    let words: [(&str, &[u8]); 22] = [
        ("NUL", b"\0"),
        ("line ends", b"\r\n\r\n"),
        ("blanks", b" \t  "),
        ("a byte order mark", b"\xef\xbb\xbf"),
        ("half of a byte order mark", b"\xef\xbb"),
        ("a byte order mark of UTF-16", b"\xff\xfe"),
        ("a request of HTTP", b"GET / HTTP/1.1\r\nHost: lantern\r\n\r\n"),
        ("a greeting of TLS", b"\x16\x03\x01\x00\x2e\x01\x00\x00\x2a\x03\x03"),
        ("a greeting of SSH", b"SSH-2.0-Lantern\r\n"),
        ("options of Telnet", b"\xff\xfb\x01\xff\xfd\x03"),
        ("a proxy's header", b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"),
        ("an HTML page", b"<!DOCTYPE html><title>502</title>"),
        ("a log line", b"2026-03-01 10:15:00 sent 1 message\n"),
        ("a message without a frame", b"MSH|^~\\&|SHAM|HALL|GW|IN|20260301||ADT^A03|1|P|2.5.1\r"),
        ("an XML message", b"<?xml version=\"1.0\"?><ADT_A03/>"),
        ("the end of a file of DOS", b"\x1a"),
        ("a modem", b"+++ATH0\r\nOK\r\nNO CARRIER\r\n"),
        ("ZMODEM", b"**\x18B00000000000000\r\x8a\x11"),
        ("escapes of a terminal", b"\x1b[2J\x1b[1;1H"),
        ("Kermit", b"\x01( Yb/a#N\r"),
        ("Modbus", b"\x11\x03\x00\x6b\x00\x03\x76\x87"),
        ("DEL", b"\x7f\x7f\x7f"),
    ];
    for (name, word) in words {
        cases.add_bytes(format!("A {name} before a frame"), [word, frame, next].concat());
        cases.add_bytes(format!("A {name} between frames"), [frame, word, next].concat());
        cases.add_bytes(format!("A {name} inside a frame"), [start, word, &frame[start.len()..], next].concat());
    }
    for first in (0..=0xff_u8).step_by(16) {
        let run: Vec<u8> = (first..=first + 15).collect();
        cases.add_bytes(
            format!("A the bytes from {first:#04x} to {:#04x} between frames", first + 15),
            [frame, &*run, next].concat(),
        );
    }
}

fn repeated(Wire { frames: [frame, next], ends: [start, end], .. }: &Wire<'_>, cases: &mut Cases) {
    let empty = [*start, end].concat();
    for count in [1, 2, 10, 1000] {
        cases.add_bytes(format!("A {count} begins before a frame"), [&*start.repeat(count), next].concat());
        cases.add_bytes(format!("A {count} ends behind a frame"), [frame, &*end.repeat(count), next].concat());
        cases.add_bytes(format!("A {count} empty frames"), [&*empty.repeat(count), next].concat());
        cases.add_bytes(
            format!("A {count} begins, {count} ends"),
            [&*start.repeat(count), &*end.repeat(count), next].concat(),
        );
        cases.add_bytes(format!("A {count} frames at once"), frame.repeat(count));
        cases.add_bytes(format!("A {count} halves of a frame"), frame[..frame.len() / 2].repeat(count));
        cases.add_bytes(format!("A the bytes of a frame backwards, {count} times"), {
            frame.iter().rev().copied().collect::<Vec<u8>>().repeat(count)
        });
    }
    for filler in [0, b'x', b'\r', b'|', 0xff] {
        let filler = vec![filler; ENDLESS];
        cases.add_bytes(
            format!("A {ENDLESS} bytes of {:#04x} between frames", filler[0]),
            [frame, &*filler, next].concat(),
        );
        cases.add_bytes(
            format!("A a frame of {ENDLESS} bytes of {:#04x}", filler[0]),
            [*start, &filler, end, next].concat(),
        );
        cases.add_bytes(format!("A a frame of {:#04x} without an end", filler[0]), [*start, &filler, next].concat());
    }
    let wide: Vec<u8> = frame.iter().flat_map(|byte| [*byte, 0]).collect();
    cases.add_bytes("A a frame with a NUL behind each byte".to_owned(), [&*wide, next].concat());
    let parity: Vec<u8> = frame.iter().map(|byte| byte | 0x80).collect();
    cases.add_bytes("A a frame with the high bit set".to_owned(), [&*parity, next].concat());
}

fn slow(Wire { frames: [frame, _], .. }: &Wire<'_>, cases: &mut Cases) {
    for pause in [1, 60, 1100] {
        let steps = frame.iter().flat_map(|byte| [Step::Bytes(vec![*byte]), Step::Silence(pause)]).collect();
        cases.add(format!("A a byte every {pause} ms"), steps);
    }
    let (head, tail) = frame.split_at(frame.len() / 2);
    for pause in [50, 1000, 10_000, 40_000, 600_000] {
        let halves = vec![Step::Bytes(head.to_vec()), Step::Silence(pause), Step::Bytes(tail.to_vec())];
        cases.add(format!("A {pause} ms between two halves"), halves);
        cases.add(
            format!("A half a frame, and {pause} ms nothing"),
            vec![Step::Bytes(head.to_vec()), Step::Silence(pause)],
        );
    }
}

/// Class I: the serial line.
pub(crate) fn lines(wire: &Wire<'_>) -> Vec<Case> {
    let mut cases = Cases(Vec::new());
    noise(wire, &mut cases);
    faults(wire, &mut cases);
    flips(wire, &mut cases);
    wrong_speed(wire, &mut cases);
    halves(wire, &mut cases);
    flow_control(wire, &mut cases);
    cases.0
}

fn noise(Wire { frames: [frame, _], marks, .. }: &Wire<'_>, cases: &mut Cases) {
    for (seed, length) in (0..).zip([1, 10, 100, 1000, 10_000, 1_000_000]) {
        let mut dice = Dice(seed);
        let noise: Vec<u8> = (0..length).map(|_| dice.byte()).collect();
        cases.add_bytes(format!("I {length} bytes of noise"), [frame, &*noise].concat());
    }
    for seed in 0..6 {
        let mut dice = Dice(100 + seed);
        let noise = (0..5000).map(|_| if dice.roll(3) == 0 { marks[dice.roll(marks.len())] } else { dice.byte() });
        cases.add_bytes(format!("I noise {seed} that likes marks"), [frame, &*noise.collect::<Vec<u8>>()].concat());
    }
    for level in [0x00, 0xff, 0x80, 0x55] {
        cases.add_bytes(format!("I a line that holds {level:#04x}"), [frame, &*vec![level; 20_000]].concat());
    }
}

fn faults(Wire { frames: [frame, next], .. }: &Wire<'_>, cases: &mut Cases) {
    for (name, fault) in [("parity", Fault::Parity), ("break", Fault::Framing), ("overrun", Fault::Overrun)] {
        for at in places(0..frame.len(), 1) {
            let (head, tail) = frame.split_at(at);
            let rest = [&tail[1..], next].concat();
            let steps = vec![Step::Bytes(head.to_vec()), Step::Fault(fault), Step::Bytes(rest)];
            cases.add(format!("I {name} at byte {at}"), steps);
        }
        for count in [2, 1000] {
            let mut steps: Vec<Step> = (0..count).map(|_| Step::Fault(fault)).collect();
            steps.insert(0, Step::Bytes(frame[..frame.len() / 2].to_vec()));
            steps.push(Step::Bytes(next.to_vec()));
            cases.add(format!("I {count} times {name} inside a frame"), steps);
        }
        let between = frame.iter().flat_map(|byte| [Step::Bytes(vec![*byte]), Step::Fault(fault)]).collect();
        cases.add(format!("I {name} between all bytes"), between);
        cases.add(format!("I only {name}"), (0..500).map(|_| Step::Fault(fault)).collect());
    }
}

/// One byte in a thousand has a wrong bit, which the receiver sees by its parity or does not.
fn flips(Wire { frames, .. }: &Wire<'_>, cases: &mut Cases) {
    let stream = frames.concat().repeat(100);
    for seed in 0..8 {
        let (mut seen, mut unseen) = (Dice(seed), Dice(seed));
        let mut steps = vec![Step::Bytes(Vec::new())];
        for byte in &stream {
            match steps.last_mut() {
                _ if seen.roll(1000) == 0 => steps.extend([Step::Fault(Fault::Parity), Step::Bytes(Vec::new())]),
                Some(Step::Bytes(bytes)) => bytes.push(*byte),
                _ => {}
            }
        }
        cases.add(format!("I parity errors, one byte in a thousand, {seed}"), steps);
        let flipped =
            stream.iter().map(|byte| if unseen.roll(1000) == 0 { byte ^ (1 << unseen.roll(8)) } else { *byte });
        cases.add_bytes(format!("I wrong bits, one byte in a thousand, {seed}"), flipped.collect());
    }
}

/// The sender's and the receiver's speed differ: what a receiver of 8N1 makes of the levels on the line.
fn wrong_speed(Wire { frames, .. }: &Wire<'_>, cases: &mut Cases) {
    for (sent, received) in [
        (9600, 19_200),
        (19_200, 9600),
        (9600, 38_400),
        (38_400, 9600),
        (9600, 1200),
        (1200, 9600),
        (9600, 10_000),
        (9600, 9300),
        (4800, 7200),
        (115_200, 57_600),
    ] {
        cases.add(format!("I {sent} baud heard at {received}"), heard(&frames.concat().repeat(3), sent, received));
    }
}

fn heard(bytes: &[u8], sent: usize, received: usize) -> Vec<Step> {
    let mut levels = Vec::new();
    for byte in bytes {
        levels.push(false);
        levels.extend((0..8).map(|bit| byte >> bit & 1 == 1));
        levels.extend([true, true]);
    }
    // The line as the receiver samples it, sixteen times for each of its bits.
    let total = levels.len() * 16 * received / sent;
    let level = |at: usize| levels.get(at * sent / (16 * received)).copied().unwrap_or(true);
    let (mut steps, mut at) = (Vec::new(), 0);
    while at < total {
        if level(at) {
            at += 1;
            continue;
        }
        let byte = (0..8).fold(0_u8, |byte, bit| byte | u8::from(level(at + 24 + 16 * bit)) << bit);
        match level(at + 152) {
            true => steps.push(Step::Bytes(vec![byte])),
            false => steps.push(Step::Fault(Fault::Framing)),
        }
        at += 160;
    }
    steps
}

fn halves(Wire { frames: [frame, next], .. }: &Wire<'_>, cases: &mut Cases) {
    for at in places(1..frame.len(), 1) {
        let steps = vec![Step::Bytes(frame[..at].to_vec()), Step::Silence(60_000), Step::Bytes(next.to_vec())];
        cases.add(format!("I unplugged after byte {at}"), steps);
    }
    cases.add("I unplugged a hundred times".to_owned(), {
        let halves = [Step::Bytes(frame[..frame.len() / 2].to_vec()), Step::Silence(60_000)];
        let [Step::Bytes(half), _] = &halves else { return };
        (0..100).flat_map(|_| [Step::Bytes(half.clone()), Step::Silence(60_000)]).collect()
    });
}

fn flow_control(Wire { frames: [frame, next], .. }: &Wire<'_>, cases: &mut Cases) {
    for (name, marks) in [("XOFF", &b"\x13"[..]), ("XON", b"\x11"), ("XON and XOFF", b"\x11\x13")] {
        let flood = marks.repeat(20_000);
        cases.add_bytes(format!("I a flood of {name} between frames"), [frame, &*flood, next].concat());
        let (head, tail) = frame.split_at(frame.len() / 2);
        cases.add_bytes(format!("I a flood of {name} inside a frame"), [head, &*flood, tail, next].concat());
        let between: Vec<u8> = frame.iter().flat_map(|byte| [&[*byte], marks].concat()).collect();
        cases.add_bytes(format!("I {name} behind every byte"), [&*between, next].concat());
        cases.add_bytes(format!("I {name} before each of two frames"), [marks, frame, marks, next].concat());
    }
}
