//! A refund as merchants see it.

use serde::Serialize;
use tollgate_domain::{Refund, RefundStatus};
use utoipa::ToSchema;

use crate::payment::FailureBody;

/// Every status that a refund can have.
pub const STATUSES: [RefundStatus; 3] = [RefundStatus::Pending, RefundStatus::Completed, RefundStatus::Failed];

/// A refund.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RefundBody {
    /// `ref_…`
    pub id: String,
    /// Always `refund`.
    #[schema(example = "refund")]
    pub object: &'static str,
    /// The payment that it gives back.
    pub payment_id: String,
    /// In minor units.
    pub amount: i64,
    /// ISO 4217.
    pub currency: String,
    /// The merchant's words.
    pub reason: Option<String>,
    /// `PENDING`, `COMPLETED` or `FAILED`. One that is `COMPLETED` can still fail, should the payer's bank send it back.
    pub status: &'static str,
    /// Why it failed.
    pub failure: Option<FailureBody>,
    /// RFC 3339, UTC.
    pub created_at: String,
    /// RFC 3339, UTC.
    pub updated_at: String,
}

/// A payment's refunds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RefundList {
    /// Oldest first, those that failed too.
    pub data: Vec<RefundBody>,
}

impl From<&Refund> for RefundBody {
    fn from(refund: &Refund) -> Self {
        Self {
            id: refund.id.to_string(),
            object: "refund",
            payment_id: refund.payment_id.to_string(),
            amount: refund.amount.minor(),
            currency: refund.amount.currency().code().to_owned(),
            reason: refund.reason.clone(),
            status: refund.status.as_str(),
            failure: refund.failure.as_ref().map(FailureBody::from),
            created_at: refund.created_at.to_string(),
            updated_at: refund.updated_at.to_string(),
        }
    }
}
