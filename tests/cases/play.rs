//! Plays a scenario: as it is written over each of its links, then with what nobody wrote down, and says what was not as
//! expected. A fault of the test itself panics; a fault of the box is an `Err`, so that cases which wait for work that is
//! not done can be seen to fail.

use std::collections::BTreeMap;

use gurney::sim::{
    platform::Control,
    random::SplitMix64,
    scene::{Persona, Presence},
};
use serde_json::{Value, json};

use crate::{
    bench::Bench,
    dress::{elsewhere, redelimited},
    scenario::{Aside, LinkKind, Scenario, Step, Vary},
    wait::{until, until_so},
};

/// What is wrong with a play.
pub(crate) type Verdict = Result<(), String>;

/// How a play differs from what is written.
#[derive(Clone, Debug)]
pub(crate) struct Style {
    link: LinkKind,
    pub(crate) vary: Vec<Vary>,
}

impl Style {
    pub(crate) fn has(&self, vary: Vary) -> bool {
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
pub(crate) struct Before {
    pub(crate) bodies: usize,
    pub(crate) aside: i64,
    pub(crate) metrics: BTreeMap<String, u64>,
    pub(crate) double_creates: u64,
    pub(crate) order_breaks: u64,
}

/// Deliveries that were tried in vain.
const TRIES_IN_VAIN: &str = "gurney_delivery_attempts_total{result=\"unreachable\"}";

/// One play under way.
pub(crate) struct Play<'p> {
    pub(crate) bench: &'p mut Bench,
    pub(crate) persona: Persona,
    pub(crate) style: &'p Style,
    number: usize,
    sent: usize,
    reachable: bool,
    /// Deliveries that were tried in vain before the outage.
    tries: u64,
    /// What was set aside so far, and what of it was expected.
    pub(crate) expected_asides: Vec<(&'static str, Aside)>,
    pub(crate) before: Before,
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
        Play { bench, persona, style, number, sent: 0, reachable: true, tries: 0, expected_asides: Vec::new(), before };
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
                // What was sent before the outage was heard before it, in whatever haste.
                self.settle().await?;
                self.bench.platform.unplug().await;
                self.reachable = false;
                self.tries = self.bench.metric(TRIES_IN_VAIN).await;
            }
            Some(Presence::Plugged) => {
                // An outage that no delivery noticed was none.
                if !self.reachable {
                    let noticed = async || {
                        self.bench.metric(TRIES_IN_VAIN).await > self.tries || self.bench.tally("waiting").await == 0
                    };
                    until_so("a try in vain", noticed).await;
                }
                self.bench.platform.plug().unwrap();
                self.reachable = true;
            }
            None => {}
        }
        if step.kill.is_some() {
            self.bench.kill().await;
            self.tries = 0;
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
