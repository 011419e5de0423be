//! MLLP to an HL7 receiver, connected to or waited for (MLLP releases 1 and 2; HL7 v2.5.1 chapter 2, 2.9).
//!
//! * One message is outstanding on a connection: it leaves as one frame in one write, and the next one waits for its
//!   acknowledgement, and for the gap that the receiver needs.
//! * A commit block of MLLP release 2 is no acknowledgement, unless MSH-15 says that none will come.
//! * An acknowledgement is this message's only where MSA-2 is its MSH-10. After any other answer, after bytes beyond the
//!   answer and after a time-out the connection is closed, so that what comes late is never taken for the next one's (F42).
//! * A kept connection may have died unnoticed. Where it breaks before a byte of an answer came, the same bytes are sent
//!   once more on another one; the receiver knows a repeat by MSH-10.
//! * A resting connection is watched: it is let go when the peer closes it, says something unasked, or when it has not
//!   been used for a time.
//!
//! Bounds: as many connections as messages in flight; [`crate::units::limits::ANSWER_BYTES_MAX`] for an answer; the destination's
//! time-out for the write and again for the answer. A payload that MLLP cannot carry (one with VT or FS) is unfit.

use std::sync::{Arc, Mutex as Lock, PoisonError};

use tokio::{
    sync::{Mutex, MutexGuard, Notify},
    time::{Instant, sleep_until},
};

use self::{
    answers::{Answers, Found},
    connection::{Connection, Failure, Heard, Resting},
};
use super::{Attempted, Dialer, Door, Error, Reply, Resent, Wire};
use crate::{
    settings::{ConnectionUse, Destination, MllpRelease, MllpTarget, Opening, Security},
    wire::mllp::Release,
};

mod answers;
mod connection;
mod door;

/// The client of one receiver.
#[derive(Clone)]
pub struct MllpClient {
    shared: Arc<Shared>,
}

struct Shared {
    target: MllpTarget,
    endpoints: Vec<String>,
    timeout: std::time::Duration,
    dialer: Option<Dialer>,
    /// Taken when it is opened.
    door: Lock<Option<Door>>,
    resting: Mutex<Vec<Resting>>,
    /// The next message leaves no earlier, where the receiver needs a gap.
    quiet_until: Mutex<Option<Instant>>,
    /// Wakes who waits for a peer that connects to us.
    came: Notify,
}

impl MllpClient {
    /// Makes the client of a receiver.
    ///
    /// # Errors
    /// If a certificate cannot be read or used, or there is no door for a receiver that connects to us.
    pub fn new(destination: &Destination, target: &MllpTarget, door: Option<Door>) -> Result<Self, Error> {
        let dialer = match &target.opening {
            Opening::Dial { security: Security::Plain } => Some(Dialer::plain(target.keepalive)),
            Opening::Dial { security: Security::Tls { name } } => {
                Some(Dialer::encrypted(&destination.tls, name.as_deref(), target.keepalive)?)
            }
            Opening::Listen { .. } if door.is_none() => return Err(Error::Door),
            Opening::Listen { .. } => None,
        };
        let shared = Shared {
            target: target.clone(),
            endpoints: destination.endpoints.clone(),
            timeout: destination.timeout,
            dialer,
            door: Lock::new(door),
            resting: Mutex::default(),
            quiet_until: Mutex::default(),
            came: Notify::new(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Sends one message to the endpoint at an index and waits for its acknowledgement.
    pub async fn send(&self, endpoint: usize, message: &[u8]) -> Attempted {
        let quiet = self.shared.after_the_gap().await;
        let attempted = self.shared.deliver(endpoint, message).await;
        if let Some(mut until) = quiet {
            *until = Some(Instant::now() + self.shared.target.gap);
        }
        attempted
    }

    /// Lets peers in, where they connect to us.
    pub(super) fn open(&self) {
        let door = self.shared.door.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(door) = door {
            tokio::spawn(door::serve(door, Arc::clone(&self.shared)));
        }
    }

    /// Returns when a peer has connected to us.
    pub(super) async fn peer_came(&self) {
        self.shared.came.notified().await;
    }
}

impl std::fmt::Debug for MllpClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MllpClient({:?})", self.shared.endpoints)
    }
}

impl Shared {
    /// Waits until the receiver is ready for another message; nobody else sends as long as the guard is held.
    async fn after_the_gap(&self) -> Option<MutexGuard<'_, Option<Instant>>> {
        if self.target.gap.is_zero() {
            return None;
        }
        let until = self.quiet_until.lock().await;
        if let Some(until) = *until {
            sleep_until(until).await;
        }
        Some(until)
    }

