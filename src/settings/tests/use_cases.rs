//! Use cases as files, and flows tied to them.

use super::*;

const DISCHARGE: &str = include_str!("../../../config/sites/discharge/gurney.toml");
const CASE: &str = r#"version = 1
[use_case.own]
title    = "A use case of the site"
covers   = ["UC-01"]
trigger  = ["ADT^A03"]
data     = ["visit"]
outcome  = ["one job"]
measure  = [{ what = "jobs", goal = "1" }]
owner    = "Integration desk"
target   = "5 s"
safety   = ["none known"]
fixtures = "cases"
"#;

fn read_case(text: &str) -> Result<Vec<UseCase>, Faults> {
    use_cases(&[("own.toml".to_owned(), text.to_owned())])
}

#[test]
fn documents_every_entry_of_the_catalogue_that_is_in_scope() {
    let cases = use_cases(&[]).unwrap_or_else(|faults| panic!("{faults}"));
    let mut covered: Vec<u8> = cases.iter().flat_map(|case| &case.covers).map(|id| id.0).collect();
    covered.sort_unstable();
    covered.dedup();
    let in_scope: Vec<u8> = (1..=21).chain(27..=29).chain([34]).collect();
    assert_eq!(covered, in_scope);
    for (file, text) in BUILTIN_USE_CASES {
        let name = file.strip_prefix("use-cases/").and_then(|name| name.strip_suffix(".toml")).unwrap();
        assert!(text.contains(&format!("\n[use_case.{name}]\n")), "{file} is called after its use case");
    }
}

#[test]
fn takes_the_sites_own_in_place_of_a_built_in_one() {
    let count = use_cases(&[]).unwrap().len();
    assert_eq!(read_case(CASE).unwrap().len(), count + 1);
    let cases = read_case(&CASE.replace("use_case.own", "use_case.room-change")).unwrap();
    let replaced: Vec<_> = cases.iter().filter(|case| case.name == "room-change").collect();
    assert_eq!((cases.len(), replaced.len()), (count, 1));
    assert_eq!(replaced[0].title, "A use case of the site");
    assert_eq!((replaced[0].covers[0].to_string(), replaced[0].target_text()), ("UC-01".to_owned(), "5 s".to_owned()));
}

#[test]
fn says_what_is_wrong_with_a_use_case_and_where() {
    for (line, instead, place, message, help) in [
        ("title    = \"A use case of the site\"\n", "", (2, 1), "has no `title`", "add a line such as: title ="),
        ("covers   = [\"UC-01\"]", "covers = [\"UC-1\"]", (4, 11), "`UC-1` is no entry of the acceptance", "\"UC-07\""),
        ("trigger  = [\"ADT^A03\"]", "trigger = [\"ADT_A03\"]", (5, 12), "`ADT_A03` is not", "write \"ADT^A03\""),
        ("measure  = [{ what", "measure  = [{ waht", (8, 15), "unknown key `waht`", "did you mean `what`?"),
        ("owner    =", "ownr     =", (9, 1), "unknown key `ownr`", "did you mean `owner`?"),
        ("target   = \"5 s\"", "target   = 5", (10, 12), "expected a time", ""),
        ("[use_case.own]", "[use_cases.own]", (2, 2), "`use_cases` has no place", "did you mean `use_case`?"),
        (
            "[use_case.own]\n",
            "[use_case.own]\nwithin = \"dicharge-to-ride\"\n",
            (2, 1),
            "which is not there",
            "did you mean `discharge-to-ride`?",
        ),
        (
            "[use_case.own]\n",
            "[use_case.own]\nwithin = \"room-change\"\n",
            (2, 1),
            "which is a part itself",
            "within = \"discharge-to-ride\"",
        ),
        ("[use_case.own]\n", "[use_case.own]\nwithin = \"own\"\n", (3, 10), "no part of itself", ""),
    ] {
        assert!(CASE.contains(line), "{line}");
        let faults = read_case(&CASE.replacen(line, instead, 1)).expect_err(instead).faults;
        let fault = faults.iter().find(|fault| fault.message.contains(message)).unwrap_or_else(|| panic!("{faults:?}"));
        assert_eq!((fault.at.line, fault.at.column), place, "{instead}: {faults:?}");
        assert!(fault.help.contains(help), "{instead}: {}", fault.help);
    }
    let twice = [("a.toml".to_owned(), CASE.to_owned()), ("b.toml".to_owned(), CASE.to_owned())];
    assert!(use_cases(&twice).unwrap_err().faults[0].message.contains("`own` is defined twice"));
    let broken = read_case(&CASE.replace("\"visit\"", "\"visit")).unwrap_err();
    assert!(broken.faults.iter().any(|fault| fault.message.starts_with("this is not TOML")), "{broken}");
    assert!(read_case(&CASE.replace("version = 1\n", "")).is_err());
}

