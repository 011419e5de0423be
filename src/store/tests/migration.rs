//! Stores of older versions: brought up to date with every row as it was, whatever interrupts it.

use std::{fs, path::Path};

use rusqlite::{Connection, params, types::Value};

use super::{Fixture, first, message, stop, stored};
use crate::{
    ids::JournalId,
    settings::AckAfter,
    store::{
        Entry, Error, Plan, SCHEMA_VERSION,
        audit::Chain,
        identity::Identity,
        open,
        open::{CACHE_KIB, checkpoint_all, connect, database},
        reader,
        rows::Names,
        schema::{APPLICATION_ID, version},
        verify_audit,
    },
    units::Timestamp,
};

/// The tables as version 1 made them.
const VERSION_1: &str = include_str!("version_1.sql");

fn raw(connection: &Connection, sql: &str) {
    connection.execute_batch(sql).unwrap();
}

/// A store of version 1, stopped cleanly: one message delivered, one waiting, one dead letter, and a scrap.
fn version_1(fixture: &Fixture) {
    let path = database(fixture.folder.path());
    let connection = connect(&path, &fixture.plan.key, CACHE_KIB).unwrap();
    raw(&connection, VERSION_1);
    connection.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
    connection.pragma_update(None, "user_version", 1).unwrap();
    let names = Names::load(&connection, &fixture.settings).unwrap();
    let (link, flow, to, mapping) = (names.links[0], names.flows[0], names.destinations[0], names.mappings[0]);
    for n in 1..=3_i64 {
        let understood = message(n, 1, &[0]);
        connection
            .execute(
                "INSERT INTO journal (id, link, received_at, kind, fingerprint, verdict, first_outbox, content_hash, raw)
                 VALUES (?1, ?2, ?3, ?4, ?5, 0, ?1, ?6, ?7)",
                params![
                    n,
                    link,
                    understood.received_at.0,
                    understood.kind,
                    understood.fingerprint,
                    understood.content_hash.as_slice(),
                    format!("MSH|{n}").into_bytes()
                ],
            )
            .unwrap();
    }
    connection.execute("INSERT INTO outbox VALUES (?1, 2, 2, 2, ?2, ?3, 7, 1002)", [to, flow, mapping]).unwrap();
    connection.execute("INSERT INTO receipt VALUES (1, 1, ?1, ?2, 9000, 1, 200, 0)", [flow, to]).unwrap();
    connection
        .execute(
            "INSERT INTO aside (kind, journal, flow, destination, mapping, priority, ordering_key, at, reason, detail, response)
             VALUES ('dead_letter', 3, ?1, ?2, ?3, 2, 7, 9001, 'refused', 'HTTP 422', x'6e6f')",
            [flow, to, mapping],
        )
        .unwrap();
    raw(&connection, "INSERT INTO scrap VALUES (1, 1, 900, 'garbage', 3, x'010203')");
    for (outcome, n) in [("received", 3), ("delivered", 1), ("waiting", 1), ("dead_letter", 1)] {
        connection.execute("INSERT INTO tally VALUES (?1, ?2, ?3)", params![flow, outcome, n]).unwrap();
    }
    connection.execute("INSERT INTO depth VALUES (?1, 2, 1)", [to]).unwrap();
    let stopped =
        Entry { actor: "gurney".to_owned(), action: "stop", subject: "store".to_owned(), detail: "clean".to_owned() };
    Chain::load(&connection, &fixture.plan.key).unwrap().append(&connection, Timestamp(9500), &stopped).unwrap();
    raw(&connection, "INSERT INTO meta VALUES ('clean', '1')");
    checkpoint_all(&connection).unwrap();
    Identity::of(&path, &fixture.plan.key).unwrap().write(fixture.folder.path()).unwrap();
}

/// Every row of version 1's tables but the clean-stop flag, which each start takes away.
fn rows(connection: &Connection) -> Vec<(String, Vec<Value>)> {
    let mut found = Vec::new();
    for line in VERSION_1.lines().filter_map(|line| line.strip_prefix("CREATE TABLE ")) {
        let table = line.split(' ').next().unwrap();
        let mut select = connection.prepare(&format!("SELECT * FROM {table} ORDER BY 1, 2")).unwrap();
        // Version 3 added one at the end.
        let columns = if table == "receipt" { 8 } else { select.column_count() };
        let row = |row: &rusqlite::Row<'_>| (0..columns).map(|at| row.get(at)).collect::<Result<Vec<Value>, _>>();
        let all: Vec<Vec<Value>> = select.query_map([], row).unwrap().collect::<Result<_, _>>().unwrap();
        found.extend(all.into_iter().filter(|_| table != "meta").map(|row| (table.to_owned(), row)));
    }
    found
}

fn all_rows(plan: &Plan) -> Vec<(String, Vec<Value>)> {
    rows(&connect(&database(&plan.path), &plan.key, CACHE_KIB).unwrap())
}

fn version_of(plan: &Plan) -> i64 {
    version(&connect(&database(&plan.path), &plan.key, CACHE_KIB).unwrap()).unwrap()
}

