//! Simulated peers: the electronic health record, the serial device, the platform, the faults of a network, and the
//! plain receivers that measurements are held against.
//!
//! They serve the demo, the tests, `gurney simulate`, readiness rehearsals and training. Every person they speak of is
//! invented and named so that nobody can doubt it (`ZZTEST-…`). They listen on loopback unless told otherwise, hold
//! bounded memory, and take nothing from the product but its pure modules, so that they judge it from outside.
//!
//! Does not: authenticate, encrypt, or promise to keep anything. None of it belongs on a hospital's network.

pub mod ehr;
pub mod fault;
pub mod noise;
pub mod platform;
pub mod random;
pub mod reference;
pub mod scene;
pub mod serial;
pub mod sink;
pub mod tally;

use std::{io, net::SocketAddr, path::PathBuf, time::Duration};

use tokio::sync::watch;

pub use ehr::run as run_ehr;
pub use platform::run as run_platform;
pub use serial::run as run_serial;

/// How often a running simulator reports its progress.
pub const PROGRESS_EVERY: Duration = Duration::from_millis(250);

/// What a simulator could not do. No variant carries anything from a message.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address could not be listened on.
    #[error("listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A simulator was asked to listen beyond loopback without being allowed to.
    #[error("{0} is not a loopback address, and a simulator neither authenticates nor encrypts")]
    Reach(SocketAddr),
    /// A file of the simulator could not be written.
    #[error("write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The pseudo terminal could not be made.
    #[error("make a pseudo terminal")]
    Terminal(#[source] io::Error),
    /// The stable name of the serial port could not be set.
    #[error("link {}", path.display())]
    Link {
        /// The stable name.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A thread could not be started, or ended before its time.
    #[error("run a simulator's thread")]
    Thread(#[source] io::Error),
}

/// How far a simulator may be reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// From this machine alone.
    #[default]
    Loopback,
    /// From wherever the address is routed.
    Anywhere,
}

impl Reach {
    /// Refuses an address that lies beyond the reach.
    pub const fn check(self, address: SocketAddr) -> Result<(), Error> {
        match self {
            Self::Loopback if !address.ip().is_loopback() => Err(Error::Reach(address)),
            _ => Ok(()),
        }
    }
}

/// Stops the simulators that hold the matching [`Stop`]; dropping it stops them too.
#[derive(Debug)]
pub struct Stopper(watch::Sender<bool>);

impl Stopper {
    /// Tells them to stop.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

/// Knows whether a simulator is to stop.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Returns once the simulator is to stop.
    pub async fn stopped(&mut self) {
        // An error means that the stopper is gone, which is a stop as well.
        self.0.wait_for(|stopped| *stopped).await.ok();
    }

    /// Whether the simulator is to stop.
    pub fn is_stopped(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }
}

/// Makes the two ends of a stop signal.
pub fn stop_pair() -> (Stopper, Stop) {
    let (sender, receiver) = watch::channel(false);
    (Stopper(sender), Stop(receiver))
}

/// What the clock of this machine shows.
#[expect(clippy::disallowed_methods, reason = "a simulated peer has a clock of its own: it is a shell")]
fn wall_clock() -> jiff::Timestamp {
    jiff::Timestamp::now()
}
