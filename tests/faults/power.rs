//! The disk fails: power cuts, a full disk, a read-only file system, read and write errors, failed syncs.

use std::collections::HashSet;

use gurney::sim::{
    ehr::{EhrOptions, Sender},
    platform::Platform,
};

use crate::support::{
    daemon::Daemon,
    disk::Disk,
    load::{acknowledged_beyond, platform, random, rounds, sender, steady},
    peer::{Ack, Peer, adt, framed},
    shim::FailingSync,
    site::Site,
    verdict::{Books, drained, settled},
    wait::{until, until_so, within},
};

/// F03: after thirty power cuts under load every message that was acknowledged before its cut is there.
#[tokio::test]
async fn loses_nothing_acknowledged_in_power_cuts() {
    let mut random = random("power");
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::make("power cuts (F03)", folder.path(), 192) else { return };
    let platform = platform().await;
    let site = Site::new(platform.address()).store_at(disk.path().join("store"));
    let mut sender = steady(&site);
    let mut certain = Certain::default();
    let cuts = rounds(30, 200);
    for _ in 0..cuts {
        let mut daemon = Daemon::launch(&site, &disk.launch()).await;
        let before = sender.tally().acknowledged;
        acknowledged_beyond(&mut sender, before, 1 + random.below(60)).await;
        // Nothing is read from the sockets between here and the cut.
        certain.add(&sender);
        disk.cut();
        daemon.kill();
        certain.leave_out_the_rest(&mut sender).await;
        disk.mount_again();
    }
    let daemon = Daemon::launch(&site, &disk.launch()).await;
    let before = sender.tally().acknowledged;
    acknowledged_beyond(&mut sender, before, 1).await;
    sender.stop();
    certain.add(&sender);
    drained_on(&disk, &site, daemon, &certain.ids(), &platform).await;
    // The first cut may come before the store was ever finished; every other one is seen by the next start.
    assert_eq!(site.log().matches("not clean").count(), usize::try_from(cuts).unwrap(), "{}", site.log());
}

/// What was acknowledged before the plug was pulled. What came between the cut and the end of the process proves nothing.
#[derive(Default)]
struct Certain {
    known: HashSet<String>,
    doubtful: HashSet<String>,
}

impl Certain {
    fn add(&mut self, sender: &Sender) {
        let doubtful = &self.doubtful;
        self.known.extend(sender.acknowledged().into_iter().filter(|id| !doubtful.contains(id)));
    }

    /// Waits until the sender has read what the dead daemon had written, and takes that for doubtful.
    async fn leave_out_the_rest(&mut self, sender: &mut Sender) {
        within("the sender notices", sender.until(|tally| tally.connects == tally.lost_connections)).await;
        let known = &self.known;
        self.doubtful.extend(sender.acknowledged().into_iter().filter(|id| !known.contains(id)));
    }

    fn ids(&self) -> Vec<String> {
        self.known.iter().cloned().collect()
    }
}

/// As [`drained`], for a store on a disk that only the daemon sees: it is copied out before it is judged.
async fn drained_on(disk: &Disk, site: &Site, daemon: Daemon, acknowledged: &[String], platform: &Platform) {
    settled(site, daemon, acknowledged, platform).await;
    Books::open(site, &disk.copy_store(site)).balance();
}

/// One message at a time on each connection, so that a refusal cannot be overtaken by what the sender pipelined behind it.
fn one_at_a_time(site: &Site) -> Sender {
    sender(site, EhrOptions { connections: 3, window: 1, rate: Some(150.0), ..EhrOptions::default() })
}

