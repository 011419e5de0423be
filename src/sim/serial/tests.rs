//! The device against a port opened as the gateway opens it: raw bytes, answers, the plug, the pace, noise.

//! The serial device over a real pseudo-terminal.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};
use tokio_serial::{SerialPortBuilderExt, SerialStream};

use super::*;

/// Longer than anything here takes; a test that fails does not hang.
const PATIENCE: Duration = Duration::from_secs(20);

fn open(path: &Path) -> SerialStream {
    tokio_serial::new(path.to_str().unwrap(), 115_200).open_native_async().unwrap()
}

/// Opens the port as soon as it is there.
async fn reopen(path: &Path) -> SerialStream {
    timeout(PATIENCE, async {
        loop {
            let port = tokio_serial::new(path.to_str().unwrap(), 115_200).open_native_async();
            match port {
                Ok(port) => return port,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    })
    .await
    .unwrap()
}

fn options(folder: &TempDir, messages: u64) -> SerialOptions {
    SerialOptions {
        port: folder.path().join("port"),
        baud: None,
        messages: Some(messages),
        gap: Duration::ZERO,
        answer_timeout: Duration::from_millis(200),
        ..SerialOptions::default()
    }
}

/// Reads frames and acknowledges them until the port is lost; gives the control ids.
async fn serve(port: &mut SerialStream, code: &str, most: usize) -> Vec<String> {
    let (mut bytes, mut ids) = (Vec::new(), Vec::new());
    while ids.len() < most {
        match timeout(PATIENCE, port.read_buf(&mut bytes)).await.unwrap() {
            Ok(1..) => {}
            _ => break,
        }
        while let Some(end) = memchr::memmem::find(&bytes, &[0x1c, 0x0d]) {
            let frame: Vec<u8> = bytes.drain(..end + 2).collect();
            let id = frame.split(|byte| *byte == b'|').nth(9).map(|id| String::from_utf8_lossy(id).into_owned());
            let id = id.unwrap_or_default();
            let text = format!("\x0bMSH|^~\\&|P|P|E|E|20261122||ACK|1|T|2.3\rMSA|{code}|{id}\r\x1c\r");
            port.write_all(text.as_bytes()).await.unwrap();
            ids.push(id);
        }
    }
    ids
}

#[tokio::test]
async fn carries_all_256_byte_values_both_ways_once_the_port_is_raw() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("port");
    let terminal = Terminal::open(&link).unwrap();
    assert!(!terminal.is_open());
    let mut port = open(&link);
    assert!(terminal.is_open());
    let session = terminal.session().unwrap();
    let all: Vec<u8> = (0..=255).collect();
    session.write_all(&all).await.unwrap();
    let mut got = vec![0; 256];
    timeout(PATIENCE, port.read_exact(&mut got)).await.unwrap().unwrap();
    assert_eq!(got, all);
    port.write_all(&all).await.unwrap();
    let mut back = Vec::new();
    while back.len() < 256 {
        let count = timeout(PATIENCE, session.read(&mut got)).await.unwrap().unwrap();
        back.extend_from_slice(&got[..count]);
    }
    assert_eq!(back, all);
}

#[tokio::test]
async fn the_stable_name_goes_with_the_plug_and_harms_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("port");
    let first = Terminal::open(&link).unwrap();
    let mut port = open(&link);
    assert_eq!(std::fs::read_link(&link).unwrap(), first.slave());
    drop(first);
    assert!(link.symlink_metadata().is_err());
    assert_eq!(timeout(PATIENCE, port.read(&mut [0; 8])).await.unwrap().unwrap_or(0), 0, "the port is lost");
    std::fs::write(&link, "a file").unwrap();
    assert!(matches!(Terminal::open(&link), Err(Error::Link { .. })));
    assert_eq!(std::fs::read_to_string(&link).unwrap(), "a file");
}

#[tokio::test]
async fn sends_and_takes_answers() {
    let folder = tempfile::tempdir().unwrap();
    let mut device = Device::start(options(&folder, 20)).unwrap();
    let mut port = open(device.port());
    let ids = serve(&mut port, "AA", 20).await;
    device.ended().await;
    assert_eq!(device.acknowledged(), ids);
    let summary = device.finish().await.unwrap();
    assert_eq!((summary.tally.acknowledged, summary.tally.sent, summary.unacknowledged), (20, 20, 0));
}

