//! Framed lines of text: any marks and checks, damage, silence and refusals at any time.

use std::time::Duration;

use gurney::wire::{
    Bounds, Line,
    text::{Algorithm, Check, End, Form, Heartbeat, Options, Place, Reply, Span, TextLine},
};

use super::{
    Input,
    line::{self, Protocol},
};

const GOOD: &[u8] = b"unit 7|on scene";

pub(super) fn seeds() -> Vec<Vec<u8>> {
    (0..30_u8)
        .map(|number| with(&[number, number / 3, number, number / 2, number / 3, number / 5], line::seed))
        .collect()
}

pub(super) fn run(data: &[u8]) {
    let (settings, rest) = data.split_at(6.min(data.len()));
    let cuts = settings.first().copied().unwrap_or_default();
    with(settings, |_, protocol| line::check(protocol, cuts, rest));
}

/// Gives the settings and the protocol that they make.
fn with<T>(settings: &[u8], act: impl Fn(&[u8], &Protocol<'_>) -> T) -> T {
    let mut input = Input(settings);
    let algorithm = input.pick(&[None, Some(Algorithm::Sum8), Some(Algorithm::Xor), Some(Algorithm::Twos)]);
    let (form, place) =
        input.pick(&[(Form::Hex, Place::BeforeEnd), (Form::Hex, Place::AfterEnd), (Form::Byte, Place::AfterEnd)]);
    let (start, end) = input.pick(&[(Span::Included, Span::Excluded), (Span::Excluded, Span::Included)]);
    let check = algorithm.map(|algorithm| Check { algorithm, form, place, start, end });
    let options = Options {
        bounds: Bounds { frame_max: 60, frame_timeout: Duration::from_secs(30), gap_max: None },
        check,
        start: input.pick(&[Some(2), Some(1), None]),
        end: input.pick(&[End::ETX, End::CR, End::LF, End::CRLF]),
        reply: input.pick(&[Reply::AckNak { ack: 0x06, nak: 0x15 }, Reply::None]),
        heartbeat: input.pick(&[None, Some(0)]).map(Heartbeat::Byte),
        ..Options::default()
    };
    let make = || -> Box<dyn Line> { Box::new(TextLine::new(options.clone())) };
    act(settings, &Protocol { make: &make, frame_max: 60, leave: None, good: GOOD })
}
