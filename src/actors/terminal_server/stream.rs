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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;
    use crate::{
        settings::{Duplex, Known, Redial, read},
        telemetry::{Build, Telemetry},
        units::Timestamp,
    };

    fn telemetry() -> Telemetry {
        let site = "version = 1\n[gurney]\nsite = \"s\"\nnode = \"n\"\n[store]\npath = \"/x/store\"\nkey_file = \"/x/k\"\nlimit = \"1 GB\"\n\
            [serial.b]\nport = \"tcp://127.0.0.1:1\"\nframing = \"mllp\"\n[http.p]\nurl = \"http://127.0.0.1:1/\"\n\
            [flow.f]\nfrom = \"b\"\non = [\"*\"]\nto = \"p\"\nmapping = \"raw\"\npattern = \"event\"\ntarget = \"5 s\"\nowner = \"T\"\nescalate = [\"t\"]\n";
        let known = Known::nothing(Timestamp(0));
        let settings = read(&[("gurney.toml".to_owned(), site.to_owned())], &known)
            .unwrap_or_else(|faults| panic!("{faults}"))
            .settings;
        Telemetry::new(&settings, Build { version: "0", revision: "0", schema: 0 }).unwrap()
    }

    #[tokio::test]
    async fn gives_up_what_the_terminal_server_does_not_take_in_time() {
        let telemetry = telemetry();
        let mut hearing = Hearing::new(Instant::now());
        let settings = TerminalServer {
            peer: "127.0.0.1:1".to_owned(),
            redial: Redial { first: Duration::ZERO, at_most: Duration::ZERO, failures: 1 },
            gap: limits::SERIAL_GAP_MIN,
            silence: None,
            write_timeout: Duration::from_millis(50),
            duplex: Duplex::Full,
        };
        let (ours, mut theirs) = duplex(8);
        let mut raw = Raw::new(ours, &settings, (telemetry.link(0), Clock::start()), &mut hearing);
        theirs.write_all(b"\xff\xff\0").await.unwrap();
        let mut bytes = [0; 8];
        assert_eq!(raw.read(&mut bytes).await.unwrap(), 3);
        assert!(bytes.starts_with(b"\xff\xff\0"), "bytes are not marked as those of a device are: {bytes:?}");

        assert_eq!(raw.write(b"12345678more").await.unwrap(), 8);
        let error = raw.write(b"more").await.unwrap_err();
        assert!(error.get_ref().unwrap().is::<Stalled>(), "{error}");
        let stalls = telemetry.gather().unwrap();
        assert!(stalls.contains("gurney_serial_stalls_total{interface=\"b\"} 1"), "{stalls}");
        theirs.read_exact(&mut bytes).await.unwrap();
        assert_eq!(raw.write(b"more").await.unwrap(), 4, "what is taken again goes on");
    }
}
