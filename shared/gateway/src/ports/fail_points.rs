//! The places between commit, call, commit and answer at which a crash hurts most. Production passes through them;
//! tests and drills crash the process there.

use std::{fmt, str::FromStr};

/// A place where the process may be made to die.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailPoint {
    /// Before the intent is committed.
    BeforeIntent,
    /// The intent is committed; nothing was sent.
    AfterIntent,
    /// The provider has answered; nothing of it is committed.
    AfterCall,
    /// The outcome is committed; the merchant has no answer.
    AfterOutcome,
    /// A provider's event was verified; nothing of it is committed.
    BeforeEvent,
    /// What a provider's event led to is committed; the provider has no answer.
    AfterEvent,
    /// What a payer's return led to is committed; what follows from it is not sent, and the payer has no answer.
    AfterReturn,
    /// A merchant has answered a webhook; nothing of it is committed.
    AfterWebhook,
    /// A chunk of a settlement was put together; nothing of it is committed.
    BeforeChunk,
    /// A chunk of a settlement is committed, with its checkpoint.
    AfterChunk,
    /// Every chunk of a settlement is committed; it is not completed.
    BeforeFinish,
    /// A settlement is split into shards; none is published.
    BeforeShards,
    /// Every chunk of a shard is committed; none is compared with the books.
    BeforeShardCompared,
    /// A shard's time is over; the message for the rest is not published.
    BeforeShardGoesOn,
}

impl FailPoint {
    /// Every point.
    pub const ALL: [Self; 14] = [
        Self::BeforeIntent,
        Self::AfterIntent,
        Self::AfterCall,
        Self::AfterOutcome,
        Self::BeforeEvent,
        Self::AfterEvent,
        Self::AfterReturn,
        Self::AfterWebhook,
        Self::BeforeChunk,
        Self::AfterChunk,
        Self::BeforeFinish,
        Self::BeforeShards,
        Self::BeforeShardCompared,
        Self::BeforeShardGoesOn,
    ];

    /// The name by which the sandbox arms it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BeforeIntent => "before_intent",
            Self::AfterIntent => "after_intent",
            Self::AfterCall => "after_call",
            Self::AfterOutcome => "after_outcome",
            Self::BeforeEvent => "before_event",
            Self::AfterEvent => "after_event",
            Self::AfterReturn => "after_return",
            Self::AfterWebhook => "after_webhook",
            Self::BeforeChunk => "before_chunk",
            Self::AfterChunk => "after_chunk",
            Self::BeforeFinish => "before_finish",
            Self::BeforeShards => "before_shards",
            Self::BeforeShardCompared => "before_shard_compared",
            Self::BeforeShardGoesOn => "before_shard_goes_on",
        }
    }
}

impl fmt::Display for FailPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Text that names no fail point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a fail point")]
pub struct UnknownFailPoint;

impl FromStr for FailPoint {
    type Err = UnknownFailPoint;

    fn from_str(text: &str) -> Result<Self, UnknownFailPoint> {
        Self::ALL.into_iter().find(|point| point.as_str() == text).ok_or(UnknownFailPoint)
    }
}

/// What happens at the fail points.
pub trait FailPoints: Send + Sync + 'static {
    /// The work has come to `point`. Returns, or ends the process.
    fn pass(&self, point: FailPoint);
}

/// Production: every point is passed.
pub struct NoFailPoints;

impl FailPoints for NoFailPoints {
    fn pass(&self, _: FailPoint) {}
}
