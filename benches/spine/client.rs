//! The load: connections with one message outstanding each, every MSA-2 checked.

use std::time::{Duration, Instant};

use gurney::wire::mllp;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// What a run measured.
pub struct Load {
    pub messages: usize,
    took: Duration,
    latencies: Vec<f64>,
}

impl Load {
    pub fn rate(&self) -> f64 {
        self.messages as f64 / self.took.as_secs_f64()
    }

    pub fn percentile(&self, percent: f64) -> f64 {
        let at = (self.latencies.len() as f64 * percent / 100.0) as usize;
        self.latencies.get(at.min(self.latencies.len().saturating_sub(1))).copied().unwrap_or(0.0)
    }
}

/// Plays flat out for `time`.
pub fn run(port: u16, connections: usize, time: Duration, prefix: &str) -> Load {
    let deadline = Instant::now() + time;
    play(port, connections, prefix, move |_, _| Instant::now() < deadline, None)
}

/// Sends `messages` flat out.
pub fn fill(port: u16, connections: usize, messages: usize) -> Load {
    play(port, connections, "fill", move |_, sent| sent < messages / connections, None)
}

/// Sends `rate` messages a second over four connections.
pub fn paced(port: u16, rate: usize, time: Duration, prefix: &str) -> Load {
    let deadline = Instant::now() + time;
    let gap = Duration::from_secs(4) / rate as u32;
    play(port, 4, prefix, move |_, _| Instant::now() < deadline, Some(gap))
}

fn play(
    port: u16,
    connections: usize,
    prefix: &str,
    more: impl Fn(usize, usize) -> bool + Copy + 'static,
    gap: Option<Duration>,
) -> Load {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let began = Instant::now();
    let local = tokio::task::LocalSet::new();
    let mut latencies: Vec<f64> = local.block_on(&runtime, async {
        let tasks: Vec<_> = (0..connections)
            .map(|at| tokio::task::spawn_local(connection(port, at, format!("{prefix}{at}"), more, gap)))
            .collect();
        let mut all = Vec::new();
        for task in tasks {
            all.extend(task.await.unwrap());
        }
        all
    });
    let took = began.elapsed();
    latencies.sort_by(f64::total_cmp);
    Load { messages: latencies.len(), took, latencies }
}

async fn connection(
    port: u16,
    at: usize,
    prefix: String,
    more: impl Fn(usize, usize) -> bool,
    gap: Option<Duration>,
) -> Vec<f64> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut latencies = Vec::new();
    let mut frame = Vec::new();
    let mut buffer = vec![0; 4096];
    while more(at, latencies.len()) {
        let control_id = format!("{prefix}-{}-{}", std::process::id(), latencies.len());
        frame.clear();
        mllp::encode(&mut frame, message(&control_id, at, latencies.len()).as_bytes());
        let began = Instant::now();
        stream.write_all(&frame).await.unwrap();
        let mut length = 0;
        while !buffer[..length].ends_with(b"\x1c\r") {
            let read = stream.read(&mut buffer[length..]).await.unwrap();
            assert!(read > 0, "the server closed the connection");
            length += read;
        }
        let expected = format!("MSA|AA|{control_id}");
        assert!(buffer[..length].windows(expected.len()).any(|window| window == expected.as_bytes()), "wrong answer");
        latencies.push(began.elapsed().as_secs_f64());
        if let Some(gap) = gap {
            tokio::time::sleep(gap).await;
        }
    }
    latencies
}

/// About 1.5 KB; every connection has forty patients of its own.
fn message(control_id: &str, connection: usize, n: usize) -> String {
    let patient = connection * 1000 + n % 40;
    format!(
        "MSH|^~\\&|ZZEHR|ZZHOSP|GURNEY|EDGE|20260301120000+0000||ADT^A08^ADT_A01|{control_id}|P|2.5.1\r\
         EVN|A08|20260301120000+0000\r\
         PID|1||{patient}^^^ZZHOSP^MR||ZZTEST^BENCH^Q||19500102|F|||1 INVENTED WAY^^NOWHERE^ZZ^00000\r\
         PV1|1|I|3W^12^A^ZZHOSP||||1234^ZZDOCTOR^IMA||||||||||||V{patient}^^^ZZHOSP\r\
         NTE|1||{}\r",
        "made up text that fills the message to its usual size. ".repeat(22)
    )
}
