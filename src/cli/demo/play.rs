//! The story, played: each act ends when what it waits for has happened, or fails at its deadline.

use std::{collections::HashSet, fs, time::Duration};

use tokio::time::{Instant, sleep, timeout};

use super::{
    Error,
    daemon::{Daemon, get},
    expected::Expected,
    proof::{Evidence, FlowFigures, Kill, Match, MetricFigures, Outage, Search},
    scan::{self, Needles, Scan},
    scrape,
    site::{BEDBOARD, EVERYTHING, Site, TRANSPORT},
    view::{ACTS, Condition, Sample, Show, Uplink},
};
use crate::{
    actors::clock::Clock as Now,
    sim::{
        ehr::{Clock, Dialect, EhrOptions, Sender, Tally},
        platform::{Control, Fault, Platform, PlatformOptions},
        serial::{Device, SerialOptions},
    },
    store::{self, listing},
};

/// New messages of the EHR per second.
const EHR_PER_SECOND: u32 = 100;
/// New messages of the serial device per second, at the most.
const SERIAL_PER_SECOND: u32 = 6;
/// Connections of the EHR.
const CONNECTIONS: usize = 6;
/// Bodies the platform keeps: more than are ever sent.
const BODIES: usize = 1 << 20;
/// Answers the platform loses once the uplink is back.
const ANSWERS_LOST: u32 = 5;
/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(100);
/// Time an act may take beyond the traffic's.
const PATIENCE: Duration = Duration::from_secs(60);
/// Time the daemon may take to drain: as long as systemd would give it.
const STOP: Duration = Duration::from_secs(30);

/// Everybody on stage.
struct Stage<'a> {
    site: &'a Site,
    show: &'a mut Show,
    seconds: u32,
    ehr_options: EhrOptions,
    serial_options: SerialOptions,
    platform: Platform,
    daemon: Daemon,
    ehr: Sender,
    device: Device,
    sample: Sample,
    page: String,
    act: usize,
    began: Instant,
    outage: Outage,
    kill: Kill,
}

/// Plays the story on `site` with so many seconds of traffic, and returns what was measured.
pub(super) async fn play(site: &Site, seconds: u32, show: &mut Show) -> Result<Evidence, Error> {
    let mut stage = Stage::set(site, seconds, show).await?;
    stage.flow().await?;
    stage.pull().await?;
    stage.kill().await?;
    stage.plug().await?;
    stage.prove().await
}

impl<'a> Stage<'a> {
    /// Starts everybody: the platform, the serial device, the daemon, and when it is ready, the EHR.
    async fn set(site: &'a Site, seconds: u32, show: &'a mut Show) -> Result<Self, Error> {
        let clock = Clock::Steps { from: now(), step: Duration::from_secs(1) };
        let serial_options = SerialOptions {
            port: site.port(),
            baud: Some(115_200),
            messages: Some(u64::from(seconds * SERIAL_PER_SECOND)),
            gap: Duration::from_millis(1000 / u64::from(SERIAL_PER_SECOND) / 2),
            answer_timeout: Duration::from_secs(5),
            link: "BED".into(),
            population: 3,
            clock,
            ..SerialOptions::default()
        };
        let ehr_options = EhrOptions {
            to: site.ehr.to_string(),
            connections: CONNECTIONS,
            rate: Some(f64::from(EHR_PER_SECOND)),
            messages: Some(u64::from(seconds * EHR_PER_SECOND)),
            linger: PATIENCE,
            answer_timeout: Duration::from_secs(10),
            pause: Duration::from_millis(100),
            link: "EHR".into(),
            dialects: Dialect::ALL.to_vec(),
            population: 5,
            clock,
            ..EhrOptions::default()
        };
        let options = PlatformOptions { listen: site.platform, keep_bodies: BODIES, ..PlatformOptions::default() };
        let platform = Platform::start(options).await?;
        let device = Device::start(serial_options.clone())?;
        let mut daemon = Daemon::start(site)?;
        until_ready(site, &mut daemon).await?;
        let ehr = Sender::start(ehr_options.clone())?;
        show.opened(&format!("http://{}/metrics, http://{}/_report", site.metrics, site.platform));
        Ok(Self {
            site,
            show,
            seconds,
            ehr_options,
            serial_options,
            platform,
            daemon,
            ehr,
            device,
            sample: Sample { connections: CONNECTIONS, ..Sample::default() },
            page: String::new(),
            act: 0,
            began: Instant::now(),
            outage: Outage::default(),
            kill: Kill::default(),
        })
    }

