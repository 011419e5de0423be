//! The supervision tree: everything that runs, started downstream first.
//!
//! ```text
//! journal            the writer thread, its maintenance and the readers
//! courier            one per destination, on the thread of deliveries
//! mllp_listener      one per listener \  on the thread of links
//! mllp_client        one per sender    |
//! http_listener      one per listener |
//! serial_port        one per port     |
//! terminal_server    one per line      |
//! folder_watch       one per folder   /
//! watchdog           looks at all of the above
//! ```
//! A panic anywhere but in the decision ends the process (see `node`), and systemd starts it clean: actix would lose the actor
//! for good. An actor that stops advancing is named by the watchdog, which then lets systemd restart the box.

use std::{net::TcpListener, sync::Arc};

use actix::{Actor as _, Addr, Arbiter};
use tokio::sync::watch;

use super::{
    clock::Clock,
    courier::{self, Courier},
    folder_watch::{self, FolderWatcher},
    http_listener::{self, HttpListener},
    intake::Intake,
    journal::{self, Journal},
    mllp_client::{self, MllpClient},
    mllp_listener::{self, MllpListener},
    serial_port::{self, SerialPort},
    tap::Tap,
    terminal_server::{self, TerminalServer},
    tls,
    watchdog::Watchdog,
};
use crate::{
    flow::Flows,
    ids::derive,
    settings::{Destination, DestinationKind, Link, LinkWire, MllpTarget, Opening, Settings},
    store::{self, reader::Reader, rows::Names},
    telemetry::Telemetry,
    uplink::{self, Client, Door},
};

/// Why the tree cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A destination's client cannot be made.
    #[error("destination {name}")]
    Destination {
        /// Which one.
        name: String,
        /// Why.
        #[source]
        source: uplink::Error,
    },
    /// A source that we connect to cannot be set up.
    #[error("source {name}")]
    Source {
        /// Which one.
        name: String,
        /// Why.
        #[source]
        source: uplink::Error,
    },
    /// A listener's TLS cannot be set up.
    #[error("listener of {name}")]
    Tls {
        /// Which one.
        name: String,
        /// Why.
        #[source]
        source: tls::Error,
    },
    /// The token of a listener cannot be read.
    #[error("listener of {name}")]
    Bearer {
        /// Which one.
        name: String,
        /// Why.
        #[source]
        source: http_listener::Error,
    },
    /// A reader cannot be started.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// What the tree is made of.
pub struct Plan {
    /// The configuration.
    pub settings: Arc<Settings>,
    /// The flows made of it.
    pub flows: Arc<Flows>,
    /// The running store.
    pub store: store::Journal,
    /// Its names.
    pub names: Arc<Names>,
    /// For the couriers.
    pub reader: Reader,
    /// Bound sockets, by the index of their link.
    pub sockets: Vec<(usize, TcpListener)>,
    /// Bound sockets of destinations whose peer connects to us, by the index of their destination.
    pub doors: Vec<(usize, TcpListener)>,
    /// Where signals go.
    pub telemetry: Arc<Telemetry>,
    /// The clocks.
    pub clock: Clock,
}

/// The running tree.
pub struct Tree {
    /// The journal, for the admin socket.
    pub journal: Addr<Journal>,
    /// The couriers, by the index of their destination.
    pub couriers: Vec<Addr<Courier>>,
    /// Where people watch the links, by their index.
    pub taps: Vec<Tap>,
    listeners: Vec<Addr<MllpListener>>,
    /// The serial ports, each with the index of its link.
    ports: Vec<(usize, Addr<SerialPort>)>,
    folders: Vec<Addr<FolderWatcher>>,
    clients: Vec<Addr<MllpClient>>,
    terminals: Vec<Addr<TerminalServer>>,
    servers: Vec<Addr<HttpListener>>,
    reader: Reader,
    clock: Clock,
    stopping: watch::Sender<bool>,
}

