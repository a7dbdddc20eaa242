//! Carrying an operation out at PayPal, step by step. An order is made and committed first, so that "unknown" is always a
//! look at it (rule 4).

use bytes::Bytes;
use tollgate_domain::{Answer, Money, OperationKind, TransactionState, TransactionView};
use tollgate_gateway::ports::provider::{Call, LookUp};

use super::{
    api::{Api, Ask, Deadline, Got, Reply, Trace},
    failures::failure,
    look_up,
    objects::{ApiError, Authorization, Capture, Link, Order, Refund, read},
    requests::{self, HONOR_PERIOD, Unsendable},
    view::{APPROVED, Kept, MADE, RENEWED, is_id, money, order_view, payer_link, refund_view},
};

type Answered = (Answer, Trace);

/// Sends the operation's next step.
pub(super) async fn send(api: &Api, call: Call<'_>) -> Answered {
    let deadline = api.deadline(call.timeout);
    match call.operation.kind {
        OperationKind::Authorize => authorize(api, call, deadline).await,
        OperationKind::Capture => capture(api, call, deadline).await,
        OperationKind::Void => void(api, call, deadline).await,
        OperationKind::Refund => refund(api, call, deadline).await,
        OperationKind::Reversal => reverse(api, call, deadline).await,
    }
}

async fn authorize(api: &Api, call: Call<'_>, deadline: Deadline) -> Answered {
    let (payment, operation) = (call.payment, call.operation);
    let Some(progress) = &operation.progress else {
        return match ask(api, requests::order(payment, operation), deadline).await {
            (Ok(Done::Body(body)), trace) => (made(&body), trace),
            (other, trace) => (refused(other), trace),
        };
    };
    let (order, vault) = match (progress.strip_prefix(MADE), progress.strip_prefix(APPROVED)) {
        (Some(order), _) => (order, operation.payment_method.as_deref()),
        (None, Some(order)) => (order, None),
        (None, None) => return (unknown("the operation's progress cannot be read"), Trace::default()),
    };
    match ask(api, requests::authorize(order, vault, operation), deadline).await {
        (Ok(Done::Body(body)), trace) => match read::<Order>(&body) {
            // An answer can leave out what was asked for: then it is looked at.
            Ok(shown) if shown.purchase_units.is_empty() => adopt(api, call, order, deadline, trace).await,
            Ok(shown) => (shows(order_view(&shown, payment, order)), trace),
            Err(reason) => (unknown(&reason), trace),
        },
        (Ok(Done::Refused(error)), trace) if error.code() == "PAYER_ACTION_REQUIRED" => {
            match payer_link(&error.links) {
                Some(url) => (awaiting(order, url, payment.amount), trace),
                None => adopt(api, call, order, deadline, trace).await,
            }
        }
        (Ok(Done::Refused(error)), trace)
            if matches!(
                error.code(),
                "ORDER_ALREADY_AUTHORIZED" | "ORDER_NOT_APPROVED" | "ORDER_ALREADY_COMPLETED"
            ) =>
        {
            adopt(api, call, order, deadline, trace).await
        }
        (other, trace) => (refused(other), trace),
    }
}

/// The order is there; who pays is not said yet.
fn made(body: &[u8]) -> Answer {
    match read::<Order>(body) {
        Ok(order) if !is_id(&order.id) => unknown("the answer shows no order"),
        // The next step would pay for it: it must be the one that we asked for, as far as the answer can say.
        Ok(order) if !names_itself(&order.id, &order.links) => unknown("the answer names two orders"),
        Ok(order) => Answer::Advanced { progress: format!("{MADE}{}", order.id) },
        Err(reason) => unknown(&reason),
    }
}

/// Whether an answer is about the thing whose id it shows, as far as it can say: its `self` link names it. What comes next
/// works on that id.
fn names_itself(id: &str, links: &[Link]) -> bool {
    links.iter().any(|link| link.rel == "self" && link.href.rsplit('/').next() == Some(id))
}

fn awaiting(order: &str, url: String, amount: Money) -> Answer {
    let state = TransactionState::AwaitingPayer { url, until: None };
    Answer::Shows(TransactionView { transaction_id: order.to_owned(), request_id: None, amount, state, kept: None })
}

