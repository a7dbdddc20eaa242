//! The `SQLite` store from outside: the contract that every store must pass, and what only a file shared by processes
//! can get wrong.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod audit;
mod clock;
mod contract;
mod crash;
mod damage;
mod erasure;
mod limits;
mod metering;
mod round_trip;
mod sharing;
mod subject;
