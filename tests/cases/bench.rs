//! The box under test: the real binary with a site of its own, its links, and the simulated platform behind it.

use std::{
    collections::BTreeMap,
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    process::{self, Child, Command, Stdio},
    sync::atomic::{AtomicU8, Ordering},
};

use gurney::{
    sim::{
        platform::{Platform, PlatformOptions},
        scene::persona::ZONE,
    },
    store::key::StoreKey,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, UnixStream},
};

use crate::{
    links::Links,
    scenario::Mend,
    wait::{until, within},
};

/// The map that the flows use: its file stands in `config/maps`.
const MAP: (&str, u32) = ("transport", 1);
const MAP_TEXT: &str = include_str!("../../config/maps/transport@1.toml");
/// The dialect of the site's senders.
const DIALECT_TEXT: &str = include_str!("../../config/dialects/standard@1.toml");
/// The dialect of one more sender, who has a segment of its own for the ride.
const ELSEWHERE: &str = r#"
dialect     = "elsewhere"
version     = 1
title       = "Rides in a segment: ZTR | 1 mode | 2 destination | 3 earliest | 4 latest"
extends     = "standard@1"
owner       = "Care coordination"
reviewed_on = "2026-11-26"
review_due  = "2027-05-26"

[element.mobility]
from = ["ZTR-1 via answer-mobility.mobility"]
why  = "the form"

[element.destination]
from = ["ZTR-2 as CE"]
why  = "the form"

[element.earliest]
from = ["ZTR-3"]
why  = "the form"

[element.latest]
from = ["ZTR-4"]
why  = "the form"
"#;

/// The head of a dialect that reads another table.
const MENDED: &str = r#"
dialect     = "mended"
version     = 1
title       = "The standard with another table"
extends     = "standard@1"
owner       = "Care coordination"
reviewed_on = "2026-11-26"
review_due  = "2027-05-26"
"#;

/// A box at work.
pub(crate) struct Bench {
    folder: TempDir,
    address: Ipv4Addr,
    child: Option<Child>,
    config: String,
    version: u32,
    dialect: &'static str,
    pub(crate) platform: Platform,
    pub(crate) links: Links,
}

impl Bench {
    /// Starts platform and box; `config` is added to the site's configuration.
    pub(crate) async fn start(config: &str) -> Self {
        let platform =
            Platform::start(PlatformOptions { keep_bodies: 20_000, ..PlatformOptions::default() }).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        StoreKey::random().and_then(|key| key.write_new(&folder.path().join("store.key"))).unwrap();
        for name in ["maps", "dialects"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        fs::write(folder.path().join("dialects/elsewhere@1.toml"), ELSEWHERE).unwrap();
        let address = own_address();
        let links = Links::new([6661, 6662].map(|port| SocketAddr::new(IpAddr::V4(address), port)), folder.path());
        let mut bench = Self {
            folder,
            address,
            child: None,
            config: config.to_owned(),
            version: MAP.1,
            dialect: "standard@1",
            platform,
            links,
        };
        bench.run().await;
        bench
    }

    /// kill -9 where it runs, then a new start.
    pub(crate) async fn kill(&mut self) {
        self.end();
        self.links.cut();
        self.run().await;
    }

    /// Reads a table anew, where it is named: in a new version of the map, or in a dialect that the senders now have.
    pub(crate) async fn mend(&mut self, mend: &Mend, table: &str) {
        let (old, new) = (format!(" {}.", mend.table), format!(" {}-mended.", mend.table));
        let folder = self.folder.path();
        fs::write(folder.join("maps/mended.toml"), table).unwrap();
        if MAP_TEXT.contains(&old) {
            self.version += 1;
            let (name, version) = (MAP.0, self.version);
            let text = with_version(&MAP_TEXT.replace(&old, &new), version);
            fs::write(folder.join(format!("maps/{name}@{version}.toml")), text).unwrap();
        } else {
            let elements = DIALECT_TEXT.split("\n[element.").skip(1).filter(|element| element.contains(&old));
            let elements: String =
                elements.map(|element| format!("\n[element.{}\n", element.replace(&old, &new))).collect();
            assert!(!elements.is_empty(), "map and dialect know no table {}", mend.table);
            fs::write(folder.join("dialects/mended@1.toml"), format!("{MENDED}{elements}")).unwrap();
            self.dialect = "mended@1";
        }
        self.kill().await;
    }

    /// The map's name and version.
    pub(crate) fn map(&self) -> String {
        format!("{}@{}", MAP.0, self.version)
    }

    async fn run(&mut self) {
        let folder = self.folder.path();
        let config = folder.join("gurney.toml");
        fs::write(&config, self.configuration()).unwrap();
        let log = fs::File::options().create(true).append(true).open(self.log_file()).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_gurney"))
            .args(["--log-format", "text", "run", "--config"])
            .arg(config)
            .env_remove("FAILPOINTS")
            .env_remove("GURNEY_LOG")
            .env_remove("NOTIFY_SOCKET")
            .env_remove("LISTEN_FDS")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
        until("the box is ready", async || {
            if let Some(status) = self.child.as_mut().and_then(|child| child.try_wait().unwrap()) {
                panic!("it ended: {status}\n{}", self.log());
            }
            self.get("/ready").await.filter(|(status, _)| *status == 200)
        })
        .await;
    }

    fn end(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().ok(); // it may have ended by itself
            child.wait().unwrap();
        }
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("gurney.log")
    }

