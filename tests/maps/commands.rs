//! `gurney map` without a running box.

use std::{fs, path::Path};

use crate::site::{BUILTIN, SECRETS, Site, gurney, order, version};

const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/maps/samples");

#[test]
fn lists_maps_and_tables_without_any_configuration() {
    let maps = gurney(&["map", "list", "--json"]).with_code(0).json();
    let map = maps["maps"].as_array().unwrap().iter().find(|map| map["map"] == "transport@1").unwrap();
    assert_eq!((&map["owner"], &map["version"]), (&"Integration desk".into(), &1.into()), "{maps}");
    assert!(map["review_due"].as_str().unwrap().starts_with("20") && map["in_use_by"].as_array().unwrap().is_empty());
    let text = gurney(&["map", "list"]).with_code(0);
    assert!(text.out.contains("transport@1") && text.out.contains("due "), "{}", text.out);
    let tables = gurney(&["map", "tables", "--json"]).with_code(0).json();
    let tables = tables["tables"].as_array().unwrap();
    let units = tables.iter().find(|table| table["table"] == "units").unwrap();
    assert_eq!(units["code_system"], "UCUM");
    for table in tables {
        for fact in ["title", "code_system", "version", "source"] {
            assert!(!table[fact].as_str().unwrap().is_empty(), "{table}");
        }
    }
    for list in [["map", "list"], ["map", "tables"]] {
        let told = gurney(&list).with_code(0);
        assert!(told.out.lines().all(|line| line.chars().count() <= 80), "{}", told.out);
    }
    for command in ["list", "tables", "test", "diff", "explain", "audit", "promote", "rollback", "unmapped"] {
        let help = gurney(&["map", command, "--help"]).with_code(0).out;
        assert!(help.contains("Example") && help.contains("--json"), "{command}: {help}");
    }
}

/// Samples are compiled in from a list: one that is in the folder and not in the list would never be looked at.
#[test]
fn comes_with_every_sample_of_its_folder() {
    let tested = gurney(&["map", "test", "--json"]).with_code(0).json();
    assert_eq!(tested["differ"], 0);
    for map in fs::read_dir(SAMPLES).unwrap().map(|entry| entry.unwrap()) {
        let name = map.file_name().into_string().unwrap();
        let maps = tested["maps"].as_array().unwrap();
        let of_map = maps.iter().find(|map| map["map"] == *name).unwrap_or_else(|| panic!("{name} has no samples"));
        let listed: Vec<&str> =
            of_map["samples"].as_array().unwrap().iter().map(|sample| sample["sample"].as_str().unwrap()).collect();
        let files = fs::read_dir(map.path()).unwrap().map(|entry| entry.unwrap().path());
        for file in files {
            let stem = file.file_stem().unwrap().to_str().unwrap();
            assert!(listed.contains(&stem), "{} is in no list", file.display());
            let golden = [file.with_extension("json"), file.with_extension("refused")];
            assert_eq!(golden.iter().filter(|golden| golden.is_file()).count(), 1, "{}", file.display());
        }
    }
}

