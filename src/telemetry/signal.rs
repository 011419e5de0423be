//! Signals: what an operator hears about.
//!
//! One signal is one log line and the metrics that belong to it, so neither can be forgotten. What happens with every
//! message is only counted (see `meters`). Lines hold names, numbers, addresses and error texts of our own types,
//! never patient data (INV-05). What a peer can cause at will is logged the first ten times and then at every power
//! of two, so a babbling peer cannot flood the log; the count beside it is exact.
//!
//! INFO: as it should be. WARN: odd, nothing lost. ERROR: data at risk or a person needed.

use std::{error::Error, net::SocketAddr, time::Duration};

use tracing::{error, info, warn};

use super::{
    DestinationMeter, FlowMeter, LinkMeter, StoreMeter, Telemetry,
    labels::{
        BatchFault, Ending, ExchangeFault, FrameFault, Gravity, JobFinding, Label, LineError, Loss, Refusal,
        StoreLevel, StoreOperation,
    },
    meters::unix_seconds,
};
use crate::{
    ids::{JournalId, OutboxId},
    units::{ByteCount, Timestamp},
};

/// Something about the box as a whole.
#[derive(Clone, Copy, Debug)]
pub enum Signal<'a> {
    /// The configuration was loaded.
    ConfigurationLoaded {
        /// When.
        now: Timestamp,
    },
    /// A configuration was rejected; the one before stays in use.
    ConfigurationRejected {
        /// How many faults it has.
        faults: usize,
    },
    /// Tables of the configuration differ from what is in use, and are taken at the next start.
    RestartNeeded {
        /// Which, as they are written.
        tables: &'a str,
    },
    /// The box is ready.
    Ready {
        /// Time since the process began.
        took: Duration,
    },
    /// A stop was asked for: nothing new is taken, what is in flight ends.
    Draining,
    /// The box stopped, and everything in flight had ended.
    Stopped,
    /// The box stopped before everything in flight had ended.
    StoppedShort,
    /// An actor made no progress in its time.
    ActorStalled {
        /// Its name.
        actor: &'a str,
        /// Time since it last advanced.
        silent: Duration,
    },
    /// An actor was started anew.
    ActorRestarted {
        /// Its name.
        actor: &'a str,
    },
    /// The wall clock jumped against the monotonic one.
    ClockJumped {
        /// By how much, in seconds.
        seconds: i64,
    },
    /// A code has no mapping.
    CodeUnmapped {
        /// The map.
        mapping: &'a str,
        /// The table in which it was looked up.
        table: &'a str,
    },
    /// A flow uses this map from now on.
    MapInUse {
        /// The flow.
        flow: &'a str,
        /// The map, as `transport@2`.
        mapping: &'a str,
    },
    /// A map that a person put in use is not there any more.
    MapMissing {
        /// The flow.
        flow: &'a str,
        /// The map.
        mapping: &'a str,
    },
    /// Something was noticed about jobs.
    JobNoticed {
        /// The flow.
        flow: &'a str,
        /// What.
        finding: JobFinding,
        /// How much it matters.
        gravity: Gravity,
        /// How often, in one transaction.
        by: u64,
    },
}

/// Something about a link.
#[derive(Clone, Copy, Debug)]
pub enum LinkSignal<'a> {
    /// It can pass messages.
    Up {
        /// Where it listens, or what it opened.
        at: &'a str,
    },
    /// It can pass messages again after it was lost.
    Restored,
    /// It cannot pass messages.
    Down {
        /// Why.
        cause: &'a dyn Error,
    },
    /// A connection that we opened ended, and another one is opened. That is no fault where a peer closes it between messages.
    Ended {
        /// Why.
        cause: &'a dyn Error,
    },
    /// A connection was opened anew behind one that ended.
    Reopened,
    /// A connection could not be accepted: out of descriptors, most likely.
    AcceptFailed {
        /// Why.
        cause: &'a dyn Error,
    },
    /// A peer's connection ended other than by the peer closing it between messages.
    PeerLost {
        /// The peer.
        peer: SocketAddr,
        /// Why.
        cause: &'a dyn Error,
    },
    /// A peer was not let in.
    PeerRefused {
        /// The peer.
        peer: SocketAddr,
        /// Why.
        why: Refusal,
    },
    /// Bytes did not become a frame.
    FrameError {
        /// Why.
        fault: FrameFault,
        /// How many bytes were dropped.
        dropped: usize,
    },
    /// The envelope of a batch contradicts its content. Its messages were taken as they are.
    BatchOdd {
        /// What is odd.
        fault: BatchFault,
        /// What its trailer says.
        stated: Option<u64>,
        /// What is there.
        counted: Option<u64>,
    },
    /// A control id came again with other content: taken as a new message.
    ControlIdReused {
        /// The new message.
        message: JournalId,
    },
    /// The receiver of a serial line reported errors.
    LineError {
        /// What.
        kind: LineError,
        /// How many.
        by: u64,
    },
    /// No byte came over a serial line for longer than its setting.
    Silent {
        /// For how long.
        silent: Duration,
    },
    /// A byte came over a serial line that had been silent.
    Heard {
        /// For how long.
        silent: Duration,
    },
    /// The device takes no byte of an answer, which is given up.
    Stalled {
        /// For how long.
        waited: Duration,
    },
    /// A serial port has no modem signals, although one is to be watched.
    NoModemSignals {
        /// Why.
        cause: &'a dyn Error,
    },
    /// A serial port took changed settings.
    Reconfigured,
}

