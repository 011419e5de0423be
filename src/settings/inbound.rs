//! Sources that are no stream of frames: a watched folder, a listener for HTTP.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use super::{Network, SecretRef, ServerTls};
use crate::wire::folder::{Order, Pattern};

/// A folder whose files are messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderWatch {
    /// The folder.
    pub path: PathBuf,
    /// Which of its files are messages.
    pub pattern: Pattern,
    /// In what order they are taken.
    pub order: Order,
    /// Pause between two scans.
    pub every: Duration,
    /// Time for which a file must have stayed the same.
    pub settle: Duration,
    /// What becomes of a file that was taken.
    pub taken: Taken,
}

/// What becomes of a file whose messages are all stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is moved to `done`.
    Move,
    /// It is deleted; its acknowledgements are in `done` all the same.
    Delete,
}

/// A listener for HL7 over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpServer {
    /// Address to listen at.
    pub listen: SocketAddr,
    /// Path that messages are posted to.
    pub path: String,
    /// Peers that may connect; empty means all.
    pub allow: Vec<Network>,
    /// What a request must say its body is.
    pub content: AcceptedContent,
    /// The bearer token that a request must bear, where one is asked for.
    pub bearer: Option<SecretRef>,
    /// Connections served at once.
    pub connections_max: usize,
    /// Connections of one peer address served at once.
    pub connections_per_peer_max: usize,
    /// Silence between two requests after which a connection is closed.
    pub idle_timeout: Duration,
    /// TLS, unless plaintext was accepted.
    pub tls: Option<ServerTls>,
}

/// Content types that are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcceptedContent {
    /// Those of HL7 over HTTP.
    Hl7,
    /// Those, `text/plain`, and none.
    Any,
}
