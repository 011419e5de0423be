//! Independent implementations against the running box: what PyPI and npm have of MLLP and LIS01-A2, as senders and as receivers.
//!
//! `.ci/setup` installs them, pinned and with hashes, by `tests/peers/install.sh`; where they are missing each test says that it is
//! skipped. The scripts beside this file drive the peers by their public interfaces and report in JSON lines. What each does oddly
//! stands in the README's interop table.

mod instruments;
mod messages;
mod receivers;
mod senders;
mod tools;
