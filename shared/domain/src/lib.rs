//! Tollgate's rules, pure: money, ids, state machines and ledger postings.
//!
//! No async, no I/O, no clock and no wire format: state, command and time come in, the next state and what follows
//! from it go out. Nothing here derives `Serialize`.

/// A point in time, UTC, to the nanosecond; stores keep microseconds.
pub use jiff::Timestamp;
