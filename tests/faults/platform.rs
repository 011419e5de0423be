//! The platform misbehaves: it throttles, fails, loses answers, refuses.

use std::time::Duration;

use gurney::sim::platform::{Control, Fault, Platform, Step};
use tokio::time::Instant;

use crate::support::{
    daemon::Daemon,
    load::platform,
    peer::{Peer, adt},
    site::Site,
    verdict::{Books, drained},
    wait::until_so,
};

/// Sends messages of as many patients, the last one's number being `last`, and gives their control ids.
async fn send(site: &Site, name: &str, count: u32) -> Vec<String> {
    let mut peer = Peer::connect(site.mllp()).await;
    let mut ids = Vec::new();
    for number in 1..=count {
        let id = format!("{name}-{number}");
        assert_eq!(peer.exchange(&adt(&id, &format!("ZZ{name}{number}"))).await.code, "AA");
        ids.push(id);
    }
    ids
}

const fn status(status: u16, retry_after: Option<String>, retry_after_date: Option<i32>) -> Fault {
    Fault::Status { status, retry_after, retry_after_date }
}

/// F26: a pause that the platform asks for, in seconds or as a date, holds for the whole endpoint and not only for one message.
#[tokio::test]
async fn pauses_the_endpoint_as_long_as_it_asks_for() {
    for asked in
        [status(429, Some("2".to_owned()), None), status(503, Some("2".to_owned()), None), status(429, None, Some(3))]
    {
        let mut platform = platform().await;
        let site = Site::new(platform.address());
        let daemon = Daemon::start(&site).await;
        platform.control(Control::times(asked.clone(), 1));
        let mut acknowledged = send(&site, "PAUSE", 1).await;
        platform.until(|effects| effects.requests == 1).await;
        let paused_at = Instant::now();
        daemon.until("the answer is in", |metrics| metrics.attempts("retry") == 1).await;
        acknowledged.extend(send(&site, "OTHERS", 5).await);
        platform.until(|effects| effects.requests >= 2).await;
        // An HTTP date is in whole seconds, so up to one is lost.
        assert!(paused_at.elapsed() > Duration::from_millis(1800), "{asked:?}: {:?}", paused_at.elapsed());
        drained(&site, daemon, &acknowledged, &platform).await;
        assert_eq!(platform.effects().effects, 6);
    }
}

/// F26: a pause of ten years is cut to an hour, one of less than nothing is none.
#[tokio::test]
async fn clamps_absurd_pauses() {
    let mut platform = platform().await;
    let site = Site::new(platform.address());
    let daemon = Daemon::start(&site).await;
    let nonsense = ["-5", "soon", "0", ""]
        .map(|text| Step { times: Some(1), ..Step::from(status(429, Some(text.to_owned()), None)) });
    platform.control(Control::script(nonsense));
    let acknowledged = send(&site, "ABSURD", 1).await;
    platform.until(|effects| effects.effects == 1).await;
    daemon.until("recorded", |metrics| metrics.waiting() == 0).await;
    assert_eq!(daemon.metrics().await.attempts("retry"), 4);

    platform.control(Control::times(status(429, Some("315360000".to_owned()), None), 1));
    send(&site, "DECADE", 1).await;
    until_so("the pause is an hour", async || site.log().contains("pause_ms=3600000")).await;
    // The pause is of the process, not of the message: it does not outlive a restart.
    drop(daemon);
    let daemon = Daemon::start(&site).await;
    drained(&site, daemon, &[acknowledged, vec!["DECADE-1".to_owned()]].concat(), &platform).await;
}

/// F27: errors, silence after the request, a closed connection and a half answer are all tried again under the same key: one effect.
#[tokio::test]
async fn repeats_under_the_same_key_until_it_is_confirmed() {
    let faults = [
        status(500, None, None),
        status(502, None, None),
        status(504, None, None),
        status(408, None, None),
        Fault::Slow { ms: 1500 },
        Fault::Down,
        Fault::LoseResponse,
        Fault::CutResponse,
        Fault::LoseResponse,
    ];
    let platform = platform().await;
    let site = Site::new(platform.address())
        .destination("timeout = \"500 ms\"\nretry = { first = \"20 ms\", at_most = \"100 ms\" }");
    let daemon = Daemon::start(&site).await;
    platform.control(Control::script(faults.map(|fault| Step { times: Some(1), ..Step::from(fault) })));
    let acknowledged = send(&site, "ONCE", 10).await;
    daemon.until("delivered", |metrics| metrics.ended("delivered") == 10).await;
    let metrics = daemon.metrics().await;
    for result in ["retry", "timeout", "unreachable"] {
        assert!(metrics.attempts(result) >= 1, "{result}");
    }
    assert_eq!(metrics.ended("dead_letter"), 0);
    drained(&site, daemon, &acknowledged, &platform).await;
    let effects = platform.effects();
    assert_eq!(effects.effects, 10);
    assert!(effects.repeats >= 3, "lost answers were asked for again: {effects:?}");
}

