//! The folder against writers that do what they should not.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::PathBuf,
};

use tempfile::TempDir;

use super::*;

struct Place {
    folder: TempDir,
    opened: Folder,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let opened = Folder::open(folder.path()).unwrap();
        Self { folder, opened }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        fs::write(self.at(name), bytes).unwrap();
    }

    fn names(&self, folder: &str) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.at(folder))
            .unwrap()
            .map(|entry| entry.unwrap())
            .filter(|entry| !entry.file_type().unwrap().is_dir())
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn listed(&self) -> Vec<String> {
        let entries = self.opened.list(&Pattern::new("*").unwrap()).unwrap();
        let mut names: Vec<_> = entries.into_iter().map(|entry| String::from_utf8(entry.name).unwrap()).collect();
        names.sort();
        names
    }

    fn read(&self, name: &str) -> Found {
        let seen = look(&self.opened.files, name.as_bytes()).unwrap();
        let (size, modified) =
            seen.map_or((0, (0, 0)), |stat| (stat.st_size.cast_unsigned(), Identity::of(&stat).modified));
        self.opened.read(&Entry { name: name.as_bytes().to_vec(), size, modified }, 1000).unwrap()
    }

    /// Reads a file and says what is to become of it.
    fn ending(&self, name: &str, shelf: Shelf) -> Ending {
        let Found::Whole(_, identity) = self.read(name) else { panic!("{name}") };
        Ending {
            name: name.as_bytes().to_vec(),
            identity,
            shelf,
            taken: Taken::Move,
            at: Timestamp(17),
            acknowledgements: b"MSH|ack".to_vec(),
            reasons: if shelf == Shelf::Error { "why\n".to_owned() } else { String::new() },
        }
    }
}

#[test]
fn lists_regular_files_alone() {
    let place = Place::new();
    place.put("a.hl7", b"MSH|");
    place.put("b.hl7.tmp", b"MSH|");
    place.put(".hidden", b"MSH|");
    fs::create_dir(place.at("folder.hl7")).unwrap();
    symlink("/etc/passwd", place.at("link.hl7")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, place.at("pipe.hl7"), FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    assert_eq!(place.listed(), ["a.hl7"]);
}

#[test]
fn follows_no_link_and_waits_for_no_pipe() {
    let place = Place::new();
    place.put("outside", b"MSH|secret");
    symlink(place.at("outside"), place.at("link.hl7")).unwrap();
    let pipe = place.at("pipe.hl7");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    for name in ["link.hl7", "pipe.hl7", "gone.hl7", "done"] {
        assert!(matches!(place.read(name), Found::Later), "{name}");
    }
}

#[test]
fn refuses_a_shelf_that_leads_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    symlink(elsewhere.path(), folder.path().join("done")).unwrap();
    Folder::open(folder.path()).unwrap_err();
    Folder::open(&folder.path().join("gone")).unwrap_err();
}

#[test]
fn reads_no_more_than_the_bound() {
    let place = Place::new();
    place.put("fits.hl7", &[b'x'; 1000]);
    place.put("large.hl7", &[b'x'; 5001]);
    assert!(matches!(place.read("fits.hl7"), Found::Whole(bytes, _) if bytes.len() == 1000));
    let Found::Unfit(head, refusal, _) = place.read("large.hl7") else { panic!("too large") };
    assert_eq!((head.len(), refusal), (1024, Refusal::TooLarge { size: 5001, most: 1000 }));
}

#[test]
fn leaves_a_file_that_has_changed_since_the_look() {
    let place = Place::new();
    place.put("a.hl7", b"MSH|");
    let seen = place.opened.list(&Pattern::new("*").unwrap()).unwrap();
    place.put("a.hl7", b"MSH|and more");
    assert!(matches!(place.opened.read(&seen[0], 1000).unwrap(), Found::Later));
}

#[test]
fn puts_a_file_away_with_its_sidecars() {
    let place = Place::new();
    place.put("a.hl7", b"MSH|a");
    place.put("b.hl7", b"MSH|b");
    place.opened.end(&place.ending("a.hl7", Shelf::Done)).unwrap();
    place.opened.end(&place.ending("b.hl7", Shelf::Error)).unwrap();
    assert_eq!(place.names("done"), ["a.hl7", "a.hl7.ack"]);
    assert_eq!(place.names("error"), ["b.hl7", "b.hl7.ack", "b.hl7.err"]);
    assert!(place.names("").is_empty());
    assert_eq!(fs::read(place.at("done/a.hl7.ack")).unwrap(), b"MSH|ack");
    assert_eq!(fs::metadata(place.at("done/a.hl7.ack")).unwrap().permissions().mode() & 0o137, 0);
}

