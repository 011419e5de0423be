//! A watched folder as a source: what its writers see, and that a crash at any step costs nothing and repeats nothing.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use gurney::sim::platform::Platform;
use tokio::time::sleep;

use crate::support::{
    daemon::{Daemon, Launch},
    load::{platform, random, rounds},
    peer::adt,
    site::Site,
    verdict::drained,
    wait::{until, until_so},
};

/// A site with a watched folder.
struct Watched {
    site: Site,
    folder: PathBuf,
    platform: Platform,
}

impl Watched {
    async fn new(keys: &str) -> Self {
        let platform = platform().await;
        let site = Site::new(platform.address());
        let folder = site.folder().join("in");
        fs::create_dir(&folder).unwrap();
        let site = site.with(&format!(
            "[folder.drop]\npath = \"{}\"\nevery = \"100 ms\"\nsettle = \"0 s\"\n{keys}\n[flow.drop]\nfrom = \"drop\"\n\
             on = [\"*\"]\nto = \"platform\"\nmapping = \"raw\"\npattern = \"event\"\ntarget = \"5 s\"\n\
             owner = \"Integration desk\"\nescalate = [\"integration-desk\"]",
            folder.display()
        ));
        Self { site, folder, platform }
    }

    /// Writes as a writer should: under another name first.
    fn put(&self, name: &str, bytes: &[u8]) {
        let begun = self.folder.join(format!("{name}.tmp"));
        fs::write(&begun, bytes).unwrap();
        fs::rename(begun, self.folder.join(name)).unwrap();
    }

    fn names(&self, shelf: &str) -> Vec<String> {
        files(&self.folder.join(shelf))
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.folder.join(name)).unwrap()
    }

    async fn has(&self, name: &str) {
        until_so(&format!("{name} is there"), async || self.folder.join(name).try_exists().unwrap()).await;
    }

    /// No file waits, and none is being written.
    async fn is_empty(&self) {
        until_so("the folder is empty", async || self.names("").is_empty()).await;
    }

    async fn drained(self, daemon: Daemon, ids: &[String]) {
        drained(&self.site, daemon, ids, &self.platform).await;
    }
}

