//! The daemon as a child process: started, killed, told to stop, asked over HTTP.
//!
//! It runs with an empty environment, so that nothing of the demo's own (systemd's sockets, a journal) reaches it, and
//! writes its log to a file. However the demo ends, short of its own death by SIGKILL, the child ends with it.

use std::{
    fs, io,
    net::SocketAddr,
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

use super::{Error, site::Site};

/// Pause between two looks at a child that is to end.
const LOOK: Duration = Duration::from_millis(10);
/// Time an answer over HTTP may take.
const ANSWER: Duration = Duration::from_secs(2);
/// Bytes of an answer that are read.
const ANSWER_BYTES_MAX: u64 = 4 << 20;

/// The running daemon.
#[derive(Debug)]
pub(super) struct Daemon(Child);

impl Daemon {
    /// Starts it.
    pub(super) fn start(site: &Site) -> Result<Self, Error> {
        let program = std::env::current_exe().map_err(Error::Daemon)?;
        let log = fs::File::options().create(true).append(true).open(site.log()).map_err(Error::Daemon)?;
        let child = Command::new(program)
            .args(["run", "--log-format", "text", "--config"])
            .arg(site.config())
            .env_clear()
            .env("GURNEY_LOG", "gurney=debug")
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(Error::Daemon)?)
            .stderr(log)
            .spawn()
            .map_err(Error::Daemon)?;
        Ok(Self(child))
    }

    /// How it ended, if it has.
    pub(super) fn ended(&mut self) -> Result<Option<ExitStatus>, Error> {
        self.0.try_wait().map_err(Error::Daemon)
    }

    /// Ends it as a power cut would, as far as the process goes.
    pub(super) fn kill(&mut self) -> Result<(), Error> {
        self.0.kill().map_err(Error::Daemon)?;
        self.0.wait().map_err(Error::Daemon)?;
        Ok(())
    }

    /// Tells it to stop, and waits; one that does not is killed, and `None` returned.
    pub(super) async fn stop(&mut self, within: Duration) -> Result<Option<ExitStatus>, Error> {
        if self.ended()?.is_none() {
            let pid = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw);
            let told = pid.map_or(Err(rustix::io::Errno::SRCH), |pid| kill_process(pid, Signal::TERM));
            told.map_err(|error| Error::Daemon(error.into()))?;
        }
        let deadline = Instant::now() + within;
        while Instant::now() < deadline {
            if let Some(status) = self.ended()? {
                return Ok(Some(status));
            }
            sleep(LOOK).await;
        }
        self.kill()?;
        Ok(None)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // A child that has ended cannot be killed, which is as well.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Asks for a page and returns its status and body.
pub(super) async fn get(address: SocketAddr, path: &str) -> io::Result<(u16, String)> {
    timeout(ANSWER, ask(address, path)).await?
}

async fn ask(address: SocketAddr, path: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await?;
    let odd = || io::Error::from(io::ErrorKind::InvalidData);
    let text = String::from_utf8(answer).map_err(|_| odd())?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(odd)?;
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).ok_or_else(odd)?;
    Ok((status, body.to_owned()))
}
