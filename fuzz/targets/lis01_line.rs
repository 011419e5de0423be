//! LIS01-A2: frames and controls in any order, damage, silence and refusals at any time, in both roles.

use gurney::wire::{
    Line,
    lis01::{Grouping, Interrupt, Lis01, Options, Role},
};

use super::{
    Input,
    line::{self, Protocol},
};

const GOOD: &[u8] = b"H|\\^&\rR|1|5.8\rL|1\r";

pub(super) fn seeds() -> Vec<Vec<u8>> {
    (0..12_u8).map(|number| with(&[number, number / 2, number / 4, number], line::seed)).collect()
}

pub(super) fn run(data: &[u8]) {
    let (settings, rest) = data.split_at(4.min(data.len()));
    let cuts = settings.first().copied().unwrap_or_default();
    with(settings, |_, protocol| line::check(protocol, cuts, rest));
}

/// Gives the settings and the protocol that they make.
fn with<T>(settings: &[u8], act: impl Fn(&[u8], &Protocol<'_>) -> T) -> T {
    let mut input = Input(settings);
    let options = Options {
        role: input.pick(&[Role::Host, Role::Instrument]),
        interrupt: input.pick(&[Interrupt::Never, Interrupt::BetweenMessages]),
        frame_text_max: input.pick(&[240, 4, 1]),
        grouping: Grouping::Records,
        ..Options::new(Role::Host, 60)
    };
    let make = || -> Box<dyn Line> { Box::new(Lis01::new(options)) };
    act(settings, &Protocol { make: &make, frame_max: 60, leave: Some(0x06), good: GOOD })
}
