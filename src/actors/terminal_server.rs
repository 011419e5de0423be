//! The terminal server actor: a serial line whose bytes come over a raw TCP connection that Gurney opens (Moxa NPort, Digi
//! and others in their mode "TCP server", not RFC 2217).
//!
//! Messages: [`Stop`] (reply when the connection has ended). Mailbox: the default bound; nothing else writes to it. What holds
//! for a line at the box holds here: it cannot be closed, so that a message which is not stored is answered by the line's
//! protocol; a lost connection cuts off the message that was under way. Speed, parity and flow control are set in the terminal
//! server, whose receiver hands damaged bytes over as good ones: only a check of the framing finds them.

use std::{io, rc::Rc, time::Duration};

use actix::{Actor, Context, Handler, Message, ResponseFuture};
use tokio::{
    sync::{Notify, watch as channel},
    time::Instant,
};

use self::stream::Raw;
use super::{
    intake::Intake,
    redial::Dialling,
    serial_port::{serial_line, watch::Hearing},
    session::{End, OnFailure, Patience, serve},
};
use crate::{settings, units::limits, uplink::Dialer};

mod stream;

/// Lets the answers that wait be written, and closes the connection.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Stop;

/// The actor.
pub struct TerminalServer {
    shared: Rc<Shared>,
    stop: channel::Sender<bool>,
}

struct Shared {
    intake: Intake,
    settings: settings::TerminalServer,
    dialling: Dialling,
    ended: Notify,
}

impl TerminalServer {
    /// Makes the actor of a line; `seed` spreads its pauses.
    pub fn new(settings: settings::TerminalServer, seed: u64, intake: Intake) -> Self {
        // A dead terminal server is noticed by the keepalive: within 35 s.
        let dialer = Dialer::plain(limits::KEEPALIVE.0);
        let dialling = Dialling { dialer, endpoints: vec![settings.peer.clone()], redial: settings.redial, seed };
        let shared = Shared { intake, settings, dialling, ended: Notify::new() };
        Self { shared: Rc::new(shared), stop: channel::Sender::new(false) }
    }
}

impl Actor for TerminalServer {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        let (shared, stopping) = (Rc::clone(&self.shared), self.stop.subscribe());
        actix_rt::spawn(async move {
            shared.run(&stopping).await;
            shared.ended.notify_one();
        });
    }
}

impl Handler<Stop> for TerminalServer {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Stop, _: &mut Self::Context) -> Self::Result {
        self.stop.send_replace(true);
        let shared = Rc::clone(&self.shared);
        Box::pin(async move { shared.ended.notified().await })
    }
}

/// Silence behind the last byte before a half-duplex line is written to. The speed of the line is not known here.
const TURN_AROUND: Duration = limits::TURN_AROUND_MIN;
const PATIENCE: Patience = Patience { idle: None, on_failure: OnFailure::Resume };

impl Shared {
    async fn run(&self, stopping: &channel::Receiver<bool>) {
        let Self { intake, settings, dialling, .. } = self;
        let meter = intake.telemetry.link(intake.link);
        let mut hearing = Hearing::new(Instant::now());
        // One machine for all connections: it has something to report when its line was lost.
        let mut line = serial_line(&intake.settings, settings.duplex, TURN_AROUND);
        let one = async |wire| {
            let mut stream = Raw::new(wire, settings, (meter, intake.clock), &mut hearing);
            match serve(&mut stream, line.as_mut(), intake, PATIENCE, stopping.clone()).await {
                End::Closed => End::Failed(io::Error::other("closed by the terminal server")),
                end => end,
            }
        };
        dialling.keep_connected(intake, stopping.clone(), one).await;
    }
}
