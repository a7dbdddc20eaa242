//! What jobs have to look at next: reads of `payments` by the indexes that hold what is due and nothing else.

use std::collections::BTreeMap;

use async_trait::async_trait;
use google_cloud_spanner::key::{KeyRange, KeySet};
use tollgate_domain::{PaymentId, PaymentStatus, Timestamp};
use tollgate_gateway::ports::agenda::{Agendum, NextDue, Standing};

use crate::{
    cells::{Row, int, maybe, text, time},
    deliveries,
    error::Result,
    merged::merged,
    reading::{Locked, Reader, Snapshot},
    rows::{Source, Write, key, prefix, ranges},
    shards::SHARDS,
    transactions::{Decided, Decision},
};

static STUCK: Source =
    Source { table: "payments", index: Some("payments_due"), columns: &["due_at", "payment_id", "status"] };
static TRUTH: Source =
    Source { table: "payments", index: Some("payments_truth"), columns: &["truth_at", "payment_id"] };
static IN_REVIEW: Source = Source { table: "payments", index: Some("payments_in_review"), columns: &["payment_id"] };
static VERSIONS: Source = Source { table: "payments", index: None, columns: &["version"] };

/// More than so many are not counted: a gauge that says so many has said enough.
const COUNTED_AT_MOST: u32 = 100_000;

/// The index of an agenda, and its column of times.
fn source(what: Agendum) -> (&'static Source, &'static str) {
    match what {
        Agendum::Stuck => (&STUCK, "due_at"),
        Agendum::Truth => (&TRUTH, "truth_at"),
    }
}

/// What is due, the longest overdue first.
pub(crate) async fn due(
    snapshot: &Snapshot<'_>,
    what: Agendum,
    now: Timestamp,
    after: Option<(Timestamp, PaymentId)>,
    limit: u32,
) -> Result<Vec<(Timestamp, PaymentId)>> {
    if after.is_some_and(|(at, _)| at > now) {
        return Ok(Vec::new());
    }
    let (source, column) = source(what);
    let asked = |shard: i64, after: Option<&(Timestamp, PaymentId)>| {
        let until = key([int(shard), time(now)]);
        source.read(match after {
            None => KeyRange::closed_closed(key([int(shard)]), until),
            Some((at, id)) => KeyRange::open_closed(key([int(shard), time(*at), text(*id)]), until),
        })
    };
    let place = |row: &Row| Ok((row.time(column)?, row.text("payment_id")?));
    let found = merged(snapshot, 0..SHARDS, after, limit, asked, place).await?;
    Ok(found.into_iter().map(|(place, _)| place).collect())
}

/// Puts a payment off where it is still in that version.
pub(crate) struct Postpone {
    pub(crate) what: Agendum,
    pub(crate) payment: PaymentId,
    pub(crate) version: u64,
    pub(crate) at: Option<Timestamp>,
}

#[async_trait]
impl Decision for Postpone {
    type Answer = ();

    async fn decide(&self, locked: &Locked) -> Result<Decided<()>> {
        let present = locked.row(VERSIONS.read(key([text(self.payment)]))).await?;
        if present.map(|row| row.int::<u64>("version")).transpose()? != Some(self.version) {
            return Ok(Decided::nothing(()));
        }
        let (_, column) = source(self.what);
        let write = Write::update("payments").set("payment_id", text(self.payment));
        Ok(Decided { answer: (), writes: vec![write.set(column, maybe(self.at.map(time))).build()] })
    }
}

/// When something is due next.
pub(crate) async fn next_due(snapshot: &Snapshot<'_>) -> Result<NextDue> {
    let first = async |what| {
        let (source, column) = source(what);
        first_time(snapshot, |shard| source.read(prefix([int(shard)])), |row| row.time(column)).await
    };
    Ok(NextDue {
        delivery: first_time(snapshot, deliveries::due_in_shard, deliveries::due_time).await?,
        stuck: first(Agendum::Stuck).await?,
        truth: first(Agendum::Truth).await?,
    })
}

/// Since when the delivery that has been due longest is due: one row of each shard, by the index, at once.
pub(crate) async fn oldest_delivery(snapshot: &Snapshot<'_>, now: Timestamp) -> Result<Option<Timestamp>> {
    let first = first_time(snapshot, deliveries::due_in_shard, deliveries::due_time).await?;
    Ok(first.filter(|first| *first <= now))
}

async fn first_time(
    snapshot: &Snapshot<'_>,
    asked: impl Fn(i64) -> crate::rows::Asked,
    time_of: impl Fn(&Row) -> Result<Timestamp>,
) -> Result<Option<Timestamp>> {
    let found = snapshot.all((0..SHARDS).map(|shard| asked(shard).limit(1)).collect()).await?;
    let times = found.iter().flatten().map(time_of).collect::<Result<Vec<_>>>()?;
    Ok(times.into_iter().min())
}

/// How many payments are past their time, and how many need review.
pub(crate) async fn standing(snapshot: &Snapshot<'_>, now: Timestamp) -> Result<Standing> {
    let past =
        ranges((0..SHARDS).map(|shard| KeyRange::closed_closed(key([int(shard)]), key([int(shard), time(now)]))));
    let asked = vec![STUCK.read(past).limit(COUNTED_AT_MOST), IN_REVIEW.read(KeySet::all()).limit(COUNTED_AT_MOST)];
    let mut found = snapshot.all(asked).await?;
    let need_review = found.pop().unwrap_or_default().len() as u64;
    let mut stuck: BTreeMap<&'static str, (PaymentStatus, u64)> = BTreeMap::new();
    for row in found.pop().unwrap_or_default() {
        let status: PaymentStatus = row.name("status")?;
        stuck.entry(status.as_str()).or_insert((status, 0)).1 += 1;
    }
    Ok(Standing { stuck: stuck.into_values().collect(), need_review })
}
