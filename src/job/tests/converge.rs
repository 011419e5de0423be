//! Reports in every order, with repeats and gaps, end in the same job, and no step on the way moves one back (INV-09).

use proptest::{prelude::*, sample::subsequence};

use super::*;

/// Everything of a job but how much time it took to hear it all.
fn facts(job: &Job) -> Job {
    Job { changed_at: Timestamp(0), ..job.clone() }
}

fn any_report() -> impl Strategy<Value = Report> {
    let unit = prop_oneof![
        1 => Just(None),
        3 => prop::sample::select(vec!["M7", "E2", "N1"]).prop_map(|name| Some(name.to_owned())),
    ];
    let state = prop::sample::select(State::ALL.to_vec()).prop_map(News::State);
    let words = subsequence(
        vec![
            unit::Word::Arrived,
            unit::Word::AssignmentCancelled,
            unit::Word::Cleared,
            unit::Word::EnRoute,
            unit::Word::Hospital,
            unit::Word::InService,
            unit::Word::PatientContact,
            unit::Word::Transporting,
        ],
        0..4,
    );
    let primary = prop::sample::select(vec![unit::Primary::Available, unit::Primary::NotAvailable]);
    let status = (primary, words).prop_map(|(primary, words)| News::Unit(Status::new(primary, words)));
    let news = prop_oneof![4 => state, 1 => status];
    let source = prop::sample::select(vec!["cad", "platform"]);
    // Few times, so that they meet; some of them too far ahead.
    (source, unit, news, -3_i64..40, 0_i64..40).prop_map(|(source, unit, news, occurred, received)| Report {
        source: source.to_owned(),
        unit,
        news,
        occurred_at: Timestamp(TEN + occurred * MINUTE),
        received_at: Timestamp(TEN + received * MINUTE),
        source_seq: None,
    })
}

/// What the hospital had said before the reports came.
fn any_beginning() -> impl Strategy<Value = Job> {
    let cancelled = must_ask(Some(&requested()), Ask::Cancel(Why::Requester), at(20 * MINUTE)).job;
    let on_hold = must_ask(Some(&requested()), Ask::Hold(Reason::Leave), at(MINUTE)).job;
    let pending = must_ask(Some(&in_state(State::EnRoute)), Ask::Cancel(Why::Requester), at(20 * MINUTE)).job;
    let of = |kind| ask(&who(kind), None, &Ask::Request(Content::Changed), at(0), &Policy::default()).unwrap().job;
    prop::sample::select(vec![
        planned(),
        requested(),
        on_hold,
        cancelled,
        pending,
        of(Kind::HomeVisit),
        of(Kind::Equipment),
    ])
}

/// An order of arrival, made from a seed: some repeated, all shuffled.
fn disturbed(reports: &[Report], seed: &mut u64) -> Vec<Report> {
    let mut below = |bound: usize| {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(*seed >> 33).unwrap() % bound
    };
    let mut order = reports.to_vec();
    for _ in 0..below(reports.len() + 1) {
        order.push(reports[below(reports.len())].clone());
    }
    for last in (1..order.len()).rev() {
        order.swap(last, below(last + 1));
    }
    order
}

/// All reports are heard at the same time, ten minutes before the latest of them happen.
const HEARD: Timestamp = Timestamp(TEN + 30 * MINUTE);

