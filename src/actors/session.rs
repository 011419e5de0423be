//! One stream of frames, whatever their protocol: a TCP connection, a TLS connection or a serial port.
//!
//! One task per stream. It reads while fewer than [`limits::UNANSWERED_FRAMES_MAX`] frames wait for their answer, so
//! back-pressure reaches the sender, and writes answers in the order of the frames, each frame in one write.

use std::{future::Future, io, pin::pin, time::Duration};

use fail::fail_point;
use futures_util::{
    StreamExt as _,
    future::{Either, ready},
    stream::{FuturesOrdered, FuturesUnordered},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    sync::watch,
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{
    exchange::Exchange,
    intake::{Answered, Intake},
    tap::What,
};
use crate::{
    hl7::Index,
    store::writer::Latch,
    units::{Timestamp, limits},
    wire::{Answer, Cause, Event, Line, LineFault},
};

/// Why a stream ended.
#[derive(Debug, thiserror::Error)]
pub enum End {
    /// The peer closed it, or the port is gone.
    #[error("closed by the peer")]
    Closed,
    /// It was silent for too long.
    #[error("silent for too long")]
    Idle,
    /// A frame could not be stored; the sender keeps its message.
    #[error("closed because a message could not be stored")]
    Refused,
    /// A frame was too large, or not completed in time.
    #[error("closed because of a frame that was too large or too slow")]
    Abandoned,
    /// The box stops.
    #[error("closed because the box stops")]
    Stopping,
    /// It was asked to end where nothing is under way.
    #[error("left between two messages")]
    Left,
    /// Reading or writing failed.
    #[error("{0}")]
    Failed(io::Error),
}

/// How the stream is watched.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Silence after which the stream is closed; none on a serial port.
    pub idle: Option<Duration>,
    /// Whether a message that cannot be taken ends the stream.
    pub on_failure: OnFailure,
}

/// What a frame that is late, too large or not stored does to its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// Ends it, as on TCP: the sender sees that its message was not taken.
    Close,
    /// Nothing, as on a serial port, which cannot be closed: the line's protocol says no, or its silence does.
    Resume,
}

/// A read that gives no bytes because the receiver found the next one damaged; the stream goes on.
#[derive(Debug, thiserror::Error)]
#[error("a byte is damaged")]
pub struct DamagedByte(pub LineFault);

/// Serves a stream by the protocol of `line` until it ends. Answers that wait are written before a stop.
pub async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    line: &mut dyn Line,
    intake: &Intake,
    patience: Patience,
    stopping: watch::Receiver<bool>,
) -> End {
    serve_until(stream, line, intake, patience, stopping, std::future::pending()).await
}

/// Serves a stream as [`serve`] does. Once `leave` is done, it ends as soon as no frame is under way and none waits for its
/// answer; a frame that does not end is waited for no longer than [`limits::RECONFIGURE_WAIT`].
pub async fn serve_until<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    line: &mut dyn Line,
    intake: &Intake,
    patience: Patience,
    stopping: watch::Receiver<bool>,
    leave: impl Future<Output = ()>,
) -> End {
    let mut session = Session::new(line, intake, patience);
    session.seen(|| What::Opened);
    let end = run(stream, &mut session, stopping, leave).await;
    session.seen(|| What::Closed(end.to_string()));
    end
}

