//! Wrappers that make patient data and secrets unprintable.
//!
//! A value inside [`Phi`] or [`Secret`] can be compared and read on purpose, but never by a stray `{:?}` in a
//! log line (INV-05). Neither type implements `Display` or `Serialize`. Does not encrypt anything.

use std::fmt;

use zeroize::{Zeroize, Zeroizing};

/// Patient data: prints as `<phi>` whatever the format.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Phi<T>(T);

impl<T> Phi<T> {
    /// Wraps `value`.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// Gives the value to code that stores, sends or maps it. Never pass the result to a log or an error.
    pub const fn reveal(&self) -> &T {
        &self.0
    }

    /// Takes the value out.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> fmt::Debug for Phi<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<phi>")
    }
}

/// A key, password or token: wiped from memory when dropped, prints as `<secret>`.
#[derive(Clone)]
pub struct Secret<T: Zeroize>(Zeroizing<T>);

impl<T: Zeroize> Secret<T> {
    /// Wraps `value`.
    pub fn new(value: T) -> Self {
        Self(Zeroizing::new(value))
    }

    /// Gives the value to the code that uses it.
    pub fn reveal(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_neither_patient_data_nor_secrets() {
        assert_eq!(format!("{:?}", Phi::new("DOE^JANE")), "<phi>");
        assert_eq!(format!("{:#?}", Some(Phi::new(7))), "Some(\n    <phi>,\n)");
        assert_eq!(format!("{:?}", Secret::new(String::from("hunter2"))), "<secret>");
    }
}
