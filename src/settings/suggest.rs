//! "Did you mean": the known word nearest to an unknown one.
//!
//! Distance is Damerau-Levenshtein over lower-case letters with `_`, `-` and space taken as one; at most a third
//! of the word may differ.

/// Longest word that is compared at all.
const WORD_CHARS_MAX: usize = 64;

/// Finds the nearest of `known`, if any is near.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = plain(word);
    let length = word.chars().count();
    if length > WORD_CHARS_MAX {
        return None;
    }
    let mut best = None;
    for candidate in known {
        let other = plain(candidate);
        let differs = strsim::damerau_levenshtein(&word, &other);
        let is_beginning = length >= 3 && (other.starts_with(&word) || word.starts_with(&other) && other.len() >= 3);
        if differs > (length / 3).max(1) && !is_beginning {
            continue;
        }
        if best.is_none_or(|(least, _)| differs < least) {
            best = Some((differs, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// ``did you mean `x`?``, or `otherwise`.
pub(super) fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>, otherwise: String) -> String {
    nearest(word, known).map_or(otherwise, |near| format!("did you mean `{near}`?"))
}

fn plain(word: &str) -> String {
    word.to_lowercase().replace(['_', ' '], "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_nearest_word() {
        let known = ["listen", "allow", "frame_max", "frame_timeout", "ack", "connections_max"];
        for (word, near) in [
            ("lisen", Some("listen")),
            ("Listen", Some("listen")),
            ("frame-max", Some("frame_max")),
            ("framemax", Some("frame_max")),
            ("connections", Some("connections_max")),
            ("akc", Some("ack")),
            ("colour", None),
            ("", None),
            ("x", None),
        ] {
            assert_eq!(nearest(word, known), near, "{word}");
        }
        assert_eq!(nearest(&"listen".repeat(100), known), None);
    }
}
