//! What a message does to jobs: where what is asked, what is known and what a platform is told meet.
//!
//! ```text
//!  JobAsk (of the message) --+                     +--> JobRecord: what is known from now on
//!  JobRecord (of the store) -+--> job::ask, map ---+--> Told: what the platform is told
//!                                                  +--> Held: what a person must decide
//! ```
//!
//! A job is named by the message that first speaks of it; an order that meets the plan of its visit takes that over, so
//! that one ride is one job. Whatever else a message of the visit says (a room change, a merge of records, a leave)
//! goes to the jobs that are open. Everything that can refuse is found here: a refused message leaves all jobs as they were.
//! A cancel is never refused.

use std::{borrow::Cow, time::Duration};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Decision, Flows};
use crate::{
    event::{Picture, Statement, Taken},
    ids::{GroupId, JobId},
    job::{
        self, Ask, Content, Finding, Identity, Job, Kind, Policy, Reason, Shown, Stamp, State, Step, Tell, Why, Wish,
        freshness::{Allowed, Window, allows},
    },
    mapping::{self, Height, JobAsk, Refusal, Told, Verb},
    units::{Timestamp, limits},
};

mod heights;
mod numbers;

use numbers::Numbers;

/// A job as the store keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRecord {
    /// Its identity.
    pub id: JobId,
    /// What is done.
    pub kind: Kind,
    /// Its visit, while the machine has not heard of it.
    visit: Option<GroupId>,
    /// The machine; nothing until it was asked something.
    pub job: Option<Job>,
    /// What is known of it.
    pub picture: Picture,
    /// What its orders and visits call it.
    pub names: Vec<Uuid>,
    /// What its patient is and was known by.
    pub persons: Vec<Uuid>,
    /// Its content, as a hash of what is told of it.
    content: Option<Uuid>,
    /// When what a person let become less was said.
    #[serde(default)]
    lowered_at: Option<Timestamp>,
    /// The end of the wanted time.
    #[serde(default)]
    pub wanted_until: Option<Timestamp>,
    /// The link that it was first wanted over: how what is known of it is to be read.
    pub link: String,
    /// Where it was booked, if a person did so by telephone.
    #[serde(default)]
    pub booked: Option<String>,
    /// Its destination, the same for the same place.
    #[serde(default)]
    destination: Option<Uuid>,
    /// What merges said of its patient's numbers.
    #[serde(default)]
    numbers: Numbers,
}

impl JobRecord {
    const fn new(id: JobId, kind: Kind, visit: Option<GroupId>, names: Vec<Uuid>) -> Self {
        Self {
            id,
            kind,
            visit,
            job: None,
            picture: Picture::empty(),
            names,
            persons: Vec::new(),
            content: None,
            lowered_at: None,
            wanted_until: None,
            link: String::new(),
            booked: None,
            destination: None,
            numbers: Numbers::none(),
        }
    }

    /// The visit that it belongs to.
    pub fn visit(&self) -> Option<GroupId> {
        self.job.as_ref().map_or(self.visit, |job| job.group)
    }

    /// Whether it has not ended.
    pub fn is_open(&self) -> bool {
        self.job.as_ref().is_some_and(|job| !job.state().is_terminal())
    }

    /// Whether the platform was told of it.
    pub fn is_told(&self) -> bool {
        self.job.as_ref().is_some_and(|job| job.asked_at.is_some())
    }

    fn is_followed(&self) -> bool {
        self.job.as_ref().is_some_and(|job| job.followed_by.is_some())
    }

    /// Whether a ride is wanted, so that what it asks for may not become less.
    fn is_wanted(&self) -> bool {
        self.is_open() && !self.is_planned()
    }

    fn is_planned(&self) -> bool {
        self.job.as_ref().is_none_or(|job| job.wish == Wish::Plan)
    }

    fn who(&self) -> Identity {
        Identity { id: self.id, kind: self.kind, group: self.visit() }
    }
}

/// What a person must decide about a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The job; nothing where the message itself waits.
    pub job: Option<Uuid>,
    /// A closed word.
    pub reason: &'static str,
    /// More about it; no patient data.
    pub detail: String,
}

