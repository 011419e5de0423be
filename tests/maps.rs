//! Maps from the outside: the commands of `gurney map` with and without a running box, and what maps do with bad input.
//!
//! Every daemon of these tests listens on ports that the system chooses and keeps its store in a folder of its own. Nothing
//! waits by sleeping: what is not there yet is asked for again until a deadline.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "tests"
)]

#[path = "maps/bad_input.rs"]
mod bad_input;
#[path = "maps/bad_maps.rs"]
mod bad_maps;
#[path = "maps/commands.rs"]
mod commands;
#[path = "maps/running.rs"]
mod running;
#[path = "maps/site.rs"]
mod site;
