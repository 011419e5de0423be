//! The serial port actor: opens a port, serves it, and opens it again when it is lost.
//!
//! Messages: [`Stop`] (reply when the port is closed), [`Reconfigure`] (reply at once; the port takes the settings between two
//! messages). Mailbox: the default bound. The port is opened raw and for this process alone. A read of zero bytes is a lost
//! port: the descriptors are closed and the port looked for again by its stable name, since an adapter that was unplugged comes
//! back under another number.

use std::{io, rc::Rc, sync::Arc, time::Duration};

use actix::{Actor, Context, Handler, Message, ResponseFuture};
use tokio::{
    sync::{Notify, watch as channel},
    time::{Instant, sleep},
};

use self::{
    counters::DriverFile,
    port::{Lost, Port, configure, open},
    watch::Hearing,
};
use super::{
    intake::Intake,
    protocol,
    session::{End, OnFailure, Patience, serve_until},
};
use crate::{
    settings::{self, Duplex, Link, LinkWire},
    telemetry::LinkSignal,
    wire::{
        Line,
        half_duplex::{HalfDuplex, Hold},
    },
};

mod counters;
mod port;
pub(in crate::actors) mod watch;

/// Lets the answers that wait be written, and closes the port.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Stop;

/// Takes changed settings as soon as no message is under way. A link of another kind changes nothing.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Reconfigure(pub Arc<Link>);

/// The actor.
pub struct SerialPort {
    shared: Rc<Shared>,
    stop: channel::Sender<bool>,
    wanted: channel::Sender<Wanted>,
}

/// The settings a port is to have.
#[derive(Clone)]
struct Wanted {
    port: settings::SerialPort,
    link: Arc<Link>,
}

struct Shared {
    intake: Intake,
    ended: Notify,
}

impl SerialPort {
    /// Makes the actor of a port.
    pub fn new(settings: settings::SerialPort, intake: Intake) -> Self {
        let wanted = Wanted { port: settings, link: Arc::clone(&intake.settings) };
        let shared = Shared { intake, ended: Notify::new() };
        Self { shared: Rc::new(shared), stop: channel::Sender::new(false), wanted: channel::Sender::new(wanted) }
    }
}

impl Actor for SerialPort {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        let shared = Rc::clone(&self.shared);
        let stopping = self.stop.subscribe();
        let wanted = self.wanted.subscribe();
        actix_rt::spawn(async move {
            shared.run(stopping, wanted).await;
            shared.ended.notify_one();
        });
    }
}

impl Handler<Stop> for SerialPort {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Stop, _: &mut Self::Context) -> Self::Result {
        self.stop.send_replace(true);
        let shared = Rc::clone(&self.shared);
        Box::pin(async move { shared.ended.notified().await })
    }
}

impl Handler<Reconfigure> for SerialPort {
    type Result = ();

    fn handle(&mut self, Reconfigure(link): Reconfigure, _: &mut Self::Context) {
        if let LinkWire::Serial(port) = &link.wire {
            self.wanted.send_replace(Wanted { port: port.clone(), link: Arc::clone(&link) });
        }
    }
}

/// Pauses between attempts to open a port: short at first, since an adapter that is plugged in again appears within a second.
const REOPEN: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(2));

