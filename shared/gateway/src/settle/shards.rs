//! A settlement in shards: each is settled by whoever has its message, within the time that the message may take, and compared with the
//! books by the same. The job publishes the messages, again where one is lost, and does the work itself where nobody else can.
//!
//! How far a shard is, its chunks say; so a message may come twice, late, out of order or never. The settlement ends when every shard is
//! closed and compared: whoever sees that first, the last shard or the job, ends it.
//!
//! Must not know: what is in a chunk.

use std::{collections::BTreeMap, time::Duration};

use futures::{StreamExt, TryStreamExt, stream};
use tollgate_domain::{Settlement, SettlementStatus};

use super::{Ended, Run, verify::Books};
use crate::{
    Context, Error, Gateway, JobRun,
    ports::{
        FailPoint,
        queue::ShardDue,
        settlements::{Checkpoint, Lane, ShardBooks},
    },
};

/// Chunks that are compared before it is written down how far that is.
const COMPARED_TOGETHER: u32 = 32;
/// Shards whose progress is read at a time.
const LOOKED_AT_TOGETHER: usize = 8;

/// What became of a shard's message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShardSettled {
    /// There is nothing left to do for it.
    Done,
    /// Its time was over; a message for the rest is published.
    GoesOn,
    /// Somebody else has the same shard.
    AnotherIsAtIt,
}

/// How far a shard is: its last chunk, and the last that was compared.
type Progress = (u32, u32);

/// How a settlement's shards stand, at one moment.
pub(super) struct Standing {
    /// What was compared.
    pub(super) known: BTreeMap<u32, ShardBooks>,
    /// Those that are not closed, or not compared to their last chunk.
    pub(super) undone: BTreeMap<u32, Progress>,
}

impl Gateway {
    /// Settles the shard that a message is about, for as long as `budget`. What is left then is published again; an error means
    /// that it could not be, and the message has to come again.
    pub async fn settle_shard(&self, due: ShardDue, budget: Duration, context: Context) -> Result<ShardSettled, Error> {
        let gateway = self.clone();
        self.run(async move {
            let mut run = Run::start(gateway, JobRun::scheduled(budget), context);
            let outcome = run.take_shard(due).await;
            let label = match &outcome {
                Ok(ShardSettled::Done) => "done",
                Ok(ShardSettled::GoesOn) => "goes_on",
                Ok(ShardSettled::AnotherIsAtIt) => "another_is_at_it",
                Err(_) => "interrupted",
            };
            metrics::counter!("settlement_shards_total", "outcome" => label).increment(1);
            outcome
        })
        .await
    }
}

impl Run {
    async fn take_shard(&mut self, due: ShardDue) -> Result<ShardSettled, Error> {
        let found = self.bounded(|| self.gateway.ports.stores.settlements.settlement(due.settlement)).await?;
        let settlement = found.ok_or(Error::NotFound)?;
        if settlement.status != SettlementStatus::Running {
            return Ok(ShardSettled::Done);
        }
        if due.shard >= settlement.shards {
            return Err(Error::NotFound);
        }
        match self.shard(&settlement, due.shard).await? {
            Ended::Closed => {
                self.end_if_whole(settlement).await?;
                Ok(ShardSettled::Done)
            }
            Ended::AnotherIsAtIt => Ok(ShardSettled::AnotherIsAtIt),
            Ended::TimeOver => {
                self.gateway.ports.fail_points.pass(FailPoint::BeforeShardGoesOn);
                self.gateway.ports.shards.publish_shards(&[due]).await?;
                Ok(ShardSettled::GoesOn)
            }
        }
    }

    /// Settles a shard, and compares it with the books.
    async fn shard(&mut self, settlement: &Settlement, shard: u32) -> Result<Ended, Error> {
        let ended = self.chunks(settlement, Lane::of_shard(shard)).await?;
        if ended != Ended::Closed {
            return Ok(ended);
        }
        self.gateway.ports.fail_points.pass(FailPoint::BeforeShardCompared);
        let known = self.known_books(settlement).await?.remove(&shard);
        self.compare(known.unwrap_or(ShardBooks::none(settlement.id, shard))).await
    }

    /// Compares what was not yet.
    async fn compare(&self, mut known: ShardBooks) -> Result<Ended, Error> {
        let (settlement, shard) = (known.settlement, known.shard);
        let (last, _) = self.progress(settlement, Lane::of_shard(shard)).await?;
        while known.verified < last {
            if self.is_over() {
                return Ok(Ended::TimeOver);
            }
            let verified = last.min(known.verified + COMPARED_TOGETHER);
            let numbers = known.verified + 1..=verified;
            let Books { counts, totals, wrong } = self.books(settlement, numbers, Books::of_shard(known)).await?;
            known = ShardBooks { settlement, shard, verified, counts, totals: totals.into_vec(), wrong };
            self.bounded(|| self.gateway.ports.stores.settlement_shards.put_shard_books(&known)).await?;
        }
        Ok(Ended::Closed)
    }

