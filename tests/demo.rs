//! The demo as anybody runs it: the whole story on simulated peers, with a real kill -9, and the table that proves it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::{
    fs,
    io::Read as _,
    process::{Child, Command, Output, Stdio},
    sync::mpsc,
    time::Duration,
};

use serde_json::Value;

const PROMISES: [&str; 14] = [
    "What is acknowledged arrives",
    "Passed on unchanged",
    "Each patient's order is kept",
    "One effect per key",
    "Each job exists exactly once",
    "Flow everything accounts for all",
    "Flow transport accounts for all",
    "Flow bedboard accounts for all",
    "The metrics agree",
    "Senders never wait for the uplink",
    "kill -9 goes by in seconds",
    "The store's files are unreadable",
    "Log and metrics name no patient",
    "Stops by draining",
];

/// A demo whose temporary folder stands in a folder of the test's own.
fn demo(folder: &tempfile::TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gurney"));
    command.arg("demo").args(arguments).env("TMPDIR", folder.path()).stdin(Stdio::null());
    command
}

fn left_behind(folder: &tempfile::TempDir) -> usize {
    fs::read_dir(folder.path()).unwrap().count()
}

fn text(output: &Output) -> String {
    format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn plays_the_story_and_keeps_every_promise() {
    let folder = tempfile::tempdir().unwrap();
    let output = demo(&folder, &["--script", "--json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));

    let table: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(table["kept"], true, "{table:#}");
    let rows = table["promises"].as_array().unwrap();
    let promises: Vec<&str> = rows.iter().map(|row| row["promise"].as_str().unwrap()).collect();
    assert_eq!(promises, PROMISES);
    assert!(rows.iter().all(|row| row["kept"] == true && row["figure"] != ""), "{table:#}");
    let figure = |promise: &str| rows.iter().find(|row| row["promise"] == promise).unwrap()["figure"].to_string();
    assert!(figure(PROMISES[0]).contains("800 ") || figure(PROMISES[1]).contains("800 of 800"), "{table:#}");
    assert!(figure(PROMISES[3]).contains("5 repeats"), "the lost answers are repeated and suppressed: {table:#}");
    assert!(!figure(PROMISES[7]).starts_with("\"0 "), "the serial line carries messages: {table:#}");
    assert!(figure(PROMISES[7]).contains("delivered"), "the serial line makes jobs: {table:#}");

    let lines = String::from_utf8(output.stderr.clone()).unwrap();
    for act in 1..=5 {
        assert!(lines.contains(&format!("act {act} of 5: ")), "{lines}");
    }
    assert!(lines.contains("gurney check"), "{lines}");
    assert_eq!(left_behind(&folder), 0, "{}", text(&output));
}

#[test]
fn ends_when_it_is_told_to_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = demo(&folder, &["--script", "--seconds", "600"]).stderr(Stdio::piped()).spawn().unwrap();
    let first = first_line(&mut child);
    assert!(first.starts_with("gurney demo: "), "{first}");
    let stopped = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(stopped.success());
    assert_eq!(child.wait().unwrap().code(), Some(1), "an early end proves nothing");
    assert_eq!(left_behind(&folder), 0);
}

/// The first line on standard error, within two minutes.
fn first_line(child: &mut Child) -> String {
    let mut errors = child.stderr.take().unwrap();
    let (send, receive) = mpsc::sync_channel(1);
    std::thread::spawn(move || {
        let mut line = Vec::new();
        let mut byte = [0];
        while errors.read_exact(&mut byte).is_ok() && byte[0] != b'\n' {
            line.push(byte[0]);
        }
        send.send(String::from_utf8_lossy(&line).into_owned()).ok();
        // What follows is read, so that the demo is not held up by a full pipe.
        errors.read_to_end(&mut line).ok();
    });
    receive.recv_timeout(Duration::from_secs(120)).unwrap_or_else(|_| {
        child.kill().ok();
        panic!("nothing began within two minutes")
    })
}

#[test]
fn refuses_a_time_that_makes_no_sense() {
    let folder = tempfile::tempdir().unwrap();
    for seconds in ["0", "3", "601", "x"] {
        let output = demo(&folder, &["--script", "--seconds", seconds]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    }
}
