//! A site of its own for each test: a temporary folder, a key, a loopback address and a configuration.
//!
//! Every site has its own address of 127.0.0.0/8, made from the process and a counter, so that tests of this and of other
//! processes never meet on a port and a restarted daemon always finds its ports free.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{self, Command, Stdio},
    sync::atomic::{AtomicU8, Ordering},
};

use gurney::store::key::StoreKey;
use tempfile::TempDir;

/// One site.
pub(crate) struct Site {
    folder: TempDir,
    address: Ipv4Addr,
    store: PathBuf,
    store_limit: &'static str,
    /// The head of the destination's table.
    platform: String,
    link: String,
    destination: String,
    flow: String,
    on: &'static str,
    more: String,
}

impl Site {
    /// A site that delivers to `platform`.
    pub(crate) fn new(platform: SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        StoreKey::random().and_then(|key| key.write_new(&folder.path().join("store.key"))).unwrap();
        Self {
            store: folder.path().join("store"),
            folder,
            address: own_address(),
            store_limit: "64 MB",
            platform: format!("[http.platform]\nurl = \"http://{platform}/inbound\"\n"),
            link: String::new(),
            destination: String::from("retry = { first = \"20 ms\", at_most = \"100 ms\" }\n"),
            flow: String::new(),
            on: "[\"*\"]",
            more: String::new(),
        }
    }

    /// Delivers to something else than an HTTP platform: `head` is the beginning of the table `platform`.
    pub(crate) fn delivering(mut self, head: &str) -> Self {
        self.platform = format!("{head}\n");
        self
    }

    /// The flow takes these messages only.
    pub(crate) fn on(mut self, patterns: &'static str) -> Self {
        self.on = patterns;
        self
    }

    /// Adds further tables.
    pub(crate) fn with(mut self, tables: &str) -> Self {
        self.more = format!("{tables}\n");
        self
    }

    /// Adds keys of the link.
    pub(crate) fn link(mut self, keys: &str) -> Self {
        self.link = format!("{keys}\n");
        self
    }

    /// Sets the keys of the destination.
    pub(crate) fn destination(mut self, keys: &str) -> Self {
        self.destination = format!("{keys}\n");
        self
    }

    /// Adds keys of the flow.
    pub(crate) fn flow(mut self, keys: &str) -> Self {
        self.flow = format!("{keys}\n");
        self
    }

    /// Bounds the store.
    pub(crate) fn store_limit(mut self, limit: &'static str) -> Self {
        self.store_limit = limit;
        self
    }

    /// Puts the store elsewhere.
    pub(crate) fn store_at(mut self, store: PathBuf) -> Self {
        self.store = store;
        self
    }

    /// Where the link listens.
    pub(crate) fn mllp(&self) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(self.address), 6661)
    }

    /// Where metrics and health are.
    pub(crate) fn metrics(&self) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(self.address), 9464)
    }

    /// The temporary folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The store's folder.
    pub(crate) fn store(&self) -> &Path {
        &self.store
    }

    /// The store's key.
    pub(crate) fn key_file(&self) -> PathBuf {
        self.folder.path().join("store.key")
    }

    /// Where the daemon's log lines go, over all its starts.
    pub(crate) fn log_file(&self) -> PathBuf {
        self.folder.path().join("gurney.log")
    }

    /// Everything the daemon logged so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// What `gurney` says on its standard output when it is asked about the daemon that runs.
    pub(crate) fn ask(&self, arguments: &[&str]) -> String {
        let told = Command::new(env!("CARGO_BIN_EXE_gurney"))
            .args(arguments)
            .arg("--config")
            .arg(self.write_config())
            .env_remove("GURNEY_LOG")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(told.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&told.stderr));
        String::from_utf8(told.stdout).unwrap()
    }

    /// Writes the configuration and says where.
    pub(crate) fn write_config(&self) -> PathBuf {
        let path = self.folder.path().join("gurney.toml");
        fs::write(&path, self.config()).unwrap();
        path
    }

    /// The configuration.
    pub(crate) fn config(&self) -> String {
        let Self { store, store_limit, platform, link, destination, flow, on, more, .. } = self;
        let (store, key) = (store.display(), self.key_file());
        let (key, mllp, metrics) = (key.display(), self.mllp(), self.metrics());
        format!(
            r#"version = 1
[gurney]
site = "torture"
node = "gw-t"
[store]
path = "{store}"
key_file = "{key}"
limit = "{store_limit}"
[mllp.ehr]
listen = "{mllp}"
{link}{platform}{destination}[flow.everything]
from = "ehr"
on = {on}
to = "platform"
mapping = "raw"
pattern = "event"
target = "5 s"
owner = "Integration desk"
escalate = ["integration-desk"]
{flow}{more}[metrics]
listen = "{metrics}"
"#
        )
    }
}

fn own_address() -> Ipv4Addr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [.., high, low] = process::id().to_be_bytes();
    // 127.0.x.y is where everybody else is.
    Ipv4Addr::new(127, high | 1, low, NEXT.fetch_add(1, Ordering::Relaxed))
}