impl Tree {
    /// Starts everything, downstream first, so that nothing is taken in before there is a place for it.
    ///
    /// # Errors
    /// If a certificate or a reader is not to be had; nothing listens then.
    pub fn start(plan: Plan) -> Result<Self, Error> {
        let journal = Journal::new(plan.store.clone()).start();
        let couriers = start_couriers(&plan, &journal)?;
        let stopping = watch::Sender::new(false);
        let taps: Vec<Tap> = plan.settings.links.iter().map(|_| Tap::new()).collect();
        let Links { listeners, ports, folders, clients, terminals, servers } =
            links(&plan, &journal, &stopping, &taps)?;
        let names: Vec<String> = plan.settings.destinations.iter().map(|to| to.name.to_string()).collect();
        let shared = Arc::clone(plan.store.shared());
        Watchdog::new(shared, Arc::clone(&plan.telemetry), plan.clock, &names).start();
        Ok(Self {
            journal,
            couriers,
            taps,
            listeners: listeners.into_iter().map(MllpListener::start).collect(),
            ports: ports.into_iter().map(|(index, port)| (index, port.start())).collect(),
            folders: folders.into_iter().map(FolderWatcher::start).collect(),
            clients: clients.into_iter().map(MllpClient::start).collect(),
            terminals: terminals.into_iter().map(TerminalServer::start).collect(),
            servers: servers.into_iter().map(HttpListener::start).collect(),
            reader: plan.reader,
            clock: plan.clock,
            stopping,
        })
    }

    /// Gives the serial port of a link its changed settings, which it takes between two messages.
    pub async fn reconfigure(&self, index: usize, link: Link) {
        let link = Arc::new(link);
        for (_, port) in self.ports.iter().filter(|(of, _)| *of == index) {
            // An actor that is gone has no port any more.
            port.send(serial_port::Reconfigure(Arc::clone(&link))).await.ok();
        }
    }

    /// Stops as a drain: links first, then couriers at the end of their attempts, then the journal.
    pub async fn stop(&self) {
        self.stopping.send_replace(true);
        for listener in &self.listeners {
            // An actor that is gone has nothing left to stop.
            listener.send(mllp_listener::Stop).await.ok();
        }
        for (_, port) in &self.ports {
            port.send(serial_port::Stop).await.ok();
        }
        for client in &self.clients {
            client.send(mllp_client::Stop).await.ok();
        }
        for terminal in &self.terminals {
            terminal.send(terminal_server::Stop).await.ok();
        }
        for server in &self.servers {
            server.send(http_listener::Stop).await.ok();
        }
        for folder in &self.folders {
            folder.send(folder_watch::Stop).await.ok();
        }
        for courier in &self.couriers {
            courier.send(courier::Stop).await.ok();
        }
        self.journal.send(journal::Stop(self.clock.wall())).await.ok();
        self.reader.close().await;
    }
}

/// Couriers have a thread of their own: a burst of deliveries must not delay acknowledgements.
fn start_couriers(plan: &Plan, journal: &Addr<Journal>) -> Result<Vec<Addr<Courier>>, Error> {
    let arbiter = Arbiter::new().handle();
    // Acknowledgements come first when processors are short; without leave to say so, both compete.
    arbiter.spawn_fn(|| {
        rustix::process::setpriority_process(None, 5).ok();
    });
    let mut couriers = Vec::new();
    for (index, destination) in plan.settings.destinations.iter().enumerate() {
        let fails = |source| Error::Destination { name: destination.name.to_string(), source };
        let courier = courier::Plan {
            destination: index,
            row: plan.names.destinations.get(index).copied().unwrap_or(0),
            seed: seed(&plan.settings, destination.name.as_str()),
            site: plan.settings.site.clone(),
            settings: Arc::new(destination.clone()),
            flows: Arc::clone(&plan.flows),
            names: Arc::clone(&plan.names),
            client: Client::new(destination, door(plan, index, destination)?).map_err(fails)?,
            reader: plan.reader.clone(),
            shared: Arc::clone(plan.store.shared()),
            journal: journal.clone(),
            telemetry: Arc::clone(&plan.telemetry),
            clock: plan.clock,
        };
        couriers.push(Courier::start_in_arbiter(&arbiter, |_| Courier::new(courier)));
    }
    Ok(couriers)
}

