//! One connection of HTTP as its listener sees it: whether a request is under way, and whether the peer is too slow with one.
//!
//! The library bounds the time for the head of a connection's first request alone, and none for one that came with the end
//! of another. So the time is taken here: from the first byte behind an answer, and from the answer itself.

use std::{
    cell::Cell,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

/// A stream of bytes, with TLS or without.
pub(super) trait Bytes: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Bytes for T {}

/// What is known of a connection.
#[derive(Debug)]
pub(super) struct State {
    is_busy: Cell<bool>,
    /// Since when no request is under way.
    quiet_since: Cell<Instant>,
    /// When the first byte of the next request came.
    begun: Cell<Option<Instant>>,
}

impl State {
    pub(super) fn new(now: Instant) -> Self {
        Self { is_busy: Cell::new(false), quiet_since: Cell::new(now), begun: Cell::new(None) }
    }

    /// A request has begun, its head is complete.
    pub(super) fn begin(&self) {
        self.is_busy.set(true);
        self.begun.set(None);
    }

    /// Its answer is made.
    pub(super) fn end(&self, now: Instant) {
        self.is_busy.set(false);
        self.quiet_since.set(now);
    }

    /// Whether a request is under way.
    pub(super) fn is_busy(&self) -> bool {
        self.is_busy.get()
    }

    fn heard(&self, now: Instant) {
        if !self.is_busy.get() && self.begun.get().is_none() {
            self.begun.set(Some(now));
        }
    }

    /// When the peer has had its time for the next head; none while a request is under way.
    pub(super) fn deadline(&self, head: Duration, idle: Duration) -> Option<Instant> {
        if self.is_busy.get() {
            return None;
        }
        let quiet = self.quiet_since.get() + idle + head;
        Some(self.begun.get().map_or(quiet, |begun| quiet.min(begun + head)))
    }
}

/// The stream of a connection, which notes when bytes come.
pub(super) struct Heard {
    pub(super) stream: Box<dyn Bytes>,
    pub(super) state: Rc<State>,
}

impl AsyncRead for Heard {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.state.heard(Instant::now());
        }
        read
    }
}

impl AsyncWrite for Heard {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const HEAD: Duration = Duration::from_secs(10);
    const IDLE: Duration = Duration::from_secs(75);

    #[test]
    fn gives_every_head_its_time_and_no_more() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let state = State::new(start);
        assert_eq!(state.deadline(HEAD, IDLE), Some(at(85)));
        state.heard(at(3));
        state.heard(at(9));
        assert_eq!(state.deadline(HEAD, IDLE), Some(at(13)));
        state.begin();
        state.heard(at(20));
        assert_eq!((state.deadline(HEAD, IDLE), state.is_busy()), (None, true));
        state.end(at(30));
        assert_eq!(state.deadline(HEAD, IDLE), Some(at(115)));
        state.heard(at(100));
        assert_eq!(state.deadline(HEAD, IDLE), Some(at(110)));
    }
}
