//! Giving money back: a payment of our own to the account that the payer's bank has shown, with a consent of its own, which
//! nobody has to approve.

use serde_json::{Value, json};
use tollgate_domain::{Answer, Money, Refund, RefundView, TransactionState, TransactionView};
use tollgate_gateway::ports::provider::{Call, LookUp};

use super::{
    Bank,
    api::{Deadline, Trace},
    failures::of_reasons,
    look_up::{known_payment, look_up_within, transaction},
    objects::{Consent, Paid},
    reads::{self, NotShown, unknown},
    requests,
    send::{Answered, released},
    view::{Course, Expected, Progress, course, refund_view},
};

/// What a step of giving back came to.
enum Step {
    /// The consent is made, and has to be committed.
    Consented(String),
    /// The payment is made, in whatever state.
    Paid(Box<Paid>),
}

/// Sends a refund's next step.
pub(super) async fn send(bank: &Bank, call: Call<'_>, deadline: Deadline) -> Answered {
    let Some(ours) = call.operation.refund.as_deref() else {
        return (unknown("the operation carries no refund"), Trace::default());
    };
    let marks = json!({"tollgate_refund_id": ours.id.to_string()});
    let (step, trace) = give_back(bank, call, &Expected::refund(ours), marks, deadline).await;
    let answer = match step {
        Ok(Step::Consented(id)) => Answer::Advanced { progress: Progress::Consent(id).write(call.operation) },
        Ok(Step::Paid(paid)) => match refund_view(&paid) {
            Ok(view) => Answer::ShowsRefund(view),
            Err(reason) => unknown(reason),
        },
        Err(answer) => answer,
    };
    (answer, trace)
}

/// Undoes a success that came too late: what is taken goes back, and what is only consented to is left unused.
pub(super) async fn reverse(bank: &Bank, call: Call<'_>, deadline: Deadline) -> Answered {
    let (found, trace) = look_up_within(bank, call, deadline).await;
    let view = match found {
        LookUp::Found(Answer::Shows(view)) => view,
        found => return (released(found), trace),
    };
    match &view.state {
        TransactionState::Captured { amount, refunded } if amount != refunded => {
            undo(bank, call, &view, *amount, deadline).await
        }
        _ => (released(LookUp::Found(Answer::Shows(view))), trace),
    }
}

async fn undo(bank: &Bank, call: Call<'_>, view: &TransactionView, amount: Money, deadline: Deadline) -> Answered {
    // Part of it may be back already: the operation says how much is not.
    let expected = Expected::reversal(call.payment, call.operation.amount);
    let (step, trace) = give_back(bank, call, &expected, json!({}), deadline).await;
    let paid = match step {
        Ok(Step::Consented(id)) => {
            return (Answer::Advanced { progress: Progress::Consent(id).write(call.operation) }, trace);
        }
        Ok(Step::Paid(paid)) => paid,
        Err(answer) => return (answer, trace),
    };
    let answer = match course(&paid) {
        Ok(Course::Done) => {
            let state = TransactionState::Captured { amount, refunded: amount };
            Answer::Shows(TransactionView { state, ..view.clone() })
        }
        Ok(Course::Underway) => unknown("the money is on its way back"),
        Ok(Course::Rejected(failure)) => Answer::Refused { failure, authorization_gone: false },
        Err(reason) => unknown(reason),
    };
    (answer, trace)
}

/// The next step of giving back what is `expected`.
async fn give_back(
    bank: &Bank,
    call: Call<'_>,
    expected: &Expected,
    marks: Value,
    deadline: Deadline,
) -> (Result<Step, Answer>, Trace) {
    let Some(Progress::Consent(id)) = Progress::of(call.operation) else {
        return consent_to_it(bank, call, expected, marks, deadline).await;
    };
    let consent = match reads::consent(&bank.api, &id, expected, deadline).await {
        (Ok(consent), _) => consent,
        (Err(not_shown), trace) => return (Err(not_shown.answer()), trace),
    };
    let (paid, trace) = match consent.data.status.as_str() {
        "AUTH" => reads::submit(&bank.api, &consent, None, expected, deadline).await,
        "COND" => reads::paid(&bank.api, &consent, None, None, expected, deadline).await,
        "RJCT" => {
            let failure = of_reasons(&consent.data.status_reason);
            return (Err(Answer::Refused { failure, authorization_gone: false }), Trace::default());
        }
        _ => return (Err(unknown("the consent to give back cannot be used as it stands")), Trace::default()),
    };
    (paid.map(|paid| Step::Paid(Box::new(paid))).map_err(NotShown::answer), trace)
}

