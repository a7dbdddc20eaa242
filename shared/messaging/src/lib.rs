//! The Queue port, and the other end of it: the consumer that hands messages to their handler.
//!
//! `embedded` is the queue in process, in a file that several processes of one machine may share; `push` reads what
//! Pub/Sub pushes, and `shards` the parts of settlements among it; `events` are those of providers that wait while the store is away. Must not know: what a message leads to, HTTP, the store.

mod delivered;
pub mod embedded;
pub mod events;
pub mod push;
pub mod shards;
mod wire;

pub use delivered::{Delivered, Handler, Limits, Topic, Traceparent};
pub use embedded::{Consumer, EmbeddedQueue, OpenError, Options, Standing};
