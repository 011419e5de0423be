//! Reads use cases, `[use_case.NAME]`, and ties the flows of a site to them.

use super::Reader;
use crate::settings::{
    Faults, Flow, Mapping, TypePattern, UseCase,
    complaint::{Complaint, Complaints, Ground, listed, quoted},
    fields::Fields,
    keys::{flow, use_case},
    merge::{self, Entry, Root},
    place::{Place, Sources},
    suggest::did_you_mean,
    words::{self, show_time},
};

/// Reads files of use cases. `known` are those that they may be part of, beside their own.
pub(in crate::settings) fn read_use_cases(
    files: &[(String, String)],
    known: &[UseCase],
) -> Result<Vec<UseCase>, Faults> {
    let mut sources = Sources::new(files);
    let mut found = Complaints::default();
    let roots: Vec<_> =
        files.iter().enumerate().map(|(file, (_, text))| merge::parse(file, text, &sources, &mut found)).collect();
    sources.cover(&merge::refuse_secrets(&roots, &mut found));
    let mut cases: Vec<(UseCase, Place)> = Vec::new();
    for (file, root) in roots.iter().enumerate() {
        if !merge::is_our_version(std::slice::from_ref(root), &mut found) {
            continue;
        }
        for (fields, name) in tables(file, root, &mut found) {
            fields.complain_of_unknown(&mut found);
            let Some(case) = build(name, &fields, &mut found) else { continue };
            if let Some((_, first)) = cases.iter().find(|(other, _)| other.name == case.name) {
                let twice =
                    Complaint::new(fields.header.clone(), format!("the use case {} is defined twice", quoted(name)));
                found.push(twice.also(first.clone(), "first defined here").help("keep one of the two"));
                continue;
            }
            check_within(&case, &fields, &mut found);
            cases.push((case, fields.header.clone()));
        }
    }
    check_parents(&cases, known, &mut found);
    let has_errors = found.has_errors();
    let faults = found.into_faults(&sources);
    if has_errors {
        return Err(faults);
    }
    Ok(cases.into_iter().map(|(case, _)| case).collect())
}

/// The tables `[use_case.NAME]` of a file.
fn tables<'a>(file: usize, root: &'a Root<'a>, found: &mut Complaints) -> Vec<(Fields<'a>, &'a str)> {
    let kind = use_case::USE_CASE.kind;
    let mut tables = Vec::new();
    for (key, value) in root.get_ref() {
        let place = Place { file, span: key.span() };
        let word = key.get_ref().as_ref();
        if word == "version" {
            continue;
        }
        let Some(named) = value.get_ref().as_table().filter(|_| word == kind) else {
            let complaint = Complaint::new(place, format!("{} has no place in a file of use cases", quoted(word)));
            found.push(complaint.help(did_you_mean(word, [kind], format!("write [{kind}.NAME]"))));
            continue;
        };
        for (name, value) in named {
            let place = Place { file, span: name.span() };
            let word = name.get_ref().as_ref();
            let Some(table) = value.get_ref().as_table() else {
                let complaint = Complaint::new(place, format!("{} is not a table", quoted(word)));
                found.push(complaint.help(format!("write [{kind}.NAME], with a name of your choice")));
                continue;
            };
            if let Err(wrong) = words::label(word) {
                found.push(Complaint::new(place, wrong.message).help(wrong.help));
            }
            let header = Place { file, span: value.span() };
            tables.push((Fields::new(&use_case::USE_CASE, format!("[{kind}.{word}]"), table, header), word));
        }
    }
    tables
}

