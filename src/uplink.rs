//! Clients: how a delivery reaches its destination, and what comes back.
//!
//! One client per destination, of the kind that it speaks: [`HttpClient`], [`MllpClient`], [`FolderClient`]. A client says
//! what came back, not what it means; that is [`crate::delivery`]'s. Nothing here must survive: what was not settled is
//! sent again, with the same bytes and under the same key (INV-04).

use tokio_rustls::TlsAcceptor;

use crate::{
    hl7::ack::Code,
    settings::{Destination, DestinationKind},
};

mod dial;
mod folder;
mod http;
mod mllp;
mod tls;

pub use self::{
    dial::{Dialer, Wire, prepare},
    folder::FolderClient,
    http::HttpClient,
    mllp::MllpClient,
    tls::{certificates, chain_and_key},
};

/// Why a client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A certificate or key cannot be read.
    #[error("cannot read {what}: {why}")]
    Credential {
        /// Which one.
        what: String,
        /// Why.
        why: String,
    },
    /// TLS does not accept the certificates.
    #[error("cannot use the certificates of the destination")]
    Tls(#[source] rustls::Error),
    /// The client cannot be built.
    #[error("cannot make an HTTP client")]
    Client(#[source] reqwest::Error),
    /// The destination waits for its peer to connect, and nothing listens.
    #[error("nothing listens for the peer of the destination")]
    Door,
}

/// A delivery as it is sent.
#[derive(Clone)]
pub struct Delivery {
    /// Names it among all deliveries of this box, by nothing but our own names and numbers.
    pub name: String,
    /// Names its one effect (INV-04).
    pub key: String,
    /// What the body is.
    pub content: Content,
    /// What accompanies it where the protocol has headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// What a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// An HL7 v2 message.
    Hl7,
    /// A FHIR Bundle.
    Fhir,
    /// A message of records: LIS02-A2, ASTM E1394.
    Lis02,
    /// Text of any form.
    Text,
}

/// What an attempt brought back. Answers are cut at [`crate::units::limits::RESPONSE_BYTES_MAX`] and may hold patient data.
#[derive(Debug)]
pub enum Reply {
    /// An answer over HTTP.
    Answer {
        /// Its status.
        status: u16,
        /// `Retry-After`, if it is text.
        retry_after: Option<String>,
        /// Its body.
        body: Vec<u8>,
    },
    /// An HL7 acknowledgement, of this message or of another.
    Acknowledged {
        /// MSA-1.
        code: Code,
        /// MSA-2.
        echoed: Vec<u8>,
        /// MSH-10 of what was sent.
        sent: Vec<u8>,
        /// The whole answer.
        answer: Vec<u8>,
    },
    /// Something came that should be an HL7 acknowledgement and is none.
    Malformed {
        /// What came.
        answer: Vec<u8>,
    },
    /// The receiver committed it in the way of MLLP release 2, and the message asks for no other answer.
    Committed,
    /// The receiver did not commit it in the way of MLLP release 2.
    NotCommitted,
    /// The file is in its place and durable.
    Filed,
    /// The folder could not take the file for now.
    NotFiled,
    /// The protocol or the folder can never take this delivery.
    Unfit {
        /// Why.
        why: &'static str,
    },
    /// No answer in time: what became of the request is in doubt.
    Timeout,
    /// There was no connection: nothing has left.
    Unreached,
    /// The connection broke: what became of the request is in doubt.
    Broken,
}

impl Reply {
    /// Whether the receiver may have got what was sent, or a part of it.
    pub const fn may_have_left(&self) -> bool {
        !matches!(self, Self::Unreached | Self::Unfit { .. } | Self::NotFiled)
    }
}

/// What an attempt came to.
#[derive(Debug)]
pub struct Attempted {
    /// What came back.
    pub reply: Reply,
    /// Whether a kept connection had died unnoticed, so that the message was sent once more on another one.
    pub resent: Resent,
}

/// Whether an attempt sent its message twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resent {
    /// It was sent once, or not at all.
    No,
    /// A kept connection was dead; it was sent again on a new one.
    OnAnotherConnection,
}

impl From<Reply> for Attempted {
    fn from(reply: Reply) -> Self {
        Self { reply, resent: Resent::No }
    }
}

/// Where a destination's peer connects to, where it is the peer that connects.
pub struct Door {
    /// The bound listener.
    pub listener: std::net::TcpListener,
    /// TLS, if it is to be spoken.
    pub acceptor: Option<TlsAcceptor>,
}

/// The client of one destination.
#[derive(Clone, Debug)]
pub enum Client {
    /// HTTP.
    Http(HttpClient),
    /// MLLP.
    Mllp(MllpClient),
    /// Files.
    Folder(FolderClient),
}

impl Client {
    /// Makes the client of a destination; `door` is its listener, where the peer connects to us.
    ///
    /// # Errors
    /// If a certificate cannot be read or used, or a door is missing.
    pub fn new(destination: &Destination, door: Option<Door>) -> Result<Self, Error> {
        Ok(match &destination.kind {
            DestinationKind::Http | DestinationKind::Fhir => Self::Http(HttpClient::new(destination)?),
            DestinationKind::Mllp(target) => Self::Mllp(MllpClient::new(destination, target, door)?),
            DestinationKind::Folder(target) => Self::Folder(FolderClient::new(target)),
        })
    }

    /// Sends one delivery to the endpoint at an index, and waits for what comes back.
    pub async fn send(&self, endpoint: usize, delivery: Delivery) -> Attempted {
        match self {
            Self::Http(client) => client.post(endpoint, &delivery.headers, delivery.body).await.into(),
            Self::Mllp(client) => client.send(endpoint, &delivery.body).await,
            Self::Folder(client) => client.put(delivery).await.into(),
        }
    }

    /// Lets peers in, where they connect to us: to be called once, on the thread that sends.
    pub fn open(&self) {
        if let Self::Mllp(client) = self {
            client.open();
        }
    }

    /// Returns when a peer has come that connects to us; never where none does.
    pub async fn peer_came(&self) {
        match self {
            Self::Mllp(client) => client.peer_came().await,
            Self::Http(_) | Self::Folder(_) => std::future::pending().await,
        }
    }
}
