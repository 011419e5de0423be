//! Peers that the box delivers to: each message once and in order, an error again, a rejection never, a broken connection anew.

use std::path::Path;

use serde_json::json;

use super::{
    messages::{Charset, trimmed},
    tools::{Running, Script, bytes, certify, tools},
};
use crate::support::{daemon::Daemon, peer::Peer, site::Site, verdict::Books};

/// What the peer does with the first messages; AA from then on. The third message is refused for good, the fifth finds the
/// connection broken.
const STEPS: [&str; 6] = ["AA", "AE", "AA", "AR", "AA", "close"];

/// How the messages 0 to 5 arrive under [`STEPS`].
const ARRIVALS: [usize; 8] = [0, 1, 1, 2, 3, 4, 4, 5];

async fn try_receiver(tools: &Path, script: Script, charset: Charset, keys: &str, wire: &str) {
    let site = Site::new("127.0.0.1:1".parse().unwrap());
    let mut keys = format!("retry = {{ first = \"20 ms\", at_most = \"100 ms\" }}\ntimeout = \"20 s\"\n{keys}\n");
    let file = |name: &str| (wire == "tls").then(|| site.folder().join(name).display().to_string());
    if let (Some(authority), Some(identity)) = (file("ca.pem"), file("box.pem")) {
        certify(site.folder(), "127.0.0.1".parse().unwrap());
        keys += &format!("tls = {{ ca = \"{authority}\", client_certificate = \"{identity}\" }}\n");
    }
    let job = json!({
        "host": "127.0.0.1", "charset": charset.name(), "steps": STEPS, "ca": file("ca.pem"), "identity": file("peer.pem"),
    });
    let peer = Running::start(tools, script, &job);
    let port = peer.number("port").await;
    let site = site.delivering(&format!("[mllp.platform]\nconnect = \"127.0.0.1:{port}\"")).destination(&keys);
    let mut daemon = Daemon::start(&site).await;

    let mut messages: Vec<_> = (0..20).map(|number| charset.discharge(number)).collect();
    messages.push(charset.document(20));
    messages.push(charset.discharge(21));
    let mut ehr = Peer::connect(site.mllp()).await;
    for message in &messages {
        assert_eq!(ehr.exchange(message).await.code, "AA");
    }
    daemon.until("nothing waits", |metrics| metrics.waiting() == 0).await;
    let metrics = daemon.metrics().await;
    assert_eq!(daemon.terminate().await.code(), Some(0), "{}", site.log());
    let books = Books::open(&site, site.store());
    books.balance();
    assert_eq!((books.tally("delivered"), books.tally("dead_letter")), (21, 1), "{script:?} {}", site.log());
    let answer = String::from_utf8_lossy(&books.dead_letters()[0].1).into_owned();
    assert!(answer.contains("MSA|AR|PEER-2"), "{script:?}: {answer}");
    assert_eq!(metrics.attempts("retry"), 1, "{script:?}: AE, and nothing else, is tried again\n{}", site.log());

    let due = ARRIVALS.into_iter().chain(6..messages.len()).map(|number| trimmed(&messages[number]).to_vec());
    let taken = peer.lines();
    let taken = taken.iter().filter_map(|line| Some(trimmed(&bytes(line.get("message")?)).to_vec()));
    let (due, taken): (Vec<_>, Vec<_>) = (due.collect(), taken.collect());
    assert_eq!(taken.len(), due.len(), "{script:?}");
    assert!(taken == due, "{script:?}: in order, byte for byte, and nothing twice but what was not acknowledged");
}

const PYTHON: &str = "receive.py";
const NODE: &str = "receive.cjs";
const KEPT: &str = "connection = \"keep\"";
const ONE_EACH: &str = "connection = \"per-message\"";

#[tokio::test]
async fn delivers_to_the_asyncio_server_of_python_hl7() {
    let Some(tools) = tools("python-hl7 as a receiver") else { return };
    let script = Script::Python(PYTHON, "hl7-asyncio");
    try_receiver(&tools, script, Charset::Utf8, KEPT, "plain").await;
    try_receiver(&tools, script, Charset::Latin1, KEPT, "plain").await;
    try_receiver(&tools, script, Charset::Utf8, KEPT, "tls").await;
}

/// It closes each connection behind its answer, also where the box would keep it.
#[tokio::test]
async fn delivers_to_the_server_of_hl7apy() {
    let Some(tools) = tools("hl7apy as a receiver") else { return };
    let script = Script::Python(PYTHON, "hl7apy");
    try_receiver(&tools, script, Charset::Utf8, ONE_EACH, "plain").await;
    try_receiver(&tools, script, Charset::Latin1, KEPT, "plain").await;
}

/// It never forgets the message before on a connection, so it wants one for each.
#[tokio::test]
async fn delivers_to_node_hl7_server() {
    let Some(tools) = tools("node-hl7-server as a receiver") else { return };
    let script = Script::Node(NODE, "node-hl7-server");
    try_receiver(&tools, script, Charset::Utf8, ONE_EACH, "plain").await;
    try_receiver(&tools, script, Charset::Latin1, ONE_EACH, "plain").await;
    try_receiver(&tools, script, Charset::Utf8, ONE_EACH, "tls").await;
}

#[tokio::test]
async fn delivers_to_the_server_of_medplum() {
    let Some(tools) = tools("@medplum/hl7 as a receiver") else { return };
    let script = Script::Node(NODE, "medplum");
    try_receiver(&tools, script, Charset::Utf8, KEPT, "plain").await;
    try_receiver(&tools, script, Charset::Latin1, KEPT, "plain").await;
    try_receiver(&tools, script, Charset::Utf8, KEPT, "tls").await;
}

#[tokio::test]
async fn delivers_to_the_server_of_simple_hl7() {
    let Some(tools) = tools("simple-hl7 as a receiver") else { return };
    let script = Script::Node(NODE, "simple-hl7");
    try_receiver(&tools, script, Charset::Utf8, KEPT, "plain").await;
    try_receiver(&tools, script, Charset::Latin1, KEPT, "plain").await;
}
