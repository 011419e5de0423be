//! Handles to the metrics of one link, flow, destination, map and of the store: every label resolved beforehand, so
//! counting a message costs a few atomic additions.

use std::time::Duration;

use prometheus::{Gauge, Histogram, IntCounter, IntGauge};

use super::{
    catalogue::{Catalogue, PerLabel},
    labels::{
        AckCode, AttemptResult, BatchFault, Conformance, Ending, ExchangeFault, FindingLevel, FrameFault, Guess, Label,
        LinkEvent, Loss, Refusal, Stage, StoreLevel, StoreOperation,
    },
    serial::SerialMeter,
};
use crate::{
    ids::Name,
    settings::{self, LinkWire, Pattern, Priority, TypePattern},
    units::{ByteCount, Timestamp},
};

/// Metrics of one link.
#[derive(Debug)]
pub struct LinkMeter {
    pub(super) name: Name,
    up: IntGauge,
    connections: IntGauge,
    reconnects: IntCounter,
    refused: PerLabel<IntCounter>,
    lost: IntCounter,
    last_message: Gauge,
    frame_errors: PerLabel<IntCounter>,
    link_events: PerLabel<IntCounter>,
    bytes: IntCounter,
    types: Vec<(TypePattern, IntCounter)>,
    other_types: IntCounter,
    acks: PerLabel<IntCounter>,
    ack_duration: Histogram,
    control_id_reuses: IntCounter,
    charset_fallbacks: PerLabel<IntCounter>,
    batch_findings: PerLabel<IntCounter>,
    conformance: PerLabel<IntCounter>,
    findings: PerLabel<IntCounter>,
    application_acks_undelivered: IntCounter,
    pub(super) serial: Option<SerialMeter>,
}

impl LinkMeter {
    pub(super) fn new(families: &Catalogue, link: &settings::Link, patterns: &[&TypePattern]) -> Self {
        let name = [link.name.as_str()];
        let kind = match link.wire {
            LinkWire::MllpServer(_) | LinkWire::MllpClient(_) => "mllp",
            LinkWire::Serial(_) | LinkWire::TerminalServer(_) => "serial",
            LinkWire::Folder(_) => "folder",
            LinkWire::Http(_) => "http_in",
        };
        families.interface_info.with_label_values(&[link.name.as_str(), kind, "in"]).set(1);
        families.interface_enabled.with_label_values(&name).set(1);
        let received = |kind: &str| families.messages_received_total.with_label_values(&[link.name.as_str(), kind]);
        Self {
            up: families.interface_up.with_label_values(&name),
            connections: families.interface_connections.with_label_values(&name),
            reconnects: families.interface_reconnects_total.with_label_values(&name),
            refused: PerLabel::new::<Refusal>(|reason| {
                families.interface_connections_refused_total.with_label_values(&[link.name.as_str(), reason])
            }),
            lost: families.interface_connections_lost_total.with_label_values(&name),
            last_message: families.interface_last_message_timestamp_seconds.with_label_values(&name),
            frame_errors: PerLabel::new::<FrameFault>(|kind| {
                families.interface_frame_errors_total.with_label_values(&[link.name.as_str(), kind])
            }),
            link_events: PerLabel::new::<LinkEvent>(|event| {
                families.interface_link_events_total.with_label_values(&[link.name.as_str(), event])
            }),
            bytes: families.interface_received_bytes_total.with_label_values(&name),
            types: known_types(patterns, received),
            other_types: received("other"),
            acks: PerLabel::new::<AckCode>(|code| {
                families.message_acks_total.with_label_values(&[link.name.as_str(), code])
            }),
            ack_duration: families.message_ack_duration_seconds.with_label_values(&name),
            application_acks_undelivered: families.application_acks_undelivered_total.with_label_values(&name),
            control_id_reuses: families.message_control_id_reuses_total.with_label_values(&name),
            charset_fallbacks: PerLabel::new::<Guess>(|reason| {
                families.charset_fallbacks_total.with_label_values(&[link.name.as_str(), reason])
            }),
            batch_findings: PerLabel::new::<BatchFault>(|kind| {
                families.batch_findings_total.with_label_values(&[link.name.as_str(), kind])
            }),
            conformance: PerLabel::new::<Conformance>(|result| {
                families.conformance_messages_total.with_label_values(&[link.name.as_str(), result])
            }),
            findings: PerLabel::new::<FindingLevel>(|severity| {
                families.conformance_findings_total.with_label_values(&[link.name.as_str(), severity])
            }),
            serial: (kind == "serial").then(|| SerialMeter::new(families, &link.name)),
            name: link.name.clone(),
        }
    }