/// The door of a destination whose peer connects to us.
fn door(plan: &Plan, index: usize, destination: &Destination) -> Result<Option<Door>, Error> {
    let DestinationKind::Mllp(MllpTarget { opening: Opening::Listen { tls, .. }, .. }) = &destination.kind else {
        return Ok(None);
    };
    let fails = |source| Error::Tls { name: destination.name.to_string(), source };
    let acceptor = tls.as_ref().map(tls::acceptor).transpose().map_err(fails)?;
    let bound = plan.doors.iter().find(|(of, _)| *of == index).and_then(|(_, socket)| socket.try_clone().ok());
    Ok(bound.map(|listener| Door { listener, acceptor }))
}

/// Boxes that fail together must not come back together.
fn seed(settings: &Settings, name: &str) -> u64 {
    derive("jitter", &[settings.site.as_bytes(), settings.node.as_bytes(), name.as_bytes()]).as_u64_pair().0
}

/// The actors of links, not started yet.
#[derive(Default)]
struct Links {
    listeners: Vec<MllpListener>,
    ports: Vec<(usize, SerialPort)>,
    folders: Vec<FolderWatcher>,
    clients: Vec<MllpClient>,
    terminals: Vec<TerminalServer>,
    servers: Vec<HttpListener>,
}

fn links(plan: &Plan, journal: &Addr<Journal>, stopping: &watch::Sender<bool>, taps: &[Tap]) -> Result<Links, Error> {
    let mut links = Links::default();
    for (index, link) in plan.settings.links.iter().enumerate() {
        let intake = Intake {
            link: index,
            settings: Arc::new(link.clone()),
            zone: plan.flows.zone(index),
            flows: Arc::clone(&plan.flows),
            journal: journal.clone(),
            telemetry: Arc::clone(&plan.telemetry),
            clock: plan.clock,
            tap: taps.get(index).cloned().unwrap_or_default(),
            stopping: stopping.subscribe(),
        };
        match &link.wire {
            LinkWire::Serial(port) => links.ports.push((index, SerialPort::new(port.clone(), intake))),
            LinkWire::MllpClient(client) => {
                let fails = |source| Error::Source { name: link.name.to_string(), source };
                let seed = seed(&plan.settings, link.name.as_str());
                links.clients.push(MllpClient::new(client.clone(), seed, intake).map_err(fails)?);
            }
            LinkWire::TerminalServer(server) => {
                let seed = seed(&plan.settings, link.name.as_str());
                links.terminals.push(TerminalServer::new(server.clone(), seed, intake));
            }
            LinkWire::Folder(folder) => links.folders.push(FolderWatcher::new(folder.clone(), intake)),
            LinkWire::Http(server) => {
                let name = || link.name.to_string();
                let fails = |source| Error::Tls { name: name(), source };
                let acceptor = server.tls.as_ref().map(tls::acceptor).transpose().map_err(fails)?;
                let sockets = plan.sockets.iter().filter(|(of, _)| *of == index);
                for socket in sockets.filter_map(|(_, socket)| socket.try_clone().ok()) {
                    let server = HttpListener::new(socket, server.clone(), acceptor.clone(), intake.clone());
                    links.servers.push(server.map_err(|source| Error::Bearer { name: name(), source })?);
                }
            }
            LinkWire::MllpServer(server) => {
                let fails = |source| Error::Tls { name: link.name.to_string(), source };
                let acceptor = server.tls.as_ref().map(tls::acceptor).transpose().map_err(fails)?;
                for (_, socket) in plan.sockets.iter().filter(|(of, _)| *of == index) {
                    if let Ok(socket) = socket.try_clone() {
                        let listener = MllpListener::new(socket, server.clone(), acceptor.clone(), intake.clone());
                        links.listeners.push(listener);
                    }
                }
            }
        }
    }
    Ok(links)
}
