//! Dialects: the same ride said in four ways is the same job, whoever says it; and what is wrong with a dialect is
//! found when it is read.

use gurney::{
    event::{Event, Given},
    hl7::Index,
    mapping::{Context, Outcome, Reason, Refusal, Registry},
    units::Timestamp,
};
use proptest::prelude::*;
use serde_json::Value;

use super::{LazyLock, ZONE};

const TABLES: &str = include_str!("../../config/dialects/examples/tables.toml");
const LAKESIDE: &str = include_str!("../../config/dialects/examples/lakeside@1.toml");
const HARBOR: &str = include_str!("../../config/dialects/examples/harbor@1.toml");
const SUMMIT: &str = include_str!("../../config/dialects/examples/summit@1.toml");

static EXAMPLES: LazyLock<Registry> = LazyLock::new(|| {
    let files = [("tables.toml", TABLES), ("l.toml", LAKESIDE), ("h.toml", HARBOR), ("s.toml", SUMMIT)];
    Registry::with(&files).unwrap()
});

const DIALECTS: [&str; 4] = ["standard", "lakeside", "harbor", "summit"];

fn prepare(dialect: &str, raw: &str) -> Result<Outcome, Refusal> {
    prepare_by(&EXAMPLES, dialect, raw)
}

fn prepare_by(registry: &Registry, dialect: &str, raw: &str) -> Result<Outcome, Refusal> {
    let index = Index::of(raw.as_bytes()).unwrap();
    let context = Context {
        site: "loopback",
        zone: &ZONE,
        encoding: None,
        received_at: Timestamp(0),
        source_hash: [7; 32],
        dialect: (dialect, 1),
    };
    registry.get("transport", 1).unwrap().prepare(&index.message(raw.as_bytes()), &context)
}

fn events(dialect: &str, raw: &str) -> Vec<Event> {
    let index = Index::of(raw.as_bytes()).unwrap();
    let message = index.message(raw.as_bytes());
    EXAMPLES.dialect(dialect, 1).unwrap().events(message, &message.charset(None), &ZONE)
}

fn event(dialect: &str, raw: &str) -> Event {
    events(dialect, raw).remove(0)
}

fn reason(dialect: &str, raw: &str) -> Reason {
    prepare(dialect, raw).unwrap_err().reason()
}

/// A ride, as a person would tell it.
#[derive(Clone, Debug)]
struct Ride {
    /// 0 none, 1 van, 2 ambulance, 3 critical care.
    level: usize,
    /// 0 not said, 1 walks, 2 sits, 3 lies.
    mobility: usize,
    /// 0 stat, 1 urgent, 2 routine.
    priority: usize,
    oxygen: Option<u8>,
    weight: Option<String>,
    isolation: Option<&'static str>,
    destination: Option<(&'static str, &'static str)>,
    escort: bool,
    from: &'static str,
    until: &'static str,
    physician: Option<&'static str>,
    comment: Option<&'static str>,
}

impl Ride {
    fn usual() -> Self {
        Self {
            level: 1,
            mobility: 2,
            priority: 1,
            oxygen: Some(2),
            weight: Some("82.50".to_owned()),
            isolation: Some("Contact precautions"),
            destination: Some(("SUNRISE", "Sunrise Skilled Nursing")),
            escort: true,
            from: "20261120140000",
            until: "20261120150000",
            physician: Some("Dr. Tom Reed"),
            comment: Some("Second entrance, ring twice"),
        }
    }

    /// The order in the words of one sender.
    fn say(&self, dialect: &str) -> String {
        let mut lines = vec![
            "MSH|^~\\&|ORDERS|GH|GURNEY|GH|20261120093000||ORM^O01^ORM_O01|M1|P|2.5.1".to_owned(),
            "PID|1||4711007^^^GH^MR||Quill^Ada||19410305|F".to_owned(),
            "PV1|1|I|3W^12^B^GH||||||||||||||||V8801^^^GH^VN".to_owned(),
            "ORC|NW|P1001^ORDERS|||||||20261120092900".to_owned(),
        ];
        match dialect {
            "standard" => self.say_standard(&mut lines),
            "lakeside" => self.say_lakeside(&mut lines),
            "harbor" => self.say_harbor(&mut lines),
            _ => self.say_summit(&mut lines),
        }
        lines.join("\r") + "\r"
    }

