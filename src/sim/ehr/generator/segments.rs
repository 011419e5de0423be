//! Writes one step of a stay as a message in a dialect. Field numbers follow HL7 v2.5.1 ch. 2 to 4 and 6.

use std::fmt;

use jiff::Timestamp;

use super::{Dialect, Episode, Kind};
use crate::sim::ehr::{
    patient::{Bed, Mobility},
    writer::Writer,
};

/// What a message is beyond the stay it tells of.
pub(super) struct Frame<'a> {
    pub(super) dialect: Dialect,
    pub(super) size: usize,
    pub(super) now: Timestamp,
    pub(super) control_id: &'a str,
    pub(super) kind: Kind,
}

/// Writes the message.
pub(super) fn write(frame: &Frame<'_>, episode: &Episode) -> Vec<u8> {
    let end = if frame.dialect == Dialect::Legacy { "\n" } else { "\r" };
    let mut writer = Writer::new(end, frame.size.max(1200) + 160);
    header(&mut writer, frame);
    if !frame.kind.is_order() {
        event(&mut writer, frame);
    }
    person(&mut writer, frame, episode);
    if !frame.kind.is_order() {
        next_of_kin(&mut writer, frame, episode);
    }
    visit(&mut writer, frame, episode);
    if frame.kind.is_order() {
        order(&mut writer, frame, episode);
    } else {
        history(&mut writer, frame, episode);
    }
    if frame.dialect == Dialect::Questions {
        let isolation = if episode.stay.isolation { "Y" } else { "N" };
        writer.segment("ZTR").field(1, 1).field(2, "EXAMPLE").field(3, isolation).field(5, episode.stay.weight_kg);
    }
    notes(&mut writer, frame);
    writer.finish()
}

fn header(writer: &mut Writer, frame: &Frame<'_>) {
    let (encoding, application, facility, version) = match frame.dialect {
        Dialect::Legacy => ("^~\\&", "BEDMASTER", "NORTH", "2.3"),
        Dialect::Modern => ("^~\\&", "ZZEHR", "ZZGENERAL^1.2.999.1^ISO", "2.5.1"),
        Dialect::Questions => ("^~\\&#", "ZZORDERS^1.2.999.2^ISO", "ZZCAMPUS", "2.8"),
    };
    let kind = if frame.kind.is_order() { "ORM" } else { "ADT" };
    let event = frame.kind.event();
    writer.header(encoding).field(3, application).field(4, facility).field(5, "GURNEY").field(6, "ZZGENERAL");
    writer.field(7, frame.time(frame.now));
    match frame.dialect {
        Dialect::Legacy => writer.field(9, format_args!("{kind}^{event}")),
        _ => writer.field(9, format_args!("{kind}^{event}^{}", structure(frame.kind))),
    };
    writer.field(10, frame.control_id).field(11, "T").field(12, version);
    match frame.dialect {
        Dialect::Legacy => {}
        Dialect::Modern => {
            writer.field(18, "UNICODE UTF-8");
        }
        Dialect::Questions => {
            writer.field(15, "AL").field(16, "NE").field(18, "UNICODE UTF-8");
        }
    }
}

/// MSH-9.3, HL7 table 0354.
const fn structure(kind: Kind) -> &'static str {
    match kind {
        Kind::Transfer => "ADT_A02",
        Kind::Discharge => "ADT_A03",
        Kind::CancelAdmit => "ADT_A09",
        Kind::PlanDischarge => "ADT_A16",
        Kind::CancelPlan => "ADT_A21",
        kind if kind.is_order() => "ORM_O01",
        _ => "ADT_A01",
    }
}

fn event(writer: &mut Writer, frame: &Frame<'_>) {
    writer.segment("EVN").field(1, frame.kind.event()).field(2, frame.time(frame.now));
    if frame.dialect != Dialect::Legacy {
        writer.field(5, "ZZCLERK^ZZTEST-CLERK^Invented").field(6, frame.time(frame.now));
    }
}

fn person(writer: &mut Writer, frame: &Frame<'_>, episode: &Episode) {
    let person = &episode.person;
    writer.segment("PID").field(1, 1);
    match frame.dialect {
        Dialect::Legacy => writer.field(3, &person.mrn),
        _ => writer.field(3, format_args!("{}^^^ZZGENERAL&1.2.999.1&ISO^MR", person.mrn)),
    };
    writer
        .field(5, format_args!("{}^{}^{}", person.family, person.given, person.middle))
        .field(7, person.birth.strftime("%Y%m%d"))
        .field(8, person.sex)
        .field(11, format_args!("{} {}^^Sampletown^ZZ^00000^USA", person.house, person.street))
        .field(13, format_args!("(555)555-01{:02}", person.phone))
        .field(18, &person.account);
}

