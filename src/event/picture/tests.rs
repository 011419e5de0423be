//! What a picture keeps, whatever the order of what it is told.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use proptest::prelude::*;

use super::*;
use crate::{event::scopes, hl7::Index};

fn statements(raw: &[u8]) -> Vec<Statement> {
    let index = Index::of(raw).unwrap();
    let message = index.message(raw);
    let charset = message.charset(None);
    scopes(message, &charset).iter().map(Statement::of).collect()
}

fn statement(raw: &str) -> Statement {
    statements(raw.as_bytes()).remove(0)
}

fn text(picture: &Picture) -> String {
    String::from_utf8(picture.message()).unwrap().replace('\r', "\n")
}

const ORDER: &str = "MSH|^~\\&|EHR|GH|X|Y|202603010900||ORM^O01|1|P|2.5\rPID|1||7^^^GH^MR||Quill^Ada\rNTE|1||hers\r\
    PV1|1|I|3W^12^B||||||||||||||||V1\rORC|NW|P1\rOBR|1|P1||VAN^Van\rOBX|1|CE|TRMODE^Mode||WC^Wheelchair\r\
    OBX|2|NM|WT^Weight||80\rNTE|1||the order's\r";
const MOVE: &str = "MSH|^~\\&|BED|GH|||202603011000||ADT^A02|2|P|2.3\rEVN|A02|202603011000\rPID|1||7^^^GH^MR||Quill^Ada^B\r\
    PV1|1||5E^02^A||||||||||||||||V1\rOBX|1|CE|TRMODE||ST\rNTE|1||bed board's\r";

#[test]
fn keeps_the_order_and_takes_the_newest_of_the_visit() {
    let mut picture = Picture::default();
    assert_eq!(picture.take(&statement(ORDER), Timestamp(9)), Taken::Changed);
    assert_eq!(picture.take(&statement(MOVE), Timestamp(10)), Taken::Changed);
    let expected = "MSH|^~\\&|EHR|GH|X|Y|202603010900||ORM^O01|1|P|2.5||||||UNICODE UTF-8\n\
        PID|1||7^^^GH^MR||Quill^Ada^B\nPV1|1|I|5E^02^A||||||||||||||||V1\n\
        NTE|1||bed board's\nOBX|1|CE|TRMODE||ST\n\
        ORC|NW|P1\nOBR|1|P1||VAN^Van\nNTE|1||the order's\nOBX|2|NM|WT^Weight||80\nOBX|1|CE|TRMODE^Mode||WC^Wheelchair\n";
    let mut shown: Vec<String> = text(&picture).lines().map(str::to_owned).collect();
    let mut wanted: Vec<String> = expected.lines().map(str::to_owned).collect();
    assert_eq!(shown[..5], wanted[..5]);
    shown.sort();
    wanted.sort();
    assert_eq!(shown, wanted);
    // What the order's scope sees of it is the order's.
    let again = statements(&picture.message());
    assert_eq!(again.len(), 1);
    let mut other = Picture::default();
    other.take(&again[0], Timestamp(10));
    assert!(!text(&other).contains("bed board's"), "a note that is not the order's became the order's");
}

#[test]
fn an_older_event_never_overwrites_a_newer_value() {
    let (order, moved) = (statement(ORDER), statement(MOVE));
    let mut picture = Picture::default();
    picture.take(&moved, Timestamp(10));
    picture.take(&order, Timestamp(9));
    let late = text(&picture);
    assert!(late.contains("5E^02^A") && late.contains("Quill^Ada^B") && late.contains("OBR|1|P1"));
    assert_eq!(picture.take(&order, Timestamp(9)), Taken::Older);
    assert_eq!(text(&picture), late);
}

#[test]
fn absent_is_no_news_and_two_quotes_delete() {
    let mut picture = Picture::default();
    let base = "MSH|^~\\&|A|B|||1||ADT^A08|1|P|2.5\rPID|1||7||Quill^Ada||||||1 Elm Street\r";
    picture.take(&statement(base), Timestamp(1));
    picture.take(&statement(&base.replace("1 Elm Street", "")), Timestamp(2));
    assert_eq!(picture.value("PID", 11), Some("1 Elm Street"));
    picture.take(&statement(&base.replace("1 Elm Street", "\"\"")), Timestamp(3));
    assert_eq!(picture.value("PID", 11), None);
    assert!(text(&picture).contains("Quill^Ada||||||\"\"\n"));
    picture.take(&statement(base), Timestamp(2));
    assert_eq!(picture.value("PID", 11), None, "an older address came back");
}

