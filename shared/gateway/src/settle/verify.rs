//! The end of a settlement: the books are compared, chunk by chunk, and then it is completed, or failed with a reason.

use std::ops::RangeInclusive;

use futures::{StreamExt, TryStreamExt, stream};
use tollgate_domain::{
    Settlement, SettlementId, SettlementStatus,
    settlement::{LedgerSums, SettlementCounts, Totals, TotalsByCurrency},
};

use super::Run;
use crate::{
    Error,
    idempotency::RACES,
    ports::{
        FailPoint,
        settlements::{ChunkSums, Lane, ShardBooks},
    },
};

/// Chunks that are read at a time.
const AT_A_TIME: usize = 2;

/// What the books say of chunks.
#[derive(Default)]
pub(super) struct Books {
    pub(super) counts: SettlementCounts,
    pub(super) totals: TotalsByCurrency,
    /// The first disagreement that was found.
    pub(super) wrong: Option<String>,
}

impl Run {
    /// Compares the books of `settlement`, in which everything is, and ends it. Its time is not bounded by the run's:
    /// it reads what was written, once.
    ///
    /// A settlement of which a shard turns out not to be done stays as it is.
    pub(super) async fn end(&self, mut settlement: Settlement) -> Result<Settlement, Error> {
        let Some(books) = self.all_books(&settlement).await? else { return Ok(settlement) };
        let (counts, totals) = (books.counts, books.totals.into_vec());
        self.gateway.ports.fail_points.pass(FailPoint::BeforeFinish);
        for _ in 0..RACES {
            if settlement.status == SettlementStatus::Completed {
                return Ok(settlement);
            }
            let ended = settlement.ended(counts, totals.clone(), books.wrong.clone(), self.gateway.now());
            if settlement.status == ended.status && settlement.failure == ended.failure {
                // It had failed before, and for the same reason: there is nothing new to write.
                tell(&settlement);
                return Ok(settlement);
            }
            if self.put(&ended).await? {
                measure(&ended);
                tell(&ended);
                return Ok(ended);
            }
            // Another run ended it, or has taken it up.
            let found = self.bounded(|| self.gateway.ports.stores.settlements.settlement(settlement.id)).await?;
            settlement = found.ok_or(Error::Internal)?;
        }
        Err(Error::Internal)
    }

    /// Those of the main lane, read here, and those of the shards, which whoever settled one has read. `None`: one has not been read to
    /// its end.
    async fn all_books(&self, settlement: &Settlement) -> Result<Option<Books>, Error> {
        let (last, _) = self.progress(settlement.id, Lane::MAIN).await?;
        let mut all = self.books(settlement.id, 1..=last, Books::default()).await?;
        let standing = self.standing(settlement).await?;
        if !standing.undone.is_empty() {
            return Ok(None);
        }
        standing.known.into_values().for_each(|shard| all.add_shard(shard));
        Ok(Some(all))
    }

    /// `books` with what those of the chunks of these numbers say.
    pub(super) async fn books(
        &self,
        id: SettlementId,
        numbers: RangeInclusive<u32>,
        books: Books,
    ) -> Result<Books, Error> {
        let chunks = &self.gateway.ports.stores.settlement_chunks;
        let sums = stream::iter(numbers).map(|number| async move {
            let sums = self.bounded(|| chunks.chunk_sums(id, number)).await?;
            Ok::<_, Error>((number, sums))
        });
        sums.buffered(AT_A_TIME)
            .try_fold(books, |mut books, (number, sums)| async move {
                if let Some(wrong) = books.add(sums.as_ref()) {
                    tracing::error!(settlement = %id, chunk = number, wrong, "the books of a settlement disagree");
                    books.wrong.get_or_insert(format!("chunk {number}: {wrong}"));
                }
                Ok(books)
            })
            .await
    }
}

impl Books {
    /// What is known of a shard.
    pub(super) fn of_shard(shard: ShardBooks) -> Self {
        let mut books = Self::default();
        books.add_shard(shard);
        books
    }

    fn add_shard(&mut self, shard: ShardBooks) {
        self.counts.add(&shard.counts);
        let mut wrong = shard.wrong;
        for totals in &shard.totals {
            if self.totals.add(totals).is_err() {
                wrong.get_or_insert(format!("shard {}: the totals are out of range", shard.shard));
            }
        }
        if self.wrong.is_none() {
            self.wrong = wrong;
        }
    }

    /// Adds a chunk. `Some`: its books disagree, and how.
    fn add(&mut self, sums: Option<&ChunkSums>) -> Option<String> {
        let Some(sums) = sums else { return Some("it is missing".to_owned()) };
        self.counts.add(&sums.counts);
        for totals in &sums.totals {
            if self.totals.add(totals).is_err() {
                return Some("the totals are out of range".to_owned());
            }
        }
        let payments: u64 = sums.lines.iter().map(|totals| totals.payments).sum();
        if payments != sums.counts.payments {
            return Some(format!("it counts {} payments, and has lines of {payments}", sums.counts.payments));
        }
        if sums.totals != sums.lines {
            return Some(format!("its totals are not those of its lines: {}", difference(&sums.totals, &sums.lines)));
        }
        LedgerSums::disagreement(&sums.ledger, &sums.lines)
    }
}

fn difference(totals: &[Totals], lines: &[Totals]) -> String {
    let net = |all: &[Totals]| -> Vec<String> {
        all.iter().map(|totals| format!("net {} {}", totals.net, totals.currency)).collect()
    };
    format!("{} and {}", net(totals).join(", "), net(lines).join(", "))
}

/// Shows how long a settlement took from its first run to its last, however many there were, and how long after its cut-off it was done.
fn measure(settlement: &Settlement) {
    if settlement.status == SettlementStatus::Completed
        && let Some(ended) = settlement.ended_at
    {
        let took = ended.duration_since(settlement.started_at).as_secs_f64();
        metrics::histogram!("settlement_duration_seconds").record(took.max(0.0));
        let late = ended.duration_since(settlement.day.cutoff()).as_secs_f64();
        metrics::histogram!("settlement_age_seconds").record(late.max(0.0));
    }
}

fn tell(settlement: &Settlement) {
    let (id, date, counts) = (settlement.id, settlement.day.date(), settlement.counts);
    if let Some(failure) = &settlement.failure {
        tracing::error!(
            event = "settlement_failed",
            settlement = %id,
            %date,
            failure,
            "the ledger does not agree with the settlement; a person has to look"
        );
    } else {
        tracing::info!(
            settlement = %id,
            %date,
            payments = counts.payments,
            refunds = counts.refunds,
            set_aside = counts.set_aside,
            dropped = counts.dropped,
            "a settlement is completed"
        );
    }
}
