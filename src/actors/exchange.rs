//! An application acknowledgement that waits for the end of its message's deliveries, to be sent over the connection the
//! message came by.
//!
//! It waits for news of the journal thread, the end of its time or the stop of the box, whichever comes first, and asks
//! nothing again. One that is dropped unsent, because the connection has gone or the wait is over, is counted: the
//! application of the sender does not hear of a message that is stored.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    sync::{oneshot, watch},
    time::timeout,
};

use crate::{flow::Fate, telemetry::Telemetry};

/// The message of a later exchange, once it is known; `None` where it is not to be sent.
pub struct Exchange {
    message: Pin<Box<dyn Future<Output = Option<Vec<u8>>>>>,
    /// Counts the message as undelivered until it is sent, or known not to be due.
    undelivered: Option<Undelivered>,
}

/// Whom to count an undelivered acknowledgement to.
pub(super) struct Undelivered {
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) link: usize,
}

impl Exchange {
    /// Begins once `fate` is there: `message` gives what is then sent, if anything is.
    pub(super) fn new(
        fate: impl Future<Output = Option<Fate>> + 'static,
        message: impl FnOnce(Fate) -> Option<Vec<u8>> + 'static,
        undelivered: Undelivered,
    ) -> Self {
        let later = Undelivered { telemetry: Arc::clone(&undelivered.telemetry), link: undelivered.link };
        let message = async move {
            match fate.await {
                Some(fate) => message(fate),
                None => {
                    later.count();
                    None
                }
            }
        };
        Self { message: Box::pin(message), undelivered: Some(undelivered) }
    }
}

impl Future for Exchange {
    type Output = Option<Vec<u8>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = self.message.as_mut().poll(context);
        if polled.is_ready() {
            self.undelivered = None;
        }
        polled
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if let Some(undelivered) = &self.undelivered {
            undelivered.count();
        }
    }
}

impl Undelivered {
    fn count(&self) {
        self.telemetry.link(self.link).application_ack_undelivered();
    }
}

/// Waits for news of a message's deliveries, at most `wait` and not beyond the stop of the box. `None` is no news.
pub(super) async fn fate(
    settled: Option<oneshot::Receiver<Fate>>,
    wait: Duration,
    mut stopping: watch::Receiver<bool>,
) -> Option<Fate> {
    let settled = settled?;
    tokio::select! {
        biased;
        fate = timeout(wait, settled) => fate.ok()?.ok(),
        // A box that is gone stops too.
        _ = stopping.wait_for(|stopping| *stopping) => None,
    }
}
