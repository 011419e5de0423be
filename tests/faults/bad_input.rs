//! Bad input at the running box: every case of the corpus, one after the other. Nothing that was not stored is acknowledged, a good
//! message behind each is taken, and nothing of a field gets where it does not belong.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Mutex,
    time::Instant,
};

use crate::{
    bad_hl7, injection,
    support::{
        daemon::{Daemon, Launch},
        load::platform,
        peer::{Ack, Peer, adt, framed},
        site::Site,
        verdict::Books,
    },
};

/// Acknowledgements heard, by the journal row that they name.
#[derive(Default)]
pub(crate) struct Heard {
    pub(crate) positive: BTreeMap<i64, Vec<u8>>,
    pub(crate) negative: usize,
}

impl Heard {
    /// Notes an answer, which is one MSH, one MSA and at most one ERR, with no control characters but its line ends.
    fn note(&mut self, case: &str, ack: &Ack) {
        let what = format!("{case}: {}", ack.bytes[..ack.bytes.len().min(500)].escape_ascii());
        let names: Vec<&[u8]> = ack.bytes.split(|byte| *byte == b'\r').filter_map(|line| line.get(..3)).collect();
        assert!(names == [b"MSH", b"MSA"] || names == [b"MSH", b"MSA", b"ERR"], "{what}");
        assert!(ack.bytes.iter().all(|byte| *byte == b'\r' || !byte.is_ascii_control()), "{what}");
        if !matches!(ack.code.as_str(), "AA" | "CA") {
            assert!(matches!(ack.code.as_str(), "AE" | "AR" | "CE" | "CR"), "{what}");
            self.negative += 1;
            return;
        }
        let separator = ack.bytes[3];
        let number = ack.bytes.split(|byte| *byte == separator).nth(9).expect(&what);
        let number = std::str::from_utf8(number).ok().and_then(|number| number.strip_prefix(['G', 'A'])).expect(&what);
        let echoed = ack.control_id.clone().into_bytes();
        self.positive.insert(number.parse().expect(&what), echoed);
    }

    /// Each positive one is of a message that lies in the journal, and that bears what was echoed.
    pub(crate) fn are_stored(&self, books: &Books) {
        let mut left = self.positive.clone();
        books.each_message(|id, raw| {
            if let Some(echoed) = left.remove(&id) {
                let plain: Vec<u8> =
                    raw.iter().map(|byte| if byte.is_ascii_control() { b' ' } else { *byte }).collect();
                let is_there = memchr::memmem::find(&plain, &echoed).is_some();
                // Text in another character set is echoed as text.
                assert!(is_there || !echoed.is_ascii(), "message {id}: {}", echoed.escape_ascii());
            }
        });
        assert!(left.is_empty(), "acknowledged and not stored (INV-01): {left:?}");
    }
}

/// Sends one case and a good message behind it.
async fn throw(peer: &mut Peer, site: &Site, (name, bytes): (&str, &[u8]), good: &str, heard: &mut Heard) {
    // Where the connection has ended, the next write or answer says so.
    peer.try_write(&framed(bytes)).await.ok();
    follow(peer, site, name, good, heard).await;
}

/// Sends a good message behind a case, over a new connection where this one has ended; notes what is answered to both.
pub(crate) async fn follow(peer: &mut Peer, site: &Site, name: &str, good: &str, heard: &mut Heard) {
    if peer.try_write(&framed(&adt(good, "ZZ1"))).await.is_ok() {
        while let Some(ack) = peer.answer().await {
            if ack.control_id == good {
                assert_eq!(ack.code, "AA", "{name}: the good message behind it");
                return heard.note(name, &ack);
            }
            heard.note(name, &ack);
        }
    }
    *peer = Peer::connect(site.mllp()).await;
    let ack = peer.exchange(&adt(good, "ZZ1")).await;
    assert_eq!((ack.code.as_str(), ack.control_id.as_str()), ("AA", good), "{name}: the good message behind it");
    heard.note(name, &ack);
}

/// An HTTP server that keeps the heads of requests as they came.
struct Heads {
    listener: std::net::SocketAddr,
    heads: Arc<Mutex<Vec<Vec<u8>>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Heads {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&heads);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn(Self::serve(stream, Arc::clone(&kept)));
            }
        });
        Self { listener: address, heads, task }
    }

    async fn serve(mut stream: TcpStream, heads: Arc<Mutex<Vec<Vec<u8>>>>) {
        let mut bytes = Vec::new();
        loop {
            let head = loop {
                if let Some(end) = memchr::memmem::find(&bytes, b"\r\n\r\n") {
                    break bytes.drain(..end + 4).collect::<Vec<u8>>();
                }
                if !matches!(stream.read_buf(&mut bytes).await, Ok(1..)) {
                    return;
                }
            };
            let text = String::from_utf8(head.clone()).unwrap().to_ascii_lowercase();
            let length: usize =
                text.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
            while bytes.len() < length {
                if !matches!(stream.read_buf(&mut bytes).await, Ok(1..)) {
                    return;
                }
            }
            bytes.drain(..length);
            heads.lock().await.push(head);
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.ok();
        }
    }
}

