//! Providers' events that came while the store was away: how they are written, the file that they wait in on one machine,
//! and who hands them out again until they are applied.
//!
//! Must not know: what an event does to a payment, the store, HTTP.

mod applier;
mod backlog;
mod file;
mod lead;
mod wire;
mod writer;

pub use applier::{Applier, Apply, Outcome, Round};
pub use backlog::{EventFile, EventLimits, Waiting};
pub use file::OpenError;
pub use wire::{LONGEST_EVENT_BYTES, NoEvent, read, write};

/// The topic's name, as metrics and traces know it.
pub const PROVIDER_EVENTS: &str = "provider-events";
