//! Acknowledgements: the truth tables, the golden bytes, and that nothing is smuggled through them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::hl7::{Expected, Index, Value};

const STAMP: Stamp<'static> = Stamp { at: "20260301101501.250+0100", control_id: "G42" };

fn acknowledge(raw: &[u8], code: Code, fault: Option<&Fault>) -> String {
    let index = Index::of(raw).unwrap();
    String::from_utf8(build(&index.message(raw), &STAMP, code, fault)).unwrap()
}

fn fault() -> Fault {
    Fault {
        place: Some("PID-3[2].1".parse().unwrap()),
        reason: Reason::RequiredFieldMissing,
        text: "no identifier | at all".into(),
    }
}

#[test]
fn swaps_peers_as_they_stand() {
    let raw =
        b"MSH|^~\\&|COMZIS^MS1|GH^1.2&x^ISO|GW\\T\\1|IN|20260301||ADT^A03^ADT_A03|0017 |T|2.5.1^DEU|||AL|NE||8859/1\r";
    let expected = "MSH|^~\\&|GW\\T\\1|IN|COMZIS^MS1|GH^1.2&x^ISO|20260301101501.250+0100||ACK^A03^ACK|G42|T|2.5.1^DEU\
                    ||||||8859/1\rMSA|CA|0017 \r";
    assert_eq!(acknowledge(raw, Code::Ca, None), expected);
}

#[test]
fn names_the_type_as_the_version_wants_it() {
    for (version, message_type, expected) in [
        ("2.1", "ADT^A03", "ACK"),
        ("2.3", "ADT^A03", "ACK"),
        ("2.3.1", "ADT^A03", "ACK^A03^ACK"),
        ("2.4", "ADT^A03^ADT_A03", "ACK^A03^ACK"),
        ("2.8.2", "ORM^O01", "ACK^O01^ACK"),
        ("2.5", "ADT", "ACK"),
        ("2.999", "ADT^A03", "ACK^A03^ACK"),
        ("garbage", "ADT^A03", "ACK^A03^ACK"),
        ("", "ADT^A03", "ACK^A03^ACK"),
    ] {
        let raw = format!("MSH|^~\\&|A|B|C|D|||{message_type}|1|P|{version}\r");
        let answer = acknowledge(raw.as_bytes(), Code::Aa, None);
        let index = Index::of(answer.as_bytes()).unwrap();
        let header = index.message(answer.as_bytes()).segment("MSH").unwrap();
        assert_eq!(header.field(9).bytes(), expected.as_bytes(), "{version}");
        let shown = if version.is_empty() { "2.5.1" } else { version };
        assert_eq!(header.field(12).bytes(), shown.as_bytes());
    }
}

#[test]
fn explains_a_refusal_as_the_version_wants_it() {
    for (version, expected) in [
        ("2.3", "MSA|AE|1|no identifier \\F\\ at all\rERR|PID^1^3^101&Required field missing&HL70357\r"),
        (
            "2.5",
            "MSA|AE|1|no identifier \\F\\ at all\r\
             ERR||PID^1^3^2^1|101^Required field missing^HL70357|E||||no identifier \\F\\ at all\r",
        ),
        ("2.7", "MSA|AE|1\rERR||PID^1^3^2^1|101^Required field missing^HL70357|E||||no identifier \\F\\ at all\r"),
    ] {
        let raw = format!("MSH|^~\\&|A|B|C|D|||ADT^A03|1|P|{version}\r");
        let answer = acknowledge(raw.as_bytes(), Code::Ae, Some(&fault()));
        assert_eq!(answer.split_once('\r').unwrap().1, expected, "{version}");
    }
    let accepted = acknowledge(b"MSH|^~\\&|A|B|C|D|||ADT^A03|1|P|2.5\r", Code::Aa, Some(&fault()));
    assert!(accepted.ends_with("\rMSA|AA|1\r"));
}

