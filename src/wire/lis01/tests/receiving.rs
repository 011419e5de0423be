//! Messages of the peer.

use super::*;

/// A host in a session, with all but the last frame of [`RESULT`] taken, and that last frame.
fn before_the_last() -> (Lis01, Vec<u8>) {
    let (mut host, mut frames) = (host(), frames(RESULT));
    let last = frames.pop().unwrap();
    assert_eq!(say(&mut host, START, b"\x05"), [ACK]);
    for frame in frames {
        assert_eq!(say(&mut host, START, &frame), [ACK]);
    }
    assert!(events(&mut host).is_empty());
    (host, last)
}

#[test]
fn holds_the_last_acknowledgement_until_the_message_is_taken() {
    let (mut host, last) = before_the_last();
    assert_eq!(say(&mut host, START, &last), b"");
    assert_eq!(events(&mut host), [Event::Frame(RESULT.to_vec())]);
    host.tick(after(3600));
    assert_eq!(host.transmit(), b"", "INV-01: time passes, and nothing is said");
    host.answer(after(3601), taken());
    assert_eq!(host.transmit(), [ACK]);
    assert_eq!(say(&mut host, after(3601), b"\x04"), b"");
    assert!(events(&mut host).is_empty() && !host.is_busy());
}

#[test]
fn refuses_a_message_that_is_not_stored_and_takes_it_later() {
    let (mut host, last) = before_the_last();
    say(&mut host, START, &last);
    host.answer(after(1), Answer::Refused);
    assert_eq!(host.transmit(), [NAK]);
    assert_eq!(payloads(&events(&mut host)), [RESULT]);
    assert_eq!(say(&mut host, after(2), &last), b"");
    assert_eq!(payloads(&events(&mut host)), [RESULT], "the same message is offered again");
    host.answer(after(2), taken());
    assert_eq!(host.transmit(), [ACK]);
}

#[test]
fn answers_a_repeat_of_the_last_frame_again_and_does_not_take_it_twice() {
    let (mut host, last) = before_the_last();
    say(&mut host, START, &last);
    assert_eq!(say(&mut host, after(1), &last), b"", "one answer to both copies, and it is still due");
    host.answer(after(1), taken());
    assert_eq!(host.transmit(), [ACK]);
    assert_eq!(say(&mut host, after(2), &last), [ACK], "its acknowledgement was lost");
    let seen = events(&mut host);
    assert_eq!(payloads(&seen), [RESULT]);
    assert_eq!(seen.iter().filter(|event| **event == Event::Count(Happening::DuplicateFrame)).count(), 2);
}

#[test]
fn refuses_a_number_that_skips_or_that_was_used_for_another_text() {
    for (number, text) in [(3, &b"P|1\r"[..]), (0, b"P|1\r"), (7, b"P|1\r"), (1, b"P|1\r")] {
        let mut host = host();
        say(&mut host, START, b"\x05");
        assert_eq!(say(&mut host, START, &whole(1, b"H|\\^&\r")), [ACK]);
        assert_eq!(say(&mut host, START, &whole(number, text)), [NAK], "number {number}");
        assert_eq!(causes(&events(&mut host)), [Cause::FrameNumber]);
        assert_eq!(say(&mut host, START, &whole(2, b"L|1\r")), b"");
        assert_eq!(payloads(&events(&mut host)), [b"H|\\^&\rL|1\r".to_vec()]);
    }
}

#[test]
fn a_session_begins_with_number_one_and_wraps_from_seven_to_zero() {
    let mut host = host();
    say(&mut host, START, b"\x05");
    assert_eq!(say(&mut host, START, &whole(0, b"H|\\^&\r")), [NAK]);
    let mut message = b"H|\\^&\r".to_vec();
    message.extend(b"C|1\r".repeat(20));
    for frame in frames(&message) {
        assert_eq!(say(&mut host, START, &frame), [ACK]);
    }
}

#[test]
fn takes_a_record_over_several_frames_and_several_records_in_one() {
    let mut host = host();
    say(&mut host, START, b"\x05");
    assert_eq!(say(&mut host, START, &frame(1, b"H|\\^&\rP|1\rC|1|I|lo", End::Continued)), [ACK]);
    assert_eq!(say(&mut host, START, &frame(2, b"ng\rL|", End::Continued)), [ACK]);
    assert_eq!(say(&mut host, START, &whole(3, b"1|N")), b"");
    assert_eq!(payloads(&events(&mut host)), [b"H|\\^&\rP|1\rC|1|I|long\rL|1|N\r".to_vec()]);
}