/// Something about a flow's messages.
#[derive(Clone, Copy, Debug)]
pub enum FlowSignal<'a> {
    /// A message could not be processed; its bytes are kept.
    Quarantined {
        /// The message.
        message: JournalId,
    },
    /// A delivery was set aside for a person.
    DeadLettered {
        /// The delivery.
        entry: OutboxId,
        /// Why: of a closed list, such as `delivery::DeadReason` as text.
        reason: &'a str,
    },
    /// Messages were lost. This must never happen.
    Lost {
        /// Why.
        reason: Loss,
        /// How many.
        count: u64,
    },
}

/// Something about a destination.
#[derive(Clone, Copy, Debug)]
pub enum DestinationSignal {
    /// An endpoint failed so often in a row that deliveries to it stop.
    BreakerOpened {
        /// Index of the endpoint.
        endpoint: usize,
        /// Time to the next probe.
        pause: Duration,
    },
    /// An endpoint answers again.
    BreakerClosed {
        /// Index of the endpoint.
        endpoint: usize,
    },
    /// Another endpoint is in use.
    Switched {
        /// Index of the endpoint used until now.
        from: usize,
        /// Index of the endpoint used from now on.
        to: usize,
    },
    /// An endpoint asked for a pause.
    Paused {
        /// Index of the endpoint.
        endpoint: usize,
        /// How long.
        pause: Duration,
    },
    /// An exchange with an HL7 receiver went wrong; the message is sent again.
    Exchange {
        /// Index of the endpoint.
        endpoint: usize,
        /// What.
        fault: ExchangeFault,
    },
    /// It stopped at a refusal, as the flow says.
    Stopped {
        /// The refused delivery.
        entry: OutboxId,
        /// The status that refused it.
        status: u16,
    },
    /// A person let it go on.
    Resumed,
}

/// Something about the store.
#[derive(Clone, Copy, Debug)]
pub enum StoreSignal<'a> {
    /// It was opened.
    Opened {
        /// Deliveries that wait in it.
        waiting: u64,
    },
    /// It was opened after a stop that was not clean.
    Recovered {
        /// Deliveries that wait in it.
        waiting: u64,
    },
    /// It was opened again after a failure, its log written back and synced.
    Reopened,
    /// An operation failed.
    Failed {
        /// Which.
        operation: StoreOperation,
        /// Why.
        cause: &'a dyn Error,
    },
    /// It is more or less full than before.
    LevelChanged {
        /// How full it is now.
        level: StoreLevel,
        /// Its size.
        size: ByteCount,
        /// Free space on its disk.
        free: ByteCount,
    },
    /// Its integrity was checked and is good.
    Sound {
        /// How long the check took.
        took: Duration,
    },
    /// Its integrity was checked and is broken.
    Broken,
}

