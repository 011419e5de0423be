//! What a panic does: it ends the process.
//!
//! The text of a panic may quote a message, so only its place is written. The one exception is the decision about a message:
//! there a panic is caught, and the message quarantined (INV-02).

use std::{io::Write as _, panic, process};

use crate::store::writer::is_deciding;

/// Sets the hook.
pub(super) fn install() {
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let what = if is_deciding() { "caught, the message is quarantined" } else { "the process ends" };
        // A closed stderr must not keep the process from ending.
        writeln!(std::io::stderr(), "panic at {place}: {what}").ok();
        if !is_deciding() {
            process::abort();
        }
    }));
}
