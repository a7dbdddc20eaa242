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

    /// The one of this number, once: who loads the page again has read it.
    pub(super) fn take(&self, number: u64) -> Option<Note> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.1.iter().position(|(known, _)| *known == number)?;
        kept.1.remove(at).map(|(_, note)| note)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_notes_are_known_and_no_more_than_the_bound() {
        let notes = Notes::default();
        let numbers: Vec<_> = (0..100).map(|which| notes.keep(Tone::Done, which.to_string())).collect();
        assert_eq!(notes.take(numbers[0]), None);
        assert_eq!(numbers.iter().filter(|number| notes.take(**number).is_some()).count(), KEPT);
    }

    #[test]
    fn a_note_is_shown_once() {
        let notes = Notes::default();
        let numbers: Vec<_> = (0..3).map(|which| notes.keep(Tone::Done, which.to_string())).collect();
        assert_eq!(notes.take(numbers[1]).map(|note| note.text), Some("1".to_owned()));
        assert_eq!(notes.take(numbers[1]), None);
        assert!(notes.take(numbers[0]).is_some() && notes.take(numbers[2]).is_some(), "the others are still there");
    }
}
