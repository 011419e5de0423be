//! Reads the configuration's files. Of all of `settings`, only this file touches the disk.
//!
//! The main file, and beside it every `conf.d/*.toml` in the order of names; hidden files are passed over. At
//! most [`limits::CONFIGURATION_BYTES_MAX`] bytes of one file and [`limits::CONFIGURATION_FILES_MAX`] files are
//! read. Files are read once: what is on disk later does not matter (F40 of the reliability facts).

use std::{
    fs, io,
    io::Read as _,
    path::{Path, PathBuf},
};

use super::{Checked, Faults, Known, read};
use crate::units::limits;

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is a folder, a device or the like.
    #[error("{} is not a file", path.display())]
    NotAFile {
        /// What was named.
        path: PathBuf,
    },
    /// It is larger than any honest configuration.
    #[error("{} is larger than {} KiB; is it the right file?", path.display(), limits::CONFIGURATION_BYTES_MAX >> 10)]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// `conf.d` has too many files.
    #[error("{} has more than {} files", path.display(), limits::CONFIGURATION_FILES_MAX - 1)]
    TooMany {
        /// The folder.
        path: PathBuf,
    },
    /// It is no text.
    #[error("{} is not UTF-8 text: line {line} has bytes that are no character; save it as UTF-8", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
        /// The first such line, from 1.
        line: usize,
    },
    /// It says what cannot be.
    #[error(transparent)]
    Faults(#[from] Faults),
}

/// Reads the configuration at `path` together with `conf.d/*.toml` beside it.
pub fn load(path: &Path, known: &Known<'_>) -> Result<Checked, LoadError> {
    Ok(read(&files(path)?, known)?)
}

/// The texts of the configuration at `path`: the main file first, then those of `conf.d`, each with its name.
pub fn files(path: &Path) -> Result<Vec<(String, String)>, LoadError> {
    let folder = path.parent().unwrap_or_else(|| Path::new("")).join("conf.d");
    let mut files = vec![text_of(path)?];
    for further in toml_files_in(&folder)? {
        files.push(text_of(&further)?);
    }
    Ok(files)
}

fn text_of(path: &Path) -> Result<(String, String), LoadError> {
    let fails = |source| LoadError::Read { path: path.to_owned(), source };
    // Asked before it is opened: opening a pipe waits for a writer.
    if !fs::metadata(path).map_err(fails)?.is_file() {
        return Err(LoadError::NotAFile { path: path.to_owned() });
    }
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(fails)?;
    file.take(limits::CONFIGURATION_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(fails)?;
    if bytes.len() as u64 > limits::CONFIGURATION_BYTES_MAX {
        return Err(LoadError::TooLarge { path: path.to_owned() });
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = error.as_bytes().iter().take(error.utf8_error().valid_up_to());
        LoadError::NotText { path: path.to_owned(), line: good.filter(|byte| **byte == b'\n').count() + 1 }
    })?;
    Ok((path.display().to_string(), text))
}

fn toml_files_in(folder: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let fails = |source| LoadError::Read { path: folder.to_owned(), source };
    let listing = match fs::read_dir(folder) {
        Ok(listing) => listing,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(fails(error)),
    };
    let mut paths = Vec::new();
    for entry in listing {
        let path = entry.map_err(fails)?.path();
        let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if is_hidden || path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        paths.push(path);
        if paths.len() >= limits::CONFIGURATION_FILES_MAX {
            return Err(LoadError::TooMany { path: folder.to_owned() });
        }
    }
    paths.sort();
    Ok(paths)
}
