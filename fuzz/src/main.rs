//! libFuzzer's end: the variable `GURNEY_FUZZ_TARGET` says what is fuzzed.
//!
//! One program for all targets is built once. Where `GURNEY_FUZZ_SEEDS` names a folder, the target's seeds are written
//! there before libFuzzer reads its corpus.

#![no_main]

use std::{env, fs, path::Path, sync::OnceLock};

use libfuzzer_sys::fuzz_target;

#[path = "../targets.rs"]
mod targets;

static TARGET: OnceLock<targets::Target> = OnceLock::new();

fuzz_target!(init: prepare(), |data: &[u8]| {
    let target = TARGET.get().expect("prepared before the first input");
    (target.run)(data);
});

fn prepare() {
    let name = env::var("GURNEY_FUZZ_TARGET").expect("GURNEY_FUZZ_TARGET names a target");
    let target = targets::ALL.iter().find(|target| target.name == name).expect("a target of fuzz/targets.rs");
    if let Some(folder) = env::var_os("GURNEY_FUZZ_SEEDS") {
        for (number, seed) in (target.seeds)().iter().enumerate() {
            fs::write(Path::new(&folder).join(format!("seed-{number}")), seed).expect("the folder takes a seed");
        }
    }
    TARGET.set(*target).ok();
}
