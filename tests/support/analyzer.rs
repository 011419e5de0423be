//! A laboratory instrument on a pseudo terminal: it speaks LIS01-A2 as the instrument, and repeats a message until it is taken.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use gurney::{
    sim::serial::Terminal,
    units::Timestamp,
    wire::{
        Event, Line as _,
        lis01::{Lis01, Options, Role, Timers},
    },
};
use tokio::time::{Instant, sleep};

use super::wait::until_so;

/// The instrument.
pub(crate) struct Analyzer {
    port: PathBuf,
    terminal: Terminal,
    line: Lis01,
    began: Instant,
}

/// What came of one attempt.
enum Outcome {
    Taken,
    Again,
    /// The port was closed at the other end.
    Closed,
}

impl Analyzer {
    /// Plugs it in at a stable name.
    pub(crate) fn plug(port: &Path) -> Self {
        // A gateway that dies between two bytes is asked again soon.
        let timers =
            Timers { establishment: Duration::from_millis(500), busy: Duration::from_millis(50), ..Timers::STANDARD };
        let line = Lis01::new(Options { timers, ..Options::new(Role::Instrument, 1 << 20) });
        Self { port: port.to_owned(), terminal: Terminal::open(port).unwrap(), line, began: Instant::now() }
    }

    /// Sends a message until it is taken.
    pub(crate) async fn send(&mut self, message: &[u8]) {
        loop {
            let mut before = false;
            // Open for two looks, so that there was time to make it raw.
            until_so("the gateway opens the port", async || {
                let is_open = self.terminal.is_open();
                std::mem::replace(&mut before, is_open) && is_open
            })
            .await;
            match self.attempt(message).await {
                Outcome::Taken => return,
                Outcome::Again => {}
                Outcome::Closed => self.replug(),
            }
        }
    }

    fn replug(&mut self) {
        self.line.end(now(self.began));
        while self.line.next().is_some() {}
        // It comes back as another terminal, as a USB adapter does.
        self.terminal = Terminal::open(&self.port).unwrap();
    }

    async fn attempt(&mut self, message: &[u8]) -> Outcome {
        let Self { terminal, line, began, .. } = self;
        let Ok(session) = terminal.session() else { return Outcome::Closed };
        line.send(now(*began), message.to_vec());
        let mut outcome = None;
        let mut bytes = [0; 1024];
        loop {
            let out = line.transmit();
            if session.write_all(&out).await.is_err() {
                return Outcome::Closed;
            }
            while let Some(event) = line.next() {
                match event {
                    Event::Sent => outcome = Some(Outcome::Taken),
                    Event::Unsent(_) => outcome = Some(Outcome::Again),
                    _ => {}
                }
            }
            if out.is_empty()
                && let Some(outcome) = outcome.take()
            {
                return outcome;
            }
            let due =
                if outcome.is_some() { Some(Duration::ZERO) } else { line.deadline().map(|at| at.since(now(*began))) };
            tokio::select! {
                read = session.read(&mut bytes) => match read {
                    Ok(count @ 1..) => line.receive(now(*began), &bytes[..count]),
                    Ok(_) | Err(_) => return Outcome::Closed,
                },
                () = sleep(due.unwrap_or_default()), if due.is_some() => line.tick(now(*began)),
            }
        }
    }
}

fn now(began: Instant) -> Timestamp {
    Timestamp(i64::try_from(began.elapsed().as_millis()).unwrap())
}
