//! Payments for tests, made through the transitions themselves.

use std::time::Duration;

use super::Attempt;
use crate::{
    Answer, BootId, CaptureMethod, Change, Details, KeyHash, Lease, MerchantId, Money, NewPayment, Payment, PaymentId,
    ProviderName, ProviderRequestId, Timestamp, TransactionState, TransactionView,
};

pub(crate) const NOW: Timestamp = Timestamp::constant(1_790_000_000, 0);

pub(crate) fn jpy(minor: i64) -> Money {
    Money::new(minor, "JPY".parse().unwrap()).unwrap()
}

pub(crate) fn key(number: u8) -> KeyHash {
    KeyHash([number; 32])
}

pub(crate) fn attempt(number: u8, now: Timestamp) -> Attempt {
    Attempt {
        request_id: ProviderRequestId::from_random([number; 16]),
        lease: Lease { owner: BootId::from_random([1; 16]), call_until: now + Duration::from_secs(20) },
    }
}

pub(crate) fn opened(capture_method: CaptureMethod) -> Payment {
    let new = NewPayment {
        id: PaymentId::from_random([1; 16]),
        merchant: MerchantId::from_random([2; 16]),
        amount: jpy(1000),
        provider: ProviderName::Stripe,
        payment_method: "pm_card_visa".to_owned(),
        return_url: "https://pay.example/return/1".to_owned(),
        capture_method,
        details: Details::default(),
    };
    Payment::open(new, attempt(1, NOW), key(1), NOW).payment
}

pub(crate) fn view(state: TransactionState) -> TransactionView {
    TransactionView { transaction_id: "pi_1".to_owned(), request_id: None, amount: jpy(1000), state, kept: None }
}

pub(crate) fn held() -> TransactionState {
    TransactionState::Authorized { expires_at: None }
}

pub(crate) fn taken(minor: i64) -> TransactionState {
    TransactionState::Captured { amount: jpy(minor), refunded: jpy(0) }
}

/// What follows from the provider showing `state` in answer to the open operation.
pub(crate) fn shows(payment: &Payment, state: TransactionState) -> Change {
    let number = payment.open.as_ref().unwrap().number;
    payment.answered(number, &Answer::Shows(view(state)), attempt(9, NOW), NOW).unwrap()
}

pub(crate) fn authorized() -> Payment {
    shows(&opened(CaptureMethod::Manual), held()).payment
}

pub(crate) fn capturing(minor: i64) -> Payment {
    authorized().request_capture(Some(jpy(minor)), attempt(2, NOW), key(2), NOW).unwrap().payment
}
