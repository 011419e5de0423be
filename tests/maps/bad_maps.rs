//! Maps and tables that loop, explode or lie: each is refused when it is read, with file, line and column.

use gurney::{
    mapping::{MapFault, Registry},
    units::limits,
};

use crate::site::{BUILTIN, version};

fn faults(text: &str) -> Vec<MapFault> {
    Registry::with(&[("site.toml", text)]).map(|_| Vec::new()).unwrap_or_else(|faults| faults)
}

/// What is said first about a map or table; its place is in the file.
#[track_caller]
fn refused(name: &str, text: &str, expected: &str) -> MapFault {
    let found = faults(text);
    let fault = found.iter().find(|fault| fault.text.contains(expected));
    let shown = || found.iter().take(3).map(ToString::to_string).collect::<Vec<_>>();
    let fault = fault.unwrap_or_else(|| panic!("{name}: expected {expected:?}, got {:?}", shown())).clone();
    assert!(fault.line >= 1 && fault.column >= 1 && fault.line <= text.lines().count().max(1), "{name}: {fault}");
    assert!(fault.text.len() < 600, "{name}: {} bytes", fault.text.len());
    fault
}

fn table(codes: &str) -> String {
    format!(
        "[table.x]\ntitle = \"X\"\ncode_system = \"local\"\nversion = \"1\"\nsource = \"a test\"\ncodes = [{codes}]\n"
    )
}

/// The built-in map with a line of its own in place of the first one that begins so.
fn with_line(begins: &str, line: &str) -> String {
    let text = version(2);
    let old = text.lines().find(|line| line.trim_start().starts_with(begins)).unwrap_or_else(|| panic!("no {begins}"));
    text.replacen(old, line, 1)
}

fn with_rows(rows: &str) -> String {
    format!("{}\n{rows}", version(2))
}

const ROW: &str = "\n  [[resource.row]]\n  to = \"language\"\n  value = \"en\"\n  why = \"x\"\n";

#[test]
fn maps_that_are_too_much_are_refused() {
    for count in [limits::MAP_ROWS_MAX + 1, 10_000, 12_000] {
        let fault = refused("rows", &with_rows(&ROW.repeat(count)), "rows; this one has");
        assert!(fault.line > limits::MAP_ROWS_MAX, "{fault}");
    }
    let million = with_rows(&ROW.repeat(1_000_000 / ROW.len() + 3_000));
    refused("a file of 1 MiB and more", &million, "KiB");
    let resource = |at: usize| {
        format!(
            "[[resource]]\nname = \"N{at}\"\ntype = \"Basic\"\nkey = \"job\"\ncreate = [\"request\"]\nwhy = \"x\"\n"
        )
    };
    for count in [limits::MAP_PARTS_MAX + 1, 5_000] {
        refused("resources", &with_rows(&(0..count).map(resource).collect::<String>()), "resources; this one has");
        let need = "[[need]]\nverbs = [\"request\"]\nany_of = [[\"PID-3\"]]\nwhy = \"x\"\n";
        refused("needs", &with_rows(&need.repeat(count)), "needs; this one has");
        let trigger = "[[trigger]]\non = [\"ADT^A99\"]\nby = \"visit\"\nverb = { always = \"plan\" }\nwhy = \"x\"\n";
        refused("triggers", &with_rows(&trigger.repeat(count)), "triggers; this one has");
    }
    for list in ["from", "otherwise", "until"] {
        for count in [limits::ROW_SOURCES_MAX + 1, 10_000] {
            let sources = vec!["\"PID-5\""; count].join(", ");
            let from = if list == "from" { String::new() } else { "  from = [\"PID-5\"]\n".to_owned() };
            let row = format!(
                "\n  [[resource.row]]\n  to = \"text[]\"\n{from}  {list} = [{sources}]\n  with = \"name\"\n  why = \"x\"\n"
            );
            refused(list, &with_rows(&row), "a row has at most");
        }
    }
    for depth in [limits::MAP_DEPTH_MAX + 2, 1_000, 100_000] {
        let path = vec!["a"; depth].join(".");
        let row = format!("\n  [[resource.row]]\n  to = \"{path}\"\n  value = \"en\"\n  why = \"x\"\n");
        refused("depth", &with_rows(&row), "an element may lie at most");
        let first = vec!["a[0]"; depth].join(".") + ".b";
        let row = format!("\n  [[resource.row]]\n  to = \"{first}\"\n  value = \"en\"\n  why = \"x\"\n");
        refused("depth of lists", &with_rows(&row), "an element may lie at most");
    }
    for count in [limits::TABLE_CODES_MAX + 1, 30_000] {
        let codes = (0..count).map(|at| format!("{{ code = \"{at}\" }}")).collect::<Vec<_>>().join(",\n");
        refused("codes", &table(&codes), "a table has at most");
    }
    let used = BUILTIN.lines().skip_while(|line| *line != "[tables]").take_while(|line| !line.starts_with("[["));
    let used: String = used.map(|line| format!("{line}\n")).collect();
    let small = |at: u32| {
        format!(
            "map = \"small\"\nversion = {at}\ntitle = \"x\"\nservice = \"x\"\nowner = \"x\"\nreviewed_on = \"2026-01-01\"\n\
             review_due = \"2027-01-01\"\n{used}\n[[trigger]]\non = [\"ADT^A99\"]\nby = \"visit\"\n\
             verb = {{ always = \"plan\" }}\nwhy = \"x\"\n{}",
            resource(1)
        )
    };
    assert!(faults(&small(1)).is_empty(), "{:?}", faults(&small(1)));
    let maps: Vec<(String, String)> =
        (1..=u32::try_from(limits::MAPS_MAX).unwrap()).map(|at| (format!("m{at}.toml"), small(at))).collect();
    let texts: Vec<(&str, &str)> = maps.iter().map(|(file, text)| (file.as_str(), text.as_str())).collect();
    let found = Registry::with(&texts).unwrap_err();
    assert!(found[0].text.contains("a site has at most 200 maps"), "{found:?}");
    let tables = (0..=limits::TABLES_MAX)
        .map(|at| table("{ code = \"a\" }").replace("table.x", &format!("table.t{at}")))
        .collect::<String>();
    assert!(faults(&tables).iter().any(|fault| fault.text.contains("a site has at most 1000 tables")));
}