    /// Counts a message whose character set was guessed.
    pub fn charset_guessed(&self, why: Guess) {
        self.charset_fallbacks.at(why).inc();
    }

    pub(super) fn batch_odd(&self, fault: BatchFault) -> u64 {
        counted(self.batch_findings.at(fault))
    }

    /// Counts a message that was judged by the link's profile, by how many notes, warnings, errors and rejects it has.
    pub fn judged(&self, counts: [u32; 4]) {
        for (level, count) in FindingLevel::ALL.iter().zip(counts) {
            self.findings.at(*level).inc_by(u64::from(count));
        }
        let result = match counts {
            [0, 0, 0, 0] => Conformance::Clean,
            [_, 0, 0, 0] => Conformance::Noted,
            [_, _, 0, 0] => Conformance::Warned,
            _ => Conformance::Refused,
        };
        self.conformance.at(result).inc();
    }

    /// Counts bytes taken off the wire, whatever they are.
    pub fn bytes(&self, count: usize) {
        self.bytes.inc_by(count as u64);
    }

    /// Bytes taken off the wire so far.
    pub fn bytes_received(&self) -> u64 {
        self.bytes.get()
    }

    /// Counts something of the link layer.
    pub fn happened(&self, event: LinkEvent) {
        self.link_events.at(event).inc();
    }

    /// Counts a complete message by its MSH-9.
    pub fn received(&self, now: Timestamp, code: &str, trigger: &str) {
        self.last_message.set(unix_seconds(now));
        let known = self.types.iter().find(|(pattern, _)| {
            pattern.code.as_deref() == Some(code) && pattern.trigger.as_deref().is_none_or(|known| known == trigger)
        });
        known.map_or(&self.other_types, |(_, counter)| counter).inc();
    }

    /// Counts an acknowledgement that was sent, `took` after the last byte of its message.
    pub fn acked(&self, code: AckCode, took: Duration) {
        self.acks.at(code).inc();
        self.ack_duration.observe(took.as_secs_f64());
    }

    /// Counts an application acknowledgement that was due over a connection and did not leave.
    pub fn application_ack_undelivered(&self) {
        self.application_acks_undelivered.inc();
    }

    /// Counts a peer that connected.
    pub fn connected(&self) {
        self.connections.inc();
    }

    /// Counts a peer that left.
    pub fn disconnected(&self) {
        self.connections.dec();
    }

    /// Peers connected now.
    pub fn connections(&self) -> i64 {
        self.connections.get()
    }

    /// When the last complete message came since the start.
    #[expect(clippy::cast_possible_truncation, reason = "a time in milliseconds, far below the range")]
    pub fn last_message(&self) -> Option<Timestamp> {
        let seconds = self.last_message.get();
        (seconds > 0.0).then_some(Timestamp((seconds * 1000.0).round() as i64))
    }

    /// Whether the link can pass messages.
    pub fn is_up(&self) -> bool {
        self.up.get() == 1
    }

    pub(super) fn accept_failed(&self) -> u64 {
        counted(self.refused.at(Refusal::Accept))
    }

    pub(super) fn peer_lost(&self) -> u64 {
        counted(&self.lost)
    }

    pub(super) fn set_up(&self, up: bool) {
        self.up.set(i64::from(up));
    }

    pub(super) fn reconnected(&self) {
        self.reconnects.inc();
    }

    pub(super) fn refused(&self, why: Refusal) -> u64 {
        counted(self.refused.at(why))
    }

    pub(super) fn frame_error(&self, fault: FrameFault) -> u64 {
        counted(self.frame_errors.at(fault))
    }

    pub(super) fn control_id_reused(&self) -> u64 {
        counted(&self.control_id_reuses)
    }
}

