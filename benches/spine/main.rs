//! The spine under load, against the physical limit measured in the same run.
//!
//! `cargo bench --bench spine` plays, with 1, 4 and 32 connections and one message of about 1.5 KB outstanding on each:
//! a reference writer (append and `fdatasync` with group commit, no encryption, no database), Gurney with its destination
//! paused, and Gurney delivering to a local HTTP sink. It prints rates, latencies, bytes written to disk and memory.
//! `-- backlog N` fills the store with N messages and then measures start to first acknowledgement, memory and the drain beside
//! live traffic. `GURNEY_BIN` names another binary than the one built with the bench.
//!
//! Everything is on loopback and in a temporary folder below `GURNEY_BENCH_DIR` (default: the target folder, because `/tmp`
//! may be memory).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "a bench"
)]

mod client;
mod daemon;

use std::time::Duration;

use gurney::sim::{reference::GroupCommitSink, sink::HttpSink};

use client::Load;
use daemon::{Destination, Gurney};

const SECONDS: u64 = 4;
const CONNECTIONS: [usize; 3] = [1, 4, 32];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    match arguments.first().map(String::as_str) {
        Some("backlog") => backlog(arguments.get(1).and_then(|n| n.parse().ok()).unwrap_or(200_000)),
        _ => rates(),
    }
}

fn rates() {
    println!(
        "{:<34}{:>6}{:>10}{:>8}{:>9}{:>9}{:>9}{:>9}",
        "", "conns", "msg/s", "ratio", "p50 ms", "p99 ms", "KB/msg", "RSS MB"
    );
    for connections in CONNECTIONS {
        let folder = folder();
        let server = GroupCommitSink::start(&folder.path().join("reference.log")).unwrap();
        let port = server.address().port();
        warm(port, connections);
        let base = client::run(port, connections, Duration::from_secs(SECONDS), "ref");
        line("reference (append + fdatasync)", connections, &base, &base, None);
        drop(server);

        let gurney = Gurney::start(folder.path(), Destination::Paused);
        warm(gurney.port, connections);
        let (load, facts) = gurney.measured(|port| client::run(port, connections, Duration::from_secs(SECONDS), "p"));
        line("gurney, destination paused", connections, &load, &base, Some(&facts));
        drop(gurney);

        let folder = self::folder();
        let sink = HttpSink::start().unwrap();
        let gurney = Gurney::start(folder.path(), Destination::At(sink.address().port()));
        warm(gurney.port, connections);
        let before = sink.requests();
        let (load, facts) = gurney.measured(|port| client::run(port, connections, Duration::from_secs(SECONDS), "d"));
        let delivered = (sink.requests() - before) as f64 / SECONDS as f64;
        line("gurney, delivering", connections, &load, &base, Some(&facts));
        println!("{:<34}{connections:>6}{delivered:>10.0} deliveries/s meanwhile", "");
    }
}

fn warm(port: u16, connections: usize) {
    client::run(port, connections, Duration::from_millis(500), "warm");
}

fn line(what: &str, connections: usize, load: &Load, base: &Load, facts: Option<&daemon::Facts>) {
    let (written, memory) = facts.map_or((String::new(), String::new()), |facts| {
        (
            format!("{:.1}", facts.written as f64 / load.messages as f64 / 1024.0),
            format!("{:.1}", facts.memory as f64 / 1048576.0),
        )
    });
    println!(
        "{what:<34}{connections:>6}{:>10.0}{:>8.2}{:>9.2}{:>9.2}{written:>9}{memory:>9}",
        load.rate(),
        load.rate() / base.rate(),
        load.percentile(50.0) * 1e3,
        load.percentile(99.0) * 1e3,
    );
}

fn backlog(messages: usize) {
    let folder = folder();
    let mut gurney = Gurney::start(folder.path(), Destination::Paused);
    let filled = client::fill(gurney.port, 32, messages);
    println!("filled {messages} messages at {:.0}/s, RSS {:.1} MB", filled.rate(), gurney.memory() as f64 / 1048576.0);
    for how in ["clean stop", "kill -9"] {
        gurney.stop(how == "kill -9");
        let sink = daemon::port_for_later();
        gurney = Gurney::restart(folder.path(), Destination::At(sink));
        println!(
            "after {how}: start to first acknowledgement {:.0} ms, RSS {:.1} MB",
            gurney.first_ack.as_secs_f64() * 1e3,
            gurney.memory() as f64 / 1048576.0
        );
        if how == "kill -9" {
            let quiet = client::paced(gurney.port, 200, Duration::from_secs(5), "quiet");
            let began = std::time::Instant::now();
            let server = HttpSink::start_at(sink).unwrap();
            let live = client::paced(gurney.port, 200, Duration::from_secs(10), "live");
            while server.requests() < messages as u64 && began.elapsed() < Duration::from_secs(600) {
                std::thread::sleep(Duration::from_millis(50));
            }
            let took = began.elapsed().as_secs_f64();
            println!(
                "drained {} in {took:.1} s: {:.0}/s; RSS {:.1} MB",
                server.requests(),
                server.requests() as f64 / took,
                gurney.memory() as f64 / 1048576.0
            );
            println!(
                "live traffic at 200/s: p50 {:.2} ms, p99 {:.2} ms beside the paused backlog; p50 {:.2} ms, p99 {:.2} ms while draining",
                quiet.percentile(50.0) * 1e3,
                quiet.percentile(99.0) * 1e3,
                live.percentile(50.0) * 1e3,
                live.percentile(99.0) * 1e3
            );
        }
    }
}

fn folder() -> tempfile::TempDir {
    let base = std::env::var_os("GURNEY_BENCH_DIR")
        .map_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/target").into(), std::path::PathBuf::from);
    std::fs::create_dir_all(&base).unwrap();
    tempfile::Builder::new().prefix("spine-").tempdir_in(base).unwrap()
}
