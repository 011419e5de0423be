//! One connection to a receiver: an exchange on it, and its rest between two exchanges.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::oneshot,
    time::{Instant, sleep, timeout, timeout_at},
};

use super::answers::{Answers, Found};
use crate::{
    units::{Timestamp, limits},
    uplink::Wire,
    wire::{
        Answer, Bounds, Cause, Event, Line as _, Unsent,
        mllp::{MllpLine, Options, Release},
    },
};

/// Bytes read at once.
const READ_BYTES: usize = 8 << 10;
/// Time a peer has to take the end of a connection that is not needed any more.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(200);

/// A connection that nothing is outstanding on.
pub(super) struct Connection {
    wire: Box<dyn Wire>,
    line: MllpLine,
    release: Release,
    began: Instant,
    buffer: Vec<u8>,
}

/// Why an exchange brought no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// Nothing came in time.
    Timeout,
    /// The connection ended or broke.
    Broken(Heard),
    /// The receiver does not commit the block (MLLP release 2).
    NotCommitted,
    /// MLLP cannot carry the message.
    Unfit,
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
    /// Takes over a connected stream; `patience` is the time an answer may take.
    pub(super) fn new(wire: Box<dyn Wire>, release: Release, patience: Duration) -> Self {
        let bounds = Bounds { frame_max: limits::ANSWER_BYTES_MAX, frame_timeout: patience, gap_max: None };
        let line = MllpLine::new(Options { bounds, release, ..Options::default() });
        Self { wire, line, release, began: Instant::now(), buffer: Vec::new() }
    }

    /// Writes a message and reads until there is an answer. The bytes may have gone out whatever this says.
    pub(super) async fn exchange(
        &mut self,
        message: &[u8],
        answers: &Answers,
        patience: Duration,
    ) -> Result<Found, Failure> {
        let mut heard = Heard::Nothing;
        self.line.send(self.now(), message.to_vec());
        let mut deadline = Instant::now() + patience;
        loop {
            let (found, sent) = self.collect(answers)?;
            self.write(heard, patience).await?;
            if let Some(found) = found {
                return Ok(found);
            }
            if sent {
                deadline = Instant::now() + patience;
            }
            let tick = self.line.deadline().map(|at| self.began + at.since(Timestamp(0)));
            self.buffer.clear();
            self.buffer.reserve(READ_BYTES);
            let until = tick.map_or(deadline, |tick| tick.min(deadline));
            match timeout_at(until, self.wire.read_buf(&mut self.buffer)).await {
                Err(_) if until < deadline => self.line.tick(self.now()),
                Err(_) => return Err(Failure::Timeout),
                Ok(Ok(0) | Err(_)) => {
                    // What the end of the stream completes still counts; what it cuts off does not.
                    self.line.tick(self.now().plus(limits::LULL));
                    return self.collect(answers)?.0.ok_or(Failure::Broken(heard));
                }
                Ok(Ok(_)) => {
                    heard = Heard::Something;
                    self.line.receive(self.now(), &self.buffer);
                }
            }
        }
    }

    /// Whether the answer was all there was, so that the next message can go the same way.
    pub(super) fn is_done(&mut self) -> bool {
        let is_busy = self.line.is_busy();
        self.line.tick(self.now().plus(limits::LULL));
        let mut rest = std::iter::from_fn(|| self.line.next());
        !is_busy && rest.all(|event| matches!(event, Event::Noise { cause, .. } if !cause.lost_a_frame()))
    }

    /// What the machine found, and whether the peer has the whole message.
    fn collect(&mut self, answers: &Answers) -> Result<(Option<Found>, bool), Failure> {
        let mut sent = false;
        while let Some(event) = self.line.next() {
            let found = match event {
                Event::Sent => {
                    sent = true;
                    (self.release == Release::Two && answers.is_silent()).then_some(Found::Committed)
                }
                Event::Unsent(Unsent::Unfit) => return Err(Failure::Unfit),
                Event::Unsent(Unsent::Refused) => return Err(Failure::NotCommitted),
                Event::Unsent(Unsent::NoAnswer | Unsent::Ended) => return Err(Failure::Timeout),
                Event::Frame(answer) => {
                    self.line.answer(self.now(), Answer::Taken(Vec::new()));
                    answers.look(answer)
                }
                Event::Noise { cause: Cause::Oversize, bytes, .. } => Some(Found::Malformed(bytes)),
                Event::Noise { .. } | Event::Count(_) => None,
            };
            if found.is_some() {
                return Ok((found, sent));
            }
        }
        Ok((None, sent))
    }

    async fn write(&mut self, heard: Heard, patience: Duration) -> Result<(), Failure> {
        let bytes = self.line.transmit();
        if bytes.is_empty() {
            return Ok(());
        }
        let write = async {
            self.wire.write_all(&bytes).await?;
            self.wire.flush().await
        };
        match timeout(patience, write).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Failure::Broken(heard)),
            Err(_) => Err(Failure::Timeout),
        }
    }

    /// The machine's clock: the time since the connection was made.
    fn now(&self) -> Timestamp {
        Timestamp(0).plus(self.began.elapsed())
    }

    /// Closes the connection as a peer expects it.
    pub(super) async fn close(mut self) {
        // A peer that is gone already, or does not take the end, is left alone.
        timeout(CLOSE_TIMEOUT, self.wire.shutdown()).await.ok();
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

#[cfg(test)]
mod tests;
