//! Messages cut at every place and put together again; parts in every order, twice, or not at all.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::string_slice)]

use proptest::prelude::*;

use super::*;
use crate::hl7::Index;

const BOUNDS: Bounds = Bounds { parts: 10, bytes: 1000 };

fn header(id: usize, pointer: &str) -> String {
    format!("MSH|^~\\&|LAB|GH|GW|IN|20260301||ORU^R01|{id}|P|2.5||{pointer}\r")
}

fn joined(parts: &[String]) -> String {
    let indices: Vec<Index> = parts.iter().map(|part| Index::of(part.as_bytes()).unwrap()).collect();
    let messages: Vec<_> = parts.iter().zip(&indices).map(|(part, index)| index.message(part.as_bytes())).collect();
    String::from_utf8(join(&messages)).unwrap()
}

fn place_of(text: &str) -> Option<(Option<String>, Option<String>)> {
    let index = Index::of(text.as_bytes()).unwrap();
    let own = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
    place(&index.message(text.as_bytes())).map(|place| (place.pointer.map(own), place.next.map(own)))
}

#[test]
fn knows_a_part_by_its_pointers() {
    let part = |pointer: Option<&str>, next: Option<&str>| Some((pointer.map(str::to_owned), next.map(str::to_owned)));
    let pid = "PID|1||9\r";
    for (text, expected) in [
        (header(1, "") + pid, None),
        (header(1, "") + pid + "DSC|p1|F\r", part(None, Some("p1"))),
        (header(1, "") + pid + "DSC|p1\r", part(None, Some("p1"))),
        (header(1, "") + pid + "DSC|p1|f", part(None, Some("p1"))),
        (header(2, "p1") + pid + "DSC| p2 |F\r", part(Some("p1"), Some("p2"))),
        (header(3, "p2") + pid, part(Some("p2"), None)),
        (header(3, "p2") + pid + "DSC\r", part(Some("p2"), None)),
        (header(3, "p2") + pid + "DSC|\"\"|F\r", part(Some("p2"), None)),
        (header(1, "\"\"") + pid, None),
        (header(1, "") + pid + "DSC|page 2|I\r", None),
        (header(1, "") + pid + "DSC|page 2|i\r", None),
        (header(1, "") + "DSC|p1|F\r" + pid, None),
    ] {
        assert_eq!(place_of(&text), expected, "{text}");
    }
}

#[test]
fn puts_a_cut_segment_together() {
    let first = header(1, "");
    for (parts, expected) in [
        (
            vec!["OBX|1|TX|N||a be\rADD\rDSC|p1|F\r", "ADD|ginning\rNTE|1||the end\r"],
            "OBX|1|TX|N||a beginning\rNTE|1||the end\r",
        ),
        (vec!["OBX|1\rDSC|p1|F\r", "OBX|2\rDSC|p2|F\r", "OBX|3\r"], "OBX|1\rOBX|2\rOBX|3\r"),
        (vec!["OBX|1|\rADD|a|b\rADD|c\r\nDSC|p1|F\r\n", "ADD|d\nOBX|2"], "OBX|1|a|bcd\nOBX|2"),
        (vec!["OBX|1|a\rADD\rDSC|p1|F\r", "OBX|2\r"], "OBX|1|a\rOBX|2\r"),
        (vec!["OBX|1|a\rADD|\rADD|b", "OBX|2\r"], "OBX|1|ab\rOBX|2\r"),
        (vec!["OBX|1|a\r", "DSC|p2|F\r", "ADD|b\rDSC\r"], "OBX|1|ab\r"),
        (vec!["DSC|p1|F\r", "ADD|UNICODE\r"], ""),
    ] {
        let headers = (1..).map(|id| header(id, if id > 1 { "p" } else { "" }));
        let parts: Vec<String> = headers.zip(&parts).map(|(header, rest)| header + rest).collect();
        let expected = if expected.is_empty() {
            first.replace("p\r", "").trim_end().to_owned() + "UNICODE\r"
        } else {
            first.clone() + expected
        };
        assert_eq!(joined(&parts), expected, "{parts:?}");
    }
}

#[test]
fn unfolds_a_message_that_is_whole() {
    let text = header(1, "") + "OBX|1|TX|N||one \rADD|two \rADD|three|F\rDSC|page 2|I\r";
    let index = Index::of(text.as_bytes()).unwrap();
    let expected = header(1, "") + "OBX|1|TX|N||one two three|F\rDSC|page 2|I\r";
    assert_eq!(unfold(&index.message(text.as_bytes())), expected.as_bytes());
    assert_eq!(index.findings().addenda, 2);
}

fn part(pointer: u8, next: u8, body: i64) -> Part {
    let some = |number: u8| (number > 0).then_some(i64::from(number));
    Part { pointer: some(pointer), next: some(next), body, bytes: 100 }
}

fn complete(order: &[usize], copies: &[usize]) -> Chain {
    Chain::Complete { order: order.to_vec(), copies: copies.to_vec() }
}

