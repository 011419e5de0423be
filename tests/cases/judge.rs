//! What is not as expected of a play: its requests, its jobs, its metrics, what was set aside.

use std::collections::BTreeMap;

use gurney::sim::{
    platform::Store,
    scene::look::{JobAtPlatform, Resources, holds, shown},
};
use serde_json::Value;

use crate::{
    play::{Play, Verdict},
    scenario::{Aside, Job, Request, Scenario, Vary},
};

impl Play<'_> {
    pub(crate) async fn judge(&self, scenario: &Scenario) -> Verdict {
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
