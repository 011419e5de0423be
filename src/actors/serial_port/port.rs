//! An open serial port: raw, of this process alone, with every damaged byte told from a good one.
//!
//! Reads give bytes with the marks taken out, and [`DamagedByte`] in the place of a damaged one. Writes never wait for the line:
//! the kernel's drain call would hold the whole thread while clear to send is off, so what does not leave is found by looking at
//! how much waits. Twice a second the port looks at its signals, its counters and its silence.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use rustix::{
    fs::{FlockOperation, OFlags, flock},
    termios::{ControlModes, InputModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Interval, MissedTickBehavior, Sleep, interval, sleep},
};
use tokio_serial::{ClearBuffer, SerialPort as _, SerialPortBuilderExt as _, SerialStream};

use super::{
    counters::{Counts, LineCounters},
    watch::{Hearing, Leaving, Mark, errors, kind},
};
use crate::{
    actors::{clock::Clock, session::DamagedByte},
    settings::{self, Carrier, Device, FlowControl, Parity},
    telemetry::{LinkMeter, LinkSignal},
    units::limits,
    uplink::{Dialer, Wire},
    wire::marks::{Marks, Piece},
};

/// Why a port was closed that is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Lost {
    /// The signal that is watched went off.
    #[error("the modem signal {0} is off")]
    Carrier(&'static str),
    /// The device takes no bytes.
    #[error("the device takes no bytes")]
    Stalled,
}

impl From<Lost> for io::Error {
    fn from(lost: Lost) -> Self {
        Self::other(lost)
    }
}

/// The wires of a line beside its bytes: the seam at which tests put their own.
pub(super) trait Wires {
    /// Whether a modem signal is on.
    fn signal(&mut self, carrier: Carrier) -> io::Result<bool>;

    /// How many written bytes have not left.
    fn queued(&self) -> io::Result<u32>;

    /// Drops written bytes that have not left, so that closing does not wait for them.
    fn discard(&self);

    /// Whether marks stand between the bytes that are read.
    fn is_marked(&self) -> bool {
        true
    }
}

/// A line, however it is reached.
pub(super) enum Stream {
    /// By a port of this box.
    Port(SerialStream),
    /// By a terminal server. How many bytes wait in it is not known, and it has no signals; TCP finds out that it is gone.
    Server(Box<dyn Wire>),
}

impl Wires for Stream {
    fn signal(&mut self, carrier: Carrier) -> io::Result<bool> {
        match self {
            Self::Port(port) => port.signal(carrier),
            Self::Server(_) => Ok(true),
        }
    }

    fn queued(&self) -> io::Result<u32> {
        match self {
            Self::Port(port) => port.queued(),
            Self::Server(_) => Ok(0),
        }
    }

    fn discard(&self) {
        if let Self::Port(port) = self {
            port.discard();
        }
    }

    fn is_marked(&self) -> bool {
        matches!(self, Self::Port(_))
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Port(port) => Pin::new(port).poll_read(context, out),
            Self::Server(server) => Pin::new(server).poll_read(context, out),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Port(port) => Pin::new(port).poll_write(context, bytes),
            Self::Server(server) => Pin::new(server).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            // Draining a terminal would hold the thread.
            Self::Port(_) => Poll::Ready(Ok(())),
            Self::Server(server) => Pin::new(server).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Port(_) => Poll::Ready(Ok(())),
            Self::Server(server) => Pin::new(server).poll_shutdown(context),
        }
    }
}

impl Wires for SerialStream {
    fn signal(&mut self, carrier: Carrier) -> io::Result<bool> {
        Ok(match carrier {
            Carrier::Ignore => true,
            Carrier::Dcd => self.read_carrier_detect()?,
            Carrier::Dsr => self.read_data_set_ready()?,
            Carrier::Cts => self.read_clear_to_send()?,
        })
    }

    fn queued(&self) -> io::Result<u32> {
        Ok(self.bytes_to_write()?)
    }

    fn discard(&self) {
        // A port that is gone has nothing left to drop.
        self.clear(ClearBuffer::Output).ok();
    }
}

/// An open port.
pub(super) struct Port<'a, S, C> {
    stream: S,
    counters: C,
    counted: Option<Counts>,
    counted_at: Instant,
    meter: &'a LinkMeter,
    clock: Clock,
    settings: settings::SerialPort,
    hearing: &'a mut Hearing,
    leaving: Leaving,
    carrier: Carrier,
    marks: Marks,
    raw: Vec<u8>,
    looks: Interval,
    stalled: Option<Pin<Box<Sleep>>>,
}

/// Bytes read at once.
const READ_BYTES: usize = 4 << 10;