#[test]
fn finds_the_parts_of_a_message() {
    let (first, second, third) = (part(0, 1, 10), part(1, 2, 20), part(2, 0, 30));
    for (parts, of, expected) in [
        (vec![first, second, third], 2, complete(&[0, 1, 2], &[])),
        (vec![third, second, first], 2, complete(&[2, 1, 0], &[])),
        (vec![first, third, second], 2, complete(&[0, 2, 1], &[])),
        (vec![first], 0, Chain::Open),
        (vec![first, second], 1, Chain::Open),
        (vec![first, third], 1, Chain::Open),
        (vec![second, third], 1, Chain::Open),
        // Copies under another MSH-10: the oldest counts.
        (vec![first, first, second, third], 3, complete(&[0, 2, 3], &[1])),
        (vec![first, second, third, second], 3, complete(&[0, 1, 2], &[3])),
        // Other messages are left alone.
        (vec![part(0, 7, 1), first, part(8, 0, 2), second, third], 4, complete(&[1, 3, 4], &[])),
        // Who claims a place that is taken.
        (vec![first, second, part(1, 2, 21), third], 3, Chain::Ambiguous),
        (vec![first, second, part(1, 3, 20), third], 3, Chain::Ambiguous),
        (vec![first, part(0, 1, 11), second, third], 3, Chain::Ambiguous),
        (vec![first, part(1, 0, 40), part(1, 0, 41)], 2, Chain::Ambiguous),
        // Circles.
        (vec![part(1, 1, 1)], 0, Chain::Ambiguous),
        (vec![part(2, 1, 1), part(1, 2, 2)], 0, Chain::Ambiguous),
        (vec![first, part(1, 2, 20), part(2, 1, 30)], 1, Chain::Ambiguous),
        (vec![], 0, Chain::Open),
    ] {
        assert_eq!(chain(&parts, of, BOUNDS), expected, "{parts:?} {of}");
    }
}

#[test]
fn stops_at_its_bounds() {
    let of = |count: u8| -> Vec<Part> { (0..count).map(|n| part(n, (n + 1) % count, i64::from(n))).collect() };
    assert_eq!(chain(&of(10), 9, BOUNDS), complete(&(0..10).collect::<Vec<_>>(), &[]));
    assert_eq!(chain(&of(11), 10, Bounds { bytes: 5000, ..BOUNDS }), Chain::TooLong);
    assert_eq!(chain(&of(10), 0, Bounds { bytes: 999, ..BOUNDS }), Chain::TooLong);
}

/// A message cut behind its header, at the places given: inside a segment with ADD, between segments without.
fn cut(header_of: impl Fn(usize, &str) -> String, rest: &str, mut cuts: Vec<usize>) -> Vec<String> {
    cuts.retain(|at| *at < rest.len() && rest.is_char_boundary(*at));
    cuts.sort_unstable();
    cuts.dedup();
    cuts.push(rest.len());
    let mut parts = Vec::new();
    let mut from = 0;
    for (at, to) in cuts.iter().enumerate() {
        let mut text = header_of(at, &if at == 0 { String::new() } else { format!("p{at}") });
        let is_inside = |place: usize| place > 0 && !rest[..place].ends_with('\r');
        if is_inside(from) {
            text.push_str("ADD|");
        }
        text.push_str(&rest[from..*to]);
        if *to < rest.len() {
            if is_inside(*to) {
                text.push_str("\rADD\r");
            }
            text.push_str(&format!("DSC|p{}|F\r", at + 1));
        }
        parts.push(text);
        from = *to;
    }
    parts
}

fn any_part() -> impl Strategy<Value = Part> {
    let is_part = |(pointer, next, _): &(u8, u8, i64)| pointer + next > 0;
    (0_u8..5, 0_u8..5, 0_i64..2)
        .prop_filter("a part", is_part)
        .prop_map(|(pointer, next, body)| part(pointer, next, body))
}

proptest! {
    #[test]
    fn gives_the_message_that_was_cut(
        segments in prop::collection::vec("[A-Z]{2}[A-Z1-9](\\|[a-zA-Z0-9^~&äöü]{0,9}){0,8}", 1..12),
        cuts in prop::collection::vec(0_usize..400, 0..8),
    ) {
        prop_assume!(!segments.iter().any(|segment| ["ADD", "DSC", "MSH"].iter().any(|name| segment.starts_with(name))));
        let rest = segments.join("\r") + "\r";
        let parts = cut(header, &rest, cuts);
        prop_assert_eq!(joined(&parts), header(0, "") + &rest);
        let places: Vec<_> = parts.iter().map(|part| place_of(part)).collect();
        if parts.len() == 1 {
            prop_assert_eq!(&places[0], &None);
        } else {
            for pair in places.windows(2) {
                prop_assert_eq!(&pair[0].as_ref().unwrap().1, &pair[1].as_ref().unwrap().0);
            }
        }
    }

    /// Whatever comes, the walk ends, and what it finds is one chain from a first part to a last one.
    #[test]
    fn never_puts_together_what_does_not_meet(
        parts in prop::collection::vec(any_part(), 1..9),
    ) {
        for of in 0..parts.len() {
            let Chain::Complete { order, copies } = chain(&parts, of, BOUNDS) else { continue };
            prop_assert_eq!(parts[order[0]].pointer, None);
            prop_assert_eq!(parts[*order.last().unwrap()].next, None);
            for pair in order.windows(2) {
                prop_assert_eq!(parts[pair[0]].next, parts[pair[1]].pointer);
                prop_assert!(parts[pair[0]].next.is_some());
            }
            prop_assert!(order.contains(&of) || copies.contains(&of));
            let rivals = (0..parts.len()).filter(|at| !order.contains(at) && !copies.contains(at));
            for rival in rivals {
                prop_assert!(!order.iter().any(|own| parts[rival].meets(&parts[*own])));
            }
        }
    }
}
