//! The tables `reconciliation_exceptions` (as they are) and `reconciliation_exception_changes` (who did what to them).

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Result, Row, named_params, params};
use tollgate_domain::{
    Currency, Exception, ExceptionChange, ExceptionId, Money, ProviderRecord, Timestamp, exception::Resolved,
};
use tollgate_gateway::ports::{
    Exceptions, StoreError,
    exceptions::{OpenExceptions, money_of},
};

use super::{
    SqliteStore,
    columns::{Count, Micros, Name, Text},
};

#[async_trait]
impl Exceptions for SqliteStore {
    async fn exception(&self, id: ExceptionId) -> std::result::Result<Option<Exception>, StoreError> {
        self.read("exception", id, move |connection| find(connection, id)).await
    }

    async fn put_exception(
        &self,
        exception: &Exception,
        change: Option<&ExceptionChange>,
    ) -> std::result::Result<bool, StoreError> {
        let (exception, change) = (exception.clone(), change.cloned());
        self.decide("put_exception", move |transaction| put(transaction, &exception, change.as_ref())).await
    }

    async fn exceptions(
        &self,
        open: bool,
        after: Option<(Timestamp, ExceptionId)>,
        limit: u32,
    ) -> std::result::Result<Vec<Exception>, StoreError> {
        self.read("exceptions", "exceptions", move |connection| page(connection, open, after, limit)).await
    }

    async fn exception_changes(
        &self,
        id: ExceptionId,
        limit: u32,
    ) -> std::result::Result<Vec<ExceptionChange>, StoreError> {
        self.read("exception_changes", id, move |connection| changes(connection, id, limit)).await
    }

    async fn open_exceptions(&self) -> std::result::Result<Vec<OpenExceptions>, StoreError> {
        self.read("open_exceptions", "open exceptions", standing).await
    }
}

/// One exception.
pub(super) fn find(connection: &Connection, id: ExceptionId) -> Result<Option<Exception>> {
    connection
        .prepare_cached("SELECT * FROM reconciliation_exceptions WHERE id = ?1")?
        .query_row([Text(id)], read)
        .optional()
}

/// Whether the revision before was there, or this very one is.
pub(super) fn put(connection: &Connection, exception: &Exception, change: Option<&ExceptionChange>) -> Result<bool> {
    let present = find(connection, exception.id)?;
    if present.as_ref() == Some(exception) {
        return Ok(true);
    }
    if present.map_or(0, |present| present.revision) + 1 != exception.revision {
        return Ok(false);
    }
    write(connection, exception)?;
    if let Some(change) = change {
        connection
            .prepare_cached(
                "INSERT INTO reconciliation_exception_changes
                    (exception_id, revision, what, changed_at, changed_by, why) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                Text(change.exception),
                Count(change.revision),
                Name(change.done),
                Micros(change.at),
                change.by,
                change.why
            ])?;
    }
    Ok(true)
}

fn write(connection: &Connection, exception: &Exception) -> Result<()> {
    let (record, resolved) = (&exception.record, exception.resolved.as_ref());
    let mut write = connection.prepare_cached(
        "INSERT INTO reconciliation_exceptions (id, provider, kind, record_id, movement, payment_id, refund_id,
            transaction_id, amount, currency, state, at, our_amount, our_currency, our_state, first_seen, last_seen,
            owner, resolution, resolved_at, resolved_by, resolved_why, revision)
         VALUES (:id, :provider, :kind, :record_id, :movement, :payment_id, :refund_id,
            :transaction_id, :amount, :currency, :state, :at, :our_amount, :our_currency, :our_state, :first_seen,
            :last_seen, :owner, :resolution, :resolved_at, :resolved_by, :resolved_why, :revision)
         ON CONFLICT (id) DO UPDATE SET movement = excluded.movement, payment_id = excluded.payment_id,
            refund_id = excluded.refund_id, transaction_id = excluded.transaction_id, amount = excluded.amount,
            currency = excluded.currency, state = excluded.state, at = excluded.at, our_amount = excluded.our_amount,
            our_currency = excluded.our_currency, our_state = excluded.our_state, first_seen = excluded.first_seen,
            last_seen = excluded.last_seen, owner = excluded.owner, resolution = excluded.resolution,
            resolved_at = excluded.resolved_at, resolved_by = excluded.resolved_by,
            resolved_why = excluded.resolved_why, revision = excluded.revision",
    )?;
    write.execute(named_params! {
        ":id": Text(exception.id),
        ":provider": Name(exception.provider),
        ":kind": Name(exception.kind),
        ":record_id": record.id,
        ":movement": Name(record.movement),
        ":payment_id": record.payment.map(Text),
        ":refund_id": record.refund.map(Text),
        ":transaction_id": record.transaction,
        ":amount": record.amount.map(Money::minor),
        ":currency": record.currency.map(Text),
        ":state": Name(record.state),
        ":at": Micros(record.at),
        ":our_amount": exception.our_amount.map(Money::minor),
        ":our_currency": exception.our_amount.map(|amount| Text(amount.currency())),
        ":our_state": exception.our_state,
        ":first_seen": Micros(exception.first_seen),
        ":last_seen": Micros(exception.last_seen),
        ":owner": exception.owner,
        ":resolution": resolved.map(|resolved| Name(resolved.how)),
        ":resolved_at": resolved.map(|resolved| Micros(resolved.at)),
        ":resolved_by": resolved.map(|resolved| resolved.by.as_str()),
        ":resolved_why": resolved.map(|resolved| resolved.why.as_str()),
        ":revision": Count(exception.revision),
    })?;
    Ok(())
}

