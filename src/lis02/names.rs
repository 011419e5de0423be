//! The standard's names of the fields (ASTM E1394-97, 7 to 15), beginning with field 1.

use super::record::Kind;

impl Kind {
    /// What records of this kind are.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Header => "Message header",
            Self::Patient => "Patient information",
            Self::Order => "Test order",
            Self::Result => "Result",
            Self::Comment => "Comment",
            Self::Request => "Request information",
            Self::Manufacturer => "Manufacturer information",
            Self::Scientific => "Scientific",
            Self::Terminator => "Message terminator",
        }
    }

    /// The name of a field; `None` beyond the standard's fields, and for those of M records, which are the manufacturer's.
    pub fn field_name(self, field: usize) -> Option<&'static str> {
        let names: &[&str] = match self {
            Self::Header => &HEADER,
            Self::Patient => &PATIENT,
            Self::Order => &ORDER,
            Self::Result => &RESULT,
            Self::Comment => &["Record type", "Sequence number", "Comment source", "Comment text", "Comment type"],
            Self::Request => &REQUEST,
            Self::Manufacturer => &["Record type", "Sequence number"],
            Self::Scientific => &SCIENTIFIC,
            Self::Terminator => &["Record type", "Sequence number", "Termination code"],
        };
        names.get(field.checked_sub(1)?).copied()
    }

    /// Whether a field holds only codes of the protocol, which say nothing of a patient.
    pub const fn is_open(self, field: usize) -> bool {
        matches!((self, field), (_, 1 | 2) | (Self::Header, 12 | 13) | (Self::Terminator, 3))
    }
}

const HEADER: [&str; 14] = [
    "Record type",
    "Delimiter definition",
    "Message control id",
    "Access password",
    "Sender name or id",
    "Sender street address",
    "Reserved",
    "Sender telephone number",
    "Characteristics of sender",
    "Receiver id",
    "Comment or special instructions",
    "Processing id",
    "Version number",
    "Date and time of message",
];

const PATIENT: [&str; 35] = [
    "Record type",
    "Sequence number",
    "Practice-assigned patient id",
    "Laboratory-assigned patient id",
    "Patient id no. 3",
    "Patient name",
    "Mother's maiden name",
    "Birthdate",
    "Patient sex",
    "Patient race or ethnic origin",
    "Patient address",
    "Reserved",
    "Patient telephone number",
    "Attending physician id",
    "Special field 1",
    "Special field 2",
    "Patient height",
    "Patient weight",
    "Known or suspected diagnosis",
    "Active medications",
    "Patient's diet",
    "Practice field 1",
    "Practice field 2",
    "Admission and discharge dates",
    "Admission status",
    "Location",
    "Nature of alternative diagnostic code",
    "Alternative diagnostic code",
    "Patient religion",
    "Marital status",
    "Isolation status",
    "Language",
    "Hospital service",
    "Hospital institution",
    "Dosage category",
];

const ORDER: [&str; 31] = [
    "Record type",
    "Sequence number",
    "Specimen id",
    "Instrument specimen id",
    "Universal test id",
    "Priority",
    "Requested or ordered at",
    "Specimen collected at",
    "Collection end time",
    "Collection volume",
    "Collector id",
    "Action code",
    "Danger code",
    "Relevant clinical information",
    "Specimen received at",
    "Specimen descriptor",
    "Ordering physician",
    "Physician's telephone number",
    "User field 1",
    "User field 2",
    "Laboratory field 1",
    "Laboratory field 2",
    "Results reported or modified at",
    "Instrument charge",
    "Instrument section id",
    "Report types",
    "Reserved",
    "Location of specimen collection",
    "Nosocomial infection flag",
    "Specimen service",
    "Specimen institution",
];

const RESULT: [&str; 14] = [
    "Record type",
    "Sequence number",
    "Universal test id",
    "Data or measurement value",
    "Units",
    "Reference ranges",
    "Result abnormal flags",
    "Nature of abnormality testing",
    "Result status",
    "Normative values changed at",
    "Operator identification",
    "Test started at",
    "Test completed at",
    "Instrument identification",
];

const REQUEST: [&str; 13] = [
    "Record type",
    "Sequence number",
    "Starting range id",
    "Ending range id",
    "Universal test id",
    "Nature of request time limits",
    "Beginning of results",
    "End of results",
    "Requesting physician",
    "Requesting physician's telephone",
    "User field 1",
    "User field 2",
    "Request information status codes",
];

const SCIENTIFIC: [&str; 21] = [
    "Record type",
    "Sequence number",
    "Analytical method",
    "Instrumentation",
    "Reagents",
    "Units of measure",
    "Quality control",
    "Specimen descriptor",
    "Reserved",
    "Container",
    "Specimen id",
    "Analyte",
    "Result",
    "Result units",
    "Collected at",
    "Result at",
    "Analytical preprocessing steps",
    "Patient diagnosis",
    "Patient birthdate",
    "Patient sex",
    "Patient race",
];
