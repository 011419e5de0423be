//! What a hospital's ask makes of a job.
//!
//! Four situations, each with one function below: nothing is known ([`open`]), only a cancel is known
//! ([`ask_tombstone`]), the job lives ([`ask_live`]), the job has ended ([`ask_ended`]).
//!
//! Times: an ask is compared with what is known by when it happened; windows (tombstones) run by when it was heard.
//! What happened at the same time is taken in the order in which it came. Nothing happened after it was heard: a sender
//! whose clock is ahead is taken in the order in which it is heard, or one wrong year would outlast all later news.

use super::{
    Ask, Content, Finding, Hold, Identity, Job, OnPlanCancelled, PendingCancel, Policy, Reason, Stamp, State, Step,
    Tell, Why, Wish, record::Cancel,
};
use crate::ids::{self, JobId};

/// What an ask makes of a job; None if it speaks of something that nobody knows and opens nothing.
///
/// `who` is the job that the ask is about; it is used when the ask opens it.
pub fn ask(who: &Identity, known: Option<&Job>, ask: &Ask, at: Stamp, policy: &Policy) -> Option<Step> {
    let is_ahead = at.occurred_at > at.received_at.plus(policy.clock_ahead);
    let at = Stamp { occurred_at: at.occurred_at.min(at.received_at), ..at };
    let mut step = match known {
        None => open(who, ask, at, policy),
        Some(known) if known.is_tombstone() => ask_tombstone(who, known, ask, at, policy),
        Some(known) => {
            let mut turn = Turn::new(known.clone(), at, policy);
            if known.state().is_terminal() {
                ask_ended(&mut turn, ask);
            } else {
                ask_live(&mut turn, ask);
            }
            Some(turn.end(known))
        }
    }?;
    if is_ahead {
        step.findings.push(Finding::ClockAhead);
    }
    Some(step)
}

/// Whether a job that has ended may be followed by a new one: something wants it again that happened after its end,
/// and it did not end because the patient died or left otherwise.
pub fn may_reopen(old: &Job, ask: &Ask, at: Stamp) -> bool {
    let wants = matches!(ask, Ask::Plan(_) | Ask::Request(_) | Ask::Change(_));
    let is_later = old.end().is_some_and(|(_, ended_at)| at.occurred_at > ended_at);
    let is_final = old.called_off.is_some_and(|cancel| cancel.why.is_final());
    wants && is_later && !is_final && !old.is_tombstone() && old.followed_by.is_none()
}

/// Opens the job that follows one that has ended (rule 2): the old one, which knows its follower, and the step of the
/// new one, whose identity is derived from the old one's. None unless it [may be](may_reopen). Only a person or a rule
/// of the site calls this: by itself an ask about a job that has ended is a finding.
pub fn reopen(old: &Job, ask: &Ask, at: Stamp, policy: &Policy) -> Option<(Job, Step)> {
    if !may_reopen(old, ask, at) {
        return None;
    }
    let id = JobId(ids::derive("job-again", &[old.id.0.as_bytes()]));
    let mut step = open(&Identity { id, kind: old.kind, group: old.group }, ask, at, policy)?;
    step.job.follows = Some(old.id);
    step.job.follows_end = old.end().map(|(_, ended_at)| ended_at);
    step.findings.push(Finding::Reopened);
    let old = Job { followed_by: Some(id), changed_at: at.received_at, ..old.clone() };
    Some((old, step))
}

/// A job in the making.
struct Turn<'a> {
    job: Job,
    at: Stamp,
    policy: &'a Policy,
    tell: Option<Tell>,
    findings: Vec<Finding>,
}

impl<'a> Turn<'a> {
    const fn new(job: Job, at: Stamp, policy: &'a Policy) -> Self {
        Self { job, at, policy, tell: None, findings: Vec::new() }
    }