    async fn deliver(&self, endpoint: usize, message: &[u8]) -> Attempted {
        let mut resent = Resent::No;
        if let Some(connection) = self.claim(endpoint).await {
            match self.exchange(connection, endpoint, message).await {
                Err(Failure::Broken(Heard::Nothing)) => resent = Resent::OnAnotherConnection,
                result => return reply(result).into(),
            }
        }
        let Some(connection) = self.another(endpoint).await else {
            let reply = if resent == Resent::No { Reply::Unreached } else { Reply::Broken };
            return reply.into();
        };
        Attempted { reply: reply(self.exchange(connection, endpoint, message).await), resent }
    }

    /// A connection that rests and is still there.
    async fn claim(&self, endpoint: usize) -> Option<Connection> {
        loop {
            let resting = {
                let mut all = self.resting.lock().await;
                let at = all.iter().rposition(|resting| resting.endpoint == endpoint)?;
                all.remove(at)
            };
            let connection = resting.claim().await;
            if connection.is_some() {
                return connection;
            }
        }
    }

    /// A connection that was not used yet.
    async fn another(&self, endpoint: usize) -> Option<Connection> {
        let Some(dialer) = &self.dialer else { return self.claim(endpoint).await };
        let wire = dialer.dial(self.endpoints.get(endpoint)?).await.ok()?;
        Some(self.connection(wire))
    }

    async fn exchange(&self, mut connection: Connection, endpoint: usize, message: &[u8]) -> Result<Reply, Failure> {
        let answers = Answers::to(message, self.target.awaited);
        let sent = answers.control_id().to_vec();
        let (reply, is_ours) = match connection.exchange(message, &answers, self.timeout).await? {
            Found::Acknowledged { code, echoed, answer } => {
                let is_ours = echoed == sent;
                (Reply::Acknowledged { code, echoed, sent, answer }, is_ours)
            }
            Found::Committed => (Reply::Committed, true),
            Found::Malformed(answer) => (Reply::Malformed { answer }, false),
        };
        if is_ours && connection.is_done() {
            self.release(connection, endpoint).await;
        }
        Ok(reply)
    }

    /// Takes over a connected stream.
    fn connection(&self, wire: Box<dyn Wire>) -> Connection {
        let release = match self.target.release {
            MllpRelease::One => Release::One,
            MllpRelease::Two => Release::Two,
        };
        Connection::new(wire, release, self.timeout)
    }

    /// Keeps a connection for the next message, or closes it.
    async fn release(&self, connection: Connection, endpoint: usize) {
        if self.target.connection == ConnectionUse::PerMessage {
            return connection.close().await;
        }
        let mut resting = self.resting.lock().await;
        let is_replaced = self.dialer.is_none() && !resting.is_empty();
        if !is_replaced {
            resting.push(connection.rest(endpoint, self.target.idle));
        }
    }

    /// Takes the connection of a peer that connected to us in place of the one before it.
    async fn welcome(&self, wire: Box<dyn Wire>) {
        let connection = self.connection(wire);
        let mut resting = self.resting.lock().await;
        resting.clear();
        resting.push(connection.rest(0, self.target.idle));
        self.came.notify_one();
    }
}

fn reply(result: Result<Reply, Failure>) -> Reply {
    match result {
        Ok(reply) => reply,
        Err(Failure::Timeout) => Reply::Timeout,
        Err(Failure::Broken(_)) => Reply::Broken,
        Err(Failure::NotCommitted) => Reply::NotCommitted,
        Err(Failure::Unfit) => Reply::Unfit { why: "MLLP cannot carry it: it holds a mark of frames, VT or FS" },
    }
}
