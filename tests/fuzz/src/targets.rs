//! The targets, one per file.

pub(crate) mod amounts;
pub(crate) mod bank_event;
pub(crate) mod camt053;
pub(crate) mod merchant_bodies;
pub(crate) mod oidc_token;
pub(crate) mod paypal_webhook;
pub(crate) mod pubsub_push;
pub(crate) mod stripe_webhook;