    async fn flow(&mut self) -> Result<(), Error> {
        let (acknowledged, arrived) = (self.share(25), self.share(5));
        self.until("messages to be acknowledged, delivered and made into jobs", |sample| {
            sample.ehr.acknowledged >= acknowledged
                && sample.serial.acknowledged > 0
                && sample.effects.effects >= arrived
                && sample.jobs_total > 0
        })
        .await?;
        let Sample { ehr, serial, effects, .. } = &self.sample;
        let acknowledged = ehr.acknowledged + serial.acknowledged;
        self.end(&format!("{acknowledged} acknowledged, {} delivered", effects.effects));
        Ok(())
    }

    async fn pull(&mut self) -> Result<(), Error> {
        self.platform.unplug().await;
        self.sample.uplink = Uplink::Pulled;
        let (ehr, refused) = (self.ehr.tally(), self.refused());
        let (acknowledged, waiting) = ((ehr.acknowledged + self.share(15)).max(self.share(50)), self.share(10));
        self.until("messages to be acknowledged and to wait while the uplink is down", |sample| {
            sample.ehr.acknowledged >= acknowledged && sample.waiting >= waiting
        })
        .await?;
        self.outage.acknowledged = self.sample.ehr.acknowledged - ehr.acknowledged;
        self.outage.refused = self.refused() - refused;
        let words = format!("{} acknowledged meanwhile, {} waiting", self.outage.acknowledged, self.sample.waiting);
        self.end(&words);
        Ok(())
    }

    /// Kills the daemon until it dies with messages on the wire; the first kill may fall between two.
    async fn kill(&mut self) -> Result<(), Error> {
        while self.kill.in_flight == 0 {
            self.kill_once().await?;
        }
        let acknowledged = self.ehr.tally().acknowledged;
        let enough = (acknowledged + self.share(10)).max(self.share(70));
        self.until("traffic to go on after the kill", |sample| {
            sample.daemon != Condition::Down && sample.ehr.acknowledged >= enough
        })
        .await?;
        let Kill { in_flight, first_answer, .. } = self.kill;
        let words = format!(
            "{in_flight} in flight, first acknowledgement {:.2} s after it, {} waiting",
            first_answer.unwrap_or_default().as_secs_f64(),
            self.sample.waiting
        );
        self.end(&words);
        Ok(())
    }

    async fn kill_once(&mut self) -> Result<(), Error> {
        let patience = self.patience();
        let late = self.late("a message to be on its way");
        let all = CONNECTIONS as u64;
        let is_busy = |tally: &Tally| tally.connects == tally.lost_connections + all && tally.made > tally.acknowledged;
        let before = timeout(patience, self.ehr.until(is_busy)).await.map_err(|_| late)?;
        self.daemon.kill()?;
        let killed = Instant::now();
        self.sample.daemon = Condition::Down;
        // Answers that were on their way are read before the end of the connection is.
        let lost = before.lost_connections + all;
        let late = self.late("the senders to notice the kill");
        let after = timeout(patience, self.ehr.until(|tally| tally.lost_connections >= lost)).await;
        let after = after.map_err(|_| late)?;
        self.kill.times += 1;
        self.kill.in_flight = after.made - after.acknowledged;
        scan::copy(&self.site.store(), &self.site.killed_store()).map_err(Error::Folder)?;
        self.draw();
        self.daemon = Daemon::start(self.site)?;
        while timeout(LOOK, self.ehr.until(|tally| tally.acknowledged > after.acknowledged)).await.is_err() {
            self.draw();
            self.check(killed + patience, "the first acknowledgement after the kill")?;
        }
        self.kill.first_answer = self.kill.first_answer.max(Some(killed.elapsed()));
        Ok(())
    }

    async fn plug(&mut self) -> Result<(), Error> {
        self.platform.control(Control::times(Fault::LoseResponse, ANSWERS_LOST));
        self.platform.plug()?;
        self.sample.uplink = Uplink::Up;
        let (ehr, serial) = (self.ehr_options.messages, self.serial_options.messages);
        self.until("the senders to finish and the queue to drain", |sample| {
            Some(sample.ehr.acknowledged) >= ehr
                && Some(sample.serial.acknowledged) >= serial
                && sample.daemon != Condition::Down
                && sample.waiting == 0
        })
        .await?;
        let Sample { effects, jobs_total, .. } = &self.sample;
        let words = format!(
            "{} delivered, {} repeats suppressed, {jobs_total} jobs, queue empty",
            effects.effects, effects.repeats
        );
        self.end(&words);
        Ok(())
    }

