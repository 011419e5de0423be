//! The shells: actors and the tasks they own.
//!
//! An actor takes `now`, calls a pure machine, runs the effects and tells the signals. Bytes are moved by tasks that an actor
//! starts and ends; they hold no state that must survive. [`tree`] starts everything, downstream first.

pub mod clock;
pub mod courier;
pub mod exchange;
pub mod folder_watch;
pub mod http_listener;
pub mod intake;
pub mod journal;
pub mod mllp_client;
pub mod mllp_listener;
mod peers;
mod protocol;
mod redial;
pub mod serial_port;
pub mod session;
pub mod tap;
pub mod terminal_server;
pub mod tls;
pub mod tree;
pub mod watchdog;
