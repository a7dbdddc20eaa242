//! Tests across functions.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails right there")]

mod api_cards;
mod api_errors;
mod api_isolation;
mod api_lists;
mod api_openapi;
mod api_payments;
mod api_refunds;
mod api_requests;
mod api_running;
mod api_sandbox;
mod api_support;
mod api_webhooks;
mod concurrency;
mod crashes;
mod deliveries;
mod delivery_kills;
mod house;
mod interleavings;
mod kill_storm;
mod localstripe;
mod lost_answers;
mod official_stripe_client;
mod official_webhook_verifiers;
mod provider_events;
mod reconciliation;
mod sandbox_process;
mod separate_functions;
mod settlement;
mod settlement_api;
mod settlement_support;
mod stripe_adapter;
mod stripe_spec;
mod three_d_secure;
mod world;
