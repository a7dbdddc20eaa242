//! What the simulated bank does, in sentences.

mod approval;
mod books;
mod client;
mod consents;
mod events;
mod faults;
mod idempotency;
mod over_http;
mod payments;
mod refunds;
mod signatures;
mod tokens;
