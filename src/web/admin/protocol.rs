//! What commands ask the daemon, and what it answers: one line of JSON each way.
//!
//! The answers are what `--json` prints, so their fields are kept: new ones may come, none goes or changes its meaning. Times
//! are UTC, durations seconds, sizes bytes. Nothing here holds patient data but [`Shown`], and that only if it says so.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    hl7::show::Layout,
    store::listing::{AsideRow, AuditRow, FlowRow, MessageRow, QueueRow, ScrapRow},
    units::{Timestamp, limits},
};

pub mod maps;

/// Why something is done, and for whom: goes into the audit chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Purpose {
    /// Why.
    pub reason: String,
    /// Who asked for it, where that is not who runs the command.
    pub by: Option<String>,
}

impl Purpose {
    /// What keeps it from standing in the audit chain.
    pub fn fault(&self) -> Option<String> {
        if self.reason.trim().is_empty() {
            return Some("the reason is empty; say why in a few words, without patient data".to_owned());
        }
        for (what, text) in [("reason", Some(&self.reason)), ("name", self.by.as_ref())] {
            let Some(text) = text else { continue };
            if text.chars().count() > limits::REASON_CHARACTERS_MAX {
                return Some(format!("the {what} is longer than {} characters", limits::REASON_CHARACTERS_MAX));
            }
            if text.chars().any(char::is_control) {
                return Some(format!("the {what} has control characters"));
            }
        }
        None
    }
}

/// Which part of what was set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Heap {
    /// Refused for good by a destination.
    Dead,
    /// Waiting for a person, or not understood.
    Held,
}

/// What a command asks for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// How the box is: [`Status`].
    Status,
    /// Where the messages of each flow stand: [`Flows`].
    Flows,
    /// What waits: [`Queues`].
    Queue {
        /// Only for this destination.
        destination: Option<String>,
        /// At most this many entries.
        limit: usize,
    },
    /// Messages, newest first: [`crate::store::listing::MessagePage`].
    Messages {
        /// Only those of this flow.
        flow: Option<String>,
        /// Only those before this one.
        before: Option<i64>,
        /// At most this many.
        limit: usize,
    },
    /// One message: [`Shown`].
    Message {
        /// Which.
        id: i64,
        /// Shows patient data, and why.
        reveal: Option<Purpose>,
    },
    /// What was set aside, oldest first: [`Asides`].
    Asides {
        /// Which part.
        heap: Heap,
        /// Only of this flow.
        flow: Option<String>,
        /// Only those after this number.
        after: i64,
        /// At most this many.
        limit: usize,
    },
    /// One entry of what was set aside, with its message: [`Shown`].
    Aside {
        /// Which part.
        heap: Heap,
        /// Which.
        id: i64,
        /// Shows patient data, and why.
        reveal: Option<Purpose>,
    },
    /// Bytes that were no messages: [`Scraps`].
    Scraps {
        /// At most this many.
        limit: usize,
    },
    /// One of those: [`ScrapShown`].
    Scrap {
        /// Which.
        id: i64,
        /// Shows the bytes, and why.
        reveal: Option<Purpose>,
    },
    /// Sends delivered messages again, with the same delivery key: [`Report`].
    Repeat {
        /// Which messages.
        ids: Vec<i64>,
        /// Only for this flow.
        flow: Option<String>,
        /// Why.
        purpose: Purpose,
    },
    /// Puts dead letters back into their queues: [`Report`].
    Resend {
        /// Which entries.
        ids: Vec<i64>,
        /// Why.
        purpose: Purpose,
    },
    /// Reads messages set aside again and queues those that their flow now takes: [`Report`].
    Release {
        /// Which entries.
        ids: Vec<i64>,
        /// Why.
        purpose: Purpose,
    },
    /// Drops entries from what was set aside: [`Report`].
    Discard {
        /// Which part.
        heap: Heap,
        /// Which entries.
        ids: Vec<i64>,
        /// Why.
        purpose: Purpose,
    },
    /// The newest entries of the audit chain: [`Audit`].
    Audit {
        /// At most this many.
        limit: usize,
    },
    /// Verifies the audit chain: [`crate::store::AuditCheck`].
    VerifyAudit,
    /// The maps, and which flows use them: [`maps::Maps`].
    Maps,
    /// Which of the newest messages two maps translate otherwise: [`maps::MapDiff`].
    MapDiff {
        /// One map, as `transport@1`.
        before: String,
        /// The other.
        after: String,
        /// How many of the newest messages are looked at.
        last: usize,
    },
    /// A random sample of what a map passed in the last month: [`maps::MapAudit`].
    MapAudit {
        /// The map, as `transport@1`.
        map: String,
        /// How many.
        sample: usize,
        /// Which sample: what an earlier answer gave.
        seed: Option<String>,
        /// Shows patient data, and why.
        reveal: Option<Purpose>,
    },
    /// Makes the flows of a map use this version from now on: [`maps::MapChanges`].
    MapPromote {
        /// The map, as `transport@2`.
        map: String,
        /// Why.
        purpose: Purpose,
    },
    /// Takes the newest promotion of a map back: [`maps::MapChanges`].
    MapRollback {
        /// The map's name.
        map: String,
        /// Why.
        purpose: Purpose,
    },
    /// Codes of messages set aside that no table lists: [`maps::UnmappedCodes`].
    MapUnmapped,
    /// What passes over a link from now on: an empty [`Response::Ok`], and then a [`TapEvent`] on each line, until the time is
    /// over or the client closes its half of the connection.
    Tap {
        /// The link.
        link: String,
        /// For how long; at most an hour.
        seconds: Option<u64>,
        /// Shows the text as it is, and why.
        reveal: Option<Purpose>,
    },
}

