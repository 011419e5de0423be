//! Deliveries over MLLP: nothing but the acknowledgement of this very message, in time and readable, ends its delivery (F42).

use std::{collections::HashMap, fs, sync::Arc, time::Duration};

use gurney::sim::ehr::EhrOptions;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{RootCertStore, ServerConfig, server::WebPkiClientVerifier};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use tokio::{net::TcpListener, time::sleep};
use tokio_rustls::TlsAcceptor;

use crate::support::{
    daemon::Daemon,
    load::{acknowledged_beyond, random, rounds, sender},
    peer::{Peer, adt},
    receiver::{Do, Receiver},
    site::Site,
    verdict::Books,
    wait::until_so,
};

const RETRY: &str = "retry = { first = \"20 ms\", at_most = \"100 ms\" }\ntimeout = \"1 s\"";

/// A site that delivers to `receiver`, with further keys of the destination.
fn site(receiver: &Receiver, keys: &str) -> Site {
    Site::new(receiver.address())
        .delivering(&format!("[mllp.platform]\nconnect = \"{}\"", receiver.address()))
        .destination(&format!("{RETRY}\n{keys}"))
}

/// Sends messages of one patient and gives their control ids.
async fn send(site: &Site, name: &str, count: u32) -> Vec<String> {
    let mut peer = Peer::connect(site.mllp()).await;
    let mut ids = Vec::new();
    for number in 1..=count {
        let id = format!("{name}-{number}");
        assert_eq!(peer.exchange(&adt(&id, "ZZ1")).await.code, "AA");
        ids.push(id);
    }
    ids
}

/// Waits until nothing waits any more, stops the daemon and gives its books, which balance.
async fn done(site: &Site, mut daemon: Daemon) -> Books {
    daemon.until("nothing waits", |metrics| metrics.waiting() == 0).await;
    let status = daemon.terminate().await;
    assert_eq!(status.code(), Some(0), "{}", site.log());
    let books = Books::open(site, site.store());
    books.balance();
    books
}

fn pairs(expected: &[(usize, &str)]) -> Vec<(usize, String)> {
    expected.iter().map(|(connection, id)| (*connection, (*id).to_owned())).collect()
}

#[tokio::test]
async fn delivers_over_one_kept_connection_byte_for_byte() {
    let receiver = Receiver::start().await;
    let site = site(&receiver, "");
    let daemon = Daemon::start(&site).await;
    send(&site, "GOOD", 20).await;
    let books = done(&site, daemon).await;
    let taken = receiver.taken();
    assert!(taken.iter().map(|taken| taken.bytes.clone()).eq((1..=20).map(|n| adt(&format!("GOOD-{n}"), "ZZ1"))));
    assert!(taken.iter().all(|taken| taken.connection == 1), "{:?}", receiver.came());
    assert_eq!((books.tally("delivered"), books.tally("dead_letter")), (20, 0));
}