/// F28: what the platform refuses for good is set aside with its answer, counted, and holds up nothing. 409 may be our own attempt
/// that is still being worked on, so it is believed the third time.
#[tokio::test]
async fn sets_refused_messages_aside_and_goes_on() {
    const REFUSALS: [u16; 7] = [400, 404, 409, 410, 412, 413, 422];
    let platform = platform().await;
    let site = Site::new(platform.address());
    let daemon = Daemon::start(&site).await;
    platform.control(Control::script(
        REFUSALS.map(|code| Step { when: Some(format!("REFUSED-{code}|")), ..Step::from(status(code, None, None)) }),
    ));
    let mut peer = Peer::connect(site.mllp()).await;
    for code in REFUSALS {
        // The same patient: what is set aside does not hold up what follows it.
        assert_eq!(peer.exchange(&adt(&format!("REFUSED-{code}"), "ZZ1")).await.code, "AA");
        assert_eq!(peer.exchange(&adt(&format!("GOOD-{code}"), "ZZ1")).await.code, "AA");
    }
    daemon.until("all are settled", |metrics| metrics.waiting() == 0).await;
    let metrics = daemon.metrics().await;
    assert_eq!(metrics.ended("dead_letter"), 7);
    assert_eq!(metrics.sum("gurney_dead_letter_messages", &[]), 7);
    assert_eq!(metrics.ended("delivered"), 7);
    assert_eq!(platform.report().answers.get(&409), Some(&3));
    let acknowledged: Vec<String> = REFUSALS.iter().map(|code| format!("GOOD-{code}")).collect();
    drained(&site, daemon, &acknowledged, &platform).await;
    let dead = Books::open(&site, site.store()).dead_letters();
    let codes: Vec<&str> = dead.iter().map(|(detail, _)| detail.as_str()).collect();
    assert_eq!(codes, ["HTTP 400", "HTTP 404", "HTTP 409", "HTTP 410", "HTTP 412", "HTTP 413", "HTTP 422"]);
    for (detail, response) in &dead {
        assert!(String::from_utf8_lossy(response).contains("OperationOutcome"), "{detail}: the answer is kept");
    }
}

/// F28: where the flow says so, a refusal stops its destination until a person decides, and nothing is lost or overtaken.
#[tokio::test]
async fn stops_at_a_refusal_where_the_flow_says_so() {
    let platform = platform().await;
    let site = Site::new(platform.address()).flow("on_refusal = \"stop\"");
    let daemon = Daemon::start(&site).await;
    platform.control(Control::times(status(422, None, None), 1));
    let acknowledged = send(&site, "STOP", 1).await;
    daemon.until("stopped", |metrics| metrics.sum("gurney_destination_stopped", &[]) == 1).await;
    let behind = send(&site, "BEHIND", 3).await;
    assert_eq!(platform.effects().requests, 1);
    let metrics = daemon.metrics().await;
    assert_eq!((metrics.waiting(), metrics.ended("dead_letter")), (4, 0));
    // A restart tries again: the platform takes it now.
    drop(daemon);
    let daemon = Daemon::start(&site).await;
    drained(&site, daemon, &[acknowledged, behind].concat(), &platform).await;
}

/// The preferred endpoint goes away: deliveries go to the next one, with the same keys, and nothing is lost.
#[tokio::test]
async fn fails_over_to_the_next_endpoint() {
    let mut platform = platform().await;
    let standby: Platform = crate::support::load::platform().await;
    let url = standby.url("/inbound");
    let site = Site::new(platform.address())
        .destination(&format!("failover = [\"{url}\"]\nretry = {{ first = \"20 ms\", at_most = \"100 ms\" }}"));
    let daemon = Daemon::start(&site).await;
    let first = send(&site, "FIRST", 3).await;
    daemon.until("delivered", |metrics| metrics.ended("delivered") == 3).await;
    platform.unplug().await;
    let second = send(&site, "SECOND", 3).await;
    daemon.until("delivered elsewhere", |metrics| metrics.ended("delivered") == 6).await;
    assert_eq!(daemon.metrics().await.sum("gurney_destination_preferred", &[]), 0);
    crate::support::verdict::delivered(&first, &platform);
    drained(&site, daemon, &second, &standby).await;
    assert_eq!((platform.effects().effects, standby.effects().effects), (3, 3));
}
