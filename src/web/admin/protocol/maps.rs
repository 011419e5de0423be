//! What commands about maps ask and hear.
//!
//! Values that came from messages are masked here already, unless an answer says that it is revealed.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::{
    fhir::Leaf,
    hl7::show::Layout,
    mapping::{Map, samples::Difference},
    units::{Timestamp, limits},
};

/// The maps of a site.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Maps {
    /// By name and version.
    pub maps: Vec<MapRow>,
}

/// A map in one version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapRow {
    /// Its name and version, as `transport@1`.
    pub map: String,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: u32,
    /// What it is for.
    pub title: String,
    /// Who answers for it.
    pub owner: String,
    /// The date when somebody last went through it.
    pub reviewed_on: String,
    /// The date by which somebody has to again.
    pub review_due: String,
    /// Days since then; absent while it is not due.
    pub overdue_days: Option<i64>,
    /// Flows that use it now.
    pub in_use_by: Vec<String>,
    /// Flows whose configuration names it.
    pub configured_by: Vec<String>,
}

impl MapRow {
    /// The facts of a map as of `today`; who uses it is to be added.
    pub fn of(map: &Map, today: Date) -> Self {
        let days = map.review_due.until(today).map_or(0, |span| i64::from(span.get_days()));
        Self {
            map: map.id(),
            name: map.name.clone(),
            version: map.version,
            title: map.title.clone(),
            owner: map.owner.clone(),
            reviewed_on: map.reviewed_on.to_string(),
            review_due: map.review_due.to_string(),
            overdue_days: map.is_overdue(today).then_some(days),
            in_use_by: Vec::new(),
            configured_by: Vec::new(),
        }
    }
}

/// What two maps make of the same messages.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct MapDiff {
    /// One map.
    pub before: String,
    /// The other.
    pub after: String,
    /// Messages looked at.
    pub looked_at: usize,
    /// Messages that are business of neither.
    pub not_applicable: usize,
    /// Messages that both translate alike.
    pub same: usize,
    /// Messages that come out differently.
    pub different: usize,
    /// The first of those.
    pub messages: Vec<MessageDiff>,
}

impl MapDiff {
    /// Adds a message and where it comes out differently.
    pub fn add(&mut self, what: String, kind: String, differences: &[Difference]) {
        self.looked_at += 1;
        if differences.is_empty() {
            self.same += 1;
            return;
        }
        self.different += 1;
        if self.messages.len() < limits::LISTED_MAX / 10 {
            let total = differences.len();
            let differences = differences.iter().take(DIFFERENCES_MAX).map(DifferenceRow::masked).collect();
            self.messages.push(MessageDiff { what, kind, total, differences });
        }
    }
}

/// Differences of one message that are listed.
const DIFFERENCES_MAX: usize = 200;

/// A message that comes out differently.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MessageDiff {
    /// Which: `message 17`, or the name of a sample or file.
    pub what: String,
    /// Message code and trigger.
    pub kind: String,
    /// How many places differ.
    pub total: usize,
    /// The first of them.
    pub differences: Vec<DifferenceRow>,
}

/// A place that comes out differently.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DifferenceRow {
    /// The place as JSON has it; empty where the whole differs.
    pub path: String,
    /// The place as FHIR people say it.
    pub element: String,
    /// What stands there by the one map; absent where nothing does.
    pub before: Option<String>,
    /// What stands there by the other.
    pub after: Option<String>,
}

impl DifferenceRow {
    /// The difference, its values masked unless they are open.
    pub fn masked(difference: &Difference) -> Self {
        let (before, after) = difference.masked();
        Self { path: difference.path.clone(), element: difference.element.clone(), before, after }
    }

    /// The difference as it is.
    pub fn clear(difference: &Difference) -> Self {
        let Difference { path, element, before, after, .. } = difference.clone();
        Self { path, element, before, after }
    }
}

/// An element of what was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ElementRow {
    /// The place as FHIR people say it.
    pub element: String,
    /// What stands there.
    pub value: String,
}

impl ElementRow {
    /// The element, masked unless it is open.
    pub fn masked(leaf: &Leaf) -> Self {
        Self { element: leaf.element.clone(), value: leaf.masked() }
    }

    /// The element as it is.
    pub fn clear(leaf: &Leaf) -> Self {
        Self { element: leaf.element.clone(), value: leaf.value.clone() }
    }
}

