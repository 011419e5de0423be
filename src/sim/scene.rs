//! Scenes: documented use cases, told and played message by message, for people who watch, for training and for proof.
//!
//! A scene is data, `config/scenes/NAME.toml`: what is said to whoever watches, which message comes then (one of
//! `config/scenes/messages/`, its placeholders filled from a [`Persona`]), whether the platform is there, and which jobs the
//! platform must have in the end. The same messages are the fixtures of the acceptance catalogue.
//!
//! ```toml
//! title    = "A room change while the ride is booked"
//! use_case = "room-change"
//!
//! [[beat]]
//! say  = "The nurse orders a ride"
//! send = "order.hl7"
//! set  = { sent = "{now-9m}" }
//!
//! [[job]]
//! name   = "the ride"
//! status = ["requested"]
//! has    = { "Task.input(pickup).valueReference->name" = "{at2_name}" }
//! ```
//!
//! `gurney simulate scene` sends a scene to any box, `gurney demo --scene` brings box and platform along.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use self::look::{JobAtPlatform, holds, shown};
use super::platform::Store;

pub mod caller;
pub mod look;
pub mod persona;

pub use caller::Caller;
pub use persona::{FillError, Persona};

/// A scene.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scene {
    /// What it is about.
    pub title: String,
    /// The documented use case that it shows.
    pub use_case: String,
    /// What happens, one after the other.
    pub beat: Vec<Beat>,
    /// The jobs that the platform must have in the end, and no others.
    #[serde(default)]
    pub job: Vec<Job>,
}

/// One thing that happens.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Beat {
    /// What is said to whoever watches.
    pub say: String,
    /// Whether the platform can be reached from now on.
    #[serde(default)]
    pub platform: Option<Presence>,
    /// The message that comes then.
    #[serde(default)]
    pub send: Option<String>,
    /// Placeholders that are different in it.
    #[serde(default)]
    pub set: BTreeMap<String, String>,
}

/// Whether the platform can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Presence {
    /// It cannot.
    Unplugged,
    /// It can.
    Plugged,
}

/// A job that the platform must have.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// What people call it.
    pub name: String,
    /// Task.status, one of these.
    pub status: Vec<String>,
    /// Elements and their values.
    #[serde(default)]
    pub has: BTreeMap<String, String>,
}

/// A scene that cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum SceneError {
    /// It is not among those that come with Gurney.
    #[error("there is no scene `{0}`")]
    Unknown(String),
    /// It does not say what a scene says.
    #[error("the scene cannot be read")]
    Unreadable(#[from] toml::de::Error),
    /// It sends a message that is not there.
    #[error("there is no message `{0}`")]
    NoMessage(String),
    /// A placeholder means nothing.
    #[error(transparent)]
    Placeholder(#[from] FillError),
}

/// The scenes that come with Gurney, by name, in the order in which they are told.
const SCENES: &[(&str, &str)] = &[
    ("discharge-to-ride", include_str!("../../config/scenes/discharge-to-ride.toml")),
    ("room-change", include_str!("../../config/scenes/room-change.toml")),
    ("cancel-while-en-route", include_str!("../../config/scenes/cancel-while-en-route.toml")),
    ("merge-during-a-ride", include_str!("../../config/scenes/merge-during-a-ride.toml")),
    ("dme-hand-off", include_str!("../../config/scenes/dme-hand-off.toml")),
    ("six-hour-downtime", include_str!("../../config/scenes/six-hour-downtime.toml")),
];

/// The messages of scenes, by the names of their files.
const MESSAGES: &[(&str, &str)] = &[
    ("adt.hl7", include_str!("../../config/scenes/messages/adt.hl7")),
    ("appointment.hl7", include_str!("../../config/scenes/messages/appointment.hl7")),
    ("cancel.hl7", include_str!("../../config/scenes/messages/cancel.hl7")),
    ("equipment.hl7", include_str!("../../config/scenes/messages/equipment.hl7")),
    ("merge.hl7", include_str!("../../config/scenes/messages/merge.hl7")),
    ("order.hl7", include_str!("../../config/scenes/messages/order.hl7")),
    ("plan.hl7", include_str!("../../config/scenes/messages/plan.hl7")),
];

/// The names of the scenes.
pub fn names() -> impl Iterator<Item = &'static str> {
    SCENES.iter().map(|(name, _)| *name)
}

impl Scene {
    /// The scene of this name.
    pub fn named(name: &str) -> Result<Self, SceneError> {
        let found = SCENES.iter().find(|(known, _)| *known == name);
        let (_, text) = found.ok_or_else(|| SceneError::Unknown(name.to_owned()))?;
        Ok(toml::from_str(text)?)
    }
}

