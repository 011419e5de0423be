//! Units and what their words mean together.

use super::{
    unit::{Heard, Means, Primary, Said, Unit, Word},
    *,
};

fn status(primary: Primary, words: &[&str]) -> Status {
    Status::new(primary, words.iter().map(|word| Word::named(word)))
}

fn means(words: &[&str]) -> Means {
    status(Primary::NotAvailable, words).means()
}

#[test]
fn words_mean_something_together() {
    use Means::{Nothing, Reached, Released};
    let table: &[(&[&str], Means)] = &[
        (&["Assigned"], Reached(State::Assigned)),
        (&["Dispatched", "Staging"], Reached(State::Assigned)),
        (&["AcknowledgedTransmission"], Reached(State::Assigned)),
        (&["EnRoute"], Reached(State::EnRoute)),
        (&["EnRoute", "Hospital"], Reached(State::EnRoute)),
        (&["EnRoute", "Delayed"], Reached(State::EnRoute)),
        (&["Arrived"], Reached(State::OnScene)),
        (&["OnScene"], Reached(State::OnScene)),
        (&["PatientContact", "OnScene"], Reached(State::PatientContact)),
        (&["Transporting"], Reached(State::OnBoard)),
        (&["Transporting", "Hospital"], Reached(State::OnBoard)),
        (&["Arrived", "Hospital"], Reached(State::AtDestination)),
        (&["Hospital", "Cleared"], Reached(State::HandedOver)),
        (&["Cleared"], Reached(State::Completed)),
        (&["AssignmentCancelled", "EnRoute"], Released),
        (&["Hospital"], Nothing),
        (&["InService"], Nothing),
        (&["Post"], Nothing),
        (&["Departed"], Nothing),
        (&["OnFire"], Nothing),
        (&[], Nothing),
    ];
    for (words, meaning) in table {
        assert_eq!(means(words), *meaning, "{words:?}");
        let turned: Vec<&str> = words.iter().rev().copied().collect();
        assert_eq!(means(&turned), *meaning, "the order of words is nothing");
    }
    let back = status(Primary::Available, &["Cleared", "InService", "Hospital"]);
    assert_eq!(back.means(), Reached(State::Completed));
    assert_eq!(status(Primary::Available, &["InService"]).means(), Reached(State::Completed));
}

#[test]
fn a_transport_over_eido_runs_through_the_states() {
    let steps: [(&[&str], Primary, State); 7] = [
        (&["Dispatched"], Primary::NotAvailable, State::Assigned),
        (&["EnRoute"], Primary::NotAvailable, State::EnRoute),
        (&["Arrived"], Primary::NotAvailable, State::OnScene),
        (&["PatientContact"], Primary::NotAvailable, State::PatientContact),
        (&["Transporting", "Hospital"], Primary::NotAvailable, State::OnBoard),
        (&["Arrived", "Hospital"], Primary::NotAvailable, State::AtDestination),
        (&["Cleared"], Primary::Available, State::Completed),
    ];
    let mut job = requested();
    for (minute, (words, primary, state)) in (1..).zip(steps) {
        let step = hear(&job, &says("M7", status(primary, words), minute * MINUTE));
        assert_eq!((step.job.state(), step.findings), (state, if minute == 7 { vec![Finding::Gap] } else { vec![] }));
        assert_eq!(step.job.reached_at(state), Some(Timestamp(TEN + minute * MINUTE)));
        job = step.job;
    }
}

#[test]
fn words_that_nobody_knows_are_kept_as_they_came() {
    let odd = status(Primary::NotAvailable, &["EnRoute", "Café-Break"]);
    assert_eq!(odd.unknown().collect::<Vec<_>>(), ["Café-Break"]);
    let json = serde_json::to_string(&odd).unwrap();
    assert_eq!(json, r#"{"primary":"NotAvailable","secondary":["EnRoute","Café-Break"]}"#);
    assert_eq!(serde_json::from_str::<Status>(&json).unwrap(), odd);
}

#[test]
fn numbers_of_station_alerting_are_words_too() {
    let meanings: Vec<Means> = (0..8).map(|number| Status::zetron(number).unwrap().means()).collect();
    assert_eq!(
        meanings,
        [
            Means::Reached(State::Completed),
            Means::Reached(State::Completed),
            Means::Reached(State::EnRoute),
            Means::Reached(State::OnScene),
            Means::Reached(State::OnBoard),
            Means::Reached(State::AtDestination),
            Means::Nothing,
            Means::Nothing,
        ]
    );
    assert_eq!(Status::zetron(8), None);
}

#[test]
fn a_unit_that_was_available_before_the_job_does_not_end_it() {
    let job = hear(&requested(), &says("M7", Status::zetron(1).unwrap(), MINUTE)).job;
    assert_eq!((job.state(), job.is_left_alone()), (State::Requested, false));
    let named = hear(&job, &of_job(State::Assigned, MINUTE));
    assert_eq!((named.findings, named.job.is_left_alone()), (vec![], false), "no unit was on it yet");
    let on_the_way = hear(&job, &says("M7", Status::zetron(2).unwrap(), 2 * MINUTE)).job;
    assert_eq!((on_the_way.state(), on_the_way.is_left_alone()), (State::EnRoute, false));
    let on_board = hear(&on_the_way, &says("M7", Status::zetron(4).unwrap(), 3 * MINUTE)).job;
    assert_eq!(on_board.state(), State::OnBoard);
    let back = hear(&on_board, &says("M7", Status::zetron(1).unwrap(), 9 * MINUTE)).job;
    assert_eq!(back.end(), Some((State::Completed, Timestamp(TEN + 9 * MINUTE))));
}

#[test]
fn a_unit_is_what_it_said_last_whatever_came_last() {
    let mut unit = Unit::new("M7".to_owned());
    assert_eq!(unit.primary(), None);
    let said = |number, minutes: i64| Said { at: at(minutes * MINUTE), status: Status::zetron(number).unwrap() };
    assert_eq!(unit.hear(said(2, 5), Some(job_id(1))), Heard::News);
    assert_eq!(unit.hear(said(2, 5), None), Heard::Duplicate);
    assert_eq!(unit.hear(said(1, 3), None), Heard::Older);
    assert_eq!((unit.primary(), unit.job), (Some(Primary::NotAvailable), Some(job_id(1))));
    assert_eq!(unit.hear(said(4, 6), None), Heard::News);
    assert_eq!(unit.job, Some(job_id(1)), "no news about the job is no news");
    assert_eq!(unit.hear(said(0, 9), None), Heard::News);
    assert_eq!((unit.primary(), unit.job), (Some(Primary::Available), None));
}

#[test]
fn a_status_without_a_name_is_one_of_the_only_unit_of_its_source() {
    let nameless = |number, after| Report { unit: None, ..says("", Status::zetron(number).unwrap(), after) };
    let job = hear(&in_state(State::EnRoute), &nameless(1, 2 * MINUTE)).job;
    assert_eq!(job.state(), State::EnRoute, "a unit that is free is no job that is done");
    let done = after(job, &[nameless(4, 3 * MINUTE), nameless(1, 4 * MINUTE)]);
    assert_eq!(done.end(), Some((State::Completed, Timestamp(TEN + 4 * MINUTE))));
    assert_eq!(done.tracks.keys().collect::<Vec<_>>(), ["platform"]);
}