    /// Everything that was logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn configuration(&self) -> String {
        let (site, address, platform, map) =
            (self.folder.path().display(), self.address, self.platform.url("/fhir"), self.map());
        let (config, dialect) = (&self.config, self.dialect);
        let flow = |from: &str| {
            format!(
                "[flow.{from}]\nuse_case = \"discharge-to-ride\"\nfrom = \"{from}\"\non = [\"*\"]\nto = \"logistics\"\n\
                 mapping = \"{map}\"\npattern = \"event\"\npriority = \"urgent\"\ntarget = \"2 min\"\n\
                 owner = \"Care coordination\"\nescalate = [\"care-coordination-on-call\"]\n"
            )
        };
        let flows = ["ehr", "elsewhere", "board", "drop"].map(flow).concat();
        format!(
            r#"version = 1
[gurney]
site = "st-cases"
node = "gw-t"
zone = "{ZONE}"
maps = "{site}/maps"
dialects = "{site}/dialects"
[store]
path = "{site}/store"
key_file = "{site}/store.key"
limit = "64 MB"
[mllp.ehr]
listen = "{address}:6661"
dialect = "{dialect}"
[mllp.elsewhere]
listen = "{address}:6662"
dialect = "elsewhere@1"
[serial.board]
port = "{site}/port"
line = "9600 8N1"
framing = "mllp"
dialect = "{dialect}"
[folder.drop]
path = "{site}/drop"
every = "100 ms"
settle = "0 s"
order = "name"
dialect = "{dialect}"
[fhir.logistics]
url = "{platform}"
retry = {{ first = "20 ms", at_most = "100 ms" }}
timeout = "5 s"
{config}
{flows}[metrics]
listen = "{address}:9464"
"#
        )
    }

    async fn get(&self, path: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect((self.address, 9464)).await.ok()?;
        stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: gurney\r\n\r\n").as_bytes()).await.ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.ok()?;
        let answer = String::from_utf8(answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((status, body.to_owned()))
    }

    /// The sum of a family's samples; `wanted` is the family, with labels in braces that all must be there.
    pub(crate) async fn metric(&self, wanted: &str) -> u64 {
        let (_, text) = until("/metrics answers", async || self.get("/metrics").await).await;
        let (family, labels) = wanted.split_once('{').unwrap_or((wanted, ""));
        let labels: Vec<&str> = labels.trim_end_matches('}').split(',').collect();
        let mut samples = BTreeMap::new();
        for (name, value) in text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit_once(' '))
        {
            let rest = name.strip_prefix(family).filter(|rest| rest.is_empty() || rest.starts_with('{'));
            if rest.is_some_and(|rest| labels.iter().all(|label| rest.contains(label))) {
                samples.insert(name, value.parse::<f64>().unwrap());
            }
        }
        assert!(!samples.is_empty(), "no metric {wanted}");
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts are small whole numbers")]
        let sum = samples.values().sum::<f64>() as u64;
        sum
    }

    /// Asks the box over its admin socket.
    pub(crate) async fn ask(&self, request: &Value) -> Value {
        within("the box answers", async {
            let mut stream = UnixStream::connect(self.folder.path().join("store/admin.sock")).await.unwrap();
            stream.write_all(format!("{request}\n").as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.unwrap();
            let answer: Value = serde_json::from_slice(&answer).unwrap();
            assert!(answer.get("ok").is_some(), "{request}: {answer}");
            answer["ok"].clone()
        })
        .await
    }

    /// The sum of a column over all flows.
    pub(crate) async fn tally(&self, column: &str) -> i64 {
        let flows = self.ask(&json!({"command": "flows"})).await;
        flows["flows"].as_array().unwrap().iter().map(|row| row[column].as_i64().unwrap()).sum()
    }

    /// What was set aside after entry `after`.
    pub(crate) async fn asides(&self, after: i64) -> Vec<Value> {
        let request = json!({"command": "asides", "heap": "held", "flow": null, "after": after, "limit": 100});
        self.ask(&request).await["entries"].as_array().unwrap().clone()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.end();
    }
}

fn with_version(map: &str, version: u32) -> String {
    let (old, new) = (format!("\nversion     = {}\n", MAP.1), format!("\nversion     = {version}\n"));
    assert!(map.contains(&old), "the map says its version");
    map.replacen(&old, &new, 1)
}

/// An address of 127.0.0.0/8 for each box, so that a box that starts again finds its ports free.
fn own_address() -> Ipv4Addr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [.., high, low] = process::id().to_be_bytes();
    Ipv4Addr::new(127, high | 1, low, NEXT.fetch_add(1, Ordering::Relaxed))
}
