//! The network and the senders misbehave: half-open and broken connections, floods, drips, frames without end.

use std::{net::Ipv4Addr, time::Duration};

use gurney::sim::{
    ehr::EhrOptions,
    fault::{Break, Line, Proxy, Toward},
};
use tokio::time::Instant;

use crate::support::{
    daemon::{Daemon, Launch},
    load::{acknowledged_beyond, finished, platform, sender},
    net::Net,
    peer::{Peer, adt, framed},
    site::Site,
    verdict::{Books, drained},
    wait::{until, until_so, within},
};

/// F17: a sender that went silent without closing is let go after its idle time, and one silent inside a frame after its frame time.
#[tokio::test]
async fn lets_go_of_senders_that_went_silent() {
    let platform = platform().await;
    let site = Site::new(platform.address()).link("idle_timeout = \"2 s\"\nframe_timeout = \"1 s\"");
    let daemon = Daemon::start(&site).await;
    let proxy = Proxy::start(site.mllp(), Line::default()).await.unwrap();
    let mut idle = Peer::connect(proxy.address()).await;
    assert_eq!(idle.exchange(&adt("SILENT-1", "ZZ1")).await.code, "AA");
    let frame = framed(&adt("SILENT-2", "ZZ1"));
    let mut inside = Peer::connect(site.mllp()).await;
    inside.write(&frame[..20]).await;
    // From here on nothing of the first connection passes, not even its end.
    proxy.set(Line::cut(Toward::Server, 0, Break::Silence));
    idle.write(b"\x0b").await;
    daemon.until("both are let go", |metrics| metrics.sum("gurney_interface_connections", &[]) == 0).await;
    assert_eq!(inside.answer().await, None, "a frame that was never completed is not answered");
    let metrics = daemon.metrics().await;
    assert_eq!(metrics.frame_errors("timeout"), 1);
    assert_eq!(metrics.acks("AA"), 1);
    drained(&site, daemon, &["SILENT-1".to_owned()], &platform).await;
}

/// F17: a sender whose machine is gone is noticed within a minute though its connection was idle: its place is free again.
#[tokio::test]
async fn notices_a_sender_that_is_gone() {
    let Some(net) = Net::make("a sender that is gone (F17)") else { return };
    let platform = platform().await;
    let site = Site::new(platform.address());
    let mut daemon = Daemon::spawn(&site, &net.launch());
    until_so("ready", async || site.log().contains("INFO ready")).await;
    let held = net.connect(site.mllp());
    net.pull();
    let pulled_at = Instant::now();
    until_so("the connection is given up", async || site.log().contains("connection ended early")).await;
    assert!(pulled_at.elapsed() > Duration::from_secs(15), "given up too early: {:?}", pulled_at.elapsed());
    assert!(daemon.runs());
    drop(held);
}

/// F17: a platform that went silent without closing costs one time-out; the delivery is made under the same key.
#[tokio::test]
async fn delivers_past_a_platform_connection_that_went_silent() {
    let platform = platform().await;
    // The answer is on its way when the line goes silent: the platform has had the effect.
    let proxy = Proxy::start(platform.address(), Line::cut_once(Toward::Client, 0, Break::Silence)).await.unwrap();
    let site = Site::new(proxy.address())
        .destination("timeout = \"500 ms\"\nretry = { first = \"20 ms\", at_most = \"100 ms\" }");
    let daemon = Daemon::start(&site).await;
    let mut peer = Peer::connect(site.mllp()).await;
    assert_eq!(peer.exchange(&adt("HALF-1", "ZZ1")).await.code, "AA");
    daemon.until("delivered", |metrics| metrics.ended("delivered") == 1).await;
    assert!(daemon.metrics().await.attempts("timeout") >= 1);
    let effects = platform.effects();
    assert_eq!((effects.effects, effects.repeats), (1, 1));
    drained(&site, daemon, &["HALF-1".to_owned()], &platform).await;
}

