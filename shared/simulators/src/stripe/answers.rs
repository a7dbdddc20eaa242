//! Answers kept under idempotency keys.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

/// How long a key is kept at least, and here exactly: a key that comes later makes a new request.
const KEPT_SECONDS: i64 = 24 * 3600;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct KeptAnswer {
    pub(super) key: String,
    /// Of method, path and parameters.
    pub(super) fingerprint: String,
    pub(super) status: u16,
    pub(super) request_id: String,
    pub(super) at: i64,
    #[serde(with = "crate::raw_json")]
    pub(super) body: Arc<str>,
}

/// What a key says about a request.
pub(super) enum KeyState<'a> {
    Free,
    Running,
    Answered(&'a KeptAnswer),
    UsedOtherwise,
}

#[derive(Debug, Default)]
pub(super) struct Answers {
    by_key: HashMap<String, KeptAnswer>,
    by_age: VecDeque<(i64, String)>,
    running: HashSet<String>,
}

impl Answers {
    pub(super) fn look_up(&self, key: &str, fingerprint: &str) -> KeyState<'_> {
        if self.running.contains(key) {
            return KeyState::Running;
        }
        match self.by_key.get(key) {
            None => KeyState::Free,
            Some(kept) if kept.fingerprint == fingerprint => KeyState::Answered(kept),
            Some(_) => KeyState::UsedOtherwise,
        }
    }

    pub(super) fn keep(&mut self, answer: KeptAnswer) {
        self.by_age.push_back((answer.at, answer.key.clone()));
        self.by_key.insert(answer.key.clone(), answer);
    }

    /// Forgets the keys that are old enough at `now` (Unix seconds).
    pub(super) fn forget_old(&mut self, now: i64) {
        while self.by_age.front().is_some_and(|(at, _)| *at + KEPT_SECONDS <= now) {
            if let Some((_, key)) = self.by_age.pop_front() {
                self.by_key.remove(&key);
            }
        }
    }

    pub(super) fn set_running(&mut self, key: &str, running: bool) {
        if running {
            self.running.insert(key.to_owned());
        } else {
            self.running.remove(key);
        }
    }

    pub(super) fn oldest_first(&self) -> impl Iterator<Item = &KeptAnswer> {
        self.by_age.iter().filter_map(|(_, key)| self.by_key.get(key))
    }
}