/// What a message does to jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decided {
    /// Jobs that are different now.
    pub jobs: Vec<JobRecord>,
    /// What the platform is told, in one Bundle.
    pub told: Vec<Told>,
    /// What a person must decide.
    pub held: Vec<Held>,
    /// What was noticed.
    pub findings: Vec<Finding>,
}

/// Who wants it now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The message that came.
    Message,
    /// A person who released it.
    Person,
}

/// What is needed to decide.
pub(super) struct Desk<'a> {
    pub(super) flows: &'a Flows,
    /// The flow's map, as `name@version`.
    pub(super) mapping: String,
    /// The link of the message.
    pub(super) link: String,
    pub(super) received_at: Timestamp,
    pub(super) content_hash: [u8; 32],
    pub(super) by: By,
    /// When it is decided: the time of receipt, or of the release.
    pub(super) now: Timestamp,
}

/// Whether what is told says when it was told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    Now,
    Whenever,
}

impl Desk<'_> {
    fn tell(&self, told: &[Told], when: When) -> Result<mapping::Prepared, Refusal> {
        let (received_at, hash) = match when {
            When::Now => (self.received_at, self.content_hash),
            When::Whenever => (Timestamp(0), [0; 32]),
        };
        self.flows.tell(&self.mapping, told, received_at, hash)
    }

    const fn policy(&self) -> &Policy {
        self.flows.policy()
    }
}

/// Decides what asks do to jobs. `known` are the jobs that they may be about; those that become different are changed there too.
pub(super) fn follow(asks: &[JobAsk], known: &mut Vec<JobRecord>, desk: &Desk<'_>) -> Result<Decided, Refusal> {
    let mut work = Work { desk, known: known.clone(), decided: Decided::default(), refusal: Refusal::default() };
    for ask in asks {
        work.ask(ask);
    }
    let Work { known: after, mut decided, mut refusal, .. } = work;
    if let Err(found) = desk.tell(&decided.told, When::Now)
        && refusal.is_empty()
    {
        refusal = found;
    }
    if !refusal.is_empty() {
        return Err(refusal);
    }
    decided.jobs = after.iter().filter(|record| record.job.is_some() && !known.contains(record)).cloned().collect();
    *known = after;
    Ok(decided)
}

/// Decides what a person's decision does to a job.
pub(super) fn settle(record: &JobRecord, decision: Decision, desk: &Desk<'_>) -> Result<Decided, Refusal> {
    let known = vec![record.clone()];
    let mut work = Work { desk, known, decided: Decided::default(), refusal: Refusal::default() };
    let at = Stamp { occurred_at: desk.now, received_at: desk.now };
    match decision {
        Decision::Release => {
            let standing = record.job.iter().flat_map(Job::standing).filter(|reason| reason.keeps_back());
            for reason in standing {
                work.step(0, &Ask::Resume(reason), at);
            }
            work.tell_again(0);
        }
        Decision::Discard => work.step(0, &Ask::Cancel(Why::Person), at),
    }
    let Work { known, decided, .. } = work;
    desk.tell(&decided.told, When::Now)?;
    Ok(Decided { jobs: known, ..decided })
}

/// What is told again of jobs that were told of before: how each is now. Nothing of those that the platform has ended
/// itself or was never told of.
pub(super) fn tell_again(known: &[JobRecord], desk: &Desk<'_>) -> Result<Vec<Told>, Refusal> {
    let now = |record: &JobRecord| {
        let job = record.job.as_ref().filter(|job| job.is_known_there())?;
        let tell = match job.state() {
            State::Cancelled => Tell::Cancel,
            state if state.is_terminal() => return None,
            _ => Tell::Update,
        };
        let (verb, link, message) = (verb(tell, job), record.link.clone(), record.picture.message());
        Some(Told { job: record.id.0, verb, is_known: true, link, message })
    };
    let told: Vec<Told> = known.iter().filter_map(now).collect();
    desk.tell(&told, When::Now)?;
    Ok(told)
}

struct Work<'a> {
    desk: &'a Desk<'a>,
    known: Vec<JobRecord>,
    decided: Decided,
    refusal: Refusal,
}

