//! The table `history`: one row per version of a payment, the guard of every commit. Never pruned.

use tollgate_domain::{ChangeId, PaymentId};
use tollgate_gateway::records::History;
use tollgate_store_records::{cause, transitions_from_text, transitions_to_text};

use crate::{
    cells::{Row, commit_time, count, int, maybe, name, text, time, wrong},
    error::Result,
    rows::{Asked, Counted, Source, Write, key, prefix},
};

static HISTORY: Source = Source {
    table: "history",
    index: None,
    columns: &[
        "version",
        "occurred_at",
        "what",
        "operation",
        "detail",
        "transitions",
        "cause",
        "cause_subject",
        "correlation_id",
    ],
};
static GUARDS: Source = Source { table: "history", index: None, columns: &["payment_id", "version", "change_id"] };

/// Who made this version.
pub(crate) fn made_by(payment: PaymentId, version: u64) -> Asked {
    GUARDS.read(key([text(payment), count(version)]))
}

/// Who made these versions.
pub(crate) fn made_by_all(versions: impl IntoIterator<Item = (PaymentId, u64)>) -> Asked {
    let keys = versions.into_iter().map(|(payment, version)| key([text(payment), count(version)]));
    GUARDS.read(crate::rows::keys(keys))
}

/// Writes a version that is new.
pub(crate) fn insert(payment: PaymentId, change: ChangeId, history: &History) -> Counted {
    Write::insert("history")
        .set("payment_id", text(payment))
        .set("version", count(history.version))
        .set("change_id", text(change))
        .set("occurred_at", time(history.at))
        .set("what", name(history.what))
        .set("operation", int(history.operation))
        .set("detail", maybe(history.detail.as_ref().map(text)))
        .set("transitions", text(transitions_to_text(&history.transitions)))
        .set("cause", text(history.cause.as_str()))
        .set("cause_subject", maybe(history.cause.subject().map(text)))
        .set("correlation_id", text(&history.correlation_id))
        .set("committed_at", commit_time())
        .build()
}

/// All of a payment's, in order of version.
pub(crate) fn of_payment(payment: PaymentId) -> Asked {
    HISTORY.read(prefix([text(payment)]))
}

/// A version as its row says.
pub(crate) fn read(row: &Row) -> Result<History> {
    let name: String = row.string("cause")?;
    Ok(History {
        version: row.int("version")?,
        at: row.time("occurred_at")?,
        what: row.name("what")?,
        operation: row.int("operation")?,
        detail: row.maybe_string("detail")?,
        transitions: transitions_from_text(&row.string("transitions")?)
            .ok_or_else(|| wrong("transitions", "are no changes of status"))?,
        cause: cause(&name, row.maybe_string("cause_subject")?)
            .ok_or_else(|| wrong("cause", &format!("no cause is named {name:?}")))?,
        correlation_id: row.string("correlation_id")?,
    })
}
