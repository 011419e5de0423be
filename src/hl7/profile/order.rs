//! The segments of a message along the structure of its type: which are unknown, out of order, missing.

use std::collections::HashMap;

use super::{super::dictionary::Structure, Expected, Found, Judge, Place, Rule, small};

impl Judge<'_, '_> {
    /// Judges names and order, and gives the place of each segment.
    pub(super) fn order(&mut self) -> Vec<Place> {
        let kind = self.message.message_type();
        let structure = self.dictionary.structure(kind.code, kind.trigger, kind.structure, self.version);
        let mut counts: HashMap<[u8; 3], usize> = HashMap::new();
        let mut places = Vec::new();
        let mut reached = 0;
        for (line, segment) in (1_u32..).zip(self.message.segments()) {
            let name = <[u8; 3]>::try_from(segment.name()).unwrap_or(*b"   ");
            let plain = name.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
            let name = if plain { name } else { *b"   " };
            let count = counts.entry(name).or_default();
            *count = count.saturating_add(1);
            let place =
                Place { segment: name, occurrence: small(*count), line, offset: segment.start(), ..Place::default() };
            places.push(place);
            if !plain {
                self.tell(Rule::SegmentName, place, Expected::SegmentName, Found::text(segment.name()));
                continue;
            }
            if line == 1 || name.first() == Some(&b'Z') {
                continue;
            }
            if self.dictionary.segment(&name).is_none_or(|known| known.since > self.version) {
                self.tell(Rule::SegmentUnknown, place, Expected::StandardSegment, Found::Something);
                continue;
            }
            if let Some(structure) = structure {
                self.follow(structure, &mut reached, place);
            }
        }
        let last = places.last().copied().unwrap_or_default();
        let end = Place {
            segment: last.segment,
            occurrence: last.occurrence,
            line: last.line,
            offset: self.message.raw().len(),
            ..last
        };
        match structure {
            Some(structure) => structure.missing_at_end(reached, |leaf| {
                let place = Place { segment: leaf.name, occurrence: 1, ..end };
                self.tell(Rule::SegmentMissing, place, Expected::Segment(leaf.name), Found::Nothing);
            }),
            None => {
                let header = places.first().copied().unwrap_or_default();
                let place = Place { field: 9, ..header };
                self.tell(Rule::StructureUnknown, place, Expected::Structure, Found::Something);
            }
        }
        places
    }

    fn follow(&mut self, structure: &Structure, reached: &mut usize, place: Place) {
        let Some(step) = structure.follow(*reached, &place.segment) else {
            // The continuation pointer may end any message, and an addendum goes on with what was before.
            if matches!(&place.segment, b"DSC" | b"ADD") {
                return;
            }
            let (rule, expected) = match structure.has(&place.segment) {
                true => (Rule::SegmentOrder, Expected::OtherOrder),
                false => (Rule::SegmentUnexpected, Expected::SegmentOfType),
            };
            return self.tell(rule, place, expected, Found::Something);
        };
        structure.missing(*reached, &step, |leaf| {
            let missing = Place { segment: leaf.name, occurrence: 1, ..place };
            self.tell(Rule::SegmentMissing, missing, Expected::Segment(leaf.name), Found::Nothing);
        });
        *reached = step.leaf;
    }
}
