//! The faults that the box must survive, injected into the real binary from outside.
//!
//! Each test starts `gurney` in a temporary folder on a loopback address of its own, and judges by what a sender was told and what
//! a platform got. Fault numbers (F01 to F42) are those of the project's list of faults. Seeds are printed; `GURNEY_SEED` repeats
//! a run, `GURNEY_TORTURE=full` runs the long version. What a machine cannot inject (no root, no loop device) is skipped with a line
//! that begins with `skipped:`, which the checks take for a failure.
//!

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::string_slice,
    reason = "tests"
)]

#[path = "support/kit.rs"]
mod support;

#[path = "corpus/bad_hl7.rs"]
mod bad_hl7;
#[path = "corpus/framing.rs"]
mod bad_wire;
#[path = "corpus/injection.rs"]
mod injection;

#[path = "faults/acknowledgements.rs"]
mod acknowledgements;
#[path = "faults/bad_framing.rs"]
mod bad_framing;
#[path = "faults/bad_input.rs"]
mod bad_input;
#[path = "faults/continuation.rs"]
mod continuation;
#[path = "faults/crash.rs"]
mod crash;
#[path = "faults/dialled.rs"]
mod dialled;
#[path = "faults/duplicates.rs"]
mod duplicates;
#[path = "faults/folder.rs"]
mod folder;
#[path = "faults/framing.rs"]
mod framing;
#[path = "faults/http_in.rs"]
mod http_in;
#[path = "faults/instrument.rs"]
mod instrument;
#[path = "faults/mllp_destination.rs"]
mod mllp_destination;
#[path = "faults/network.rs"]
mod network;
#[path = "faults/platform.rs"]
mod platform;
#[path = "faults/power.rs"]
mod power;
#[path = "faults/standards.rs"]
mod standards;
#[path = "faults/start.rs"]
mod start;
#[path = "faults/terminal_server.rs"]
mod terminal_server;

#[path = "peers/peers.rs"]
mod peers;