    fn say_standard(&self, lines: &mut Vec<String>) {
        let priority = ["S", "U", "R"][self.priority];
        lines.push(format!("TQ1|1||||||{}|{}|{priority}", self.from, self.until));
        let order = ["TRANSPORT^Patient transport^L", "WCVAN^Van^L", "BLS^Ambulance^L", "CCT^Critical^L"][self.level];
        let mut obr = vec![String::new(); 43];
        (obr[0], obr[4], obr[30]) = ("OBR".into(), order.into(), ["", "WALK", "WHLC", "CART"][self.mobility].into());
        obr[42] = if self.escort { "R" } else { "N" }.into();
        lines.push(obr.join("|"));
        lines.extend(self.comment.map(|comment| format!("NTE|1||{comment}")));
        let mut ask = |kind: &str, question: &str, value: Option<String>, unit: &str| {
            lines.extend(value.map(|value| format!("OBX|1|{kind}|{question}||{value}|{unit}")));
        };
        ask("NM", "3151-8^O2^LN", self.oxygen.map(|flow| flow.to_string()), "L/min");
        ask("NM", "29463-7^Weight^LN", self.weight.clone(), "kg");
        ask("TX", "ISO^Precautions^L", self.isolation.map(str::to_owned), "");
        ask("CE", "TRDEST^To^L", self.destination.map(|(code, text)| format!("{code}^{text}^L")), "");
        ask("TX", "ACCMD^Doctor^L", self.physician.map(str::to_owned), "");
    }

    fn say_lakeside(&self, lines: &mut Vec<String>) {
        lines.push("TQ1|1||||||||R".to_owned());
        lines.push("OBR|1|||TRANSPORT^Patient transport^L".to_owned());
        let mut ask = |number: u8, kind: &str, value: Option<String>, unit: &str| {
            lines.extend(value.map(|value| format!("OBX|1|{kind}|Q{number}^Question^LKS||{value}|{unit}")));
        };
        let one_of = |answers: [&str; 4], place: usize| {
            Some(answers[place]).filter(|answer| !answer.is_empty()).map(|answer| format!("{answer}^x^LKS"))
        };
        ask(100, "CE", one_of(["", "VAN", "AMB", "ICU"], self.level), "");
        ask(101, "CE", one_of(["", "FEET", "CHAIR", "LYING"], self.mobility), "");
        ask(102, "CE", self.destination.map(|(code, text)| format!("{code}^{text}^L")), "");
        ask(103, "TS", Some(self.from.to_owned()), "");
        ask(104, "TS", Some(self.until.to_owned()), "");
        ask(105, "ID", Some((self.priority + 1).to_string()), "");
        ask(106, "NM", self.oxygen.map(|flow| flow.to_string()), "L/min");
        ask(107, "NM", self.weight.clone(), "kg");
        ask(108, "TX", self.isolation.map(str::to_owned), "");
        ask(109, "ID", Some(if self.escort { "Y" } else { "N" }.to_owned()), "");
        ask(110, "TX", self.physician.map(str::to_owned), "");
        ask(111, "TX", self.comment.map(str::to_owned), "");
    }

    fn say_harbor(&self, lines: &mut Vec<String>) {
        lines.push("OBR|1|||TRANSPORT^Patient transport^L".to_owned());
        let field = |text: Option<String>| text.unwrap_or_default();
        let form = [
            "ZTR|1".to_owned(),
            ["", "WV", "BL", "CC"][self.level].to_owned(),
            ["", "W", "S", "L"][self.mobility].to_owned(),
            field(self.oxygen.map(|flow| flow.to_string())),
            field(self.weight.clone()),
            field(self.weight.as_ref().map(|_| "kg".to_owned())),
            field(self.isolation.map(str::to_owned)),
            field(self.destination.map(|(code, text)| format!("{code}^{text}^L"))),
            self.from.to_owned(),
            self.until.to_owned(),
            ["S", "U", "R"][self.priority].to_owned(),
            if self.escort { "Y" } else { "N" }.to_owned(),
            field(self.physician.map(str::to_owned)),
            field(self.comment.map(str::to_owned)),
        ];
        lines.push(form.join("|"));
    }

