//! Carrying an operation out: which calls it takes, and what their answers mean for it. The rule of every line: a final
//! word only where Stripe's own words are final, and a view only of an object that belongs to what was asked.

use bytes::Bytes;
use tollgate_domain::{Answer, Failure, OperationKind, RefundView, TransactionState, TransactionView};
use tollgate_gateway::ports::provider::{Call, LookUp};

use super::{
    api::{Api, Ask, Deadline, Got, Reply, Trace},
    failures::{failure, unknown_payment_method},
    look_up,
    objects::{ApiError, Intent, Refund, read},
    requests,
    view::{declined, intent_view, is_id, refund_view, transaction_id},
};

/// Sends the operation. The trace is that of the call that asked for it, not of those that only looked.
pub(super) async fn send(api: &Api, call: Call<'_>) -> (Answer, Trace) {
    let deadline = api.deadline(call.timeout);
    if call.operation.kind == OperationKind::Authorize {
        return authorize(api, call, deadline).await;
    }
    let Some(id) = transaction_id(call.payment, call.operation).filter(|id| is_id(id, "pi_")) else {
        return unsendable(call, "there is no payment intent to work on");
    };
    match call.operation.kind {
        OperationKind::Capture => match requests::capture(call, id) {
            Some(ask) => change_intent(api, call, id, ask, deadline).await,
            None => amount_refused(),
        },
        OperationKind::Refund => match requests::refund(call, id) {
            Some(ask) => refund(api, call, ask, deadline).await,
            None => amount_refused(),
        },
        OperationKind::Void => change_intent(api, call, id, requests::cancel(call, id), deadline).await,
        OperationKind::Authorize | OperationKind::Reversal => reverse(api, call, id, deadline).await,
    }
}

/// Ends an attempt that the payer has not finished. The operation's own request stays what it was: this is no outcome of
/// it but what the intent then shows, a payer who was faster included.
pub(super) async fn cancel(api: &Api, call: Call<'_>) -> (Answer, Trace) {
    let deadline = api.deadline(call.timeout);
    match transaction_id(call.payment, call.operation).filter(|id| is_id(id, "pi_")) {
        Some(id) => change_intent(api, call, id, requests::cancel(call, id), deadline).await,
        None => unsendable(call, "there is no payment intent to cancel"),
    }
}

async fn authorize(api: &Api, call: Call<'_>, deadline: Deadline) -> (Answer, Trace) {
    let Some(ask) = requests::authorize(call) else {
        return unsendable(call, "there is no payment method or amount to send");
    };
    let Reply { got, trace } = api.call(ask, deadline).await;
    let answer = match got {
        Got::Body { body, replayed } => present(api, call, &body, replayed, deadline).await,
        Got::Declined(error) => declined_authorization(call, error),
        // Nothing is known of what it conflicts with but what the error shows: where that is ours, it counts.
        Got::Conflict(ApiError { payment_intent: Some(intent), .. }) => shown(&intent.to_string().into(), call),
        Got::Conflict(_) => unknown("the provider shows a conflict without the intent"),
        Got::Refused(error) if error.param.as_deref() == Some("payment_method") => {
            refused(unknown_payment_method(&error.codes), false)
        }
        other => without_effect(other),
    };
    (answer, trace)
}

/// A card's no: shown with the intent that was made for it, so that the payment knows it, where the error carries one.
fn declined_authorization(call: Call<'_>, error: ApiError) -> Answer {
    let Some(intent) = error.payment_intent else { return refused(declined(&error.codes), false) };
    match shown(&intent.to_string().into(), call) {
        // Whatever the intent remembers of its attempts, this is the answer to this one.
        Answer::Shows(view) if matches!(view.state, TransactionState::Declined(_) | TransactionState::Processing) => {
            Answer::Shows(TransactionView { state: TransactionState::Declined(declined(&error.codes)), ..view })
        }
        other => other,
    }
}

/// A capture or a cancel.
async fn change_intent(api: &Api, call: Call<'_>, id: &str, ask: Ask, deadline: Deadline) -> (Answer, Trace) {
    let Reply { got, trace } = api.call(ask, deadline).await;
    let answer = match got {
        Got::Body { body, replayed } => present(api, call, &body, replayed, deadline).await,
        Got::Conflict(_) => adopt(api, call, id, deadline).await,
        other => without_effect(other),
    };
    (answer, trace)
}

/// What a 200 shows. A replayed one is the answer of back then: how it stands now is asked for, and only where that
/// fails does the old word count.
async fn present(api: &Api, call: Call<'_>, body: &Bytes, replayed: bool, deadline: Deadline) -> Answer {
    let answer = shown(body, call);
    let Answer::Shows(TransactionView { transaction_id, .. }) = &answer else { return answer };
    if !replayed {
        return answer;
    }
    match adopt(api, call, transaction_id, deadline).await {
        now @ Answer::Shows(_) => now,
        _ => answer,
    }
}