fn build(name: &str, fields: &Fields<'_>, found: &mut Complaints) -> Option<UseCase> {
    let title = fields.read(&use_case::TITLE, found);
    let within = fields.read(&use_case::WITHIN, found);
    let covers = fields.read(&use_case::COVERS, found);
    let trigger = fields.read(&use_case::TRIGGER, found);
    let data = fields.read(&use_case::DATA, found);
    let outcome = fields.read(&use_case::OUTCOME, found);
    let measure = fields.read(&use_case::MEASURE, found);
    let owner = fields.read(&use_case::OWNER, found);
    let target = fields.read(&use_case::TARGET, found);
    let safety = fields.read(&use_case::SAFETY, found);
    let fixtures = fields.read(&use_case::FIXTURES, found);
    Some(UseCase {
        name: name.to_owned(),
        title: title?,
        within,
        covers: covers?,
        trigger: trigger?,
        data: data?,
        outcome: outcome?,
        measure: measure?,
        owner: owner?,
        target: target?,
        safety: safety?,
        fixtures: fixtures?,
    })
}

fn check_within(case: &UseCase, fields: &Fields<'_>, found: &mut Complaints) {
    if case.within.as_ref() == Some(&case.name) {
        let complaint = Complaint::new(fields.place(&use_case::WITHIN), "a use case is no part of itself");
        found.push(complaint.help("name the use case that it is a part of, or take the key away"));
    }
}

/// Whether what use cases are part of is there, and is no part itself: one level is enough to read.
fn check_parents(cases: &[(UseCase, Place)], known: &[UseCase], found: &mut Complaints) {
    let all = || cases.iter().map(|(case, _)| case).chain(known);
    for (case, place) in cases {
        let Some(parent) = case.within.as_ref().filter(|parent| **parent != case.name) else { continue };
        let Some(whole) = all().find(|other| other.name == *parent) else {
            let names = || all().map(|case| case.name.as_str());
            let message =
                format!("{} is said to be part of {}, which is not there", quoted(&case.name), quoted(parent));
            let otherwise = format!("the use cases are {}", listed(names(), "and"));
            found.push(Complaint::new(place.clone(), message).help(did_you_mean(parent, names(), otherwise)));
            continue;
        };
        if let Some(grand) = &whole.within {
            let message = format!("{} is part of {}, which is a part itself", quoted(&case.name), quoted(parent));
            found.push(Complaint::new(place.clone(), message).help(format!("write within = \"{grand}\"")));
        }
    }
}