    async fn prove(mut self) -> Result<Evidence, Error> {
        self.look().await?;
        let metrics = self.metrics();
        let stopped = self.daemon.stop(STOP).await?;
        let (ehr_ids, serial_ids) = (self.ehr.acknowledged(), self.device.acknowledged());
        let (ehr, serial) = (self.ehr.tally(), self.device.tally());
        self.ehr.stop();
        self.device.stop();
        let expected = Expected::of(&self.ehr_options, &ehr_ids, &self.serial_options, &serial_ids);
        let (arrivals, bodies, report) = (self.platform.arrivals(), self.platform.bodies(), self.platform.report());
        self.platform.unplug().await;
        let keys = arrivals.iter().filter_map(|arrival| arrival.key.as_deref());
        let evidence = Evidence {
            acknowledged: ehr.acknowledged + serial.acknowledged,
            unacknowledged: ehr.made + serial.made - ehr.acknowledged - serial.acknowledged,
            strangers: expected.strangers,
            deliveries: deliveries(&expected, keys.clone()),
            bytes: identical(&expected, keys.zip(&bodies)),
            jobs: self.platform.with_store(|store| expected.rides.at(store)),
            double_creates: report.double_creates,
            effects: report.counts,
            keys: report.keys as u64,
            keys_twice: report.keys_with_more_than_one_effect,
            flows: flows(self.site, &expected)?,
            metrics,
            outage: self.outage,
            kill: Kill { resent: ehr.repeated + serial.repeated, ..self.kill },
            store: self.search_store(&expected, &bodies)?,
            telling: self.search_telling(&expected, &bodies)?,
            stopped,
        };
        self.end("measured at both ends");
        Ok(evidence)
    }

    /// A share of the EHR's messages, in a hundred.
    fn share(&self, percent: u64) -> u64 {
        u64::from(self.seconds * EHR_PER_SECOND) * percent / 100
    }

    fn refused(&self) -> u64 {
        self.ehr.tally().refused + self.device.tally().refused
    }

    fn patience(&self) -> Duration {
        PATIENCE + Duration::from_secs(u64::from(self.seconds))
    }

    const fn late(&self, waited_for: &'static str) -> Error {
        Error::Late { act: self.act + 1, waited_for }
    }

    fn check(&mut self, deadline: Instant, waited_for: &'static str) -> Result<(), Error> {
        if let Some(status) = self.daemon.ended()? {
            return Err(Error::Died(status));
        }
        if Instant::now() >= deadline { Err(self.late(waited_for)) } else { Ok(()) }
    }

    /// Waits until what is seen is `wanted`.
    async fn until(&mut self, waited_for: &'static str, wanted: impl Fn(&Sample) -> bool) -> Result<(), Error> {
        let deadline = Instant::now() + self.patience();
        loop {
            self.look().await?;
            self.draw();
            if wanted(&self.sample) {
                return Ok(());
            }
            self.check(deadline, waited_for)?;
            sleep(LOOK).await;
        }
    }

    /// Looks at everybody.
    async fn look(&mut self) -> Result<(), Error> {
        self.sample.ehr = self.ehr.tally();
        self.sample.serial = self.device.tally();
        self.sample.serial_over = Some(self.sample.serial.acknowledged) == self.serial_options.messages;
        self.sample.effects = self.platform.effects();
        (self.sample.jobs_total, self.sample.jobs) = self.platform.with_store(|store| {
            let mut states = std::collections::BTreeMap::new();
            for state in store.jobs().into_values().filter_map(|mut states| states.pop()) {
                *states.entry(state).or_default() += 1;
            }
            (store.jobs_total(), states)
        });
        self.sample.daemon = match get(self.site.metrics, "/ready").await {
            Ok((200, _)) => Condition::Ready,
            Ok(_) => Condition::Unready,
            Err(_) => Condition::Down,
        };
        if let Ok((200, page)) = get(self.site.metrics, "/metrics").await {
            let count = |name, labels: &[(&str, &str)]| scrape::count(&page, name, labels);
            self.sample.waiting = count("gurney_queue_messages", &[]).unwrap_or(self.sample.waiting);
            let twice = count("gurney_messages_processed_total", &[("outcome", "duplicate")]);
            self.sample.taken_twice = twice.unwrap_or(self.sample.taken_twice);
            if self.sample.uplink == Uplink::Pulled {
                self.outage.waiting_most = self.outage.waiting_most.max(self.sample.waiting);
            }
            self.page = page;
        }
        Ok(())
    }

    fn draw(&mut self) {
        self.show.draw(self.act, self.began.elapsed(), &self.sample);
    }

    /// Ends an act.
    fn end(&mut self, words: &str) {
        self.show.ended(self.act, self.began.elapsed(), words);
        self.act = (self.act + 1).min(ACTS.len() - 1);
        self.began = Instant::now();
        self.draw();
    }

