//! Gurney, the firmware of an edge appliance between hospital feeds and patient-logistics platforms.
//!
//! `ARCHITECTURE.md` beside this crate walks one message through the modules and holds the table of what
//! each module may use; `tests/tidy.rs` enforces that table.

pub mod actors;
pub mod cli;
pub mod credentials;
pub mod delivery;
pub mod event;
pub mod fhir;
pub mod flow;
pub mod hl7;
pub mod ids;
pub mod job;
pub mod lis02;
pub mod mapping;
pub mod node;
pub mod phi;
pub mod settings;
pub mod sim;
pub mod store;
pub mod telemetry;
pub mod units;
pub mod uplink;
pub mod web;
pub mod wire;

#[cfg(test)]
#[path = "../tests/corpus/hl7.rs"]
mod hl7_corpus;

#[cfg(test)]
#[path = "../tests/corpus/bad_hl7.rs"]
#[allow(clippy::indexing_slicing)]
mod hl7_bad;

#[cfg(test)]
#[path = "../tests/corpus/injection.rs"]
mod hl7_injection;

#[cfg(test)]
#[path = "../tests/corpus/framing.rs"]
#[allow(clippy::indexing_slicing)]
mod wire_bad;
