//! The end of a settlement: the books are compared, chunk by chunk, and then it is completed, or failed with a reason.

use futures::{StreamExt, TryStreamExt, stream};
use tollgate_domain::{
    Settlement, SettlementId, SettlementStatus,
    settlement::{LedgerSums, SettlementCounts, Totals, TotalsByCurrency},
};

use super::Run;
use crate::{
    Error,
    idempotency::RACES,
    ports::{FailPoint, settlements::ChunkSums},
};

/// Chunks that are read at a time.
const AT_A_TIME: usize = 2;

/// What the books say of a whole settlement.
#[derive(Default)]
struct Books {
    counts: SettlementCounts,
    totals: TotalsByCurrency,
    /// The first disagreement that was found.
    wrong: Option<String>,
}

impl Run {
    /// Compares the books of `settlement`, in which everything is, and ends it. Its time is not bounded by the run's:
    /// it reads what was written, once.
    pub(super) async fn end(&self, mut settlement: Settlement) -> Result<Settlement, Error> {
        let books = self.books(settlement.id).await?;
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

    async fn books(&self, id: SettlementId) -> Result<Books, Error> {
        let (last, _) = self.progress(id).await?;
        let chunks = &self.gateway.ports.stores.settlement_chunks;
        let sums = stream::iter(1..=last).map(|number| async move {
            let sums = self.bounded(|| chunks.chunk_sums(id, number)).await?;
            Ok::<_, Error>((number, sums))
        });
        sums.buffered(AT_A_TIME)
            .try_fold(Books::default(), |mut books, (number, sums)| async move {
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