#[test]
fn two_messages_in_one_frame_are_taken_one_by_one_and_refused_one_by_one() {
    let both = whole(1, b"H|\\^&|a\rL|1\rH|\\^&|b\rL|1\r");
    let mut host = host();
    say(&mut host, START, b"\x05");
    assert_eq!(say(&mut host, START, &both), b"");
    assert_eq!(payloads(&events(&mut host)), [b"H|\\^&|a\rL|1\r".to_vec(), b"H|\\^&|b\rL|1\r".to_vec()]);
    host.answer(START, taken());
    assert_eq!(host.transmit(), b"");
    host.answer(START, Answer::Refused);
    assert_eq!(host.transmit(), [NAK]);
    assert_eq!(say(&mut host, START, &both), b"");
    assert_eq!(payloads(&events(&mut host)), [b"H|\\^&|b\rL|1\r".to_vec()], "the first one is taken already");
    host.answer(START, taken());
    assert_eq!(host.transmit(), [ACK]);
}

#[test]
fn drops_a_message_after_thirty_seconds_of_silence() {
    let mut host = host();
    say(&mut host, START, b"\x05");
    say(&mut host, after(20), &whole(1, b"H|\\^&\r"));
    assert_eq!(host.deadline(), Some(after(50)), "every reply starts the time again");
    host.tick(after(50));
    assert_eq!(causes(&events(&mut host)), [Cause::Timeout]);
    assert_eq!((host.transmit(), host.deadline(), host.is_busy()), (Vec::new(), None, false));
    assert_eq!(say(&mut host, after(51), b"\x05"), [ACK]);
    for frame in frames(RESULT) {
        say(&mut host, after(51), &frame);
    }
    assert_eq!(payloads(&events(&mut host)), [RESULT], "nothing of the old message is left");
}

#[test]
fn hands_over_acknowledged_records_when_the_session_ends_without_a_terminator() {
    let mut host = host();
    say(&mut host, START, b"\x05");
    say(&mut host, START, &whole(1, b"H|\\^&\r"));
    say(&mut host, START, b"\x04");
    assert_eq!((events(&mut host), host.deadline()), (vec![], Some(after(2))), "it may be a damaged STX");
    host.tick(after(2));
    let seen = events(&mut host);
    assert_eq!(payloads(&seen), [b"H|\\^&\r".to_vec()]);
    assert_eq!(causes(&seen), [Cause::Unterminated]);
    assert_eq!(say(&mut host, after(2), b"\x05"), b"", "its answer is due");
    host.answer(after(2), Answer::Refused);
    assert_eq!(host.transmit(), [NAK], "no more is taken while it has no place to go");
    host.tick(host.deadline().unwrap());
    assert_eq!(payloads(&events(&mut host)), [b"H|\\^&\r".to_vec()], "offered again");
    host.answer(after(20), taken());
    assert_eq!(say(&mut host, after(20), b"\x05"), [ACK]);
}

#[test]
fn does_not_hand_over_what_the_sender_knows_to_be_lost() {
    let broken = b"\x022P|1\r\x0300\r\n".to_vec();
    let cut = frame(2, b"P|1|", End::Continued);
    let mut unseen = whole(2, b"P|1\r");
    unseen[0] = b' ';
    for (second, reply, cause) in
        [(broken, &[NAK][..], Cause::Abandoned), (cut, &[ACK], Cause::Partial), (unseen, &[], Cause::Abandoned)]
    {
        let mut host = host();
        say(&mut host, START, b"\x05");
        say(&mut host, START, &whole(1, b"H|\\^&\r"));
        assert_eq!(say(&mut host, START, &second), reply);
        say(&mut host, after(15), b"\x04");
        host.tick(after(17));
        let seen = events(&mut host);
        assert!(payloads(&seen).is_empty(), "{cause}: {seen:?}");
        assert_eq!(causes(&seen).last(), Some(&cause));
    }
}

#[test]
fn a_new_enquiry_inside_a_message_is_a_sender_that_was_switched_off() {
    for first in [frame(1, b"H|\\^&\rP|1|", End::Continued), whole(1, b"H|\\^&\r")] {
        let mut host = host();
        say(&mut host, START, b"\x05");
        say(&mut host, START, &first);
        assert_eq!(say(&mut host, after(5), b"\x05"), b"", "it may be a damaged STX");
        host.tick(after(7));
        assert_eq!(host.transmit(), [ACK]);
        for frame in frames(RESULT) {
            say(&mut host, after(7), &frame);
        }
        let seen = events(&mut host);
        assert_eq!(causes(&seen), [Cause::Abandoned]);
        assert_eq!(payloads(&seen), [RESULT]);
    }
}