#[test]
fn texts_that_are_no_maps_are_refused() {
    for (name, text) in [
        ("empty", String::new()),
        ("noise", "\u{0}\u{1}\u{2}".to_owned()),
        ("brackets", "[".repeat(100_000)),
        ("array in array", format!("a = {}", "[".repeat(100_000))),
        ("table in table", format!("a = {}", "{ b = ".repeat(50_000))),
        ("a path of tables", format!("[{}]", vec!["a"; 50_000].join("."))),
        ("JSON", "{\"map\": \"transport\"}".to_owned()),
        ("YAML", "map: transport\nversion: 2\n".to_owned()),
        ("a string without end", format!("{}\ntitle = \"\"\"", version(2))),
        ("two versions", version(2).replacen("version = 2", "version = 2\nversion = 3", 1)),
        ("a version that is none", version(2).replacen("version = 2", "version = -1", 1)),
        ("a version beyond all", version(2).replacen("version = 2", "version = 99999999999", 1)),
        ("a key that nobody knows", format!("expression = \"1 + 1\"\n{}", version(2))),
        (
            "code in a row",
            with_rows("\n  [[resource.row]]\n  to = \"language\"\n  script = \"while(true){}\"\n  why = \"x\"\n"),
        ),
        ("no trigger", version(2).replace("[[trigger]]", "[[triggered]]")),
        ("no resource", version(2).replace("[[resource]]", "[[resources]]")),
    ] {
        let found = faults(&text);
        assert!(!found.is_empty(), "{name} was taken");
        assert!(
            found.iter().all(|fault| fault.line >= 1 && fault.column >= 1 && fault.text.len() < 2000),
            "{name}: {:?}",
            found[0]
        );
    }
}

