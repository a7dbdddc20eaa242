//! How far long work is: on stderr, where that is a terminal, and never beside JSON.
//!
//! Must not know: what the work is.

use std::{
    io::{IsTerminal, stderr},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};

/// How often it turns.
const TURNS_EVERY: Duration = Duration::from_millis(120);

/// A line that says how far the work is; gone once it is dropped.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// Of work of which nobody knows how much there is.
    pub(crate) fn counting(json: bool, of_what: &'static str) -> Self {
        Self::new(json, None, &format!("{{spinner}} {{human_pos}} {of_what}, {{elapsed}} {{msg}}"))
    }

    /// Of so much work.
    pub(crate) fn of(json: bool, all: u64, of_what: &'static str) -> Self {
        let style = format!("[{{bar:40}}] {{human_pos}} of {{human_len}} {of_what}, {{elapsed}}, {{eta}} left {{msg}}");
        Self::new(json, Some(all), &style)
    }

    fn new(json: bool, all: Option<u64>, style: &str) -> Self {
        if json || !stderr().is_terminal() {
            return Self(ProgressBar::hidden());
        }
        let bar = all.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        // One that cannot be read is the library's own: how far work is must not end it.
        bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_spinner()));
        bar.enable_steady_tick(TURNS_EVERY);
        Self(bar)
    }

    /// Of steps that each have a name.
    pub(crate) fn of_steps(json: bool) -> Self {
        Self::new(json, None, "{spinner} {msg}, {elapsed}")
    }

    /// What is done now.
    pub(crate) fn doing(&self, what: &str) {
        self.0.set_message(what.to_owned());
    }

    /// So much more is done.
    pub(crate) fn done(&self, more: u64) {
        self.0.inc(more);
    }

    /// So much is done in all.
    pub(crate) fn at(&self, done: u64) {
        self.0.set_position(done);
    }

    /// So much of so much is done.
    pub(crate) fn reaches(&self, done: u64, all: u64) {
        self.0.set_length(all);
        self.0.set_position(done);
    }

    /// Whether anybody sees it.
    pub(crate) fn is_seen(&self) -> bool {
        !self.0.is_hidden()
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
