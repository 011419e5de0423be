//! Messages of our own.

use super::*;

/// A machine that has asked for the line and got it; its first frame.
fn established(mut machine: Lis01) -> (Lis01, Vec<u8>) {
    machine.send(START, RESULT.to_vec());
    assert_eq!(machine.transmit(), b"\x05");
    let first = say(&mut machine, START, &[ACK]);
    assert_eq!(first, frames(RESULT)[0]);
    (machine, first)
}

#[test]
fn sends_record_by_record() {
    let (mut machine, _) = established(instrument());
    for expected in &frames(RESULT)[1..] {
        assert!(machine.is_busy());
        assert_eq!(&say(&mut machine, START, &[ACK]), expected);
    }
    assert!(events(&mut machine).is_empty());
    assert_eq!(say(&mut machine, START, &[ACK]), b"\x04");
    assert_eq!(events(&mut machine), [Event::Sent]);
    assert!(!machine.is_busy() && machine.deadline().is_none());
}

#[test]
fn gives_a_frame_up_after_six_refusals() {
    let (mut machine, first) = established(instrument());
    for _ in 1..6 {
        assert_eq!(say(&mut machine, START, &[NAK]), first);
    }
    assert!(!events(&mut machine).contains(&Event::Unsent(Unsent::Refused)));
    assert_eq!(say(&mut machine, START, &[NAK]), b"\x04");
    let seen = events(&mut machine);
    assert_eq!(seen, [Event::Count(Happening::NakReceived), Event::Unsent(Unsent::Refused)]);
    machine.send(START, RESULT.to_vec());
    assert_eq!(machine.transmit(), b"", "not at once again");
    machine.tick(machine.deadline().unwrap());
    assert_eq!(machine.transmit(), b"\x05");
}

#[test]
fn any_other_byte_is_a_refusal_and_an_acknowledgement_forgets_the_refusals() {
    let (mut machine, first) = established(instrument());
    for byte in [b'?', 0x02, NAK, 0x05, 0x00] {
        assert_eq!(say(&mut machine, START, &[byte]), first, "{byte:#x}");
    }
    assert_eq!(say(&mut machine, START, &[ACK]), frames(RESULT)[1]);
    for _ in 1..6 {
        assert_eq!(say(&mut machine, START, &[NAK]), frames(RESULT)[1]);
    }
    assert_eq!(say(&mut machine, START, &[ACK]), frames(RESULT)[2]);
}

#[test]
fn waits_ten_seconds_after_a_refused_enquiry() {
    let mut machine = instrument();
    machine.send(START, RESULT.to_vec());
    assert_eq!(machine.transmit(), b"\x05");
    assert_eq!(say(&mut machine, START, &[NAK]), b"");
    machine.tick(Timestamp(after(10).0 - 1));
    assert_eq!(machine.transmit(), b"");
    assert_eq!(machine.deadline(), Some(after(10)));
    machine.tick(after(10));
    assert_eq!(machine.transmit(), b"\x05");
    let mut now = 10;
    for _ in 2..6 {
        assert_eq!(say(&mut machine, after(now), &[NAK]), b"");
        now += 10;
        machine.tick(after(now));
        assert_eq!(machine.transmit(), b"\x05");
    }
    say(&mut machine, after(now), &[NAK]);
    assert!(events(&mut machine).contains(&Event::Unsent(Unsent::Refused)));
}

#[test]
fn gives_up_after_fifteen_seconds_without_a_reply() {
    let mut machine = instrument();
    machine.send(START, RESULT.to_vec());
    machine.transmit();
    machine.tick(Timestamp(after(15).0 - 1));
    assert_eq!(machine.transmit(), b"");
    machine.tick(after(15));
    assert_eq!(machine.transmit(), b"\x04", "to an enquiry");
    assert_eq!(events(&mut machine), [Event::Unsent(Unsent::NoAnswer)]);
    let (mut machine, _) = established(instrument());
    machine.tick(after(15));
    assert_eq!(machine.transmit(), b"\x04", "to a frame");
    assert_eq!(events(&mut machine), [Event::Unsent(Unsent::NoAnswer)]);
}

#[test]
fn the_instrument_wins_a_collision() {
    for (role, seconds) in [(Role::Instrument, 1), (Role::Host, 20)] {
        let mut machine = Lis01::new(Options::new(role, 1 << 20));
        machine.send(START, RESULT.to_vec());
        machine.transmit();
        assert_eq!(say(&mut machine, START, b"\x05"), b"", "{role:?}");
        assert!(has(&events(&mut machine), Happening::Contention));
        assert_eq!(machine.deadline(), Some(after(seconds)), "{role:?}");
        machine.tick(after(seconds));
        assert_eq!(machine.transmit(), b"\x05", "{role:?}");
    }
}