impl Scene {
    /// What is not so with the jobs that a platform has: all of them must be of this scene.
    pub fn faults(&self, persona: &Persona, store: &Store) -> Vec<String> {
        let mut open: Vec<&Value> = Vec::new();
        for token in store.jobs().keys() {
            open.extend(store.search("Task", token));
        }
        let mut faults = Vec::new();
        if open.len() != self.job.len() {
            faults.push(format!("expected {} jobs, found {}", self.job.len(), open.len()));
        }
        // Which is which is told by what they are.
        for job in &self.job {
            let verdicts: Vec<Option<String>> = open.iter().map(|task| job.fault(persona, store, task)).collect();
            match verdicts.iter().position(Option::is_none) {
                Some(at) => drop(open.remove(at)),
                None => {
                    let all: Vec<String> = verdicts.into_iter().flatten().collect();
                    let why = if all.is_empty() { "there is none left".to_owned() } else { all.join("; or ") };
                    faults.push(format!("no job is {}: {why}", job.name));
                }
            }
        }
        faults
    }
}

impl Job {
    /// What is not so with a job at the platform.
    fn fault(&self, persona: &Persona, store: &Store, task: &Value) -> Option<String> {
        let status = task.get("status").and_then(Value::as_str).unwrap_or_default();
        if !self.status.iter().any(|wanted| wanted == status) {
            return Some(format!("expected status {}, found {status}", self.status.join(" or ")));
        }
        let job = JobAtPlatform { store, task };
        self.has.iter().find_map(|(path, value)| match persona.fill(value, &BTreeMap::new()) {
            Ok(value) if holds(&job, path, &value) => None,
            Ok(value) => Some(format!("{path}: expected `{value}`, found {}", shown(&job, path))),
            Err(error) => Some(error.to_string()),
        })
    }
}

impl Beat {
    /// The message of this beat about `persona`, with this MSH-10; none where it sends none.
    pub fn message(&self, persona: &Persona, control_id: &str) -> Result<Option<Vec<u8>>, SceneError> {
        let Some(name) = &self.send else { return Ok(None) };
        let found = MESSAGES.iter().find(|(known, _)| known == name);
        let (_, template) = found.ok_or_else(|| SceneError::NoMessage(name.clone()))?;
        Ok(Some(persona.message(template, &self.set, control_id)?))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::{
        hl7::{Index, Message},
        settings,
        sim::random::SplitMix64,
    };

    #[test]
    fn every_scene_can_be_played_and_shows_a_documented_use_case() {
        let cases = settings::use_cases(&[]).unwrap();
        let now = "2026-11-26T14:00:00Z".parse().unwrap();
        for name in names() {
            let scene = Scene::named(name).unwrap();
            assert_eq!(scene.use_case, name);
            assert!(cases.iter().any(|case| case.name == name), "{name}");
            assert!(!scene.job.is_empty() && scene.beat.len() > 1, "{name}");
            let persona = Persona::invent(&mut SplitMix64::new(5), 1, now);
            for (number, beat) in scene.beat.iter().enumerate() {
                let Some(bytes) = beat.message(&persona, &format!("S-{number}")).unwrap() else { continue };
                let mut index = Index::default();
                index.parse(&bytes).unwrap();
                let message = Message::new(&bytes, &index);
                assert_eq!(message.control_id(), format!("S-{number}").as_bytes());
                assert!(String::from_utf8(bytes.clone()).unwrap().contains("|ZZTEST-"), "{name}");
            }
            for job in &scene.job {
                for value in job.has.values() {
                    persona.fill(value, &BTreeMap::new()).unwrap();
                }
            }
        }
    }

    #[test]
    fn says_what_is_not_there() {
        assert!(matches!(Scene::named("rom-change"), Err(SceneError::Unknown(_))));
        let beat = |send: &str, value: &str| Beat {
            say: String::new(),
            platform: None,
            send: Some(send.to_owned()),
            set: BTreeMap::from([("to".to_owned(), value.to_owned())]),
        };
        let persona = Persona::invent(&mut SplitMix64::new(5), 1, "2026-11-26T14:00:00Z".parse().unwrap());
        assert!(matches!(beat("oder.hl7", "").message(&persona, "1"), Err(SceneError::NoMessage(_))));
        for wrong in ["{nobody}", "{now+3y}", "{now3h}", "{now:week}", "{open"] {
            assert!(
                matches!(beat("order.hl7", wrong).message(&persona, "1"), Err(SceneError::Placeholder(_))),
                "{wrong}"
            );
        }
    }
}
