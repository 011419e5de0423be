//! Exchanges over a pipe, with a receiver that writes exactly the bytes it is given.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use tokio::io::{DuplexStream, duplex};

use super::*;
use crate::{hl7::ack::Code, settings::AwaitedAck, wire::mllp::encode};

const MESSAGE: &[u8] = b"MSH|^~\\&|ZZGW|ZZGENERAL|ZZLAB|ZZGENERAL|20261122||ADT^A01|ID-7|T|2.5.1\rPID|1\r";
const SILENT: &[u8] = b"MSH|^~\\&|ZZGW|ZZGENERAL|ZZLAB|ZZGENERAL|20261122||ADT^A01|ID-7|T|2.5.1|||NE|NE\rPID|1\r";
const SHORT: Duration = Duration::from_millis(50);
/// Never waited out: the answer is there already.
const LONG: Duration = Duration::from_secs(60);

fn framed(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    encode(&mut out, payload);
    out
}

fn ack(code: &str, id: &str) -> Vec<u8> {
    framed(format!("MSH|^~\\&|ZZLAB|||||ACK|1|T|2.5.1\rMSA|{code}|{id}\r").as_bytes())
}

fn pipe(release: Release) -> (Connection, DuplexStream) {
    let (ours, theirs) = duplex(1 << 20);
    (Connection::new(Box::new(ours), release, LONG), theirs)
}

/// What an exchange brings when the receiver says `says`, whether the connection may be used again, and what was written.
async fn exchange(
    message: &[u8],
    release: Release,
    says: &[u8],
    patience: Duration,
) -> (Result<Found, Failure>, bool, Vec<u8>) {
    let (mut connection, mut receiver) = pipe(release);
    receiver.write_all(says).await.unwrap();
    let answers = Answers::to(message, AwaitedAck::Commit);
    let found = connection.exchange(message, &answers, patience).await;
    let is_done = connection.is_done();
    drop(connection);
    let mut written = Vec::new();
    receiver.read_to_end(&mut written).await.unwrap();
    (found, is_done, written)
}

fn code(found: &Result<Found, Failure>) -> Option<Code> {
    match found {
        Ok(Found::Acknowledged { code, .. }) => Some(*code),
        _ => None,
    }
}

#[tokio::test]
async fn writes_one_frame_and_takes_its_answer() {
    let (found, is_done, written) = exchange(MESSAGE, Release::One, &ack("AA", "ID-7"), LONG).await;
    assert_eq!((code(&found), is_done), (Some(Code::Aa), true));
    assert_eq!(written, framed(MESSAGE));
}

#[tokio::test]
async fn uses_a_connection_again_only_where_nothing_is_left_over() {
    let one = ack("AA", "ID-7");
    for (rest, expected) in
        [(&b""[..], true), (b"\r\n", true), (b"\0", true), (&one, false), (&one[..9], false), (b"x", false)]
    {
        let (found, is_done, _) = exchange(MESSAGE, Release::One, &[&one, rest].concat(), LONG).await;
        assert_eq!((code(&found), is_done), (Some(Code::Aa), expected), "{rest:?}");
    }
}

#[tokio::test]
async fn passes_over_what_says_nothing_of_its_message() {
    let own = framed(b"MSH|^~\\&|ZZLAB|||||ORU^R01|8|T|2.3\rPID|1\r");
    let blocks = [framed(b"\x06"), framed(b"\x15"), b"ready\r\n".to_vec(), own];
    for before in blocks {
        let (found, ..) = exchange(MESSAGE, Release::One, &[before.clone(), ack("AA", "ID-7")].concat(), LONG).await;
        assert_eq!(code(&found), Some(Code::Aa));
        let (found, ..) = exchange(MESSAGE, Release::One, &before, SHORT).await;
        assert_eq!(found, Err(Failure::Timeout), "{before:?}");
    }
}