impl Telemetry {
    /// Logs a signal and counts it.
    pub fn tell(&self, signal: Signal<'_>) {
        match signal {
            Signal::ConfigurationLoaded { now } => {
                self.families.config_last_reload_successful.set(1);
                self.families.config_last_reload_success_timestamp_seconds.set(unix_seconds(now));
                info!("configuration loaded");
            }
            Signal::ConfigurationRejected { faults } => {
                self.families.config_last_reload_successful.set(0);
                error!(faults, "configuration rejected, the one before stays in use");
            }
            Signal::RestartNeeded { tables } => warn!(tables, "changed in the configuration, needs a restart"),
            Signal::Ready { took } => info!(took_ms = millis(took), "ready"),
            Signal::Draining => info!("stopping, nothing new is taken"),
            Signal::Stopped => info!("stopped"),
            Signal::StoppedShort => warn!("stopped before everything in flight had ended"),
            Signal::ActorStalled { actor, silent } => error!(actor, silent_ms = millis(silent), "no progress"),
            Signal::ActorRestarted { actor } => warn!(actor, "started anew"),
            Signal::ClockJumped { seconds } => warn!(seconds, "the clock jumped"),
            Signal::CodeUnmapped { mapping, table } => {
                let counter = self.families.mapping_unmapped_codes_total.with_label_values(&[mapping]);
                counter.inc();
                self.families.terminology_unmapped_codes_total.with_label_values(&[table]).inc();
                if worth_a_line(counter.get()) {
                    warn!(mapping, table, count = counter.get(), "code without a mapping");
                }
            }
            Signal::MapInUse { flow, mapping } => info!(flow, mapping, "map in use"),
            Signal::MapMissing { flow, mapping } => {
                error!(flow, mapping, "the map that was put in use is not installed, the configured one is used");
            }
            Signal::JobNoticed { flow, finding, gravity, by } => {
                let counter = self.families.job_findings_total.with_label_values(&[finding.text()]);
                counter.inc_by(by);
                let (count, finding) = (counter.get(), finding.text());
                match gravity {
                    Gravity::Critical => error!(flow, finding, count, "a person has to decide about a job"),
                    Gravity::Warn if worth_a_line(count) => warn!(flow, finding, count, "odd about a job"),
                    Gravity::Warn | Gravity::Note => {}
                }
            }
        }
    }
}

impl LinkMeter {
    /// Logs a signal and counts it.
    pub fn tell(&self, signal: LinkSignal<'_>) {
        let interface = self.name.as_str();
        match signal {
            LinkSignal::Up { at } => {
                self.set_up(true);
                info!(interface, at, "link up");
            }
            LinkSignal::Restored => {
                self.set_up(true);
                self.reconnected();
                info!(interface, "link up again");
            }
            LinkSignal::Down { cause } => {
                self.set_up(false);
                error!(interface, cause = chain(cause), "link down");
            }
            LinkSignal::Ended { cause } => {
                let count = self.peer_lost();
                if worth_a_line(count) {
                    warn!(interface, cause = chain(cause), count, "connection ended, it is opened anew");
                }
            }
            LinkSignal::Reopened => self.reconnected(),
            LinkSignal::AcceptFailed { cause } => {
                let count = self.accept_failed();
                if worth_a_line(count) {
                    warn!(interface, cause = chain(cause), count, "cannot accept a connection");
                }
            }
            LinkSignal::PeerLost { peer, cause } => {
                let count = self.peer_lost();
                if worth_a_line(count) {
                    warn!(interface, %peer, cause = chain(cause), count, "connection ended early");
                }
            }
            LinkSignal::PeerRefused { peer, why } => {
                let count = self.refused(why);
                if worth_a_line(count) {
                    warn!(interface, %peer, reason = why.text(), count, "peer not let in");
                }
            }
            LinkSignal::FrameError { fault, dropped } => {
                let count = self.frame_error(fault);
                if worth_a_line(count) {
                    warn!(interface, kind = fault.text(), dropped, count, "bytes without a frame");
                }
            }
            LinkSignal::BatchOdd { fault, stated, counted } => {
                let count = self.batch_odd(fault);
                if worth_a_line(count) {
                    warn!(interface, kind = fault.text(), stated, counted, count, "odd batch");
                }
            }
            LinkSignal::LineError { kind, by } => {
                let count = self.line_errors(kind, by);
                if worth_a_line(count) {
                    warn!(interface, kind = kind.text(), count, "error on the serial line");
                }
            }
            LinkSignal::Silent { silent } => {
                self.set_silent(true);
                warn!(interface, silent_ms = millis(silent), "no byte came for longer than is usual");
            }
            LinkSignal::Heard { silent } => {
                self.set_silent(false);
                info!(interface, silent_ms = millis(silent), "bytes come again");
            }
            LinkSignal::Stalled { waited } => {
                self.stalled();
                warn!(interface, waited_ms = millis(waited), "the device takes no bytes, an answer is given up");
            }
            LinkSignal::NoModemSignals { cause } => {
                warn!(interface, cause = chain(cause), "the port has no modem signals, `carrier` is ignored");
            }
            LinkSignal::Reconfigured => info!(interface, "the port took its changed settings"),
            LinkSignal::ControlIdReused { message } => {
                let count = self.control_id_reused();
                if worth_a_line(count) {
                    warn!(interface, message = message.0, count, "control id used again for other content");
                }
            }
        }
    }
}