/// Hears the reports in this order; no step may move the job back.
fn hear_all(beginning: &Job, reports: &[Report]) -> Job {
    reports.iter().fold(beginning.clone(), |job, report| hear_at(&job, report, HEARD).job)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5_000, max_shrink_iters: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// 5,000 sets of reports in 20 disturbed orders each: 100,000 orders.
    #[test]
    fn converges_in_every_order_with_repeats(
        beginning in any_beginning(),
        reports in prop::collection::vec(any_report(), 1..9),
        mut seed in any::<u64>(),
    ) {
        let policy = Policy::default();
        let expected = facts(&hear_all(&beginning, &reports));
        prop_assert_eq!(&facts(&hear_all(&beginning, &disturbed(&reports, &mut seed))), &expected);
        for _ in 1..20 {
            let order = disturbed(&reports, &mut seed);
            let job = order.iter().fold(beginning.clone(), |job, heard| report(&job, heard, HEARD, &policy).job);
            prop_assert_eq!(&facts(&job), &expected);
        }
    }

    /// What a gap took away comes later and fills it: as if it had never been missing.
    #[test]
    fn converges_over_gaps_that_are_filled_later(
        beginning in any_beginning(),
        (reports, heard) in prop::collection::vec(any_report(), 1..9).prop_flat_map(|reports| {
            let count = reports.len();
            (Just(reports.clone()), subsequence(reports, 0..=count))
        }),
    ) {
        let with_gaps = hear_all(&beginning, &heard);
        let filled = hear_all(&with_gaps, &reports);
        prop_assert_eq!(facts(&filled), facts(&hear_all(&beginning, &reports)));
        prop_assert!(filled.progress() >= with_gaps.progress());
    }

    /// Asks and reports in any mixture: no step moves a job back, no two creates, nothing is told after the end.
    #[test]
    fn no_mixture_of_asks_and_reports_moves_a_job_back(
        events in prop::collection::vec(any_event(), 1..24),
    ) {
        let mut job: Option<Job> = None;
        let mut creates = 0;
        for (minute, event) in (0_i64..).zip(&events) {
            let now = at(minute * MINUTE);
            let step = match (event, &job) {
                (Event::Ask(what, age), known) => try_ask(known.as_ref(), *what, Stamp {
                    occurred_at: Timestamp(now.occurred_at.0 - age * MINUTE), ..now
                }),
                (Event::Report(report), Some(known)) => Some(hear_at(known, report, now.received_at)),
                (Event::Report(_), None) => None,
                (Event::Time, known) => known.as_ref().map(|known| due(known, now.received_at, &Policy::default())),
            };
            let Some(step) = step else { continue };
            let was_over = job.as_ref().is_some_and(|job| job.state().is_terminal() && !job.is_tombstone());
            prop_assert!(!(was_over && step.tell.is_some()), "told {:?} after the end", step.tell);
            creates += i32::from(step.tell == Some(Tell::Create));
            prop_assert!(creates <= 1);
            if let Some(told) = step.tell {
                prop_assert_eq!(step.job.told.map(|told| told.tell), Some(told));
            }
            prop_assert!(step.job.holds.windows(2).all(|pair| pair[0].reason < pair[1].reason));
            job = Some(step.job);
        }
    }
}

#[derive(Clone, Debug)]
enum Event {
    Ask(Ask, i64),
    Report(Report),
    Time,
}

fn any_event() -> impl Strategy<Value = Event> {
    let asks = vec![
        Ask::Plan(Content::Same),
        Ask::Plan(Content::Changed),
        Ask::Request(Content::Same),
        Ask::Request(Content::Changed),
        Ask::Change(Content::Changed),
        Ask::Discharged(Content::Changed),
        Ask::Update,
        Ask::Cancel(Why::Requester),
        Ask::Cancel(Why::PlanCancelled),
        Ask::Cancel(Why::Deceased),
        Ask::Hold(Reason::Stale),
        Ask::Hold(Reason::Leave),
        Ask::Resume(Reason::Stale),
        Ask::Resume(Reason::Leave),
        Ask::Hold(Reason::WaitsFor(job_id(2), State::HandedOver)),
        Ask::Resume(Reason::WaitsFor(job_id(2), State::HandedOver)),
        Ask::Merge,
        Ask::Split,
    ];
    prop_oneof![
        3 => (prop::sample::select(asks), 0_i64..10).prop_map(|(what, age)| Event::Ask(what, age)),
        3 => any_report().prop_map(Event::Report),
        1 => Just(Event::Time),
    ]
}
