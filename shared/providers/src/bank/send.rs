//! Carrying an operation out at the bank, step by step. A consent is made and committed first, so that "unknown" is always a
//! look at it (rule 4).

use tollgate_domain::{Answer, OperationKind, TransactionState, TransactionView};
use tollgate_gateway::ports::provider::{Call, LookUp};

use super::{
    Bank,
    api::{Deadline, Trace},
    approval,
    failures::{of_code, of_reasons},
    look_up::{known_payment, look_up_within, transaction},
    objects::Paid,
    reads::{self, NotShown, unknown},
    refunds, requests,
    view::{Course, Expected, Progress, course, paid_state, shown},
};

pub(super) type Answered = (Answer, Trace);

/// Sends the operation's next step.
pub(super) async fn send(bank: &Bank, call: Call<'_>) -> Answered {
    let deadline = bank.api.deadline(call.timeout);
    match call.operation.kind {
        OperationKind::Authorize => authorize(bank, call, deadline).await,
        OperationKind::Capture => capture(bank, call, deadline).await,
        OperationKind::Void => void(bank, call, deadline).await,
        OperationKind::Refund => refunds::send(bank, call, deadline).await,
        OperationKind::Reversal => refunds::reverse(bank, call, deadline).await,
    }
}

async fn authorize(bank: &Bank, call: Call<'_>, deadline: Deadline) -> Answered {
    if let Some(Progress::Approved(consent)) = Progress::of(call.operation) {
        return approval::take_up(bank, call, &consent, deadline).await;
    }
    if transaction(call).is_some() {
        let (found, trace) = look_up_within(bank, call, deadline).await;
        return (found_or_unknown(found), trace);
    }
    let ask = requests::consent(bank, call.payment, call.operation);
    match reads::make_consent(&bank.api, ask, &Expected::payment(call.payment), deadline).await {
        (Ok(consent), trace) => {
            let progress = Progress::Consent(consent.data.consent_id).write(call.operation);
            (Answer::Advanced { progress }, trace)
        }
        (Err(not_shown), trace) => (not_shown.answer(), trace),
    }
}

/// The money is taken by using the consent, whole.
async fn capture(bank: &Bank, call: Call<'_>, deadline: Deadline) -> Answered {
    let Some(id) = transaction(call) else { return (unknown("there is no consent to use"), Trace::default()) };
    if call.operation.amount != call.payment.amount {
        let failure = of_code("AM02");
        return (Answer::Refused { failure, authorization_gone: false }, Trace::default());
    }
    let expected = Expected::payment(call.payment);
    if let Some(Progress::Payment(paid)) = Progress::of(call.operation) {
        match reads::payment(&bank.api, &paid, &id, &expected, deadline).await {
            // Then by its consent.
            (Err(NotShown::Missing | NotShown::NotOurs(_)), _) => {}
            (Ok(paid), trace) => return (captured(call, &id, &paid), trace),
            (Err(not_shown), trace) => return (not_shown.answer(), trace),
        }
    }
    let consent = match reads::consent(&bank.api, &id, &expected, deadline).await {
        (Ok(consent), _) => consent,
        (Err(not_shown), trace) => return (not_shown.answer(), trace),
    };
    let payers = bank.sealing.token(call.payment, &id);
    let (paid, trace) = match consent.data.status.as_str() {
        "AUTH" => reads::submit(&bank.api, &consent, payers.as_ref(), &expected, deadline).await,
        "COND" => {
            let known = known_payment(call, &id);
            reads::paid(&bank.api, &consent, known.as_deref(), payers.as_ref(), &expected, deadline).await
        }
        "RJCT" => {
            let failure = of_reasons(&consent.data.status_reason);
            return (Answer::Refused { failure, authorization_gone: true }, Trace::default());
        }
        _ => return (unknown("the consent cannot be used as it stands"), Trace::default()),
    };
    match paid {
        Ok(paid) => (captured(call, &id, &paid), trace),
        Err(not_shown) => (not_shown.answer(), trace),
    }
}

/// A payment on its way is committed first: then it is found for as long as the bank shows it.
fn captured(call: Call<'_>, consent: &str, paid: &Paid) -> Answer {
    let step = Progress::Payment(paid.data.domestic_payment_id.clone());
    match course(paid) {
        Ok(Course::Underway) if Progress::of(call.operation).as_ref() != Some(&step) => {
            Answer::Advanced { progress: step.write(call.operation) }
        }
        // The consent is used up by it.
        Ok(Course::Rejected(failure)) => Answer::Refused { failure, authorization_gone: true },
        Ok(Course::Done | Course::Underway) => match paid_state(call.payment, paid) {
            Ok(state) => Answer::Shows(shown(call.payment, consent, state, Some(paid))),
            Err(reason) => unknown(reason),
        },
        Err(reason) => unknown(reason),
    }
}

/// The bank has no call that ends a consent. None is needed: only our own call could use it, and the operation that could
/// make one is closed with this answer.
async fn void(bank: &Bank, call: Call<'_>, deadline: Deadline) -> Answered {
    let (found, trace) = look_up_within(bank, call, deadline).await;
    (released(found), trace)
}

/// The same for an attempt whose payer is waited for.
pub(super) async fn cancel(bank: &Bank, call: Call<'_>) -> Answered {
    let deadline = bank.api.deadline(call.timeout);
    let (found, trace) = look_up_within(bank, call, deadline).await;
    let answer = match (found, transaction(call)) {
        (LookUp::NotFound, Some(id)) => Answer::Shows(shown(call.payment, &id, TransactionState::Voided, None)),
        (found, _) => released(found),
    };
    (answer, trace)
}

/// A consent that is not used is released as it stands.
pub(super) fn released(found: LookUp) -> Answer {
    match found {
        LookUp::Found(Answer::Shows(view)) if is_unused(&view) => {
            Answer::Shows(TransactionView { state: TransactionState::Voided, ..view })
        }
        found => found_or_unknown(found),
    }
}

fn is_unused(view: &TransactionView) -> bool {
    // What shows a payment is used, in whatever state.
    let waits = matches!(
        view.state,
        TransactionState::AwaitingPayer { .. } | TransactionState::Authorized { .. } | TransactionState::Processing
    );
    waits && view.kept.is_none()
}

fn found_or_unknown(found: LookUp) -> Answer {
    match found {
        LookUp::Found(answer) => answer,
        LookUp::NotFound => unknown("the bank shows no such consent"),
        LookUp::NotOurs { reason } | LookUp::Failed { reason } => Answer::Unknown { reason },
    }
}
