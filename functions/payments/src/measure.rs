//! `payment_requests_total{endpoint,provider,status,error_type}`: what merchants ask for and what it comes to.

use tollgate_api::Problem;
use tollgate_gateway::{Done, RefundDone};

/// Counts one request to `endpoint`.
pub(crate) fn count(endpoint: &'static str, result: &Result<Done, Problem>) {
    let (provider, status, error_type) = match result {
        Ok(done) => (done.payment.provider.as_str(), done.payment.status.as_str(), ""),
        Err(problem) => ("", "", problem.code.as_str()),
    };
    add(endpoint, provider, status, error_type);
}

/// Counts one request for a refund. (Which provider, the refund does not say.)
pub(crate) fn count_refund(result: &Result<RefundDone, Problem>) {
    match result {
        Ok(done) => add("refund", "", done.refund.status.as_str(), ""),
        Err(problem) => add("refund", "", "", problem.code.as_str()),
    }
}

fn add(endpoint: &'static str, provider: &'static str, status: &'static str, error_type: &'static str) {
    metrics::counter!(
        "payment_requests_total",
        "endpoint" => endpoint, "provider" => provider, "status" => status, "error_type" => error_type
    )
    .increment(1);
}
