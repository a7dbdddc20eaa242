//! The tables `reconciliation_exceptions` (as they are) and `reconciliation_exception_changes` (who did what to them).

use std::collections::BTreeMap;

use async_trait::async_trait;
use google_cloud_spanner::key::{KeyRange, KeySet};
use tollgate_domain::{
    Currency, Exception, ExceptionChange, ExceptionId, ExceptionKind, ProviderRecord, Timestamp, exception::Resolved,
};
use tollgate_gateway::ports::{
    Exceptions, StoreError,
    exceptions::{OpenExceptions, money_of},
};

use crate::{
    SpannerStore,
    cells::{Row, count, int, maybe, name, text, time},
    error::Result,
    reading::{Locked, Reader},
    rows::{Counted, Source, Write, key, keys, prefix},
    transactions::{Decided, Decision},
};

static EXCEPTIONS: Source = Source {
    table: "reconciliation_exceptions",
    index: None,
    columns: &[
        "exception_id",
        "provider",
        "kind",
        "record_id",
        "movement",
        "payment_id",
        "refund_id",
        "transaction_id",
        "amount",
        "currency",
        "state",
        "occurred_at",
        "our_amount",
        "our_currency",
        "our_state",
        "first_seen",
        "last_seen",
        "owner",
        "resolution",
        "resolved_at",
        "resolved_by",
        "resolved_why",
        "revision",
    ],
};
static BY_TIME: Source = Source {
    table: "reconciliation_exceptions",
    index: Some("reconciliation_exceptions_by_time"),
    columns: &["first_seen", "exception_id"],
};
static OPEN: Source = Source {
    table: "reconciliation_exceptions",
    index: Some("reconciliation_exceptions_open"),
    columns: &["open_since", "exception_id", "kind"],
};
static CHANGES: Source = Source {
    table: "reconciliation_exception_changes",
    index: None,
    columns: &["revision", "what", "changed_at", "changed_by", "why"],
};

/// More than so many are not counted.
const COUNTED_AT_MOST: u32 = 100_000;

#[async_trait]
impl Exceptions for SpannerStore {
    async fn exception(&self, id: ExceptionId) -> std::result::Result<Option<Exception>, StoreError> {
        let work = async {
            let row = self.present("tollgate:exception").await?.row(EXCEPTIONS.read(key([text(id)]))).await?;
            row.map(|row| read(&row)).transpose()
        };
        self.measured("exception", id, work).await
    }

    async fn put_exception(
        &self,
        exception: &Exception,
        change: Option<&ExceptionChange>,
    ) -> std::result::Result<bool, StoreError> {
        let put = Put { exception: exception.clone(), change: change.cloned() };
        self.measured("put_exception", exception.id, self.transact("tollgate:put_exception", put)).await
    }

    async fn exceptions(
        &self,
        open: bool,
        after: Option<(Timestamp, ExceptionId)>,
        limit: u32,
    ) -> std::result::Result<Vec<Exception>, StoreError> {
        let work = async {
            // A limit of nothing would be none at all.
            if limit == 0 {
                return Ok(Vec::new());
            }
            let range = match after {
                None => KeyRange::closed_closed(key([]), key([])),
                Some((at, id)) => KeyRange::open_closed(key([time(at), text(id)]), key([])),
            };
            let source = if open { &OPEN } else { &BY_TIME };
            let snapshot = self.snapshot("tollgate:exceptions").await?;
            let places = snapshot.rows(source.read(range).limit(limit)).await?;
            let ids = places.iter().map(|row| row.text("exception_id")).collect::<Result<Vec<ExceptionId>>>()?;
            if ids.is_empty() {
                return Ok(Vec::new());
            }
            let asked = EXCEPTIONS.read(keys(ids.iter().map(|id| key([text(*id)]))));
            let mut found = snapshot.rows(asked).await?.iter().map(read).collect::<Result<Vec<_>>>()?;
            found.sort_by_key(|exception| (exception.first_seen, exception.id));
            Ok(found)
        };
        self.measured("exceptions", "exceptions", work).await
    }

    async fn exception_changes(
        &self,
        id: ExceptionId,
        limit: u32,
    ) -> std::result::Result<Vec<ExceptionChange>, StoreError> {
        let work = async {
            if limit == 0 {
                return Ok(Vec::new());
            }
            let changes = CHANGES.read(prefix([text(id)])).limit(limit);
            let rows = self.present("tollgate:exception_changes").await?.rows(changes).await?;
            rows.iter().map(|row| read_change(id, row)).collect()
        };
        self.measured("exception_changes", id, work).await
    }