impl Work<'_> {
    fn ask(&mut self, ask: &JobAsk) {
        let at = self.stamp(ask);
        match ask.verb {
            Verb::Merge => self.merge(ask, at),
            Verb::Relink => self.relink(ask, at),
            Verb::Cancel => self.cancel(ask, at),
            Verb::Update | Verb::Locate | Verb::Leave | Verb::Return => self.update(ask, at),
            Verb::Hold if ask.by_order => self.update(ask, at),
            Verb::Request | Verb::Change | Verb::Plan | Verb::Hold => self.want(ask, at),
            _ => {}
        }
    }

    /// A sender whose clock is ahead must not lock what is known against everything that comes later.
    fn stamp(&self, ask: &JobAsk) -> Stamp {
        let received_at = self.desk.received_at;
        let latest = received_at.plus(self.desk.policy().clock_ahead);
        Stamp { occurred_at: ask.occurred_at.unwrap_or(received_at).min(latest), received_at }
    }

    // ------------------------------------------------------------ which jobs

    fn kind(ask: &JobAsk) -> Kind {
        Kind::named(&ask.service).unwrap_or(Kind::Transport)
    }

    fn named(&self, name: Option<Uuid>) -> Option<usize> {
        let name = name?;
        // The newest leg is the one that is spoken of.
        self.known.iter().rposition(|record| record.names.contains(&name) && !record.is_followed())
    }

    /// Open jobs of the visit; of the person, where a message speaks of no visit at all.
    fn open_of_visit(&self, ask: &JobAsk) -> Vec<usize> {
        let Some(visit) = ask.visit else {
            if ask.verb != Verb::Update {
                return Vec::new();
            }
            return self.open(Self::kind(ask), |record| record.persons.iter().any(|key| ask.persons.contains(key)));
        };
        self.open(Self::kind(ask), |record| record.visit() == Some(GroupId(visit)))
    }

    fn open(&self, kind: Kind, fits: impl Fn(&JobRecord) -> bool) -> Vec<usize> {
        let open = |record: &JobRecord| record.kind == kind && record.is_open() && fits(record);
        (0..self.known.len()).filter(|at| self.known.get(*at).is_some_and(open)).collect()
    }

    /// The job that a wish is about: the one with its name, else the visit's own plan that no order has taken over yet.
    fn wanted(&self, ask: &JobAsk) -> Option<usize> {
        if let Some(at) = self.named(ask.name) {
            return Some(at);
        }
        let open = self.open_of_visit(ask);
        if ask.by_order {
            let is_plan = |at: &usize| {
                self.known.get(*at).is_some_and(|record| !record.picture.is_ordered() && record.booked.is_none())
            };
            return open.into_iter().find(is_plan);
        }
        // A plan or a discharge of a visit whose ride is ordered already is about that ride.
        open.into_iter().next()
    }

    // ------------------------------------------------------------ what is asked

    fn want(&mut self, ask: &JobAsk, at: Stamp) {
        let wish = |content| match ask.verb {
            Verb::Request => Ask::Request(content),
            Verb::Change => Ask::Change(content),
            Verb::Plan => Ask::Plan(content),
            _ => Ask::Discharged(content),
        };
        let target = self.wanted(ask);
        let window = Window::ending(ask.wanted_until, self.desk.now);
        let job = target.and_then(|at| self.known.get(at)).and_then(|record| record.job.as_ref());
        let new = Content::Changed;
        let (class, allowed) = allows(&wish(new), job, at.occurred_at, self.desk.now, window, self.desk.policy());
        self.decided.findings.extend(allowed.finding());
        let is_late = self.desk.by == By::Message && matches!(allowed, Allowed::Release | Allowed::Report);
        let Some(target) = target.or_else(|| self.open_new(ask)) else { return };
        let Some(target) = self.reopened(target, ask, &wish(new), at) else { return };
        if is_late {
            let word = if allowed == Allowed::Report { TOO_OLD } else { STALE };
            self.keep_back(target, Reason::Stale, word, format!("class {}", class.as_str()), at);
        }
        if ask.by_order
            && let Some(other) = self.twin(target, ask)
        {
            self.keep_back(target, Reason::PossibleDuplicate, "possible-duplicate", other, at);
        }
        if self.is_protected(target, ask, at) && self.known.get(target).is_some_and(JobRecord::is_told) {
            self.take(target, ask, &ask.statement, at);
            return;
        }
        let changed = self.learn(target, ask, ask.statement.clone(), at);
        if let Some(changed) = changed {
            self.step(target, &wish(changed), at);
        }
    }

    /// A job that is spoken of for the first time.
    fn open_new(&mut self, ask: &JobAsk) -> Option<usize> {
        let name = ask.name?;
        if self.known.len() >= limits::JOBS_OF_MESSAGE_MAX {
            return None;
        }
        self.known.push(JobRecord::new(JobId(name), Self::kind(ask), ask.visit.map(GroupId), vec![name]));
        Some(self.known.len() - 1)
    }

    /// The job that follows one that has ended, where a wish may open one.
    fn reopened(&mut self, target: usize, ask: &JobAsk, wish: &Ask, at: Stamp) -> Option<usize> {
        let record = self.known.get_mut(target)?;
        if ask.by_order {
            return Some(target);
        }
        let reopened = record.job.as_ref().filter(|job| job.state().is_terminal());
        let reopened = reopened.and_then(|job| job::reopen(job, wish, at, self.desk.policy()));
        let Some((old, Step { job: next, .. })) = reopened else { return Some(target) };
        record.job = Some(old);
        let persons = record.persons.clone();
        let record = JobRecord { persons, ..JobRecord::new(next.id, next.kind, next.group, record.names.clone()) };
        self.decided.findings.push(Finding::Reopened);
        self.known.push(record);
        Some(self.known.len() - 1)
    }

    /// Calls off: never refused, and remembered where nobody knows the job.
    fn cancel(&mut self, ask: &JobAsk, at: Stamp) {
        let why = why(ask);
        let targets = match self.named(ask.name) {
            Some(target) if ask.by_order => vec![target],
            _ if ask.by_order => Vec::new(),
            named => {
                let open = self.open_of_visit(ask);
                if open.is_empty() { named.into_iter().collect() } else { open }
            }
        };
        let targets = if targets.is_empty() { self.open_new(ask).into_iter().collect() } else { targets };
        for target in targets {
            self.take(target, ask, &ask.statement, at);
            self.step(target, &Ask::Cancel(why), at);
        }
    }

    /// What a message says of the visit goes to every open job of it.
    fn update(&mut self, ask: &JobAsk, at: Stamp) {
        let targets = match self.named(ask.name) {
            Some(target) if ask.by_order => vec![target],
            _ if ask.by_order => Vec::new(),
            _ => self.open_of_visit(ask),
        };
        let wish = match ask.verb {
            Verb::Leave => Ask::Hold(Reason::Leave),
            Verb::Return if ask.by_order => Ask::Resume(Reason::Site),
            Verb::Return => Ask::Resume(Reason::Leave),
            Verb::Hold => Ask::Hold(Reason::Site),
            _ => Ask::Update,
        };
        for target in targets {
            let statement = self.placed(target, ask);
            if self.is_protected(target, ask, at) {
                self.take(target, ask, &statement, at);
                continue;
            }
            match (self.learn(target, ask, statement, at), &wish) {
                (None, _) | (Some(Content::Same), Ask::Update) => {}
                (Some(_), wish) => self.step(target, wish, at),
            }
        }
    }

    /// Whether nothing of a job may be told, because its patient must not be found (PD1-12). The platform learns that the job
    /// waits, by what it knew before; a person decides how it goes on.
    fn is_protected(&mut self, target: usize, ask: &JobAsk, at: Stamp) -> bool {
        let stands = |record: &JobRecord| {
            record.job.as_ref().is_some_and(|job| job.standing().any(|reason| reason == Reason::Consent))
        };
        if self.desk.by == By::Person {
            return false;
        }
        let was = self.known.get(target).is_some_and(stands);
        if !was && ask.statement.value("PD1", 12) == Some("Y") {
            let detail = "PD1-12: the patient must not be found; nothing more is told of the job".to_owned();
            self.keep_back(target, Reason::Consent, "consent", detail, at);
        }
        self.known.get(target).is_some_and(stands)
    }

    /// Where a message puts the patient. Out of bed for an hour is not another bed.
    fn placed(&self, target: usize, ask: &JobAsk) -> Statement {
        let mut statement = ask.statement.clone();
        let bed = self.known.get(target).and_then(|record| record.picture.value("PV1", 3)).map(str::to_owned);
        let (said, elsewhere) = (
            statement.value("PV1", 3).map(str::to_owned),
            statement.value("PV1", 11).filter(|place| *place != "\"\"").map(str::to_owned),
        );
        match ask.verb {
            Verb::Locate => {
                statement.forget("PV1", 3);
                match (elsewhere, said) {
                    (Some(_), _) => statement,
                    (None, Some(place)) if place != "\"\"" && Some(&place) != bed.as_ref() => {
                        statement.say("PV1", 11, &place);
                        statement
                    }
                    (None, _) => statement.or_delete("PV1", 11),
                }
            }
            Verb::Update if matches!(ask.event.as_str(), "A02" | "A12") => {
                if elsewhere.is_some() && elsewhere == said && bed.is_some() {
                    statement.forget("PV1", 3);
                }
                statement.or_delete("PV1", 11)
            }
            _ => statement,
        }
    }

    /// Two records are one person: jobs go on under the surviving identity, and two jobs are for a person to decide.
    fn merge(&mut self, ask: &JobAsk, at: Stamp) {
        let touches = |record: &JobRecord, keys: &[Uuid]| record.persons.iter().any(|person| keys.contains(person));
        let moved = self.open(Self::kind(ask), |record| touches(record, &ask.retired));
        let stayed =
            self.open(Self::kind(ask), |record| touches(record, &ask.persons) && !touches(record, &ask.retired));
        for target in &moved {
            let mut statement = ask.statement.clone();
            statement.only(&["PID", "PD1"]);
            self.renumber(*target, ask, at);
            if self.is_protected(*target, ask, at) {
                self.take(*target, ask, &statement, at);
            } else if self.learn(*target, ask, statement, at).is_some() {
                self.step(*target, &Ask::Merge, at);
            }
        }
        let mut both: Vec<usize> = moved.iter().chain(&stayed).copied().collect();
        if moved.is_empty() || stayed.is_empty() {
            return;
        }
        both.sort_by_key(|at| {
            let job = self.known.get(*at).and_then(|record| record.job.as_ref());
            job.map(|job| (job.wished.received_at, job.opened_at))
        });
        for newer in both.into_iter().skip(1) {
            let older = "both records have an open job; this is the newer one".to_owned();
            self.keep_back(newer, Reason::MergedJobs, "merged-jobs", older, at);
        }
    }

    /// A visit belongs to another record or account, or has another number: its jobs follow.
    fn relink(&mut self, ask: &JobAsk, at: Stamp) {
        let visits: Vec<GroupId> = [ask.former_visit, ask.visit].into_iter().flatten().map(GroupId).collect();
        let targets = self.open(Self::kind(ask), |record| record.visit().is_some_and(|of| visits.contains(&of)));
        for target in targets {
            self.renumber(target, ask, at);
            if self.is_protected(target, ask, at) {
                self.take(target, ask, &ask.statement, at);
                continue;
            }
            if self.learn(target, ask, ask.statement.clone(), at).is_none() {
                continue;
            }
            match ask.visit.map(GroupId) {
                Some(visit) if self.known.get(target).is_some_and(|record| record.visit() != Some(visit)) => {
                    self.step(target, &Ask::Move(visit), at);
                }
                _ => self.step(target, &Ask::Merge, at),
            }
            if let Some(record) = self.known.get_mut(target) {
                add(&mut record.names, &ask.visit_name.map(|name| vec![name]).unwrap_or_default());
            }
        }
    }

    /// Notes which number is the patient's now, and which went.
    fn renumber(&mut self, target: usize, ask: &JobAsk, at: Stamp) {
        let Some(record) = self.known.get_mut(target) else { return };
        record.numbers.merge(ask.persons.first().copied(), &ask.retired, at.occurred_at);
        add(&mut record.persons, &ask.retired);
    }

    /// The ride that an order may repeat (UC-21): another one of the same visit, at the same time and to the same place, as
    /// far as both say so, that was ordered under another number or booked by telephone.
    fn twin(&self, target: usize, ask: &JobAsk) -> Option<String> {
        let record = self.known.get(target)?;
        if record.is_told() || record.job.is_some() || self.desk.by == By::Person {
            return None;
        }
        let near = |one: Option<Timestamp>, other: Option<Timestamp>| match (one, other) {
            (Some(one), Some(other)) => one.since(other).max(other.since(one)) <= NEAR,
            _ => true,
        };
        let is_twin = |other: &&JobRecord| {
            let elsewhere =
                ask.destination.is_some() && other.destination.is_some() && ask.destination != other.destination;
            let is_wanted = other.booked.is_some() || other.picture.is_ordered();
            other.id != record.id && is_wanted && !elsewhere && near(other.wanted_until, ask.wanted_until)
        };
        let open = self.open_of_visit(ask);
        let other = open.iter().filter_map(|at| self.known.get(*at)).find(is_twin)?;
        Some(match &other.booked {
            Some(booked) => format!("the visit has a ride that was booked by telephone: {booked}"),
            None => format!("the visit has an open ride at that time to that place: job {}", other.id.0),
        })
    }

    // ------------------------------------------------------------ what comes of it

    /// Takes in what is said; nothing where the map refuses what is known then, and the job stays as it was.
    fn learn(&mut self, target: usize, ask: &JobAsk, statement: Statement, at: Stamp) -> Option<Content> {
        let before = self.known.get(target)?.clone();
        let taken = self.take(target, ask, &statement, at);
        if taken == Taken::Full {
            let beyond = format!("values of the job (at most {})", limits::PICTURE_SLOTS_MAX).into();
            self.refuse(Refusal { excessive: vec![beyond], ..Refusal::default() });
            *self.known.get_mut(target)? = before;
            return None;
        }
        let record = self.known.get(target)?;
        let wishes = matches!(ask.verb, Verb::Request | Verb::Change);
        match self.digest(record, wishes || !record.is_planned()) {
            Ok((digest, heights)) => {
                let content = if before.content == Some(digest) { Content::Same } else { Content::Changed };
                let lowered = self.lowered(&before, record, ask, &statement, &heights);
                let record = self.known.get_mut(target)?;
                if lowered.is_empty() || self.desk.by == By::Person {
                    record.content = Some(digest);
                    record.lowered_at = record.lowered_at.max((!lowered.is_empty()).then_some(at.occurred_at));
                    return Some(content);
                }
                *record = before;
                self.keep_height(target, ask, statement, at, lowered)
            }
            Err(refusal) => {
                self.refuse(refusal);
                if let Some(record) = self.known.get_mut(target) {
                    *record = before;
                }
                None
            }
        }
    }

    fn take(&mut self, target: usize, ask: &JobAsk, statement: &Statement, at: Stamp) -> Taken {
        let Some(record) = self.known.get_mut(target) else { return Taken::Nothing };
        let mut statement = Cow::Borrowed(statement);
        if record.numbers.are_gone(&ask.persons) {
            // Who the patient is was said by the merge.
            for field in [2, 3, 4] {
                statement.to_mut().forget("PID", field);
            }
        }
        let taken = record.picture.take(&statement, at.occurred_at);
        if record.link.is_empty() || ask.by_order {
            record.link.clone_from(&self.desk.link);
        }
        add(&mut record.persons, &ask.persons);
        add(&mut record.names, &ask.name.filter(|_| ask.by_order).map(|name| vec![name]).unwrap_or_default());
        if let (Some(visit), None) = (ask.visit, record.visit()) {
            match &mut record.job {
                Some(job) => job.group = Some(GroupId(visit)),
                None => record.visit = Some(GroupId(visit)),
            }
        }
        if !matches!(ask.verb, Verb::Cancel) {
            record.wanted_until = ask.wanted_until.or(record.wanted_until);
            record.destination = ask.destination.or(record.destination);
        }
        taken
    }

    /// What would be told of a job, as a hash that does not depend on when it is told, and how much that asks for.
    fn digest(&self, record: &JobRecord, is_wanted: bool) -> Result<(Uuid, Vec<Height>), Refusal> {
        let verb = if is_wanted { Verb::Change } else { Verb::Plan };
        let (link, message) = (record.link.clone(), record.picture.timeless());
        let told = Told { job: record.id.0, verb, is_known: true, link, message };
        self.desk.tell(&[told], When::Whenever).map(|prepared| (prepared.digest(), prepared.heights().to_vec()))
    }

    /// Keeps a job from the platform until a person has decided.
    fn keep_back(&mut self, target: usize, reason: Reason, word: &'static str, detail: String, at: Stamp) {
        self.step(target, &Ask::Hold(reason), at);
        let job = self.known.get(target).map(|record| record.id.0);
        self.decided.held.push(Held { job, reason: word, detail });
    }

    fn step(&mut self, target: usize, ask: &Ask, at: Stamp) {
        let Some(record) = self.known.get_mut(target) else { return };
        let step = job::ask(&record.who(), record.job.as_ref(), ask, at, self.desk.policy());
        let Some(Step { job, tell, findings }) = step else { return };
        self.decided.findings.extend(findings);
        let told = tell.map(|tell| Told {
            job: record.id.0,
            verb: verb(tell, &job),
            is_known: tell != Tell::Create,
            link: record.link.clone(),
            message: record.picture.message(),
        });
        record.job = Some(job);
        if let Some(told) = told {
            // Of several things that one message changes about a job only the last is told.
            match self.decided.told.iter_mut().find(|earlier| earlier.job == told.job) {
                Some(earlier) => *earlier = Told { is_known: earlier.is_known, ..told },
                None => self.decided.told.push(told),
            }
        }
    }

    /// Tells of a job that is open how it is now: what was to be told of it became too old on its way.
    fn tell_again(&mut self, target: usize) {
        let Some(record) = self.known.get(target).filter(|record| record.is_open()) else { return };
        if let (Some(job), true) = (&record.job, self.decided.told.is_empty()) {
            let (verb, link, message) = (verb(Tell::Create, job), record.link.clone(), record.picture.message());
            self.decided.told.push(Told { job: record.id.0, verb, is_known: false, link, message });
        }
    }

    fn refuse(&mut self, refusal: Refusal) {
        if self.refusal.is_empty() {
            self.refusal = refusal;
        }
    }
}

