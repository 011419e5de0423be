//! The product's pure modules alone: what is fuzzed builds in seconds, without the database and the runtimes.
//!
//! The files and folders beside this one are links into the product's `src/`.

// What only the shells call is not dead.
#![allow(dead_code)]

pub mod event;
pub mod hl7;
pub mod ids;
pub mod lis02;
pub mod phi;
pub mod settings;
pub mod units;
pub mod wire;
