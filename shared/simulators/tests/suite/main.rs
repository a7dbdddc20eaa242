//! What the simulated providers do, in sentences: Stripe, and PayPal and the bank in modules of their own.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails right there")]

mod account;
mod bank;
mod books;
mod expiry;
mod faults;
mod idempotency;
mod lists;
mod over_http;
mod payments;
mod paypal;
mod ports;
mod refunds;
mod three_d_secure;
mod webhooks;
