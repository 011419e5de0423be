//! What is left to send: against a platform that is told everything.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{
    net::{Attempt, Net, Send, Waiting, collapse},
    *,
};

/// A step for a person: job, what is told, whether it was tried. Its key is its place.
fn queue(steps: &[(u8, Tell, Attempt)]) -> Vec<Waiting<usize>> {
    let waiting = |(key, (job, tell, attempt)): (usize, &(u8, Tell, Attempt))| Waiting {
        key,
        job: job_id(*job),
        tell: *tell,
        attempt: *attempt,
    };
    steps.iter().enumerate().map(waiting).collect()
}

fn sent(steps: &[(u8, Tell, Attempt)]) -> Vec<(usize, Tell)> {
    collapse(&queue(steps)).send.iter().map(|send| (send.key, send.tell)).collect()
}

#[test]
fn a_queue_comes_to_what_the_table_says() {
    use Attempt::{Maybe, Never};
    use Tell::{AskToCancel, Cancel, Create, Update};
    assert_eq!(sent(&[(1, Create, Never), (1, Update, Never), (1, Cancel, Never)]), []);
    assert_eq!(sent(&[(1, Create, Never), (1, Update, Never), (1, Update, Never)]), [(2, Create)]);
    assert_eq!(sent(&[(1, Update, Never), (1, Update, Never)]), [(1, Update)]);
    assert_eq!(sent(&[(1, Update, Never), (1, Cancel, Never), (1, Update, Never)]), [(1, Cancel)]);
    assert_eq!(
        sent(&[(1, Update, Never), (1, AskToCancel, Never), (1, AskToCancel, Never)]),
        [(0, Update), (1, AskToCancel)]
    );
    assert_eq!(sent(&[(1, Create, Maybe), (1, Update, Never), (1, Cancel, Never)]), [(0, Create), (2, Cancel)]);
    assert_eq!(sent(&[(1, Create, Maybe), (1, Cancel, Never)]), [(0, Create), (1, Cancel)]);
    assert_eq!(
        sent(&[(1, Create, Never), (1, AskToCancel, Never), (1, Cancel, Never)]),
        [(0, Create), (1, AskToCancel), (2, Cancel)]
    );
    assert_eq!(sent(&[]), []);
}

#[test]
fn cancels_come_first_and_the_longest_waiting_among_equals() {
    use Attempt::Never;
    let steps = [
        (1, Tell::Create, Never),
        (2, Tell::Update, Never),
        (3, Tell::Cancel, Never),
        (2, Tell::AskToCancel, Never),
        (4, Tell::Create, Never),
    ];
    let order = [(1, Tell::Update), (3, Tell::AskToCancel), (2, Tell::Cancel), (0, Tell::Create), (4, Tell::Create)];
    assert_eq!(sent(&steps), order);
}

/// What the platform has of one job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct There {
    /// The content it was told last: the key of the step.
    content: Option<usize>,
    is_off: bool,
    is_asked_off: bool,
}

type Platform = BTreeMap<JobId, There>;

/// A platform does each step once: what it knows by its key has no second effect.
fn tell(platform: &mut Platform, done: &mut Vec<usize>, job: JobId, step: Send<usize>) {
    if done.contains(&step.key) {
        return;
    }
    done.push(step.key);
    let there = platform.entry(job).or_default();
    if there.is_off {
        return;
    }
    match step.tell {
        Tell::Create if there.content.is_some() => {}
        Tell::Create | Tell::Update => there.content = Some(step.key),
        Tell::Cancel => there.is_off = true,
        Tell::AskToCancel => there.is_asked_off = true,
    }
}

/// Whom a platform would send somebody for, and with what: a job that is off is as one that never was.
fn effect(platform: Platform) -> BTreeMap<JobId, There> {
    platform.into_iter().filter(|(_, there)| !there.is_off && *there != There::default()).collect()
}

/// The steps of one job as the machine makes them: a create, changes, then perhaps a cancel. The first may be missing,
/// sent before; any number of the first may have been tried, and the last of these may or may not have arrived.
fn any_steps() -> impl Strategy<Value = (Vec<(Tell, Attempt)>, usize)> {
    let middle = prop::collection::vec(prop_oneof![4 => Just(Tell::Update), 1 => Just(Tell::AskToCancel)], 0..5);
    (any::<bool>(), middle, prop::option::of(Just(Tell::Cancel))).prop_flat_map(|(is_new, middle, cancel)| {
        let create = is_new.then_some(Tell::Create);
        let tells: Vec<Tell> = create.into_iter().chain(middle).chain(cancel).collect();
        let count = tells.len();
        (Just(tells), 0..=count).prop_flat_map(|(tells, tried)| {
            let attempt = move |place| if place < tried { Attempt::Maybe } else { Attempt::Never };
            let steps = tells.iter().enumerate().map(|(place, tell)| (*tell, attempt(place))).collect();
            (Just(steps), 0..=tried)
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_left_to_send_has_the_effect_of_all(
        jobs in prop::collection::vec(any_steps(), 1..5),
        seed in any::<u64>(),
    ) {
        // The steps of the jobs come in any mixture; the steps of one keep their order.
        let mut open: Vec<(u8, usize)> = (0..).zip(&jobs).map(|(job, _)| (job, 0)).collect();
        let mut mixture = Vec::new();
        let mut arrived = Vec::new();
        let mut seed = seed;
        while !open.is_empty() {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let pick = usize::try_from(seed >> 40).unwrap() % open.len();
            let (job, place) = open[pick];
            let (steps, arrived_count) = &jobs[usize::from(job)];
            match steps.get(place) {
                Some((tell, attempt)) => {
                    arrived.extend((place < *arrived_count).then_some(mixture.len()));
                    mixture.push((job, *tell, *attempt));
                    open[pick].1 += 1;
                }
                None => { open.remove(pick); }
            }
        }
        let queue = queue(&mixture);
        let send_of = |step: &Waiting<usize>| Send { key: step.key, tell: step.tell };

        let (mut platform, mut done) = (Platform::new(), Vec::new());
        // What was created before the outage.
        for (job, (steps, _)) in (0..).zip(&jobs) {
            if steps.first().is_none_or(|(tell, _)| *tell != Tell::Create) {
                platform.insert(job_id(job), There { content: Some(usize::MAX), ..There::default() });
            }
        }
        for step in queue.iter().filter(|step| arrived.contains(&step.key)) {
            tell(&mut platform, &mut done, step.job, send_of(step));
        }
        let (mut all, mut all_done) = (platform.clone(), done.clone());
        for step in &queue {
            tell(&mut all, &mut all_done, step.job, send_of(step));
        }
        let Net { send, dropped } = collapse(&queue);
        for step in &send {
            tell(&mut platform, &mut done, queue[step.key].job, *step);
        }
        prop_assert_eq!(effect(platform), effect(all));

        let mut keys: Vec<usize> = send.iter().map(|step| step.key).chain(dropped).collect();
        keys.sort_unstable();
        prop_assert_eq!(keys, (0..queue.len()).collect::<Vec<_>>(), "each step is sent or dropped, once");
        let tried = queue.iter().filter(|step| step.attempt == Attempt::Maybe);
        for step in tried {
            prop_assert!(send.contains(&send_of(step)), "what may have arrived is sent as it was");
        }
        let is_off = |step: &Send<usize>| {
            let job = queue[step.key].job;
            send.iter().any(|other| queue[other.key].job == job && matches!(other.tell, Tell::Cancel | Tell::AskToCancel))
        };
        prop_assert!(send.windows(2).all(|pair| is_off(&pair[0]) || !is_off(&pair[1])), "cancels first");
    }
}
