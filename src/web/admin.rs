//! `admin.sock` in the store's folder: how commands reach the running daemon.
//!
//! A client connects, writes one line of JSON (a [`Request`]), reads one line of JSON (a [`Response`]), and that is all of a
//! connection; but a [`Request::Tap`] is answered by a line for each event, until its end. The socket is mode 0600, and the peer's credentials (`SO_PEERCRED`) are checked as well: the daemon's own user
//! and root may ask. Requests, answers, times and connections are bounded by `limits::ADMIN_*`.
//!
//! Everything that changes something, and every look at patient data, goes through the journal thread with an audit entry that
//! names the user and the reason (INV-11). Does not listen on a network.

use std::{
    fs, io,
    net::SocketAddr,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use actix::Addr;
use serde::Serialize;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{UnixListener, UnixStream},
    sync::Semaphore,
    time::timeout,
};

use self::{
    peer::Peer,
    protocol::{Refusal, RefusalKind, Request, Response},
};
use crate::{
    actors::{courier::Courier, journal::Journal, tap::Tap},
    flow::Flows,
    mapping::Registry,
    store::{self, Plan},
    units::limits,
};

mod look;
mod maps;
mod orders;
mod peer;
pub mod protocol;
mod show;
mod status;
mod tap;

/// What the admin socket works with.
#[derive(Clone)]
pub struct State {
    /// What the metrics listener shows as well.
    pub web: super::State,
    /// The flows, to read messages again.
    pub flows: Arc<Flows>,
    /// Where orders go.
    pub journal: Addr<Journal>,
    /// The couriers, by the index of their destination.
    pub couriers: Vec<Addr<Courier>>,
    /// Where people watch the links, by their index.
    pub taps: Vec<Tap>,
    /// Where the store is, to verify it.
    pub store: Plan,
    /// Where each link listens, by its index.
    pub links: Vec<Option<SocketAddr>>,
    /// Where the metrics are served.
    pub metrics: Option<SocketAddr>,
    /// Reads the maps again that the configuration names.
    pub read_maps: ReadMaps,
}

/// Reads the maps and tables on disk, or says what is wrong with them.
pub type ReadMaps = Arc<dyn Fn() -> Result<Registry, String> + Send + Sync>;

/// A socket that clients can connect to; its file is removed when this is dropped.
#[derive(Debug)]
pub struct Bound {
    path: PathBuf,
}

impl Drop for Bound {
    fn drop(&mut self) {
        // Somebody may have removed it already.
        fs::remove_file(&self.path).ok();
    }
}

/// Listens at `path` and serves until the box stops. The caller holds the store's lock, so a socket that is there already was
/// left by a process that is gone.
///
/// # Errors
/// If there can be no socket at `path`.
pub fn serve(path: &Path, state: State) -> io::Result<Bound> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    let bound = Bound { path: path.to_owned() };
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    actix_rt::spawn(accept(listener, Arc::new(state)));
    Ok(bound)
}

async fn accept(listener: UnixListener, state: Arc<State>) {
    let places = Arc::new(Semaphore::new(limits::ADMIN_CONNECTIONS_MAX));
    loop {
        // The semaphore is never closed.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(_) => {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let state = Arc::clone(&state);
        actix_rt::spawn(async move {
            serve_one(stream, &state).await;
            drop(place);
        });
    }
}

/// Pause after a connection that could not be taken, such as for want of file descriptors.
const ACCEPT_PAUSE: std::time::Duration = std::time::Duration::from_millis(200);

/// One request, one answer.
async fn serve_one(mut stream: UnixStream, state: &State) {
    let answered = match asked(&mut stream).await {
        Ok((peer, Request::Tap { link, seconds, reveal })) => match tap::begin(state, &peer, &link, reveal).await {
            Ok(watch) => return watch.run(&mut stream, seconds).await,
            Err(refusal) => Err(refusal),
        },
        Ok((peer, request)) => answer(state, &peer, request).await,
        Err(refusal) => Err(refusal),
    };
    let line = line_of(match answered {
        Ok(value) => Response::Ok(value),
        Err(refusal) => Response::Error(refusal),
    });
    // A client that went away, or does not read, loses its answer and nothing else.
    timeout(limits::ADMIN_PEER_TIMEOUT, stream.write_all(&line)).await.ok();
}

async fn asked(stream: &mut UnixStream) -> Result<(Peer, Request), Refusal> {
    let peer = Peer::of(stream)?;
    let request = timeout(limits::ADMIN_PEER_TIMEOUT, read_line(stream))
        .await
        .unwrap_or_else(|_| Err(Refusal::new(RefusalKind::BadRequest, "the request did not come in time")))?;
    let request = serde_json::from_slice(&request).map_err(|error| {
        Refusal::new(
            RefusalKind::BadRequest,
            format!("this daemon ({}) does not understand the request: {error}", env!("CARGO_PKG_VERSION")),
        )
    })?;
    Ok((peer, request))
}