/// How a port is given up.
#[derive(Debug, thiserror::Error)]
enum Closed {
    /// It cannot be opened or set.
    #[error(transparent)]
    Open(#[from] io::Error),
    /// It was served and ended.
    #[error(transparent)]
    Served(#[from] End),
    /// It is not served as it is.
    #[error(transparent)]
    Lost(#[from] Lost),
    /// Its settings name another device.
    #[error("the settings name another device")]
    Moved,
}

/// What lasts longer than an open port.
struct Memory {
    hearing: Hearing,
    /// Whether the last attempt opened the port.
    was_up: Option<bool>,
    pause: Duration,
    /// The protocol, and the settings it was made by: it has something to report when its line was lost.
    line: Option<(Arc<Link>, Box<dyn Line>)>,
}

impl Shared {
    async fn run(&self, mut stopping: channel::Receiver<bool>, mut wanted: channel::Receiver<Wanted>) {
        let meter = self.intake.telemetry.link(self.intake.link);
        let hearing = Hearing::new(Instant::now());
        let mut memory = Memory { hearing, was_up: None, pause: REOPEN.0, line: None };
        while !*stopping.borrow() {
            match self.open_and_serve(&mut memory, &stopping, &mut wanted).await {
                Closed::Served(End::Stopping) => return,
                Closed::Moved => {
                    meter.tell(LinkSignal::Reconfigured);
                    continue;
                }
                // A port that cannot be opened is told of once.
                Closed::Open(_) | Closed::Lost(_) if memory.was_up == Some(false) => {}
                cause => {
                    memory.was_up = Some(false);
                    meter.tell(LinkSignal::Down { cause: &cause });
                }
            }
            tokio::select! {
                _ = stopping.changed() => {}
                _ = wanted.changed() => {}
                () = sleep(memory.pause) => {}
            }
            memory.pause = (memory.pause * 2).min(REOPEN.1);
        }
    }

    async fn open_and_serve(
        &self,
        memory: &mut Memory,
        stopping: &channel::Receiver<bool>,
        wanted: &mut channel::Receiver<Wanted>,
    ) -> Closed {
        let mut now = wanted.borrow_and_update().clone();
        let (stream, control) = match open(&now.port) {
            Ok(opened) => opened,
            Err(error) => return error.into(),
        };
        let counters = DriverFile::of(&now.port.port);
        let meter = self.intake.telemetry.link(self.intake.link);
        let telling = (meter, self.intake.clock);
        let mut port = match Port::new(stream, counters, now.port.clone(), telling, &mut memory.hearing) {
            Ok(port) => port,
            Err(lost) => return lost.into(),
        };
        match memory.was_up {
            None => meter.tell(LinkSignal::Up { at: &now.port.port.display().to_string() }),
            Some(_) => meter.tell(LinkSignal::Restored),
        }
        memory.was_up = Some(true);
        memory.pause = REOPEN.0;
        let patience = Patience { idle: None, on_failure: OnFailure::Resume };
        loop {
            let line = match &mut memory.line {
                Some((link, line)) if Arc::ptr_eq(link, &now.link) => line,
                other => &mut other.insert((Arc::clone(&now.link), protocol_of(&now))).1,
            };
            let intake = Intake { settings: Arc::clone(&now.link), ..self.intake.clone() };
            let changed = async {
                // Settings come as long as the actor lives; without it the port is stopped.
                wanted.changed().await.ok();
            };
            let end = serve_until(&mut port, line.as_mut(), &intake, patience, stopping.clone(), changed).await;
            if !matches!(end, End::Left) {
                return end.into();
            }
            let next = wanted.borrow_and_update().clone();
            if let Err(lost) = port.drained().await {
                return lost.into();
            }
            if next.port.port != now.port.port {
                return Closed::Moved;
            }
            if let Err(error) = configure(&control, &next.port) {
                return error.into();
            }
            port.watch(next.port.clone());
            now = next;
            meter.tell(LinkSignal::Reconfigured);
        }
    }
}

/// The protocol of a port.
fn protocol_of(wanted: &Wanted) -> Box<dyn Line> {
    serial_line(&wanted.link, wanted.port.duplex, wanted.port.turn_around())
}

/// The protocol of a link over a serial line, wherever the line is.
pub(super) fn serial_line(link: &Link, duplex: Duplex, turn_around: Duration) -> Box<dyn Line> {
    let line = protocol::line(link);
    match duplex {
        Duplex::Full => line,
        Duplex::Half => {
            let hold = if link.framing.takes_turns() { Hold::Bytes } else { Hold::Frames };
            Box::new(HalfDuplex::new(line, turn_around, hold))
        }
    }
}