async fn consent_to_it(
    bank: &Bank,
    call: Call<'_>,
    expected: &Expected,
    mut marks: Value,
    deadline: Deadline,
) -> (Result<Step, Answer>, Trace) {
    let (taken, trace) = taken(bank, call, deadline).await;
    let taken = match taken {
        Ok(taken) => taken,
        Err(answer) => return (Err(answer), trace),
    };
    let Some(to) = &taken.data.refund else {
        return (Err(unknown("the bank shows no account that money can go back to")), trace);
    };
    marks["tollgate_payment_id"] = call.payment.id.to_string().into();
    marks["tollgate_consent_id"] = taken.data.consent_id.as_str().into();
    let ask = requests::consent_to_give_back(bank, expected, &to.account, call.operation, &marks);
    match reads::make_consent(&bank.api, ask, expected, deadline).await {
        (Ok(consent), trace) => (Ok(Step::Consented(consent.data.consent_id)), trace),
        (Err(not_shown), trace) => (Err(not_shown.answer()), trace),
    }
}

/// The payment that took what is given back.
async fn taken(bank: &Bank, call: Call<'_>, deadline: Deadline) -> (Result<Paid, Answer>, Trace) {
    let Some(id) = transaction(call) else { return (Err(unknown("there is nothing to give back")), Trace::default()) };
    let expected = Expected::payment(call.payment);
    if let Some(known) = known_payment(call, &id) {
        match reads::payment(&bank.api, &known, &id, &expected, deadline).await {
            (Err(NotShown::Missing | NotShown::NotOurs(_)), _) => {}
            (shown, trace) => return (shown.map_err(NotShown::answer), trace),
        }
    }
    match reads::consent(&bank.api, &id, &expected, deadline).await {
        (Ok(consent), _) if consent.data.status == "COND" => {
            let payers = bank.sealing.token(call.payment, &id);
            let (paid, trace) = reads::paid(&bank.api, &consent, None, payers.as_ref(), &expected, deadline).await;
            (paid.map_err(NotShown::answer), trace)
        }
        (Ok(_), trace) => (Err(unknown("nothing was taken that could be given back")), trace),
        (Err(not_shown), trace) => (Err(not_shown.answer()), trace),
    }
}

/// Asks for a refund. One whose consent nobody knows, or whose consent is not used, has moved nothing.
pub(super) async fn look_up(bank: &Bank, call: Call<'_>, deadline: Deadline) -> (LookUp, Trace) {
    let Some(ours) = call.operation.refund.as_deref() else {
        return (LookUp::Failed { reason: "the operation carries no refund".to_owned() }, Trace::default());
    };
    let expected = Expected::refund(ours);
    let Some(Progress::Consent(id)) = Progress::of(call.operation) else {
        return nothing_was_sent(bank, call, deadline).await;
    };
    if let Some(known) = &ours.provider_reference {
        match reads::payment(&bank.api, known, &id, &expected, deadline).await {
            (Err(NotShown::Missing | NotShown::NotOurs(_)), _) => {}
            (Ok(paid), trace) => return (refund_found(&paid, ours), trace),
            (Err(not_shown), trace) => return (not_shown.look_up(), trace),
        }
    }
    let consent: Consent = match reads::consent(&bank.api, &id, &expected, deadline).await {
        (Ok(consent), _) => consent,
        (Err(not_shown), trace) => return (not_shown.look_up(), trace),
    };
    match consent.data.status.as_str() {
        "COND" => match reads::paid(&bank.api, &consent, None, None, &expected, deadline).await {
            (Ok(paid), trace) => (refund_found(&paid, ours), trace),
            (Err(not_shown), trace) => (not_shown.look_up(), trace),
        },
        "RJCT" => {
            let failure = of_reasons(&consent.data.status_reason);
            (LookUp::Found(Answer::Refused { failure, authorization_gone: false }), Trace::default())
        }
        _ => (LookUp::NotFound, Trace::default()),
    }
}

/// Nothing was committed but the intent, so nothing was paid: that the bank answers at all, and knows what it is about, is
/// asked for all the same.
async fn nothing_was_sent(bank: &Bank, call: Call<'_>, deadline: Deadline) -> (LookUp, Trace) {
    let Some(id) = transaction(call) else {
        return (LookUp::Failed { reason: "there is no consent to ask for".to_owned() }, Trace::default());
    };
    match reads::consent(&bank.api, &id, &Expected::payment(call.payment), deadline).await {
        (Ok(_), trace) => (LookUp::NotFound, trace),
        (Err(not_shown), trace) => (not_shown.look_up(), trace),
    }
}

fn refund_found(paid: &Paid, ours: &Refund) -> LookUp {
    match refund_view(paid) {
        Ok(view) => {
            let known = ours.provider_reference.clone();
            let instead_of = known.filter(|known| *known != view.refund_reference);
            LookUp::Found(Answer::ShowsRefund(RefundView { instead_of, ..view }))
        }
        Err(reason) => LookUp::NotOurs { reason: reason.to_owned() },
    }
}
