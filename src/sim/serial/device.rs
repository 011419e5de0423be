//! The device at work: a [`Station`] over whatever terminal is plugged in, through a noisy line.

use std::{io, path::Path, sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep, sleep_until},
};

use super::{
    Command, Shared, Terminal,
    content::Content,
    locked,
    pty::Session,
    station::{Manner, Station},
};
use crate::{
    sim::{Error, noise::Channel},
    units::Timestamp,
};

/// How often the device looks whether somebody holds the port.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Time from the last byte to the pulled plug: the terminal throws away what its reader had no time to take.
const CUT_DELAY: Duration = Duration::from_millis(20);
/// How long a plug is out that noise has pulled.
const UNPLUGGED_FOR: Duration = Duration::from_millis(300);
/// Bursts of bytes per second when the pace is limited.
const BURSTS_PER_SECOND: u32 = 200;
/// Bytes read at once.
const READ_BYTES: usize = 4096;
/// Bits that one byte takes on the wire: 8N1, or 7E1.
const BITS_PER_BYTE: u32 = 10;
/// For what has no end.
const FOREVER: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

type Commands = mpsc::Receiver<(Command, oneshot::Sender<()>)>;

/// The device.
pub(super) struct Work {
    shared: Arc<Shared>,
    commands: Commands,
    plug: Plug,
    began: Instant,
    station: Station,
    toward: Channel,
    back: Channel,
    outgoing: Outgoing,
    files: u64,
}

/// Whether the device is plugged in.
enum Plug {
    In(Terminal),
    /// It comes back by itself then, or by a command.
    Out(Option<Instant>),
}

/// Bytes on their way out.
#[derive(Default)]
struct Outgoing {
    bytes: Vec<u8>,
    /// When the line has carried those that left, while others follow.
    free_at: Option<Instant>,
    /// When it will have carried the next of them.
    due: Option<Instant>,
    /// Whether the plug is pulled behind them.
    is_cut: bool,
}

/// Why the device stops serving a terminal.
enum Left {
    /// Everything is done.
    Done,
    /// The port is to be there anew: its user closed it, or the plug is put in again, and whoever asked for that is told.
    Anew(Option<oneshot::Sender<()>>),
    /// The plug is pulled, for ever if no time is given; whoever asked for it is told.
    Unplugged(Option<Duration>, Option<oneshot::Sender<()>>),
}

impl Work {
    pub(super) fn new(shared: Arc<Shared>, terminal: Terminal, commands: Commands) -> Result<Self, Error> {
        let options = &shared.options;
        if let Some(folder) = &options.into {
            std::fs::create_dir_all(folder).map_err(|source| Error::Write { path: folder.clone(), source })?;
        }
        let until = options.duration.map(|duration| Timestamp(0).plus(duration));
        let manner = Manner {
            role: options.role,
            messages: options.messages,
            until,
            gap: options.gap,
            answer_timeout: options.answer_timeout,
            tries: options.tries,
            refuse_every: options.refuse_every,
            stuck_after: options.stuck_after,
        };
        let seeded = (options.seed, options.link.as_str(), options.clock);
        let content = Content::new(&options.speech, || options.generator(), seeded);
        let mut station = Station::new(&options.framing, options.bounds(), manner, content);
        station.tally.plugs = 1;
        Ok(Self {
            toward: Channel::new(options.noise, options.seed),
            back: Channel::new(options.noise.back(), !options.seed),
            shared,
            commands,
            plug: Plug::In(terminal),
            began: Instant::now(),
            station,
            outgoing: Outgoing::default(),
            files: 0,
        })
    }

    /// Works until everything is done. A terminal that cannot be made, or a file that cannot be written, ends it.
    pub(super) async fn run(&mut self) {
        if let Err(fault) = self.work().await {
            locked(&self.shared.fault).get_or_insert(fault);
        }
    }

    async fn work(&mut self) -> Result<(), Error> {
        loop {
            let left = match std::mem::replace(&mut self.plug, Plug::Out(None)) {
                Plug::Out(back_at) => Left::Anew(self.wait_for_plug(back_at).await),
                Plug::In(terminal) => self.serve(&terminal).await?,
            };
            let now = self.now();
            self.station.lost(now);
            self.outgoing = Outgoing::default();
            match left {
                Left::Done => return self.publish(),
                Left::Anew(done) => {
                    self.plug = Plug::In(Terminal::open(&self.shared.options.port)?);
                    self.station.tally.plugs += 1;
                    self.publish()?;
                    tell(done);
                }
                Left::Unplugged(time, done) => {
                    self.plug = Plug::Out(time.map(|time| Instant::now() + time));
                    self.station.tally.unplugs += 1;
                    self.publish()?;
                    tell(done);
                }
            }
        }
    }

    /// Returns when the plug is put in again, with whoever asked for it.
    async fn wait_for_plug(&mut self, back_at: Option<Instant>) -> Option<oneshot::Sender<()>> {
        let back_at = back_at.unwrap_or_else(|| Instant::now() + FOREVER);
        loop {
            tokio::select! {
                Some((command, done)) = self.commands.recv() => {
                    match command {
                        Command::CutFrameAt(bytes) => self.toward.cut_next_at(bytes),
                        Command::Unplug => {}
                        Command::Replug => return Some(done),
                    }
                    tell(Some(done));
                }
                () = sleep_until(back_at) => return None,
            }
        }
    }

