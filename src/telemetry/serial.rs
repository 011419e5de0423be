//! Metrics and log lines of a serial line as hardware: errors of its receiver, silence, answers that do not leave.

use prometheus::{Gauge, IntCounter, IntGauge};

use super::{
    LinkMeter,
    catalogue::{Catalogue, PerLabel},
    labels::LineError,
    meters::unix_seconds,
};
use crate::{ids::Name, units::Timestamp};

/// Metrics of one serial port beside those of every link.
#[derive(Debug)]
pub(super) struct SerialMeter {
    errors: PerLabel<IntCounter>,
    stalls: IntCounter,
    last_byte: Gauge,
    silent: IntGauge,
}

impl SerialMeter {
    pub(super) fn new(families: &Catalogue, name: &Name) -> Self {
        let label = [name.as_str()];
        Self {
            errors: PerLabel::new::<LineError>(|kind| {
                families.serial_errors_total.with_label_values(&[name.as_str(), kind])
            }),
            stalls: families.serial_stalls_total.with_label_values(&label),
            last_byte: families.serial_last_byte_timestamp_seconds.with_label_values(&label),
            silent: families.serial_silent.with_label_values(&label),
        }
    }
}

impl LinkMeter {
    /// Notes that bytes came in, whatever they are.
    pub fn heard(&self, now: Timestamp) {
        if let Some(serial) = &self.serial {
            serial.last_byte.set(unix_seconds(now));
        }
    }

    pub(super) fn line_errors(&self, kind: LineError, by: u64) -> u64 {
        let Some(serial) = &self.serial else { return 0 };
        let counter = serial.errors.at(kind);
        counter.inc_by(by);
        counter.get()
    }

    pub(super) fn stalled(&self) {
        if let Some(serial) = &self.serial {
            serial.stalls.inc();
        }
    }

    pub(super) fn set_silent(&self, silent: bool) {
        if let Some(serial) = &self.serial {
            serial.silent.set(i64::from(silent));
        }
    }
}
