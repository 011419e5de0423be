//! Small numbers for names, verdicts and lanes in rows.

use rusqlite::Connection;

use super::schema::name_id;
use crate::{
    flow::{Fault, Verdict},
    settings::{Mapping, Priority, Settings},
};

/// The row numbers of the configured names, by their index in the settings.
#[derive(Clone, Debug)]
pub struct Names {
    /// Links.
    pub links: Vec<i64>,
    /// Flows.
    pub flows: Vec<i64>,
    /// Destinations.
    pub destinations: Vec<i64>,
    /// Mapping of each flow.
    pub mappings: Vec<i64>,
    /// The flow of messages that no flow takes.
    pub unrouted: i64,
}

impl Names {
    /// Looks the names up, making rows for new ones.
    pub(super) fn load(connection: &Connection, settings: &Settings) -> Result<Self, rusqlite::Error> {
        let many = |kind: &str, names: Vec<String>| -> Result<Vec<i64>, rusqlite::Error> {
            names.iter().map(|name| name_id(connection, kind, name)).collect()
        };
        Ok(Self {
            links: many("link", settings.links.iter().map(|link| link.name.to_string()).collect())?,
            flows: many("flow", settings.flows.iter().map(|flow| flow.name.to_string()).collect())?,
            destinations: many("destination", settings.destinations.iter().map(|to| to.name.to_string()).collect())?,
            mappings: many("mapping", settings.flows.iter().map(|flow| mapping_word(&flow.mapping)).collect())?,
            unrouted: name_id(connection, "flow", "unrouted")?,
        })
    }

    /// The row number of a flow, or of none.
    pub(super) fn flow(&self, flow: Option<usize>) -> i64 {
        flow.and_then(|flow| self.flows.get(flow)).copied().unwrap_or(self.unrouted)
    }

    /// The settings' index of a flow's row number; `None` for messages that no flow took, and for flows that are gone.
    pub fn flow_index(&self, row: i64) -> Option<usize> {
        self.flows.iter().position(|id| *id == row)
    }
}

/// The mapping that changes nothing.
pub const RAW: &str = "raw";

/// How a mapping is written in a row and in a delivery key: `raw` or `name@version`.
pub fn mapping_word(mapping: &Mapping) -> String {
    match mapping {
        Mapping::Raw => RAW.to_owned(),
        Mapping::Map { name, version } => format!("{name}@{version}"),
    }
}

/// Lanes in the order in which they leave.
pub const LANES: [Priority; 3] = [Priority::Stat, Priority::Urgent, Priority::Routine];

/// A lane's number.
pub fn lane(priority: Priority) -> i64 {
    match priority {
        Priority::Stat => 0,
        Priority::Urgent => 1,
        Priority::Routine => 2,
    }
}

/// A number's lane.
pub(super) fn priority(lane: i64) -> Priority {
    match lane {
        0 => Priority::Stat,
        1 => Priority::Urgent,
        _ => Priority::Routine,
    }
}

/// A verdict's number: 0 accept, 1 silent, 16 and up rejected for a fault.
pub(super) fn verdict_code(verdict: Verdict) -> i64 {
    match verdict {
        Verdict::Accept => 0,
        Verdict::Silent => 1,
        Verdict::Reject(fault) => {
            16 + Fault::ALL.iter().position(|known| *known == fault).map_or(0, |at| i64::try_from(at).unwrap_or(0))
        }
    }
}

/// A number's verdict.
pub(super) fn verdict(code: i64) -> Verdict {
    match code {
        0 => Verdict::Accept,
        1 => Verdict::Silent,
        _ => Verdict::Reject(
            usize::try_from(code - 16).ok().and_then(|at| Fault::ALL.get(at)).copied().unwrap_or(Fault::Internal),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_every_verdict_and_lane() {
        for fault in Fault::ALL {
            assert_eq!(verdict(verdict_code(Verdict::Reject(fault))), Verdict::Reject(fault));
        }
        for known in [Verdict::Accept, Verdict::Silent] {
            assert_eq!(verdict(verdict_code(known)), known);
        }
        for known in LANES {
            assert_eq!(priority(lane(known)), known);
        }
    }
}