/// A spot check.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MapAudit {
    /// The map.
    pub map: String,
    /// Gives the same sample again, as long as retention leaves it.
    pub seed: String,
    /// Deliveries in the window.
    pub passed: u64,
    /// Whether patient data is shown.
    pub revealed: bool,
    /// The sample.
    pub deliveries: Vec<Spot>,
}

/// A delivery of a spot check: what came and what was made of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Spot {
    /// The message.
    pub message: i64,
    /// Message code and trigger.
    pub kind: String,
    /// The flow.
    pub flow: String,
    /// When it was delivered.
    pub delivered_at: Timestamp,
    /// The message, segment by segment.
    pub source: Option<Layout>,
    /// What was delivered; of jobs, how they were then.
    pub target: Vec<ElementRow>,
    /// Why there is no more to see.
    pub note: Option<String>,
}

/// Flows that use another map from now on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MapChanges {
    /// Each of them.
    pub changes: Vec<MapChange>,
}

/// A flow that uses another map from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapChange {
    /// The flow.
    pub flow: String,
    /// What it used.
    pub before: String,
    /// What it uses.
    pub after: String,
}

/// Codes that no table lists.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct UnmappedCodes {
    /// By table, place and code; those that keep most messages waiting first.
    pub codes: Vec<UnmappedCode>,
    /// Messages that wait for a table to be mended.
    pub waiting: u64,
    /// Messages whose codes the tables of now list: `gurney held release` has them decided again.
    pub mended: u64,
    /// Whether there are more than were looked at.
    pub is_cut: bool,
}

/// A code that a table does not list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnmappedCode {
    /// The table.
    pub table: String,
    /// The place in the message.
    pub place: String,
    /// The code; absent where it does not look like one and might be a name.
    pub code: Option<String>,
    /// Messages that wait.
    pub waiting: u64,
    /// The first of their entries among what was set aside.
    pub entries: Vec<i64>,
}

/// A code that may be shown, because it looks like nothing else: at most
/// [`limits::SHOWN_CODE_CHARACTERS_MAX`] printable ASCII characters, no space, no five digits in a row, and not the shape of
/// a name: a word that begins with a capital and goes on in small letters, or words joined by `^`, `,` or `'`.
pub fn shown_code(code: &str) -> Option<String> {
    let is_code = !code.is_empty()
        && code.len() <= limits::SHOWN_CODE_CHARACTERS_MAX
        && code
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'^' | b',' | b'\'' | b'@' | b'~' | b'&'));
    if !is_code || has_long_number(code) || looks_like_a_name(code) { None } else { Some(code.to_owned()) }
}

fn has_long_number(code: &str) -> bool {
    let mut run = 0;
    // Dates and numbers with separators count as one number.
    code.bytes().any(|byte| {
        run = match byte {
            b'0'..=b'9' => run + 1,
            b'-' | b'/' | b'.' if run > 0 => run,
            _ => 0,
        };
        run >= 5
    })
}

fn looks_like_a_name(code: &str) -> bool {
    let words = code.split(|character: char| !character.is_ascii_alphabetic()).filter(|word| !word.is_empty());
    let is_name = |word: &str| {
        let mut letters = word.bytes();
        let begins_large = letters.next().is_some_and(|first| first.is_ascii_uppercase());
        begins_large && word.len() > 1 && letters.all(|letter| letter.is_ascii_lowercase())
    };
    let mut words = words.peekable();
    words.peek().is_some() && words.all(is_name) && !code.bytes().any(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_codes_and_hides_what_might_be_anything_else() {
        for code in ["SEDAN-CHAIR", "PORT", "A9", "01", "L/min", "[lb_av]", "WC_VAN2", "x", "stat"] {
            assert_eq!(shown_code(code).as_deref(), Some(code));
        }
        let long = "A".repeat(41);
        for hidden in [
            "",
            "Quill",
            "Ada Brook",
            "QUILL^ADA",
            "Quill-Brook",
            "O'Neil",
            "4711007",
            "900-11-22",
            "1941-03-05",
            "M47110",
            "a@b.example",
            "caf\u{e9}",
            "tab\t",
            long.as_str(),
            "QUILL,ADA",
        ] {
            assert_eq!(shown_code(hidden), None, "{hidden}");
        }
    }
}
