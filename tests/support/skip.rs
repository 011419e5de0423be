//! Loud skips: a fault that this machine cannot inject is named, and the checks take it for a failure.

use std::{env, io::Write as _};

/// Says that a test was skipped and why. With `CI=true` that is a failure, unless `GURNEY_CI_ALLOW_SKIPS=1`.
pub(crate) fn skipped(test: &str, why: &str) {
    let is_set = |name: &str, value: &str| env::var_os(name).is_some_and(|found| found == value);
    let line = format!("skipped: {test}: {why}");
    assert!(!is_set("CI", "true") || is_set("GURNEY_CI_ALLOW_SKIPS", "1"), "{line}");
    // Past the test harness, which keeps the output of a test that passes to itself; `.ci/run` looks for the line.
    writeln!(std::io::stderr().lock(), "{line}").expect("standard error takes a line");
}