    fn metrics(&self) -> Option<MetricFigures> {
        let count = |name| scrape::count(&self.page, name, &[]);
        Some(MetricFigures {
            waiting: count("gurney_queue_messages")?,
            lost: count("gurney_messages_lost_total")?,
            dead: count("gurney_dead_letter_messages")?,
        })
    }

    /// Searches the store as it is now, and as the kill left it.
    fn search_store(&self, expected: &Expected, bodies: &[Vec<u8>]) -> Result<Search, Error> {
        let mut scan = Scan::default();
        for folder in [self.site.store(), self.site.killed_store()] {
            expected.patients.look_into(&folder, &mut scan).map_err(Error::Folder)?;
        }
        Ok(search(expected, bodies, &scan))
    }

    /// Searches the daemon's log and its metrics.
    fn search_telling(&self, expected: &Expected, bodies: &[Vec<u8>]) -> Result<Search, Error> {
        let mut scan = Scan::default();
        expected.patients.look(&fs::read(self.site.log()).map_err(Error::Folder)?, &mut scan);
        expected.patients.look(self.page.as_bytes(), &mut scan);
        Ok(search(expected, bodies, &scan))
    }
}

#[expect(clippy::expect_used, reason = "the clock of a machine that runs lies within the range of jiff")]
fn now() -> jiff::Timestamp {
    let now = Now::start().wall();
    jiff::Timestamp::from_millisecond(now.0).expect("a wall clock between the years -9999 and 9999")
}

/// Waits until the daemon says that it is ready.
pub(super) async fn until_ready(site: &Site, daemon: &mut Daemon) -> Result<(), Error> {
    let deadline = Instant::now() + PATIENCE;
    while !matches!(get(site.metrics, "/ready").await, Ok((200, _))) {
        if let Some(status) = daemon.ended()? {
            return Err(Error::Died(status));
        }
        if Instant::now() >= deadline {
            return Err(Error::Late { act: 1, waited_for: "the daemon to be ready" });
        }
        sleep(LOOK / 4).await;
    }
    Ok(())
}

/// Deliveries by their keys: each message that is passed on, and what was told of jobs. A key that came to effect twice, or
/// that no message has, is surplus.
fn deliveries<'a>(expected: &Expected, keys: impl Iterator<Item = &'a str>) -> Match {
    let mut missing: HashSet<&str> = expected.raw.keys().map(String::as_str).collect();
    let mut possible: HashSet<&str> = expected.bundles.iter().map(String::as_str).collect();
    let due = missing.len() as u64;
    let surplus = keys.filter(|key| !missing.remove(key) && !possible.remove(key)).count() as u64;
    Match { expected: due, found: due - missing.len() as u64, surplus }
}

/// Messages that arrived with the bytes with which they were sent.
fn identical<'a>(expected: &Expected, arrived: impl Iterator<Item = (&'a str, &'a Vec<u8>)>) -> Match {
    let raw = arrived.filter_map(|(key, body)| Some(expected.raw.get(key)? == body));
    let (same, other): (Vec<bool>, Vec<bool>) = raw.partition(|same| *same);
    Match { expected: expected.raw.len() as u64, found: same.len() as u64, surplus: other.len() as u64 }
}

/// The store's own account, read from the stopped store.
fn flows(site: &Site, expected: &Expected) -> Result<Vec<FlowFigures>, Error> {
    let connection = store::open_offline(&site.plan())?;
    let rows = listing::flows(&connection).map_err(|source| store::Error::Database { operation: "read", source })?;
    let figures = |flow: &'static str| FlowFigures {
        row: rows
            .iter()
            .find(|row| row.flow == flow)
            .cloned()
            .unwrap_or_else(|| listing::FlowRow { flow: flow.to_owned(), ..listing::FlowRow::default() }),
        sent: expected.received.get(flow).copied().unwrap_or(0),
    };
    Ok([EVERYTHING, TRANSPORT, BEDBOARD].map(|route| figures(route.flow)).to_vec())
}

/// What a search found, and what the same search does not find in what the platform got.
fn search(expected: &Expected, bodies: &[Vec<u8>], scan: &Scan) -> Search {
    let mut sent = Scan::default();
    bodies.iter().for_each(|body| expected.ehr_patients.look(body, &mut sent));
    Search {
        wanted: Needles::len(&expected.patients),
        found: scan.found.len(),
        overlooked: sent.missing(&expected.ehr_patients),
        files: scan.files,
        bytes: scan.bytes,
    }
}
