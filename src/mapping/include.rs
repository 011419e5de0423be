//! Maps that share what they have in common: `include = ["record@1"]` takes over the tables, needs and resources of
//! another map.
//!
//! A resource of the same name adds to the included one: its rows come after the included ones (so that one with the
//! same `to` replaces), its lists of messages are added, and everything else it says takes the place of what the
//! included map says. Includes are not followed further: an included map includes nothing itself.

use std::collections::BTreeMap;

use super::{
    fault::Faults,
    text::{Key, MapText, ResourceText},
};

/// The maps that may be included, by `name@version`.
pub(super) type Bases = BTreeMap<String, MapText>;

/// Reads the maps that other maps of `sources` include. Faults in them are found when they are compiled themselves.
pub(super) fn bases<'t>(sources: impl Iterator<Item = &'t str>) -> Bases {
    let maps: Vec<MapText> = sources.filter_map(|text| toml::from_str(text).ok()).collect();
    let wanted: Vec<String> = maps.iter().flat_map(|map| &map.include).map(|word| word.get_ref().clone()).collect();
    let named = maps.into_iter().map(|map| (format!("{}@{}", map.map.get_ref(), map.version), map));
    named.filter(|(id, _)| wanted.contains(id)).collect()
}

/// Gives `map` what the maps it includes have.
pub(super) fn merge(map: &mut MapText, bases: &Bases, faults: &mut Faults<'_>) {
    for word in std::mem::take(&mut map.include) {
        let id = word.get_ref();
        let Some(base) = bases.get(id) else {
            faults.add(word.span(), format!("there is no map `{id}` to include"));
            continue;
        };
        if !base.include.is_empty() {
            faults.add(word.span(), format!("`{id}` includes another map itself"));
            continue;
        }
        map.tables = map.tables.take().or_else(|| base.tables.clone());
        map.need.extend(base.need.iter().cloned());
        let own = std::mem::take(&mut map.resource);
        map.resource = base.resource.clone();
        for resource in own {
            match map.resource.iter_mut().find(|known| known.name.get_ref() == resource.name.get_ref()) {
                Some(known) => add(known, resource),
                None => map.resource.push(resource),
            }
        }
    }
    let known = map.resource.clone();
    for resource in &mut map.resource {
        let Some(word) = resource.like.take() else {
            continue;
        };
        let Some(other) = known.iter().find(|other| other.name.get_ref() == word.get_ref()) else {
            faults.add(word.span(), format!("there is no resource `{}` in this map", word.get_ref()));
            continue;
        };
        let own = std::mem::take(&mut resource.row);
        resource.row = other.row.iter().cloned().chain(own).collect();
        resource.kind = resource.kind.take().or_else(|| other.kind.clone());
    }
    // What names the message speaks of all others.
    map.resource.sort_by_key(|resource| resource.key.as_ref().is_some_and(|key| *key.get_ref() == Key::Message));
}

fn add(known: &mut ResourceText, more: ResourceText) {
    fn replace<T>(known: &mut Vec<T>, more: Vec<T>) {
        if !more.is_empty() {
            *known = more;
        }
    }
    known.row.extend(more.row);
    known.put_on.extend(more.put_on);
    replace(&mut known.on, more.on);
    replace(&mut known.from, more.from);
    replace(&mut known.otherwise, more.otherwise);
    replace(&mut known.of, more.of);
    replace(&mut known.each, more.each);
    replace(&mut known.given, more.given);
    replace(&mut known.unless, more.unless);
    replace(&mut known.spoken, more.spoken);
    replace(&mut known.prefer, more.prefer);
    replace(&mut known.need, more.need);
    replace(&mut known.create, more.create);
    replace(&mut known.put, more.put);
    known.key = more.key.or_else(|| known.key.take());
    known.kind = more.kind.or_else(|| known.kind.take());
    known.when = more.when.or_else(|| known.when.take());
    known.unlike = more.unlike.or_else(|| known.unlike.take());
    if !more.space.is_empty() {
        known.space = more.space;
    }
}
