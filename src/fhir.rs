//! The subset of FHIR R4 (4.0.1) JSON that Gurney sends: values, data types and transaction Bundles.
//!
//! A resource is a tree of [`Node`]s. Building it cannot produce what FHIR forbids in JSON (R4 "JSON representation"):
//! empty strings, lists and objects vanish as they are set, decimals keep the digits they came with, and control
//! characters never reach a string. Members keep the order in which they were set, so equal input gives equal bytes.
//!
//! Does not know profiles, bindings or cardinalities: those are the map's, and the validators' of `tests/fhir`.
//! Reads nothing: answers of platforms are read elsewhere. A tree holds patient data, so its `Debug` prints none.

mod bundle;
mod elements;
mod leaves;
mod node;

pub use bundle::{Bundle, Request};
pub use elements::{coding, concept, identifier, logical_reference, period, quantity, reference};
pub use leaves::{Leaf, entry_leaves, in_lines, leaves_of, mask};
pub use node::{Node, Object, Text, clean, decimal};
