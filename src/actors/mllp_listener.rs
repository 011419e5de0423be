//! The MLLP listener actor: accepts connections within its caps and owns their tasks.
//!
//! Messages: [`Stop`] (reply when every connection has ended). Mailbox: the default bound; nothing else writes to it.

use std::{net::SocketAddr, rc::Rc};

use actix::{Actor, Context, Handler, Message, ResponseFuture};
use tokio::{net::TcpStream, sync::watch, time::timeout};
use tokio_rustls::TlsAcceptor;

use super::{
    intake::Intake,
    peers::{Caps, Peers},
    protocol,
    session::{End, OnFailure, Patience, serve},
};
use crate::{
    settings::MllpServer,
    telemetry::{LinkSignal, labels::Refusal},
    units::limits,
    uplink::prepare,
};

/// Stops accepting, lets every connection write the answers that wait, and ends.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Stop;

/// The actor.
pub struct MllpListener {
    listener: Option<std::net::TcpListener>,
    shared: Rc<Shared>,
    peers: Rc<Peers>,
    stop: watch::Sender<bool>,
}

/// What the connections share.
struct Shared {
    intake: Intake,
    server: MllpServer,
    acceptor: Option<TlsAcceptor>,
}

impl MllpListener {
    /// Makes the actor around a bound listener.
    pub fn new(
        listener: std::net::TcpListener,
        server: MllpServer,
        acceptor: Option<TlsAcceptor>,
        intake: Intake,
    ) -> Self {
        let caps = Caps {
            allow: server.allow.clone(),
            connections_max: server.connections_max,
            per_peer_max: server.connections_per_peer_max,
        };
        let peers = Rc::new(Peers::new(intake.clone(), caps));
        let shared = Shared { intake, server, acceptor };
        Self { listener: Some(listener), shared: Rc::new(shared), peers, stop: watch::Sender::new(false) }
    }
}

impl Actor for MllpListener {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        let Some(listener) = self.listener.take() else { return };
        let (shared, stopping) = (Rc::clone(&self.shared), self.stop.subscribe());
        let (at, of_connections) = (shared.server.listen, stopping.clone());
        let serve = move |stream, peer| {
            let (shared, stopping) = (Rc::clone(&shared), of_connections.clone());
            async move { shared.serve(stream, stopping, peer).await }
        };
        actix_rt::spawn(Rc::clone(&self.peers).accept(listener, at, stopping, serve));
    }
}

impl Handler<Stop> for MllpListener {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Stop, _: &mut Self::Context) -> Self::Result {
        self.stop.send_replace(true);
        let peers = Rc::clone(&self.peers);
        Box::pin(async move { peers.gone().await })
    }
}

impl Shared {
    async fn serve(&self, mut stream: TcpStream, stopping: watch::Receiver<bool>, peer: SocketAddr) -> End {
        if let Err(error) = prepare(&stream, limits::KEEPALIVE.0) {
            return End::Failed(error);
        }
        let patience = Patience { idle: Some(self.server.idle_timeout), on_failure: OnFailure::Close };
        let mut line = protocol::line(&self.intake.settings);
        let Some(acceptor) = &self.acceptor else {
            return serve(&mut stream, line.as_mut(), &self.intake, patience, stopping).await;
        };
        match timeout(limits::HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
            Ok(Ok(mut stream)) => serve(&mut stream, line.as_mut(), &self.intake, patience, stopping).await,
            Ok(Err(error)) => {
                self.intake.telemetry.link(self.intake.link).tell(LinkSignal::PeerRefused { peer, why: Refusal::Tls });
                End::Failed(error)
            }
            Err(_) => End::Idle,
        }
    }
}
