//! HL7 over HTTP as a source: what senders hear, what is refused before it can be misread, and that a crash costs nothing.

use std::{fs, net::SocketAddr, sync::Arc};

use gurney::sim::platform::{Control, Fault, Platform, Step};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::support::{
    daemon::{Daemon, Launch},
    load::{platform, random, rounds},
    peer::adt,
    site::Site,
    verdict::{Books, drained},
    wait::{until, within},
};

/// A site with a listener for HTTP.
struct Posted {
    site: Site,
    platform: Platform,
}

const PORT: u16 = 6663;

impl Posted {
    async fn new(keys: &str) -> Self {
        let platform = platform().await;
        let site = Site::new(platform.address());
        let tables = format!(
            "[http_in.portal]\nlisten = \"{}\"\n{keys}\n[flow.portal]\nfrom = \"portal\"\n\
             on = [\"*\"]\nto = \"platform\"\nmapping = \"raw\"\npattern = \"event\"\ntarget = \"5 s\"\n\
             owner = \"Integration desk\"\nescalate = [\"integration-desk\"]",
            address(&site)
        );
        Self { site: site.with(&tables), platform }
    }

    async fn connect(&self) -> Client<TcpStream> {
        Client::new(TcpStream::connect(address(&self.site)).await.unwrap())
    }
}

fn address(site: &Site) -> SocketAddr {
    SocketAddr::new(site.mllp().ip(), PORT)
}

/// One connection.
struct Client<S> {
    stream: S,
    unread: Vec<u8>,
}

/// What came back.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    fn new(stream: S) -> Self {
        Self { stream, unread: Vec::new() }
    }

    /// Writes; the other side may be gone already.
    async fn write(&mut self, bytes: &[u8]) {
        within("the listener takes bytes", self.stream.write_all(bytes)).await.ok();
    }

    /// The next answer; `None` when the connection ended first.
    async fn answer(&mut self) -> Option<Answer> {
        within("an answer, or the end of the connection", async {
            loop {
                if let Some(answer) = self.complete() {
                    return Some(answer);
                }
                let mut buffer = [0; 4096];
                match self.stream.read(&mut buffer).await {
                    Ok(0) | Err(_) => return None,
                    Ok(read) => self.unread.extend_from_slice(&buffer[..read]),
                }
            }
        })
        .await
    }

    fn complete(&mut self) -> Option<Answer> {
        let text = String::from_utf8_lossy(&self.unread).into_owned();
        let (head, rest) = text.split_once("\r\n\r\n")?;
        let mut answer =
            Answer { status: head.split(' ').nth(1)?.parse().unwrap(), head: head.to_owned(), body: String::new() };
        let length: usize = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        answer.body = rest.get(..length)?.to_owned();
        self.unread.drain(..head.len() + 4 + length);
        Some(answer)
    }

    async fn post(&mut self, content: &str, body: &[u8]) -> Option<Answer> {
        self.write(&request(content, "", body)).await;
        self.answer().await
    }
}

const HL7: &str = "application/hl7-v2; charset=utf-8";

