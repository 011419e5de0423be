//! Writes the HL7 message, segment by segment.

use std::{borrow::Cow, collections::BTreeMap};

use super::{
    Context, Message, Part, Reason, Record, Refusal,
    codes::{comment_source, common_status, is_control, is_number, processing_id, reported_status, result_status},
    groups::{self, Order, Patient, patients},
    segment::{Segment, joined},
    time,
};
use crate::{
    hl7::{Delimiters, Encoding, ack::time_text, escape},
    units::{Timestamp, limits},
};

/// Bytes of a value of type ST (HL7 v2.5.1 2A.3.75).
const ST_BYTES_MAX: usize = 199;

type Written<T = ()> = Result<T, Refusal>;

pub(super) struct Writer<'m, 'a> {
    message: &'m Message<'a>,
    context: &'m Context<'m>,
    encoding: Encoding,
    /// Whether the whole message is quality control.
    is_control: bool,
    out: Vec<u8>,
}

/// What the tests of one order have in common.
struct Common {
    obr: Segment,
    specimen: Segment,
    /// OBR-25, where the order says it.
    status: Option<u8>,
    /// OBX-14.
    collected_at: Vec<u8>,
}

/// An OBR: the test, and its results.
struct Test<'o, 'm, 'a> {
    id: Part<'a>,
    results: Vec<&'o groups::Result<'m, 'a>>,
}

impl<'m, 'a> Writer<'m, 'a> {
    pub(super) fn new(message: &'m Message<'a>, context: &'m Context<'m>) -> Self {
        let encoding = message.encoding(context.encoding);
        Self { message, context, encoding, is_control: message.header().is_some_and(is_control), out: Vec::new() }
    }

    pub(super) fn write(mut self) -> Written<Vec<u8>> {
        let Some(header) = self.message.header() else { return Ok(Vec::new()) };
        let (mut notes, patients) = patients(self.message);
        let has_results = |patient: &&Patient<'_, '_>| patient.orders.iter().any(|order| !order.results.is_empty());
        for (number, patient) in (1_usize..).zip(patients.iter().filter(has_results)) {
            self.patient(number, patient, &mut notes)?;
        }
        let body = std::mem::take(&mut self.out);
        let mut msh = self.header(header)?;
        msh.write(&mut self.out);
        if !(self.out.is_ascii() && body.is_ascii()) {
            msh.set(17, "UNICODE UTF-8");
            self.out.clear();
            msh.write(&mut self.out);
        }
        self.out.extend(body);
        Ok(self.out)
    }

    /// MSH, whose first field is the separator itself: each stands one place before its number.
    fn header(&self, header: &Record<'_>) -> Written<Segment> {
        let mut msh = Segment::new("MSH");
        msh.set(1, "^~\\&");
        msh.set(2, self.value(header.field(5).component(1)));
        msh.set(3, escape(self.context.site.as_bytes(), &Delimiters::STANDARD).into_owned());
        msh.set(4, self.value(header.field(10).component(1)));
        let sent_at = self.time(header, 14)?;
        msh.set(6, if sent_at.is_empty() { self.local(self.context.received_at) } else { sent_at });
        msh.set(8, "ORU^R01^ORU_R01");
        msh.set(9, self.context.control_id);
        msh.set(10, vec![processing_id(header)?]);
        msh.set(11, "2.5.1");
        Ok(msh)
    }

    fn patient(
        &mut self,
        number: usize,
        patient: &Patient<'m, 'a>,
        message_notes: &mut Vec<&'m Record<'a>>,
    ) -> Written {
        let mut pid = self.identity(patient.record)?;
        let mut notes = std::mem::take(message_notes);
        if pid.is_empty() {
            // Nobody is named, so comments on the patient go to the order.
            notes.extend(&patient.notes);
        } else {
            pid.set(1, number.to_string());
            pid.write(&mut self.out);
            self.notes(&patient.notes);
            self.visit(patient.record).write_unless_empty(&mut self.out);
        }
        let mut number = 0;
        for order in patient.orders.iter().filter(|order| !order.results.is_empty()) {
            let common = self.common(order.record)?;
            notes.extend(&order.notes);
            for test in tests(order) {
                number += 1;
                self.test(number, &common, &test, &std::mem::take(&mut notes))?;
                if self.out.len() > limits::LIS02_REPORT_BYTES_MAX {
                    let why = "the report would be larger than any message may be";
                    return Err(Refusal::new(Reason::TooLarge, order.record.place(1), why));
                }
            }
        }
        Ok(())
    }

