//! From text to [`Settings`]: every table read, every name resolved, every fault kept.
//!
//! Each table is read by itself and read on behind a fault, so that one look shows all that is wrong. What one
//! table says about another (names, ports, devices, room in the store) is checked here with the places of both.

use std::path::PathBuf;

use super::{
    Checked, Content, Faults, Known, Link, SecretRef, Settings, Store,
    complaint::{Complaint, Complaints, Ground},
    keys::{self, appliance},
    merge::{self, Entry},
    place::{Place, Sources},
    words::show_size,
};
use crate::units::{ByteCount, limits};

mod answering;
mod destinations;
mod dialed;
mod flows;
mod framing;
mod inbound;
mod links;
mod network;
mod targets;
mod use_cases;

use answering::AckTarget;
use destinations::NamedDestination;
use network::Listening;
pub(super) use use_cases::read_use_cases;

/// Reads a configuration: the main file first, then those of `conf.d` in the order of their names, each with the
/// name that faults show. Gives the settings and what a person should look at, or everything that is wrong.
pub fn read(files: &[(String, String)], known: &Known<'_>) -> Result<Checked, Faults> {
    let mut sources = Sources::new(files);
    let mut found = Complaints::default();
    let mut roots = Vec::new();
    for (file, (_, text)) in files.iter().enumerate().take(limits::CONFIGURATION_FILES_MAX) {
        roots.push(merge::parse(file, text, &sources, &mut found));
    }
    if files.len() > limits::CONFIGURATION_FILES_MAX {
        let message = format!("there are more than {} files", limits::CONFIGURATION_FILES_MAX);
        found.push(Complaint::new(Place::top_of(limits::CONFIGURATION_FILES_MAX), message).help("join some of them"));
    }
    sources.cover(&merge::refuse_secrets(&roots, &mut found));
    let mut settings = None;
    if merge::is_our_version(&roots, &mut found) {
        let entries = merge::entries(&roots, &mut found);
        let mut reader = Reader::new(found, known);
        settings = reader.settings(&entries);
        found = reader.found;
    }
    let has_errors = found.has_errors();
    let faults = found.into_faults(&sources);
    match settings {
        Some(settings) if !has_errors => Ok(Checked { settings, warnings: faults.faults }),
        _ => Err(faults),
    }
}

/// Reads a serial link by itself, without a site around it: `keys` are lines of a table `[serial.NAME]`, and `named` is
/// what faults call them.
pub fn read_serial(named: &str, keys: &str, known: &Known<'_>) -> Result<Link, Faults> {
    let text = format!("version = {}\n[serial.{ALONE}]\n{keys}\n", keys::VERSION);
    let files = [(named.to_owned(), text)];
    let mut sources = Sources::new(&files);
    let mut found = Complaints::default();
    let roots = files.iter().map(|(_, text)| merge::parse(0, text, &sources, &mut found)).collect::<Vec<_>>();
    sources.cover(&merge::refuse_secrets(&roots, &mut found));
    let entries = merge::entries(&roots, &mut found);
    let mut reader = Reader::new(found, known);
    let link = entries.iter().find(|entry| entry.name == ALONE).and_then(|entry| reader.link(entry, &[]));
    let has_errors = reader.found.has_errors();
    let faults = reader.found.into_faults(&sources);
    link.filter(|_| !has_errors).ok_or(faults)
}

/// The name of a link that stands alone.
const ALONE: &str = "alone";

/// What a destination is called in messages.
const DESTINATION: &str = "destination";

/// What is collected while the tables are read.
struct Reader<'k> {
    found: Complaints,
    known: &'k Known<'k>,
    today: jiff::civil::Date,
    listeners: Vec<Listening>,
    devices: Vec<(PathBuf, Place)>,
    /// Folders that messages are taken from.
    watched: Vec<(PathBuf, Place)>,
    /// Folders that messages are put into.
    filled: Vec<(PathBuf, Place)>,
    /// The largest `frame_max` and where it stands.
    largest_frame: Option<(ByteCount, Place)>,
    ack_targets: Vec<AckTarget>,
}

/// Name of a link, and where it stands.
struct NamedLink<'a> {
    name: &'a str,
    place: Place,
    /// What its messages are, where that could be read.
    content: Option<Content>,
}

