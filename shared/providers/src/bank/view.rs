//! What consents and payments of the bank's mean in our words, and whose they are. Whatever does not fit is a mismatch, and
//! is never adopted.

use serde_json::Value;
use tollgate_domain::{
    Failure, Money, Operation, Payment, PaymentId, Refund, RefundId, RefundState, RefundView, TransactionState,
    TransactionView,
};

use super::{
    amounts,
    failures::of_reasons,
    objects::{Consent, Paid},
};

/// Why an answer is not of our payment. For the log.
pub(super) type Mismatch = &'static str;

/// Open Banking's ids are not longer.
const ID_MAX_LEN: usize = 128;

/// What a consent or a payment of ours says.
#[derive(Debug, Clone)]
pub(super) struct Expected {
    /// Whose it is: a payment's id, a refund's, or that of a reversal. Banks carry it from end to end.
    pub(super) end_to_end: String,
    pub(super) amount: Money,
}

impl Expected {
    /// That of the payment itself.
    pub(super) fn payment(payment: &Payment) -> Self {
        Self { end_to_end: payment.id.to_string(), amount: payment.amount }
    }

    /// That of a refund.
    pub(super) fn refund(refund: &Refund) -> Self {
        Self { end_to_end: refund.id.to_string(), amount: refund.amount }
    }

    /// That of what undoes a late success.
    pub(super) fn reversal(payment: &Payment, amount: Money) -> Self {
        let id = payment.id.to_string();
        Self { end_to_end: format!("rev_{}", id.trim_start_matches(PaymentId::PREFIX)), amount }
    }

    fn is_of(&self, initiation: &Value) -> Result<(), Mismatch> {
        if initiation["EndToEndIdentification"] != self.end_to_end.as_str() {
            return Err("the answer carries another payment's id");
        }
        match amount(initiation) {
            Some(amount) if amount == self.amount => Ok(()),
            Some(_) => Err("the answer shows another amount"),
            None => Err("the answer shows an impossible amount"),
        }
    }
}

/// What is consented to; `None` if it cannot be read.
pub(super) fn amount(initiation: &Value) -> Option<Money> {
    let instructed = &initiation["InstructedAmount"];
    amounts::from_wire(instructed["Amount"].as_str()?, instructed["Currency"].as_str()?.parse().ok()?)
}

/// Refuses a consent that is not the one with this id, or not of what is expected.
pub(super) fn check_consent(consent: &Consent, id: &str, expected: &Expected) -> Result<(), Mismatch> {
    if consent.data.consent_id != id {
        return Err("the answer shows another consent");
    }
    expected.is_of(&consent.data.initiation)
}

/// Refuses a consent that was just made if it names itself in two ways: its id is what everything hangs on.
pub(super) fn check_new_consent(consent: &Consent, expected: &Expected) -> Result<(), Mismatch> {
    let id = &consent.data.consent_id;
    if !is_id(id) {
        return Err("the answer shows no consent");
    }
    if !consent.links.name(id) {
        return Err("the answer names two consents");
    }
    expected.is_of(&consent.data.initiation)
}

/// Refuses a payment that is not of the consent `of`, or not of what is expected, or that names itself in two ways.
pub(super) fn check_paid(paid: &Paid, of: &str, expected: &Expected) -> Result<(), Mismatch> {
    let data = &paid.data;
    if !is_id(&data.domestic_payment_id) {
        return Err("the answer shows no payment");
    }
    if data.consent_id != of {
        return Err("the answer shows another consent's payment");
    }
    if !paid.links.name(&data.domestic_payment_id) {
        return Err("the answer names two payments");
    }
    expected.is_of(&data.initiation)
}

/// How a payment stands (rule 5).
pub(super) enum Course {
    /// The money has moved.
    Done,
    /// It is on its way, or blocked until somebody at the bank has looked.
    Underway,
    /// It came to nothing, and its consent with it.
    Rejected(Failure),
}

