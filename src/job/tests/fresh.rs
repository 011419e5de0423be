//! How old an ask may be.

use super::{
    freshness::{Allowed, Class, Window, allows},
    *,
};

#[test]
fn a_wish_is_allowed_by_its_age_and_its_window() {
    use Allowed::{Go, GoFlagged, Release, Report};
    let (ahead, past, unknown) = (Window::Ahead, Window::Past, Window::Unknown);
    let table = [
        (0, ahead, Class::F0, Go),
        (15 * MINUTE, past, Class::F0, Go),
        (15 * MINUTE + 1, ahead, Class::F1, GoFlagged),
        (15 * MINUTE + 1, past, Class::F1, Release),
        (2 * HOUR, ahead, Class::F1, GoFlagged),
        (2 * HOUR, unknown, Class::F1, Release),
        (2 * HOUR + 1, ahead, Class::F2, Release),
        (24 * HOUR, ahead, Class::F2, Release),
        (24 * HOUR + 1, ahead, Class::F3, Report),
        (-HOUR, unknown, Class::F0, Go),
    ];
    for (age, window, class, allowed) in table {
        for wish in [Ask::Plan(Content::Changed), Ask::Request(Content::Changed), Ask::Change(Content::Changed)] {
            let now = Timestamp(TEN);
            let is = allows(&wish, None, Timestamp(TEN - age), now, window, &Policy::default());
            assert_eq!(is, (class, allowed), "{wish:?} {age} ms old, {window:?}");
        }
    }
}

#[test]
fn cancels_holds_merges_and_news_are_never_blocked() {
    let week = Timestamp(TEN - 7 * 24 * HOUR);
    let go = |what: Ask, known: Option<&Job>| {
        allows(&what, known, week, Timestamp(TEN), Window::Past, &Policy::default()).1 == Allowed::Go
    };
    for free in [
        Ask::Cancel(Why::Requester),
        Ask::Hold(Reason::Leave),
        Ask::Resume(Reason::Leave),
        Ask::Merge,
        Ask::Move(GroupId(derive("test-visit", &[b"2"]))),
        Ask::Split,
        Ask::Update,
        Ask::Discharged(Content::Changed),
    ] {
        assert!(go(free, None) && go(free, Some(&requested())), "{free:?}");
    }
    assert!(go(Ask::Change(Content::Changed), Some(&requested())), "a change of what is wanted already");
    assert!(go(Ask::Plan(Content::Changed), Some(&planned())));
    assert!(!go(Ask::Request(Content::Changed), Some(&planned())), "a wish for what was only planned");
    let tombstone = must_ask(None, Ask::Cancel(Why::Requester), at(0)).job;
    assert!(!go(Ask::Plan(Content::Changed), Some(&tombstone)));
}

#[test]
fn a_window_lies_ahead_until_its_end() {
    let now = Timestamp(TEN);
    assert_eq!(Window::ending(Some(Timestamp(TEN + 1)), now), Window::Ahead);
    assert_eq!(Window::ending(Some(now), now), Window::Past);
    assert_eq!(Window::ending(None, now), Window::Unknown);
}

#[test]
fn what_is_not_fresh_is_noticed() {
    assert_eq!(Allowed::Go.finding(), None);
    for late in [Allowed::GoFlagged, Allowed::Release, Allowed::Report] {
        assert_eq!(late.finding(), Some(Finding::Stale));
    }
}
