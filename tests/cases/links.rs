//! The ways in: MLLP over TCP from two senders, MLLP on a serial line, a watched folder. Each sends one message and gives its answer.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use gurney::{
    sim::serial::Terminal,
    wire::mllp::{self, Decoder, Event},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    scenario::LinkKind,
    wait::{until, until_so, within},
};

/// The links of a site, as its senders hold them.
pub(crate) struct Links {
    addresses: [SocketAddr; 2],
    port: PathBuf,
    folder: PathBuf,
    streams: [Option<TcpStream>; 2],
    terminal: Terminal,
    files: usize,
}

impl Links {
    /// Plugs the serial device in and makes the folder; nothing is sent yet.
    pub(crate) fn new(addresses: [SocketAddr; 2], site: &Path) -> Self {
        let (port, folder) = (site.join("port"), site.join("drop"));
        fs::create_dir_all(&folder).unwrap();
        let terminal = Terminal::open(&port).unwrap();
        Self { addresses, port, folder, streams: [None, None], terminal, files: 0 }
    }

    /// Where the senders over MLLP connect.
    pub(crate) const fn addresses(&self) -> [SocketAddr; 2] {
        self.addresses
    }

    /// The box was killed: connections are gone.
    pub(crate) fn cut(&mut self) {
        self.streams = [None, None];
        self.terminal = Terminal::open(&self.port).unwrap();
    }

    /// Sends one message and gives its answer.
    pub(crate) async fn exchange(&mut self, link: LinkKind, message: &[u8]) -> Vec<u8> {
        match link {
            LinkKind::Mllp => self.over_tcp(0, message).await,
            LinkKind::Elsewhere => self.over_tcp(1, message).await,
            LinkKind::Serial => self.over_serial(message).await,
            LinkKind::Folder => self.by_file(message).await,
        }
    }

    async fn over_tcp(&mut self, which: usize, message: &[u8]) -> Vec<u8> {
        if self.streams[which].is_none() {
            let stream = TcpStream::connect(self.addresses[which]).await.unwrap();
            stream.set_nodelay(true).unwrap();
            self.streams[which] = Some(stream);
        }
        let stream = self.streams[which].as_mut().expect("connected");
        within("a message over TCP", async {
            stream.write_all(&framed(message)).await.unwrap();
            let (mut answers, mut buffer) = (Decoder::new(1 << 20), vec![0; 4096]);
            loop {
                if let Some(frame) = next(&mut answers) {
                    return frame;
                }
                let count = stream.read(&mut buffer).await.unwrap();
                assert!(count > 0, "the connection ended before the answer");
                answers.push(&buffer[..count]);
            }
        })
        .await
    }

    async fn over_serial(&self, message: &[u8]) -> Vec<u8> {
        let terminal = &self.terminal;
        let mut before = false;
        // Open for two looks, so that there was time to make it raw.
        until_so("the box opens the port", async || {
            let is_open = terminal.is_open();
            std::mem::replace(&mut before, is_open) && is_open
        })
        .await;
        within("a message on the line", async {
            let session = terminal.session().unwrap();
            session.write_all(&framed(message)).await.unwrap();
            let (mut answers, mut buffer) = (Decoder::new(1 << 20), vec![0; 4096]);
            loop {
                if let Some(frame) = next(&mut answers) {
                    return frame;
                }
                let count = session.read(&mut buffer).await.unwrap();
                answers.push(&buffer[..count]);
            }
        })
        .await
    }

    async fn by_file(&mut self, message: &[u8]) -> Vec<u8> {
        self.files += 1;
        let name = format!("{:05}.hl7", self.files);
        let begun = self.folder.join(format!("{name}.tmp"));
        fs::write(&begun, message).unwrap();
        fs::rename(begun, self.folder.join(&name)).unwrap();
        let answers = ["done", "error"].map(|shelf| self.folder.join(shelf).join(format!("{name}.ack")));
        let files = ["done", "error"].map(|shelf| self.folder.join(shelf).join(&name));
        until("the file is taken", async || {
            let at = files.iter().position(|file| file.is_file())?;
            fs::read(&answers[at]).ok().filter(|answer| !answer.is_empty())
        })
        .await
    }
}

fn framed(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    mllp::encode(&mut out, message);
    out
}

fn next(answers: &mut Decoder) -> Option<Vec<u8>> {
    match answers.next()? {
        Event::Frame(frame) => Some(frame),
        noise => panic!("an answer that is not a plain frame: {noise:?}"),
    }
}
