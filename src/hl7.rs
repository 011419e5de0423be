//! HL7 version 2: read, address, write, acknowledge, show (HL7 v2.5.1 chapter 2, read liberally for 2.1 to 2.9).
//!
//! [`Index::parse`] walks the bytes of a message once and notes where segments and fields begin. [`Message`] puts the
//! bytes and their index together and answers questions without copying; fields are split only when asked for.
//!
//! ```
//! use gurney::hl7::{Index, Value};
//!
//! let raw = b"MSH|^~\\&|EHR|GH|||20260301||ADT^A03|17|P|2.5.1\rPID|1||4711^^^GH~99^^^NHS\r";
//! let index = Index::of(raw)?;
//! let message = index.message(raw);
//! assert_eq!(message.message_type().trigger, b"A03");
//! assert_eq!(message.value(&"PID-3[2].1".parse()?), Value::Present(b"99"));
//! assert_eq!(message.value(&"PID-8".parse()?), Value::Absent);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Does not know structures, tables or data types: what must be present is a matter of profiles and maps. Several
//! messages in one frame or file are taken apart by [`batch`]. Errors give places, never data (INV-05).

pub mod ack;
pub mod batch;
mod charset;
pub mod continuation;
mod delimiters;
mod dictionary;
mod escape;
mod index;
mod message;
mod path;
pub mod profile;
pub mod repetition;
pub mod sequence;
pub mod show;
mod text;

pub use batch::split_messages;
pub use charset::{Charset, Choice, Encoding, Why};
pub use delimiters::Delimiters;
pub use escape::{EscapeFindings, escape, unescape};
pub use index::{Expected, Findings, Found, Index, ParseError};
pub use message::{Component, Field, Message, MessageType, Repetition, Segment, Value};
pub use path::{Path, PathError};
pub use text::Text;

#[cfg(test)]
mod bad_tests;
#[cfg(test)]
mod corpus_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod text_tests;
