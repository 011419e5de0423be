//! A simulated serial device: the other end of a link of any protocol, over a pseudo terminal, at the pace of a baud rate,
//! with noise, and with a plug that can be pulled, also in the middle of a frame.
//!
//! The device sends one message, waits for its answer, and repeats the same bytes until they are acknowledged; or it takes
//! messages. It does so only while somebody holds the port open. When the port is closed by its user, or the plug is pulled
//! and put in again, the device comes back as a new terminal under the same stable name, as a USB adapter does.
//! What it says and how stands in `station`, which is a plain machine. See [`pty`] for what a pseudo terminal cannot show.

mod content;
mod device;
pub mod pty;
mod station;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::Serialize;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};

pub use content::Speech;
pub use pty::Terminal;
pub use station::Role;

pub use super::noise::Noise;

use super::{
    Error, PROGRESS_EVERY, Stop, Stopper,
    ehr::{Clock, Dialect, Generator, Ledger, Profile},
    stop_pair,
    tally::{Latencies, LatencySummary},
};
use crate::{
    settings::Framing,
    units::limits,
    wire::{Bounds, mllp},
};

/// Commands that may wait for the device.
const COMMANDS_MAX: usize = 16;

/// What the device is like.
#[derive(Clone, Debug)]
pub struct SerialOptions {
    /// The stable name that the port gets: a symbolic link.
    pub port: PathBuf,
    /// Bits per second, 10 per byte; none sends as fast as the terminal takes it.
    pub baud: Option<u32>,
    /// The protocol, as the link has it whose other end the device is.
    pub framing: Framing,
    /// Silence inside a frame after which its rest is taken to be lost.
    pub frame_gap: Duration,
    /// Whether it sends or takes messages.
    pub role: Role,
    /// What it sends.
    pub speech: Speech,
    /// New messages, or messages to take; none goes on.
    pub messages: Option<u64>,
    /// Time after which no new message is made and none is taken; none goes on.
    pub duration: Option<Duration>,
    /// How often a message is sent before it is given up; none repeats it until it is acknowledged.
    pub tries: Option<u32>,
    /// A receiver refuses one message of so many.
    pub refuse_every: Option<u64>,
    /// Settled messages after which the device neither sends nor listens any more.
    pub stuck_after: Option<u64>,
    /// Folder in which a receiver puts what it takes, each message in a file.
    pub into: Option<PathBuf>,
    /// Pause between an answer and the next message, and before a refused message goes again.
    pub gap: Duration,
    /// Time an HL7 answer may take over MLLP before the message goes again; other protocols have times of their own.
    pub answer_timeout: Duration,
    /// The noise of the wire, from the device's point of view; the other direction has the same for single bytes.
    pub noise: Noise,
    /// Determines traffic and noise.
    pub seed: u64,
    /// Names the traffic in control ids and record numbers.
    pub link: String,
    /// How it writes HL7.
    pub dialect: Dialect,
    /// Bytes that a message has at least.
    pub size: Option<usize>,
    /// Stays that run interleaved.
    pub population: usize,
    /// The times in the messages.
    pub clock: Clock,
}

impl Default for SerialOptions {
    fn default() -> Self {
        Self {
            port: PathBuf::from("gurney-simulated-port"),
            baud: Some(9600),
            framing: Framing::Mllp(mllp::Options::default()),
            frame_gap: limits::SERIAL_GAP_MIN,
            role: Role::Sender,
            speech: Speech::Hl7,
            messages: None,
            duration: None,
            tries: None,
            refuse_every: None,
            stuck_after: None,
            into: None,
            gap: Duration::from_millis(500),
            answer_timeout: Duration::from_secs(10),
            noise: Noise::default(),
            seed: 1,
            link: "S0".into(),
            dialect: Dialect::Legacy,
            size: None,
            population: 40,
            clock: Clock::Wall,
        }
    }
}

impl SerialOptions {
    /// The traffic that the device sends; with a clock of steps, to the byte.
    pub fn generator(&self) -> Generator {
        let profile = Profile {
            link: self.link.clone(),
            dialect: self.dialect,
            size: self.size,
            population: self.population,
            clock: self.clock,
        };
        Generator::new(self.seed, profile)
    }

    /// Frames of the other end.
    fn bounds(&self) -> Bounds {
        Bounds { frame_max: FRAME_BYTES_MAX, frame_timeout: limits::FRAME_TIMEOUT, gap_max: Some(self.frame_gap) }
    }
}

/// Largest frame that a device takes.
const FRAME_BYTES_MAX: usize = 16 << 20;

/// What happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SerialTally {
    /// Messages made.
    pub made: u64,
    /// Messages begun to be sent, repeats included.
    pub sent: u64,
    /// Of those, how many were sent before.
    pub repeated: u64,
    /// Frames that the protocol sent again by itself.
    pub retransmitted: u64,
    /// Messages positively acknowledged.
    pub acknowledged: u64,
    /// Messages sent over a line on which nothing is acknowledged.
    pub unproven: u64,
    /// Answers that refused.
    pub refused: u64,
    /// Messages given up after as many tries as were allowed.
    pub given_up: u64,
    /// Messages taken.
    pub received: u64,
    /// Of those, how many were taken before.
    pub duplicates: u64,
    /// Messages that the device refused, as it was told to.
    pub turned_away: u64,
    /// Answers to something else, and bytes that were no answer.
    pub stray: u64,
    /// Answers that did not come in time.
    pub timeouts: u64,
    /// Bytes that noise damaged, lost or added.
    pub damaged: u64,
    /// Times the plug was put in, or the port closed by its user.
    pub plugs: u64,
    /// Times the plug was pulled.
    pub unplugs: u64,
}

