//! Every rule with a message that breaks it and one that does not, the corpus, and messages spoilt at random.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use proptest::prelude::*;

use super::*;
use crate::{hl7::Index, hl7_corpus::CORPUS};

fn profile(text: &str) -> Profile {
    let mut faults = Vec::new();
    let head = "profile = \"test\"\nversion = 1\ntitle = \"Test\"\n";
    let compiled = source::read("test.toml", &format!("{head}{text}"), &mut faults);
    assert_eq!(faults, []);
    of(compiled.unwrap().0)
}

fn lines(raw: &[u8], profile: &Profile) -> Vec<String> {
    let index = Index::of(raw).unwrap();
    let findings = validate(&index.message(raw), profile);
    findings.list().iter().map(|finding| format!("{} {}", finding.level.as_str(), finding.line())).collect()
}

#[test]
fn dump_corpus() {
    let profiles = Profiles::builtin().unwrap();
    for id in ["lenient@1", "transport-minimum@1", "adt-feed@1", "orders@1"] {
        for (name, raw) in CORPUS {
            for line in lines(raw, profiles.named(id).unwrap()) {
                println!("{id} {name} {line}");
            }
        }
    }
}
