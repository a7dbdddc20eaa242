//! `payment_requests_total{endpoint,provider,status,error_type}`: what merchants ask for and what it comes to.

use tollgate_api::Problem;
use tollgate_gateway::Done;

/// Counts one request to `endpoint`.
pub(crate) fn count(endpoint: &'static str, result: &Result<Done, Problem>) {
    let (provider, status, error_type) = match result {
        Ok(done) => (done.payment.provider.as_str(), done.payment.status.as_str(), ""),
        Err(problem) => ("", "", problem.code.as_str()),
    };
    metrics::counter!(
        "payment_requests_total",
        "endpoint" => endpoint, "provider" => provider, "status" => status, "error_type" => error_type
    )
    .increment(1);
}