impl<'a, S: Wires, C: LineCounters> Port<'a, S, C> {
    /// Watches an open `stream` as `settings` say.
    pub(super) fn new(
        stream: S,
        counters: C,
        settings: settings::SerialPort,
        (meter, clock): (&'a LinkMeter, Clock),
        hearing: &'a mut Hearing,
    ) -> Result<Self, Lost> {
        let now = Instant::now();
        let mut looks = interval(limits::SERIAL_WATCH);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut port = Self {
            stream,
            counted: counters.counts(),
            counted_at: now,
            counters,
            meter,
            clock,
            carrier: settings.carrier,
            settings,
            hearing,
            leaving: Leaving::new(now),
            marks: Marks::default(),
            raw: vec![0; READ_BYTES],
            looks,
            stalled: None,
        };
        port.look_at_carrier()?;
        Ok(port)
    }

    /// Watches as other settings say; the line itself was given them by [`configure`].
    pub(super) fn watch(&mut self, settings: settings::SerialPort) {
        self.carrier = settings.carrier;
        self.settings = settings;
    }

    /// Waits until everything that was written has left, or the device takes nothing more of it.
    pub(super) async fn drained(&mut self) -> Result<(), Lost> {
        while self.stream.queued().unwrap_or(0) > 0 {
            self.look_at_queue()?;
            sleep(DRAIN_LOOK).await;
        }
        Ok(())
    }

    fn look(&mut self) -> Result<(), Lost> {
        let now = Instant::now();
        if let Some(silent) = self.hearing.silent(now, self.settings.silence) {
            self.meter.tell(LinkSignal::Silent { silent });
        }
        if now.saturating_duration_since(self.counted_at) >= limits::SERIAL_COUNTERS {
            self.count();
        }
        self.look_at_queue()?;
        self.look_at_carrier()
    }

    fn look_at_queue(&mut self) -> Result<(), Lost> {
        // A port that cannot say how much waits shows it by taking no more.
        let queued = self.stream.queued().unwrap_or(0);
        let waited = self.leaving.waiting(Instant::now(), queued);
        if waited >= self.settings.write_timeout { Err(self.stall(waited)) } else { Ok(()) }
    }

    fn stall(&self, waited: Duration) -> Lost {
        self.meter.tell(LinkSignal::Stalled { waited });
        self.stream.discard();
        Lost::Stalled
    }

    fn look_at_carrier(&mut self) -> Result<(), Lost> {
        if self.carrier == Carrier::Ignore {
            return Ok(());
        }
        match self.stream.signal(self.carrier) {
            Ok(true) => Ok(()),
            Ok(false) => {
                self.stream.discard();
                Err(Lost::Carrier(match self.carrier {
                    Carrier::Ignore | Carrier::Dcd => "DCD",
                    Carrier::Dsr => "DSR",
                    Carrier::Cts => "CTS",
                }))
            }
            Err(error) => {
                self.meter.tell(LinkSignal::NoModemSignals { cause: &error });
                self.carrier = Carrier::Ignore;
                Ok(())
            }
        }
    }

    /// Counts what the driver has counted since the last look; gives it, where the driver counts.
    fn count(&mut self) -> Option<Counts> {
        self.counted_at = Instant::now();
        let now = self.counters.counts();
        let added = now?.since(self.counted.unwrap_or_default());
        self.counted = now;
        for (kind, by) in errors(added) {
            self.meter.tell(LinkSignal::LineError { kind, by });
        }
        Some(added)
    }

    fn damaged(&mut self, mark: Mark) -> io::Error {
        let added = self.count();
        let (error, fault) = kind(mark, self.settings.parity, added);
        if added.is_none() {
            self.meter.tell(LinkSignal::LineError { kind: error, by: 1 });
        }
        io::Error::other(DamagedByte(fault))
    }

    fn heard(&mut self) {
        self.meter.heard(self.clock.wall());
        if let Some(silent) = self.hearing.heard(Instant::now()) {
            self.meter.tell(LinkSignal::Heard { silent });
        }
    }
}

/// Time between two looks at a port that is to be empty.
const DRAIN_LOOK: Duration = Duration::from_millis(10);

impl<S: AsyncRead + Wires + Unpin, C: LineCounters + Unpin> AsyncRead for Port<'_, S, C> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let port = self.get_mut();
        loop {
            while port.looks.poll_tick(context).is_ready() {
                port.look()?;
            }
            match port.marks.next(out.remaining().max(1)) {
                Some(Piece::Bytes(bytes)) => {
                    out.put_slice(&bytes);
                    return Poll::Ready(Ok(()));
                }
                Some(Piece::Damaged) => return Poll::Ready(Err(port.damaged(Mark::Damaged))),
                Some(Piece::Break) => return Poll::Ready(Err(port.damaged(Mark::Break))),
                None => {}
            }
            let mut read = ReadBuf::new(&mut port.raw);
            ready!(Pin::new(&mut port.stream).poll_read(context, &mut read))?;
            if read.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            if port.stream.is_marked() {
                port.marks.push(read.filled());
            } else {
                port.marks.pass(read.filled());
            }
            port.heard();
        }
    }
}

