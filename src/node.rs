//! The whole box: built from its settings in start-up order, run to its end.
//!
//! Order: sockets (bound, or handed over by systemd), key and store, journal thread, couriers, links, metrics, readiness. Nothing
//! is taken in before there is a place for it. A stop runs the other way round and is a drain. A panic outside the decision
//! ends the process, without the panic's text, which could hold patient data; systemd starts it clean.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    sync::Arc,
};

use sd_notify::NotifyState;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::timeout,
};

use crate::{
    actors::{
        clock::Clock,
        tree::{self, Plan, Tree},
    },
    flow::Flows,
    hl7::profile::Profiles,
    job::Severity,
    mapping::Registry,
    settings::{self, Flow, LinkWire, Mapping, Settings},
    store::{
        self, Entry, Journal, Opened,
        key::StoreKey,
        reader::Reader,
        rows::LANES,
        writer::{Notice, Order},
    },
    telemetry::{
        self, Build, LinkSignal, MapInUse, Signal, StoreSignal, Telemetry,
        labels::{Ending, Gravity, JobFinding, Label as _, Stage, StoreLevel, StoreOperation},
    },
    units::{Timestamp, limits},
    web::{self, admin},
};

mod panic;

/// Why the box cannot run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An address cannot be listened at.
    #[error("cannot listen at {address} for {name}")]
    Listen {
        /// The link or listener.
        name: String,
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Commands cannot reach the box.
    #[error("cannot listen at {}, where commands reach the daemon", path.display())]
    Admin {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Links or destinations cannot be started.
    #[error(transparent)]
    Tree(#[from] tree::Error),
    /// The metrics cannot be made.
    #[error(transparent)]
    Telemetry(#[from] telemetry::Error),
    /// The system refuses something that every process may do.
    #[error("cannot {operation}")]
    System {
        /// What.
        operation: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Error {
    fn system(operation: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { operation, source }
    }
}

/// Runs the box until it is told to stop.
///
/// # Errors
/// If it cannot start; once it runs, faults are survived or end the process by the panic hook.
pub fn run(
    settings: Settings,
    registry: Registry,
    profiles: Profiles,
    reload: Reload,
    read_maps: admin::ReadMaps,
) -> Result<(), Error> {
    panic::install();
    // Fail points are read from the environment, in builds that have them: those of the tests.
    let _scenario = fail::has_failpoints().then(fail::FailScenario::setup);
    // Without a provider chosen here, the first TLS client would panic; a second choice changes nothing.
    rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
    let system = actix_rt::System::new();
    system.block_on(Node::live(Arc::new(settings), Arc::new(registry), &profiles, reload, read_maps))
}

/// Reads the configuration again, or says how many faults it has; what they are it has told by itself.
pub type Reload = Arc<dyn Fn() -> Result<Settings, usize> + Send + Sync>;

/// The running box.
struct Node {
    settings: Arc<Settings>,
    telemetry: Arc<Telemetry>,
    store: Journal,
    web: web::State,
    tree: Tree,
    clock: Clock,
    admin: admin::Bound,
}

impl Node {
    async fn live(
        settings: Arc<Settings>,
        registry: Arc<Registry>,
        profiles: &Profiles,
        reload: Reload,
        read_maps: admin::ReadMaps,
    ) -> Result<(), Error> {
        let clock = Clock::start();
        let mut hangup = signal(SignalKind::hangup()).map_err(Error::system("listen for signals"))?;
        let mut running = Settings::clone(&settings);
        let mut stops = [SignalKind::terminate(), SignalKind::interrupt()]
            .map(|kind| signal(kind).map_err(Error::system("listen for signals")))
            .into_iter()
            .collect::<Result<Vec<_>, _>>()?;
        let (node, metrics) = Self::start(settings, registry, profiles, clock, read_maps)?;
        if let Some(socket) = metrics {
            actix_rt::spawn(web::serve(socket, node.web.clone()).map_err(Error::system("start the metrics listener"))?);
        }
        node.note("start", env!("CARGO_PKG_VERSION")).await;
        node.telemetry.tell(Signal::Ready { took: clock.steady().since(clock.began_at()) });
        notify(&[NotifyState::Ready]);
        let [terminate, interrupt] = stops.as_mut_slice() else { return Ok(()) };
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                _ = hangup.recv() => node.reload(&mut running, Arc::clone(&reload)).await,
            }
        }
        node.stop().await;
        Ok(())
    }

    fn start(
        settings: Arc<Settings>,
        registry: Arc<Registry>,
        profiles: &Profiles,
        clock: Clock,
        read_maps: admin::ReadMaps,
    ) -> Result<(Self, Option<TcpListener>), Error> {
        let sockets = Sockets::bind(&settings)?;
        let telemetry = Arc::new(Telemetry::new(
            &settings,
            Build {
                version: env!("CARGO_PKG_VERSION"),
                revision: option_env!("GURNEY_REVISION").unwrap_or("unknown"),
                schema: u32::try_from(store::SCHEMA_VERSION).unwrap_or(0),
            },
        )?);
        telemetry.tell(Signal::ConfigurationLoaded { now: clock.wall() });
        let addresses = sockets.addresses(&settings);
        let metrics = sockets.metrics.as_ref().and_then(|socket| socket.local_addr().ok());
        let opened = open_store(&settings)?;
        let plan = opened.plan().clone();
        let was_clean = opened.was_clean;
        let heard = Arc::clone(&telemetry);
        let flows = Arc::new(Flows::new(&settings, registry).with_profiles(&settings, profiles));
        let hearing = Arc::clone(&flows);
        let (store, names) =
            Journal::start(opened, &settings, Arc::clone(&flows), move |notice| hear(&heard, &hearing, notice))?;
        tell_maps(&telemetry, &flows, &settings.flows);
        tell_opened(&telemetry, &settings, &store, was_clean);
        let names = Arc::new(names);
        let reader = Reader::start(&plan)?;
        let tree = Tree::start(Plan {
            settings: Arc::clone(&settings),
            flows: Arc::clone(&flows),
            store: store.clone(),
            names: Arc::clone(&names),
            reader: Reader::start(&plan)?,
            sockets: sockets.links,
            doors: sockets.doors,
            telemetry: Arc::clone(&telemetry),
            clock,
        })?;
        let web = web::State {
            settings: Arc::clone(&settings),
            telemetry: Arc::clone(&telemetry),
            shared: Arc::clone(store.shared()),
            reader,
            names,
            clock,
        };
        let path = admin_socket(&settings);
        let admin = admin::State {
            web: web.clone(),
            flows,
            journal: tree.journal.clone(),
            couriers: tree.couriers.clone(),
            taps: tree.taps.clone(),
            store: plan,
            links: addresses,
            metrics,
            read_maps,
        };
        let admin = admin::serve(&path, admin).map_err(|source| Error::Admin { path, source })?;
        Ok((Self { settings, telemetry, store, web, tree, clock, admin }, sockets.metrics))
    }

    /// Reads the configuration again and takes what can be taken under way: the settings of serial ports. A faulty one changes
    /// nothing; what else differs from the `running` one is named.
    async fn reload(&self, running: &mut Settings, reload: Reload) {
        let read = match tokio::task::spawn_blocking(move || reload()).await {
            Ok(Ok(read)) => read,
            Ok(Err(faults)) => return self.telemetry.tell(Signal::ConfigurationRejected { faults }),
            // A panic has ended the process by its hook.
            Err(_) => return,
        };
        let change = settings::change(running, &read);
        *running = change.applied_to(running);
        self.telemetry.tell(Signal::ConfigurationLoaded { now: self.clock.wall() });
        if !change.restart.is_empty() {
            let tables: Vec<&str> = change.restart.iter().map(String::as_str).collect();
            self.telemetry.tell(Signal::RestartNeeded { tables: &tables.join(", ") });
        }
        let ports = change.ports.len();
        for (index, link) in change.ports {
            self.tree.reconfigure(index, link).await;
        }
        self.note(
            "reload",
            &format!("serial ports changed: {ports}, tables waiting for a restart: {}", change.restart.len()),
        )
        .await;
    }

    /// Notes an event of the box's life in the audit chain.
    async fn note(&self, action: &'static str, detail: &str) {
        let entry = Entry {
            actor: "gurney".to_owned(),
            action,
            subject: self.settings.node.clone(),
            detail: detail.to_owned(),
        };
        // A store that cannot take the entry says so by its own signals.
        self.store.order(Order::Audit(entry), self.clock.wall()).await.ok();
    }

    async fn stop(self) {
        self.telemetry.tell(Signal::Draining);
        // Before the store's lock goes: the next process makes a socket of the same name.
        drop(self.admin);
        notify(&[NotifyState::Stopping]);
        let drained = timeout(limits::DRAIN_TIMEOUT, self.tree.stop()).await;
        self.telemetry.tell(if drained.is_ok() { Signal::Stopped } else { Signal::StoppedShort });
        let threads = async {
            self.web.reader.close().await;
            self.store.ended().await;
        };
        // A check of a large store may be under way; everything is safe without its end.
        timeout(limits::THREADS_TIMEOUT, threads).await.ok();
    }
}

/// Tells systemd; without systemd nobody listens.
fn notify(states: &[NotifyState<'_>]) {
    sd_notify::notify(states).ok();
}

fn open_store(settings: &Settings) -> Result<Opened, store::Error> {
    let key = StoreKey::read(&settings.store.key)?;
    store::open(store::Plan { path: settings.store.path.clone(), key, limit: settings.store.limit })
}

fn tell_opened(telemetry: &Telemetry, settings: &Settings, store: &Journal, was_clean: bool) {
    let depths = (0..settings.destinations.len()).flat_map(|index| LANES.map(|lane| store.shared().depth(index, lane)));
    let waiting = depths.sum::<i64>().max(0).cast_unsigned();
    telemetry.store().tell(if was_clean {
        StoreSignal::Opened { waiting }
    } else {
        StoreSignal::Recovered { waiting }
    });
}

/// Says which maps are in use, until when somebody must go through them, and which tables there are.
fn tell_maps(telemetry: &Telemetry, flows: &Flows, configured: &[Flow]) {
    let mut in_use = Vec::new();
    for (index, flow) in configured.iter().enumerate() {
        let (name, version, review_due) = match (flows.map_of(index), &flow.mapping) {
            (Some(map), _) => {
                let due = map.review_due.to_zoned(jiff::tz::TimeZone::UTC).ok();
                (map.name.clone(), map.version, due.map(|due| Timestamp(due.timestamp().as_millisecond())))
            }
            (None, Mapping::Map { name, version }) => (name.clone(), *version, None),
            (None, Mapping::Raw) => continue,
        };
        in_use.push(MapInUse { name, version, review_due });
    }
    let registry = flows.registry();
    telemetry.maps(&in_use, registry.tables().map(|table| &*table.name));
}

/// Turns what the journal thread says into log lines and metrics.
fn hear(telemetry: &Telemetry, flows: &Flows, notice: Notice<'_>) {
    match notice {
        Notice::Committed { took, .. } => telemetry.store().committed(took),
        Notice::Counted { flow, outcome, by } => {
            let meter = flow.map_or_else(|| telemetry.unrouted(), |flow| telemetry.flow(flow));
            // What the courier ends, it counts itself: deliveries with their time, dead letters with their reason.
            let is_counted = |ending: &&Ending| !matches!(ending, Ending::Delivered | Ending::DeadLetter);
            let ending = Ending::ALL.iter().filter(is_counted).find(|ending| ending.text() == outcome);
            if let (Some(ending), Ok(by)) = (ending, u64::try_from(by)) {
                for _ in 0..by {
                    meter.ended(*ending);
                }
            }
        }
        Notice::ControlIdReused { link, message } => telemetry.link(link).tell(LinkSignal::ControlIdReused { message }),
        Notice::Pressure { level, usage } => telemetry.store().tell(StoreSignal::LevelChanged {
            level: match level {
                store::pressure::Pressure::Normal => StoreLevel::Normal,
                store::pressure::Pressure::Warn => StoreLevel::Warn,
                store::pressure::Pressure::Shed => StoreLevel::Shed,
                store::pressure::Pressure::Refuse => StoreLevel::Refuse,
            },
            size: usage.used,
            free: usage.disk_free,
        }),
        Notice::Failed(error) => {
            let operation = if error.is_io() { StoreOperation::Sync } else { StoreOperation::Write };
            telemetry.store().tell(StoreSignal::Failed { operation, cause: error });
        }
        Notice::Reopened => telemetry.store().tell(StoreSignal::Reopened),
        Notice::MapInUse { flow, mapping } => {
            let name = flows.flow(flow).map_or("", |flow| flow.name.as_str());
            telemetry.tell(Signal::MapInUse { flow: name, mapping });
            tell_maps(telemetry, flows, flows.all());
        }
        Notice::MapMissing { flow, mapping } => {
            let name = flows.flow(flow).map_or("", |flow| flow.name.as_str());
            telemetry.tell(Signal::MapMissing { flow: name, mapping });
        }
        Notice::MapRefused { flow, unmapped } => {
            telemetry.flow(flow).error(Stage::Map);
            let map = flows.map_of(flow);
            for table in unmapped {
                let mapping = map.as_ref().map_or("", |map| map.name.as_str());
                telemetry.tell(Signal::CodeUnmapped { mapping, table });
            }
        }
        Notice::JobNoticed { flow, finding, by } => {
            let name = flows.flow(flow).map_or("", |flow| flow.name.as_str());
            let gravity = match finding.severity() {
                Severity::Note => Gravity::Note,
                Severity::Warn => Gravity::Warn,
                Severity::Critical => Gravity::Critical,
            };
            if let Some(finding) = JobFinding::of(finding.as_str()) {
                telemetry.tell(Signal::JobNoticed { flow: name, finding, gravity, by });
            }
        }
        Notice::Poisoned => telemetry.unrouted().error(Stage::Validate),
    }
}

/// Every socket the box listens at.
struct Sockets {
    links: Vec<(usize, TcpListener)>,
    doors: Vec<(usize, TcpListener)>,
    metrics: Option<TcpListener>,
}

impl Sockets {
    /// Takes the sockets that systemd hands over by name, and binds the others.
    fn bind(settings: &Settings) -> Result<Self, Error> {
        let mut given = given_sockets()?;
        let mut links = Vec::new();
        for (index, link) in settings.links.iter().enumerate() {
            let listen = match &link.wire {
                LinkWire::MllpServer(server) => server.listen,
                LinkWire::Http(server) => server.listen,
                LinkWire::Serial(_) | LinkWire::Folder(_) | LinkWire::MllpClient(_) | LinkWire::TerminalServer(_) => {
                    continue;
                }
            };
            links.push((index, take_or_bind(&mut given, link.name.as_str(), listen)?));
        }
        let mut doors = Vec::new();
        for (index, to) in settings.destinations.iter().enumerate() {
            if let Some(listen) = to.listens_at() {
                doors.push((index, take_or_bind(&mut given, to.name.as_str(), listen)?));
            }
        }
        let metrics = settings.metrics.map(|address| take_or_bind(&mut given, "metrics", address)).transpose()?;
        Ok(Self { links, doors, metrics })
    }

    /// Where each link of the settings listens, if it does.
    fn addresses(&self, settings: &Settings) -> Vec<Option<SocketAddr>> {
        let of = |index: usize| {
            let socket = self.links.iter().find(|(link, _)| *link == index);
            socket.and_then(|(_, socket)| socket.local_addr().ok())
        };
        (0..settings.links.len()).map(of).collect()
    }
}

type Given = Vec<(String, TcpListener)>;

fn take_or_bind(given: &mut Given, name: &str, address: SocketAddr) -> Result<TcpListener, Error> {
    if let Some(at) = given.iter().position(|(of, _)| of == name) {
        return Ok(given.swap_remove(at).1);
    }
    bind(address).map_err(|source| Error::Listen { name: name.to_owned(), address, source })
}

/// Connections waiting to be accepted.
const BACKLOG: i32 = 1024;

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Sockets of systemd's socket activation, by their `FileDescriptorName=`.
fn given_sockets() -> Result<Given, Error> {
    let mut fds = listenfd::ListenFd::from_env();
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut given = Vec::new();
    for (index, name) in (0..fds.len()).zip(names.split(':')) {
        let socket = fds.take_tcp_listener(index).map_err(Error::system("take a socket from systemd"))?;
        if let Some(socket) = socket {
            socket.set_nonblocking(true).map_err(Error::system("prepare a socket of systemd"))?;
            given.push((name.to_owned(), socket));
        }
    }
    Ok(given)
}

/// Where the running daemon of a store is reached.
pub fn admin_socket(settings: &Settings) -> PathBuf {
    settings.store.path.join("admin.sock")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Finding;

    #[test]
    fn tells_every_finding_about_a_job_by_its_own_word() {
        let words = Finding::ALL.map(|finding| JobFinding::of(finding.as_str()).map(|label| label.text()));
        assert_eq!(words, Finding::ALL.map(|finding| Some(finding.as_str())));
        assert_eq!(JobFinding::ALL.len(), Finding::ALL.len());
    }

    #[test]
    fn alerts_of_every_finding_that_a_person_has_to_act_on_and_of_no_other() {
        let rules = include_str!("../observability/rules/gurney.yml");
        let alerted =
            rules.split("gurney_job_findings_total{finding=~\"").nth(1).and_then(|rest| rest.split('"').next());
        let critical = Finding::ALL.iter().filter(|finding| finding.severity() == Severity::Critical);
        let critical: Vec<&str> = critical.map(|finding| finding.as_str()).collect();
        assert_eq!(alerted.map(|alerted| alerted.split('|').collect::<Vec<_>>()), Some(critical));
    }
}
