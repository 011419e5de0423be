//! A simulated logistics platform: takes HL7 over HTTP and FHIR R4 transactions, remembers what it did, and can be told
//! to behave badly.
//!
//! | request | answer |
//! |---|---|
//! | `POST /inbound` | takes one HL7 v2 message |
//! | `POST /fhir` | takes a transaction Bundle, answers a transaction-response Bundle ([R4 http.html#transaction]) |
//! | `GET /fhir/metadata`, `GET /fhir/{type}?identifier=`, `GET /fhir/{type}/{id}` | reads |
//! | `GET /_report` | what it remembers: effects, repeats, order breaks, jobs |
//! | `POST /_control` | a [`Control`]: a script of faults, whether keys are honoured |
//!
//! An `Idempotency-Key` has its effect once; a repeat gets the stored answer with `Idempotency-Replayed: true`, the same
//! key with another body gets 422 (draft-ietf-httpapi-idempotency-key-header). Faults that answer with an error have no
//! effect. Everything is in memory and bounded by the limits of [`book`] and [`store`]; a full platform answers 507.
//! Unplugging it closes the port and every connection and forgets nothing; plugging it in takes the same port again.
//! Neither authenticates nor encrypts.
//!
//! [R4 http.html#transaction]: https://hl7.org/fhir/R4/http.html#transaction

pub mod book;
mod http;
pub mod script;
pub mod store;

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use actix_web::{App, HttpServer, dev::ServerHandle, web};
use tokio::{sync::watch, task::JoinHandle};

pub use book::{Arrival, Book, Effects, Keys, Report};
pub use script::{Control, Fault, On, Script, Step};
pub use store::Store;

use crate::{
    sim::{Error, PROGRESS_EVERY, Reach, Stop},
    units::limits,
};

/// Where to listen and what to keep.
#[derive(Clone, Debug)]
pub struct PlatformOptions {
    /// The address; port 0 chooses a free one.
    pub listen: SocketAddr,
    /// How far it may be reached.
    pub reach: Reach,
    /// Bodies kept to look at; 0 keeps none, only their hashes.
    pub keep_bodies: usize,
    /// What happens first.
    pub control: Control,
}

impl Default for PlatformOptions {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            reach: Reach::Loopback,
            keep_bodies: 0,
            control: Control::default(),
        }
    }
}

/// A platform at work, or unplugged.
#[derive(Debug)]
pub struct Platform {
    shared: Arc<Shared>,
    address: SocketAddr,
    effects: watch::Receiver<Effects>,
    server: Option<(ServerHandle, JoinHandle<io::Result<()>>)>,
}

/// What the platform knows, behind one lock that is never held over a wait.
#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    effects: watch::Sender<Effects>,
}

#[derive(Debug, Default)]
struct State {
    book: Book,
    store: Store,
    script: Script,
}

impl Platform {
    /// Starts it on the current runtime.
    pub async fn start(options: PlatformOptions) -> Result<Self, Error> {
        options.reach.check(options.listen)?;
        let mut state = State { book: Book::new(options.keep_bodies), ..State::default() };
        state.apply(options.control);
        let (sender, effects) = watch::channel(Effects::default());
        let shared = Arc::new(Shared { state: Mutex::new(state), effects: sender });
        let mut platform = Self { shared, address: options.listen, effects, server: None };
        platform.plug()?;
        Ok(platform)
    }

    /// Where it listens; the same after it was unplugged.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://` and the address, followed by `path`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Listens again, on the same port. Does nothing while it listens.
    pub fn plug(&mut self) -> Result<(), Error> {
        if self.server.is_some() {
            return Ok(());
        }
        let shared = web::Data::from(Arc::clone(&self.shared));
        let listen_error = |source| Error::Listen { address: self.address, source };
        let server = HttpServer::new(move || {
            App::new()
                .app_data(shared.clone())
                .app_data(web::PayloadConfig::new(usize::try_from(limits::FRAME_BYTES_MAX).unwrap_or(usize::MAX)))
                .configure(http::routes)
        })
        .on_connect(http::remember_socket)
        .workers(1)
        .disable_signals()
        .bind(self.address)
        .map_err(listen_error)?;
        self.address = server.addrs().first().copied().unwrap_or(self.address);
        let server = server.run();
        self.server = Some((server.handle(), tokio::spawn(server)));
        Ok(())
    }

    /// Closes the port and every connection, at once; what it knows stays.
    pub async fn unplug(&mut self) {
        let Some((handle, task)) = self.server.take() else { return };
        handle.stop(false).await;
        task.await.ok(); // how a stopped server ended says nothing
    }

    /// Changes its behaviour.
    pub fn control(&self, control: Control) {
        self.shared.state().apply(control);
    }

    /// What it remembers.
    pub fn report(&self) -> Report {
        self.shared.state().report()
    }

    /// The effects so far, oldest first.
    pub fn arrivals(&self) -> Vec<Arrival> {
        self.shared.state().book.arrivals().cloned().collect()
    }

    /// The bodies that were kept, oldest first.
    pub fn bodies(&self) -> Vec<Vec<u8>> {
        self.shared.state().book.bodies().cloned().collect()
    }

    /// Looks at the resources.
    pub fn with_store<T>(&self, look: impl FnOnce(&Store) -> T) -> T {
        look(&self.shared.state().store)
    }

    /// The counts so far.
    pub fn effects(&self) -> Effects {
        *self.effects.borrow()
    }

    /// Returns the counts once they satisfy `wanted`.
    pub async fn until(&mut self, wanted: impl Fn(&Effects) -> bool) -> Effects {
        // The sender lives in `shared`, so waiting cannot fail.
        self.effects.wait_for(|effects| wanted(effects)).await.map_or_else(|_| Effects::default(), |found| *found)
    }
}

/// Runs a platform until `stop` comes, and reports on the way.
pub async fn run(
    options: PlatformOptions,
    mut stop: Stop,
    started: impl FnOnce(SocketAddr),
    progress: impl Fn(&Effects),
) -> Result<Report, Error> {
    let mut platform = Platform::start(options).await?;
    started(platform.address());
    let mut ticks = tokio::time::interval(PROGRESS_EVERY);
    loop {
        tokio::select! {
            () = stop.stopped() => break,
            _ = ticks.tick() => progress(&platform.effects()),
        }
    }
    platform.unplug().await;
    progress(&platform.effects());
    Ok(platform.report())
}

impl Shared {
    /// Locks; a panic elsewhere leaves what is remembered usable.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and tells those who wait for counts.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state();
        let result = change(&mut state);
        self.effects.send_replace(state.book.effects());
        result
    }
}

impl State {
    fn apply(&mut self, control: Control) {
        if let Some(steps) = control.script {
            self.script = Script::new(steps);
        }
        if let Some(keys) = control.keys {
            self.book.keys = keys;
        }
    }

    fn report(&self) -> Report {
        self.book.report(&self.store)
    }
}

#[cfg(test)]
mod tests;