#[tokio::test]
async fn repeats_what_was_refused_or_not_answered() {
    let folder = tempfile::tempdir().unwrap();
    let mut device = Device::start(options(&folder, 1)).unwrap();
    let mut port = open(device.port());
    serve(&mut port, "AE", 2).await;
    let mut scrap = vec![0; 4096];
    timeout(PATIENCE, async {
        tokio::select! {
            _ = device.until(|tally| tally.timeouts == 1) => {}
            () = async { while port.read(&mut scrap).await.is_ok() {} } => {}
        }
    })
    .await
    .unwrap();
    serve(&mut port, "AA", 1).await;
    device.ended().await;
    let tally = device.finish().await.unwrap().tally;
    // On a machine that stands still an answer may come too late; the message is repeated then too.
    assert_eq!((tally.acknowledged, tally.sent), (1, tally.repeated + 1));
    assert!(tally.timeouts >= 1 && tally.sent >= 4, "{tally:?}");
}

#[tokio::test]
async fn a_plug_pulled_within_a_frame_loses_the_port_and_the_frame_comes_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut device = Device::start(options(&folder, 3)).unwrap();
    let path = device.port().to_owned();
    device.cut_frame_at(40).await;
    let mut port = open(&path);
    let mut bytes = Vec::new();
    while timeout(PATIENCE, port.read_buf(&mut bytes)).await.unwrap().is_ok_and(|count| count > 0) {}
    assert_eq!(bytes.len(), 40);
    assert!(bytes.starts_with(b"\x0bMSH|"));
    timeout(PATIENCE, device.until(|tally| tally.unplugs == 1)).await.unwrap();
    assert!(path.symlink_metadata().is_err());
    drop(port);
    device.replug().await;
    let mut port = open(&path);
    let ids = serve(&mut port, "AA", 3).await;
    device.ended().await;
    assert_eq!((ids.len(), device.tally().unplugs, device.tally().plugs), (3, 1, 2));
    assert_eq!(device.acknowledged(), ids);
}

#[tokio::test]
async fn comes_back_under_the_same_name_when_its_user_closes_the_port() {
    let folder = tempfile::tempdir().unwrap();
    let mut device = Device::start(options(&folder, 4)).unwrap();
    let path = device.port().to_owned();
    let mut port = open(&path);
    let mut ids = serve(&mut port, "AA", 2).await;
    timeout(PATIENCE, device.until(|tally| tally.sent == 3)).await.unwrap();
    drop(port);
    timeout(PATIENCE, device.until(|tally| tally.plugs == 2)).await.unwrap();
    let mut port = reopen(&path).await;
    ids.extend(serve(&mut port, "AA", 2).await);
    device.ended().await;
    assert_eq!(device.acknowledged(), ids);
    assert_eq!(device.tally().repeated, 1);
}

#[tokio::test]
async fn keeps_the_pace_of_its_baud_rate() {
    let folder = tempfile::tempdir().unwrap();
    let options = SerialOptions { baud: Some(38_400), size: Some(960), ..options(&folder, 1) };
    let device = Device::start(SerialOptions { answer_timeout: PATIENCE, ..options }).unwrap();
    let mut port = open(device.port());
    let begun = Instant::now();
    serve(&mut port, "AA", 1).await;
    assert!(begun.elapsed() >= Duration::from_millis(245), "960 bytes at 3840 per second took {:?}", begun.elapsed());
    assert_eq!(device.finish().await.unwrap().tally.acknowledged, 1);
}

#[tokio::test]
async fn gets_every_message_through_a_noisy_wire() {
    let folder = tempfile::tempdir().unwrap();
    // Only lost bytes and bursts before a frame: a flip could make another message of it.
    let noise = Noise { bursts_per_thousand: 500, ..Noise::default() };
    let mut device = Device::start(SerialOptions { noise, ..options(&folder, 30) }).unwrap();
    let mut port = open(device.port());
    let mut decoder = mllp::Decoder::new(1 << 16);
    let mut bytes = vec![0; 4096];
    let mut accepted = Vec::new();
    while accepted.len() < 30 {
        let count = timeout(PATIENCE, port.read(&mut bytes)).await.unwrap().unwrap();
        decoder.push(&bytes[..count]);
        for event in decoder.by_ref() {
            let mllp::Event::Frame(payload) = event else { continue };
            let Some(id) = payload.split(|byte| *byte == b'|').nth(9) else { continue };
            let id = String::from_utf8_lossy(id).into_owned();
            let text = format!("\x0bMSH|^~\\&|P|P|E|E|20261122||ACK|1|T|2.3\rMSA|AA|{id}\r\x1c\r");
            port.write_all(text.as_bytes()).await.unwrap();
            accepted.push(id);
        }
    }
    device.ended().await;
    assert!(device.tally().damaged > 0);
    assert_eq!(device.acknowledged(), accepted);
}
