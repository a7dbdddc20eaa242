//! From Stripe's objects to our views. A view is only made of an object that belongs to what was asked: a wrong answer
//! is never adopted. Knows nothing of how an object came here.

use tollgate_domain::{
    Currency, Failure, Money, Operation, OperationKind, Payment, PaymentId, ProviderRequestId, RefundId, RefundState,
    RefundView, Timestamp, TransactionState, TransactionView,
};

use super::{
    amounts,
    failures::failure,
    objects::{ChargeOrId, ErrorCodes, Intent, Metadata, Refund},
};

/// Why an object is not adopted; for the log and the timeline.
pub(super) type Mismatch = &'static str;

/// The longest URL that a payer is sent to.
const URL_MAX_LEN: usize = 4096;

/// The view of `intent`, which must be the one of this payment and, where its id is known, of this transaction.
pub(super) fn intent_view(
    intent: &Intent,
    payment: &Payment,
    operation: &Operation,
) -> Result<TransactionView, Mismatch> {
    if intent.metadata.parse::<PaymentId>(Metadata::PAYMENT_ID) != Some(payment.id) {
        return Err("the answer shows another payment's intent");
    }
    if transaction_id(payment, operation).is_some_and(|known| known != intent.id) {
        return Err("the answer shows another intent than the one asked for");
    }
    let made_by = intent.metadata.parse::<ProviderRequestId>(Metadata::REQUEST_ID);
    if operation.kind == OperationKind::Authorize && made_by != Some(operation.request_id) {
        return Err("the answer shows another attempt's intent");
    }
    let view = any_intent_view(intent)?;
    if view.amount != payment.amount {
        return Err("the answer shows another amount or currency");
    }
    Ok(view)
}

/// The view of an intent of which nothing is known beforehand, as events bring them.
pub(super) fn any_intent_view(intent: &Intent) -> Result<TransactionView, Mismatch> {
    if intent.object != "payment_intent" || !is_id(&intent.id, "pi_") {
        return Err("the answer shows something other than a payment intent");
    }
    let of_another = |secret: &str| secret.split_once("_secret").is_some_and(|(id, _)| id != intent.id);
    if intent.client_secret.as_deref().is_some_and(of_another) {
        return Err("the answer names two intents");
    }
    let currency = amounts::currency_from_wire(&intent.currency).ok_or("the answer shows an unknown currency")?;
    let amount = amounts::from_wire(intent.amount, currency).ok_or("the answer shows an impossible amount")?;
    Ok(TransactionView {
        transaction_id: intent.id.clone(),
        request_id: intent.metadata.parse(Metadata::REQUEST_ID),
        amount,
        state: state(intent, amount)?,
        kept: None,
    })
}

/// Stripe's transaction that the operation works on, once known.
pub(super) fn transaction_id<'a>(payment: &'a Payment, operation: &'a Operation) -> Option<&'a str> {
    let known = operation.transaction_id.as_deref();
    match operation.kind {
        // An attempt of its own: the payment may show another.
        OperationKind::Authorize if payment.provider_request_id != operation.request_id => known,
        _ => known.or(payment.provider_transaction_id.as_deref()),
    }
}

/// Whether `text` is an id of Stripe's that can be part of a URL.
pub(super) fn is_id(text: &str, prefix: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.len() <= 255 && text.len() > prefix.len() && text.starts_with(prefix) && text.bytes().all(plain)
}

fn state(intent: &Intent, amount: Money) -> Result<TransactionState, Mismatch> {
    Ok(match intent.status.as_str() {
        "requires_capture" => TransactionState::Authorized { expires_at: capture_before(intent) },
        "succeeded" => captured(intent, amount)?,
        "canceled" => TransactionState::Voided,
        "requires_action" => awaiting_payer(intent),
        "processing" | "requires_confirmation" => TransactionState::Processing,
        "requires_payment_method" => match &intent.last_payment_error {
            Some(error) => TransactionState::Declined(declined(error)),
            // Nothing was tried with it yet: it can still be confirmed.
            None => TransactionState::Processing,
        },
        _ => return Err("the answer shows an unknown status"),
    })
}

/// A failed attempt always reads as one, whatever its code: `provider_refused` would say that our request was at fault.
pub(super) fn declined(error: &ErrorCodes) -> Failure {
    let found = failure(error);
    if found.code == "provider_refused" {
        return Failure {
            provider_code: found.provider_code,
            ..Failure::new("card_declined", "The card was declined")
        };
    }
    found
}

