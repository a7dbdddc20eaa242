//! The store on the real emulator: the contract that every store keeps, and what is Spanner's own.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::similar_names, reason = "a store is told stories")]

mod claims;
mod clock;
mod contract;
mod lost_answers;
mod raw;
mod round_trips;
mod schema;
mod subject;