/// F06: past its mark a full disk takes no message, deliveries go on, and messages are taken again when there is room.
#[tokio::test]
async fn refuses_on_a_full_disk_drains_and_resumes_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::make("full disk (F06)", folder.path(), 128) else { return };
    let mut platform = platform().await;
    platform.unplug().await;
    let site = Site::new(platform.address()).store_at(disk.path().join("store")).flow("priority = \"stat\"");
    let daemon = Daemon::launch(&site, &disk.launch()).await;
    let mut sender = one_at_a_time(&site);
    acknowledged_beyond(&mut sender, 0, 200).await;

    // The mark is at 16 MiB; the rest is filled to the last byte.
    let much = (disk.free_kib() >> 10) - 10;
    disk.fill("much", Some(much));
    daemon.until("the store refuses", |metrics| metrics.is_at_level("refuse")).await;
    disk.fill("the-rest", None);
    assert!(disk.free_kib() < 64, "{} KiB free", disk.free_kib());
    takes_nothing(&mut sender).await;
    assert!(daemon.readiness().await.contains("store"), "not ready, and says why");
    let waiting = daemon.metrics().await.waiting();
    assert!(waiting >= 200, "{waiting} wait");

    // Deliveries are recorded all the same.
    platform.plug().unwrap();
    daemon.until("the queue drains", |metrics| metrics.waiting() == 0).await;
    takes_nothing(&mut sender).await;

    disk.remove("much");
    disk.remove("the-rest");
    let before = sender.tally().acknowledged;
    acknowledged_beyond(&mut sender, before, 50).await;
    assert!(daemon.is_ready().await);
    sender.stop();
    let acknowledged = sender.acknowledged();
    drained_on(&disk, &site, daemon, &acknowledged, &platform).await;
}

/// Lets the sender try again and again: it must get nothing acknowledged.
async fn takes_nothing(sender: &mut Sender) {
    // Answers that were on their way arrive; then each connection is refused several times.
    for round in 0..2 {
        let before = sender.tally();
        let after = within(
            "the sender is refused",
            sender
                .until(|tally| tally.lost_connections + tally.refused >= before.lost_connections + before.refused + 12),
        )
        .await;
        assert!(round == 0 || after.acknowledged == before.acknowledged, "a full or broken store acknowledged");
    }
}

/// F08: a file system that turned read-only costs no message: nothing is acknowledged, the alarm is raised, the process serves.
#[tokio::test]
async fn refuses_and_stays_up_on_a_read_only_file_system() {
    survives_a_disk_that_fails("read-only file system (F08)", Disk::turn_read_only).await;
}

/// F08: so does a disk that answers every access with an error.
#[tokio::test]
async fn refuses_and_stays_up_on_input_and_output_errors() {
    survives_a_disk_that_fails("input and output errors (F08)", Disk::cut).await;
}

async fn survives_a_disk_that_fails(test: &str, fail: impl Fn(&Disk)) {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::make(test, folder.path(), 192) else { return };
    let platform = platform().await;
    let site = Site::new(platform.address()).store_at(disk.path().join("store"));
    let mut daemon = Daemon::launch(&site, &disk.launch()).await;
    let mut sender = one_at_a_time(&site);
    acknowledged_beyond(&mut sender, 0, 100).await;
    let mut certain = Certain::default();
    certain.add(&sender);
    fail(&disk);
    takes_nothing(&mut sender).await;
    daemon.until("the alarm is raised", |metrics| metrics.store_errors() > 0).await;
    assert!(site.log().contains("ERROR store operation failed"), "{}", site.log());
    until_so("not ready", async || !daemon.is_ready().await).await;
    assert!(daemon.readiness().await.contains("store"), "{}", daemon.readiness().await);
    assert!(daemon.runs());

    daemon.kill();
    certain.leave_out_the_rest(&mut sender).await;
    disk.mount_again();
    let daemon = Daemon::launch(&site, &disk.launch()).await;
    let before = sender.tally().acknowledged;
    acknowledged_beyond(&mut sender, before, 50).await;
    sender.stop();
    certain.add(&sender);
    drained_on(&disk, &site, daemon, &certain.ids(), &platform).await;
}