async fn answer(state: &State, peer: &Peer, request: Request) -> Result<serde_json::Value, Refusal> {
    timeout(limits::ADMIN_ANSWER_TIMEOUT, carry_out(state, peer, request))
        .await
        .unwrap_or_else(|_| Err(Refusal::new(RefusalKind::Busy, "the daemon had no time to answer; try again")))
}

async fn read_line(stream: &mut UnixStream) -> Result<Vec<u8>, Refusal> {
    let mut line = Vec::new();
    loop {
        if line.ends_with(b"\n") {
            return Ok(line);
        }
        if line.len() >= limits::ADMIN_REQUEST_BYTES_MAX {
            return Err(Refusal::new(RefusalKind::BadRequest, "the request is too long"));
        }
        let room = (limits::ADMIN_REQUEST_BYTES_MAX - line.len()) as u64;
        match (&mut *stream).take(room).read_buf(&mut line).await {
            Ok(0) | Err(_) => return Err(Refusal::new(RefusalKind::BadRequest, "the request has no end")),
            Ok(_) => {}
        }
    }
}

fn line_of(response: Response) -> Vec<u8> {
    let mut line = json(&response);
    if line.len() >= limits::ADMIN_ANSWER_BYTES_MAX {
        let refusal = Refusal::new(RefusalKind::Failed, "the answer is too large to be shown; ask for less");
        line = json(&Response::Error(refusal));
    }
    line.push(b'\n');
    line
}

#[expect(clippy::expect_used, reason = "responses have text keys and no failing serializers")]
fn json(response: &Response) -> Vec<u8> {
    serde_json::to_vec(response).expect("a response that JSON can hold")
}

async fn carry_out(state: &State, peer: &Peer, request: Request) -> Result<serde_json::Value, Refusal> {
    match request {
        Request::Status => value(&status::status(state).await?),
        Request::Flows => value(&look::flows(state).await?),
        Request::Queue { destination, limit } => value(&look::queue(state, destination.as_deref(), limit).await?),
        Request::Messages { flow, before, limit } => value(&look::messages(state, flow, before, limit).await?),
        Request::Message { id, reveal } => value(&show::message(state, peer, id, reveal).await?),
        Request::Asides { heap, flow, after, limit } => value(&look::asides(state, heap, flow, after, limit).await?),
        Request::Aside { heap, id, reveal } => value(&show::aside(state, peer, heap, id, reveal).await?),
        Request::Scraps { limit } => value(&look::scraps(state, limit).await?),
        Request::Scrap { id, reveal } => value(&show::scrap(state, peer, id, reveal).await?),
        Request::Repeat { ids, flow, purpose } => {
            value(&orders::repeat(state, peer, &ids, flow.as_deref(), &purpose).await?)
        }
        Request::Resend { ids, purpose } => value(&orders::resend(state, peer, &ids, &purpose).await?),
        Request::Release { ids, purpose } => value(&orders::release(state, peer, &ids, &purpose).await?),
        Request::Discard { heap, ids, purpose } => value(&orders::discard(state, peer, heap, &ids, &purpose).await?),
        Request::Audit { limit } => value(&look::audit(state, limit).await?),
        Request::VerifyAudit => value(&look::verify_audit(state).await?),
        Request::Maps => value(&maps::list(state)),
        Request::MapDiff { before, after, last } => value(&maps::diff(state, &before, &after, last).await?),
        Request::MapAudit { map, sample, seed, reveal } => {
            value(&maps::audit(state, peer, &map, sample, seed.as_deref(), reveal).await?)
        }
        Request::MapPromote { map, purpose } => value(&maps::promote(state, peer, &map, &purpose).await?),
        Request::MapRollback { map, purpose } => value(&maps::roll_back(state, peer, &map, &purpose).await?),
        Request::MapUnmapped => value(&maps::unmapped(state).await?),
        Request::Tap { .. } => {
            Err(Refusal::new(RefusalKind::BadRequest, "a link is watched over a connection of its own"))
        }
    }
}

fn value<T: Serialize>(answer: &T) -> Result<serde_json::Value, Refusal> {
    serde_json::to_value(answer).map_err(|error| Refusal::new(RefusalKind::Failed, error.to_string()))
}

impl From<store::Error> for Refusal {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Stopped => Self::new(RefusalKind::Busy, "the store has too much to do or stops; try again"),
            other => Self::new(RefusalKind::Failed, other.to_string()),
        }
    }
}