/// The files of a folder, by name.
fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .map(|entries| {
            entries.map(|entry| entry.unwrap()).filter(|entry| entry.file_type().unwrap().is_file()).collect()
        })
        .unwrap_or_else(|_| Vec::new())
        .into_iter()
        .map(|entry: fs::DirEntry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn id(number: usize) -> String {
    format!("FILE-{number:03}")
}

/// The patient of every message, so that their order is one.
fn message(number: usize) -> Vec<u8> {
    adt(&id(number), "ZZ7")
}

#[tokio::test]
async fn takes_files_in_order_and_writes_their_acknowledgements_beside_them() {
    let watched = Watched::new("order = \"name\"").await;
    watched.put("005.hl7", &message(5));
    watched.put("003.hl7", &[message(3), message(4)].concat());
    let batch = [b"FHS|^~\\&\rBHS|^~\\&\r".to_vec(), message(1), message(2), b"BTS|2\rFTS|1\r".to_vec()].concat();
    watched.put("001.HL7", &batch);
    fs::write(watched.folder.join("006.hl7.tmp"), b"MSH|unfinished").unwrap();
    fs::write(watched.folder.join(".007.hl7"), b"MSH|hidden").unwrap();
    fs::write(watched.folder.join("notes.txt"), b"not for us").unwrap();
    let daemon = Daemon::start(&watched.site).await;
    watched.has("done/005.hl7").await;
    until_so("all is put away", async || watched.names("done").len() == 6).await;
    let names = ["001.HL7", "001.HL7.ack", "003.hl7", "003.hl7.ack", "005.hl7", "005.hl7.ack"];
    assert_eq!(watched.names("done"), names);
    assert_eq!(watched.names(""), [".007.hl7", "006.hl7.tmp", "notes.txt"]);
    let both = watched.text("done/003.hl7.ack");
    assert!(both.contains("MSA|AA|FILE-003") && both.contains("MSA|AA|FILE-004"), "{both}");
    let metrics = daemon.metrics().await;
    assert_eq!(metrics.sum("gurney_interface_up", &["interface=\"drop\""]), 1);
    assert_eq!(metrics.sum("gurney_interface_connections", &["interface=\"drop\""]), 1);
    assert_eq!(metrics.sum("gurney_message_acks_total", &["interface=\"drop\"", "code=\"AA\""]), 5);
    let ids: Vec<_> = (1..=5).map(id).collect();
    let arrived = || -> Vec<_> {
        watched.platform.arrivals().into_iter().filter_map(|arrival| arrival.control_id.map(String::from)).collect()
    };
    until("all five are delivered", async || (arrived().len() == 5).then_some(())).await;
    assert_eq!(arrived(), ids);
    watched.drained(daemon, &ids).await;
}

#[tokio::test]
async fn says_beside_a_refused_file_why_it_was_refused() {
    let watched = Watched::new("frame_max = \"2 KiB\"\nunrouted = \"reject\"\nversions = [\"2.5.1\"]").await;
    let other = String::from_utf8(message(2)).unwrap().replace("|2.5.1\r", "|2.3\r").into_bytes();
    watched.put("1-large.hl7", &[message(1), vec![b'x'; 4000]].concat());
    watched.put("2-other.hl7", &[message(3), other].concat());
    watched.put("3-text.hl7", b"ZZTEST-SAMPLE was here\n");
    let daemon = Daemon::start(&watched.site).await;
    watched.has("error/3-text.hl7").await;
    watched.has("error/2-other.hl7").await;
    watched.has("error/1-large.hl7").await;
    watched.is_empty().await;
    let names = [
        "1-large.hl7",
        "1-large.hl7.ack",
        "1-large.hl7.err",
        "2-other.hl7",
        "2-other.hl7.ack",
        "2-other.hl7.err",
        "3-text.hl7",
        "3-text.hl7.err",
    ];
    assert_eq!(watched.names("error"), names);
    assert!(watched.names("done").is_empty());
    assert!(watched.text("error/1-large.hl7.err").contains("this link takes 2048 (frame_max)"));
    assert!(
        watched.text("error/1-large.hl7.ack").contains("MSA|AR|FILE-001"),
        "{}",
        watched.text("error/1-large.hl7.ack")
    );
    let why = watched.text("error/2-other.hl7.err");
    assert!(why.starts_with("refused: 1 of") && why.contains("acknowledgement 2: AR"), "{why}");
    assert!(why.contains("does not take this version"), "{why}");
    let acks = watched.text("error/2-other.hl7.ack");
    assert!(acks.contains("MSA|AA|FILE-003") && acks.contains("MSA|AR|FILE-002"), "{acks}");
    for name in watched.names("error").iter().filter(|name| name.ends_with(".err")) {
        assert!(!watched.text(&format!("error/{name}")).contains("ZZTEST"), "{name}");
    }
    assert!(!watched.site.log().contains(".hl7"), "a file's name in the log: {}", watched.site.log());
    assert_eq!(
        daemon.metrics().await.sum("gurney_interface_frame_errors_total", &["kind=\"oversize\"", "\"drop\""]),
        1
    );
    // What of a refused file was good is delivered.
    watched.drained(daemon, &[id(3)]).await;
}

#[tokio::test]
async fn deletes_what_is_taken_where_the_site_says_so() {
    let watched = Watched::new("taken = \"delete\"").await;
    let daemon = Daemon::start(&watched.site).await;
    for number in 1..=3 {
        watched.put("same-name.hl7", &message(number));
        watched.is_empty().await;
        until_so("it is acknowledged", async || watched.text("done/same-name.hl7.ack").contains(&id(number))).await;
    }
    assert_eq!(watched.names("done"), ["same-name.hl7.ack"]);
    watched.drained(daemon, &[id(1), id(2), id(3)]).await;
}

#[tokio::test]
async fn reports_a_folder_that_is_gone_and_goes_on_when_it_is_back() {
    let watched = Watched::new("").await;
    fs::remove_dir(&watched.folder).unwrap();
    let mut daemon = Daemon::spawn(&watched.site, &Launch::default());
    until("the missing folder is told of", async || watched.site.log().contains("link down").then_some(())).await;
    assert!(daemon.runs());
    assert!(daemon.readiness().await.contains("link drop: down"));
    fs::create_dir(&watched.folder).unwrap();
    watched.put("a.hl7", &message(1));
    watched.has("done/a.hl7").await;
    until_so("it is ready", async || daemon.is_ready().await).await;
    fs::rename(&watched.folder, watched.site.folder().join("away")).unwrap();
    until_so("it is not ready", async || !daemon.is_ready().await).await;
    fs::rename(watched.site.folder().join("away"), &watched.folder).unwrap();
    until_so("it is ready again", async || daemon.is_ready().await).await;
    assert_eq!(watched.site.log().matches("link down").count(), 2, "{}", watched.site.log());
    watched.drained(daemon, &[id(1)]).await;
}

/// A file that cannot be put away must not be taken over and over.
#[tokio::test]
async fn takes_nothing_while_it_cannot_put_files_away() {
    let watched = Watched::new("").await;
    let daemon = Daemon::start(&watched.site).await;
    until_so("the shelves are made", async || watched.folder.join("done").try_exists().unwrap()).await;
    // A folder where the sidecar goes: even root cannot write it.
    fs::create_dir_all(watched.folder.join("done/a.hl7.ack/full")).unwrap();
    watched.put("a.hl7", &message(1));
    until_so("the link is down", async || daemon.readiness().await.contains("link drop: down")).await;
    watched.put("b.hl7", &message(2));
    let received = async || daemon.metrics().await.sum("gurney_messages_received_total", &["interface=\"drop\""]);
    let looks = || watched.site.log().matches("cannot be put away").count();
    assert_eq!((received().await, looks()), (1, 1));
    fs::remove_dir_all(watched.folder.join("done/a.hl7.ack")).unwrap();
    watched.has("done/b.hl7").await;
    assert_eq!(received().await, 2);
    assert_eq!(watched.names("done"), ["a.hl7", "a.hl7.ack", "b.hl7", "b.hl7.ack"]);
    watched.drained(daemon, &[id(1), id(2)]).await;
}

/// Dies at one step of the way of files, each time after another number of passes.
async fn dies_at(point: &str, passes: u64) {
    let mut random = random(point);
    let watched = Watched::new("order = \"name\"").await;
    let mut written = 0;
    for _ in 0..rounds(4, 40) {
        for _ in 0..8 {
            written += 1;
            watched.put(&format!("{written:03}.hl7"), &message(written));
        }
        let passed = random.below(passes);
        let mut daemon = Daemon::spawn(&watched.site, &Launch::failing(&format!("{point}={passed}*off->panic")));
        let status = daemon.ended().await;
        assert_eq!(status.code(), None, "{point}: the process ended by itself: {status}\n{}", watched.site.log());
    }
    is_complete(watched, written).await;
}

/// Everything written is acknowledged, put away once and delivered once, in order.
async fn is_complete(watched: Watched, written: usize) {
    let daemon = Daemon::start(&watched.site).await;
    watched.is_empty().await;
    let ids: Vec<_> = (1..=written).map(id).collect();
    let expected: Vec<_> = (1..=written).flat_map(|n| [format!("{n:03}.hl7"), format!("{n:03}.hl7.ack")]).collect();
    until_so("all is put away", async || watched.names("done") == expected).await;
    for (number, id) in ids.iter().enumerate() {
        let ack = watched.text(&format!("done/{:03}.hl7.ack", number + 1));
        assert!(ack.contains(&format!("MSA|AA|{id}")), "{ack}");
    }
    assert!(watched.names("error").is_empty());
    watched.drained(daemon, &ids).await;
}

/// A test for each place at which the process can be made to die with a file under way.
macro_rules! dies_at {
    ($($name:ident: $point:literal, $passes:literal;)+) => {$(
        #[tokio::test]
        async fn $name() {
            dies_at($point, $passes).await;
        }
    )+};
}

dies_at! {
    repeats_no_file_when_it_dies_before_it_is_handed_over: "frame-received", 8;
    repeats_no_file_when_it_dies_before_the_commit: "commit-before", 1;
    repeats_no_file_when_it_dies_after_the_commit: "commit-after", 1;
    repeats_no_file_when_it_dies_before_its_answer_is_made: "commit-answered", 8;
    repeats_no_file_when_it_dies_before_its_sidecar_is_written: "file-answered", 8;
    repeats_no_file_when_it_dies_before_the_file_is_moved: "file-described", 8;
    repeats_no_file_when_it_dies_after_the_file_was_moved: "file-moved", 8;
}

/// kill -9 at random instants, with files under way all the time.
#[tokio::test]
async fn repeats_no_file_when_killed_at_random_instants() {
    let mut random = random("folder");
    let watched = Watched::new("order = \"name\"").await;
    let mut written = 0;
    for _ in 0..rounds(10, 100) {
        let mut daemon = Daemon::start(&watched.site).await;
        for _ in 0..5 {
            written += 1;
            watched.put(&format!("{written:03}.hl7"), &message(written));
        }
        sleep(Duration::from_millis(random.below(200))).await;
        daemon.kill();
    }
    is_complete(watched, written).await;
}
