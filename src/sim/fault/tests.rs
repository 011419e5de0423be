//! The proxy between two sockets of its own: what passes, where it breaks, and how each side learns of it.

//! The fault proxy between two ends of a test.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use tokio::{io::AsyncRead, time::timeout};

use super::*;

/// Longer than anything here takes; a test that fails does not hang.
const PATIENCE: Duration = Duration::from_secs(10);

/// A proxy before a listener, and one connection through both.
async fn connect(line: Line) -> (Proxy, TcpListener, TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::start(listener.local_addr().unwrap(), line).await.unwrap();
    let (client, server) = pair(&proxy, &listener).await;
    (proxy, listener, client, server)
}

async fn pair(proxy: &Proxy, listener: &TcpListener) -> (TcpStream, TcpStream) {
    let client = TcpStream::connect(proxy.address()).await.unwrap();
    (client, listener.accept().await.unwrap().0)
}

async fn read_all(stream: &mut (impl AsyncRead + Unpin)) -> (Vec<u8>, Option<io::ErrorKind>) {
    let mut bytes = Vec::new();
    let end = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.unwrap();
    (bytes, end.err().map(|fault| fault.kind()))
}

async fn expect(stream: &mut TcpStream, text: &[u8]) {
    let mut bytes = vec![0; text.len()];
    timeout(PATIENCE, stream.read_exact(&mut bytes)).await.unwrap().unwrap();
    assert_eq!(bytes, text);
}

#[tokio::test]
async fn passes_both_ways_and_the_ends_with_them() {
    let (mut proxy, _listener, mut client, mut server) = connect(Line::default()).await;
    client.write_all(b"question").await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(read_all(&mut server).await, (b"question".to_vec(), None));
    server.write_all(b"answer").await.unwrap();
    drop(server);
    assert_eq!(read_all(&mut client).await, (b"answer".to_vec(), None));
    let traffic = timeout(PATIENCE, proxy.until(|traffic| traffic.ended == 1)).await.unwrap();
    let expected = Traffic { connections: 1, ended: 1, cuts: 0, to_server: 8, to_client: 6 };
    assert_eq!(traffic, expected);
}

#[tokio::test]
async fn resets_both_sides_at_the_exact_byte() {
    let (proxy, _listener, mut client, mut server) = connect(Line::cut(Toward::Server, 5, Break::Reset)).await;
    let mut bytes = vec![0; 5];
    client.write_all(b"0123456789").await.unwrap();
    // A reset may overtake bytes that were not read yet, so only their number as counted is certain.
    let got = timeout(PATIENCE, server.read_exact(&mut bytes)).await.unwrap();
    assert!(got.map_or_else(|fault| fault.kind() == io::ErrorKind::ConnectionReset, |_| bytes == b"01234"));
    assert_eq!(read_all(&mut client).await.1, Some(io::ErrorKind::ConnectionReset));
    assert_eq!((proxy.traffic().to_server, proxy.traffic().cuts), (5, 1));
}

#[tokio::test]
async fn closes_before_the_answer_is_forwarded_once() {
    let (proxy, listener, mut client, mut server) = connect(Line::cut_once(Toward::Client, 0, Break::Close)).await;
    client.write_all(b"message").await.unwrap();
    expect(&mut server, b"message").await;
    server.write_all(b"ack").await.unwrap();
    assert_eq!(read_all(&mut client).await.0, b"");
    let (mut client, mut server) = pair(&proxy, &listener).await;
    server.write_all(b"ack").await.unwrap();
    expect(&mut client, b"ack").await;
    assert_eq!(proxy.traffic().cuts, 1);
}

#[tokio::test]
async fn silence_closes_nothing_and_ends_with_another_line() {
    let (mut proxy, _listener, mut client, mut server) = connect(Line::cut(Toward::Server, 3, Break::Silence)).await;
    client.write_all(b"abcdef").await.unwrap();
    expect(&mut server, b"abc").await;
    timeout(PATIENCE, proxy.until(|traffic| traffic.cuts == 1)).await.unwrap();
    server.write_all(b"xyz").await.unwrap();
    server.shutdown().await.unwrap();
    // Nothing comes and nothing ends for a while; a longer wait would only prove the same.
    assert!(timeout(Duration::from_millis(50), client.read_u8()).await.is_err());
    proxy.set(Line::default());
    expect(&mut server, b"def").await;
    assert_eq!(read_all(&mut client).await, (b"xyz".to_vec(), None));
}

#[tokio::test]
async fn swallows_what_follows_and_takes_it_off_the_client() {
    let (mut proxy, _listener, mut client, mut server) = connect(Line::cut(Toward::Server, 3, Break::Swallow)).await;
    client.write_all(b"abc").await.unwrap();
    expect(&mut server, b"abc").await;
    client.write_all(b"gone").await.unwrap();
    timeout(PATIENCE, proxy.until(|traffic| traffic.cuts == 1)).await.unwrap();
    server.write_all(b"still").await.unwrap();
    expect(&mut client, b"still").await;
    proxy.set(Line::default());
    client.write_all(b"here").await.unwrap();
    expect(&mut server, b"here").await;
}

#[tokio::test]
async fn slices_into_segments_and_delays_each() {
    let line = Line { slice: Some(1), delay: Duration::from_millis(2), cut: None };
    let (_proxy, _listener, mut client, mut server) = connect(line).await;
    let begun = tokio::time::Instant::now();
    client.write_all(b"0123456789").await.unwrap();
    client.shutdown().await.unwrap();
    let mut sizes = Vec::new();
    let mut chunk = [0; 64];
    loop {
        match timeout(PATIENCE, server.read(&mut chunk)).await.unwrap().unwrap() {
            0 => break,
            count => sizes.push(count),
        }
    }
    assert_eq!(sizes.iter().sum::<usize>(), 10);
    assert!(sizes.len() > 1, "{sizes:?}");
    assert!(begun.elapsed() >= Duration::from_millis(20));
}

#[tokio::test]
async fn ends_with_its_connections_when_it_is_dropped() {
    let (proxy, _listener, mut client, mut server) = connect(Line::default()).await;
    client.write_all(b"x").await.unwrap();
    expect(&mut server, b"x").await;
    let address = proxy.address();
    drop(proxy);
    assert_eq!(read_all(&mut client).await.0, b"");
    assert!(TcpStream::connect(address).await.is_err());
}