const ALL: &str = "SELECT * FROM reconciliation_exceptions INDEXED BY reconciliation_exceptions_by_time
     WHERE (first_seen, id) > (?1, ?2) ORDER BY first_seen, id LIMIT ?3";
const OPEN: &str = "SELECT * FROM reconciliation_exceptions INDEXED BY reconciliation_exceptions_open
     WHERE resolved_at IS NULL AND (first_seen, id) > (?1, ?2) ORDER BY first_seen, id LIMIT ?3";

/// Exceptions, the oldest first.
pub(super) fn page(
    connection: &Connection,
    open: bool,
    after: Option<(Timestamp, ExceptionId)>,
    limit: u32,
) -> Result<Vec<Exception>> {
    let (at, id) = after.map_or((Timestamp::MIN, String::new()), |(at, id)| (at, id.to_string()));
    let mut find = connection.prepare_cached(if open { OPEN } else { ALL })?;
    find.query_map(params![Micros(at), id, limit], read)?.collect()
}

/// The changes of one, the last one first.
pub(super) fn changes(connection: &Connection, id: ExceptionId, limit: u32) -> Result<Vec<ExceptionChange>> {
    let read = |row: &Row<'_>| {
        Ok(ExceptionChange {
            exception: id,
            revision: row.get::<_, Count>("revision")?.0,
            done: row.get::<_, Name<_>>("what")?.0,
            by: row.get("changed_by")?,
            why: row.get("why")?,
            at: row.get::<_, Micros>("changed_at")?.0,
        })
    };
    connection
        .prepare_cached(
            "SELECT revision, what, changed_at, changed_by, why FROM reconciliation_exception_changes
             WHERE exception_id = ?1 ORDER BY revision DESC LIMIT ?2",
        )?
        .query_map(params![Text(id), limit], read)?
        .collect()
}

/// How many are open, by kind.
pub(super) fn standing(connection: &Connection) -> Result<Vec<OpenExceptions>> {
    let mut count = connection.prepare_cached(
        "SELECT kind, count(*), min(first_seen) FROM reconciliation_exceptions INDEXED BY reconciliation_exceptions_open
         WHERE resolved_at IS NULL AND first_seen > ?1 GROUP BY kind",
    )?;
    count
        .query_map([Micros(Timestamp::MIN)], |row| {
            let (kind, count) = (row.get::<_, Name<_>>(0)?.0, row.get::<_, Count>(1)?.0);
            Ok(OpenExceptions { kind, count, oldest: row.get::<_, Micros>(2)?.0 })
        })?
        .collect()
}

fn read(row: &Row<'_>) -> Result<Exception> {
    let currency =
        |column: &str| Ok::<_, rusqlite::Error>(row.get::<_, Option<Text<Currency>>>(column)?.map(|it| it.0));
    let theirs = currency("currency")?;
    Ok(Exception {
        id: row.get::<_, Text<_>>("id")?.0,
        provider: row.get::<_, Name<_>>("provider")?.0,
        kind: row.get::<_, Name<_>>("kind")?.0,
        record: ProviderRecord {
            id: row.get("record_id")?,
            movement: row.get::<_, Name<_>>("movement")?.0,
            payment: row.get::<_, Option<Text<_>>>("payment_id")?.map(|id| id.0),
            refund: row.get::<_, Option<Text<_>>>("refund_id")?.map(|id| id.0),
            transaction: row.get("transaction_id")?,
            amount: money_of(row.get("amount")?, theirs),
            currency: theirs,
            state: row.get::<_, Name<_>>("state")?.0,
            at: row.get::<_, Micros>("at")?.0,
        },
        our_amount: money_of(row.get("our_amount")?, currency("our_currency")?),
        our_state: row.get("our_state")?,
        first_seen: row.get::<_, Micros>("first_seen")?.0,
        last_seen: row.get::<_, Micros>("last_seen")?.0,
        owner: row.get("owner")?,
        resolved: resolved(row)?,
        revision: row.get::<_, Count>("revision")?.0,
    })
}

fn resolved(row: &Row<'_>) -> Result<Option<Resolved>> {
    let Some(how) = row.get::<_, Option<Name<_>>>("resolution")?.map(|how| how.0) else { return Ok(None) };
    let at = row.get::<_, Micros>("resolved_at")?.0;
    Ok(Some(Resolved { how, at, by: row.get("resolved_by")?, why: row.get("resolved_why")? }))
}
