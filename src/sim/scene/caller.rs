//! Sends the messages of a scene over MLLP, one after the other, and reads what is answered.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::wire::mllp::{self, Decoder, Event};

/// Time an answer may take.
const ANSWER: Duration = Duration::from_secs(20);
/// Bytes of an answer that are read.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// A connection to a box.
#[derive(Debug)]
pub struct Caller(TcpStream);

impl Caller {
    /// Connects to an MLLP listener.
    pub async fn connect(to: &str) -> io::Result<Self> {
        Ok(Self(timeout(ANSWER, TcpStream::connect(to)).await??))
    }

    /// Sends a message and gives MSA-1 of its answer.
    pub async fn exchange(&mut self, message: &[u8]) -> io::Result<String> {
        timeout(ANSWER, self.answered(message)).await?
    }

    async fn answered(&mut self, message: &[u8]) -> io::Result<String> {
        let mut frame = Vec::new();
        mllp::encode(&mut frame, message);
        self.0.write_all(&frame).await?;
        let (mut answers, mut buffer) = (Decoder::new(ANSWER_BYTES_MAX), [0; 4096]);
        loop {
            match answers.next() {
                Some(Event::Frame(answer)) => return Ok(code(&answer)),
                Some(_) => return Err(io::ErrorKind::InvalidData.into()),
                None => {}
            }
            match self.0.read(&mut buffer).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => answers.push(buffer.get(..count).unwrap_or_default()),
            }
        }
    }
}

/// MSA-1 of an acknowledgement; what separates fields stands behind `MSH`.
fn code(answer: &[u8]) -> String {
    let separator = answer.get(3).copied().unwrap_or(b'|');
    let msa = answer.split(|byte| *byte == b'\r').find(|segment| segment.starts_with(b"MSA"));
    let code = msa.and_then(|msa| msa.split(|byte| *byte == separator).nth(1)).unwrap_or_default();
    String::from_utf8_lossy(code).into_owned()
}