fn next_of_kin(writer: &mut Writer, frame: &Frame<'_>, episode: &Episode) {
    if frame.dialect == Dialect::Legacy {
        return;
    }
    let person = &episode.person;
    writer
        .segment("NK1")
        .field(1, 1)
        .field(2, format_args!("{}^Relative", person.family))
        .field(3, "SPO^Spouse^HL70063")
        .field(5, format_args!("(555)555-01{:02}", 99 - person.phone));
}

fn visit(writer: &mut Writer, frame: &Frame<'_>, episode: &Episode) {
    let (stay, kind) = (&episode.stay, frame.kind);
    let leaving = matches!(kind, Kind::Discharge | Kind::PlanDischarge) || kind == Kind::OrderRide;
    let class = if episode.stay.prior == episode.stay.bed && kind == Kind::Register { "E" } else { "I" };
    writer.segment("PV1").field(1, 1).field(2, class).field(3, frame.bed(stay.bed));
    if kind == Kind::Transfer {
        writer.field(6, frame.bed(stay.prior));
    }
    writer.field(7, "ZZ100^ZZTEST-DOCTOR^Invented").field(10, "MED");
    if frame.dialect == Dialect::Legacy {
        writer.field(15, ambulatory(stay.mobility, stay.oxygen));
    }
    writer.field(19, &episode.person.visit);
    if leaving {
        writer.field(36, stay.disposition);
        if let Some((code, _)) = stay.facility {
            writer.field(37, code);
        }
    }
    writer.field(44, frame.time(stay.admitted));
    if kind == Kind::Discharge {
        writer.field(45, frame.time(frame.now));
    }
    if kind == Kind::PlanDischarge {
        writer.segment("PV2").field(3, "^Expected discharge").field(9, frame.time(stay.leaves));
    }
}

/// PV1-15, HL7 table 0009. A2 is left to wheelchairs, so that who lies is told by the service alone.
const fn ambulatory(mobility: Mobility, oxygen: Option<u64>) -> &'static str {
    match (mobility, oxygen) {
        (Mobility::Walks, None) => "A0",
        (Mobility::Wheelchair, None) => "A2",
        (Mobility::Wheelchair, Some(_)) => "A2~B1",
        (Mobility::Stretcher, None) => "",
        (Mobility::Walks | Mobility::Stretcher, Some(_)) => "B1",
    }
}

/// What a chart holds besides: weight, allergy, diagnosis, insurance.
fn history(writer: &mut Writer, frame: &Frame<'_>, episode: &Episode) {
    let stay = &episode.stay;
    if matches!(frame.kind, Kind::Admit | Kind::Update | Kind::PlanDischarge) {
        let unit = if frame.dialect == Dialect::Legacy { "kg" } else { "kg^kilogram^UCUM" };
        observation(writer, 1, "NM", "29463-7^Body weight^LN", stay.weight_kg);
        writer.field(6, unit).field(11, "F");
    }
    if frame.dialect == Dialect::Legacy {
        return;
    }
    if stay.isolation {
        writer.segment("AL1").field(1, 1).field(2, "DA").field(3, "^Penicillin").field(4, "MO");
    }
    if matches!(frame.kind, Kind::Admit | Kind::Register | Kind::Update) {
        writer.segment("DG1").field(1, 1).field(3, "Z00.00^Invented diagnosis for rehearsal^I10").field(6, "A");
        writer
            .segment("IN1")
            .field(1, 1)
            .field(2, "ZZPLAN")
            .field(3, "ZZPAYER")
            .field(4, "Example Health Insurance")
            .field(36, format_args!("POL{}", episode.person.mrn));
    }
}

fn order(writer: &mut Writer, frame: &Frame<'_>, episode: &Episode) {
    let (stay, kind) = (&episode.stay, frame.kind);
    let is_ride = matches!(kind, Kind::OrderRide | Kind::CancelRide);
    let start = if is_ride { stay.leaves } else { frame.now };
    let control = if kind == Kind::CancelRide { "CA" } else { "NW" };
    let timing = format_args!("^^^{}^^R", frame.time(start));
    writer.segment("ORC").field(1, control).field(2, &episode.order);
    if frame.dialect == Dialect::Legacy {
        writer.field(7, timing);
    }
    writer.field(9, frame.time(frame.now)).field(12, "ZZ100^ZZTEST-DOCTOR^Invented").field(15, frame.time(start));
    if frame.dialect != Dialect::Legacy {
        writer.segment("TQ1").field(1, 1).field(7, frame.time(start)).field(9, "R");
    }
    writer.segment("OBR").field(1, 1).field(2, &episode.order).field(4, service(frame, episode));
    if frame.dialect == Dialect::Legacy {
        writer.field(5, "R").field(27, timing);
    }
    if is_ride {
        if frame.dialect == Dialect::Modern {
            writer.field(30, if stay.mobility == Mobility::Stretcher { "CART" } else { "WHLC" });
        }
        writer.field(36, frame.time(start));
    }
    if kind == Kind::OrderRide {
        answers(writer, frame, episode);
    }
}

