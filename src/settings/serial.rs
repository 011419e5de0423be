//! How a serial port is watched and shared, beside speed and shape of its line.

use std::time::Duration;

use super::{Framing, SerialPort};
use crate::{units::limits, wire::text};

/// What a missing modem signal means. The cables of laboratory devices have none of these wires (LIS01-A2 section 5), so
/// none is looked at unless a site says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// Nothing: the signals are not looked at.
    Ignore,
    /// Without data carrier detect the line is down.
    Dcd,
    /// Without data set ready the line is down.
    Dsr,
    /// Without clear to send the line is down.
    Cts,
}

/// Whether both ends may send at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duplex {
    /// They may.
    Full,
    /// They may not: nothing is written while a frame arrives, nor right behind it.
    Half,
}

impl SerialPort {
    /// Silence inside a frame after which the rest of it is taken to be lost.
    pub fn gap_max(&self) -> Duration {
        let characters = self.character_time() * limits::SERIAL_GAP_CHARACTERS;
        self.gap.unwrap_or_else(|| limits::SERIAL_GAP_MIN.max(characters))
    }

    /// Silence behind the last byte before a half-duplex line is written to.
    pub fn turn_around(&self) -> Duration {
        limits::TURN_AROUND_MIN.max(self.character_time() * limits::TURN_AROUND_CHARACTERS)
    }
}

impl Framing {
    /// Whether the machine itself writes only where the other end expects it, also within a message. Otherwise a frame that
    /// has begun is waited for.
    pub const fn takes_turns(&self) -> bool {
        match self {
            Self::Mllp(_) => false,
            Self::Hllp(_) | Self::Lis01(_) | Self::Line(_) => true,
        }
    }

    /// Why XON/XOFF cannot be used, if it cannot: its two bytes never reach the other end.
    pub(super) const fn without_xon_xoff(&self) -> Option<&'static str> {
        match self {
            Self::Mllp(_) => Some(
                "XON/XOFF takes the bytes 0x11 and 0x13 out of what is sent, which MLLP does not allow for; write `none` or `rts-cts`",
            ),
            Self::Hllp(_) => Some(
                "XON/XOFF takes the bytes 0x11 and 0x13 out of what is sent, and HLLP counts and sums every byte; write `none` or `rts-cts`",
            ),
            Self::Lis01(_) => Some(
                "LIS01-A2 says with NAK and one frame at a time how fast an end is, and has no XON/XOFF; write `none` or `rts-cts`",
            ),
            Self::Line(text::Options { check: Some(text::Check { form: text::Form::Byte, .. }), .. }) => Some(
                "a check of one byte may be a byte of XON/XOFF, 0x11 or 0x13, which never arrive; write `none` or `rts-cts`",
            ),
            Self::Line(_) => None,
        }
    }
}
