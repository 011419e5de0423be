//! Plays a scenario: as it is written over each of its links, then with what nobody wrote down, and says what was not as
//! expected. A fault of the test itself panics; a fault of the box is an `Err`, so that cases which wait for work that is
//! not done can be seen to fail.

use std::collections::BTreeMap;

use gurney::sim::{
    platform::{Control, Store},
    random::SplitMix64,
    scene::{
        Persona, Presence,
        look::{JobAtPlatform, Resources, holds, shown},
    },
};
use serde_json::{Value, json};

use crate::{
    bench::Bench,
    scenario::{Aside, Job, LinkKind, Request, Scenario, Step, Vary},
    wait::until,
};

/// What is wrong with a play.
pub(crate) type Verdict = Result<(), String>;

/// How a play differs from what is written.
#[derive(Clone, Debug)]
struct Style {
    link: LinkKind,
    vary: Vec<Vary>,
}

impl Style {
    fn has(&self, vary: Vary) -> bool {
        self.vary.contains(&vary)
    }
}

/// Plays all of a scenario.
pub(crate) async fn scenario(scenario: &Scenario, seed: u64) -> Verdict {
    let mut random = SplitMix64::new(seed);
    let mut styles: Vec<Style> = scenario.links.iter().map(|link| Style { link: *link, vary: Vec::new() }).collect();
    for _ in 0..scenario.variants {
        let link = scenario.links[below(&mut random, scenario.links.len())];
        let mut vary = scenario.vary.clone();
        vary.retain(|_| random.chance(60));
        let link = if vary.contains(&Vary::Dialect) { LinkKind::Elsewhere } else { link };
        styles.push(Style { link, vary });
    }
    if scenario.changes_the_site() {
        styles.truncate(2);
    }
    let mut bench = Bench::start(&scenario.config).await;
    for (number, style) in styles.into_iter().enumerate() {
        if number > 0 && scenario.changes_the_site() {
            bench = Bench::start(&scenario.config).await;
        }
        let told = format!("{}: play {number} over {:?} with {:?}", scenario.title, style.link, style.vary);
        play(scenario, &mut bench, number, &style, &mut random).await.map_err(|fault| format!("{told}:\n{fault}"))?;
    }
    Ok(())
}

/// Where the counts stood before a play.
struct Before {
    bodies: usize,
    aside: i64,
    metrics: BTreeMap<String, u64>,
    double_creates: u64,
    order_breaks: u64,
}

/// One play under way.
struct Play<'p> {
    bench: &'p mut Bench,
    persona: Persona,
    style: &'p Style,
    number: usize,
    sent: usize,
    reachable: bool,
    /// What was set aside so far, and what of it was expected.
    expected_asides: Vec<(&'static str, Aside)>,
    before: Before,
}

async fn play(
    scenario: &Scenario,
    bench: &mut Bench,
    number: usize,
    style: &Style,
    random: &mut SplitMix64,
) -> Verdict {
    let mut persona = Persona::invent(random, number, now());
    if style.has(Vary::Zones) {
        let zones = ["Asia/Kolkata", "Europe/Berlin", "America/Los_Angeles", "Pacific/Auckland"];
        persona = persona.with_offset_of(zones[below(random, zones.len())]);
    }
    let before = Before::now(bench, scenario).await;
    let mut play =
        Play { bench, persona, style, number, sent: 0, reachable: true, expected_asides: Vec::new(), before };
    for at in order(scenario, style, random) {
        let step = &scenario.step[at];
        play.step(scenario, step, random).await.map_err(|fault| format!("step {at}: {fault}"))?;
    }
    play.settle().await?;
    play.judge(scenario).await
}

/// The numbers of the steps, in the order in which they come.
fn order(scenario: &Scenario, style: &Style, random: &mut SplitMix64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scenario.step.len()).collect();
    if style.has(Vary::Order) {
        let places = scenario.any_order.clone();
        let mut steps = places.clone();
        for at in (1..steps.len()).rev() {
            steps.swap(at, below(random, at + 1));
        }
        for (place, step) in places.into_iter().zip(steps) {
            order[place] = step;
        }
    }
    order
}

