//! What happened to a payment, put on one time axis: changes, calls to providers, their webhooks, ledger postings, and deliveries
//! with their tries.
//!
//! Must not know: how it is shown.

use std::collections::BTreeMap;

use tollgate_domain::{Delivery, DeliveryStatus, Timestamp, What, audit::Booked};
use tollgate_gateway::{
    ports::deliveries::DeliveryAttempt,
    records::{Cause, History, ProviderCall, ReceivedEvent, TimelineRow},
};

use super::page::{Tone, signed};

/// Where on the picture something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    Payment,
    Call,
    Event,
    Ledger,
    Delivery,
}

impl Lane {
    pub(super) const ALL: [Self; 5] = [Self::Payment, Self::Call, Self::Event, Self::Ledger, Self::Delivery];

    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Payment => "Payment",
            Self::Call => "Call to provider",
            Self::Event => "Provider's webhook",
            Self::Ledger => "Ledger",
            Self::Delivery => "Delivery",
        }
    }
}

/// One thing that happened, or will.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) at: Timestamp,
    pub(super) lane: Lane,
    pub(super) tone: Tone,
    pub(super) what: String,
    pub(super) detail: String,
    pub(super) cause: String,
}

/// Everything, by time. Of the same moment, in the order in which it came about.
pub(super) fn of(
    rows: &[TimelineRow],
    booked: &[Booked],
    deliveries: &[(Delivery, Vec<DeliveryAttempt>)],
) -> Vec<Entry> {
    let mut postings = BTreeMap::<u64, Vec<&Booked>>::new();
    for line in booked {
        postings.entry(line.version).or_default().push(line);
    }
    let mut story = Vec::new();
    for row in rows {
        match row {
            TimelineRow::Change(history) => {
                story.push(change(history));
                story.extend(postings.remove(&history.version).map(|lines| posted(history.at, &lines)));
            }
            TimelineRow::Call(call) => story.push(called(call)),
            TimelineRow::Event(event) => story.push(told(event)),
        }
    }
    for (delivery, tries) in deliveries {
        deliver(&mut story, delivery, tries);
    }
    story.sort_by_key(|entry| entry.at);
    story
}

fn change(history: &History) -> Entry {
    let moves = history.transitions.iter().map(|transition| format!("→ {}", transition.to.as_str()));
    let detail: Vec<_> = moves.chain(history.detail.clone()).collect();
    Entry {
        at: history.at,
        lane: Lane::Payment,
        tone: tone_of(history.what),
        what: words(history.what.as_str()),
        detail: detail.join(", "),
        cause: cause(&history.cause),
    }
}

fn tone_of(what: What) -> Tone {
    match what {
        What::Failed
        | What::CaptureRefused
        | What::VoidRefused
        | What::RefundFailed
        | What::ReversalRefused
        | What::NotReached
        | What::ApprovalExpired => Tone::Failed,
        What::OutcomeUnknown | What::PayerActionRequired | What::NeedsReview | What::VoidRemembered => Tone::Waiting,
        What::PaymentOpened
        | What::CaptureRequested
        | What::VoidRequested
        | What::RefundRequested
        | What::TakenOver
        | What::StepDone
        | What::FailedOver
        | What::PayerReturned => Tone::Plain,
        _ => Tone::Done,
    }
}

fn called(call: &ProviderCall) -> Entry {
    let tone = match call.outcome.as_str() {
        "succeeded" => Tone::Done,
        "refused" | "not_reached" => Tone::Failed,
        _ => Tone::Waiting,
    };
    let mut detail = vec![words(&call.outcome)];
    detail.extend(call.http_status.map(|status| format!("HTTP {status}")));
    detail.extend(call.provider_code.clone());
    detail.push(format!("{} ms", call.duration.as_millis()));
    Entry {
        at: call.at,
        lane: Lane::Call,
        tone,
        what: format!("{} at {}", words(&call.call), call.provider),
        detail: detail.join(", "),
        cause: String::new(),
    }
}

fn told(event: &ReceivedEvent) -> Entry {
    let (tone, news) = if event.effect { (Tone::Done, "") } else { (Tone::Plain, ", nothing new") };
    Entry {
        at: event.at,
        lane: Lane::Event,
        tone,
        what: format!("{} from {}", event.event_type, event.provider),
        detail: format!("{}{news}", event.event_id),
        cause: String::new(),
    }
}

fn posted(at: Timestamp, lines: &[&Booked]) -> Entry {
    let detail = lines.iter().map(|line| format!("{} {}", kind_of(&line.account), amount(line)));
    Entry {
        at,
        lane: Lane::Ledger,
        tone: Tone::Done,
        what: format!("{} postings", lines.len()),
        detail: detail.collect::<Vec<_>>().join(", "),
        cause: String::new(),
    }
}

/// An account without whose it is: of one payment, that says nothing.
fn kind_of(account: &str) -> &str {
    account.split(':').next().unwrap_or(account)
}

/// A ledger line's amount: debits with a plus.
pub(super) fn amount(line: &Booked) -> String {
    let exponent = line.currency.parse::<tollgate_domain::Currency>().map_or(0, tollgate_domain::Currency::exponent);
    let plus = if line.minor > 0 { "+" } else { "" };
    format!("{plus}{} {}", signed(line.minor, exponent), line.currency)
}

fn deliver(story: &mut Vec<Entry>, delivery: &Delivery, tries: &[DeliveryAttempt]) {
    let name = delivery.kind.as_str();
    let mut say = |at, tone, what: String, detail: String| {
        story.push(Entry { at, lane: Lane::Delivery, tone, what, detail, cause: String::new() });
    };
    say(delivery.created_at, Tone::Plain, format!("event {name}"), delivery.event.to_string());
    for attempt in tries {
        let tone = if took(attempt) { Tone::Done } else { Tone::Failed };
        say(attempt.at, tone, format!("try {} of {name}", attempt.number), outcome(attempt));
    }
    if delivery.status == DeliveryStatus::Retrying
        && let Some(next) = delivery.next_attempt_at
    {
        say(next, Tone::Waiting, format!("next try of {name}"), "due".to_owned());
    }
}

/// Whether the endpoint took it.
pub(super) fn took(attempt: &DeliveryAttempt) -> bool {
    attempt.error.is_none() && attempt.http_status.is_some_and(|status| (200..300).contains(&status))
}

/// What a try came to.
pub(super) fn outcome(attempt: &DeliveryAttempt) -> String {
    let mut parts: Vec<_> = attempt.http_status.map(|status| format!("HTTP {status}")).into_iter().collect();
    parts.extend(attempt.error.clone());
    parts.push(format!("{} ms", attempt.duration.as_millis()));
    parts.join(", ")
}

fn cause(cause: &Cause) -> String {
    match cause.subject() {
        Some(subject) => format!("{} {subject}", words(cause.as_str())),
        None => words(cause.as_str()),
    }
}

/// A name of ours as people write it.
pub(super) fn words(name: &str) -> String {
    name.replace('_', " ")
}
