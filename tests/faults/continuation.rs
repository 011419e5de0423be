//! Messages that come in parts (HL7 v2.5.1 chapter 2, 2.10.2): every part has its own answer, and the whole arrives once.

use crate::support::{
    daemon::{Daemon, Launch},
    load::platform,
    peer::Peer,
    site::Site,
    verdict::{Books, drained},
};

fn header(id: &str, pointer: &str) -> String {
    format!("MSH|^~\\&|ZZLAB|ZZGENERAL|GURNEY|ZZGENERAL|20261122120000||ORU^R01^ORU_R01|{id}|T|2.5.1||{pointer}\r")
}

/// A report whose long text is cut twice, the first time inside a segment.
fn parts() -> [String; 3] {
    let text = "A LONG REPORT ABOUT NOBODY. ".repeat(2000);
    [
        header("CUT-1", "") + &format!("PID|1||ZZ1^^^ZZGENERAL^MR\rOBX|1|TX|REP||{text}\rADD\rDSC|ZZ-17-1|F\r"),
        header("CUT-2", "ZZ-17-1") + &format!("ADD|{text}\rOBX|2|TX|REP||{text}\rDSC|ZZ-17-2|F\r"),
        header("CUT-3", "ZZ-17-2") + &format!("OBX|3|TX|REP||{text}\r"),
    ]
}

fn whole() -> String {
    let text = "A LONG REPORT ABOUT NOBODY. ".repeat(2000);
    header("CUT-1", "")
        + &format!("PID|1||ZZ1^^^ZZGENERAL^MR\rOBX|1|TX|REP||{text}{text}\r")
        + &format!("OBX|2|TX|REP||{text}\rOBX|3|TX|REP||{text}\r")
}

/// Killed between any two parts, and once more between the commit and the answer of the last: the joined bytes arrive, once.
#[tokio::test]
async fn delivers_a_message_in_parts_once_and_whole_over_kills() {
    let platform = platform().await;
    let site = Site::new(platform.address());
    let [first, second, third] = parts();
    let mut answers = Vec::new();
    for part in [&first, &second] {
        let mut daemon = Daemon::start(&site).await;
        let mut peer = Peer::connect(site.mllp()).await;
        let ack = peer.exchange(part.as_bytes()).await;
        assert_eq!(ack.code, "AA");
        assert_eq!(peer.exchange(part.as_bytes()).await.bytes, ack.bytes, "a repeat");
        answers.push(ack);
        assert_eq!(daemon.metrics().await.waiting(), 0, "nothing to deliver yet");
        daemon.kill();
    }
    assert_eq!(platform.effects().effects, 0);

    let mut daemon = Daemon::launch(&site, &Launch::failing("commit-after=panic")).await;
    Peer::connect(site.mllp()).await.send(third.as_bytes()).await;
    assert_eq!(daemon.ended().await.code(), None, "died before it could answer: {}", site.log());

    let daemon = Daemon::start(&site).await;
    let mut peer = Peer::connect(site.mllp()).await;
    answers.push(peer.exchange(third.as_bytes()).await);
    let ids: Vec<&str> = answers.iter().map(|ack| ack.control_id.as_str()).collect();
    assert_eq!((ids.as_slice(), answers[2].code.as_str()), (&["CUT-1", "CUT-2", "CUT-3"][..], "AA"));
    for (part, ack) in parts().iter().zip(&answers) {
        assert_eq!(peer.exchange(part.as_bytes()).await.bytes, ack.bytes, "a repeat after all");
    }
    drained(&site, daemon, &["CUT-1".to_owned()], &platform).await;
    assert_eq!(platform.bodies(), [whole().into_bytes()]);
    assert_eq!(platform.effects().effects, 1);
    assert!(!site.log().contains("NOBODY") && !site.log().contains("ZZ-17"), "{}", site.log());
    let books = Books::open(&site, site.store());
    // Three parts and the whole; two repeats before, the last part's after its lost answer, and three in the end.
    let tally = ["received", "filtered", "delivered", "duplicate", "held"].map(|outcome| books.tally(outcome));
    assert_eq!(tally, [10, 3, 1, 6, 0]);
}

/// A part whose others never come is kept, and stands in nobody's way.
#[tokio::test]
async fn keeps_a_part_whose_others_never_come() {
    let platform = platform().await;
    let site = Site::new(platform.address());
    let daemon = Daemon::start(&site).await;
    let mut peer = Peer::connect(site.mllp()).await;
    let [first, _, third] = parts();
    let single = header("ALONE-1", "") + "PID|1||ZZ2^^^ZZGENERAL^MR\rOBX|1|TX|REP||SHORT\r";
    for (part, id) in [(&first, "CUT-1"), (&third, "CUT-3"), (&single, "ALONE-1")] {
        let ack = peer.exchange(part.as_bytes()).await;
        assert_eq!((ack.code.as_str(), ack.control_id.as_str()), ("AA", id));
    }
    daemon.until("counted", |metrics| metrics.ended("held") == 2).await;
    drained(&site, daemon, &["ALONE-1".to_owned()], &platform).await;
    assert_eq!(platform.bodies(), [single.into_bytes()]);
    let books = Books::open(&site, site.store());
    assert_eq!(books.aside("continuation"), [first.into_bytes(), third.into_bytes()]);
    assert_eq!(books.tally("held"), 2);
}
