//! Records of instruments: whatever is read gives the same bytes back, and whatever becomes of it in HL7 is one message that
//! nothing has got out of its field in.

use gurney::{
    hl7::{Encoding, Index},
    lis02::{Context, Message, Outcome, Part, report},
    units::Timestamp,
};

use super::Input;

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let messages: [&[u8]; 6] = [
        b"H|\\^&\rL|1|N\r",
        b"H|\\^&|4711||zz^2.1|||||LIS||P|LIS2-A2|20261126083000\rP|1|A|B|C|SAMPLE^ANNA||19700101|F||1 ST^TOWN^IL^6^US||555|D^E\r\
          O|1|S^2|I|^^^GLU|S|20261126|20261126073000||||A|||20261126080000|SER^ARM|D^E|||||||||F\r\
          R|1|1-8^Glucose^LN^GLU^1|5.8|mmol/L|3.9 to 5.6|H\\A|N|F\\W||op^ver|20261126082800|20261126082900|c1\rC|1|I|a&F&b&X0D&|I\rL|1|N\r",
        b"H|\\^&\rQ|1|^S-1\\^S-2||ALL||||||||O\rL|1|F\r",
        b"H|\\^&\rP|1\rO|1|S||^^^K\\^^^NA\rR|1|^^^K|4.1|||||F\rM|1|x\rC|1\rR|3|^^^NA|\"\"|||||X\rP|2||Z\rO|1\rR|1|^^^CL|<1\rL|1\r",
        b"H!@*%!!!DEV\rS!1\rL!1!T\r",
        b"H|\\^&~\rC|1|I|\xe4\rP|1\rC|1\rO|1\rR|1|^^^A|\xc3\xa4^b\rL|1|N",
    ];
    [0, 1, 2].into_iter().flat_map(|set| messages.map(|message| [&[set], message].concat())).collect()
}

pub(super) fn run(data: &[u8]) {
    let mut input = Input(data);
    let encoding = input.pick(&[None, Encoding::named("windows-1251"), Some(Encoding::UTF_8)]);
    let raw = input.rest();
    let message = match Message::parse(raw) {
        Ok(message) => message,
        Err(error) => return assert!(error.to_string().len() < 120),
    };
    for record in message.records() {
        let fields: Vec<_> = record.fields().collect();
        assert!(fields.iter().take(99).all(|(number, field)| record.field(*number) == *field), "another field");
        let joined: Vec<&[u8]> = fields.iter().map(|(_, field)| field.bytes()).collect();
        assert_eq!(joined.join(&message.delimiters().field), record.bytes());
        let is_text = |(_, field): &(usize, Part<'_>)| field.text().len() <= field.bytes().len();
        assert!(fields.iter().all(is_text), "a text longer than what it was read from");
    }
    let zone = jiff::tz::TimeZone::UTC;
    let context =
        Context { site: "fuzz", zone: &zone, encoding, received_at: Timestamp(1_772_000_000_000), control_id: "KEY" };
    let made = report(&message, &context);
    assert_eq!(made, report(&message, &context));
    if let Ok(Outcome::Report(bytes)) = made {
        let text = std::str::from_utf8(&bytes).expect("UTF-8");
        assert!(text.chars().all(|letter| letter == '\r' || !letter.is_ascii_control()), "a control character");
        let index = Index::of(&bytes).expect("an HL7 message");
        let names: Vec<&[u8]> = index.message(&bytes).segments().map(|segment| segment.name()).collect();
        let known: [&[u8]; 7] = [b"MSH", b"PID", b"PV1", b"OBR", b"OBX", b"NTE", b"SPM"];
        assert!(names.iter().all(|name| known.contains(name)), "another segment");
        assert_eq!(names.iter().filter(|name| **name == b"MSH").count(), 1);
        let results = message.records().iter().filter(|record| record.kind().letter() == 'R').count();
        assert_eq!(names.iter().filter(|name| **name == b"OBX").count(), results, "a result lost or added");
    }
}
