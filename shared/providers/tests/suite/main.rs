//! The adapters, seen from the gateway's ports: what they send, and what they make of every answer.
#![allow(clippy::unwrap_used, reason = "this is all test code")]

mod answers;
mod flows;
mod guard;
mod look_up;
mod panics;
mod records;
mod requests;
mod schema;
mod sockets;
mod webhooks;
mod world;