/// The store goes on where version 1 stopped: what it knew, it knows, and what version 2 can do, it does.
fn goes_on(fixture: &Fixture) {
    let (journal, names) = fixture.start();
    let again = stored(journal.accept(message(1, 1, &[0]), vec![1]).blocking_recv().unwrap());
    assert_eq!((again.journal, again.received_at), (JournalId(1), Timestamp(1001)), "a repeat of then");
    let waiting = reader::page(&fixture.reader(), names.destinations[0], first(10)).unwrap();
    assert_eq!(waiting.iter().map(|entry| entry.journal.0).collect::<Vec<_>>(), [2]);
    let mut new = message(4, 1, &[0]);
    new.ack_after = AckAfter::Delivered;
    assert_eq!(stored(journal.accept(new, vec![1]).blocking_recv().unwrap()).journal, JournalId(4));
    let awaited: i64 = fixture.reader().query_row("SELECT count(*) FROM awaited", [], |row| row.get(0)).unwrap();
    assert_eq!(awaited, 1);
    stop(&journal);
}

#[test]
fn brings_a_store_of_version_1_up_to_date_with_every_row_as_it_was() {
    let fixture = Fixture::new();
    version_1(&fixture);
    let before = all_rows(&fixture.plan);
    assert_eq!(before.len(), 19, "{before:?}");
    let opened = fixture.open();
    assert!(opened.was_clean && !opened.is_new);
    drop(opened);
    assert_eq!((all_rows(&fixture.plan), version_of(&fixture.plan)), (before, SCHEMA_VERSION));
    assert_eq!(verify_audit(&fixture.plan).unwrap().broken_at, None);
    raw(
        &connect(&database(&fixture.plan.path), &fixture.plan.key, 100).unwrap(),
        "INSERT INTO meta VALUES ('clean', '1')",
    );
    goes_on(&fixture);
}

/// F02: a step that fails half way leaves version 1 as it was, and the next start does it again.
#[test]
fn a_migration_that_fails_half_way_is_done_again_by_the_next_start() {
    let fixture = Fixture::new();
    version_1(&fixture);
    let before = all_rows(&fixture.plan);
    let tamper = |sql: &str| raw(&connect(&database(&fixture.plan.path), &fixture.plan.key, 100).unwrap(), sql);
    // The second of the new tables cannot be made.
    tamper("CREATE VIEW awaited AS SELECT 1 AS one");
    match open(fixture.plan.clone()) {
        Err(Error::Database { operation: "migrate", .. }) => {}
        other => panic!("{:?}", other.map(|_| ())),
    }
    assert_eq!((all_rows(&fixture.plan), version_of(&fixture.plan)), (before.clone(), 1));
    let left: i64 = connect(&database(&fixture.plan.path), &fixture.plan.key, 100)
        .unwrap()
        .query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'sequence'", [], |row| row.get(0))
        .unwrap();
    assert_eq!(left, 0, "the first of them is taken back");
    tamper("DROP VIEW awaited");
    drop(fixture.open());
    assert_eq!((all_rows(&fixture.plan), version_of(&fixture.plan)), (before, SCHEMA_VERSION));
    goes_on(&fixture);
}

fn copy(from: &Path, to: &Path) {
    for file in ["store.db", "store.db-wal", "store.json"] {
        if let Ok(bytes) = fs::read(from.join(file)) {
            fs::write(to.join(file), bytes).unwrap();
        }
    }
}

/// F02: the power goes at any byte of the migration's log.
#[test]
fn a_migration_cut_off_at_any_byte_is_done_again_by_the_next_start() {
    let fixture = Fixture::new();
    version_1(&fixture);
    let before = all_rows(&fixture.plan);
    let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    copy(fixture.folder.path(), old.path());
    let mut connection = connect(&database(fixture.folder.path()), &fixture.plan.key, CACHE_KIB).unwrap();
    crate::store::schema::migrate(&mut connection).unwrap();
    copy(fixture.folder.path(), new.path());
    let log = fs::read(new.path().join("store.db-wal")).unwrap();
    assert!(log.len() > 4096, "{}", log.len());
    let mut versions = std::collections::BTreeSet::new();
    for cut in (0..=log.len()).step_by(1021).chain([31, 32, 33, log.len() - 1, log.len()]) {
        let crashed = tempfile::tempdir().unwrap();
        copy(old.path(), crashed.path());
        fs::write(crashed.path().join("store.db-wal"), &log[..cut]).unwrap();
        let plan = Plan { path: crashed.path().to_owned(), ..fixture.plan.clone() };
        versions.insert(version_of(&plan));
        drop(open(plan.clone()).unwrap());
        assert_eq!((all_rows(&plan), version_of(&plan)), (before.clone(), SCHEMA_VERSION), "cut at {cut}");
    }
    let steps: Vec<i64> = (1..=SCHEMA_VERSION).collect();
    assert_eq!(versions.into_iter().collect::<Vec<_>>(), steps, "either all of a step is there or nothing");
}
