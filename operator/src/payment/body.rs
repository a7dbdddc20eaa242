//! A payment for programs: the merchants' own wire types, and beside them what merchants are not shown.
//!
//! Must not know: how it is read. What a payer's token or link is, is left out.

use serde::Serialize;
use tollgate_api::{
    payment::{FailureBody, PaymentBody},
    refund::RefundBody,
    timeline::TimelineEntry,
    webhooks::{DeliveriesBody, DeliveryBody},
};
use tollgate_domain::{Operation, OperationState, Review};

use super::Dossier;

#[derive(Serialize)]
pub(super) struct PaymentDossier {
    merchant_id: String,
    payment: PaymentBody,
    /// Why a person has to look.
    needs_review: Option<ReviewBody>,
    operations: Vec<OperationBody>,
    refunds: Vec<RefundBody>,
    deliveries: Vec<DeliveryBody>,
    timeline: Vec<TimelineEntry>,
}

#[derive(Serialize)]
struct ReviewBody {
    reason: &'static str,
    since: String,
}

#[derive(Serialize)]
struct OperationBody {
    number: u32,
    r#type: &'static str,
    state: &'static str,
    amount: i64,
    currency: String,
    provider: &'static str,
    provider_request_id: String,
    provider_transaction_id: Option<String>,
    refund_id: Option<String>,
    /// Until when somebody may be calling.
    call_until: Option<String>,
    /// Until when the payer is waited for.
    payer_until: Option<String>,
    failure: Option<FailureBody>,
    opened_at: String,
    closed_at: Option<String>,
}

impl From<&Dossier> for PaymentDossier {
    fn from(dossier: &Dossier) -> Self {
        let mut payment = PaymentBody::from(&dossier.payment);
        // Where the payer goes to act is for the payer.
        payment.next_action = None;
        Self {
            merchant_id: dossier.payment.merchant.to_string(),
            payment,
            needs_review: dossier.payment.review.map(ReviewBody::from),
            operations: dossier.operations.iter().map(OperationBody::from).collect(),
            refunds: dossier.refunds.iter().map(RefundBody::from).collect(),
            deliveries: DeliveriesBody::of(dossier.payment.id, &dossier.deliveries).deliveries,
            timeline: dossier.timeline.iter().map(TimelineEntry::from).collect(),
        }
    }
}

impl From<Review> for ReviewBody {
    fn from(review: Review) -> Self {
        Self { reason: review.reason.as_str(), since: review.since.to_string() }
    }
}

impl From<&Operation> for OperationBody {
    fn from(operation: &Operation) -> Self {
        Self {
            number: operation.number,
            r#type: operation.kind.as_str(),
            state: state(operation.state),
            amount: operation.amount.minor(),
            currency: operation.amount.currency().code().to_owned(),
            provider: operation.provider.as_str(),
            provider_request_id: operation.request_id.to_string(),
            provider_transaction_id: operation.transaction_id.clone(),
            refund_id: operation.refund.as_ref().map(|refund| refund.id.to_string()),
            call_until: operation.lease.map(|lease| lease.call_until.to_string()),
            payer_until: operation.payer.as_ref().map(|turn| turn.until.to_string()),
            failure: operation.failure.as_ref().map(FailureBody::from),
            opened_at: operation.opened_at.to_string(),
            closed_at: operation.closed_at.map(|at| at.to_string()),
        }
    }
}

/// How an operation stands, in a word.
pub(super) fn state(state: OperationState) -> &'static str {
    match state {
        OperationState::Waiting => "waiting",
        OperationState::Open => "open",
        OperationState::Succeeded => "succeeded",
        OperationState::Refused => "refused",
        OperationState::Dropped => "dropped",
    }
}
