//! The product as a process of its own.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Where deliveries go.
pub enum Destination {
    /// Nobody listens there.
    Paused,
    /// A sink on loopback.
    At(u16),
}

/// What a run cost.
pub struct Facts {
    pub written: u64,
    pub memory: u64,
}

pub struct Gurney {
    pub port: u16,
    pub first_ack: Duration,
    child: Child,
}

impl Gurney {
    pub fn start(folder: &Path, destination: Destination) -> Self {
        let key = folder.join("store.key");
        let made =
            Command::new(binary()).args(["keys", "new"]).arg(&key).stdout(Stdio::null()).stderr(Stdio::null()).status();
        assert!(made.unwrap().success());
        Self::restart(folder, destination)
    }

    pub fn restart(folder: &Path, destination: Destination) -> Self {
        let port = port_for_later();
        let to = match destination {
            Destination::Paused => port_for_later(),
            Destination::At(port) => port,
        };
        let config = folder.join("gurney.toml");
        let text = format!(
            "version = 1\n[gurney]\nsite = \"bench\"\nnode = \"gw-a\"\n\
             [store]\npath = \"{0}/store\"\nkey_file = \"{0}/store.key\"\nlimit = \"20 GB\"\nwhen_full = \"refuse\"\n\
             [mllp.ehr]\nlisten = \"127.0.0.1:{port}\"\n\
             [http.platform]\nurl = \"http://127.0.0.1:{to}/inbound\"\nretry = {{ first = \"200 ms\", at_most = \"1 s\", give_up = \"never\" }}\nin_flight = 16\n\
             [flow.everything]\nfrom = \"ehr\"\non = [\"*\"]\nto = \"platform\"\nmapping = \"raw\"\npattern = \"event\"\n\
             target = \"5 s\"\nowner = \"Bench\"\nescalate = [\"bench\"]\n",
            folder.display()
        );
        fs::write(&config, text).unwrap();
        let log = fs::File::create(folder.join("gurney.log")).unwrap();
        let began = Instant::now();
        let child = Command::new(binary())
            .arg("run")
            .arg("--config")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut gurney = Self { port, first_ack: Duration::ZERO, child };
        gurney.wait_for_ack();
        gurney.first_ack = began.elapsed();
        gurney
    }

    fn wait_for_ack(&mut self) {
        let mut message = Vec::new();
        let text = format!(
            "MSH|^~\\&|ZZFIRST|ZZHOSP|||20260301||ADT^A08|first-{}|P|2.5.1\rPID|1||1^^^ZZ\r",
            std::process::id()
        );
        gurney::wire::mllp::encode(&mut message, text.as_bytes());
        for _ in 0..30_000 {
            assert!(self.child.try_wait().unwrap().is_none(), "gurney ended");
            if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) {
                stream.write_all(&message).unwrap();
                let mut answer = [0; 512];
                if stream.read(&mut answer).unwrap_or(0) > 0 {
                    return;
                }
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("gurney does not answer");
    }

    pub fn measured<T>(&self, run: impl FnOnce(u16) -> T) -> (T, Facts) {
        let before = self.written();
        let result = run(self.port);
        (result, Facts { written: self.written() - before, memory: self.memory() })
    }

    fn written(&self) -> u64 {
        field(&format!("/proc/{}/io", self.child.id()), "write_bytes:")
    }

    pub fn memory(&self) -> u64 {
        field(&format!("/proc/{}/status", self.child.id()), "VmRSS:") * 1024
    }

    pub fn stop(&mut self, hard: bool) {
        if hard {
            self.child.kill().unwrap();
        } else {
            Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        }
        self.child.wait().unwrap();
    }
}

impl Drop for Gurney {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A port that nobody listens at yet.
pub fn port_for_later() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn binary() -> String {
    std::env::var("GURNEY_BIN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_gurney").to_owned())
}

fn field(path: &str, name: &str) -> u64 {
    let text = fs::read_to_string(path).unwrap();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