impl Before {
    async fn now(bench: &Bench, scenario: &Scenario) -> Self {
        let mut metrics = BTreeMap::new();
        for name in scenario.metrics.keys() {
            metrics.insert(name.clone(), bench.metric(name).await);
        }
        let aside = bench.asides(0).await.last().map_or(0, |entry| entry["id"].as_i64().unwrap());
        let report = bench.platform.report();
        Self {
            bodies: bench.platform.bodies().len(),
            aside,
            metrics,
            double_creates: report.double_creates,
            order_breaks: report.counts.order_breaks,
        }
    }
}

impl Play<'_> {
    async fn step(&mut self, scenario: &Scenario, step: &Step, random: &mut SplitMix64) -> Verdict {
        if let Some(file) = &step.send {
            return self.send(&scenario.file(file), step, random).await;
        }
        if let Some(faults) = &step.faults {
            self.bench.platform.control(Control::script(faults.clone()));
        }
        match step.platform {
            Some(Presence::Unplugged) => {
                self.bench.platform.unplug().await;
                self.reachable = false;
            }
            Some(Presence::Plugged) => {
                self.bench.platform.plug().unwrap();
                self.reachable = true;
            }
            None => {}
        }
        if step.kill.is_some() {
            self.bench.kill().await;
        }
        if let Some(mend) = &step.mend {
            self.bench.mend(mend, &scenario.file(&mend.with)).await;
        }
        if let Some(wanted) = step.release {
            self.release(wanted).await?;
        }
        if step.settle.is_some() {
            self.settle().await?;
        }
        Ok(())
    }

    async fn send(&mut self, template: &str, step: &Step, random: &mut SplitMix64) -> Verdict {
        let (mut again, mut anew) = (step.times.again, step.times.anew);
        if self.style.has(Vary::Repeats) {
            again += below(random, 2);
            anew += below(random, 2);
        }
        let link = step.over.unwrap_or(self.style.link);
        let (first, id) = self.message(template, step, link, random);
        let answer = self.exchange(link, &first, &id, step).await?;
        let links = std::iter::repeat_n(link, again).chain(step.times.over.iter().copied());
        // Other senders would not say it so.
        let links = links.filter(|other| (*other == LinkKind::Elsewhere) == (link == LinkKind::Elsewhere));
        for link in links {
            let repeated = self.exchange(link, &first, &id, step).await?;
            if trimmed(&repeated) != trimmed(&answer) {
                return Err(format!("a repeat of {id} got other bytes than the original"));
            }
        }
        for _ in 0..anew {
            let (other, id) = self.message(template, step, link, random);
            self.exchange(link, &other, &id, step).await?;
        }
        for (kind, aside) in [("held", &step.held), ("quarantined", &step.quarantined)] {
            if let Some(aside) = aside {
                self.expected_asides.push((kind, aside.clone()));
            }
        }
        if self.style.has(Vary::Haste) { Ok(()) } else { self.settle().await }
    }

    /// A message with its placeholders filled, dressed up as the style wants it, and its control id.
    fn message(&mut self, template: &str, step: &Step, link: LinkKind, random: &mut SplitMix64) -> (Vec<u8>, String) {
        self.sent += 1;
        let id = format!("UC{}-{}", self.number, self.sent);
        let message = self.persona.message(template, &step.set, &id).unwrap();
        let mut text = String::from_utf8(message).unwrap();
        if link == LinkKind::Elsewhere {
            text = elsewhere(&text);
        }
        if self.style.has(Vary::Extras) {
            text += "ZZX|1|said by nobody^else|~|\r";
        }
        if self.style.has(Vary::Delimiters) {
            text = redelimited(&text, random);
        }
        (text.into_bytes(), id)
    }

    async fn exchange(&mut self, link: LinkKind, message: &[u8], id: &str, step: &Step) -> Result<Vec<u8>, String> {
        let bytes = self.bench.links.exchange(link, message).await;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let separator = text.chars().nth(3).unwrap_or('|');
        let msa = text.split(['\r', '\n']).find(|segment| segment.starts_with("MSA")).unwrap_or_default();
        let field = |number: usize| msa.split(separator).nth(number).unwrap_or_default().to_owned();
        let expected = step.answer.as_deref().unwrap_or("AA");
        if (field(1).as_str(), field(2).as_str()) != (expected, id) {
            return Err(format!("expected {expected} for {id}, was answered {text:?}"));
        }
        Ok(bytes)
    }

    /// Waits until nothing is under way, where the platform can be reached.
    async fn settle(&self) -> Verdict {
        if !self.reachable {
            return Ok(());
        }
        let bench = &*self.bench;
        until("nothing waits for the platform", async || (bench.tally("waiting").await == 0).then_some(())).await;
        let lost = bench.tally("lost").await;
        if lost == 0 { Ok(()) } else { Err(format!("{lost} messages are unaccounted for")) }
    }

    async fn release(&mut self, wanted: usize) -> Verdict {
        let asides = self.bench.asides(self.before.aside).await;
        let ids: Vec<Value> = asides.iter().map(|entry| entry["id"].clone()).collect();
        let purpose = json!({"reason": "looked at and found good", "by": "A. Sample"});
        let report = self.bench.ask(&json!({"command": "release", "ids": ids, "purpose": purpose})).await;
        let done = usize::try_from(report["done"].as_u64().unwrap()).unwrap();
        // Repeats were set aside as well.
        let fits = if self.style.has(Vary::Repeats) { done >= wanted } else { done == wanted };
        if !fits {
            return Err(format!("expected {wanted} to be released: {report}"));
        }
        if wanted > 0 {
            self.expected_asides.clear();
        }
        self.settle().await
    }

    async fn judge(&self, scenario: &Scenario) -> Verdict {
        let bodies = self.bench.platform.bodies().split_off(self.before.bodies);
        let parcels: Vec<Parcel> = bodies.iter().flat_map(|body| Parcel::of(body)).collect();
        if self.style.vary.is_empty() {
            self.judge_requests(scenario, &parcels)?;
            self.judge_metrics(scenario).await?;
        }
        if let Err(fault) = self.judge_jobs(scenario, &parcels) {
            let asides = listed(&self.bench.asides(self.before.aside).await);
            return Err(format!("{fault}; set aside: {asides}"));
        }
        self.judge_asides().await?;
        let report = self.bench.platform.report();
        if report.double_creates != self.before.double_creates {
            return Err("a resource was made twice".to_owned());
        }
        if report.counts.order_breaks != self.before.order_breaks {
            return Err(format!("order was broken: {:?}", report.breaks));
        }
        if report.counts.key_conflicts != 0 {
            return Err("one delivery key had two bodies".to_owned());
        }
        let log = self.bench.log();
        let secrets = ["family", "mrn", "visit", "order"].map(|name| self.persona.value(name).unwrap());
        match secrets.into_iter().find(|secret| log.contains(secret)) {
            Some(_) => Err("the log holds patient data".to_owned()),
            None => Ok(()),
        }
    }

    fn judge_requests(&self, scenario: &Scenario, parcels: &[Parcel]) -> Verdict {
        if scenario.request.is_empty() {
            return Ok(());
        }
        let mut names: BTreeMap<&str, &str> = BTreeMap::new();
        let mut left = parcels.iter().peekable();
        for (number, wanted) in scenario.request.iter().enumerate() {
            let fits = left.peek().is_some_and(|parcel| {
                let known = names.get(wanted.job.as_str());
                let other = names.iter().any(|(name, job)| *name != wanted.job && **job == parcel.job);
                parcel.does == wanted.does && known.is_none_or(|job| **job == parcel.job) && !other
            });
            match left.next_if(|_| fits) {
                Some(parcel) => {
                    names.insert(&wanted.job, &parcel.job);
                    let what = format!("request {number} ({} {})", wanted.job, wanted.does);
                    self.judge_elements(parcel, &wanted.has, &wanted.hasnt)
                        .map_err(|fault| format!("{what}: {fault}"))?;
                }
                None if wanted.optional.is_some() => {}
                None => return Err(format!("expected {}, left {}", told(&scenario.request), left_of(parcels))),
            }
        }
        if left.peek().is_some() {
            return Err(format!("expected no more than {}, left {}", told(&scenario.request), left_of(parcels)));
        }
        Ok(())
    }

    fn judge_elements(
        &self,
        resources: &dyn Resources,
        has: &BTreeMap<String, String>,
        hasnt: &BTreeMap<String, String>,
    ) -> Verdict {
        for (path, value) in has {
            let value = self.persona.fill(value, &BTreeMap::new()).unwrap();
            if !holds(resources, path, &value) {
                return Err(format!("{path}: expected `{value}`, found {}", shown(resources, path)));
            }
        }
        for (path, value) in hasnt {
            let value = self.persona.fill(value, &BTreeMap::new()).unwrap();
            if holds(resources, path, &value) {
                return Err(format!("{path}: expected anything but `{value}`, found {}", shown(resources, path)));
            }
        }
        Ok(())
    }

    fn judge_jobs(&self, scenario: &Scenario, parcels: &[Parcel]) -> Verdict {
        let mut seen: Vec<&str> = Vec::new();
        for parcel in parcels {
            if !seen.contains(&parcel.job.as_str()) {
                seen.push(&parcel.job);
            }
        }
        if seen.len() != scenario.job.len() {
            let (wanted, found) = (scenario.job.len(), seen.len());
            return Err(format!("expected {wanted} jobs, the platform has {found}: left {}", left_of(parcels)));
        }
        self.bench.platform.with_store(|store| {
            // Which is which is told by what they are, because in a variant they may come in another order.
            let mut open: Vec<&str> = seen.clone();
            for wanted in &scenario.job {
                let verdicts: Vec<Verdict> = open.iter().map(|job| self.judge_job(store, job, wanted)).collect();
                let Some(at) = verdicts.iter().position(Result::is_ok) else {
                    let faults: Vec<String> = verdicts.into_iter().filter_map(Result::err).collect();
                    return Err(format!("no job is like {}: {}", wanted.name, faults.join("; or ")));
                };
                open.remove(at);
            }
            Ok(())
        })
    }

    fn judge_job(&self, store: &Store, job: &str, wanted: &Job) -> Verdict {
        let tasks = store.search("Task", job);
        let [task] = tasks.as_slice() else { return Err(format!("{} Tasks for one job", tasks.len())) };
        let status = task["status"].as_str().unwrap_or_default();
        if !wanted.status.iter().any(|wanted| wanted == status) {
            return Err(format!("expected status {}, found {status}", wanted.status.join(" or ")));
        }
        let job = JobAtPlatform { store, task };
        self.judge_elements(&job, &wanted.has, &wanted.hasnt)
    }

    async fn judge_metrics(&self, scenario: &Scenario) -> Verdict {
        // Metrics of a box that was killed begin again.
        for (name, wanted) in &scenario.metrics {
            let (before, after) = (self.before.metrics[name], self.bench.metric(name).await);
            if before + wanted != after {
                return Err(format!("{name}: expected {wanted} more than {before}, found {after}"));
            }
        }
        Ok(())
    }

    async fn judge_asides(&self) -> Verdict {
        let found = self.bench.asides(self.before.aside).await;
        let fits = |entry: &Value, (kind, aside): &(&str, Aside)| {
            let detail = entry["detail"].as_str().unwrap_or_default();
            entry["kind"] == *kind
                && aside.reason.as_ref().is_none_or(|reason| entry["reason"] == reason.as_str())
                && aside.detail.iter().all(|part| detail.contains(part.as_str()))
        };
        let list = || listed(&found);
        for expected in &self.expected_asides {
            if !found.iter().any(|entry| fits(entry, expected)) {
                return Err(format!("expected {expected:?} to be set aside, found {}", list()));
            }
        }
        let unexpected = found.iter().any(|entry| !self.expected_asides.iter().any(|expected| fits(entry, expected)));
        let too_many = found.len() > self.expected_asides.len() && !self.style.has(Vary::Repeats);
        if unexpected || too_many {
            return Err(format!("expected {:?} to be set aside and no more, found {}", self.expected_asides, list()));
        }
        Ok(())
    }
}

