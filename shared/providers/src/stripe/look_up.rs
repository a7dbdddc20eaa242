//! Asking how an operation's transaction stands, changing nothing. "Not found" is only said after everything in question
//! was seen; whatever cuts that short is a failure to ask.

use std::time::Duration;

use serde::de::DeserializeOwned;
use tollgate_domain::{Answer, Operation, OperationKind, RefundView, Timestamp};
use tollgate_gateway::ports::provider::{Call, LookUp};

use super::{
    api::{Api, Ask, Deadline, Got, Reply, Trace},
    objects::{Intent, List, Metadata, Refund, read},
    requests,
    view::{Mismatch, intent_view, is_id, is_of, refund_view, transaction_id},
};

/// How far Stripe's clock may be from ours, with the time that a request spends on its way.
const CLOCK_MARGIN: Duration = Duration::from_secs(60);
/// A stalled call may still arrive within this of the last lease (rule 2).
const ZOMBIE_MARGIN: Duration = Duration::from_secs(5 * 60);
/// For so long after that one that was given up is looked for.
const LATE_FOR: Duration = Duration::from_secs(24 * 3600);
/// Pages of 100 that one look-up reads at most.
const MAX_PAGES: usize = 50;

/// Asks for what the operation works on: its refund, its intent by id, or the intent that it may have made.
pub(super) async fn look_up(api: &Api, call: Call<'_>) -> (LookUp, Trace) {
    let deadline = api.deadline(call.timeout);
    if call.operation.kind == OperationKind::Refund {
        return look_up_refund(api, call, deadline).await;
    }
    match transaction_id(call.payment, call.operation) {
        Some(id) if is_id(id, "pi_") => intent_by_id(api, call, id, deadline).await,
        None if call.operation.kind == OperationKind::Authorize => intent_by_mark(api, call, deadline).await,
        _ => failed("there is no payment intent to ask for", Trace::default()),
    }
}

async fn intent_by_id(api: &Api, call: Call<'_>, id: &str, deadline: Deadline) -> (LookUp, Trace) {
    let Reply { got, trace } = api.call(requests::intent(id), deadline).await;
    if is_missing(&got, &trace) {
        return not_ours("the provider has no such payment intent", trace);
    }
    match body(got).and_then(|body| read::<Intent>(&body)) {
        Ok(intent) => match intent_view(&intent, call.payment, call.operation) {
            Ok(view) => (LookUp::Found(Answer::Shows(view)), trace),
            Err(reason) => not_ours(reason, trace),
        },
        Err(reason) => failed(&reason, trace),
    }
}

/// Lists what was made while the request could have been on its way. (Not `/search`: it lags by up to an hour.) One that was
/// given up is looked for beyond that, as far as the list can be read: what was held up on its way arrives when it likes.
async fn intent_by_mark(api: &Api, call: Call<'_>, deadline: Deadline) -> (LookUp, Trace) {
    let operation = call.operation;
    let last = operation.last_call_until.unwrap_or(operation.opened_at).max(operation.opened_at);
    let (from, until) = (operation.opened_at - CLOCK_MARGIN, last + ZOMBIE_MARGIN + CLOCK_MARGIN);
    let (found, trace) = intent_made(api, call, (from, until), deadline).await;
    if !operation.state.is_closed() || found != LookUp::NotFound {
        return (found, trace);
    }
    let late = (until, (api.time.now() + CLOCK_MARGIN).min(until + LATE_FOR));
    if late.1 <= late.0 {
        return (found, trace);
    }
    match intent_made(api, call, late, deadline).await {
        (LookUp::Failed { reason }, _) => {
            tracing::warn!(payment = %call.payment.id, reason, "whether it arrived late could not be seen");
            (found, trace)
        }
        seen => seen,
    }
}

async fn intent_made(
    api: &Api,
    call: Call<'_>,
    (from, until): (Timestamp, Timestamp),
    deadline: Deadline,
) -> (LookUp, Trace) {
    let operation = call.operation;
    let ask = |after: Option<&str>| requests::intents(from, until, after);
    let (found, trace) = find::<Intent>(api, deadline, ask, operation).await;
    match found {
        // Asked for again by its id: the list shows no charge, and what it shows is a page old.
        Ok(Some(intent)) if is_id(&intent.id, "pi_") => intent_by_id(api, call, &intent.id, deadline).await,
        Ok(Some(_)) => failed("the list shows something other than payment intents", trace),
        Ok(None) => (LookUp::NotFound, trace),
        Err(reason) => failed(&reason, trace),
    }
}

async fn look_up_refund(api: &Api, call: Call<'_>, deadline: Deadline) -> (LookUp, Trace) {
    let known = call.operation.refund.as_ref().and_then(|refund| refund.provider_reference.as_deref());
    let Some(reference) = known else { return refund_by_mark(api, call, deadline).await };
    if !(is_id(reference, "re_") || is_id(reference, "pyr_")) {
        return failed("the refund's reference is not one of the provider's", Trace::default());
    }
    let Reply { got, trace } = api.call(requests::refund_status(reference), deadline).await;
    if is_missing(&got, &trace) {
        return refund_instead_of(api, call, reference, deadline).await;
    }
    match body(got).and_then(|body| read::<Refund>(&body)) {
        Ok(refund) => match refund_asked_for(&refund, call, reference) {
            Ok(answer) => (LookUp::Found(answer), trace),
            Err(reason) => not_ours(reason, trace),
        },
        Err(reason) => failed(&reason, trace),
    }
}