#[test]
fn tests_the_samples_of_a_site_and_takes_what_comes_as_golden() {
    let site = Site::new("http://127.0.0.1:1/fhir");
    site.write("maps/transport@2.toml", &version(2));
    let none = site.tell(&["map", "test", "transport@2"]).with_code(1);
    assert!(none.err.contains("transport@2 has no samples"), "{}", none.err);

    let folder = "maps/samples/transport@2";
    site.write(&format!("{folder}/ride.hl7"), &order("S1", "P1", "WHEELCHAIR"));
    site.write(&format!("{folder}/no-mode.hl7"), &order("S2", "P2", "").replace("TRMODE", "OTHER"));
    let unsaid = site.tell(&["map", "test", "transport@2"]).with_code(1).without_patient_data();
    assert!(unsaid.out.contains("nobody has said yet"), "{}", unsaid.out);
    site.tell(&["map", "test", "transport@2", "--accept"]).with_code(0).without_patient_data();
    let golden = fs::read_to_string(site.path(&format!("{folder}/ride.json"))).unwrap();
    assert!(golden.contains("\"family\": \"ZZTESTFAU\"") && golden.contains("\"language\": \"en\""), "{golden}");
    let refused = fs::read_to_string(site.path(&format!("{folder}/no-mode.refused"))).unwrap();
    assert!(refused.starts_with("missing mobility"), "{refused}");
    let good = site.tell(&["map", "test", "transport@2"]).with_code(0);
    assert!(good.out.contains("transport@2: 2 of 2 samples"), "{}", good.out);

    // A golden file that somebody changed, and one that was refused and is not any more.
    let changed = golden.replace("\"language\": \"en\"", "\"language\": \"de\"").replace("ZZTESTFAU", "ZZTESTFAUX");
    site.write(&format!("{folder}/ride.json"), &changed);
    site.write(&format!("{folder}/no-mode.hl7"), &order("S2", "P2", "STRETCHER"));
    let differs = site.tell(&["map", "test", "transport", "--json"]).with_code(1).without_patient_data().json();
    let of = |name: &str| {
        let maps = differs["maps"].as_array().unwrap();
        let map = maps.iter().find(|map| map["map"] == "transport@2").unwrap();
        map["samples"].as_array().unwrap().iter().find(|sample| sample["sample"] == name).unwrap().clone()
    };
    let ride = of("ride");
    assert_eq!(ride["result"], "differs");
    let elements: Vec<&str> =
        ride["differences"].as_array().unwrap().iter().map(|row| row["element"].as_str().unwrap()).collect();
    assert_eq!(elements, ["Patient.name[0].family", "Provenance.language"]);
    let name = &ride["differences"][0];
    assert_eq!((&name["before"], &name["after"]), (&"xxxxxxxxxx".into(), &"xxxxxxxxx".into()));
    assert!(
        name["path"].as_str().unwrap().starts_with("entry[")
            && name["path"].as_str().unwrap().ends_with(".resource.name[0].family")
    );
    assert!(of("no-mode")["differences"][0]["before"].as_str().unwrap().starts_with("missing mobility"));
    let clear = site.tell(&["map", "test", "transport@2", "--reveal"]).with_code(1);
    assert!(clear.out.contains("ZZTESTFAUX -> ZZTESTFAU"), "{}", clear.out);

    site.tell(&["map", "test", "transport@2", "--accept"]).with_code(0);
    site.tell(&["map", "test"]).with_code(0);
    assert!(
        !site.path(&format!("{folder}/no-mode.refused")).is_file()
            && site.path(&format!("{folder}/no-mode.json")).is_file()
    );
    site.tell(&["map", "test", "transport@3"]).with_code(2);
}

#[test]
fn compares_two_maps_over_samples_and_files() {
    let site = Site::new("http://127.0.0.1:1/fhir");
    site.write("maps/transport@2.toml", &version(2));
    let samples = site.tell(&["map", "diff", "transport@1", "transport@2", "--json"]).with_code(0).json();
    let (looked_at, different) = (samples["looked_at"].as_u64().unwrap(), samples["different"].as_u64().unwrap());
    assert!(looked_at >= 10 && different >= 5 && different < looked_at, "{samples}");
    let same = site.tell(&["map", "diff", "transport@1", "transport@1"]).with_code(0);
    assert!(same.out.contains(" 0 different"), "{}", same.out);

    let file = site.write("two.hl7", &(order("D1", "P1", "WHEELCHAIR") + "\r\n" + &order("D2", "P2", "SEDAN")));
    let told = site.tell(&["map", "diff", "transport@1", "transport@2", &file, "--json"]);
    let report = told.with_code(0).without_patient_data().json();
    assert_eq!(
        (&report["looked_at"], &report["different"], &report["same"]),
        (&2.into(), &1.into(), &1.into()),
        "{report}"
    );
    let rows = report["messages"][0]["differences"].as_array().unwrap();
    assert!(rows.iter().all(|row| row["element"] == "Provenance.language"), "{report}");
    let language = rows.iter().find(|row| row["element"] == "Provenance.language").unwrap();
    assert_eq!((&language["before"], &language["after"]), (&serde_json::Value::Null, &"en".into()));
    let text = site.tell(&["map", "diff", "transport@1", "transport@2", &file]).with_code(0).without_patient_data();
    assert!(text.out.contains("Provenance.language") && text.out.contains("nothing -> en"), "{}", text.out);
    site.tell(&["map", "diff", "transport@1", "transport@9", &file]).with_code(2);
    let binary = site.write("no.hl7", "nothing of the kind");
    site.tell(&["map", "diff", "transport@1", "transport@2", &binary]).with_code(65);
}

