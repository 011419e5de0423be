//! A network whose cable can be pulled: a network namespace of its own, in which daemon and sender run.
//!
//! Pulling the cable takes the loopback device down: nothing arrives any more, and nobody is told. The namespace belongs to a
//! process that reads its standard input, so it ends with the test whatever happens.

use std::{
    io::Read as _,
    net::SocketAddr,
    process::{Child, ChildStdout, Command, Stdio},
};

use super::{daemon::Launch, skip::skipped};

/// The network.
pub(crate) struct Net {
    keeper: Child,
    ready: ChildStdout,
}

/// Connects, says so, and stays until its standard input ends.
const CONNECT: &str = r#"use IO::Socket::INET; $| = 1; my $s = IO::Socket::INET->new(PeerAddr => $ARGV[0]) or die "connect: $!";
print "connected\n"; <STDIN>;"#;

impl Net {
    /// Makes a network; without the means to do so the test is skipped loudly.
    pub(crate) fn make(test: &str) -> Option<Self> {
        match Self::try_make() {
            Ok(net) => Some(net),
            Err(why) => {
                skipped(test, &why);
                None
            }
        }
    }

    fn try_make() -> Result<Self, String> {
        if !rustix::process::geteuid().is_root() {
            return Err("needs root for a network namespace".to_owned());
        }
        let mut keeper = Command::new("unshare")
            .args(["-n", "sh", "-c", "ip link set lo up && echo up && exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("unshare: {error}"))?;
        let ready = keeper.stdout.take().ok_or("no standard output")?;
        let mut net = Self { keeper, ready };
        let mut up = [0; 3];
        net.ready.read_exact(&mut up).map_err(|error| format!("no network namespace: {error}"))?;
        Ok(net)
    }

    /// How a daemon is started in it; it keeps its process id.
    pub(crate) fn launch(&self) -> Launch {
        Launch { via: self.enter(), ..Launch::default() }
    }

    /// Connects from within it, and keeps the connection as long as the process lives.
    pub(crate) fn connect(&self, to: SocketAddr) -> Connected {
        let enter = self.enter();
        let mut child = Command::new(&enter[0])
            .args(&enter[1..])
            .args(["perl", "-e", CONNECT, &to.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = [0; 10];
        child.stdout.take().unwrap().read_exact(&mut said).unwrap();
        assert_eq!(&said, b"connected\n");
        Connected(child)
    }

    /// Pulls the cable.
    pub(crate) fn pull(&self) {
        let enter = self.enter();
        let status =
            Command::new(&enter[0]).args(&enter[1..]).args(["ip", "link", "set", "lo", "down"]).status().unwrap();
        assert!(status.success());
    }

    fn enter(&self) -> Vec<String> {
        vec!["nsenter".to_owned(), format!("--net=/proc/{}/ns/net", self.keeper.id()), "--".to_owned()]
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        self.keeper.kill().ok();
        self.keeper.wait().ok();
    }
}

/// A connection held by a process of its own.
pub(crate) struct Connected(Child);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}
