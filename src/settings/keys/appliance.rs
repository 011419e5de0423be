//! Keys of the box itself: `[gurney]`, `[store]`, `[metrics]`, `[console]`.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use super::{LABEL, LISTENER, PATH, PLAINTEXT, ZONE};
use crate::{
    settings::{
        fields::{Absent, Key, Section},
        form::{Choice, Size, Spelled, Time, Word},
        words,
    },
    units::limits,
};

pub(in crate::settings) static SITE: Key<Spelled<String>> = Key {
    name: "site",
    form: LABEL,
    absent: Absent::Fault("the site's name is part of every identity that Gurney derives"),
    example: "\"st-example\"",
    doc: "Name of the site. Part of every derived identity, so it is never changed after go-live.",
};
pub(in crate::settings) static NODE: Key<Spelled<String>> = Key {
    name: "node",
    form: LABEL,
    absent: Absent::Fault("alerts name the box they come from"),
    example: "\"gw-a\"",
    doc: "Name of this box within the site.",
};
pub(in crate::settings) static SITE_ZONE: Key<Spelled<String>> = Key {
    name: "zone",
    form: ZONE,
    absent: Absent::Default("\"UTC\""),
    example: "\"America/New_York\"",
    doc: "IANA time zone of senders whose times bear no offset.",
};
pub(in crate::settings) static MAPS: Key<Spelled<PathBuf>> = Key {
    name: "maps",
    form: PATH,
    absent: Absent::Nothing,
    example: "\"/etc/gurney/maps\"",
    doc: "Folder with further maps and code tables, beside the built-in ones.",
};
pub(in crate::settings) static PROFILES: Key<Spelled<PathBuf>> = Key {
    name: "profiles",
    form: PATH,
    absent: Absent::Nothing,
    example: "\"/etc/gurney/profiles\"",
    doc: "Folder with further conformance profiles, beside the built-in ones.",
};
pub(in crate::settings) static DIALECTS: Key<Spelled<PathBuf>> = Key {
    name: "dialects",
    form: PATH,
    absent: Absent::Nothing,
    example: "\"/etc/gurney/dialects\"",
    doc: "Folder with further dialects of senders, beside the built-in ones.",
};
pub(in crate::settings) static USE_CASES: Key<Spelled<PathBuf>> = Key {
    name: "use_cases",
    form: PATH,
    absent: Absent::Nothing,
    example: "\"/etc/gurney/use-cases\"",
    doc: "Folder with the site's own use cases; one of the name of a built-in one takes its place.",
};
pub(in crate::settings) static GURNEY: Section = Section {
    kind: "gurney",
    doc: "The site and this box.",
    keys: &[&SITE, &NODE, &SITE_ZONE, &MAPS, &PROFILES, &DIALECTS, &USE_CASES],
    later: &[],
};

pub(in crate::settings) static STORE_PATH: Key<Spelled<PathBuf>> = Key {
    name: "path",
    form: PATH,
    absent: Absent::Fault("every accepted message is kept on disk"),
    example: "\"/var/lib/gurney/store\"",
    doc: "Folder of the encrypted store; the database is store.db in it.",
};
pub(in crate::settings) static STORE_KEY_FILE: Key<Spelled<PathBuf>> = Key {
    name: "key_file",
    form: PATH,
    absent: Absent::Nothing,
    example: "\"/var/lib/gurney/store.key\"",
    doc: "File with the store's 256-bit key, made by `gurney keys new`; either this or `key`.",
};
pub(in crate::settings) static STORE_KEY: Key<Spelled<String>> = Key {
    name: "key",
    form: Spelled {
        wanted: "the name of a systemd credential",
        parse: words::credential,
        pattern: Some("^[A-Za-z0-9_-][A-Za-z0-9._-]{0,254}$"),
    },
    absent: Absent::Nothing,
    example: "\"store-key\"",
    doc: "Name of the systemd credential that holds the store's key; either this or `key_file`.",
};
pub(in crate::settings) static STORE_LIMIT: Key<Size> = Key {
    name: "limit",
    form: Size(limits::STORE_BYTES_MIN..=limits::STORE_BYTES_MAX),
    absent: Absent::Fault("a full disk must never come as a surprise"),
    example: "\"20 GB\"",
    doc: "Largest size of the database and its log together.",
};
pub(in crate::settings) static WHEN_FULL: Key<Choice<()>> = Key {
    name: "when_full",
    form: Choice(&[("refuse", Word::Means(()))]),
    absent: Absent::Default("\"refuse\""),
    example: "\"refuse\"",
    doc: "At the limit, senders are refused and keep their messages; nothing is dropped.",
};
pub(in crate::settings) static KEEP: Key<Time> = Key {
    name: "keep",
    form: Time(limits::KEEP_MIN..=limits::KEEP_MAX),
    absent: Absent::Default("\"30 days\""),
    example: "\"30 days\"",
    doc: "How long delivered messages are kept.",
};
pub(in crate::settings) static STORE: Section = Section {
    kind: "store",
    doc: "The encrypted store of messages.",
    keys: &[&STORE_PATH, &STORE_KEY_FILE, &STORE_KEY, &STORE_LIMIT, &WHEN_FULL, &KEEP],
    later: &[],
};

pub(in crate::settings) static METRICS_LISTEN: Key<Spelled<SocketAddr>> = Key {
    name: "listen",
    form: LISTENER,
    absent: Absent::Fault("Prometheus and health checks come to this address"),
    example: "\"127.0.0.1:9464\"",
    doc: "Address and port of /metrics, /live and /ready. They carry no patient data.",
};
pub(in crate::settings) static METRICS: Section = Section {
    kind: "metrics",
    doc: "Metrics and health over HTTP; without this table there are none.",
    keys: &[&METRICS_LISTEN],
    later: &["allow", "tls"],
};

pub(in crate::settings) static CONSOLE_LISTEN: Key<Spelled<SocketAddr>> = Key {
    name: "listen",
    form: LISTENER,
    absent: Absent::Fault("browsers come to this address"),
    example: "\"127.0.0.1:8443\"",
    doc: "Address and port of the console.",
};
pub(in crate::settings) static CONSOLE: Section = Section {
    kind: "console",
    doc: "The console for people; without this table there is none.",
    keys: &[&CONSOLE_LISTEN, &PLAINTEXT],
    later: &["allow", "tls"],
};

/// Time before the end of an accepted risk from which on it is warned of.
pub(in crate::settings) const PLAINTEXT_NOTICE: Duration = Duration::from_secs(30 * 24 * 3600);