    fn say_summit(&self, lines: &mut Vec<String>) {
        let priority = ["S", "U", "R"][self.priority];
        lines.push(format!("TQ1|1||||||{}|{}|{priority}", self.from, self.until));
        let mut obr = vec![String::new(); 43];
        (obr[0], obr[4], obr[30]) =
            ("OBR".into(), "TRANSPORT^Patient transport^L".into(), ["", "WALK", "WHLC", "CART"][self.mobility].into());
        obr[40] = ["", "CHAIRCAR", "RIG", "MICU"][self.level].into();
        obr[42] = if self.escort { "R" } else { "N" }.into();
        lines.push(obr.join("|"));
        let mut note = |prefix: &str, text: Option<String>| {
            lines.extend(text.map(|text| format!("NTE|1||{prefix}{text}")));
        };
        note("o2: ", self.oxygen.map(|flow| format!("{flow} L/min")));
        note("WT:", self.weight.as_ref().map(|weight| format!("{weight} kg")));
        note("", self.comment.map(str::to_owned));
        note("Iso: ", self.isolation.map(str::to_owned));
        let house = |(code, _): (&str, &str)| if code == "SUNRISE" { "Sunrise SNF" } else { "Northgate" }.to_owned();
        note(" DEST: ", self.destination.map(house));
        note("MD: ", self.physician.map(str::to_owned));
    }
}

/// A Bundle without what may differ: the sender's own codings and words for what a table gave a meaning, and which
/// message it was.
fn content(outcome: &Outcome) -> Value {
    let Outcome::Send(prepared) = outcome else { return Value::Null };
    let mut bundle: Value = serde_json::from_slice(&prepared.render()).unwrap();
    let entries = bundle["entry"].as_array_mut().unwrap();
    entries.retain(|entry| entry["resource"]["resourceType"] != "Provenance");
    strip(&mut bundle);
    bundle
}

fn strip(node: &mut Value) {
    match node {
        Value::Array(items) => items.iter_mut().for_each(strip),
        Value::Object(members) => {
            if let Some(Value::Array(codings)) = members.get_mut("coding") {
                codings.truncate(1);
                let system = codings[0]["system"].as_str().unwrap_or_default().to_owned();
                let code = codings[0]["code"].as_str().unwrap_or_default();
                if system.ends_with("/mobility") || system.contains("HCPCS") || code == "TRANSPORT" {
                    members.remove("text");
                }
            }
            members.values_mut().for_each(strip);
        }
        _ => {}
    }
}

#[test]
fn makes_one_job_of_a_ride_whoever_orders_it() {
    let ride = Ride::usual();
    let standard = prepare("standard", &ride.say("standard")).unwrap();
    let Outcome::Send(sent) = &standard else { panic!("not sent") };
    for dialect in DIALECTS {
        let raw = ride.say(dialect);
        let outcome = prepare(dialect, &raw).unwrap_or_else(|refusal| panic!("{dialect}: {refusal}"));
        let Outcome::Send(prepared) = &outcome else { panic!("{dialect}: not sent") };
        assert_eq!(prepared.jobs, sent.jobs, "{dialect}");
        assert_eq!(content(&outcome), content(&standard), "{dialect}");
        assert_eq!(event(dialect, &raw), event("standard", &ride.say("standard")), "{dialect}");
    }
    let event = event("summit", &ride.say("summit"));
    assert_eq!((&event.needs.kind, &event.needs.level), (&told("transport"), &told("wheelchair-van")));
    assert_eq!((&event.needs.mobility, &event.needs.priority), (&told("wheelchair"), &told("urgent")));
    assert_eq!(event.needs.oxygen.known().unwrap().reveal(), "2 L/min");
    let to = event.needs.destination.known().unwrap().reveal();
    assert_eq!((to.code.as_str(), to.text.as_str()), ("SUNRISE", "Sunrise Skilled Nursing"));
    assert_eq!(event.needs.earliest.known().unwrap().date_time(), "2026-11-20T14:00:00-05:00");
    assert_eq!(event.time.unwrap().date_time(), "2026-11-20T09:29:00-05:00");
    assert!(event.needs.unread.is_empty());
}

