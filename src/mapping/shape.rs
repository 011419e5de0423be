//! The shapes a row can write: which FHIR data type is made of an HL7 v2 value, and how.

use serde::Deserialize;

use super::compile::Row;
use crate::{
    event::{PersonName, Phone},
    fhir::{Node, Object, Text, clean},
};

/// What a row writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Shape {
    /// A code: the meaning in a table, or a constant.
    #[default]
    Code,
    /// A boolean: a constant, or `yes` and `no` of a table.
    Boolean,
    /// A Coding; the original coding where the table keeps unlisted codes.
    Coding,
    /// A CodeableConcept: the meaning, the original coding and its words; nothing where the code makes no statement.
    Concept,
    /// A CodeableConcept of the meaning alone, where R4 allows no other codes.
    ConceptOnly,
    /// As `concept`, but the original coding even where the code makes no statement.
    ConceptKept,
    /// The label as CodeableConcept where the meaning is `yes`; kept codes in words.
    IfYes,
    /// The label as CodeableConcept with the value in words.
    Detail,
    /// A date.
    Date,
    /// A dateTime.
    Time,
    /// A Period from `from` to `until`.
    Period,
    /// A HumanName of an XPN.
    Name,
    /// A HumanName of an XCN.
    ProviderName,
    /// A ContactPoint of an XTN.
    Phone,
    /// An Identifier of a CX, unless its type is withheld.
    Identifier,
    /// An Identifier of the visit, a CX.
    VisitNumber,
    /// An Identifier of an order, an EI; the label is its type.
    OrderNumber,
    /// A Quantity of an OBX in UCUM.
    Quantity,
    /// A PL in one line.
    PlaceText,
    /// An Annotation of free text.
    Note,
    /// An Annotation of a code's words.
    CodedNote,
    /// A Reference to the first of `refer` that is in the Bundle.
    Reference,
    /// The time of the event.
    EventTime,
    /// The time of receipt, as an instant.
    Received,
    /// A Reference to the message by its SHA-256.
    MessageHash,
    /// A Reference to this gateway.
    Gateway,
    /// The job identity as Identifier.
    Job,
    /// The name of the sending facility.
    FacilityName,
    /// A string: a constant, or the component that is named, else the first.
    Text,
    /// A whole number from 1.
    Integer,
    /// A length of time in minutes, its unit in the field after it.
    Minutes,
    /// An Address of an XAD.
    Address,
    /// An Identifier of an EI below the resource's `space`, or with a label as its type.
    Number,
    /// An Identifier of the account, a CX.
    AccountNumber,
    /// A Reference by identifier to the order whose number, an EI, `from` holds; the label says whose number it is.
    OrderReference,
    /// An instant: a time of day is needed.
    Instant,
    /// The instant at `until`, else that of `from` and as many minutes later as `unit` says, else that of `from`.
    InstantEnd,
    /// `value[x]` of an Observation, by the type in OBX-2; the element's name is `value`.
    Value,
    /// Attachments of OBX-5 that hold or point to a document (ED, RP).
    Attachment,
    /// Objects with an `attachment` for all of OBX-5: documents as they are, text in one piece.
    Document,
    /// A Quantity of a number and its `unit`, as they came.
    Amount,
    /// Money of a CP or MO.
    Money,
    /// An object with the elements of `part`.
    Parts,
    /// References to all that the message wrote.
    Targets,
}

impl Shape {
    /// Whether a row that writes this shape gives what it needs.
    pub(super) fn accepts(self, row: &Row) -> Result<(), String> {
        let needs = |given: bool, what: &str| {
            if given { Ok(()) } else { Err(format!("a row with this `with` needs {what}")) }
        };
        let constant = !row.constants.is_empty();
        match self {
            Self::Boolean | Self::Text => needs(constant || !row.from.is_empty(), "`from` or `value`"),
            Self::Parts => needs(!row.parts.is_empty(), "`part`"),
            Self::Targets => needs(row.from.is_empty(), "no `from`"),
            Self::OrderReference => needs(row.label.is_some() && !row.from.is_empty(), "`from` and `label`"),
            Self::Code | Self::Coding | Self::Concept | Self::ConceptOnly => {
                needs(constant || !row.from.is_empty(), "`from` or `value`")
            }
            Self::IfYes | Self::Detail => needs(row.label.is_some() && !row.from.is_empty(), "`from` and `label`"),
            Self::OrderNumber => needs(row.label.is_some() && !row.from.is_empty(), "`from` and `label`"),
            Self::Reference => needs(!row.refer.is_empty(), "`refer`"),
            Self::EventTime | Self::Received | Self::MessageHash | Self::Gateway | Self::Job | Self::FacilityName => {
                needs(row.from.is_empty(), "no `from`")
            }
            _ => needs(!row.from.is_empty(), "`from`"),
        }?;
        let meaning = |source: &super::source::Source| source.via.is_some();
        if matches!(self, Self::Code | Self::Coding | Self::ConceptOnly | Self::IfYes | Self::Boolean)
            && !row.from.iter().all(meaning)
        {
            return Err("a row with this `with` needs `via table.column`".to_owned());
        }
        let compares = row.rising || !row.at_most.is_empty();
        if compares
            && (!matches!(self, Self::Concept | Self::ConceptKept)
                || row.table.is_none()
                || !row.from.iter().all(meaning))
        {
            return Err("`rising` and `at_most` compare concepts `in` a table, each `via` another".to_owned());
        }
        Ok(())
    }

    /// The name of the choice `value[x]` that holds this shape in a labelled input.
    pub(super) const fn choice(self) -> Option<&'static str> {
        match self {
            Self::Reference => Some("valueReference"),
            Self::Quantity => Some("valueQuantity"),
            Self::PlaceText => Some("valueString"),
            _ => None,
        }
    }
}

/// A HumanName.
pub(super) fn human_name(name: &PersonName, usage: Option<Text>) -> Node {
    let mut human = Object::new();
    human.set_some("use", usage);
    human.set_some("family", clean(&name.family));
    for (element, part) in
        [("given", &name.given), ("given", &name.second), ("prefix", &name.prefix), ("suffix", &name.suffix)]
    {
        if let Some(part) = clean(part) {
            human.push(element, part);
        }
    }
    human.into()
}

/// A ContactPoint.
pub(super) fn contact_point(phone: &Phone) -> Option<Node> {
    let value = clean(&phone.value)?;
    let system = if phone.is_mail { "email" } else { "phone" };
    let mut point = Object::new().with("system", system).with("value", value);
    let usage = match phone.kind.as_str() {
        "PRN" | "ORN" | "VHN" => Some("home"),
        "WPN" => Some("work"),
        "PRS" => Some("mobile"),
        _ => None,
    };
    point.set_some("use", usage);
    Some(point.into())
}

/// A code as FHIR allows it: no white space around it and single blanks inside.
pub(super) fn code_text(text: &str) -> Option<String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    clean(&words.join(" "))
}
