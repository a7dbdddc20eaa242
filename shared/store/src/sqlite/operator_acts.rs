//! The table `operator_acts`: what operators did. A row is inserted once, and told once what came of it.

use async_trait::async_trait;
use rusqlite::{Connection, Result, Row, named_params, params};
use tollgate_domain::{ChangeId, Timestamp};
use tollgate_gateway::ports::{OperatorActs, StoreError, operators::OperatorAct};

use super::{
    SqliteStore,
    columns::{Micros, Text},
};

#[async_trait]
impl OperatorActs for SqliteStore {
    async fn begin_act(&self, act: &OperatorAct) -> std::result::Result<(), StoreError> {
        let act = act.clone();
        self.put("begin_act", move |transaction| begin(transaction, &act)).await
    }

    async fn end_act(&self, id: ChangeId, outcome: &str) -> std::result::Result<(), StoreError> {
        let outcome = outcome.to_owned();
        self.put("end_act", move |transaction| end(transaction, id, &outcome)).await
    }

    async fn acts(
        &self,
        before: Option<(Timestamp, ChangeId)>,
        limit: u32,
    ) -> std::result::Result<Vec<OperatorAct>, StoreError> {
        self.read("acts", "acts", move |connection| page(connection, before, limit)).await
    }
}

pub(super) fn begin(connection: &Connection, act: &OperatorAct) -> Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO operator_acts (id, at, acted_by, why, command, subject, outcome)
         VALUES (:id, :at, :acted_by, :why, :command, :subject, :outcome) ON CONFLICT DO NOTHING",
    )?;
    insert.execute(named_params! {
        ":id": Text(act.id),
        ":at": Micros(act.at),
        ":acted_by": act.by,
        ":why": act.why,
        ":command": act.command,
        ":subject": act.subject,
        ":outcome": act.outcome,
    })?;
    Ok(())
}

pub(super) fn end(connection: &Connection, id: ChangeId, outcome: &str) -> Result<()> {
    connection
        .prepare_cached("UPDATE operator_acts SET outcome = ?2 WHERE id = ?1 AND outcome IS NULL")?
        .execute(params![Text(id), outcome])?;
    Ok(())
}

pub(super) fn page(
    connection: &Connection,
    before: Option<(Timestamp, ChangeId)>,
    limit: u32,
) -> Result<Vec<OperatorAct>> {
    let (at, id) = before.map_or((i64::MAX, String::new()), |(at, id)| (at.as_microsecond(), id.to_string()));
    connection
        .prepare_cached(
            "SELECT id, at, acted_by, why, command, subject, outcome FROM operator_acts INDEXED BY operator_acts_by_time
             WHERE (at, id) < (?1, ?2) ORDER BY at DESC, id DESC LIMIT ?3",
        )?
        .query_map(params![at, id, limit], read)?
        .collect()
}

fn read(row: &Row<'_>) -> Result<OperatorAct> {
    Ok(OperatorAct {
        id: row.get::<_, Text<_>>(0)?.0,
        at: row.get::<_, Micros>(1)?.0,
        by: row.get(2)?,
        why: row.get(3)?,
        command: row.get(4)?,
        subject: row.get(5)?,
        outcome: row.get(6)?,
    })
}