fn captured(intent: &Intent, amount: Money) -> Result<TransactionState, Mismatch> {
    let currency: Currency = amount.currency();
    let received = intent.amount_received.ok_or("the answer does not show what was received")?;
    let taken = amounts::from_wire(received, currency).ok_or("the answer shows an impossible amount")?;
    if taken.exceeds(amount).unwrap_or(true) || taken.is_zero() {
        return Err("the answer shows more received than asked for, or nothing");
    }
    let refunded = match &intent.latest_charge {
        Some(ChargeOrId::Charge(charge)) if charge.refunded => received,
        // What a partial capture released counts among the refunded of the charge. It was never taken.
        Some(ChargeOrId::Charge(charge)) => {
            let released = intent.amount - received;
            let back = charge.amount_refunded;
            if back >= released { back - released } else { back }.min(received)
        }
        // Not shown: events and unexpanded answers leave it out. What matters is asked for with the charge.
        Some(ChargeOrId::Id) | None => 0,
    };
    let refunded = amounts::from_wire(refunded, currency).ok_or("the answer shows an impossible refund")?;
    Ok(TransactionState::Captured { amount: taken, refunded })
}

/// Where the payer has to go. Other kinds of action (for Stripe's scripts in a page) cannot be carried out by a redirect:
/// then nothing is decided, and the deadline of the payer's turn ends it.
fn awaiting_payer(intent: &Intent) -> TransactionState {
    let redirect = intent.next_action.as_ref().and_then(|action| action.redirect_to_url.as_ref());
    match redirect.and_then(|redirect| redirect.url.as_deref()) {
        Some(url) if is_web_url(url) => TransactionState::AwaitingPayer { url: url.to_owned(), until: None },
        _ => TransactionState::Processing,
    }
}

fn is_web_url(url: &str) -> bool {
    let scheme = url.parse::<http::Uri>().ok().and_then(|uri| uri.scheme_str().map(ToOwned::to_owned));
    url.len() <= URL_MAX_LEN && matches!(scheme.as_deref(), Some("http" | "https"))
}

fn capture_before(intent: &Intent) -> Option<Timestamp> {
    let Some(ChargeOrId::Charge(charge)) = &intent.latest_charge else { return None };
    let seconds = charge.payment_method_details.as_ref()?.card.as_ref()?.capture_before?;
    Timestamp::from_second(seconds).ok()
}

/// The view of `refund`, which must be the one that this operation asked for.
pub(super) fn refund_view(refund: &Refund, payment: &Payment, operation: &Operation) -> Result<RefundView, Mismatch> {
    let transaction = refund.payment_intent.as_ref().map(super::objects::ObjectOrId::id);
    if transaction.is_none() || transaction != transaction_id(payment, operation) {
        return Err("the answer shows a refund of another intent");
    }
    if !is_of(&refund.metadata, operation) {
        return Err("the answer shows another refund than the one asked for");
    }
    let currency = amounts::currency_from_wire(&refund.currency);
    if currency.and_then(|currency| amounts::from_wire(refund.amount, currency)) != Some(operation.amount) {
        return Err("the answer shows another amount or currency");
    }
    any_refund_view(refund)
}

/// Whether what carries these marks was made by `operation`. A refund can be sent afresh under another id; ours it is
/// under whichever, so that one that did arrive is never made twice.
pub(super) fn is_of(marks: &Metadata, operation: &Operation) -> bool {
    match (&operation.refund, marks.parse::<RefundId>(Metadata::REFUND_ID)) {
        (Some(refund), Some(marked)) => refund.id == marked,
        _ => marks.parse::<ProviderRequestId>(Metadata::REQUEST_ID) == Some(operation.request_id),
    }
}

/// The view of a refund of which nothing is known beforehand.
pub(super) fn any_refund_view(refund: &Refund) -> Result<RefundView, Mismatch> {
    if refund.object != "refund" || !(is_id(&refund.id, "re_") || is_id(&refund.id, "pyr_")) {
        return Err("the answer shows something other than a refund");
    }
    let state = match refund.status.as_deref() {
        Some("succeeded") => RefundState::Completed,
        Some("pending" | "requires_action") => RefundState::Pending,
        Some("failed" | "canceled") => RefundState::Failed(refund_failure(refund)),
        _ => return Err("the answer shows an unknown status"),
    };
    Ok(RefundView { refund_reference: refund.id.clone(), instead_of: None, state })
}

fn refund_failure(refund: &Refund) -> Failure {
    let provider_code = failure(&ErrorCodes { code: refund.failure_reason.clone(), decline_code: None }).provider_code;
    Failure {
        provider_code,
        ..Failure::new("refund_failed", "The provider could not give the money back to the payer")
    }
}
