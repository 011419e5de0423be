//! Message structures as trees, flattened so that a message is walked along them without search.
//!
//! ```text
//! MSH {(PATIENT: PID [PD1])} [{OBX}]
//!
//! leaf  0 MSH        group 0 root      leaves 0..4
//! leaf  1 PID        group 1 PATIENT   leaves 1..3, repeats
//! leaf  2 PD1, may be left out
//! leaf  3 OBX, may be left out, repeats
//! ```
//! One of several segments, `<OBR|RXO>`, is a group of leaves of which one is taken.

use super::Version;

/// The structures of one name, by version.
#[derive(Debug, Default)]
pub(in crate::hl7) struct Family(Vec<(Version, Version, Structure)>);

impl Family {
    pub(super) fn push(&mut self, since: Version, until: Version, structure: Structure) {
        self.0.push((since, until, structure));
    }

    /// The structure that holds in `version`.
    pub(super) fn at(&self, version: Version) -> Option<&Structure> {
        self.0.iter().find(|(since, until, _)| (*since..=*until).contains(&version)).map(|(_, _, structure)| structure)
    }

    #[cfg(test)]
    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    #[cfg(test)]
    pub(super) fn all(&self) -> impl Iterator<Item = &Structure> {
        self.0.iter().map(|(_, _, structure)| structure)
    }
}

/// Versions in which a message type has the structures of a family.
#[derive(Debug)]
pub(in crate::hl7) struct Event {
    pub(super) family: usize,
    pub(super) since: Version,
    pub(super) until: Version,
}

impl Event {
    pub(super) fn holds_in(&self, version: Version) -> bool {
        (self.since..=self.until).contains(&version)
    }
}

/// The structure of a message in one version.
#[derive(Debug, Default)]
pub(in crate::hl7) struct Structure {
    leaves: Vec<Leaf>,
    groups: Vec<Group>,
}

/// A segment's place in a structure.
#[derive(Debug)]
pub(in crate::hl7) struct Leaf {
    pub(in crate::hl7) name: [u8; 3],
    pub(in crate::hl7) is_required: bool,
    pub(in crate::hl7) repeats: bool,
    /// The innermost group it is in.
    group: usize,
}

/// A group of segments: its leaves are those of a range.
#[derive(Debug)]
struct Group {
    start: usize,
    end: usize,
    parent: usize,
    is_required: bool,
    repeats: bool,
    /// Whether one of its leaves stands for the group.
    is_choice: bool,
}

/// A step along a structure.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::hl7) struct Step {
    /// The leaf that the segment takes.
    pub(in crate::hl7) leaf: usize,
    /// The innermost group that contains the leaf before and this one, and how it was entered.
    group: usize,
    is_new_round: bool,
}

