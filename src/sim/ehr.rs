//! A simulated electronic health record: invented patients whose stays make coherent HL7 v2 traffic, and a sender that
//! behaves as real senders do: it waits for every answer, reconnects, and repeats what was not acknowledged with the
//! same MSH-10 until it is.
//!
//! HL7 v2.5.1 ch. 3 (ADT), ch. 4 (ORM), ch. 2 §2.9 (acknowledgements).

mod generator;
mod ledger;
mod patient;
mod sender;
mod writer;

use std::time::Duration;

pub use generator::{Clock, Dialect, Generated, Generator, Kind, Profile};
pub use ledger::Ledger;
pub use sender::{EhrOptions, EhrSummary, Sender, Tally};

use crate::sim::{Error, PROGRESS_EVERY, Stop};

/// Sends until the bound of `options` is reached or `stop` comes, and reports on the way.
pub async fn run(options: EhrOptions, mut stop: Stop, progress: impl Fn(&Tally)) -> Result<EhrSummary, Error> {
    let mut sender = Sender::start(options)?;
    let mut ticks = tokio::time::interval(PROGRESS_EVERY.max(Duration::from_millis(1)));
    loop {
        tokio::select! {
            () = sender.ended() => break,
            () = stop.stopped() => { sender.stop(); break; }
            _ = ticks.tick() => progress(&sender.tally()),
        }
    }
    let summary = sender.finish().await?;
    progress(&summary.tally);
    Ok(summary)
}
