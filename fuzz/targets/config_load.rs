//! Configurations: any text gives settings or faults that point into it, and what looks like a secret is never shown.

use gurney::{
    settings::{Faults, Known, Paint, read},
    units::Timestamp,
};

use super::files;

const SECRET: &str = "Correct-Horse-Battery-7";

pub(super) fn seeds() -> Vec<Vec<u8>> {
    ["config", "config/sites/loopback", "config/sites/discharge"]
        .iter()
        .flat_map(|folder| files(folder, "toml"))
        .collect()
}

pub(super) fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data).into_owned();
    load(&text).ok(); // Either is right for any text.
    let spoilt = format!("{text}\npassword = \"{SECRET}\"\n");
    let faults = load(&spoilt).expect_err("a key that does not exist");
    let json = serde_json::to_string(&faults.faults).expect("faults as JSON");
    for shown in [faults.render(Paint::Plain), faults.summary(), json, format!("{faults:?}")] {
        assert!(!shown.contains(SECRET), "a secret is shown");
    }
}

/// Reads it and checks what is said about it.
fn load(text: &str) -> Result<(), Faults> {
    let known = Known {
        maps: &[("transport", 1)],
        profiles: &[("lenient", 1)],
        dialects: &[("standard", 1)],
        use_cases: &[],
        overdue: &[],
        now: Timestamp(1_772_000_000_000),
    };
    let files = [("gurney.toml".to_owned(), text.to_owned())];
    let (faults, result) = match read(&files, &known) {
        Ok(checked) => (checked.warnings, Ok(())),
        Err(faults) => (faults.faults.clone(), Err(faults)),
    };
    let errors = faults.iter().filter(|fault| !fault.is_warning()).count();
    assert_eq!(errors == 0, result.is_ok(), "errors and refusal do not agree");
    let lines = text.split('\n').count();
    for fault in &faults {
        assert!(!fault.message.is_empty() && !fault.render(Paint::Coloured).is_empty());
        assert!((1..=lines).contains(&fault.at.line) && fault.at.column >= 1, "a fault outside of the text");
    }
    result
}