async fn run<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    session: &mut Session<'_>,
    mut stopping: watch::Receiver<bool>,
    leave: impl Future<Output = ()>,
) -> End {
    let mut leave = pin!(leave);
    let mut leave_by = None;
    let mut pending = FuturesOrdered::new();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        // What comes behind a long batch waits until all of it is answered: it must not overtake (INV-03).
        session.is_held &= !pending.is_empty();
        while pending.len() < limits::UNANSWERED_FRAMES_MAX
            && !session.is_held
            && let Some(answers) = session.next_answers()
        {
            pending.push_back(answers);
        }
        let bytes = session.line.transmit();
        if let Err(error) = write(stream, &bytes).await {
            session.line.end(session.now());
            return End::Failed(error);
        }
        if !bytes.is_empty() {
            session.seen(|| What::Sent(bytes.into()));
        }
        if pending.is_empty() {
            if let Some(end) = session.end.take() {
                return end;
            }
            session.reopen();
            if leave_by.is_some() && session.is_at_rest() {
                return End::Left;
            }
        }
        let is_open = session.end.is_none();
        let has_room = pending.len() < limits::UNANSWERED_FRAMES_MAX
            && session.unanswered_bytes < limits::UNANSWERED_BYTES_MAX
            && !session.is_held
            && session.later.len() < limits::LATER_EXCHANGES_MAX;
        let due = session.line_due();
        let idle_at = session.idle_at();
        tokio::select! {
            biased;
            Some(due) = pending.next() => session.answered(due),
            Some(message) = session.later.next(), if is_open => session.begin(message),
            changed = stopping.changed(), if is_open => {
                if changed.is_err() || *stopping.borrow() {
                    session.end = Some(End::Stopping);
                }
            }
            read = stream.read(&mut buffer), if has_room && is_open => session.read(read, &buffer),
            () = sleep(due.unwrap_or(FOREVER)), if is_open && due.is_some() => session.line.tick(session.now()),
            () = &mut leave, if is_open && leave_by.is_none() => {
                leave_by = Some(Instant::now() + limits::RECONFIGURE_WAIT);
            }
            () = sleep_until(leave_by.unwrap_or(idle_at)), if is_open && leave_by.is_some() => {
                session.end = Some(End::Left);
            }
            () = sleep_until(idle_at), if is_open && pending.is_empty() && !session.line.is_busy() => {
                session.end = Some(End::Idle);
            }
        }
    }
}

/// What is due on the stream once it is known.
enum Due {
    /// The answer to a frame of so many bytes.
    Answers(usize, Vec<Answered>),
    /// A reply to bytes that were not a frame.
    Reply(Answered),
}

/// What a stream's task knows between two waits.
struct Session<'a> {
    line: &'a mut dyn Line,
    intake: &'a Intake,
    patience: Patience,
    index: Index,
    latch: Latch,
    /// Messages of our own that wait for the end of deliveries.
    later: FuturesUnordered<Exchange>,
    unanswered_bytes: usize,
    /// Whether a long batch is being taken.
    is_held: bool,
    last_read: Instant,
    end: Option<End>,
    /// Its number among those of the link.
    stream: u64,
}

impl<'a> Session<'a> {
    fn new(line: &'a mut dyn Line, intake: &'a Intake, patience: Patience) -> Self {
        Self {
            line,
            intake,
            patience,
            index: Index::default(),
            latch: Latch::default(),
            later: FuturesUnordered::new(),
            unanswered_bytes: 0,
            is_held: false,
            last_read: Instant::now(),
            end: None,
            stream: intake.tap.next_stream(),
        }
    }

    /// Shows what happened to whoever watches the link.
    fn seen(&self, what: impl FnOnce() -> What) {
        self.intake.tap.tell(self.stream, || self.intake.clock.wall(), what);
    }

    fn now(&self) -> Timestamp {
        self.intake.clock.steady()
    }

    /// Nothing is under way: a line that goes on after a refusal takes messages again.
    fn reopen(&mut self) {
        if self.latch.is_closed() {
            self.latch = Latch::default();
        }
    }

    /// Whether nothing is under way in either direction.
    fn is_at_rest(&self) -> bool {
        !self.line.is_busy() && self.later.is_empty()
    }

    /// The next thing on the stream that is to be answered, in its place in the order of answers.
    fn next_answers(&mut self) -> Option<impl Future<Output = Due> + use<>> {
        loop {
            match self.line.next()? {
                Event::Frame(frame) => {
                    let bytes = frame.len();
                    self.seen(|| What::Frame(bytes));
                    self.unanswered_bytes += bytes;
                    self.is_held = self.intake.is_long(&frame);
                    let answers = self.intake.take(frame, &mut self.index, &self.latch);
                    return Some(Either::Left(async move { Due::Answers(bytes, answers.await) }));
                }
                Event::Noise { cause, bytes, count } => {
                    self.seen(|| What::Noise(cause, count));
                    let reply = (cause == Cause::Oversize).then(|| self.intake.oversize(&bytes)).flatten();
                    self.intake.noise(cause, bytes, count);
                    let is_abandoned = matches!(cause, Cause::Oversize | Cause::Timeout);
                    if is_abandoned && self.patience.on_failure == OnFailure::Close {
                        self.end.get_or_insert(End::Abandoned);
                    }
                    if let Some(reply) = reply {
                        return Some(Either::Right(ready(Due::Reply(reply))));
                    }
                }
                Event::Count(happening) => {
                    self.seen(|| What::Happened(happening));
                    self.intake.happened(happening);
                }
                // What we send beside answers repeats nothing: an application acknowledgement that does not arrive
                // is asked for again by the message's repeat.
                Event::Sent | Event::Unsent(_) => {}
            }
        }
    }

