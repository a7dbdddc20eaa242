//! Asking how an operation's order stands, changing nothing. An order is found by its id alone: one whose id nobody knows can
//! move no money, because moving it takes a further call of ours.

use tollgate_domain::{Answer, OperationKind, RefundView, TransactionState};
use tollgate_gateway::ports::provider::{Call, LookUp};

use super::{
    api::{Api, Deadline, Got, Reply, Trace},
    failures::token,
    objects::{Order, read},
    requests,
    send::transaction,
    view::{capture_refused, order_view, refund_view},
};

/// Asks for what the operation works on.
pub(super) async fn look_up(api: &Api, call: Call<'_>) -> (LookUp, Trace) {
    let deadline = api.deadline(call.timeout);
    look_up_within(api, call, deadline).await
}

pub(super) async fn look_up_within(api: &Api, call: Call<'_>, deadline: Deadline) -> (LookUp, Trace) {
    match transaction(call) {
        Some(id) if call.operation.kind == OperationKind::Refund => refund(api, call, &id, deadline).await,
        Some(id) => order(api, call, &id, deadline).await,
        None if call.operation.kind == OperationKind::Authorize => (LookUp::NotFound, Trace::default()),
        None => failed("there is no order to ask for", Trace::default()),
    }
}

pub(super) async fn order(api: &Api, call: Call<'_>, id: &str, deadline: Deadline) -> (LookUp, Trace) {
    let (shown, trace) = show(api, id, deadline).await;
    let order = match shown {
        Ok(Some(order)) => order,
        // PayPal forgets orders that nobody paid.
        Ok(None) if call.operation.kind == OperationKind::Authorize => return (LookUp::NotFound, trace),
        Ok(None) => return failed("the order is gone", trace),
        Err(reason) => return failed(&reason, trace),
    };
    match order_view(&order, call.payment, id) {
        Err(reason) => (LookUp::NotOurs { reason: reason.to_owned() }, trace),
        // With a vaulted token nobody waits for the payer: that it is not paid means that our call did not arrive.
        Ok(view) if is_untouched(&view.state, call) && call.operation.payer.is_none() && is_authorization(call) => {
            (LookUp::NotFound, trace)
        }
        Ok(view) => {
            // One that is closed knows already: whoever asks then asks how the money stands.
            let waits = call.operation.kind == OperationKind::Capture && !call.operation.state.is_closed();
            let refused = waits.then(|| capture_refused(&order, call.operation, &view.state)).flatten();
            (LookUp::Found(refused.unwrap_or(Answer::Shows(view))), trace)
        }
    }
}

fn is_authorization(call: Call<'_>) -> bool {
    call.operation.kind == OperationKind::Authorize
}

fn is_untouched(state: &TransactionState, call: Call<'_>) -> bool {
    match state {
        // Paying for what the payer has approved is still to come, where that was the next step.
        TransactionState::Approved { progress } => call.operation.progress.as_ref() != Some(progress),
        state => matches!(state, TransactionState::AwaitingPayer { .. }),
    }
}

async fn refund(api: &Api, call: Call<'_>, id: &str, deadline: Deadline) -> (LookUp, Trace) {
    let Some(ours) = call.operation.refund.as_deref() else {
        return failed("the operation carries no refund", Trace::default());
    };
    let (shown, trace) = show(api, id, deadline).await;
    let order = match shown {
        Ok(Some(order)) => order,
        Ok(None) => return failed("the order is gone", trace),
        Err(reason) => return failed(&reason, trace),
    };
    if let Err(reason) = order_view(&order, call.payment, id) {
        return (LookUp::NotOurs { reason: reason.to_owned() }, trace);
    }
    let mut refunds =
        order.purchase_units.iter().flat_map(|unit| &unit.payments).flat_map(|payments| &payments.refunds);
    // An answer can name a wrong id; our own mark cannot be wrong.
    let mark = requests::refund_mark(ours.payment_id, ours.id);
    match refunds.find(|refund| refund.custom_id.as_deref() == Some(&mark)) {
        Some(refund) => match refund_view(refund, ours) {
            Ok(view) => {
                let known = ours.provider_reference.clone();
                let instead_of = known.filter(|known| *known != view.refund_reference);
                (LookUp::Found(Answer::ShowsRefund(RefundView { instead_of, ..view })), trace)
            }
            Err(reason) => (LookUp::NotOurs { reason: reason.to_owned() }, trace),
        },
        None => (LookUp::NotFound, trace),
    }
}

/// `Ok(None)`: PayPal has no such order.
async fn show(api: &Api, id: &str, deadline: Deadline) -> (Result<Option<Order>, String>, Trace) {
    let ask = match requests::show_order(id) {
        Ok(ask) => ask,
        Err(reason) => return (Err(reason.to_owned()), Trace::default()),
    };
    let Reply { got, trace } = api.call(&ask, deadline).await;
    let shown = match got {
        Got::Body(body) => read(&body).map(Some),
        Got::Missing => Ok(None),
        Got::Unknown(reason) | Got::NotReached { reason, .. } => Err(reason),
        Got::Refused(error) => {
            Err(format!("the provider refused to show it ({})", token(error.code()).unwrap_or("no code")))
        }
    };
    (shown, trace)
}

fn failed(reason: &str, trace: Trace) -> (LookUp, Trace) {
    (LookUp::Failed { reason: reason.to_owned() }, trace)
}
