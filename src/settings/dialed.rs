//! Sources that Gurney dials: an HL7 sender that listens, a terminal server with a serial line behind it.

use std::time::Duration;

use super::{ClientTls, Duplex, Framing, Security};
use crate::units::limits;

/// An MLLP sender that listens: Gurney connects, takes messages and acknowledges them over that connection.
#[derive(Clone, Debug)]
pub struct MllpClient {
    /// Its endpoints as `host:port`, the preferred one first; at least one.
    pub endpoints: Vec<String>,
    /// When it is dialled again.
    pub redial: Redial,
    /// Silence after which the connection is closed, and opened anew.
    pub idle_timeout: Duration,
    /// Silence after which TCP keepalive asks.
    pub keepalive: Duration,
    /// Plain text or TLS.
    pub security: Security,
    /// TLS beyond the system's roots.
    pub tls: ClientTls,
}

/// A serial line behind a terminal server: its bytes over a raw TCP connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TerminalServer {
    /// The terminal server's port for the line, as `host:port`.
    pub peer: String,
    /// When it is dialled again.
    pub redial: Redial,
    /// Silence inside a frame after which the rest of it is lost.
    pub gap: Duration,
    /// Time without any byte after which the line is reported.
    pub silence: Option<Duration>,
    /// Time in which the terminal server must take at least one byte of what is written.
    pub write_timeout: Duration,
    /// Whether both ends may send at once.
    pub duplex: Duplex,
}

/// When a peer that was lost, or did not answer, is dialled again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redial {
    /// Pause after a connection that was used, and after the first failure.
    pub first: Duration,
    /// Longest pause.
    pub at_most: Duration,
    /// Failures in a row after which the link is down: each of its endpoints then failed at least once.
    pub failures: u32,
}

impl Redial {
    /// That of a terminal server: as its framing says, since HLLP has settings of its own for it (NPT).
    pub(super) const fn of_line(framing: &Framing) -> Self {
        if let Framing::Hllp(options) = framing {
            let pause = options.npt.connect_pause;
            let failures = if options.npt.connect_retries == 0 { 1 } else { options.npt.connect_retries };
            return Self { first: pause, at_most: pause, failures };
        }
        let (first, at_most) = limits::TERMINAL_REDIAL;
        Self { first, at_most, failures: 1 }
    }
}