impl FlowMeter {
    /// Logs a signal and counts it.
    pub fn tell(&self, signal: FlowSignal<'_>) {
        let flow = self.name.as_str();
        match signal {
            FlowSignal::Quarantined { message } => {
                self.ended(Ending::Quarantined);
                error!(flow, message = message.0, "message quarantined");
            }
            FlowSignal::DeadLettered { entry, reason } => {
                self.ended(Ending::DeadLetter);
                error!(flow, entry = entry.0, reason, "delivery set aside for a person");
            }
            FlowSignal::Lost { reason, count } => {
                self.lost(reason, count);
                error!(flow, reason = reason.text(), count, "messages lost");
            }
        }
    }
}

impl DestinationMeter {
    /// Logs a signal and counts it.
    pub fn tell(&self, signal: DestinationSignal) {
        let destination = self.name.as_str();
        match signal {
            DestinationSignal::BreakerOpened { endpoint, pause } => {
                self.breaker_opened();
                warn!(destination, endpoint, pause_ms = millis(pause), "endpoint fails, deliveries to it wait");
            }
            DestinationSignal::BreakerClosed { endpoint } => info!(destination, endpoint, "endpoint answers again"),
            DestinationSignal::Switched { from, to } => {
                self.switched(to);
                warn!(destination, from, to, "another endpoint is in use");
            }
            DestinationSignal::Paused { endpoint, pause } => {
                warn!(destination, endpoint, pause_ms = millis(pause), "endpoint asked for a pause");
            }
            DestinationSignal::Exchange { endpoint, fault } => {
                self.exchange_failed(fault);
                if fault != ExchangeFault::DeadConnection {
                    warn!(destination, endpoint, fault = fault.text(), "answer is not this message's, not delivered");
                }
            }
            DestinationSignal::Stopped { entry, status } => {
                self.set_stopped(true);
                error!(destination, entry = entry.0, status, "deliveries stopped at a refusal until a person decides");
            }
            DestinationSignal::Resumed => {
                self.set_stopped(false);
                info!(destination, "deliveries go on");
            }
        }
    }
}

impl StoreMeter {
    /// Logs a signal and counts it.
    pub fn tell(&self, signal: StoreSignal<'_>) {
        match signal {
            StoreSignal::Opened { waiting } => info!(waiting, "store opened"),
            StoreSignal::Recovered { waiting } => warn!(waiting, "store opened after a stop that was not clean"),
            StoreSignal::Reopened => warn!("store opened again after a failure"),
            StoreSignal::Failed { operation, cause } => {
                let count = self.error(operation);
                if worth_a_line(count) {
                    error!(operation = operation.text(), cause = chain(cause), count, "store operation failed");
                }
            }
            StoreSignal::LevelChanged { level, size, free } => {
                self.set_level(level);
                self.size(size, free);
                let level_text = level.text();
                match level {
                    StoreLevel::Normal => info!(level = level_text, %size, %free, "store has room again"),
                    StoreLevel::Warn => warn!(level = level_text, %size, %free, "store fills up"),
                    StoreLevel::Shed | StoreLevel::Refuse => {
                        error!(level = level_text, %size, %free, "store is full or failing, senders keep their messages");
                    }
                }
            }
            StoreSignal::Sound { took } => {
                self.set_integrity(true);
                info!(took_ms = millis(took), "store checked, sound");
            }
            StoreSignal::Broken => {
                self.set_integrity(false);
                error!("store checked, broken");
            }
        }
    }
}

/// Whether the `count`th event of a kind gets a line: the first ten, then every power of two.
const fn worth_a_line(count: u64) -> bool {
    count <= 10 || count.is_power_of_two()
}

/// An error with its sources, outermost first.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