    async fn open_exceptions(&self) -> std::result::Result<Vec<OpenExceptions>, StoreError> {
        let work = async {
            // All that is in this index is what somebody has to look at.
            let all = OPEN.read(KeySet::all()).limit(COUNTED_AT_MOST);
            let rows = self.present("tollgate:open_exceptions").await?.rows(all).await?;
            let mut kinds: BTreeMap<ExceptionKind, OpenExceptions> = BTreeMap::new();
            for row in rows {
                let (kind, since): (ExceptionKind, Timestamp) = (row.name("kind")?, row.time("open_since")?);
                let of_kind = kinds.entry(kind).or_insert(OpenExceptions { kind, count: 0, oldest: since });
                of_kind.count += 1;
                of_kind.oldest = of_kind.oldest.min(since);
            }
            Ok(kinds.into_values().collect())
        };
        self.measured("open_exceptions", "open exceptions", work).await
    }
}

/// Writes an exception where the revision before is there. Where this very one is (an answer was lost), that is success, too.
struct Put {
    exception: Exception,
    change: Option<ExceptionChange>,
}

#[async_trait]
impl Decision for Put {
    type Answer = bool;

    async fn decide(&self, locked: &Locked) -> Result<Decided<bool>> {
        let Self { exception, change } = self;
        let present = locked.row(EXCEPTIONS.read(key([text(exception.id)]))).await?;
        let present = present.map(|row| read(&row)).transpose()?;
        if present.as_ref() == Some(exception) {
            return Ok(Decided::nothing(true));
        }
        if present.map_or(0, |present| present.revision) + 1 != exception.revision {
            return Ok(Decided::nothing(false));
        }
        let writes = [upsert(exception)].into_iter().chain(change.as_ref().map(insert_change)).collect();
        Ok(Decided { answer: true, writes })
    }
}

fn upsert(exception: &Exception) -> Counted {
    let (record, resolved) = (&exception.record, exception.resolved.as_ref());
    Write::upsert("reconciliation_exceptions")
        .set("exception_id", text(exception.id))
        .set("provider", name(exception.provider))
        .set("kind", name(exception.kind))
        .set("record_id", text(&record.id))
        .set("movement", name(record.movement))
        .set("payment_id", maybe(record.payment.map(text)))
        .set("refund_id", maybe(record.refund.map(text)))
        .set("transaction_id", maybe(record.transaction.as_ref().map(text)))
        .set("amount", maybe(record.amount.map(|amount| int(amount.minor()))))
        .set("currency", maybe(record.currency.map(text)))
        .set("state", name(record.state))
        .set("occurred_at", time(record.at))
        .set("our_amount", maybe(exception.our_amount.map(|amount| int(amount.minor()))))
        .set("our_currency", maybe(exception.our_amount.map(|amount| text(amount.currency()))))
        .set("our_state", text(&exception.our_state))
        .set("first_seen", time(exception.first_seen))
        .set("last_seen", time(exception.last_seen))
        .set("owner", maybe(exception.owner.as_ref().map(text)))
        .set("resolution", maybe(resolved.map(|resolved| name(resolved.how))))
        .set("resolved_at", maybe(resolved.map(|resolved| time(resolved.at))))
        .set("resolved_by", maybe(resolved.map(|resolved| text(&resolved.by))))
        .set("resolved_why", maybe(resolved.map(|resolved| text(&resolved.why))))
        .set("revision", count(exception.revision))
        .build()
}

fn insert_change(change: &ExceptionChange) -> Counted {
    Write::insert("reconciliation_exception_changes")
        .set("exception_id", text(change.exception))
        .set("revision", count(change.revision))
        .set("what", name(change.done))
        .set("changed_at", time(change.at))
        .set("changed_by", text(&change.by))
        .set("why", text(&change.why))
        .build()
}

fn read(row: &Row) -> Result<Exception> {
    let currency: Option<Currency> = row.maybe_text("currency")?;
    Ok(Exception {
        id: row.text("exception_id")?,
        provider: row.name("provider")?,
        kind: row.name("kind")?,
        record: ProviderRecord {
            id: row.string("record_id")?,
            movement: row.name("movement")?,
            payment: row.maybe_text("payment_id")?,
            refund: row.maybe_text("refund_id")?,
            transaction: row.maybe_string("transaction_id")?,
            amount: money_of(row.maybe_int("amount")?, currency),
            currency,
            state: row.name("state")?,
            at: row.time("occurred_at")?,
        },
        our_amount: money_of(row.maybe_int("our_amount")?, row.maybe_text("our_currency")?),
        our_state: row.string("our_state")?,
        first_seen: row.time("first_seen")?,
        last_seen: row.time("last_seen")?,
        owner: row.maybe_string("owner")?,
        resolved: match row.maybe_name("resolution")? {
            None => None,
            Some(how) => Some(Resolved {
                how,
                at: row.time("resolved_at")?,
                by: row.string("resolved_by")?,
                why: row.string("resolved_why")?,
            }),
        },
        revision: row.int("revision")?,
    })
}

fn read_change(id: ExceptionId, row: &Row) -> Result<ExceptionChange> {
    Ok(ExceptionChange {
        exception: id,
        revision: row.int("revision")?,
        done: row.name("what")?,
        by: row.string("changed_by")?,
        why: row.string("why")?,
        at: row.time("changed_at")?,
    })
}