impl Structure {
    /// Reads `MSH [{NTE}] {(PATIENT: PID [PD1])} <OBR|RXO>`.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut structure = Self::default();
        structure.groups.push(Group {
            start: 0,
            end: 0,
            parent: 0,
            is_required: true,
            repeats: false,
            is_choice: false,
        });
        let mut rest = text.trim();
        while !rest.is_empty() {
            rest = structure.read_item(rest, 0)?.trim_start();
        }
        structure.close(0);
        Some(structure)
    }

    /// Reads one item of `group` and gives what follows it.
    fn read_item<'t>(&mut self, text: &'t str, group: usize) -> Option<&'t str> {
        let (mut is_required, mut repeats) = (true, false);
        let mut rest = text;
        let mut closers = Vec::new();
        loop {
            if let Some(inner) = rest.strip_prefix('[') {
                is_required = false;
                closers.push(']');
                rest = inner;
            } else if let Some(inner) = rest.strip_prefix('{') {
                repeats = true;
                closers.push('}');
                rest = inner;
            } else {
                break;
            }
        }
        rest = self.read_body(rest, group, is_required, repeats)?;
        for closer in closers.into_iter().rev() {
            rest = rest.trim_start().strip_prefix(closer)?;
        }
        Some(rest)
    }

    fn read_body<'t>(&mut self, text: &'t str, group: usize, is_required: bool, repeats: bool) -> Option<&'t str> {
        if let Some(choice) = text.strip_prefix('<') {
            let (names, rest) = choice.split_once('>')?;
            let inner = self.open(group, is_required, repeats, true);
            for name in names.split('|') {
                self.push(name, inner, false, false)?;
            }
            self.close(inner);
            return Some(rest);
        }
        if let Some(body) = text.strip_prefix('(') {
            let (_, mut rest) = body.split_once(':')?;
            let inner = self.open(group, is_required, repeats, false);
            loop {
                rest = rest.trim_start();
                if let Some(after) = rest.strip_prefix(')') {
                    self.close(inner);
                    return Some(after);
                }
                rest = self.read_item(rest, inner)?;
            }
        }
        let (name, rest) = text.split_at_checked(3)?;
        self.push(name, group, is_required, repeats)?;
        Some(rest)
    }

    fn open(&mut self, parent: usize, is_required: bool, repeats: bool, is_choice: bool) -> usize {
        let start = self.leaves.len();
        self.groups.push(Group { start, end: start, parent, is_required, repeats, is_choice });
        self.groups.len().saturating_sub(1)
    }

    fn close(&mut self, group: usize) {
        let end = self.leaves.len();
        if let Some(group) = self.groups.get_mut(group) {
            group.end = end;
        }
    }

    fn push(&mut self, name: &str, group: usize, is_required: bool, repeats: bool) -> Option<()> {
        let name = <[u8; 3]>::try_from(name.as_bytes()).ok()?;
        let plain = name.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        self.leaves.push(Leaf { name, is_required, repeats, group });
        plain.then_some(())
    }

    /// The leaf at a place.
    pub(in crate::hl7) fn leaf(&self, place: usize) -> Option<&Leaf> {
        self.leaves.get(place)
    }

    /// Whether a segment of this name has a place in it.
    pub(in crate::hl7) fn has(&self, name: &[u8]) -> bool {
        self.leaves.iter().any(|leaf| leaf.name == *name)
    }

    /// Where a segment called `name` goes after one that took `from`; `None` where it cannot follow. Looks forward in the
    /// innermost group first, then for a new round of it, then in the group around it. The work is bounded by the
    /// size of the structure.
    pub(in crate::hl7) fn follow(&self, from: usize, name: &[u8]) -> Option<Step> {
        let current = self.leaves.get(from)?;
        if current.name == *name && current.repeats {
            return Some(Step { leaf: from, group: current.group, is_new_round: false });
        }
        let mut at = current.group;
        let mut behind = from.saturating_add(1);
        loop {
            let group = self.groups.get(at)?;
            let find = |start: usize, end: usize| {
                let is_it = |place: &usize| self.leaf(*place).is_some_and(|leaf| leaf.name == *name);
                (start..end).find(|place| is_it(place) && self.is_begun_well(*place, at))
            };
            let forward = if group.is_choice { None } else { find(behind, group.end) };
            if let Some(leaf) = forward {
                return Some(Step { leaf, group: at, is_new_round: false });
            }
            if group.repeats
                && let Some(leaf) = find(group.start, group.end)
                && self.begins_round(group.start, leaf)
            {
                return Some(Step { leaf, group: at, is_new_round: true });
            }
            if at == 0 {
                return None;
            }
            at = group.parent;
            behind = group.end;
        }
    }

    /// Whether every group that may be left out, and that is entered by coming to `leaf` inside `outer`, is begun by
    /// what it requires: a note at the end of an order is not the note of a result that is not there.
    fn is_begun_well(&self, leaf: usize, outer: usize) -> bool {
        let mut at = self.leaf(leaf).map_or(outer, |leaf| leaf.group);
        while at != outer && at != 0 {
            let Some(group) = self.groups.get(at) else { return false };
            if !group.is_required && !group.is_choice && !self.begins_round(group.start, leaf) {
                return false;
            }
            at = group.parent;
        }
        true
    }

    /// Whether a new round of a group may begin with `leaf`: nothing that is required stands before it. Else a single
    /// segment out of order would look like a round of which everything is missing.
    fn begins_round(&self, start: usize, leaf: usize) -> bool {
        let mut lacks = false;
        self.missing_between(start, leaf, usize::MAX, leaf, &mut |_: &Leaf| lacks = true);
        !lacks
    }

    /// The required segments that are missing when `step` follows `from`, each once, in the order of the structure.
    pub(in crate::hl7) fn missing(&self, from: usize, step: &Step, mut tell: impl FnMut(&Leaf)) {
        if step.leaf == from && !step.is_new_round {
            return;
        }
        // Everything between the two inside what was and is entered is passed over.
        let Some(group) = self.groups.get(step.group) else { return };
        if step.is_new_round {
            self.missing_between(from.saturating_add(1), group.end, from, usize::MAX, &mut tell);
            self.missing_between(group.start, step.leaf, usize::MAX, step.leaf, &mut tell);
        } else {
            self.missing_between(from.saturating_add(1), step.leaf, from, step.leaf, &mut tell);
        }
    }

    /// The required segments that are missing when a message ends after `from`.
    pub(in crate::hl7) fn missing_at_end(&self, from: usize, mut tell: impl FnMut(&Leaf)) {
        self.missing_between(from.saturating_add(1), self.leaves.len(), from, usize::MAX, &mut tell);
    }

    /// Tells the required leaves of `start..end` whose groups are all either required or entered, which those of
    /// the leaves `left` and `reached` are. A required choice tells its first leaf.
    fn missing_between(&self, start: usize, end: usize, left: usize, reached: usize, tell: &mut impl FnMut(&Leaf)) {
        let mut place = start;
        while let Some(leaf) = self.leaves.get(place).filter(|_| place < end) {
            let own = self.groups.get(leaf.group);
            let is_choice = own.is_some_and(|group| group.is_choice);
            let is_needed = match own {
                Some(group) if group.is_choice => {
                    let is_taken = [left, reached].iter().any(|taken| (group.start..group.end).contains(taken));
                    group.start == place
                        && group.is_required
                        && !is_taken
                        && self.is_entered(group.parent, left, reached)
                }
                _ => leaf.is_required && self.is_entered(leaf.group, left, reached),
            };
            if is_needed {
                tell(leaf);
            }
            place = if is_choice {
                own.map_or(place, |group| group.end).max(place.saturating_add(1))
            } else {
                place.saturating_add(1)
            };
        }
    }

    /// Whether a group, and all that it stands in, is required or holds one of the leaves.
    fn is_entered(&self, mut at: usize, left: usize, reached: usize) -> bool {
        while at != 0 {
            let Some(group) = self.groups.get(at) else { return false };
            let holds = |leaf: usize| (group.start..group.end).contains(&leaf);
            if !group.is_required && !holds(left) && !holds(reached) {
                return false;
            }
            at = group.parent;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Walks names along a structure; `-X` says that X is missing, `!X` that X cannot follow.
    fn walk(structure: &str, names: &str) -> String {
        let structure = Structure::read(structure).unwrap();
        let mut told: Vec<String> = Vec::new();
        let mut from = 0;
        for name in names.split(' ').skip(1) {
            let Some(step) = structure.follow(from, name.as_bytes()) else {
                told.push(format!("!{name}"));
                continue;
            };
            structure.missing(from, &step, |leaf| told.push(format!("-{}", String::from_utf8_lossy(&leaf.name))));
            from = step.leaf;
        }
        structure.missing_at_end(from, |leaf| told.push(format!("-{}", String::from_utf8_lossy(&leaf.name))));
        told.join(" ")
    }

    #[test]
    fn follows_groups_and_tells_what_is_missing() {
        let admit = "MSH EVN PID [PD1] [{NK1}] PV1 [{OBX}] [{(INSURANCE: IN1 [IN2])}]";
        let result = "MSH {(RESULT: [(PATIENT: PID [PV1])] {(ORDER: [ORC] OBR [{(OBSERVATION: OBX [{NTE}])}])})} [DSC]";
        let order = "MSH [(PATIENT: PID [PV1])] {(ORDER: ORC [(DETAIL: <OBR|RXO> [{NTE}])] [BLG])}";
        for (structure, names, told) in [
            (admit, "MSH EVN PID PV1", ""),
            (admit, "MSH EVN PID NK1 NK1 PV1 OBX OBX IN1 IN2 IN1", ""),
            (admit, "MSH PID PV1", "-EVN"),
            (admit, "MSH EVN PID", "-PV1"),
            (admit, "MSH EVN PV1 PID", "-PID !PID"),
            (admit, "MSH EVN PID PV1 IN2 IN1", "!IN2"),
            (admit, "MSH EVN PID PV1 PV1", "!PV1"),
            (admit, "MSH EVN PID PV1 OBX NK1", "!NK1"),
            (admit, "MSH EVN PID PV1 TQ1", "!TQ1"),
            (admit, "MSH", "-EVN -PID -PV1"),
            (result, "MSH PID OBR OBX NTE OBX OBR PID OBR", ""),
            (result, "MSH OBR OBX", ""),
            (result, "MSH PID OBX", "-OBR"),
            (result, "MSH PID PID OBR", "-OBR"),
            (result, "MSH", "-OBR"),
            (order, "MSH PID ORC OBR NTE ORC RXO ORC BLG", ""),
            (order, "MSH PID ORC NTE", "!NTE"),
            (order, "MSH PID OBR", "-ORC"),
            (order, "MSH ORC OBR NTE OBR BLG", "!OBR"),
            (order, "MSH ORC OBR BLG NTE ORC", "!NTE"),
            (order, "MSH ORC OBR RXO", "!RXO"),
        ] {
            assert_eq!(walk(structure, names), told, "{names} along {structure}");
        }
    }

    #[test]
    fn refuses_what_is_no_structure() {
        for text in ["MSH [PID", "MSH {PID]", "MSH (PID)", "MSH <OBR|", "MSH pid", "MS"] {
            assert!(Structure::read(text).is_none(), "{text}");
        }
    }
}
