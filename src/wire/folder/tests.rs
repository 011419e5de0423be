//! Which files are taken, in what order, and what is said of them.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

fn pattern(text: &str) -> Pattern {
    Pattern::new(text).unwrap()
}

#[test]
fn matches_names_by_stars_and_marks() {
    for (text, name, expected) in [
        ("*.hl7", "a.hl7", true),
        ("*.hl7", ".hl7", true),
        ("*.hl7", "A.HL7", true),
        ("*.hl7", "a.hl7.bak", false),
        ("*.hl7", "ahl7", false),
        ("*", "anything", true),
        ("adt-??.txt", "adt-17.txt", true),
        ("adt-??.txt", "adt-7.txt", false),
        ("a*b*c", "aXbXbYc", true),
        ("a*b*c", "aXbX", false),
        ("**x", "x", true),
        ("?", "", false),
    ] {
        assert_eq!(pattern(text).matches(name.as_bytes()), expected, "{text} {name}");
    }
}

#[test]
fn refuses_patterns_that_leave_the_folder_or_match_nothing() {
    for text in ["", "in/*.hl7", "../*", ".*", ".hidden", "a b", "a\n", &"x".repeat(101)] {
        assert_eq!(Pattern::new(text), None, "{text:?}");
    }
}

#[test]
fn leaves_what_is_hidden_unfinished_or_ours() {
    let all = pattern("*");
    for (name, expected) in [
        ("adt.hl7", true),
        ("adt", true),
        (".adt.hl7", false),
        ("adt.hl7.tmp", false),
        ("ADT.TMP", false),
        ("adt.part", false),
        ("adt.hl7.ack", false),
        ("adt.hl7.err", false),
        ("tmp", true),
    ] {
        assert_eq!(all.takes(name.as_bytes()), expected, "{name}");
    }
    assert!(all.takes(&[b'x'; NAME_BYTES_MAX]));
    assert!(!all.takes(&[b'x'; NAME_BYTES_MAX + 1]));
}

fn entry(name: &str, size: u64, modified: i64) -> Entry {
    Entry { name: name.as_bytes().to_vec(), size, modified: (modified, 0) }
}

fn names(entries: &[Entry]) -> Vec<&str> {
    entries.iter().map(|entry| std::str::from_utf8(&entry.name).unwrap()).collect()
}

const SETTLE: Duration = Duration::from_secs(2);

#[test]
fn takes_files_in_order_of_time_then_name() {
    let mut chooser = Chooser::new(Order::Time, Duration::ZERO);
    let files = vec![entry("c", 1, 5), entry("b", 1, 9), entry("a", 1, 9), entry("empty", 0, 1)];
    assert_eq!(names(&chooser.choose(Timestamp(0), files)), ["c", "a", "b"]);
}

#[test]
fn takes_files_in_order_of_name() {
    let mut chooser = Chooser::new(Order::Name, Duration::ZERO);
    let files = vec![entry("2", 1, 1), entry("10", 1, 2), entry("1", 1, 3)];
    assert_eq!(names(&chooser.choose(Timestamp(0), files)), ["1", "10", "2"]);
}

#[test]
fn waits_until_a_file_has_stayed_the_same() {
    let mut chooser = Chooser::new(Order::Time, SETTLE);
    let mut at = |millis, size| chooser.choose(Timestamp(millis), vec![entry("a", size, 1)]).len();
    assert_eq!([at(0, 10), at(1000, 20), at(2000, 20), at(2999, 20), at(3000, 20)], [0, 0, 0, 0, 1]);
}

#[test]
fn forgets_a_file_that_went_away() {
    let mut chooser = Chooser::new(Order::Time, SETTLE);
    assert!(chooser.choose(Timestamp(0), vec![entry("a", 1, 1)]).is_empty());
    assert!(chooser.choose(Timestamp(1000), Vec::new()).is_empty());
    assert!(!chooser.is_waiting());
    assert!(chooser.choose(Timestamp(2000), vec![entry("a", 1, 1)]).is_empty());
    assert_eq!(chooser.choose(Timestamp(4000), vec![entry("a", 1, 1)]).len(), 1);
}