/// F18: a frame that a reset or an end of stream cuts off is counted, kept for a person and never acknowledged; the next one is read.
#[tokio::test]
async fn discards_frames_that_are_cut_off() {
    let platform = platform().await;
    let site = Site::new(platform.address());
    let daemon = Daemon::start(&site).await;
    let frame = framed(&adt("CUT-1", "ZZ1"));
    let places = [1, 2, frame.len() / 2, frame.len() - 3];
    for (round, place) in (1..).zip(places) {
        let mut peer = Peer::connect(site.mllp()).await;
        peer.write(&frame[..place]).await;
        peer.finish().await;
        assert_eq!(peer.answer().await, None, "an end of stream after {place} bytes");
        daemon.until("it is counted", |metrics| metrics.frame_errors("framing") == 2 * round - 1).await;
        let mut peer = Peer::connect(site.mllp()).await;
        peer.write(&frame[..place]).await;
        let read = 2 * places.iter().take_while(|before| **before <= place).sum::<usize>() as u64;
        // A reset throws away what was not read yet.
        daemon
            .until("the bytes are read", |metrics| metrics.sum("gurney_interface_received_bytes_total", &[]) == read)
            .await;
        peer.reset();
        daemon.until("it is counted", |metrics| metrics.frame_errors("framing") == 2 * round).await;
    }
    let mut peer = Peer::connect(site.mllp()).await;
    let ack = peer.exchange(&adt("CUT-1", "ZZ1")).await;
    assert_eq!((ack.code.as_str(), ack.control_id.as_str()), ("AA", "CUT-1"));
    assert_eq!(daemon.metrics().await.acks("AA"), 1);
    drained(&site, daemon, &["CUT-1".to_owned()], &platform).await;
    let scraps = Books::open(&site, site.store()).scraps();
    assert_eq!(scraps.iter().filter(|(cause, ..)| cause == "partial").count(), 6, "but for the empty ones: {scraps:?}");
}

/// F41: an acknowledgement that never reached the sender: the message stays, and its repeat is the same message.
#[tokio::test]
async fn takes_the_repeat_of_a_message_whose_answer_was_lost() {
    let platform = platform().await;
    let site = Site::new(platform.address());
    let daemon = Daemon::start(&site).await;
    for how in [Break::Close, Break::Reset] {
        let proxy = Proxy::start(site.mllp(), Line::cut_once(Toward::Client, 0, how)).await.unwrap();
        let mut lost = Peer::connect(proxy.address()).await;
        lost.send(&adt("LOST-1", "ZZ1")).await;
        assert_eq!(lost.answer().await, None, "{how:?}");
    }
    let mut peer = Peer::connect(site.mllp()).await;
    assert_eq!(peer.exchange(&adt("LOST-1", "ZZ1")).await.code, "AA");
    let metrics = daemon.metrics().await;
    assert_eq!(metrics.ended("duplicate"), 2);
    daemon.until("delivered once", |metrics| metrics.ended("delivered") == 1).await;
    assert_eq!(platform.effects().requests, 1);
    drained(&site, daemon, &["LOST-1".to_owned()], &platform).await;
}

/// F41: over a line that loses answers at every turn a careful sender gets everything through, once.
#[tokio::test]
async fn loses_nothing_over_a_line_that_loses_answers() {
    let platform = platform().await;
    let site = Site::new(platform.address());
    let daemon = Daemon::start(&site).await;
    let line = Line { slice: Some(7), ..Line::cut(Toward::Client, 1000, Break::Reset) };
    let proxy = Proxy::start(site.mllp(), line).await.unwrap();
    let options = EhrOptions {
        to: proxy.address().to_string(),
        connections: 3,
        window: 4,
        rate: None,
        messages: Some(300),
        pause: Duration::from_millis(5),
        ..EhrOptions::default()
    };
    let acknowledged = finished(gurney::sim::ehr::Sender::start(options).unwrap()).await;
    assert_eq!(acknowledged.len(), 300);
    assert!(proxy.traffic().cuts > 20, "{:?}", proxy.traffic());
    drained(&site, daemon, &acknowledged, &platform).await;
    assert_eq!(platform.effects().effects, 300);
}

/// F20: two hundred senders that drip a byte now and then are let go at the frame time, and nobody else notices.
#[tokio::test]
async fn serves_others_while_many_drip() {
    const DRIPPING: usize = 200;
    let platform = platform().await;
    let site = Site::new(platform.address()).link("frame_timeout = \"3 s\"\nconnections_per_peer = 256");
    let daemon = Daemon::start(&site).await;
    let frame = framed(&adt("DRIP-1", "ZZ1"));
    let mut dripping = Vec::new();
    for _ in 0..DRIPPING {
        let mut peer = Peer::connect(site.mllp()).await;
        peer.write(&frame[..1]).await;
        dripping.push(peer);
    }
    let options = EhrOptions { connections: 2, rate: Some(100.0), ..EhrOptions::default() };
    let mut good = sender(&site, options);
    // A byte each, again and again, until all are let go; the good sender gets its answers all the while.
    let mut next = 1;
    until("the dripping senders are let go", async || {
        for peer in &mut dripping {
            peer.try_write(&frame[next..=next]).await.ok();
        }
        next = (next + 1).min(frame.len() - 4);
        let before = good.tally().acknowledged;
        acknowledged_beyond(&mut good, before, 10).await;
        (daemon.metrics().await.frame_errors("timeout") >= DRIPPING as u64).then_some(())
    })
    .await;
    for peer in &mut dripping {
        assert_eq!(peer.answer().await, None, "a dripped frame is not answered");
    }
    let tally = good.tally();
    assert_eq!((tally.lost_connections, tally.refused, tally.timeouts), (0, 0, 0), "{tally:?}");
    good.stop();
    let acknowledged = good.acknowledged();
    drained(&site, daemon, &acknowledged, &platform).await;
}

