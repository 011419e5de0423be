//! Where in a resource a row writes: `period.start`, `name[]` (appends to a list), `agent[0].who` (in its first item).

use std::sync::Arc;

use crate::{
    fhir::{Node, Object, Text},
    units::limits,
};

/// Where in the resource a row writes.
pub(super) struct Target {
    steps: Vec<Step>,
    last: Text,
    /// Whether it appends to a list.
    pub(super) appends: bool,
}

struct Step {
    name: Text,
    first_of_list: bool,
}

impl Target {
    /// Reads the elements of a path.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let (path, appends) = text.strip_suffix("[]").map_or((text, false), |path| (path, true));
        let mut steps = Vec::new();
        for name in path.split('.') {
            let (name, first_of_list) = name.strip_suffix("[0]").map_or((name, false), |name| (name, true));
            if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                return Err(format!("`{text}`: expected elements such as `period.start`, `name[]` or `agent[0].who`"));
            }
            steps.push(Step { name: Text::from(&Arc::from(name)), first_of_list });
            if steps.len() > limits::MAP_DEPTH_MAX {
                return Err(format!("an element may lie at most {} deep", limits::MAP_DEPTH_MAX));
            }
        }
        match steps.pop() {
            Some(last) if !last.first_of_list => Ok(Self { steps, last: last.name, appends }),
            _ => Err(format!("`{text}`: the last element is set or, with `[]`, appended to")),
        }
    }

    /// The first element.
    pub(super) fn element(&self) -> &str {
        self.steps.first().map_or(&self.last, |step| &step.name).as_str()
    }

    /// The path of the element that the next node becomes.
    pub(super) fn path(&self, resource: &Object) -> String {
        let mut path = String::new();
        let mut at = Some(resource);
        for step in &self.steps {
            path.push_str(step.name.as_str());
            let inner = at.and_then(|object| object.get(step.name.as_str()));
            at = match inner {
                Some(Node::Object(object)) => Some(object),
                Some(Node::List(items)) => items.first().and_then(|item| match item {
                    Node::Object(object) => Some(object),
                    _ => None,
                }),
                _ => None,
            };
            path.push_str(if step.first_of_list { "[0]." } else { "." });
        }
        path.push_str(self.last.as_str());
        if self.appends {
            let length = match at.and_then(|object| object.get(self.last.as_str())) {
                Some(Node::List(items)) => items.len(),
                _ => 0,
            };
            path.push_str(&format!("[{length}]"));
        }
        path
    }

    /// Writes `node` into `resource`.
    pub(super) fn write(&self, resource: &mut Object, node: Node) {
        if node.is_empty() {
            return;
        }
        let mut at = resource;
        for step in &self.steps {
            let name = step.name.clone();
            let inner = if step.first_of_list { at.first_child(name) } else { at.child(name) };
            match inner {
                Some(inner) => at = inner,
                None => return,
            }
        }
        if self.appends {
            at.push(self.last.clone(), node);
        } else {
            at.set(self.last.clone(), node);
        }
    }
}
