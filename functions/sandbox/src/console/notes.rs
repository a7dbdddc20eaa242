//! What a form came to, shown once it has led back to its page. Kept here and named by a number: what a link says is never shown.
//!
//! Must not know: what was done.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use super::page::Tone;

/// So many are remembered.
const KEPT: usize = 64;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) tone: Tone,
    pub(super) text: String,
}

/// The last ones.
#[derive(Debug, Default)]
pub(super) struct Notes(Mutex<(u64, VecDeque<(u64, Note)>)>);

impl Notes {
    /// Keeps one, under the number that it is asked for by.
    pub(super) fn keep(&self, tone: Tone, text: String) -> u64 {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.0 += 1;
        let number = kept.0;
        if kept.1.len() == KEPT {
            kept.1.pop_front();
        }
        kept.1.push_back((number, Note { tone, text }));
        number
    }

    /// The one of this number, if it is still known.
    pub(super) fn get(&self, number: u64) -> Option<Note> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.1.iter().find(|(known, _)| *known == number).map(|(_, note)| note.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_notes_are_known_and_no_more_than_the_bound() {
        let notes = Notes::default();
        let numbers: Vec<_> = (0..100).map(|which| notes.keep(Tone::Done, which.to_string())).collect();
        assert_eq!(notes.get(numbers[0]), None);
        assert_eq!(notes.get(numbers[99]).map(|note| note.text), Some("99".to_owned()));
        assert_eq!(numbers.iter().filter(|number| notes.get(**number).is_some()).count(), KEPT);
    }
}
