//! The one list of metrics: every name, its help, its labels and its buckets.
//!
//! Names follow the Prometheus conventions (`gurney_<noun>_<unit>[_total]`, base units). Nothing outside this file
//! names a metric. Families are vectors; their children are made once, in `meters`.

use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    process_collector::ProcessCollector,
};

use super::labels::Label;

/// Buckets of end-to-end delivery, in seconds.
const DELIVERY_BUCKETS: [f64; 16] =
    [0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0, 14400.0];

/// Buckets of acknowledgement, stage and commit, in seconds.
const STEP_BUCKETS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];

macro_rules! catalogue {
    ($($field:ident: $type:ident = $name:literal, [$($label:literal),*], $help:literal $(, $buckets:ident)?;)+) => {
        /// Every metric family.
        #[derive(Debug)]
        pub(super) struct Catalogue {
            $(pub(super) $field: $type,)+
            registry: Registry,
        }

        impl Catalogue {
            /// Makes and registers every family.
            pub(super) fn new() -> Result<Self, prometheus::Error> {
                let registry = Registry::new();
                $(let $field = make!($type, $name, $help, [$($label),*] $(, $buckets)?)?;
                registry.register(Box::new(Clone::clone(&$field)))?;)+
                registry.register(Box::new(ProcessCollector::for_self()))?;
                Ok(Self { $($field,)+ registry })
            }
        }
    };
}

macro_rules! make {
    (HistogramVec, $name:literal, $help:literal, [$($label:literal),*], $buckets:ident) => {
        HistogramVec::new(HistogramOpts::new($name, $help).buckets($buckets.to_vec()), &[$($label),*])
    };
    (Histogram, $name:literal, $help:literal, [], $buckets:ident) => {
        Histogram::with_opts(HistogramOpts::new($name, $help).buckets($buckets.to_vec()))
    };
    ($type:ident, $name:literal, $help:literal, []) => {
        $type::with_opts(Opts::new($name, $help))
    };
    ($type:ident, $name:literal, $help:literal, [$($label:literal),+]) => {
        $type::new(Opts::new($name, $help), &[$($label),+])
    };
}