/// Stripe has no refund with the id that an answer of its named. Ours carries our own id of it.
async fn refund_instead_of(api: &Api, call: Call<'_>, wrong: &str, deadline: Deadline) -> (LookUp, Trace) {
    let (found, trace) = refund_by_mark(api, call, deadline).await;
    let found = match found {
        LookUp::Found(Answer::ShowsRefund(view)) => {
            LookUp::Found(Answer::ShowsRefund(RefundView { instead_of: Some(wrong.to_owned()), ..view }))
        }
        other => other,
    };
    (found, trace)
}

fn is_missing(got: &Got, trace: &Trace) -> bool {
    trace.http_status == Some(404) && matches!(got, Got::Refused(_))
}

/// How the refund with this id stands; `None` if it cannot be asked for.
pub(super) async fn refund_by_id(api: &Api, call: Call<'_>, reference: &str, deadline: Deadline) -> Option<Answer> {
    let Reply { got, .. } = api.call(requests::refund_status(reference), deadline).await;
    let refund = read::<Refund>(&body(got).ok()?).ok()?;
    refund_asked_for(&refund, call, reference).ok()
}

fn refund_asked_for(refund: &Refund, call: Call<'_>, reference: &str) -> Result<Answer, Mismatch> {
    let view = refund_view(refund, call.payment, call.operation)?;
    if view.refund_reference != reference {
        return Err("the answer shows another refund than the one asked for");
    }
    Ok(Answer::ShowsRefund(view))
}

/// Lists the intent's refunds and finds the operation's among them.
pub(super) async fn refund_by_mark(api: &Api, call: Call<'_>, deadline: Deadline) -> (LookUp, Trace) {
    let Some(id) = transaction_id(call.payment, call.operation).filter(|id| is_id(id, "pi_")) else {
        return failed("there is no payment intent to ask for", Trace::default());
    };
    let ask = |after: Option<&str>| requests::refunds(id, after);
    let (found, trace) = find::<Refund>(api, deadline, ask, call.operation).await;
    match found {
        Ok(Some(refund)) => match refund_view(&refund, call.payment, call.operation) {
            Ok(view) => (LookUp::Found(Answer::ShowsRefund(view)), trace),
            Err(reason) => not_ours(reason, trace),
        },
        Ok(None) => (LookUp::NotFound, trace),
        Err(reason) => failed(&reason, trace),
    }
}

/// What a list is made of.
trait Listed: DeserializeOwned {
    fn id(&self) -> &str;
    fn metadata(&self) -> &Metadata;
}

impl Listed for Intent {
    fn id(&self) -> &str {
        &self.id
    }

    fn metadata(&self) -> &Metadata {
        &self.metadata
    }
}

impl Listed for Refund {
    fn id(&self) -> &str {
        &self.id
    }

    fn metadata(&self) -> &Metadata {
        &self.metadata
    }
}

/// Pages through a list for the one that our operation made. `Ok(None)`: every page was seen.
async fn find<T: Listed>(
    api: &Api,
    deadline: Deadline,
    ask: impl Fn(Option<&str>) -> Ask,
    operation: &Operation,
) -> (Result<Option<T>, String>, Trace) {
    let mut after: Option<String> = None;
    let mut last = Trace::default();
    for _ in 0..MAX_PAGES {
        let Reply { got, trace } = api.call(ask(after.as_deref()), deadline).await;
        last = trace;
        let page = match body(got).and_then(|body| read::<List<T>>(&body)) {
            Ok(page) if page.object == "list" => page,
            Ok(_) => return (Err("the answer shows something other than a list".to_owned()), last),
            Err(reason) => return (Err(reason), last),
        };
        let next = page.data.last().map(|item| item.id().to_owned());
        let ours = |item: &T| is_of(item.metadata(), operation);
        if let Some(found) = page.data.into_iter().find(ours) {
            return (Ok(Some(found)), last);
        }
        match next {
            _ if !page.has_more => return (Ok(None), last),
            Some(next) if after.as_ref() != Some(&next) => after = Some(next),
            _ => return (Err("the list does not go on where it says it does".to_owned()), last),
        }
    }
    (Err(format!("more than {MAX_PAGES} pages to look through")), last)
}

/// The body, or why there is none.
pub(super) fn body(got: Got) -> Result<bytes::Bytes, String> {
    match got {
        Got::Body { body, .. } => Ok(body),
        Got::Unknown(reason) | Got::NotReached { reason, .. } => Err(reason),
        Got::Declined(error) | Got::Conflict(error) | Got::Expired(error) | Got::Refused(error) => {
            let code = error.codes.code.as_deref().and_then(super::failures::token).unwrap_or("no code");
            Err(format!("the provider refused to show it ({code})"))
        }
    }
}

fn not_ours(reason: Mismatch, trace: Trace) -> (LookUp, Trace) {
    (LookUp::NotOurs { reason: reason.to_owned() }, trace)
}

fn failed(reason: &str, trace: Trace) -> (LookUp, Trace) {
    (LookUp::Failed { reason: reason.to_owned() }, trace)
}
