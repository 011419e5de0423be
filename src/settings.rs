//! Typed, checked configuration.
//!
//! [`Settings`] is what the rest of the product sees: every name resolved, every value in range. [`read()`] makes it
//! from TOML of version 1, or says everything that is wrong; [`schema()`] is the same format as JSON Schema. Secrets
//! are names of credentials or paths to files, never values. Text goes in, settings or faults come out.
//! Does not look whether files, devices and peers exist.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use crate::{
    ids::Name,
    units::{ByteCount, Timestamp},
    wire::{hllp, lis01, mllp, text},
};

mod answering;
mod change;
mod complaint;
mod dialed;
mod ends;
mod fault;
mod fields;
mod form;
mod inbound;
mod keys;
mod merge;
mod place;
mod read;
mod schema;
mod secrets;
mod serial;
mod suggest;
#[cfg(test)]
mod tests;
mod use_case;
mod words;

pub use answering::{AckAfter, Answering, ApplicationAck, Sequence, Unrouted};
pub use change::{Change, change};
pub use dialed::{MllpClient, Redial, TerminalServer};
pub use fault::{Fault, Faults, Location, Paint, Severity};
pub use inbound::{AcceptedContent, FolderWatch, HttpServer, Taken};
pub use read::{read, read_serial};
pub use schema::schema;
pub use serial::{Carrier, Duplex};
pub use use_case::{BUILTIN_USE_CASES, CatalogueId, Measure, UseCase, use_cases};

/// What the configuration is checked against.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// Maps that are installed: name and version.
    pub maps: &'a [(&'a str, u32)],
    /// Conformance profiles that are installed: name and version.
    pub profiles: &'a [(&'a str, u32)],
    /// Dialects that are installed: name and version.
    pub dialects: &'a [(&'a str, u32)],
    /// Use cases that are documented.
    pub use_cases: &'a [UseCase],
    /// Maps whose review is overdue: name, version, and by how many days.
    pub overdue: &'a [(&'a str, u32, i64)],
    /// The time of the check: accepted risks end.
    pub now: Timestamp,
}

impl Known<'_> {
    /// Nothing is installed.
    pub const fn nothing(now: Timestamp) -> Self {
        Self { maps: &[], profiles: &[], dialects: &[], use_cases: &[], overdue: &[], now }
    }
}

/// A configuration that Gurney starts with.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The settings.
    pub settings: Settings,
    /// What a person should look at.
    pub warnings: Vec<Fault>,
}

/// A whole site, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The site's name: part of every derived identity, so it is never changed after go-live.
    pub site: String,
    /// This box.
    pub node: String,
    /// IANA time zone of senders that give no offset.
    pub zone: String,
    /// Folder with further maps and terminology, beside the built-in ones.
    pub maps: Option<PathBuf>,
    /// Folder with further conformance profiles, beside the built-in ones.
    pub profiles: Option<PathBuf>,
    /// Folder with further dialects, beside the built-in ones.
    pub dialects: Option<PathBuf>,
    /// Folder with further use cases, beside the built-in ones.
    pub use_cases: Option<PathBuf>,
    /// The store.
    pub store: Store,
    /// Where messages come from.
    pub links: Vec<Link>,
    /// Where they go.
    pub destinations: Vec<Destination>,
    /// What happens to which message, in the order of the configuration.
    pub flows: Vec<Flow>,
    /// Listener for metrics and health.
    pub metrics: Option<SocketAddr>,
    /// Listener for the console.
    pub console: Option<SocketAddr>,
}

/// Where a secret or certificate comes from: never the value itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretRef {
    /// A file.
    File(PathBuf),
    /// A systemd credential: a file of this name in `$CREDENTIALS_DIRECTORY`.
    Credential(String),
}

/// The encrypted store.
#[derive(Clone, Debug)]
pub struct Store {
    /// Folder that holds `store.db`, the ballast and `admin.sock`.
    pub path: PathBuf,
    /// Where the 256-bit key comes from.
    pub key: SecretRef,
    /// Largest size of the database and its log together.
    pub limit: ByteCount,
    /// How long delivered messages are kept.
    pub keep: Duration,
}