    fn answered(&mut self, due: Due) {
        match due {
            Due::Reply(Answered::Write(reply)) => self.begin(Some(reply)),
            Due::Reply(_) => {}
            Due::Answers(bytes, answers) => {
                self.unanswered_bytes -= bytes;
                self.answer(answers);
            }
        }
        fail_point!("ack-ready");
    }

    /// Tells the line what became of a frame. Where one of its messages was not stored, the whole frame is to come again; those
    /// that were stored are then recognised. Messages of our own follow the answer.
    fn answer(&mut self, answers: Vec<Answered>) {
        let now = self.now();
        let (mut replies, mut own) = (Vec::with_capacity(answers.len()), Vec::new());
        let mut is_refused = false;
        for answer in answers {
            match answer {
                Answered::Write(reply) => replies.push(reply),
                Answered::Send(message) => own.push(message),
                Answered::Later(exchange) => self.later.push(exchange),
                Answered::Silent | Answered::Overdue => {}
                Answered::Close => is_refused = true,
            }
        }
        self.seen(|| What::Answered((!is_refused).then_some(replies.len())));
        if is_refused {
            if self.patience.on_failure == OnFailure::Close {
                self.end = Some(End::Refused);
            }
            return self.line.answer(now, Answer::Refused);
        }
        self.line.answer(now, Answer::Taken(replies));
        own.into_iter().for_each(|message| self.begin(Some(message)));
    }

    /// Begins an exchange of our own on the peer's connection.
    fn begin(&mut self, message: Option<Vec<u8>>) {
        if let Some(message) = message {
            self.line.send(self.now(), message);
        }
    }

    fn read(&mut self, read: io::Result<usize>, buffer: &[u8]) {
        let now = self.now();
        match read {
            Ok(0) => {
                self.line.end(now);
                self.end = Some(End::Closed);
            }
            Ok(read) => {
                self.last_read = Instant::now();
                self.intake.telemetry.link(self.intake.link).bytes(read);
                let bytes = buffer.get(..read).unwrap_or_default();
                self.seen(|| What::Received(bytes.into()));
                self.line.receive(now, bytes);
            }
            Err(error) => {
                let damaged = error.get_ref().and_then(|inner| inner.downcast_ref::<DamagedByte>());
                if let Some(DamagedByte(fault)) = damaged {
                    self.last_read = Instant::now();
                    self.seen(|| What::Damaged(*fault));
                    return self.line.damaged(now, *fault);
                }
                self.line.end(now);
                self.end = Some(End::Failed(error));
            }
        }
    }

    /// Time until the line's own deadline.
    fn line_due(&self) -> Option<Duration> {
        self.line.deadline().map(|at| at.since(self.now()))
    }

    /// When silence has lasted too long.
    fn idle_at(&self) -> Instant {
        self.last_read + self.patience.idle.unwrap_or(FOREVER)
    }
}

/// Bytes read at once.
const READ_BYTES: usize = 16 << 10;
/// For streams that may be silent for ever.
const FOREVER: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Puts everything on the wire in one write, so that no acknowledgement waits for a delayed TCP acknowledgement.
async fn write<S: AsyncWrite + Unpin>(stream: &mut S, bytes: &[u8]) -> io::Result<()> {
    if bytes.is_empty() {
        return Ok(());
    }
    let mut rest = bytes;
    // A slow line takes a long answer in parts: what counts is that it takes any.
    while !rest.is_empty() {
        let written = in_time(stream.write(rest)).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        rest = rest.get(written..).unwrap_or_default();
    }
    in_time(stream.flush()).await?;
    fail_point!("ack-written", |_| Ok(()));
    Ok(())
}

async fn in_time<T>(step: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(limits::WRITE_TIMEOUT, step).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}
