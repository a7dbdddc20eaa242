//! Requests that are kept under their `PayPal-Request-Id`.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct KeptRequest {
    pub(super) id: String,
    /// Of path and body.
    pub(super) fingerprint: String,
    /// When it is forgotten, in Unix seconds.
    pub(super) until: i64,
    pub(super) outcome: Outcome,
}

/// What a request led to: a replay shows it as it is by then.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    Order(String),
    Authorization(String),
    Capture(String),
    Refund(String),
    /// A payment was tried and refused.
    Refused {
        status: u16,
        body: Value,
    },
}

/// What a request id says about a request.
pub(super) enum KeyState<'a> {
    Free,
    Running,
    Answered(&'a Outcome),
    UsedOtherwise,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Kept {
    by_id: HashMap<String, KeptRequest>,
    by_age: BTreeSet<(i64, String)>,
    /// Request ids, and resources, that are being worked on.
    running: HashSet<String>,
}

impl Kept {
    pub(super) fn look_up(&self, id: &str, fingerprint: &str) -> KeyState<'_> {
        if self.is_running(id) {
            return KeyState::Running;
        }
        match self.by_id.get(id) {
            None => KeyState::Free,
            Some(kept) if kept.fingerprint == fingerprint => KeyState::Answered(&kept.outcome),
            Some(_) => KeyState::UsedOtherwise,
        }
    }

    pub(super) fn keep(&mut self, request: KeptRequest) {
        self.by_age.insert((request.until, request.id.clone()));
        self.by_id.insert(request.id.clone(), request);
    }

    /// Forgets what has been kept for long enough at `now` (Unix seconds).
    pub(super) fn forget_old(&mut self, now: i64) {
        while self.by_age.first().is_some_and(|(until, _)| *until <= now) {
            if let Some((_, id)) = self.by_age.pop_first() {
                self.by_id.remove(&id);
            }
        }
    }

    pub(super) fn is_running(&self, id: &str) -> bool {
        self.running.contains(id)
    }

    pub(super) fn set_running(&mut self, id: &str, running: bool) {
        if running {
            self.running.insert(id.to_owned());
        } else {
            self.running.remove(id);
        }
    }

    pub(super) fn oldest_first(&self) -> impl Iterator<Item = &KeptRequest> {
        self.by_age.iter().filter_map(|(_, id)| self.by_id.get(id))
    }
}
