//! The files of a watched folder: listing, reading, and putting away what was taken.
//!
//! Everything is reached through descriptors of the folder and of its shelves `done` and `error`, and no link is followed
//! below them, so nobody who may write into the folder can lead us out of it. Only regular files are looked at. Nothing is
//! overwritten but sidecars that an attempt before this one left.
//!
//! ```text
//! in/done/NAME.ack.tmp   written, synced, renamed to NAME.ack
//! in/NAME                renamed to in/done/NAME, where that name is free; else with the time
//!                        then both folders are synced
//! ```
//!
//! A crash in between leaves the file where it was: it is taken again, its messages are known to the journal, and the same
//! acknowledgements are written again.

use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    os::fd::OwnedFd,
    path::Path,
};

use fail::fail_point;
use rustix::{
    fs::{AtFlags, Dir, FileType, Mode, OFlags, RenameFlags, Stat},
    io::Errno,
};

use crate::{
    settings::Taken,
    units::{Timestamp, limits},
    wire::folder::{Entry, Pattern, Refusal, Shelf, acknowledgements, reasons, shelved, unfinished},
};

/// A watched folder with its shelves.
#[derive(Debug)]
pub(super) struct Folder {
    files: OwnedFd,
    done: OwnedFd,
    error: OwnedFd,
}

/// Which file it is, and in which state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    inode: u64,
    size: i64,
    modified: (i64, i64),
}

/// What reading a file gave.
#[derive(Debug)]
pub(super) enum Found {
    /// All of it.
    Whole(Vec<u8>, Identity),
    /// It is not to be taken at all: its beginning, and why.
    Unfit(Vec<u8>, Refusal, Identity),
    /// It is being written, in use, or no longer there.
    Later,
}

/// What is to become of a file.
#[derive(Clone, Debug)]
pub(super) struct Ending {
    /// Its name.
    pub(super) name: Vec<u8>,
    /// The file that was read.
    pub(super) identity: Identity,
    /// Where it goes.
    pub(super) shelf: Shelf,
    /// What becomes of it there.
    pub(super) taken: Taken,
    /// When it was taken.
    pub(super) at: Timestamp,
    /// Its acknowledgements; empty where there are none.
    pub(super) acknowledgements: Vec<u8>,
    /// What is wrong with it; empty where nothing is.
    pub(super) reasons: String,
}

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
/// Names that are tried for one file.
const ATTEMPTS: u32 = 100;

