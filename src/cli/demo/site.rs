//! The place the demo plays in: a temporary folder, free ports on loopback, a key, and a configuration.
//!
//! Ports are looked for below the range from which the system takes ports for outgoing connections: a client that
//! connects to a free port of that range again and again may in the end meet itself.

use std::{
    fs, io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::PathBuf,
};

use super::Error;
use crate::{
    sim::random::SplitMix64,
    store::{Plan, key::StoreKey},
    units::ByteCount,
};

/// The site's name; delivery keys are made of it.
pub(super) const SITE: &str = "demo";
/// Every message of the EHR, byte by byte.
pub(super) const EVERYTHING: Route = Route { flow: "everything", destination: "platform", mapping: "raw" };
/// Transport orders and discharges of the EHR, as jobs.
pub(super) const TRANSPORT: Route = Route { flow: "transport", destination: "logistics", mapping: "transport@1" };
/// The serial line, as jobs.
pub(super) const BEDBOARD: Route = Route { flow: "bedboard", destination: "logistics", mapping: "transport@1" };

/// Where a flow leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) flow: &'static str,
    pub(super) destination: &'static str,
    pub(super) mapping: &'static str,
}

/// Ports that are looked at: below the range for outgoing connections.
const PORTS: (u16, u16) = (20_000, 30_000);
/// Limit of the store; the demo needs a few MB.
const STORE_LIMIT: ByteCount = ByteCount(256_000_000);

/// Messages of the EHR that the story makes jobs of.
const STORY_TYPES: &str = "[\"ADT^A03\", \"ADT^A13\", \"ADT^A16\", \"ADT^A25\", \"ORM^O01\"]";

/// The folder and the addresses.
#[derive(Debug)]
pub(super) struct Site {
    folder: tempfile::TempDir,
    key: StoreKey,
    /// Where the EHR connects.
    pub(super) ehr: SocketAddr,
    /// Where the metrics are.
    pub(super) metrics: SocketAddr,
    /// Where the platform listens.
    pub(super) platform: SocketAddr,
}

impl Site {
    /// Makes the folder, the key and the configuration.
    pub(super) fn make(seed: u64) -> Result<Self, Error> {
        let folder = tempfile::Builder::new().prefix("gurney-demo-").tempdir().map_err(Error::Folder)?;
        let mut ports = free_ports(seed, 3).map_err(Error::Folder)?.into_iter();
        let mut next = || ports.next().ok_or_else(|| Error::Folder(io::ErrorKind::AddrInUse.into()));
        let key = StoreKey::random()?;
        let site = Self { key, ehr: next()?, metrics: next()?, platform: next()?, folder };
        site.key.write_new(&site.path("store.key"))?;
        fs::write(site.config(), site.text()).map_err(Error::Folder)?;
        Ok(site)
    }

    /// As [`Site::make`], with a box that takes every message for a job.
    pub(super) fn for_scenes(seed: u64) -> Result<Self, Error> {
        let site = Self::make(seed)?;
        let text = site.text().replace(STORY_TYPES, "[\"*\"]");
        fs::write(site.config(), text).map_err(Error::Folder)?;
        Ok(site)
    }

    /// Keeps the folder, for a person to look at.
    pub(super) fn keep(self) -> PathBuf {
        self.folder.keep()
    }

    /// The configuration.
    pub(super) fn config(&self) -> PathBuf {
        self.path("gurney.toml")
    }

    /// The daemon's log.
    pub(super) fn log(&self) -> PathBuf {
        self.path("gurney.log")
    }

    /// The store's folder.
    pub(super) fn store(&self) -> PathBuf {
        self.path("store")
    }

    /// A copy of the store's folder as the kill left it.
    pub(super) fn killed_store(&self) -> PathBuf {
        self.path("store-after-kill")
    }

    /// The stable name of the serial port.
    pub(super) fn port(&self) -> PathBuf {
        self.path("bedboard-port")
    }

