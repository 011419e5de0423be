//! The sender against a small peer that accepts, refuses, falls silent or closes.

//! The sender against small servers that acknowledge, lie or vanish.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::HashSet;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;

/// What the peer of the test does with the messages it reads; it gets the running number of each over all connections.
#[derive(Clone, Copy)]
enum Reply {
    Accept,
    Refuse,
    WrongId,
    Hang,
    CloseBeforeAnswer,
}

/// Reads messages one by one and does to each what `script` says; reports the control ids it accepted.
async fn peer(listener: TcpListener, script: impl Fn(u64) -> Reply, accepted: mpsc::Sender<String>) {
    let mut number = 0;
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut bytes = Vec::new();
        'connection: loop {
            while let Some(end) = memchr::memmem::find(&bytes, &[0x1c, 0x0d]) {
                let frame: Vec<u8> = bytes.drain(..end + 2).collect();
                let id = String::from_utf8(frame.split(|byte| *byte == b'|').nth(9).unwrap().to_vec()).unwrap();
                number += 1;
                match script(number) {
                    Reply::Accept => {
                        answer(&mut stream, "AA", &id).await;
                        accepted.send(id).await.unwrap();
                    }
                    Reply::Refuse => answer(&mut stream, "AR", &id).await,
                    Reply::WrongId => answer(&mut stream, "AA", "SOMEBODY-ELSE").await,
                    Reply::Hang => {}
                    Reply::CloseBeforeAnswer => break 'connection,
                }
            }
            match stream.read_buf(&mut bytes).await {
                Ok(1..) => {}
                _ => break,
            }
        }
    }
}

async fn answer(stream: &mut TcpStream, code: &str, id: &str) {
    let text = format!("\x0bMSH|^~\\&|P|P|E|E|20261122||ACK|1|T|2.5.1\rMSA|{code}|{id}\r\x1c\r");
    stream.write_all(text.as_bytes()).await.ok();
}

async fn run(options: EhrOptions, script: impl Fn(u64) -> Reply + Send + 'static) -> (EhrSummary, Vec<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = listener.local_addr().unwrap().to_string();
    let (sender, mut receiver) = mpsc::channel(10_000);
    let server = tokio::spawn(peer(listener, script, sender));
    let mut ehr = Sender::start(EhrOptions { to, pause: Duration::from_millis(1), rate: None, ..options }).unwrap();
    ehr.ended().await;
    let ledger = ehr.acknowledged();
    let summary = ehr.finish().await.unwrap();
    server.abort();
    let mut accepted = Vec::new();
    while let Ok(id) = receiver.try_recv() {
        accepted.push(id);
    }
    assert_eq!(ledger.iter().collect::<HashSet<_>>().len(), ledger.len(), "the ledger holds nothing twice");
    assert!(ledger.iter().all(|id| accepted.contains(id)), "the ledger holds only what was accepted");
    (summary, ledger)
}

fn options(messages: u64, window: usize) -> EhrOptions {
    EhrOptions { messages: Some(messages), window, ..EhrOptions::default() }
}

#[tokio::test]
async fn sends_everything_once_to_a_good_peer() {
    for window in [1, 8] {
        let (summary, ledger) = run(options(200, window), |_| Reply::Accept).await;
        assert_eq!((summary.tally.acknowledged, summary.tally.sent, summary.unacknowledged), (200, 200, 0));
        assert_eq!(summary.tally.connects, 1);
        assert_eq!(summary.answer.count, 200);
        let expected: Vec<String> = (1..=200).map(|number| format!("E0-{number:09}")).collect();
        assert_eq!(ledger, expected);
    }
}

#[tokio::test]
async fn repeats_with_the_same_control_id_what_a_lost_connection_left_open() {
    for window in [1, 5] {
        let script = |number| if number % 10 == 3 { Reply::CloseBeforeAnswer } else { Reply::Accept };
        let (summary, ledger) = run(options(100, window), script).await;
        assert_eq!(summary.tally.acknowledged, 100);
        assert!(summary.tally.lost_connections >= 10 && summary.tally.repeated >= 10);
        let expected: Vec<String> = (1..=100).map(|number| format!("E0-{number:09}")).collect();
        assert_eq!(ledger, expected);
    }
}

#[tokio::test]
async fn repeats_what_was_refused() {
    let script = |number| if number % 4 == 0 { Reply::Refuse } else { Reply::Accept };
    let (summary, ledger) = run(options(60, 1), script).await;
    assert_eq!((summary.tally.acknowledged, ledger.len()), (60, 60));
    assert!(summary.tally.refused >= 15);
    assert_eq!(summary.tally.repeated, summary.tally.refused);
    assert_eq!(summary.tally.connects, 1, "a refusal does not cost the connection");
}

#[tokio::test]
async fn an_answer_to_something_else_settles_nothing() {
    let script = |number| if number == 1 { Reply::WrongId } else { Reply::Accept };
    let options = EhrOptions { answer_timeout: Duration::from_millis(50), ..options(3, 1) };
    let (summary, _) = run(options, script).await;
    assert_eq!((summary.tally.stray, summary.tally.timeouts, summary.tally.repeated), (1, 1, 1));
    assert_eq!(summary.tally.acknowledged, 3);
}

#[tokio::test]
async fn closes_the_connection_when_an_answer_is_late() {
    let script = |number| if number == 2 { Reply::Hang } else { Reply::Accept };
    let options = EhrOptions { answer_timeout: Duration::from_millis(50), ..options(4, 1) };
    let (summary, _) = run(options, script).await;
    assert_eq!((summary.tally.timeouts, summary.tally.connects, summary.tally.repeated), (1, 2, 1));
}

#[tokio::test]
async fn gives_up_on_the_rest_after_the_time_to_linger() {
    let options =
        EhrOptions { linger: Duration::from_millis(30), answer_timeout: Duration::from_millis(10), ..options(1, 1) };
    let (summary, ledger) = run(options, |_| Reply::Hang).await;
    assert_eq!((summary.unacknowledged, ledger.len()), (1, 0));
}

#[tokio::test]
async fn keeps_the_pace_over_all_connections() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = listener.local_addr().unwrap().to_string();
    let accepting = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut bytes = Vec::new();
                while stream.read_buf(&mut bytes).await.is_ok_and(|count| count > 0) {
                    while let Some(end) = memchr::memmem::find(&bytes, &[0x1c, 0x0d]) {
                        let frame: Vec<u8> = bytes.drain(..end + 2).collect();
                        let id = String::from_utf8(frame.split(|byte| *byte == b'|').nth(9).unwrap().to_vec()).unwrap();
                        answer(&mut stream, "CA", &id).await;
                    }
                }
            });
        }
    });
    let options = EhrOptions {
        to,
        connections: 4,
        rate: Some(200.0),
        messages: Some(40),
        dialects: Dialect::ALL.to_vec(),
        ..EhrOptions::default()
    };
    let summary = Sender::start(options).unwrap().finish().await.unwrap();
    accepting.abort();
    assert_eq!((summary.tally.acknowledged, summary.tally.connects), (40, 4));
    assert!(summary.seconds >= 0.17, "40 messages at 200 per second took {} s", summary.seconds);
}