impl Folder {
    /// Opens the folder, and makes its shelves where they are missing.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let files = rustix::fs::open(path, FOLDER, Mode::empty())?;
        let flags = FOLDER | OFlags::NOFOLLOW;
        let shelf = |shelf: Shelf| match rustix::fs::openat(&files, shelf.name(), flags, Mode::empty()) {
            Err(Errno::NOENT) => {
                rustix::fs::mkdirat(&files, shelf.name(), Mode::from_raw_mode(0o750))?;
                rustix::fs::openat(&files, shelf.name(), flags, Mode::empty())
            }
            opened => opened,
        };
        Ok(Self { done: shelf(Shelf::Done)?, error: shelf(Shelf::Error)?, files })
    }

    /// The regular files whose names a pattern takes, of at most [`limits::FOLDER_ENTRIES_MAX`] entries.
    pub(super) fn list(&self, pattern: &Pattern) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in Dir::read_from(&self.files)?.take(limits::FOLDER_ENTRIES_MAX) {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            let may_be_file = matches!(entry.file_type(), FileType::RegularFile | FileType::Unknown);
            if !may_be_file || !pattern.takes(name) {
                continue;
            }
            let Some(stat) = look(&self.files, name)? else { continue };
            let Identity { size, modified, .. } = Identity::of(&stat);
            entries.push(Entry { name: name.to_vec(), size: size.max(0).cast_unsigned(), modified });
        }
        Ok(entries)
    }

    /// Reads a file of at most `most` bytes, if it still is what a look saw.
    pub(super) fn read(&self, seen: &Entry, most: u64) -> io::Result<Found> {
        let name = seen.name.as_slice();
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let opened = match rustix::fs::openat(&self.files, name, flags, Mode::empty()) {
            Ok(opened) => opened,
            Err(Errno::ACCESS | Errno::PERM) => return self.unreadable(name),
            // A link in its place, or a writer on a file server that holds it.
            Err(Errno::NOENT | Errno::LOOP | Errno::BUSY | Errno::TXTBSY | Errno::NXIO) => return Ok(Found::Later),
            Err(error) => return Err(error.into()),
        };
        let stat = rustix::fs::fstat(&opened)?;
        if !is_regular(&stat) {
            return Ok(Found::Later);
        }
        let identity = Identity::of(&stat);
        let size = identity.size.max(0).cast_unsigned();
        if (size, identity.modified) != (seen.size, seen.modified) {
            return Ok(Found::Later);
        }
        let is_fit = size <= most;
        let wanted = if is_fit { size } else { HEAD_BYTES };
        let mut file = File::from(opened);
        let mut bytes = Vec::with_capacity(usize::try_from(wanted).unwrap_or(0));
        // One byte more shows that it grows.
        (&mut file).take(if is_fit { wanted + 1 } else { wanted }).read_to_end(&mut bytes)?;
        if Identity::of(&rustix::fs::fstat(&file)?) != identity || bytes.len() as u64 != wanted {
            return Ok(Found::Later);
        }
        if is_fit {
            return Ok(Found::Whole(bytes, identity));
        }
        Ok(Found::Unfit(bytes, Refusal::TooLarge { size, most }, identity))
    }

    fn unreadable(&self, name: &[u8]) -> io::Result<Found> {
        let stat = look(&self.files, name)?;
        Ok(stat.map_or(Found::Later, |stat| Found::Unfit(Vec::new(), Refusal::Unreadable, Identity::of(&stat))))
    }

    /// Writes the sidecars of a file and puts the file away. What is not the file that was read stays where it is.
    pub(super) fn end(&self, ending: &Ending) -> io::Result<()> {
        fail_point!("file-answered", |_| Ok(()));
        let shelf = match ending.shelf {
            Shelf::Done => &self.done,
            Shelf::Error => &self.error,
        };
        let name = free_name(shelf, ending)?;
        if !ending.acknowledgements.is_empty() {
            write(shelf, &acknowledgements(&name), &ending.acknowledgements)?;
        }
        if !ending.reasons.is_empty() {
            write(shelf, &reasons(&name), ending.reasons.as_bytes())?;
        }
        rustix::fs::fsync(shelf)?;
        fail_point!("file-described", |_| Ok(()));
        if is_still(&self.files, &ending.name, ending.identity)? {
            self.put_away(shelf, &name, ending)?;
        }
        fail_point!("file-moved", |_| Ok(()));
        Ok(())
    }

    fn put_away(&self, shelf: &OwnedFd, name: &[u8], ending: &Ending) -> io::Result<()> {
        rename(&self.files, &ending.name, shelf, name)?;
        // A writer that put another file under the name in this very moment: it was not taken.
        if !is_still(shelf, name, ending.identity)? {
            return rename(shelf, name, &self.files, &ending.name);
        }
        if ending.shelf == Shelf::Done && ending.taken == Taken::Delete {
            rustix::fs::unlinkat(shelf, name, AtFlags::empty())?;
        }
        rustix::fs::fsync(shelf)?;
        Ok(rustix::fs::fsync(&self.files)?)
    }
}

/// A regular file's state; `None` where there is none of that name.
fn look(folder: &OwnedFd, name: &[u8]) -> io::Result<Option<Stat>> {
    match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) if is_regular(&stat) => Ok(Some(stat)),
        Ok(_) | Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn is_still(folder: &OwnedFd, name: &[u8], identity: Identity) -> io::Result<bool> {
    Ok(look(folder, name)?.is_some_and(|stat| Identity::of(&stat) == identity))
}

/// The first name on the shelf that no file bears.
fn free_name(shelf: &OwnedFd, ending: &Ending) -> io::Result<Vec<u8>> {
    for attempt in 0..ATTEMPTS {
        let name = shelved(&ending.name, ending.at, attempt);
        match rustix::fs::statat(shelf, name.as_slice(), AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => return Ok(name),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

impl Identity {
    fn of(stat: &Stat) -> Self {
        let modified = (stat.st_mtime, i64::try_from(stat.st_mtime_nsec).unwrap_or(0));
        Self { inode: stat.st_ino, size: stat.st_size, modified }
    }
}

/// Bytes of a file that is too large which are read to answer it.
const HEAD_BYTES: u64 = limits::SKIPPED_BYTES_KEPT as u64;

fn is_regular(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
}

/// Writes a sidecar so that it is either whole or not there.
fn write(shelf: &OwnedFd, name: &[u8], bytes: &[u8]) -> io::Result<()> {
    let begun = unfinished(name);
    match rustix::fs::unlinkat(shelf, begun.as_slice(), AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(error) => return Err(error.into()),
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::openat(shelf, begun.as_slice(), flags, Mode::from_raw_mode(0o640))?);
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(rustix::fs::renameat(shelf, begun.as_slice(), shelf, name)?)
}

/// Renames without overwriting; file servers that cannot promise that are asked before.
fn rename(from: &OwnedFd, old: &[u8], to: &OwnedFd, new: &[u8]) -> io::Result<()> {
    match rustix::fs::renameat_with(from, old, to, new, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => rename_where_free(from, old, to, new),
        done => Ok(done?),
    }
}

fn rename_where_free(from: &OwnedFd, old: &[u8], to: &OwnedFd, new: &[u8]) -> io::Result<()> {
    match rustix::fs::statat(to, new, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => Ok(rustix::fs::renameat(from, old, to, new)?),
        Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests;
