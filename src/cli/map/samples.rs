//! Samples of maps: those that come with Gurney, and those in folders.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    cli::{Exit, Failure, hl7},
    mapping::samples::{Golden, Sample, builtin},
    units::limits,
};

/// A sample, and where it stands.
pub(super) struct Kept {
    pub(super) sample: Sample,
    /// Its folder; none for one that comes with Gurney.
    pub(super) folder: Option<PathBuf>,
}

/// The samples of a map: those in `samples` of the site's folder of maps and those that come with Gurney, or only those of
/// `instead`.
pub(super) fn of(map: &str, maps: Option<&Path>, instead: Option<&Path>) -> Result<Vec<Kept>, Failure> {
    let mut kept = Vec::new();
    if instead.is_none() {
        let own = builtin().filter(|(of, _)| *of == map);
        kept.extend(own.map(|(_, sample)| Kept { sample, folder: None }));
    }
    let folder = instead.map(Path::to_owned).or_else(|| maps.map(|maps| maps.join("samples")));
    if let Some(folder) = folder {
        for file in files(&folder.join(map))? {
            kept.push(read(&file)?);
        }
    }
    Ok(kept)
}

/// The messages of a folder, in the order of their names; none where there is no such folder.
fn files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(Vec::new()) };
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "hl7"))
        .take(limits::MAP_SAMPLES_MAX + 1)
        .collect();
    if files.len() > limits::MAP_SAMPLES_MAX {
        let text = format!("{} has more than {} samples", folder.display(), limits::MAP_SAMPLES_MAX);
        return Err(Failure::new(Exit::BadData, text));
    }
    files.sort();
    Ok(files)
}

fn read(file: &Path) -> Result<Kept, Failure> {
    let text = |extension: &str| fs::read_to_string(file.with_extension(extension)).ok();
    let golden = text("json").map(Golden::Bundle).or_else(|| text("refused").map(Golden::Refused));
    let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let sample = Sample { name, message: hl7::read(file)?, golden };
    Ok(Kept { sample, folder: file.parent().map(Path::to_owned) })
}

/// Writes what must come of a sample beside it, in place of what was said before.
pub(super) fn accept(folder: &Path, name: &str, golden: &Golden) -> Result<(), Failure> {
    let path = folder.join(format!("{name}.{}", golden.extension()));
    let fails =
        |error: std::io::Error| Failure::new(Exit::BadData, format!("cannot write {}: {error}", path.display()));
    fs::write(&path, golden.text()).map_err(fails)?;
    let other = if golden.extension() == "json" { "refused" } else { "json" };
    match fs::remove_file(folder.join(format!("{name}.{other}"))) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(fails(error)),
        _ => Ok(()),
    }
}
