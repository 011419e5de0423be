//! The data link against itself and against every peer that breaks its rules, on a clock that only the tests move.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use super::{
    frame::{ACK, End, NAK, write},
    *,
};

mod noise;
mod pair;
mod random;
mod receiving;
mod sending;

const START: Timestamp = Timestamp(1_000_000);

/// A result with three records and a terminator: four frames.
const RESULT: &[u8] = b"H|\\^&|||Lantern^7||||||||LIS2-A2\rP|1||77||Ember^Ada\rR|1|^^^GLU|5.8|mmol/L\rL|1|N\r";

fn after(seconds: i64) -> Timestamp {
    Timestamp(START.0 + seconds * 1000)
}

fn host() -> Lis01 {
    Lis01::new(Options::new(Role::Host, 1 << 20))
}

fn instrument() -> Lis01 {
    Lis01::new(Options::new(Role::Instrument, 1 << 20))
}

fn frame(number: u8, text: &[u8], end: End) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out, number, text, end);
    out
}

fn whole(number: u8, text: &[u8]) -> Vec<u8> {
    frame(number, text, End::Whole)
}

/// The frames of a message of records, one record in each, from number 1.
fn frames(message: &[u8]) -> Vec<Vec<u8>> {
    let records = message.split_inclusive(|byte| *byte == b'\r');
    records.enumerate().map(|(at, record)| whole(u8::try_from((at + 1) % 8).unwrap(), record)).collect()
}

fn taken() -> Answer {
    Answer::Taken(Vec::new())
}

fn events(machine: &mut Lis01) -> Vec<Event> {
    std::iter::from_fn(|| machine.next()).collect()
}

fn payloads(events: &[Event]) -> Vec<Vec<u8>> {
    let payload = |event: &Event| match event {
        Event::Frame(payload) => Some(payload.clone()),
        _ => None,
    };
    events.iter().filter_map(payload).collect()
}

fn causes(events: &[Event]) -> Vec<Cause> {
    let cause = |event: &Event| match event {
        Event::Noise { cause, .. } => Some(*cause),
        _ => None,
    };
    events.iter().filter_map(cause).collect()
}

fn has(events: &[Event], happening: Happening) -> bool {
    events.contains(&Event::Count(happening))
}

/// Gives bytes and returns what is answered at once.
fn say(machine: &mut Lis01, now: Timestamp, bytes: &[u8]) -> Vec<u8> {
    machine.receive(now, bytes);
    machine.transmit()
}
