//! The MLLP listener actor: accepts connections within its caps and owns their tasks.
//!
//! Messages: [`Stop`] (reply when every connection has ended). Mailbox: the default bound; nothing else writes to it.

use std::{
    cell::RefCell,
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    rc::Rc,
    time::Duration,
};

use actix::{Actor, Context, Handler, Message, ResponseFuture};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, watch},
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use super::{
    intake::Intake,
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
    stop: watch::Sender<bool>,
}

/// What the accept task and the connections share.
struct Shared {
    intake: Intake,
    server: MllpServer,
    acceptor: Option<TlsAcceptor>,
    open: RefCell<HashMap<IpAddr, usize>>,
    closed: Notify,
}

impl MllpListener {
    /// Makes the actor around a bound listener.
    pub fn new(
        listener: std::net::TcpListener,
        server: MllpServer,
        acceptor: Option<TlsAcceptor>,
        intake: Intake,
    ) -> Self {
        let shared = Shared { intake, server, acceptor, open: RefCell::default(), closed: Notify::new() };
        Self { listener: Some(listener), shared: Rc::new(shared), stop: watch::Sender::new(false) }
    }
}

impl Actor for MllpListener {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        if let Some(listener) = self.listener.take() {
            actix_rt::spawn(accept(listener, Rc::clone(&self.shared), self.stop.subscribe()));
        }
    }
}

impl Handler<Stop> for MllpListener {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Stop, _: &mut Self::Context) -> Self::Result {
        self.stop.send_replace(true);
        let shared = Rc::clone(&self.shared);
        Box::pin(async move {
            while shared.connections() > 0 {
                shared.closed.notified().await;
            }
        })
    }
}

/// Pause after a failed accept: out of descriptors, most likely, and connections must end first.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

async fn accept(listener: std::net::TcpListener, shared: Rc<Shared>, mut stopping: watch::Receiver<bool>) {
    let meter = shared.intake.telemetry.link(shared.intake.link);
    let at = listener.local_addr().map_or_else(|_| shared.server.listen.to_string(), |at| at.to_string());
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            meter.tell(LinkSignal::Down { cause: &error });
            return;
        }
    };
    meter.tell(LinkSignal::Up { at: &at });
    loop {
        let accepted = tokio::select! {
            _ = stopping.changed() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => Shared::welcome(&shared, stream, peer, stopping.clone()),
            Err(error) => {
                meter.tell(LinkSignal::AcceptFailed { cause: &error });
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

impl Shared {
    fn connections(&self) -> usize {
        self.open.borrow().values().sum()
    }

    /// Lets a peer in, or closes its connection before a byte is read.
    fn welcome(this: &Rc<Self>, stream: TcpStream, peer: SocketAddr, stopping: watch::Receiver<bool>) {
        let link = this.intake.link;
        let address = peer.ip().to_canonical();
        if let Err(why) = this.admits(address) {
            this.intake.telemetry.link(link).tell(LinkSignal::PeerRefused { peer, why });
            return;
        }
        *this.open.borrow_mut().entry(address).or_default() += 1;
        this.intake.telemetry.link(link).connected();
        let shared = Rc::clone(this);
        actix_rt::spawn(async move {
            let end = shared.serve(stream, stopping, peer).await;
            shared.leave(address);
            if let Some(cause) = lost(&end) {
                shared.intake.telemetry.link(link).tell(LinkSignal::PeerLost { peer, cause });
            }
        });
    }

    fn admits(&self, address: IpAddr) -> Result<(), Refusal> {
        let allow = &self.server.allow;
        if !allow.is_empty() && !allow.iter().any(|network| network.contains(address)) {
            return Err(Refusal::Address);
        }
        if self.connections() >= self.server.connections_max {
            return Err(Refusal::Full);
        }
        let of_peer = self.open.borrow().get(&address).copied().unwrap_or(0);
        if of_peer >= self.server.connections_per_peer_max { Err(Refusal::PeerFull) } else { Ok(()) }
    }

    fn leave(&self, address: IpAddr) {
        let mut open = self.open.borrow_mut();
        if let Some(count) = open.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&address);
            }
        }
        drop(open);
        self.intake.telemetry.link(self.intake.link).disconnected();
        self.closed.notify_one();
    }

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

/// What went wrong, if anything did.
fn lost(end: &End) -> Option<&dyn std::error::Error> {
    match end {
        End::Closed | End::Stopping => None,
        other => Some(other),
    }
}