/// One source of messages.
#[derive(Clone, Debug)]
pub struct Link {
    /// Its name: the `interface` label of metrics.
    pub name: Name,
    /// How acknowledgements are chosen.
    pub ack: AckMode,
    /// What a sender hears while the store cannot take messages.
    pub when_refused: WhenRefused,
    /// What it refuses for what MSH says, and when and where it acknowledges.
    pub answering: Answering,
    /// Largest frame.
    pub frame_max: ByteCount,
    /// IANA time zone of this sender, where it differs from the site's.
    pub zone: Option<String>,
    /// The character set of this sender, where MSH-18 says nothing or the wrong thing.
    pub charset: Option<CharacterSet>,
    /// How a batch is answered.
    pub batch_ack: BatchAck,
    /// The profile that its messages must keep to, where there is one.
    pub profile: Option<ProfileRef>,
    /// Where this sender puts what maps ask for.
    pub dialect: DialectRef,
    /// Time a peer has to complete a frame it began.
    pub frame_timeout: Duration,
    /// How the ends of a message are marked on its streams.
    pub framing: Framing,
    /// What its messages are.
    pub content: Content,
    /// The wire.
    pub wire: LinkWire,
}

/// A conformance profile in one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileRef {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: u32,
}

/// A dialect in one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialectRef {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: u32,
}

/// The wire of a link.
#[derive(Clone, Debug)]
pub enum LinkWire {
    /// MLLP over TCP, Gurney listening.
    MllpServer(MllpServer),
    /// MLLP over TCP, Gurney connecting to the sender.
    MllpClient(MllpClient),
    /// A serial port.
    Serial(SerialPort),
    /// A serial line behind a terminal server, over raw TCP.
    TerminalServer(TerminalServer),
    /// A watched folder.
    Folder(FolderWatch),
    /// HL7 over HTTP, Gurney listening.
    Http(HttpServer),
}

/// A character set that a link may be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CharacterSet(&'static str);

impl CharacterSet {
    /// Every one, in the order of the configuration.
    pub const ALL: &'static [Self] = keys::link::CHARACTER_SETS;

    /// Its name, as in a `charset=` parameter.
    pub const fn name(self) -> &'static str {
        self.0
    }

    pub(in crate::settings) const fn new(name: &'static str) -> Self {
        Self(name)
    }
}

/// How the messages of a batch are answered (HL7 v2.5.1 chapter 2, 2.10.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchAck {
    /// Each with an acknowledgement of its own, as if it had come alone.
    Each,
    /// All together with one batch of acknowledgements.
    Batch,
}

/// Acknowledgement mode of a link (HL7 v2.5.1 chapter 2, 2.9.2 and 2.9.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckMode {
    /// MSH-15 and MSH-16 of each message decide.
    Auto,
    /// Always AA, AE, AR at once, whatever MSH-15 and MSH-16 ask for: for peers that know nothing else.
    Original,
    /// Always CA, CE, CR.
    Enhanced,
}

/// What a sender hears while its message cannot be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenRefused {
    /// Nothing; the connection is closed and the sender tries again. The default: many senders skip a message on AE.
    Close,
    /// AE, or CE in enhanced mode.
    Error,
}

/// An MLLP listener.
#[derive(Clone, Debug)]
pub struct MllpServer {
    /// Address to listen at.
    pub listen: SocketAddr,
    /// Peers that may connect; empty means all.
    pub allow: Vec<Network>,
    /// Connections served at once.
    pub connections_max: usize,
    /// Connections of one peer address served at once.
    pub connections_per_peer_max: usize,
    /// Silence after which a connection is closed.
    pub idle_timeout: Duration,
    /// TLS, unless plaintext was accepted.
    pub tls: Option<ServerTls>,
}

/// An IP network, such as `10.20.8.0/28`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its address with the host bits cleared.
    pub address: IpAddr,
    /// Its prefix length in bits.
    pub prefix: u8,
}

impl Network {
    /// Whether `address` lies in it. An IPv4 address in IPv6 clothes (`::ffff:10.0.0.1`) counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && words::first_address(address, self.prefix) == self.address
    }
}

/// TLS of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerTls {
    /// Certificate chain, PEM.
    pub certificate: SecretRef,
    /// Private key, PEM; where absent, it stands in the certificate's file.
    pub key: Option<SecretRef>,
    /// Authorities whose clients are let in, PEM; where absent, clients need no certificate.
    pub client_ca: Option<SecretRef>,
}

/// A serial port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SerialPort {
    /// Device, by a stable name.
    pub port: PathBuf,
    /// Bits per second.
    pub baud: u32,
    /// Data bits: 7 or 8.
    pub data_bits: u8,
    /// Parity.
    pub parity: Parity,
    /// Stop bits: 1 or 2.
    pub stop_bits: u8,
    /// Flow control.
    pub flow_control: FlowControl,
    /// Silence inside a frame after which the rest of it is lost, where it is not that of [`Self::gap_max`].
    pub gap: Option<Duration>,
    /// Time without any byte after which the line is reported.
    pub silence: Option<Duration>,
    /// What a missing modem signal means.
    pub carrier: Carrier,
    /// Time in which the device must take at least one byte of what is written.
    pub write_timeout: Duration,
    /// Whether both ends may send at once.
    pub duplex: Duplex,
}

