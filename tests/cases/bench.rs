//! The box under test: the real binary with a site of its own, its three links, and the simulated platform behind it.

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

/// A box at work.
pub(crate) struct Bench {
    folder: TempDir,
    address: Ipv4Addr,
    child: Option<Child>,
    config: String,
    version: u32,
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
        fs::create_dir(folder.path().join("maps")).unwrap();
        let address = own_address();
        let links = Links::new(SocketAddr::new(IpAddr::V4(address), 6661), folder.path());
        let mut bench =
            Self { folder, address, child: None, config: config.to_owned(), version: MAP.1, platform, links };
        bench.run().await;
        bench
    }

    /// kill -9 where it runs, then a new start.
    pub(crate) async fn kill(&mut self) {
        self.end();
        self.links.cut();
        self.run().await;
    }

    /// A new version of the map, in which a table is another one.
    pub(crate) async fn mend(&mut self, mend: &Mend, table: &str) {
        self.version += 1;
        let (name, version) = (MAP.0, self.version);
        let old = format!(" {}.", mend.table);
        assert!(MAP_TEXT.contains(&old), "the map uses {}", mend.table);
        let text = MAP_TEXT.replace(&old, &format!(" {}-mended.", mend.table)).replacen(
            &format!("\nversion     = {}\n", MAP.1),
            &format!("\nversion     = {version}\n"),
            1,
        );
        let maps = self.folder.path().join("maps");
        fs::write(maps.join(format!("{name}@{version}.toml")), text).unwrap();
        fs::write(maps.join("mended.toml"), table).unwrap();
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
        let config = &self.config;
        let flow = |from: &str| {
            format!(
                "[flow.{from}]\nuse_case = \"discharge-to-ride\"\nfrom = \"{from}\"\non = [\"*\"]\nto = \"logistics\"\n\
                 mapping = \"{map}\"\npattern = \"event\"\npriority = \"urgent\"\ntarget = \"2 min\"\n\
                 owner = \"Care coordination\"\nescalate = [\"care-coordination-on-call\"]\n"
            )
        };
        let flows = ["ehr", "board", "drop"].map(flow).concat();
        format!(
            r#"version = 1
[gurney]
site = "st-cases"
node = "gw-t"
zone = "{ZONE}"
maps = "{site}/maps"
[store]
path = "{site}/store"
key_file = "{site}/store.key"
limit = "64 MB"
[mllp.ehr]
listen = "{address}:6661"
[serial.board]
port = "{site}/port"
line = "9600 8N1"
framing = "mllp"
[folder.drop]
path = "{site}/drop"
every = "100 ms"
settle = "0 s"
order = "name"
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

/// An address of 127.0.0.0/8 for each box, so that a box that starts again finds its ports free.
fn own_address() -> Ipv4Addr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [.., high, low] = process::id().to_be_bytes();
    Ipv4Addr::new(127, high | 1, low, NEXT.fetch_add(1, Ordering::Relaxed))
}
