//! The real binary, started with a site's configuration, and killed or stopped by its process id alone.

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    process::{Child, Command, ExitStatus, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{
    site::Site,
    wait::{until, until_so},
};

/// A daemon that runs, or ran.
pub(crate) struct Daemon {
    child: Child,
    metrics: SocketAddr,
}

/// How a daemon is started.
#[derive(Clone, Debug, Default)]
pub(crate) struct Launch {
    /// A command that starts it in its place: `nsenter`, `prlimit`.
    pub(crate) via: Vec<String>,
    /// Further variables of its environment.
    pub(crate) env: Vec<(&'static str, String)>,
}

impl Launch {
    /// With the memory settings of the systemd unit.
    pub(crate) fn as_unit() -> Self {
        let unit = include_str!("../../systemd/gurney.service");
        let pairs = unit.lines().filter_map(|line| line.strip_prefix("Environment=")).flat_map(|line| line.split(' '));
        let env: Vec<_> = pairs
            .filter_map(|pair| pair.split_once('='))
            .filter(|(name, _)| name.starts_with("MALLOC_"))
            .map(|(name, value)| (name, value.to_owned()))
            .collect();
        assert_eq!(env.len(), 3, "{env:?}");
        Self { env, ..Self::default() }
    }

    /// With fail points.
    pub(crate) fn failing(points: &str) -> Self {
        Self { env: vec![("FAILPOINTS", points.to_owned())], ..Self::default() }
    }
}

impl Daemon {
    /// Starts a daemon and waits until it is ready.
    pub(crate) async fn start(site: &Site) -> Self {
        Self::launch(site, &Launch::default()).await
    }

    /// Starts a daemon in a special way and waits until it is ready.
    pub(crate) async fn launch(site: &Site, launch: &Launch) -> Self {
        let mut daemon = Self::spawn(site, launch);
        until("the daemon is ready", async || {
            if let Some(status) = daemon.child.try_wait().unwrap() {
                panic!("the daemon ended instead of becoming ready: {status}\n{}", site.log());
            }
            daemon.is_ready().await.then_some(())
        })
        .await;
        daemon
    }

    /// Starts a daemon and does not wait.
    pub(crate) fn spawn(site: &Site, launch: &Launch) -> Self {
        let config = site.write_config();
        let log = fs::File::options().create(true).append(true).open(site.log_file()).unwrap();
        let binary = env!("CARGO_BIN_EXE_gurney");
        let (program, arguments) = match launch.via.split_first() {
            Some((program, arguments)) => (program.as_str(), [arguments, &[binary.to_owned()]].concat()),
            None => (binary, Vec::new()),
        };
        let child = Command::new(program)
            .args(arguments)
            .args(["--log-format", "text", "run", "--config"])
            .arg(config)
            .env_remove("FAILPOINTS")
            .env_remove("GURNEY_LOG")
            .env_remove("NOTIFY_SOCKET")
            .env_remove("LISTEN_FDS")
            .envs(launch.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { child, metrics: site.metrics() }
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// kill -9, and nothing else dies.
    pub(crate) fn kill(&mut self) {
        // It may have ended by itself, which is as dead.
        self.child.kill().ok();
        self.child.wait().unwrap();
    }

    /// Stops it as systemd would, and says how it ended.
    pub(crate) async fn terminate(&mut self) -> ExitStatus {
        let id = i32::try_from(self.child.id()).unwrap();
        kill_process(Pid::from_raw(id).unwrap(), Signal::TERM).unwrap();
        self.ended().await
    }

    /// Waits until it ends by itself.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        until("the daemon ends", async || self.child.try_wait().unwrap()).await
    }

    /// Whether it runs.
    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Resident memory in KiB.
    pub(crate) fn resident_kib(&self) -> u64 {
        self.memory("VmRSS:")
    }

    fn memory(&self, which: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(which)).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// The most resident memory it ever had, in KiB.
    pub(crate) fn peak_kib(&self) -> u64 {
        self.memory("VmHWM:")
    }

    /// How many descriptors it has open.
    pub(crate) fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.id())).unwrap().count()
    }

    /// Whether `/ready` says so.
    pub(crate) async fn is_ready(&self) -> bool {
        self.get("/ready").await.is_some_and(|(status, _)| status == 200)
    }

    /// The body of `/ready`.
    pub(crate) async fn readiness(&self) -> String {
        until("/ready answers", async || self.get("/ready").await).await.1
    }

    /// What `/metrics` says now.
    pub(crate) async fn metrics(&self) -> Metrics {
        Metrics::read(&self.metrics_text().await)
    }

    /// What `/metrics` says now, as it stands there.
    pub(crate) async fn metrics_text(&self) -> String {
        let (status, body) = until("/metrics answers", async || self.get("/metrics").await).await;
        assert_eq!(status, 200, "{body}");
        body
    }

    /// Waits until the metrics are as wanted.
    pub(crate) async fn until(&self, what: &str, wanted: impl Fn(&Metrics) -> bool) {
        until_so(what, async || wanted(&self.metrics().await)).await;
    }

    async fn get(&self, path: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(self.metrics).await.ok()?;
        stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: gurney\r\n\r\n").as_bytes()).await.ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.ok()?;
        let answer = String::from_utf8(answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((status, body.to_owned()))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What a scrape returned.
#[derive(Debug)]
pub(crate) struct Metrics(BTreeMap<String, f64>);

impl Metrics {
    fn read(text: &str) -> Self {
        let samples = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit_once(' '));
        Self(samples.map(|(name, value)| (name.to_owned(), value.parse().unwrap())).collect())
    }

    /// The sum of a family's samples whose labels hold all of `labels`, each as `name="value"`.
    pub(crate) fn sum(&self, family: &str, labels: &[&str]) -> u64 {
        let fits = |name: &str| {
            name.strip_prefix(family).is_some_and(|rest| {
                (rest.is_empty() || rest.starts_with('{')) && labels.iter().all(|label| rest.contains(label))
            })
        };
        let found: Vec<f64> = self.0.iter().filter(|(name, _)| fits(name)).map(|(_, value)| *value).collect();
        assert!(!found.is_empty(), "no metric {family} with {labels:?}");
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts are small whole numbers")]
        let sum = found.iter().sum::<f64>() as u64;
        sum
    }

    /// Acknowledgements with this code.
    pub(crate) fn acks(&self, code: &str) -> u64 {
        self.sum("gurney_message_acks_total", &[&format!("code=\"{code}\"")])
    }

    /// Messages that came to this end.
    pub(crate) fn ended(&self, outcome: &str) -> u64 {
        self.sum("gurney_messages_processed_total", &[&format!("outcome=\"{outcome}\"")])
    }

    /// Frames rejected for this kind of fault.
    pub(crate) fn frame_errors(&self, kind: &str) -> u64 {
        self.sum("gurney_interface_frame_errors_total", &[&format!("kind=\"{kind}\"")])
    }

    /// Peers not let in for this reason.
    pub(crate) fn refused(&self, reason: &str) -> u64 {
        self.sum("gurney_interface_connections_refused_total", &[&format!("reason=\"{reason}\"")])
    }

    /// Messages that wait for the platform.
    pub(crate) fn waiting(&self) -> u64 {
        self.sum("gurney_queue_messages", &[])
    }

    /// Whether the store is at this level.
    pub(crate) fn is_at_level(&self, level: &str) -> bool {
        self.sum("gurney_store_level", &[&format!("level=\"{level}\"")]) == 1
    }

    /// Failed store operations.
    pub(crate) fn store_errors(&self) -> u64 {
        self.sum("gurney_store_errors_total", &[])
    }

    /// Delivery attempts with this result.
    pub(crate) fn attempts(&self, result: &str) -> u64 {
        self.sum("gurney_delivery_attempts_total", &[&format!("result=\"{result}\"")])
    }
}
