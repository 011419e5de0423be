//! Peers that do anything.

use proptest::prelude::*;

use super::*;

/// What happens to a machine.
#[derive(Clone, Debug)]
enum Step {
    Bytes(Vec<u8>),
    Frame(u8, Vec<u8>, bool),
    Damaged(LineFault),
    Deadline,
    Wait(i64),
    Taken(Vec<Vec<u8>>),
    Refused,
    Send(Vec<u8>),
    End,
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    let texts: Vec<&[u8]> = vec![
        b"H|\\^&\r",
        b"P|1\r",
        b"R|1|",
        b"5.8\r",
        b"L|1|N\r",
        b"L|1\rH|\\^&\r",
        b"H|\\^&\rL|1\r",
        b"\r",
        b"",
        b"L",
    ];
    prop_oneof![8 => prop::sample::select(texts).prop_map(<[u8]>::to_vec), 1 => prop::collection::vec(any::<u8>(), 0..40)]
}

fn step() -> impl Strategy<Value = Step> {
    let controls = prop::sample::select(vec![0x02_u8, 0x03, 0x04, 0x05, 0x06, 0x15, 0x17, b'\r', b'\n', b'1']);
    let fault = prop::sample::select(vec![LineFault::Parity, LineFault::Framing, LineFault::Overrun]);
    prop_oneof![
        6 => prop::collection::vec(controls, 1..3).prop_map(Step::Bytes),
        1 => prop::collection::vec(any::<u8>(), 0..30).prop_map(Step::Bytes),
        6 => (0_u8..8, text(), any::<bool>()).prop_map(|(number, text, whole)| Step::Frame(number, text, whole)),
        1 => fault.prop_map(Step::Damaged),
        3 => Just(Step::Deadline),
        2 => (0_i64..40_000).prop_map(Step::Wait),
        3 => prop::collection::vec(text(), 0..2).prop_map(Step::Taken),
        2 => Just(Step::Refused),
        2 => text().prop_map(Step::Send),
        1 => Just(Step::End),
    ]
}

fn options() -> impl Strategy<Value = Options> {
    let role = prop::sample::select(vec![Role::Host, Role::Instrument]);
    let grouping = prop::sample::select(vec![Grouping::Records, Grouping::EndFrame]);
    let interrupt = prop::sample::select(vec![Interrupt::Never, Interrupt::BetweenMessages]);
    (role, grouping, interrupt, 1_usize..20).prop_map(|(role, grouping, interrupt, frame_text_max)| Options {
        grouping,
        interrupt,
        frame_text_max,
        ..Options::new(role, 60)
    })
}

proptest! {
    #[test]
    fn any_peer_is_borne_and_every_message_of_ours_is_accounted_for(
        options in options(),
        steps in prop::collection::vec(step(), 0..80),
    ) {
        let (mut machine, mut now) = (Lis01::new(options), START);
        let (mut given, mut told, mut due) = (0_usize, 0_usize, 0_usize);
        for step in steps.into_iter().chain([Step::End]) {
            match step {
                Step::Bytes(bytes) => machine.receive(now, &bytes),
                Step::Frame(number, text, is_whole) => {
                    let end = if is_whole { End::Whole } else { End::Continued };
                    machine.receive(now, &frame(number, &text, end));
                }
                Step::Damaged(fault) => machine.damaged(now, fault),
                Step::Deadline => now = machine.deadline().map_or(now, |at| at.max(now)),
                Step::Wait(time) => now = Timestamp(now.0 + time),
                Step::Taken(replies) if due > 0 => {
                    due -= 1;
                    machine.answer(now, Answer::Taken(replies));
                }
                Step::Refused if due > 0 => {
                    due -= 1;
                    machine.answer(now, Answer::Refused);
                }
                Step::Taken(_) | Step::Refused => {}
                Step::Send(payload) => {
                    given += 1;
                    machine.send(now, payload);
                }
                Step::End => machine.end(now),
            }
            if machine.deadline().is_some_and(|at| at <= now) {
                machine.tick(now);
                prop_assert!(machine.deadline().is_none_or(|at| at > now), "{machine:?}");
            }
            machine.transmit();
            for event in events(&mut machine) {
                match event {
                    Event::Frame(payload) => {
                        due += 1;
                        prop_assert!(payload.len() <= options.message_max + 1, "{} bytes", payload.len());
                    }
                    Event::Sent | Event::Unsent(_) => told += 1,
                    Event::Noise { bytes, count, .. } => prop_assert!(bytes.len() as u64 <= count),
                    Event::Count(_) => {}
                }
            }
            prop_assert!(told <= given);
        }
        prop_assert_eq!(told, given);
        prop_assert!(machine.deadline().is_none() || due > 0 || machine.orphan.is_some());
    }
}
