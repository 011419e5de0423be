//! The device at work: one message at a time, over whatever terminal is plugged in.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep, sleep_until, timeout_at},
};

use super::{Command, Shared, Terminal, locked, pty::Session};
use crate::{
    hl7::ack,
    sim::{
        Error,
        ehr::{Generated, Generator},
        random::SplitMix64,
    },
    wire::mllp::{self, Decoder, Event},
};

/// How often the device looks whether somebody holds the port.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Time from the last byte to the pulled plug: the terminal throws away what its reader had no time to take.
const CUT_DELAY: Duration = Duration::from_millis(20);
/// Bursts of bytes per second when the pace is limited.
const BURSTS_PER_SECOND: u32 = 200;
/// Bytes of an answer.
const ANSWER_BYTES_MAX: usize = 1 << 16;
/// Bits that one byte takes on the wire: 8N1.
const BITS_PER_BYTE: u32 = 10;

type Commands = mpsc::Receiver<(Command, oneshot::Sender<()>)>;

/// The device.
pub(super) struct Work {
    shared: Arc<Shared>,
    commands: Commands,
    wire: Wire,
}

/// What sends; kept apart from the commands, which may come while it sends.
struct Wire {
    shared: Arc<Shared>,
    terminal: Option<Terminal>,
    generator: Generator,
    random: SplitMix64,
    message: Option<Generated>,
    sent_before: bool,
    cut_at: Option<usize>,
    deadline: Option<Instant>,
}

/// What came of one attempt to send a message.
enum Outcome {
    Acknowledged,
    /// Refused, or not answered in time.
    Again,
    /// The user closed the port.
    PortClosed,
    /// The plug was pulled by a cut.
    Cut,
}

impl Work {
    pub(super) fn new(shared: Arc<Shared>, terminal: Terminal, commands: Commands) -> Self {
        let options = &shared.options;
        let wire = Wire {
            terminal: Some(terminal),
            generator: shared.options.generator(),
            random: SplitMix64::new(options.seed ^ 0x5e11),
            message: None,
            sent_before: false,
            cut_at: None,
            deadline: options.duration.and_then(|duration| Instant::now().checked_add(duration)),
            shared: Arc::clone(&shared),
        };
        Self { shared, commands, wire }
    }

    /// Works until everything is made and acknowledged. A terminal that cannot be made ends it.
    pub(super) async fn run(&mut self) {
        loop {
            let stepped = tokio::select! {
                biased;
                Some((command, done)) = self.commands.recv() => {
                    let obeyed = self.wire.obey(command);
                    done.send(()).ok(); // who asked may not wait
                    obeyed.map(|()| true)
                }
                stepped = self.wire.step() => stepped,
            };
            match stepped {
                Ok(true) => {}
                Ok(false) => return,
                Err(fault) => {
                    locked(&self.shared.fault).get_or_insert(fault);
                    return;
                }
            }
        }
    }
}

impl Wire {
    fn obey(&mut self, command: Command) -> Result<(), Error> {
        match command {
            Command::CutFrameAt(bytes) => self.cut_at = Some(bytes),
            Command::Unplug => self.unplug(),
            Command::Replug if self.terminal.is_none() => self.plug()?,
            Command::Replug => {}
        }
        Ok(())
    }

    fn unplug(&mut self) {
        if self.terminal.take().is_some() {
            self.shared.count(|tally| tally.unplugs += 1);
        }
    }

    fn plug(&mut self) -> Result<(), Error> {
        self.terminal = None;
        self.terminal = Some(Terminal::open(&self.shared.options.port)?);
        self.shared.count(|tally| tally.plugs += 1);
        Ok(())
    }

    /// Sends one message once; false when there is nothing more to send. May be given up at any wait: the message stays.
    async fn step(&mut self) -> Result<bool, Error> {
        if self.message.is_none() {
            if self.is_exhausted() {
                return Ok(false);
            }
            self.message = Some(self.generator.next());
            self.sent_before = false;
            self.shared.count(|tally| tally.made += 1);
        }
        match self.exchange().await {
            Ok(Outcome::Acknowledged) => {
                self.message = None;
                sleep(self.shared.options.gap).await;
            }
            Ok(Outcome::Again) => sleep(self.shared.options.gap).await,
            Ok(Outcome::Cut) => self.unplug(),
            Ok(Outcome::PortClosed) | Err(_) => self.plug()?,
        }
        Ok(true)
    }

