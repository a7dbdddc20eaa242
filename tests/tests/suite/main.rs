//! Tests across functions.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails right there")]

mod house;
mod interleavings;
mod localstripe;
mod official_stripe_client;
mod stripe_adapter;
mod stripe_spec;
