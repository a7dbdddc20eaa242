//! A payment as merchants see it.

use std::collections::BTreeMap;

use serde::Serialize;
use tollgate_domain::{Failure, Operation, OperationKind, Payment};
use utoipa::ToSchema;

/// A payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PaymentBody {
    /// `pay_…`
    pub id: String,
    /// Always `payment`.
    #[schema(example = "payment")]
    pub object: &'static str,
    /// `PENDING`, `AUTHORIZED`, `CAPTURED`, `SETTLED`, `REFUNDED`, `FAILED` or `VOIDED`.
    pub status: &'static str,
    /// In minor units of the currency: JPY 1000 is one thousand yen.
    pub amount: i64,
    /// ISO 4217.
    pub currency: String,
    /// What was taken, in minor units.
    pub amount_captured: i64,
    /// What went back, in minor units.
    pub amount_refunded: i64,
    /// Who moves the money: `stripe`, `paypal` or `bank`.
    pub provider: &'static str,
    /// The provider's id of the transaction, once known.
    pub provider_transaction_id: Option<String>,
    /// The id that the attempt that counts carried at the provider.
    pub provider_request_id: String,
    /// `manual` or `automatic`.
    pub capture_method: &'static str,
    /// The merchant's own number.
    pub merchant_reference: Option<String>,
    /// The merchant's words.
    pub description: Option<String>,
    /// The merchant's pairs.
    pub metadata: BTreeMap<String, String>,
    /// What the payer has to do before the outcome can be known.
    pub next_action: Option<NextAction>,
    /// The operation whose outcome is not known yet.
    pub pending_operation: Option<PendingOperation>,
    /// Why the payment came to nothing.
    pub failure: Option<FailureBody>,
    /// When the authorization ends.
    pub expires_at: Option<String>,
    /// While `PENDING`: by when the outcome should be known.
    pub resolve_by: Option<String>,
    /// The settlement that it is part of.
    pub settlement_id: Option<String>,
    /// RFC 3339, UTC.
    pub created_at: String,
    /// RFC 3339, UTC.
    pub updated_at: String,
    /// One more with every change.
    pub version: u64,
}

/// What the payer has to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct NextAction {
    /// Always `redirect`.
    #[schema(example = "redirect")]
    pub r#type: &'static str,
    /// Where to send the payer.
    pub url: String,
}

/// An operation whose outcome is not known yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PendingOperation {
    /// `capture`, `void`, `refund` or `reversal`.
    pub r#type: &'static str,
    /// In minor units.
    pub amount: i64,
    /// By when it should be known.
    pub resolve_by: String,
}

/// Why something came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FailureBody {
    /// Stable, for programs: `card_declined`, `approval_expired`, …
    pub code: String,
    /// For people.
    pub message: String,
    /// The provider's own code.
    pub provider_code: Option<String>,
}

/// A page of payments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PaymentList {
    /// Newest first. A page may be short, or empty, and not be the last: where only few of very many payments have the
    /// status that was asked for.
    pub data: Vec<PaymentBody>,
    /// Give it back as `cursor` to get the next page; null on the last.
    pub next_cursor: Option<String>,
}

impl From<&Payment> for PaymentBody {
    fn from(payment: &Payment) -> Self {
        Self {
            id: payment.id.to_string(),
            object: "payment",
            status: payment.status.as_str(),
            amount: payment.amount.minor(),
            currency: payment.amount.currency().code().to_owned(),
            amount_captured: payment.captured.minor(),
            amount_refunded: payment.refunded.minor(),
            provider: payment.provider.as_str(),
            provider_transaction_id: payment.provider_transaction_id.clone(),
            provider_request_id: payment.provider_request_id.to_string(),
            capture_method: payment.capture_method.as_str(),
            merchant_reference: payment.details.merchant_reference.clone(),
            description: payment.details.description.clone(),
            metadata: payment.details.metadata.clone(),
            next_action: next_action(payment),
            pending_operation: pending_operation(payment),
            failure: payment.failure.as_ref().map(FailureBody::from),
            expires_at: payment.expires_at.map(|at| at.to_string()),
            resolve_by: payment.resolve_by().map(|at| at.to_string()),
            settlement_id: payment.settlement.map(|id| id.to_string()),
            created_at: payment.created_at.to_string(),
            updated_at: payment.updated_at.to_string(),
            version: payment.version,
        }
    }
}

impl From<&Failure> for FailureBody {
    fn from(failure: &Failure) -> Self {
        Self {
            code: failure.code.clone(),
            message: failure.message.clone(),
            provider_code: failure.provider_code.clone(),
        }
    }
}

/// A payer is sent nowhere once the merchant has asked for a void.
fn next_action(payment: &Payment) -> Option<NextAction> {
    if payment.remembered_void.is_some() {
        return None;
    }
    let turn = payment.open.as_ref()?.payer.as_ref()?;
    Some(NextAction { r#type: "redirect", url: turn.url.clone() })
}

/// The authorization itself is what `PENDING` says; a void remembered behind it shows here.
fn pending_operation(payment: &Payment) -> Option<PendingOperation> {
    let pending = |operation: &Operation| PendingOperation {
        r#type: operation.kind.as_str(),
        amount: operation.amount.minor(),
        resolve_by: operation.resolve_by().to_string(),
    };
    let open = payment.open.as_ref().filter(|open| open.kind != OperationKind::Authorize);
    open.or(payment.remembered_void.as_ref()).map(pending)
}
