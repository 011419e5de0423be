//! Two machines back to back.

use super::*;

/// One end and what its shell saw.
pub(super) struct Side {
    pub(super) line: Lis01,
    pub(super) got: Vec<Vec<u8>>,
    pub(super) events: Vec<Event>,
    /// Messages that were given to it and neither taken nor found unfit; the oldest is given again after an abort.
    pub(super) waiting: Vec<Vec<u8>>,
    /// Answers to the next frames; then all are taken.
    pub(super) answers: Vec<Answer>,
    /// How many bytes it has written.
    written: usize,
}

impl Side {
    pub(super) fn new(line: Lis01) -> Self {
        Self { line, got: vec![], events: vec![], waiting: vec![], answers: vec![], written: 0 }
    }

    pub(super) fn send(&mut self, now: Timestamp, message: &[u8]) {
        self.waiting.push(message.to_vec());
        self.line.send(now, message.to_vec());
    }

    /// Acts on all events; says whether there were any.
    fn attend(&mut self, now: Timestamp) -> bool {
        let events = events(&mut self.line);
        for event in &events {
            match event {
                Event::Frame(payload) => {
                    let answer = if self.answers.is_empty() { taken() } else { self.answers.remove(0) };
                    if answer != Answer::Refused {
                        self.got.push(payload.clone());
                    }
                    self.line.answer(now, answer);
                }
                Event::Sent => drop(self.waiting.remove(0)),
                Event::Unsent(Unsent::Unfit) => panic!("unfit"),
                Event::Unsent(_) => {
                    let again = self.waiting.remove(0);
                    self.send(now, &again);
                }
                _ => {}
            }
        }
        self.events.extend(events);
        !self.events.is_empty() && !self.line.out.is_empty()
    }

    /// Switched off and on: everything in memory is gone, and what waited is given again.
    pub(super) fn power_cycle(&mut self, now: Timestamp) {
        self.line = Lis01::new(self.line.options);
        for message in std::mem::take(&mut self.waiting) {
            self.send(now, &message);
        }
    }
}

/// What the wire does to a byte: which side wrote it, and its place among all that side wrote.
pub(super) type Wire<'a> = &'a mut dyn FnMut(usize, usize, u8) -> Option<u8>;

pub(super) fn perfect(_: usize, _: usize, byte: u8) -> Option<u8> {
    Some(byte)
}

/// Carries bytes until both are silent; says whether there were any.
pub(super) fn carry(sides: &mut [Side; 2], now: Timestamp, wire: Wire<'_>) -> bool {
    let mut carried = false;
    for from in [0, 1] {
        sides[from].attend(now);
        let written = sides[from].line.transmit();
        carried |= !written.is_empty();
        let first = sides[from].written;
        sides[from].written += written.len();
        let arrived: Vec<u8> =
            written.iter().enumerate().filter_map(|(at, byte)| wire(from, first + at, *byte)).collect();
        sides[1 - from].line.receive(now, &arrived);
        sides[1 - from].attend(now);
    }
    carried
}

/// Lets both work until nothing is left to do; how it ended, in time.
pub(super) fn settle(sides: &mut [Side; 2], mut now: Timestamp, wire: Wire<'_>) -> Timestamp {
    for _ in 0..10_000 {
        if carry(sides, now, wire) {
            continue;
        }
        let Some(next) = sides.iter().filter_map(|side| side.line.deadline()).min() else { return now };
        now = now.max(next);
        for side in sides.iter_mut().filter(|side| side.line.deadline().is_some_and(|at| at <= now)) {
            side.line.tick(now);
            assert!(side.line.deadline().is_none_or(|at| at > now), "a deadline is met: {:?}", side.line);
        }
    }
    panic!("the two do not come to an end: {:?} {:?}", sides[0].line, sides[1].line);
}

fn both() -> [Side; 2] {
    [Side::new(host()), Side::new(instrument())]
}

#[test]
fn messages_go_both_ways() {
    for from in [0, 1] {
        let mut sides = both();
        let messages: Vec<Vec<u8>> = (0..20).map(|at| format!("H|\\^&|{at}\rP|1\rL|1|N\r").into_bytes()).collect();
        for message in &messages {
            sides[from].send(START, message);
        }
        let end = settle(&mut sides, START, &mut perfect);
        assert_eq!(sides[1 - from].got, messages);
        assert_eq!(end, START, "nothing waits for the clock");
        assert!(sides.iter().all(|side| causes(&side.events).is_empty() && !side.line.is_busy()));
    }
}

#[test]
fn both_begin_at_once_and_both_messages_arrive() {
    let mut sides = both();
    for side in &mut sides {
        side.send(START, RESULT);
    }
    settle(&mut sides, START, &mut perfect);
    assert!(sides.iter().all(|side| side.got == [RESULT] && side.waiting.is_empty()));
    assert!(sides.iter().any(|side| has(&side.events, Happening::Contention)));
}

#[test]
fn a_refused_message_is_taken_later() {
    let mut sides = both();
    sides[0].answers = vec![Answer::Refused; 8];
    sides[1].send(START, RESULT);
    let end = settle(&mut sides, START, &mut perfect);
    assert_eq!(sides[0].got, [RESULT]);
    assert!(end >= after(10), "six refusals, a rest, two more");
    assert!(sides[1].events.contains(&Event::Unsent(Unsent::Refused)));
}

#[test]
fn replies_go_back_in_a_session_of_their_own() {
    let mut sides = both();
    sides[0].answers = vec![Answer::Taken(vec![b"H|\\^&\rQ|1\rL|1\r".to_vec()])];
    sides[1].send(START, RESULT);
    settle(&mut sides, START, &mut perfect);
    assert_eq!(sides[1].got, [b"H|\\^&\rQ|1\rL|1\r".to_vec()]);
}

#[test]
fn either_side_is_switched_off_and_on_after_every_byte() {
    let total: usize = 2 + frames(RESULT).iter().map(Vec::len).sum::<usize>();
    for victim in [0, 1] {
        for at in 0..total {
            let mut sides = both();
            sides[1].send(START, RESULT);
            let mut is_cut = false;
            let mut wire = |from: usize, place: usize, byte: u8| {
                is_cut |= from == 1 && place >= at;
                (!is_cut).then_some(byte)
            };
            for _ in 0..20 {
                carry(&mut sides, START, &mut wire);
            }
            sides[victim].power_cycle(after(5));
            settle(&mut sides, after(5), &mut perfect);
            assert!(sides[1].waiting.is_empty(), "byte {at}");
            let got = &sides[0].got;
            assert!((1..=2).contains(&got.len()) && got.iter().all(|message| message == RESULT), "byte {at}: {got:?}");
        }
    }
}