/// What is no acknowledgement of the message that is outstanding ends its delivery in no case: the connection is closed, and the
/// same bytes come again on another one.
#[tokio::test]
async fn takes_nothing_else_for_the_acknowledgement_of_a_message() {
    for (what, step, result) in [
        ("an acknowledgement of another message", Do::For("ODD-0"), "retry"),
        ("one without MSA-2", Do::For(""), "retry"),
        ("one whose MSA-2 is cut short", Do::For("ODD-"), "retry"),
        ("one whose MSA-2 is too long", Do::For("ODD-11"), "retry"),
        ("a code that is none", Do::Code("OK"), "retry"),
        ("no code", Do::Code(""), "retry"),
        ("a commit block of MLLP release 2", Do::Say(b"\x06"), "timeout"),
        ("a single byte", Do::Say(b"A"), "retry"),
        ("text", Do::Say(b"received, thanks"), "retry"),
        ("an MSH that ends early", Do::Say(b"MSH"), "retry"),
        ("an MSA without MSH", Do::Say(b"MSA|AA|ODD-1\r"), "retry"),
        ("nothing", Do::Silence, "timeout"),
        ("a message of its own", Do::Say(b"MSH|^~\\&|ZZLAB|||||| ORU^R01|1|T|2.5\rPID|1\r"), "timeout"),
        ("the end of the connection", Do::Close, "unreachable"),
    ] {
        let receiver = Receiver::start().await;
        let site = site(&receiver, "");
        let daemon = Daemon::start(&site).await;
        receiver.script([step]);
        send(&site, "ODD", 2).await;
        daemon.until(what, |metrics| metrics.waiting() == 0).await;
        let came = receiver.came();
        assert_eq!(came, pairs(&[(1, "ODD-1"), (2, "ODD-1"), (2, "ODD-2")]), "{what}");
        assert_eq!(daemon.metrics().await.attempts(result), 1, "{what}");
        assert_eq!(receiver.taken()[0].bytes, receiver.taken()[1].bytes, "{what}");
        if !matches!(result, "unreachable") {
            assert_eq!(receiver.ended().first(), Some(&1), "{what}: the connection is closed");
        }
        assert_eq!(done(&site, daemon).await.tally("delivered"), 2, "{what}");
    }
}

/// An acknowledgement that comes late, or twice, while the next message is outstanding is not that one's (Mirth issue 1441): a
/// message that the receiver refused is never marked as delivered by the answer to the one before it.
#[tokio::test]
async fn credits_a_late_acknowledgement_to_nobody() {
    let receiver = Receiver::start().await;
    let site = site(&receiver, "");
    let daemon = Daemon::start(&site).await;
    // The second answer to LATE-1 may find the connection at rest or LATE-2 under way; LATE-2 is refused for good.
    receiver.script([Do::Twice, Do::Code("AR"), Do::Code("AR")]);
    send(&site, "LATE", 2).await;
    daemon.until("both have ended", |metrics| metrics.waiting() == 0).await;
    let books = done(&site, daemon).await;
    assert_eq!((books.tally("delivered"), books.tally("dead_letter")), (1, 1));

    let receiver = Receiver::start().await;
    let site = self::site(&receiver, "");
    let daemon = Daemon::start(&site).await;
    // No answer in time for LATE-1; its answer comes where LATE-2 is outstanding, twice over; then LATE-2 is refused.
    receiver.script([Do::Silence, Do::Code("AA"), Do::For("LATE-1"), Do::For("LATE-1"), Do::Code("AR")]);
    send(&site, "LATE", 3).await;
    daemon.until("all have ended", |metrics| metrics.waiting() == 0).await;
    let expected = [(1, "LATE-1"), (2, "LATE-1"), (2, "LATE-2"), (3, "LATE-2"), (4, "LATE-2"), (4, "LATE-3")];
    assert_eq!(receiver.came(), pairs(&expected), "each on a connection that holds nothing old");
    assert!(site.log().contains("other_message"), "{}", site.log());
    let books = done(&site, daemon).await;
    assert_eq!((books.tally("delivered"), books.tally("dead_letter")), (2, 1));
}

/// Any message with an MSA is an answer, whatever it is called.
#[tokio::test]
async fn takes_an_answer_by_its_msa_whatever_its_type() {
    let receiver = Receiver::start().await;
    let site = site(&receiver, "");
    let daemon = Daemon::start(&site).await;
    receiver.script([Do::As("ADR^A19"), Do::As("ORR^O02"), Do::As("MCF"), Do::As(""), Do::Code("aa"), Do::Code("CA")]);
    send(&site, "TYPE", 6).await;
    assert_eq!(done(&site, daemon).await.tally("delivered"), 6);
    assert_eq!(receiver.taken().len(), 6, "each once");
}