#[test]
fn overwrites_no_file_on_a_shelf() {
    let place = Place::new();
    for round in ["one", "two", "three"] {
        place.put("a.hl7", round.as_bytes());
        place.opened.end(&place.ending("a.hl7", Shelf::Done)).unwrap();
    }
    let kept: Vec<_> = ["a.hl7", "a.hl7.17", "a.hl7.17-2"]
        .into_iter()
        .map(|name| fs::read_to_string(place.at(&format!("done/{name}"))).unwrap())
        .collect();
    assert_eq!(kept, ["one", "two", "three"]);
    assert_eq!(place.names("done").len(), 6);
}

/// File servers have no rename that never overwrites.
#[test]
fn overwrites_no_file_on_a_file_server_either() {
    let place = Place::new();
    place.put("a.hl7", b"new");
    fs::write(place.at("done/a.hl7"), b"old").unwrap();
    let Folder { files, done, .. } = &place.opened;
    let taken = rename_where_free(files, b"a.hl7", done, b"a.hl7").unwrap_err();
    assert_eq!(taken.kind(), io::ErrorKind::AlreadyExists);
    rename_where_free(files, b"a.hl7", done, b"b.hl7").unwrap();
    assert_eq!(
        [fs::read(place.at("done/a.hl7")).unwrap(), fs::read(place.at("done/b.hl7")).unwrap()],
        [b"old", b"new"]
    );
}

#[test]
fn writes_sidecars_anew_that_a_crash_left() {
    let place = Place::new();
    place.put("a.hl7", b"MSH|a");
    fs::write(place.at("done/a.hl7.ack.tmp"), b"half of an ackn").unwrap();
    fs::write(place.at("done/a.hl7.ack"), b"MSH|ack of before").unwrap();
    place.opened.end(&place.ending("a.hl7", Shelf::Done)).unwrap();
    assert_eq!(fs::read(place.at("done/a.hl7.ack")).unwrap(), b"MSH|ack");
    assert_eq!(place.names("done"), ["a.hl7", "a.hl7.ack"]);
}

#[test]
fn deletes_only_what_was_taken() {
    let place = Place::new();
    for (name, shelf) in [("a.hl7", Shelf::Done), ("b.hl7", Shelf::Error)] {
        place.put(name, b"MSH|");
        place.opened.end(&Ending { taken: Taken::Delete, ..place.ending(name, shelf) }).unwrap();
    }
    assert_eq!(place.names("done"), ["a.hl7.ack"]);
    assert_eq!(place.names("error"), ["b.hl7", "b.hl7.ack", "b.hl7.err"]);
}

/// A writer that gives every file the same name must not lose the second one.
#[test]
fn leaves_a_file_that_replaced_the_one_that_was_read() {
    let place = Place::new();
    place.put("a.hl7", b"MSH|first");
    let ending = place.ending("a.hl7", Shelf::Done);
    place.put("new", b"MSH|second");
    fs::rename(place.at("new"), place.at("a.hl7")).unwrap();
    place.opened.end(&ending).unwrap();
    assert_eq!(fs::read(place.at("a.hl7")).unwrap(), b"MSH|second");
    assert_eq!(place.names("done"), ["a.hl7.ack"]);
    fs::remove_file(place.at("a.hl7")).unwrap();
    place.opened.end(&ending).unwrap();
}

#[test]
fn follows_no_link_that_stands_where_a_sidecar_goes() {
    let place = Place::new();
    place.put("a.hl7", b"MSH|a");
    place.put("victim", b"precious");
    for name in ["done/a.hl7.ack", "done/a.hl7.ack.tmp"] {
        symlink(place.at("victim"), place.at(name)).unwrap();
    }
    place.opened.end(&place.ending("a.hl7", Shelf::Done)).unwrap();
    assert_eq!(fs::read(place.at("victim")).unwrap(), b"precious");
    assert!(!fs::symlink_metadata(place.at("done/a.hl7.ack")).unwrap().file_type().is_symlink());
}