fn told(meaning: &str) -> Given<String> {
    Given::Known(meaning.to_owned())
}

#[test]
fn never_lowers_what_any_place_of_a_dialect_asks_for() {
    for dialect in DIALECTS {
        // A patient who lies, in a van for chairs.
        let lying = Ride { mobility: 3, ..Ride::usual() };
        assert_eq!(reason(dialect, &lying.say(dialect)), Reason::Contradiction, "{dialect}");
        assert_eq!(reason(dialect, &lying.say(dialect).replace("|NW|", "|XO|")), Reason::Contradiction, "{dialect}");
        let ambulance = Ride { level: 2, mobility: 3, ..Ride::usual() };
        assert!(matches!(prepare(dialect, &ambulance.say(dialect)), Ok(Outcome::Send(_))), "{dialect}");
        // The ward says more than the order, in a place that the dialect inherits.
        let ward = Ride { level: 2, ..Ride::usual() };
        let raw = ward
            .say(dialect)
            .replace("PV1|1|I|3W^12^B^GH||||||||||||||||V8801", "PV1|1|I|3W^12^B^GH||||||||||||A3||||V8801");
        let refusal = prepare(dialect, &raw).unwrap_err();
        assert_eq!(refusal.contradictory.len(), 1, "{dialect}: {refusal}");
        assert_eq!(&*refusal.contradictory[0].1, "PV1-15", "{dialect}");
        // Two places speak of the vehicle, and the first asks for less.
        if dialect != "standard" {
            let raw = Ride::usual().say(dialect).replace("TRANSPORT^Patient transport^L", "CCT^Critical^L");
            let refusal = prepare(dialect, &raw).unwrap_err();
            assert_eq!(refusal.contradictory.len(), 1, "{dialect}: {refusal}");
            assert_eq!(&*refusal.contradictory[0].1, "OBR-4", "{dialect}");
        }
        // Nothing says how the patient goes: the ordered vehicle does.
        let silent = Ride { mobility: 0, ..Ride::usual() };
        assert_eq!(event(dialect, &silent.say(dialect)).needs.mobility, told("wheelchair"), "{dialect}");
    }
}

#[test]
fn holds_what_is_missing_and_waits_for_a_code_that_no_table_lists() {
    for dialect in DIALECTS {
        let nowhere = Ride { destination: None, ..Ride::usual() }.say(dialect);
        let refusal = prepare(dialect, &nowhere).unwrap_err();
        let missing: Vec<&str> = refusal.missing.iter().map(|missing| &*missing.what).collect();
        assert_eq!(missing, ["destination"], "{dialect}");
        assert_eq!(event(dialect, &nowhere).needs.destination, Given::Absent, "{dialect}");
    }
    let cases = [
        ("lakeside", "CHAIR^x^LKS", "SEDAN^x^LKS", "answer(mobility)", "lakeside-mobility"),
        ("harbor", "|S|2|", "|SEDAN|2|", "ZTR-3", "harbor-mode"),
        ("summit", "|WHLC|", "|SEDAN|", "OBR-30", "v2-0124"),
        ("summit", "DEST: Sunrise SNF", "DEST: SEDAN Street 5", "NTE-3 after 'DEST:'", "summit-house"),
        ("summit", "|CHAIRCAR|", "|SEDAN|", "OBR-40", "summit-arranged"),
    ];
    for (dialect, from, to, place, table) in cases {
        let raw = Ride::usual().say(dialect);
        assert!(raw.contains(from), "{dialect}: {from}");
        let raw = raw.replace(from, to);
        let refusal = prepare(dialect, &raw).unwrap_err();
        assert_eq!(refusal.reason(), Reason::UnmappedCode, "{place}");
        assert_eq!((&*refusal.unmapped[0].path, &*refusal.unmapped[0].table), (place, table));
        assert!(refusal.unmapped[0].code.reveal().starts_with("SEDAN"));
        let event = event(dialect, &raw);
        assert!(event.needs.unread.iter().any(|unread| &**unread == place), "{place}");
        let (mobility, to) = (event.needs.mobility.known().is_some(), event.needs.destination.known().is_some());
        let is_untold = (!mobility, !to, event.needs.level.known().is_none());
        let expected = (
            place == "answer(mobility)" || place == "ZTR-3" || place == "OBR-30",
            place.contains("DEST"),
            place == "OBR-40",
        );
        assert_eq!(is_untold, expected, "{place}");
        for text in [refusal.to_string(), format!("{refusal:?}"), format!("{event:?}")] {
            assert!(!text.contains("SEDAN") && !text.contains("Quill"), "{text}");
        }
    }
}