/// How `paid` stands.
pub(super) fn course(paid: &Paid) -> Result<Course, Mismatch> {
    Ok(match paid.data.status.as_str() {
        "ACSC" | "ACCC" | "ACWP" => Course::Done,
        "RCVD" | "PDNG" | "PATC" | "ACTC" | "ACCP" | "ACFC" | "ACSP" | "ACWC" | "BLCK" => Course::Underway,
        "RJCT" => Course::Rejected(of_reasons(&paid.data.status_reason)),
        _ => return Err("the answer shows an unknown status of a payment"),
    })
}

/// The transaction in this state; `paid`: what used it.
pub(super) fn shown(payment: &Payment, consent: &str, state: TransactionState, paid: Option<&Paid>) -> TransactionView {
    TransactionView {
        transaction_id: consent.to_owned(),
        request_id: None,
        amount: payment.amount,
        state,
        kept: paid.map(|paid| paid.data.domestic_payment_id.clone()),
    }
}

/// What a payment that was made means for the one that asked for it. What went back, the bank shows nowhere: it was sent by
/// payments of our own, and ours is the word on it.
pub(super) fn paid_state(payment: &Payment, paid: &Paid) -> Result<TransactionState, Mismatch> {
    let counts = payment.provider_transaction_id.as_ref().is_none_or(|known| *known == paid.data.consent_id);
    let refunded = match payment.reversed_at {
        Some(_) if payment.status.is_without_money() => payment.amount,
        _ if counts => payment.refunded,
        _ => Money::zero(payment.amount.currency()),
    };
    Ok(match course(paid)? {
        Course::Done => TransactionState::Captured { amount: payment.amount, refunded },
        Course::Underway => TransactionState::Processing,
        Course::Rejected(_) => TransactionState::Voided,
    })
}

/// The view of a refund, by the payment that carries it out.
pub(super) fn refund_view(paid: &Paid) -> Result<RefundView, Mismatch> {
    let state = match course(paid)? {
        Course::Done => RefundState::Completed,
        Course::Underway => RefundState::Pending,
        Course::Rejected(failure) => RefundState::Failed(Failure {
            provider_code: failure.provider_code,
            ..Failure::new("refund_failed", "The provider could not give the money back to the payer")
        }),
    };
    Ok(RefundView { refund_reference: paid.data.domestic_payment_id.clone(), instead_of: None, state })
}

/// The last step of an operation, as it is committed: `<what>:<id> <the operation's id then>`. A step of an id that counts no
/// more is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Progress {
    /// The consent is there.
    Consent(String),
    /// Its payer has approved it, and what he brought is kept with the payment.
    Approved(String),
    /// It is used, by this payment.
    Payment(String),
}

impl Progress {
    pub(super) fn of(operation: &Operation) -> Option<Self> {
        let (step, request) = operation.progress.as_deref()?.split_once(' ')?;
        if request != operation.request_id.to_string() {
            return None;
        }
        match step.split_once(':')? {
            ("consent", id) if is_id(id) => Some(Self::Consent(id.to_owned())),
            ("approved", id) if is_id(id) => Some(Self::Approved(id.to_owned())),
            ("payment", id) if is_id(id) => Some(Self::Payment(id.to_owned())),
            _ => None,
        }
    }

    pub(super) fn write(&self, operation: &Operation) -> String {
        let (what, id) = match self {
            Self::Consent(id) => ("consent", id),
            Self::Approved(id) => ("approved", id),
            Self::Payment(id) => ("payment", id),
        };
        format!("{what}:{id} {}", operation.request_id)
    }
}

/// Whose a consent or a payment of ours is, by what it carries from end to end.
pub(super) enum Mark {
    Payment(PaymentId),
    Refund(PaymentId, RefundId),
}

/// `None`: nobody's that events are for.
pub(super) fn mark(initiation: &Value) -> Option<Mark> {
    let end_to_end = initiation["EndToEndIdentification"].as_str()?;
    if let Ok(payment) = end_to_end.parse() {
        return Some(Mark::Payment(payment));
    }
    let payment = initiation["SupplementaryData"]["tollgate_payment_id"].as_str()?;
    Some(Mark::Refund(payment.parse().ok()?, end_to_end.parse().ok()?))
}

/// Whether `text` is an id of the bank's that can be part of a URL.
pub(super) fn is_id(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=ID_MAX_LEN).contains(&text.len()) && text.bytes().all(plain)
}
