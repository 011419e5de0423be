//! Reads the text that `/metrics` answers (Prometheus text format 0.0.4), as far as the demo needs it.

/// The sum of a metric's series that bear all of these labels; `None` where no series does.
pub(super) fn sum(text: &str, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let values = text.lines().filter_map(|line| value(line, name, labels));
    values.fold(None, |sum, value| Some(sum.unwrap_or(0.0) + value))
}

/// As [`sum`], for counts that must be whole; `None` where there is no series.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped; counts are far below 2^53")]
pub(super) fn count(text: &str, name: &str, labels: &[(&str, &str)]) -> Option<u64> {
    sum(text, name, labels).map(|sum| sum.clamp(0.0, 9e15) as u64)
}

fn value(line: &str, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let rest = line.strip_prefix(name)?;
    let (of, value) = match rest.strip_prefix('{') {
        Some(rest) => rest.rsplit_once("} ")?,
        None => ("", rest.strip_prefix(' ')?),
    };
    let bears = |(label, value): &(&str, &str)| {
        let wanted = format!("{label}=\"{value}\"");
        of.split(',').any(|found| found == wanted)
    };
    if labels.iter().all(bears) { value.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# HELP q Waiting.\n# TYPE q gauge\nq{destination=\"a\",priority=\"stat\"} 2\n\
        q{destination=\"a\",priority=\"routine\"} 3\nq{destination=\"b\",priority=\"stat\"} 40\nq_old 7\nalone 1.5\n";

    #[test]
    fn sums_the_series_that_bear_the_labels() {
        assert_eq!(count(TEXT, "q", &[]), Some(45));
        assert_eq!(count(TEXT, "q", &[("destination", "a")]), Some(5));
        assert_eq!(count(TEXT, "q", &[("destination", "a"), ("priority", "stat")]), Some(2));
        assert_eq!(sum(TEXT, "alone", &[]), Some(1.5));
    }

    #[test]
    fn tells_zero_from_nothing() {
        assert_eq!(count(TEXT, "q", &[("destination", "c")]), None);
        assert_eq!(count(TEXT, "missing", &[]), None);
        assert_eq!(count("q 0\n", "q", &[]), Some(0));
    }
}
