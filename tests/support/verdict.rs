//! The verdict: what was acknowledged is delivered, in order, once, and the store agrees with itself.
//!
//! Acknowledged (the sender's ledger, kept outside the faulty process and disk) is a part of delivered; per ordering key the
//! order is the sender's; no key had two effects; a repeat came under its own key. A message that was not acknowledged may
//! have gone either way. INV-01 to INV-04.

use std::{collections::HashSet, fs, path::Path};

use gurney::{
    settings::SecretRef,
    sim::platform::Platform,
    store::{Plan, key::StoreKey, open_offline},
    units::ByteCount,
};
use rusqlite::Connection;

use super::{daemon::Daemon, site::Site, wait::until_so};

/// Waits until everything acknowledged arrived and nothing waits any more, stops the daemon cleanly, and judges.
pub(crate) async fn drained(site: &Site, daemon: Daemon, acknowledged: &[String], platform: &Platform) {
    settled(site, daemon, acknowledged, platform).await;
    Books::open(site, site.store()).balance();
}

/// As [`drained`], but for the store itself.
pub(crate) async fn settled(site: &Site, mut daemon: Daemon, acknowledged: &[String], platform: &Platform) {
    until_so("everything acknowledged is delivered", async || missing(acknowledged, platform).is_empty()).await;
    daemon.until("nothing waits", |metrics| metrics.waiting() == 0).await;
    let status = daemon.terminate().await;
    assert_eq!(status.code(), Some(0), "a stop after the drain: {status}\n{}", site.log());
    delivered(acknowledged, platform);
}

/// Judges what arrived.
pub(crate) fn delivered(acknowledged: &[String], platform: &Platform) {
    assert_eq!(missing(acknowledged, platform), Vec::<String>::new(), "acknowledged and not delivered (INV-01)");
    let report = platform.report();
    let counts = report.counts;
    assert_eq!(counts.order_breaks, 0, "order broken (INV-03): {:?}", report.breaks);
    assert_eq!(report.keys_with_more_than_one_effect, 0, "a key with two effects (INV-04)");
    assert_eq!(counts.duplicates, 0, "a message that had an effect under two keys (INV-04)");
    assert_eq!(counts.key_conflicts, 0, "one key for two messages (INV-04)");
    assert_eq!(counts.unkeyed, 0, "a delivery without a key");
    assert!(report.headers_missing.values().all(|missing| *missing == 0), "{:?}", report.headers_missing);
}

fn missing(acknowledged: &[String], platform: &Platform) -> Vec<String> {
    let arrived: HashSet<String> =
        platform.arrivals().into_iter().filter_map(|arrival| arrival.control_id.map(String::from)).collect();
    acknowledged.iter().filter(|id| !arrived.contains(*id)).cloned().collect()
}

/// The store of a daemon that does not run.
pub(crate) struct Books(Connection);

impl Books {
    /// Opens the store of `site` that lies in `folder`.
    pub(crate) fn open(site: &Site, folder: &Path) -> Self {
        let key = StoreKey::read(&SecretRef::File(site.key_file())).unwrap();
        let plan = Plan { path: folder.to_owned(), key, limit: ByteCount(64_000_000) };
        Self(open_offline(&plan).unwrap())
    }

    /// Checks its pages, and that received is the sum of what became of it (INV-02), row by row.
    pub(crate) fn balance(&self) {
        let found: String = self.0.query_row("PRAGMA quick_check", [], |row| row.get(0)).unwrap();
        assert_eq!(found, "ok", "quick_check");
        let flows = self.number("SELECT count(*) FROM (SELECT DISTINCT flow FROM tally)");
        let balanced = self.number(
            "SELECT count(*) FROM (SELECT flow FROM tally GROUP BY flow
             HAVING sum(CASE outcome WHEN 'received' THEN n ELSE -n END) = 0)",
        );
        assert_eq!(balanced, flows, "flows whose tally does not add up (INV-02): {}", self.tally_text());
        let waiting = self.number("SELECT count(*) FROM outbox");
        assert_eq!(self.tally("waiting"), waiting, "waiting: tally against rows");
        assert_eq!(self.number("SELECT total(n) FROM depth"), waiting, "waiting: depth against rows");
        assert_eq!(
            self.tally("delivered"),
            self.number("SELECT count(*) FROM receipt"),
            "delivered: tally against rows"
        );
        let orphans = self.number(
            "SELECT count(*) FROM receipt WHERE journal NOT IN (SELECT id FROM journal)
             UNION ALL SELECT count(*) FROM outbox WHERE journal NOT IN (SELECT id FROM journal)",
        );
        assert_eq!(orphans, 0, "entries without their message");
    }

    /// A tally over all flows.
    pub(crate) fn tally(&self, outcome: &str) -> i64 {
        self.0.query_row("SELECT total(n) FROM tally WHERE outcome = ?1", [outcome], whole).unwrap()
    }

    /// A number that a query gives.
    pub(crate) fn number(&self, sql: &str) -> i64 {
        self.0.query_row(sql, [], whole).unwrap()
    }

    /// The bytes of messages set aside for a reason, oldest first.
    pub(crate) fn aside(&self, reason: &str) -> Vec<Vec<u8>> {
        let sql =
            "SELECT raw FROM aside JOIN journal ON journal.id = aside.journal WHERE reason = ?1 ORDER BY aside.id";
        let mut query = self.0.prepare(sql).unwrap();
        query.query_map([reason], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    }

    /// Shows every message of the journal and its number, in the order of arrival.
    pub(crate) fn each_message(&self, mut look: impl FnMut(i64, &[u8])) {
        let mut query = self.0.prepare("SELECT id, raw FROM journal ORDER BY id").unwrap();
        let mut rows = query.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            look(row.get(0).unwrap(), row.get_ref(1).unwrap().as_blob().unwrap());
        }
    }

    /// What destinations answered to dead letters, oldest first.
    pub(crate) fn dead_letters(&self) -> Vec<(String, Vec<u8>)> {
        let sql = "SELECT detail, response FROM aside WHERE kind = 'dead_letter' ORDER BY id";
        let mut query = self.0.prepare(sql).unwrap();
        query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().collect::<Result<_, _>>().unwrap()
    }

    /// Bytes kept that were not a message: their cause, their number and the first of them, oldest first.
    pub(crate) fn scraps(&self) -> Vec<(String, i64, Vec<u8>)> {
        let mut query = self.0.prepare("SELECT cause, count, bytes FROM scrap ORDER BY id").unwrap();
        let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        query.query_map([], row).unwrap().collect::<Result<_, _>>().unwrap()
    }

    fn tally_text(&self) -> String {
        let mut query = self.0.prepare("SELECT flow || ' ' || outcome || ' ' || n FROM tally").unwrap();
        let rows = query.query_map([], |row| row.get(0)).unwrap();
        rows.collect::<Result<Vec<String>, _>>().unwrap().join(", ")
    }
}

fn whole(row: &rusqlite::Row<'_>) -> rusqlite::Result<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "total() gives whole numbers as doubles")]
    let number = row.get::<_, f64>(0)? as i64;
    Ok(number)
}

/// Whether any file below the store's folder holds `text` in the clear (INV-10).
pub(crate) fn store_shows(site: &Site, text: &str) -> bool {
    fs::read_dir(site.store()).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        path.is_file() && memchr::memmem::find(&fs::read(path).unwrap(), text.as_bytes()).is_some()
    })
}
