//! The embedded queue from outside: what it promises to who publishes and to who handles, over crashes and between
//! processes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod clock;
mod crash;
mod delivery;
mod duplicates;
mod events;
mod fairness;
mod handlers;
mod limits;
mod measured;
mod sharing;
mod stopping;
mod subject;