catalogue! {
    build_info: IntGaugeVec = "gurney_build_info", ["version", "revision", "schema"],
        "Build version of the running gateway; always 1.";
    config_last_reload_successful: IntGauge = "gurney_config_last_reload_successful", [],
        "Whether the last configuration load succeeded (1) or was rejected (0).";
    config_last_reload_success_timestamp_seconds: Gauge = "gurney_config_last_reload_success_timestamp_seconds", [],
        "Unix time of the last successful configuration load.";

    interface_info: IntGaugeVec = "gurney_interface_info", ["interface", "kind", "direction"],
        "Kind and direction of each interface; always 1.";
    interface_up: IntGaugeVec = "gurney_interface_up", ["interface"],
        "Whether the interface is connected and able to pass messages.";
    interface_enabled: IntGaugeVec = "gurney_interface_enabled", ["interface"],
        "Whether the interface is meant to be running (0 while disabled or in maintenance).";
    interface_connections: IntGaugeVec = "gurney_interface_connections", ["interface"],
        "Open peer connections.";
    interface_connections_refused_total: IntCounterVec =
        "gurney_interface_connections_refused_total", ["interface", "reason"],
        "Peer connections that were not let in.";
    interface_connections_lost_total: IntCounterVec = "gurney_interface_connections_lost_total", ["interface"],
        "Peer connections that ended other than by the peer closing them.";
    interface_reconnects_total: IntCounterVec = "gurney_interface_reconnects_total", ["interface"],
        "Reconnections after a lost or refused connection.";
    interface_last_message_timestamp_seconds: GaugeVec =
        "gurney_interface_last_message_timestamp_seconds", ["interface"],
        "Unix time of the last complete message on the interface; 0 before the first.";
    interface_frame_errors_total: IntCounterVec = "gurney_interface_frame_errors_total", ["interface", "kind"],
        "Frames rejected below the message layer.";
    interface_link_events_total: IntCounterVec = "gurney_interface_link_events_total", ["interface", "event"],
        "What happened on the link layer below frames: refusals, repeats, contention.";
    interface_received_bytes_total: IntCounterVec = "gurney_interface_received_bytes_total", ["interface"],
        "Bytes received from peers.";

    serial_errors_total: IntCounterVec = "gurney_serial_errors_total", ["interface", "kind"],
        "Parity and framing errors, overruns and breaks on a serial line.";
    serial_stalls_total: IntCounterVec = "gurney_serial_stalls_total", ["interface"],
        "Answers given up because the device took no byte of them; the port is then opened anew.";
    serial_last_byte_timestamp_seconds: GaugeVec = "gurney_serial_last_byte_timestamp_seconds", ["interface"],
        "Unix time of the last byte on a serial line, message or not; 0 before the first.";
    serial_silent: IntGaugeVec = "gurney_serial_silent", ["interface"],
        "Whether a serial line has been without a byte for longer than its setting (1) or not (0).";

    messages_received_total: IntCounterVec = "gurney_messages_received_total", ["interface", "type"],
        "Complete messages taken in.";
    message_acks_total: IntCounterVec = "gurney_message_acks_total", ["interface", "code"],
        "Acknowledgements returned to the sender.";
    application_acks_undelivered_total: IntCounterVec =
        "gurney_application_acks_undelivered_total", ["interface"],
        "Application acknowledgements that were due over a connection and did not leave: it had ended, or the wait had.";
    message_control_id_reuses_total: IntCounterVec = "gurney_message_control_id_reuses_total", ["interface"],
        "Messages whose control id had been used before for other content.";
    charset_fallbacks_total: IntCounterVec = "gurney_charset_fallbacks_total", ["interface", "reason"],
        "Messages whose character set was guessed.";
    batch_findings_total: IntCounterVec = "gurney_batch_findings_total", ["interface", "kind"],
        "Batches whose envelope contradicts its content; no message is lost by it.";
    conformance_messages_total: IntCounterVec = "gurney_conformance_messages_total", ["interface", "result"],
        "Messages judged by the profile of their interface.";
    conformance_findings_total: IntCounterVec = "gurney_conformance_findings_total", ["interface", "severity"],
        "Findings about messages judged by the profile of their interface.";
    message_ack_duration_seconds: HistogramVec = "gurney_message_ack_duration_seconds", ["interface"],
        "Time from last byte received to acknowledgement sent.", STEP_BUCKETS;

    flow_info: IntGaugeVec = "gurney_flow_info", ["flow", "pattern", "owner", "department", "criticality"],
        "Governance facts of each flow; always 1.";
    flow_latency_target_seconds: GaugeVec = "gurney_flow_latency_target_seconds", ["flow"],
        "Agreed latency target of each flow.";
    messages_processed_total: IntCounterVec = "gurney_messages_processed_total", ["flow", "outcome"],
        "Messages that reached a final state.";
    message_errors_total: IntCounterVec = "gurney_message_errors_total", ["flow", "stage"],
        "Errors met while processing, retried or not.";
    messages_lost_total: IntCounterVec = "gurney_messages_lost_total", ["flow", "reason"],
        "Messages dropped without a final state; must stay 0.";
    messages_on_time_total: IntCounterVec = "gurney_messages_on_time_total", ["flow"],
        "Messages delivered within the latency target of their flow.";
    message_delivery_duration_seconds: HistogramVec = "gurney_message_delivery_duration_seconds", ["flow"],
        "Time from last byte received to confirmation by the destination.", DELIVERY_BUCKETS;
    message_stage_duration_seconds: HistogramVec = "gurney_message_stage_duration_seconds", ["stage"],
        "Time spent in one processing stage.", STEP_BUCKETS;
    held_messages: IntGaugeVec = "gurney_held_messages", ["flow"],
        "Messages held for a person's decision.";
    dead_letter_messages: IntGaugeVec = "gurney_dead_letter_messages", ["flow"],
        "Messages set aside for a person.";

    queue_messages: IntGaugeVec = "gurney_queue_messages", ["destination", "priority"],
        "Messages waiting for a destination.";
    queue_oldest_message_age_seconds: GaugeVec = "gurney_queue_oldest_message_age_seconds", ["destination"],
        "Age of the oldest waiting message; 0 when the queue is empty.";
    destination_up: IntGaugeVec = "gurney_destination_up", ["destination"],
        "Whether the destination accepted its last delivery or probe.";
    delivery_attempts_total: IntCounterVec = "gurney_delivery_attempts_total", ["destination", "result"],
        "Delivery attempts.";
    destination_exchange_faults_total: IntCounterVec =
        "gurney_destination_exchange_faults_total", ["destination", "fault"],
        "Exchanges with an HL7 receiver that went wrong; none of them counted as a delivery.";
    destination_breaker_opens_total: IntCounterVec = "gurney_destination_breaker_opens_total", ["destination"],
        "Times an endpoint of the destination failed so often in a row that deliveries to it stopped.";
    destination_switches_total: IntCounterVec = "gurney_destination_switches_total", ["destination"],
        "Changes of the endpoint in use.";
    destination_preferred: IntGaugeVec = "gurney_destination_preferred", ["destination"],
        "Whether the preferred endpoint is in use (1) or a replacement (0).";
    destination_stopped: IntGaugeVec = "gurney_destination_stopped", ["destination"],
        "Whether deliveries stopped at a refusal until a person decides (1) or not (0).";

    store_size_bytes: IntGauge = "gurney_store_size_bytes", [],
        "Size of the message store.";
    store_limit_bytes: IntGauge = "gurney_store_limit_bytes", [],
        "Largest size the message store may reach.";
    store_disk_free_bytes: IntGauge = "gurney_store_disk_free_bytes", [],
        "Free space on the file system of the message store.";
    store_level: IntGaugeVec = "gurney_store_level", ["level"],
        "How full the store is (1 for the current level, 0 for the others).";
    store_commit_duration_seconds: Histogram = "gurney_store_commit_duration_seconds", [],
        "Time to commit a message durably.", STEP_BUCKETS;
    store_errors_total: IntCounterVec = "gurney_store_errors_total", ["operation"],
        "Failed store operations.";
    store_integrity_ok: IntGauge = "gurney_store_integrity_ok", [],
        "Result of the last integrity check (1 good, 0 bad).";

    mapping_info: IntGaugeVec = "gurney_mapping_info", ["mapping", "version"],
        "Mapping version in use; always 1.";
    mapping_unmapped_codes_total: IntCounterVec = "gurney_mapping_unmapped_codes_total", ["mapping"],
        "Codes for which no mapping was found.";
    mapping_review_due_timestamp_seconds: GaugeVec = "gurney_mapping_review_due_timestamp_seconds", ["mapping"],
        "Unix time by which the mapping must be reviewed.";
    terminology_unmapped_codes_total: IntCounterVec = "gurney_terminology_unmapped_codes_total", ["table"],
        "Codes that were looked up in a code table, must be listed and are not.";
    job_findings_total: IntCounterVec = "gurney_job_findings_total", ["finding"],
        "What was noticed about jobs when messages were decided.";
}

