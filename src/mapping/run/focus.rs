//! One of several: resources and rows that are made once for every segment, and what they may see.
//!
//! ```text
//! each = ["IN1", "IN2"]        IN1 IN2 | IN1 | IN1 IN2 IN3
//!                              first   | 2nd | third
//! ```
//! A segment named in `each` is looked up in the group alone, everything else as ever. So the second insurance never
//! takes the first one's number, and still finds its patient.

use std::collections::HashSet;

use super::{Found, Present, Run};
use crate::{
    event::{Part, Scope},
    hl7::{Path, Segment, Value},
    mapping::{
        compile::{Names, Resource, Row},
        source::{Source, SourcePlace},
    },
};

/// The group of segments that is looked at.
#[derive(Clone)]
pub(super) struct Focus<'r> {
    names: &'r Names,
    /// Where the group begins.
    pub(super) start: usize,
    end: usize,
}

impl<'r, 'm> Run<'r, 'm> {
    /// The groups that begin with the first of `names`.
    pub(super) fn groups(&self, names: &'r Names) -> Vec<Focus<'r>> {
        let Some(first) = names.first() else {
            return Vec::new();
        };
        let starts = self.with_places(first, <[usize]>::to_vec);
        starts.into_iter().map(|start| Focus { names, start, end: self.group_end(names, start) }).collect()
    }

    fn group_end(&self, names: &Names, start: usize) -> usize {
        let follows = |place: usize| {
            let segment = self.scope.message().segment_at(place);
            segment.is_some_and(|segment| names.iter().skip(1).any(|name| segment.is(name)))
        };
        let mut end = start + 1;
        while follows(end) {
            end += 1;
        }
        end
    }

    /// The values at a path, at most so many, in the group that is looked at where it has such segments.
    pub(super) fn parts_at(&self, path: &Path, at_most: usize) -> Vec<Part<'m>> {
        if let Some(segments) = self.focused(path) {
            return segments.flat_map(|segment| Scope::parts_in(segment, path)).take(at_most).collect();
        }
        let wanted = path.occurrence().map(usize::from);
        self.with_places(path.segment(), |places| {
            let chosen = places.iter().enumerate();
            let chosen = chosen.filter(|(number, _)| wanted.is_none_or(|wanted| number + 1 == wanted));
            let segments = chosen.filter_map(|(_, place)| self.scope.message().segment_at(*place));
            segments.flat_map(|segment| Scope::parts_in(segment, path)).take(at_most).collect()
        })
    }

    /// What `read` makes of the places of the segments of this name. They are looked up once per event, so that a
    /// message of very many segments takes time by their number and not by its square.
    fn with_places<T>(&self, name: &str, read: impl FnOnce(&[usize]) -> T) -> T {
        if let Some((_, places)) = self.places.borrow().iter().find(|(known, _)| known == name) {
            return read(places);
        }
        let found: Vec<usize> = self.scope.numbered(name).map(|(place, _)| place).collect();
        let read = read(&found);
        self.places.borrow_mut().push((name.to_owned(), found));
        read
    }

    /// The first value at a path, with its three states.
    pub(super) fn value_at(&self, path: &Path) -> Value<'m> {
        match self.focused(path) {
            Some(mut segments) => segments.next().map_or(Value::Absent, |segment| segment.value(path)),
            None => self.scope.value(path),
        }
    }

    /// The segments of this name in the group that is looked at; nothing where such segments are no part of it.
    pub(super) fn focused<'s>(&'s self, path: &'s Path) -> Option<impl Iterator<Item = Segment<'m>> + use<'s, 'r, 'm>> {
        let focus = self.focus.as_ref()?;
        let name = path.segment();
        focus.names.iter().any(|known| **known == *name).then(|| {
            let places = (focus.start..focus.end).filter_map(|place| self.scope.message().segment_at(place));
            places.filter(move |segment| segment.is(name))
        })
    }

    /// Whether one of these places has a value.
    pub(super) fn is_given(&self, sources: &[Source]) -> bool {
        sources.iter().any(|source| !self.parts(source).is_empty())
    }

    /// Whether one of these places is deleted.
    pub(super) fn is_nulled(&self, sources: &[Source]) -> bool {
        sources.iter().any(|source| match &source.place {
            SourcePlace::Path(path) => matches!(self.value_at(path), Value::Null),
            SourcePlace::Answer(_) => false,
        })
    }

    /// Whether the conditions of a row hold.
    pub(super) fn applies(&self, row: &Row) -> bool {
        (row.given.is_empty() || self.is_given(&row.given))
            && (row.unless.is_empty() || !self.is_given(&row.unless))
            && (row.nulled.is_empty() || self.is_nulled(&row.nulled))
    }

    /// A resource as often as it will be in the Bundle: of several that would be one and the same the first.
    pub(super) fn find_all(&mut self, resource: &'r Resource) -> Vec<Present> {
        if resource.each.is_empty() {
            return self.find(resource).into_iter().collect();
        }
        let mut found: Vec<Present> = Vec::new();
        let mut urls = HashSet::new();
        for focus in self.groups(&resource.each) {
            let at = focus.start;
            self.focus = Some(focus);
            let one = self.find(resource).filter(|present| urls.insert(present.full_url.clone()));
            found.extend(one.map(|present| Present { at: Some(at), ..present }));
        }
        self.focus = None;
        found
    }

    /// Whether a resource of this name is another one than `identity` is.
    pub(super) fn is_alike(&self, other: usize, found: &Found) -> bool {
        let others = self.present.get(other).map(Vec::as_slice).unwrap_or_default();
        others.iter().any(|present| match (&present.found, found) {
            (Found::Identity(one), Found::Identity(other)) => one == other,
            _ => false,
        })
    }
}
