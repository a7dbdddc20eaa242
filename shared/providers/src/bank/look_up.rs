//! Asking how an operation's consent stands, and the payment that used it, changing nothing. A consent is found by its id
//! alone: one whose id nobody knows can move no money, because moving it takes a further call of ours.

use tollgate_domain::{Answer, OperationKind, PaymentStatus, TransactionState};
use tollgate_gateway::ports::provider::{Call, LookUp};

use super::{
    Bank,
    api::{Deadline, Trace},
    failures::{NO_FUNDS, of_code, of_reasons},
    objects::Consent,
    reads::{self, NotShown},
    refunds, requests,
    view::{Expected, Progress, is_id, paid_state, shown},
};

/// Asks for what the operation works on.
pub(super) async fn look_up(bank: &Bank, call: Call<'_>) -> (LookUp, Trace) {
    let deadline = bank.api.deadline(call.timeout);
    look_up_within(bank, call, deadline).await
}

pub(super) async fn look_up_within(bank: &Bank, call: Call<'_>, deadline: Deadline) -> (LookUp, Trace) {
    match transaction(call) {
        Some(_) if call.operation.kind == OperationKind::Refund => refunds::look_up(bank, call, deadline).await,
        Some(id) => consent(bank, call, &id, deadline).await,
        None if call.operation.kind == OperationKind::Authorize => (LookUp::NotFound, Trace::default()),
        None => failed("there is no consent to ask for", Trace::default()),
    }
}

/// The consent that the operation works on.
pub(super) fn transaction(call: Call<'_>) -> Option<String> {
    let known = call.operation.transaction_id.clone();
    match call.operation.kind {
        // An attempt of its own: the payment may show another.
        OperationKind::Authorize => known.or_else(|| match Progress::of(call.operation) {
            Some(Progress::Consent(id) | Progress::Approved(id)) => Some(id),
            _ => None,
        }),
        _ => known.or_else(|| call.payment.provider_transaction_id.clone()),
    }
}

/// The payment that used the consent `of`, where it is known: kept with the payment, or a step of the capture.
pub(super) fn known_payment(call: Call<'_>, of: &str) -> Option<String> {
    let step = match Progress::of(call.operation) {
        Some(Progress::Payment(id)) if call.operation.kind == OperationKind::Capture => Some(id),
        _ => None,
    };
    let counts = call.payment.provider_transaction_id.as_deref() == Some(of);
    step.or_else(|| call.payment.provider_state.clone().filter(|id| counts && is_id(id)))
}

async fn consent(bank: &Bank, call: Call<'_>, id: &str, deadline: Deadline) -> (LookUp, Trace) {
    let expected = Expected::payment(call.payment);
    let (found, trace) = reads::consent(&bank.api, id, &expected, deadline).await;
    let consent = match found {
        Ok(consent) => consent,
        // Banks forget consents that nobody used.
        Err(NotShown::Missing) if call.operation.kind == OperationKind::Authorize => return (LookUp::NotFound, trace),
        Err(not_shown) => return (not_shown.look_up(), trace),
    };
    let payment = call.payment;
    let (state, trace) = match consent.data.status.as_str() {
        // Only a call of ours could use it, and none will: it holds nothing any more.
        "AUTH" | "AWAU" if payment.status.is_without_money() => (TransactionState::Voided, trace),
        "AWAU" => match awaiting(bank, call, id) {
            Ok(state) => (state, trace),
            Err(reason) => return failed(reason, trace),
        },
        "AUTH" if payment.status == PaymentStatus::Pending => {
            return usable(bank, call, id, (deadline, trace)).await;
        }
        "AUTH" => (TransactionState::Authorized { expires_at: None }, trace),
        "RJCT" if payment.status == PaymentStatus::Pending => {
            (TransactionState::Declined(of_reasons(&consent.data.status_reason)), trace)
        }
        "RJCT" => (TransactionState::Voided, trace),
        "COND" => return used(bank, call, &consent, &expected, deadline).await,
        _ => return (LookUp::NotOurs { reason: "the answer shows an unknown status of a consent".to_owned() }, trace),
    };
    (LookUp::Found(Answer::Shows(shown(payment, id, state, None))), trace)
}

/// Nobody has approved yet.
fn awaiting(bank: &Bank, call: Call<'_>, id: &str) -> Result<TransactionState, &'static str> {
    if call.operation.kind != OperationKind::Authorize {
        return Ok(TransactionState::Processing);
    }
    // A page that was given out is good for as long as the payer has: another would be news every time.
    let url = match &call.operation.payer {
        Some(turn) => turn.url.clone(),
        None => requests::approval_page(bank, id, call.operation)?,
    };
    Ok(TransactionState::AwaitingPayer { url, until: None })
}

/// A consent that can be used, of a payment that does not know it yet. An approval says nothing about money: the bank is asked.
/// Where only the payer's token may ask, only that may use the consent, and it is the payer who has to bring what leads to it.
async fn usable(bank: &Bank, call: Call<'_>, id: &str, (deadline, trace): (Deadline, Trace)) -> (LookUp, Trace) {
    let shows = |state| LookUp::Found(Answer::Shows(shown(call.payment, id, state, None)));
    if let Some(step @ Progress::Approved(_)) = Progress::of(call.operation) {
        return (shows(TransactionState::Approved { progress: step.write(call.operation) }), trace);
    }
    let mut last = trace;
    // Whom the bank has asked, it has asked for his token.
    if call.operation.payer.is_none() {
        let (funds, trace) = reads::has_funds(&bank.api, id, None, deadline).await;
        match funds {
            Ok(Some(true)) => return (shows(TransactionState::Authorized { expires_at: None }), trace),
            Ok(Some(false)) => return (shows(TransactionState::Declined(of_code(NO_FUNDS))), trace),
            Ok(None) => last = trace,
            Err(not_shown) => return (not_shown.look_up(), trace),
        }
    }
    match awaiting(bank, call, id) {
        Ok(state) => (shows(state), last),
        Err(reason) => failed(reason, last),
    }
}

async fn used(
    bank: &Bank,
    call: Call<'_>,
    consent: &Consent,
    expected: &Expected,
    deadline: Deadline,
) -> (LookUp, Trace) {
    let id = &consent.data.consent_id;
    let known = known_payment(call, id);
    let payers = bank.sealing.token(call.payment, id);
    match reads::paid(&bank.api, consent, known.as_deref(), payers.as_ref(), expected, deadline).await {
        (Ok(paid), trace) => match paid_state(call.payment, &paid) {
            Ok(state) => (LookUp::Found(Answer::Shows(shown(call.payment, id, state, Some(&paid)))), trace),
            Err(reason) => (LookUp::NotOurs { reason: reason.to_owned() }, trace),
        },
        (Err(not_shown), trace) => (not_shown.look_up(), trace),
    }
}

fn failed(reason: &str, trace: Trace) -> (LookUp, Trace) {
    (LookUp::Failed { reason: reason.to_owned() }, trace)
}