#[tokio::test]
async fn takes_no_answer_that_is_cut_off_or_endless() {
    let answer = ack("AA", "ID-7");
    for end in 0..answer.len() {
        let (mut connection, mut receiver) = pipe(Release::One);
        receiver.write_all(&answer[..end]).await.unwrap();
        receiver.shutdown().await.unwrap();
        let found = connection.exchange(MESSAGE, &Answers::to(MESSAGE, AwaitedAck::Commit), LONG).await;
        let heard = if end == 0 { Heard::Nothing } else { Heard::Something };
        // The last byte alone may be missing: the end of the stream stands for it.
        let is_whole = end == answer.len() - 1;
        match is_whole {
            true => assert_eq!(code(&found), Some(Code::Aa)),
            false => assert_eq!(found, Err(Failure::Broken(heard)), "{end} bytes"),
        }
    }
    let (mut connection, mut receiver) = pipe(Release::One);
    let writer = tokio::spawn(async move {
        receiver.write_all(&[&b"\x0bMSH|^~\\&|"[..], &vec![b'x'; limits::ANSWER_BYTES_MAX]].concat()).await.ok();
        receiver
    });
    let found = connection.exchange(MESSAGE, &Answers::to(MESSAGE, AwaitedAck::Commit), LONG).await;
    assert!(matches!(found, Ok(Found::Malformed(kept)) if kept.len() <= limits::SKIPPED_BYTES_KEPT));
    drop(connection);
    writer.await.unwrap();
}

#[tokio::test]
async fn speaks_release_2() {
    let committed = framed(b"\x06");
    let (found, is_done, written) =
        exchange(MESSAGE, Release::Two, &[committed.clone(), ack("AA", "ID-7")].concat(), LONG).await;
    assert_eq!((code(&found), is_done), (Some(Code::Aa), true));
    assert_eq!(written, [framed(MESSAGE), committed.clone()].concat(), "the answer is committed in its turn");
    let (found, ..) = exchange(MESSAGE, Release::Two, &committed, SHORT).await;
    assert_eq!(found, Err(Failure::Timeout), "a commit block is no acknowledgement");
    let (found, is_done, _) = exchange(SILENT, Release::Two, &committed, LONG).await;
    assert_eq!((found, is_done), (Ok(Found::Committed), true), "unless the message asks for none");
    let (mut connection, mut receiver) = pipe(Release::Two);
    let refusing = async {
        let mut block = vec![0; framed(MESSAGE).len()];
        for _ in 0..=limits::COMMIT_RESENDS {
            receiver.read_exact(&mut block).await.unwrap();
            assert_eq!(block, framed(MESSAGE));
            receiver.write_all(&framed(b"\x15")).await.unwrap();
        }
    };
    let answers = Answers::to(MESSAGE, AwaitedAck::Commit);
    let (found, ()) = tokio::join!(connection.exchange(MESSAGE, &answers, LONG), refusing);
    assert_eq!(found, Err(Failure::NotCommitted));
}

#[tokio::test]
async fn refuses_what_would_end_its_own_frame() {
    for unfit in [&b"MSH|\x0b\r"[..], b"MSH|\x1c\r"] {
        let (found, _, written) = exchange(unfit, Release::One, b"", LONG).await;
        assert_eq!((found, written), (Err(Failure::Unfit), Vec::new()));
    }
}

#[tokio::test]
async fn lets_a_resting_connection_go_when_the_peer_says_something() {
    for (says, is_kept) in [(&b"\r\n"[..], true), (&ack("AA", "ID-6"), false)] {
        let (connection, mut receiver) = pipe(Release::One);
        let resting = connection.rest(0, LONG);
        receiver.write_all(says).await.unwrap();
        // The watch runs before the claim does.
        tokio::task::yield_now().await;
        assert_eq!(resting.claim().await.is_some(), is_kept, "{says:?}");
    }
    let (connection, receiver) = pipe(Release::One);
    let resting = connection.rest(0, LONG);
    drop(receiver);
    tokio::task::yield_now().await;
    assert!(resting.claim().await.is_none());
    let (connection, mut receiver) = pipe(Release::One);
    let resting = connection.rest(0, SHORT);
    assert_eq!(receiver.read(&mut [0]).await.unwrap(), 0, "closed when it was not used for its time");
    assert!(resting.claim().await.is_none());
}
