//! A plain MLLP receiver that appends what it gets to a file, makes it durable with `fdatasync`, one for a whole batch
//! (group commit), and only then answers AA. No parsing beyond the header, no index, no encryption: what a durable
//! acknowledgement costs at least on this machine, for measurements to be held against.
//!
//! One thread reads and answers, one writes. The file holds frames as they came, one after another. Bounds:
//! [`BATCH_MAX`] messages per `fdatasync`, [`QUEUE_MAX`] sessions waiting for the writer, [`FRAME_BYTES_MAX`] per frame.

use std::{
    fs::File,
    io::{self, Write},
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::{mpsc, oneshot},
};

use super::{
    Error, Stopper,
    sink::{listen, serve, spawn},
    stop_pair,
};

/// Messages made durable by one `fdatasync`.
pub const BATCH_MAX: usize = 256;
/// Sessions that may wait for the writer.
pub const QUEUE_MAX: usize = 1024;
/// Bytes of a frame.
pub const FRAME_BYTES_MAX: usize = 16 << 20;
/// Bytes read at once.
const READ_BYTES: usize = 64 << 10;

/// A receiver at work; it ends when this is dropped.
#[derive(Debug)]
pub struct GroupCommitSink {
    address: SocketAddr,
    counts: Arc<Counts>,
    stopper: Option<Stopper>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Counts {
    messages: AtomicU64,
    syncs: AtomicU64,
}

/// The complete frames that one session has at hand.
struct Job {
    frames: Vec<u8>,
    count: usize,
    durable: oneshot::Sender<()>,
}

impl GroupCommitSink {
    /// Listens on a free loopback port and appends to `path`.
    pub fn start(path: &Path) -> Result<Self, Error> {
        let file = File::options().create(true).append(true).open(path);
        let file = file.map_err(|source| Error::Write { path: path.to_owned(), source })?;
        let (listener, address) = listen(0)?;
        let counts = Arc::new(Counts::default());
        let (jobs, queue) = mpsc::channel(QUEUE_MAX);
        let (stopper, stop) = stop_pair();
        let counted = Arc::clone(&counts);
        let writer = spawn("sink-writer", move || write(file, queue, &counted))?;
        let reader = spawn("sink-reader", move || serve(listener, stop, move |stream| session(stream, jobs.clone())))?;
        Ok(Self { address, counts, stopper: Some(stopper), threads: vec![reader, writer] })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Messages made durable so far.
    pub fn messages(&self) -> u64 {
        self.counts.messages.load(Ordering::Relaxed)
    }

    /// How often it made them durable.
    pub fn syncs(&self) -> u64 {
        self.counts.syncs.load(Ordering::Relaxed)
    }
}

impl Drop for GroupCommitSink {
    fn drop(&mut self) {
        self.stopper.take();
        for thread in self.threads.drain(..) {
            thread.join().ok(); // a panic was told by its hook
        }
    }
}

/// Writes batch after batch until every session is gone. Ends at the first fault: then nobody gets an answer any more.
fn write(mut file: File, mut queue: mpsc::Receiver<Job>, counts: &Counts) {
    let mut waiting = Vec::new();
    while let Some(first) = queue.blocking_recv() {
        let mut count = first.count;
        let mut bytes = first.frames;
        waiting.push(first.durable);
        while count < BATCH_MAX
            && let Ok(job) = queue.try_recv()
        {
            count += job.count;
            bytes.extend_from_slice(&job.frames);
            waiting.push(job.durable);
        }
        if file.write_all(&bytes).and_then(|()| file.sync_data()).is_err() {
            return;
        }
        counts.messages.fetch_add(u64::try_from(count).unwrap_or(0), Ordering::Relaxed);
        counts.syncs.fetch_add(1, Ordering::Relaxed);
        for durable in waiting.drain(..) {
            durable.send(()).ok(); // the session may be gone
        }
    }
}

async fn session(mut stream: TcpStream, jobs: mpsc::Sender<Job>) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(READ_BYTES);
    let mut answers = Vec::new();
    loop {
        if stream.read_buf(&mut bytes).await? == 0 || bytes.len() > FRAME_BYTES_MAX {
            return Ok(());
        }
        let (mut used, mut count) = (0, 0);
        while count < BATCH_MAX
            && let Some(end) = memchr::memmem::find(bytes.get(used..).unwrap_or(&[]), &[0x1c, 0x0d])
        {
            answer(&mut answers, bytes.get(used..used + end).unwrap_or(&[]));
            used += end + 2;
            count += 1;
        }
        if count == 0 {
            continue;
        }
        let frames = bytes.drain(..used).collect();
        let (durable, wait) = oneshot::channel();
        if jobs.send(Job { frames, count, durable }).await.is_err() || wait.await.is_err() {
            return Ok(());
        }
        stream.write_all(&answers).await?;
        answers.clear();
    }
}

/// Frames an AA that names the sender's MSH-3, MSH-4 and MSH-10.
fn answer(out: &mut Vec<u8>, message: &[u8]) {
    let header = message.split(|byte| *byte == b'\r').next().unwrap_or(&[]);
    let mut fields = header.split(|byte| *byte == b'|').skip(2);
    let (application, facility) = (fields.next().unwrap_or(&[]), fields.next().unwrap_or(&[]));
    let control_id = fields.nth(5).unwrap_or(&[]);
    let parts: [&[u8]; 9] = [
        b"\x0bMSH|^~\\&|SINK|SINK|",
        application,
        b"|",
        facility,
        b"|20260101000000||ACK|",
        control_id,
        b"|T|2.5.1\rMSA|AA|",
        control_id,
        b"\r\x1c\r",
    ];
    for part in parts {
        out.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::sim::ehr::{EhrOptions, Sender};

    #[tokio::test]
    async fn answers_what_is_in_the_file_and_syncs_less_often_than_it_answers() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("frames");
        let sink = GroupCommitSink::start(&path).unwrap();
        let options = EhrOptions {
            to: sink.address().to_string(),
            connections: 8,
            window: 4,
            rate: None,
            messages: Some(400),
            ..EhrOptions::default()
        };
        let mut sender = Sender::start(options).unwrap();
        sender.ended().await;
        let acknowledged = sender.acknowledged();
        let summary = sender.finish().await.unwrap();
        assert_eq!((summary.tally.acknowledged, summary.tally.repeated), (400, 0));
        assert_eq!(sink.messages(), 400);
        assert!(sink.syncs() < 400, "{} syncs", sink.syncs());
        let file = std::fs::read(path).unwrap();
        assert_eq!(memchr::memmem::find_iter(&file, &[0x1c, 0x0d]).count(), 400);
        for id in acknowledged {
            assert!(memchr::memmem::find(&file, format!("|{id}|").as_bytes()).is_some(), "{id}");
        }
    }
}