#[test]
fn speaks_with_the_senders_delimiters() {
    let answer = acknowledge(b"MSH#*!%@#A#B#C#D###ADT*A03#7#P#2.4\n", Code::Ae, Some(&fault()));
    assert_eq!(
        answer,
        "MSH#*!%@#C#D#A#B#20260301101501.250+0100##ACK*A03*ACK#G42#P#2.4\r\
         MSA#AE#7#no identifier | at all\rERR#PID*1*3*101@Required field missing@HL70357\r"
    );
}

#[test]
fn decides_by_setting_and_message() {
    use Condition::{Always, Error, Never, Success};
    let enhanced = |accept, application| Mode::Enhanced { accept, application };
    for (setting, accept, application, expected) in [
        (AckMode::Auto, "", "", Mode::Original),
        (AckMode::Auto, "AL", "NE", enhanced(Always, Never)),
        (AckMode::Auto, "NE", "AL", enhanced(Never, Always)),
        (AckMode::Auto, "ER", "SU", enhanced(Error, Success)),
        (AckMode::Auto, "SU", "", enhanced(Success, Never)),
        (AckMode::Auto, "", "AL", enhanced(Never, Always)),
        (AckMode::Auto, "??", "", enhanced(Always, Never)),
        (AckMode::Original, "AL", "AL", Mode::Original),
        (AckMode::Original, "NE", "", Mode::Original),
        (AckMode::Enhanced, "", "", enhanced(Always, Never)),
        (AckMode::Enhanced, "NE", "ER", enhanced(Never, Error)),
    ] {
        let raw = format!("MSH|^~\\&|A|B|C|D|||ADT^A03|1|P|2.5|||{accept}|{application}\r");
        let index = Index::of(raw.as_bytes()).unwrap();
        let mode = decide_mode(setting, &index.message(raw.as_bytes()));
        assert_eq!(mode, expected, "{setting:?} {accept} {application}");
    }
}

#[test]
fn answers_when_an_answer_is_due() {
    use Outcome::{Accept, Error, Reject};
    let codes = |mode: Mode| [Accept, Error, Reject].map(|outcome| mode.answer(outcome));
    let accept = |accept| Mode::Enhanced { accept, application: Condition::Always };
    assert_eq!(codes(Mode::Original), [Some(Code::Aa), Some(Code::Ae), Some(Code::Ar)]);
    assert_eq!(codes(accept(Condition::Always)), [Some(Code::Ca), Some(Code::Ce), Some(Code::Cr)]);
    assert_eq!(codes(accept(Condition::Never)), [None, None, None]);
    assert_eq!(codes(accept(Condition::Error)), [None, Some(Code::Ce), Some(Code::Cr)]);
    assert_eq!(codes(accept(Condition::Success)), [Some(Code::Ca), None, None]);
}

/// MSH-15 down, MSH-16 across: absent, AL, NE, ER, SU. What is answered, and what follows in a later exchange.
const TRUTH: [(Outcome, [[&str; 5]; 5]); 4] = [
    (
        Outcome::Accept,
        [
            ["AA", "+AA", "", "", "+AA"],
            ["CA", "CA+AA", "CA", "CA", "CA+AA"],
            ["", "+AA", "", "", "+AA"],
            ["", "+AA", "", "", "+AA"],
            ["CA", "CA+AA", "CA", "CA", "CA+AA"],
        ],
    ),
    (
        Outcome::Content,
        [
            ["AE", "+AE", "", "+AE", ""],
            ["CE", "CA+AE", "CE", "CA+AE", "CE"],
            ["", "+AE", "", "+AE", ""],
            ["CE", "+AE", "CE", "+AE", "CE"],
            ["", "CA+AE", "", "CA+AE", ""],
        ],
    ),
    (
        Outcome::Error,
        [
            ["AE", "+AE", "", "+AE", ""],
            ["CE", "CE", "CE", "CE", "CE"],
            ["", "+AE", "", "+AE", ""],
            ["CE", "CE", "CE", "CE", "CE"],
            ["", "+AE", "", "+AE", ""],
        ],
    ),
    (
        Outcome::Reject,
        [
            ["AR", "+AR", "", "+AR", ""],
            ["CR", "CR", "CR", "CR", "CR"],
            ["", "+AR", "", "+AR", ""],
            ["CR", "CR", "CR", "CR", "CR"],
            ["", "+AR", "", "+AR", ""],
        ],
    ),
];

