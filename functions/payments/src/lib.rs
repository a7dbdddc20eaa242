//! The merchants' API and the payers' way back: `/v1/*` with `X-API-Key`, and `/return/{opaque}`.
//!
//! Must not know: which store, which providers, or what a payment may do; it parses, authenticates, asks the gateway
//! and renders.

mod answer;
mod caller;
mod door;
mod measure;
pub mod openapi;
mod payer;
mod payments;
mod refunds;
mod settlements;
mod webhooks;

use axum::{
    Router,
    routing::{get, post},
};
use tollgate_gateway::Gateway;

pub use door::MerchantsDoor;

/// What the routes need.
#[derive(Clone)]
pub struct Payments {
    /// The use-cases.
    pub gateway: Gateway,
}

/// The routes, behind [`MerchantsDoor`]: nobody else says whose a request is.
pub fn router(payments: Payments) -> Router {
    Router::new()
        .route("/v1/payments", post(payments::create).get(payments::list))
        .route("/v1/payments/{id}", get(payments::show))
        .route("/v1/payments/{id}/capture", post(payments::capture))
        .route("/v1/payments/{id}/void", post(payments::void))
        .route("/v1/payments/{id}/refund", post(refunds::create))
        .route("/v1/payments/{id}/refunds", get(refunds::list))
        .route("/v1/payments/{id}/timeline", get(payments::timeline))
        .route("/v1/refunds/{id}", get(refunds::show))
        .route("/v1/webhook-endpoint", get(webhooks::show_endpoint).put(webhooks::set_endpoint))
        .route("/v1/webhook-endpoint/rotate-secret", post(webhooks::rotate_secret))
        .route("/v1/webhooks/{id}/status", get(webhooks::status))
        .route("/v1/webhooks/{id}/redeliver", post(webhooks::redeliver))
        .route("/v1/events", get(webhooks::events))
        .route("/v1/settlements", get(settlements::on_date))
        .route("/v1/settlements/{id}", get(settlements::show))
        .route("/return/{opaque}", get(payer::returned))
        .with_state(payments)
}
