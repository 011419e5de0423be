//! What messages do to jobs.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::sync::Arc;

use super::*;
use crate::{
    flow::{RouteVerdict, understood::Understood},
    hl7::Index,
    mapping::Registry,
    settings::{self, Known},
};

/// A flow with its jobs, as the store would keep them.
struct Bench {
    flows: Flows,
    now: Timestamp,
    known: Vec<JobRecord>,
}

/// 2026-03-01T12:00:00Z.
const NOON: i64 = 1_772_366_400_000;
const MINUTE: i64 = 60_000;

const SITE: &str = include_str!("../../../config/sites/loopback/gurney.toml");

impl Bench {
    fn new() -> Self {
        let text = format!(
            "{SITE}\n[fhir.logistics]\nurl = \"http://127.0.0.1:8090/fhir\"\n[flow.rides]\nfrom = \"ehr\"\n\
             on = [\"ADT^*\", \"ORM^O01\"]\nto = \"logistics\"\nmapping = \"transport@1\"\npattern = \"event\"\n\
             target = \"1 min\"\nowner = \"C\"\nescalate = [\"c\"]\n"
        );
        let known =
            Known { maps: &[("transport", 1)], dialects: &[("standard", 1)], ..Known::nothing(Timestamp(NOON)) };
        let settings = settings::read(&[("gurney.toml".to_owned(), text)], &known).unwrap().settings;
        let flows = Flows::new(&settings, Arc::new(Registry::builtin().unwrap()));
        Self { flows, now: Timestamp(NOON + 10 * MINUTE), known: Vec::new() }
    }

    fn desk(&self, by: By) -> Desk<'_> {
        Desk {
            flows: &self.flows,
            mapping: "transport@1".to_owned(),
            link: "ehr".to_owned(),
            received_at: self.now,
            content_hash: [7; 32],
            by,
            now: self.now,
        }
    }

    fn understand(&self, raw: &str) -> Understood {
        self.flows.understand(0, self.now, raw.as_bytes(), &mut Index::default())
    }

    fn try_hear(&mut self, raw: &str) -> Result<Decided, Refusal> {
        let understood = self.understand(raw);
        let asks: Vec<JobAsk> = understood
            .routes
            .into_iter()
            .filter_map(|route| match route.verdict {
                RouteVerdict::Jobs { asks } => Some(asks),
                _ => None,
            })
            .flatten()
            .collect();
        let mut known = self.known.clone();
        let decided = follow(&asks, &mut known, &self.desk(By::Message))?;
        self.known = known;
        Ok(decided)
    }

    /// Hears a message; what was told, in short.
    fn hear(&mut self, raw: &str) -> Vec<(Verb, bool)> {
        let decided = self.try_hear(raw).unwrap();
        self.now = Timestamp(self.now.0 + MINUTE);
        decided.told.iter().map(|told| (told.verb, told.is_known)).collect()
    }

    /// Hears a message that a person released.
    fn release(&mut self, raw: &str) -> Decided {
        let understood = self.understand(raw);
        let asks = understood.routes.into_iter().find_map(|route| match route.verdict {
            RouteVerdict::Jobs { asks } => Some(asks),
            _ => None,
        });
        let asks = asks.unwrap();
        let mut known = self.known.clone();
        let decided = follow(&asks, &mut known, &self.desk(By::Person)).unwrap();
        self.known = known;
        decided
    }

    /// What a repeat tells, in short.
    fn again(&self) -> Vec<(Verb, bool)> {
        let told = tell_again(&self.known, &self.desk(By::Person)).unwrap();
        told.iter().map(|told| (told.verb, told.is_known)).collect()
    }

    fn body(&self, decided: &Decided) -> String {
        String::from_utf8(self.desk(By::Message).tell(&decided.told, When::Now).unwrap().render()).unwrap()
    }
}

/// A message that happened `minutes` after noon.
fn message(kind: &str, minutes: i64, segments: &[&str]) -> String {
    let at = format!("202603011{:01}{:02}00+0000", 2 + minutes / 60, minutes % 60);
    let trigger = kind.split('^').nth(1).unwrap();
    let evn = if kind.starts_with("ADT") { format!("EVN|{trigger}|{at}\r") } else { String::new() };
    format!("MSH|^~\\&|EHR|GH|||{at}||{kind}|C{minutes}|P|2.5.1\r{evn}{}\r", segments.join("\r"))
}

