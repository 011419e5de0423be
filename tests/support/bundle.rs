//! Rules of FHIR R4 that no validator tried knows, for any transaction Bundle Gurney makes: what is referred to is
//! there, nothing is empty, every entry can be carried out, and the invariants that the resources could break.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use serde_json::Value;

/// The entries.
pub(super) fn entries(bundle: &Value) -> impl Iterator<Item = &Value> {
    bundle["entry"].as_array().into_iter().flatten()
}

/// All that is wrong with a Bundle made by this map.
pub(super) fn faults(bundle: &Value, map: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut say = |holds: bool, text: String| {
        if !holds {
            found.push(text);
        }
    };
    say(bundle["resourceType"] == "Bundle" && bundle["type"] == "transaction", "not a transaction".into());
    let urls: Vec<&str> = entries(bundle).map(|entry| entry["fullUrl"].as_str().unwrap_or_default()).collect();
    say(!urls.is_empty(), "no entries".into());
    let mut conditions: Vec<String> = Vec::new();
    for (place, entry) in entries(bundle).enumerate() {
        let resource = &entry["resource"];
        let kind = resource["resourceType"].as_str().unwrap_or_default();
        let at = format!("{place} {kind}");
        let url = urls[place];
        say(url.starts_with("urn:uuid:") && url.len() == 45, format!("{at}: fullUrl {url}"));
        say(urls.iter().filter(|other| **other == url).count() == 1, format!("{at}: fullUrl twice (bdl-7)"));
        say(resource["meta"]["tag"][0]["code"] == map, format!("{at}: no map version"));
        let condition = request(kind, entry, &mut |holds, text| say(holds, format!("{at}: {text}")));
        say(!conditions.contains(&condition), format!("{at}: two entries for {condition}"));
        conditions.push(condition);
        say(resource.get("contained").is_none(), format!("{at}: contained (dom-2 to dom-5)"));
        invariants(kind, resource, &mut |holds, text| say(holds, format!("{at}: {text}")));
        walk(&at, "", resource, &urls, &mut say);
    }
    found
}

/// Checks a request and says what it is about.
fn request(kind: &str, entry: &Value, say: &mut dyn FnMut(bool, &str)) -> String {
    let request = &entry["request"];
    let url = request["url"].as_str().unwrap_or_default();
    match request["method"].as_str() {
        Some("POST") => {
            let unless = request["ifNoneExist"].as_str().unwrap_or_default();
            say(url == kind, "url of a create");
            format!("{kind}?{}", held(entry, unless, say))
        }
        Some("PUT") if kind == "Provenance" => {
            let id = entry["resource"]["id"].as_str().unwrap_or_default();
            say(url == format!("Provenance/{id}"), "url of a put");
            url.to_owned()
        }
        Some("PUT") => {
            let over = url.strip_prefix(&format!("{kind}?")).unwrap_or_default();
            say(request.get("ifNoneExist").is_none(), "ifNoneExist of a put");
            format!("{kind}?{}", held(entry, over, say))
        }
        _ => {
            say(false, "method");
            String::new()
        }
    }
}

/// A condition asks for an identifier that the resource itself carries: else it would be made anew each time.
fn held(entry: &Value, search: &str, say: &mut dyn FnMut(bool, &str)) -> String {
    let token = search.strip_prefix("identifier=").unwrap_or_default();
    let token = unescaped(token);
    let identifiers = entry["resource"]["identifier"].as_array().cloned().unwrap_or_default();
    let tokens = identifiers.iter().map(|one| {
        let text = |name: &str| one[name].as_str().unwrap_or_default().to_owned();
        let escaped = text("value").replace('\\', "\\\\").replace('$', "\\$").replace(',', "\\,").replace('|', "\\|");
        format!("{}|{escaped}", text("system"))
    });
    say(tokens.collect::<Vec<_>>().contains(&token), &format!("{token} is no identifier of it"));
    token
}