/// How it ended.
#[derive(Clone, Debug, Serialize)]
pub struct SerialSummary {
    /// The counts.
    #[serde(flatten)]
    pub tally: SerialTally,
    /// Messages made and not acknowledged, where something is acknowledged at all.
    pub unacknowledged: u64,
    /// Time from the start to the end.
    pub seconds: f64,
    /// From the last byte of a message to its positive answer.
    pub answer: LatencySummary,
}

/// A device at work.
#[derive(Debug)]
pub struct Device {
    shared: Arc<Shared>,
    commands: mpsc::Sender<(Command, oneshot::Sender<()>)>,
    tally: watch::Receiver<SerialTally>,
    running: mpsc::Receiver<()>,
    stopper: Stopper,
    started: Instant,
}

/// What is done to the plug.
#[derive(Clone, Copy, Debug)]
enum Command {
    Unplug,
    Replug,
    /// Pull it when so many bytes of a frame have passed.
    CutFrameAt(usize),
}

/// What the device and its owner share.
#[derive(Debug)]
struct Shared {
    options: SerialOptions,
    tally: watch::Sender<SerialTally>,
    ledger: Mutex<Ledger>,
    latencies: Mutex<Latencies>,
    fault: Mutex<Option<Error>>,
}

impl Device {
    /// Plugs it in and starts sending on the current runtime.
    pub fn start(options: SerialOptions) -> Result<Self, Error> {
        let terminal = Terminal::open(&options.port)?;
        let (sender, tally) = watch::channel(SerialTally { plugs: 1, ..SerialTally::default() });
        let (alive, running) = mpsc::channel(1);
        let (commands, queue) = mpsc::channel(COMMANDS_MAX);
        let (stopper, stop) = stop_pair();
        let shared = Arc::new(Shared {
            options,
            tally: sender,
            ledger: Mutex::default(),
            latencies: Mutex::default(),
            fault: Mutex::default(),
        });
        let work = device::Work::new(Arc::clone(&shared), terminal, queue)?;
        tokio::spawn(keep(work, stop, alive));
        Ok(Self { shared, commands, tally, running, stopper, started: Instant::now() })
    }

    /// The stable name of the port.
    pub fn port(&self) -> &Path {
        &self.shared.options.port
    }

    /// Pulls the plug; the name is gone when this returns.
    pub async fn unplug(&self) {
        self.command(Command::Unplug).await;
    }

    /// Puts the plug in again; the name is back when this returns.
    pub async fn replug(&self) {
        self.command(Command::Replug).await;
    }

    /// Pulls the plug when the next frame has sent so many bytes.
    pub async fn cut_frame_at(&self, bytes: usize) {
        self.command(Command::CutFrameAt(bytes)).await;
    }

    async fn command(&self, command: Command) {
        let (done, wait) = oneshot::channel();
        if self.commands.send((command, done)).await.is_ok() {
            wait.await.ok(); // a device that has ended does nothing any more
        }
    }

    /// What happened so far.
    pub fn tally(&self) -> SerialTally {
        *self.tally.borrow()
    }

    /// Returns the counts once they satisfy `wanted`, or as they are at the end.
    pub async fn until(&mut self, wanted: impl Fn(&SerialTally) -> bool) -> SerialTally {
        tokio::select! {
            found = async { self.tally.wait_for(|tally| wanted(tally)).await.map(|tally| *tally) } => {
                found.unwrap_or_else(|_| *self.shared.tally.borrow())
            }
            _ = self.running.recv() => *self.shared.tally.borrow(),
        }
    }

    /// Returns once the device has ended by itself: everything is made and acknowledged, or its terminal failed.
    pub async fn ended(&mut self) {
        // Nothing is ever sent: the channel closes when the device drops its end.
        self.running.recv().await;
    }

    /// Ends now.
    pub fn stop(&self) {
        self.stopper.stop();
    }

    /// The control ids acknowledged so far, oldest first.
    pub fn acknowledged(&self) -> Vec<String> {
        locked(&self.shared.ledger).ids().map(str::to_owned).collect()
    }

    /// Waits for the end and sums up.
    pub async fn finish(mut self) -> Result<SerialSummary, Error> {
        self.ended().await;
        if let Some(fault) = locked(&self.shared.fault).take() {
            return Err(fault);
        }
        let tally = self.tally();
        let answer = locked(&self.shared.latencies).summary();
        let seconds = self.started.elapsed().as_secs_f64();
        let unacknowledged = tally.made - tally.acknowledged - tally.unproven;
        Ok(SerialSummary { tally, unacknowledged, seconds, answer })
    }
}

/// Runs a device until the bound of `options` is reached or `stop` comes, and reports on the way.
pub async fn run(
    options: SerialOptions,
    mut stop: Stop,
    progress: impl Fn(&SerialTally),
) -> Result<SerialSummary, Error> {
    let mut device = Device::start(options)?;
    let mut ticks = tokio::time::interval(PROGRESS_EVERY);
    loop {
        tokio::select! {
            () = device.ended() => break,
            () = stop.stopped() => { device.stop(); break; }
            _ = ticks.tick() => progress(&device.tally()),
        }
    }
    let summary = device.finish().await?;
    progress(&summary.tally);
    Ok(summary)
}

/// Keeps the device until its work is done; `_alive` tells of its end by being dropped.
async fn keep(mut work: device::Work, mut stop: Stop, _alive: mpsc::Sender<()>) {
    tokio::select! {
        () = work.run() => {}
        () = stop.stopped() => {}
    }
}

impl Shared {
    fn publish(&self, tally: SerialTally) {
        self.tally.send_replace(tally);
    }
}

/// Locks; a panic elsewhere leaves counts and lists usable.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
