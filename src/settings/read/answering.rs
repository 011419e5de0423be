//! Reads what a link takes and how it answers.

use std::time::Duration;

use super::{NamedLink, Reader, destinations::NamedDestination};
use crate::{
    ids::Name,
    settings::{
        AckAfter, Answering, ApplicationAck, Flow, Mapping, OnRefusal, Pattern, Priority,
        complaint::Complaint,
        keys::{
            answering::{self, Target},
            destination as of,
        },
        merge::Entry,
    },
};

/// A link whose application acknowledgements are deliveries.
pub(super) struct AckTarget {
    link: String,
    destination: usize,
}

impl Reader<'_> {
    pub(super) fn answering(&mut self, entry: &Entry<'_>, destinations: &[NamedDestination<'_>]) -> Option<Answering> {
        let fields = &entry.fields;
        let versions = fields.read(&answering::VERSIONS, &mut self.found);
        let processing = fields.read(&answering::PROCESSING, &mut self.found);
        let unrouted = fields.read(&answering::UNROUTED, &mut self.found);
        let has_line = matches!(entry.section.kind, "mllp" | "serial");
        let target_key = if has_line { &answering::APPLICATION_ACK } else { &answering::APPLICATION_ACK_APART };
        let target = fields.read(target_key, &mut self.found);
        let ack_after = fields.read(&answering::ACK_AFTER, &mut self.found);
        let ack_wait = fields.read(&answering::ACK_WAIT, &mut self.found);
        let sequence = fields.read(&answering::SEQUENCE, &mut self.found);
        if ack_after == Some(AckAfter::Stored) && fields.has(&answering::ACK_WAIT) {
            let warning = Complaint::warning(fields.key_place(&answering::ACK_WAIT), "nothing here waits");
            self.found.push(warning.help("write ack_after = \"delivered\", or take `ack_wait` away"));
        }
        Some(Answering {
            application_ack: self.application_ack(entry, target?, destinations)?,
            versions: versions?,
            processing: processing?,
            unrouted: unrouted?,
            ack_after: ack_after?,
            ack_wait: ack_wait?,
            sequence: sequence?,
        })
    }

    fn application_ack(
        &mut self,
        entry: &Entry<'_>,
        target: Target,
        destinations: &[NamedDestination<'_>],
    ) -> Option<ApplicationAck> {
        let name = match target {
            Target::SameConnection => return Some(ApplicationAck::SameConnection),
            Target::Never => return Some(ApplicationAck::Never),
            Target::To(name) => name,
        };
        let names: Vec<_> = destinations.iter().map(|to| to.name).collect();
        let wanted = ("destination", names.as_slice());
        let destination = self.resolve(&entry.fields, &answering::APPLICATION_ACK, &name, wanted, ("source", &[]))?;
        if destinations.get(destination).is_some_and(|to| to.kind == of::FHIR.kind) {
            let place = entry.fields.place(&answering::APPLICATION_ACK);
            let complaint = Complaint::new(place, "a FHIR server takes no acknowledgements of HL7");
            self.found.push(complaint.help("name a destination that takes HL7 v2"));
            return None;
        }
        self.ack_targets.push(AckTarget { link: entry.name.to_owned(), destination });
        Some(ApplicationAck::To { destination })
    }

    /// The flows that carry application acknowledgements, one per link that sends them to a destination. Their names
    /// cannot be written in a configuration, so they never meet a flow of the site.
    pub(super) fn acknowledgement_flows(&self, links: &[NamedLink<'_>]) -> Vec<Flow> {
        let flow = |target: &AckTarget| {
            Some(Flow {
                name: Name::new(format!("{}/ack", target.link)),
                use_case: None,
                from: links.iter().position(|link| link.name == target.link)?,
                on: Vec::new(),
                to: target.destination,
                mapping: Mapping::acknowledgement(),
                pattern: Pattern::Event,
                priority: Priority::Routine,
                on_refusal: OnRefusal::Skip,
                target: TARGET,
                owner: target.link.clone(),
                department: target.link.clone(),
                escalate: Vec::new(),
            })
        };
        self.ack_targets.iter().filter_map(flow).collect()
    }
}

/// Agreed time of an application acknowledgement: senders that wait for one commonly wait this long.
const TARGET: Duration = Duration::from_secs(30);
