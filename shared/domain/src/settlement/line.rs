//! The lines of a settlement: what each payment, refund and debt adds to what a merchant gets.

use super::Balance;
use crate::{Change, Currency, MerchantId, Money, Payment, PaymentId, Refund, RefundId, RefundStatus, Timestamp};

/// What a line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LineKind {
    /// A captured payment, less our fee.
    Payment,
    /// A refund: taken off.
    Refund,
    /// A refund that came back after it had been taken off: given back.
    RefundReturned,
    /// What the merchant owed us after the settlement before.
    CarriedOver,
}

impl LineKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Payment, Self::Refund, Self::RefundReturned, Self::CarriedOver];

    /// The name in bodies and in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Payment => "payment",
            Self::Refund => "refund",
            Self::RefundReturned => "refund_returned",
            Self::CarriedOver => "carried_over",
        }
    }
}

/// One line. Amounts are minor units: above zero for the merchant, below zero for us; `net` is always `gross - fee`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Whose.
    pub merchant: MerchantId,
    /// What it is about.
    pub kind: LineKind,
    /// The payment, and its version that the line was committed with; `None` for what is carried over.
    pub payment: Option<(PaymentId, u64)>,
    /// The refund, for refunds.
    pub refund: Option<RefundId>,
    /// Of what the amounts are.
    pub currency: Currency,
    /// Before the fee.
    pub gross: i64,
    /// Our fee; never below zero.
    pub fee: i64,
    /// What the merchant gets.
    pub net: i64,
    /// Since when it waited: when the payment was captured, when the refund was done or came back.
    pub at: Timestamp,
}

impl Line {
    /// The line of `settled`, the change that settles `payment` for `fee`.
    pub fn of_payment(payment: &Payment, settled: &Change, fee: Money) -> Self {
        let gross = payment.captured.minor();
        Self {
            merchant: payment.merchant,
            kind: LineKind::Payment,
            payment: Some((payment.id, settled.payment.version)),
            refund: None,
            currency: payment.captured.currency(),
            gross,
            fee: fee.minor(),
            net: gross - fee.minor(),
            at: payment.captured_at.unwrap_or(payment.updated_at),
        }
    }

    /// The line of `settled`, the change that takes `refund` (as it was before) into a settlement. Our fee is not given
    /// back with a refund.
    pub fn of_refund(refund: &Refund, settled: &Change) -> Self {
        let (kind, gross) = match refund.status {
            RefundStatus::Failed => (LineKind::RefundReturned, refund.amount.minor()),
            RefundStatus::Pending | RefundStatus::Completed => (LineKind::Refund, -refund.amount.minor()),
        };
        Self {
            merchant: settled.payment.merchant,
            kind,
            payment: Some((refund.payment_id, settled.payment.version)),
            refund: Some(refund.id),
            currency: refund.amount.currency(),
            gross,
            fee: 0,
            net: gross,
            at: refund.to_settle_at.unwrap_or(refund.updated_at),
        }
    }

    /// What `merchant` owed us after the settlement that ended before `at`: below zero.
    pub const fn carried_over(merchant: MerchantId, owed: Balance, at: Timestamp) -> Self {
        Self {
            merchant,
            kind: LineKind::CarriedOver,
            payment: None,
            refund: None,
            currency: owed.currency,
            gross: owed.minor,
            fee: 0,
            net: owed.minor,
            at,
        }
    }
}
