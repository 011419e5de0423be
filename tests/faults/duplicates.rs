//! Messages that come twice, and messages that nothing can be done with.

use crate::support::{
    daemon::{Daemon, Launch},
    load::platform,
    peer::{Peer, adt},
    site::Site,
    verdict::{Books, drained},
};

/// F30: the same message again gets the same answer, byte for byte, also after a kill, and has no second effect.
#[tokio::test]
async fn answers_a_repeat_with_the_same_bytes_also_after_a_restart() {
    let platform = platform().await;
    let site = Site::new(platform.address());
    let mut daemon = Daemon::start(&site).await;
    let message = adt("TWICE-1", "ZZ1");
    let broken = b"MSH|^~\\&|ZZEHR|ZZGENERAL|GURNEY|ZZGENERAL|20261122120000|||TWICE-2|T|2.5.1\r".to_vec();
    let mut peer = Peer::connect(site.mllp()).await;
    let first = peer.exchange(&message).await;
    let refused = peer.exchange(&broken).await;
    assert_eq!((first.code.as_str(), refused.code.as_str()), ("AA", "AR"));
    assert_eq!(peer.exchange(&message).await.bytes, first.bytes);
    let mut other = Peer::connect(site.mllp()).await;
    assert_eq!(other.exchange(&message).await.bytes, first.bytes, "on another connection");
    assert_eq!(other.exchange(&broken).await.bytes, refused.bytes, "a refusal too");
    daemon.kill();
    let mut daemon = Daemon::start(&site).await;
    let mut peer = Peer::connect(site.mllp()).await;
    assert_eq!(peer.exchange(&message).await.bytes, first.bytes, "after a kill");
    assert_eq!(daemon.terminate().await.code(), Some(0));
    let daemon = Daemon::start(&site).await;
    let mut peer = Peer::connect(site.mllp()).await;
    assert_eq!(peer.exchange(&message).await.bytes, first.bytes, "after a clean stop");
    let metrics = daemon.metrics().await;
    assert_eq!((metrics.ended("duplicate"), metrics.ended("quarantined")), (1, 0));
    drained(&site, daemon, &["TWICE-1".to_owned()], &platform).await;
    assert_eq!(platform.effects().effects, 1);
    let books = Books::open(&site, site.store());
    assert_eq!((books.tally("duplicate"), books.tally("received")), (5, 7));
}

/// F30: the same control id with another body is another message: taken, flagged and counted. Senders wrap their counters.
#[tokio::test]
async fn takes_a_reused_control_id_for_a_new_message() {
    let platform = platform().await;
    let site = Site::new(platform.address());
    let mut daemon = Daemon::start(&site).await;
    let mut peer = Peer::connect(site.mllp()).await;
    let reuses = |metrics: &crate::support::daemon::Metrics| metrics.sum("gurney_message_control_id_reuses_total", &[]);
    let first = peer.exchange(&adt("WRAP-1", "ZZ1")).await;
    let second = peer.exchange(&adt("WRAP-1", "ZZ2")).await;
    assert_eq!((first.code.as_str(), second.code.as_str()), ("AA", "AA"));
    assert_ne!(first.bytes, second.bytes, "an answer of its own");
    daemon.until("counted", |metrics| reuses(metrics) == 1).await;
    daemon.kill();
    let daemon = Daemon::start(&site).await;
    let mut peer = Peer::connect(site.mllp()).await;
    assert_eq!(peer.exchange(&adt("WRAP-1", "ZZ3")).await.code, "AA");
    daemon.until("counted after a restart too", |metrics| reuses(metrics) == 1).await;
    assert_eq!(peer.exchange(&adt("WRAP-1", "ZZ2")).await.bytes, second.bytes, "each body has its answer");
    drained(&site, daemon, &["WRAP-1".to_owned()], &platform).await;
    assert_eq!(platform.effects().effects, 3);
    // The same body under another control id is another message as well.
    let books = Books::open(&site, site.store());
    assert_eq!((books.tally("received"), books.tally("duplicate")), (4, 1));
}

/// F31: a message at which the decision fails is kept for a person and refused; those before, beside and behind it go through.
#[tokio::test]
async fn quarantines_a_poison_message_and_goes_on() {
    for how in ["panic", "return"] {
        let platform = platform().await;
        let site = Site::new(platform.address());
        let points = format!("decide=3*off->1*{how}->3*off->1*{how}->off");
        let mut daemon = Daemon::launch(&site, &Launch::failing(&points)).await;
        let mut peer = Peer::connect(site.mllp()).await;
        let mut acknowledged = Vec::new();
        for number in 1..=10 {
            let id = format!("POISON-{number}");
            let ack = peer.exchange(&adt(&id, "ZZ1")).await;
            let expected = if number == 4 || number == 8 { "AE" } else { "AA" };
            assert_eq!((ack.code.as_str(), ack.control_id.as_str()), (expected, id.as_str()), "{how}");
            if expected == "AA" {
                acknowledged.push(id);
            }
        }
        assert!(daemon.runs());
        daemon.until("counted", |metrics| metrics.ended("quarantined") == 2).await;
        assert!(daemon.metrics().await.sum("gurney_message_errors_total", &["stage=\"validate\""]) == 2);
        let again = peer.exchange(&adt("POISON-4", "ZZ1")).await;
        assert_eq!(again.code, "AE", "its repeat is not processed again");
        let log = site.log();
        assert!(log.contains("caught, the message is quarantined") && !log.contains("POISON"), "{log}");
        drained(&site, daemon, &acknowledged, &platform).await;
        let kept = Books::open(&site, site.store()).aside("internal");
        assert_eq!(kept, [adt("POISON-4", "ZZ1"), adt("POISON-8", "ZZ1")], "their bytes are kept");
    }
}
