//! The box's life under systemd, and its wires beyond plain TCP: readiness, watchdog, socket activation, TLS with client
//! certificates, a serial port, HTTPS to the platform. The real binary against real sockets on loopback.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "tests"
)]

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::net::UnixDatagram,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use gurney::{
    sim::serial::Terminal,
    wire::mllp::{self, Decoder, Event},
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustix::process::{Pid, Signal, kill_process};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tempfile::TempDir;

/// Far longer than anything here takes.
const LONG: Duration = Duration::from_secs(60);

struct Site {
    folder: TempDir,
    port: u16,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("store.key");
        let made = gurney().args(["keys", "new"]).arg(&key).stdout(Stdio::null()).stderr(Stdio::null()).status();
        assert!(made.unwrap().success());
        Self { folder, port: free_port() }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Writes the configuration: the store, one flow from `ehr`, and what the test adds.
    fn configure(&self, links: &str, url: &str, destination: &str) {
        let text = format!(
            "version = 1\n[gurney]\nsite = \"life\"\nnode = \"gw-a\"\n\
             [store]\npath = \"{0}/store\"\nkey_file = \"{0}/store.key\"\nlimit = \"200 MB\"\n{links}\n\
             [http.platform]\nurl = \"{url}\"\nretry = {{ first = \"100 ms\", at_most = \"1 s\", give_up = \"never\" }}\n{destination}\n\
             [flow.everything]\nfrom = \"ehr\"\non = [\"*\"]\nto = \"platform\"\nmapping = \"raw\"\npattern = \"event\"\n\
             target = \"5 s\"\nowner = \"Tests\"\nescalate = [\"tests\"]\n",
            self.folder.path().display()
        );
        fs::write(self.path("gurney.toml"), text).unwrap();
    }

    fn mllp(&self) -> String {
        format!("[mllp.ehr]\nlisten = \"127.0.0.1:{}\"\n", self.port)
    }

    fn run(&self) -> Command {
        let log = fs::File::options().create(true).append(true).open(self.path("log")).unwrap();
        let mut command = gurney();
        command.args(["run", "--config"]).arg(self.path("gurney.toml"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        command
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }
}

fn gurney() -> Command {
    Command::new(env!("CARGO_BIN_EXE_gurney"))
}

/// A child that is killed when the test ends, however it ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + LONG;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn connect(port: u16) -> TcpStream {
    let stream = until("a connection", || TcpStream::connect(("127.0.0.1", port)).ok());
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream
}

fn message(control_id: &str) -> String {
    format!("MSH|^~\\&|ZZEHR|ZZHOSP|||20261120||ADT^A08|{control_id}|P|2.5.1\rPID|1||77^^^ZZHOSP||ZZTEST^LIFE\r")
}

/// Sends one message and gives the acknowledgement.
fn exchange(stream: &mut (impl std::io::Read + std::io::Write), control_id: &str) -> String {
    let mut frame = Vec::new();
    mllp::encode(&mut frame, message(control_id).as_bytes());
    stream.write_all(&frame).unwrap();
    let mut decoder = Decoder::new(1 << 20);
    let mut buffer = [0; 4096];
    loop {
        if let Some(Event::Frame(answer)) = decoder.next() {
            return String::from_utf8(answer).unwrap();
        }
        let read = stream.read(&mut buffer).unwrap();
        assert!(read > 0, "closed without an answer");
        decoder.push(&buffer[..read]);
    }
}

#[test]
fn tells_systemd_when_it_is_ready_alive_and_stopping() {
    let site = Site::new();
    site.configure(&site.mllp(), &format!("http://127.0.0.1:{}/", free_port()), "");
    let socket = UnixDatagram::bind(site.path("notify")).unwrap();
    socket.set_read_timeout(Some(LONG)).unwrap();
    let mut command = site.run();
    command.env("NOTIFY_SOCKET", site.path("notify")).env("WATCHDOG_USEC", "300000").env_remove("WATCHDOG_PID");
    let mut running = Running(command.spawn().unwrap());
    let hear = |word: &str| {
        until(word, || {
            let mut buffer = [0; 4096];
            let read = socket.recv(&mut buffer).unwrap();
            String::from_utf8_lossy(&buffer[..read]).contains(word).then_some(())
        });
    };
    hear("READY=1");
    assert!(exchange(&mut connect(site.port), "1").contains("MSA|AA|1"));
    hear("WATCHDOG=1");
    hear("WATCHDOG=1");
    assert!(Command::new("kill").arg(running.0.id().to_string()).status().unwrap().success());
    hear("STOPPING=1");
    assert!(until("the end", || running.0.try_wait().unwrap()).success(), "{}", site.log());
}

#[test]
fn serves_a_socket_that_systemd_handed_over() {
    let Ok(version) = Command::new("systemd-socket-activate").arg("--version").output() else {
        writeln!(std::io::stderr(), "skipped: systemd-socket-activate is not installed").unwrap();
        return;
    };
    assert!(version.status.success());
    let site = Site::new();
    // The configured port is another one: what answers must be the socket that was handed over.
    site.configure(&site.mllp(), &format!("http://127.0.0.1:{}/", free_port()), "");
    let given = free_port();
    let mut command = Command::new("systemd-socket-activate");
    command.arg(format!("--listen=127.0.0.1:{given}")).arg("--fdname=ehr").arg(env!("CARGO_BIN_EXE_gurney"));
    command.args(["run", "--config"]).arg(site.path("gurney.toml"));
    let log = fs::File::create(site.path("log")).unwrap();
    let _running = Running(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap());
    assert!(exchange(&mut connect(given), "1").contains("MSA|AA|1"), "{}", site.log());
    assert!(TcpStream::connect(("127.0.0.1", site.port)).is_err());
}

/// An authority, and certificates it issues, as PEM files in a folder.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap() }
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        roots
    }

    /// Writes `ca.pem`, and `name.pem` with a certificate for 127.0.0.1 and its key.
    fn write(&self, folder: &Path, name: &str) {
        fs::write(folder.join("ca.pem"), self.issuer.pem()).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        fs::write(folder.join(format!("{name}.pem")), certificate.pem() + &key.serialize_pem()).unwrap();
    }
}