async fn capture(api: &Api, call: Call<'_>, deadline: Deadline) -> Answered {
    let (payment, operation) = (call.payment, call.operation);
    let kept = match below(api, call, deadline).await {
        Ok(kept) => kept,
        Err(answered) => return *answered,
    };
    let renewed = operation.progress.as_deref().and_then(|progress| progress.strip_prefix(RENEWED));
    if renewed.is_none() && api.time.now().as_second() >= kept.authorized_at + seconds(HONOR_PERIOD) {
        let (answer, trace) = ask(api, requests::reauthorize(&kept.authorization, payment, operation), deadline).await;
        match answer {
            Ok(Done::Body(body)) => {
                return match read::<Authorization>(&body) {
                    Ok(new) if is_id(&new.id) && names_itself(&new.id, &new.links) => {
                        (Answer::Advanced { progress: format!("{RENEWED}{}", new.id) }, trace)
                    }
                    _ => (unknown("the answer shows no authorization"), trace),
                };
            }
            // It cannot be renewed, or not any more: it may still be captured.
            Ok(Done::Refused(_) | Done::Missing) => {}
            Err(answer) => return (answer, trace),
        }
    }
    let authorization = renewed.unwrap_or(&kept.authorization);
    match ask(api, requests::capture(authorization, payment, operation), deadline).await {
        (Ok(Done::Body(body)), trace) => {
            (captured(&body, call, Kept { authorization: authorization.to_owned(), ..kept }), trace)
        }
        (Ok(Done::Refused(error)), trace) if is_done_already(&error) => look(api, call, deadline, trace).await,
        (other, trace) => (refused(other), trace),
    }
}

fn captured(body: &[u8], call: Call<'_>, kept: Kept) -> Answer {
    let capture: Capture = match read(body) {
        Ok(capture) => capture,
        Err(reason) => return unknown(&reason),
    };
    if !is_id(&capture.id) {
        return unknown("the answer shows no capture");
    }
    if !names_itself(&capture.id, &capture.links) {
        return unknown("the answer names two captures");
    }
    let amount = capture.amount.as_ref().and_then(money);
    let state = match capture.status.as_deref() {
        Some("COMPLETED") if amount == Some(call.operation.amount) => TransactionState::Captured {
            amount: call.operation.amount,
            refunded: Money::zero(call.operation.amount.currency()),
        },
        Some("COMPLETED") => return unknown("the answer shows another amount captured"),
        Some("PENDING") => TransactionState::Processing,
        Some("DECLINED" | "FAILED") => {
            let code = capture.status.unwrap_or_default();
            return Answer::Refused { failure: super::failures::of_code(&code), authorization_gone: false };
        }
        _ => return unknown("the answer shows an unknown status of a capture"),
    };
    let Some(transaction_id) = transaction(call) else { return unknown("there is no order to capture") };
    let kept = Some(Kept { capture: Some(capture.id), ..kept }.write());
    let amount = call.payment.amount;
    Answer::Shows(TransactionView { transaction_id, request_id: None, amount, state, kept })
}

async fn void(api: &Api, call: Call<'_>, deadline: Deadline) -> Answered {
    let kept = match below(api, call, deadline).await {
        Ok(kept) => kept,
        Err(answered) => return *answered,
    };
    match ask(api, requests::void(&kept.authorization, call.operation), deadline).await {
        (Ok(Done::Body(_)), trace) => match transaction(call) {
            Some(order) => (voided(order, call), trace),
            None => (unknown("there is no order to void"), trace),
        },
        (Ok(Done::Refused(error)), trace) if is_done_already(&error) => look(api, call, deadline, trace).await,
        (other, trace) => (refused(other), trace),
    }
}

fn voided(order: String, call: Call<'_>) -> Answer {
    let (amount, state) = (call.payment.amount, TransactionState::Voided);
    Answer::Shows(TransactionView { transaction_id: order, request_id: None, amount, state, kept: None })
}

async fn refund(api: &Api, call: Call<'_>, deadline: Deadline) -> Answered {
    let Some(ours) = call.operation.refund.as_deref() else {
        return (unknown("the operation carries no refund"), Trace::default());
    };
    let kept = match below(api, call, deadline).await {
        Ok(kept) => kept,
        Err(answered) => return *answered,
    };
    let Some(capture) = &kept.capture else { return (unknown("there is no capture to refund"), Trace::default()) };
    match ask(api, requests::refund(capture, call.payment, call.operation, Some(ours)), deadline).await {
        (Ok(Done::Body(body)), trace) => match read::<Refund>(&body) {
            Ok(refund) => match refund_view(&refund, ours) {
                Ok(view) => (Answer::ShowsRefund(view), trace),
                Err(reason) => (unknown(reason), trace),
            },
            Err(reason) => (unknown(&reason), trace),
        },
        // The same refund may have been made under an id of ours before.
        (Ok(Done::Refused(error)), trace) => match look_up::look_up_within(api, call, deadline).await {
            (LookUp::Found(answer), trace) => (answer, trace),
            (LookUp::NotFound, _) => (refused(Ok(Done::Refused(error))), trace),
            (LookUp::NotOurs { reason } | LookUp::Failed { reason }, _) => (unknown(&reason), trace),
        },
        (other, trace) => (refused(other), trace),
    }
}

