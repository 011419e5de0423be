//! The store's threads, so that the end of the process can wait for them.
//!
//! SQLCipher wipes and frees its state when the process ends. A thread that closes its connection at that moment
//! crashes, long after its last commit: nothing is lost, but the process ends by a signal instead of its exit code.

use std::{
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use tokio::time::sleep;

/// Pause between two looks at threads that are about to end.
const LOOK: Duration = Duration::from_millis(1);

/// Threads that were started and told to end, or will be.
#[derive(Clone, Debug, Default)]
pub(super) struct Threads(Arc<Mutex<Vec<JoinHandle<()>>>>);

impl Threads {
    /// Adds one.
    pub(super) fn add(&self, thread: JoinHandle<()>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
    }

    /// Returns once all have ended. Has no bound of its own.
    pub(super) async fn ended(&self) {
        while !self.join_finished() {
            sleep(LOOK).await;
        }
    }

    /// Lets go of those that have ended; whether none is left.
    fn join_finished(&self) -> bool {
        let mut threads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (finished, running) = threads.drain(..).partition(JoinHandle::is_finished);
        *threads = running;
        let finished: Vec<JoinHandle<()>> = finished;
        // A thread that panicked has ended the process by the panic hook.
        finished.into_iter().for_each(|thread| drop(thread.join()));
        threads.is_empty()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::{sync::mpsc::sync_channel, thread};

    use tokio::time::timeout;

    use super::*;

    #[actix_rt::test]
    async fn waits_for_the_last_thread() {
        let threads = Threads::default();
        let (release, wait) = sync_channel::<()>(0);
        threads.add(thread::spawn(|| {}));
        threads.add(thread::spawn(move || wait.recv().unwrap()));
        assert!(timeout(Duration::from_millis(20), threads.ended()).await.is_err());
        release.send(()).unwrap();
        timeout(Duration::from_secs(10), threads.ended()).await.unwrap();
    }
}
