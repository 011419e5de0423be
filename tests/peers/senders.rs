//! Peers that send to the box: what they put on the wire is delivered byte for byte, and they understand every answer.

use std::{fs, net::SocketAddr, path::Path};

use serde_json::{Value, json};

use super::{
    messages::{Charset, trimmed},
    tools::{Script, bytes, certify, run, spelled, tools},
};
use crate::support::{daemon::Daemon, receiver::Receiver, site::Site, wait::until_so};

/// What to send and what the peer must hear.
struct Batch {
    charset: Charset,
    messages: Vec<(Vec<u8>, &'static str)>,
}

impl Batch {
    /// Twenty discharges, a document of 200 KB, one message that is rejected and one that is an error.
    fn whole(charset: Charset) -> Self {
        let mut messages: Vec<_> = (0..20).map(|number| (charset.discharge(number), "AA")).collect();
        messages.insert(7, (charset.document(20), "AA"));
        messages.insert(9, (charset.of_another_version(21), "AR"));
        messages.insert(16, (charset.of_nobody(22), "AE"));
        Self { charset, messages }
    }

    fn job(&self, to: SocketAddr, secrets: Option<&Path>) -> Value {
        let path = |name: &str| secrets.map(|folder| folder.join(name).display().to_string());
        json!({
            "host": to.ip().to_string(), "port": to.port(), "charset": self.charset.name(), "reconnect": 12,
            "ca": path("ca.pem"), "identity": path("peer.pem"),
            "messages": self.messages.iter().map(|(message, _)| spelled(message)).collect::<Vec<_>>(),
        })
    }
}

/// How a peer reads the answers to ISO 8859-1.
#[derive(PartialEq)]
enum Answers {
    /// As what they are.
    AsSent,
    /// As UTF-8, whatever it was told: names in them are damaged.
    AsUtf8,
}

async fn try_sender(tools: &Path, script: Script, charset: Charset, answers: Answers, wire: &str) {
    let receiver = Receiver::start().await;
    let site =
        Site::new(receiver.address()).delivering(&format!("[mllp.platform]\nconnect = \"{}\"", receiver.address()));
    let mut link = String::from("versions = [\"2.5.1\"]\nprofile = \"transport-minimum@1\"\n");
    let mut secrets = None;
    if wire == "tls" {
        certify(site.folder(), site.mllp().ip());
        let file = |name: &str| site.folder().join(name).display().to_string();
        let (certificate, authority) = (file("box.pem"), file("ca.pem"));
        link += &format!("tls = {{ certificate = \"{certificate}\", client_ca = \"{authority}\" }}");
        assert!(fs::metadata(file("peer.pem")).unwrap().is_file());
        secrets = Some(site.folder().to_owned());
    }
    let site = site.link(&link);
    let daemon = Daemon::start(&site).await;
    let batch = Batch::whole(charset);
    let told = run(tools, script, batch.job(site.mllp(), secrets.as_deref())).await;

    assert_eq!(told.len(), batch.messages.len(), "{script:?}: an answer to each");
    let mut due = Vec::new();
    for (told, (message, code)) in told.iter().zip(&batch.messages) {
        let sent = bytes(&told["sent"]);
        assert_eq!(trimmed(&sent), trimmed(message), "{script:?}: it sends what it is given");
        let id = String::from_utf8_lossy(message).split('|').nth(9).unwrap().to_owned();
        assert_eq!((told["code"].as_str(), told["control_id"].as_str()), (Some(*code), Some(&*id)), "{script:?}");
        assert_eq!(
            told["facility"] == charset.facility(),
            answers == Answers::AsSent,
            "{script:?}: {}",
            told["facility"]
        );
        if *code == "AA" {
            due.push(sent);
        }
    }
    until_so("all are delivered", async || receiver.taken().len() >= due.len()).await;
    let taken: Vec<_> = receiver.taken().into_iter().map(|taken| taken.bytes).collect();
    assert!(taken == due, "{script:?}: each once, in order, byte for byte: {:?}", receiver.came());
    let metrics = daemon.metrics().await;
    assert_eq!((metrics.acks("AA"), metrics.acks("AR"), metrics.acks("AE")), (21, 1, 1), "{script:?}");
}

const PYTHON: &str = "send.py";
const NODE: &str = "send.cjs";

#[tokio::test]
async fn takes_messages_of_python_hl7() {
    let Some(tools) = tools("python-hl7 as a sender") else { return };
    for peer in ["client", "asyncio"] {
        for charset in [Charset::Utf8, Charset::Latin1] {
            try_sender(&tools, Script::Python(PYTHON, peer), charset, Answers::AsSent, "plain").await;
        }
    }
    try_sender(&tools, Script::Python(PYTHON, "asyncio"), Charset::Utf8, Answers::AsSent, "tls").await;
}

#[tokio::test]
async fn takes_messages_of_the_command_mllp_send() {
    let Some(tools) = tools("mllp_send as a sender") else { return };
    for charset in [Charset::Utf8, Charset::Latin1] {
        try_sender(&tools, Script::Python(PYTHON, "mllp_send"), charset, Answers::AsSent, "plain").await;
    }
}

#[tokio::test]
async fn takes_messages_of_node_hl7_client() {
    let Some(tools) = tools("node-hl7-client as a sender") else { return };
    let script = Script::Node(NODE, "node-hl7-client");
    try_sender(&tools, script, Charset::Utf8, Answers::AsSent, "plain").await;
    try_sender(&tools, script, Charset::Latin1, Answers::AsUtf8, "plain").await;
    try_sender(&tools, script, Charset::Utf8, Answers::AsSent, "tls").await;
}

#[tokio::test]
async fn takes_messages_of_medplum() {
    let Some(tools) = tools("@medplum/hl7 as a sender") else { return };
    let script = Script::Node(NODE, "medplum");
    try_sender(&tools, script, Charset::Utf8, Answers::AsSent, "plain").await;
    try_sender(&tools, script, Charset::Latin1, Answers::AsSent, "plain").await;
    try_sender(&tools, script, Charset::Utf8, Answers::AsSent, "tls").await;
}

/// It writes UTF-8 only.
#[tokio::test]
async fn takes_messages_of_simple_hl7() {
    let Some(tools) = tools("simple-hl7 as a sender") else { return };
    try_sender(&tools, Script::Node(NODE, "simple-hl7"), Charset::Utf8, Answers::AsSent, "plain").await;
}
