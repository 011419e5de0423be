//! How the platform misbehaves: steps that are gone through one request at a time.
//!
//! A step stands for `times` requests that match it, then the next one comes; a step without `times` stays. When no
//! step is left, the platform behaves. As JSON:
//!
//! ```json
//! { "script": [ { "do": "status", "status": 503, "retry_after": "2", "times": 3 },
//!               { "do": "lose_response", "times": 1 },
//!               { "do": "slow", "ms": 500, "on": "fhir" } ],
//!   "keys": "honoured" }
//! ```

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::book::Keys;

/// A change of the platform's behaviour.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// The steps from now on; an empty list makes it behave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<Vec<Step>>,
    /// Whether idempotency keys count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<Keys>,
}

impl Control {
    /// A script alone.
    pub fn script(steps: impl Into<Vec<Step>>) -> Self {
        Self { script: Some(steps.into()), keys: None }
    }

    /// One fault for `times` requests.
    pub fn times(fault: Fault, times: u32) -> Self {
        Self::script([Step { times: Some(times), ..Step::from(fault) }])
    }

    /// One fault from now on.
    pub fn always(fault: Fault) -> Self {
        Self::script([Step::from(fault)])
    }

    /// No fault any more.
    pub fn behave() -> Self {
        Self::script([])
    }
}

/// One step of a script.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What it does.
    #[serde(flatten)]
    pub fault: Fault,
    /// For how many requests; none is for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// Which requests it means.
    #[serde(default)]
    pub on: On,
    /// Only requests whose body holds this text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
}

impl From<Fault> for Step {
    fn from(fault: Fault) -> Self {
        Self { fault, times: None, on: On::All, when: None }
    }
}

/// Which requests a step means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum On {
    /// Both.
    #[default]
    All,
    /// `POST /inbound`.
    Inbound,
    /// `POST /fhir`.
    Fhir,
}

/// What the platform does with a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Fault {
    /// Behaves.
    Ok,
    /// Waits before it behaves.
    Slow {
        /// How long.
        ms: u64,
    },
    /// Closes the connection without an effect or an answer.
    Down,
    /// Answers with this status and an OperationOutcome, without an effect.
    Status {
        /// The status, 400 to 599.
        status: u16,
        /// `Retry-After` as it stands here: seconds, a date, nonsense.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<String>,
        /// `Retry-After` as an HTTP date this many seconds from now; wins over `retry_after`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after_date: Option<i32>,
    },
    /// Has the effect, then closes the connection without an answer.
    LoseResponse,
    /// Has the effect, begins a 2xx answer, then closes the connection within its body.
    CutResponse,
}

/// The steps that are left.
#[derive(Debug, Default)]
pub struct Script {
    steps: VecDeque<Step>,
}

impl Script {
    /// A script of these steps.
    pub fn new(steps: Vec<Step>) -> Self {
        Self { steps: steps.into() }
    }

    /// What to do with a request: the first step that means it, and is then used up by one.
    pub fn next(&mut self, on: On, body: &[u8]) -> Fault {
        while self.steps.front().is_some_and(|step| step.times == Some(0)) {
            self.steps.pop_front();
        }
        let Some(place) = self.steps.iter().position(|step| step.means(on, body)) else { return Fault::Ok };
        let Some(step) = self.steps.get_mut(place) else { return Fault::Ok };
        step.times = step.times.map(|times| times - 1);
        step.fault.clone()
    }
}

impl Step {
    fn means(&self, on: On, body: &[u8]) -> bool {
        self.times != Some(0)
            && (self.on == On::All || self.on == on)
            && self.when.as_ref().is_none_or(|text| memchr::memmem::find(body, text.as_bytes()).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_used_up_one_request_at_a_time() {
        let text = r#"{"script":[{"do":"status","status":503,"retry_after":"2","times":2},
            {"do":"down","on":"fhir","times":1},{"do":"slow","ms":5,"when":"POISON"}]}"#;
        let control: Control = serde_json::from_str(text).unwrap();
        let mut script = Script::new(control.script.unwrap());
        let unavailable = Fault::Status { status: 503, retry_after: Some("2".into()), retry_after_date: None };
        assert_eq!(script.next(On::Fhir, b""), unavailable);
        assert_eq!(script.next(On::Inbound, b""), unavailable);
        assert_eq!(script.next(On::Inbound, b""), Fault::Ok);
        assert_eq!(script.next(On::Fhir, b""), Fault::Down);
        assert_eq!(script.next(On::Fhir, b""), Fault::Ok);
        for _ in 0..3 {
            assert_eq!(script.next(On::Inbound, b"..POISON.."), Fault::Slow { ms: 5 });
        }
    }

    #[test]
    fn control_refuses_what_it_does_not_know() {
        assert!(serde_json::from_str::<Control>(r#"{"scrpt":[]}"#).is_err());
        assert!(serde_json::from_str::<Control>(r#"{"script":[{"do":"explode"}]}"#).is_err());
        let control = Control::times(Fault::LoseResponse, 1);
        let text = serde_json::to_string(&control).unwrap();
        assert_eq!(serde_json::from_str::<Control>(&text).unwrap(), control);
    }
}