impl SerialPort {
    /// Time that one character takes on the line, start, parity and stop bits included.
    pub fn character_time(&self) -> Duration {
        let parity = if self.parity == Parity::None { 0 } else { 1 };
        let bits = 1 + u32::from(self.data_bits) + parity + u32::from(self.stop_bits);
        Duration::from_secs(1) * bits / self.baud.max(1)
    }
}

/// Parity of a serial line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parity {
    /// None.
    None,
    /// Even.
    Even,
    /// Odd.
    Odd,
}

/// Flow control of a serial line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowControl {
    /// None.
    None,
    /// RTS/CTS.
    Hardware,
    /// XON/XOFF: the bytes 0x11 and 0x13 are not data.
    Software,
}

/// How the ends of a message are marked on a stream, and how its two ends agree that it arrived. Bounds are those of the link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Framing {
    /// MLLP.
    Mllp(mllp::Options),
    /// HLLP.
    Hllp(hllp::Options),
    /// LIS01-A2, ASTM E1381.
    Lis01(lis01::Options),
    /// Framed lines of text.
    Line(text::Options),
}

/// What the messages of a link are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// HL7 v2.
    Hl7,
    /// Records of laboratory instruments: LIS02-A2, ASTM E1394.
    Lis02,
    /// Text of any form.
    Text,
}

impl Content {
    /// The word for it in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hl7 => "hl7",
            Self::Lis02 => "lis02",
            Self::Text => "text",
        }
    }
}

/// One destination.
#[derive(Clone, Debug)]
pub struct Destination {
    /// Its name: the `destination` label of metrics.
    pub name: Name,
    /// What it speaks.
    pub kind: DestinationKind,
    /// Its endpoints, the preferred one first; at least one.
    pub endpoints: Vec<String>,
    /// When a failed delivery is tried again.
    pub retry: Retry,
    /// Deliveries in flight at once.
    pub in_flight: usize,
    /// Time to answer one request.
    pub timeout: Duration,
    /// TLS beyond the system's roots.
    pub tls: ClientTls,
}

impl Destination {
    /// Where its peer connects to, if it is the peer that connects.
    pub const fn listens_at(&self) -> Option<SocketAddr> {
        match &self.kind {
            DestinationKind::Mllp(MllpTarget { opening: Opening::Listen { listen, .. }, .. }) => Some(*listen),
            _ => None,
        }
    }
}

/// What a destination speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DestinationKind {
    /// HL7 over HTTP: POST of the message, or of what the map makes of it.
    Http,
    /// FHIR R4: transaction Bundles are POSTed to the base.
    Fhir,
    /// HL7 v2 over MLLP.
    Mllp(MllpTarget),
    /// A folder that files are put into.
    Folder(FolderTarget),
}

impl DestinationKind {
    /// The kind of its table: the `kind` label of metrics.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Fhir => "fhir",
            Self::Mllp(_) => "mllp",
            Self::Folder(_) => "folder",
        }
    }
}

/// An HL7 receiver over MLLP. One message is outstanding on a connection, never more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MllpTarget {
    /// Who opens the connection.
    pub opening: Opening,
    /// Whether blocks are committed.
    pub release: MllpRelease,
    /// How long a connection is used.
    pub connection: ConnectionUse,
    /// Shortest pause between an acknowledgement and the next message.
    pub gap: Duration,
    /// Which acknowledgement makes a message delivered.
    pub awaited: AwaitedAck,
    /// What AE and CE do to a message.
    pub on_error: OnError,
    /// Time after which an unused connection is closed.
    pub idle: Duration,
    /// Silence after which TCP keepalive asks.
    pub keepalive: Duration,
}

/// Who opens the connection to a receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opening {
    /// Gurney connects to the destination's endpoints.
    Dial {
        /// Plain text or TLS.
        security: Security,
    },
    /// The receiver connects to Gurney.
    Listen {
        /// Address to listen at.
        listen: SocketAddr,
        /// Peers that may connect; empty means all.
        allow: Vec<Network>,
        /// TLS, unless plaintext was accepted.
        tls: Option<ServerTls>,
    },
}

/// Whether a connection is encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Security {
    /// It is not; that was accepted, or stays on this box.
    Plain,
    /// TLS, by the destination's [`ClientTls`].
    Tls {
        /// Name in the peer's certificate, where it is not its host.
        name: Option<String>,
    },
}