impl Catalogue {
    /// The registry, for scraping.
    pub(super) fn registry(&self) -> &Registry {
        &self.registry
    }
}

/// Pre-made children of a family, one per value of a closed label: finding one is an index, not a hash.
#[derive(Debug)]
pub(super) struct PerLabel<M>(Vec<M>);

impl<M> PerLabel<M> {
    pub(super) fn new<L: Label>(child: impl FnMut(&'static str) -> M) -> Self {
        Self(L::ALL.iter().map(|label| label.text()).map(child).collect())
    }

    #[expect(clippy::expect_used, reason = "new made one child per label")]
    pub(super) fn at<L: Label>(&self, label: L) -> &M {
        self.0.get(label.place()).expect("one child per label")
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &M> {
        self.0.iter()
    }
}

/// How many series a scrape returns, histograms counted by bucket.
pub(super) fn series(registry: &Registry) -> usize {
    let size =
        |metric: &prometheus::proto::Metric, family: &prometheus::proto::MetricFamily| match family.get_field_type() {
            prometheus::proto::MetricType::HISTOGRAM => metric.get_histogram().get_bucket().len() + 3,
            _ => 1,
        };
    registry
        .gather()
        .iter()
        .map(|family| family.get_metric().iter().map(|metric| size(metric, family)).sum::<usize>())
        .sum()
}
