//! How many bytes of bodies the process holds, all requests together.
//!
//! Must not know: whose bodies, what is in them.

use std::sync::{
    Arc, LazyLock,
    atomic::{AtomicU64, Ordering},
};

use tollgate_api::{Problem, ProblemCode};

/// The most bytes of bodies that a process holds at a time.
const HELD_BYTES: u64 = 64 * 1024 * 1024;

static OF_PROCESS: LazyLock<HeldBodies> = LazyLock::new(|| HeldBodies::at_most(HELD_BYTES));

/// A bound on the bytes of all bodies that are held at a time. Cloning shares it.
///
/// Bodies that take long to come share half of it. So whoever sends a part of many bodies, and then nothing, cannot use up what
/// others need, whose bodies are here at once.
#[derive(Debug, Clone)]
pub struct HeldBodies(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    at_most: u64,
    all: AtomicU64,
    slow: AtomicU64,
}

impl HeldBodies {
    /// A bound of its own.
    pub fn at_most(bytes: u64) -> Self {
        Self(Arc::new(Counts { at_most: bytes, all: AtomicU64::new(0), slow: AtomicU64::new(0) }))
    }

    /// A body of which nothing has come yet.
    pub(super) fn body(&self) -> HeldBody {
        HeldBody { of: self.clone(), bytes: 0, is_slow: false }
    }

    /// How many bytes are held.
    pub fn bytes(&self) -> u64 {
        self.0.all.load(Ordering::Acquire)
    }
}

/// The bound that all of the process's functions share.
impl Default for HeldBodies {
    fn default() -> Self {
        OF_PROCESS.clone()
    }
}

/// The share of one body; given back when it is dropped.
#[derive(Debug)]
pub(super) struct HeldBody {
    of: HeldBodies,
    bytes: u64,
    is_slow: bool,
}

impl HeldBody {
    /// So many bytes more of it have come. Fails with `overloaded` where there is no room for them.
    pub(super) fn more(&mut self, bytes: usize) -> Result<(), Problem> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let counts = &self.of.0;
        self.bytes += bytes;
        let fits = take(&counts.all, bytes, counts.at_most);
        if self.is_slow { fits.and(take(&counts.slow, bytes, counts.at_most / 2)) } else { fits }
    }

    /// It takes long to come. Fails with `overloaded` where there are too many of the kind.
    pub(super) fn is_slow(&mut self) -> Result<(), Problem> {
        self.is_slow = true;
        take(&self.of.0.slow, self.bytes, self.of.0.at_most / 2)
    }

    /// All of it has come.
    pub(super) fn is_whole(&mut self) {
        if std::mem::take(&mut self.is_slow) {
            self.of.0.slow.fetch_sub(self.bytes, Ordering::AcqRel);
        }
    }
}

/// Counts the bytes, also where they are too many: whoever fails is dropped next, and gives them back.
fn take(count: &AtomicU64, bytes: u64, at_most: u64) -> Result<(), Problem> {
    if count.fetch_add(bytes, Ordering::AcqRel).saturating_add(bytes) <= at_most {
        return Ok(());
    }
    metrics::counter!("bodies_refused_total").increment(1);
    Err(Problem::new(ProblemCode::Overloaded, "The bodies of too many requests are held at once."))
}

impl Drop for HeldBody {
    fn drop(&mut self) {
        self.is_whole();
        self.of.0.all.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}
