//! The peers of a listener, whatever they speak: who is let in, how many at once, and what is told of their going.

use std::{cell::RefCell, collections::HashMap, future::Future, net::IpAddr, net::SocketAddr, rc::Rc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, watch},
    time::sleep,
};

use super::{intake::Intake, session::End};
use crate::{
    settings::Network,
    telemetry::{LinkMeter, LinkSignal, labels::Refusal},
};

/// Whom a listener lets in.
#[derive(Clone, Debug)]
pub(super) struct Caps {
    /// Peers that may connect; empty means all.
    pub(super) allow: Vec<Network>,
    /// Connections served at once.
    pub(super) connections_max: usize,
    /// Connections of one peer address served at once.
    pub(super) per_peer_max: usize,
}

/// The peers of one listener.
pub(super) struct Peers {
    intake: Intake,
    caps: Caps,
    open: RefCell<HashMap<IpAddr, usize>>,
    closed: Notify,
}

/// Pause after a failed accept: out of descriptors, most likely, and connections must end first.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

impl Peers {
    /// Makes the peers of a listener, none of them there yet.
    pub(super) fn new(intake: Intake, caps: Caps) -> Self {
        Self { intake, caps, open: RefCell::default(), closed: Notify::new() }
    }

    /// Lets peers in until the box stops; `serve` is done with each of them.
    pub(super) async fn accept<F: Future<Output = End> + 'static>(
        self: Rc<Self>,
        listener: std::net::TcpListener,
        at: SocketAddr,
        mut stopping: watch::Receiver<bool>,
        serve: impl Fn(TcpStream, SocketAddr) -> F,
    ) {
        let at = listener.local_addr().unwrap_or(at).to_string();
        let listener = match TcpListener::from_std(listener) {
            Ok(listener) => listener,
            Err(error) => return self.meter().tell(LinkSignal::Down { cause: &error }),
        };
        self.meter().tell(LinkSignal::Up { at: &at });
        loop {
            let accepted = tokio::select! {
                _ = stopping.changed() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => self.welcome(stream, peer, &serve),
                Err(error) => {
                    self.meter().tell(LinkSignal::AcceptFailed { cause: &error });
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Waits until no peer is connected.
    pub(super) async fn gone(&self) {
        while self.connections() > 0 {
            self.closed.notified().await;
        }
    }

    fn meter(&self) -> &LinkMeter {
        self.intake.telemetry.link(self.intake.link)
    }

    fn connections(&self) -> usize {
        self.open.borrow().values().sum()
    }

    /// Lets a peer in, or closes its connection before a byte is read.
    fn welcome<F: Future<Output = End> + 'static>(
        self: &Rc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        serve: impl Fn(TcpStream, SocketAddr) -> F,
    ) {
        let address = peer.ip().to_canonical();
        if let Err(why) = self.admits(address) {
            return self.meter().tell(LinkSignal::PeerRefused { peer, why });
        }
        *self.open.borrow_mut().entry(address).or_default() += 1;
        self.meter().connected();
        let (peers, served) = (Rc::clone(self), serve(stream, peer));
        actix_rt::spawn(async move {
            let end = served.await;
            peers.leave(address);
            if let Some(cause) = lost(&end) {
                peers.meter().tell(LinkSignal::PeerLost { peer, cause });
            }
        });
    }

    fn admits(&self, address: IpAddr) -> Result<(), Refusal> {
        let allow = &self.caps.allow;
        if !allow.is_empty() && !allow.iter().any(|network| network.contains(address)) {
            return Err(Refusal::Address);
        }
        if self.connections() >= self.caps.connections_max {
            return Err(Refusal::Full);
        }
        let of_peer = self.open.borrow().get(&address).copied().unwrap_or(0);
        if of_peer >= self.caps.per_peer_max { Err(Refusal::PeerFull) } else { Ok(()) }
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
        self.meter().disconnected();
        self.closed.notify_one();
    }
}

/// What went wrong, if anything did.
fn lost(end: &End) -> Option<&dyn std::error::Error> {
    match end {
        End::Closed | End::Stopping => None,
        other => Some(other),
    }
}
