//! A site in a folder of its own, its daemon, and a platform that keeps what it is sent.

#![expect(clippy::disallowed_methods, reason = "the deadlines of tests go by the real clock")]

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// Longest time anything here may take; reached only when something is broken.
const DEADLINE: Duration = Duration::from_secs(30);

/// The map that comes with Gurney.
pub(crate) const BUILTIN: &str = include_str!("../../config/maps/transport@1.toml");

/// The built-in map in another version, which says one thing more.
pub(crate) fn version(number: u32) -> String {
    let line = BUILTIN.lines().find(|line| line.starts_with("version")).unwrap();
    let row = "\n  [[resource.row]]\n  to    = \"language\"\n  value = \"en\"\n  why   = \"a test\"\n";
    BUILTIN.replacen(line, &format!("version = {number}"), 1) + row
}

/// Invented, and found nowhere but in the messages of these tests.
pub(crate) const SECRETS: [&str; 6] = ["ZZTESTFAU", "Zztestfau", "Margarethe", "19470311", "1947-03-11", "4711990"];

/// When [`order`] says that it was ordered.
const ORDERED: &str = "20261120093000";

/// An order for a ride by number `order`, whose patient walks, rolls or lies as `mode` says.
pub(crate) fn order(control: &str, order: &str, mode: &str) -> String {
    format!(
        "MSH|^~\\&|ORDERS|GH|GURNEY|GH|{ORDERED}||ORM^O01^ORM_O01|{control}|P|2.5.1\r\
         PID|1||4711990^^^GH^MR||ZZTESTFAU^Margarethe||19470311|F\r\
         PV1|1|I|3W^12^B^GH||||||||||||||||V{order}^^^GH^VN\r\
         ORC|NW|{order}^ORDERS\r\
         OBR|1|{order}^ORDERS||TRANSPORT^Patient transport^L\r\
         OBX|1|CE|TRMODE^Mode of transport^L||{mode}^As written^L\r\
         OBX|2|CE|TRDEST^Transport destination^L||SUNRISE^Sunrise Skilled Nursing^L\r"
    )
}

/// An event of the visit `visit` of the same patient, in the bed `bed`.
pub(crate) fn visit(control: &str, trigger: &str, bed: &str, visit: &str) -> String {
    format!(
        "MSH|^~\\&|EHR|GH|GURNEY|GH|{ORDERED}||ADT^{trigger}|{control}|P|2.5.1\r\
         PID|1||4711990^^^GH^MR||ZZTESTFAU^Margarethe||19470311|F\r\
         PV1|1|I|{bed}||||||||||||||||{visit}^^^GH^VN\r"
    )
}

/// Asks `look` until it has something to say, or the deadline has passed.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < DEADLINE, "waited in vain for {what}");
        thread::yield_now();
    }
}

/// A platform that answers every request with the status it was told, and keeps the bodies that it took.
pub(crate) struct Platform {
    pub(crate) url: String,
    status: Arc<AtomicU16>,
    bodies: Arc<Mutex<Vec<String>>>,
    keys: Arc<Mutex<Vec<String>>>,
}

impl Platform {
    pub(crate) fn start(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let platform = Self {
            url: format!("http://{}/fhir", listener.local_addr().unwrap()),
            status: Arc::new(AtomicU16::new(status)),
            bodies: Arc::default(),
            keys: Arc::default(),
        };
        let status = Arc::clone(&platform.status);
        let (bodies, keys) = (Arc::clone(&platform.bodies), Arc::clone(&platform.keys));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (status, bodies, keys) = (Arc::clone(&status), Arc::clone(&bodies), Arc::clone(&keys));
                thread::spawn(move || serve(stream.unwrap(), &status, &bodies, &keys));
            }
        });
        platform
    }

    pub(crate) fn answer(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    /// The bodies that were taken, in order.
    pub(crate) fn bodies(&self) -> Vec<String> {
        self.bodies.lock().unwrap().clone()
    }

    /// The delivery keys of those.
    pub(crate) fn keys(&self) -> Vec<String> {
        self.keys.lock().unwrap().clone()
    }
}

fn serve(stream: TcpStream, status: &AtomicU16, bodies: &Mutex<Vec<String>>, keys: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let (mut length, mut key) = (0, String::new());
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            let line = line.trim().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("idempotency-key:") {
                value.trim().clone_into(&mut key);
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let status = status.load(Ordering::SeqCst);
        if (200..300).contains(&status) {
            // In this order: who sees a body finds its key.
            keys.lock().unwrap().push(key);
            bodies.lock().unwrap().push(String::from_utf8(body).unwrap());
        }
        let mut writer = &stream;
        if writer.write_all(format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n").as_bytes()).is_err() {
            return;
        }
    }
}

/// What a command came to.
pub(crate) struct Told {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Told {
    fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    #[track_caller]
    pub(crate) fn with_code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}\n{}", self.out, self.err))
    }

    #[track_caller]
    pub(crate) fn without_patient_data(self) -> Self {
        for text in [&self.out, &self.err] {
            for secret in SECRETS {
                assert!(!text.contains(secret), "{secret} in:\n{text}");
            }
        }
        self
    }
}

