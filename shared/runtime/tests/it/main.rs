//! The runtime as its callers meet it: over real sockets, and through its log lines and metrics.

mod support;

mod function;
mod health;
mod layers;
mod logs;
mod metrics;
mod server;
mod tasks;
