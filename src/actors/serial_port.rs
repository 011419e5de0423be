//! The serial port actor: opens a port, serves it, and opens it again when it is lost.
//!
//! Messages: [`Stop`] (reply when the port is closed). Mailbox: the default bound. The port is opened raw and for this process
//! alone. A read of zero bytes is a lost port: the descriptor is closed and the port looked for again by its stable name, since an
//! adapter that was unplugged comes back under another number.

use std::{io, path::Path, rc::Rc, time::Duration};

use actix::{Actor, Context, Handler, Message, ResponseFuture};
use tokio::{
    sync::{Notify, watch},
    time::timeout,
};
use tokio_serial::{DataBits, SerialPortBuilderExt as _, SerialStream, StopBits};

use super::{
    intake::Intake,
    protocol,
    session::{End, OnFailure, Patience, serve},
};
use crate::{
    settings::{self, FlowControl, Parity},
    telemetry::LinkSignal,
};

/// Lets the answers that wait be written, and closes the port.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Stop;

/// The actor.
pub struct SerialPort {
    shared: Rc<Shared>,
    stop: watch::Sender<bool>,
}

struct Shared {
    settings: settings::SerialPort,
    intake: Intake,
    ended: Notify,
}

impl SerialPort {
    /// Makes the actor of a port.
    pub fn new(settings: settings::SerialPort, intake: Intake) -> Self {
        let shared = Shared { settings, intake, ended: Notify::new() };
        Self { shared: Rc::new(shared), stop: watch::Sender::new(false) }
    }
}

impl Actor for SerialPort {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        let shared = Rc::clone(&self.shared);
        let stopping = self.stop.subscribe();
        actix_rt::spawn(async move {
            shared.run(stopping).await;
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

/// Pauses between attempts to open a port: short at first, since an adapter that is plugged in again appears within a second.
const REOPEN: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(2));

impl Shared {
    async fn run(&self, mut stopping: watch::Receiver<bool>) {
        let meter = self.intake.telemetry.link(self.intake.link);
        let patience = Patience { idle: None, on_failure: OnFailure::Resume };
        let mut line = protocol::line(&self.intake.settings);
        let mut pause = REOPEN.0;
        let mut was_up = None;
        while !*stopping.borrow() {
            match open(&self.settings) {
                Ok(mut port) => {
                    if was_up.is_none() {
                        meter.tell(LinkSignal::Up { at: &self.settings.port.display().to_string() });
                    } else {
                        meter.tell(LinkSignal::Restored);
                    }
                    was_up = Some(true);
                    pause = REOPEN.0;
                    match serve(&mut port, line.as_mut(), &self.intake, patience, stopping.clone()).await {
                        End::Stopping => return,
                        end => meter.tell(LinkSignal::Down { cause: &end }),
                    }
                }
                Err(error) => {
                    if was_up != Some(false) {
                        meter.tell(LinkSignal::Down { cause: &error });
                    }
                    was_up = Some(false);
                }
            }
            // A time-out is the end of the pause.
            timeout(pause, stopping.changed()).await.ok();
            pause = (pause * 2).min(REOPEN.1);
        }
    }
}

/// Opens a port raw: every byte value passes as it is.
fn open(settings: &settings::SerialPort) -> io::Result<SerialStream> {
    let builder = tokio_serial::new(path(&settings.port)?, settings.baud)
        .data_bits(if settings.data_bits == 7 { DataBits::Seven } else { DataBits::Eight })
        .parity(match settings.parity {
            Parity::None => tokio_serial::Parity::None,
            Parity::Even => tokio_serial::Parity::Even,
            Parity::Odd => tokio_serial::Parity::Odd,
        })
        .stop_bits(if settings.stop_bits == 2 { StopBits::Two } else { StopBits::One })
        .flow_control(match settings.flow_control {
            FlowControl::None => tokio_serial::FlowControl::None,
            FlowControl::Hardware => tokio_serial::FlowControl::Hardware,
        });
    let mut port = builder.open_native_async()?;
    port.set_exclusive(true)?;
    Ok(port)
}

fn path(port: &Path) -> io::Result<&str> {
    port.to_str().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the port's name is not text"))
}
