//! The one mapper from what use-cases fail with to what merchants see.

use std::time::Duration;

use tollgate_domain::{PaymentStatus, Refusal};
use tollgate_gateway::{Error, ports::provider::Unsupported};

use crate::{FieldError, Problem, ProblemCode};

/// Whoever sets a provider up needs longer than a moment.
const NOT_SET_UP: Duration = Duration::from_secs(3600);

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        use ProblemCode as Code;
        match error {
            Error::Refused(refusal) => refused(refusal),
            Error::NotFound => Self::new(Code::NotFound, "There is nothing of this kind by this id."),
            Error::KeyReused => Self::new(
                Code::IdempotencyKeyReused,
                "This Idempotency-Key was used for another request. Use a new key for a new request.",
            ),
            Error::KeyInUse => Self::new(
                Code::IdempotencyKeyInUse,
                "The first request with this Idempotency-Key is still running. Ask again in a moment.",
            ),
            Error::ProviderRefused(failure) => Self::new(
                Code::ProviderRefused,
                format!("{} ({}).", failure.message.trim_end_matches('.'), failure.code),
            ),
            Error::ProviderUnavailable { retry_after } => {
                let problem = Self::new(
                    Code::ProviderUnavailable,
                    "The provider cannot be reached. This request moved no money; one before it with the same Idempotency-Key \
                     may have. Send it again with that key.",
                );
                match retry_after {
                    Some(wait) => problem.retry_after(wait),
                    None => problem,
                }
            }
            Error::NoProvider => Self::new(
                Code::ProviderUnavailable,
                "None of the providers that the payment has a token for is set up here. Nothing was charged. Sending it again \
                 helps only once one is.",
            )
            .retry_after(NOT_SET_UP),
            Error::Unsupported(Unsupported::Currency) => {
                Self::new(Code::CurrencyNotSupported, "The provider does not take this currency.")
            }
            Error::Unsupported(Unsupported::Amount) => {
                Self::new(Code::AmountNotSupported, "The provider does not take this amount in this currency.")
            }
            Error::PartialCaptureNotSupported => {
                Self::new(Code::PartialCaptureNotSupported, "The provider captures the whole amount only.")
            }
            Error::EndpointRefused(refused) => {
                Self::invalid_fields(vec![FieldError { pointer: "/url".to_owned(), detail: refused.to_string() }])
            }
            Error::TooManySecrets { retry_after } => Self::new(
                Code::RateLimited,
                "The secret was rotated too often: every one before it signs for a day, and no more can.",
            )
            .retry_after(retry_after),
            Error::Store(cause) => Self::new(
                Code::StoreUnavailable,
                "The gateway cannot reach its store. Send it again with the same Idempotency-Key.",
            )
            .caused_by(cause),
            Error::Queue(_) | Error::Internal => Self::internal(error),
        }
    }
}

/// Whether it is worth asking again.
fn not_settled(status: PaymentStatus) -> String {
    let then = match status {
        PaymentStatus::Pending | PaymentStatus::Authorized => "nothing was captured yet: void it instead",
        PaymentStatus::Captured => "the settlement of the next night makes it SETTLED, and then it can be",
        _ => "it is over, and never can be",
    };
    format!("Only a payment that is SETTLED can be refunded. This one is {}; {then}.", status.as_str())
}

fn refused(refusal: Refusal) -> Problem {
    use ProblemCode as Code;
    let (code, detail) = match refusal {
        Refusal::OperationInProgress => (
            Code::OperationInProgress,
            "Another operation on this payment has no outcome yet. Look at the payment, and ask again later."
                .to_owned(),
        ),
        Refusal::StateConflict(status) => (
            Code::PaymentStateConflict,
            format!(
                "The payment is {}. Only one that is AUTHORIZED can be captured or voided, and captured only until `expires_at`.",
                status.as_str()
            ),
        ),
        Refusal::NotSettled(status) => (Code::PaymentNotSettled, not_settled(status)),
        Refusal::ExceedsAuthorized(authorized) => (
            Code::AmountExceedsAuthorized,
            format!("The amount exceeds the {} that is authorized.", authorized.minor()),
        ),
        Refusal::RefundExceedsCaptured(left) => (
            Code::RefundExceedsCaptured,
            format!(
                "The refunds, those under way included, would exceed what was captured: {} can still be refunded.",
                left.minor()
            ),
        ),
        Refusal::BadAmount => (Code::InvalidRequest, "The amount must be more than zero.".to_owned()),
    };
    Problem::new(code, detail)
}
