//! Laboratory instruments over LIS01-A2 on a serial line: what they say is stored before it is acknowledged, becomes an ORU^R01
//! at an HL7 receiver, and arrives once, whatever happens between.

use std::{collections::BTreeMap, fs, path::PathBuf};

use crate::support::{
    analyzer::Analyzer,
    daemon::{Daemon, Launch},
    load::{platform, random},
    receiver::{Receiver, Taken},
    site::Site,
    verdict::Books,
    wait::until_so,
};

const FLOW: &str = "pattern = \"event\"\ntarget = \"5 s\"\nowner = \"Laboratory\"\nescalate = [\"laboratory\"]\n";

fn port(site: &Site) -> PathBuf {
    site.folder().join("port")
}

fn folder(site: &Site) -> PathBuf {
    let folder = site.folder().join("out");
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// A site with a serial port of this framing; what comes there goes to `receiver` as HL7 and to a folder as it came.
fn site(receiver: &Receiver, framing: &str, oru: &str) -> Site {
    let site = Site::new(receiver.address())
        .delivering(&format!("[mllp.platform]\nconnect = \"{}\"", receiver.address()))
        .destination("retry = { first = \"20 ms\", at_most = \"100 ms\" }\ntimeout = \"1 s\"");
    let (port, folder) = (port(&site).display().to_string(), folder(&site).display().to_string());
    site.with(&format!(
        "[serial.device]\nport = \"{port}\"\nline = \"9600 8N1\"\n{framing}\nzone = \"America/Chicago\"\n{oru}\
         [folder.raw]\npath = \"{folder}\"\n[flow.raw]\nfrom = \"device\"\non = [\"*\"]\nto = \"raw\"\nmapping = \"raw\"\n{FLOW}"
    ))
}

fn analyzer_site(receiver: &Receiver) -> Site {
    let oru = format!(
        "[flow.results]\nfrom = \"device\"\non = [\"LIS02^R\"]\nto = \"platform\"\nmapping = \"oru@1\"\n{FLOW}"
    );
    site(receiver, "framing = \"lis01\"", &oru)
}

/// A message with one result, told apart by its value.
fn result(control_id: &str, value: &str, status: &str) -> String {
    format!(
        "H|\\^&|{control_id}||zzanalyzer^2.1|||||ZZLIS||P|LIS2-A2|20261126083000\rP|1||ZZ-4711||SAMPLE^ANNA\r\
         O|1|S-100||^^^GLU|R||||||||||||||||||||F\rR|1|^^^GLU|{value}|mmol/L|3.9 to 5.6|H||{status}||||20261126082900\r\
         C|1|I|invented&F&comment|G\rL|1|N\r"
    )
}

/// OBX-5 of what arrived, by its MSH-10.
fn values(taken: &[Taken]) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    for message in taken {
        let text = String::from_utf8(message.bytes.clone()).unwrap();
        let obx = text.split('\r').find(|line| line.starts_with("OBX|")).expect("an OBX");
        let value = obx.split('|').nth(5).unwrap().to_owned();
        let before = values.insert(message.control_id.clone(), value.clone());
        assert!(before.is_none_or(|before| before == value), "one MSH-10 for two messages");
    }
    values
}

fn files(site: &Site) -> Vec<(String, String)> {
    let mut files: Vec<_> = fs::read_dir(folder(site))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.extension().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(path).unwrap()))
        .collect();
    files.sort();
    files
}

async fn done(site: &Site, mut daemon: Daemon) -> Books {
    daemon.until("nothing waits", |metrics| metrics.waiting() == 0).await;
    let status = daemon.terminate().await;
    assert_eq!(status.code(), Some(0), "{}", site.log());
    let books = Books::open(site, site.store());
    books.balance();
    books
}

