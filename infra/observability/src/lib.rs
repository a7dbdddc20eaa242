//! What on-call watches, stated once: objectives, alerts and dashboards in TOML, and what is made of them for Cloud Monitoring and for
//! Prometheus. A development tool; nothing that is deployed uses it.
//!
//! Must not know: any crate of ours. It reads their source text to learn which metrics there are.

pub mod alerts;
pub mod cases;
pub mod check;
pub mod dashboards;
pub mod documentation;
pub mod exported;
pub mod expression;
pub mod generate;
pub mod promtool;
pub mod rules;
pub mod slos;
pub mod sources;
pub mod terraform;

pub use sources::Sources;
