//! What a hospital's ask makes of a job.
//!
//! Four situations, each with one function below: nothing is known ([`open`]), only a cancel is known
//! ([`ask_tombstone`]), the job lives ([`ask_live`]), the job has ended ([`ask_ended`]).
//!
//! Times: an ask is compared with what is known by when it happened; windows (tombstones) run by when it was heard.
//! What happened at the same time is taken in the order in which it came.

use super::{
    Ask, Content, Finding, Hold, Identity, Job, OnPlanCancelled, PendingCancel, Policy, Reason, Stamp, State, Step,
    Tell, Why, Wish, record::Cancel,
};
use crate::ids::{self, JobId};

/// What an ask makes of a job; None if it speaks of something that nobody knows and opens nothing.
///
/// `who` is the job that the ask is about; it is used when the ask opens it.
pub fn ask(who: &Identity, known: Option<&Job>, ask: &Ask, at: Stamp, policy: &Policy) -> Option<Step> {
    let Some(known) = known else { return open(who, ask, at, policy) };
    if known.is_tombstone() {
        return ask_tombstone(who, known, ask, at, policy);
    }
    let mut turn = Turn::new(known.clone(), at, policy);
    if known.state().is_terminal() {
        ask_ended(&mut turn, ask);
    } else {
        ask_live(&mut turn, ask);
    }
    Some(turn.end(known))
}

/// Whether a job that has ended may be followed by a new one: something wants it again that happened after its end.
pub fn may_reopen(old: &Job, ask: &Ask, at: Stamp) -> bool {
    let wants = matches!(ask, Ask::Plan(_) | Ask::Request(_) | Ask::Change(_));
    let is_later = old.end().is_some_and(|(_, ended_at)| at.occurred_at > ended_at);
    wants && is_later && !old.is_tombstone() && old.followed_by.is_none()
}

/// Opens the job that follows one that has ended (rule 2): the old one, which knows its follower, and the step of the
/// new one, whose identity is derived from the old one's. None unless it [may be](may_reopen).
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
        stood && !hold.stands()
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
    let is_remembered = at.received_at.since(cancel.at.received_at) < policy.tombstone;
    let is_newer = at.occurred_at > cancel.at.occurred_at;
    let is_final = matches!(cancel.why, Why::Deceased | Why::NeverRides);
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
        Ask::Cancel(_) => turn.find(Finding::Duplicate),
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
    if turn.job.asked_at.is_some() {
        turn.show();
    }
}

/// The hospital expects or wants the job. A wish never becomes less: a plan of what is ordered changes nothing. A newer
/// wish takes back the holds that say only that there was none.
fn want(turn: &mut Turn<'_>, wish: Wish, content: Content) {
    let at = turn.at;
    let mut is_news = content == Content::Changed;
    if wish > turn.job.wish {
        turn.job.wish = wish;
        is_news = true;
    } else if at.occurred_at < turn.job.wished.occurred_at {
        turn.find(Finding::OlderThanKnown);
    } else if !is_news {
        turn.find(Finding::Duplicate);
    }
    if at.occurred_at > turn.job.wished.occurred_at {
        turn.job.wished = at;
    }
    is_news |= turn.lift_older(Reason::PlanCancelled);
    if wish == Wish::Request {
        is_news |= turn.lift_older(Reason::Discharged);
    }
    if is_news {
        turn.show();
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
        return turn.find(Finding::Duplicate);
    }
    let state = turn.job.state();
    if state.has_begun() && state < State::OnBoard {
        turn.find(Finding::MovingAlthoughHeld);
    }
    tell_what_is_known(turn);
}

/// Rule 5: a cancel does what the state still allows.
fn cancel(turn: &mut Turn<'_>, why: Why) {
    let (at, state) = (turn.at, turn.job.state());
    if is_of_before(turn) {
        return turn.find(Finding::Duplicate);
    }
    if at.occurred_at < turn.job.wished.occurred_at && may_be_overtaken(why) {
        return cancel_in_doubt(turn);
    }
    if why == Why::PlanCancelled && turn.policy.on_plan_cancelled == OnPlanCancelled::Hold && !state.has_begun() {
        return hold(turn, Reason::PlanCancelled);
    }
    if state >= State::OnBoard {
        turn.job.refused = Some(Cancel { why, at });
        return turn.find(Finding::CancelTooLate);
    }
    if !state.has_begun() {
        turn.job.cancel = Some(Cancel { why, at });
        turn.tell = turn.job.asked_at.map(|_| Tell::Cancel);
        return;
    }
    if turn.job.pending.is_some() {
        return turn.find(Finding::Duplicate);
    }
    turn.job.pending = Some(PendingCancel { why, at, paged_at: None });
    turn.tell = Some(if turn.job.asked_at.is_some() { Tell::AskToCancel } else { Tell::Cancel });
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
        Ask::Cancel(_) if turn.job.state() == State::Cancelled => turn.find(Finding::Duplicate),
        Ask::Cancel(_) => turn.find(Finding::AfterEnd),
        Ask::Move(group) => turn.job.group = Some(*group),
        Ask::Discharged(_) | Ask::Update | Ask::Hold(_) | Ask::Resume(_) | Ask::Merge | Ask::Split => {}
    }
}