/// Undoes a success that came too late: what is taken goes back, what is held is released.
async fn reverse(api: &Api, call: Call<'_>, deadline: Deadline) -> Answered {
    let (found, trace) = look_up::look_up_within(api, call, deadline).await;
    let view = match found {
        LookUp::Found(Answer::Shows(view)) => view,
        LookUp::Found(answer) => return (answer, trace),
        LookUp::NotFound => return (unknown("there is no order to undo"), trace),
        LookUp::NotOurs { reason } | LookUp::Failed { reason } => return (unknown(&reason), trace),
    };
    let Some(kept) = view.kept.as_deref().and_then(Kept::read) else { return (Answer::Shows(view), trace) };
    match (&view.state, &kept.capture) {
        (TransactionState::Captured { amount, refunded }, _) if amount == refunded => (Answer::Shows(view), trace),
        (TransactionState::Captured { amount, .. }, Some(capture)) => {
            let request = requests::refund(capture, call.payment, call.operation, None);
            match ask(api, request, deadline).await {
                (Ok(Done::Body(body)), trace) => match read::<Refund>(&body).map(|refund| refund.status) {
                    Ok(Some(status)) if status == "COMPLETED" => {
                        let state = TransactionState::Captured { amount: *amount, refunded: *amount };
                        (Answer::Shows(TransactionView { state, ..view.clone() }), trace)
                    }
                    Ok(_) => (unknown("the money is on its way back"), trace),
                    Err(reason) => (unknown(&reason), trace),
                },
                (Ok(Done::Refused(error)), trace) if is_done_already(&error) => look(api, call, deadline, trace).await,
                (other, trace) => (refused(other), trace),
            }
        }
        (TransactionState::Authorized { .. }, _) => {
            match ask(api, requests::void(&kept.authorization, call.operation), deadline).await {
                (Ok(Done::Body(_)), trace) => (voided(view.transaction_id, call), trace),
                (Ok(Done::Refused(error)), trace) if is_done_already(&error) => look(api, call, deadline, trace).await,
                (other, trace) => (refused(other), trace),
            }
        }
        _ => (Answer::Shows(view), trace),
    }
}

/// PayPal has no call that ends an order. None is needed: only our own next call takes a payer's approval up, and the
/// operation that could make it is closed with this answer, or the answer counts for nothing.
pub(super) async fn cancel(api: &Api, call: Call<'_>) -> Answered {
    let deadline = api.deadline(call.timeout);
    match look_up::look_up_within(api, call, deadline).await {
        (LookUp::Found(Answer::Shows(view)), trace) => match view.state {
            TransactionState::AwaitingPayer { .. } | TransactionState::Approved { .. } => {
                (voided(view.transaction_id, call), trace)
            }
            _ => (Answer::Shows(view), trace),
        },
        (LookUp::Found(answer), trace) => (answer, trace),
        (LookUp::NotFound, trace) => match transaction(call) {
            Some(order) => (voided(order, call), trace),
            None => (unknown("there is no order to cancel"), trace),
        },
        (LookUp::NotOurs { reason } | LookUp::Failed { reason }, trace) => (unknown(&reason), trace),
    }
}

/// The order that the operation works on.
pub(super) fn transaction(call: Call<'_>) -> Option<String> {
    let named = |progress: &str| progress.strip_prefix(MADE).or(progress.strip_prefix(APPROVED)).map(ToOwned::to_owned);
    let operation = call.operation;
    let known = operation.transaction_id.clone().or_else(|| operation.progress.as_deref().and_then(named));
    match operation.kind {
        // An attempt of its own: the payment may show another.
        OperationKind::Authorize => known,
        _ => known.or_else(|| call.payment.provider_transaction_id.clone()),
    }
}

