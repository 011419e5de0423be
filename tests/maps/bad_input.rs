//! Messages that mean nothing good: impossible values, two people at once, jobs that end before they begin, and more of
//! everything than anybody sends.
//!
//! Each case is read for a flow with the map transport@1, as a link does. Whatever comes, it is a verdict of the closed
//! list, for a reason that names places and holds no value; what is delivered all the same says nothing impossible.
//! The last test sends the worst of them to the running box, which goes on.

use std::sync::{Arc, LazyLock};

use gurney::{
    flow::{Changes, Flows, RouteVerdict},
    hl7::Index,
    mapping::{Outcome, Reason, Registry},
    settings::{self, Known},
    units::{Timestamp, limits},
};
use serde_json::Value;

use crate::site::{Daemon, Platform, Site, order};

const SITE: &str = r#"version = 1
[gurney]
site = "loopback"
node = "gw-a"
[store]
path      = "/tmp/none"
key_file  = "/tmp/none.key"
limit     = "256 MB"
when_full = "refuse"
[mllp.ehr]
listen    = "127.0.0.1:0"
[fhir.platform]
url       = "http://127.0.0.1:1/fhir"
retry     = { first = "1 s", at_most = "1 s", give_up = "never" }
in_flight = 4
[flow.rides]
from      = "ehr"
on        = ["*"]
to        = "platform"
mapping   = "transport@1"
pattern   = "event"
target    = "5 s"
owner     = "Integration desk"
escalate  = ["integration-desk"]
"#;

static FLOWS: LazyLock<Flows> = LazyLock::new(|| {
    let known = Known { maps: &[("transport", 1)], ..Known::nothing(NOW) };
    let checked = settings::read(&[("gurney.toml".to_owned(), SITE.to_owned())], &known).unwrap();
    Flows::new(&checked.settings, Arc::new(Registry::builtin().unwrap()))
});

const NOW: Timestamp = Timestamp(1_795_176_000_000);