    /// What the store is opened by.
    pub(super) fn plan(&self) -> Plan {
        Plan { path: self.store(), key: self.key.clone(), limit: STORE_LIMIT }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self) -> String {
        let Self { ehr, metrics, platform, .. } = self;
        let quoted = |path: PathBuf| format!("{:?}", path.display().to_string());
        let (store, key, port) = (quoted(self.store()), quoted(self.path("store.key")), quoted(self.port()));
        format!(
            r#"# A site for the demo: invented patients, loopback only.
version = 1

[gurney]
site = "{SITE}"
node = "gw-demo"

[store]
path      = {store}
key_file  = {key}
limit     = "{limit} MB"
when_full = "refuse"

[mllp.ehr]
listen = "{ehr}"

[serial.bedboard]
port    = {port}
line    = "115200 8N1"
framing = "mllp"

[http.platform]
url       = "http://{platform}/inbound"
retry     = {{ first = "100 ms", at_most = "1 s", give_up = "never" }}
in_flight = 16

[fhir.logistics]
url       = "http://{platform}/fhir"
retry     = {{ first = "100 ms", at_most = "1 s", give_up = "never" }}
in_flight = 16

[flow.everything]
from     = "ehr"
on       = ["*"]
to       = "platform"
mapping  = "raw"
pattern  = "event"
target   = "5 s"
owner    = "Integration desk"
escalate = ["integration-desk"]

[flow.transport]
use_case = "discharge-to-ride"
from     = "ehr"
on       = {STORY_TYPES}
to       = "logistics"
mapping  = "transport@1"
pattern  = "event"
priority = "urgent"
target   = "30 s"
owner    = "Care coordination"
escalate = ["integration-desk"]

[flow.bedboard]
use_case = "room-change"
from     = "bedboard"
on       = ["*"]
to       = "logistics"
mapping  = "transport@1"
pattern  = "event"
target   = "2 min"
owner    = "Bed management"
escalate = ["integration-desk"]

[metrics]
listen = "{metrics}"
"#,
            limit = STORE_LIMIT.0 / 1_000_000,
        )
    }
}

/// So many different ports that nobody listens at.
fn free_ports(seed: u64, count: usize) -> io::Result<Vec<SocketAddr>> {
    let mut random = SplitMix64::new(seed);
    let mut held = Vec::new();
    for _ in 0..10_000 {
        let span = u64::from(PORTS.1 - PORTS.0);
        let port = PORTS.0.saturating_add(u16::try_from(random.below(span)).unwrap_or(0));
        held.extend(TcpListener::bind((Ipv4Addr::LOCALHOST, port)));
        if held.len() == count {
            return held.iter().map(TcpListener::local_addr).collect();
        }
    }
    Err(io::ErrorKind::AddrInUse.into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::settings::SecretRef;

    #[test]
    fn makes_a_site_that_the_check_takes_and_leaves_nothing_behind() {
        let site = Site::make(7).unwrap();
        let loaded = crate::cli::load::load(&site.config(), crate::units::Timestamp(1_790_000_000_000)).unwrap();
        let settings = &loaded.checked.settings;
        let flows: Vec<&str> = settings.flows.iter().map(|flow| flow.name.as_str()).collect();
        assert_eq!(flows, [EVERYTHING, TRANSPORT, BEDBOARD].map(|route| route.flow));
        assert_eq!(settings.store.limit, STORE_LIMIT);
        assert_eq!(settings.store.key, SecretRef::File(site.path("store.key")));
        let folder = site.folder.path().to_owned();
        drop(site);
        assert!(!folder.try_exists().unwrap());
    }

    #[test]
    fn finds_different_ports_below_those_of_outgoing_connections() {
        let mut ports: Vec<u16> = free_ports(3, 50).unwrap().iter().map(SocketAddr::port).collect();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 50);
        assert!(ports.iter().all(|port| (PORTS.0..PORTS.1).contains(port)));
    }
}
