//! The table `operator_acts`: what operators did. A row is inserted once, and told once what came of it.

use async_trait::async_trait;
use google_cloud_spanner::key::KeyRange;
use tollgate_domain::{ChangeId, Timestamp};
use tollgate_gateway::ports::{OperatorActs, StoreError, operators::OperatorAct};

use crate::{
    SpannerStore,
    cells::{Row, maybe, text, time},
    error::Result,
    reading::{Locked, Reader},
    rows::{Source, Write, key, keys},
    transactions::{Decided, Decision},
};

static ACTS: Source = Source {
    table: "operator_acts",
    index: None,
    columns: &["act_id", "acted_at", "acted_by", "why", "command", "subject", "outcome"],
};
static BY_TIME: Source =
    Source { table: "operator_acts", index: Some("operator_acts_by_time"), columns: &["acted_at", "act_id"] };

#[async_trait]
impl OperatorActs for SpannerStore {
    async fn begin_act(&self, act: &OperatorAct) -> std::result::Result<(), StoreError> {
        self.measured("begin_act", act.id, self.transact("tollgate:begin_act", Begin(act.clone()))).await
    }

    async fn end_act(&self, id: ChangeId, outcome: &str) -> std::result::Result<(), StoreError> {
        let end = End { id, outcome: outcome.to_owned() };
        self.measured("end_act", id, self.transact("tollgate:end_act", end)).await
    }

    async fn acts(
        &self,
        before: Option<(Timestamp, ChangeId)>,
        limit: u32,
    ) -> std::result::Result<Vec<OperatorAct>, StoreError> {
        let work = async {
            // A limit of nothing would be none at all.
            if limit == 0 {
                return Ok(Vec::new());
            }
            let range = match before {
                None => KeyRange::closed_closed(key([]), key([])),
                // The index is in the order of the last one first.
                Some((at, id)) => KeyRange::open_closed(key([time(at), text(id)]), key([])),
            };
            let snapshot = self.snapshot("tollgate:acts").await?;
            let places = snapshot.rows(BY_TIME.read(range).limit(limit)).await?;
            let ids = places.iter().map(|row| row.text("act_id")).collect::<Result<Vec<ChangeId>>>()?;
            if ids.is_empty() {
                return Ok(Vec::new());
            }
            let asked = ACTS.read(keys(ids.iter().map(|id| key([text(*id)]))));
            let mut found = snapshot.rows(asked).await?.iter().map(read).collect::<Result<Vec<_>>>()?;
            found.sort_by_key(|act| std::cmp::Reverse((act.at, act.id)));
            Ok(found)
        };
        self.measured("acts", "acts", work).await
    }
}

struct Begin(OperatorAct);

#[async_trait]
impl Decision for Begin {
    type Answer = ();

    async fn decide(&self, locked: &Locked) -> Result<Decided<()>> {
        let Self(act) = self;
        if locked.row(ACTS.read(key([text(act.id)]))).await?.is_some() {
            return Ok(Decided::nothing(()));
        }
        let insert = Write::insert("operator_acts")
            .set("act_id", text(act.id))
            .set("acted_at", time(act.at))
            .set("acted_by", text(&act.by))
            .set("why", maybe(act.why.as_ref().map(text)))
            .set("command", text(&act.command))
            .set("subject", text(&act.subject))
            .set("outcome", maybe(act.outcome.as_ref().map(text)));
        Ok(Decided { answer: (), writes: vec![insert.build()] })
    }
}

struct End {
    id: ChangeId,
    outcome: String,
}

#[async_trait]
impl Decision for End {
    type Answer = ();

    async fn decide(&self, locked: &Locked) -> Result<Decided<()>> {
        let present = locked.row(ACTS.read(key([text(self.id)]))).await?;
        if present.map(|row| read(&row)).transpose()?.is_none_or(|act| act.outcome.is_some()) {
            return Ok(Decided::nothing(()));
        }
        let update = Write::update("operator_acts").set("act_id", text(self.id)).set("outcome", text(&self.outcome));
        Ok(Decided { answer: (), writes: vec![update.build()] })
    }
}

fn read(row: &Row) -> Result<OperatorAct> {
    Ok(OperatorAct {
        id: row.text("act_id")?,
        at: row.time("acted_at")?,
        by: row.string("acted_by")?,
        why: row.maybe_string("why")?,
        command: row.string("command")?,
        subject: row.string("subject")?,
        outcome: row.maybe_string("outcome")?,
    })
}