/// What became of a message.
#[derive(Debug, PartialEq, Eq)]
enum Came {
    Sent(String),
    Nothing,
    Waits { reason: &'static str, detail: String },
    Unreadable,
}

fn read(raw: &str) -> Came {
    let understood = FLOWS.understand(0, NOW, raw.as_bytes(), &mut Index::default());
    if understood.fault.is_some() {
        return Came::Unreadable;
    }
    match &understood.routes[0].verdict {
        RouteVerdict::NotApplicable => Came::Nothing,
        RouteVerdict::Hold { reason, detail } | RouteVerdict::Quarantine { reason, detail } => {
            Came::Waits { reason, detail: detail.clone() }
        }
        RouteVerdict::Jobs { .. } => {
            let map = FLOWS.map_of(0).unwrap();
            match FLOWS
                .translated(&map, Some(0), raw.as_bytes(), (NOW, understood.content_hash), Changes::Told(&[]))
                .unwrap()
            {
                Ok(Outcome::Send(prepared)) => Came::Sent(String::from_utf8(prepared.render()).unwrap()),
                Ok(Outcome::NotApplicable) => Came::Nothing,
                Err(refusal) => Came::Waits { reason: refusal.reason().as_str(), detail: refusal.to_string() },
            }
        }
        RouteVerdict::Deliver { .. } => unreachable!("the flow makes jobs"),
    }
}

/// What must hold of every case, whatever came of it.
fn check(name: &str, raw: &str) -> Came {
    let came = read(raw);
    match &came {
        Came::Sent(body) => {
            assert!(body.len() <= limits::BUNDLE_BYTES_MAX * 2, "{name}: {} bytes", body.len());
            let bundle: Value = serde_json::from_str(body).unwrap();
            possible(name, &bundle);
        }
        Came::Waits { reason, detail } => {
            assert!(Reason::ALL.iter().any(|known| known.as_str() == *reason), "{name}: {reason}");
            assert!(!detail.is_empty() && detail.len() < 4000, "{name}: {} bytes of detail", detail.len());
            for secret in ["ZZTESTFAU", "Margarethe", "4711990", "QQQQ"] {
                assert!(!detail.contains(secret), "{name}: {detail}");
            }
        }
        Came::Nothing | Came::Unreadable => {}
    }
    came
}

/// Dates exist, periods run forwards, nothing is empty.
fn possible(name: &str, value: &Value) {
    match value {
        Value::Object(members) => {
            assert!(!members.is_empty(), "{name}: an empty object");
            let time = |key: &str| members.get(key).and_then(Value::as_str);
            if let (Some(start), Some(end)) = (time("start"), time("end"))
                && let (Ok(start), Ok(end)) = (start.parse::<jiff::Timestamp>(), end.parse::<jiff::Timestamp>())
            {
                assert!(start <= end, "{name}: {start} to {end}");
            }
            for (key, value) in members {
                if let Some(text) = value.as_str().filter(|_| TIMES.contains(&key.as_str())) {
                    is_a_time(name, text);
                }
                possible(name, value);
            }
        }
        Value::Array(items) => {
            assert!(!items.is_empty(), "{name}: an empty list");
            items.iter().for_each(|item| possible(name, item));
        }
        Value::String(text) => assert!(!text.trim().is_empty(), "{name}: an empty string"),
        Value::Null => panic!("{name}: null"),
        _ => {}
    }
}

const TIMES: [&str; 6] = ["birthDate", "start", "end", "authoredOn", "occurredDateTime", "recorded"];

fn is_a_time(name: &str, text: &str) {
    let day = text.get(..10).unwrap_or(text);
    let is_date = match day.len() {
        10 => day.parse::<jiff::civil::Date>().is_ok(),
        7 => format!("{day}-01").parse::<jiff::civil::Date>().is_ok(),
        _ => day.len() == 4 && day.bytes().all(|byte| byte.is_ascii_digit()),
    };
    let is_time = text.len() <= 10 || text.parse::<jiff::Timestamp>().is_ok();
    assert!(is_date && is_time, "{name}: {text}");
}

/// An ADT message about a stay.
fn adt(trigger: &str) -> String {
    format!(
        "MSH|^~\\&|ADT|GH|GURNEY|GH|20261120093000||ADT^{trigger}^ADT_{trigger}|C1|P|2.5.1\r\
         EVN|{trigger}|20261120093000\r\
         PID|1||4711990^^^GH^MR||ZZTESTFAU^Margarethe||19470311|F\r\
         PV1|1|I|3W^12^B^GH||||||||||||||||V8801^^^GH^VN|||||||||||||||||01||||||||20261118080000|20261120093000\r\
         PV2|1||||||||20261120100000\r"
    )
}

/// Puts `text` into a field, counted as HL7 does.
fn with(raw: &str, segment: &str, field: usize, text: &str) -> String {
    let mut lines: Vec<String> = raw.split('\r').map(str::to_owned).collect();
    let line = lines.iter_mut().find(|line| line.starts_with(segment)).unwrap_or_else(|| panic!("no {segment}"));
    let mut fields: Vec<String> = line.split('|').map(str::to_owned).collect();
    let at = if segment == "MSH" { field - 1 } else { field };
    fields.resize(fields.len().max(at + 1), String::new());
    fields[at] = text.to_owned();
    *line = fields.join("|");
    lines.join("\r")
}

/// What no calendar and no clock has.
const NO_TIMES: [&str; 22] = [
    "0000",
    "00000000",
    "99999999",
    "20260230",
    "20250229",
    "20261301",
    "20260100",
    "20260132",
    "202611202460",
    "20261120093061",
    "20261120093000+9900",
    "20261120093000-1500",
    "2026-11-20",
    "20261120T0930",
    "20261120093000Z",
    "ABCD",
    "1e9",
    "-2026",
    "202",
    "20261",
    "2026112009300",
    "20261120 093000",
];

#[test]
fn times_that_no_calendar_has_are_never_sent() {
    let ride = order("B1", "P1", "WHEELCHAIR") + "TQ1|1||||||20261120100000|20261120110000|R\r";
    let mut cases = 0;
    // What a person must see: the map needs it or would tell the crew something else.
    for (segment, field, place) in [("PID", 7, "PID-7"), ("TQ1", 7, "TQ1-7"), ("TQ1", 8, "TQ1-8")] {
        for no_time in NO_TIMES {
            let name = format!("{segment}-{field} {no_time}");
            match check(&name, &with(&ride, segment, field, no_time)) {
                Came::Waits { reason: "unreadable-value", detail } => {
                    assert!(detail.contains(place), "{name}: {detail}")
                }
                other => panic!("{name}: {other:?}"),
            }
            cases += 1;
        }
    }
    // What is left out or stands for itself.
    for (segment, field) in [("MSH", 7), ("ORC", 9), ("ORC", 15), ("OBR", 6), ("OBR", 27)] {
        for no_time in NO_TIMES {
            check(&format!("{segment}-{field} {no_time}"), &with(&ride, segment, field, no_time));
            cases += 1;
        }
    }
    for trigger in ["A03", "A16"] {
        for (segment, field) in [("EVN", 2), ("PV1", 44), ("PV1", 45), ("PV2", 9)] {
            for no_time in NO_TIMES {
                check(&format!("{trigger} {segment}-{field} {no_time}"), &with(&adt(trigger), segment, field, no_time));
                cases += 1;
            }
        }
    }
    assert_eq!(cases, 22 * 16);
}

#[test]
fn nobody_is_born_after_the_event_and_nobody_leaves_before_coming() {
    let ride = order("B1", "P1", "WHEELCHAIR");
    let contradicts = |name: &str, raw: &str, place: &str| match check(name, raw) {
        Came::Waits { reason: "contradiction", detail } => assert!(detail.contains(place), "{name}: {detail}"),
        other => panic!("{name}: {other:?}"),
    };
    for born in ["20261122", "20261201", "2027", "20300101", "21000101", "99991231", "20261123093000-0500"] {
        contradicts(born, &with(&ride, "PID", 7, born), "PID-7 contradicts the time of the event");
        contradicts(born, &with(&adt("A16"), "PID", 7, born), "PID-7");
    }
    // A newborn, whose mother's clerk was quick, is nobody from the future.
    for born in ["20261120", "20261121", "20261120094500", "2026", "18800101", "19000229"] {
        assert!(!matches!(check(born, &with(&ride, "PID", 7, born)), Came::Nothing), "{born}");
    }
    let cared_for = format!("{ride}OBX|3|ID|CARSEAT^Infant car seat required^L||Y\r");
    assert!(matches!(check("today", &with(&cared_for, "PID", 7, "20261120")), Came::Sent(_)));
    for (admitted, discharged) in [
        ("20261120093000", "20261120092959"),
        ("20261121", "20261120"),
        ("20271120", "20261120"),
        ("20261120093000-0500", "20261120093000+0500"),
        ("99991231", "20261120"),
        ("20261120", "19000101"),
    ] {
        let stay = with(&with(&adt("A03"), "PV1", 44, admitted), "PV1", 45, discharged);
        contradicts(&format!("{admitted} {discharged}"), &stay, "PV1-44 contradicts PV1-45");
    }
    for (start, end) in [("20261120110000", "20261120100000"), ("20270101", "20261231"), ("99991231", "20261120")] {
        let window = format!("{ride}TQ1|1||||||{start}|{end}|R\r");
        contradicts(&format!("{start} {end}"), &window, "TQ1-7 contradicts TQ1-8");
    }
}

#[test]
fn a_message_about_two_people_is_about_nobody() {
    let mut cases = 0;
    for (name, raw) in [
        ("request", order("B1", "P1", "WHEELCHAIR")),
        ("change", order("B1", "P1", "WHEELCHAIR").replace("ORC|NW", "ORC|XO")),
        ("cancel", order("B1", "P1", "WHEELCHAIR").replace("ORC|NW", "ORC|CA")),
        ("plan", adt("A16")),
        ("discharge", adt("A03")),
        ("cancelled discharge", adt("A13")),
        ("cancelled plan", adt("A25")),
    ] {
        for other in ["QQQQ1^^^GH^MR", "4711990^^^OTHER^MR", "", "4711991^^^GH^MR~4711990^^^GH^MR"] {
            for behind in ["PV1|", "EVN|", "MSH|"] {
                let Some(at) =
                    raw.find(&format!("\r{behind}")).or_else(|| (behind == "MSH|").then_some(raw.find('\r').unwrap()))
                else {
                    continue;
                };
                let both = format!("{}\rPID|2||{other}||QQQQ^Otto||19500101|M{}", &raw[..at], &raw[at..]);
                match check(name, &both) {
                    Came::Waits { detail, .. } => assert!(detail.contains("PID[2]-3"), "{name} {other}: {detail}"),
                    // Without any identity it is refused for that already, or there is no order number.
                    other => panic!("{name}: {other:?}"),
                }
                cases += 1;
            }
        }
        // The same person written twice is one.
        let twice = raw.replacen("PID|1||", "PID|1||4711990^^^GH^MR||ZZTESTFAU^Margarethe||19470311|F\rPID|1||", 1);
        let contradicts = matches!(check(name, &twice), Came::Waits { ref detail, .. } if detail.contains("PID[2]"));
        assert!(!contradicts, "{name}");
    }
    assert!(cases >= 60, "{cases}");
    // Merges, moves and swaps are about two people, in whatever order and circle they come.
    for trigger in
        ["A17", "A18", "A24", "A30", "A34", "A36", "A37", "A40", "A41", "A43", "A44", "A45", "A47", "A49", "A50", "A51"]
    {
        for (from, to) in [("A", "B"), ("B", "A"), ("A", "A"), ("B", "C"), ("C", "A")] {
            let merge = adt(trigger).replace("4711990", to)
                + &format!("MRG|{from}^^^GH^MR\rPID|2||{from}^^^GH^MR||QQQQ^X||1950|M\r");
            assert_eq!(check(trigger, &merge), Came::Nothing, "{trigger} {from} {to}");
        }
    }
}

#[test]
fn identifiers_that_are_none_wait_for_a_person() {
    let long = "Q".repeat(10_000);
    let ride = order("B1", "P1", "WHEELCHAIR");
    for (segment, field) in [
        ("PID", 3),
        ("PID", 2),
        ("PID", 18),
        ("PV1", 19),
        ("ORC", 2),
        ("ORC", 3),
        ("OBR", 2),
        ("OBR", 3),
        ("ORC", 12),
        ("OBR", 16),
    ] {
        for value in [long.clone(), format!("{long}^^^GH^MR"), format!("1^^^GH^MR~{long}")] {
            let name = format!("{segment}-{field}");
            match check(&name, &with(&ride, segment, field, &value)) {
                Came::Waits { detail, .. } => {
                    assert!(detail.contains(&format!("unreadable value at {name}")), "{name}: {detail}")
                }
                other => panic!("{name}: {other:?}"),
            }
        }
    }
    for value in [
        " ",
        "\"\"",
        "^^^GH^MR",
        "~~~",
        "&&&",
        "^",
        "\\X00\\",
        "\\E\\\\E\\",
        "0",
        "1^9^M10^GH^MR",
        "1^9^ISO^GH^MR",
        "\u{202e}QQQQ",
    ] {
        for segment in ["PID", "ORC"] {
            check(value, &with(&ride, segment, if segment == "PID" { 3 } else { 2 }, value));
        }
        for trigger in ["A03", "A13", "A16", "A25"] {
            check(value, &with(&adt(trigger), "PV1", 19, value));
            check(value, &with(&adt(trigger), "PID", 3, value));
        }
    }
    // A number that names no one names no job either.
    for gone in ["", "\"\""] {
        let lost = with(&with(&ride, "ORC", 2, gone), "OBR", 2, gone);
        assert!(matches!(check(gone, &lost), Came::Waits { reason: "missing-field", .. }));
        let lost = with(&adt("A13"), "PV1", 19, gone);
        assert!(matches!(check(gone, &lost), Came::Waits { reason: "missing-field", .. }));
    }
}

#[test]
fn more_of_everything_than_anybody_sends_is_refused_whole() {
    let ride = order("B1", "P1", "WHEELCHAIR");
    let too_much = |name: &str, raw: &str, what: &str| match check(name, raw) {
        Came::Waits { reason: "too-large", detail } => {
            // What is said of a job is bounded before the map counts it.
            assert!(detail.contains(what) || detail.contains("bytes at "), "{name}: {detail}");
        }
        other => panic!("{name}: {other:?}"),
    };
    for (count, fits) in [(200, true), (201, false), (10_000, false), (100_000, false)] {
        let many = |one: &str| vec![one; count].join("~");
        for (segment, field, one) in
            [("PID", 3, "7^^^GH^MR"), ("PID", 11, "1 Row^^M^ZZ"), ("NTE", 3, "slow"), ("PV1", 15, "A1")]
        {
            let raw = if segment == "NTE" { format!("{ride}NTE|1||x\r") } else { ride.clone() };
            let raw = with(&raw, segment, field, &many(one));
            let name = format!("{count} of {segment}-{field}");
            if fits || (segment, field) == ("PID", 11) {
                check(&name, &raw);
            } else {
                too_much(&name, &raw, "values at ");
            }
        }
    }
    for count in [201, 5_000] {
        let answers = "OBX|9|CE|ISO^Isolation^L||CONTACT^Contact^L\r".repeat(count);
        too_much(&format!("{count} answers"), &format!("{ride}{answers}"), "values at answer(isolation)");
        let notes = "NTE|1||QQQQ\r".repeat(count);
        too_much(&format!("{count} notes"), &format!("{ride}{notes}"), "values at NTE-3");
    }
    for count in [20_001, 100_000] {
        too_much(&format!("{count} segments"), &format!("{ride}{}", "NTE|1||x\r".repeat(count)), "segments");
        too_much(&format!("{count} unknown segments"), &format!("{ride}{}", "ZZZ|\r".repeat(count)), "segments");
        too_much(&format!("{count} orders"), &format!("{ride}{}", "ORC|NW\rOBR|1\r".repeat(count)), "segments");
    }
    let orders = |count: usize| -> String {
        let one = |at| {
            format!(
                "ORC|NW|R{at}^ORDERS\rOBR|1|R{at}^ORDERS||TRANSPORT^x^L||||||||||||||||||||||||||WALK\rOBX|1|CE|TRDEST^d^L||SUNRISE^S^L\r"
            )
        };
        ride.split("ORC|").next().unwrap().to_owned() + &(0..count).map(one).collect::<String>()
    };
    assert!(matches!(check("100 rides", &orders(100)), Came::Sent(_)));
    too_much("101 rides", &orders(101), "orders");
    too_much("5000 rides", &orders(5000), "orders");
    // Orders for others may be as many as they like: nobody rides.
    let laboratory = "ORC|NW|L1^ORDERS\rOBR|1|L1^ORDERS||CBC^Count^L\r".repeat(5000);
    assert_eq!(check("laboratory", &(ride.split("ORC|").next().unwrap().to_owned() + &laboratory)), Came::Nothing);
    let text = "Q".repeat(3 << 20);
    too_much("a long note", &format!("{ride}NTE|1||{text}\rNTE|2||{text}\r"), "bytes of the Bundle");
    for raw in [
        with(&ride, "PID", 5, &text),
        with(&ride, "PID", 3, &"~".repeat(1 << 20)),
        with(&ride, "PV1", 3, &"^".repeat(1 << 20)),
    ] {
        check("one large field", &raw);
    }
}

#[test]
fn senseless_statements_wait_or_are_left_out() {
    let ride = order("B1", "P1", "WHEELCHAIR");
    let mut cases = 0;
    // Codes in the clothes of anything.
    for code in [
        "",
        "\"\"",
        "wheelchair",
        "WHEELCHAIR ",
        "STRETCHER~WHEELCHAIR",
        "^Wheelchair",
        "\\T\\",
        "A&B",
        "0",
        "-1",
        "\u{0}",
        "NULL",
        "${x}",
        "'; DROP",
    ] {
        for (segment, field) in [
            ("OBR", 30),
            ("PV1", 15),
            ("OBR", 4),
            ("ORC", 1),
            ("PV1", 2),
            ("PID", 8),
            ("PID", 30),
            ("OBR", 42),
            ("OBR", 5),
        ] {
            check(&format!("{segment}-{field} {code}"), &with(&ride, segment, field, code));
            cases += 1;
        }
        for field in [36, 2, 19, 37] {
            check(&format!("A03 PV1-{field} {code}"), &with(&adt("A03"), "PV1", field, code));
            cases += 1;
        }
    }
    // Weights and flows that no body and no bottle has.
    for value in [
        "-80",
        "NaN",
        "Infinity",
        "1e999",
        "80,5",
        "80.5.5",
        "+",
        ".",
        "0x50",
        "999999999999999999999999",
        "eighty",
        "\"\"",
    ] {
        for unit in ["kg", "", "stone", "KGX"] {
            let heavy = format!("{ride}OBX|3|NM|29463-7^Body weight^LN||{value}|{unit}\r");
            if let Came::Sent(body) = check(value, &heavy) {
                assert!(!body.contains("NaN") && !body.contains("Infinity"), "{value}");
            }
            cases += 1;
        }
    }
    assert!(cases >= 200, "{cases}");
}

#[test]
fn the_running_box_keeps_all_of_it_and_goes_on() {
    let platform = Platform::start(200);
    let site = Site::new(&platform.url);
    let daemon = Daemon::start(&site);
    let ride = |at: usize| order(&format!("G{at}"), &format!("G{at}"), "WHEELCHAIR");
    let worst = [
        with(&ride(1), "PID", 7, "20260230"),
        with(&ride(2), "PID", 7, "20991231"),
        with(&ride(3), "PID", 3, &"Q".repeat(10_000)),
        with(&ride(4), "PID", 3, &vec!["7^^^GH^MR"; 5_000].join("~")),
        format!("{}{}", ride(5), "NTE|1||x\r".repeat(20_100)),
        ride(6).replacen("PV1|", "PID|2||QQQQ^^^GH^MR||QQQQ^Otto||1950|M\rPV1|", 1),
        with(&with(&adt("A03"), "PV1", 44, "20261121"), "PV1", 45, "20261120").replace("|C1|", "|G7|"),
        ride(8).replace("WHEELCHAIR", "MAGIC-CARPET"),
    ];
    let mut all = Vec::new();
    for (at, message) in worst.into_iter().enumerate() {
        all.push(message);
        all.push(ride(100 + at));
    }
    let sent = site.send(&all).with_code(0);
    assert!(sent.out.contains("16 of 16 accepted"), "{}", sent.out);
    let row = site.flow(|row| row["received"] == 16 && row["waiting"] == 0);
    assert_eq!(row["delivered"], 8, "{row}\n{}", site.tell(&["held", "list"]).out);
    assert_eq!((&row["held"], &row["quarantined"], &row["lost"]), (&7.into(), &1.into(), &0.into()), "{row}");
    let held = site.tell(&["held", "list", "--json"]).with_code(0).without_patient_data().json();
    let mut reasons: Vec<&str> =
        held["entries"].as_array().unwrap().iter().map(|entry| entry["reason"].as_str().unwrap()).collect();
    reasons.sort_unstable();
    assert_eq!(
        reasons,
        [
            "contradiction",
            "contradiction",
            "contradiction",
            "too-large",
            "too-large",
            "unmapped-code",
            "unreadable-value",
            "unreadable-value"
        ]
    );
    assert!(!daemon.log().contains("ZZTESTFAU"));
    assert_eq!(daemon.stop(), Some(0));
}