const CONDITIONS: [&str; 5] = ["", "AL", "NE", "ER", "SU"];

#[test]
fn holds_the_truth_table() {
    let shown = |mode: Mode, outcome| {
        let Exchanges { first, later } = mode.exchanges(outcome);
        let text = |code: Option<Code>, before: &str| code.map(|code| format!("{before}{code}")).unwrap_or_default();
        text(first, "") + &text(later, "+")
    };
    let mut cells = 0;
    for (outcome, table) in TRUTH {
        for (accept, row) in CONDITIONS.into_iter().zip(table) {
            for ((application, expected), as_always) in CONDITIONS.into_iter().zip(row).zip(always_row(outcome)) {
                let mode = |setting| Mode::read(setting, accept.as_bytes(), application.as_bytes());
                assert_eq!(shown(mode(AckMode::Auto), outcome), expected, "{outcome:?} {accept} {application}");
                let original = outcome.application_code().to_string();
                assert_eq!(shown(mode(AckMode::Original), outcome), original, "{accept} {application}");
                // In enhanced mode, MSH-15 left out means AL; the rest is as MSH says.
                let expected = if accept.is_empty() { as_always } else { expected };
                assert_eq!(shown(mode(AckMode::Enhanced), outcome), expected, "{outcome:?} {accept} {application}");
                cells += 3;
            }
        }
    }
    assert_eq!(cells, 300);
}

/// The row of AL.
fn always_row(outcome: Outcome) -> [&'static str; 5] {
    TRUTH.iter().find(|(of, _)| *of == outcome).unwrap().1[1]
}

#[test]
fn echoes_what_is_expected_next() {
    for (version, expected) in [("2.1", "MSA|AE|1|t|41"), ("2.6", "MSA|AE|1|t|41"), ("2.7", "MSA|AE|1||41")] {
        let raw = format!("MSH|^~\\&|A|B|C|D|||ADT^A03|1|P|{version}|42\r");
        let index = Index::of(raw.as_bytes()).unwrap();
        let fault = Fault { place: None, reason: Reason::InternalError, text: "t".into() };
        let body = Body { code: Code::Ae, fault: Some(&fault), expected: Some(41), asks: Asks::Nothing };
        let answer = String::from_utf8(compose(&index.message(raw.as_bytes()), &STAMP, &body)).unwrap();
        assert_eq!(answer.split('\r').nth(1), Some(expected), "{version}");
        assert!(!answer.split('\r').next().unwrap().contains("|42"), "the answer is no part of a sequence");
    }
}

#[test]
fn begins_an_exchange_of_its_own_where_asked() {
    let raw = b"MSH|^~\\&|A|B|C|D|||ADT^A03|1|P|2.5|||AL|AL|DEU|8859/1\r";
    let index = Index::of(raw).unwrap();
    for (asks, expected) in [
        (Asks::Nothing, "|P|2.5||||||8859/1"),
        (Asks::Never, "|P|2.5|||NE|NE||8859/1"),
        (Asks::Accept, "|P|2.5|||AL|NE||8859/1"),
    ] {
        let body = Body { code: Code::Aa, fault: None, expected: None, asks };
        let answer = String::from_utf8(compose(&index.message(raw), &STAMP, &body)).unwrap();
        let header = answer.split('\r').next().unwrap();
        assert!(header.ends_with(expected), "{header}");
        assert!(is_acknowledgement(&Index::of(answer.as_bytes()).unwrap().message(answer.as_bytes())));
    }
}

#[test]
fn survives_a_receiving_facility_of_separators_alone() {
    for facility in ["^^", "^", "~", "&&", "\"\"", "^^~^^&"] {
        let answer = acknowledge(format!("MSH|^~\\&|A|B|C|{facility}|||ADT^A03|1|P|2.5\r").as_bytes(), Code::Aa, None);
        assert!(answer.starts_with(&format!("MSH|^~\\&|C|{facility}|A|B|")), "{answer}");
        assert_sound(answer.as_bytes());
    }
}