    fn identity(&self, patient: &Record<'_>) -> Written<Segment> {
        let mut pid = Segment::new("PID");
        let ids = [(3, "PT"), (4, "PI"), (5, "U")].into_iter().filter_map(|(field, kind)| {
            let id = self.value(patient.field(field).component(1));
            (!id.is_empty() && id != b"\"\"").then(|| [id.as_slice(), b"^^^^", kind.as_bytes()].concat())
        });
        pid.set(3, joined(ids.collect(), b'~'));
        pid.set(5, self.composite(patient.field(6), &[1, 2, 3, 4, 5]));
        pid.set(6, self.composite(patient.field(7), &[1, 2, 3, 4, 5]));
        pid.set(7, self.time(patient, 8)?);
        pid.set(8, self.value(patient.field(9).component(1)));
        pid.set(10, self.composite(patient.field(10), &[1, 2, 3]));
        pid.set(11, self.composite(patient.field(11), &[1, 0, 2, 3, 4, 5]));
        pid.set(13, self.composite(patient.field(13), &[1]));
        Ok(pid)
    }

    fn visit(&self, patient: &Record<'_>) -> Segment {
        let mut pv1 = Segment::new("PV1");
        pv1.set(2, self.value(patient.field(25).component(1)));
        pv1.set(3, self.composite(patient.field(26), &[1, 2, 3, 4]));
        pv1.set(7, self.composite(patient.field(14), &[1, 2, 3, 4, 5, 6]));
        if !pv1.is_empty() {
            pv1.set(1, "1");
            if patient.field(25).is_absent() {
                pv1.set(2, "U");
            }
        }
        pv1
    }

    /// What all tests of an order have in common. Read once: an order may have as many tests as records.
    fn common(&self, order: &Record<'_>) -> Written<Common> {
        let (placer, filler) = (self.value(order.field(3).component(1)), self.value(order.field(4).component(1)));
        let mut obr = Segment::new("OBR");
        obr.set(2, placer.clone());
        obr.set(3, if filler.is_empty() { placer.clone() } else { filler.clone() });
        for (field, from) in [(6, 7), (7, 8), (8, 9), (14, 15), (22, 23)] {
            obr.set(field, self.time(order, from)?);
        }
        obr.set(10, self.composite(order.field(11), &[1, 2, 3]));
        obr.set(13, self.flat(order.field(14)));
        obr.set(16, self.composite(order.field(17), &[1, 2, 3, 4, 5, 6]));
        obr.set(17, self.composite(order.field(18), &[1]));
        let priority = self.value(order.field(6).component(1));
        if !priority.is_empty() {
            obr.set(27, [b"^^^^^", priority.as_slice()].concat());
        }
        let specimen = self.specimen(order, [placer, filler])?;
        Ok(Common { obr, specimen, status: reported_status(order), collected_at: self.time(order, 8)? })
    }

