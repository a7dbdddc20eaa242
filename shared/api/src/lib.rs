//! What merchants see: problems, strict request bodies, and the checks every request passes before anything else.
//!
//! Must not know: use-cases, stores, providers, or how a server is run.

pub mod card_data;
pub mod idempotency_key;
pub mod problem;
pub mod strict_json;

pub use problem::{FieldError, Problem, ProblemCode};
