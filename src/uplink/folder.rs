//! Deliveries as files in a folder, for systems that pick them up.
//!
//! ```text
//! everything-4711.hl7.tmp   being written, then synced
//! everything-4711.hl7       complete: renamed, and the folder synced
//! ```
//!
//! A file is named by its flow and the number of its message in our journal, and by nothing from the message. A file
//! that is there with the same bytes is the same delivery, so a repeat has no second effect; where other bytes bear the
//! name (another box, or a store that was made anew), the delivery's key is added to it. Nothing is ever overwritten.
//! What a reader has taken away before the delivery was recorded comes again, under the same name. Files are not
//! encrypted; the folder is to be where only its reader looks. Mode 0640.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{Content, Delivery, Reply};
use crate::settings::FolderTarget;

/// The client of one folder.
#[derive(Clone, Debug)]
pub struct FolderClient {
    folder: Arc<Path>,
    suffix: Option<Arc<str>>,
}

impl FolderClient {
    /// Makes the client of a folder.
    pub fn new(target: &FolderTarget) -> Self {
        Self { folder: target.path.as_path().into(), suffix: target.suffix.as_deref().map(Into::into) }
    }

    /// Puts a delivery into the folder.
    pub async fn put(&self, delivery: Delivery) -> Reply {
        let suffix = self.suffix.clone().unwrap_or_else(|| suffix_of(delivery.content).into());
        let Delivery { name, key, body, .. } = delivery;
        let names = [format!("{name}.{suffix}"), format!("{name}-{key}.{suffix}")];
        let folder = Arc::clone(&self.folder);
        let placed = tokio::task::spawn_blocking(move || place(&folder, &names, &body)).await;
        match placed {
            Ok(Ok(Placed::Filed)) => Reply::Filed,
            Ok(Ok(Placed::Taken)) => Reply::Unfit { why: "both of its names are taken by files of other content" },
            Ok(Err(_)) | Err(_) => Reply::NotFiled,
        }
    }
}

const fn suffix_of(content: Content) -> &'static str {
    match content {
        Content::Hl7 => "hl7",
        Content::Fhir => "json",
        Content::Lis02 => "lis02",
        Content::Text => "txt",
    }
}

/// Where a file ended.
#[derive(Debug, PartialEq, Eq)]
enum Placed {
    /// In its place, durable.
    Filed,
    /// Nowhere: its names are taken.
    Taken,
}

/// Puts `body` under the first name that is free or holds it already.
fn place(folder: &Path, names: &[String], body: &[u8]) -> io::Result<Placed> {
    for name in names {
        let path = folder.join(name);
        if !holds(&path, body)? {
            if path.try_exists()? {
                continue;
            }
            write(&path, body)?;
        }
        // A file found here may be of an attempt that ended before this.
        File::open(folder)?.sync_all()?;
        return Ok(Placed::Filed);
    }
    Ok(Placed::Taken)
}

/// Whether there is a file with these bytes.
fn holds(path: &Path, body: &[u8]) -> io::Result<bool> {
    match fs::metadata(path) {
        Ok(meta) if meta.len() == body.len() as u64 => Ok(fs::read(path)? == body),
        Ok(_) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn write(path: &Path, body: &[u8]) -> io::Result<()> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".tmp");
    let unfinished = PathBuf::from(unfinished);
    let written = || {
        let mut file = File::options().create(true).write(true).truncate(true).mode(0o640).open(&unfinished)?;
        file.write_all(body)?;
        file.sync_all()?;
        fs::rename(&unfinished, path)
    };
    written().inspect_err(|_| {
        // Room for others; where even this fails, the next attempt writes over it.
        fs::remove_file(&unfinished).ok();
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
        let mut files: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap()))
            .collect();
        files.sort();
        files
    }

    fn names() -> [String; 2] {
        ["all-7.hl7".to_owned(), "all-7-key.hl7".to_owned()]
    }

    #[test]
    fn puts_a_file_in_its_place_once() {
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..3 {
            assert_eq!(place(folder.path(), &names(), b"MSH|a").unwrap(), Placed::Filed);
            assert_eq!(files(folder.path()), [("all-7.hl7".to_owned(), b"MSH|a".to_vec())]);
        }
    }

    #[test]
    fn overwrites_nothing_but_what_was_left_unfinished() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("all-7.hl7"), b"MSH|x").unwrap();
        fs::write(folder.path().join("all-7-key.hl7.tmp"), b"MSH|a and more of it").unwrap();
        assert_eq!(place(folder.path(), &names(), b"MSH|a").unwrap(), Placed::Filed);
        let expected = [("all-7-key.hl7".to_owned(), b"MSH|a".to_vec()), ("all-7.hl7".to_owned(), b"MSH|x".to_vec())];
        assert_eq!(files(folder.path()), expected);
        assert_eq!(place(folder.path(), &names(), b"MSH|other").unwrap(), Placed::Taken);
        assert_eq!(files(folder.path()), expected);
    }

    #[test]
    fn says_so_where_the_folder_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        assert!(place(&folder.path().join("gone"), &names(), b"MSH|a").is_err());
    }
}