#[test]
fn maps_that_name_what_is_not_there_are_refused() {
    for (begins, line, expected) in [
        ("question ", "question = \"nowhere.asks\"", "there is no table `nowhere`"),
        ("question ", "question = \"question.nowhere\"", "no column `nowhere`"),
        ("question ", "question = \"question\"", "expected `table.column`"),
        ("reviewed_on", "reviewed_on = \"yesterday\"", "expected a date"),
        ("review_due", "review_due = \"2026-02-30\"", "expected a date"),
        ("review_due", "review_due = \"1999-01-01\"", "the next review is due after the last one"),
        ("owner", "owner = \"\"", "`owner` is empty"),
        ("title", "title = \"  \"", "`title` is empty"),
        ("map ", "map = \"oru\"", "is built in"),
        ("on   = [\"ORM^O01\"]", "on = [\"ORM^O01\"]\nby = \"nothing\"", "duplicate key"),
    ] {
        refused(line, &with_line(begins, line), expected);
    }
    // Where the trigger stands that does otherwise than the first one.
    let visit = "on   = [\"ADT^A16\"]\nby   = \"visit\"";
    for by in ["message", "each-patient", "each-order"] {
        let mixed = version(2).replacen(visit, &visit.replace("visit", by), 1);
        let fault = refused("mixed triggers", &mixed, "a map either makes jobs");
        let line = mixed.lines().position(|line| line.starts_with("on   = [\"ADT^A16\"]")).unwrap() + 1;
        assert_eq!((fault.line, faults(&mixed).len()), (line, 1), "{fault}");
    }
    let row = |keys: &str| with_rows(&format!("\n  [[resource.row]]\n  {keys}\n  why = \"x\"\n"));
    for (keys, expected) in [
        ("to = \"\"\n  value = \"en\"", "expected elements such as"),
        ("to = \"a..b\"\n  value = \"en\"", "expected elements such as"),
        ("to = \"a b\"\n  value = \"en\"", "expected elements such as"),
        ("to = \"a[7].b\"\n  value = \"en\"", "expected elements such as"),
        ("to = \"a[0]\"\n  value = \"en\"", "the last element is set"),
        ("to = \"../../x\"\n  value = \"en\"", "expected elements such as"),
        ("to = \"a\"", "`from` or `value`"),
        ("to = \"a\"\n  from = [\"PID\"]", "PID"),
        ("to = \"a\"\n  from = [\"PID-999999\"]", "PID-999999"),
        ("to = \"a\"\n  from = [\"PID-3[0]\"]", "PID-3[0]"),
        ("to = \"a\"\n  from = [\"PID-3\"]", "needs `via table.column`"),
        ("to = \"a\"\n  from = [\"PID-3 via v2-0001.nowhere\"]", "no column"),
        ("to = \"a\"\n  from = [\"PID-3 via via.via\"]", "there is no table"),
        ("to = \"a\"\n  with = \"eval\"\n  from = [\"PID-3\"]", "unknown variant"),
        ("to = \"a\"\n  with = \"reference\"", "needs `refer`"),
        ("to = \"a\"\n  with = \"reference\"\n  refer = [\"Nobody\"]", "no resource `Nobody`"),
        ("to = \"a\"\n  with = \"boolean\"\n  value = \"maybe\"", "expected `true` or `false`"),
        ("to = \"a\"\n  with = \"coding\"\n  value = \"x\"", "a code needs `in`"),
        ("to = \"a\"\n  with = \"coding\"\n  in = \"level\"\n  value = \"rocket\"", "is not in table `level`"),
        ("to = \"a\"\n  with = \"name\"\n  value = \"x\"", "`value` goes with"),
        ("to = \"a\"\n  with = \"job\"\n  from = [\"PID-3\"]", "no `from`"),
        ("to = \"a\"\n  with = \"name\"\n  from = [\"PID-5\"]\n  rising = true", "`rising` and `at_most` compare"),
        ("to = \"a\"\n  with = \"detail\"\n  from = [\"PID-5\"]", "`from` and `label`"),
        ("to = \"a\"\n  value = \"en\"\n  verbs = [\"dance\"]", "unknown variant"),
        (
            "to = \"a\"\n  with = \"concept\"\n  in = \"level\"\n  from = [\"OBR-30 via v2-0124.mobility\"]",
            "is not in table `level`",
        ),
    ] {
        refused(keys, &row(keys), expected);
    }
}