#[test]
fn never_answers_an_answer() {
    for (raw, expected) in [
        (&b"MSH|^~\\&|A|B|C|D|||ACK^A03^ACK|1|P|2.5\rMSA|AA|1\r"[..], true),
        (b"MSH|^~\\&|A|B|C|D|||ACK|1|P|2.3\rMSA|AA|1\r", true),
        (b"MSH|^~\\&|A|B|C|D|||MCF|1|P|2.3\rMSA|AA|1\r", true),
        (b"MSH|^~\\&|A|B|C|D|||ACK|1|P|2.3\r", false),
        (b"MSH|^~\\&|A|B|C|D|||ORR^O02|1|P|2.3\rMSA|AA|1\r", false),
    ] {
        let index = Index::of(raw).unwrap();
        assert_eq!(is_acknowledgement(&index.message(raw)), expected);
        assert!(!expected || is_acknowledgement(&Index::of(raw).unwrap().message(raw)));
    }
    let answer = acknowledge(b"MSH|^~\\&|A|B|C|D|||ADT^A03|1|P|2.5\r", Code::Aa, None);
    let index = Index::of(answer.as_bytes()).unwrap();
    assert!(is_acknowledgement(&index.message(answer.as_bytes())));
}

/// What every answer must be, whatever it answers.
fn assert_sound(answer: &[u8]) {
    assert!(answer.iter().all(|byte| !byte.is_ascii_control() || *byte == b'\r'), "{}", answer.escape_ascii());
    let index = Index::of(answer).unwrap();
    let message = index.message(answer);
    let names: Vec<&[u8]> = message.segments().map(|segment| segment.name()).collect();
    assert!(names == [b"MSH", b"MSA"] || names == [b"MSH", b"MSA", b"ERR"], "{}", answer.escape_ascii());
    assert_eq!(index.findings().messages, 1);
    assert_eq!(message.control_id(), b"G42");
}

#[test]
fn smuggles_nothing() {
    let poisons: [&[u8]; 18] = [
        b"\x1c",
        b"1\x1c",
        b"\x0b",
        b"\x1c\x0bMSH",
        b"\0\x01\x7f",
        b"\\X0D\\MSA\\F\\AA",
        b"\\X1C0D0B\\",
        b"MSA",
        b"a^b~c&d\\e",
        b"\\",
        b"\"\"",
        b"\xff\xfe\x80",
        b"'; DROP TABLE message; --",
        b"$(reboot)`id`",
        b"../../etc/passwd",
        b"=cmd()",
        b"<script>alert(1)</script>",
        b"%0d%0aX-Injected: 1",
    ];
    let headers: [(&[u8], u8); 3] = [(b"MSH|^~\\&", b'|'), (b"MSH#*!%@", b'#'), (b"MSH|^", b'|')];
    for poison in poisons {
        for (start, separator) in headers {
            for place in 3..=18 {
                let mut fields: Vec<&[u8]> =
                    vec![start, b"A", b"B", b"C", b"D", b"1", b"", b"ADT^A03", b"17", b"P", b"2.5"];
                fields.resize(18, b"");
                fields[place - 2] = poison;
                let mut raw = fields.join(&separator);
                raw.push(b'\r');
                let index = Index::of(&raw).unwrap();
                for code in Code::ALL {
                    assert_sound(&build(&index.message(&raw), &STAMP, code, Some(&fault())));
                }
            }
        }
    }
}

#[test]
fn keeps_the_control_id_as_it_stands() {
    for id in ["1", " 1 ", "a^b~c&d", "\\F\\", "\"\"", "\u{fc}", "0".repeat(10_000).as_str()] {
        let raw = format!("MSH|^~\\&|A|B|C|D|||ADT^A03|{id}|P|2.5\r");
        let reply = read(acknowledge(raw.as_bytes(), Code::Ae, Some(&fault())).as_bytes()).unwrap();
        assert_eq!(reply.control_id, id.as_bytes());
        assert_eq!(reply.code, Some(Code::Ae));
        assert_eq!(reply.error_code, b"101");
    }
}

