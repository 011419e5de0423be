//! The binary as an operator meets it: started, asked, told, stopped; its exit codes, its data on stdout, and what must never
//! be in either.
//!
//! Every daemon of these tests listens on ports that the system chooses and keeps its store in a folder of its own. Nothing
//! waits by sleeping: what is not there yet is asked for again until a deadline.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![expect(clippy::disallowed_methods, reason = "the deadlines of tests go by the real clock")]

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    os::unix::{
        fs::{FileTypeExt as _, PermissionsExt as _},
        net::UnixStream,
    },
    path::{Path, PathBuf},
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

/// Invented, and found nowhere but in the messages of these tests.
const SECRETS: [&str; 4] = ["ZZTESTFAU", "Margarethe", "19470311", "4711990"];

const MESSAGE: &str = "MSH|^~\\&|EHR|GH|GURNEY|LOG|20260301101500||ADT^A03^ADT_A03|%ID%|P|2.5.1\r\
    EVN|A03|20260301101500\rPID|1||4711990^^^GH^MR||ZZTESTFAU^Margarethe||19470311|F\rPV1|1|I|4W^401^A\r";

fn message(id: &str) -> String {
    MESSAGE.replace("%ID%", id)
}

/// Asks `look` until it has something to say, or the deadline has passed.
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < DEADLINE, "waited in vain for {what}");
        thread::yield_now();
    }
}

/// A platform that answers every request with the status it was told.
struct Platform {
    url: String,
    status: Arc<AtomicU16>,
    keys: Arc<Mutex<Vec<String>>>,
}

impl Platform {
    fn start(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/inbound", listener.local_addr().unwrap());
        let (status, keys) = (Arc::new(AtomicU16::new(status)), Arc::new(Mutex::new(Vec::new())));
        let platform = Self { url, status: Arc::clone(&status), keys: Arc::clone(&keys) };
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (status, keys) = (Arc::clone(&status), Arc::clone(&keys));
                thread::spawn(move || serve(&stream.unwrap(), &status, &keys));
            }
        });
        platform
    }

    fn answer(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    fn keys(&self) -> Vec<String> {
        self.keys.lock().unwrap().clone()
    }
}

fn serve(stream: &TcpStream, status: &AtomicU16, keys: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut length, mut key) = (0, String::new());
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            let Some((name, value)) = line.trim_end().split_once(':') else {
                if line == "\r\n" { break } else { continue }
            };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().unwrap(),
                "idempotency-key" => key = value.trim().to_owned(),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let status = status.load(Ordering::SeqCst);
        keys.lock().unwrap().push(format!("{status} {key}"));
        // The answer repeats what was sent, as careless platforms do.
        let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n\r\n");
        let mut writer = stream;
        if writer.write_all(head.as_bytes()).and_then(|()| writer.write_all(&body)).is_err() {
            return;
        }
    }
}

/// A site in a folder of its own.
struct Site {
    folder: TempDir,
}

/// What a command came to.
struct Told {
    code: i32,
    out: String,
    err: String,
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
    fn with_code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }

    #[track_caller]
    fn without_patient_data(self) -> Self {
        assert_no_secret(&self.out);
        assert_no_secret(&self.err);
        self
    }
}

#[track_caller]
fn assert_no_secret(text: &str) {
    for secret in SECRETS {
        assert!(!text.contains(secret), "{secret} in:\n{text}");
    }
}

fn gurney(arguments: &[&str]) -> Told {
    Told::of(
        Command::new(env!("CARGO_BIN_EXE_gurney"))
            .args(arguments)
            .env_remove("GURNEY_LOG")
            .stdin(Stdio::null())
            .output()
            .unwrap(),
    )
}

