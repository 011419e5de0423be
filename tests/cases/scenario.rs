//! A scenario as its folder tells it: `case.toml`, and messages beside it or in `config/scenes/messages`.
//!
//! ```toml
//! title    = "An order makes one requested job"
//! links    = ["mllp", "serial", "folder"]   # over which it is played; all three where absent
//! variants = 4                              # plays with what nobody wrote down; none where 0
//! vary     = ["people", "repeats", ...]     # what these may change; all of it where absent
//! any_order = [0, 2]                        # steps that may come in any order, by their numbers from 0
//! config   = "..."                          # further lines of the site's configuration
//!
//! [[step]]                                  # one after the other; each does one thing
//! send   = "order.hl7"                      # placeholders are filled; a line end is the end of a segment
//! set    = { room = "7" }                   # placeholders that are different here
//! times  = { again = 3, anew = 2, over = ["serial"] }   # then the same bytes again, and with a new MSH-10
//! over   = "serial"                         # over another link than the play's
//! answer = "AA"
//! held   = { reason = "missing-field", detail = ["destination"] }   # or quarantined = { ... }
//!
//! [[request]]                               # what leaves, in order, in plays as they are written; anything where none is
//! job    = "A"                              # equal letters are equal job identities, others are not
//! does   = "POST requested"                 # method of the Task's entry and Task.status
//! has    = { "Task.input(pickup).valueReference->name" = "3W 12 B" }
//! hasnt  = { "ServiceRequest.orderDetail(escort)" = "" }
//!
//! [[job]]                                   # what the platform has at the end, in every play: these jobs and no others
//! name   = "A"
//! status = ["requested"]
//!
//! [metrics]                                 # how much these grow, in plays as they are written
//! 'gurney_messages_processed_total{outcome="held"}' = 1
//! ```

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use gurney::sim::{platform::Step as FaultStep, scene::Presence};
use serde::Deserialize;

/// A scenario.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    pub(crate) title: String,
    #[serde(default = "all_links")]
    pub(crate) links: Vec<LinkKind>,
    #[serde(default = "some")]
    pub(crate) variants: usize,
    #[serde(default = "Vary::all")]
    pub(crate) vary: Vec<Vary>,
    #[serde(default)]
    pub(crate) any_order: Vec<usize>,
    #[serde(default)]
    pub(crate) config: String,
    pub(crate) step: Vec<Step>,
    #[serde(default)]
    pub(crate) request: Vec<Request>,
    #[serde(default)]
    pub(crate) job: Vec<Job>,
    #[serde(default)]
    pub(crate) metrics: BTreeMap<String, u64>,
    #[serde(skip)]
    pub(crate) folder: PathBuf,
}

/// A way into the box.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LinkKind {
    Mllp,
    Serial,
    Folder,
    /// Over MLLP from the sender who puts a ride into a segment of its own.
    #[serde(skip)]
    Elsewhere,
}

/// What a variant may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Vary {
    /// The same bytes again, and the same message with a new MSH-10.
    Repeats,
    /// Nothing is waited for between messages.
    Haste,
    /// Other encoding characters.
    Delimiters,
    /// Times with the offset of another zone.
    Zones,
    /// Segments that nobody knows.
    Extras,
    /// The steps of `any_order` in another order.
    Order,
    /// The dialect of another sender, over a link of its own.
    Dialect,
}

impl Vary {
    fn all() -> Vec<Self> {
        vec![Self::Repeats, Self::Haste, Self::Delimiters, Self::Zones, Self::Extras, Self::Order, Self::Dialect]
    }
}

/// One step; one of the first group says what it does.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    /// A message to send.
    pub(crate) send: Option<String>,
    /// How the platform misbehaves from now on.
    pub(crate) faults: Option<Vec<FaultStep>>,
    /// Whether the platform is there.
    pub(crate) platform: Option<Presence>,
    /// kill -9, and a new start.
    pub(crate) kill: Option<Once>,
    /// Mends the map: another table in place of one that lacks a code.
    pub(crate) mend: Option<Mend>,
    /// Reads what was set aside in this play again; how many entries it takes.
    pub(crate) release: Option<usize>,
    /// Waits until nothing is under way.
    pub(crate) settle: Option<Once>,

    #[serde(default)]
    pub(crate) set: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) times: Times,
    pub(crate) over: Option<LinkKind>,
    pub(crate) answer: Option<String>,
    pub(crate) held: Option<Aside>,
    pub(crate) quarantined: Option<Aside>,
}

/// A step that has nothing to say but that it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Once {
    Now,
}

/// How often a message comes beside the first time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Times {
    /// With the same bytes.
    #[serde(default)]
    pub(crate) again: usize,
    /// With a new MSH-10.
    #[serde(default)]
    pub(crate) anew: usize,
    /// With the same bytes over these links.
    #[serde(default)]
    pub(crate) over: Vec<LinkKind>,
}

/// Another table for the map.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mend {
    /// The table that lacks a code.
    pub(crate) table: String,
    /// A file with the table `TABLE-mended`.
    pub(crate) with: String,
}

/// What a person has to look at.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Aside {
    /// Its word; any where absent.
    #[serde(default)]
    pub(crate) reason: Option<String>,
    /// What its detail names: missing elements, places, tables.
    #[serde(default)]
    pub(crate) detail: Vec<String>,
}

/// Something that leaves.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    pub(crate) job: String,
    pub(crate) does: String,
    /// It may as well not leave.
    #[serde(default)]
    pub(crate) optional: Option<Once>,
    #[serde(default)]
    pub(crate) has: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) hasnt: BTreeMap<String, String>,
}

/// A job at the platform.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Job {
    pub(crate) name: String,
    /// Task.status, one of these.
    pub(crate) status: Vec<String>,
    #[serde(default)]
    pub(crate) has: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) hasnt: BTreeMap<String, String>,
}

fn all_links() -> Vec<LinkKind> {
    vec![LinkKind::Mllp, LinkKind::Serial, LinkKind::Folder]
}

const fn some() -> usize {
    4
}

impl Scenario {
    /// Reads the scenario of a folder.
    pub(crate) fn read(folder: &Path) -> Self {
        let file = folder.join("case.toml");
        let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let read: Self = toml::from_str(&text).unwrap_or_else(|error| panic!("{}:\n{error}", file.display()));
        Self { folder: folder.to_owned(), ..read }
    }

    /// A file of the scenario, or of the messages that scenarios share.
    pub(crate) fn file(&self, name: &str) -> String {
        let own = self.folder.join(name);
        let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/scenes/messages").join(name);
        let file = if own.is_file() { own } else { shared };
        fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    }

    /// Whether the site is another one after it was played.
    pub(crate) fn changes_the_site(&self) -> bool {
        self.step.iter().any(|step| step.mend.is_some())
    }
}