const PID: &str = "PID|1||70001^^^GH^MR||ZZTEST-AMBER^ADA||19410305|F";

fn pv1(bed: &str) -> String {
    format!("PV1|1|I|{bed}||||||||||||||||V70001")
}

fn adt(trigger: &str, minutes: i64, bed: &str) -> String {
    message(&format!("ADT^{trigger}"), minutes, &[PID, &pv1(bed)])
}

fn order(control: &str, number: &str, minutes: i64) -> String {
    message(
        "ORM^O01",
        minutes,
        &[
            PID,
            &pv1("3W^12^B^GH"),
            &format!("ORC|{control}|{number}"),
            &format!("OBR|1|{number}||TRANSPORT^Patient transport^L|||20260301160000+0000"),
            "OBX|1|CE|TRMODE^Mode of transport^L||WHEELCHAIR^Wheelchair^L",
            "OBX|2|ST|TRDEST^Transport destination^L||Invented Rehabilitation, 4 Hill Lane",
        ],
    )
}

#[test]
fn an_order_takes_over_the_plan_of_its_visit_and_the_discharge_adds_nothing() {
    let mut bench = Bench::new();
    assert_eq!(bench.hear(&adt("A16", 0, "3W^12^B^GH")), [(Verb::Plan, false)]);
    assert_eq!(bench.hear(&order("NW", "P1", 1)), [(Verb::Change, true)]);
    assert_eq!(bench.hear(&adt("A03", 2, "3W^12^B^GH")), []);
    assert_eq!(bench.known.len(), 1);
    // Also the other way round.
    let mut bench = Bench::new();
    assert_eq!(bench.hear(&order("NW", "P1", 1)), [(Verb::Request, false)]);
    assert_eq!(bench.hear(&adt("A16", 0, "3W^12^B^GH")), []);
    let elsewhere = order("NW", "P2", 3).replace("4 Hill Lane", "9 Lake Road");
    assert_eq!(bench.hear(&elsewhere), [(Verb::Request, false)]);
    assert_eq!(bench.known.len(), 2, "two orders are two rides");
    let mut bench = Bench::new();
    assert_eq!(bench.hear(&at("1600", order("NW", "P1", 1))), [(Verb::Request, false)]);
    assert_eq!(bench.hear(&at("2101", order("NW", "P2", 3))), [(Verb::Request, false)]);
}

/// An order for a time of that day.
fn at(time: &str, order: String) -> String {
    order.replace("|||20260301160000", &format!("||20260301{time}00"))
}

/// What was told, in short.
fn told(decided: &Decided) -> Vec<(Verb, bool)> {
    decided.told.iter().map(|told| (told.verb, told.is_known)).collect()
}

#[test]
fn the_same_ride_under_another_number_waits_for_a_person() {
    let mut bench = Bench::new();
    bench.hear(&at("1600", order("NW", "P1", 1)));
    let decided = bench.try_hear(&at("1730", order("NW", "P2", 3))).unwrap();
    assert!(decided.told.is_empty());
    assert_eq!(decided.held.iter().map(|held| held.reason).collect::<Vec<_>>(), ["possible-duplicate"]);
    // The first one is not touched by that, and a person may say that there are two.
    assert_eq!(bench.hear(&at("1700", order("XO", "P1", 4))), [(Verb::Change, true)]);
    let second = bench.known.iter().find(|record| !record.is_told()).unwrap().clone();
    let released = settle(&second, Decision::Release, &bench.desk(By::Person)).unwrap();
    assert_eq!(told(&released), [(Verb::Request, false)]);
    let discarded = settle(&second, Decision::Discard, &bench.desk(By::Person)).unwrap();
    assert!(discarded.told.is_empty());
}

