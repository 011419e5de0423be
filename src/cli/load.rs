//! Reads the configuration's files and the maps that it names; `settings` and `mapping` themselves touch no disk.
//!
//! The main file, and beside it every `conf.d/*.toml` in the order of names; hidden files are passed over. At
//! most [`limits::CONFIGURATION_BYTES_MAX`] bytes of one file and [`limits::CONFIGURATION_FILES_MAX`] files are
//! read. Files are read once: what is on disk later does not matter (F40 of the reliability facts).

use std::{
    fs, io,
    io::Read as _,
    path::{Path, PathBuf},
};

use crate::{
    hl7::profile::{ProfileFault, Profiles},
    mapping::{MapFault, Registry},
    settings::{self, Checked, Faults, Known, UseCase, read},
    units::{Timestamp, limits},
};

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
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
    /// A map or table cannot be used.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Maps(Vec<MapFault>),
    /// A profile cannot be used.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Profiles(Vec<ProfileFault>),
}

/// A configuration and the maps it names.
#[derive(Debug)]
pub(super) struct Loaded {
    /// The configuration.
    pub(super) checked: Checked,
    /// The built-in maps, tables and dialects, and those of the site.
    pub(super) registry: Registry,
    /// The built-in profiles, and those of the site.
    pub(super) profiles: Profiles,
    /// The built-in use cases, and those of the site.
    pub(super) use_cases: Vec<UseCase>,
}

/// Reads the configuration at `path` together with `conf.d/*.toml` beside it and the site's maps, and checks it as of `now`.
pub(super) fn load(path: &Path, now: Timestamp) -> Result<Loaded, LoadError> {
    let files = files(path)?;
    let registry = maps_in(&files)?;
    let today = jiff::Timestamp::from_millisecond(now.0).unwrap_or_default().to_zoned(jiff::tz::TimeZone::UTC).date();
    let overdue: Vec<(&str, u32, i64)> = registry
        .maps()
        .filter(|map| map.is_overdue(today))
        .map(|map| (map.name.as_str(), map.version, days_between(map.review_due, today)))
        .collect();
    let maps: Vec<(String, u32)> = registry.maps().map(|map| (map.name.clone(), map.version)).collect();
    let maps: Vec<(&str, u32)> = maps.iter().map(|(name, version)| (name.as_str(), *version)).collect();
    let dialects: Vec<(&str, u32)> = registry.dialects().map(|of| (of.name.as_str(), of.version)).collect();
    let profiles = profiles(folder_of(&files, "profiles").as_deref())?;
    let known: Vec<(&str, u32)> = profiles.all().map(|profile| (profile.name(), profile.version())).collect();
    let use_cases = use_cases(folder_of(&files, "use_cases").as_deref())?;
    let known =
        Known { maps: &maps, profiles: &known, dialects: &dialects, use_cases: &use_cases, overdue: &overdue, now };
    let checked = read(&files, &known)?;
    Ok(Loaded { checked, registry, profiles, use_cases })
}

/// Days from one date to another.
pub(super) fn days_between(from: jiff::civil::Date, to: jiff::civil::Date) -> i64 {
    from.until(to).map_or(0, |span| i64::from(span.get_days()))
}

/// The built-in maps and tables, and those of a folder.
pub(super) fn maps(folder: Option<&Path>) -> Result<Registry, LoadError> {
    registry(folder.map(Path::to_owned).into_iter())
}

/// The maps, tables and dialects that the configuration at `path` names, as they are on disk now.
pub(super) fn maps_of(path: &Path) -> Result<Registry, LoadError> {
    maps_in(&files(path)?)
}

/// The built-in maps, tables and dialects, and those of the folders that the configuration names.
fn maps_in(files: &[(String, String)]) -> Result<Registry, LoadError> {
    let folders = ["maps", "dialects"].map(|key| folder_of(files, key));
    registry(folders.into_iter().flatten())
}

fn registry(folders: impl Iterator<Item = PathBuf>) -> Result<Registry, LoadError> {
    let mut sources = Vec::new();
    for folder in folders {
        sources.extend(sources_in(&folder)?);
    }
    let texts: Vec<(&str, &str)> = sources.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    Registry::with(&texts).map_err(LoadError::Maps)
}

/// The built-in profiles, and those of a folder.
pub(super) fn profiles(folder: Option<&Path>) -> Result<Profiles, LoadError> {
    let sources = folder.map_or_else(|| Ok(Vec::new()), sources_in)?;
    let texts: Vec<(&str, &str)> = sources.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    Profiles::with(&texts).map_err(LoadError::Profiles)
}

