//! HLLP: blocks of any settings, damage, silence and refusals at any time.

use std::time::Duration;

use gurney::wire::{
    Bounds, Line,
    hllp::{Checksum, From, Hllp, Options, Radix},
};

use super::{
    Input,
    line::{self, Protocol},
};

const GOOD: &[u8] = b"MSH|^~\\&|PROBE\r";

pub(super) fn seeds() -> Vec<Vec<u8>> {
    (0..24_u8).map(|number| with(&[number, number / 2, number / 3, 5, 3, number], line::seed)).collect()
}

pub(super) fn run(data: &[u8]) {
    let (settings, rest) = data.split_at(6.min(data.len()));
    let cuts = settings.first().copied().unwrap_or_default();
    with(settings, |_, protocol| line::check(protocol, cuts, rest));
}

/// Gives the settings and the protocol that they make.
fn with<T>(settings: &[u8], act: impl Fn(&[u8], &Protocol<'_>) -> T) -> T {
    let mut input = Input(settings);
    let options = Options {
        bounds: Bounds { frame_max: 60, frame_timeout: Duration::from_secs(30), gap_max: None },
        checksum: input.pick(&[Checksum::Xor, Checksum::Sum, Checksum::WideSum, Checksum::None]),
        radix: input.pick(&[Radix::Decimal, Radix::Hex]),
        count_from: input.pick(&[From::Mark, From::Type, From::Data]),
        count_digits: input.pick(&[3, 4, 5]),
        checksum_digits: input.pick(&[3, 4, 5]),
        line_max: input.pick(&[None, Some(10)]),
        ..Options::default()
    };
    let make = || -> Box<dyn Line> { Box::new(Hllp::new(options)) };
    act(settings, &Protocol { make: &make, frame_max: 60, leave: None, good: GOOD })
}
