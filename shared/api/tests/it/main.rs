//! The strict reader against `serde_json`, with documents nobody thought of.

mod agrees_with_serde_json;
