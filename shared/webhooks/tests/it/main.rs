//! Sending webhooks from outside: against sockets that answer in every way, names that change their mind, and addresses
//! that must not be called.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the other side runs on its own, and takes its real time")]

mod addresses;
mod answers;
mod connections;
mod endpoint;
mod names;
mod signatures;
mod urls;
mod world;