#[test]
fn a_frame_whose_begin_became_an_enquiry_or_an_end_is_not_answered_and_not_forgotten() {
    for control in [0x04, 0x05] {
        let mut frames = frames(RESULT);
        let mut host = host();
        say(&mut host, START, b"\x05");
        assert_eq!(say(&mut host, START, &frames[0]), [ACK]);
        let good = frames[1].clone();
        frames[1][0] = control;
        assert_eq!(say(&mut host, after(1), &frames[1]), b"", "{control}: an ACK would be taken for that of the frame");
        frames[1] = good;
        for frame in &frames[1..] {
            say(&mut host, after(2), frame);
        }
        let seen = events(&mut host);
        assert_eq!(payloads(&seen), [RESULT], "{control}: {seen:?}");
        assert_eq!(causes(&seen), [Cause::Garbage]);
        host.answer(after(2), taken());
        assert_eq!(host.transmit(), [ACK]);
    }
}

#[test]
fn whole_records_are_handed_over_although_noise_follows_their_end() {
    for (noise, cause) in [(&b"??"[..], Cause::Unterminated), (b"R|1|5.8\r", Cause::Abandoned)] {
        let mut host = host();
        say(&mut host, START, b"\x05");
        say(&mut host, START, &whole(1, b"H|\\^&\r"));
        say(&mut host, after(1), &[b"\x04", noise].concat());
        host.tick(after(3));
        let seen = events(&mut host);
        assert_eq!(causes(&seen), [Cause::Garbage, cause], "a frame may hide in the noise, or not");
        assert_eq!(payloads(&seen).len(), usize::from(cause == Cause::Unterminated));
    }
}

#[test]
fn an_enquiry_instead_of_patience_is_refused_with_its_message() {
    let (mut host, last) = before_the_last();
    say(&mut host, START, &last);
    assert_eq!(say(&mut host, after(1), b"\x05"), b"");
    host.answer(after(1), Answer::Refused);
    assert_eq!(host.transmit(), [NAK], "the enquiry was perhaps noise, and ACK would be that of the message");
    assert_eq!(say(&mut host, after(11), b"\x05"), [ACK]);
}

#[test]
fn a_sender_that_gives_up_waiting_is_not_answered_late() {
    let (mut host, last) = before_the_last();
    say(&mut host, START, &last);
    say(&mut host, after(15), b"\x04");
    assert_eq!(say(&mut host, after(16), b"\x05"), b"", "no reply that could be taken for that of the old frame");
    host.answer(after(17), taken());
    assert_eq!(host.transmit(), [ACK], "of the enquiry");
    for frame in frames(RESULT) {
        say(&mut host, after(18), &frame);
    }
    assert_eq!(payloads(&events(&mut host)).len(), 2, "the journal knows repeats");
}

#[test]
fn interrupts_between_messages_if_it_is_told_to() {
    for (interrupt, reply) in [(Interrupt::Never, ACK), (Interrupt::BetweenMessages, 0x04)] {
        let mut host = Lis01::new(Options { interrupt, ..Options::new(Role::Host, 1 << 20) });
        say(&mut host, START, b"\x05");
        host.send(START, b"H|\\^&\rL|1\r".to_vec());
        for frame in frames(RESULT) {
            say(&mut host, START, &frame);
        }
        host.answer(START, taken());
        assert_eq!(host.transmit(), [reply]);
        assert_eq!(say(&mut host, START, b"\x04"), [0x05], "our turn");
    }
}

#[test]
fn refuses_what_is_larger_than_the_link_takes() {
    let mut host = Lis01::new(Options::new(Role::Host, 100));
    say(&mut host, START, b"\x05");
    assert_eq!(say(&mut host, START, &whole(1, b"H|\\^&\r")), [ACK]);
    assert_eq!(say(&mut host, START, &whole(2, &[b'x'; 95])), [NAK]);
    assert_eq!(causes(&events(&mut host)), [Cause::Oversize]);
}

#[test]
fn takes_frames_of_every_size_up_to_the_largest() {
    for (length, is_taken) in [(1, true), (240, true), (241, true), (63_993, true), (63_994, false)] {
        let mut text = vec![b'x'; length];
        *text.last_mut().unwrap() = b'\r';
        let mut host = host();
        say(&mut host, START, b"\x05");
        let reply = say(&mut host, START, &whole(1, &text));
        assert_eq!(reply, [if is_taken { ACK } else { NAK }], "{length}");
        assert_eq!(causes(&events(&mut host)), if is_taken { vec![] } else { vec![Cause::Oversize] });
    }
}

#[test]
fn an_end_of_the_stream_leaves_nothing_behind() {
    let mut host = host();
    say(&mut host, START, b"\x05");
    say(&mut host, START, &frame(1, b"H|\\^&\rP|", End::Continued));
    host.receive(START, b"\x0221");
    host.end(after(1));
    assert_eq!(causes(&events(&mut host)), [Cause::Partial, Cause::Partial]);
    assert!(!host.is_busy() && host.deadline().is_none());
    say(&mut host, after(2), b"\x05");
    for frame in frames(RESULT) {
        say(&mut host, after(2), &frame);
    }
    assert_eq!(payloads(&events(&mut host)), [RESULT]);
}
