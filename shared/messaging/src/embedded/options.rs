//! How a queue is opened.

use std::time::Duration;

/// How a queue is opened. The defaults are for production.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Messages that may wait for the writer. More are refused.
    pub publish_queue: usize,
    /// Messages that may be in the file. More are refused, and above half of it more of a merchant who has a line already:
    /// the store's due rows bring them back later.
    pub capacity: u64,
    /// How often a consumer looks for what other processes published and for what has become due. Real time.
    pub poll: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { publish_queue: 8192, capacity: 1_000_000, poll: Duration::from_millis(100) }
    }
}