/// One job in a Bundle that the platform took.
pub(crate) struct Parcel {
    pub(crate) job: String,
    /// The method of its Task's entry, and Task.status.
    pub(crate) does: String,
    bundle: Value,
    task: usize,
}

impl Parcel {
    /// The jobs of a Bundle.
    pub(crate) fn of(body: &[u8]) -> Vec<Self> {
        let bundle: Value = serde_json::from_slice(body).expect("the platform takes JSON");
        let entries = bundle["entry"].as_array().expect("entries").clone();
        let of_job = |(at, entry): (usize, &Value)| {
            let task = &entry["resource"];
            let job = task["identifier"][0]["value"].as_str().filter(|_| task["resourceType"] == "Task")?;
            let does = format!("{} {}", entry["request"]["method"].as_str()?, task["status"].as_str()?);
            Some(Self { job: job.to_owned(), does, bundle: bundle.clone(), task: at })
        };
        entries.iter().enumerate().filter_map(of_job).collect()
    }
}

impl Resources for Parcel {
    fn of_type(&self, kind: &str) -> Vec<&Value> {
        let entries = self.bundle["entry"].as_array().expect("entries");
        if kind == "Task" {
            return vec![&entries[self.task]["resource"]];
        }
        entries.iter().map(|entry| &entry["resource"]).filter(|resource| resource["resourceType"] == kind).collect()
    }

