CREATE TABLE meta (key TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL) WITHOUT ROWID, STRICT;
CREATE TABLE name (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, UNIQUE (kind, name)) STRICT;
CREATE TABLE journal (
    id INTEGER PRIMARY KEY,
    link INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    fingerprint INTEGER,
    verdict INTEGER NOT NULL,
    first_outbox INTEGER,
    content_hash BLOB NOT NULL,
    raw BLOB NOT NULL
) STRICT;
CREATE TABLE outbox (
    destination INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    id INTEGER NOT NULL,
    journal INTEGER NOT NULL,
    flow INTEGER NOT NULL,
    mapping INTEGER NOT NULL,
    ordering_key INTEGER NOT NULL,
    enqueued_at INTEGER NOT NULL,
    PRIMARY KEY (destination, priority, id)
) WITHOUT ROWID, STRICT;
CREATE TABLE receipt (
    id INTEGER PRIMARY KEY,
    journal INTEGER NOT NULL,
    flow INTEGER NOT NULL,
    destination INTEGER NOT NULL,
    finished_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    status INTEGER,
    endpoint INTEGER NOT NULL
) STRICT;
CREATE TABLE aside (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    journal INTEGER NOT NULL,
    flow INTEGER NOT NULL,
    destination INTEGER,
    mapping INTEGER,
    priority INTEGER,
    ordering_key INTEGER,
    at INTEGER NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    response BLOB
) STRICT;
CREATE TABLE scrap (id INTEGER PRIMARY KEY, link INTEGER NOT NULL, at INTEGER NOT NULL, cause TEXT NOT NULL,
    count INTEGER NOT NULL, bytes BLOB NOT NULL) STRICT;
CREATE TABLE tally (flow INTEGER NOT NULL, outcome TEXT NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (flow, outcome))
    WITHOUT ROWID, STRICT;
CREATE TABLE depth (destination INTEGER NOT NULL, priority INTEGER NOT NULL, n INTEGER NOT NULL,
    PRIMARY KEY (destination, priority)) WITHOUT ROWID, STRICT;
CREATE TABLE pin (outbox INTEGER PRIMARY KEY, destination INTEGER NOT NULL, priority INTEGER NOT NULL,
    journal INTEGER NOT NULL) STRICT;
CREATE TABLE seen (run INTEGER NOT NULL, chunk INTEGER NOT NULL, entries BLOB NOT NULL, PRIMARY KEY (run, chunk))
    WITHOUT ROWID, STRICT;
CREATE TABLE seen_run (id INTEGER PRIMARY KEY, last_journal INTEGER NOT NULL, first BLOB NOT NULL, bloom BLOB NOT NULL)
    STRICT;
CREATE TABLE audit (
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL,
    seal BLOB NOT NULL
) STRICT;