#[test]
fn the_number_that_went_in_a_merge_still_means_the_patient_and_never_comes_back() {
    let mut bench = Bench::new();
    bench.hear(&order("NW", "P1", 1));
    let merge = message("ADT^A40", 3, &["PID|1||80002^^^GH^MR||ZZTEST-AMBER^ADA||19410305|F", "MRG|70001^^^GH^MR"]);
    assert_eq!(bench.hear(&merge), [(Verb::Change, true)]);
    assert_eq!(bench.hear(&adt("A02", 5, "5E^02^A^GH")), [(Verb::Change, true)], "the move counts");
    let number = |bench: &Bench| bench.known[0].picture.value("PID", 3).map(str::to_owned);
    assert_eq!(number(&bench).as_deref(), Some("80002^^^GH^MR"));
    let back = message("ADT^A40", 7, &["PID|1||70001^^^GH^MR||ZZTEST-AMBER^ADA||19410305|F", "MRG|80002^^^GH^MR"]);
    bench.hear(&back);
    assert_eq!(number(&bench).as_deref(), Some("70001^^^GH^MR"), "the number named last");
}

#[test]
fn nothing_more_is_told_of_a_patient_who_must_not_be_found() {
    let mut bench = Bench::new();
    bench.hear(&order("NW", "P1", 1));
    let protected = |text: String| text.replace("PV1|", "PD1||||||||||||Y\rPV1|");
    let decided = bench.try_hear(&protected(adt("A08", 3, "5E^02^A^GH"))).unwrap();
    assert_eq!(told(&decided), [(Verb::Pause, true)]);
    assert!(!String::from_utf8_lossy(&decided.told[0].message).contains("5E^02"), "nothing new is told");
    assert_eq!(decided.held.iter().map(|held| held.reason).collect::<Vec<_>>(), ["consent"]);
    assert_eq!(bench.hear(&order("XO", "P1", 4)), []);
    assert_eq!(bench.hear(&adt("A02", 5, "7W^01^A^GH")), []);
    let released = settle(&bench.known[0], Decision::Release, &bench.desk(By::Person)).unwrap();
    assert!(String::from_utf8_lossy(&released.told[0].message).contains("7W^01"), "a person has decided");
    // A cancel is told in any case.
    assert_eq!(bench.hear(&order("CA", "P1", 7)), [(Verb::Cancel, true)]);
    // An order of such a patient is not told at all.
    let mut bench = Bench::new();
    let decided = bench.try_hear(&protected(order("NW", "P1", 1))).unwrap();
    assert!(decided.told.is_empty() && decided.held.iter().any(|held| held.reason == "consent"));
}

#[test]
fn a_discharge_without_order_waits_for_a_person_and_one_that_never_rides_calls_off() {
    let mut bench = Bench::new();
    assert_eq!(bench.hear(&adt("A03", 0, "3W^12^B^GH")), [(Verb::Hold, false)]);
    let expired = adt("A03", 1, "3W^12^B^GH").replace("V70001", "V70001|||||||||||||||||20");
    assert_eq!(bench.hear(&expired), [(Verb::Cancel, true)]);
    let mut bench = Bench::new();
    assert_eq!(bench.hear(&expired), [], "nothing is told of a job that nobody knows");
}

#[test]
fn another_bed_is_another_pickup_of_the_same_job() {
    let mut bench = Bench::new();
    bench.hear(&order("NW", "P1", 0));
    let decided = bench.try_hear(&adt("A02", 5, "5E^02^A^GH")).unwrap();
    assert_eq!((decided.told.len(), decided.told[0].verb), (1, Verb::Change));
    let body = bench.body(&decided);
    assert!(body.contains("5E") && body.contains("wheelchair") && body.contains("Hill Lane"), "{body}");
    // The move is called off: the bed of A12 holds. What is older changes nothing.
    let decided = bench.try_hear(&adt("A12", 6, "3W^12^B^GH")).unwrap();
    assert!(bench.body(&decided).contains("3W") && !bench.body(&decided).contains("5E"));
    assert_eq!(bench.hear(&adt("A02", 4, "9N^01^A^GH")), []);
    assert_eq!(bench.hear(&adt("A08", 7, "3W^12^B^GH")), [], "nothing that the platform is told is different");
}

