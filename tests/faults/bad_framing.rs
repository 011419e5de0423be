//! Bad frames (class A) and what a terminal server makes of a bad serial line (class I), at the running box over MLLP: it stays up,
//! takes a good message behind each, takes little memory, and acknowledges only what it stored.

use std::collections::BTreeMap;

use tokio::time::Instant;

use crate::{
    bad_input::{EXTRA_KIB_MAX, HANG, Heard, follow},
    bad_wire::{Fault, Step, Wire, frames, lines},
    support::{
        daemon::{Daemon, Launch},
        load::platform,
        peer::{Peer, adt, framed},
        site::Site,
        verdict::Books,
    },
};

/// Silence after which a terminal server has closed its connection, in milliseconds.
const GONE: i64 = 60_000;

/// One step, as it looks on a socket. Where the box has closed the connection, the message behind tells.
async fn throw(peer: &mut Peer, site: &Site, step: &Step) {
    match step {
        Step::Bytes(bytes) => peer.try_write(bytes).await.ok(),
        Step::Fault(Fault::Parity) => peer.try_write(b"?").await.ok(),
        Step::Fault(Fault::Framing) => peer.try_write(b"\0").await.ok(),
        Step::Fault(Fault::Overrun) => None,
        Step::Silence(milliseconds) if *milliseconds < GONE => None,
        Step::Silence(_) => {
            *peer = Peer::connect(site.mllp()).await;
            None
        }
    };
}

#[tokio::test]
async fn survives_every_bad_frame_and_acknowledges_only_what_it_stored() {
    let platform = platform().await;
    let site = Site::new(platform.address());
    let mut daemon = Daemon::launch(&site, &Launch::as_unit()).await;
    let mut peer = Peer::connect(site.mllp()).await;
    let mut heard = Heard::default();
    // The store's page cache is filled by any traffic.
    for number in 0..200 {
        let large = [adt(&format!("WARM-{number}"), "ZZ1"), vec![b'N'; 100_000], b"\r".to_vec()].concat();
        assert_eq!(peer.exchange(&large).await.code, "AA");
    }
    daemon.until("delivered", |metrics| metrics.waiting() == 0).await;
    let before = daemon.resident_kib();
    let streams = [framed(&adt("WIRE-1", "ZZ1")), framed(&adt("WIRE-2", "ZZ2"))];
    let wire =
        Wire { frames: [&streams[0], &streams[1]], ends: [b"\x0b", b"\x1c\r"], marks: b"\x0b\x1c\r\n\0\x06\x15" };
    let mut counts = BTreeMap::<char, usize>::new();
    for (number, case) in frames(&wire).into_iter().chain(lines(&wire)).enumerate() {
        let began = Instant::now();
        for step in &case.steps {
            throw(&mut peer, &site, step).await;
        }
        follow(&mut peer, &site, &case.name, &format!("FINE-{number}"), &mut heard).await;
        assert!(daemon.runs(), "{}\n{}", case.name, site.log());
        assert!(began.elapsed() < HANG, "{} took {:?}", case.name, began.elapsed());
        let extra = daemon.peak_kib().saturating_sub(before);
        assert!(extra <= EXTRA_KIB_MAX, "{}: {extra} KiB more than before", case.name);
        *counts.entry(case.class()).or_default() += 1;
    }
    let extra = daemon.peak_kib().saturating_sub(before);
    eprintln!("{counts:?}, {} positive answers, {} negative, {extra} KiB extra", heard.positive.len(), heard.negative);
    assert!(counts[&'A'] >= 300 && counts[&'I'] >= 80, "{counts:?}");
    daemon.until("everything is delivered", |metrics| metrics.waiting() == 0).await;
    assert_eq!(daemon.terminate().await.code(), Some(0), "{}", site.log());
    let books = Books::open(&site, site.store());
    books.balance();
    heard.are_stored(&books);
}