    /// Those shards that did not agree are compared from their first chunk on: the ledger may have been set right since. What an earlier
    /// run of this left half compared is compared to its end.
    pub(super) async fn compare_anew(&self, settlement: &Settlement) -> Result<(), Error> {
        for (shard, known) in self.known_books(settlement).await? {
            let known = if known.wrong.is_some() { ShardBooks::none(settlement.id, shard) } else { known };
            if self.compare(known).await? != Ended::Closed {
                break;
            }
        }
        Ok(())
    }

    /// Has every shard settled. `false`: the time was over before.
    pub(super) async fn in_shards(&mut self, settlement: &Settlement) -> Result<bool, Error> {
        if self.chunks(settlement, Lane::MAIN).await? != Ended::Closed {
            return Ok(false);
        }
        // When each that is not done was last published, and how far it was then.
        let mut published: BTreeMap<u32, (Progress, Duration)> = BTreeMap::new();
        loop {
            let Standing { undone, .. } = self.standing(settlement).await?;
            if undone.is_empty() {
                return Ok(true);
            }
            let now = self.gateway.ports.time.monotonic();
            let again = self.gateway.settings.settlement_again;
            let mut silent = Vec::new();
            for (shard, progress) in &undone {
                match published.get_mut(shard) {
                    Some((before, since)) if before != progress => (*before, *since) = (*progress, now),
                    Some((_, since)) if now.saturating_sub(*since) < again => {}
                    _ => silent.push(*shard),
                }
            }
            if !silent.is_empty() && self.publish_shards(settlement, &silent).await {
                for shard in silent {
                    published.insert(shard, (undone[&shard], now));
                }
            } else if !silent.is_empty() {
                // Nobody else can: this run does it itself, one after the other.
                for shard in silent {
                    if self.shard(settlement, shard).await? == Ended::TimeOver {
                        return Ok(false);
                    }
                }
                continue;
            }
            // Published they are, even by a run that has no time left.
            if self.is_over() {
                return Ok(false);
            }
            self.gateway.ports.time.sleep(self.gateway.settings.settlement_look).await;
        }
    }

    async fn publish_shards(&self, settlement: &Settlement, shards: &[u32]) -> bool {
        let due: Vec<_> = shards.iter().map(|shard| ShardDue { settlement: settlement.id, shard: *shard }).collect();
        self.gateway.ports.fail_points.pass(FailPoint::BeforeShards);
        let published = self.gateway.ports.shards.publish_shards(&due).await;
        if let Err(error) = &published {
            tracing::warn!(settlement = %settlement.id, %error, "shards cannot be published; this run settles them itself");
        } else {
            tracing::info!(settlement = %settlement.id, shards = due.len(), "shards are published");
        }
        published.is_ok()
    }

    /// Ends the settlement if nothing is missing.
    async fn end_if_whole(&self, settlement: Settlement) -> Result<(), Error> {
        let (_, main) = self.progress(settlement.id, Lane::MAIN).await?;
        if main == Checkpoint::Closed && self.standing(&settlement).await?.undone.is_empty() {
            self.end(settlement).await?;
        }
        Ok(())
    }

    /// How the shards stand; one that is not split has none.
    pub(super) async fn standing(&self, settlement: &Settlement) -> Result<Standing, Error> {
        let known = self.known_books(settlement).await?;
        let lanes = stream::iter(0..settlement.shards).map(|shard| async move {
            let progress = self.progress(settlement.id, Lane::of_shard(shard)).await?;
            Ok::<_, Error>((shard, progress))
        });
        let lanes: Vec<_> = lanes.buffered(LOOKED_AT_TOGETHER).try_collect().await?;
        let verified = |shard| known.get(&shard).map_or(Lane::of_shard(shard).before(), |books| books.verified);
        let undone = lanes
            .into_iter()
            .filter(|(shard, (last, checkpoint))| *checkpoint != Checkpoint::Closed || verified(*shard) < *last)
            .map(|(shard, (last, _))| (shard, (last, verified(shard))))
            .collect();
        Ok(Standing { known, undone })
    }

    async fn known_books(&self, settlement: &Settlement) -> Result<BTreeMap<u32, ShardBooks>, Error> {
        let shards = &self.gateway.ports.stores.settlement_shards;
        let known = self.bounded(|| shards.shard_books(settlement.id)).await?;
        Ok(known.into_iter().map(|books| (books.shard, books)).collect())
    }
}
