//! The Queue port on Google's Pub/Sub: publishing. What Pub/Sub pushes is read by `tollgate_messaging::push`.
//!
//! Must not know: what a message leads to, how one is pushed to us, the store.

mod measure;
mod queue;
mod topics;

pub use queue::{ConnectError, Options, PubsubQueue};
pub use topics::{InvalidTopic, Named, Topics};
