//! MLLP of both releases, in bytes and in UTF-16: damage, silence and refusals at any time.

use std::time::Duration;

use gurney::wire::{
    Bounds, Line,
    mllp::{MllpLine, Options, Release, Wide},
};

use super::{
    Input,
    line::{self, Protocol},
};

pub(super) fn seeds() -> Vec<Vec<u8>> {
    (0..12_u8).map(|number| with(&[number, number / 3], line::seed)).collect()
}

pub(super) fn run(data: &[u8]) {
    let (settings, rest) = data.split_at(2.min(data.len()));
    let cuts = settings.first().copied().unwrap_or_default();
    with(settings, |_, protocol| line::check(protocol, cuts, rest));
}

/// Gives the settings and the protocol that they make.
fn with<T>(settings: &[u8], act: impl Fn(&[u8], &Protocol<'_>) -> T) -> T {
    let mut input = Input(settings);
    let options = Options {
        bounds: Bounds { frame_max: 60, frame_timeout: Duration::from_secs(30), gap_max: None },
        wide: input.pick(&[Wide::No, Wide::Utf16Le, Wide::Utf16Be]),
        release: input.pick(&[Release::One, Release::Two]),
        ..Options::default()
    };
    let units = "MSH|^~\\&|PROBE\r".encode_utf16();
    let good: Vec<u8> = match options.wide {
        Wide::No => b"MSH|^~\\&|PROBE\r".to_vec(),
        Wide::Utf16Le => units.flat_map(u16::to_le_bytes).collect(),
        Wide::Utf16Be => units.flat_map(u16::to_be_bytes).collect(),
    };
    let make = || -> Box<dyn Line> { Box::new(MllpLine::new(options)) };
    act(settings, &Protocol { make: &make, frame_max: 60, leave: None, good: &good })
}
