//! Waiting for something to become true, with a deadline: the only way in which these tests wait.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Time after which a test gives up waiting. Generous, because nothing here is a measurement.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

const EVERY: Duration = Duration::from_millis(10);

/// Looks again and again until there is something to see.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain: {what}");
        sleep(EVERY).await;
    }
}

/// As [`until`], for something that is either so or not.
pub(crate) async fn until_so(what: &str, mut look: impl AsyncFnMut() -> bool) {
    until(what, async || look().await.then_some(())).await;
}

/// Fails the test when `work` takes longer than [`PATIENCE`].
pub(crate) async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(done) => done,
        Err(_) => panic!("waited {PATIENCE:?} in vain: {what}"),
    }
}
