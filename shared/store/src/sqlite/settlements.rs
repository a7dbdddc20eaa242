//! The table `settlements`: one row per date.

use rusqlite::{Connection, OptionalExtension, Result, Row, named_params, params};
use tollgate_domain::{
    Date, Settlement, SettlementDay, SettlementId,
    settlement::{SettlementCounts, Totals},
};

use super::columns::{Count, FromJson, Micros, Name, Text, ToJson};

/// One settlement.
pub(super) fn find(connection: &Connection, id: SettlementId) -> Result<Option<Settlement>> {
    connection.prepare_cached("SELECT * FROM settlements WHERE id = ?1")?.query_row([Text(id)], read).optional()
}

/// The latest of `date` or before.
pub(super) fn latest(connection: &Connection, date: Date) -> Result<Option<Settlement>> {
    connection
        .prepare_cached("SELECT * FROM settlements WHERE date <= ?1 ORDER BY date DESC LIMIT 1")?
        .query_row([Text(date)], read)
        .optional()
}

/// The one that is being made.
pub(super) fn unfinished(connection: &Connection) -> Result<Option<Settlement>> {
    connection
        .prepare_cached(
            "SELECT * FROM settlements INDEXED BY settlements_running WHERE status = 'RUNNING' ORDER BY date LIMIT 1",
        )?
        .query_row([], read)
        .optional()
}

/// Writes the first revision where it follows on the latest settlement, any other where it follows on the one before.
/// `false`: it does not.
pub(super) fn put(connection: &Connection, settlement: &Settlement) -> Result<bool> {
    if settlement.revision > 1 {
        return update(connection, settlement);
    }
    let latest = connection
        .prepare_cached("SELECT id, date FROM settlements WHERE date > '' ORDER BY date DESC LIMIT 1")?
        .query_row([], |row| Ok((row.get::<_, Text<SettlementId>>(0)?.0, row.get::<_, Text<Date>>(1)?.0)))
        .optional()?;
    let follows =
        settlement.previous == latest.map(|(id, _)| id) && latest.is_none_or(|(_, date)| date < settlement.day.date());
    if follows {
        insert(connection, settlement)?;
    }
    Ok(follows)
}

fn insert(connection: &Connection, settlement: &Settlement) -> Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO settlements (id, date, cutoff, previous_id, status, started_at, ended_at, resumed, payments, refunds,
            refunds_returned, carried_over, set_aside, dropped, totals, failure, revision, shards)
         VALUES (:id, :date, :cutoff, :previous_id, :status, :started_at, :ended_at, :resumed, :payments, :refunds,
            :refunds_returned, :carried_over, :set_aside, :dropped, :totals, :failure, :revision, :shards)",
    )?;
    insert.execute(named_params! {
        ":id": Text(settlement.id),
        ":date": Text(settlement.day.date()),
        ":cutoff": Micros(settlement.day.cutoff()),
        ":previous_id": settlement.previous.map(Text),
        ":status": Name(settlement.status),
        ":started_at": Micros(settlement.started_at),
        ":ended_at": settlement.ended_at.map(Micros),
        ":resumed": settlement.resumed,
        ":payments": Count(settlement.counts.payments),
        ":refunds": Count(settlement.counts.refunds),
        ":refunds_returned": Count(settlement.counts.refunds_returned),
        ":carried_over": Count(settlement.counts.carried_over),
        ":set_aside": Count(settlement.counts.set_aside),
        ":dropped": Count(settlement.counts.dropped),
        ":totals": ToJson(&settlement.totals),
        ":failure": settlement.failure,
        ":revision": Count(settlement.revision),
        ":shards": settlement.shards,
    })?;
    Ok(())
}

fn update(connection: &Connection, settlement: &Settlement) -> Result<bool> {
    let mut update = connection.prepare_cached(
        "UPDATE settlements SET status = :status, ended_at = :ended_at, resumed = :resumed, payments = :payments,
            refunds = :refunds, refunds_returned = :refunds_returned, carried_over = :carried_over,
            set_aside = :set_aside, dropped = :dropped, totals = :totals, failure = :failure, revision = :revision
         WHERE id = :id AND revision = :revision - 1",
    )?;
    let rows = update.execute(named_params! {
        ":id": Text(settlement.id),
        ":status": Name(settlement.status),
        ":ended_at": settlement.ended_at.map(Micros),
        ":resumed": settlement.resumed,
        ":payments": Count(settlement.counts.payments),
        ":refunds": Count(settlement.counts.refunds),
        ":refunds_returned": Count(settlement.counts.refunds_returned),
        ":carried_over": Count(settlement.counts.carried_over),
        ":set_aside": Count(settlement.counts.set_aside),
        ":dropped": Count(settlement.counts.dropped),
        ":totals": ToJson(&settlement.totals),
        ":failure": settlement.failure,
        ":revision": Count(settlement.revision),
    })?;
    Ok(rows == 1)
}

/// What merchants get, chunk by chunk: the sum for one merchant, per currency.
pub(super) fn merchant_totals(
    connection: &Connection,
    id: SettlementId,
    merchant: tollgate_domain::MerchantId,
) -> Result<Vec<Totals>> {
    let mut sum = connection.prepare_cached(
        "SELECT currency, sum(payments) AS payments, sum(gross) AS gross, sum(fees) AS fees, sum(refunds) AS refunds,
            sum(refunds_returned) AS refunds_returned, sum(carried_over) AS carried_over, sum(net) AS net
         FROM settlement_totals WHERE settlement_id = ?1 AND merchant_id = ?2 GROUP BY currency",
    )?;
    sum.query_map(params![Text(id), Text(merchant)], totals)?.collect()
}

/// The totals in a row.
pub(super) fn totals(row: &Row<'_>) -> Result<Totals> {
    Ok(Totals {
        currency: row.get::<_, Text<_>>("currency")?.0,
        payments: row.get::<_, Count>("payments")?.0,
        gross: row.get("gross")?,
        fees: row.get("fees")?,
        refunds: row.get("refunds")?,
        refunds_returned: row.get("refunds_returned")?,
        carried_over: row.get("carried_over")?,
        net: row.get("net")?,
    })
}

/// The counts in a row.
pub(super) fn counts(row: &Row<'_>) -> Result<SettlementCounts> {
    Ok(SettlementCounts {
        payments: row.get::<_, Count>("payments")?.0,
        refunds: row.get::<_, Count>("refunds")?.0,
        refunds_returned: row.get::<_, Count>("refunds_returned")?.0,
        carried_over: row.get::<_, Count>("carried_over")?.0,
        set_aside: row.get::<_, Count>("set_aside")?.0,
        dropped: row.get::<_, Count>("dropped")?.0,
    })
}

fn read(row: &Row<'_>) -> Result<Settlement> {
    Ok(Settlement {
        id: row.get::<_, Text<_>>("id")?.0,
        day: SettlementDay::on(row.get::<_, Text<_>>("date")?.0),
        previous: row.get::<_, Option<Text<_>>>("previous_id")?.map(|id| id.0),
        shards: row.get("shards")?,
        status: row.get::<_, Name<_>>("status")?.0,
        started_at: row.get::<_, Micros>("started_at")?.0,
        ended_at: row.get::<_, Option<Micros>>("ended_at")?.map(|at| at.0),
        resumed: row.get("resumed")?,
        counts: counts(row)?,
        totals: row.get::<_, FromJson<_>>("totals")?.0,
        failure: row.get("failure")?,
        revision: row.get::<_, Count>("revision")?.0,
    })
}
