//! A receiver that connects to us and is sent its messages: the "other port" of some engines.
//!
//! One peer at a time; the newest takes the place of the one before it, which may be gone without a sign. Bound:
//! [`limits::HANDSHAKES_MAX`] peers on their way in.

use std::{io, net::IpAddr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use super::Shared;
use crate::{
    settings::Opening,
    units::limits,
    uplink::{Door, Wire, prepare},
};

/// Pause after a failed accept: out of descriptors, most likely, and connections must end first.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Lets peers in for ever.
pub(super) async fn serve(door: Door, shared: Arc<Shared>) {
    // A bound listener that the runtime does not take leaves the destination unreachable, which its metrics say.
    let Ok(listener) = TcpListener::from_std(door.listener) else { return };
    let on_their_way = Arc::new(Semaphore::new(limits::HANDSHAKES_MAX));
    loop {
        let Ok((stream, peer)) = listener.accept().await else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        if !shared.lets_in(peer.ip()) {
            continue;
        }
        let Ok(permit) = Arc::clone(&on_their_way).try_acquire_owned() else { continue };
        let (shared, acceptor) = (Arc::clone(&shared), door.acceptor.clone());
        tokio::spawn(async move {
            if let Ok(wire) = furnish(stream, acceptor, shared.target.keepalive).await {
                shared.welcome(wire).await;
            }
            drop(permit);
        });
    }
}

impl Shared {
    fn lets_in(&self, address: IpAddr) -> bool {
        let Opening::Listen { allow, .. } = &self.target.opening else { return false };
        allow.is_empty() || allow.iter().any(|network| network.contains(address))
    }
}

async fn furnish(stream: TcpStream, acceptor: Option<TlsAcceptor>, keepalive: Duration) -> io::Result<Box<dyn Wire>> {
    prepare(&stream, keepalive)?;
    let Some(acceptor) = acceptor else { return Ok(Box::new(stream)) };
    match timeout(limits::HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
        Ok(accepted) => Ok(Box::new(accepted?)),
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}
