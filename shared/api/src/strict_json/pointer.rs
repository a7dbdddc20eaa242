//! RFC 6901 JSON pointers that are safe to send back: what a caller chose as a key may be long, or a card number.
//!
//! Must not know: what is at the place it points to.

use crate::card_data;

/// A key longer than this is cut in a pointer.
const MAX_KEY_CHARS: usize = 64;

/// A place in a JSON document, grown and shrunk while walking it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pointer(String);

impl Pointer {
    /// The whole document.
    pub fn root() -> Self {
        Self::default()
    }

    /// The pointer's text; empty for the whole document.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Runs `work` with the pointer one step further down, at `key`.
    pub fn inside<T>(&mut self, key: &str, work: impl FnOnce(&mut Self) -> T) -> T {
        let outer = self.enter(key);
        let result = work(self);
        self.leave(outer);
        result
    }

    /// The place of `key` within this one.
    #[must_use]
    pub fn child(&self, key: &str) -> Self {
        let mut child = self.clone();
        child.push(key);
        child
    }

    /// Goes one step down; what it answers brings [`Self::leave`] back here.
    pub(super) fn enter(&mut self, key: &str) -> usize {
        let outer = self.0.len();
        self.push(key);
        outer
    }

    pub(super) fn leave(&mut self, outer: usize) {
        self.0.truncate(outer);
    }

    fn push(&mut self, key: &str) {
        self.0.push('/');
        if card_data::is_in(key) {
            self.0.push_str("****");
            return;
        }
        let mut characters = key.chars();
        for character in characters.by_ref().take(MAX_KEY_CHARS) {
            match character {
                '~' => self.0.push_str("~0"),
                '/' => self.0.push_str("~1"),
                // Control and direction marks would confuse whoever reads the answer in a terminal.
                other if other.is_control() => self.0.push('\u{fffd}'),
                other => self.0.push(other),
            }
        }
        if characters.next().is_some() {
            self.0.push('…');
        }
    }
}