    fn test(&mut self, number: usize, common: &Common, test: &Test<'_, 'm, 'a>, notes: &[&Record<'_>]) -> Written {
        let statuses: Vec<u8> =
            test.results.iter().map(|result| result_status(result.record)).collect::<Result<_, _>>()?;
        let mut obr = common.obr.clone();
        obr.set(1, number.to_string());
        obr.set(4, self.test_id(test.id).0);
        let status = common.status.or_else(|| common_status(&statuses));
        obr.set(25, status.into_iter().collect::<Vec<u8>>());
        obr.write(&mut self.out);
        self.notes(notes);
        for (number, (result, status)) in (1_usize..).zip(test.results.iter().zip(statuses)) {
            self.result(number, common, result, status)?;
        }
        common.specimen.write_unless_empty(&mut self.out);
        Ok(())
    }

    fn result(&mut self, number: usize, common: &Common, result: &groups::Result<'m, 'a>, status: u8) -> Written {
        let record = result.record;
        let (id, sub_id) = self.test_id(record.field(3));
        if id.is_empty() {
            return Err(Refusal::new(Reason::MissingField, record.place(3), "a result names its test"));
        }
        let value = record.field(4);
        let mut obx = Segment::new("OBX");
        obx.set(1, number.to_string());
        let text = self.flat(value);
        if !text.is_empty() {
            let kind = match text.as_slice() {
                number if is_number(number) => "NM",
                long if long.len() > ST_BYTES_MAX => "TX",
                _ => "ST",
            };
            obx.set(2, kind);
        }
        obx.set(3, id);
        obx.set(4, sub_id);
        obx.set(5, text);
        obx.set(6, self.composite(record.field(5), &[1, 2, 3]));
        obx.set(7, self.flat(record.field(6)));
        obx.set(8, self.repeated(record.field(7)));
        obx.set(10, self.repeated(record.field(8)));
        obx.set(11, vec![status]);
        obx.set(14, common.collected_at.clone());
        let people = record.field(11).repetitions().next().into_iter().flat_map(|field| field.components());
        obx.set(16, joined(people.map(|person| self.value(person)).collect(), b'~'));
        obx.set(18, self.value(record.field(14).component(1)));
        let (started, completed) = (self.time(record, 12)?, self.time(record, 13)?);
        obx.set(19, if completed.is_empty() { started } else { completed });
        obx.write(&mut self.out);
        self.notes(&result.notes);
        Ok(())
    }

    fn specimen(&self, order: &Record<'_>, [placer, filler]: [Vec<u8>; 2]) -> Written<Segment> {
        let mut spm = Segment::new("SPM");
        spm.set(2, joined(vec![placer, filler], b'^'));
        let descriptor = order.field(16);
        spm.set(4, self.value(descriptor.component(1)));
        spm.set(8, self.value(descriptor.component(2)));
        if self.is_control || is_control(order) {
            spm.set(11, "Q^^HL70369");
        }
        if spm.is_empty() {
            return Ok(spm);
        }
        spm.set(1, "1");
        if !descriptor.component(1).has_value() {
            // SPM-4 is required; this is how HL7 says that it is not known (table 0353).
            spm.set(4, "U^Unknown^HL70353");
        }
        spm.set(17, joined(vec![self.time(order, 8)?, self.time(order, 9)?], b'^'));
        spm.set(18, self.time(order, 15)?);
        Ok(spm)
    }

    fn notes(&mut self, comments: &[&Record<'_>]) {
        for (number, comment) in (1_usize..).zip(comments) {
            let mut nte = Segment::new("NTE");
            nte.set(1, number.to_string());
            nte.set(2, comment_source(comment));
            nte.set(3, self.repeated(comment.field(4)));
            match comment.field(5).component(1) {
                kind if !kind.has_value() => {}
                kind if kind.bytes().trim_ascii().eq_ignore_ascii_case(b"G") => nte.set(4, "RE^Remark^HL70364"),
                kind => nte.set(4, [self.value(kind).as_slice(), b"^^99LIS02"].concat()),
            }
            nte.write(&mut self.out);
        }
    }

    /// OBX-3 or OBR-4, and what stands behind the local code.
    fn test_id(&self, id: Part<'_>) -> (Vec<u8>, Vec<u8>) {
        let parts: Vec<Vec<u8>> =
            id.repetitions().next().into_iter().flat_map(|id| id.components()).map(|part| self.value(part)).collect();
        let at = |place: usize| parts.get(place).cloned().unwrap_or_default();
        let own = parts.get(3..).unwrap_or_default();
        let code = own.iter().position(|part| !part.is_empty());
        let local = code.and_then(|code| own.get(code)).cloned().unwrap_or_default();
        let behind = code.and_then(|code| own.get(code + 1..)).unwrap_or_default();
        let behind = joined(behind.to_vec(), b'.');
        let system = if local.is_empty() { Vec::new() } else { b"L".to_vec() };
        let coded = match (at(0), local.is_empty()) {
            (code, true) if code.is_empty() => Vec::new(),
            (code, _) if code.is_empty() => vec![local, at(1), system],
            (code, _) => vec![code, at(1), at(2), local, Vec::new(), system],
        };
        (joined(coded, b'^'), behind)
    }

    /// The components of each repetition, put into this order; 0 leaves a place empty.
    fn composite(&self, field: Part<'_>, order: &[usize]) -> Vec<u8> {
        let repetition = |part: Part<'_>| {
            let parts: Vec<_> = part.components().collect();
            let at = |place: &usize| place.checked_sub(1).and_then(|place| parts.get(place));
            joined(order.iter().map(|place| at(place).map_or_else(Vec::new, |part| self.value(*part))).collect(), b'^')
        };
        joined(field.repetitions().map(repetition).collect(), b'~')
    }

    /// Each repetition as one text.
    fn repeated(&self, field: Part<'_>) -> Vec<u8> {
        joined(field.repetitions().map(|part| self.flat(part)).collect(), b'~')
    }

    /// All of a field as one text: its delimiters become letters of the text.
    fn flat(&self, field: Part<'_>) -> Vec<u8> {
        if field.is_null() {
            return b"\"\"".to_vec();
        }
        let repetition = |part: Part<'_>| part.components().map(|part| self.text(part)).collect::<Vec<_>>().join("^");
        let text = field.repetitions().map(repetition).collect::<Vec<_>>().join("~");
        escape(text.as_bytes(), &Delimiters::STANDARD).into_owned()
    }

    /// One value.
    fn value(&self, part: Part<'_>) -> Vec<u8> {
        if part.is_null() {
            return b"\"\"".to_vec();
        }
        escape(self.text(part).as_bytes(), &Delimiters::STANDARD).into_owned()
    }

    fn text(&self, part: Part<'_>) -> String {
        match part.text() {
            Cow::Borrowed(bytes) => self.encoding.decode(bytes).into_owned(),
            Cow::Owned(bytes) => self.encoding.decode(&bytes).into_owned(),
        }
    }

    /// A time; empty where the field is.
    fn time(&self, record: &Record<'_>, field: u16) -> Written<Vec<u8>> {
        let part = record.field(usize::from(field)).component(1);
        if !part.has_value() || part.bytes().trim_ascii().is_empty() {
            return Ok(part.bytes().trim_ascii().to_vec());
        }
        let stamp = std::str::from_utf8(part.bytes()).ok().and_then(|text| time::stamp(text, self.context.zone));
        let refusal = || Refusal::new(Reason::UnreadableValue, record.place(field), "expected a date or a time");
        stamp.map(String::into_bytes).ok_or_else(refusal)
    }

    fn local(&self, at: Timestamp) -> Vec<u8> {
        let instant = jiff::Timestamp::from_millisecond(at.0).unwrap_or_default();
        time_text(at, self.context.zone.to_offset(instant).seconds()).into_bytes()
    }
}

/// The tests of an order that have results: the one that was ordered, or where several or none are named, those of the results.
fn tests<'o, 'm, 'a>(order: &'o Order<'m, 'a>) -> Vec<Test<'o, 'm, 'a>> {
    let names_a_test = |id: &Part<'_>| id.components().any(|part| part.has_value());
    let mut ordered = order.record.field(5).repetitions().filter(names_a_test);
    if let (Some(id), None) = (ordered.next(), ordered.next()) {
        return vec![Test { id, results: order.results.iter().collect() }];
    }
    let mut tests: Vec<Test<'_, '_, '_>> = Vec::new();
    let mut places = BTreeMap::new();
    for result in &order.results {
        let id = result.record.field(3);
        let place = *places.entry(id.bytes()).or_insert(tests.len());
        match tests.get_mut(place) {
            Some(test) => test.results.push(result),
            None => tests.push(Test { id, results: vec![result] }),
        }
    }
    tests
}