/// F21: a frame that never ends is refused at the limit, in constant memory.
#[tokio::test]
async fn refuses_a_frame_without_end_in_constant_memory() {
    const MIB: usize = 1 << 20;
    let platform = platform().await;
    let site = Site::new(platform.address()).link("frame_max = \"1 MiB\"");
    let daemon = Daemon::start(&site).await;
    let mut peer = Peer::connect(site.mllp()).await;
    assert_eq!(peer.exchange(&adt("SMALL-1", "ZZ1")).await.code, "AA");
    let before = daemon.resident_kib();
    for round in 1..=20_u64 {
        let mut peer = Peer::connect(site.mllp()).await;
        peer.write(b"\x0b").await;
        peer.write(&adt("ENDLESS-1", "ZZ1")).await;
        let chunk = vec![b'x'; MIB / 4];
        // The box closes at the limit; 100 MiB are never taken.
        let mut taken = 0;
        while taken < 100 * MIB && peer.try_write(&chunk).await.is_ok() {
            taken += chunk.len();
        }
        assert!(taken < 100 * MIB, "{taken} bytes taken");
        if let Some(ack) = peer.answer().await {
            assert_eq!((ack.code.as_str(), ack.control_id.as_str()), ("AR", "ENDLESS-1"));
            assert_eq!(peer.answer().await, None);
        }
        daemon.until("it is counted", |metrics| metrics.frame_errors("oversize") == round).await;
    }
    let grown = daemon.resident_kib().saturating_sub(before);
    assert!(grown < 16 << 10, "grown by {grown} KiB");
    let mut limit = Peer::connect(site.mllp()).await;
    assert_eq!(limit.exchange(&padded("LIMIT-1", MIB)).await.code, "AA", "the limit itself");
    assert_eq!(limit.exchange(&padded("LIMIT-2", MIB + 1)).await.code, "AR", "one byte more");
    assert_eq!(limit.answer().await, None, "and closed");
    assert_eq!(daemon.metrics().await.acks("AR"), 21, "answered and counted");
    drained(&site, daemon, &["SMALL-1".to_owned(), "LIMIT-1".to_owned()], &platform).await;
}

/// A message of exactly so many bytes.
fn padded(control_id: &str, bytes: usize) -> Vec<u8> {
    let mut message = adt(control_id, "ZZ1");
    message.extend_from_slice(b"NTE|1||");
    message.resize(bytes - 1, b'x');
    message.push(b'\r');
    message
}

/// F22: addresses that are not on the list, and connections above the caps, are closed before a byte is read; the others are served.
#[tokio::test]
async fn keeps_to_the_list_and_the_caps() {
    let platform = platform().await;
    let site =
        Site::new(platform.address()).link("allow = [\"127.0.0.0/28\"]\nconnections_max = 8\nconnections_per_peer = 3");
    let daemon = Daemon::start(&site).await;
    let known = |last: u8| Ipv4Addr::new(127, 0, 0, last);
    let mut stranger = Peer::connect_from(known(77), site.mllp()).await;
    stranger.try_write(&framed(&adt("STRANGER-1", "ZZ1"))).await.ok();
    assert_eq!(stranger.answer().await, None, "a stranger");
    daemon.until("counted", |metrics| metrics.refused("address") == 1).await;

    let mut held = Vec::new();
    let mut acknowledged = Vec::new();
    for number in 0..8_u8 {
        let mut peer = Peer::connect_from(known(2 + number / 3), site.mllp()).await;
        let id = format!("HELD-{}", number + 1);
        assert_eq!(peer.exchange(&adt(&id, "ZZ1")).await.code, "AA");
        held.push(peer);
        acknowledged.push(id);
        if number == 2 {
            let mut fourth = Peer::connect_from(known(2), site.mllp()).await;
            assert_eq!(fourth.answer().await, None, "a fourth connection of one peer");
            daemon.until("counted", |metrics| metrics.refused("peer_full") == 1).await;
        }
    }
    let mut ninth = Peer::connect_from(known(9), site.mllp()).await;
    assert_eq!(ninth.answer().await, None, "a ninth connection");
    daemon.until("counted", |metrics| metrics.refused("full") == 1).await;
    drop(held.pop());
    daemon.until("a place is free", |metrics| metrics.sum("gurney_interface_connections", &[]) == 7).await;
    let mut late = Peer::connect_from(known(9), site.mllp()).await;
    assert_eq!(late.exchange(&adt("HELD-9", "ZZ1")).await.code, "AA");
    for (peer, number) in held.iter_mut().zip(11..) {
        let id = format!("HELD-{number}");
        assert_eq!(peer.exchange(&adt(&id, "ZZ1")).await.code, "AA", "the others are served all the while");
        acknowledged.push(id);
    }
    acknowledged.push("HELD-9".to_owned());
    // HELD-9 came before HELD-11, whose patient it shares: the order of arrival is kept.
    acknowledged.sort_by_key(String::len);
    drop((held, late));
    drained(&site, daemon, &acknowledged, &platform).await;
}