impl<'k> Reader<'k> {
    fn new(found: Complaints, known: &'k Known<'k>) -> Self {
        let now = jiff::Timestamp::from_millisecond(known.now.0).unwrap_or_default();
        let today = now.to_zoned(jiff::tz::TimeZone::UTC).date();
        Self {
            found,
            known,
            today,
            listeners: Vec::new(),
            devices: Vec::new(),
            watched: Vec::new(),
            filled: Vec::new(),
            largest_frame: None,
            ack_targets: Vec::new(),
        }
    }

    fn settings(&mut self, entries: &[Entry<'_>]) -> Option<Settings> {
        let links = self.of(entries, &["mllp", "serial", "folder", "http_in"], "source");
        let destinations = self.of(entries, &["http", "fhir"], DESTINATION);
        let flows = self.of(entries, &["flow"], "flow");
        let destination_names: Vec<_> = destinations.iter().map(|entry| NamedDestination::of(entry)).collect();

        let site = self.site(entries);
        let store = self.store(entries);
        let mut link_names = Vec::with_capacity(links.len());
        let links: Vec<_> = links
            .iter()
            .map(|entry| {
                let link = self.link(entry, &destination_names);
                let content = link.as_ref().map(|link| link.content);
                link_names.push(NamedLink { name: entry.name, place: entry.place.clone(), content });
                link
            })
            .collect();
        let destinations: Vec<_> = destinations.iter().map(|entry| self.destination(entry)).collect();
        let flows = self.flows(&flows, &link_names, &destination_names);
        let metrics = single(entries, "metrics").and_then(|entry| self.metrics(entry));
        let console = single(entries, "console").and_then(|entry| self.console(entry));
        self.refuse_shared_ports();
        self.refuse_shared_devices();
        self.refuse_shared_folders();
        let (store, limit_place) = store?;
        self.refuse_frames_beyond_store(store.limit, &limit_place);
        let Site { site, node, zone, maps, profiles, dialects, use_cases } = site?;
        Some(Settings {
            site,
            node,
            zone,
            maps,
            profiles,
            dialects,
            use_cases,
            store,
            links: links.into_iter().collect::<Option<_>>()?,
            destinations: destinations.into_iter().collect::<Option<_>>()?,
            flows: flows?,
            metrics,
            console,
        })
    }

    /// The tables of these kinds, which share their names and their bound. Those that are destinations by their use
    /// are so whatever their kind.
    fn of<'e>(&mut self, entries: &'e [Entry<'e>], kinds: &[&str], role: &str) -> Vec<&'e Entry<'e>> {
        let is_one = |entry: &&Entry<'_>| match keys::is_target(entry.section) {
            true => role == DESTINATION,
            false => kinds.contains(&entry.section.kind),
        };
        let mut all: Vec<_> = entries.iter().filter(is_one).collect();
        if let Some(first_too_many) = all.get(limits::NAMES_MAX) {
            let message = format!("there are more than {} {role}s", limits::NAMES_MAX);
            self.found.push(Complaint::new(first_too_many.place.clone(), message).help("take some away"));
        }
        all.truncate(limits::NAMES_MAX);
        for (index, entry) in all.iter().enumerate() {
            let Some(earlier) = all.iter().take(index).find(|earlier| earlier.name == entry.name) else { continue };
            let message = format!("two {role}s have the name `{}`", entry.name);
            let complaint = Complaint::new(entry.place.clone(), message).also(earlier.place.clone(), "the other");
            self.found.push(complaint.help("flows tell them by their names; give one another name"));
        }
        all
    }

    /// The table of this kind, or a complaint that it is missing.
    fn needed<'e>(&mut self, entries: &'e [Entry<'e>], kind: &str, example: &str) -> Option<&'e Entry<'e>> {
        let entry = single(entries, kind);
        if entry.is_none() {
            let complaint = Complaint::new(Place::top_of(0), format!("the table [{kind}] is missing"));
            self.found.push(complaint.ground(Ground::Absence).help(format!("add [{kind}] with {example}")));
        }
        entry
    }