/// The daemon's line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Response {
    /// What was asked for.
    Ok(Value),
    /// Why not.
    Error(Refusal),
}

/// Why the daemon does not do something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Whose fault it is.
    pub kind: RefusalKind,
    /// What is wrong and what to do, without patient data.
    pub message: String,
}

impl Refusal {
    /// Makes a refusal.
    pub fn new(kind: RefusalKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

/// Something that happened on a link that is watched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TapEvent {
    /// When.
    pub at: Timestamp,
    /// On which of the link's streams, counted from the start; 0 for what is about the watching.
    pub stream: u64,
    /// `in`, `out`, `opened`, `closed`, `frame`, `noise`, `link_layer`, `answered`, `missed` or `end`.
    pub what: String,
    /// How many bytes, or events that were missed.
    pub count: u64,
    /// The bytes, masked unless that was asked otherwise; or the cause.
    pub text: String,
}

/// Whose fault a refusal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalKind {
    /// The request makes no sense.
    BadRequest,
    /// There is no such thing.
    NotFound,
    /// This user may not.
    NotAllowed,
    /// Not now.
    Busy,
    /// The daemon failed at it.
    Failed,
}

/// How the box is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// The site.
    pub site: String,
    /// The box.
    pub node: String,
    /// The program's version.
    pub version: String,
    /// When the daemon started.
    pub started_at: Timestamp,
    /// When this was asked.
    pub now: Timestamp,
    /// How long it has been running.
    pub uptime_seconds: u64,
    /// Where the metrics are served.
    pub metrics: Option<SocketAddr>,
    /// Where messages come from.
    pub links: Vec<LinkStatus>,
    /// Where they go.
    pub destinations: Vec<DestinationStatus>,
    /// The store.
    pub store: StoreStatus,
    /// What waits for a person.
    pub set_aside: SetAside,
    /// Whether every received message is accounted for (INV-02).
    pub balanced: bool,
    /// What is wrong or should be looked at.
    pub problems: Vec<Problem>,
    /// Whether nothing is wrong.
    pub healthy: bool,
}

/// How a link is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LinkStatus {
    /// Its name.
    pub name: String,
    /// `mllp` or `serial`.
    pub kind: String,
    /// Where it listens, or its port.
    pub at: String,
    /// Whether it can pass messages.
    pub up: bool,
    /// Peers connected now.
    pub connections: i64,
    /// When its last complete message came since the start.
    pub last_message_at: Option<Timestamp>,
}