/// F22: a thousand connections at once, and thousands that come and go, leave nothing behind.
#[tokio::test]
async fn survives_floods_of_connections() {
    let platform = platform().await;
    let site = Site::new(platform.address()).link("connections_per_peer = 32");
    let daemon = Daemon::start(&site).await;
    let mut good = Peer::connect_from(Ipv4Addr::new(127, 0, 0, 2), site.mllp()).await;
    assert_eq!(good.exchange(&adt("FLOOD-1", "ZZ1")).await.code, "AA");
    daemon.until("settled", |metrics| metrics.waiting() == 0).await;
    let before = daemon.descriptors();
    for _ in 0..20 {
        let mut flood = Vec::new();
        for _ in 0..50 {
            // A connection that was closed on the way is a part of the flood.
            flood.extend(Peer::try_connect(site.mllp()).await.ok());
        }
        assert!(flood.len() > 32);
    }
    for _ in 0..2000 {
        drop(Peer::try_connect(site.mllp()).await);
    }
    assert_eq!(good.exchange(&adt("FLOOD-2", "ZZ1")).await.code, "AA");
    daemon.until("all are gone", |metrics| metrics.sum("gurney_interface_connections", &[]) == 1).await;
    until_so("no descriptor is left behind", async || daemon.descriptors() <= before + 4).await;
    assert!(daemon.metrics().await.refused("peer_full") >= 20 * 18);
    drained(&site, daemon, &["FLOOD-1".to_owned(), "FLOOD-2".to_owned()], &platform).await;
}

/// F39: out of descriptors it keeps its connections, says so, and takes new ones when there are descriptors again.
#[tokio::test]
async fn survives_running_out_of_descriptors() {
    const DESCRIPTORS: u64 = 64;
    let platform = platform().await;
    let site = Site::new(platform.address());
    let via = ["prlimit", &format!("--nofile={DESCRIPTORS}"), "--"].map(str::to_owned).to_vec();
    let mut daemon = Daemon::launch(&site, &Launch { via, ..Launch::default() }).await;
    let mut good = Peer::connect(site.mllp()).await;
    assert_eq!(good.exchange(&adt("DESC-1", "ZZ1")).await.code, "AA");
    daemon.until("delivered", |metrics| metrics.ended("delivered") == 1).await;
    let mut crowd = Vec::new();
    while daemon.descriptors() < usize::try_from(DESCRIPTORS).unwrap() {
        crowd.push(Peer::connect(site.mllp()).await);
        let seen = daemon.descriptors();
        // The kernel takes the connection first; the box accepts it a moment later.
        within("it is accepted, or cannot be", async {
            let deadline = Instant::now() + Duration::from_millis(200);
            while daemon.descriptors() == seen && Instant::now() < deadline {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
    crowd.push(Peer::connect(site.mllp()).await);
    until_so("it says so", async || site.log().contains("cannot accept a connection")).await;
    for number in 2..=20 {
        assert_eq!(good.exchange(&adt(&format!("DESC-{number}"), "ZZ1")).await.code, "AA", "taken all the while");
    }
    assert!(daemon.runs());
    drop(crowd);
    daemon
        .until("accepting failed and is over", |metrics| {
            metrics.refused("accept") > 0 && metrics.sum("gurney_interface_connections", &[]) == 1
        })
        .await;
    let mut late = Peer::connect(site.mllp()).await;
    assert_eq!(late.exchange(&adt("DESC-21", "ZZ1")).await.code, "AA");
    let acknowledged: Vec<String> = (1..=21).map(|number| format!("DESC-{number}")).collect();
    drained(&site, daemon, &acknowledged, &platform).await;
}
