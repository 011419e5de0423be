//! `gurney map` with a running box: versions in use, spot checks, comparisons, codes without a meaning.

use serde_json::Value;

use crate::site::{Daemon, Platform, Site, order, until, version, visit};

/// The version of the map that made a Bundle.
fn made_by(body: &str) -> String {
    let bundle: Value = serde_json::from_str(body).unwrap();
    bundle["entry"][0]["resource"]["meta"]["tag"][0]["code"].as_str().unwrap().to_owned()
}

fn why(words: &str) -> [&str; 4] {
    ["--by", "J. Doe", "--reason", words]
}

#[test]
fn promotes_and_rolls_back_at_once_and_keeps_what_was_decided() {
    let platform = Platform::start(200);
    let site = Site::new(&platform.url);
    let daemon = Daemon::start(&site);
    site.send(&[order("M1", "P1", "WHEELCHAIR")]).with_code(0);
    site.flow(|row| row["delivered"] == 1);

    // A version that comes to the folder while the box runs.
    let unknown = site.tell(&[&["map", "promote", "transport@2"], &why("x")[..]].concat()).with_code(2);
    assert!(unknown.err.contains("there is no map \"transport@2\"; there are: "), "{}", unknown.err);
    assert!(["adt@1", "transport@1"].iter().all(|map| unknown.err.contains(map)), "{}", unknown.err);
    site.write("maps/transport@2.toml", &version(2));
    // What waits was decided with version 1 and stays with it.
    platform.answer(503);
    site.send(&[order("M2", "P2", "STRETCHER")]).with_code(0);
    site.flow(|row| row["waiting"] == 1);
    let done = site.tell(&[&["map", "promote", "transport@2"], &why("change 4711")[..]].concat()).with_code(0);
    assert_eq!(done.out, "flow rides: transport@1 -> transport@2\n");
    assert!(done.err.contains("warning: transport@2 has no samples"), "{}", done.err);
    let again = site.tell(&[&["map", "promote", "transport@2"], &why("again")[..]].concat()).with_code(1);
    assert!(again.err.contains("in use already"), "{}", again.err);
    site.send(&[order("M3", "P3", "STRETCHER")]).with_code(0);
    platform.answer(200);
    site.flow(|row| row["delivered"] == 3);
    let mut bodies: Vec<String> = platform.bodies().iter().map(|body| made_by(body)).collect();
    bodies.sort();
    assert_eq!(bodies, ["transport@1", "transport@1", "transport@2"]);
    for (message, map) in [("2", "transport@1"), ("3", "transport@2")] {
        let shown = site.tell(&["messages", "show", message, "--json"]).with_code(0).json();
        assert_eq!(shown["message"]["fates"][0]["mapping"], map, "{shown}");
    }
    assert!(site.tell(&["messages", "show", "3"]).with_code(0).out.contains(", by transport@2"));
    assert_eq!(site.metric("gurney_mapping_info{mapping=\"transport\",version=\"2\"}").as_deref(), Some("1"));
    assert_eq!(site.metric("gurney_mapping_info{mapping=\"transport\",version=\"1\"}"), None);
    assert!(site.metric("gurney_mapping_review_due_timestamp_seconds{mapping=\"transport\"}").is_some());

    // The row survives kill -9, and wins over the configuration that still names version 1.
    drop(daemon);
    let daemon = Daemon::start(&site);
    let list = site.tell(&["map", "list"]).with_code(0);
    assert!(
        list.err.contains("the configuration names transport@1, transport@2 is in use by promotion"),
        "{}",
        list.err
    );
    site.send(&[order("M4", "P4", "STRETCHER")]).with_code(0);
    site.flow(|row| row["delivered"] == 4);
    assert_eq!(platform.bodies().last().map(|body| made_by(body)).as_deref(), Some("transport@2"));

    let back = site
        .tell(&[&["map", "rollback", "transport"], &why("wrong language")[..], &["--json"]].concat())
        .with_code(0)
        .json();
    assert_eq!(
        back["changes"][0],
        serde_json::json!({ "flow": "rides", "before": "transport@2", "after": "transport@1" })
    );
    site.send(&[order("M5", "P5", "STRETCHER")]).with_code(0);
    site.flow(|row| row["delivered"] == 5);
    assert_eq!(platform.bodies().last().map(|body| made_by(body)).as_deref(), Some("transport@1"));
    let nothing = site.tell(&[&["map", "rollback", "transport"], &why("once more")[..]].concat()).with_code(1);
    assert!(nothing.err.contains("no promotion of transport to take back"), "{}", nothing.err);
    site.tell(&[&["map", "rollback", "transprot"], &why("x")[..]].concat()).with_code(2);

    let audit = site.tell(&["audit", "list", "--json"]).with_code(0).json();
    let entries = audit["entries"].as_array().unwrap();
    let entry = |action: &str| entries.iter().find(|entry| entry["action"] == action).unwrap();
    assert_eq!(entry("promote")["detail"], "change 4711 [transport@1 -> transport@2, flows changed: 1]");
    assert_eq!(entry("promote")["subject"], "map transport");
    assert!(entry("promote")["actor"].as_str().unwrap().ends_with("for J. Doe"));
    assert_eq!(entry("rollback")["detail"], "wrong language [transport@2 -> transport@1, flows changed: 1]");
    site.tell(&["audit", "verify"]).with_code(0);

    // Who changes the configuration afterwards has the last word.
    site.tell(&[&["map", "promote", "transport@2"], &why("again")[..]].concat()).with_code(0);
    site.write("maps/transport@3.toml", &version(3));
    site.configure(&platform.url, "transport@3");
    assert_eq!(daemon.stop(), Some(0));
    let daemon = Daemon::start(&site);
    let row = site.map("transport@3");
    assert_eq!(
        (&row["map"], &row["in_use_by"][0], &row["configured_by"][0]),
        (&"transport@3".into(), &"rides".into(), &"rides".into())
    );
    site.configure(&platform.url, "transport@1");
    assert_eq!(daemon.stop(), Some(0));
    let daemon = Daemon::start(&site);
    let row = site.map("transport@1");
    assert_eq!(row["in_use_by"][0], "rides", "the promotion was forgotten when the configuration changed");
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn goes_on_with_the_configured_map_when_the_promoted_one_is_gone() {
    let platform = Platform::start(200);
    let site = Site::new(&platform.url);
    let file = site.write("maps/transport@2.toml", &version(2));
    let daemon = Daemon::start(&site);
    site.tell(&[&["map", "promote", "transport@2"], &why("x")[..]].concat()).with_code(0);
    assert_eq!(daemon.stop(), Some(0));
    std::fs::remove_file(file).unwrap();
    let daemon = Daemon::start(&site);
    assert!(daemon.log().contains("is not installed, the configured one is used"), "{}", daemon.log());
    site.send(&[order("M1", "P1", "WHEELCHAIR")]).with_code(0);
    site.flow(|row| row["delivered"] == 1);
    assert_eq!(made_by(&platform.bodies()[0]), "transport@1");
    // A version that runs is never replaced by another text of the same name.
    assert_eq!(daemon.stop(), Some(0));
    site.write("maps/transport@2.toml", &version(2));
    let daemon = Daemon::start(&site);
    assert_eq!(site.map("transport@2")["in_use_by"][0], "rides", "it is there again");
    site.write("maps/transport@2.toml", &version(2).replacen("a test", "another test", 1));
    site.write("maps/transport@3.toml", &version(3));
    let changed = site.tell(&[&["map", "promote", "transport@3"], &why("x")[..]].concat()).with_code(1);
    assert!(changed.err.contains("transport@2 changed on disk under the version that runs"), "{}", changed.err);
    let socket = site.path("store/admin.sock");
    site.write("maps/transport@3.toml", "nonsense");
    let arguments = ["map", "promote", "transport@3", "--reason", "x", "--socket", socket.to_str().unwrap()];
    let broken = crate::site::gurney(&arguments).with_code(1);
    assert!(broken.err.contains("transport@3.toml:1:"), "{}", broken.err);
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn sends_a_dead_letter_again_by_the_version_that_was_mended() {
    let platform = Platform::start(422);
    let site = Site::new(&platform.url);
    site.write("maps/transport@2.toml", &version(2));
    let daemon = Daemon::start(&site);
    site.send(&[order("M1", "P1", "WHEELCHAIR")]).with_code(0);
    site.flow(|row| row["dead_letter"] == 1);
    let shown = site.tell(&["messages", "show", "1", "--json"]).with_code(0).json();
    assert_eq!(shown["message"]["fates"][0]["mapping"], "transport@1", "{shown}");
    site.tell(&[&["map", "promote", "transport@2"], &why("mended")[..]].concat()).with_code(0);
    platform.answer(200);
    let resent = site.tell(&["dead", "resend", "--all", "--yes", "--reason", "map mended"]).with_code(0);
    assert!(resent.out.contains("queued again for platform, by transport@2"), "{}", resent.out);
    site.flow(|row| row["delivered"] == 1 && row["lost"] == 0);
    assert_eq!(made_by(&platform.bodies()[0]), "transport@2");
    let receipt = site.tell(&["messages", "show", "1", "--json"]).json();
    assert_eq!(receipt["message"]["fates"][0]["mapping"], "transport@2", "{receipt}");
    let audit = site.tell(&["audit", "list", "--json"]).json();
    assert!(audit["entries"][0]["detail"].as_str().unwrap().contains("by transport@2"), "{audit}");
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn counts_unmapped_codes_and_releases_what_a_mended_table_takes() {
    let platform = Platform::start(200);
    let site = Site::new(&platform.url);
    let daemon = Daemon::start(&site);
    let zero = site.metric("gurney_terminology_unmapped_codes_total{table=\"answer-mobility\"}");
    assert_eq!(zero.as_deref(), Some("0"), "made before the first code");
    let codes = ["SEDAN-CHAIR", "SEDAN-CHAIR", "Zztestfau", "1947031100", "SEDAN CHAIR"];
    let sent = codes.iter().zip(1..).map(|(code, at)| order(&format!("M{at}"), &format!("P{at}"), code));
    site.send(&sent.collect::<Vec<_>>()).with_code(0);
    site.flow(|row| row["quarantined"] == 5 && row["lost"] == 0);
    let counted = site.metric("gurney_terminology_unmapped_codes_total{table=\"answer-mobility\"}");
    assert_eq!(counted.as_deref(), Some("5"));
    assert_eq!(site.metric("gurney_mapping_unmapped_codes_total{mapping=\"transport\"}").as_deref(), Some("5"));

    assert_eq!(site.metric("gurney_message_errors_total{flow=\"rides\",stage=\"map\"}").as_deref(), Some("5"));

    let unmapped = site.tell(&["map", "unmapped", "--json"]).with_code(1).without_patient_data().json();
    assert_eq!((&unmapped["waiting"], &unmapped["mended"]), (&5.into(), &0.into()));
    let rows = unmapped["codes"].as_array().unwrap();
    assert_eq!(rows.len(), 2, "{unmapped}");
    let shown = rows.iter().find(|row| row["code"] == "SEDAN-CHAIR").unwrap();
    assert_eq!(
        (&shown["waiting"], &shown["table"], &shown["place"]),
        (&2.into(), &"answer-mobility".into(), &"answer(mobility)".into())
    );
    let hidden = rows.iter().find(|row| row["code"].is_null()).unwrap();
    assert_eq!(hidden["waiting"], 3, "a name, a number and free text are not shown");
    let text = site.tell(&["map", "unmapped"]).with_code(1).without_patient_data();
    assert!(text.out.contains("SEDAN-CHAIR") && text.out.contains("(not shown"), "{}", text.out);

    // The table is mended, and a new version of the map uses it.
    site.write(
        "maps/site.toml",
        "[table.answer-mobility]\ntitle = \"Answers\"\ncode_system = \"local\"\nversion = \"2\"\nsource = \"the wards\"\ncodes = [\n\
         { code = \"SEDAN-CHAIR\", mobility = \"wheelchair\" },\n{ code = \"WHEELCHAIR\", mobility = \"wheelchair\" },\n]\n",
    );
    site.write("maps/transport@2.toml", &version(2));
    site.tell(&[&["map", "promote", "transport@2"], &why("sedan chairs")[..]].concat()).with_code(0);
    let unmapped = site.tell(&["map", "unmapped", "--json"]).with_code(1).json();
    assert_eq!((&unmapped["waiting"], &unmapped["mended"]), (&3.into(), &2.into()), "{unmapped}");
    let released = site.tell(&["held", "release", "1", "2", "--yes", "--reason", "table mended"]).with_code(0);
    assert!(released.out.contains("decided; the platform is told"), "{}", released.out);
    site.flow(|row| row["delivered"] == 2 && row["quarantined"] == 3 && row["lost"] == 0);
    assert!(platform.bodies().iter().all(|body| made_by(body) == "transport@2"));
    let receipt = site.tell(&["messages", "show", "1", "--json"]).json();
    assert_eq!(receipt["message"]["fates"][0]["mapping"], "transport@2", "{receipt}");
    let audit = site.tell(&["audit", "list", "--json"]).json();
    let entry = &audit["entries"][0];
    assert_eq!(entry["action"], "release");
    assert!(entry["detail"].as_str().unwrap().contains("by transport@2"), "{entry}");
    site.tell(&["held", "discard", "3", "4", "5", "--yes", "--reason", "test"]).with_code(0);
    assert!(site.tell(&["map", "unmapped"]).with_code(0).out.contains("no message waits"));
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn compares_maps_over_stored_messages_and_draws_the_same_sample_again() {
    let platform = Platform::start(200);
    let site = Site::new(&platform.url);
    site.write("maps/transport@2.toml", &version(2));
    let daemon = Daemon::start(&site);
    let mut messages: Vec<String> =
        (1..=30).map(|at| order(&format!("M{at}"), &format!("P{at}"), "WHEELCHAIR")).collect();
    messages.push(order("M31", "P31", "SEDAN-CHAIR"));
    // Nothing new about the visit: known already.
    messages.push(visit("M32", "A08", "3W^12^B^GH", "V8801"));
    site.send(&messages).with_code(0);
    site.flow(|row| row["delivered"] == 30 && row["filtered"] == 1);

    // A draft on disk is compared as it is now, again and again.
    let diff = ["map", "diff", "transport@1", "transport@2", "--last"];
    site.write("maps/transport@2.toml", &version(2).replacen("\"en\"", "\"fr\"", 1));
    assert!(site.tell(&[&diff[..], &["1", "--json"]].concat()).with_code(0).json()["looked_at"] == 1);
    let draft = site.tell(&[&diff[..], &["5"]].concat()).with_code(0);
    assert!(draft.out.contains("nothing -> fr"), "{}", draft.out);
    site.write("maps/transport@2.toml", &version(2));
    let all = site.tell(&[&diff[..], &["100", "--json"]].concat()).with_code(0).without_patient_data().json();
    let count = |name: &str| all[name].as_u64().unwrap();
    assert_eq!(
        (count("looked_at"), count("different"), count("same"), count("not_applicable")),
        (32, 30, 1, 1),
        "{all}"
    );
    let some = site.tell(&[&diff[..], &["5"]].concat()).with_code(0).without_patient_data();
    assert!(some.out.contains("5 messages looked at: 3 different, 1 alike, 1 for neither"), "{}", some.out);
    assert!(some.out.contains("Provenance.language"), "{}", some.out);

    let audit = ["map", "audit", "transport@1", "--sample", "4"];
    let first = site.tell(&[&audit[..], &["--json"]].concat()).with_code(0).without_patient_data().json();
    let drawn = |report: &Value| -> Vec<i64> {
        report["deliveries"].as_array().unwrap().iter().map(|spot| spot["message"].as_i64().unwrap()).collect()
    };
    assert_eq!((drawn(&first).len(), &first["passed"], &first["revealed"]), (4, &30.into(), &false.into()));
    let spot = &first["deliveries"][0];
    assert!(spot["source"]["segments"].as_array().unwrap().len() >= 6 && spot["target"].as_array().unwrap().len() > 30);
    // More traffic does not change a sample that was drawn.
    site.send(&(41..=60).map(|at| order(&format!("N{at}"), &format!("Q{at}"), "STRETCHER")).collect::<Vec<_>>())
        .with_code(0);
    site.flow(|row| row["delivered"] == 50);
    let seed = first["seed"].as_str().unwrap();
    let again = site.tell(&[&audit[..], &["--json", "--seed", seed]].concat()).with_code(0).json();
    assert_eq!(drawn(&again), drawn(&first));
    let other = until("another sample", || {
        let other = site.tell(&[&audit[..], &["--json"]].concat()).with_code(0).json();
        (drawn(&other) != drawn(&first)).then_some(other)
    });
    assert_eq!(other["passed"], 50);

    let masked = site.tell(&[&audit[..], &["--seed", seed]].concat()).with_code(0).without_patient_data();
    assert!(
        masked.out.starts_with(&format!("seed {seed}\n"))
            && masked.out.contains("PID-5")
            && masked.out.contains("Patient.name[0].family"),
        "{}",
        masked.out
    );
    let unsaid = site.tell(&[&audit[..], &["--reveal"]].concat());
    assert_eq!(unsaid.code, 2, "revealing needs a reason");
    let clear = [&audit[..], &["--seed", seed, "--reveal", "--reason", "monthly check", "--by", "J. Doe"]].concat();
    let clear = site.tell(&clear).with_code(0);
    assert!(clear.out.contains("ZZTESTFAU"), "{}", clear.out);
    let entries = site.tell(&["audit", "list", "--json"]).json();
    let entry = &entries["entries"][0];
    assert_eq!((&entry["action"], &entry["detail"]), (&"reveal".into(), &"monthly check".into()), "{entry}");
    assert!(
        entry["subject"].as_str().unwrap().contains(seed) && entry["subject"].as_str().unwrap().contains("transport@1")
    );
    assert!(entry["actor"].as_str().unwrap().ends_with("for J. Doe"));
    site.tell(&["map", "audit", "transport@1", "--seed", "nonsense"]).with_code(2);
    site.tell(&["map", "audit", "transport@7"]).with_code(2);
    let empty = site.tell(&["map", "audit", "transport@2", "--json"]).with_code(0).json();
    assert_eq!((&empty["passed"], drawn(&empty).len()), (&0.into(), 0));
    assert_eq!(daemon.stop(), Some(0));
}

/// All values of a Bundle's entries.
fn values(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Object(members) => members.values().for_each(|value| values(value, into)),
        Value::Array(items) => items.iter().for_each(|value| values(value, into)),
        Value::String(text) => into.push(text.clone()),
        other => into.push(other.to_string()),
    }
}

#[test]
fn shows_what_was_delivered_of_jobs_and_tells_them_again_as_they_are_now() {
    let platform = Platform::start(200);
    let site = Site::new(&platform.url);
    site.write("maps/transport@2.toml", &version(2));
    let daemon = Daemon::start(&site);
    site.send(&[order("M1", "P1", "WHEELCHAIR")]).with_code(0);
    site.flow(|row| row["delivered"] == 1);
    site.send(&[visit("M2", "A02", "5E^02^A^GH", "VP1")]).with_code(0);
    site.flow(|row| row["delivered"] == 2);

    // The move alone holds no order; what was delivered for it does.
    let reveal = [&["map", "audit", "transport@1", "--json", "--reveal"], &why("monthly check")[..]].concat();
    let spots = site.tell(&reveal).with_code(0).json();
    let spots = spots["deliveries"].as_array().unwrap();
    assert_eq!(spots.len(), 2);
    for (spot, body) in spots.iter().zip(platform.bodies()) {
        let body: Value = serde_json::from_str(&body).unwrap();
        let mut sent = Vec::new();
        values(&body["entry"], &mut sent);
        let shown = spot["target"].as_array().unwrap().iter().map(|row| row["value"].as_str().unwrap());
        let mut missing: Vec<&str> = shown.filter(|shown| !sent.iter().any(|sent| sent == shown)).collect();
        missing.dedup();
        assert!(missing.is_empty() && spot["note"].is_null(), "{missing:?} {spot:#}");
        assert!(spot["target"].as_array().unwrap().len() > 30, "{spot:#}");
    }
    let moved = site.tell(&["map", "audit", "transport@1", "--sample", "9"]).with_code(0).without_patient_data();
    assert!(moved.out.contains("message 2 (ADT^A02)"), "{}", moved.out);
    let diff = ["map", "diff", "transport@1", "transport@2", "--last", "1"];
    let diff = site.tell(&diff).with_code(0).without_patient_data();
    assert!(diff.out.contains("message 2 (ADT^A02): ") && diff.out.contains("Provenance.language"), "{}", diff.out);
    let file = site.write("move.hl7", &visit("M2", "A02", "5E^02^A^GH", "VP1"));
    let explained = site.tell(&["map", "explain", "transport@1", &file]).with_code(0);
    assert!(explained.out.starts_with("order 1: update, by the trigger"), "{}", explained.out);
    assert!(explained.out.contains("changes jobs that are there already"), "{}", explained.out);

    // What the order told when it came is past: the patient has moved.
    let resend = [&["messages", "resend", "1", "--yes"], &why("platform restored a backup")[..]].concat();
    let again = site.tell(&resend).with_code(0);
    assert!(again.out.contains("its jobs in rides are told again as they are now"), "{}", again.out);
    site.flow(|row| row["delivered"] == 2 && row["waiting"] == 0 && row["received"] == 2);
    let bodies = until("the repeat", || Some(platform.bodies()).filter(|bodies| bodies.len() == 3));
    let keys = platform.keys();
    assert!(!bodies[0].contains("5E") && bodies[1].contains("5E") && bodies[2].contains("5E"), "{}", bodies[2]);
    assert!(keys[2] != keys[0] && keys[2] != keys[1], "the platform would drop it: {keys:?}");

    // A ride that was called off is never asked for again.
    site.send(&[order("M3", "P1", "WHEELCHAIR").replace("ORC|NW", "ORC|CA")]).with_code(0);
    site.flow(|row| row["delivered"] == 3);
    site.tell(&resend).with_code(0);
    let bodies = until("the second repeat", || Some(platform.bodies()).filter(|bodies| bodies.len() == 5));
    let status = |body: &str| {
        let bundle: Value = serde_json::from_str(body).unwrap();
        let resources = bundle["entry"].as_array().unwrap().iter().map(|entry| &entry["resource"]);
        let task = resources.clone().find(|resource| resource["resourceType"] == "Task").unwrap();
        task["status"].as_str().unwrap().to_owned()
    };
    assert_eq!((status(&bodies[0]).as_str(), status(&bodies[4]).as_str()), ("requested", "cancelled"));
    let mut keys = platform.keys();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 5, "each of them was another effect");
    site.flow(|row| row["delivered"] == 3 && row["lost"] == 0);

    // What is noticed about jobs is counted, and said where a person should know of it.
    let noticed = |finding: &str| site.metric(&format!("gurney_job_findings_total{{finding=\"{finding}\"}}"));
    assert_eq!((noticed("cancel-of-unknown").as_deref(), noticed("tombstone").as_deref()), (Some("0"), Some("0")));
    site.send(&[order("M4", "P9", "WHEELCHAIR").replace("ORC|NW", "ORC|CA")]).with_code(0);
    site.send(&[order("M5", "P9", "WHEELCHAIR")]).with_code(0);
    site.flow(|row| row["received"] == 5 && row["delivered"] == 3);
    assert_eq!((noticed("cancel-of-unknown").as_deref(), noticed("tombstone").as_deref()), (Some("1"), Some("1")));
    let log = daemon.log();
    assert!(log.contains("\"tombstone\"") && !log.contains("\"cancel-of-unknown\""), "{log}");
    assert!(crate::site::SECRETS.iter().all(|secret| !log.contains(secret)), "patient data in the log");
    let untold = [&["messages", "resend", "5", "--yes"], &why("x")[..]].concat();
    assert!(site.tell(&untold).with_code(1).out.contains("NOT DONE"), "nothing was ever told of it");
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn what_a_person_decides_has_a_delivery_key_of_its_own() {
    let platform = Platform::start(200);
    let site = Site::new(&platform.url);
    let daemon = Daemon::start(&site);
    let other = |text: String| text.replace("4711990^", "4711991^").replace("V8801", "V8802");
    site.send(&[order("M1", "P1", "WHEELCHAIR"), other(order("M2", "P2", "STRETCHER"))]).with_code(0);
    site.flow(|row| row["delivered"] == 2);
    let merge = visit("M3", "A40", "3W^12^B^GH", "V8801") + "MRG|4711991^^^GH^MR\r";
    site.send(&[merge]).with_code(0);
    site.flow(|row| row["delivered"] == 3 && row["held"] == 1);
    assert_eq!(site.metric("gurney_message_errors_total{flow=\"rides\",stage=\"map\"}").as_deref(), Some("0"));

    let held = site.tell(&["held", "list", "--json"]).json();
    let entry = &held["entries"][0];
    assert_eq!((&entry["reason"], &entry["message"]), (&"merged-jobs".into(), &3.into()), "{held}");
    let id = entry["id"].to_string();
    let told = site.tell(&[&["held", "discard", &id, "--yes"], &why("one ride is enough")[..]].concat()).with_code(0);
    assert!(told.out.contains("decided; the platform is told"), "{}", told.out);
    let bodies = until("the cancel", || Some(platform.bodies()).filter(|bodies| bodies.len() == 4));
    assert!(bodies[3].contains("\"cancelled\""), "{}", bodies[3]);
    let mut keys = platform.keys();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 4, "the cancel of a person bears the key of what the merge told: the platform drops it");
    site.flow(|row| row["waiting"] == 0 && row["lost"] == 0);
    assert_eq!(daemon.stop(), Some(0));
}
