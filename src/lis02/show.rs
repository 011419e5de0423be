//! A message of records laid out for people, as [`crate::hl7::show`] does it for HL7: the standard's names, values masked unless
//! asked otherwise, what is absent left out.

use super::{Message, Part, Record};
use crate::hl7::{
    Encoding,
    show::{ComponentLayout, FieldLayout, Layout, Masking, SegmentLayout, hide},
};

/// Lays `message` out; `configured` is the link's character set, where it has one.
pub fn lay_out(message: &Message<'_>, masking: Masking, configured: Option<Encoding>) -> Layout {
    let encoding = message.encoding(configured);
    let segments = message.records().iter().map(|record| lay_out_record(record, masking, encoding));
    Layout { charset: encoding.name().into(), segments: segments.collect() }
}

fn lay_out_record(record: &Record<'_>, masking: Masking, encoding: Encoding) -> SegmentLayout {
    let kind = record.kind();
    let mut fields = Vec::new();
    for (number, field) in record.fields() {
        let masking = if kind.is_open(number) { Masking::Clear } else { masking };
        let said = |part: Part<'_>| hide(encoding.decode(&part.text()).into_owned().into(), masking);
        for (repetition, part) in (1..).zip(field.repetitions()).filter(|(_, part)| !part.is_absent()) {
            let place = format!("{}/{}-{number}", kind.letter(), record.number());
            let parts = (1..).zip(part.components()).filter(|(_, part)| !part.is_absent());
            let components: Vec<_> = parts
                .map(|(number, part)| ComponentLayout {
                    number,
                    name: "".into(),
                    value: said(part),
                    meaning: "".into(),
                })
                .collect();
            fields.push(FieldLayout {
                path: if repetition > 1 { format!("{place}[{repetition}]") } else { place },
                name: kind.field_name(number).unwrap_or_default().into(),
                value: hide(encoding.decode(part.bytes()), masking),
                data_type: "".into(),
                table: String::new(),
                meaning: "".into(),
                components: if part.components().count() > 1 { components } else { Vec::new() },
            });
        }
    }
    SegmentLayout { name: kind.letter().to_string(), title: kind.title().into(), fields }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const RAW: &[u8] =
        b"H|\\^&|||dev\rP|1||ZZ-47||SAMPLE^ANNA\rO|1|S-1||^^^K\\^^^NA\rR|1|^^^K|4&F&1||||||\rM|1|x\rL|1|N\r";

    fn shown(masking: Masking) -> String {
        lay_out(&Message::parse(RAW).unwrap(), masking, None).to_string()
    }

    #[test]
    fn names_fields_as_the_standard_does() {
        let text = shown(Masking::Clear);
        for line in [
            "P  Patient information",
            "P/1-6",
            "Patient name                     SAMPLE^ANNA",
            ".2 ",
            "O/1-5[2]",
            "R/1-4        Data or measurement value        4&F&1",
            "Termination code                 N",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }

    #[test]
    fn hides_what_may_be_of_a_patient() {
        let text = shown(Masking::Masked);
        for hidden in ["ANNA", "47", "S-1", "dev"] {
            assert!(!text.contains(hidden), "{hidden}\n{text}");
        }
        assert!(text.contains("xxxxxx^xxxx") && text.contains("Termination code                 N"), "{text}");
    }
}