#[test]
fn needs_that_could_never_hold_are_refused() {
    let need = |keys: &str| with_rows(&format!("[[need]]\nverbs = [\"request\"]\nwhy = \"x\"\n{keys}\n"));
    let when = |condition: &str| need(&format!("any_of = [[\"PID-7\"]]\nwhen = [{{ {condition} }}]"));
    for (keys, expected) in [
        ("any_of = []", "a need needs `any_of`"),
        ("any_of = [[\"PID-7\"], []]", "a need needs `any_of`"),
        ("any_of = [[\"PID7\"]]", "PID7"),
        ("any_of = [[\"element(escrot)\"]]", "did you mean `escort`"),
        ("any_of = [[\"PID-8 but not F\"]]", "expected `via table.column`"),
        ("any_of = [[\"element(escort) but not nope\"]]", "no code that stands here means `nope`"),
        ("any_of = [[\"PID-7\"]]\nwhenever = 1", "unknown field `whenever`"),
    ] {
        refused(keys, &need(keys), expected);
    }
    for (condition, expected) in [
        ("", "expected `under_days`, or `from`"),
        ("under_days = 0", "expected from 1 to"),
        ("under_days = 60000", "expected from 1 to"),
        ("under_days = 365, is = \"x\"", "expected `under_days`, or `from`"),
        ("from = \"PV1-4 via newborn.age\"", "expected `under_days`, or `from`"),
        ("from = \"PV1-4 via newborn.age\", is = \"newborne\"", "did you mean `newborn`"),
        ("from = \"PV1-4\", is = \"newborn\"", "expected `via table.column`"),
        ("from = \"element(level)\", at_least = \"cct\"", "expected `under_days`, or `from`"),
        ("from = \"element(level)\", at_least = \"ccd\", in = \"level\"", "did you mean `cct`"),
        (
            "from = \"element(level)\", at_least = \"cct\", in = \"levels\"",
            "there is no table `levels`; did you mean `level`",
        ),
        ("from = \"element(level)\", at_least = \"stretcher\", in = \"mobility\"", "is not known here"),
        (
            "from = \"element(level)\", is = \"cct\", at_least = \"cct\", in = \"level\"",
            "expected `under_days`, or `from`",
        ),
    ] {
        refused(condition, &when(condition), expected);
    }
    let many = vec!["[\"PID-7\"]"; limits::ROW_SOURCES_MAX + 1].join(", ");
    refused("groups", &need(&format!("any_of = [{many}]")), "a need has at most");
}

#[test]
fn tables_that_lie_are_refused_and_those_that_turn_in_circles_mean_what_they_say() {
    for (codes, expected) in [
        ("{ display = \"x\" }", "a code needs a `code`"),
        ("{ code = \"\" }", "a code needs a `code`"),
        ("{ code = \"a\" }, { code = \"a\" }", "listed twice"),
        ("{ code = \"a\", system = \"L\" }, { code = \"a\", system = \"L\" }", "listed twice"),
        ("{ name = \"n\", code = \"a\" }, { name = \"n\", code = \"b\" }", "listed twice"),
        ("{ code = 7 }", "expected"),
        ("{ code = [\"a\"] }", "expected"),
        ("7", "expected"),
    ] {
        refused(codes, &table(codes), expected);
    }
    for (old, new, expected) in [
        ("code_system = \"local\"\n", "", "expected `code_system`"),
        ("\"local\"", "\"SNOMED\"", "is no code system"),
        ("version = \"1\"", "version = \"\"", "`version` is empty"),
        ("source = \"a test\"", "source = \" \"", "`source` is empty"),
        ("title = \"X\"", "title = \"\"", "`title` is empty"),
        ("version", "system = \"http://snomed.info/sct\"\nversion", "this is the URI of SNOMED CT"),
        ("codes", "unlisted = \"guess\"\ncodes", "unknown variant"),
        ("codes", "loop = \"x\"\ncodes", "unknown field"),
    ] {
        refused(new, &table("{ code = \"a\" }").replacen(old, new, 1), expected);
    }
    refused("twice", &(table("") + &table("").replacen("[table.x]", "[table.\"x\"]", 1)), "duplicate key");
    // Meanings are words, not links: a code that means another one is looked up once.
    let circle = table("{ code = \"a\", next = \"b\" }, { code = \"b\", next = \"a\" }");
    let registry = Registry::with(&[("site.toml", &circle)]).unwrap();
    assert_eq!(registry.table("x").unwrap().len(), 2);
    // Resources that refer to each other refer; nothing is written inside itself.
    let refer = "\n  [[resource.row]]\n  to = \"target[]\"\n  with = \"reference\"\n  refer = [\"Provenance\"]\n  why = \"itself\"\n";
    assert!(faults(&with_rows(refer)).is_empty());
    assert!(faults(BUILTIN).iter().all(|fault| fault.text.contains("defined twice")));
}
