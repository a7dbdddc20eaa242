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
use tollgate_domain::{Operation, OperationState, Payment, Review};
use tollgate_gateway::records::TimelineRow;

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

/// What happened to a payment, alone.
#[derive(Serialize)]
pub(super) struct Happened {
    payment_id: String,
    merchant_id: String,
    status: &'static str,
    version: u64,
    needs_review: Option<ReviewBody>,
    timeline: Vec<TimelineEntry>,
}

impl Happened {
    pub(super) fn of(payment: &Payment, rows: &[TimelineRow]) -> Self {
        Self {
            payment_id: payment.id.to_string(),
            merchant_id: payment.merchant.to_string(),
            status: payment.status.as_str(),
            version: payment.version,
            needs_review: payment.review.map(ReviewBody::from),
            timeline: rows.iter().map(TimelineEntry::from).collect(),
        }
    }
}

/// A payment that was closed.
#[derive(Serialize)]
pub(super) struct Resolved<'a> {
    object: &'static str,
    payment_id: String,
    status: &'static str,
    /// The version that it is in by that.
    version: u64,
    by: &'a str,
    why: &'a str,
    /// Whether the next settlement pays it out.
    to_be_settled: bool,
}

impl<'a> Resolved<'a> {
    pub(super) fn of(payment: &Payment, by: &'a str, why: &'a str) -> Self {
        Self {
            object: "payment_resolution",
            payment_id: payment.id.to_string(),
            status: payment.status.as_str(),
            version: payment.version,
            by,
            why,
            to_be_settled: payment.to_settle_at().is_some(),
        }
    }
}

#[derive(Serialize)]
pub(super) struct ReviewBody {
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
