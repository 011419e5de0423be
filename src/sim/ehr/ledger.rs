//! What a sender was told is safe: the control ids of every positive acknowledgement, in the order of their arrival.
//!
//! Append-only. What stands here must be found downstream, once; that is the promise that tests hold the gateway to.
//! Bound: 4 million ids in memory, beyond it only the file and the count go on. A file has one id per line.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
};

/// Control ids kept in memory.
const LEDGER_MAX: usize = 4_000_000;

/// The control ids that were positively acknowledged.
#[derive(Debug, Default)]
pub struct Ledger {
    ids: Vec<Box<str>>,
    count: u64,
    file: Option<BufWriter<File>>,
}

impl Ledger {
    /// Opens a ledger that is also written to a file, behind what the file holds.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::options().create(true).append(true).open(path)?;
        Ok(Self { ids: Vec::new(), count: 0, file: Some(BufWriter::new(file)) })
    }

    /// Enters one acknowledged control id.
    pub fn enter(&mut self, control_id: &str) -> io::Result<()> {
        self.count += 1;
        if self.ids.len() < LEDGER_MAX {
            self.ids.push(control_id.into());
        }
        match &mut self.file {
            Some(file) => writeln!(file, "{control_id}"),
            None => Ok(()),
        }
    }

    /// Writes out what is still buffered.
    pub fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), BufWriter::flush)
    }

    /// The ids in memory, oldest first.
    pub fn ids(&self) -> impl ExactSizeIterator<Item = &str> {
        self.ids.iter().map(AsRef::as_ref)
    }

    /// How many were entered.
    pub const fn count(&self) -> u64 {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appends_to_what_the_file_holds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        for id in ["A1", "A2"] {
            let mut ledger = Ledger::open(&path).unwrap();
            ledger.enter(id).unwrap();
            ledger.flush().unwrap();
            assert_eq!(ledger.count(), 1);
            assert_eq!(ledger.ids().collect::<Vec<_>>(), [id]);
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), "A1\nA2\n");
    }
}
