//! The MLLP client actor: connects to a sender that listens, takes its messages and acknowledges them over that connection.
//!
//! Messages: [`Stop`] (reply when the connection has ended). Mailbox: the default bound; nothing else writes to it. The
//! connection is served as one that a listener accepted; what it does when it ends is [`redial`](super::redial)'s.

use std::rc::Rc;

use actix::{Actor, Context, Handler, Message, ResponseFuture};
use tokio::sync::{Notify, watch};

use super::{
    intake::Intake,
    protocol,
    redial::Dialling,
    session::{OnFailure, Patience, serve},
};
use crate::{
    settings::{self, Security},
    uplink::{self, Dialer},
};

/// Lets the answers that wait be written, and closes the connection.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Stop;

/// The actor.
pub struct MllpClient {
    shared: Rc<Shared>,
    stop: watch::Sender<bool>,
}

struct Shared {
    intake: Intake,
    dialling: Dialling,
    patience: Patience,
    ended: Notify,
}

impl MllpClient {
    /// Makes the actor of a source; `seed` spreads its pauses.
    ///
    /// # Errors
    /// If a certificate cannot be read or used.
    pub fn new(settings: settings::MllpClient, seed: u64, intake: Intake) -> Result<Self, uplink::Error> {
        let dialer = match &settings.security {
            Security::Plain => Dialer::plain(settings.keepalive),
            Security::Tls { name } => Dialer::encrypted(&settings.tls, name.as_deref(), settings.keepalive)?,
        };
        let dialling = Dialling { dialer, endpoints: settings.endpoints, redial: settings.redial, seed };
        let patience = Patience { idle: Some(settings.idle_timeout), on_failure: OnFailure::Close };
        let shared = Shared { intake, dialling, patience, ended: Notify::new() };
        Ok(Self { shared: Rc::new(shared), stop: watch::Sender::new(false) })
    }
}

impl Actor for MllpClient {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        let (shared, stopping) = (Rc::clone(&self.shared), self.stop.subscribe());
        actix_rt::spawn(async move {
            shared.run(&stopping).await;
            shared.ended.notify_one();
        });
    }
}

impl Handler<Stop> for MllpClient {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Stop, _: &mut Self::Context) -> Self::Result {
        self.stop.send_replace(true);
        let shared = Rc::clone(&self.shared);
        Box::pin(async move { shared.ended.notified().await })
    }
}

impl Shared {
    async fn run(&self, stopping: &watch::Receiver<bool>) {
        let Self { intake, dialling, patience, .. } = self;
        let one = async |mut wire| {
            let mut line = protocol::line(&intake.settings);
            serve(&mut wire, line.as_mut(), intake, *patience, stopping.clone()).await
        };
        dialling.keep_connected(intake, stopping.clone(), one).await;
    }
}