    fn find(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// Tells the platform how the job is now.
    fn show(&mut self) {
        self.tell = self.job.news(self.policy);
    }

    /// The hold for a reason, made if there was none.
    fn hold_mut(&mut self, reason: Reason) -> &mut Hold {
        let holds = &mut self.job.holds;
        let place = holds.partition_point(|hold| hold.reason < reason);
        if holds.get(place).is_none_or(|hold| hold.reason != reason) {
            holds.insert(place, Hold { reason, held: None, lifted: None });
        }
        #[expect(clippy::indexing_slicing, reason = "the place was just filled")]
        &mut holds[place]
    }

    /// Gives a reason for a hold; the newest word about a reason holds. False if that is no news.
    fn hold(&mut self, reason: Reason) -> bool {
        let at = self.at;
        let hold = self.hold_mut(reason);
        if hold.held.is_some_and(|held| held.occurred_at >= at.occurred_at) {
            return false;
        }
        hold.held = Some(at);
        hold.stands()
    }

    /// Takes a reason back. False if that is no news.
    fn lift(&mut self, reason: Reason) -> bool {
        let at = self.at;
        let hold = self.hold_mut(reason);
        if hold.lifted.is_some_and(|lifted| lifted.occurred_at >= at.occurred_at) {
            return false;
        }
        let stood = hold.stands();
        hold.lifted = Some(at);
        let is_lifted = stood && !hold.stands();
        self.forget_waits();
        is_lifted
    }

    /// Forgets what was waited for: this box says so alone and says it once, so there is nothing to compare later.
    fn forget_waits(&mut self) {
        self.job.holds.retain(|hold| hold.stands() || !matches!(hold.reason, Reason::WaitsFor(..)));
    }

    /// Takes a reason back that stands and is older than this ask.
    fn lift_older(&mut self, reason: Reason) -> bool {
        let at = self.at.occurred_at;
        let stands =
            self.job.holds.iter().any(|hold| {
                hold.reason == reason && hold.stands() && hold.held.is_some_and(|held| held.occurred_at < at)
            });
        stands && self.lift(reason)
    }

    /// Remembers that and why the job is not wanted.
    fn call_off(&mut self, why: Why) {
        if !self.job.called_off.is_some_and(|cancel| cancel.why.is_final()) {
            self.job.called_off = Some(Cancel { why, at: self.at });
        }
    }

    fn end(mut self, before: &Job) -> Step {
        self.job.tell(self.tell, self.at.received_at);
        if self.job != *before {
            self.job.changed_at = self.job.changed_at.max(self.at.received_at);
        }
        Step { job: self.job, tell: self.tell, findings: self.findings }
    }
}

/// Nothing is known of the job.
fn open(who: &Identity, ask: &Ask, at: Stamp, policy: &Policy) -> Option<Step> {
    let wish = if matches!(ask, Ask::Request(_) | Ask::Change(_)) { Wish::Request } else { Wish::Plan };
    let job = Job::new(who, wish, at);
    let mut turn = Turn::new(job.clone(), at, policy);
    match ask {
        Ask::Plan(_) | Ask::Request(_) => turn.show(),
        Ask::Change(_) => {
            turn.find(Finding::ChangeOfUnknown);
            turn.show();
        }
        Ask::Discharged(_) => {
            turn.hold(Reason::Discharged);
            turn.show();
        }
        Ask::Hold(reason) if reason.opens() => {
            turn.hold(*reason);
            turn.show();
        }
        Ask::Cancel(why) => {
            turn.job.cancel = Some(Cancel { why: *why, at });
            turn.call_off(*why);
            turn.find(Finding::CancelOfUnknown);
        }
        Ask::Update | Ask::Hold(_) | Ask::Resume(_) | Ask::Merge | Ask::Move(_) | Ask::Split => return None,
    }
    Some(turn.end(&job))
}

/// Only a cancel is known, and the platform knows nothing. What is wanted within the window after it is recorded and
/// not told: it is most likely what was cancelled, overtaken on its way. A plan that is newer than the cancel is a new
/// plan: nobody is sent for a plan.
fn ask_tombstone(who: &Identity, known: &Job, ask: &Ask, at: Stamp, policy: &Policy) -> Option<Step> {
    let cancel = known.cancel?;
    let is_remembered = at.received_at.since(cancel.at.received_at) <= policy.tombstone;
    let is_newer = at.occurred_at > cancel.at.occurred_at;
    let is_final = known.called_off.is_some_and(|cancel| cancel.why.is_final());
    let mut turn = Turn::new(known.clone(), at, policy);
    match ask {
        Ask::Request(_) | Ask::Change(_) if !is_remembered => return open(who, ask, at, policy),
        Ask::Plan(_) | Ask::Discharged(_) if !is_remembered || (is_newer && !is_final) => {
            return open(who, ask, at, policy);
        }
        Ask::Request(_) | Ask::Change(_) | Ask::Plan(_) | Ask::Discharged(_) => {
            turn.job.wished_again = turn.job.wished_again.max(Some(at));
            turn.find(Finding::Tombstone);
        }
        Ask::Cancel(why) => {
            turn.call_off(*why);
            turn.find(Finding::Duplicate);
        }
        Ask::Move(group) => turn.job.group = Some(*group),
        Ask::Update | Ask::Hold(_) | Ask::Resume(_) | Ask::Merge | Ask::Split => {}
    }
    Some(turn.end(known))
}

/// The job lives.
fn ask_live(turn: &mut Turn<'_>, ask: &Ask) {
    match ask {
        Ask::Plan(content) => want(turn, Wish::Plan, *content),
        Ask::Request(content) => want(turn, Wish::Request, *content),
        Ask::Change(content) => {
            if turn.job.wish == Wish::Plan {
                turn.find(Finding::ChangeOfUnknown);
            }
            want(turn, Wish::Request, *content);
        }
        Ask::Discharged(content) => discharged(turn, *content),
        Ask::Update | Ask::Merge => tell_what_is_known(turn),
        Ask::Cancel(why) => cancel(turn, *why),
        Ask::Hold(reason) => hold(turn, *reason),
        Ask::Resume(reason) => {
            if turn.lift(*reason) {
                turn.show();
            } else {
                turn.find(Finding::Duplicate);
            }
        }
        Ask::Move(group) if turn.job.group == Some(*group) => turn.find(Finding::Duplicate),
        Ask::Move(group) => {
            turn.job.group = Some(*group);
            tell_what_is_known(turn);
        }
        Ask::Split => {
            turn.find(Finding::IdentitySplit);
            hold(turn, Reason::Identity);
        }
    }
}

/// Tells a platform that knows the job how it is now; one that does not know it hears it when it is told of the job.
fn tell_what_is_known(turn: &mut Turn<'_>) {
    if turn.job.is_known_there() {
        turn.show();
    }
}

/// The hospital expects or wants the job. A wish never becomes less: a plan of what is ordered changes nothing. A newer
/// wish takes back the holds that say only that there was none.
fn want(turn: &mut Turn<'_>, wish: Wish, content: Content) {
    let at = turn.at;
    let is_more = wish > turn.job.wish;
    let is_older = at.occurred_at < turn.job.wished.occurred_at;
    let calls_back = turn.job.pending.is_some_and(|pending| at.occurred_at > pending.at.occurred_at);
    turn.job.wish = turn.job.wish.max(wish);
    if at.occurred_at > turn.job.wished.occurred_at {
        turn.job.wished = at;
    }
    let is_planned_again = turn.lift_older(Reason::PlanCancelled);
    let is_ordered_after = wish == Wish::Request && turn.lift_older(Reason::Discharged);
    if is_more || is_planned_again || is_ordered_after || content == Content::Changed {
        turn.show();
    }
    if calls_back {
        turn.find(Finding::CancelInDoubt);
    } else if is_older && !is_more {
        turn.find(Finding::OlderThanKnown);
    } else if turn.tell.is_none() && content == Content::Same && !is_more {
        turn.find(Finding::Duplicate);
    }
}

/// The patient has gone. What was only planned must not be sent for by itself any more; what was ordered goes on.
fn discharged(turn: &mut Turn<'_>, content: Content) {
    let only_planned = turn.job.wish == Wish::Plan && !turn.job.state().has_begun();
    if only_planned && turn.hold(Reason::Discharged) {
        return turn.show();
    }
    match content {
        Content::Changed => tell_what_is_known(turn),
        Content::Same => turn.find(Finding::Duplicate),
    }
}

fn hold(turn: &mut Turn<'_>, reason: Reason) {
    if !turn.hold(reason) {
        let is_lifted = turn.job.standing().all(|standing| standing != reason);
        return turn.find(if is_lifted { Finding::OlderThanKnown } else { Finding::Duplicate });
    }
    let state = turn.job.state();
    if state.has_begun() && state < State::OnBoard {
        turn.find(Finding::MovingAlthoughHeld);
    }
    tell_what_is_known(turn);
}

/// Rule 5: a cancel does what the state still allows. Before a crew is on its way the job is off; until the patient is
/// on board the platform is asked; after that it is refused aloud.
fn cancel(turn: &mut Turn<'_>, why: Why) {
    let (at, state) = (turn.at, turn.job.state());
    if is_of_before(turn) {
        return turn.find(Finding::Duplicate);
    }
    turn.call_off(why);
    if state >= State::OnBoard {
        return turn.find(Finding::CancelTooLate);
    }
    if at.occurred_at < turn.job.wished.occurred_at && may_be_overtaken(why) {
        return cancel_in_doubt(turn);
    }
    if state.has_begun() {
        return ask_to_cancel(turn, why);
    }
    if why == Why::PlanCancelled && turn.policy.on_plan_cancelled == OnPlanCancelled::Hold {
        return hold(turn, Reason::PlanCancelled);
    }
    turn.job.cancel = Some(Cancel { why, at });
    turn.tell = turn.job.is_known_there().then_some(Tell::Cancel);
}

fn ask_to_cancel(turn: &mut Turn<'_>, why: Why) {
    if turn.job.pending.is_some() {
        return turn.find(Finding::Duplicate);
    }
    turn.job.pending = Some(PendingCancel { why, at: turn.at, paged_at: None });
    turn.tell = Some(Tell::AskToCancel);
}

/// Whether a cancel is one of the job that this one follows.
fn is_of_before(turn: &Turn<'_>) -> bool {
    turn.job.follows_end.is_some_and(|ended_at| turn.at.occurred_at <= ended_at)
}

/// Whether a newer wish may have overtaken such a cancel. What is final, and what a person decides, holds anyway.
const fn may_be_overtaken(why: Why) -> bool {
    matches!(why, Why::Requester | Why::PlanCancelled | Why::DischargeCancelled)
}

/// A cancel that happened before the newest wish and came after it: either it was overtaken and the job is wanted, or
/// the clocks of two systems disagree and it is not. A person decides; nobody is sent meanwhile.
fn cancel_in_doubt(turn: &mut Turn<'_>) {
    let older = |reason: Reason| {
        let known = turn.job.holds.iter().find(|hold| hold.reason == reason);
        known.and_then(|hold| hold.held).is_some_and(|held| held.occurred_at >= turn.at.occurred_at)
    };
    if older(Reason::PlanCancelled) || older(Reason::CancelInDoubt) {
        return turn.find(Finding::Duplicate);
    }
    turn.find(Finding::CancelInDoubt);
    hold(turn, Reason::CancelInDoubt);
}

/// The job has ended, and that is final (rule 2).
fn ask_ended(turn: &mut Turn<'_>, ask: &Ask) {
    match ask {
        Ask::Plan(_) | Ask::Request(_) | Ask::Change(_) => {
            let newest = turn.job.wished_again.unwrap_or(turn.job.wished).max(turn.job.wished);
            if turn.at.occurred_at <= newest.occurred_at {
                return turn.find(Finding::Duplicate);
            }
            turn.job.wished_again = Some(turn.at);
            turn.find(Finding::AfterEnd);
        }
        Ask::Cancel(why) => {
            let is_off = turn.job.state() == State::Cancelled;
            turn.find(if is_off { Finding::Duplicate } else { Finding::AfterEnd });
            turn.call_off(*why);
        }
        Ask::Move(group) => turn.job.group = Some(*group),
        Ask::Discharged(_) | Ask::Update | Ask::Hold(_) | Ask::Resume(_) | Ask::Merge | Ask::Split => {}
    }
}
