//! How many errors the driver of a serial port has counted.
//!
//! The kernel gives them by `TIOCGICOUNT`, for which there is no binding without unsafe code, and as text in
//! `/proc/tty/driver/NAME`, to privileged processes only:
//!
//! ```text
//! 1: uart:16550A port:000002F8 irq:3 tx:5120 rx:88112 fe:3 pe:1 brk:2 oe:4 RTS|CTS|DTR
//! ```
//! Counts that are zero are left out; to others, everything from `tx:` on is. Drivers of USB adapters show no counts there.
//! Where there are none, errors are counted by the marks in what is read; overruns leave no mark.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Errors since the driver was loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Bytes with wrong parity.
    pub(super) parity: u64,
    /// Bytes without their stop bit.
    pub(super) framing: u64,
    /// Bytes that were lost because nobody fetched them.
    pub(super) overrun: u64,
    /// Breaks.
    pub(super) breaks: u64,
}

impl Counts {
    /// What was added since `earlier`; a driver that was loaded anew counts from zero.
    pub(super) const fn since(self, earlier: Self) -> Self {
        Self {
            parity: self.parity.saturating_sub(earlier.parity),
            framing: self.framing.saturating_sub(earlier.framing),
            overrun: self.overrun.saturating_sub(earlier.overrun),
            breaks: self.breaks.saturating_sub(earlier.breaks),
        }
    }
}

/// The counters of a line: the seam at which tests put their own.
pub(super) trait LineCounters {
    /// What they say now; `None` where there are none.
    fn counts(&self) -> Option<Counts>;
}

/// Counters in `/proc/tty/driver`.
#[derive(Debug)]
pub(super) struct DriverFile {
    file: PathBuf,
    index: u32,
}

impl DriverFile {
    /// The counters of `port`, if its driver has a file. Whether it shows counts is known when it is read.
    pub(super) fn of(port: &Path) -> Option<Self> {
        let device = fs::canonicalize(port).ok()?;
        let (driver, index) = driver_of(device.to_str()?, &fs::read_to_string("/proc/tty/drivers").ok()?)?;
        Some(Self { file: Path::new("/proc/tty/driver").join(driver), index })
    }
}

impl LineCounters for Option<DriverFile> {
    fn counts(&self) -> Option<Counts> {
        let driver = self.as_ref()?;
        let text: io::Result<String> = fs::read_to_string(&driver.file);
        counts_in(&text.ok()?, driver.index)
    }
}

/// The driver of a device and its number there, from `/proc/tty/drivers`: name, device, major, minors, kind.
fn driver_of(device: &str, drivers: &str) -> Option<(String, u32)> {
    drivers.lines().find_map(|line| {
        let mut columns = line.split_whitespace();
        let (driver, prefix) = (columns.next()?, columns.next()?);
        let index = device.strip_prefix(prefix)?.parse().ok()?;
        let is_name = !driver.contains('/') && !driver.starts_with('.');
        is_name.then(|| (driver.to_owned(), index))
    })
}

fn counts_in(text: &str, index: u32) -> Option<Counts> {
    let line = text.lines().find_map(|line| line.trim_start().strip_prefix(&format!("{index}:")))?;
    let count = |key: &str| {
        line.split_whitespace().find_map(|word| word.strip_prefix(key)).and_then(|count| count.parse::<u64>().ok())
    };
    count("tx:")?;
    Some(Counts {
        parity: count("pe:").unwrap_or(0),
        framing: count("fe:").unwrap_or(0),
        overrun: count("oe:").unwrap_or(0),
        breaks: count("brk:").unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRIVERS: &str = "\
/dev/tty             /dev/tty        5       0 system:/dev/tty
serial               /dev/ttyS       4 64-111 serial
usbserial            /dev/ttyUSB   188 0-511 serial
pty_slave            /dev/pts      136 0-1048575 pty:slave
";
    const SERIAL: &str = "\
serinfo:1.0 driver revision:
0: uart:16550A port:000003F8 irq:4 tx:11 rx:5 RTS|DTR
1: uart:16550A port:000002F8 irq:3 tx:5120 rx:88112 fe:3 pe:1 brk:2 oe:4 RTS|CTS|DTR
10: uart:16550A port:000002E8 irq:3 tx:1 rx:1 pe:9
2: uart:unknown port:000003E8 irq:4
";

    #[test]
    fn finds_the_driver_of_a_device() {
        let serial = |index| Some(("serial".to_owned(), index));
        for (device, driver) in [
            ("/dev/ttyS0", serial(0)),
            ("/dev/ttyS14", serial(14)),
            ("/dev/ttyUSB2", Some(("usbserial".to_owned(), 2))),
            ("/dev/pts/3", None),
            ("/dev/ttyS", None),
            ("/dev/ttyACM0", None),
        ] {
            assert_eq!(driver_of(device, DRIVERS), driver, "{device}");
        }
    }

    #[test]
    fn reads_the_counts_that_a_driver_shows() {
        assert_eq!(counts_in(SERIAL, 0), Some(Counts::default()));
        assert_eq!(counts_in(SERIAL, 1), Some(Counts { parity: 1, framing: 3, overrun: 4, breaks: 2 }));
        assert_eq!(counts_in(SERIAL, 10), Some(Counts { parity: 9, ..Counts::default() }));
        assert_eq!(counts_in(SERIAL, 2), None, "not shown to this process");
        assert_eq!(counts_in(SERIAL, 3), None);
    }

    #[test]
    fn counts_from_zero_when_the_driver_is_loaded_anew() {
        let earlier = Counts { parity: 5, framing: 1, overrun: 0, breaks: 2 };
        let later = Counts { parity: 7, framing: 0, overrun: 3, breaks: 2 };
        assert_eq!(later.since(earlier), Counts { parity: 2, framing: 0, overrun: 3, breaks: 0 });
    }
}