    fn resolve(&self, reference: &str) -> Option<&Value> {
        let entries = self.bundle["entry"].as_array().expect("entries");
        entries.iter().find(|entry| entry["fullUrl"] == reference).map(|entry| &entry["resource"])
    }
}

fn listed(asides: &[Value]) -> String {
    let one = |entry: &Value| format!("{} {} ({})", entry["kind"], entry["reason"], entry["detail"]);
    if asides.is_empty() { "nothing".to_owned() } else { asides.iter().map(one).collect::<Vec<_>>().join("; ") }
}

fn told(requests: &[Request]) -> String {
    let list: Vec<String> = requests.iter().map(|request| format!("{} {}", request.job, request.does)).collect();
    format!("[{}]", list.join(", "))
}

fn left_of(parcels: &[Parcel]) -> String {
    let mut names: Vec<&str> = Vec::new();
    let list = parcels.iter().map(|parcel| {
        let at = names.iter().position(|job| *job == parcel.job).unwrap_or_else(|| {
            names.push(&parcel.job);
            names.len() - 1
        });
        format!("{} {}", char::from(b'A' + u8::try_from(at % 26).expect("below 26")), parcel.does)
    });
    let list = list.collect::<Vec<_>>().join(", ");
    format!("[{list}]")
}

/// The same message from the sender who has a segment for rides: mode, destination and window are in it and nowhere else.
fn elsewhere(text: &str) -> String {
    let mut form = ["ZTR", "", "", "", ""];
    let mut kept = Vec::new();
    for segment in text.trim_end_matches('\r').split('\r') {
        let fields: Vec<&str> = segment.split('|').collect();
        let field = |number: usize| fields.get(number).copied().unwrap_or_default();
        match (field(0), field(3).split('^').next().unwrap_or_default()) {
            ("OBX", "TRMODE") => form[1] = field(5),
            ("OBX", "TRDEST") => form[2] = field(5),
            ("TQ1", _) => {
                (form[3], form[4]) = (field(7), field(8));
                kept.push(format!("TQ1|1||||||||{}", field(9)));
            }
            _ => kept.push(segment.to_owned()),
        }
    }
    let order = kept.iter().position(|segment| segment.starts_with("OBR|"));
    let Some(order) = order.filter(|_| form[1..].iter().any(|field| !field.is_empty())) else { return text.to_owned() };
    kept.insert(order + 1, form.join("|"));
    kept.join("\r") + "\r"
}

/// The same message with other encoding characters. The values of the scenarios have none of them.
fn redelimited(text: &str, random: &mut SplitMix64) -> String {
    let sets = [['#', '@', '!', '$', '%'], ['!', '*', '%', '$', '@'], ['*', '!', '@', '#', '$']];
    let set = sets[below(random, sets.len())];
    let old = ['|', '^', '~', '\\', '&'];
    let swap = |c: char| old.iter().position(|known| *known == c).map_or(c, |at| set[at]);
    assert!(!text.contains(set), "a value has a character that a variant separates with: {text}");
    text.chars().map(swap).collect()
}

/// Without line ends at the end, of which a file may have another.
fn trimmed(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map_or(0, |last| last + 1);
    &bytes[..end]
}

/// A number below `bound`.
pub(crate) fn below(random: &mut SplitMix64, bound: usize) -> usize {
    usize::try_from(random.below(u64::try_from(bound).unwrap())).unwrap()
}

#[expect(
    clippy::disallowed_methods,
    reason = "messages are as fresh as they say, so that the box's own clock may judge them"
)]
/// The time of a play.
pub(crate) fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}
