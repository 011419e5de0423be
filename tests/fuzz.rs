//! What fuzzing begins with, and everything that it once found, played again: `fuzz/run.sh` finds more.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::bool_assert_comparison,
    clippy::needless_pass_by_value,
    clippy::print_stdout,
    reason = "tests"
)]

use std::{fs, path::Path};

#[path = "../fuzz/targets.rs"]
mod targets;

#[test]
fn holds_for_every_seed() {
    for target in targets::ALL {
        let seeds = (target.seeds)();
        assert!(!seeds.is_empty(), "{} has no seeds", target.name);
        for (number, seed) in seeds.iter().enumerate() {
            play(target, &format!("seed {number}"), seed);
            play(target, &format!("half of seed {number}"), &seed[..seed.len() / 2]);
        }
        play(target, "nothing", b"");
    }
}

#[test]
fn holds_for_everything_that_was_found() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/regressions");
    for folder in fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()) {
        let name = folder.file_name().unwrap().to_str().unwrap();
        let target = targets::ALL.iter().find(|target| target.name == name);
        let target = target.unwrap_or_else(|| panic!("fuzz/regressions/{name} is of no target"));
        for file in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            play(target, &file.display().to_string(), &fs::read(&file).unwrap());
        }
    }
}

/// Captured by the harness, and shown with the panic of the input that it names.
fn play(target: &targets::Target, what: &str, input: &[u8]) {
    println!("{}: {what}", target.name);
    (target.run)(input);
}
