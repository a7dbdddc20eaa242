//! Google's emulators for tests: found on this machine, started by the first test that needs one, used by all test
//! processes at once, ended a few seconds after the last of them. For `dev-dependencies` and the benchmark only.
//!
//! Where `SPANNER_EMULATOR_HOST` or `PUBSUB_EMULATOR_HOST` is set, that one is used, and nothing is started or ended.
//! Must not know: Google's client crates, or anything of the gateway.

mod installed;
mod names;
mod process;
mod proxy;
mod pubsub;
mod requirement;
mod rest;
mod spanner;

pub use names::{fresh_database_name, fresh_name};
pub use proxy::{Cut, GrpcProxy};
pub use pubsub::{OwnPubsub, Pubsub, Retry, own_pubsub, pubsub};
pub use requirement::require;
pub use spanner::{Database, Spanner, spanner};