impl<S: AsyncWrite + Wires + Unpin, C: Unpin + LineCounters> AsyncWrite for Port<'_, S, C> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let port = self.get_mut();
        if let Poll::Ready(written) = Pin::new(&mut port.stream).poll_write(context, bytes) {
            port.stalled = None;
            return Poll::Ready(written);
        }
        let patience = port.settings.write_timeout;
        let stalled = port.stalled.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(stalled.as_mut().poll(context));
        port.stalled = None;
        Poll::Ready(Err(port.stall(patience).into()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Opens a line: a device as [`open_device`] does, or a terminal server by connecting to it.
pub(super) async fn open(settings: &settings::SerialPort) -> io::Result<(Stream, Option<File>)> {
    match &settings.port {
        Device::Path(path) => {
            let (stream, control) = open_device(path, settings)?;
            Ok((Stream::Port(stream), Some(control)))
        }
        Device::Server(address) => {
            let server = Dialer::plain(limits::KEEPALIVE.0).dial(address).await?;
            Ok((Stream::Server(server), None))
        }
    }
}

/// Opens a device for this process alone and sets its line. The second descriptor is for setting the line again: while the
/// first is open, nobody can open the device.
pub(super) fn open_device(device: &Path, settings: &settings::SerialPort) -> io::Result<(SerialStream, File)> {
    let flags = OFlags::NOCTTY | OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).unwrap_or(0);
    let control = OpenOptions::new().read(true).write(true).custom_flags(flags).open(device)?;
    // At once, since a terminal that is not yet raw changes what comes in; and again, since opening it sets it without marks.
    // The lock keeps a port alone that another process has.
    flock(&control, FlockOperation::NonBlockingLockExclusive)?;
    configure(&control, settings)?;
    flock(&control, FlockOperation::Unlock)?;
    let stream = tokio_serial::new(path(device)?, settings.baud).open_native_async()?;
    configure(&control, settings)?;
    Ok((stream, control))
}

fn path(port: &Path) -> io::Result<&str> {
    port.to_str().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the port's name is not text"))
}

/// Sets the line of an open port. Bytes that were read before are as the line was then.
pub(super) fn configure(control: &File, settings: &settings::SerialPort) -> io::Result<()> {
    let mut line = tcgetattr(control)?;
    shape(&mut line, settings)?;
    Ok(tcsetattr(control, OptionalActions::Now, &line)?)
}

/// Raw, so that every byte value passes as it is; seven bits by the receiver (CS7), since stripping the eighth (ISTRIP) damages
/// bytes; damaged bytes and breaks marked.
fn shape(line: &mut Termios, settings: &settings::SerialPort) -> io::Result<()> {
    line.make_raw();
    line.set_speed(settings.baud)?;
    let input = &mut line.input_modes;
    input.remove(InputModes::IGNBRK | InputModes::BRKINT | InputModes::IGNPAR | InputModes::ISTRIP);
    input.remove(InputModes::IXON | InputModes::IXOFF | InputModes::IXANY);
    input.insert(InputModes::INPCK | InputModes::PARMRK);
    let control = &mut line.control_modes;
    control.remove(ControlModes::CSIZE | ControlModes::CSTOPB | ControlModes::CRTSCTS);
    control.remove(ControlModes::PARENB | ControlModes::PARODD | ControlModes::CMSPAR);
    control.insert(ControlModes::CREAD | ControlModes::CLOCAL);
    control.insert(if settings.data_bits == 7 { ControlModes::CS7 } else { ControlModes::CS8 });
    control.set(ControlModes::CSTOPB, settings.stop_bits == 2);
    control.insert(match settings.parity {
        Parity::None => ControlModes::empty(),
        Parity::Even => ControlModes::PARENB,
        Parity::Odd => ControlModes::PARENB | ControlModes::PARODD,
    });
    match settings.flow_control {
        FlowControl::None => {}
        FlowControl::Hardware => control.insert(ControlModes::CRTSCTS),
        FlowControl::Software => input.insert(InputModes::IXON | InputModes::IXOFF),
    }
    line.special_codes[SpecialCodeIndex::VMIN] = 1;
    line.special_codes[SpecialCodeIndex::VTIME] = 0;
    Ok(())
}

#[cfg(test)]
mod tests;