#[tokio::test]
async fn makes_an_oru_of_results_and_passes_the_records_through_byte_for_byte() {
    let receiver = Receiver::start().await;
    let site = analyzer_site(&receiver);
    let mut analyzer = Analyzer::plug(&port(&site));
    let daemon = Daemon::start(&site).await;
    let message = result("A-1", "5.8", "F");
    let query = "H|\\^&|A-2||zzanalyzer\rQ|1|^S-100||ALL||||||||O\rL|1|N\r";
    analyzer.send(message.as_bytes()).await;
    analyzer.send(query.as_bytes()).await;
    // The same again: taken, and not delivered again.
    analyzer.send(message.as_bytes()).await;
    let books = done(&site, daemon).await;
    let taken = receiver.taken();
    assert_eq!(taken.len(), 1, "{:?}", receiver.came());
    let text = String::from_utf8(taken[0].bytes.clone()).unwrap();
    let id = &taken[0].control_id;
    assert!(id.len() == 20 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    let expected = [
        &format!("MSH|^~\\&|zzanalyzer|torture|ZZLIS||20261126083000-0600||ORU^R01^ORU_R01|{id}|P|2.5.1"),
        "PID|1||ZZ-4711^^^^PI||SAMPLE^ANNA",
        "OBR|1|S-100|S-100|GLU^^L|||||||||||||||||||||F||^^^^^R",
        "OBX|1|NM|GLU^^L||5.8|mmol/L|3.9 to 5.6|H|||F||||||||20261126082900-0600",
        "NTE|1|O|invented\\F\\comment|RE^Remark^HL70364",
        "SPM|1|S-100||U^Unknown^HL70353",
        "",
    ];
    assert_eq!(text.split('\r').collect::<Vec<_>>(), expected);
    let raw = [("lis02".to_owned(), message), ("lis02".to_owned(), query.to_owned())];
    assert_eq!(files(&site), raw, "byte for byte (INV-12)");
    assert_eq!((books.tally("delivered"), books.tally("duplicate")), (3, 2));
    assert!(!site.log().contains("ANNA") && !site.log().contains("S-100"), "INV-05: {}", site.log());
}

#[tokio::test]
async fn keeps_what_it_cannot_read_or_say_in_hl7_for_a_person_and_takes_it_off_the_instrument() {
    let receiver = Receiver::start().await;
    let site = analyzer_site(&receiver);
    let mut analyzer = Analyzer::plug(&port(&site));
    let daemon = Daemon::start(&site).await;
    let unmapped = result("B-1", "5.8", "N");
    let unreadable = result("B-2", "5.8", "F").replace("20261126082900", "yesterday");
    let unknown = "H|\\^&|B-3||zzanalyzer\rX|1|what is this\rL|1|N\r";
    let unnested = "H|\\^&|B-4||zzanalyzer\rR|1|^^^GLU|5.8\rL|1|N\r";
    for message in [&unmapped, &unreadable, unknown, unnested, &result("B-5", "6.1", "F")] {
        analyzer.send(message.as_bytes()).await;
    }
    let books = done(&site, daemon).await;
    assert_eq!(values(&receiver.taken()).into_values().collect::<Vec<_>>(), ["6.1"]);
    assert_eq!(books.aside("unmapped-code"), [unmapped.into_bytes()]);
    assert_eq!(books.aside("unreadable-value"), [unreadable.into_bytes()]);
    assert_eq!(books.aside("unparsable"), [unknown.as_bytes().to_vec(), unnested.as_bytes().to_vec()]);
}

/// The same report over HTTP and as a file.
#[tokio::test]
async fn delivers_reports_over_http_and_as_files_too() {
    let platform = platform().await;
    let site = Site::new(platform.address());
    let (port, folder) = (port(&site), folder(&site));
    let to = |name: &str, to: &str| {
        format!("[flow.{name}]\nfrom = \"device\"\non = [\"LIS02\"]\nto = \"{to}\"\nmapping = \"oru@1\"\n{FLOW}")
    };
    let site = site.with(&format!(
        "[serial.device]\nport = \"{}\"\nline = \"9600 8N1\"\nframing = \"lis01\"\n[folder.raw]\npath = \"{}\"\n{}{}",
        port.display(),
        folder.display(),
        to("web", "platform"),
        to("file", "raw"),
    ));
    let mut analyzer = Analyzer::plug(&port);
    let daemon = Daemon::start(&site).await;
    analyzer.send(result("C-1", "5.8", "F").as_bytes()).await;
    // An instrument that only says that it is there has no results: nothing of it is delivered.
    analyzer.send(b"H|\\^&\rL|1|N\r").await;
    let books = done(&site, daemon).await;
    assert_eq!((books.tally("delivered"), books.tally("filtered")), (2, 2));
    let (files, bodies) = (files(&site), platform.bodies());
    assert_eq!((files.len(), bodies.len(), files[0].0.as_str()), (1, 1, "hl7"));
    // Each delivery has its own MSH-10; all else is the same.
    let rest = |text: &str| {
        let mut fields: Vec<String> = text.split('|').map(str::to_owned).collect();
        assert_eq!(fields[9].len(), 20);
        fields[9].clear();
        fields
    };
    assert_eq!(rest(&files[0].1), rest(std::str::from_utf8(&bodies[0]).unwrap()));
}

/// Killed at every place between the line and the receiver, it loses no message that the instrument may forget, and gives each
/// to the receiver under one MSH-10.
#[tokio::test]
async fn loses_no_result_and_makes_no_second_one_when_it_dies_between() {
    let mut random = random("instrument");
    let receiver = Receiver::start().await;
    let site = analyzer_site(&receiver);
    let mut analyzer = Analyzer::plug(&port(&site));
    let points = [
        "frame-received",
        "journal-received",
        "commit-before",
        "commit-after",
        "commit-answered",
        "ack-ready",
        "ack-written",
        "delivery-before",
        "delivery-after",
    ];
    let total = 40;
    let sending = async {
        for number in 0..total {
            // Half of them bear no control id: their content tells them apart.
            let control_id = if number % 2 == 0 { format!("K-{number}") } else { String::new() };
            analyzer.send(result(&control_id, &format!("{number}.5"), "F").as_bytes()).await;
        }
    };
    let dying = async {
        for point in points {
            let failing = format!("{point}={}*off->panic", random.below(4));
            let mut daemon = Daemon::spawn(&site, &Launch::failing(&failing));
            let status = daemon.ended().await;
            assert_eq!(status.code(), None, "{failing}: the process ended by itself: {status}\n{}", site.log());
        }
        let mut daemon = Daemon::start(&site).await;
        let before = receiver.taken().len();
        until_so("some more arrive", async || receiver.taken().len() > before).await;
        daemon.kill();
        Daemon::start(&site).await
    };
    let ((), daemon) = tokio::join!(sending, dying);
    let books = done(&site, daemon).await;
    let values = values(&receiver.taken());
    assert_eq!(values.len(), total, "each under one MSH-10");
    let distinct: std::collections::BTreeSet<_> = values.into_values().collect();
    assert_eq!(distinct.len(), total, "each arrived");
    assert_eq!(books.number("SELECT count(*) FROM journal"), i64::try_from(total).unwrap(), "each is stored once");
    assert_eq!(files(&site).len(), total);
}

#[tokio::test]
async fn passes_lines_of_text_through_as_often_as_they_come() {
    let receiver = Receiver::start().await;
    let site = site(&receiver, "framing = \"line\"\nreply = \"ack-nak\"", "");
    let terminal = gurney::sim::serial::Terminal::open(&port(&site)).unwrap();
    let daemon = Daemon::start(&site).await;
    let mut before = false;
    until_so("the gateway opens the port", async || {
        let is_open = terminal.is_open();
        std::mem::replace(&mut before, is_open) && is_open
    })
    .await;
    let session = terminal.session().unwrap();
    let mut reply = [0; 16];
    for line in ["room 12 calls", "MSH|is no header here", "room 12 calls"] {
        session.write_all(&[b"\x02", line.as_bytes(), b"\x03"].concat()).await.unwrap();
        assert_eq!(session.read(&mut reply).await.unwrap(), 1);
        assert_eq!(reply[0], 0x06, "ACK");
    }
    let books = done(&site, daemon).await;
    assert_eq!((books.tally("delivered"), books.tally("duplicate"), books.tally("quarantined")), (3, 0, 0));
    let texts = ["MSH|is no header here", "room 12 calls", "room 12 calls"];
    assert_eq!(files(&site), texts.map(|text| ("txt".to_owned(), text.to_owned())));
}