/// The built-in use cases, and those of a folder.
pub(super) fn use_cases(folder: Option<&Path>) -> Result<Vec<UseCase>, LoadError> {
    let sources = folder.map_or_else(|| Ok(Vec::new()), sources_in)?;
    Ok(settings::use_cases(&sources)?)
}

/// `maps`, `dialects`, `profiles` or `use_cases` of `[gurney]`, looked for before the configuration is checked, because the check needs what is in it. A file that cannot be read
/// as TOML has its faults told by the check.
fn folder_of(files: &[(String, String)], key: &str) -> Option<PathBuf> {
    files.iter().find_map(|(_, text)| {
        let table = text.parse::<toml::Table>().ok()?;
        Some(PathBuf::from(table.get("gurney")?.get(key)?.as_str()?))
    })
}

fn sources_in(folder: &Path) -> Result<Vec<(String, String)>, LoadError> {
    toml_files_in(folder)?.iter().map(|path| text_of(path)).collect()
}

/// The texts of the configuration at `path`: the main file first, then those of `conf.d`, each with its name.
fn files(path: &Path) -> Result<Vec<(String, String)>, LoadError> {
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

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL: &str = include_str!("../../config/sites/loopback/gurney.toml");
    const NOW: Timestamp = Timestamp(1_790_000_000_000);

    #[test]
    fn loads_the_dialects_of_the_site_and_tells_their_faults() {
        let folder = tempfile::tempdir().unwrap();
        let (main, dialects) = (folder.path().join("gurney.toml"), folder.path().join("dialects"));
        let text = MINIMAL.replacen("[gurney]", &format!("[gurney]\ndialects = \"{}\"", dialects.display()), 1);
        let of_link = |dialect: &str| text.replacen("[mllp.ehr]", &format!("[mllp.ehr]\ndialect = \"{dialect}\""), 1);
        fs::create_dir(&dialects).unwrap();
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/dialects/examples");
        for name in ["tables.toml", "harbor@1.toml", "lakeside@1.toml", "summit@1.toml"] {
            fs::copy(examples.join(name), dialects.join(name)).unwrap();
        }
        fs::write(&main, of_link("harbor@1")).unwrap();
        let loaded = load(&main, NOW).unwrap();
        assert_eq!(loaded.checked.settings.links.first().unwrap().dialect.name, "harbor");
        assert_eq!(loaded.registry.dialects().count(), 4);

        fs::write(&main, of_link("harbour@1")).unwrap();
        assert!(load(&main, NOW).unwrap_err().to_string().contains("there is no dialect `harbour@1`"));

        let file = dialects.join("harbor@1.toml");
        let broken = fs::read_to_string(&file).unwrap().replacen("[element.oxygen]", "[element.oxigen]", 1);
        fs::write(&file, broken).unwrap();
        let told = load(&main, NOW).unwrap_err().to_string();
        assert!(told.contains("harbor@1.toml:34:1: there is no element `oxigen`; did you mean `oxygen`?"), "{told}");
    }

    #[test]
    fn loads_the_file_and_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let main = folder.path().join("gurney.toml");
        fs::write(&main, MINIMAL).unwrap();
        assert_eq!(load(&main, NOW).unwrap().checked.settings.links.len(), 1);

        fs::create_dir(folder.path().join("conf.d")).unwrap();
        let further = |name: &str, text: &[u8]| fs::write(folder.path().join("conf.d").join(name), text).unwrap();
        further("20-b.toml", b"[mllp.b]\nlisten = \"127.0.0.1:1\"\n");
        further("10-a.toml", b"[mllp.a]\nlisten = \"127.0.0.1:2\"\n");
        further(".hidden.toml", b"nonsense");
        further("notes.txt", b"nonsense");
        let settings = load(&main, NOW).unwrap().checked.settings;
        assert_eq!(settings.links.iter().map(|link| link.name.as_str()).collect::<Vec<_>>(), ["ehr", "a", "b"]);

        further("30-c.toml", b"a = 1\nb = \"\xff\"\n");
        assert!(matches!(load(&main, NOW).unwrap_err(), LoadError::NotText { line: 2, .. }));
        further("30-c.toml", &vec![b' '; usize::try_from(limits::CONFIGURATION_BYTES_MAX).unwrap() + 1]);
        assert!(matches!(load(&main, NOW).unwrap_err(), LoadError::TooLarge { .. }));
        further("30-c.toml", b"[store]");
        assert!(matches!(load(&main, NOW).unwrap_err(), LoadError::Faults(_)));
        assert!(matches!(load(folder.path(), NOW).unwrap_err(), LoadError::NotAFile { .. }));
        let missing = load(&folder.path().join("gurny.toml"), NOW).unwrap_err();
        assert!(matches!(&missing, LoadError::Read { .. }) && missing.to_string().starts_with("cannot read "));
    }
}