#[test]
fn holds_the_messages_of_a_dialect_that_is_not_there() {
    let refusal = prepare("harbour", &Ride::usual().say("harbor")).unwrap_err();
    assert_eq!(refusal.reason(), Reason::UnreadableValue);
    assert_eq!(&*refusal.unreadable[0], "dialect harbour@1");
}

#[test]
fn tells_deleted_from_never_said() {
    let cases = [
        ("standard", "29463-7^Weight^LN||82.50|", "29463-7^Weight^LN||\"\"|"),
        ("lakeside", "Q107^Question^LKS||82.50|", "Q107^Question^LKS||\"\"|"),
        ("harbor", "|2|82.50|kg|", "|2|\"\"||"),
    ];
    for (dialect, from, to) in cases {
        let raw = Ride::usual().say(dialect);
        assert!(raw.contains(from), "{dialect}");
        assert_eq!(event(dialect, &raw.replace(from, to)).needs.weight, Given::Null, "{dialect}");
        let absent = Ride { weight: None, ..Ride::usual() }.say(dialect);
        assert_eq!(event(dialect, &absent).needs.weight, Given::Absent, "{dialect}");
        let Ok(Outcome::Send(prepared)) = prepare(dialect, &raw.replace(from, to)) else { panic!("{dialect}") };
        assert!(!String::from_utf8(prepared.render()).unwrap().contains("29463-7"), "{dialect}");
    }
}

#[test]
fn reads_lines_segments_and_types_as_the_grammar_says() {
    let dialect = |element: &str, place: &str| {
        let text = HARBOR
            .replacen("dialect     = \"harbor\"", "dialect     = \"mine\"", 1)
            .lines()
            .take_while(|line| !line.starts_with("[element"))
            .collect::<Vec<_>>()
            .join("\n");
        format!("{text}\n[element.{element}]\nfrom = [\"{place}\"]\nwhy = \"a test\"\n")
    };
    let read = |element: &str, place: &str, segments: &str| {
        let text = dialect(element, place);
        let registry = Registry::with(&[("tables.toml", TABLES), ("mine.toml", &text)]).unwrap();
        let raw = format!("MSH|^~\\&|A|B|||2026||SIU^S12|1|P|2.5.1\r{segments}\r");
        let index = Index::of(raw.as_bytes()).unwrap();
        let message = index.message(raw.as_bytes());
        registry.dialect("mine", 1).unwrap().events(message, &message.charset(None), &ZONE).remove(0).needs
    };
    let text = |given: &Given<_>| match given {
        Given::Known(place) => {
            let place: &gurney::event::NamedPlace = gurney::phi::Phi::reveal(place);
            place.text.clone()
        }
        other => format!("{other:?}"),
    };
    // Resources of an appointment: the one whose type says so.
    let resources = "SCH|1\rRGS|1\rAIS|1||RIDE\rAIL|1||GH^1^^GH|ORIG\rAIL|2||SNF^7^^SUN|DEST";
    assert_eq!(text(&read("destination", "AIL-3 if AIL-4 is DEST", resources).destination), "SUN SNF 7");
    assert_eq!(text(&read("pickup", "AIL-3 if AIL-4 is ORIG", resources).pickup), "GH GH 1");
    assert_eq!(read("pickup", "AIL-3 if AIL-4 is 'ORIG X'", resources).pickup, Given::Absent);
    // A role of a referral.
    let referral = "PRD|RP|Reed^Tom\rPRD|RT|Quill^Bo|5 Oak^^Mill^ZZ^00417";
    assert_eq!(
        text(&read("destination", "PRD-3 if PRD-1 is RT as XAD", referral).destination),
        "5 Oak, Mill, ZZ, 00417"
    );
    // Lines of a note, in either case; what stands behind nothing says nothing.
    let note = "NTE|1||first\\.br\\ o2:  3 L/min\\.br\\last~O2:";
    let said = |needs: &Given<gurney::phi::Phi<String>>| needs.known().map(|words| words.reveal().clone());
    assert_eq!(said(&read("oxygen", "NTE-3 after 'O2:'", note).oxygen).as_deref(), Some("3 L/min"));
    assert_eq!(said(&read("oxygen", "NTE-3 after 'O2 flow:'", note).oxygen), None);
    // Medication orders: a number with its unit in another field.
    let oxygen = "RXE||OXY|2|4|LPM||||||||||||||||||3|L/min";
    assert_eq!(said(&read("oxygen", "RXE-23 unit RXE-24", oxygen).oxygen).as_deref(), Some("3 L/min"));
    assert_eq!(said(&read("oxygen", "RXE-3 unit RXE-5.1", oxygen).oxygen).as_deref(), Some("2 LPM"));
    assert_eq!(said(&read("payer", "IN1-4.1", "IN1|1|P|7|Sample Health^X").payer).as_deref(), Some("Sample Health"));
}