#[test]
fn an_order_within_an_event_of_the_visit_is_no_word_about_its_jobs() {
    let mut bench = Bench::new();
    bench.hear(&order("NW", "P1", 0));
    let other = "ORC|NW|P9\rOBR|1|P9||TRANSPORT^Patient transport^L\r";
    let moved = adt("A02", 5, "5E^02^A^GH") + other;
    let decided = bench.try_hear(&moved).unwrap();
    let body = bench.body(&decided);
    assert!(body.contains("5E") && body.contains("P1") && !body.contains("P9"), "{body}");
}

#[test]
fn what_is_told_again_is_how_each_job_is_now() {
    let mut bench = Bench::new();
    assert_eq!(bench.again(), [], "nothing is known of any");
    bench.hear(&order("CA", "P7", 0));
    assert_eq!(bench.again(), [], "nobody was told of it");
    bench.known.clear();
    bench.hear(&order("NW", "P1", 1));
    assert_eq!(bench.again(), [(Verb::Change, true)]);
    bench.hear(&adt("A21", 5, "3W^12^B^GH"));
    assert_eq!(bench.again(), [(Verb::Pause, true)], "it waits, and is not asked for again");
    bench.hear(&adt("A22", 6, "3W^12^B^GH"));
    bench.hear(&order("CA", "P1", 7));
    assert_eq!(bench.again(), [(Verb::Cancel, true)]);
}

#[test]
fn out_of_bed_for_an_hour_is_not_another_bed() {
    let mut bench = Bench::new();
    bench.hear(&order("NW", "P1", 0));
    for (minutes, trigger, visit) in [
        (1, "A09", pv1("3W^12^B^GH").replace("||||||||||||||||V", "||||||||XRAY^1^^GH||||||||V")),
        (3, "A09", pv1("XRAY^1^^GH")),
        (5, "A02", pv1("XRAY^1^^GH").replace("||||||||||||||||V", "||||||||XRAY^1^^GH||||||||V")),
    ] {
        let decided = bench.try_hear(&message(&format!("ADT^{trigger}"), minutes, &[PID, &visit])).unwrap();
        let body = bench.body(&decided);
        assert!(body.contains("currently-at") && body.contains("XRAY") && body.contains("3W"), "{trigger} {body}");
        let decided = bench.try_hear(&adt("A10", minutes + 1, "3W^12^B^GH")).unwrap();
        let body = bench.body(&decided);
        assert!(!body.contains("XRAY") && body.contains("3W"), "{trigger} {body}");
    }
}

#[test]
fn a_cancel_that_comes_first_is_remembered() {
    let mut bench = Bench::new();
    assert_eq!(bench.hear(&order("CA", "P1", 1)), []);
    assert_eq!(bench.hear(&order("NW", "P1", 0)), []);
    assert_eq!(bench.hear(&order("NW", "P2", 2)), [(Verb::Request, false)]);
    assert_eq!(bench.hear(&order("CA", "P2", 3)), [(Verb::Cancel, true)]);
    assert_eq!(bench.hear(&order("NW", "P2", 2)), []);
}

#[test]
fn a_leave_holds_and_the_return_goes_on() {
    let mut bench = Bench::new();
    bench.hear(&order("NW", "P1", 0));
    assert_eq!(bench.hear(&adt("A21", 5, "3W^12^B^GH")), [(Verb::Pause, true)]);
    assert_eq!(bench.hear(&adt("A22", 6, "3W^12^B^GH")), [(Verb::Change, true)]);
    assert_eq!(bench.hear(&order("HD", "P1", 7)), [(Verb::Pause, true)]);
    assert_eq!(bench.hear(&order("RL", "P1", 8)), [(Verb::Change, true)]);
}