fn request(content: &str, more: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST /hl7 HTTP/1.1\r\nHost: gateway.example\r\nContent-Type: {content}\r\n{more}Content-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

#[tokio::test]
async fn answers_with_the_acknowledgement_and_keeps_the_connection() {
    let posted = Posted::new("versions = [\"2.5.1\"]\ncontent = \"any\"").await;
    let daemon = Daemon::start(&posted.site).await;
    let mut client = posted.connect().await;
    let first = client.post(HL7, &adt("HTTP-1", "ZZ1")).await.unwrap();
    assert_eq!((first.status, first.header("content-type")), (200, Some(HL7)));
    assert!(first.body.starts_with("MSH|^~\\&|") && first.body.contains("\rMSA|AA|HTTP-1"), "{}", first.body);

    // A reject is an answer as good as any (2.6 of the specification).
    let other = String::from_utf8(adt("HTTP-2", "ZZ1")).unwrap().replace("|2.5.1\r", "|2.3\r");
    let second = client.post("x-application/hl7-v2+er7", other.as_bytes()).await.unwrap();
    assert_eq!((second.status, second.header("content-type")), (200, Some("x-application/hl7-v2+er7")));
    assert!(second.body.contains("MSA|AR|HTTP-2"), "{}", second.body);

    // In chunks, and asked first whether to send it.
    let body = adt("HTTP-3", "ZZ1");
    let (one, two) = body.split_at(50);
    client
        .write(b"POST /hl7 HTTP/1.1\r\nHost: g\r\nContent-Type: text/plain\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await;
    assert_eq!(client.answer().await.unwrap().status, 100);
    for chunk in [one, two, b""] {
        client.write(&[format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat()).await;
    }
    let third = client.answer().await.unwrap();
    assert!(third.status == 200 && third.body.contains("MSA|AA|HTTP-3"), "{third:?}");

    // Two at once are answered in their order.
    let two = [request(HL7, "", &adt("HTTP-4", "ZZ1")), request(HL7, "", &adt("HTTP-5", "ZZ1"))].concat();
    client.write(&two).await;
    for id in ["HTTP-4", "HTTP-5"] {
        assert!(client.answer().await.unwrap().body.contains(&format!("MSA|AA|{id}")));
    }

    // A message that asks for no acknowledgement, and a batch with two of them.
    let silent = String::from_utf8(adt("HTTP-6", "ZZ1")).unwrap().replace("|2.5.1\r", "|2.5.1|||NE|NE\r");
    assert_eq!(client.post(HL7, silent.as_bytes()).await.unwrap().status, 204);
    let batch = [b"BHS|^~\\&\r".to_vec(), adt("HTTP-7", "ZZ1"), adt("HTTP-8", "ZZ1"), b"BTS|2\r".to_vec()].concat();
    let both = client.post(HL7, &batch).await.unwrap().body;
    assert!(both.contains("MSA|AA|HTTP-7") && both.contains("MSA|AA|HTTP-8"), "{both}");

    let metrics = daemon.metrics().await;
    assert_eq!(metrics.sum("gurney_interface_connections", &["interface=\"portal\""]), 1);
    let ids = [1, 3, 4, 5, 6, 7, 8].map(|number| format!("HTTP-{number}"));
    drained(&posted.site, daemon, &ids, &posted.platform).await;
}

#[tokio::test]
async fn refuses_in_the_words_of_http_what_is_no_message() {
    let posted = Posted::new("frame_max = \"2 KiB\"\nframe_timeout = \"1 s\"").await;
    let daemon = Daemon::start(&posted.site).await;
    let message = adt("FAULT-1", "ZZ1");
    let good = |more: &str| String::from_utf8(request(HL7, more, &message)).unwrap();
    let umlaut = String::from_utf8(message.clone()).unwrap().replace("PERSON", "ZZPERS\u{d6}N");
    let wrong_charset =
        |charset: &str| request(&format!("application/hl7-v2; charset={charset}"), "", umlaut.as_bytes());
    for (name, bytes, status) in [
        ("GET", b"GET /hl7 HTTP/1.1\r\nHost: g\r\n\r\n".to_vec(), 405),
        ("PUT", good("").replace("POST", "PUT").into_bytes(), 405),
        ("another path", good("").replace("/hl7", "/hl7/").into_bytes(), 404),
        ("no type", good("").replace("Content-Type", "X-Type").into_bytes(), 415),
        ("text", good("").replace("application/hl7-v2", "text/plain").into_bytes(), 415),
        ("XML", good("").replace("application/hl7-v2", "application/hl7-v2+xml").into_bytes(), 415),
        ("compressed", good("Content-Encoding: gzip\r\n").into_bytes(), 415),
        ("a charset nobody knows", wrong_charset("klingon"), 415),
        ("another charset than it is read in", wrong_charset("iso-8859-2"), 415),
        ("no length", b"POST /hl7 HTTP/1.1\r\nHost: g\r\nContent-Type: application/hl7-v2\r\n\r\n".to_vec(), 411),
        ("no message", request(HL7, "", b"ZZTEST was here"), 400),
        ("an empty body", request(HL7, "", b""), 400),
        ("too large", request(HL7, "", &[message.clone(), vec![b'x'; 4000]].concat()), 413),
        ("not all of it", good("").replace("Content-Length: ", "Content-Length: 1").into_bytes(), 408),
    ] {
        let mut client = posted.connect().await;
        client.write(&bytes).await;
        let answer = client.answer().await.unwrap_or_else(|| panic!("{name}: no answer"));
        assert_eq!(answer.status, status, "{name}: {answer:?}");
        assert!(answer.body.starts_with("not stored: ") && !answer.body.contains("ZZTEST"), "{name}: {answer:?}");
        assert_eq!(answer.header("allow").is_some(), status == 405, "{name}");
    }
    // Too large in chunks, which nobody announced.
    let mut client = posted.connect().await;
    client.write(b"POST /hl7 HTTP/1.1\r\nHost: g\r\nContent-Type: application/hl7-v2\r\nTransfer-Encoding: chunked\r\n\r\n1000\r\n").await;
    client.write(&[b'x'; 4096]).await;
    assert_eq!(client.answer().await.unwrap().status, 413);
    // The same message with the right charset is good.
    let mut client = posted.connect().await;
    assert_eq!(client.post(HL7, umlaut.as_bytes()).await.unwrap().status, 200);
    assert!(
        daemon.metrics().await.sum("gurney_interface_frame_errors_total", &["kind=\"oversize\"", "\"portal\""]) == 2
    );
    drained(&posted.site, daemon, &["FAULT-1".to_owned()], &posted.platform).await;
    assert_eq!(Books::open(&posted.site, posted.site.store()).number("SELECT count(*) FROM journal"), 1);
}

/// What two readers could take for different requests is taken for none, and ends the connection.
#[tokio::test]
async fn refuses_every_request_whose_end_is_in_doubt() {
    let posted = Posted::new("").await;
    let daemon = Daemon::start(&posted.site).await;
    let message = adt("SMUGGLE-1", "ZZ1");
    let hidden = String::from_utf8(request(HL7, "", &adt("SMUGGLE-2", "ZZ1"))).unwrap();
    let chunked = format!("{:x}\r\n{}\r\n0\r\n\r\n", message.len(), String::from_utf8_lossy(&message));
    let length = message.len();
    let head = |lines: &str| format!("POST /hl7 HTTP/1.1\r\nHost: g\r\nContent-Type: {HL7}\r\n{lines}\r\n");
    let text = String::from_utf8(message.clone()).unwrap();
    for (name, bytes) in [
        ("length and chunks", head(&format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n")) + &chunked),
        ("chunks and length", head("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n") + &chunked),
        ("two lengths", head(&format!("Content-Length: {length}\r\nContent-Length: 4\r\n")) + &text),
        ("the same length twice", head(&format!("Content-Length: {length}\r\nContent-Length: {length}\r\n")) + &text),
        ("a list of lengths", head(&format!("Content-Length: {length}, {length}\r\n")) + &text),
        ("a length with a sign", head(&format!("Content-Length: +{length}\r\n")) + &text),
        ("a negative length", head("Content-Length: -1\r\n") + &text),
        ("a length in hex", head("Content-Length: 0x20\r\n") + &text),
        ("a length beyond numbers", head("Content-Length: 99999999999999999999999\r\n") + &text),
        ("two transfer codings", head("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n") + &chunked),
        ("a list of codings", head("Transfer-Encoding: gzip, chunked\r\n") + &chunked),
        ("an unknown coding", head("Transfer-Encoding: xchunked\r\n") + &chunked),
        ("identity", head("Transfer-Encoding: identity\r\n") + &text),
        ("a blank before the colon", head("Transfer-Encoding : chunked\r\n") + &chunked),
        ("a folded line", head(&format!("X: y\r\n Content-Length: {length}\r\n")) + &text),
        ("chunks in HTTP/1.0", head("Transfer-Encoding: chunked\r\n").replace("HTTP/1.1", "HTTP/1.0") + &chunked),
        ("no length in HTTP/1.0", head("").replace("HTTP/1.1", "HTTP/1.0") + &text),
        ("no host", head(&format!("Content-Length: {length}\r\n")).replace("Host: g\r\n", "") + &text),
        ("two hosts", head(&format!("Host: h\r\nContent-Length: {length}\r\n")) + &text),
        ("a chunk without a size", head("Transfer-Encoding: chunked\r\n") + "\r\n" + &text),
        ("a chunk beyond numbers", head("Transfer-Encoding: chunked\r\n") + "fffffffffffffffff\r\n" + &text),
        ("a chunk with a sign", head("Transfer-Encoding: chunked\r\n") + "-1\r\n" + &text),
        ("a chunk longer than its size", head("Transfer-Encoding: chunked\r\n") + "4\r\n" + &text + "\r\n0\r\n\r\n"),
        ("no HTTP at all", text.clone() + "\r\n\r\n"),
    ] {
        let mut client = posted.connect().await;
        client.write((bytes + &hidden).as_bytes()).await;
        let answer = client.answer().await;
        assert!(answer.as_ref().is_none_or(|answer| answer.status == 400), "{name}: {answer:?}");
        let next = client.answer().await;
        assert!(next.is_none(), "{name}: {next:?}");
    }
    // Fields beyond the bounds, and heads beyond them.
    for head in ["X-Filler: y\r\n".repeat(200), format!("X-Filler: {}\r\n", "y".repeat(200_000))] {
        let mut client = posted.connect().await;
        client.write(&request(HL7, &head, &message)).await;
        assert!(client.answer().await.is_none_or(|answer| (400..500).contains(&answer.status)));
    }
    drained(&posted.site, daemon, &[], &posted.platform).await;
    assert_eq!(Books::open(&posted.site, posted.site.store()).number("SELECT count(*) FROM journal"), 0);
}

#[tokio::test]
async fn lets_in_only_requests_that_bear_the_token() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = folder.path().join("tokens");
    fs::write(&tokens, "invented-token-of-tests-1\ninvented-token-of-tests-2\n").unwrap();
    let posted = Posted::new(&format!("bearer = \"{}\"", tokens.display())).await;
    let daemon = Daemon::start(&posted.site).await;
    let mut ids = Vec::new();
    for (number, (authorization, status)) in [
        ("", 401),
        ("Authorization: Bearer invented-token-of-tests-3\r\n", 401),
        ("Authorization: Bearer invented-token-of-tests-\r\n", 401),
        ("Authorization: Basic aW52ZW50ZWQ6dG9rZW4=\r\n", 401),
        ("Authorization: Bearer invented-token-of-tests-1\r\n", 200),
        ("authorization: bearer invented-token-of-tests-2\r\n", 200),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("TOKEN-{number}");
        let mut client = posted.connect().await;
        client.write(&request(HL7, authorization, &adt(&id, "ZZ1"))).await;
        let answer = client.answer().await.unwrap();
        assert_eq!(answer.status, status, "{authorization:?}: {answer:?}");
        assert_eq!(answer.header("www-authenticate"), (status == 401).then_some("Bearer"));
        ids.extend((status == 200).then_some(id));
    }
    assert_eq!(daemon.metrics().await.refused("bearer"), 4);
    assert!(!posted.site.log().contains("invented-token"), "{}", posted.site.log());
    drained(&posted.site, daemon, &ids, &posted.platform).await;
}

#[tokio::test]
async fn ends_connections_that_are_slow_or_silent() {
    let posted = Posted::new("idle_timeout = \"1 s\"").await;
    let daemon = Daemon::start(&posted.site).await;
    let mut silent = posted.connect().await;
    let mut slow = posted.connect().await;
    let mut slow_again = posted.connect().await;
    let mut idle = posted.connect().await;
    slow.write(b"POST /hl7 HTTP/1.1\r\nHost: g").await;
    let good = request(HL7, "", &adt("SLOW-1", "ZZ1"));
    slow_again.write(&[good.as_slice(), b"POST /hl7 HTTP/1.1\r\nHost: g"].concat()).await;
    idle.write(&request(HL7, "", &adt("SLOW-2", "ZZ1"))).await;
    assert_eq!(slow_again.answer().await.unwrap().status, 200);
    assert_eq!(idle.answer().await.unwrap().status, 200);
    for client in [&mut idle, &mut silent, &mut slow, &mut slow_again] {
        assert!(client.answer().await.is_none_or(|answer| answer.status == 408));
        assert!(client.answer().await.is_none());
    }
    daemon
        .until("all connections are gone", |metrics| {
            metrics.sum("gurney_interface_connections", &["interface=\"portal\""]) == 0
        })
        .await;
    drained(&posted.site, daemon, &["SLOW-1".to_owned(), "SLOW-2".to_owned()], &posted.platform).await;
}

/// A sender that repeats what was not answered, through crashes at each step, has every message delivered once.
#[tokio::test]
async fn loses_and_repeats_nothing_through_crashes() {
    let mut random = random("http");
    let posted = Posted::new("").await;
    let mut number = 0;
    for point in ["frame-received", "commit-before", "commit-after", "commit-answered"] {
        for _ in 0..rounds(3, 30) {
            let launch = Launch::failing(&format!("{point}={}*off->panic", random.below(6)));
            let mut daemon = Daemon::launch(&posted.site, &launch).await;
            let mut client = posted.connect().await;
            loop {
                number += 1;
                let answer = client.post(HL7, &adt(&format!("CRASH-{number}"), "ZZ1")).await;
                let Some(answer) = answer else { break };
                assert_eq!(answer.status, 200, "{answer:?}");
            }
            // What was not answered is sent again.
            number -= 1;
            assert_eq!(daemon.ended().await.code(), None, "{point}: {}", posted.site.log());
        }
    }
    let daemon = Daemon::start(&posted.site).await;
    let mut client = posted.connect().await;
    let ids: Vec<_> = (1..=number + 1).map(|number| format!("CRASH-{number}")).collect();
    let last = client.post(HL7, &adt(ids.last().unwrap(), "ZZ1")).await.unwrap();
    assert!(last.status == 200 && last.body.contains("MSA|AA"), "{last:?}");
    drained(&posted.site, daemon, &ids, &posted.platform).await;
}

#[tokio::test]
async fn answers_what_is_under_way_when_it_stops() {
    let posted = Posted::new("ack_after = \"delivered\"\nack_wait = \"30 s\"").await;
    let mut daemon = Daemon::start(&posted.site).await;
    posted.platform.control(Control::script([Step::from(Fault::Down)]));
    let (mut idle, mut waiting) = (posted.connect().await, posted.connect().await);
    assert!(idle.post("application/json", b"{}").await.is_some());
    let mut idle = posted.connect().await;
    waiting.write(&request(HL7, "", &adt("STOP-1", "ZZ1"))).await;
    until("it is delivered in vain", async || (daemon.metrics().await.waiting() == 1).then_some(())).await;
    assert_eq!(daemon.terminate().await.code(), Some(0), "{}", posted.site.log());
    let answer = waiting.answer().await.unwrap();
    assert_eq!((answer.status, answer.header("connection")), (504, Some("close")), "{answer:?}");
    assert!(answer.header("retry-after").is_some());
    assert!(idle.answer().await.is_none());
}

/// A store that takes nothing is no fault of the message: its sender is told to come again.
#[tokio::test]
async fn asks_senders_to_come_again_while_nothing_can_be_stored() {
    let posted = Posted::new("frame_timeout = \"30 s\"").await;
    let daemon = Daemon::start(&posted.site).await;
    posted.platform.control(Control::script([Step::from(Fault::Down)]));
    let mut taken = 0;
    let refused = loop {
        let body = [adt(&format!("FULL-{taken}"), "ZZ1"), b"NTE|1||".to_vec(), vec![b'x'; 12 << 20], b"\r".to_vec()];
        let answer = posted.connect().await.post(HL7, &body.concat()).await.unwrap();
        if answer.status != 200 {
            break answer;
        }
        taken += 1;
        assert!(taken < 10, "a store of 64 MB takes no end of messages");
    };
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("5")), "{refused:?}");
    drop(daemon);
}

/// A certificate authority of the test, and a server and a client that it knows.
fn identities(folder: &std::path::Path) -> (Arc<ClientConfig>, Arc<ClientConfig>) {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let authority = params.self_signed(&key).unwrap();
    fs::write(folder.join("ca.pem"), authority.pem()).unwrap();
    let issuer = Issuer::new(params, key);
    for name in ["server", "client"] {
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(vec!["gateway.example".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        fs::write(folder.join(format!("{name}.pem")), certificate.pem() + &key.serialize_pem()).unwrap();
    }
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let builder = || ClientConfig::builder().with_root_certificates(roots.clone());
    let path = folder.join("client.pem");
    let chain = CertificateDer::pem_file_iter(&path).unwrap().filter_map(Result::ok).collect();
    let known = builder().with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(&path).unwrap()).unwrap();
    (Arc::new(known), Arc::new(builder().with_no_client_auth()))
}

#[tokio::test]
async fn lets_in_only_clients_whose_authority_it_knows_over_https() {
    let folder = tempfile::tempdir().unwrap();
    let (known, stranger) = identities(folder.path());
    let at = folder.path().display();
    let keys = format!("tls = {{ certificate = \"{at}/server.pem\", client_ca = \"{at}/ca.pem\" }}");
    let posted = Posted::new(&keys).await;
    let daemon = Daemon::start(&posted.site).await;
    let connect = async |config: Arc<ClientConfig>| {
        let stream = TcpStream::connect(address(&posted.site)).await.unwrap();
        let name = "gateway.example".try_into().unwrap();
        tokio_rustls::TlsConnector::from(config).connect(name, stream).await
    };
    let mut client = Client::new(connect(known).await.unwrap());
    for number in 1..=2 {
        let answer = client.post(HL7, &adt(&format!("TLS-{number}"), "ZZ1")).await.unwrap();
        assert!(answer.status == 200 && answer.body.contains("MSA|AA"), "{answer:?}");
    }
    // TLS 1.3 tells a client of its refusal with the first bytes.
    if let Ok(stream) = connect(stranger).await {
        assert!(Client::new(stream).post(HL7, &adt("TLS-3", "ZZ1")).await.is_none());
    }
    let mut plain = posted.connect().await;
    assert!(plain.post(HL7, &adt("TLS-4", "ZZ1")).await.is_none());
    daemon.until("both are counted", |metrics| metrics.refused("tls") == 2).await;
    drained(&posted.site, daemon, &["TLS-1".to_owned(), "TLS-2".to_owned()], &posted.platform).await;
}
