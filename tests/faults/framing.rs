//! Frames as they should not be: each departure is answered as if it were none, or counted and kept, and never disturbs the next frame.

use gurney::{sim::platform::Platform, wire::mllp::encode};

use crate::support::{
    daemon::Daemon,
    load::platform,
    peer::{Peer, adt, framed},
    site::Site,
    verdict::{Books, drained},
};

const VT: &[u8] = b"\x0b";
const FS: &[u8] = b"\x1c";

/// A way to write two messages, and what is to be found of it afterwards.
struct Case {
    name: &'static str,
    /// The bytes, made of the first and the second message.
    bytes: fn(&[u8], &[u8]) -> Vec<u8>,
    /// Whether the first message is taken; the second always is.
    takes_the_first: bool,
    /// Frame errors counted.
    errors: u64,
    /// The cause under which bytes are kept for a person, if any.
    kept: Option<&'static str>,
}

const CASES: &[Case] = &[
    Case {
        name: "two frames at once",
        bytes: |a, b| [framed(a), framed(b)].concat(),
        takes_the_first: true,
        errors: 0,
        kept: None,
    },
    Case {
        name: "FS without CR, the next frame follows",
        bytes: |a, b| [VT, a, FS, &framed(b)].concat(),
        takes_the_first: true,
        errors: 1,
        kept: None,
    },
    Case {
        name: "garbage between frames",
        bytes: |a, b| [&framed(a), b"2026-11-22 12:00:00 sending\n".as_slice(), &framed(b)].concat(),
        takes_the_first: true,
        errors: 1,
        kept: Some("garbage"),
    },
    Case {
        name: "NUL and line ends between frames",
        bytes: |a, b| [&framed(a), b"\0\0\r\n".as_slice(), &framed(b)].concat(),
        takes_the_first: true,
        errors: 1,
        kept: Some("padding"),
    },
    Case {
        name: "a byte order mark before the frame",
        bytes: |a, b| [&framed(a), b"\xef\xbb\xbf".as_slice(), &framed(b)].concat(),
        takes_the_first: true,
        errors: 1,
        kept: Some("byte_order_mark"),
    },
    Case {
        name: "VT inside a frame: it begins anew",
        bytes: |a, b| [VT, &a[..30], &framed(b)].concat(),
        takes_the_first: false,
        errors: 1,
        kept: Some("restarted"),
    },
    Case {
        name: "VT twice",
        bytes: |a, b| [VT, &framed(a), &framed(b)].concat(),
        takes_the_first: true,
        errors: 1,
        kept: None,
    },
    Case {
        name: "no VT: not a frame",
        bytes: |a, b| [a, FS, b"\r", &framed(b)].concat(),
        takes_the_first: false,
        errors: 1,
        kept: Some("garbage"),
    },
    Case {
        name: "no FS: not complete",
        bytes: |a, b| [VT, a, b"\r", &framed(b)].concat(),
        takes_the_first: false,
        errors: 1,
        kept: Some("restarted"),
    },
    Case {
        name: "an empty frame",
        bytes: |a, b| [&framed(a), b"\x0b\x1c\r".as_slice(), &framed(b)].concat(),
        takes_the_first: true,
        errors: 1,
        kept: None,
    },
];

/// F19: every departure from the frame, written at once and byte by byte.
#[tokio::test]
async fn answers_every_frame_that_can_be_made_out() {
    for case in CASES {
        for way in ["at once", "byte by byte"] {
            check(case, way).await;
        }
    }
}

async fn check(case: &Case, way: &str) {
    let platform = platform().await;
    let site = Site::new(platform.address());
    let daemon = Daemon::start(&site).await;
    let (first, second) = (adt("FRAME-1", "ZZ1"), adt("FRAME-2", "ZZ2"));
    let bytes = (case.bytes)(&first, &second);
    let mut peer = Peer::connect(site.mllp()).await;
    match way {
        "at once" => peer.write(&bytes).await,
        _ => peer.drip(&bytes).await,
    }
    let expected: &[&str] = if case.takes_the_first { &["FRAME-1", "FRAME-2"] } else { &["FRAME-2"] };
    for id in expected {
        let ack = peer.answer().await.expect("an answer");
        assert_eq!((ack.code.as_str(), ack.control_id.as_str()), ("AA", *id), "{}, {way}", case.name);
    }
    peer.finish().await;
    assert_eq!(peer.answer().await, None, "{}, {way}: no further answer", case.name);
    assert_eq!(daemon.metrics().await.frame_errors("framing"), case.errors, "{}, {way}", case.name);
    let acknowledged: Vec<String> = expected.iter().map(|id| (*id).to_owned()).collect();
    drained(&site, daemon, &acknowledged, &platform).await;
    bodies_are(&platform, &[first, second], expected);
    let scraps = Books::open(&site, site.store()).scraps();
    let causes: Vec<&str> = scraps.iter().map(|(cause, ..)| cause.as_str()).collect();
    assert_eq!(causes, case.kept.as_slice(), "{}, {way}", case.name);
}

/// What was delivered is what was sent, byte for byte (INV-12).
fn bodies_are(platform: &Platform, sent: &[Vec<u8>], expected: &[&str]) {
    let bodies = platform.bodies();
    assert_eq!(bodies.len(), expected.len());
    for body in &bodies {
        assert!(sent.contains(body), "{}", String::from_utf8_lossy(body));
    }
}

/// F19: a frame may be cut into segments at any byte.
#[tokio::test]
async fn answers_frames_in_segments_of_one_byte() {
    let platform = platform().await;
    let site = Site::new(platform.address());
    let daemon = Daemon::start(&site).await;
    let mut peer = Peer::connect(site.mllp()).await;
    let mut acknowledged = Vec::new();
    for number in 1..=5 {
        let id = format!("DRIP-{number}");
        peer.drip(&framed(&adt(&id, "ZZ1"))).await;
        assert_eq!(peer.answer().await.expect("an answer").control_id, id);
        acknowledged.push(id);
    }
    drained(&site, daemon, &acknowledged, &platform).await;
}

/// F19: FS as the last byte ends its frame after a short silence, though nothing follows.
#[tokio::test]
async fn answers_a_frame_whose_last_return_never_comes() {
    let platform = platform().await;
    let site = Site::new(platform.address());
    let daemon = Daemon::start(&site).await;
    let mut peer = Peer::connect(site.mllp()).await;
    let frame = framed(&adt("NORETURN-1", "ZZ1"));
    peer.write(&frame[..frame.len() - 1]).await;
    assert_eq!(peer.answer().await.expect("an answer").code, "AA");
    drained(&site, daemon, &["NORETURN-1".to_owned()], &platform).await;
}

/// Answers come in the order of the frames, however many are on the way.
#[tokio::test]
async fn answers_in_the_order_of_the_frames() {
    let platform = platform().await;
    let site = Site::new(platform.address());
    let daemon = Daemon::start(&site).await;
    let mut peer = Peer::connect(site.mllp()).await;
    let ids: Vec<String> = (1..=500).map(|number| format!("ORDER-{number}")).collect();
    let mut all = Vec::new();
    for id in &ids {
        encode(&mut all, &adt(id, "ZZ1"));
    }
    peer.write(&all).await;
    for id in &ids {
        assert_eq!(&peer.answer().await.expect("an answer").control_id, id);
    }
    drained(&site, daemon, &ids, &platform).await;
}