#[test]
fn reports_what_is_wrong_with_a_dialect_at_its_place() {
    let cases = [
        ("[element.oxygen]", "[element.oxigen]", "there is no element `oxigen`; did you mean `oxygen`?"),
        ("via harbor-mode.mobility", "via harbor-mod.mobility", "no table `harbor-mod`; did you mean `harbor-mode`?"),
        ("via harbor-mode.mobility", "via harbor-mode.mobilty", "no column `mobilty`; did you mean `mobility`?"),
        ("\"ZTR-4 unit L/min\"", "\"ZTR4 unit L/min\"", "expected `-` and a field number"),
        ("\"ZTR-4 unit L/min\"", "\"ZTR-4 unit\"", "`unit` is followed by"),
        ("\"ZTR-4 unit L/min\"", "\"ZTR-4 after\"", "`after` is followed by"),
        ("\"ZTR-4 unit L/min\"", "\"ZTR-4.1 rest\"", "go with a whole field"),
        ("\"ZTR-4 unit L/min\"", "\"ZTR-4 when x\"", "`when`: expected if, after"),
        ("\"ZTR-4 unit L/min\"", "\"ZTR-4 if PID-3 is 7\"", "not in the same segment, ZTR"),
        ("\"ZTR-4 unit L/min\"", "\"ZTR-4 if ZTR-3 has 7\"", "expected `if PATH is WORD`"),
        ("\"ZTR-4 unit L/min\"", "\"ZTR-4 after 'O2\"", "expected a second quote"),
        ("\"ZTR-4 unit L/min\"", "\"answer(oxigen)\"", "called `oxigen`; did you mean `oxygen`?"),
        ("\"ZTR-4 unit L/min\"", "\"element(weight)\"", "expected"),
        ("\"ZTR-7 as ST\"", "\"ZTR-7 as TX\"", "expected PL, XAD, CE or ST"),
        ("extends     = \"standard@1\"", "extends     = \"standart@1\"", "did you mean `standard@1`?"),
        ("extends     = \"standard@1\"", "extends     = \"harbor@1\"", "there is no dialect `harbor@1`"),
        ("reviewed_on = \"2026-11-26\"", "reviewed_on = \"26.11.2026\"", "expected a date such as"),
        ("title       =", "titel       =", "unknown field"),
        // What the dialect says and the map cannot take.
        (
            "via harbor-ride.carries",
            "via harbor-ride.kind",
            "`transport` of table `harbor-ride` is not in table `mobility`",
        ),
        (
            "\"ZTR-3 via harbor-mode.mobility\"",
            "\"ZTR-3\"",
            "each `via` another, and a map reads it by `element(mobility)`",
        ),
        (
            "\"ZTR-2 via harbor-ride.carries\"",
            "\"ZTR-2\"",
            "`via table.column`, and a map reads it by `element(carries)`",
        ),
        ("\"ZTR-2 via harbor-ride.kind\"", "\"ZTR-2\"", "`via table.column`, and a map reads it by `element(kind)`"),
    ];
    for (from, to, expected) in cases {
        let text = HARBOR.replacen(from, to, 1);
        assert_ne!(text, HARBOR, "{from}");
        let faults = Registry::with(&[("tables.toml", TABLES), ("harbor.toml", &text)]).unwrap_err();
        let line = text.lines().zip(HARBOR.lines()).position(|(one, other)| one != other).unwrap() + 1;
        let fault = faults.iter().find(|fault| fault.text.contains(expected));
        let fault = fault.unwrap_or_else(|| panic!("{to}: {faults:?}"));
        assert_eq!((fault.file.as_str(), fault.line), ("harbor.toml", line), "{fault}");
        assert_eq!(faults.len(), 1, "{faults:?}");
    }
    let with = |from: &str, to: &str| {
        let text = HARBOR.replacen(from, to, 1);
        Registry::with(&[("tables.toml", TABLES), ("harbor.toml", &text)]).unwrap_err().remove(0).text
    };
    let both = "from = [\"ZTR-4\"]\nfirst = [\"ZTR-4 unit L/min\"]";
    assert!(with("from = [\"ZTR-4 unit L/min\"]", both).contains("one of them"));
    assert!(with("from = [\"ZTR-4 unit L/min\"]", "").contains("expected `from` or `first`"));
    let twice = [("tables.toml", TABLES), ("a.toml", HARBOR), ("b.toml", HARBOR)];
    assert!(Registry::with(&twice).unwrap_err()[0].text.contains("defined twice"));
    let (a, b) = (HARBOR.replacen("standard@1", "summit@1", 1), SUMMIT.replacen("standard@1", "harbor@1", 1));
    let cycle = Registry::with(&[("tables.toml", TABLES), ("a.toml", &a), ("b.toml", &b)]).unwrap_err();
    assert!(cycle.len() == 2 && cycle.iter().all(|fault| fault.text.contains("does not extend this one")), "{cycle:?}");
}

