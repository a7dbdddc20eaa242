//! The Counters port: token buckets in process, and on Redis for all instances together. And the Statuses port: payments as they
//! were, in the same two places.
//!
//! Must not know: who is limited and why, HTTP, the store.

mod bucket;
pub mod embedded;
mod embedded_statuses;
pub mod redis;
mod source;

pub use embedded::EmbeddedCounters;
pub use embedded_statuses::EmbeddedStatuses;
pub use redis::{Options, RedisAddress, RedisCounters};
pub use source::{BadSource, Source};
