//! What senders do although the standard says otherwise (HL7 v2, violations seen in the field): each is taken, and arrives as it came.

use crate::support::{
    daemon::Daemon,
    load::platform,
    peer::{Peer, adt, framed},
    site::Site,
    verdict::{Books, drained, store_shows},
};

/// A way to write a message that is not as the standard wants it.
struct Case {
    name: &'static str,
    /// Makes it of a message as it should be.
    write: fn(String) -> Vec<u8>,
    /// The answer it gets.
    answer: &'static str,
}

const fn taken(name: &'static str, write: fn(String) -> Vec<u8>) -> Case {
    Case { name, write, answer: "AA" }
}

const CASES: &[Case] = &[
    taken("LF as segment end", |text| text.replace('\r', "\n").into()),
    taken("CR LF as segment end", |text| text.replace('\r', "\r\n").into()),
    taken("mixed segment ends", |text| text.replacen('\r', "\n", 1).replacen('\r', "\r\n", 1).into()),
    taken("blank lines between segments", |text| text.replace('\r', "\r\r").into()),
    taken("blank lines with LF", |text| text.replace('\r', "\n\n").into()),
    taken("no segment end at the end", |text| text.trim_end().into()),
    taken("CR and LF behind the message", |text| (text + "\r\n\r\n").into()),
    taken("FS inside a value", |text| text.replace("PERSON", "PER\u{1c}SON").into()),
    taken("MSH at the beginning of a value", |text| text.replace("ZZTEST-SAMPLE", "MSH|MSH HOSPITAL").into()),
    taken("MSH-12 missing", |text| text.replace("|T|2.5.1", "|T").into()),
    taken("MSH-12 unknown", |text| text.replace("|2.5.1", "|2.x").into()),
    taken("MSH-12 absurd", |text| text.replace("|2.5.1", "|99.9 garbage").into()),
    taken("MSH-9.3 missing", |text| text.replace("ADT^A03^ADT_A03", "ADT^A03").into()),
    taken("MSH-11 missing", |text| text.replace("|T|2.5.1", "||2.5.1").into()),
    taken("other delimiters", |text| text.replace('^', "@").replace('|', "#").into()),
    taken("an unknown segment", |text| (text + "ZZZ|1|SITE\r").into()),
    taken("an unclosed escape", |text| text.replace("PERSON", "PER\\X0SON").into()),
    taken("an answer to a query, which is not an acknowledgement", |text| {
        (text.replace("ADT^A03^ADT_A03", "ADR^A19") + "MSA|AA|Q1\r").into()
    }),
    taken("bytes that are no UTF-8", |text| [text.as_bytes(), b"NTE|1||M\xfcller\r"].concat()),
    taken("a large document in OBX-5", |text| {
        let document = "Q".repeat(3 << 20);
        format!("{text}OBX|1|ED|PDF||^application^pdf^Base64^{document}\r").into()
    }),
    Case {
        name: "a sender in enhanced mode",
        write: |text| text.replace("|T|2.5.1", "|T|2.5.1|||AL|NE").into(),
        answer: "CA",
    },
];

/// Every one of them, over one connection of one daemon: answered, and delivered byte for byte (INV-12).
#[tokio::test]
async fn takes_what_senders_do_and_delivers_it_unchanged() {
    let platform = platform().await;
    let site = Site::new(platform.address());
    let daemon = Daemon::start(&site).await;
    let mut peer = Peer::connect(site.mllp()).await;
    let mut ids = Vec::new();
    for (case, number) in CASES.iter().zip(1..) {
        let id = format!("ODD-{number}");
        let message = (case.write)(String::from_utf8(adt(&id, "ZZ1")).unwrap());
        let ack = peer.exchange(&message).await;
        assert_eq!((ack.code.as_str(), &ack.control_id), (case.answer, &id), "{}", case.name);
        daemon.until(case.name, |metrics| metrics.ended("delivered") == number).await;
        let body = platform.bodies().pop().expect(case.name);
        assert!(body == message, "{}: delivered as it came", case.name);
        ids.push(id);
    }
    assert_eq!(daemon.metrics().await.frame_errors("framing"), 1, "the FS inside a value");
    drained(&site, daemon, &ids, &platform).await;
}

