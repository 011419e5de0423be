//! A port on a pseudo terminal, and a port on a line made up here, whose marks, signals and counters can be set.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
};

use rustix::termios::{LocalModes, OutputModes};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};

use super::*;
use crate::{
    settings::{Duplex, Known, LinkWire, Settings, read},
    sim::serial::Terminal,
    telemetry::{Build, Telemetry},
    units::Timestamp,
    wire::LineFault,
};

/// Far longer than anything here takes.
const LONG: Duration = Duration::from_secs(30);

fn port(path: &Path) -> settings::SerialPort {
    settings::SerialPort {
        port: path.to_owned(),
        baud: 9600,
        data_bits: 8,
        parity: Parity::None,
        stop_bits: 1,
        flow_control: FlowControl::None,
        gap: None,
        silence: None,
        carrier: Carrier::Ignore,
        write_timeout: Duration::from_secs(15),
        duplex: Duplex::Full,
    }
}

fn telemetry() -> Telemetry {
    let site = "version = 1\n[gurney]\nsite = \"s\"\nnode = \"n\"\n[store]\npath = \"/x/store\"\nkey_file = \"/x/k\"\nlimit = \"1 GB\"\n\
        [serial.b]\nport = \"/dev/ttyS0\"\nline = \"9600 8N1\"\nframing = \"mllp\"\n[http.p]\nurl = \"http://127.0.0.1:1/\"\n\
        [flow.f]\nfrom = \"b\"\non = [\"*\"]\nto = \"p\"\nmapping = \"raw\"\npattern = \"event\"\ntarget = \"5 s\"\nowner = \"T\"\nescalate = [\"t\"]\n";
    let known = Known::nothing(Timestamp(0));
    let settings: Settings = read(&[("gurney.toml".to_owned(), site.to_owned())], &known)
        .unwrap_or_else(|faults| panic!("{faults}"))
        .settings;
    assert!(matches!(settings.links[0].wire, LinkWire::Serial(_)));
    Telemetry::new(&settings, Build { version: "0", revision: "0", schema: 0 }).unwrap()
}

fn value(telemetry: &Telemetry, series: &str) -> f64 {
    let text = telemetry.gather().unwrap();
    text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')).unwrap().parse().unwrap()
}

fn errors_of(telemetry: &Telemetry, kind: &str) -> f64 {
    value(telemetry, &format!("gurney_serial_errors_total{{interface=\"b\",kind=\"{kind}\"}}"))
}

/// A line without wires.
#[derive(Clone, Default)]
struct Made(Rc<Line>);

#[derive(Default)]
struct Line {
    reads: RefCell<VecDeque<Vec<u8>>>,
    signal: Cell<Option<bool>>,
    queued: Cell<u32>,
    discards: Cell<u32>,
    counts: Cell<Option<Counts>>,
}

impl AsyncRead for Made {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Some(read) = self.0.reads.borrow_mut().pop_front() else { return Poll::Pending };
        out.put_slice(&read);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Made {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        panic!("a port never waits for the line")
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Wires for Made {
    fn signal(&mut self, _: Carrier) -> io::Result<bool> {
        self.0.signal.get().ok_or_else(|| io::Error::other("not a typewriter"))
    }

    fn queued(&self) -> io::Result<u32> {
        Ok(self.0.queued.get())
    }

    fn discard(&self) {
        self.0.discards.set(self.0.discards.get() + 1);
    }
}

impl LineCounters for Made {
    fn counts(&self) -> Option<Counts> {
        self.0.counts.get()
    }
}

/// What a read gives: bytes, or the fault of a damaged one.
async fn step<S: AsyncRead + Wires + Unpin, C: LineCounters + Unpin>(
    port: &mut Port<'_, S, C>,
) -> Result<Vec<u8>, LineFault> {
    let mut bytes = vec![0; 64];
    match timeout(LONG, port.read(&mut bytes)).await.expect("a read") {
        Ok(read) => {
            bytes.truncate(read);
            Ok(bytes)
        }
        Err(error) => Err(error.get_ref().and_then(|inner| inner.downcast_ref::<DamagedByte>()).expect("a mark").0),
    }
}

fn lost(error: &io::Error) -> Lost {
    *error.get_ref().and_then(|inner| inner.downcast_ref::<Lost>()).unwrap()
}

#[tokio::test]
async fn carries_every_byte_value_both_ways_whatever_the_terminal_was_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("port");
    let terminal = Terminal::open(&path).unwrap();
    let telemetry = telemetry();
    let mut hearing = Hearing::new(Instant::now());
    for (data_bits, parity) in [(8, Parity::None), (8, Parity::Odd), (7, Parity::Even)] {
        let settings = settings::SerialPort { data_bits, parity, ..port(&path) };
        let (stream, _control) = open(&settings).unwrap();
        let mut port = Port::new(stream, None, settings, (telemetry.link(0), Clock::start()), &mut hearing).unwrap();
        let session = terminal.session().unwrap();
        let all: Vec<u8> = (0..=255).chain((0..=255).rev()).collect();
        session.write_all(&all).await.unwrap();
        let mut got = vec![0; all.len()];
        timeout(LONG, port.read_exact(&mut got)).await.unwrap().unwrap();
        assert_eq!(got, all);
        port.write_all(&all).await.unwrap();
        port.flush().await.unwrap();
        let mut back = Vec::new();
        while back.len() < all.len() {
            let count = timeout(LONG, session.read(&mut got)).await.unwrap().unwrap();
            back.extend_from_slice(&got[..count]);
        }
        assert_eq!(back, all);
    }
    assert!(value(&telemetry, "gurney_serial_last_byte_timestamp_seconds{interface=\"b\"}") > 0.0);
}

#[tokio::test]
async fn sets_every_speed_raw_and_marked_and_keeps_others_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("port");
    let _terminal = Terminal::open(&path).unwrap();
    for baud in [1200, 2400, 4800, 9600, 19_200, 38_400, 57_600, 115_200] {
        let wanted = settings::SerialPort { baud, stop_bits: 2, flow_control: FlowControl::Hardware, ..port(&path) };
        let (stream, control) = open(&wanted).unwrap();
        assert!(open(&wanted).is_err(), "the port is of one process alone");
        let line = tcgetattr(&control).unwrap();
        assert_eq!((line.input_speed(), line.output_speed()), (baud, baud));
        assert!(line.control_modes.contains(ControlModes::CRTSCTS | ControlModes::CSTOPB | ControlModes::CLOCAL));
        configure(&control, &port(&path)).unwrap();
        let line = tcgetattr(&control).unwrap();
        assert_eq!(line.input_speed(), 9600, "set anew while it is open");
        assert!(!line.control_modes.intersects(ControlModes::CRTSCTS | ControlModes::CSTOPB));
        assert_eq!(line.input_modes, InputModes::INPCK | InputModes::PARMRK);
        assert!(!line.local_modes.intersects(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG));
        assert!(!line.output_modes.contains(OutputModes::OPOST));
        drop((stream, control));
    }
}

