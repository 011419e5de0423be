//! The load that faults are injected into: a careful sender, a platform that remembers, and numbers out of a printed seed.

use std::time::Duration;

use gurney::sim::{
    ehr::{EhrOptions, Sender},
    platform::{Platform, PlatformOptions},
    random::SplitMix64,
};

use super::{site::Site, wait::within};

/// A platform on a free port.
pub(crate) async fn platform() -> Platform {
    Platform::start(PlatformOptions { keep_bodies: 1000, ..PlatformOptions::default() }).await.unwrap()
}

/// A sender that repeats what is not acknowledged until it is.
pub(crate) fn sender(site: &Site, options: EhrOptions) -> Sender {
    let options = EhrOptions {
        to: site.mllp().to_string(),
        pause: Duration::from_millis(20),
        answer_timeout: Duration::from_secs(20),
        linger: Duration::from_secs(60),
        ..options
    };
    Sender::start(options).unwrap()
}

/// Steady load over several connections.
pub(crate) fn steady(site: &Site) -> Sender {
    sender(site, EhrOptions { connections: 4, window: 4, rate: Some(200.0), ..EhrOptions::default() })
}

/// Waits until the sender has so many more acknowledgements than `before`.
pub(crate) async fn acknowledged_beyond(sender: &mut Sender, before: u64, more: u64) {
    within("further acknowledgements", sender.until(|tally| tally.acknowledged >= before + more)).await;
}

/// Waits until the sender has nothing left to send, and gives what was acknowledged.
pub(crate) async fn finished(mut sender: Sender) -> Vec<String> {
    within("the sender has everything acknowledged", sender.ended()).await;
    let acknowledged = sender.acknowledged();
    let tally = sender.tally();
    assert_eq!(tally.made, tally.acknowledged, "messages that were never acknowledged: {tally:?}");
    acknowledged
}

/// Numbers at random. The seed is printed, and taken from `GURNEY_SEED` where that is set.
pub(crate) fn random(test: &str) -> SplitMix64 {
    let given = std::env::var("GURNEY_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| {
        let now = jiff_now();
        now ^ (u64::from(std::process::id()) << 32)
    });
    eprintln!("{test}: GURNEY_SEED={seed}");
    SplitMix64::new(seed)
}

#[expect(clippy::disallowed_methods, reason = "a seed that differs from run to run")]
fn jiff_now() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_microsecond()).unwrap_or(0)
}

/// `normal` in an ordinary run, `full` with `GURNEY_TORTURE=full`.
pub(crate) fn rounds(normal: u32, full: u32) -> u32 {
    if std::env::var("GURNEY_TORTURE").is_ok_and(|wanted| wanted == "full") { full } else { normal }
}