/// Several messages in one frame are several messages, each with its answer.
#[tokio::test]
async fn takes_each_message_of_a_frame() {
    let platform = platform().await;
    let site = Site::new(platform.address());
    let daemon = Daemon::start(&site).await;
    let mut peer = Peer::connect(site.mllp()).await;
    let messages = ["MANY-1", "MANY-2", "MANY-3"].map(|id| adt(id, "ZZ1"));
    peer.write(&framed(&messages.concat())).await;
    for id in ["MANY-1", "MANY-2", "MANY-3"] {
        let ack = peer.answer().await.expect("an answer");
        assert_eq!((ack.code.as_str(), ack.control_id.as_str()), ("AA", id));
    }
    drained(&site, daemon, &["MANY-1", "MANY-2", "MANY-3"].map(str::to_owned), &platform).await;
    assert_eq!(platform.bodies(), messages);
}

/// An acknowledgement is kept and never answered: two peers must not acknowledge each other for ever.
#[tokio::test]
async fn never_acknowledges_an_answer() {
    let platform = platform().await;
    let site = Site::new(platform.address());
    let daemon = Daemon::start(&site).await;
    let mut peer = Peer::connect(site.mllp()).await;
    for (number, kind) in ["ACK^A03^ACK", "ACK", "MCF"].into_iter().enumerate() {
        let answer = format!(
            "MSH|^~\\&|ZZEHR|ZZGENERAL|GURNEY|ZZGENERAL|20261122120000||{kind}|ANSWER-{number}|T|2.5.1\rMSA|AA|G1\r"
        );
        peer.send(answer.as_bytes()).await;
    }
    // Answers come in the order of the frames, so this one proves that the others got none.
    assert_eq!(peer.exchange(&adt("AFTER-1", "ZZ1")).await.control_id, "AFTER-1");
    daemon.until("delivered", |metrics| metrics.ended("delivered") == 1).await;
    assert_eq!(daemon.metrics().await.acks("AA"), 1);
    drained(&site, daemon, &["AFTER-1".to_owned()], &platform).await;
    assert_eq!(Books::open(&site, site.store()).tally("filtered"), 3);
}

/// What is not a message is refused with the reason, kept for a person, and named in no log line.
#[tokio::test]
async fn says_what_is_wrong_without_saying_whose_it_is() {
    const CANARY: &str = "ZZCANARY";
    let platform = platform().await;
    let site = Site::new(platform.address());
    let daemon = Daemon::start(&site).await;
    let mut peer = Peer::connect(site.mllp()).await;
    let broken = [
        format!("MSH|^~\\&|ZZEHR|ZZGENERAL|GURNEY|ZZGENERAL|20261122120000|||BAD-1|T|2.5.1\rPID|1||{CANARY}\r"),
        format!("PID|1||{CANARY}^^^ZZGENERAL^MR||{CANARY}\r"),
        format!("MSH|\rPID|1||{CANARY}\r"),
        format!("{{\"patient\":\"{CANARY}\"}}"),
    ];
    for message in &broken {
        let ack = peer.exchange(message.as_bytes()).await;
        assert_eq!(ack.code, "AR", "{message}");
        assert!(ack.text().contains("\rERR|"), "{}", ack.text());
        assert!(!ack.text().contains(CANARY), "{}", ack.text());
    }
    assert_eq!(peer.exchange(&adt("GOOD-1", CANARY)).await.code, "AA", "and the next one is taken");
    daemon.until("counted", |metrics| metrics.ended("quarantined") == 4).await;
    drained(&site, daemon, &["GOOD-1".to_owned()], &platform).await;
    assert!(!site.log().contains(CANARY), "{}", site.log());
    assert!(!store_shows(&site, CANARY), "readable on disk (INV-10)");
    let books = Books::open(&site, site.store());
    let kept = [books.aside("no_message_type"), books.aside("unparsable")].concat();
    assert_eq!(kept, broken.map(String::into_bytes), "their bytes are kept");
}