#[test]
fn explains_every_element_and_every_silence() {
    let site = Site::new("http://127.0.0.1:1/fhir");
    let second = order("E2", "P2", "WHEELCHAIR")
        + "ORC|NW|P3^ORDERS\rOBR|1|P3^ORDERS||TRANSPORT^x^L||||||||||||||||||||||||||WALK\rNTE|1||Ring Margarethe\r";
    let file = site.write("orders.hl7", &(order("E1", "P1", "WHEELCHAIR") + "\r\n" + &second));
    let told = site.tell(&["map", "explain", "transport@1", &file, "--json"]);
    let report = told.with_code(0).without_patient_data().json();
    let ride = &report["orders"][0];
    assert_eq!((&ride["verb"], &report["revealed"]), (&"request".into(), &false.into()));
    assert!(
        ride["decided"]
            .as_array()
            .unwrap()
            .iter()
            .any(|look| look["place"] == "OBR-4" && look["said"] == "means transport")
    );
    let elements = ride["elements"].as_array().unwrap();
    let of = |element: &str| {
        let holds =
            |step: &&serde_json::Value| step["values"].as_array().unwrap().iter().any(|row| row["element"] == element);
        elements.iter().rev().find(holds).unwrap_or_else(|| panic!("{element} is not explained: {report:#}"))
    };
    let line = |step: &serde_json::Value| {
        BUILTIN.lines().nth(usize::try_from(step["line"].as_u64().unwrap()).unwrap() - 1).unwrap().to_owned()
    };
    let name = of("Patient.name[0].family");
    assert_eq!(name["from"]["place"], "PID-5[1]");
    assert!(line(name).contains("name[]"), "{}", line(name));
    assert_eq!(
        name["values"].as_array().unwrap().iter().find(|row| row["element"] == "Patient.name[0].family").unwrap()["value"],
        "xxxxxxxxx"
    );
    let status = of("Task.status");
    assert!(line(status).contains("status") && status["made_of"] == "a constant", "{status}");
    let mobility = elements.iter().find(|step| step["from"]["said"] == "means wheelchair").unwrap();
    assert_eq!(mobility["from"]["place"], "answer(mobility)");
    assert!(
        mobility["passed_over"].as_array().unwrap().iter().any(|look| look["place"] == "OBR-30" && look["values"] == 0)
    );
    let silent = ride["silent"].as_array().unwrap();
    assert!(silent.iter().any(|step| step["why_not"] == "nothing stands at its places"));
    assert!(silent.iter().any(|step| step["why_not"] == "not for what this message does"));
    // Every value of the Bundle has a row, or is what its resource is known by.
    let key = elements.iter().find(|step| step["element"] == "Patient" && step["from"]["place"] == "PID-3").unwrap();
    assert!(key["values"].as_array().unwrap().iter().any(|row| row["value"] == "transport@1"), "{key}");
    let made = |step: &serde_json::Value| step["values"].as_array().unwrap().len();
    let explained: usize = elements.iter().filter(|step| step["replaced_by_a_later_row"] == false).map(made).sum();
    let bundle = values_of_first(&site, &file);
    assert_eq!(explained, bundle.len(), "{bundle:#?}");

    let text =
        site.tell(&["map", "explain", "transport@1", &file, "--message", "2", "--order", "2", "--reveal"]).with_code(0);
    assert!(text.out.starts_with("order 2: request") && text.out.contains("Ring Margarethe"), "{}", text.out);
    assert!(text.out.contains("OBR-30 via v2-0124.mobility (means ambulatory)"), "{}", text.out);
    assert!(text.out.contains("rows that gave nothing"), "{}", text.out);
    let refused = text.out.lines().find(|line| line.contains("refused:")).unwrap();
    assert!(refused.contains("missing destination"), "{refused}");
    for (wrong, code) in [(["--message", "3"], 2), (["--order", "9"], 2)] {
        site.tell(&[&["map", "explain", "transport@1", &file], &wrong[..]].concat()).with_code(code);
    }
    let lab = concat!(env!("CARGO_MANIFEST_DIR"), "/config/maps/samples/transport@1/laboratory.hl7");
    let ignored = site.tell(&["map", "explain", "transport@1", lab]).with_code(0);
    assert!(ignored.out.contains("ignore, by the trigger"), "{}", ignored.out);
}