#[test]
fn a_merge_follows_the_patient_and_two_open_jobs_wait_for_a_person() {
    let merge = message("ADT^A40", 9, &["PID|1||80002^^^GH^MR||ZZTEST-AMBER^ADA||19410305|F", "MRG|70001^^^GH^MR"]);
    let mut bench = Bench::new();
    bench.hear(&order("NW", "P1", 0));
    let decided = bench.try_hear(&merge).unwrap();
    let body = bench.body(&decided);
    assert!(body.contains("80002") && body.contains("Hill Lane"), "{body}");
    assert_eq!((decided.told.len(), decided.told[0].verb, decided.held.len()), (1, Verb::Change, 0));
    // The old number still finds it.
    assert_eq!(bench.hear(&message("ADT^A31", 10, &[&PID.replace("ADA", "ADAH")])), [(Verb::Change, true)]);

    let mut bench = Bench::new();
    bench.hear(&order("NW", "P1", 0));
    bench.hear(&order("NW", "P2", 1).replace("70001", "80002"));
    let decided = bench.try_hear(&merge).unwrap();
    let told: Vec<(Verb, bool)> = decided.told.iter().map(|told| (told.verb, told.is_known)).collect();
    assert_eq!(told, [(Verb::Change, true), (Verb::Pause, true)]);
    assert_eq!(decided.held.iter().map(|held| held.reason).collect::<Vec<_>>(), ["merged-jobs"]);
    assert_eq!(bench.hear(&order("CA", "P1", 11)), [(Verb::Cancel, true)]);
    assert_eq!(bench.hear(&order("CA", "P2", 11).replace("70001", "80002")), [(Verb::Cancel, true)]);
}

#[test]
fn a_visit_that_moves_to_another_record_takes_its_job_along() {
    let mut bench = Bench::new();
    bench.hear(&order("NW", "P1", 0));
    let moved = message(
        "ADT^A45",
        5,
        &[
            "PID|1||80002^^^GH^MR||ZZTEST-AMBER^ADA||19410305|F",
            "MRG|70001^^^GH^MR||||V70001",
            &pv1("3W^12^B^GH").replace("V70001", "V80009"),
        ],
    );
    assert_eq!(bench.hear(&moved), [(Verb::Change, true)]);
    let later = adt("A02", 6, "5E^02^A^GH").replace("V70001", "V80009").replace("70001", "80002");
    assert_eq!(bench.hear(&later), [(Verb::Change, true)]);
}

#[test]
fn what_came_too_late_waits_for_a_person_and_a_cancel_never_does() {
    let mut bench = Bench::new();
    bench.now = Timestamp(NOON + 6 * 60 * MINUTE);
    let decided = bench.try_hear(&order("NW", "P1", 0)).unwrap();
    assert!(decided.told.is_empty());
    assert_eq!(decided.held.iter().map(|held| held.reason).collect::<Vec<_>>(), ["stale"]);
    // Meanwhile the patient moves; the release tells how it is now.
    assert_eq!(bench.hear(&adt("A02", 359, "5E^02^A^GH")), []);
    let desk = bench.desk(By::Person);
    let released = settle(&bench.known[0], Decision::Release, &desk).unwrap();
    assert_eq!(
        released.told.iter().map(|told| (told.verb, told.is_known)).collect::<Vec<_>>(),
        [(Verb::Request, false)]
    );
    assert!(bench.body(&released).contains("5E"));
    bench.known = released.jobs;
    assert_eq!(bench.hear(&order("CA", "P1", 1)), [(Verb::Cancel, true)]);
}

#[test]
fn a_message_that_is_refused_leaves_its_job_as_it_was() {
    let mut bench = Bench::new();
    bench.hear(&order("NW", "P1", 0));
    let before = bench.known.clone();
    let broken = order("XO", "P1", 1).replace("WHEELCHAIR^Wheelchair^L", "HOVERBOARD^Hoverboard^L");
    assert!(bench.try_hear(&broken).is_err());
    assert_eq!(bench.known, before);
    let without = order("NW", "P9", 2)
        .replace("OBX|2|ST|TRDEST^Transport destination^L||Invented Rehabilitation, 4 Hill Lane", "NTE|1");
    assert!(bench.try_hear(&without).is_err());
    assert_eq!(bench.known, before);
    assert_eq!(
        bench.hear(&order("XO", "P1", 3).replace("WHEELCHAIR^Wheelchair^L", "STRETCHER^Stretcher^L")),
        [(Verb::Change, true)]
    );
}