fn unescaped(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'%' && at + 2 < bytes.len() + 1 {
            out.push(u8::from_str_radix(text.get(at + 1..at + 3).unwrap(), 16).unwrap());
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8(out).unwrap()
}

/// Elements that R4 requires, by resource type.
const REQUIRED: &[(&str, &[&str])] = &[
    ("Encounter", &["status", "class", "subject"]),
    ("Coverage", &["status", "beneficiary", "payor"]),
    ("RelatedPerson", &["patient"]),
    ("Condition", &["subject", "clinicalStatus"]),
    ("AllergyIntolerance", &["patient", "code", "clinicalStatus"]),
    ("Flag", &["status", "code", "subject"]),
    ("Observation", &["status", "code"]),
    ("DiagnosticReport", &["status", "code"]),
    ("ServiceRequest", &["status", "intent", "subject"]),
    ("DeviceRequest", &["intent", "codeCodeableConcept", "subject"]),
    ("MedicationRequest", &["status", "intent", "medicationCodeableConcept", "subject"]),
    ("Appointment", &["status", "participant"]),
    ("DocumentReference", &["status", "content"]),
    ("Account", &["status"]),
    ("ChargeItem", &["status", "code", "subject"]),
    ("Provenance", &["target", "recorded", "agent", "entity"]),
];

fn invariants(kind: &str, resource: &Value, say: &mut dyn FnMut(bool, &str)) {
    let has = |name: &str| resource.get(name).is_some();
    for (_, names) in REQUIRED.iter().filter(|(known, _)| *known == kind) {
        for name in *names {
            say(has(name), &format!("no {name}"));
        }
    }
    match kind {
        "Patient" => {
            let links = resource["link"].as_array().cloned().unwrap_or_default();
            say(links.iter().all(|link| link["other"]["reference"].is_string() && link["type"].is_string()), "link");
            let replaced = links.iter().any(|link| link["type"] == "replaced-by");
            say(!replaced || resource["active"] == false, "a replaced patient is active");
            let contacts = resource["contact"].as_array().cloned().unwrap_or_default();
            let named = |contact: &Value| {
                ["name", "telecom", "address", "organization"].iter().any(|n| contact.get(n).is_some())
            };
            say(contacts.iter().all(named), "pat-1");
            say(!(has("deceasedBoolean") && has("deceasedDateTime")), "deceased[x] twice");
        }
        "Organization" => say(has("name") || has("identifier"), "org-1"),
        "ServiceRequest" => say(!has("orderDetail") || has("code"), "prr-1"),
        "Observation" => {
            let values = resource.as_object().unwrap().keys().filter(|key| key.starts_with("value")).count();
            say(values <= 1, "value[x] twice");
            say(values == 0 || !has("dataAbsentReason"), "obs-6");
        }
        "Appointment" => {
            say(has("start") == has("end"), "app-2");
            let open = ["proposed", "cancelled", "waitlist"].iter().any(|status| resource["status"] == *status);
            let unknown = ["entered-in-error", "noshow"].iter().any(|status| resource["status"] == *status);
            say(has("start") || open || unknown, "app-3");
            let ended = resource["status"] == "cancelled" || resource["status"] == "noshow";
            say(!has("cancelationReason") || ended, "app-4");
            let participants = resource["participant"].as_array().cloned().unwrap_or_default();
            say(participants.iter().all(|one| one.get("actor").is_some() || one.get("type").is_some()), "app-1");
            say(participants.iter().all(|one| one.get("status").is_some()), "participant without status");
        }
        "DocumentReference" => {
            let contents = resource["content"].as_array().cloned().unwrap_or_default();
            say(contents.iter().all(|content| content.get("attachment").is_some()), "content without attachment");
        }
        _ => {}
    }
}

fn walk(at: &str, name: &str, node: &Value, urls: &[&str], say: &mut dyn FnMut(bool, String)) {
    match node {
        Value::Null => say(false, format!("{at}: {name} is null")),
        Value::String(text) => {
            say(!text.trim().is_empty() && text != "\"\"", format!("{at}: {name} is empty"));
            say(text.trim_matches([' ', '\n', '\r', '\t']) == text, format!("{at}: {name} has white space around it"));
            let plain = text.chars().all(|c| c >= ' ' || matches!(c, '\t' | '\r' | '\n'));
            say(plain, format!("{at}: {name} has control characters"));
            text_rules(at, name, text, urls, say);
        }
        Value::Array(items) => {
            say(!items.is_empty(), format!("{at}: {name} is an empty list"));
            items.iter().for_each(|item| walk(at, name, item, urls, say));
        }
        Value::Object(members) => {
            say(!members.is_empty(), format!("{at}: {name} is an empty object"));
            if let (Some(Value::String(start)), Some(Value::String(end))) = (members.get("start"), members.get("end")) {
                let length = start.len().min(end.len()).min(10);
                say(start.get(..length) <= end.get(..length), format!("{at}: {name} ends before it starts (per-1)"));
            }
            if name == "attachment" || name == "presentedForm" {
                let data = members.contains_key("data");
                say(!data || members.contains_key("contentType"), format!("{at}: att-1"));
            }
            if members.contains_key("code") && members.contains_key("value") && members.contains_key("unit") {
                say(members.contains_key("system"), format!("{at}: {name} qty-3"));
            }
            if members.contains_key("low") && members.contains_key("high") {
                say(members["low"].is_object(), format!("{at}: {name} rng-2"));
            }
            for (key, value) in members {
                walk(at, key, value, urls, say);
            }
        }
        Value::Bool(_) | Value::Number(_) => {}
    }
}

fn text_rules(at: &str, name: &str, text: &str, urls: &[&str], say: &mut dyn FnMut(bool, String)) {
    let instant = matches!(name, "issued" | "recorded" | "date")
        || (matches!(name, "start" | "end") && at.ends_with("Appointment"));
    let time = instant
        || name.ends_with("DateTime")
        || matches!(name, "start" | "end" | "authoredOn" | "recordedDate" | "created" | "enteredDate");
    match name {
        "reference" => say(urls.contains(&text), format!("{at}: refers to {text}, which is not there (ref-1)")),
        "code" | "status" | "use" | "method" => {
            let fits = !text.starts_with(char::is_whitespace) && !text.contains("  ") && !text.contains('\n');
            say(fits, format!("{at}: {name} is no code"));
        }
        "system" => say(!text.contains(char::is_whitespace), format!("{at}: system is no URI: {text}")),
        "birthDate" => say(is_date(text), format!("{at}: birthDate")),
        "data" => {
            let fits = text.len().is_multiple_of(4)
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte));
            say(fits, format!("{at}: data is no base64"));
        }
        _ if time => match text.split_once('T') {
            Some((date, clock)) => {
                let zone = clock.ends_with('Z') || clock.get(8..).is_some_and(|rest| rest.contains(['+', '-']));
                say(date.len() == 10 && is_date(date) && zone, format!("{at}: {name} without zone"));
            }
            None => say(is_date(text) && !instant, format!("{at}: {name} is no time")),
        },
        _ => {}
    }
}

/// Whether a date is as precise as R4 allows: a year, a month or a day.
fn is_date(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    let digits = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    digits && matches!(lengths.as_slice(), [4] | [4, 2] | [4, 2, 2])
}
