//! Acknowledgements: whatever is acknowledged, what goes out is one MSH, one MSA and at most one ERR, and says no
//! more than it was told to say.

use gurney::{
    hl7::{
        Index, Message, Path,
        ack::{Code, Fault, Reason, Stamp, build, for_unparsable, is_acknowledgement, read, time_text},
        split_messages,
    },
    settings::AckMode,
    units::Timestamp,
};

use super::{Input, messages};

pub(super) fn seeds() -> Vec<Vec<u8>> {
    (0..)
        .zip(messages())
        .map(|(number, message)| [&[number, number / 2, 3, 4, b'a', b'|', 13, b'^'], &*message].concat())
        .collect()
}

pub(super) fn run(data: &[u8]) {
    let mut input = Input(data);
    let code = input.pick(&Code::ALL);
    let reason = input.pick(&[Reason::RequiredFieldMissing, Reason::UnsupportedVersion, Reason::InternalError]);
    let place = input.pick(&["", "PID-3[2].4.1", "OBX[65535]-65535", "ZZ9-1"]);
    let length = usize::from(input.byte() % 32);
    let text = String::from_utf8_lossy(input.bytes(length)).into_owned();
    let fault = Fault { place: place.parse::<Path>().ok(), reason, text };
    let at = time_text(Timestamp(1_772_000_000_000), 3600);
    let stamp = Stamp { at: &at, control_id: "GW7" };
    let raw = input.rest();

    match Index::of(raw) {
        Ok(index) => {
            let message = index.message(raw);
            let with_fault = build(&message, &stamp, code, Some(&fault));
            answers(&with_fault, &message, code, usize::from(!code.is_positive()));
            answers(&build(&message, &stamp, code, None), &message, code, 0);
        }
        Err(error) => {
            for setting in [AckMode::Auto, AckMode::Original, AckMode::Enhanced] {
                let Some(rejection) = for_unparsable(raw, setting, &stamp, &error) else { continue };
                let code = is_one_acknowledgement(&rejection, 1);
                assert!(!code.is_positive(), "a positive answer to what is no message");
            }
        }
    }
}

fn answers(acknowledgement: &[u8], message: &Message<'_>, code: Code, errors: usize) {
    assert_eq!(is_one_acknowledgement(acknowledgement, errors), code);
    let index = Index::of(acknowledgement).expect("checked");
    let answer = index.message(acknowledgement);
    let reply = read(acknowledgement).expect("checked");
    assert!(reply.control_id == tame(message.control_id()), "MSA-2 is not MSH-10");
    let swapped = [
        (answer.sending_application(), message.receiving_application()),
        (answer.sending_facility(), message.receiving_facility()),
        (answer.receiving_application(), message.sending_application()),
        (answer.receiving_facility(), message.sending_facility()),
    ];
    assert!(swapped.iter().all(|(ours, theirs)| *ours == tame(theirs)), "sender and receiver are not swapped");
    assert!(answer.accept_ack_type().is_empty() && answer.application_ack_type().is_empty());
    assert_eq!(answer.control_id(), b"GW7");
}

/// Checks the form, and gives what it says.
fn is_one_acknowledgement(bytes: &[u8], errors: usize) -> Code {
    let index = Index::of(bytes).expect("an acknowledgement that can be read");
    let message = index.message(bytes);
    let names: Vec<&[u8]> = message.segments().map(|segment| segment.name()).collect();
    let expected: &[&[u8]] = &[b"MSH", b"MSA", b"ERR"];
    assert_eq!(names, expected[..2 + errors], "other segments");
    assert!(index.findings().is_clean() && !index.findings().unended, "{:?}", index.findings());
    assert!(bytes.iter().all(|byte| *byte == b'\r' || !byte.is_ascii_control()), "a control character");
    assert_eq!(split_messages(bytes).len(), 1);
    assert!(is_acknowledgement(&message));
    read(bytes).expect("an answer").code.expect("a code of table 0008")
}

/// Control characters become blanks.
fn tame(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| if byte.is_ascii_control() { b' ' } else { *byte }).collect()
}