#[test]
fn check_says_which_maps_are_overdue_and_which_are_not_there() {
    let site = Site::new("http://127.0.0.1:1/fhir");
    let due = BUILTIN.lines().find(|line| line.starts_with("review_due")).unwrap();
    let reviewed = BUILTIN.lines().find(|line| line.starts_with("reviewed_on")).unwrap();
    let old = version(2).replace(due, "review_due = \"2025-01-31\"").replace(reviewed, "reviewed_on = \"2024-01-31\"");
    site.write("maps/transport@2.toml", &old);
    assert!(site.tell(&["check"]).with_code(0).err.is_empty(), "a map that nobody uses is nobody's worry");
    site.configure("http://127.0.0.1:1/fhir", "transport@2");
    let warned = site.tell(&["check"]).with_code(0);
    assert!(
        warned.err.contains("the review of this map has been due for") && warned.err.contains("gurney.toml:"),
        "{}",
        warned.err
    );
    let json = site.tell(&["check", "--json"]).with_code(0).json();
    assert_eq!((&json["good"], json["warnings"].as_array().unwrap().len()), (&true.into(), 1), "{json}");
    let list = site.tell(&["map", "list"]).with_code(0);
    assert!(
        list.out.contains("overdue ") && list.err.contains("Integration desk answers for it"),
        "{}{}",
        list.out,
        list.err
    );
    assert!(list.err.contains("no daemon answers"), "{}", list.err);
    let row = site.map("transport@2");
    assert_eq!((&row["map"], &row["in_use_by"][0]), (&"transport@2".into(), &"rides".into()));
    assert!(row["overdue_days"].as_i64().unwrap() > 300, "{row}");

    site.configure("http://127.0.0.1:1/fhir", "transprot@1");
    let missing = site.tell(&["check"]).with_code(78);
    assert!(
        missing.err.contains("there is no map `transprot@1`") && missing.err.contains("did you mean `transport@1`"),
        "{}",
        missing.err
    );
    site.configure("http://127.0.0.1:1/fhir", "transport@3");
    assert!(site.tell(&["check"]).with_code(78).err.contains("is there"), "versions that are there are named");
}

#[test]
fn says_where_a_table_does_not_say_whose_codes_it_lists() {
    let site = Site::new("http://127.0.0.1:1/fhir");
    let table = site.write(
        "maps/site.toml",
        "[table.service]\ntitle = \"Orders\"\nversion = \"1\"\nsource = \"a site\"\ncodes = []\n",
    );
    for command in [&["check"][..], &["map", "list"], &["map", "test"]] {
        let told = site.tell(command).with_code(78);
        assert!(told.err.contains(&format!("{table}:1:1: expected `code_system`")), "{}", told.err);
    }
    let folder = site.path("maps");
    let told = gurney(&["map", "list", "--maps", folder.to_str().unwrap()]).with_code(78);
    assert!(told.err.contains("expected `code_system`"), "{}", told.err);
    assert!(!Path::new("maps").is_absolute() && gurney(&["map", "list", "--maps", "/nowhere"]).code == 2);
    assert!(SECRETS.iter().all(|secret| !told.err.contains(secret)));
}

/// The places of all values that stand in the resources of what comes of the first message of a file.
fn values_of_first(site: &Site, file: &str) -> Vec<String> {
    let first = fs::read_to_string(file).unwrap().split("\r\r\n").next().unwrap().to_owned();
    site.write("all/transport@1/first.hl7", &first);
    let samples = site.path("all");
    site.tell(&["map", "test", "transport@1", "--accept", "--samples", samples.to_str().unwrap()]).with_code(0);
    let golden = fs::read_to_string(samples.join("transport@1/first.json")).unwrap();
    let bundle: serde_json::Value = serde_json::from_str(&golden).unwrap();
    let mut places = Vec::new();
    for (at, entry) in bundle["entry"].as_array().unwrap().iter().enumerate() {
        values(&entry["resource"], &at.to_string(), &mut places);
    }
    places
}

fn values(value: &serde_json::Value, at: &str, places: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(members) => {
            members.iter().for_each(|(key, value)| values(value, &format!("{at}.{key}"), places));
        }
        serde_json::Value::Array(items) => {
            items.iter().enumerate().for_each(|(place, value)| values(value, &format!("{at}[{place}]"), places));
        }
        _ => places.push(at.to_owned()),
    }
}