fn client(authority: &Authority, identity: Option<&Path>) -> Arc<ClientConfig> {
    rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
    let builder = ClientConfig::builder().with_root_certificates(authority.roots());
    Arc::new(match identity {
        None => builder.with_no_client_auth(),
        Some(path) => {
            use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
            let chain = CertificateDer::pem_file_iter(path).unwrap().filter_map(Result::ok).collect();
            builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(path).unwrap()).unwrap()
        }
    })
}

fn tls(port: u16, config: Arc<ClientConfig>) -> StreamOwned<ClientConnection, TcpStream> {
    let name = "127.0.0.1".try_into().unwrap();
    StreamOwned::new(ClientConnection::new(config, name).unwrap(), connect(port))
}

#[test]
fn lets_in_only_clients_whose_authority_it_knows() {
    let site = Site::new();
    let authority = Authority::new();
    authority.write(site.folder.path(), "server");
    authority.write(site.folder.path(), "client");
    let stranger = Authority::new();
    let elsewhere = tempfile::tempdir().unwrap();
    stranger.write(elsewhere.path(), "client");
    let (certificate, ca) = (site.path("server.pem"), site.path("ca.pem"));
    let links = format!("{}tls = {{ certificate = \"{certificate}\", client_ca = \"{ca}\" }}\n", site.mllp());
    site.configure(&links, &format!("http://127.0.0.1:{}/", free_port()), "");
    let _running = Running(site.run().spawn().unwrap());

    let known = client(&authority, Some(&site.folder.path().join("client.pem")));
    assert!(exchange(&mut tls(site.port, known), "1").contains("MSA|AA|1"), "{}", site.log());
    for refused in [client(&authority, None), client(&authority, Some(&elsewhere.path().join("client.pem")))] {
        let mut stream = tls(site.port, refused);
        let mut frame = Vec::new();
        mllp::encode(&mut frame, message("2").as_bytes());
        // The refusal may arrive while writing or while reading.
        let refusal = stream.write_all(&frame).and_then(|()| stream.read(&mut [0; 64]));
        assert!(refusal.is_err() || matches!(refusal, Ok(0)));
    }
    let mut plain = connect(site.port);
    plain.write_all(b"\x0bMSH|^~\\&|A|B|||1||ADT^A08|3|P|2.5\r\x1c\r").unwrap();
    let mut answer = Vec::new();
    plain.read_to_end(&mut answer).ok();
    assert!(!String::from_utf8_lossy(&answer).contains("MSA|AA"));
    assert!(site.log().contains("peer not let in"), "{}", site.log());
}

/// A platform behind TLS: answers 200 to every request and counts them. Ends with the test's process.
fn https_platform(folder: &Path) -> (SocketAddr, std::sync::mpsc::Receiver<String>) {
    use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
    rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
    let path = folder.join("server.pem");
    let chain = CertificateDer::pem_file_iter(&path).unwrap().filter_map(Result::ok).collect();
    let key = PrivateKeyDer::from_pem_file(&path).unwrap();
    let config = Arc::new(rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (told, requests) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(connection, stream.unwrap());
            let mut bytes = Vec::new();
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = stream.read(&mut buffer) {
                bytes.extend_from_slice(&buffer[..read]);
                let text = String::from_utf8_lossy(&bytes).into_owned();
                if text.contains("ZZTEST^LIFE") {
                    told.send(text).ok();
                    bytes.clear();
                    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
                }
            }
        }
    });
    (address, requests)
}

