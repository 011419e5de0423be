//! Connecting to a peer over TCP, with or without TLS, and what holds for every such connection.
//!
//! A name is looked up anew each time, and each of its addresses tried in turn, at most [`limits::ADDRESSES_MAX`] of
//! them. Bounds: [`limits::CONNECT_TIMEOUT`] for the look-up and for each address, [`limits::HANDSHAKE_TIMEOUT`] for TLS.

use std::{io, sync::Arc, time::Duration};

use rustls_pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::{Error, tls::client_config};
use crate::{settings::ClientTls, units::limits};

/// A connected stream of bytes, encrypted or not.
pub trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// Connects to peers, all in the same way.
#[derive(Clone)]
pub struct Dialer {
    tls: Option<Tls>,
    keepalive: Duration,
}

#[derive(Clone)]
struct Tls {
    connector: TlsConnector,
    /// The name in the peer's certificate, where it is not its host.
    name: Option<String>,
}

impl Dialer {
    /// Makes a dialer without TLS; `keepalive` is the silence after which TCP asks whether the peer is there.
    pub const fn plain(keepalive: Duration) -> Self {
        Self { tls: None, keepalive }
    }

    /// Makes a dialer with TLS; `name` stands in the peer's certificate, where that is not its host.
    ///
    /// # Errors
    /// If a certificate cannot be read or used.
    pub fn encrypted(tls: &ClientTls, name: Option<&str>, keepalive: Duration) -> Result<Self, Error> {
        let connector = TlsConnector::from(Arc::new(client_config(tls)?));
        Ok(Self { tls: Some(Tls { connector, name: name.map(str::to_owned) }), keepalive })
    }

    /// Connects to `host:port`.
    ///
    /// # Errors
    /// The last one, where no address of the host could be connected to.
    pub async fn dial(&self, peer: &str) -> io::Result<Box<dyn Wire>> {
        let found = in_time(limits::CONNECT_TIMEOUT, lookup_host(peer)).await?;
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in found.take(limits::ADDRESSES_MAX) {
            let connected = in_time(limits::CONNECT_TIMEOUT, TcpStream::connect(address)).await;
            match self.furnish(connected, peer).await {
                Ok(wire) => return Ok(wire),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn furnish(&self, connected: io::Result<TcpStream>, peer: &str) -> io::Result<Box<dyn Wire>> {
        let stream = connected?;
        prepare(&stream, self.keepalive)?;
        let Some(tls) = &self.tls else { return Ok(Box::new(stream)) };
        let name = ServerName::try_from(tls.name.as_deref().unwrap_or_else(|| host(peer)).to_owned());
        let name = name.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let encrypted = in_time(limits::HANDSHAKE_TIMEOUT, tls.connector.connect(name, stream)).await?;
        Ok(Box::new(encrypted))
    }
}

impl std::fmt::Debug for Dialer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.tls.is_some() { "Dialer(tls)" } else { "Dialer(plain)" })
    }
}

async fn in_time<T>(bound: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(bound, work).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// The host of `host:port`, without the brackets of an IPv6 address.
fn host(peer: &str) -> &str {
    let host = peer.rsplit_once(':').map_or(peer, |(host, _)| host);
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// Small messages leave at once, and a peer that is gone is noticed: asked for after `keepalive` of silence, and within
/// [`limits::WRITE_TIMEOUT`] where bytes wait for it.
///
/// # Errors
/// If the socket is gone already.
pub fn prepare(stream: &TcpStream, keepalive: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (_, interval, retries) = limits::KEEPALIVE;
    let keepalive = TcpKeepalive::new().with_time(keepalive).with_interval(interval).with_retries(retries);
    let socket = SockRef::from(stream);
    socket.set_tcp_keepalive(&keepalive)?;
    socket.set_tcp_user_timeout(Some(limits::WRITE_TIMEOUT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_host_that_a_certificate_must_name() {
        for (peer, expected) in
            [("lab.example:6661", "lab.example"), ("10.0.0.7:6661", "10.0.0.7"), ("[2001:db8::7]:6661", "2001:db8::7")]
        {
            assert_eq!(host(peer), expected);
            assert!(ServerName::try_from(host(peer)).is_ok(), "{peer}");
        }
    }
}