    fn site(&mut self, entries: &[Entry<'_>]) -> Option<Site> {
        let fields = &self.needed(entries, "gurney", "`site` and `node`")?.fields;
        let site = fields.read(&appliance::SITE, &mut self.found);
        let node = fields.read(&appliance::NODE, &mut self.found);
        let zone = fields.read(&appliance::SITE_ZONE, &mut self.found);
        let maps = fields.read(&appliance::MAPS, &mut self.found);
        let profiles = fields.read(&appliance::PROFILES, &mut self.found);
        let dialects = fields.read(&appliance::DIALECTS, &mut self.found);
        let use_cases = fields.read(&appliance::USE_CASES, &mut self.found);
        Some(Site { site: site?, node: node?, zone: zone?, maps, profiles, dialects, use_cases })
    }

    /// The store, and where its limit stands.
    fn store(&mut self, entries: &[Entry<'_>]) -> Option<(Store, Place)> {
        let fields = &self.needed(entries, "store", "`path`, `key_file` and `limit`")?.fields;
        let path = fields.read(&appliance::STORE_PATH, &mut self.found);
        let file = fields.read(&appliance::STORE_KEY_FILE, &mut self.found);
        let credential = fields.read(&appliance::STORE_KEY, &mut self.found);
        let limit = fields.read(&appliance::STORE_LIMIT, &mut self.found);
        let when_full = fields.read(&appliance::WHEN_FULL, &mut self.found);
        let keep = fields.read(&appliance::KEEP, &mut self.found);
        match (fields.has(&appliance::STORE_KEY_FILE), fields.has(&appliance::STORE_KEY)) {
            (true, true) => self.found.push(
                Complaint::new(fields.key_place(&appliance::STORE_KEY), "the store has two keys")
                    .also(fields.key_place(&appliance::STORE_KEY_FILE), "the other")
                    .help("keep either `key`, a systemd credential, or `key_file`, a path"),
            ),
            (false, false) => self.found.push(
                Complaint::new(fields.header.clone(), "[store] has neither `key` nor `key_file`")
                    .ground(Ground::Absence)
                    .help(
                        "the store is encrypted; make a key with `gurney keys new PATH` and write key_file = \"PATH\"",
                    ),
            ),
            _ => {}
        }
        if let (Some(path), Some(file)) = (&path, &file)
            && file.starts_with(path)
        {
            let warning =
                Complaint::warning(fields.place(&appliance::STORE_KEY_FILE), "the key lies in the store's own folder");
            self.found.push(warning.help("keep it elsewhere: whoever takes a copy of the folder takes the key along"));
        }
        when_full?;
        let key = file.map(SecretRef::File).or_else(|| credential.map(SecretRef::Credential))?;
        Some((Store { path: path?, key, limit: limit?, keep: keep? }, fields.place(&appliance::STORE_LIMIT)))
    }

    fn metrics(&mut self, entry: &Entry<'_>) -> Option<std::net::SocketAddr> {
        let address = entry.fields.read(&appliance::METRICS_LISTEN, &mut self.found)?;
        self.listens(address, entry, &appliance::METRICS_LISTEN);
        Some(address)
    }

    fn console(&mut self, entry: &Entry<'_>) -> Option<std::net::SocketAddr> {
        let fields = &entry.fields;
        let address = fields.read(&appliance::CONSOLE_LISTEN, &mut self.found);
        let plaintext = fields.read(&keys::PLAINTEXT, &mut self.found);
        let address = address?;
        self.listens(address, entry, &appliance::CONSOLE_LISTEN);
        let exposed = (!address.ip().is_loopback()).then(|| fields.place(&appliance::CONSOLE_LISTEN));
        let way_out = "listen at 127.0.0.1 and come through a tunnel";
        self.check_plaintext(fields, exposed, plaintext.as_ref(), way_out);
        Some(address)
    }

    fn refuse_frames_beyond_store(&mut self, limit: ByteCount, limit_place: &Place) {
        let Some((frame, frame_place)) = self.largest_frame.clone() else { return };
        if frame.0.saturating_mul(2) <= limit.0 {
            return;
        }
        let message = format!("a store of {} is too small for messages of {}", show_size(limit), show_size(frame));
        let complaint = Complaint::new(limit_place.clone(), message).also(frame_place, "the largest `frame_max`");
        self.found
            .push(complaint.help("make `limit` at least twice the largest `frame_max`; a day's messages should fit"));
    }
}

/// The table `[gurney]`.
struct Site {
    site: String,
    node: String,
    zone: String,
    maps: Option<PathBuf>,
    profiles: Option<PathBuf>,
    dialects: Option<PathBuf>,
    use_cases: Option<PathBuf>,
}

fn single<'e>(entries: &'e [Entry<'e>], kind: &str) -> Option<&'e Entry<'e>> {
    entries.iter().find(|entry| entry.section.kind == kind)
}
