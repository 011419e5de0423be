//! Space held back for the day the disk is full.
//!
//! In WAL mode a full disk refuses even updates, deletes and checkpoints, so a full store could not record what it
//! delivers. The ballast is a file of real blocks that is removed when the disk is full and laid again when there is
//! room. It holds zeroes only.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rustix::fs::{FallocateFlags, fallocate, statvfs};

use super::Error;
use crate::units::ByteCount;

/// The ballast file of one store.
#[derive(Debug)]
pub(super) struct Ballast {
    path: PathBuf,
    size: ByteCount,
}

impl Ballast {
    /// The ballast of `folder` for a store of at most `limit` bytes. Lays nothing yet.
    pub(super) fn new(folder: &Path, limit: ByteCount) -> Self {
        let size = ByteCount((limit.0 / 10).clamp(8 << 20, 128 << 20));
        Self { path: folder.join("ballast"), size }
    }

    /// Lays the ballast if it is not there and twice its size is free; tells whether it lies now.
    pub(super) fn lay(&self) -> Result<bool, Error> {
        if fs::metadata(&self.path).is_ok_and(|meta| meta.len() == self.size.0) {
            return Ok(true);
        }
        let folder = self.path.parent().unwrap_or_else(|| Path::new("."));
        if disk_free(folder)?.0 < 2 * self.size.0 {
            return Ok(false);
        }
        let draft = self.path.with_extension("new");
        let file = fs::File::create(&draft).map_err(Error::file("create", &draft))?;
        let laid = fallocate(&file, FallocateFlags::empty(), 0, self.size.0).and_then(|()| rustix::fs::fsync(&file));
        if let Err(error) = laid {
            self.remove(&draft)?;
            return match io::Error::from(error) {
                error if error.kind() == io::ErrorKind::StorageFull => Ok(false),
                error => Err(Error::file("reserve", &draft)(error)),
            };
        }
        fs::rename(&draft, &self.path).map_err(Error::file("rename", &draft))?;
        Ok(true)
    }

    /// What of `disk_free` is really free: a ballast that was given back is not there to be filled with messages.
    pub(super) fn free_beside(&self, disk_free: ByteCount) -> ByteCount {
        let lies = fs::metadata(&self.path).map_or(0, |meta| meta.len());
        ByteCount(disk_free.0.saturating_sub(self.size.0.saturating_sub(lies)))
    }

    /// Gives the space back; tells whether there was any to give.
    pub(super) fn release(&self) -> Result<bool, Error> {
        self.remove(&self.path)
    }

    fn remove(&self, path: &Path) -> Result<bool, Error> {
        match fs::remove_file(path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Error::file("remove", path)(error)),
        }
    }
}

/// Free bytes of the file system that holds `folder`.
pub(super) fn disk_free(folder: &Path) -> Result<ByteCount, Error> {
    let facts = statvfs(folder).map_err(|error| Error::file("measure", folder)(error.into()))?;
    Ok(ByteCount(facts.f_bavail.saturating_mul(facts.f_frsize)))
}
