//! The process dies: at random instants, at every named fail point, by a stop in the middle of the load.

use std::time::Duration;

use gurney::sim::{
    ehr::Sender,
    platform::{Control, Fault, Platform, Step},
    random::SplitMix64,
};
use tokio::time::sleep;

use crate::support::{
    daemon::{Daemon, Launch},
    load::{acknowledged_beyond, platform, random, rounds, steady},
    site::Site,
    verdict::drained,
};

/// F01: killed fifty times at random instants, it loses nothing it acknowledged, breaks no order and has every effect once.
#[tokio::test]
async fn loses_nothing_acknowledged_when_killed_at_random_instants() {
    let mut random = random("kill");
    let platform = platform().await;
    let site = Site::new(platform.address());
    let mut daemon = Daemon::start(&site).await;
    let mut sender = steady(&site);
    for _ in 0..rounds(50, 200) {
        let before = sender.tally().acknowledged;
        platform.control(now_and_then_lose_an_answer(&mut random));
        acknowledged_beyond(&mut sender, before, 1).await;
        sleep(Duration::from_millis(random.below(250))).await;
        daemon.kill();
        daemon = Daemon::start(&site).await;
    }
    finish(&site, daemon, sender, platform).await;
}

/// A platform that now and then has the effect and loses the answer, so that repeats are on their way when the process dies.
fn now_and_then_lose_an_answer(random: &mut SplitMix64) -> Control {
    let good = Step { times: Some(u32::try_from(random.below(20)).unwrap()), ..Step::from(Fault::Ok) };
    let lost = Step { times: Some(1), ..Step::from(Fault::LoseResponse) };
    Control::script([good, lost])
}

/// Ends the load and judges.
async fn finish(site: &Site, daemon: Daemon, sender: Sender, platform: Platform) {
    sender.stop();
    platform.control(Control::behave());
    let acknowledged = sender.acknowledged();
    assert!(!acknowledged.is_empty());
    drained(site, daemon, &acknowledged, &platform).await;
}

/// Dies again and again at one fail point, each time after another number of passes, always under load.
async fn dies_at(point: &str, passes: u64) {
    let mut random = random(point);
    let platform = platform().await;
    let site = Site::new(platform.address());
    let mut sender = steady(&site);
    for _ in 0..rounds(20, 100) {
        let passed = random.below(passes);
        let mut daemon = Daemon::spawn(&site, &Launch::failing(&format!("{point}={passed}*off->panic")));
        let status = daemon.ended().await;
        assert_eq!(status.code(), None, "{point}: the process ended by itself: {status}\n{}", site.log());
    }
    let before = sender.tally().acknowledged;
    let daemon = Daemon::start(&site).await;
    acknowledged_beyond(&mut sender, before, 1).await;
    finish(&site, daemon, sender, platform).await;
}

/// F02: a test for each place at which the process can be made to die.
macro_rules! dies_at {
    ($($name:ident: $point:literal, $passes:literal;)+) => {$(
        #[tokio::test]
        async fn $name() {
            dies_at($point, $passes).await;
        }
    )+};
}

dies_at! {
    loses_nothing_acknowledged_when_it_dies_with_a_frame_just_received: "frame-received", 60;
    loses_nothing_acknowledged_when_it_dies_before_the_journal_takes_a_message: "journal-received", 60;
    loses_nothing_acknowledged_when_it_dies_before_a_commit: "commit-before", 40;
    loses_nothing_acknowledged_when_it_dies_after_a_commit: "commit-after", 40;
    loses_nothing_acknowledged_when_it_dies_before_an_answer_is_made: "commit-answered", 60;
    loses_nothing_acknowledged_when_it_dies_before_an_answer_is_written: "ack-ready", 60;
    loses_nothing_acknowledged_when_it_dies_after_an_answer_was_written: "ack-written", 60;
    loses_nothing_acknowledged_when_it_dies_before_a_delivery: "delivery-before", 60;
    loses_nothing_acknowledged_when_it_dies_after_a_delivery: "delivery-after", 60;
    loses_nothing_acknowledged_when_it_dies_while_the_log_is_written_back: "checkpoint", 2;
}

/// F02: the lists above and of watched folders are the list of fail points in the sources, but for the one that F31 is about.
#[test]
fn knows_every_fail_point() {
    let mut found = Vec::new();
    collect(concat!(env!("CARGO_MANIFEST_DIR"), "/src").as_ref(), &mut found);
    found.sort();
    let tested = concat!(include_str!("crash.rs"), include_str!("folder.rs"));
    let untested: Vec<&String> = found.iter().filter(|point| !tested.contains(&format!(": \"{point}\", "))).collect();
    assert_eq!(untested, ["decide"], "fail points without a test, out of {found:?}");
}

fn collect(folder: &std::path::Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else {
            let text = std::fs::read_to_string(&path).unwrap();
            let points = text.split("fail_point!(\"").skip(1).filter_map(|rest| rest.split('"').next());
            found.extend(points.map(str::to_owned));
        }
    }
}

/// F35: told to stop in the middle of the load, it ends in time and well, and the next start finds a clean stop.
#[tokio::test]
async fn drains_and_stops_cleanly_under_load() {
    let platform = platform().await;
    let site = Site::new(platform.address());
    let mut sender = steady(&site);
    for _ in 0..5 {
        let mut daemon = Daemon::start(&site).await;
        let before = sender.tally().acknowledged;
        acknowledged_beyond(&mut sender, before, 50).await;
        let status = daemon.terminate().await;
        assert_eq!(status.code(), Some(0), "{status}\n{}", site.log());
    }
    let daemon = Daemon::start(&site).await;
    finish(&site, daemon, sender, platform).await;
    let log = site.log();
    assert_eq!(log.matches("store opened").count(), 6, "{log}");
    assert!(!log.contains("not clean"), "{log}");
    assert_eq!(log.matches(" stopped").count(), 6, "{log}");
    assert!(!log.contains("stopped before"), "{log}");
}