#[test]
fn asks_the_receiver_for_seven_bits_and_parity_and_never_strips_a_bit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("port");
    let _terminal = Terminal::open(&path).unwrap();
    let slave = File::options().read(true).write(true).open(&path).unwrap();
    let parities = ControlModes::PARENB | ControlModes::PARODD;
    for (data_bits, parity, size, bits) in [
        (8, Parity::None, ControlModes::CS8, ControlModes::empty()),
        (8, Parity::Even, ControlModes::CS8, ControlModes::PARENB),
        (8, Parity::Odd, ControlModes::CS8, parities),
        (7, Parity::Even, ControlModes::CS7, ControlModes::PARENB),
        (7, Parity::Odd, ControlModes::CS7, parities),
    ] {
        let mut line = tcgetattr(&slave).unwrap();
        line.input_modes.insert(InputModes::ISTRIP | InputModes::IGNBRK | InputModes::BRKINT | InputModes::IXON);
        shape(&mut line, &settings::SerialPort { data_bits, parity, ..port(&path) }).unwrap();
        assert_eq!(line.control_modes & ControlModes::CSIZE, size);
        assert_eq!(line.control_modes & parities, bits);
        assert_eq!(line.input_modes, InputModes::INPCK | InputModes::PARMRK);
        let soft = settings::SerialPort { flow_control: FlowControl::Software, ..port(&path) };
        shape(&mut line, &soft).unwrap();
        assert!(line.input_modes.contains(InputModes::IXON | InputModes::IXOFF));
    }
}

#[tokio::test]
async fn gives_damaged_bytes_in_their_place_and_counts_them_by_their_marks() {
    let (telemetry, made) = (telemetry(), Made::default());
    made.0.reads.borrow_mut().extend([b"ab\xff".to_vec(), vec![0], b"cd\xff\xffe\xff\x00\x00f".to_vec()]);
    let mut hearing = Hearing::new(Instant::now());
    let settings = settings::SerialPort { parity: Parity::Even, ..port(Path::new("/dev/none")) };
    let mut port = Port::new(made.clone(), made, settings, (telemetry.link(0), Clock::start()), &mut hearing).unwrap();
    let mut steps = Vec::new();
    for _ in 0..5 {
        steps.push(step(&mut port).await);
    }
    let bytes = |bytes: &[u8]| Ok(bytes.to_vec());
    let wanted = [bytes(b"ab"), Err(LineFault::Parity), bytes(b"d\xffe"), Err(LineFault::Framing), bytes(b"f")];
    assert_eq!(steps, wanted);
    assert_eq!((errors_of(&telemetry, "parity"), errors_of(&telemetry, "break")), (1.0, 1.0));
    assert_eq!((errors_of(&telemetry, "framing"), errors_of(&telemetry, "overrun")), (0.0, 0.0));
}