/// Makes a counter per message type that is named in the configuration, the precise ones first.
fn known_types(patterns: &[&TypePattern], received: impl Fn(&str) -> IntCounter) -> Vec<(TypePattern, IntCounter)> {
    let mut types: Vec<(TypePattern, IntCounter)> = Vec::new();
    for pattern in patterns {
        let Some(code) = &pattern.code else { continue };
        if types.iter().any(|(known, _)| known == *pattern) {
            continue;
        }
        let text = pattern.trigger.as_ref().map_or_else(|| code.clone(), |trigger| format!("{code}^{trigger}"));
        types.push(((*pattern).clone(), received(&text)));
    }
    types.sort_by_key(|(pattern, _)| pattern.trigger.is_none());
    types
}

/// Metrics of one flow.
#[derive(Debug)]
pub struct FlowMeter {
    pub(super) name: Name,
    target: Duration,
    processed: PerLabel<IntCounter>,
    errors: PerLabel<IntCounter>,
    lost: PerLabel<IntCounter>,
    on_time: IntCounter,
    delivery_duration: Histogram,
    dead_letters: IntGauge,
    held: IntGauge,
}

impl FlowMeter {
    /// The pseudo flow of messages that no flow takes.
    pub(super) const UNROUTED: &'static str = "none";

    pub(super) fn of(families: &Catalogue, flow: &settings::Flow) -> Self {
        let pattern = match flow.pattern {
            Pattern::Event => "event",
        };
        let facts = [flow.name.as_str(), pattern, flow.owner.as_str(), flow.department.as_str(), flow.priority.text()];
        families.flow_info.with_label_values(&facts).set(1);
        families.flow_latency_target_seconds.with_label_values(&[flow.name.as_str()]).set(flow.target.as_secs_f64());
        Self::new(families, flow.name.clone(), flow.target)
    }

    pub(super) fn new(families: &Catalogue, name: Name, target: Duration) -> Self {
        let flow = name.as_str();
        Self {
            target,
            processed: PerLabel::new::<Ending>(|outcome| {
                families.messages_processed_total.with_label_values(&[flow, outcome])
            }),
            errors: PerLabel::new::<Stage>(|stage| families.message_errors_total.with_label_values(&[flow, stage])),
            lost: PerLabel::new::<Loss>(|reason| families.messages_lost_total.with_label_values(&[flow, reason])),
            on_time: families.messages_on_time_total.with_label_values(&[flow]),
            delivery_duration: families.message_delivery_duration_seconds.with_label_values(&[flow]),
            dead_letters: families.dead_letter_messages.with_label_values(&[flow]),
            held: families.held_messages.with_label_values(&[flow]),
            name,
        }
    }

    /// Counts a message that the destination confirmed, `took` after its last byte came in.
    pub fn delivered(&self, took: Duration) {
        self.ended(Ending::Delivered);
        self.delivery_duration.observe(took.as_secs_f64());
        if took <= self.target {
            self.on_time.inc();
        }
    }

    /// Counts a message that reached another final state. Dead letters and quarantine are told as a signal.
    pub fn ended(&self, ending: Ending) {
        self.processed.at(ending).inc();
    }

    /// Counts an error met while processing.
    pub fn error(&self, stage: Stage) {
        self.errors.at(stage).inc();
    }

    /// Says how many messages are set aside for a person.
    pub fn dead_letters(&self, count: u64) {
        self.dead_letters.set(gauge(count));
    }

    /// Says how many messages wait for a person's decision.
    pub fn held(&self, count: u64) {
        self.held.set(gauge(count));
    }

    pub(super) fn lost(&self, reason: Loss, count: u64) {
        self.lost.at(reason).inc_by(count);
    }
}

/// Metrics of one destination.
#[derive(Debug)]
pub struct DestinationMeter {
    pub(super) name: Name,
    queue: PerLabel<IntGauge>,
    oldest: Gauge,
    up: IntGauge,
    attempts: PerLabel<IntCounter>,
    exchange_faults: Option<PerLabel<IntCounter>>,
    breaker_opens: IntCounter,
    switches: IntCounter,
    preferred: IntGauge,
    stopped: IntGauge,
}