/// F05: nothing of a commit whose sync fails is acknowledged; the store is opened anew, and the message taken when it comes again.
#[tokio::test]
async fn acknowledges_nothing_of_a_failed_sync() {
    let mut platform = platform().await;
    platform.unplug().await;
    let site = Site::new(platform.address());
    let shim = FailingSync::compile(site.folder(), "store.db-wal");
    let mut daemon = Daemon::launch(&site, &shim.launch()).await;
    // Behind this message the log is written for messages alone: nothing is delivered, and the start was noted before.
    let mut peer = Peer::connect(site.mllp()).await;
    assert_eq!(peer.exchange(&adt("SYNC-1", "ZZ1")).await.code, "AA");
    until_so("the start is noted", async || site.log().contains("INFO ready")).await;
    for number in 2..=11 {
        let message = adt(&format!("SYNC-{number}"), "ZZ1");
        shim.fail_next();
        peer.send(&message).await;
        assert_eq!(peer.answer().await, None, "closed without an answer");
        assert!(shim.has_failed());
        peer = Peer::connect(site.mllp()).await;
        let ack = taken_in_the_end(&site, &mut peer, &message).await;
        assert_eq!((ack.code.as_str(), ack.control_id), ("AA", format!("SYNC-{number}")));
    }
    let metrics = daemon.metrics().await;
    assert!(metrics.store_errors() >= 10);
    assert_eq!(metrics.waiting(), 11, "the repeats are no further messages");
    daemon.kill();
    let daemon = Daemon::start(&site).await;
    platform.plug().unwrap();
    let acknowledged: Vec<String> = (1..=11).map(|number| format!("SYNC-{number}")).collect();
    drained(&site, daemon, &acknowledged, &platform).await;
    assert_eq!(site.log().matches("store opened again after a failure").count(), 10, "{}", site.log());
}

/// Sends a message again until the store, opened anew, takes it.
async fn taken_in_the_end(site: &Site, peer: &mut Peer, message: &[u8]) -> Ack {
    until("the message is taken", async || {
        peer.try_write(&framed(message)).await.ok();
        let answer = peer.answer().await;
        if answer.is_none() {
            *peer = Peer::connect(site.mllp()).await;
        }
        answer
    })
    .await
}

/// F05: a commit whose sync failed may have reached the disk all the same. Then its delivery is made, though no message follows.
#[tokio::test]
async fn delivers_what_a_failed_sync_left_in_the_log() {
    let platform = platform().await;
    let site = Site::new(platform.address());
    let shim = FailingSync::compile(site.folder(), "store.db-wal");
    let daemon = Daemon::launch(&site, &shim.launch()).await;
    let mut peer = Peer::connect(site.mllp()).await;
    assert_eq!(peer.exchange(&adt("LEFT-1", "ZZ1")).await.code, "AA");
    until_so("the start is noted", async || site.log().contains("INFO ready")).await;
    daemon.until("it is delivered and recorded", |metrics| metrics.waiting() == 0).await;
    let message = adt("LEFT-2", "ZZ1");
    shim.fail_next();
    peer.send(&message).await;
    assert_eq!(peer.answer().await, None, "closed without an answer");
    let mut peer = Peer::connect(site.mllp()).await;
    assert_eq!(taken_in_the_end(&site, &mut peer, &message).await.code, "AA");
    drained(&site, daemon, &["LEFT-1".to_owned(), "LEFT-2".to_owned()], &platform).await;
}

/// F05: whatever sync fails under load, of messages, of deliveries or of the log, nothing acknowledged is lost.
#[tokio::test]
async fn loses_nothing_acknowledged_when_syncs_fail_under_load() {
    let platform = platform().await;
    let site = Site::new(platform.address());
    let shim = FailingSync::compile(site.folder(), "store.db");
    let mut sender = one_at_a_time(&site);
    for _ in 0..3 {
        let mut daemon = Daemon::launch(&site, &shim.launch()).await;
        for _ in 0..8 {
            shim.fail_next();
            until_so("a sync fails", async || shim.has_failed()).await;
            let before = sender.tally().acknowledged;
            acknowledged_beyond(&mut sender, before, 20).await;
        }
        until_so("ready again", async || daemon.is_ready().await).await;
        daemon.kill();
    }
    assert!(site.log().contains("store opened again after a failure"), "{}", site.log());
    let daemon = Daemon::start(&site).await;
    let before = sender.tally().acknowledged;
    acknowledged_beyond(&mut sender, before, 1).await;
    sender.stop();
    let acknowledged = sender.acknowledged();
    drained(&site, daemon, &acknowledged, &platform).await;
}