#[test]
fn translates_delimiters_and_character_sets() {
    let raw = b"MSH#*;!@#A#B###1##ADT*A08#1#P#2.5######8859/1\rPID#1##7##M\xfcller*A|B^C;x*y\r";
    let mut picture = Picture::default();
    picture.take(&statements(raw).remove(0), Timestamp(1));
    assert!(text(&picture).contains("PID|1||7||M\u{fc}ller^A\\F\\B\\S\\C~x^y\n"), "{}", text(&picture));
    let mut again = Picture::default();
    again.take(&statements(&picture.message()).remove(0), Timestamp(1));
    assert_eq!(again.value("PID", 5), picture.value("PID", 5));
    let deleted = b"MSH#*;!@#A#B###1##ADT*A08#2#P#2.5######8859/1\rPID#1##7##\"\"\r";
    again.take(&statements(deleted).remove(0), Timestamp(2));
    assert_eq!(again.value("PID", 5), None, "two quotes delete, whatever the delimiters");
}

#[test]
fn prints_no_patient_data_and_leaves_documents_out() {
    let long = format!("{ORDER}OBX|9|ED|DOC||{}\r", "A".repeat(limits::PICTURE_VALUE_BYTES_MAX));
    let mut picture = Picture::default();
    picture.take(&statement(&long), Timestamp(1));
    assert!(!text(&picture).contains("|DOC|"));
    assert!(!format!("{picture:?} {:?}", statement(ORDER)).contains("Quill"));
}

/// Values of a few fields at a few times.
fn said() -> impl Strategy<Value = (u8, Statement)> {
    (0_u8..6, prop::sample::subsequence(vec!["", "\"\"", "x", "y", "z"], 3), any::<bool>()).prop_map(
        |(at, values, order)| {
            // What one event says is one thing: its values are made from its time.
            let pick = |field: usize| values[(usize::from(at) + field) % values.len()];
            let mut raw = format!(
                "MSH|^~\\&|A|B|||{at}||ADT^A08|1|P|2.5\rPID|1||7||{}||||||{}\rPV1|1|I|{}\r",
                pick(0),
                pick(1),
                pick(2)
            );
            if order {
                raw = raw.replace("ADT^A08", "ORM^O01") + &format!("ORC|NW|1\rOBR|1|1|||||{}\r", pick(1));
            }
            (at, statement(&raw))
        },
    )
}

proptest! {
    #[test]
    fn any_order_of_arrival_gives_the_same_picture(
        all in prop::collection::btree_map(0_u8..40, said(), 1..8).prop_shuffle_pairs(),
    ) {
        let (sorted, shuffled) = all;
        let make = |list: &[(u8, Statement)]| {
            let mut picture = Picture::default();
            for (at, statement) in list {
                picture.take(statement, Timestamp(i64::from(*at)));
            }
            let lines = text(&picture);
            lines.lines().filter(|line| !line.starts_with("MSH")).map(str::to_owned).collect::<Vec<_>>()
        };
        prop_assert_eq!(make(&sorted), make(&shuffled));
    }

    #[test]
    fn what_it_writes_reads_as_itself(all in prop::collection::vec(said(), 1..6)) {
        let mut picture = Picture::default();
        for (at, statement) in &all {
            picture.take(statement, Timestamp(i64::from(*at)));
        }
        let json = serde_json::to_vec(&picture).unwrap();
        prop_assert_eq!(&serde_json::from_slice::<Picture>(&json).unwrap(), &picture);
        let written = picture.message();
        prop_assert!(Index::of(&written).is_ok());
        let mut again = Picture::default();
        for statement in statements(&written) {
            again.take(&statement, Timestamp(0));
        }
        prop_assert_eq!(again.message(), written);
    }
}

/// What was said, by the time it speaks of.
type Told = Vec<(u8, Statement)>;

/// A list with one entry for each time, in order and shuffled.
trait Shuffled: Strategy {
    fn prop_shuffle_pairs(self) -> BoxedStrategy<(Told, Told)>;
}

impl<S> Shuffled for S
where
    S: Strategy<Value = std::collections::BTreeMap<u8, (u8, Statement)>> + 'static,
{
    fn prop_shuffle_pairs(self) -> BoxedStrategy<(Told, Told)> {
        self.prop_flat_map(|all| {
            let sorted: Vec<(u8, Statement)> = all.into_iter().map(|(at, (_, statement))| (at, statement)).collect();
            (Just(sorted.clone()), Just(sorted).prop_shuffle())
        })
        .boxed()
    }
}