impl Site {
    fn new(url: &str) -> Self {
        let site = Self { folder: TempDir::new().unwrap() };
        gurney(&["keys", "new", site.path("store.key").to_str().unwrap()]).with_code(0);
        site.configure(url, "raw");
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn config(&self) -> String {
        self.path("gurney.toml").to_str().unwrap().to_owned()
    }

    fn configure(&self, url: &str, mapping: &str) {
        let folder = self.folder.path().display();
        let text = format!(
            r#"version = 1
[gurney]
site = "loopback"
node = "gw-a"
[store]
path      = "{folder}/store"
key_file  = "{folder}/store.key"
limit     = "256 MB"
when_full = "refuse"
[mllp.ehr]
listen    = "127.0.0.1:0"
ack       = "auto"
frame_max = "1 MiB"
[http.platform]
url       = "{url}"
retry     = {{ first = "100 ms", at_most = "1 s", give_up = "never" }}
in_flight = 4
[flow.everything]
from      = "ehr"
on        = ["*"]
to        = "platform"
mapping   = "{mapping}"
pattern   = "event"
target    = "5 s"
owner     = "Integration desk"
escalate  = ["integration-desk"]
[metrics]
listen    = "127.0.0.1:0"
"#
        );
        fs::write(self.path("gurney.toml"), text).unwrap();
    }

    fn tell(&self, arguments: &[&str]) -> Told {
        let config = self.config();
        gurney(&[arguments, &["--config", &config]].concat())
    }

    /// Writes messages to a file and sends it.
    fn send(&self, messages: &[String]) -> Told {
        let file = self.path("messages.hl7");
        fs::write(&file, messages.concat()).unwrap();
        self.tell(&["send", file.to_str().unwrap(), "--to", "ehr"])
    }

    /// Asks for a listing until it satisfies `wanted`.
    fn until(&self, arguments: &[&str], wanted: impl Fn(&Value) -> bool) -> Value {
        let mut last = String::new();
        let began = Instant::now();
        loop {
            let told = self.tell(&[arguments, &["--json"]].concat());
            if let Ok(value) = serde_json::from_str::<Value>(&told.out)
                && wanted(&value)
            {
                return value;
            }
            last.clone_from(&told.out);
            assert!(began.elapsed() < DEADLINE, "{arguments:?}: waited in vain; at last:\n{last}{}", told.err);
        }
    }

    fn flow(&self, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let of = |flows: &Value| flows["flows"].as_array().unwrap().iter().find(|row| row["flow"] == name).cloned();
        of(&self.until(&["flows"], |flows| of(flows).is_some_and(|row| wanted(&row)))).unwrap()
    }
}

/// A running daemon; killed if a test ends without stopping it.
struct Daemon {
    child: Child,
    log: PathBuf,
}

impl Daemon {
    fn start(site: &Site) -> Self {
        let log = site.path("log");
        let child = Command::new(env!("CARGO_BIN_EXE_gurney"))
            .args(["run", "--config", &site.config(), "--log-format", "json"])
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

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// SIGTERM, and what it exits with.
    fn stop(mut self) -> Option<i32> {
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

#[test]
fn takes_delivers_and_shows_messages_without_patient_data() {
    let platform = Platform::start(200);
    let site = Site::new(&platform.url);
    let daemon = Daemon::start(&site);
    let socket = fs::metadata(site.path("store/admin.sock")).unwrap();
    assert!(socket.file_type().is_socket());
    assert_eq!(socket.permissions().mode() & 0o777, 0o600);

    let sent = site.send(&[message("M1"), message("M2")]).with_code(0).without_patient_data();
    assert!(sent.out.contains("2 of 2 accepted"), "{}", sent.out);
    let row = site.flow("everything", |row| row["delivered"] == 2);
    assert_eq!((&row["received"], &row["waiting"], &row["lost"]), (&2.into(), &0.into(), &0.into()));
    site.send(&[message("M1")]).with_code(0);
    let row = site.flow("everything", |row| row["duplicate"] == 1);
    assert_eq!((&row["received"], &row["delivered"]), (&3.into(), &2.into()));

    let status = site.until(&["status"], |status| status["healthy"] == true);
    assert_eq!(status["destinations"][0]["state"], "up");
    assert_eq!(status["destinations"][0]["breaker"], "closed");
    assert_eq!(status["store"]["level"], "normal");
    let text = site.tell(&["status"]).with_code(0).without_patient_data().out;
    assert!(text.trim_end().ends_with("healthy: nothing needs a person"), "{text}");
    let flows = site.tell(&["flows"]).with_code(0).out;
    assert!(flows.contains("every received message is accounted for"), "{flows}");

    let page = site.tell(&["messages", "list", "--json", "--limit", "1"]).with_code(0).json();
    assert_eq!(page["messages"][0]["id"], 2);
    assert_eq!(page["next"], 2);
    assert_eq!(page["messages"][0]["fates"][0]["state"], "delivered");
    assert!(page["messages"][0]["received_at"].as_str().unwrap().ends_with('Z'));
    let next = site.tell(&["messages", "list", "--before", "2", "--flow", "everything", "--json"]).json();
    assert_eq!(next["messages"].as_array().unwrap().len(), 1);

    let masked = site.tell(&["messages", "show", "1"]).with_code(0).without_patient_data();
    assert!(masked.out.contains("PID-5") && masked.out.contains("everything: delivered to platform"), "{}", masked.out);
    let clear =
        site.tell(&["messages", "show", "1", "--reveal", "--reason", "ticket 5", "--by", "J. Doe"]).with_code(0);
    assert!(clear.out.contains("ZZTESTFAU^Margarethe"), "{}", clear.out);
    let audit = site.tell(&["audit", "list", "--json"]).with_code(0).json();
    assert_eq!(
        (&audit["entries"][0]["action"], &audit["entries"][0]["subject"]),
        (&"reveal".into(), &"message 1".into())
    );
    assert_eq!(audit["entries"][0]["detail"], "ticket 5");
    assert!(audit["entries"][0]["actor"].as_str().unwrap().ends_with("for J. Doe"));
    site.tell(&["audit", "verify"]).with_code(0);

    for list in [["queue", "list"], ["messages", "list"], ["dead", "list"], ["held", "list"], ["scraps", "list"]] {
        let told = site.tell(&list).with_code(0).without_patient_data();
        assert!(told.out.lines().all(|line| line.chars().count() <= 80), "{}", told.out);
    }
    assert_no_secret(&daemon.log());
    assert_eq!(daemon.stop(), Some(0));
    assert!(!site.path("store/admin.sock").try_exists().unwrap(), "the socket was left behind");
    let offline = site.tell(&["audit", "verify", "--json"]).with_code(0).json();
    assert!(offline["entries"].as_i64().unwrap() >= 3 && offline["broken_at"].is_null(), "{offline}");
}

#[test]
fn resends_delivered_messages_under_the_same_key() {
    let platform = Platform::start(200);
    let site = Site::new(&platform.url);
    let _daemon = Daemon::start(&site);
    site.send(&[message("M1")]).with_code(0);
    site.flow("everything", |row| row["delivered"] == 1);

    let why = ["--reason", "platform restored a backup"];
    let unasked = site.tell(&[&["messages", "resend", "1"], &why[..]].concat()).with_code(2);
    assert!(unasked.err.contains("Send 1 message again?") && unasked.err.contains("--yes"), "{}", unasked.err);
    site.tell(&["messages", "resend", "1", "--yes"]).with_code(2);
    let done = site.tell(&[&["messages", "resend", "1", "--yes"], &why[..]].concat()).with_code(0);
    assert!(done.out.contains("queued again for platform"), "{}", done.out);
    until("the repeated delivery", || (platform.keys().len() == 2).then_some(()));
    let keys = platform.keys();
    assert_eq!(keys[0], keys[1], "a repeated send must have the delivery key of the first");
    let row = site.flow("everything", |row| row["delivered"] == 1 && row["waiting"] == 0);
    assert_eq!((&row["received"], &row["lost"]), (&1.into(), &0.into()));
    let shown = site.tell(&["messages", "show", "1", "--json"]).json();
    assert_eq!(shown["message"]["fates"].as_array().unwrap().len(), 2, "{shown}");

    let missing = site.tell(&["messages", "resend", "99", "--yes", "--reason", "x"]).with_code(1);
    assert!(missing.out.contains("NOT DONE"), "{}", missing.out);
}

#[test]
fn deals_with_dead_letters() {
    let platform = Platform::start(422);
    let site = Site::new(&platform.url);
    let daemon = Daemon::start(&site);
    site.send(&[message("M1"), message("M2"), message("M3")]).with_code(0);
    let dead = site.until(&["dead", "list"], |dead| dead["total"] == 3);
    assert_eq!(dead["entries"][0]["detail"], "HTTP 422");
    let ids: Vec<String> = dead["entries"].as_array().unwrap().iter().map(|entry| entry["id"].to_string()).collect();

    let shown = site.tell(&["dead", "show", &ids[0]]).with_code(0).without_patient_data();
    assert!(shown.err.contains("the destination answered"), "{}", shown.err);
    let clear = site.tell(&["dead", "show", &ids[0], "--reveal", "--reason", "ticket"]).with_code(0);
    assert!(clear.out.contains("the destination's answer:\nMSH|"), "{}", clear.out);
    let wrong = site.tell(&["held", "show", &ids[0]]).with_code(1);
    assert!(wrong.err.contains("gurney dead list"), "{}", wrong.err);
    let status = site.tell(&["status"]).with_code(0).out;
    assert!(status.contains("3 dead letters wait for a person"), "{status}");

    platform.answer(200);
    site.tell(&["dead", "resend", &ids[0], "--yes", "--reason", "mended"]).with_code(0);
    site.flow("everything", |row| row["delivered"] == 1 && row["dead_letter"] == 2);
    let keys = platform.keys();
    let first = keys[0].trim_start_matches("422 ").to_owned();
    assert!(keys.contains(&format!("200 {first}")), "{keys:?}");
    site.tell(&["dead", "discard", &ids[1], "--yes", "--reason", "done by phone"]).with_code(0);
    let left = site.tell(&["dead", "list", "--json"]).with_code(0).json();
    assert_eq!(left["total"], 1);
    site.tell(&["dead", "discard", &ids[1], "--yes", "--reason", "again"]).with_code(1);
    site.tell(&["dead", "resend", "--all", "--yes", "--reason", "mended"]).with_code(0);
    let row = site.flow("everything", |row| row["delivered"] == 2);
    assert_eq!((&row["dead_letter"], &row["lost"]), (&1.into(), &0.into()), "a discarded dead letter stays counted");
    assert_no_secret(&daemon.log());
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn keeps_what_was_not_understood_until_a_person_decides() {
    let platform = Platform::start(200);
    let site = Site::new(&platform.url);
    let daemon = Daemon::start(&site);
    let untyped = message("M1").replace("ADT^A03^ADT_A03", "");
    let refused = site.send(&[untyped]).with_code(1).without_patient_data();
    assert!(refused.out.contains("AR"), "{}", refused.out);
    let held = site.tell(&["held", "list", "--json"]).with_code(0).json();
    assert_eq!((&held["total"], &held["entries"][0]["kind"]), (&1.into(), &"quarantined".into()));
    let id = held["entries"][0]["id"].to_string();
    let why = ["--yes", "--reason", "looked at it"];
    let still = site.tell(&[&["held", "release", &id], &why[..]].concat()).with_code(1);
    assert!(still.out.contains("still not understood"), "{}", still.out);
    let dead = site.tell(&[&["dead", "resend", &id], &why[..]].concat()).with_code(1);
    assert!(dead.out.contains("gurney held list"), "{}", dead.out);
    assert_eq!(site.tell(&["held", "list", "--json"]).json()["total"], 1, "a refused order must change nothing");
    site.tell(&[&["held", "discard", &id], &why[..]].concat()).with_code(0);
    assert_eq!(site.tell(&["held", "list", "--json"]).json()["total"], 0);
    site.flow("unrouted", |row| row["quarantined"] == 1 && row["lost"] == 0);

    let address = site.tell(&["status", "--json"]).json()["links"][0]["at"].as_str().unwrap().to_owned();
    TcpStream::connect(&address).unwrap().write_all(b"ZZTESTFAU is no frame").unwrap();
    let scraps = site.until(&["scraps", "list"], |scraps| scraps["entries"][0]["count"] == 21);
    assert_eq!(scraps["entries"][0]["link"], "ehr");
    let scrap = scraps["entries"][0]["id"].to_string();
    site.tell(&["scraps", "show", &scrap]).with_code(0).without_patient_data();
    let clear = site.tell(&["scraps", "show", &scrap, "--reveal", "--reason", "ticket"]).with_code(0);
    assert!(clear.out.contains("ZZTESTFAU is no frame"), "{}", clear.out);
    assert_no_secret(&daemon.log());
}

#[test]
fn releases_what_a_mended_site_takes() {
    let platform = Platform::start(200);
    let site = Site::new(&platform.url);
    site.configure(&platform.url, "transport@1");
    let daemon = Daemon::start(&site);
    let order = message("M1").replace("ADT^A03^ADT_A03", "ORM^O01") + "ORC|NW|P1\rOBR|1|P1||ZZRIDE^Unheard of^L\r";
    site.send(&[order]).with_code(0);
    let why = ["--all", "--yes", "--reason", "map mended"];
    let held = site.tell(&["held", "list", "--json"]).with_code(0).json();
    assert_eq!((&held["total"], &held["entries"][0]["flow"]), (&1.into(), &"everything".into()), "{held}");
    let still = site.tell(&[&["held", "release"], &why[..]].concat()).with_code(1).without_patient_data();
    assert!(still.out.contains("still "), "{}", still.out);
    assert_eq!(daemon.stop(), Some(0));

    site.configure(&platform.url, "raw");
    let _daemon = Daemon::start(&site);
    let asked = site.tell(&["held", "release", "--all", "--reason", "map mended"]).with_code(2);
    assert!(asked.err.contains("Release 1 message?"), "{}", asked.err);
    let done = site.tell(&[&["held", "release"], &why[..]].concat()).with_code(0);
    assert!(done.out.contains("queued for platform"), "{}", done.out);
    let row = site.flow("everything", |row| row["delivered"] == 1);
    assert_eq!(
        (&row["received"], &row["held"], &row["quarantined"], &row["lost"]),
        (&1.into(), &0.into(), &0.into(), &0.into())
    );
    assert_eq!(platform.keys().len(), 1);
    let none = site.tell(&[&["held", "release"], &why[..]].concat()).with_code(0);
    assert!(none.err.contains("there are no messages"), "{}", none.err);
}

#[test]
fn shows_a_queue_and_an_unhealthy_box() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let site = Site::new(&format!("http://{closed}/inbound"));
    let mut daemon = Daemon::start(&site);
    site.send(&[message("M1"), message("M2")]).with_code(0);
    let queue =
        site.tell(&["queue", "list", "--destination", "platform", "--limit", "1", "--json"]).with_code(0).json();
    assert_eq!((&queue["total"], queue["entries"].as_array().unwrap().len()), (&2.into(), 1));
    assert_eq!((&queue["entries"][0]["message"], &queue["entries"][0]["kind"]), (&1.into(), &"ADT^A03".into()));
    let down = site.until(&["status"], |status| status["destinations"][0]["state"] == "down");
    assert_eq!((&down["healthy"], &down["destinations"][0]["waiting"]["total"]), (&false.into(), &2.into()));
    let status = site.tell(&["status"]).with_code(1).out;
    assert!(status.contains("UNHEALTHY") && status.contains("nothing is lost"), "{status}");
    let unknown = site.tell(&["queue", "list", "--destination", "nowhere"]).with_code(2);
    assert!(unknown.err.contains("there are: platform"), "{}", unknown.err);

    daemon.child.kill().unwrap();
    daemon.child.wait().unwrap();
    assert!(site.path("store/admin.sock").try_exists().unwrap(), "a killed daemon leaves its socket");
    site.tell(&["status"]).with_code(69);
    let again = Daemon::start(&site);
    let row = site.flow("everything", |row| row["waiting"] == 2);
    assert_eq!((&row["received"], &row["lost"]), (&2.into(), &0.into()));
    drop(again);
}

#[test]
fn refuses_a_second_daemon_a_wrong_key_and_a_broken_configuration() {
    let site = Site::new("http://127.0.0.1:9/inbound");
    let daemon = Daemon::start(&site);
    let second = site.tell(&["run"]).with_code(75);
    assert!(second.err.contains("in use by another process"), "{}", second.err);
    site.tell(&["status"]).with_code(0);
    assert_eq!(daemon.stop(), Some(0));

    fs::remove_file(site.path("store.key")).unwrap();
    let gone = site.tell(&["run"]).with_code(78);
    assert!(gone.err.contains("cannot read the store key"), "{}", gone.err);
    gurney(&["keys", "new", site.path("store.key").to_str().unwrap()]).with_code(0);
    let wrong = site.tell(&["run"]).with_code(78);
    assert!(wrong.err.contains("the key does not open store"), "{}", wrong.err);
    site.tell(&["audit", "verify"]).with_code(78);
    let doctor = site.tell(&["doctor"]).with_code(1);
    assert!(doctor.out.contains("the key does not open store"), "{}", doctor.out);

    let text = fs::read_to_string(site.path("gurney.toml")).unwrap();
    fs::write(site.path("gurney.toml"), text.replace("in_flight", "in_flihgt")).unwrap();
    for command in ["run", "check", "status", "doctor"] {
        let told = site.tell(&[command]).with_code(if command == "doctor" { 1 } else { 78 });
        assert!(told.err.contains("in_flihgt") && told.err.contains("^^^"), "{command}: {}", told.err);
        assert!(told.err.contains("in_flight"), "{command} suggests nothing: {}", told.err);
    }
    let json = site.tell(&["check", "--json"]).with_code(78).json();
    assert_eq!(json["good"], false);
}

#[test]
fn tells_usage_faults_from_a_daemon_that_is_not_there() {
    let site = Site::new("http://127.0.0.1:9/inbound");
    gurney(&["flows", "--nonsense"]).with_code(2);
    gurney(&["dead", "resend", "--reason", "x"]).with_code(2);
    gurney(&["messages", "show", "1", "--reveal"]).with_code(2);
    let unreachable = site.tell(&["flows"]).with_code(69);
    assert!(unreachable.err.contains("gurney run"), "{}", unreachable.err);
    gurney(&["flows", "--socket", site.path("nothing").to_str().unwrap()]).with_code(69);
    let nowhere = gurney(&["flows", "--config", "/nonexistent/gurney.toml"]).with_code(78);
    assert!(nowhere.err.contains("--socket"), "{}", nowhere.err);
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let file = site.path("one.hl7");
    fs::write(&file, message("M1")).unwrap();
    gurney(&["send", file.to_str().unwrap(), "--to", &closed]).with_code(69);
    let unknown = site.tell(&["send", file.to_str().unwrap(), "--to", "nowhere"]).with_code(2);
    assert!(unknown.err.contains("there are: ehr"), "{}", unknown.err);
}

#[test]
fn answers_strange_clients_of_its_socket_and_goes_on() {
    let site = Site::new("http://127.0.0.1:9/inbound");
    let _daemon = Daemon::start(&site);
    let ask = |bytes: &[u8]| {
        let mut stream = UnixStream::connect(site.path("store/admin.sock")).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        // The daemon may have answered and gone before it has read everything.
        stream.write_all(bytes).ok();
        stream.shutdown(Shutdown::Write).ok();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok();
        serde_json::from_slice::<Value>(&answer).unwrap_or_default()
    };
    for strange in [
        &b""[..],
        b"no json\n",
        b"{\"command\":\"format_disk\"}\n",
        b"{\"command\":\"flows\"}",
        b"{\"command\":\"queue\",\"limit\":5,\"destination\":null,\"more\":1}\n",
        &vec![b'x'; 65536],
    ] {
        assert_eq!(ask(strange)["error"]["kind"], "bad_request", "{:?}", strange.get(..20));
    }
    let reason = "x".repeat(501);
    let long = format!(
        "{{\"command\":\"discard\",\"heap\":\"dead\",\"ids\":[1],\"purpose\":{{\"reason\":\"{reason}\",\"by\":null}}}}\n"
    );
    assert_eq!(ask(long.as_bytes())["error"]["kind"], "bad_request");
    let silent: Vec<_> = (0..4).map(|_| UnixStream::connect(site.path("store/admin.sock")).unwrap()).collect();
    assert_eq!(ask(b"{\"command\":\"flows\"}\n")["ok"]["balanced"], true);
    drop(silent);
    site.tell(&["status"]).with_code(0);
}

#[test]
fn makes_keys_that_nobody_else_can_read_and_replaces_none() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("store.key");
    let made = gurney(&["keys", "new", path.to_str().unwrap()]).with_code(0);
    assert_eq!(made.out.trim_end(), path.to_str().unwrap());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let before = fs::read(&path).unwrap();
    gurney(&["keys", "new", path.to_str().unwrap()]).with_code(1);
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn doctors_a_site_before_its_first_start() {
    let site = Site::new("http://127.0.0.1:9/inbound");
    let good = site.tell(&["doctor"]).with_code(0);
    assert!(good.out.contains("it does not run") && good.out.contains("is free"), "{}", good.out);
    fs::set_permissions(site.path("store.key"), fs::Permissions::from_mode(0o644)).unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let text = fs::read_to_string(site.path("gurney.toml")).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    fs::write(site.path("gurney.toml"), text.replacen("127.0.0.1:0", &address, 1)).unwrap();
    let bad = site.tell(&["doctor", "--json"]).with_code(1).json();
    let failed: Vec<&str> = bad["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["ending"] == "failed")
        .map(|finding| finding["check"].as_str().unwrap())
        .collect();
    assert_eq!(failed, ["store key", "port"]);
}

#[test]
fn shows_and_checks_files_of_messages() {
    let folder = TempDir::new().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let framed = format!("\x0b{}\x1c\r\x0b{}\x1c\r", message("M1"), message("M2"));
    let framed = file("framed", framed.as_bytes());
    let masked = gurney(&["hl7", "show", &framed]).with_code(0).without_patient_data();
    assert!(masked.out.contains("M1") && masked.out.contains("M2"), "{}", masked.out);
    let clear = gurney(&["hl7", "show", &framed, "--reveal", "--json"]).with_code(0);
    assert_eq!(clear.json()[1]["segments"][2]["fields"][2]["value"], "ZZTESTFAU^Margarethe");
    gurney(&["hl7", "check", &framed]).with_code(0).without_patient_data();
    let odd = file("odd", message("M1").replace('\r', "\n").as_bytes());
    let odd = gurney(&["hl7", "check", &odd]).with_code(0).without_patient_data();
    assert!(odd.out.contains("4 segments end with LF instead of CR"), "{}", odd.out);
    let batch = file("batch", format!("BHS|^~\\&|A|B\r{}BTS|3\r", message("M1")).as_bytes());
    let batch = gurney(&["hl7", "check", &batch, "--json", "--zone", "America/Chicago"]).with_code(0);
    let told = batch.json()["batch"].to_string();
    assert!(told.contains("BTS") && told.contains('3'), "{told}");
    gurney(&["hl7", "check", &framed, "--zone", "Chicago"]).with_code(2);
    let none = file("none", b"ZZTESTFAU is no message");
    for command in ["show", "check"] {
        let told = gurney(&["hl7", command, &none]).with_code(65).without_patient_data();
        assert!(format!("{}{}", told.out, told.err).contains("expected segment MSH"), "{}{}", told.out, told.err);
    }
    gurney(&["hl7", "show", "/nonexistent"]).with_code(65);
    gurney(&["send", &none, "--to", "127.0.0.1:1"]).with_code(65);
}

#[test]
fn delivers_simulated_traffic_to_a_simulated_platform() {
    let mut platform = Command::new(env!("CARGO_BIN_EXE_gurney"))
        .args(["simulate", "platform", "--listen", "127.0.0.1:0", "--json"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(platform.stderr.take().unwrap()).read_line(&mut said).unwrap();
    let url = said.split_whitespace().find(|word| word.ends_with("/inbound")).unwrap();
    let site = Site::new(url);
    let daemon = Daemon::start(&site);
    let address = site.tell(&["status", "--json"]).json()["links"][0]["at"].as_str().unwrap().to_owned();
    let arguments = ["simulate", "ehr", "--to", &address, "--messages", "60", "--rate", "0", "--connections", "3"];
    let sent = gurney(&[&arguments[..], &["--json"]].concat()).with_code(0).json();
    assert_eq!((&sent["acknowledged"], &sent["unacknowledged"]), (&60.into(), &0.into()));
    site.flow("everything", |row| row["delivered"] == 60 && row["lost"] == 0);
    assert_eq!(daemon.stop(), Some(0));
    kill_process(Pid::from_child(&platform), Signal::TERM).unwrap();
    let report = Told::of(platform.wait_with_output().unwrap()).with_code(0).json();
    assert_eq!((&report["effects"], &report["order_breaks"]), (&60.into(), &0.into()), "{report}");
    gurney(&["simulate", "platform", "--listen", "0.0.0.0:0"]).with_code(2);
}

/// A folder with a serial link under `port`, spoken as `keys` say.
fn serial_site(url: &str, port: &Path, keys: &str) -> Site {
    let site = Site::new(url);
    let path = site.folder.path().join("gurney.toml");
    let flow = "[flow.serial]\nfrom = \"bedside\"\non = [\"*\"]\nto = \"platform\"\nmapping = \"raw\"\npattern = \"event\"\n\
        target = \"5 s\"\nowner = \"Tests\"\nescalate = [\"tests\"]\n";
    let more = format!("[serial.bedside]\nport = \"{}\"\nline = \"115200 8N1\"\n{keys}\n{flow}", port.display());
    fs::write(&path, fs::read_to_string(&path).unwrap() + &more).unwrap();
    site
}

#[test]
fn takes_every_message_of_a_simulated_device_through_a_noisy_line_once() {
    let platform = Platform::start(200);
    for (framing, keys) in [
        ("hllp", "framing = \"hllp\"\ngap = \"200 ms\"\nhllp = { receive_timeout = \"1 s\", send_retries = 3 }"),
        (
            "lis01",
            "framing = \"lis01\"\ncontent = \"hl7\"\nlis01 = { message = \"frames\", establish = \"1 s\", busy = \"100 ms\", reply = \"1 s\", \
             next_frame = \"2 s\", character_gap = \"200 ms\" }",
        ),
        ("mllp", "framing = \"mllp\"\ngap = \"200 ms\""),
    ] {
        let folder = TempDir::new().unwrap();
        let port = folder.path().join("bedside");
        let site = serial_site(&platform.url, &port, keys);
        let daemon = Daemon::start(&site);
        let config = site.folder.path().join("gurney.toml");
        // MLLP has no check: a flipped bit would be another message.
        let noise =
            if framing == "mllp" { "drops=100,bursts=100" } else { "flips=100,drops=100,bursts=50,unplug=8000" };
        let told = gurney(&[
            "simulate",
            "serial",
            "--peer-of",
            "bedside",
            "--config",
            config.to_str().unwrap(),
            "--content",
            "hl7",
            "--dialect",
            "modern",
            "--messages",
            "30",
            "--baud",
            "0",
            "--gap",
            "1",
            "--patience",
            "1000",
            "--noise",
            noise,
            "--json",
        ]);
        let summary = told.with_code(0).json();
        assert_eq!(
            (&summary["acknowledged"], &summary["unacknowledged"]),
            (&30.into(), &0.into()),
            "{framing} {summary}"
        );
        assert!(summary["damaged"].as_u64().unwrap() > 0, "{framing} {summary}");
        if framing != "mllp" {
            // What came again because its acknowledgement was lost is counted as a duplicate, and delivered once.
            site.flow("serial", |row| row["delivered"] == 30 && row["lost"] == 0);
        }
        assert_eq!(daemon.stop(), Some(0));
    }
}

#[test]
fn simulates_a_receiver_refuses_bad_keys_and_gives_up_where_nobody_answers() {
    gurney(&["simulate", "serial", "--port", "/tmp/x", "--framing", "hllp", "--key", "checksum = \"crc\""])
        .with_code(2);
    gurney(&["simulate", "serial", "--port", "/tmp/x", "--noise", "hum=3"]).with_code(2);
    gurney(&["simulate", "serial", "--framing", "hllp"]).with_code(2);
    let folder = TempDir::new().unwrap();
    let port = folder.path().join("port").display().to_string();
    let told = gurney(&["simulate", "serial", "--port", &port, "--role", "receiver", "--seconds", "1", "--json"]);
    // Nobody opens the port, so nothing is taken; a receiver that waited has done its work.
    assert_eq!(told.with_code(0).json()["received"], 0);
}

#[test]
fn watches_a_link_masked_and_notes_a_look_at_its_text() {
    let platform = Platform::start(200);
    let site = Site::new(&platform.url);
    let daemon = Daemon::start(&site);
    let config = site.folder.path().join("gurney.toml");
    let watching = |more: &[&str]| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_gurney"))
            .args(["tap", "ehr", "--seconds", "3", "--config"])
            .arg(&config)
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut said).unwrap();
        assert!(said.starts_with("watching ehr"), "{said}");
        child
    };
    let child = watching(&[]);
    site.send(&[message("TAP1")]).with_code(0);
    let told = Told::of(child.wait_with_output().unwrap()).with_code(0);
    assert_no_secret(&told.out);
    for part in [
        " in ",
        "<VT>MSH|^~\\&|xxx|",
        "<CR>PID|9||9999999^^^xx^xx||",
        "<FS><CR>",
        "a frame of",
        "answered taken",
        "out",
    ] {
        assert!(told.out.contains(part), "{part}: {}", told.out);
    }
    assert!(told.out.ends_with("this looks like MLLP: framing = \"mllp\"\n"), "{}", told.out);
    let child = watching(&["--reveal", "--reason", "ticket 4711"]);
    site.send(&[message("TAP2")]).with_code(0);
    let told = Told::of(child.wait_with_output().unwrap()).with_code(0);
    assert!(told.out.contains(SECRETS[0]), "{}", told.out);
    let audit = site.tell(&["audit", "list"]).out;
    assert!(audit.contains("what passes over link ehr") && audit.contains("ticket 4711"), "{audit}");
    site.tell(&["tap", "nowhere"]).with_code(2);
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn prints_the_schema_completions_and_manual() {
    let schema = gurney(&["schema"]).with_code(0).json();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    for shell in ["bash", "zsh", "fish"] {
        assert!(gurney(&["completions", shell]).with_code(0).out.contains("doctor"));
    }
    assert!(gurney(&["man"]).with_code(0).out.starts_with(".ie"));
    let folder = TempDir::new().unwrap();
    gurney(&["man", "--folder", folder.path().to_str().unwrap()]).with_code(0);
    assert!(Path::new(&folder.path().join("gurney-dead-resend.1")).is_file());
}

#[test]
fn shows_the_documented_use_cases_and_who_serves_them() {
    let list = gurney(&["use-cases", "list"]).with_code(0);
    assert!(list.out.contains("discharge-to-ride") && list.out.contains("Care coordination"), "{}", list.out);
    let one = gurney(&["use-cases", "show", "room-change"]).with_code(0).out;
    for part in ["room-change: ", "Bed management", "ADT^A02", "UC-06", "could harm", "discharge-to-ride"] {
        assert!(one.contains(part), "{part} not in\n{one}");
    }
    let unknown = gurney(&["use-cases", "show", "rom-change"]).with_code(2);
    assert!(unknown.err.contains("room-change"), "{}", unknown.err);

    let site = Site::new("http://127.0.0.1:9/inbound");
    let mapped = fs::read_to_string(site.config()).unwrap().replace("\"raw\"", "\"transport@1\"");
    fs::write(site.config(), &mapped).unwrap();
    let untied = site.tell(&["check"]).with_code(0);
    assert!(untied.err.contains("warning: `everything` names no use case"), "{}", untied.err);
    fs::write(site.config(), mapped.replace("[flow.everything]", "[flow.everything]\nuse_case = \"own\"")).unwrap();
    let missing = site.tell(&["check"]).with_code(78);
    assert!(missing.err.contains("there is no use case `own`"), "{}", missing.err);

    // The site documents its own.
    fs::create_dir(site.path("use-cases")).unwrap();
    let case = "version = 1\n[use_case.own]\ntitle = \"Everything\"\ncovers = [\"UC-01\"]\ntrigger = [\"ADT^A03\"]\n\
        data = [\"visit\"]\noutcome = [\"one job\"]\nmeasure = [{ what = \"jobs\", goal = \"1\" }]\n\
        owner = \"Integration desk\"\ntarget = \"1 min\"\nsafety = [\"none known\"]\nfixtures = \"cases\"\n";
    fs::write(site.path("use-cases/own.toml"), case).unwrap();
    let tied = mapped
        .replace("[flow.everything]", "[flow.everything]\nuse_case = \"own\"")
        .replace("[gurney]", &format!("[gurney]\nuse_cases = \"{}\"", site.path("use-cases").display()));
    fs::write(site.config(), tied).unwrap();
    assert_eq!(site.tell(&["check"]).with_code(0).err, "");
    let shown = site.tell(&["use-cases", "show", "own", "--json"]).with_code(0).json();
    assert_eq!((&shown["flows"][0], &shown["target_seconds"]), (&"everything".into(), &60.0.into()));
}