#[test]
fn ties_flows_to_their_use_cases() {
    assert_eq!(read_one(DISCHARGE).unwrap().settings.flows[0].use_case.as_deref(), Some("discharge-to-ride"));
    for (line, instead, message, help) in [
        (
            "use_case = \"room-change\"",
            "use_case = \"rom-change\"",
            "there is no use case `rom-change`",
            "did you mean `room-change`?",
        ),
        (
            "owner    = \"Bed management\"",
            "owner    = \"Facilities\"",
            "is owned by `Bed management`, not by `Facilities`",
            "mend one of the two",
        ),
        (
            "target   = \"2 min\"\nowner    = \"Bed",
            "target   = \"3 min\"\nowner    = \"Bed",
            "allows 2 min, this flow 3 min",
            "write target = \"2 min\" or less",
        ),
        (
            "on       = [\"ADT^*\"]",
            "on       = [\"ADT^A03\"]",
            "takes no message of its use case `room-change`",
            "`ADT^A02`, `ADT^A09`",
        ),
        (
            "on       = [\"ORM^O01\"]",
            "on       = [\"ORM^O02\"]",
            "takes no message of its use case `discharge-to-ride`",
            "starts with `ADT^A16` and `ORM^O01`",
        ),
        (
            "on         = [\"ADT^*\"]",
            "on         = [\"ORM^O01\"]",
            "no flow of the use case `discharge-to-ride` takes `ADT^A16`",
            "in the flow that does",
        ),
    ] {
        assert!(DISCHARGE.contains(line), "{line}");
        let faults = read_one(&DISCHARGE.replacen(line, instead, 1)).expect_err(instead).faults;
        assert!(
            faults.iter().any(|fault| fault.message.contains(message) && fault.help.contains(help)),
            "{instead}: {faults:?}"
        );
    }
}

#[test]
fn warns_of_flows_that_nobody_documented_and_of_messages_that_nobody_takes() {
    let of = |text: &str| read_one(text).unwrap_or_else(|faults| panic!("{faults}")).warnings;
    let untied = of(&DISCHARGE.replace("use_case = \"room-change\"\n", ""));
    assert_eq!(untied.len(), 1);
    assert_eq!(untied[0].message, "`bedboard` names no use case");
    let fewer =
        of(&DISCHARGE.replace("= [\"ADT^*\"]", "= [\"ADT^A16\", \"ADT^A02\", \"ADT^A09\", \"ADT^A10\", \"ADT^A12\"]"));
    let messages: Vec<&str> = fewer.iter().map(|warning| warning.message.as_str()).collect();
    assert!(
        messages.contains(&"no flow takes `ADT^A40`, `ADT^A44` and `ADT^A45` of the use case `merge-during-a-ride`"),
        "{messages:?}"
    );
    assert!(fewer.iter().all(|warning| warning.help.contains("part of `discharge-to-ride`")), "{fewer:?}");
}