#[test]
fn repeats_say_nothing() {
    let mut bench = Bench::new();
    bench.hear(&adt("A16", 0, "3W^12^B^GH"));
    assert_eq!(bench.hear(&adt("A16", 0, "3W^12^B^GH")), []);
    bench.hear(&order("NW", "P1", 1));
    let decided = bench.try_hear(&order("NW", "P1", 1).replace("|C1|", "|C99|")).unwrap();
    assert!(decided.told.is_empty() && decided.findings.contains(&Finding::Duplicate));
}

#[test]
fn what_is_too_much_for_a_job_refuses_its_message_and_never_a_cancel() {
    let mut bench = Bench::new();
    let many = vec!["70001^^^GH^MR"; 5_000].join("~");
    let refused = |bench: &Bench, raw: &str| {
        bench.understand(raw).routes.iter().any(|route| match &route.verdict {
            RouteVerdict::Hold { reason, detail } => *reason == "too-large" && detail.contains("PID-3"),
            _ => false,
        })
    };
    assert!(refused(&bench, &order("NW", "P1", 0).replace("70001^^^GH^MR", &many)));
    bench.hear(&order("NW", "P1", 0));
    let before = bench.known.clone();
    assert!(refused(&bench, &adt("A02", 5, "5E^02^A^GH").replace("70001^^^GH^MR", &many)));
    // Answers of very many questions, each time others.
    let asked =
        |from: usize| -> String { (from..from + 400).map(|at| format!("OBX|{at}|ST|Q{at}^Q^L||x\r")).collect() };
    let change = |minutes: i64, from: usize| format!("{}{}", order("XO", "P1", minutes), asked(from));
    assert!(bench.try_hear(&change(1, 0)).is_ok());
    let refusal = bench.try_hear(&change(2, 400)).unwrap_err();
    assert_eq!((refusal.reason(), bench.known[0].names == before[0].names), (mapping::Reason::TooLarge, true));
    assert_eq!(bench.hear(&order("CA", "P1", 6).replace("70001^^^GH^MR", &many)), [(Verb::Cancel, true)]);
}

/// An order for a ride of a level, in which the patient travels so.
fn level(control: &str, minutes: i64, level: &str, mode: &str) -> String {
    let order = order(control, "P1", minutes).replace("TRANSPORT^Patient transport^L", level);
    format!("{}OBX|3|CE|ACCMD^Accepting physician^L||Lang, Mira\r", order.replace("WHEELCHAIR^Wheelchair^L", mode))
}

#[test]
fn a_level_is_raised_by_anybody_and_lowered_by_a_person_only() {
    const LEVELS: [(&str, &str); 4] =
        [("WCVAN", "WHEELCHAIR"), ("BLS", "STRETCHER"), ("ALS", "STRETCHER"), ("CCT", "STRETCHER")];
    for (from, (was, mode)) in LEVELS.into_iter().enumerate() {
        for (to, (is, other)) in LEVELS.into_iter().enumerate().filter(|(to, _)| *to != from) {
            let mut bench = Bench::new();
            bench.hear(&level("NW", 0, was, mode));
            let before = bench.known.clone();
            let change = level("XO", 1, is, other);
            let heard = bench.try_hear(&change);
            if to > from {
                assert_eq!(heard.unwrap().told[0].verb, Verb::Change, "{was} {is}");
                continue;
            }
            let refusal = heard.unwrap_err();
            assert_eq!(refusal.reason(), mapping::Reason::Lowered, "{was} {is}: {refusal}");
            assert!(refusal.to_string().contains("lower level than before (by OBR-4)"), "{refusal}");
            assert_eq!(bench.known, before);
            let released = bench.release(&change);
            assert!(bench.body(&released).contains(is), "{was} {is}");
            // What was wanted first is old news now, and what is wanted next is measured by what was released.
            assert_eq!(bench.hear(&level("NW", 0, was, mode)), [], "{was} {is}");
            assert!(bench.try_hear(&level("XO", 3, is, other)).is_ok(), "{was} {is}");
        }
    }
}

