//! The queue on the real Pub/Sub emulator, which pushes over HTTP to a small server of each test's own.

mod absent;
mod bounds;
mod measured;
mod pushed;
mod receiver;
mod subject;
