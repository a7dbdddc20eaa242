//! How a store is opened.

use tollgate_domain::BootId;

/// How a store is opened. The defaults are for production.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    pub(super) boot: BootId,
    pub(super) durable: bool,
    pub(super) inline: bool,
    pub(super) readers: usize,
    pub(super) commit_queue: usize,
    pub(super) read_queue: usize,
    pub(super) batch: usize,
}

impl Options {
    /// For the process that started as `boot`: durable, with threads of its own.
    pub const fn new(boot: BootId) -> Self {
        Self { boot, durable: true, inline: false, readers: 2, commit_queue: 4096, read_queue: 4096, batch: 256 }
    }

    /// For data that nobody keeps: a commit does not wait for the disk, and a crash of the machine may lose it.
    #[must_use]
    pub const fn ephemeral(self) -> Self {
        Self { durable: false, ..self }
    }

    /// Everything happens on the caller's thread, one after the other, and no thread is started: for deterministic
    /// simulation. It blocks that thread.
    #[must_use]
    pub const fn inline(self) -> Self {
        Self { inline: true, ..self }
    }

    /// How many commits, and how many reads, may wait. More are refused as unavailable.
    #[must_use]
    pub const fn queues(self, commits: usize, reads: usize) -> Self {
        Self { commit_queue: commits, read_queue: reads, ..self }
    }

    /// How many commits go into one transaction at most.
    #[must_use]
    pub const fn batch(self, works: usize) -> Self {
        Self { batch: works, ..self }
    }
}