#[test]
fn a_level_that_is_no_longer_said_is_lowered_too() {
    let mut bench = Bench::new();
    bench.hear(&level("NW", 0, "CCT", "STRETCHER"));
    let refusal = bench.try_hear(&level("XO", 1, "TRANSPORT", "STRETCHER")).unwrap_err();
    assert_eq!(refusal.reason(), mapping::Reason::Lowered);
    let mut bench = Bench::new();
    bench.hear(&level("NW", 0, "TRANSPORT", "STRETCHER"));
    assert_eq!(bench.hear(&level("XO", 1, "CCT", "STRETCHER")), [(Verb::Change, true)]);
    let refusal = bench.try_hear(&level("XO", 2, "CCT", "WHEELCHAIR")).unwrap_err();
    assert_eq!(refusal.lowered.len(), 1, "{refusal}");
    assert_eq!(bench.hear(&level("CA", 3, "WCVAN", "WHEELCHAIR")), [(Verb::Cancel, true)], "a cancel is never refused");
}

#[test]
fn a_change_that_overtook_a_higher_order_waits_for_a_person() {
    let mut bench = Bench::new();
    bench.hear(&level("XO", 5, "WCVAN", "WHEELCHAIR"));
    let refusal = bench.try_hear(&level("NW", 1, "CCT", "STRETCHER")).unwrap_err();
    assert_eq!(refusal.reason(), mapping::Reason::Lowered);
    // The other way round it is the change that waits. What is older and no higher says nothing.
    let mut bench = Bench::new();
    bench.hear(&level("XO", 5, "CCT", "STRETCHER"));
    assert_eq!(bench.hear(&level("NW", 1, "WCVAN", "WHEELCHAIR")), []);
}

#[test]
fn a_ward_that_says_less_keeps_back_its_word_and_not_the_room() {
    let ward = |minutes: i64, bed: &str, says: &str| {
        let visit = pv1(bed).replace("||||||||||||||||V", &format!("||||||||||||{says}||||V"));
        message("ADT^A02", minutes, &[PID, &visit])
    };
    // No order and no answer says how: the ward does.
    let order = order("NW", "P1", 0).replace("WHEELCHAIR^Wheelchair^L", "");
    let order =
        order.replace(&pv1("3W^12^B^GH"), &pv1("3W^12^B^GH").replace("||||||||||||||||V", "||||||||||||A2||||V"));
    let mut bench = Bench::new();
    assert_eq!(bench.hear(&order), [(Verb::Request, false)]);
    let was = bench.known[0].picture.value("PV1", 15).map(str::to_owned);
    let moved = ward(5, "5E^02^A^GH", "A0");
    let decided = bench.try_hear(&moved).unwrap();
    let body = bench.body(&decided);
    assert!(body.contains("5E") && body.contains("wheelchair"), "{body}");
    assert_eq!(decided.held.iter().map(|held| (held.job, held.reason)).collect::<Vec<_>>(), [(None, "lowered")]);
    assert_eq!(bench.known[0].picture.value("PV1", 15).map(str::to_owned), was);
    let released = bench.release(&moved);
    assert!(bench.body(&released).contains("ambulatory"));
}

#[test]
fn an_order_waits_for_what_it_needs_and_a_plan_or_a_cancel_does_not() {
    let nowhere = |raw: String| raw.replace("3W^12^B^GH", "");
    let mut bench = Bench::new();
    let refusal = bench.try_hear(&nowhere(order("NW", "P1", 0))).unwrap_err();
    assert!(refusal.missing.iter().any(|missing| &*missing.what == "pickup"), "{refusal}");
    assert_eq!(bench.hear(&nowhere(order("CA", "P2", 0))), []);
    assert_eq!(bench.hear(&nowhere(adt("A16", 0, ""))), [(Verb::Plan, false)]);
    assert!(bench.try_hear(&nowhere(order("NW", "P1", 1))).is_err());
    // The bed comes with another message of the visit: by then the order has all it needs.
    bench.hear(&adt("A02", 2, "5E^02^A^GH"));
    assert_eq!(bench.hear(&nowhere(order("NW", "P1", 3))), [(Verb::Change, true)]);
    let refusal = bench.try_hear(&adt("A08", 4, "\"\"")).unwrap_err();
    assert!(refusal.to_string().contains("missing pickup (looked at PV1-3)"), "{refusal}");
    assert_eq!(bench.hear(&nowhere(order("CA", "P1", 5))), [(Verb::Cancel, true)]);
}