impl Reader<'_> {
    /// Ties flows to the use cases they name. `entries` and `flows` are in the same order.
    pub(super) fn tie(&mut self, entries: &[&Entry<'_>], flows: &[Flow]) {
        let known = self.known.use_cases;
        let pairs: Vec<_> = entries.iter().copied().zip(flows).collect();
        for (entry, flow) in &pairs {
            if let Some(name) = &flow.use_case {
                self.tie_one(&entry.fields, flow, name);
            }
        }
        for case in known {
            let Some((entry, _)) = pairs.iter().find(|(_, flow)| flow.use_case.as_ref() == Some(&case.name)) else {
                continue;
            };
            self.complain_of_untaken(case, &entry.fields, &pairs);
            for part in known.iter().filter(|part| part.within.as_ref() == Some(&case.name)) {
                self.warn_of_untaken(part, case, &entry.fields, flows);
            }
        }
        self.warn_of_untied(&pairs);
    }

    fn tie_one(&mut self, fields: &Fields<'_>, flow: &Flow, name: &str) {
        let known = self.known.use_cases;
        let Some(case) = known.iter().find(|case| case.name == name) else {
            let names = || known.iter().map(|case| case.name.as_str());
            let otherwise = match known {
                [] => "no use case is installed".to_owned(),
                _ => format!("the use cases are {}; `gurney use-cases list` shows them", listed(names(), "and")),
            };
            let complaint =
                Complaint::new(fields.place(&flow::USE_CASE), format!("there is no use case {}", quoted(name)));
            self.found.push(complaint.help(did_you_mean(name, names(), otherwise)));
            return;
        };
        if flow.owner != case.owner {
            let message = format!(
                "the use case {} is owned by {}, not by {}",
                quoted(name),
                quoted(&case.owner),
                quoted(&flow.owner)
            );
            let help = "whoever answers for the use case answers for its flow: mend one of the two";
            self.found.push(Complaint::new(fields.place(&flow::OWNER), message).help(help));
        }
        if flow.target > case.target {
            let (allowed, written) = (case.target_text(), show_time(flow.target));
            let message = format!("the use case {} allows {allowed}, this flow {written}", quoted(name));
            let help = format!("write target = \"{allowed}\" or less, or agree on another target for the use case");
            self.found.push(Complaint::new(fields.place(&flow::TARGET), message).help(help));
        }
        if !case.trigger.iter().any(|trigger| taken(trigger, flow)) {
            let message = format!("this flow takes no message of its use case {}", quoted(name));
            let help = format!("the use case starts with {}", triggers(&case.trigger));
            self.found.push(Complaint::new(fields.place(&flow::ON), message).help(help));
        }
    }

    /// Every trigger of a use case is taken by one of the flows that name it.
    fn complain_of_untaken(&mut self, case: &UseCase, fields: &Fields<'_>, pairs: &[(&Entry<'_>, &Flow)]) {
        let serves = |flow: &Flow| flow.use_case.as_ref() == Some(&case.name);
        let untaken = |trigger: &&TypePattern| !pairs.iter().any(|(_, flow)| serves(flow) && taken(trigger, flow));
        let missing: Vec<_> = case.trigger.iter().filter(untaken).cloned().collect();
        // A flow that takes none of them was complained of.
        if missing.is_empty() || missing.len() == case.trigger.len() {
            return;
        }
        let message = format!("no flow of the use case {} takes {}", quoted(&case.name), triggers(&missing));
        let help = "let this flow take them, or name the use case in the flow that does";
        self.found.push(Complaint::new(fields.place(&flow::ON), message).ground(Ground::Absence).help(help));
    }

    fn warn_of_untaken(&mut self, part: &UseCase, whole: &UseCase, fields: &Fields<'_>, flows: &[Flow]) {
        let missing: Vec<_> =
            part.trigger.iter().filter(|trigger| !flows.iter().any(|flow| taken(trigger, flow))).cloned().collect();
        if missing.is_empty() {
            return;
        }
        let message = format!("no flow takes {} of the use case {}", triggers(&missing), quoted(&part.name));
        let help = format!(
            "it is part of {}: let a flow take them, or see that nothing of that kind is sent",
            quoted(&whole.name)
        );
        self.found.push(Complaint::warning(fields.place(&flow::ON), message).ground(Ground::Absence).help(help));
    }

    /// Flows that make jobs are use cases; what passes messages on as they are is documented by itself.
    fn warn_of_untied(&mut self, pairs: &[(&Entry<'_>, &Flow)]) {
        let makes_jobs =
            |flow: &Flow| matches!(&flow.mapping, Mapping::Map { .. }) && flow.mapping != Mapping::observation_report();
        let untied: Vec<_> = pairs.iter().filter(|(_, flow)| flow.use_case.is_none() && makes_jobs(flow)).collect();
        let Some((first, _)) = untied.first().filter(|_| !self.known.use_cases.is_empty() && !self.found.has_errors())
        else {
            return;
        };
        let names = listed(untied.iter().map(|(entry, _)| entry.name), "and");
        let verb = if untied.len() == 1 { "names" } else { "name" };
        let warning =
            Complaint::warning(first.place.clone(), format!("{names} {verb} no use case")).ground(Ground::Absence);
        self.found
            .push(warning.help("write use_case = \"NAME\"; `gurney use-cases list` shows those that are documented"));
    }
}

/// Whether a flow takes the messages of a trigger.
fn taken(trigger: &TypePattern, flow: &Flow) -> bool {
    flow.on.iter().any(|on| match (&on.code, &trigger.code) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(on_code), Some(code)) => on_code == code && (on.trigger.is_none() || on.trigger == trigger.trigger),
    })
}

fn triggers(patterns: &[TypePattern]) -> String {
    let words: Vec<String> = patterns.iter().map(ToString::to_string).collect();
    listed(words.iter().map(String::as_str), "and")
}