/// How a destination is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DestinationStatus {
    /// Its name.
    pub name: String,
    /// `http` or `fhir`.
    pub kind: String,
    /// `up`, `down`, `stopped`, or `unknown` before the first delivery.
    pub state: String,
    /// The endpoint in use.
    pub endpoint: String,
    /// Whether that is the preferred one.
    pub preferred: bool,
    /// Breaker of the endpoint in use: `closed`, `half_open` or `open`.
    pub breaker: String,
    /// Deliveries in flight.
    pub in_flight: u64,
    /// Deliveries waiting, by lane.
    pub waiting: Waiting,
    /// Since when the oldest of them waits.
    pub oldest_at: Option<Timestamp>,
    /// How long that is.
    pub oldest_age_seconds: u64,
}

/// Deliveries waiting, by lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// Together.
    pub total: u64,
    /// Now.
    pub stat: u64,
    /// Soon.
    pub urgent: u64,
    /// In order.
    pub routine: u64,
}

/// How the store is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StoreStatus {
    /// `normal`, `warn`, `shed` or `refuse`.
    pub level: String,
    /// Bytes in use.
    pub used_bytes: u64,
    /// Its limit.
    pub limit_bytes: u64,
    /// Free bytes of its disk.
    pub disk_free_bytes: u64,
    /// Bytes of its write-ahead log.
    pub log_bytes: u64,
    /// Operations that failed since the start.
    pub failures: u64,
    /// Whether the integrity check found damage.
    pub damaged: bool,
}

/// What waits for a person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetAside {
    /// Refused for good by a destination.
    pub dead_letter: u64,
    /// To be completed or decided.
    pub held: u64,
    /// Not understood.
    pub quarantined: u64,
}

/// Something that is wrong or should be looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// What it is.
    pub what: String,
    /// What to do.
    pub advice: String,
}

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Messages are refused, do not arrive, or are at risk.
    Error,
    /// A person should look, nothing is lost.
    Warning,
}

/// Where the messages of each flow stand.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Flows {
    /// The flows.
    pub flows: Vec<FlowRow>,
    /// Whether every received message is accounted for (INV-02).
    pub balanced: bool,
}

/// What waits.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Queues {
    /// Deliveries waiting for the destinations asked for.
    pub total: u64,
    /// The first of them, in the order in which they leave.
    pub entries: Vec<QueueRow>,
}

/// What was set aside.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Asides {
    /// How many there are.
    pub total: u64,
    /// The oldest of them.
    pub entries: Vec<AsideRow>,
}

/// Bytes that were no messages.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Scraps {
    /// The newest of them.
    pub entries: Vec<ScrapRow>,
}

/// The audit chain's newest entries.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Audit {
    /// Newest first.
    pub entries: Vec<AuditRow>,
}

/// A message for people.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Shown {
    /// What it is and what became of it.
    pub message: MessageRow,
    /// The entry that was asked for, where one was.
    pub aside: Option<AsideRow>,
    /// Whether patient data is shown.
    pub revealed: bool,
    /// The message, segment by segment; none where it is no HL7 message.
    pub layout: Option<Layout>,
    /// Why it is no HL7 message.
    pub fault: Option<String>,
    /// The beginning of its bytes, where it is no HL7 message and was revealed.
    pub raw: Option<String>,
    /// The beginning of the destination's answer, where one was asked for and revealed.
    pub response: Option<String>,
}

/// Bytes that were no message, for people.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ScrapShown {
    /// What is known of them.
    pub scrap: ScrapRow,
    /// The bytes that were kept, where they were revealed.
    pub raw: Option<String>,
}

/// What came of an order about several things.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// How many were done.
    pub done: usize,
    /// How many were not.
    pub failed: usize,
    /// Each of them.
    pub results: Vec<Done>,
}

/// What came of an order about one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// The message or entry.
    pub id: i64,
    /// Whether it was done.
    pub done: bool,
    /// What was done, or why it was not.
    pub note: String,
}
