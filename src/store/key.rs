//! Reading and making the store key: 256 random bits, written as 64 hexadecimal digits.
//!
//! The key stands in a file or a systemd credential, never in the configuration (INV-10). It is given to SQLCipher raw,
//! without a passphrase derivation, and wiped from memory when dropped.

use std::{fs, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path};

use aws_lc_rs::{hmac, rand};
use zeroize::Zeroizing;

use super::Error;
use crate::{credentials::credential_path, phi::Secret, settings::SecretRef};

/// A store key.
#[derive(Clone, Debug)]
pub struct StoreKey(Secret<[u8; 32]>);

impl StoreKey {
    /// Draws a new key.
    pub fn random() -> Result<Self, Error> {
        let mut bytes = [0; 32];
        rand::fill(&mut bytes).map_err(|_| Error::KeyUnreadable("the system has no randomness".to_owned()))?;
        Ok(Self(Secret::new(bytes)))
    }

    /// Reads the key that `source` names.
    pub fn read(source: &SecretRef) -> Result<Self, Error> {
        let path = credential_path(source).map_err(Error::KeyUnreadable)?;
        let text = fs::read(&path).map_err(|source| Error::KeyUnreadable(format!("{}: {source}", path.display())))?;
        Self::parse(&Zeroizing::new(text)).ok_or_else(|| {
            Error::KeyUnreadable(format!(
                "{}: expected 64 hexadecimal digits; `gurney keys new PATH` makes such a file",
                path.display()
            ))
        })
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let digits = text.trim_ascii();
        if digits.len() != 64 {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(Secret::new(bytes)))
    }

    /// Writes the key to a new file that only its owner may read. An existing file is never replaced.
    pub fn write_new(&self, path: &Path) -> Result<(), Error> {
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(Error::file("create", path))?;
        let mut text = self.hex();
        text.push('\n');
        file.write_all(text.as_bytes()).map_err(Error::file("write", path))?;
        file.sync_all().map_err(Error::file("sync", path))
    }

    fn hex(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(65));
        for byte in self.0.reveal() {
            for digit in [byte >> 4, byte & 15] {
                text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
            }
        }
        text
    }

    /// The value of SQLCipher's `PRAGMA key` for a raw key.
    pub(super) fn pragma(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("x'{}'", *self.hex()))
    }

    /// A keyed hash: proves that two keys are equal without telling either, and seals the audit chain.
    pub(super) fn seal(&self, message: &[u8]) -> [u8; 32] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.0.reveal());
        let tag = hmac::sign(&key, message);
        let mut seal = [0; 32];
        for (to, from) in seal.iter_mut().zip(tag.as_ref()) {
            *to = *from;
        }
        seal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_it_wrote_and_replaces_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.key");
        let key = StoreKey::random().unwrap();
        key.write_new(&path).unwrap();
        assert!(!crate::credentials::is_shared(&path));
        let again = StoreKey::read(&SecretRef::File(path.clone())).unwrap();
        assert_eq!(key.hex(), again.hex());
        assert!(key.write_new(&path).is_err());
    }

    #[test]
    fn refuses_a_key_of_another_form() {
        for text in ["", "abc", &"g".repeat(64), &"a".repeat(63), &"a".repeat(65)] {
            assert!(StoreKey::parse(text.as_bytes()).is_none(), "{text}");
        }
    }
}