/// Asks how the intent stands, and takes that for the answer.
async fn adopt(api: &Api, call: Call<'_>, id: &str, deadline: Deadline) -> Answer {
    match api.call(requests::intent(id), deadline).await.got {
        Got::Body { body, .. } => shown(&body, call),
        _ => unknown("the provider could not be asked how it stands now"),
    }
}

fn shown(body: &Bytes, call: Call<'_>) -> Answer {
    let view = read::<Intent>(body).and_then(|intent| Ok(intent_view(&intent, call.payment, call.operation)?));
    view.map_or_else(|reason| unknown(&reason), Answer::Shows)
}

async fn refund(api: &Api, call: Call<'_>, ask: Ask, deadline: Deadline) -> (Answer, Trace) {
    let Reply { got, trace } = api.call(ask, deadline).await;
    let answer = match got {
        Got::Body { body, replayed } => match shown_refund(&body, call) {
            Ok(view) if replayed => {
                let now = look_up::refund_by_id(api, call, &view.refund_reference, deadline).await;
                now.unwrap_or(Answer::ShowsRefund(view))
            }
            Ok(view) => Answer::ShowsRefund(view),
            Err(reason) => unknown(&reason),
        },
        // All is refunded: by this refund, sent before, or by somebody else.
        Got::Conflict(error) => match look_up::refund_by_mark(api, call, deadline).await.0 {
            LookUp::Found(answer) => answer,
            LookUp::NotFound => refused(failure(&error.codes), false),
            LookUp::NotOurs { reason } | LookUp::Failed { reason } => unknown(&reason),
        },
        other => without_effect(other),
    };
    (answer, trace)
}

fn shown_refund(body: &Bytes, call: Call<'_>) -> Result<RefundView, String> {
    let refund = read::<Refund>(body)?;
    Ok(refund_view(&refund, call.payment, call.operation)?)
}

/// Undoes a success that came too late: looks, cancels what is not taken or gives back what is, and looks again. Each of
/// the two has a key of its own, so that being cut off anywhere and starting over repeats nothing.
async fn reverse(api: &Api, call: Call<'_>, id: &str, deadline: Deadline) -> (Answer, Trace) {
    let Reply { got, trace } = api.call(requests::intent(id), deadline).await;
    let answer = match got {
        Got::Body { body, .. } => shown(&body, call),
        other => without_effect(other),
    };
    let Answer::Shows(TransactionView { state, .. }) = &answer else { return (answer, trace) };
    match state {
        TransactionState::Voided => (answer, trace),
        TransactionState::Captured { amount, refunded } if amount == refunded => (answer, trace),
        TransactionState::Captured { .. } => {
            let Reply { got, trace } = api.call(requests::refund_the_rest(call, id), deadline).await;
            let answer = match got {
                Got::Body { .. } | Got::Conflict(_) => adopt(api, call, id, deadline).await,
                other => without_effect(other),
            };
            (answer, trace)
        }
        _ => change_intent(api, call, id, requests::cancel(call, id), deadline).await,
    }
}

/// What every operation makes of the classes that brought nothing to show.
fn without_effect(got: Got) -> Answer {
    match got {
        Got::Declined(error) => refused(declined(&error.codes), false),
        Got::Refused(error) => refused(failure(&error.codes), false),
        Got::Expired(error) => refused(failure(&error.codes), true),
        Got::Unknown(reason) => Answer::Unknown { reason },
        Got::NotReached { reason, retry_after } => Answer::NotReached { reason, retry_after },
        Got::Body { .. } | Got::Conflict(_) => unknown("an answer out of place"),
    }
}

/// A committed operation that lacks what its request needs: a bug of ours. Nothing is sent, nothing is concluded, and a
/// person gets to see it.
fn unsendable(call: Call<'_>, reason: &str) -> (Answer, Trace) {
    tracing::error!(payment = %call.payment.id, operation = call.operation.number, reason, "an operation cannot be sent");
    (unknown(reason), Trace::default())
}

/// Nothing was sent: Stripe does not take this part of the amount.
fn amount_refused() -> (Answer, Trace) {
    (refused(Failure::new("amount_not_supported", "The provider does not take this amount"), false), Trace::default())
}

fn refused(failure: Failure, authorization_gone: bool) -> Answer {
    Answer::Refused { failure, authorization_gone }
}

fn unknown(reason: &str) -> Answer {
    Answer::Unknown { reason: reason.to_owned() }
}