/// What is below the order: as it is kept with the payment, or as PayPal shows it.
async fn below(api: &Api, call: Call<'_>, deadline: Deadline) -> Result<Kept, Box<Answered>> {
    let counts = transaction(call) == call.payment.provider_transaction_id;
    let kept = call.payment.provider_state.as_deref().filter(|_| counts).and_then(Kept::read);
    let needs_capture = call.operation.kind == OperationKind::Refund;
    if let Some(kept) = kept.filter(|kept| !needs_capture || kept.capture.is_some()) {
        return Ok(kept);
    }
    let mut asked = call.operation.clone();
    // A refund's look-up shows the refund. What is asked for is how the money stands.
    asked.kind = OperationKind::Capture;
    match look_up::look_up_within(api, Call { operation: &asked, ..call }, deadline).await {
        (LookUp::Found(Answer::Shows(view)), trace) => match view.kept.as_deref().and_then(Kept::read) {
            Some(kept) => Ok(kept),
            None => Err(Box::new((unknown("the order shows no authorization"), trace))),
        },
        (LookUp::Found(_) | LookUp::NotFound, trace) => Err(Box::new((unknown("there is no order to work on"), trace))),
        (LookUp::NotOurs { reason } | LookUp::Failed { reason }, trace) => Err(Box::new((unknown(&reason), trace))),
    }
}

async fn adopt(api: &Api, call: Call<'_>, order: &str, deadline: Deadline, _: Trace) -> Answered {
    let (found, trace) = look_up::order(api, call, order, deadline).await;
    (found_or_unknown(found), trace)
}

/// "Already done" means look, and adopt what is there.
async fn look(api: &Api, call: Call<'_>, deadline: Deadline, _: Trace) -> Answered {
    let (found, trace) = look_up::look_up_within(api, call, deadline).await;
    (found_or_unknown(found), trace)
}

fn found_or_unknown(found: LookUp) -> Answer {
    match found {
        LookUp::Found(answer) => answer,
        LookUp::NotFound => unknown("what was done already is not shown"),
        LookUp::NotOurs { reason } | LookUp::Failed { reason } => unknown(&reason),
    }
}

fn is_done_already(error: &ApiError) -> bool {
    matches!(
        error.code(),
        "AUTHORIZATION_ALREADY_CAPTURED"
            | "PREVIOUSLY_VOIDED"
            | "PREVIOUSLY_CAPTURED"
            | "AUTHORIZATION_VOIDED"
            | "AUTHORIZATION_EXPIRED"
            | "CAPTURE_FULLY_REFUNDED"
            | "DUPLICATE_INVOICE_ID"
    )
}

/// What a call came to, where it came to something.
enum Done {
    Body(Bytes),
    Missing,
    Refused(ApiError),
}

async fn ask(api: &Api, request: Result<Ask, Unsendable>, deadline: Deadline) -> (Result<Done, Answer>, Trace) {
    let request = match request {
        Ok(request) => request,
        Err(reason) => {
            return (Err(Answer::NotReached { reason: reason.to_owned(), retry_after: None }), Trace::default());
        }
    };
    let Reply { got, trace } = api.call(&request, deadline).await;
    let done = match got {
        Got::Body(body) => Ok(Done::Body(body)),
        Got::Missing => Ok(Done::Missing),
        Got::Refused(error) => Ok(Done::Refused(error)),
        Got::Unknown(reason) => Err(Answer::Unknown { reason }),
        Got::NotReached { reason, retry_after } => Err(Answer::NotReached { reason, retry_after }),
    };
    (done, trace)
}

fn refused(done: Result<Done, Answer>) -> Answer {
    match done {
        Ok(Done::Refused(error)) => {
            let gone =
                matches!(error.code(), "AUTHORIZATION_EXPIRED" | "AUTHORIZATION_VOIDED" | "AUTHORIZATION_DENIED");
            Answer::Refused { failure: failure(&error), authorization_gone: gone }
        }
        Ok(Done::Missing) => {
            let failure = super::failures::of_code("RESOURCE_NOT_FOUND");
            Answer::Refused { failure, authorization_gone: false }
        }
        Ok(Done::Body(_)) => unknown("an answer that was not looked at"),
        Err(answer) => answer,
    }
}

fn shows(view: Result<TransactionView, &'static str>) -> Answer {
    view.map_or_else(unknown, Answer::Shows)
}

fn unknown(reason: &str) -> Answer {
    Answer::Unknown { reason: reason.to_owned() }
}

fn seconds(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}