#[test]
fn lets_no_file_overtake_one_that_is_not_complete() {
    let mut chooser = Chooser::new(Order::Name, SETTLE);
    let files = |size| vec![entry("1", 1, 1), entry("2", size, 1), entry("3", 1, 1)];
    chooser.choose(Timestamp(0), files(1));
    assert_eq!(names(&chooser.choose(Timestamp(2000), files(2))), ["1"]);
    assert_eq!(names(&chooser.choose(Timestamp(4000), files(2))), ["1", "2", "3"]);
}

#[test]
fn finds_further_names_for_a_file_whose_own_is_taken() {
    let tried: Vec<_> = (0..3).map(|attempt| shelved(b"a.hl7", Timestamp(17), attempt)).collect();
    assert_eq!(tried, [b"a.hl7".to_vec(), b"a.hl7.17".to_vec(), b"a.hl7.17-2".to_vec()]);
    let longest = shelved(&[b'x'; NAME_BYTES_MAX], Timestamp(i64::MAX), u32::MAX);
    assert!(unfinished(&acknowledgements(&longest)).len() <= 255);
}

#[test]
fn says_what_is_wrong_with_a_file() {
    for (refusal, expected) in [
        (Refusal::TooLarge { size: 20, most: 10 }, "not taken: 20 bytes, and this link takes 10 (frame_max)\n"),
        (Refusal::NoMessage, "not taken: there is no HL7 version 2 message in it (no segment MSH)\n"),
        (
            Refusal::Answered(vec![Answer {
                number: 2,
                code: "AE",
                text: "required field missing at PID-3".to_owned(),
            }]),
            "refused: 1 of the acknowledgements beside this file\n\
             acknowledgement 2: AE required field missing at PID-3\n",
        ),
    ] {
        assert_eq!(refusal.describe(), expected);
    }
    let many = vec![Answer { number: 1, code: "AR", text: String::new() }; DESCRIBED_MAX + 7];
    assert!(Refusal::Answered(many).describe().ends_with("and 7 more\n"));
}

/// The obvious matcher, which may try every length of every star.
fn slow(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => slow(rest, name) || (!name.is_empty() && slow(pattern, &name[1..])),
        (Some((b'?', rest)), Some((_, name))) => slow(rest, name),
        (Some((wanted, rest)), Some((byte, name))) => wanted.eq_ignore_ascii_case(byte) && slow(rest, name),
        _ => false,
    }
}

proptest! {
    #[test]
    fn matches_as_the_obvious_matcher_does(text in "[ab*?]{1,8}", name in "[abAB]{0,8}") {
        prop_assert_eq!(pattern(&text).matches(name.as_bytes()), slow(text.as_bytes(), name.as_bytes()));
    }

    /// Whatever comes and goes, what is taken has been the same for the settle time.
    #[test]
    fn takes_only_what_has_settled(scans in prop::collection::vec((0i64..1500, prop::collection::vec((0u8..4, 0u64..3, 0i64..3), 0..6)), 1..30)) {
        let mut chooser = Chooser::new(Order::Time, SETTLE);
        let mut now = 0;
        let mut since: HashMap<String, (u64, i64, i64)> = HashMap::new();
        for (pause, files) in scans {
            now += pause;
            let files: HashMap<String, (u64, i64)> = files.into_iter().map(|(name, size, at)| (format!("f{name}"), (size, at))).collect();
            since.retain(|name, (size, at, _)| files.get(name) == Some(&(*size, *at)));
            for (name, (size, at)) in &files {
                since.entry(name.clone()).or_insert((*size, *at, now));
            }
            let entries = files.iter().map(|(name, (size, at))| entry(name, *size, *at)).collect();
            for taken in chooser.choose(Timestamp(now), entries) {
                let (.., begun) = since[std::str::from_utf8(&taken.name).unwrap()];
                prop_assert!(now - begun >= 2000);
            }
        }
    }
}