    /// Talks over a terminal until it is left.
    async fn serve(&mut self, terminal: &Terminal) -> Result<Left, Error> {
        let mut listened = Box::pin(listened_to(terminal));
        loop {
            let due = self.station.deadline().map(|at| at.since(self.now()));
            tokio::select! {
                biased;
                Some((command, done)) = self.commands.recv() => {
                    if let Some(left) = self.obey(command, done) {
                        return Ok(left);
                    }
                }
                () = &mut listened => break,
                () = sleep(due.unwrap_or(FOREVER)) => {
                    let now = self.now();
                    self.station.tick(now);
                    if self.station.is_done(now) {
                        return Ok(Left::Done);
                    }
                }
            }
        }
        let Ok(session) = terminal.session() else { return Ok(Left::Anew(None)) };
        let now = self.now();
        self.station.connected(now);
        let mut buffer = vec![0; READ_BYTES];
        loop {
            self.queue();
            self.publish()?;
            if self.outgoing.bytes.is_empty() {
                if self.outgoing.is_cut {
                    sleep(CUT_DELAY).await;
                    let by_noise = self.shared.options.noise.unplug_every.map(|_| UNPLUGGED_FOR);
                    return Ok(Left::Unplugged(by_noise, None));
                }
                let now = self.now();
                if self.station.is_done(now) {
                    // The terminal throws away what its reader had no time to take.
                    sleep(CUT_DELAY).await;
                    return Ok(Left::Done);
                }
            }
            let due = self.station.deadline().map(|at| at.since(self.now()));
            tokio::select! {
                biased;
                Some((command, done)) = self.commands.recv() => {
                    if let Some(left) = self.obey(command, done) {
                        return Ok(left);
                    }
                }
                read = session.read(&mut buffer) => match read {
                    Ok(count @ 1..) => self.hear(buffer.get(..count).unwrap_or_default()),
                    Ok(0) | Err(_) => return Ok(Left::Anew(None)),
                },
                written = self.outgoing.leave(&session, self.shared.options.baud), if !self.outgoing.bytes.is_empty() => {
                    if written.is_err() {
                        return Ok(Left::Anew(None));
                    }
                }
                () = sleep(due.unwrap_or(FOREVER)) => {
                    let now = self.now();
                    self.station.tick(now);
                }
            }
        }
    }

    fn obey(&mut self, command: Command, done: oneshot::Sender<()>) -> Option<Left> {
        match command {
            Command::Unplug => return Some(Left::Unplugged(None, Some(done))),
            Command::CutFrameAt(bytes) => self.toward.cut_next_at(bytes),
            Command::Replug => {}
        }
        tell(Some(done));
        None
    }

    fn now(&self) -> Timestamp {
        Timestamp(0).plus(self.began.elapsed())
    }

    fn hear(&mut self, bytes: &[u8]) {
        let passed = self.back.pass(bytes);
        self.station.tally.damaged += passed.damaged;
        let now = self.now();
        self.station.receive(now, &passed.bytes);
    }

    /// Sends what the station has to say through the line.
    fn queue(&mut self) {
        let bytes = self.station.transmit();
        if !bytes.is_empty() && !self.outgoing.is_cut {
            let passed = self.toward.pass(&bytes);
            self.station.tally.damaged += passed.damaged;
            self.outgoing.is_cut = passed.is_cut;
            self.outgoing.bytes.extend_from_slice(&passed.bytes);
        }
        if self.outgoing.bytes.is_empty() {
            let now = self.now();
            self.station.written(now);
        }
    }

    /// Tells how far it is.
    fn publish(&mut self) -> Result<(), Error> {
        for (id, took) in std::mem::take(&mut self.station.acknowledged) {
            // This ledger has no file, so entering cannot fail.
            locked(&self.shared.ledger).enter(&id).ok();
            locked(&self.shared.latencies).record(took);
        }
        for message in std::mem::take(&mut self.station.taken) {
            self.files += 1;
            if let Some(folder) = &self.shared.options.into {
                write(&folder.join(format!("{:06}", self.files)), &message)?;
            }
        }
        self.shared.publish(self.station.tally);
        Ok(())
    }
}

fn tell(done: Option<oneshot::Sender<()>>) {
    if let Some(done) = done {
        done.send(()).ok(); // who asked may not wait
    }
}

fn write(path: &Path, message: &[u8]) -> Result<(), Error> {
    std::fs::write(path, message).map_err(|source| Error::Write { path: path.to_owned(), source })
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

impl Outgoing {
    /// Writes some of the bytes, when the line has had its time for them. One that is given up has written nothing.
    async fn leave(&mut self, session: &Session<'_>, baud: Option<u32>) -> io::Result<()> {
        let mut part = self.bytes.as_slice();
        if let Some(per_second) = baud.map(|baud| (baud / BITS_PER_BYTE).max(1)) {
            let burst = usize::try_from(per_second / BURSTS_PER_SECOND).unwrap_or(usize::MAX).max(1);
            part = part.get(..burst).unwrap_or(part);
            let time = Duration::from_secs(1) * u32::try_from(part.len()).unwrap_or(u32::MAX) / per_second;
            let begins = *self.free_at.get_or_insert_with(Instant::now);
            sleep_until(*self.due.get_or_insert(begins + time)).await;
        }
        let written = session.write(part).await?;
        self.bytes.drain(..written);
        self.free_at = self.due.take().filter(|_| !self.bytes.is_empty());
        Ok(())
    }
}