#[test]
fn delivers_over_https_to_the_authority_it_was_told_and_to_no_other() {
    let authority = Authority::new();
    let site = Site::new();
    authority.write(site.folder.path(), "server");
    let (address, requests) = https_platform(site.folder.path());
    let elsewhere = tempfile::tempdir().unwrap();
    Authority::new().write(elsewhere.path(), "server");
    fs::copy(elsewhere.path().join("ca.pem"), site.path("wrong.pem")).unwrap();

    site.configure(
        &site.mllp(),
        &format!("https://{address}/inbound"),
        &format!("tls = {{ ca = \"{}\" }}", site.path("wrong.pem")),
    );
    let running = Running(site.run().spawn().unwrap());
    assert!(exchange(&mut connect(site.port), "1").contains("MSA|AA|1"));
    assert!(requests.recv_timeout(Duration::from_millis(800)).is_err(), "delivered to a server it must not trust");
    drop(running);

    site.configure(
        &site.mllp(),
        &format!("https://{address}/inbound"),
        &format!("tls = {{ ca = \"{}\" }}", site.path("ca.pem")),
    );
    let _running = Running(site.run().spawn().unwrap());
    let request = requests.recv_timeout(LONG).unwrap();
    assert!(request.contains("idempotency-key: ") && request.contains(&message("1")), "{request}");
}

/// Sends bytes to the daemon on a terminal and gives the next acknowledgement.
async fn exchange_over(site: &Site, terminal: &Terminal, bytes: &[u8]) -> String {
    until("the daemon to open the port", || terminal.is_open().then_some(()));
    // Between opening it and making it raw, the terminal would eat the end of a frame.
    until("the port to be set", || {
        let log = site.log();
        let mut of_port = log.lines().filter(|line| line.contains("bedboard") && line.contains("link "));
        of_port.next_back().is_some_and(|line| line.contains("link up")).then_some(())
    });
    let session = terminal.session().unwrap();
    session.write_all(bytes).await.unwrap();
    let mut decoder = Decoder::new(1 << 20);
    let mut buffer = [0; 1024];
    loop {
        if let Some(Event::Frame(answer)) = decoder.next() {
            return String::from_utf8(answer).unwrap();
        }
        let read = tokio::time::timeout(LONG, session.read(&mut buffer)).await.unwrap().unwrap();
        decoder.push(&buffer[..read]);
    }
}

fn frame(control_id: &str) -> Vec<u8> {
    let mut frame = Vec::new();
    mllp::encode(&mut frame, message(control_id).as_bytes());
    frame
}

const SERIAL_FLOW: &str = "[flow.serial]\nfrom = \"bedboard\"\non = [\"*\"]\nto = \"platform\"\nmapping = \"raw\"\n\
     pattern = \"event\"\ntarget = \"5 s\"\nowner = \"Tests\"\nescalate = [\"tests\"]\n";

fn with_serial(site: &Site, port: &Path) -> String {
    let port = port.display();
    format!(
        "{}[serial.bedboard]\nport = \"{port}\"\nline = \"9600 8N1\"\nframing = \"mllp\"\n{SERIAL_FLOW}",
        site.mllp()
    )
}

#[test]
fn takes_messages_from_a_serial_port_and_knows_them_again_over_tcp() {
    let site = Site::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let link = site.folder.path().join("bedboard");
    site.configure(&with_serial(&site, &link), &format!("http://127.0.0.1:{}/", free_port()), "");
    let (over_serial, over_tcp) = runtime.block_on(async {
        let terminal = Terminal::open(&link).unwrap();
        let _running = Running(site.run().spawn().unwrap());
        let bytes = [b"noise before the first frame".as_slice(), &frame("1")].concat();
        let over_serial = exchange_over(&site, &terminal, &bytes).await;
        let port = site.port;
        let over_tcp = tokio::task::spawn_blocking(move || exchange(&mut connect(port), "1")).await.unwrap();
        (over_serial, over_tcp)
    });
    assert!(over_serial.contains("MSA|AA|1"));
    assert_eq!(over_serial, over_tcp, "the same message over another link gets the stored answer");
    assert!(site.log().contains("bytes without a frame"), "{}", site.log());
}

