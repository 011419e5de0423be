//! What a changed configuration needs: which serial ports can take their new settings while the box runs, and what else
//! differs and waits for a restart.
//!
//! The line behind a terminal server waits for a restart, and so does a port that becomes one. A port takes a new device, line, framing, flow control and watching, and new bounds of its frames. What of a link decides
//! about messages (character set, profile, dialect, acknowledgements) belongs to the flows and is not changed under way.

use std::{collections::BTreeSet, fmt::Debug};

use super::{Link, LinkWire, Settings};
use crate::ids::Name;

/// The difference between two configurations.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// Serial links with what they can take at once, by index into the links.
    pub ports: Vec<(usize, Link)>,
    /// Tables that differ otherwise, as they are written.
    pub restart: BTreeSet<String>,
}

impl Change {
    /// `running` with what can be taken at once.
    pub fn applied_to(&self, running: &Settings) -> Settings {
        let mut settings = running.clone();
        for (index, link) in &self.ports {
            if let Some(place) = settings.links.get_mut(*index) {
                place.clone_from(link);
            }
        }
        settings
    }
}

/// Compares the configuration that is in use with one that was read.
pub fn change(running: &Settings, read: &Settings) -> Change {
    let mut change = Change::default();
    let restart = &mut change.restart;
    let single = [
        ("[store]", differs(&running.store, &read.store)),
        ("[metrics]", running.metrics != read.metrics),
        ("[console]", running.console != read.console),
        (
            "[gurney]",
            (
                &running.site,
                &running.node,
                &running.zone,
                &running.maps,
                &running.profiles,
                &running.dialects,
                &running.use_cases,
            ) != (&read.site, &read.node, &read.zone, &read.maps, &read.profiles, &read.dialects, &read.use_cases),
        ),
    ];
    restart.extend(single.iter().filter(|(_, differs)| *differs).map(|(table, _)| (*table).to_owned()));
    let names = |settings: &Settings| -> Vec<Name> { settings.links.iter().map(|link| link.name.clone()).collect() };
    let same_links = names(running) == names(read);
    for (index, (old, new)) in running.links.iter().zip(&read.links).enumerate().filter(|_| same_links) {
        let taken = at_once(old, new);
        if differs(&taken, new) {
            restart.insert(table(new));
        }
        if differs(old, &taken) {
            change.ports.push((index, taken));
        }
    }
    if !same_links {
        tables(restart, "a source", &running.links, &read.links, |link| &link.name);
    }
    tables(restart, "a destination", &running.destinations, &read.destinations, |to| &to.name);
    tables(restart, "[flow", &running.flows, &read.flows, |flow| &flow.name);
    change
}

/// `old` with what a port can take of `new` at once.
fn at_once(old: &Link, new: &Link) -> Link {
    let (LinkWire::Serial(_), LinkWire::Serial(port)) = (&old.wire, &new.wire) else { return old.clone() };
    // A framing that carries something else than before waits for the restart that the content needs.
    let framing = if old.content == new.content { &new.framing } else { &old.framing };
    let (frame_max, frame_timeout, framing) = (new.frame_max, new.frame_timeout, framing.clone());
    Link { frame_max, frame_timeout, framing, wire: LinkWire::Serial(port.clone()), ..old.clone() }
}

fn table(link: &Link) -> String {
    let kind = match link.wire {
        LinkWire::Serial(_) | LinkWire::TerminalServer(_) => "serial",
        LinkWire::MllpServer(_) | LinkWire::MllpClient(_) => "mllp",
        LinkWire::Folder(_) => "folder",
        LinkWire::Http(_) => "http_in",
    };
    format!("[{kind}.{}]", link.name)
}

/// Names every item that one list has and the other has not, or has otherwise. References between tables are places in the
/// lists, so a list in another order is another list.
fn tables<T: Debug>(found: &mut BTreeSet<String>, kind: &str, old: &[T], new: &[T], name: impl Fn(&T) -> &Name) {
    let mut note = |item: &T| {
        let name = name(item);
        found.insert(if kind.starts_with('[') { format!("{kind}.{name}]") } else { format!("{kind} `{name}`") });
    };
    let most = old.len().max(new.len());
    for (old, new) in (0..most).map(|at| (old.get(at), new.get(at))) {
        if old.map(shown) != new.map(shown) {
            old.into_iter().chain(new).for_each(&mut note);
        }
    }
}

/// Whether two settings differ. They are compared as they are shown, so that no key can be forgotten; they hold no secrets.
fn differs<T: Debug>(old: &T, new: &T) -> bool {
    shown(old) != shown(new)
}

fn shown<T: Debug>(item: &T) -> String {
    format!("{item:?}")
}
