//! A payment for people: facts first, then a table for each thing that belongs to it.
//!
//! Must not know: how it is read.

use tollgate_domain::{Failure, Money, PaymentStatus};
use tollgate_gateway::records::{History, ProviderCall, ReceivedEvent, TimelineRow};

use super::{Dossier, body::state};
use crate::table::{Table, facts};

/// All of it.
pub(super) fn of(dossier: &Dossier) -> String {
    let mut text = payment(dossier);
    for (title, table) in [
        ("operations", operations(dossier)),
        ("refunds", refunds(dossier)),
        ("deliveries", deliveries(dossier)),
        ("timeline", timeline(&dossier.timeline)),
    ] {
        let below = if table.is_empty() { "  none\n".to_owned() } else { table.to_string() };
        text.extend(["\n", title, "\n", &below]);
    }
    text
}

fn payment(Dossier { payment, .. }: &Dossier) -> String {
    let time = |at: Option<_>| at.map(|at: tollgate_domain::Timestamp| at.to_string());
    let review = payment.review.map(|review| format!("{} since {}", review.reason.as_str(), review.since));
    facts([
        ("payment", Some(payment.id.to_string())),
        ("merchant", Some(payment.merchant.to_string())),
        ("status", Some(payment.status.as_str().to_owned())),
        ("amount", Some(money(payment.amount))),
        ("captured", Some(money(payment.captured))),
        ("refunded", Some(money(payment.refunded))),
        ("reserved for refunds", Some(money(payment.refund_reserved))),
        ("provider", Some(payment.provider.as_str().to_owned())),
        ("provider transaction", payment.provider_transaction_id.clone()),
        ("provider request", Some(payment.provider_request_id.to_string())),
        ("merchant reference", payment.details.merchant_reference.clone()),
        ("failure", payment.failure.as_ref().map(failure)),
        ("needs review", review),
        ("resolve by", time(payment.resolve_by())),
        ("authorization ends", time(payment.expires_at)),
        ("captured at", time(payment.captured_at)),
        ("settlement", payment.settlement.map(|id| id.to_string())),
        ("created", Some(payment.created_at.to_string())),
        ("updated", Some(payment.updated_at.to_string())),
        ("version", Some(payment.version.to_string())),
    ])
}

fn operations(dossier: &Dossier) -> Table {
    let mut table = Table::new(["#", "WHAT", "PROVIDER", "STATE", "AMOUNT", "REQUEST", "OPENED", "CLOSED", "FAILURE"]);
    for operation in &dossier.operations {
        table.row(&[
            operation.number.to_string(),
            operation.kind.as_str().to_owned(),
            operation.provider.as_str().to_owned(),
            state(operation.state).to_owned(),
            money(operation.amount),
            operation.request_id.to_string(),
            operation.opened_at.to_string(),
            or_dash(operation.closed_at.map(|at| at.to_string())),
            or_dash(operation.failure.as_ref().map(failure)),
        ]);
    }
    table
}

fn refunds(dossier: &Dossier) -> Table {
    let mut table = Table::new(["REFUND", "STATUS", "AMOUNT", "AT THE PROVIDER", "UPDATED", "FAILURE"]);
    for refund in &dossier.refunds {
        table.row(&[
            refund.id.to_string(),
            refund.status.as_str().to_owned(),
            money(refund.amount),
            or_dash(refund.provider_reference.clone()),
            refund.updated_at.to_string(),
            or_dash(refund.failure.as_ref().map(failure)),
        ]);
    }
    table
}

fn deliveries(dossier: &Dossier) -> Table {
    let mut table = Table::new(["#", "EVENT", "TYPE", "STATUS", "TRIES", "LAST ANSWER", "NEXT TRY"]);
    for (delivery, attempts) in &dossier.deliveries {
        let last = attempts.last().map(|last| match (last.http_status, &last.error) {
            (Some(status), _) => status.to_string(),
            (None, error) => error.clone().unwrap_or_default(),
        });
        let next = if delivery.waits_for_endpoint {
            "when the endpoint is set".to_owned()
        } else {
            or_dash(delivery.next_attempt_at.map(|at| at.to_string()))
        };
        table.row(&[
            delivery.sequence.to_string(),
            delivery.event.to_string(),
            delivery.kind.as_str().to_owned(),
            delivery.status.as_str().to_owned(),
            delivery.attempts.to_string(),
            or_dash(last),
            next,
        ]);
    }
    table
}

/// What happened, in order.
pub(super) fn timeline(rows: &[TimelineRow]) -> Table {
    let mut table = Table::new(["AT", "WHAT", "MORE", "CORRELATION"]);
    for row in rows {
        table.row(&match row {
            TimelineRow::Change(change) => changed(change),
            TimelineRow::Call(call) => called(call),
            TimelineRow::Event(event) => received(event),
        });
    }
    table
}

fn changed(change: &History) -> [String; 4] {
    let moves = change.transitions.iter().map(|transition| {
        let from = transition.from.map_or("", PaymentStatus::as_str);
        format!("{from}→{}", transition.to.as_str())
    });
    let subject = change.cause.subject().map(|subject| format!(" {subject}")).unwrap_or_default();
    let mut more = vec![format!("operation {}", change.operation)];
    more.extend(moves);
    more.push(format!("by {}{subject}", change.cause.as_str()));
    more.extend(change.detail.clone());
    let what = format!("version {}: {}", change.version, change.what.as_str());
    [change.at.to_string(), what, more.join(", "), change.correlation_id.clone()]
}

fn called(call: &ProviderCall) -> [String; 4] {
    let mut more = vec![format!("operation {}", call.operation), call.outcome.clone()];
    more.extend(call.http_status.map(|status| format!("HTTP {status}")));
    more.extend(call.provider_code.clone());
    more.extend(call.reference.clone());
    more.push(format!("{} ms", call.duration.as_millis()));
    let what = format!("call to {}: {}", call.provider.as_str(), call.call);
    [call.at.to_string(), what, more.join(", "), call.correlation_id.clone()]
}

fn received(event: &ReceivedEvent) -> [String; 4] {
    let effect = if event.effect { "changed the payment" } else { "told nothing new" };
    let what = format!("event from {}: {}", event.provider.as_str(), event.event_type);
    [event.at.to_string(), what, format!("{}, {effect}", event.event_id), event.correlation_id.clone()]
}

/// In minor units, as everywhere: no reader has to know how many digits a currency has.
pub(super) fn money(amount: Money) -> String {
    format!("{} {}", amount.minor(), amount.currency().code())
}

fn failure(failure: &Failure) -> String {
    match &failure.provider_code {
        Some(code) => format!("{} ({code})", failure.code),
        None => failure.code.clone(),
    }
}

fn or_dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| "-".to_owned())
}
