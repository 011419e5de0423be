//! What is fuzzed: one file for each target, one row for each file.
//!
//! A target takes any bytes and asserts what must hold for all of them. `fuzz/run.sh` runs targets under libFuzzer;
//! `tests/fuzz.rs` replays their seeds and everything that libFuzzer once broke them with, kept in
//! `fuzz/regressions/NAME/`.

use std::{fs, path::PathBuf};

#[path = "targets/ack_build.rs"]
mod ack_build;
#[path = "targets/config_load.rs"]
mod config_load;
#[path = "targets/hl7_batch.rs"]
mod hl7_batch;
#[path = "targets/hl7_escape_roundtrip.rs"]
mod hl7_escape_roundtrip;
#[path = "targets/hl7_parse.rs"]
mod hl7_parse;
#[path = "targets/hl7_profile.rs"]
mod hl7_profile;
#[path = "targets/hllp_line.rs"]
mod hllp_line;
#[path = "targets/line.rs"]
mod line;
#[path = "targets/lis01_line.rs"]
mod lis01_line;
#[path = "targets/lis02.rs"]
mod lis02;
#[path = "targets/mllp_decode.rs"]
mod mllp_decode;
#[path = "targets/mllp_line.rs"]
mod mllp_line;
#[path = "targets/serial_deframe.rs"]
mod serial_deframe;
#[path = "targets/text_line.rs"]
mod text_line;

/// Every target.
pub(crate) const ALL: &[Target] = &[
    Target { name: "ack_build", run: ack_build::run, seeds: ack_build::seeds },
    Target { name: "config_load", run: config_load::run, seeds: config_load::seeds },
    Target { name: "hl7_batch", run: hl7_batch::run, seeds: hl7_batch::seeds },
    Target { name: "hl7_escape_roundtrip", run: hl7_escape_roundtrip::run, seeds: hl7_escape_roundtrip::seeds },
    Target { name: "hl7_parse", run: hl7_parse::run, seeds: hl7_parse::seeds },
    Target { name: "hl7_profile", run: hl7_profile::run, seeds: hl7_profile::seeds },
    Target { name: "hllp_line", run: hllp_line::run, seeds: hllp_line::seeds },
    Target { name: "lis01_line", run: lis01_line::run, seeds: lis01_line::seeds },
    Target { name: "lis02", run: lis02::run, seeds: lis02::seeds },
    Target { name: "mllp_decode", run: mllp_decode::run, seeds: mllp_decode::seeds },
    Target { name: "mllp_line", run: mllp_line::run, seeds: mllp_line::seeds },
    Target { name: "serial_deframe", run: serial_deframe::run, seeds: serial_deframe::seeds },
    Target { name: "text_line", run: text_line::run, seeds: text_line::seeds },
];

/// One target.
#[derive(Clone, Copy)]
pub(crate) struct Target {
    /// What it is called.
    pub(crate) name: &'static str,
    /// Panics where something that must hold does not hold for these bytes.
    pub(crate) run: fn(&[u8]),
    /// Inputs to begin with.
    pub(crate) seeds: fn() -> Vec<Vec<u8>>,
}

/// Bytes that are taken apart from the front; what is missing counts as zero.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (first, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        first
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::from(self.byte()) % choices.len()]
    }

    fn rest(self) -> &'a [u8] {
        self.0
    }
}

/// Cuts bytes into pieces of one to sixteen, always the same way for the same `seed`.
fn cut(bytes: &[u8], seed: u8) -> impl Iterator<Item = &[u8]> {
    let mut state = u32::from(seed) | 0x100;
    let mut rest = bytes;
    std::iter::from_fn(move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let length = usize::try_from(state >> 28).unwrap_or_default() + 1;
        let (piece, after) = rest.split_at(length.min(rest.len()));
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}

/// The sample messages of `tests/corpus/hl7`.
fn messages() -> Vec<Vec<u8>> {
    files("tests/corpus/hl7", "hl7")
}

/// The files of a folder of the checkout whose names end in `extension`, in the order of their names.
fn files(folder: &str, extension: &str) -> Vec<Vec<u8>> {
    let mut paths: Vec<PathBuf> = fs::read_dir(checkout().join(folder))
        .expect("a folder of the checkout")
        .map(|entry| entry.expect("an entry of the folder").path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "no {extension} files in {folder}");
    paths.iter().map(|path| fs::read(path).expect("a file of the folder")).collect()
}

/// Where the checkout is: this file is compiled as a part of the product's tests and of the package in `fuzz/`.
fn checkout() -> PathBuf {
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    if manifest.ends_with("fuzz") { manifest.join("..") } else { manifest }
}