#[test]
fn opens_a_serial_port_again_by_its_name_when_the_cable_was_pulled_inside_a_frame() {
    let site = Site::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let link = site.folder.path().join("bedboard");
    site.configure(&with_serial(&site, &link), &format!("http://127.0.0.1:{}/", free_port()), "");
    runtime.block_on(async {
        let terminal = Terminal::open(&link).unwrap();
        let _running = Running(site.run().spawn().unwrap());
        assert!(exchange_over(&site, &terminal, &frame("1")).await.contains("MSA|AA|1"));
        let session = terminal.session().unwrap();
        session.write_all(&frame("2")[..40]).await.unwrap();
        drop(session);
        drop(terminal);
        until("the lost port to be told", || site.log().contains("link down").then_some(()));
        // The adapter comes back as another device under the same name.
        let terminal = Terminal::open(&link).unwrap();
        assert!(exchange_over(&site, &terminal, &frame("2")).await.contains("MSA|AA|2"));
        assert!(site.log().contains("link up again"), "{}", site.log());
    });
}

/// Tells the daemon to read its configuration again, as `systemctl reload` does.
fn reload(running: &Running) {
    let id = i32::try_from(running.0.id()).unwrap();
    kill_process(Pid::from_raw(id).unwrap(), Signal::HUP).unwrap();
}

fn times(log: &str, text: &str) -> usize {
    log.matches(text).count()
}

#[test]
fn reconfigures_a_serial_port_between_two_messages_and_loses_neither() {
    const TAKEN: &str = "the port took its changed settings";
    let site = Site::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let link = site.folder.path().join("bedboard");
    // Half a frame waits for its other half however slow this machine is.
    let links = with_serial(&site, &link).replace("framing", "gap = \"1 min\"\nframing");
    let url = format!("http://127.0.0.1:{}/", free_port());
    site.configure(&links, &url, "");
    runtime.block_on(async {
        let terminal = Terminal::open(&link).unwrap();
        let running = Running(site.run().spawn().unwrap());
        assert!(exchange_over(&site, &terminal, &frame("1")).await.contains("MSA|AA|1"));

        let (begin, end) = (&frame("2")[..40], &frame("2")[40..]);
        terminal.session().unwrap().write_all(begin).await.unwrap();
        site.configure(&links.replace("9600 8N1", "19200 8N1"), &url, "");
        reload(&running);
        until("the changed configuration", || (times(&site.log(), "configuration loaded") == 2).then_some(()));
        assert_eq!(times(&site.log(), TAKEN), 0, "a frame is under way");
        assert!(exchange_over(&site, &terminal, end).await.contains("MSA|AA|2"), "the frame that was under way");
        until("the port's settings", || (times(&site.log(), TAKEN) == 1).then_some(()));
        assert!(exchange_over(&site, &terminal, &frame("3")).await.contains("MSA|AA|3"));

        // With nothing under way they are taken at once; the port is not closed for it.
        site.configure(&links.replace("framing", "duplex = \"half\"\nframing"), &url, "");
        reload(&running);
        until("the port's settings", || (times(&site.log(), TAKEN) == 2).then_some(()));
        assert!(exchange_over(&site, &terminal, &frame("4")).await.contains("MSA|AA|4"));
        let log = site.log();
        assert!(!log.contains("link up again") && !log.contains("link down") && !log.contains("restart"), "{log}");
    });
}

#[test]
fn keeps_its_configuration_when_the_changed_one_is_faulty_and_names_what_needs_a_restart() {
    let site = Site::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let link = site.folder.path().join("bedboard");
    let links = with_serial(&site, &link);
    let url = format!("http://127.0.0.1:{}/", free_port());
    site.configure(&links, &url, "");
    runtime.block_on(async {
        let terminal = Terminal::open(&link).unwrap();
        let running = Running(site.run().spawn().unwrap());
        assert!(exchange_over(&site, &terminal, &frame("1")).await.contains("MSA|AA|1"));
        site.configure(&links.replace("9600 8N1", "9601 8N1"), &url, "");
        reload(&running);
        until("the refusal", || site.log().contains("configuration rejected").then_some(()));
        assert!(site.log().contains("`9601` is not a speed"), "{}", site.log());
        assert!(exchange_over(&site, &terminal, &frame("2")).await.contains("MSA|AA|2"));

        site.configure(&links, &url.replace("127.0.0.1", "127.0.0.2"), "");
        reload(&running);
        until("what waits", || site.log().contains("needs a restart").then_some(()));
        assert!(site.log().contains("a destination `platform`"), "{}", site.log());
        assert!(exchange_over(&site, &terminal, &frame("3")).await.contains("MSA|AA|3"));
        assert!(!site.log().contains("the port took"), "{}", site.log());
    });
}
