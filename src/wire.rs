//! Bytes and frames: how a message is marked off on a wire.
//!
//! Every codec here is a plain state machine: bytes are pushed in, events are taken out, nothing waits and nothing
//! is read. The shell owns the wire and the clock, and says when a line fell silent or ended. What is inside a frame
//! is not looked at.

pub mod mllp;