/// A connection that dies between two messages costs nothing: the next one leaves on another, and at once.
#[tokio::test]
async fn replaces_a_kept_connection_that_the_receiver_closed() {
    let receiver = Receiver::start().await;
    let site = site(&receiver, "");
    let daemon = Daemon::start(&site).await;
    for number in 1..=5 {
        receiver.script([Do::CodeAndClose("AA")]);
        send(&site, &format!("SHUT{number}"), 1).await;
        daemon.until("delivered", |metrics| metrics.ended("delivered") == number).await;
    }
    assert_eq!(receiver.came().iter().map(|(connection, _)| *connection).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert_eq!(done(&site, daemon).await.tally("delivered"), 5);
}

/// AE by `on_error`, AR always: again after a pause, or a dead letter with the answer kept.
#[tokio::test]
async fn takes_errors_as_the_site_says_and_keeps_the_answer() {
    for (on_error, code, tries) in [
        ("retry", "AE", 3),
        ("retry", "CE", 3),
        ("dead-letter", "AE", 1),
        ("dead-letter", "CE", 1),
        ("retry", "AR", 1),
        ("retry", "CR", 1),
        ("dead-letter", "AR", 1),
    ] {
        let receiver = Receiver::start().await;
        let site = site(&receiver, &format!("on_error = \"{on_error}\""));
        let daemon = Daemon::start(&site).await;
        receiver.script(vec![Do::Code(code); if tries == 1 { 1 } else { tries - 1 }]);
        send(&site, "ERR", 2).await;
        daemon.until(code, |metrics| metrics.waiting() == 0).await;
        let listed = site.ask(&["dead", "list", "--json"]);
        let books = done(&site, daemon).await;
        let came = receiver.came();
        assert_eq!(came.iter().filter(|(_, id)| id == "ERR-1").count(), tries, "{on_error} {code}: {came:?}");
        assert!(came.iter().all(|(connection, _)| *connection == 1), "an answer keeps its connection: {came:?}");
        let letters = books.dead_letters();
        if tries > 1 {
            assert_eq!((books.tally("delivered"), letters.len()), (2, 0), "{on_error} {code}");
            continue;
        }
        assert_eq!((books.tally("delivered"), letters.len()), (1, 1), "{on_error} {code}");
        let answer = String::from_utf8(letters[0].1.clone()).unwrap();
        assert!(answer.ends_with(&format!("\rMSA|{code}|ERR-1\r")), "{answer}");
        assert!(listed.contains("\"refused\""), "{listed}");
    }
}

#[tokio::test]
async fn opens_a_connection_for_each_message_where_the_receiver_wants_that() {
    let receiver = Receiver::start().await;
    let site = site(&receiver, "connection = \"per-message\"");
    let daemon = Daemon::start(&site).await;
    send(&site, "ONE", 5).await;
    assert_eq!(done(&site, daemon).await.tally("delivered"), 5);
    assert!(receiver.came().iter().map(|(connection, _)| *connection).eq(1..=5), "{:?}", receiver.came());
    until_so("all are closed", async || receiver.ended().len() == 5).await;
}

#[tokio::test]
async fn leaves_a_gap_behind_each_acknowledgement() {
    let receiver = Receiver::start().await;
    let site = site(&receiver, "gap = \"300 ms\"");
    let daemon = Daemon::start(&site).await;
    receiver.script([Do::Code("AA"), Do::Code("AE")]);
    send(&site, "GAP", 4).await;
    assert_eq!(done(&site, daemon).await.tally("delivered"), 4);
    let taken = receiver.taken();
    assert_eq!(taken.len(), 5);
    for (before, after) in taken.iter().zip(&taken[1..]) {
        let gap = after.at - before.answered_at.unwrap();
        assert!(gap >= Duration::from_millis(300), "{} came {gap:?} after an answer", after.control_id);
    }
}

/// While the first receiver is away, the second one is used.
#[tokio::test]
async fn uses_the_other_receiver_while_the_first_is_away() {
    // Nobody listens on this port any more.
    let away = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let first = away.local_addr().unwrap();
    drop(away);
    let receiver = Receiver::start().await;
    let site = Site::new(first)
        .delivering(&format!("[mllp.platform]\nconnect = \"{first}\"\nfailover = [\"{}\"]", receiver.address()))
        .destination(RETRY);
    let daemon = Daemon::start(&site).await;
    send(&site, "OVER", 5).await;
    assert_eq!(done(&site, daemon).await.tally("delivered"), 5);
    assert!(receiver.came().iter().map(|(_, id)| id.clone()).eq((1..=5).map(|n| format!("OVER-{n}"))));
}

/// An authority, and certificates it issues for 127.0.0.1.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A certificate and its key, in PEM.
    fn issue(&self) -> String {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        params.signed_by(&key, &self.0).unwrap().pem() + &key.serialize_pem()
    }

    /// Lets in who shows a certificate of this authority.
    fn acceptor(&self) -> TlsAcceptor {
        rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let own = self.issue();
        let chain = CertificateDer::pem_slice_iter(own.as_bytes()).filter_map(Result::ok).collect();
        let key = PrivateKeyDer::from_pem_slice(own.as_bytes()).unwrap();
        let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap();
        let config = ServerConfig::builder().with_client_cert_verifier(verifier).with_single_cert(chain, key).unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// TLS with certificates on both ends; a receiver of another authority is given nothing.
#[tokio::test]
async fn delivers_with_a_client_certificate_to_the_authority_it_was_told() {
    let (ours, strangers) = (Authority::new(), Authority::new());
    for (server, client, is_delivered) in [
        (&ours, Some(&ours), true),
        (&strangers, Some(&ours), false),
        (&ours, Some(&strangers), false),
        (&ours, None, false),
    ] {
        let receiver = Receiver::encrypted(server.acceptor()).await;
        let site = site(&receiver, "");
        let file = |name: &str| site.folder().join(name).display().to_string();
        fs::write(file("ca.pem"), ours.0.pem()).unwrap();
        let mut tls = format!("tls = {{ ca = \"{}\"", file("ca.pem"));
        if let Some(client) = client {
            fs::write(file("client.pem"), client.issue()).unwrap();
            tls = format!("{tls}, client_certificate = \"{}\"", file("client.pem"));
        }
        let site = site.destination(&format!("{RETRY}\n{tls} }}"));
        let daemon = Daemon::start(&site).await;
        send(&site, "TLS", 2).await;
        if is_delivered {
            assert_eq!(done(&site, daemon).await.tally("delivered"), 2);
            assert_eq!(receiver.came(), pairs(&[(1, "TLS-1"), (1, "TLS-2")]));
            continue;
        }
        daemon.until("it was tried", |metrics| metrics.attempts("unreachable") >= 2).await;
        assert_eq!(receiver.came(), [], "nothing leaves to a stranger, or without the right certificate");
        assert_eq!(daemon.metrics().await.waiting(), 2);
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// MSH-10 and PID-3 of a message.
fn identity(message: &str) -> (String, String) {
    let field = |segment: &str, at: usize| {
        let line = message.split('\r').find(|line| line.starts_with(segment)).unwrap_or_default();
        line.split('|').nth(at).unwrap_or_default().to_owned()
    };
    (field("MSH", 9), field("PID", 3))
}

/// Killed again and again under load, with a receiver that now and then says nothing or goes: nothing that was acknowledged is
/// lost, the order of each patient holds, and what comes again comes with the same MSH-10 and the same bytes.
#[tokio::test]
async fn loses_nothing_and_keeps_the_order_when_killed_under_load() {
    let mut random = random("mllp-destination");
    let receiver = Receiver::start().await;
    let site = site(&receiver, "in_flight = 4");
    let mut daemon = Daemon::start(&site).await;
    let mut sender =
        sender(&site, EhrOptions { connections: 4, window: 4, rate: Some(150.0), ..EhrOptions::default() });
    for _ in 0..rounds(12, 60) {
        let before = sender.tally().acknowledged;
        let fault = match random.below(4) {
            0 => Do::Silence,
            1 => Do::Close,
            2 => Do::CodeAndClose("AA"),
            _ => Do::Code("AE"),
        };
        receiver.script([fault]);
        acknowledged_beyond(&mut sender, before, 5).await;
        sleep(Duration::from_millis(random.below(250))).await;
        daemon.kill();
        daemon = Daemon::start(&site).await;
    }
    sender.stop();
    let acknowledged = sender.acknowledged();
    let books = done(&site, daemon).await;
    assert_eq!(books.tally("dead_letter"), 0);

    let taken = receiver.taken();
    let mut bytes: HashMap<&str, &[u8]> = HashMap::new();
    for one in &taken {
        let known = bytes.entry(&one.control_id).or_insert(&one.bytes);
        assert_eq!(*known, one.bytes, "{} came again with other bytes", one.control_id);
    }
    let lost: Vec<&String> = acknowledged.iter().filter(|id| !bytes.contains_key(id.as_str())).collect();
    assert!(lost.is_empty(), "acknowledged and not delivered (INV-01): {lost:?}");
    assert_eq!(books.tally("delivered"), i64::try_from(bytes.len()).unwrap(), "each has its receipt");

    // Places in the journal are the order of arrival.
    let mut places = HashMap::new();
    books.each_message(|place, raw| {
        places.insert(identity(&text(raw)).0, place);
    });
    let mut last: HashMap<String, i64> = HashMap::new();
    for one in &taken {
        let (id, patient) = identity(&text(&one.bytes));
        let place = places[&id];
        let before = last.insert(patient, place).unwrap_or(0);
        assert!(before <= place, "{id} came after a later message of its patient (INV-03)");
    }
    eprintln!(
        "{} messages acknowledged, {} deliveries, {} of them repeats",
        acknowledged.len(),
        taken.len(),
        taken.len() - bytes.len()
    );
}

/// A folder gets each message as one file, which appears complete; kills leave nothing behind and nothing twice.
#[tokio::test]
async fn puts_each_message_into_a_folder_once_over_kills() {
    let mut random = random("folder");
    let folder = tempfile::tempdir().unwrap();
    let site = Site::new("127.0.0.1:1".parse().unwrap())
        .delivering(&format!("[folder.platform]\npath = \"{}\"", folder.path().display()))
        .destination("retry = { first = \"20 ms\", at_most = \"100 ms\" }");
    let mut daemon = Daemon::start(&site).await;
    let mut sender =
        sender(&site, EhrOptions { connections: 4, window: 4, rate: Some(150.0), ..EhrOptions::default() });
    for _ in 0..rounds(8, 40) {
        let before = sender.tally().acknowledged;
        acknowledged_beyond(&mut sender, before, 5).await;
        sleep(Duration::from_millis(random.below(100))).await;
        for (name, bytes) in files(folder.path()) {
            // What does not end in .tmp is complete at any instant.
            assert!(name.ends_with(".tmp") || bytes.starts_with(b"MSH|") && bytes.ends_with(b"\r"), "{name}");
        }
        daemon.kill();
        daemon = Daemon::start(&site).await;
    }
    sender.stop();
    let acknowledged = sender.acknowledged();
    let books = done(&site, daemon).await;
    let found = files(folder.path());
    let mut ids: Vec<String> = found.iter().map(|(_, bytes)| identity(&text(bytes)).0).collect();
    ids.sort();
    let count = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), count, "a message lies there twice");
    assert!(acknowledged.iter().all(|id| ids.binary_search(id).is_ok()), "acknowledged and not there");
    assert_eq!(books.tally("delivered"), i64::try_from(count).unwrap());
    for (name, _) in &found {
        let number = name.strip_prefix("everything-").and_then(|rest| rest.strip_suffix(".hl7")).expect(name);
        assert!(number.bytes().all(|byte| byte.is_ascii_digit()), "{name}");
    }
}

fn files(folder: &std::path::Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    // A file may be renamed between being listed and being read.
    entries.filter_map(|path| Some((path.file_name()?.to_str()?.to_owned(), fs::read(&path).ok()?))).collect()
}
