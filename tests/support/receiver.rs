//! An HL7 receiver under the test's thumb: it takes frames over MLLP and answers each by a script, then well.

use std::{
    collections::VecDeque,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
};

use gurney::wire::mllp::{self, Decoder, Event};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinHandle,
    time::Instant,
};
use tokio_rustls::TlsAcceptor;

/// What the receiver does with one message.
#[derive(Clone, Debug)]
pub(crate) enum Do {
    /// Answers with this code.
    Code(&'static str),
    /// Answers well, but for another message.
    For(&'static str),
    /// Answers well with a message of this type.
    As(&'static str),
    /// Answers with this in a frame.
    Say(&'static [u8]),
    /// Answers well, and once more.
    Twice,
    /// Says nothing.
    Silence,
    /// Closes the connection without a word.
    Close,
    /// Answers well and closes the connection.
    CodeAndClose(&'static str),
}

/// One message that came.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    /// The connection, from 1.
    pub(crate) connection: usize,
    /// MSH-10.
    pub(crate) control_id: String,
    /// Its bytes.
    pub(crate) bytes: Vec<u8>,
    /// When it was complete.
    pub(crate) at: Instant,
    /// When it was answered.
    pub(crate) answered_at: Option<Instant>,
}

#[derive(Debug, Default)]
struct Known {
    script: VecDeque<Do>,
    taken: Vec<Taken>,
    connections: usize,
    ended: Vec<usize>,
}

/// The receiver; it ends when this is dropped.
pub(crate) struct Receiver {
    address: SocketAddr,
    known: Arc<Mutex<Known>>,
    task: JoinHandle<()>,
}

impl Receiver {
    /// Listens on a free port.
    pub(crate) async fn start() -> Self {
        Self::listen(None).await
    }

    /// Listens on a free port with TLS.
    pub(crate) async fn encrypted(acceptor: TlsAcceptor) -> Self {
        Self::listen(Some(acceptor)).await
    }

    async fn listen(acceptor: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let known = Arc::new(Mutex::new(Known::default()));
        let shared = Arc::clone(&known);
        let task = tokio::spawn(async move {
            // Connections end with the receiver.
            let mut sessions = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (shared, acceptor) = (Arc::clone(&shared), acceptor.clone());
                sessions.spawn(async move {
                    match acceptor {
                        None => serve(stream, &shared).await,
                        Some(acceptor) => {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                serve(stream, &shared).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, known, task }
    }

    /// Where it listens.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it does with the next messages; then it behaves.
    pub(crate) fn script(&self, steps: impl IntoIterator<Item = Do>) {
        self.known.lock().unwrap().script.extend(steps);
    }

    /// Everything that came so far.
    pub(crate) fn taken(&self) -> Vec<Taken> {
        self.known.lock().unwrap().taken.clone()
    }

    /// The connection and MSH-10 of everything that came so far.
    pub(crate) fn came(&self) -> Vec<(usize, String)> {
        self.taken().into_iter().map(|taken| (taken.connection, taken.control_id)).collect()
    }

    /// The connections that the other side has closed.
    pub(crate) fn ended(&self) -> Vec<usize> {
        self.known.lock().unwrap().ended.clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, known: &Mutex<Known>) {
    let connection = {
        let mut known = known.lock().unwrap();
        known.connections += 1;
        known.connections
    };
    let mut frames = Decoder::new(16 << 20);
    let mut buffer = vec![0; 64 << 10];
    loop {
        match frames.next() {
            Some(Event::Frame(frame)) => {
                if !answer(&mut stream, known, connection, frame).await {
                    return;
                }
            }
            Some(noise) => panic!("not a plain frame: {noise:?}"),
            None => match stream.read(&mut buffer).await {
                Ok(count @ 1..) => frames.push(&buffer[..count]),
                Ok(_) | Err(_) => return known.lock().unwrap().ended.push(connection),
            },
        }
    }
}

/// Answers one message; whether the connection goes on.
async fn answer(
    stream: &mut (impl AsyncWrite + Unpin),
    known: &Mutex<Known>,
    connection: usize,
    bytes: Vec<u8>,
) -> bool {
    let control_id = String::from_utf8_lossy(&bytes).split('|').nth(9).unwrap_or_default().to_owned();
    let (step, place) = {
        let mut known = known.lock().unwrap();
        let taken = Taken { connection, control_id: control_id.clone(), bytes, at: Instant::now(), answered_at: None };
        known.taken.push(taken);
        (known.script.pop_front().unwrap_or(Do::Code("AA")), known.taken.len() - 1)
    };
    let (answer, goes_on) = match step {
        Do::Code(code) => (acknowledgement("ACK", code, &control_id), true),
        Do::CodeAndClose(code) => (acknowledgement("ACK", code, &control_id), false),
        Do::For(other) => (acknowledgement("ACK", "AA", other), true),
        Do::As(kind) => (acknowledgement(kind, "AA", &control_id), true),
        Do::Say(bytes) => (framed(bytes), true),
        Do::Twice => (acknowledgement("ACK", "AA", &control_id).repeat(2), true),
        Do::Silence => (Vec::new(), true),
        Do::Close => return false,
    };
    if !answer.is_empty() {
        // Noted before it is written, so that nothing can seem to come before it.
        known.lock().unwrap().taken[place].answered_at = Some(Instant::now());
    }
    // The other side may have been killed.
    stream.write_all(&answer).await.is_ok() && stream.flush().await.is_ok() && goes_on
}

fn framed(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    mllp::encode(&mut out, bytes);
    out
}

fn acknowledgement(kind: &str, code: &str, control_id: &str) -> Vec<u8> {
    let text = format!(
        "MSH|^~\\&|ZZLAB|ZZGENERAL|ZZEHR|ZZGENERAL|20261122120000||{kind}|LAB-{control_id}|T|2.5.1\rMSA|{code}|{control_id}\r"
    );
    framed(text.as_bytes())
}