#[test]
fn the_host_lets_the_instrument_send_first() {
    let mut machine = host();
    machine.send(START, b"H|\\^&\rL|1\r".to_vec());
    machine.transmit();
    say(&mut machine, START, b"\x05");
    assert_eq!(say(&mut machine, after(1), b"\x05"), [ACK]);
    for frame in frames(RESULT) {
        say(&mut machine, after(1), &frame);
    }
    machine.answer(after(1), taken());
    assert_eq!(machine.transmit(), [ACK]);
    assert_eq!(say(&mut machine, after(2), b"\x04"), b"\x05", "now it is the host's turn");
}

#[test]
fn eot_in_place_of_ack_takes_the_frame_and_asks_for_the_line() {
    let (mut machine, _) = established(instrument());
    machine.send(START, RESULT.to_vec());
    let frames = frames(RESULT);
    assert_eq!(say(&mut machine, START, &[0x04]), frames[1], "the frame counts as taken");
    assert!(has(&events(&mut machine), Happening::Interrupted));
    for expected in &frames[2..] {
        assert_eq!(&say(&mut machine, START, &[ACK]), expected);
    }
    assert_eq!(say(&mut machine, START, &[ACK]), b"\x04");
    assert_eq!(events(&mut machine), [Event::Sent]);
    assert_eq!(machine.deadline(), Some(after(15)), "the line is left to the peer");
    assert_eq!(say(&mut machine, after(3), b"\x05"), [ACK]);
    assert_eq!(say(&mut machine, after(4), b"\x04"), b"\x05", "until it has sent");
}

#[test]
fn what_came_before_the_bytes_left_is_no_reply_to_them() {
    let mut machine = instrument();
    machine.send(START, RESULT.to_vec());
    machine.receive(START, &[ACK]);
    assert_eq!(machine.transmit(), b"\x05");
    assert_eq!(say(&mut machine, START, &[ACK]), frames(RESULT)[0]);
}

#[test]
fn restricted_characters_are_unfit() {
    for byte in (1..=6).chain([0x0a]).chain(0x10..=0x17) {
        let mut machine = instrument();
        machine.send(START, [b"H|\\^&|", &[byte][..], b"\rL|1\r"].concat());
        assert_eq!(machine.transmit(), b"", "{byte:#x}");
        assert_eq!(events(&mut machine), [Event::Unsent(Unsent::Unfit)], "{byte:#x}");
    }
    for empty in [&b""[..], b"\r\r"] {
        let mut machine = instrument();
        machine.send(START, empty.to_vec());
        assert_eq!(events(&mut machine), [Event::Unsent(Unsent::Unfit)]);
    }
}

#[test]
fn cuts_records_to_the_size_of_the_link() {
    for (max, length) in [(1, 9), (7, 240), (240, 1000), (63_993, 200_000)] {
        let mut machine = Lis01::new(Options { frame_text_max: max, ..Options::new(Role::Instrument, 1 << 20) });
        let mut message = b"H|\\^&|".to_vec();
        message.resize(length, b'x');
        message.extend(b"\rL|1\r");
        machine.send(START, message.clone());
        machine.transmit();
        let mut host = host();
        say(&mut host, START, b"\x05");
        let mut frame = say(&mut machine, START, &[ACK]);
        while frame != b"\x04" {
            assert!(frame.len() <= max + 7, "{max}");
            let mut reply = say(&mut host, START, &frame);
            if reply.is_empty() {
                host.answer(START, taken());
                reply = host.transmit();
            }
            frame = say(&mut machine, START, &reply);
        }
        assert_eq!(payloads(&events(&mut host)), [message], "{max}");
    }
}

#[test]
fn the_end_of_the_stream_returns_every_message() {
    let (mut machine, _) = established(instrument());
    machine.send(START, RESULT.to_vec());
    machine.end(START);
    assert_eq!(events(&mut machine), [Event::Unsent(Unsent::Ended), Event::Unsent(Unsent::Ended)]);
    assert_eq!((machine.transmit(), machine.deadline(), machine.is_busy()), (Vec::new(), None, false));
}

#[test]
fn several_aborts_soon_after_each_other_are_told() {
    let mut machine = instrument();
    let mut told = Vec::new();
    for _ in 0..3 {
        machine.send(machine.deadline().unwrap_or(START), RESULT.to_vec());
        let mut seen = Vec::new();
        while !seen.contains(&Event::Unsent(Unsent::NoAnswer)) {
            machine.transmit();
            machine.tick(machine.deadline().unwrap());
            seen.extend(events(&mut machine));
        }
        told.push(has(&seen, Happening::AbortedOften));
    }
    assert_eq!(told, [false, false, true]);
}
