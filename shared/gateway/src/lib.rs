//! The use-cases, one file each, and the ports (traits) that they need.
//!
//! Must not know: HTTP routes, SQL, a provider's wire format, a clock or a task runtime.

pub mod ports;
pub mod records;