impl Drop for Heads {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Class E at the running box: acknowledgements are whole, and headers, file names, listings, metrics and log lines hold nothing of
/// what stood in a field.
#[tokio::test]
async fn lets_nothing_out_of_a_field() {
    let heads = Heads::start().await;
    let folder = tempfile::tempdir().unwrap();
    let copy = format!(
        "[folder.out]\npath = \"{}\"\n[flow.copy]\nfrom = \"ehr\"\non = [\"*\"]\nto = \"out\"\nmapping = \"raw\"\n\
         pattern = \"event\"\ntarget = \"5 s\"\nowner = \"desk\"\nescalate = [\"desk\"]",
        folder.path().display()
    );
    let site = Site::new(heads.listener).link("profile = \"transport-minimum@1\"").with(&copy);
    let mut daemon = Daemon::start(&site).await;
    let mut peer = Peer::connect(site.mllp()).await;
    let mut heard = Heard::default();
    let cases = injection::cases();
    for (number, case) in cases.iter().enumerate() {
        throw(&mut peer, &site, (&case.name, &case.bytes), &format!("FINE-{number}"), &mut heard).await;
    }
    assert!(heard.positive.len() > cases.len() && heard.negative > 0, "{} {}", heard.positive.len(), heard.negative);
    daemon.until("everything is delivered", |metrics| metrics.waiting() == 0).await;

    let heads_kept = heads.heads.lock().await.clone();
    assert!(heads_kept.len() > cases.len());
    for head in heads_kept {
        let text = String::from_utf8(head).unwrap();
        assert!(!text.contains(injection::CANARY), "{text}");
        let mut lines = text.trim_end().split("\r\n");
        assert_eq!(lines.next(), Some("POST /inbound HTTP/1.1"), "{text}");
        let mut names: Vec<String> =
            lines.map(|line| line.split_once(": ").expect(&text).0.to_ascii_lowercase()).collect();
        names.sort();
        names.retain(|name| !matches!(name.as_str(), "accept" | "accept-encoding" | "user-agent" | "connection"));
        let expected = [
            "content-length",
            "content-type",
            "host",
            "idempotency-key",
            "traceparent",
            "x-gurney-flow",
            "x-gurney-message",
        ];
        assert_eq!(names, expected, "{text}");
        assert!(!text.replace("\r\n", "").contains(char::is_control), "{text}");
    }
    let mut files = 0;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let number = name.strip_prefix("copy-").and_then(|rest| rest.strip_suffix(".hl7")).expect(&name);
        assert!(number.bytes().all(|byte| byte.is_ascii_digit()), "{name}");
        files += 1;
    }
    assert!(files > cases.len(), "{files}");
    for listing in
        [&["held", "list", "--limit", "1000"][..], &["messages", "list", "--limit", "1000"], &["status"], &["flows"]]
    {
        for form in [&[][..], &["--json"]] {
            let listed = site.ask(&[listing, form].concat());
            assert!(!listed.contains(injection::CANARY), "{listing:?}: {listed}");
            assert!(!listed.chars().any(|one| one.is_control() && one != '\n'), "{listing:?}: {listed:?}");
        }
    }
    assert!(!daemon.metrics_text().await.contains(injection::CANARY));
    assert_eq!(daemon.terminate().await.code(), Some(0));
    let log = site.log();
    assert!(!log.contains(injection::CANARY) && !log.contains("INFO stopped reason"), "{log}");
    let books = Books::open(&site, site.store());
    books.balance();
    heard.are_stored(&books);
}

/// Memory that bad input may take beyond what the box has without it.
pub(crate) const EXTRA_KIB_MAX: u64 = 64 << 10;
/// Generous: a bound against work that grows out of hand, in an unoptimised build on a busy machine. A hundred thousand messages
/// in one frame are each stored and answered.
pub(crate) const HANG: Duration = Duration::from_secs(60);

/// Classes B, C, D and H at the running box: it stays up, takes a good message behind each, and takes little memory.
#[tokio::test]
async fn survives_every_bad_input_and_acknowledges_only_what_it_stored() {
    let platform = platform().await;
    let site = Site::new(platform.address()).store_limit("4 GB");
    let mut daemon = Daemon::launch(&site, &Launch::as_unit()).await;
    let mut peer = Peer::connect(site.mllp()).await;
    let mut heard = Heard::default();
    // The store's page cache is filled by any traffic.
    for number in 0..200 {
        let large = [adt(&format!("WARM-{number}"), "ZZ1"), vec![b'N'; 100_000], b"\r".to_vec()].concat();
        assert_eq!(peer.exchange(&large).await.code, "AA");
    }
    daemon.until("delivered", |metrics| metrics.waiting() == 0).await;
    let before = daemon.resident_kib();
    let (mut counts, mut slow, mut highest) = (BTreeMap::<char, usize>::new(), Vec::new(), 0);
    for (number, case) in bad_hl7::cases().iter().enumerate() {
        let bytes = case.bytes();
        let began = Instant::now();
        throw(&mut peer, &site, (&case.name, &bytes), &format!("FINE-{number}"), &mut heard).await;
        let took = began.elapsed();
        assert!(daemon.runs(), "{}\n{}", case.name, site.log());
        assert!(took < HANG, "{} took {took:?}", case.name);
        if took > Duration::from_secs(1) {
            slow.push((case.name.clone(), took));
        }
        if daemon.peak_kib() > highest {
            highest = daemon.peak_kib();
            let extra = highest.saturating_sub(before);
            assert!(extra <= EXTRA_KIB_MAX, "{}: {extra} KiB more than before", case.name);
        }
        *counts.entry(case.class()).or_default() += 1;
    }
    eprintln!(
        "{counts:?}, {} positive answers, {} negative, {} KiB extra at most, over a second: {slow:?}",
        heard.positive.len(),
        heard.negative,
        highest.saturating_sub(before)
    );
    for (class, least) in [('B', 60), ('C', 200), ('D', 250), ('H', 60)] {
        assert!(counts.get(&class).is_some_and(|count| *count >= least), "{class}: {counts:?}");
    }
    daemon.until("everything is delivered", |metrics| metrics.waiting() == 0).await;
    assert_eq!(daemon.terminate().await.code(), Some(0), "{}", site.log());
    let books = Books::open(&site, site.store());
    books.balance();
    heard.are_stored(&books);
}
