//! Exceptions, for programs.
//!
//! Must not know: how they are found.

use std::collections::BTreeMap;

use serde::Serialize;
use tollgate_domain::{Exception, ExceptionChange, Money, Timestamp};

#[derive(Serialize)]
pub(super) struct ReportBody<'a> {
    object: &'static str,
    at: String,
    /// How many of each kind are listed.
    kinds: BTreeMap<&'static str, u64>,
    /// There are more than are listed.
    more: bool,
    data: Vec<ExceptionBody<'a>>,
}

#[derive(Serialize)]
pub(super) struct ShownBody<'a> {
    #[serde(flatten)]
    exception: ExceptionBody<'a>,
    changes: Vec<ChangeBody<'a>>,
}

#[derive(Serialize)]
pub(super) struct ExceptionBody<'a> {
    object: &'static str,
    id: String,
    provider: &'static str,
    kind: &'static str,
    /// The provider's id of the movement; our own name of it where the provider shows none.
    record: &'a str,
    movement: &'static str,
    payment_id: Option<String>,
    refund_id: Option<String>,
    provider_transaction_id: Option<&'a str>,
    theirs: SideBody<'a>,
    ours: SideBody<'a>,
    occurred_at: String,
    first_seen: String,
    last_seen: String,
    age_seconds: i64,
    owner: Option<&'a str>,
    resolution: Option<ResolutionBody<'a>>,
}

/// What one side says.
#[derive(Serialize)]
struct SideBody<'a> {
    amount: Option<i64>,
    currency: Option<String>,
    state: &'a str,
}

#[derive(Serialize)]
struct ResolutionBody<'a> {
    how: &'static str,
    at: String,
    by: &'a str,
    why: &'a str,
}

#[derive(Serialize)]
struct ChangeBody<'a> {
    what: &'static str,
    at: String,
    by: &'a str,
    why: &'a str,
}

/// What the provider says of how far a movement is; of one that it does not show, nothing.
pub(super) fn their_state(exception: &Exception) -> &'static str {
    match exception.kind {
        tollgate_domain::ExceptionKind::MissingThere => "none",
        _ => exception.record.state.as_str(),
    }
}

/// How long it has been open, or was.
pub(super) fn age_seconds(exception: &Exception, now: Timestamp) -> i64 {
    let until = exception.resolved.as_ref().map_or(now, |resolved| resolved.at);
    (until.as_second() - exception.first_seen.as_second()).max(0)
}

impl<'a> ReportBody<'a> {
    pub(super) fn of(all: &'a [Exception], more: bool, now: Timestamp) -> Self {
        let mut kinds = BTreeMap::new();
        for exception in all {
            *kinds.entry(exception.kind.as_str()).or_default() += 1;
        }
        let data = all.iter().map(|exception| ExceptionBody::of(exception, now)).collect();
        Self { object: "reconciliation_report", at: now.to_string(), kinds, more, data }
    }
}

impl<'a> ShownBody<'a> {
    pub(super) fn of(exception: &'a Exception, changes: &'a [ExceptionChange], now: Timestamp) -> Self {
        let changes = changes.iter().map(|change| ChangeBody {
            what: change.done.as_str(),
            at: change.at.to_string(),
            by: &change.by,
            why: &change.why,
        });
        Self { exception: ExceptionBody::of(exception, now), changes: changes.collect() }
    }
}

impl<'a> ExceptionBody<'a> {
    pub(super) fn of(exception: &'a Exception, now: Timestamp) -> Self {
        let record = &exception.record;
        Self {
            object: "reconciliation_exception",
            id: exception.id.to_string(),
            provider: exception.provider.as_str(),
            kind: exception.kind.as_str(),
            record: &record.id,
            movement: record.movement.as_str(),
            payment_id: record.payment.map(|id| id.to_string()),
            refund_id: record.refund.map(|id| id.to_string()),
            provider_transaction_id: record.transaction.as_deref(),
            theirs: SideBody {
                amount: record.amount.map(Money::minor),
                currency: record.currency.map(|currency| currency.to_string()),
                state: their_state(exception),
            },
            ours: SideBody {
                amount: exception.our_amount.map(Money::minor),
                currency: exception.our_amount.map(|amount| amount.currency().to_string()),
                state: &exception.our_state,
            },
            occurred_at: record.at.to_string(),
            first_seen: exception.first_seen.to_string(),
            last_seen: exception.last_seen.to_string(),
            age_seconds: age_seconds(exception, now),
            owner: exception.owner.as_deref(),
            resolution: exception.resolved.as_ref().map(|resolved| ResolutionBody {
                how: resolved.how.as_str(),
                at: resolved.at.to_string(),
                by: &resolved.by,
                why: &resolved.why,
            }),
        }
    }
}
