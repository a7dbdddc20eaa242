//! The store of payments on an embedded database: development, tests, and a gateway on one machine.
//!
//! It persists what the gateway decided and decides nothing. Must not know: what a payment may do, HTTP, providers.

pub mod sqlite;

pub use sqlite::{Counts, FrozenFile, OpenError, Options, Schema, SqliteStore};