/// The release of MLLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MllpRelease {
    /// Frames only.
    One,
    /// Frames and commit blocks.
    Two,
}

/// How long a connection to a receiver is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionUse {
    /// For one message after another.
    Keep,
    /// For one message.
    PerMessage,
}

/// Which acknowledgement makes a message delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AwaitedAck {
    /// CA or AA, whichever comes.
    Commit,
    /// AA; a CA is waited beyond where MSH-16 of the message asks for an application acknowledgement.
    Application,
}

/// What an acknowledgement of error does to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    /// It is sent again after a pause.
    Retry,
    /// It becomes a dead letter, with the answer.
    DeadLetter,
}

/// A folder that files are put into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderTarget {
    /// The folder.
    pub path: PathBuf,
    /// End of the file names; by content where absent.
    pub suffix: Option<String>,
}

/// TLS of a client.
#[derive(Clone, Debug, Default)]
pub struct ClientTls {
    /// Authorities to trust in place of the system's, PEM.
    pub ca: Option<SecretRef>,
    /// Own certificate chain and key, PEM.
    pub client_certificate: Option<SecretRef>,
}

/// When a failed delivery is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Pause after the first failure.
    pub first: Duration,
    /// Longest pause.
    pub at_most: Duration,
    /// Age at which a message becomes a dead letter; `None` is never.
    pub give_up: Option<Duration>,
}

/// One documented use case: which messages go where, as what, and who answers for it.
#[derive(Clone, Debug)]
pub struct Flow {
    /// Its name: the `flow` label of metrics.
    pub name: Name,
    /// The use case that it serves.
    pub use_case: Option<String>,
    /// Index into [`Settings::links`].
    pub from: usize,
    /// Message types it takes.
    pub on: Vec<TypePattern>,
    /// Index into [`Settings::destinations`].
    pub to: usize,
    /// What is sent.
    pub mapping: Mapping,
    /// How it works.
    pub pattern: Pattern,
    /// Its lane in the queue.
    pub priority: Priority,
    /// What a permanent refusal does to the messages behind it.
    pub on_refusal: OnRefusal,
    /// Agreed time from last byte received to confirmation by the destination.
    pub target: Duration,
    /// Who answers for it.
    pub owner: String,
    /// The owner's department; the owner where absent.
    pub department: String,
    /// Whom to call.
    pub escalate: Vec<String>,
}

/// A pattern over MSH-9, or over what stands in its place: `*`, `ADT^*`, `ADT^A03`, `LIS02^R`, `TEXT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypePattern {
    /// Message code; `None` is any.
    pub code: Option<String>,
    /// Trigger event; `None` is any.
    pub trigger: Option<String>,
}

impl fmt::Display for TypePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code.as_deref(), self.trigger.as_deref()) {
            (None, _) => f.write_str("*"),
            (Some(code @ ("TEXT" | "LIS02")), None) => f.write_str(code),
            (Some(code), trigger) => write!(f, "{code}^{}", trigger.unwrap_or("*")),
        }
    }
}

impl TypePattern {
    /// Whether it takes messages of this code and trigger event.
    pub fn matches(&self, code: &str, trigger: &str) -> bool {
        self.code.as_deref().is_none_or(|wanted| wanted == code)
            && self.trigger.as_deref().is_none_or(|wanted| wanted == trigger)
    }
}

/// What is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mapping {
    /// The message, byte by byte.
    Raw,
    /// What a map makes of it.
    Map {
        /// The map's name.
        name: String,
        /// Its version.
        version: u32,
    },
}

impl Mapping {
    /// The mapping of instrument results to HL7: it is built in and makes no FHIR.
    pub fn observation_report() -> Self {
        Self::Map { name: "oru".to_owned(), version: 1 }
    }

    /// The mapping of application acknowledgements. It is built in and cannot be written in a configuration.
    pub(crate) fn acknowledgement() -> Self {
        Self::Map { name: "ack".to_owned(), version: 1 }
    }
}

impl Flow {
    /// Whether it carries application acknowledgements of a link, rather than the link's messages.
    pub fn is_acknowledgement(&self) -> bool {
        self.mapping == Mapping::acknowledgement()
    }
}

/// The pattern of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// One message at a time, as it comes.
    Event,
}

/// Lane of a queue; lanes before it go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Now.
    Stat,
    /// Soon.
    Urgent,
    /// In order.
    Routine,
}

/// What a permanent refusal does to the messages behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnRefusal {
    /// They go on; the refused one becomes a dead letter. The default.
    Skip,
    /// The destination stops until a person has dealt with it.
    Stop,
}
