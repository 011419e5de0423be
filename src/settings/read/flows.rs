//! Reads flows, `[flow.NAME]`, and resolves the names in them.

use super::{NamedLink, Reader, destinations::NamedDestination};
use crate::{
    ids::Name,
    settings::{
        Content, Flow, Mapping, TypePattern,
        complaint::{Complaint, Ground, listed, quoted},
        fields::{Fields, Key},
        keys::{destination, flow, target},
        merge::Entry,
        place::Place,
        suggest::did_you_mean,
        words,
    },
};

impl Reader<'_> {
    pub(super) fn flows(
        &mut self,
        entries: &[&Entry<'_>],
        links: &[NamedLink<'_>],
        destinations: &[NamedDestination<'_>],
    ) -> Option<Vec<Flow>> {
        if links.is_empty() {
            let warning =
                Complaint::warning(Place::top_of(0), "there is no source of messages").ground(Ground::Absence);
            self.found.push(warning.help("is the file whole? a source is a table such as [mllp.NAME]"));
        }
        if let (Some(link), true) = (links.first(), entries.is_empty()) {
            // A file that was cut off looks like this; to start with it would accept messages into nothing.
            let complaint = Complaint::new(link.place.clone(), "there are sources, but no flow");
            self.found.push(complaint.ground(Ground::Absence).help("add [flow.NAME]: which messages go where"));
            return None;
        }
        let flows: Vec<_> = entries.iter().map(|entry| self.flow(entry, links, destinations)).collect();
        // A flow with a fault may be the one that would use what seems unused.
        let flows: Vec<_> = flows.into_iter().collect::<Option<_>>()?;
        self.tie(entries, &flows);
        let flows: Vec<_> = flows.into_iter().chain(self.acknowledgement_flows(links)).collect();
        self.warn_of_unused(&flows, links, destinations);
        Some(flows)
    }

    fn warn_of_unused(&mut self, flows: &[Flow], links: &[NamedLink<'_>], destinations: &[NamedDestination<'_>]) {
        let links = links.iter().enumerate().filter(|(index, _)| {
            flows.iter().filter(|flow| !flow.is_acknowledgement()).all(|flow| flow.from != *index)
        });
        for (_, link) in links {
            let message = format!("no flow takes messages from `{}`", link.name);
            let warning = Complaint::warning(link.place.clone(), message).ground(Ground::Absence);
            self.found.push(warning.help("its messages would be accepted and go nowhere; add a flow, or take it away"));
        }
        let destinations =
            destinations.iter().enumerate().filter(|(index, _)| flows.iter().all(|flow| flow.to != *index));
        for (_, to) in destinations {
            let message = format!("no flow sends to `{}`", to.name);
            let warning = Complaint::warning(to.place.clone(), message).ground(Ground::Absence);
            self.found.push(warning.help("add a flow, or take it away"));
        }
    }

    fn flow(
        &mut self,
        entry: &Entry<'_>,
        links: &[NamedLink<'_>],
        destinations: &[NamedDestination<'_>],
    ) -> Option<Flow> {
        let fields = &entry.fields;
        let use_case = fields.read(&flow::USE_CASE, &mut self.found);
        let from = fields.read(&flow::FROM, &mut self.found);
        let on = fields.read(&flow::ON, &mut self.found);
        let to = fields.read(&flow::TO, &mut self.found);
        let mapping = fields.read(&flow::MAPPING, &mut self.found);
        let pattern = fields.read(&flow::PATTERN, &mut self.found);
        let priority = fields.read(&flow::PRIORITY, &mut self.found);
        let on_refusal = fields.read(&flow::ON_REFUSAL, &mut self.found);
        let target = fields.read(&flow::TARGET, &mut self.found);
        let owner = fields.read(&flow::OWNER, &mut self.found);
        let department = fields.read(&flow::DEPARTMENT, &mut self.found);
        let escalate = fields.read(&flow::ESCALATE, &mut self.found);

        let link_names: Vec<_> = links.iter().map(|link| link.name).collect();
        let destination_names: Vec<_> = destinations.iter().map(|to| to.name).collect();
        let source = ("source", link_names.as_slice());
        let target_names = ("destination", destination_names.as_slice());
        let from = from.and_then(|name| self.resolve(fields, &flow::FROM, &name, source, target_names));
        let to = to.and_then(|name| self.resolve(fields, &flow::TO, &name, target_names, source));
        let kind = to.and_then(|index| destinations.get(index)).map(|to| to.kind);
        let content = from.and_then(|index| links.get(index)).and_then(|link| link.content);
        if let Some(mapping) = &mapping {
            self.check_mapping(fields, mapping, kind);
            self.check_content(fields, mapping, kind, content);
        }
        if let (Some(on), Some(content)) = (&on, content) {
            self.check_types(fields, on, content);
        }
        let owner = owner?;
        Some(Flow {
            name: Name::new(entry.name),
            use_case,
            from: from?,
            on: on?,
            to: to?,
            mapping: mapping?,
            pattern: pattern?,
            priority: priority?,
            on_refusal: on_refusal?,
            target: target?,
            department: department.unwrap_or_else(|| owner.clone()),
            owner,
            escalate: escalate?,
        })
    }

    /// The index of `name` among `wanted`, or a complaint.
    pub(super) fn resolve<F>(
        &mut self,
        fields: &Fields<'_>,
        key: &Key<F>,
        name: &str,
        wanted: (&str, &[&str]),
        others: (&str, &[&str]),
    ) -> Option<usize> {
        let (role, names) = wanted;
        let index = names.iter().position(|known| *known == name);
        if index.is_some() {
            return index;
        }
        if names.iter().any(|known| words::mended_label(known) == name) {
            // That table's own name was complained of.
            return None;
        }
        let place = fields.place(key);
        let complaint = if others.1.contains(&name) {
            let otherwise = format!("`{}` takes a {role}", key.name);
            Complaint::new(place, format!("{} is a {}, not a {role}", quoted(name), others.0)).help(otherwise)
        } else {
            let otherwise = if names.is_empty() {
                format!("there is no {role} yet; add one")
            } else {
                format!("the {role}s are {}", listed(names.iter().copied(), "and"))
            };
            let help = did_you_mean(name, names.iter().copied(), otherwise);
            Complaint::new(place, format!("there is no {role} {}", quoted(name))).help(help)
        };
        self.found.push(complaint.ground(Ground::Absence));
        None
    }

    /// Whether the messages of the source are what the mapping reads, and what comes of them is what the destination takes.
    fn check_content(&mut self, fields: &Fields<'_>, mapping: &Mapping, kind: Option<&str>, content: Option<Content>) {
        let Some(content) = content else { return };
        let (message, help) = match mapping {
            report if *report == Mapping::observation_report() && content != Content::Lis02 => (
                format!("this map reads lis02, and the messages of the source are {}", content.as_str()),
                "write \"raw\" or another map, or content = \"lis02\" with the source",
            ),
            Mapping::Map { .. } if *mapping != Mapping::observation_report() && content != Content::Hl7 => (
                format!("this map reads hl7, and the messages of the source are {}", content.as_str()),
                "write \"raw\", or for lis02 \"oru@1\", which makes HL7 of results",
            ),
            Mapping::Raw if content == Content::Lis02 && kind == Some(target::MLLP_CONNECT.kind) => (
                "an HL7 receiver takes no lis02".to_owned(),
                "write \"oru@1\", which makes HL7 of results, or send to another kind of destination",
            ),
            Mapping::Raw if content == Content::Text && kind == Some(target::MLLP_CONNECT.kind) => {
                ("an HL7 receiver takes no text".to_owned(), "send to a destination of the kind http or folder")
            }
            _ => return,
        };
        self.found.push(Complaint::new(fields.place(&flow::MAPPING), message).help(help));
    }

    /// Whether the source has messages of these types at all.
    fn check_types(&mut self, fields: &Fields<'_>, on: &[TypePattern], content: Content) {
        let wanted = match content {
            Content::Hl7 => None,
            Content::Lis02 => Some("LIS02"),
            Content::Text => Some("TEXT"),
        };
        let comes = |code: &str| match wanted {
            Some(wanted) => code == wanted,
            None => code.len() == 3,
        };
        if on.iter().filter_map(|pattern| pattern.code.as_deref()).all(comes) {
            return;
        }
        let message = format!("the messages of the source are {}, which have other types", content.as_str());
        let help = match wanted {
            Some(wanted) => format!("write \"{wanted}\", or \"*\" for everything"),
            None => "write a type of HL7 such as \"ORU^R01\", or \"*\" for everything".to_owned(),
        };
        self.found.push(Complaint::new(fields.place(&flow::ON), message).help(help));
    }

    fn check_mapping(&mut self, fields: &Fields<'_>, mapping: &Mapping, kind: Option<&str>) {
        let maps = self.known.maps;
        let spelled: Vec<_> = maps.iter().map(|(name, version)| format!("{name}@{version}")).collect();
        let place = fields.place(&flow::MAPPING);
        if *mapping == Mapping::observation_report() {
            if kind == Some(destination::FHIR.kind) {
                let complaint = Complaint::new(place, "a FHIR server takes no HL7 v2, which is what this map makes");
                self.found.push(complaint.help("send to a destination of the kind mllp, http or folder"));
            }
            return;
        }
        if let Mapping::Map { name, version } = mapping {
            let overdue = self.known.overdue.iter().find(|(map, of, _)| map == name && of == version);
            if let Some((.., days)) = overdue {
                let days = if *days == 1 { "1 day".to_owned() } else { format!("{days} days") };
                let message = format!("the review of this map has been due for {days}");
                let help = format!(
                    "go through `gurney map audit {name}@{version}` with its owner, then set reviewed_on and review_due in a new version"
                );
                self.found.push(Complaint::warning(place.clone(), message).help(help));
            }
        }
        match mapping {
            Mapping::Map { .. } if kind == Some(target::MLLP_CONNECT.kind) => {
                let complaint = Complaint::new(place, "an HL7 receiver takes no FHIR, which is what maps make");
                self.found.push(complaint.help("write \"raw\", or send to a destination of the kind fhir or http"));
            }
            Mapping::Raw if kind == Some(destination::FHIR.kind) => {
                let help = format!(
                    "write a map that makes FHIR, such as {}",
                    listed(spelled.iter().map(String::as_str), "or")
                );
                self.found.push(Complaint::new(place, "a FHIR server takes no raw HL7").help(help));
            }
            Mapping::Map { name, version } if !maps.contains(&(name.as_str(), *version)) => {
                let written = format!("{name}@{version}");
                let otherwise = format!("the maps are {}", listed(spelled.iter().map(String::as_str), "and"));
                let of_this_name = spelled.iter().find(|map| map.split('@').next() == Some(name));
                let help = match of_this_name {
                    Some(map) => format!("`{map}` is there"),
                    None if spelled.is_empty() => "no map is installed; write \"raw\" or install the map".to_owned(),
                    None => did_you_mean(&written, spelled.iter().map(String::as_str), otherwise),
                };
                self.found.push(Complaint::new(place, format!("there is no map {}", quoted(&written))).help(help));
            }
            _ => {}
        }
    }
}
