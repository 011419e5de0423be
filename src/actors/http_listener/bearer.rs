//! The tokens that requests of a link may bear: a file or credential with one per line, so that a new one can be given out
//! before an old one goes.
//!
//! Only digests are kept. They are compared in constant time and all of them each time, so the time says nothing of how
//! much of a token was right, nor of which one it was.

use std::fs;

use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    digest::{Digest, SHA256, digest},
};
use zeroize::Zeroizing;

use crate::{credentials::credential_path, settings::SecretRef, units::limits};

/// Why a link has no tokens.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read the token: {0}")]
    Unreadable(String),
    /// A line is no token.
    #[error("{0}: expected one token of {least} to {most} visible characters on each line, and at most {TOKENS_MAX}", least = limits::BEARER_BYTES.0, most = limits::BEARER_BYTES.1)]
    Malformed(String),
}

/// The tokens of a link.
#[derive(Clone, Debug)]
pub(super) struct Tokens(Vec<Digest>);

/// Tokens that hold at once.
const TOKENS_MAX: usize = 10;

impl Tokens {
    /// Reads those that `source` names.
    pub(super) fn read(source: &SecretRef) -> Result<Self, Error> {
        let path = credential_path(source).map_err(Error::Unreadable)?;
        let shown = path.display();
        let text = fs::read(&path).map_err(|error| Error::Unreadable(format!("{shown}: {error}")))?;
        Self::parse(&Zeroizing::new(text)).ok_or_else(|| Error::Malformed(shown.to_string()))
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let (least, most) = limits::BEARER_BYTES;
        let lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
        let tokens: Vec<_> = lines.take(TOKENS_MAX + 1).collect();
        let is_token = |token: &&[u8]| (least..=most).contains(&token.len()) && token.iter().all(u8::is_ascii_graphic);
        let is_good = (1..=TOKENS_MAX).contains(&tokens.len()) && tokens.iter().all(is_token);
        is_good.then(|| Self(tokens.into_iter().map(|token| digest(&SHA256, token)).collect()))
    }

    /// Whether a token is one of them.
    pub(super) fn hold(&self, token: &[u8]) -> bool {
        let shown = digest(&SHA256, token);
        let equal = |known: &Digest| verify_slices_are_equal(known.as_ref(), shown.as_ref()).is_ok();
        self.0.iter().filter(|known| equal(known)).count() > 0
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn holds_every_token_of_the_file_and_no_other() {
        let tokens = Tokens::parse(b"the-new-token-0001\n\nthe-old-token-0001\r\n").unwrap();
        for token in ["the-new-token-0001", "the-old-token-0001"] {
            assert!(tokens.hold(token.as_bytes()));
        }
        for token in ["", "the-new-token-000", "the-new-token-00011", "the-new-token-0002", "the-new-token-0001\n"] {
            assert!(!tokens.hold(token.as_bytes()), "{token:?}");
        }
    }

    #[test]
    fn refuses_a_file_that_holds_no_tokens() {
        let many = "a-token-of-its-own\n".repeat(TOKENS_MAX + 1);
        let long = "x".repeat(limits::BEARER_BYTES.1 + 1);
        for text in ["", "\n \n", "short", "a token with blanks in it", &many, &long] {
            assert!(Tokens::parse(text.as_bytes()).is_none(), "{text}");
        }
        assert!(Tokens::read(&SecretRef::File("/nowhere".into())).is_err());
    }
}
