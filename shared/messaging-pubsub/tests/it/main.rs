//! The queue on the real Pub/Sub emulator, which pushes over HTTP to a small server of each test's own.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod absent;
mod bounds;
mod measured;
mod pushed;
mod receiver;
mod subject;
