//! What is left to tell of jobs when it is a delivery's turn: the net effect of what waited.
//!
//! After an outage a queue holds rides that were ordered, moved and called off. Of each job only its last state is told,
//! and a ride that was ordered and called off before anybody heard of it is not told at all. Only what certainly never left
//! may be left out: a create whose answer was lost is told again and then called off (INV-04).

use std::time::Duration;

use crate::{
    job::Policy,
    mapping::{Told, Verb},
};

/// One thing that a delivery tells of a job, with what is before and behind it in its queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What it tells.
    pub told: Told,
    /// Whether a later delivery that waits tells of the same job.
    pub is_overtaken: bool,
    /// Whether the platform may have been told of the job before.
    pub may_be_known: bool,
    /// Whether something was to be told of the job before, and never was.
    pub follows_untold: bool,
}

/// What is sent of a delivery, now that it is its turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    /// This.
    Tell(Vec<Told>),
    /// Nothing: later deliveries say all of it, or it calls off what was never asked for.
    Nothing,
    /// Nothing yet: it asks for jobs and is too old to do so by itself.
    Stale,
}

/// Collapses a queue to its net effect, one delivery at a time (UC-19). `is_untouched` says that no attempt was ever made
/// to send it: only then can it be left out. `age` is the time since it was decided.
pub fn due(steps: &[Step], is_untouched: bool, age: Duration, policy: &Policy) -> Due {
    if is_untouched && steps.iter().all(|step| step.is_overtaken) {
        return Due::Nothing;
    }
    let told: Vec<Told> = steps.iter().filter_map(net).collect();
    if told.is_empty() {
        return Due::Nothing;
    }
    let asks = |told: &Told| !told.is_known && matches!(told.verb, Verb::Request | Verb::Plan);
    if is_untouched && age > policy.late && told.iter().all(asks) {
        return Due::Stale;
    }
    Due::Tell(told)
}

/// What a step says where those before it were never told, however often it was tried itself.
fn net(step: &Step) -> Option<Told> {
    let told = step.told.clone();
    if step.may_be_known || !step.follows_untold {
        return Some(told);
    }
    match told.verb {
        Verb::Cancel | Verb::Recall => None,
        Verb::Change => Some(Told { verb: Verb::Request, is_known: false, ..told }),
        _ => Some(Told { is_known: false, ..told }),
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const FIRST: Step = Step {
        told: Told { job: Uuid::nil(), verb: Verb::Request, is_known: false, link: String::new(), message: Vec::new() },
        is_overtaken: false,
        may_be_known: false,
        follows_untold: false,
    };

    fn later(verb: Verb, may_be_known: bool) -> Step {
        let told = Told { verb, is_known: true, ..FIRST.told };
        Step { told, may_be_known, follows_untold: !may_be_known, ..FIRST }
    }

    fn due_now(steps: &[Step], is_untouched: bool) -> Due {
        due(steps, is_untouched, Duration::ZERO, &Policy::default())
    }

    #[test]
    fn tells_only_the_last_state_and_nothing_of_what_was_called_off_untold() {
        assert_eq!(due_now(&[Step { is_overtaken: true, ..FIRST }], true), Due::Nothing);
        assert_eq!(due_now(&[later(Verb::Cancel, false)], true), Due::Nothing);
        let Due::Tell(told) = due_now(&[later(Verb::Change, false)], true) else { panic!("not told") };
        assert_eq!(told, [FIRST.told]);
    }

    #[test]
    fn leaves_out_nothing_that_may_have_left() {
        assert_eq!(due_now(&[Step { is_overtaken: true, ..FIRST }], false), Due::Tell(vec![FIRST.told]));
        let cancel = later(Verb::Cancel, true);
        assert_eq!(due_now(std::slice::from_ref(&cancel), true), Due::Tell(vec![cancel.told]));
        // Nothing before these ever left, whatever became of their own first tries.
        assert_eq!(due_now(&[later(Verb::Cancel, false)], false), Due::Nothing);
        assert_eq!(due_now(&[later(Verb::Change, false)], false), Due::Tell(vec![FIRST.told]));
        // A message about two jobs waits for both.
        let both = [Step { is_overtaken: true, ..FIRST }, FIRST];
        assert_eq!(due_now(&both, true), Due::Tell(vec![FIRST.told, FIRST.told]));
    }

    #[test]
    fn asks_for_nothing_by_itself_that_waited_too_long() {
        let policy = Policy::default();
        let age = policy.late + Duration::from_secs(1);
        assert_eq!(due(&[FIRST], true, age, &policy), Due::Stale);
        assert_eq!(due(&[FIRST], false, age, &policy), Due::Tell(vec![FIRST.told]));
        let cancel = later(Verb::Cancel, true);
        assert_eq!(due(std::slice::from_ref(&cancel), true, age, &policy), Due::Tell(vec![cancel.told]));
    }
}
