//! Counters from outside: the contract, in process and on a real Redis, and what a Redis that fails does to those who ask.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod away;
mod clock;
mod contract;
mod embedded;
mod keys;
mod load;
mod overshoot;
mod secrets;
mod seen;
mod server;
mod statuses;
mod subject;
mod tls;
