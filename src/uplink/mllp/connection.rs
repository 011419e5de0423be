//! One connection to a receiver: an exchange on it, and its rest between two exchanges.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::oneshot,
    time::{Instant, sleep, timeout, timeout_at},
};

use super::answers::{Answers, Found};
use crate::{units::limits, uplink::Wire};

/// Bytes read at once.
const READ_BYTES: usize = 8 << 10;

/// A connection that nothing is outstanding on.
pub(super) struct Connection {
    wire: Box<dyn Wire>,
    buffer: Vec<u8>,
}

/// Why an exchange brought no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// Nothing came in time.
    Timeout,
    /// The connection ended or broke.
    Broken(Heard),
}

/// Whether any byte of an answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// None did.
    Nothing,
    /// Some did.
    Something,
}

impl Connection {
    /// Takes over a connected stream.
    pub(super) const fn new(wire: Box<dyn Wire>) -> Self {
        Self { wire, buffer: Vec::new() }
    }

    /// Writes a frame and reads until there is an answer. The bytes may have gone out whatever this says.
    pub(super) async fn exchange(
        &mut self,
        frame: &[u8],
        answers: &mut Answers,
        patience: Duration,
    ) -> Result<Found, Failure> {
        let mut heard = Heard::Nothing;
        let write = async {
            self.wire.write_all(frame).await?;
            self.wire.flush().await
        };
        match timeout(patience, write).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(Failure::Broken(heard)),
            Err(_) => return Err(Failure::Timeout),
        }
        let deadline = Instant::now() + patience;
        loop {
            let silence = answers.awaits_silence().then(|| deadline.min(Instant::now() + limits::SILENCE));
            self.buffer.clear();
            self.buffer.reserve(READ_BYTES);
            let found = match timeout_at(silence.unwrap_or(deadline), self.wire.read_buf(&mut self.buffer)).await {
                Err(_) if silence.is_some_and(|end| end < deadline) => answers.silence(),
                Err(_) => return Err(Failure::Timeout),
                Ok(Ok(0) | Err(_)) => return answers.silence().ok_or(Failure::Broken(heard)),
                Ok(Ok(_)) => {
                    heard = Heard::Something;
                    answers.receive(&self.buffer)
                }
            };
            if let Some(found) = found {
                return Ok(found);
            }
        }
    }

    /// Closes the connection as a peer expects it.
    pub(super) async fn close(mut self) {
        // A peer that is gone already, or does not take the end, is left alone.
        timeout(limits::SILENCE, self.wire.shutdown()).await.ok();
    }

    /// Lets it rest until it is claimed, ends, or has not been used for `idle`.
    pub(super) fn rest(self, endpoint: usize, idle: Duration) -> Resting {
        let (claim, claimed) = oneshot::channel();
        tokio::spawn(self.watch(claimed, idle));
        Resting { endpoint, claim }
    }

    async fn watch(mut self, claimed: oneshot::Receiver<oneshot::Sender<Self>>, idle: Duration) {
        tokio::select! {
            biased;
            () = self.ended() => {}
            () = sleep(idle) => {}
            back = claimed => if let Ok(back) = back {
                // Who claimed it may be gone; then so is the connection.
                back.send(self).ok();
            },
        }
    }

    /// Returns when the peer closes the connection or says something that nobody asked for: a second answer, or a late
    /// one. Padding between frames says nothing.
    async fn ended(&mut self) {
        let mut bytes = [0; 64];
        loop {
            match self.wire.read(&mut bytes).await {
                Ok(0) | Err(_) => return,
                Ok(count) if bytes.iter().take(count).any(|byte| !is_padding(*byte)) => return,
                Ok(_) => {}
            }
        }
    }
}

const fn is_padding(byte: u8) -> bool {
    matches!(byte, 0 | b'\t' | b'\n' | b'\r' | b' ')
}

/// A connection at rest.
pub(super) struct Resting {
    /// Index of the endpoint it leads to.
    pub(super) endpoint: usize,
    claim: oneshot::Sender<oneshot::Sender<Connection>>,
}

impl Resting {
    /// The connection, if it is still there.
    pub(super) async fn claim(self) -> Option<Connection> {
        let (back, connection) = oneshot::channel();
        self.claim.send(back).ok()?;
        connection.await.ok()
    }
}