#[test]
fn rejects_what_is_no_message() {
    for (raw, expected) in [
        (&b"hello"[..], "MSH|^~\\&|||||20260301101501.250+0100||ACK|G42|P|2.5.1\rMSA|AR\r"),
        (b"", "MSH|^~\\&|||||20260301101501.250+0100||ACK|G42|P|2.5.1\rMSA|AR\r"),
        (
            b"MSH||A|B|C|D|||ADT^A03|17|T|2.4\r",
            "MSH|^~\\&|C|D|A|B|20260301101501.250+0100||ACK^A03^ACK|G42|T|2.4\rMSA|AR|17",
        ),
        (
            b"MSH#*!*!#A|x#B#C#D###ADT*A03#17#T#2.4\r",
            "MSH|^~\\&|C|D||B|20260301101501.250+0100||ACK|G42|T|2.4\rMSA|AR|17",
        ),
        (
            b"  MSH|^~\\&|A|B|C|D|||ADT^A03|17|T|2.4|||AL|NE\r",
            "MSH|^~\\&|C|D|A|B|20260301101501.250+0100||ACK^A03^ACK|G42|T|2.4\rMSA|CR|17",
        ),
    ] {
        let error = Index::of(raw).unwrap_err();
        let answer = for_unparsable(raw, AckMode::Auto, &STAMP, &error).unwrap();
        assert!(answer.starts_with(expected.as_bytes()), "{}", answer.escape_ascii());
        assert_sound(&answer);
        assert!(answer.windows(8).any(|window| window == b"expected"));
    }
    let raw = b" MSH|^~\\&|A|B|C|D|||ADT^A03|17|T|2.4|||NE|NE\r";
    let error = Index::of(raw).unwrap_err();
    assert_eq!(for_unparsable(raw, AckMode::Auto, &STAMP, &error), None);
}

#[test]
fn reads_any_message_with_an_msa_as_an_answer() {
    let reply = read(b"MSH|^~\\&|A|B|C|D|||ADR^A19|9|P|2.3\rMSA|aa|77|fine\rPID|1\r").unwrap();
    assert_eq!((reply.code, &reply.control_id[..], &reply.text[..]), (Some(Code::Aa), &b"77"[..], &b"fine"[..]));
    assert_eq!(read(b"MSH|^~\\&|A\rMSA|ZZ|1\r").unwrap().code, None);
    assert_eq!(read(b"MSH|^~\\&|A\r").unwrap_err().expected, Expected::Acknowledgement);
    assert!(!format!("{reply:?}").contains("77"));
}

#[test]
fn writes_times_with_their_offset() {
    for (now, zone, expected) in [
        (0, 0, "19700101000000.000+0000"),
        (1_772_356_501_250, 3600, "20260301101501.250+0100"),
        (1_772_356_501_250, -12_600, "20260301054501.250-0330"),
        (-1, 0, "19691231235959.999+0000"),
        (1_772_356_501_250, i32::MAX, "20260301091501.250+0000"),
        (i64::MAX, 0, "19700101000000.000+0000"),
    ] {
        assert_eq!(time_text(Timestamp(now), zone), expected);
    }
}

#[test]
fn reads_fields_of_its_own_answers() {
    let answer = acknowledge(b"MSH|^~\\&|A|B|C|D|||ADT^A03|1|P|2.5\r", Code::Ar, Some(&fault()));
    let index = Index::of(answer.as_bytes()).unwrap();
    let message = index.message(answer.as_bytes());
    let charset = message.charset(None);
    assert_eq!(message.value(&"ERR-8".parse().unwrap()).text(&charset), "no identifier | at all");
    assert_eq!(message.value(&"ERR-4".parse().unwrap()), Value::Present(b"E"));
}