impl DestinationMeter {
    pub(super) fn new(families: &Catalogue, destination: &settings::Destination) -> Self {
        let name = [destination.name.as_str()];
        let kind = destination.kind.as_str();
        families.interface_info.with_label_values(&[destination.name.as_str(), kind, "out"]).set(1);
        let preferred = families.destination_preferred.with_label_values(&name);
        preferred.set(1);
        Self {
            queue: PerLabel::new::<Priority>(|priority| {
                families.queue_messages.with_label_values(&[destination.name.as_str(), priority])
            }),
            oldest: families.queue_oldest_message_age_seconds.with_label_values(&name),
            up: families.destination_up.with_label_values(&name),
            attempts: PerLabel::new::<AttemptResult>(|result| {
                families.delivery_attempts_total.with_label_values(&[destination.name.as_str(), result])
            }),
            exchange_faults: (kind == "mllp").then(|| {
                PerLabel::new::<ExchangeFault>(|fault| {
                    families.destination_exchange_faults_total.with_label_values(&[destination.name.as_str(), fault])
                })
            }),
            breaker_opens: families.destination_breaker_opens_total.with_label_values(&name),
            switches: families.destination_switches_total.with_label_values(&name),
            preferred,
            stopped: families.destination_stopped.with_label_values(&name),
            name: destination.name.clone(),
        }
    }

    /// Counts an attempt; `up` says whether the destination answered as it should.
    pub fn attempted(&self, result: AttemptResult, up: bool) {
        self.attempts.at(result).inc();
        self.up.set(i64::from(up));
    }

    /// Says how many messages of a priority wait.
    pub fn waiting(&self, priority: Priority, count: u64) {
        self.queue.at(priority).set(gauge(count));
    }

    /// Says how old the oldest waiting message is; zero when none waits.
    pub fn oldest(&self, age: Duration) {
        self.oldest.set(age.as_secs_f64());
    }

    pub(super) fn exchange_failed(&self, fault: ExchangeFault) {
        if let Some(faults) = &self.exchange_faults {
            faults.at(fault).inc();
        }
    }

    pub(super) fn breaker_opened(&self) {
        self.breaker_opens.inc();
    }

    pub(super) fn switched(&self, to: usize) {
        self.switches.inc();
        self.preferred.set(i64::from(to == 0));
    }

    pub(super) fn set_stopped(&self, stopped: bool) {
        self.stopped.set(i64::from(stopped));
    }
}

/// Metrics of the store.
#[derive(Debug)]
pub struct StoreMeter {
    size: IntGauge,
    disk_free: IntGauge,
    levels: PerLabel<IntGauge>,
    commit_duration: Histogram,
    errors: PerLabel<IntCounter>,
    integrity_ok: IntGauge,
}

impl StoreMeter {
    pub(super) fn new(families: &Catalogue, store: &settings::Store) -> Self {
        families.store_limit_bytes.set(gauge(store.limit.0));
        families.store_integrity_ok.set(1);
        let meter = Self {
            size: families.store_size_bytes.clone(),
            disk_free: families.store_disk_free_bytes.clone(),
            levels: PerLabel::new::<StoreLevel>(|level| families.store_level.with_label_values(&[level])),
            commit_duration: families.store_commit_duration_seconds.clone(),
            errors: PerLabel::new::<StoreOperation>(|operation| {
                families.store_errors_total.with_label_values(&[operation])
            }),
            integrity_ok: families.store_integrity_ok.clone(),
        };
        meter.set_level(StoreLevel::Normal);
        meter
    }

    /// Counts one durable commit of a batch of messages.
    pub fn committed(&self, took: Duration) {
        self.commit_duration.observe(took.as_secs_f64());
    }

    /// Says how large the store is and what is left on its disk.
    pub fn size(&self, size: ByteCount, disk_free: ByteCount) {
        self.size.set(gauge(size.0));
        self.disk_free.set(gauge(disk_free.0));
    }

    pub(super) fn set_level(&self, level: StoreLevel) {
        for gauge in self.levels.all() {
            gauge.set(0);
        }
        self.levels.at(level).set(1);
    }

    pub(super) fn error(&self, operation: StoreOperation) -> u64 {
        counted(self.errors.at(operation))
    }

    pub(super) fn set_integrity(&self, ok: bool) {
        self.integrity_ok.set(i64::from(ok));
    }
}

/// Counts one and says how many there were, for [`super::signal`] to judge whether it is worth a log line.
fn counted(counter: &IntCounter) -> u64 {
    counter.inc();
    counter.get()
}

fn gauge(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Unix time in seconds, as Prometheus wants it.
#[expect(clippy::cast_precision_loss, reason = "a double holds milliseconds exactly for 285,000 years")]
pub(super) fn unix_seconds(time: Timestamp) -> f64 {
    time.0 as f64 / 1000.0
}