/// OBR-4, a code of the example site: the level of service. A plain ride without a level is left to tests, because a
/// gateway holds it for a person.
fn service(frame: &Frame<'_>, episode: &Episode) -> &'static str {
    match frame.kind {
        Kind::OrderEquipment => "E1390^Oxygen concentrator^HCPCS",
        Kind::OrderVisit => "HHRN^Home health nursing visit^L",
        Kind::OrderLab => "CBC^Complete blood count^L",
        _ => match (episode.stay.mobility, episode.stay.oxygen) {
            (Mobility::Stretcher, Some(4..)) => "ALS^Ambulance transport, advanced life support^L",
            (Mobility::Stretcher, _) => "BLS^Ambulance transport, basic life support^L",
            _ => "WCVAN^Wheelchair van transport^L",
        },
    }
}

/// The answers to the order's questions: all of them, or in other dialects what has no field of its own.
fn answers(writer: &mut Writer, frame: &Frame<'_>, episode: &Episode) {
    let (stay, person) = (&episode.stay, &episode.person);
    let coded = if frame.dialect == Dialect::Questions { "CWE" } else { "CE" };
    let mut number = 0;
    let mut next = || {
        number += 1;
        number
    };
    if frame.dialect == Dialect::Questions {
        let mode = match stay.mobility {
            Mobility::Stretcher => "STRETCHER^Stretcher^L",
            _ => "WHEELCHAIR^Wheelchair^L",
        };
        observation(writer, next(), coded, "TRMODE^Mode of transport^L", mode).field(11, "F");
        observation(writer, next(), "ST", "ESCORT^Escort^L", "N").field(11, "F");
    }
    let question = "TRDEST^Transport destination^L";
    match stay.facility {
        Some((code, name)) => observation(writer, next(), coded, question, format_args!("{code}^{name}^L")),
        None => {
            let home = format_args!("HOME^{} {}, Sampletown^L", person.house, person.street);
            observation(writer, next(), coded, question, home)
        }
    }
    .field(11, "F");
    if let Some(litres) = stay.oxygen {
        observation(writer, next(), "NM", "3151-8^Inhaled oxygen flow rate^LN", litres)
            .field(6, "L/min")
            .field(11, "F");
    }
    if stay.isolation {
        observation(writer, next(), coded, "ISO^Isolation precautions^L", "CONTACT^Contact precautions^L")
            .field(11, "F");
    }
    observation(writer, next(), "NM", "29463-7^Body weight^LN", stay.weight_kg).field(6, "kg").field(11, "F");
}

fn observation<'a>(
    writer: &'a mut Writer,
    number: u32,
    value_type: &str,
    question: &str,
    value: impl fmt::Display,
) -> &'a mut Writer {
    writer.segment("OBX").field(1, number).field(2, value_type).field(3, question).field(5, value)
}

/// Fills the message to its size with notes: NTE behind an order, a Z segment elsewhere.
fn notes(writer: &mut Writer, frame: &Frame<'_>) {
    const WORDS: &str = "Invented note for rehearsal, no person is meant. ";
    let name = if frame.kind.is_order() { "NTE" } else { "ZNT" };
    let mut number = 0;
    while writer.len() + 1 < frame.size {
        number += 1;
        writer.segment(name).field(1, number).field(3, WORDS);
    }
}

impl Frame<'_> {
    /// A time as this dialect writes it: with a zone, except in version 2.3.
    fn time(&self, time: Timestamp) -> impl fmt::Display + use<> {
        time.strftime(if self.dialect == Dialect::Legacy { "%Y%m%d%H%M%S" } else { "%Y%m%d%H%M%S+0000" })
    }

    /// A place: unit, room, bed and facility (PL).
    fn bed(&self, bed: Bed) -> impl fmt::Display + use<> {
        let facility = if self.dialect == Dialect::Legacy { "" } else { "^ZZGENERAL" };
        Place(bed, facility)
    }
}

struct Place(Bed, &'static str);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}^{}^{}{}", self.0.ward, self.0.room, self.0.bed, self.1)
    }
}
