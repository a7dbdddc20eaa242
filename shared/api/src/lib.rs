//! What merchants see: wire types, problems, strict request bodies, and the checks every request passes before anything
//! else.
//!
//! Must not know: stores, providers, or how a server is run.

pub mod card_data;
mod cursor;
mod errors;
pub mod events;
pub mod idempotency_key;
pub mod job_report;
pub mod payment;
pub mod problem;
pub mod refund;
pub mod requests;
pub mod settlement;
pub mod statuses;
pub mod strict_json;
pub mod timeline;
pub mod webhooks;

pub use job_report::JobReportBody;
pub use problem::{FieldError, Problem, ProblemCode};
