//! Exceptions, for people and for spreadsheets.
//!
//! Must not know: how they are found.

use anyhow::Context;
use tollgate_domain::{Exception, ExceptionChange, ExceptionKind, Money, Timestamp};

use super::body::{age_seconds, their_state};
use crate::table::Table;

const COLUMNS: [&str; 22] = [
    "id",
    "provider",
    "kind",
    "record",
    "movement",
    "payment_id",
    "refund_id",
    "provider_transaction_id",
    "their_amount",
    "their_currency",
    "their_state",
    "our_amount",
    "our_currency",
    "our_state",
    "occurred_at",
    "first_seen",
    "last_seen",
    "age_seconds",
    "owner",
    "resolution",
    "resolved_by",
    "resolved_why",
];

/// One line for each.
pub(super) fn table(all: &[Exception], now: Timestamp) -> String {
    let mut table = Table::new(["ID", "AGE", "PROVIDER", "KIND", "PAYMENT", "THEY SAY", "WE SAY", "OWNER", "RESOLVED"]);
    for exception in all {
        let none = || "-".to_owned();
        let record = &exception.record;
        let theirs = if exception.kind == ExceptionKind::MissingThere {
            format!("nothing of the {}", record.movement.as_str())
        } else {
            let amount = record.amount.map_or_else(|| "an amount that cannot be read".to_owned(), |it| it.to_string());
            format!("{} {amount}, {}", record.movement.as_str(), record.id)
        };
        let ours = match exception.our_amount {
            Some(amount) => format!("{} {amount}", exception.our_state),
            None => exception.our_state.clone(),
        };
        table.row(&[
            exception.id.to_string(),
            age(age_seconds(exception, now)),
            exception.provider.to_string(),
            exception.kind.as_str().to_owned(),
            record.payment.map_or_else(none, |id| id.to_string()),
            theirs,
            ours,
            exception.owner.clone().unwrap_or_else(none),
            exception.resolved.as_ref().map_or_else(none, |it| format!("{} by {}: {}", it.how.as_str(), it.by, it.why)),
        ]);
    }
    if table.is_empty() { "there are no exceptions".to_owned() } else { table.to_string() }
}

/// Who did what.
pub(super) fn changes(changes: &[ExceptionChange]) -> String {
    let mut table = Table::new(["AT", "WHAT", "BY", "WHY"]);
    for change in changes {
        table.row(&[change.at.to_string(), change.done.as_str().to_owned(), change.by.clone(), change.why.clone()]);
    }
    table.to_string()
}

/// The report, with a header.
pub(super) fn csv(all: &[Exception], now: Timestamp) -> anyhow::Result<String> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    writer.write_record(COLUMNS)?;
    for exception in all {
        let (record, resolved) = (&exception.record, exception.resolved.as_ref());
        let text = |text: Option<String>| text.unwrap_or_default();
        let words = |words: Option<&str>| inert(words.unwrap_or_default());
        writer.write_record([
            exception.id.to_string(),
            exception.provider.to_string(),
            exception.kind.as_str().to_owned(),
            inert(&record.id),
            record.movement.as_str().to_owned(),
            text(record.payment.map(|id| id.to_string())),
            text(record.refund.map(|id| id.to_string())),
            words(record.transaction.as_deref()),
            text(record.amount.map(|amount| amount.minor().to_string())),
            text(record.currency.map(|currency| currency.to_string())),
            their_state(exception).to_owned(),
            text(exception.our_amount.map(Money::minor).map(|minor| minor.to_string())),
            text(exception.our_amount.map(|amount| amount.currency().to_string())),
            inert(&exception.our_state),
            record.at.to_string(),
            exception.first_seen.to_string(),
            exception.last_seen.to_string(),
            age_seconds(exception, now).to_string(),
            words(exception.owner.as_deref()),
            text(resolved.map(|resolved| resolved.how.as_str().to_owned())),
            words(resolved.map(|resolved| resolved.by.as_str())),
            words(resolved.map(|resolved| resolved.why.as_str())),
        ])?;
    }
    let bytes = writer.into_inner().context("the report cannot be written")?;
    String::from_utf8(bytes).context("the report cannot be written")
}

/// What a spreadsheet would take for a formula is text to it behind an apostrophe: what stands here are strangers' words.
fn inert(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) { format!("'{text}") } else { text.to_owned() }
}

fn age(seconds: i64) -> String {
    match seconds {
        0..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}
