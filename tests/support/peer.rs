//! A sender under the test's thumb: it writes exactly the bytes it is given and reads the answers one by one.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use gurney::wire::mllp::{self, Decoder, Event};
use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
};

use super::wait::within;

/// One connection.
pub(crate) struct Peer {
    stream: TcpStream,
    answers: Decoder,
}

/// An acknowledgement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ack {
    /// Its bytes.
    pub(crate) bytes: Vec<u8>,
    /// MSA-1.
    pub(crate) code: String,
    /// MSA-2.
    pub(crate) control_id: String,
}

impl Ack {
    fn read(bytes: Vec<u8>) -> Self {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let separator = text.chars().nth(3).expect("an acknowledgement begins with MSH and a separator");
        let msa = text.split('\r').find(|segment| segment.starts_with("MSA")).expect("an acknowledgement has an MSA");
        let field = |number: usize| msa.split(separator).nth(number).unwrap_or_default().to_owned();
        Self { code: field(1), control_id: field(2), bytes }
    }

    /// As text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

impl Peer {
    /// Connects.
    pub(crate) async fn connect(to: SocketAddr) -> Self {
        Self::try_connect(to).await.unwrap()
    }

    /// Connects, or says why not.
    pub(crate) async fn try_connect(to: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(to).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, answers: Decoder::new(1 << 20) })
    }

    /// Takes over a connection that was opened by the other side.
    pub(crate) fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        Self { stream, answers: Decoder::new(1 << 20) }
    }

    /// Connects as another machine would: from another address.
    pub(crate) async fn connect_from(from: Ipv4Addr, to: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from((from, 0))).unwrap();
        let stream = socket.connect(to).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, answers: Decoder::new(1 << 20) }
    }

    /// Writes bytes as they are.
    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.try_write(bytes).await.unwrap();
    }

    /// Writes bytes as they are; the other side may be gone.
    pub(crate) async fn try_write(&mut self, bytes: &[u8]) -> io::Result<()> {
        within("the peer takes bytes", self.stream.write_all(bytes)).await
    }

    /// Writes each byte in a segment of its own.
    pub(crate) async fn drip(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write(&[*byte]).await;
        }
    }

    /// Sends one message in a frame.
    pub(crate) async fn send(&mut self, message: &[u8]) {
        self.write(&framed(message)).await;
    }

    /// Sends one message and waits for its answer.
    pub(crate) async fn exchange(&mut self, message: &[u8]) -> Ack {
        self.send(message).await;
        self.answer().await.expect("an answer, not the end of the connection")
    }

    /// The next answer; `None` when the connection ended first.
    pub(crate) async fn answer(&mut self) -> Option<Ack> {
        within("an answer, or the end of the connection", async {
            let mut buffer = vec![0; 4096];
            loop {
                match self.answers.next() {
                    Some(Event::Frame(frame)) => return Some(Ack::read(frame)),
                    Some(noise) => panic!("an answer that is not a plain frame: {noise:?}"),
                    None => {}
                }
                match self.stream.read(&mut buffer).await {
                    Ok(0) => return None,
                    Ok(count) => self.answers.push(&buffer[..count]),
                    Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return None,
                    Err(error) => panic!("reading an answer: {error}"),
                }
            }
        })
        .await
    }

    /// Says that nothing more will be written.
    pub(crate) async fn finish(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    /// Breaks the connection with a reset.
    pub(crate) fn reset(self) {
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }
}

/// A message in its frame.
pub(crate) fn framed(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    mllp::encode(&mut out, message);
    out
}

/// A discharge of an invented patient.
pub(crate) fn adt(control_id: &str, patient: &str) -> Vec<u8> {
    format!(
        "MSH|^~\\&|ZZEHR|ZZGENERAL|GURNEY|ZZGENERAL|20261122120000||ADT^A03^ADT_A03|{control_id}|T|2.5.1\r\
         EVN|A03|20261122120000\r\
         PID|1||{patient}^^^ZZGENERAL^MR||ZZTEST-SAMPLE^PERSON||19700101|F\r\
         PV1|1|I|4W^401^A\r"
    )
    .into_bytes()
}
