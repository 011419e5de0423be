//! Looks for the names and numbers of patients in files, byte by byte.
//!
//! What is looked for: family names, and the record and visit numbers up to their last four digits, so that one search
//! finds a thousand patients. A search that finds nothing proves something only if it can find: the same search must
//! find all of them in what was sent.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use crate::sim::ehr::Generated;

/// Shortest text that is looked for: a shorter one could stand in random bytes by chance.
const NEEDLE_BYTES_MIN: usize = 6;
/// Digits of a number that are left out.
const DIGITS: usize = 4;
/// Files of a folder, folders in it included, that are looked at.
const FILES_MAX: usize = 10_000;

/// What is looked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Needles(BTreeSet<Vec<u8>>);

/// What a search saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Scan {
    /// Files, or other texts.
    pub(super) files: usize,
    /// Their bytes.
    pub(super) bytes: u64,
    /// Different things that were found.
    pub(super) found: BTreeSet<Vec<u8>>,
}

impl Needles {
    /// Adds what a message says of its patient.
    pub(super) fn add(&mut self, message: &Generated) {
        let name = field(&message.bytes, b"PID", 5).and_then(|name| name.split(|byte| *byte == b'^').next());
        let visit = field(&message.bytes, b"PV1", 19);
        let stem = |number: &[u8]| number.get(..number.len().saturating_sub(DIGITS)).map(<[u8]>::to_vec);
        let numbers = [Some(message.patient_key.as_bytes()), visit].into_iter().flatten().filter_map(stem);
        self.0.extend(numbers.chain(name.map(<[u8]>::to_vec)).filter(|needle| needle.len() >= NEEDLE_BYTES_MIN));
    }

    /// How many.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Looks into a text.
    pub(super) fn look(&self, text: &[u8], scan: &mut Scan) {
        scan.files += 1;
        scan.bytes += text.len() as u64;
        let firsts: BTreeSet<u8> = self.0.iter().filter_map(|needle| needle.first().copied()).collect();
        for first in firsts {
            for place in memchr::memchr_iter(first, text) {
                let Some(rest) = text.get(place..) else { continue };
                scan.found.extend(self.0.iter().filter(|needle| rest.starts_with(needle)).cloned());
            }
        }
    }

    /// Looks into every file of a folder.
    pub(super) fn look_into(&self, folder: &Path, scan: &mut Scan) -> io::Result<()> {
        for file in files(folder)? {
            self.look(&fs::read(file)?, scan);
        }
        Ok(())
    }
}

impl Scan {
    /// What was looked for and not found.
    pub(super) fn missing(&self, needles: &Needles) -> usize {
        needles.0.difference(&self.found).count()
    }
}

/// Copies a folder of files over what an earlier copy left; sockets and the like are passed over.
pub(super) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for file in files(from)? {
        if let Some(name) = file.file_name() {
            fs::copy(&file, to.join(name))?;
        }
    }
    Ok(())
}

/// The files in a folder, at most [`FILES_MAX`].
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)?.take(FILES_MAX) {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

/// A field of the first segment of this name; the simulated EHR separates fields by `|`.
pub(super) fn field<'a>(message: &'a [u8], segment: &[u8], number: usize) -> Option<&'a [u8]> {
    let is_end = |byte: &u8| *byte == b'\r' || *byte == b'\n';
    let found = message.split(is_end).find(|found| found.starts_with(segment))?;
    // MSH-1 is the separator itself.
    let number = if segment == b"MSH" { number.checked_sub(1)? } else { number };
    found.split(|byte| *byte == b'|').nth(number).filter(|field| !field.is_empty())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::sim::ehr::{Generator, Profile};

    fn needles() -> (Needles, Vec<Vec<u8>>) {
        let mut generator = Generator::new(1, Profile { link: "EHR0".into(), ..Profile::default() });
        let mut needles = Needles::default();
        let mut messages = Vec::new();
        for _ in 0..50 {
            let message = generator.next();
            needles.add(&message);
            messages.push(message.bytes);
        }
        (needles, messages)
    }

    #[test]
    fn finds_everything_in_what_was_sent() {
        let (needles, messages) = needles();
        let mut scan = Scan::default();
        messages.iter().for_each(|message| needles.look(message, &mut scan));
        assert!(needles.len() > 10);
        assert_eq!((scan.missing(&needles), scan.files), (0, 50));
    }

    #[test]
    fn finds_one_name_at_the_end_of_a_file_and_none_in_others() {
        let (needles, messages) = needles();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), vec![b'Z'; 70_000]).unwrap();
        let mut scan = Scan::default();
        needles.look_into(folder.path(), &mut scan).unwrap();
        assert_eq!(scan, Scan { files: 1, bytes: 70_000, found: BTreeSet::new() });

        let name = field(messages.first().unwrap(), b"PID", 5).unwrap().split(|byte| *byte == b'^').next().unwrap();
        fs::write(folder.path().join("b"), [&[0; 4000], name].concat()).unwrap();
        needles.look_into(folder.path(), &mut scan).unwrap();
        assert_eq!(scan.found, BTreeSet::from([name.to_vec()]));
    }
}