pub(crate) fn gurney(arguments: &[&str]) -> Told {
    let command = Command::new(env!("CARGO_BIN_EXE_gurney"))
        .args(arguments)
        .env_remove("GURNEY_LOG")
        .stdin(Stdio::null())
        .output();
    Told::of(command.unwrap())
}

/// A site in a folder of its own.
pub(crate) struct Site {
    folder: TempDir,
}

impl Site {
    pub(crate) fn new(url: &str) -> Self {
        let site = Self { folder: TempDir::new().unwrap() };
        gurney(&["keys", "new", site.path("store.key").to_str().unwrap()]).with_code(0);
        fs::create_dir(site.path("maps")).unwrap();
        site.configure(url, "transport@1");
        site
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file below the site's folder.
    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub(crate) fn configure(&self, url: &str, mapping: &str) {
        let folder = self.folder.path().display();
        let text = format!(
            r#"version = 1
[gurney]
site = "loopback"
node = "gw-a"
maps = "{folder}/maps"
[store]
path      = "{folder}/store"
key_file  = "{folder}/store.key"
limit     = "256 MB"
when_full = "refuse"
[mllp.ehr]
listen    = "127.0.0.1:0"
[fhir.platform]
url       = "{url}"
retry     = {{ first = "50 ms", at_most = "200 ms", give_up = "never" }}
in_flight = 4
[flow.rides]
from      = "ehr"
on        = ["*"]
to        = "platform"
mapping   = "{mapping}"
pattern   = "event"
use_case  = "discharge-to-ride"
target    = "2 min"
owner     = "Care coordination"
escalate  = ["integration-desk"]
[metrics]
listen    = "127.0.0.1:0"
"#
        );
        self.write("gurney.toml", &text);
    }

    pub(crate) fn tell(&self, arguments: &[&str]) -> Told {
        let config = self.path("gurney.toml");
        gurney(&[arguments, &["--config", config.to_str().unwrap()]].concat())
    }

    /// Writes messages to a file and sends it, as ordered just now: orders of another day would wait for a person.
    pub(crate) fn send(&self, messages: &[String]) -> Told {
        let now = jiff::Timestamp::now().strftime("%Y%m%d%H%M%S+0000").to_string();
        let file = self.write("messages.hl7", &messages.concat().replace(&format!("{ORDERED}||"), &format!("{now}||")));
        self.tell(&["send", &file, "--to", "ehr"])
    }

    /// Asks for a listing until it satisfies `wanted`.
    pub(crate) fn until(&self, arguments: &[&str], wanted: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let told = self.tell(&[arguments, &["--json"]].concat());
            if let Ok(value) = serde_json::from_str::<Value>(&told.out)
                && wanted(&value)
            {
                return value;
            }
            assert!(began.elapsed() < DEADLINE, "{arguments:?}: waited in vain:\n{}{}", told.out, told.err);
        }
    }

    /// Waits until the flow's row satisfies `wanted`.
    pub(crate) fn flow(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        let of = |flows: &Value| flows["flows"].as_array().unwrap().iter().find(|row| row["flow"] == "rides").cloned();
        of(&self.until(&["flows"], |flows| of(flows).is_some_and(|row| wanted(&row)))).unwrap()
    }

    /// A map's row in the listing of maps.
    pub(crate) fn map(&self, name: &str) -> Value {
        let list = self.tell(&["map", "list", "--json"]).with_code(0).json();
        let rows = list["maps"].as_array().unwrap();
        rows.iter().find(|row| row["map"] == name).unwrap_or_else(|| panic!("no {name} in {list:#}")).clone()
    }

    /// The value of a metric's line.
    pub(crate) fn metric(&self, line: &str) -> Option<String> {
        let at = self.tell(&["status", "--json"]).json()["metrics"].as_str().unwrap().to_owned();
        let mut stream = TcpStream::connect(at).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text.lines().find_map(|found| found.strip_prefix(line)).map(|value| value.trim().to_owned())
    }
}

/// A running daemon; killed if a test ends without stopping it.
pub(crate) struct Daemon {
    child: Child,
    log: PathBuf,
}

impl Daemon {
    pub(crate) fn start(site: &Site) -> Self {
        let log = site.path("log");
        let child = Command::new(env!("CARGO_BIN_EXE_gurney"))
            .args(["run", "--config", site.path("gurney.toml").to_str().unwrap(), "--log-format", "json"])
            .env("GURNEY_LOG", "debug")
            .stderr(fs::File::options().create(true).append(true).open(&log).unwrap())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let mut daemon = Self { child, log };
        until("the daemon", || {
            assert!(daemon.child.try_wait().unwrap().is_none(), "it ended: {}", daemon.log());
            (site.tell(&["status"]).code != 69).then_some(())
        });
        daemon
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// SIGTERM, and what it exits with.
    pub(crate) fn stop(mut self) -> Option<i32> {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        until("the end of the daemon", || self.child.try_wait().unwrap()).code()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
