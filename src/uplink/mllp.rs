//! MLLP to an HL7 receiver, connected to or waited for (MLLP release 1; HL7 v2.5.1 chapter 2, 2.9).
//!
//! * One message is outstanding on a connection: it leaves as one frame in one write, and the next one waits for its
//!   acknowledgement, and for the gap that the receiver needs.
//! * An acknowledgement is this message's only where MSA-2 is its MSH-10. After any other answer, after bytes beyond the
//!   answer and after a time-out the connection is closed, so that what comes late is never taken for the next one's (F42).
//! * A kept connection may have died unnoticed. Where it breaks before a byte of an answer came, the same bytes are sent
//!   once more on another one; the receiver knows a repeat by MSH-10.
//! * A resting connection is watched: it is let go when the peer closes it, says something unasked, or when it has not
//!   been used for a time.
//!
//! Bounds: as many connections as messages in flight; [`limits::ANSWER_BYTES_MAX`] for an answer; the destination's
//! time-out for the write and again for the answer. A payload that MLLP cannot carry (VT, or FS before CR) is unfit.

use std::sync::{Arc, Mutex as Lock, PoisonError};

use tokio::{
    sync::{Mutex, MutexGuard, Notify},
    time::{Instant, sleep_until},
};

use self::{
    answers::{Answers, Found},
    connection::{Connection, Failure, Heard, Resting},
};
use super::{Attempted, Dialer, Door, Error, Reply, Resent};
use crate::{
    settings::{ConnectionUse, Destination, MllpTarget, Opening, Security},
    wire::mllp::encode,
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
        if !is_fit(message) {
            return Reply::Unfit { why: "MLLP cannot carry it: it holds the marks of a frame" }.into();
        }
        let mut frame = Vec::new();
        encode(&mut frame, message);
        let quiet = self.shared.after_the_gap().await;
        let attempted = self.shared.deliver(endpoint, message, &frame).await;
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

    async fn deliver(&self, endpoint: usize, message: &[u8], frame: &[u8]) -> Attempted {
        let mut resent = Resent::No;
        if let Some(connection) = self.claim(endpoint).await {
            match self.exchange(connection, endpoint, message, frame).await {
                Err(Failure::Broken(Heard::Nothing)) => resent = Resent::OnAnotherConnection,
                result => return reply(result).into(),
            }
        }
        let Some(connection) = self.another(endpoint).await else { return Reply::Unreachable.into() };
        Attempted { reply: reply(self.exchange(connection, endpoint, message, frame).await), resent }
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
        Some(Connection::new(wire))
    }

    async fn exchange(
        &self,
        mut connection: Connection,
        endpoint: usize,
        message: &[u8],
        frame: &[u8],
    ) -> Result<Reply, Failure> {
        let mut answers = Answers::to(message, self.target.awaited);
        let found = connection.exchange(frame, &mut answers, self.timeout).await?;
        let (code, echoed, answer) = match found {
            Found::Malformed(answer) => return Ok(Reply::Malformed { answer }),
            Found::Acknowledged { code, echoed, answer } => (code, echoed, answer),
        };
        let sent = answers.control_id().to_vec();
        if echoed == sent && answers.is_done() {
            self.release(connection, endpoint).await;
        }
        Ok(Reply::Acknowledged { code, echoed, sent, answer })
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
    async fn welcome(&self, connection: Connection) {
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
        Err(Failure::Broken(_)) => Reply::Unreachable,
    }
}

/// Whether a receiver would read the payload as one frame: it holds no mark that begins or ends one.
fn is_fit(payload: &[u8]) -> bool {
    const VT: u8 = 0x0b;
    let ends_early = memchr::memmem::find(payload, b"\x1c\x0d").is_some() || payload.ends_with(b"\x1c");
    !ends_early && memchr::memchr(VT, payload).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_would_end_its_own_frame() {
        for (payload, expected) in [
            (&b"MSH|^~\\&|A\r"[..], true),
            (b"a\x1cb\r", true),
            (b"a\x1c\rb\r", false),
            (b"a\x1c", false),
            (b"\x0ba\r", false),
        ] {
            assert_eq!(is_fit(payload), expected, "{payload:?}");
        }
    }
}