/// What is told of a job, in the words of maps.
fn verb(tell: Tell, job: &Job) -> Verb {
    match (tell, job.shown()) {
        (Tell::Cancel, _) => Verb::Cancel,
        (Tell::AskToCancel, _) | (_, Shown::CancelPending(_)) => Verb::Recall,
        (_, Shown::OnHold(_)) if job.wish == Wish::Request => Verb::Pause,
        (_, Shown::OnHold(_)) => Verb::Hold,
        (_, Shown::State(State::Planned)) => Verb::Plan,
        (Tell::Create, _) => Verb::Request,
        _ => Verb::Change,
    }
}

/// Why a message calls a job off.
fn why(ask: &JobAsk) -> Why {
    match ask.event.as_str() {
        _ if ask.by_order => Why::Requester,
        "A25" => Why::PlanCancelled,
        "A13" => Why::DischargeCancelled,
        _ if ask.statement.value("PID", 30) == Some("Y") => Why::Deceased,
        _ => Why::NeverRides,
    }
}

fn add(to: &mut Vec<Uuid>, more: &[Uuid]) {
    for key in more {
        if !to.contains(key) && to.len() < limits::JOB_KEYS_MAX {
            to.push(*key);
        }
    }
}

const STALE: &str = "stale";
const TOO_OLD: &str = "too-old";

/// Two wanted times of one ride.
const NEAR: Duration = Duration::from_secs(4 * 3600);

#[cfg(test)]
mod tests;