#[test]
fn lets_a_dialect_extend_another_with_questions_of_its_own() {
    let text = LAKESIDE.replacen("dialect     = \"lakeside\"", "dialect     = \"clinic\"", 1);
    let head: String = text.split("[tables]").next().unwrap().replacen("standard@1", "lakeside@1", 1);
    let clinic = format!("{head}\n[tables]\nquestion = \"clinic-question.asks\"\n");
    let table = TABLES.replace("table.lakeside-question", "table.clinic-question").replace("\"Q1", "\"C1");
    let table = table.split("[table.lakeside-level]").next().unwrap().to_owned();
    let files = [("tables.toml", TABLES), ("l.toml", LAKESIDE), ("c.toml", &clinic), ("ct.toml", &table)];
    // The order of the files does not matter.
    for files in [files.to_vec(), files.iter().rev().copied().collect()] {
        let registry = Registry::with(&files).unwrap();
        let raw = Ride::usual().say("lakeside");
        assert!(matches!(prepare_by(&registry, "clinic", &raw.replace("|Q1", "|C1")), Ok(Outcome::Send(_))));
        assert!(prepare_by(&registry, "clinic", &raw).is_err());
    }
}

fn ride() -> impl Strategy<Value = Ride> {
    let houses = [("SUNRISE", "Sunrise Skilled Nursing"), ("NORTHGATE", "Northgate Rehabilitation")];
    let needs = (
        0..4_usize,
        0..4_usize,
        0..3_usize,
        prop::option::of(1..9_u8),
        prop::option::of("[1-9][0-9]{1,2}(\\.[0-9]{1,2})?"),
    );
    let words = (
        prop::option::of(prop::sample::select(vec!["Contact precautions", "Droplet", "Airborne"])),
        prop::option::weighted(0.9, prop::sample::select(houses.to_vec())),
        any::<bool>(),
        prop::option::of(prop::sample::select(vec!["Dr. Tom Reed", "Dr. May Ash"])),
        prop::option::of(prop::sample::select(vec!["Ring twice", "Walking frame; bag", "O2 is his own"])),
    );
    (needs, words).prop_map(
        |((level, mobility, priority, oxygen, weight), (isolation, destination, escort, physician, comment))| Ride {
            level,
            mobility,
            priority,
            oxygen,
            weight,
            isolation,
            destination,
            escort,
            physician,
            comment,
            ..Ride::usual()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn says_the_same_in_every_dialect(ride in ride()) {
        let standard = prepare("standard", &ride.say("standard"));
        let expected = event("standard", &ride.say("standard"));
        for dialect in DIALECTS {
            let raw = ride.say(dialect);
            prop_assert_eq!(&event(dialect, &raw), &expected, "{}", dialect);
            match (&standard, prepare(dialect, &raw)) {
                (Ok(standard), Ok(outcome)) => prop_assert_eq!(content(&outcome), content(standard), "{}", dialect),
                (Err(standard), Err(refusal)) => {
                    let what = |refusal: &Refusal| refusal.missing.iter().map(|missing| missing.what.to_string()).collect::<Vec<_>>();
                    prop_assert_eq!(what(&refusal), what(standard), "{}", dialect);
                    prop_assert_eq!(refusal.contradictory.len(), standard.contradictory.len(), "{}", dialect);
                }
                (standard, outcome) => prop_assert!(false, "{}: {:?} and {:?}", dialect, standard, outcome),
            }
        }
    }

    #[test]
    fn never_writes_less_than_any_place_says(
        form in prop::option::of(0..3_usize),
        order in prop::option::of(0..3_usize),
        ward in prop::option::of(0..3_usize),
        vehicle in 0..4_usize,
    ) {
        let ride = Ride { level: vehicle, mobility: form.map_or(0, |form| form + 1), ..Ride::usual() };
        let order_says = order.map_or("", |order| ["WALK", "WHLC", "CART"][order]);
        let ward_says = ward.map_or("", |ward| ["A0", "A2", "A3"][ward]);
        let order_code = format!("TRANSPORT^Patient transport^L{}{order_says}", "|".repeat(26));
        let raw = ride.say("harbor").replace("TRANSPORT^Patient transport^L", &order_code);
        let raw = raw.replace("GH||||||||||||||||V8801", &format!("GH||||||||||||{ward_says}||||V8801"));
        let vehicle_says = [None, Some(1), Some(2), Some(2)][vehicle];
        let most = [form, order, ward].into_iter().flatten().max();
        let first = form.or(order).or(ward).or(vehicle_says);
        match prepare("harbor", &raw) {
            Ok(outcome) => {
                let bundle = content(&outcome);
                let detail = &super::resources(&bundle, "ServiceRequest")[0]["orderDetail"][0]["coding"][0]["code"];
                let ranks = ["ambulatory", "wheelchair", "stretcher"];
                let written = ranks.iter().position(|rank| detail == rank);
                prop_assert_eq!(written, first);
                prop_assert!(most.is_none_or(|most| written >= Some(most)));
                prop_assert!(vehicle == 0 || written <= [None, Some(1), Some(2), Some(2)][vehicle]);
            }
            Err(refusal) if first.is_none() => prop_assert_eq!(&*refusal.missing[0].what, "mobility"),
            Err(refusal) => {
                let is_lowered = most > first || (vehicle == 1 && first > Some(1));
                prop_assert!(is_lowered && !refusal.contradictory.is_empty(), "{}", refusal);
            }
        }
    }

    #[test]
    fn never_panics_and_prints_nothing_of_the_patient(
        ride in ride(),
        dialect in prop::sample::select(DIALECTS.to_vec()),
        segment in any::<usize>(),
        field in any::<usize>(),
        text in "[A-Za-z0-9^&~\\\\\"+.: -]{0,16}|.{0,12}",
    ) {
        let text = text.replace(['|', '\r', '\n'], "");
        let raw = super::with_field(&ride.say(dialect).replace('\r', "\n"), segment, field, &format!("{text}Zyxwv"));
        prop_assume!(Index::of(raw.as_bytes()).is_ok());
        for event in events(dialect, &raw) {
            let debug = format!("{event:?}");
            prop_assert!(!debug.contains("Quill") && !debug.contains("4711007") && (segment % 10 == 0 || !debug.contains("Reed")));
        }
        match prepare(dialect, &raw) {
            Ok(Outcome::Send(prepared)) => super::check("changed", &serde_json::from_slice(&prepared.render()).unwrap()),
            Ok(Outcome::NotApplicable) => {}
            Err(refusal) => {
                let said = format!("{refusal} {refusal:?}");
                prop_assert!(!said.contains("Zyxwv"));
            }
        }
    }
}
