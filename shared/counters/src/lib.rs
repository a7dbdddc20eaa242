//! The Counters port: token buckets in process, and on Redis for all instances together.
//!
//! Must not know: who is limited and why, HTTP, the store.

mod bucket;
pub mod embedded;
pub mod redis;
mod source;

pub use embedded::EmbeddedCounters;
pub use redis::{Options, RedisAddress, RedisCounters};
pub use source::{BadSource, Source};