    fn is_exhausted(&self) -> bool {
        let made = self.shared.tally.borrow().made;
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
            || self.shared.options.messages.is_some_and(|messages| made >= messages)
    }

    async fn exchange(&mut self) -> io::Result<Outcome> {
        let (Some(terminal), Some(message)) = (&self.terminal, &self.message) else {
            // Unplugged: only a command can change that.
            return std::future::pending().await;
        };
        listened_to(terminal).await;
        let session = terminal.session()?;
        let mut frame = Vec::with_capacity(message.bytes.len() + 3);
        mllp::encode(&mut frame, &message.bytes);
        let (bytes, damaged) = self.shared.options.noise.pass(&mut self.random, &frame);
        if let Some(length) = self.cut_at.take() {
            send(&session, bytes.get(..length).unwrap_or(&bytes), self.shared.options.baud).await?;
            sleep(CUT_DELAY).await;
            return Ok(Outcome::Cut);
        }
        let repeated = u64::from(std::mem::replace(&mut self.sent_before, true));
        send(&session, &bytes, self.shared.options.baud).await?;
        self.shared.count(|tally| {
            tally.sent += 1;
            tally.repeated += repeated;
            tally.damaged += damaged;
        });
        answer(&self.shared, &session, &message.control_id).await
    }
}

/// Returns when somebody has held the port open for two looks, so that there was time to make it raw.
async fn listened_to(terminal: &Terminal) {
    let mut before = false;
    loop {
        let open = terminal.is_open();
        if before && open {
            return;
        }
        before = open;
        sleep(LOOK_EVERY).await;
    }
}

/// Sends at the pace of the baud rate.
async fn send(session: &Session<'_>, bytes: &[u8], baud: Option<u32>) -> io::Result<()> {
    let Some(per_second) = baud.map(|baud| (baud / BITS_PER_BYTE).max(1)) else {
        return session.write_all(bytes).await;
    };
    let started = Instant::now();
    let per_byte = Duration::from_secs(1) / per_second;
    let burst = usize::try_from(per_second / BURSTS_PER_SECOND).unwrap_or(usize::MAX).max(1);
    let mut sent = 0_u32;
    for part in bytes.chunks(burst) {
        session.write_all(part).await?;
        sent = sent.saturating_add(u32::try_from(part.len()).unwrap_or(u32::MAX));
        sleep_until(started + per_byte * sent).await;
    }
    Ok(())
}

/// Waits for the answer to the message.
async fn answer(shared: &Shared, session: &Session<'_>, control_id: &str) -> io::Result<Outcome> {
    let sent = Instant::now();
    let mut answers = Decoder::new(ANSWER_BYTES_MAX);
    let mut bytes = [0; 4096];
    loop {
        let Ok(read) = timeout_at(sent + shared.options.answer_timeout, session.read(&mut bytes)).await else {
            shared.count(|tally| tally.timeouts += 1);
            return Ok(Outcome::Again);
        };
        match read {
            Ok(count @ 1..) => answers.push(bytes.get(..count).unwrap_or(&[])),
            Ok(0) | Err(_) => return Ok(Outcome::PortClosed),
        }
        for event in answers.by_ref() {
            if let Some(outcome) = judge(shared, &event, control_id, sent) {
                return Ok(outcome);
            }
        }
    }
}

/// What an event among the answers comes to; none for one that is not about the message.
fn judge(shared: &Shared, event: &Event, control_id: &str, sent: Instant) -> Option<Outcome> {
    let reply = match event {
        Event::Frame(payload) => ack::read(payload).ok(),
        Event::Noise { .. } | Event::Count(_) | Event::Sent | Event::Unsent(_) => None,
    };
    let reply = reply.filter(|reply| reply.control_id == control_id.as_bytes());
    match reply.and_then(|reply| reply.code) {
        Some(code) if code.is_positive() => {
            // This ledger has no file, so entering cannot fail.
            locked(&shared.ledger).enter(control_id).ok();
            locked(&shared.latencies).record(sent.elapsed());
            shared.count(|tally| tally.acknowledged += 1);
            Some(Outcome::Acknowledged)
        }
        Some(_) => {
            shared.count(|tally| tally.refused += 1);
            Some(Outcome::Again)
        }
        None => {
            shared.count(|tally| tally.stray += 1);
            None
        }
    }
}
