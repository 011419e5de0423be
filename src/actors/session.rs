//! One stream of MLLP frames: a TCP connection, a TLS connection or a serial port.
//!
//! One task per stream. It reads while fewer than [`limits::UNANSWERED_FRAMES_MAX`] frames wait for their answer, so
//! back-pressure reaches the sender, and writes answers in the order of the frames, each frame in one write.

use std::{future::Future, io, time::Duration};

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
};
use crate::{
    hl7::Index,
    store::writer::Latch,
    units::limits,
    wire::mllp::{self, Cause, Decoder, Event},
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
    /// Reading or writing failed.
    #[error("{0}")]
    Failed(io::Error),
}

/// Silence after which an odd frame end counts as an end (FS without CR).
const LULL: Duration = Duration::from_millis(50);

/// How the stream is watched.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Silence after which the stream is closed; none on a serial port.
    pub idle: Option<Duration>,
    /// Whether a frame that is late or too large ends the stream: on TCP it does, on a serial port the noise is passed over.
    pub on_abandoned: OnAbandoned,
}

/// What an abandoned frame does to its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnAbandoned {
    /// Ends it.
    Close,
    /// Nothing: the next frame is looked for.
    Resume,
}

/// Serves a stream until it ends. Answers that wait are written before a stop.
pub async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    intake: &Intake,
    patience: Patience,
    mut stopping: watch::Receiver<bool>,
) -> End {
    let mut session = Session::new(intake, patience);
    let mut pending = FuturesOrdered::new();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        while pending.len() < limits::UNANSWERED_FRAMES_MAX
            && let Some(answers) = session.next_answers()
        {
            pending.push_back(answers);
        }
        if let Err(error) = write(stream, &mut session.writing).await {
            return End::Failed(error);
        }
        if pending.is_empty()
            && let Some(end) = session.end.take()
        {
            return end;
        }
        let is_open = session.end.is_none();
        let has_room = pending.len() < limits::UNANSWERED_FRAMES_MAX
            && session.unanswered_bytes < limits::UNANSWERED_BYTES_MAX
            && session.later.len() < limits::LATER_EXCHANGES_MAX;
        let deadline = session.deadline();
        tokio::select! {
            biased;
            Some((bytes, answers)) = pending.next() => session.answered(bytes, answers),
            Some(message) = session.later.next(), if is_open => session.begin(message),
            changed = stopping.changed(), if is_open => {
                if changed.is_err() || *stopping.borrow() {
                    session.end = Some(End::Stopping);
                }
            }
            read = stream.read(&mut buffer), if has_room && is_open => session.read(read, &buffer),
            () = sleep(LULL), if is_open && session.decoder.awaits_idle() => session.decoder.idle(),
            () = sleep_until(deadline), if is_open && pending.is_empty() => session.waited_too_long(),
        }
    }
}

/// What a stream's task knows between two waits.
struct Session<'a> {
    intake: &'a Intake,
    patience: Patience,
    decoder: Decoder,
    index: Index,
    latch: Latch,
    writing: Vec<u8>,
    /// Messages of our own that wait for the end of deliveries.
    later: FuturesUnordered<Exchange>,
    unanswered_bytes: usize,
    /// When the frame that is under way began.
    frame_began: Option<Instant>,
    last_read: Instant,
    end: Option<End>,
}

impl<'a> Session<'a> {
    fn new(intake: &'a Intake, patience: Patience) -> Self {
        let frame_max = usize::try_from(intake.settings.frame_max.0).unwrap_or(usize::MAX);
        Self {
            intake,
            patience,
            decoder: Decoder::new(frame_max),
            index: Index::default(),
            latch: Latch::default(),
            writing: Vec::new(),
            later: FuturesUnordered::new(),
            unanswered_bytes: 0,
            frame_began: None,
            last_read: Instant::now(),
            end: None,
        }
    }

    /// The next thing on the stream that is to be answered, in its place in the order of answers.
    fn next_answers(&mut self) -> Option<impl Future<Output = (usize, Vec<Answered>)> + use<>> {
        loop {
            match self.decoder.next()? {
                Event::Frame(frame) => {
                    let bytes = frame.len();
                    self.unanswered_bytes += bytes;
                    let answers = self.intake.take(frame, &mut self.index, &self.latch);
                    return Some(Either::Left(async move { (bytes, answers.await) }));
                }
                Event::Noise { cause, bytes, count } => {
                    let answer = (cause == Cause::Oversize).then(|| self.intake.oversize(&bytes));
                    self.intake.noise(cause, bytes, count);
                    let is_abandoned = matches!(cause, Cause::Oversize | Cause::Timeout);
                    if is_abandoned && self.patience.on_abandoned == OnAbandoned::Close {
                        self.end.get_or_insert(End::Abandoned);
                    }
                    if let Some(answer) = answer {
                        return Some(Either::Right(ready((0, vec![answer]))));
                    }
                }
                Event::Count(_) | Event::Sent | Event::Unsent(_) => {}
            }
        }
    }

    fn answered(&mut self, bytes: usize, answers: Vec<Answered>) {
        self.unanswered_bytes -= bytes;
        for answer in answers {
            match answer {
                Answered::Write(reply) => mllp::encode(&mut self.writing, &reply),
                Answered::Send(message) => self.begin(Some(message)),
                Answered::Later(exchange) => self.later.push(exchange),
                Answered::Silent => {}
                Answered::Close => self.end = Some(End::Refused),
            }
        }
        fail_point!("ack-ready");
    }

    /// Begins an exchange of our own on the peer's connection.
    fn begin(&mut self, message: Option<Vec<u8>>) {
        if let Some(message) = message {
            mllp::encode(&mut self.writing, &message);
        }
    }

    fn read(&mut self, read: io::Result<usize>, buffer: &[u8]) {
        match read {
            Ok(0) => {
                self.decoder.finish();
                self.end = Some(End::Closed);
            }
            Ok(read) => {
                self.last_read = Instant::now();
                self.intake.telemetry.link(self.intake.link).bytes(read);
                self.decoder.push(buffer.get(..read).unwrap_or_default());
                self.frame_began = self.decoder.in_frame().then(|| self.frame_began.unwrap_or(self.last_read));
            }
            Err(error) => {
                self.decoder.finish();
                self.end = Some(End::Failed(error));
            }
        }
    }

    /// A frame must be complete within its time however slowly its bytes drip; without a frame, silence counts.
    fn deadline(&self) -> Instant {
        match self.frame_began {
            Some(began) => began + self.intake.settings.frame_timeout,
            None => self.last_read + self.patience.idle.unwrap_or(FOREVER),
        }
    }

    fn waited_too_long(&mut self) {
        if self.frame_began.take().is_some() {
            self.decoder.expire();
        } else {
            self.end = Some(End::Idle);
        }
    }
}

/// Bytes read at once.
const READ_BYTES: usize = 16 << 10;
/// For streams that may be silent for ever.
const FOREVER: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Puts everything on the wire in one write, so that no acknowledgement waits for a delayed TCP acknowledgement.
async fn write<S: AsyncWrite + Unpin>(stream: &mut S, bytes: &mut Vec<u8>) -> io::Result<()> {
    if bytes.is_empty() {
        return Ok(());
    }
    let written = timeout(limits::WRITE_TIMEOUT, async {
        stream.write_all(bytes).await?;
        stream.flush().await
    });
    written.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    fail_point!("ack-written", |_| Ok(()));
    bytes.clear();
    Ok(())
}
