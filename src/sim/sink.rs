//! A minimal HTTP/1.1 server that answers 200 to everything, as fast as one thread can: the far end of measurements.
//!
//! Knows requests with `Content-Length` or without a body, keep-alive and pipelining (RFC 9112); anything else closes
//! the connection. Remembers only counts. Runs on a thread of its own, on loopback. Bounds: [`HEAD_BYTES_MAX`] per
//! request head; bodies are not kept.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::{Error, Stop, Stopper, stop_pair};

/// Bytes of a request's head.
pub const HEAD_BYTES_MAX: usize = 16 << 10;
/// Bytes read at once.
const READ_BYTES: usize = 64 << 10;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// A sink at work; it ends when this is dropped.
#[derive(Debug)]
pub struct HttpSink {
    address: SocketAddr,
    requests: Arc<AtomicU64>,
    stopper: Option<Stopper>,
    thread: Option<JoinHandle<()>>,
}

impl HttpSink {
    /// Listens on a free loopback port, on a thread of its own.
    pub fn start() -> Result<Self, Error> {
        Self::start_at(0)
    }

    /// Listens on this loopback port; 0 is a free one.
    pub fn start_at(port: u16) -> Result<Self, Error> {
        let (listener, address) = listen(port)?;
        let requests = Arc::new(AtomicU64::new(0));
        let (stopper, stop) = stop_pair();
        let counter = Arc::clone(&requests);
        let thread =
            spawn("http-sink", move || serve(listener, stop, move |stream| answer(stream, Arc::clone(&counter))))?;
        Ok(Self { address, requests, stopper: Some(stopper), thread: Some(thread) })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Requests answered so far.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }
}

impl Drop for HttpSink {
    fn drop(&mut self) {
        self.stopper.take();
        if let Some(thread) = self.thread.take() {
            thread.join().ok(); // a panic was told by its hook
        }
    }
}

/// A listener on a loopback port; 0 is a free one.
pub(super) fn listen(port: u16) -> Result<(std::net::TcpListener, SocketAddr), Error> {
    let wanted = SocketAddr::from(([127, 0, 0, 1], port));
    let bind = || {
        let listener = std::net::TcpListener::bind(wanted)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        io::Result::Ok((listener, address))
    };
    bind().map_err(|source| Error::Listen { address: wanted, source })
}

/// Starts a named thread.
pub(super) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Error> {
    std::thread::Builder::new().name(name.into()).spawn(work).map_err(Error::Thread)
}

/// Accepts connections on a runtime of this thread until it is stopped; connections end with it.
pub(super) fn serve<F: Future<Output = io::Result<()>> + Send + 'static>(
    listener: std::net::TcpListener,
    mut stop: Stop,
    session: impl Fn(TcpStream) -> F,
) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    runtime.block_on(async {
        let Ok(listener) = TcpListener::from_std(listener) else { return };
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = stop.stopped() => return,
            };
            if let Ok((stream, _)) = accepted {
                stream.set_nodelay(true).ok(); // a socket that is gone already shows it at its first read
                tokio::spawn(session(stream));
            }
        }
    });
}

async fn answer(mut stream: TcpStream, requests: Arc<AtomicU64>) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(READ_BYTES);
    let mut out = Vec::new();
    let mut body_left = 0;
    loop {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
        let mut used = 0;
        loop {
            let rest = bytes.get(used..).unwrap_or(&[]);
            let skipped = rest.len().min(body_left);
            used += skipped;
            body_left -= skipped;
            let rest = rest.get(skipped..).unwrap_or(&[]);
            if body_left > 0 || rest.is_empty() {
                break;
            }
            let Some(end) = memchr::memmem::find(rest, b"\r\n\r\n") else {
                if rest.len() > HEAD_BYTES_MAX {
                    return Ok(());
                }
                break;
            };
            let Some(length) = content_length(rest.get(..end).unwrap_or(&[])) else { return Ok(()) };
            used += end + 4;
            body_left = length;
            out.extend_from_slice(ANSWER);
        }
        bytes.drain(..used);
        // The answer to a request whose body is still coming waits for the rest.
        let complete = if body_left > 0 { out.len().saturating_sub(ANSWER.len()) } else { out.len() };
        if complete > 0 {
            let count = u64::try_from(complete / ANSWER.len()).unwrap_or(0);
            requests.fetch_add(count, Ordering::Relaxed);
            stream.write_all(out.get(..complete).unwrap_or(&[])).await?;
            out.drain(..complete);
        }
    }
}

/// The length of the body; none when the head announces something else than a plain body.
fn content_length(head: &[u8]) -> Option<usize> {
    let mut length = 0;
    for line in head.split(|byte| *byte == b'\n').skip(1) {
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        let (name, value) = line.split_at_checked(colon)?;
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            return None;
        }
        if name.eq_ignore_ascii_case(b"content-length") {
            length = std::str::from_utf8(value.get(1..)?).ok()?.trim().parse().ok()?;
        }
    }
    Some(length)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn answers_each_of_pipelined_requests_however_they_are_cut() {
        let sink = HttpSink::start().unwrap();
        let mut stream = std::net::TcpStream::connect(sink.address()).unwrap();
        let one = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
        let all = [&one[..], b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", one].concat();
        for byte in &all {
            stream.write_all(std::slice::from_ref(byte)).unwrap();
        }
        stream.write_all(&all).unwrap();
        let mut answers = vec![0; ANSWER.len() * 6];
        stream.read_exact(&mut answers).unwrap();
        assert_eq!(answers, ANSWER.repeat(6));
        assert_eq!(sink.requests(), 6);
    }

    #[test]
    fn closes_on_what_it_does_not_know() {
        let sink = HttpSink::start().unwrap();
        let mut stream = std::net::TcpStream::connect(sink.address()).unwrap();
        stream.write_all(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
        assert_eq!(stream.read_to_end(&mut Vec::new()).unwrap(), 0);
    }
}
