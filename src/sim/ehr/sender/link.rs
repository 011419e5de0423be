//! One connection of the sender: its window of messages in flight, its pace, and its patience.

use std::{collections::VecDeque, io, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{Generator, Shared};
use crate::{
    hl7::ack,
    sim::ehr::Generated,
    wire::mllp::{self, Decoder, Event},
};

/// Bytes of an answer.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Bytes read at once.
const READ_BYTES: usize = 16 << 10;
/// Wait of a link that has nothing to wait for but its peer.
const IDLE: Duration = Duration::from_secs(3600);

/// One connection and what is in flight on it.
pub(super) struct Link {
    shared: Arc<Shared>,
    generator: Generator,
    /// Oldest first; the first `written` of them are on the wire of the present connection.
    window: VecDeque<Pending>,
    written: usize,
    /// When the next message may be made, with a rate.
    due: Instant,
    /// Not before this time is a refused message repeated.
    held_until: Option<Instant>,
    exhausted: Option<Instant>,
}

/// A message that is not acknowledged.
struct Pending {
    message: Generated,
    /// When it was last written.
    at: Option<Instant>,
}

/// Why a conversation ended.
enum End {
    /// Everything is made and acknowledged, or the time to wait for the rest is over.
    Done,
    /// The peer closed, or kept an answer for too long.
    Lost,
}

impl Link {
    pub(super) fn new(shared: Arc<Shared>, number: usize, now: Instant) -> Self {
        let generator = shared.options.generator(number);
        // Spread the connections over the first interval.
        let share = f64::from(u32::try_from(number).unwrap_or(0)) / connections(&shared);
        let due = interval(&shared).map_or(now, |interval| now + interval.mul_f64(share));
        let window = VecDeque::new();
        Self { shared, generator, window, written: 0, due, held_until: None, exhausted: None }
    }

    /// Connects and sends until everything is made and acknowledged.
    pub(super) async fn run(&mut self) {
        loop {
            match self.connect().await {
                Ok(stream) => {
                    self.shared.count(|tally| tally.connects += 1);
                    if matches!(self.converse(stream).await, End::Done) {
                        return;
                    }
                    self.shared.count(|tally| tally.lost_connections += 1);
                }
                Err(_) => self.shared.count(|tally| tally.connect_failures += 1),
            }
            self.written = 0;
            self.held_until = None;
            if self.is_done(Instant::now()) {
                return;
            }
            sleep(self.shared.options.pause).await;
        }
    }

    async fn connect(&self) -> io::Result<TcpStream> {
        let connecting = TcpStream::connect(&self.shared.options.to);
        let stream = timeout(self.shared.options.answer_timeout, connecting).await??;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    async fn converse(&mut self, mut stream: TcpStream) -> End {
        let mut answers = Decoder::new(ANSWER_BYTES_MAX);
        let mut read = vec![0; READ_BYTES];
        let mut out = Vec::new();
        loop {
            let now = Instant::now();
            self.fill(now);
            if self.is_done(now) {
                return End::Done;
            }
            self.write_unwritten(&mut out, now);
            if !out.is_empty() {
                match timeout(self.shared.options.answer_timeout, stream.write_all(&out)).await {
                    Ok(Ok(())) => out.clear(),
                    _ => return End::Lost,
                }
            }
            tokio::select! {
                biased;
                count = stream.read(&mut read) => match count {
                    Ok(count @ 1..) => {
                        answers.push(read.get(..count).unwrap_or(&[]));
                        self.take(&mut answers);
                    }
                    _ => return End::Lost,
                },
                () = sleep_until(self.wake(now)) => if self.is_late(Instant::now()) {
                    self.shared.count(|tally| tally.timeouts += 1);
                    return End::Lost;
                },
            }
        }
    }

    /// Makes new messages while window, pace and budget allow.
    fn fill(&mut self, now: Instant) {
        if self.exhausted.is_none() && self.shared.is_exhausted(now) {
            self.exhausted = Some(now);
        }
        while self.window.len() < self.shared.options.window && self.exhausted.is_none() && now >= self.due {
            if !self.shared.take_budget() {
                self.exhausted = Some(now);
                return;
            }
            if let Some(interval) = interval(&self.shared) {
                self.due += interval;
            }
            self.window.push_back(Pending { message: self.generator.next(), at: None });
        }
    }

    fn is_done(&self, now: Instant) -> bool {
        let linger = self.shared.options.linger;
        self.exhausted.is_some_and(|since| self.window.is_empty() || now.duration_since(since) >= linger)
    }

    /// Frames what is not on the wire yet, for one write.
    fn write_unwritten(&mut self, out: &mut Vec<u8>, now: Instant) {
        if self.held_until.is_some_and(|until| now < until) {
            return;
        }
        self.held_until = None;
        let (mut sent, mut repeated) = (0, 0);
        for pending in self.window.iter_mut().skip(self.written) {
            mllp::encode(out, &pending.message.bytes);
            sent += 1;
            repeated += u64::from(pending.at.replace(now).is_some());
        }
        self.written = self.window.len();
        if sent > 0 {
            self.shared.count(|tally| {
                tally.sent += sent;
                tally.repeated += repeated;
            });
        }
    }

    /// Settles what the answers settle.
    fn take(&mut self, answers: &mut Decoder) {
        let now = Instant::now();
        for event in answers {
            let Event::Frame(payload) = event else {
                self.shared.count(|tally| tally.stray += 1);
                continue;
            };
            let answer = ack::read(&payload).ok();
            let found = answer.and_then(|answer| Some((self.place(&answer.control_id)?, answer.code?)));
            match found {
                None => self.shared.count(|tally| tally.stray += 1),
                Some((place, code)) if code.is_positive() => self.settle(place, now),
                Some((place, _)) => {
                    self.shared.count(|tally| tally.refused += 1);
                    // It and what follows it goes again, in order, after a pause.
                    self.written = place;
                    self.held_until = Some(now + self.shared.options.pause);
                }
            }
        }
    }

    /// Where in the window the message with this control id is, if it was sent.
    fn place(&self, control_id: &[u8]) -> Option<usize> {
        let is_it = |pending: &Pending| pending.at.is_some() && pending.message.control_id.as_bytes() == control_id;
        self.window.iter().position(is_it)
    }

    fn settle(&mut self, place: usize, now: Instant) {
        if let Some(pending) = self.window.remove(place) {
            self.written -= usize::from(place < self.written);
            let latency = pending.at.map_or(Duration::ZERO, |at| now.duration_since(at));
            self.shared.settle(&pending.message.control_id, latency);
        }
    }

    /// Whether the oldest message on the wire has waited too long.
    fn is_late(&self, now: Instant) -> bool {
        self.oldest_deadline().is_some_and(|deadline| now >= deadline)
    }

    fn oldest_deadline(&self) -> Option<Instant> {
        let oldest = self.window.front().filter(|_| self.written > 0)?;
        oldest.at.map(|at| at + self.shared.options.answer_timeout)
    }

    /// When something is to be done even if the peer stays silent.
    fn wake(&self, now: Instant) -> Instant {
        let may_make = self.exhausted.is_none() && self.window.len() < self.shared.options.window;
        let due = may_make.then_some(self.due.max(now));
        let deadline = self.shared.deadline.filter(|_| self.exhausted.is_none());
        let linger = self.exhausted.map(|since| since + self.shared.options.linger);
        let times = [self.oldest_deadline(), self.held_until, due, deadline, linger];
        times.into_iter().flatten().min().unwrap_or(now + IDLE)
    }
}

/// Time between two new messages of one connection.
fn interval(shared: &Shared) -> Option<Duration> {
    let rate = shared.options.rate.filter(|rate| *rate > 0.0)?;
    Duration::try_from_secs_f64(connections(shared) / rate).ok()
}

fn connections(shared: &Shared) -> f64 {
    f64::from(u32::try_from(shared.options.connections).unwrap_or(u32::MAX))
}
