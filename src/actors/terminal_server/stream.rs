//! The connection to a terminal server, watched as a serial line: its silence, and bytes that are not taken.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Interval, MissedTickBehavior, Sleep, interval, sleep},
};

use crate::{
    actors::{clock::Clock, serial_port::watch::Hearing},
    settings::TerminalServer,
    telemetry::{LinkMeter, LinkSignal},
    units::limits,
};

/// The terminal server takes no bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the terminal server takes no bytes")]
struct Stalled;

/// A connection whose bytes are those of a line.
pub(super) struct Raw<'a, S> {
    stream: S,
    meter: &'a LinkMeter,
    clock: Clock,
    hearing: &'a mut Hearing,
    silence: Option<Duration>,
    write_timeout: Duration,
    looks: Interval,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<'a, S> Raw<'a, S> {
    /// Watches a connected `stream` as `settings` say.
    pub(super) fn new(
        stream: S,
        settings: &TerminalServer,
        (meter, clock): (&'a LinkMeter, Clock),
        hearing: &'a mut Hearing,
    ) -> Self {
        let mut looks = interval(limits::SERIAL_WATCH);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let TerminalServer { silence, write_timeout, .. } = *settings;
        Self { stream, meter, clock, hearing, silence, write_timeout, looks, stalled: None }
    }

    fn look(&mut self) {
        if let Some(silent) = self.hearing.silent(Instant::now(), self.silence) {
            self.meter.tell(LinkSignal::Silent { silent });
        }
    }

    fn heard(&mut self) {
        self.meter.heard(self.clock.wall());
        if let Some(silent) = self.hearing.heard(Instant::now()) {
            self.meter.tell(LinkSignal::Heard { silent });
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Raw<'_, S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let raw = self.get_mut();
        while raw.looks.poll_tick(context).is_ready() {
            raw.look();
        }
        let before = out.filled().len();
        ready!(Pin::new(&mut raw.stream).poll_read(context, out))?;
        if out.filled().len() > before {
            raw.heard();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Raw<'_, S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let raw = self.get_mut();
        if let Poll::Ready(written) = Pin::new(&mut raw.stream).poll_write(context, bytes) {
            raw.stalled = None;
            return Poll::Ready(written);
        }
        let patience = raw.write_timeout;
        let stalled = raw.stalled.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(stalled.as_mut().poll(context));
        raw.stalled = None;
        raw.meter.tell(LinkSignal::Stalled { waited: patience });
        Poll::Ready(Err(io::Error::other(Stalled)))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
