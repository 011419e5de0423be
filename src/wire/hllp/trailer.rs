//! The count and the checksum of a block, and CR stuffing.

use super::{Checksum, From, Options, Radix};

const CR: u8 = 0x0d;

/// Bytes of count and checksum.
pub(super) fn length(options: &Options) -> usize {
    usize::from(options.count_digits).saturating_add(usize::from(checksum_digits(options)))
}

/// Digits of the checksum.
pub(super) const fn checksum_digits(options: &Options) -> u8 {
    match options.checksum {
        Checksum::None => 0,
        Checksum::Xor | Checksum::Sum | Checksum::WideSum => options.checksum_digits,
    }
}

/// Bytes from the first one that is covered to the last one of the data.
pub(super) const fn covered(from: From, data_len: usize) -> usize {
    let header = match from {
        From::Mark => 5,
        From::Type => 4,
        From::Data => 0,
    };
    data_len.saturating_add(header)
}

/// The checksum of a block.
pub(super) struct Sum(u64);

impl Sum {
    /// Sums a header and what follows it.
    pub(super) fn of(options: &Options, header: &[u8], parts: [&[u8]; 2]) -> Self {
        let skipped = match options.checksum_from {
            From::Mark => 0,
            From::Type => 1,
            From::Data => header.len(),
        };
        let bytes = header.iter().skip(skipped).chain(parts.into_iter().flatten());
        Self(match options.checksum {
            Checksum::Xor => u64::from(bytes.fold(0_u8, |sum, byte| sum ^ byte)),
            Checksum::Sum => u64::from(bytes.fold(0_u8, |sum, byte| sum.wrapping_add(*byte))),
            Checksum::WideSum => bytes.fold(0_u64, |sum, byte| sum.wrapping_add(u64::from(*byte))),
            Checksum::None => 0,
        })
    }

    /// The number that its last digits make.
    pub(super) fn written(&self, options: &Options) -> u64 {
        let above = base(options.radix).checked_pow(u32::from(checksum_digits(options)));
        above.map_or(self.0, |above| self.0 % above)
    }
}

/// The number that digits make; none if there is anything else among them.
pub(super) fn value(radix: Radix, digits: &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for digit in digits {
        let digit = match (radix, digit) {
            (_, b'0'..=b'9') => digit - b'0',
            (Radix::Hex, b'A'..=b'F') => digit - b'A' + 10,
            (Radix::Hex, b'a'..=b'f') => digit - b'a' + 10,
            _ => return None,
        };
        value = value.checked_mul(base(radix))?.checked_add(u64::from(digit))?;
    }
    Some(value)
}

/// A number in so many digits; none if it has more.
pub(super) fn digits(radix: Radix, count: u8, value: u64) -> Option<Vec<u8>> {
    let width = usize::from(count);
    let written = match radix {
        Radix::Decimal => format!("{value:0width$}"),
        Radix::Hex => format!("{value:0width$X}"),
    };
    if width == 0 {
        return Some(Vec::new());
    }
    (written.len() == width).then(|| written.into_bytes())
}

const fn base(radix: Radix) -> u64 {
    match radix {
        Radix::Decimal => 10,
        Radix::Hex => 16,
    }
}

/// Puts a CR behind each `line` bytes without one.
pub(super) fn stuffed(data: &[u8], line: usize) -> Vec<u8> {
    let mut stuffed = Vec::with_capacity(data.len().saturating_add(data.len() / line.max(1)));
    let mut run = 0_usize;
    for byte in data {
        stuffed.push(*byte);
        run = if *byte == CR { 0 } else { run.saturating_add(1) };
        if run >= line.max(1) {
            stuffed.push(CR);
            run = 0;
        }
    }
    stuffed
}

/// Takes those CR out. A line that is longer than agreed stays as it is.
pub(super) fn unstuffed(data: &[u8], line: usize) -> Vec<u8> {
    let mut plain = Vec::with_capacity(data.len());
    let mut run = 0_usize;
    for byte in data {
        if *byte != CR {
            run = run.saturating_add(1);
            plain.push(*byte);
            continue;
        }
        if run != line.max(1) {
            plain.push(*byte);
        }
        run = 0;
    }
    plain
}
