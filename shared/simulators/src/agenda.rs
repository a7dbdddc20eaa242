//! What happens by itself at a provider, by when: authorizations that end, refunds that turn.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;

/// Objects by when they next change by themselves. An object has at most one entry.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    due: BTreeSet<(i64, String)>,
    by_id: HashMap<String, i64>,
}

impl Agenda {
    /// Notes that `id` changes at `due` (Unix seconds), or not any more.
    pub(crate) fn note(&mut self, id: &str, due: Option<i64>) {
        if let Some(old) = self.by_id.remove(id) {
            self.due.remove(&(old, id.to_owned()));
        }
        if let Some(due) = due {
            self.by_id.insert(id.to_owned(), due);
            self.due.insert((due, id.to_owned()));
        }
    }

    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.due.first().and_then(|(due, _)| Timestamp::from_second(*due).ok())
    }

    /// The next object that is due by `now`, with its time.
    pub(crate) fn take(&mut self, now: Timestamp) -> Option<(i64, String)> {
        let first = self.due.first().filter(|(due, _)| *due <= now.as_second())?.clone();
        self.note(&first.1, None);
        Some(first)
    }
}