#[tokio::test]
async fn counts_what_the_driver_counts_where_it_does() {
    let (telemetry, made) = (telemetry(), Made::default());
    made.0.counts.set(Some(Counts { parity: 7, framing: 7, overrun: 7, breaks: 7 }));
    let mut hearing = Hearing::new(Instant::now());
    let settings = settings::SerialPort { parity: Parity::Even, ..port(Path::new("/dev/none")) };
    let mut port =
        Port::new(made.clone(), made.clone(), settings, (telemetry.link(0), Clock::start()), &mut hearing).unwrap();
    made.0.counts.set(Some(Counts { parity: 7, framing: 9, overrun: 8, breaks: 7 }));
    made.0.reads.borrow_mut().push_back(b"\xff\x00x".to_vec());
    assert_eq!(step(&mut port).await, Err(LineFault::Framing), "the counters tell which of the two it was");
    assert_eq!((errors_of(&telemetry, "parity"), errors_of(&telemetry, "framing")), (0.0, 2.0));
    assert_eq!(errors_of(&telemetry, "overrun"), 1.0);
}

#[tokio::test]
async fn is_down_without_the_signal_that_is_watched_and_only_then() {
    let telemetry = telemetry();
    let mut hearing = Hearing::new(Instant::now());
    for carrier in [Carrier::Dcd, Carrier::Dsr, Carrier::Cts] {
        let made = Made::default();
        let settings = settings::SerialPort { carrier, ..port(Path::new("/dev/none")) };
        let telling = || (telemetry.link(0), Clock::start());
        made.0.signal.set(Some(false));
        let closed = Port::new(made.clone(), made.clone(), settings.clone(), telling(), &mut hearing).err();
        assert!(matches!(closed, Some(Lost::Carrier(_))), "{closed:?}");
        made.0.signal.set(Some(true));
        let mut port = Port::new(made.clone(), made.clone(), settings, telling(), &mut hearing).unwrap();
        made.0.reads.borrow_mut().push_back(b"x".to_vec());
        assert_eq!(step(&mut port).await, Ok(b"x".to_vec()));
        made.0.signal.set(Some(false));
        let error = timeout(LONG, port.read(&mut [0; 8])).await.unwrap().unwrap_err();
        assert!(matches!(lost(&error), Lost::Carrier(_)), "{error}");
    }
}

#[tokio::test]
async fn ignores_the_carrier_of_a_port_without_modem_signals() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("port");
    let terminal = Terminal::open(&path).unwrap();
    let telemetry = telemetry();
    let mut hearing = Hearing::new(Instant::now());
    let settings = settings::SerialPort { carrier: Carrier::Dcd, ..port(&path) };
    let (stream, _control) = open(&settings).unwrap();
    let mut port = Port::new(stream, None, settings, (telemetry.link(0), Clock::start()), &mut hearing).unwrap();
    assert_eq!(port.carrier, Carrier::Ignore);
    terminal.session().unwrap().write_all(b"x").await.unwrap();
    assert_eq!(step(&mut port).await, Ok(b"x".to_vec()));
}

#[tokio::test]
async fn gives_up_an_answer_that_the_device_does_not_take() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("port");
    let _terminal = Terminal::open(&path).unwrap();
    let telemetry = telemetry();
    let mut hearing = Hearing::new(Instant::now());
    let settings = settings::SerialPort { write_timeout: Duration::from_millis(100), ..port(&path) };
    let (stream, _control) = open(&settings).unwrap();
    let telling = (telemetry.link(0), Clock::start());
    let mut port = Port::new(stream, None, settings.clone(), telling, &mut hearing).unwrap();
    // More than a terminal holds that nobody reads.
    let error = timeout(LONG, port.write_all(&vec![b'x'; 4 << 20])).await.unwrap().unwrap_err();
    assert_eq!(lost(&error), Lost::Stalled);
    drop(port);

    // The same of a driver that takes everything and sends nothing.
    let made = Made::default();
    made.0.queued.set(100);
    let mut port = Port::new(made.clone(), made.clone(), settings, telling, &mut hearing).unwrap();
    let error = timeout(LONG, port.read(&mut [0; 8])).await.unwrap().unwrap_err();
    assert_eq!((lost(&error), made.0.discards.get()), (Lost::Stalled, 1));
    assert_eq!(timeout(LONG, port.drained()).await.unwrap(), Err(Lost::Stalled));
    assert_eq!(value(&telemetry, "gurney_serial_stalls_total{interface=\"b\"}"), 3.0);
}

#[tokio::test]
async fn reports_a_silent_line_until_a_byte_comes() {
    let (telemetry, made) = (telemetry(), Made::default());
    let mut hearing = Hearing::new(Instant::now());
    let settings = settings::SerialPort { silence: Some(Duration::from_millis(1)), ..port(Path::new("/dev/none")) };
    let mut port =
        Port::new(made.clone(), made.clone(), settings, (telemetry.link(0), Clock::start()), &mut hearing).unwrap();
    let series = "gurney_serial_silent{interface=\"b\"}";
    let silent = async {
        while value(&telemetry, series) == 0.0 {
            timeout(Duration::from_millis(50), port.read(&mut [0; 8])).await.expect_err("nothing to read");
        }
    };
    timeout(LONG, silent).await.expect("the silence is reported");
    made.0.reads.borrow_mut().push_back(b"x".to_vec());
    assert_eq!(step(&mut port).await, Ok(b"x".to_vec()));
    assert_eq!(value(&telemetry, series), 0.0);
}
