//! The runtime as its callers meet it: over real sockets, and through its log lines and metrics.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests, too")]

mod support;

mod collector;
mod function;
mod health;
mod heartbeat;
mod hostile;
mod hostile_bodies;
mod hostile_http_2;
mod layers;
mod logs;
mod metrics;
mod oidc_keys;
mod oidc_support;
mod oidc_tokens;
mod server;
mod tasks;
mod traces;
