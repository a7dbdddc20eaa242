//! The commit of a chunk: again where its answer was lost, without what had changed meanwhile, and never twice.

use std::{collections::HashSet, time::Duration};

use tollgate_domain::{
    PaymentId, SettlementId,
    settlement::{SettlementCounts, Totals},
};

use super::{
    CHUNK_WITHIN, Run,
    build::{Draft, MerchantTotals},
};
use crate::{
    Error,
    ports::{
        StoreError,
        settlements::{Checkpoint, Chunk, ChunkCommitted},
    },
};

/// Events of a chunk that are published when it is committed; the events of a larger one are left to become due by
/// themselves, a minute later. A batch of a million would otherwise be in the queue before the payments of the day.
const PUBLISHED_AT_MOST: usize = 100;
/// First wait before a commit whose answer was lost is sent again; doubled each time.
const RESEND_AFTER: Duration = Duration::from_millis(100);

impl Run {
    /// Commits `draft` as chunk `number`. `None`: another run has committed one of that number.
    pub(super) async fn commit_draft(
        &self,
        settlement: SettlementId,
        number: u32,
        checkpoint: Checkpoint,
        mut draft: Draft,
    ) -> Result<Option<Chunk>, Error> {
        loop {
            let chunk = self.chunk(settlement, number, checkpoint, draft)?;
            match self.send(&chunk).await? {
                ChunkCommitted::Done => {
                    self.gateway.publish(chunk.sets.iter(), PUBLISHED_AT_MOST);
                    self.gateway.renew_statuses(&chunk.sets, chunk.at);
                    return Ok(Some(chunk));
                }
                ChunkCommitted::Taken => return Ok(None),
                ChunkCommitted::Changed(payments) => {
                    let before = chunk.sets.len();
                    draft = without(chunk, &payments);
                    // Each time at least one drops out, so this ends.
                    if draft.sets.len() == before {
                        return Err(Error::Internal);
                    }
                }
            }
        }
    }

    fn chunk(
        &self,
        settlement: SettlementId,
        number: u32,
        checkpoint: Checkpoint,
        draft: Draft,
    ) -> Result<Chunk, Error> {
        let mut totals = MerchantTotals::new();
        let mut counts = SettlementCounts {
            set_aside: draft.set_aside.len() as u64,
            dropped: draft.dropped,
            ..SettlementCounts::default()
        };
        for line in &draft.lines {
            counts.count(line.kind);
            let of = totals.entry((line.merchant, line.currency)).or_insert(Totals::none(line.currency));
            // A thousand amounts fit: out of range is a defect.
            *of = of.with(line).map_err(|_| Error::Internal)?;
        }
        Ok(Chunk {
            settlement,
            number,
            change_id: self.gateway.change_id(),
            sets: draft.sets,
            lines: draft.lines,
            totals: totals.into_iter().map(|((merchant, _), totals)| (merchant, totals)).collect(),
            set_aside: draft.set_aside,
            counts,
            checkpoint,
            at: self.gateway.now(),
        })
    }

    /// Sends the very same chunk again while the answer is lost (rule 14).
    async fn send(&self, chunk: &Chunk) -> Result<ChunkCommitted, Error> {
        let time = self.gateway.ports.time.as_ref();
        let (started, mut wait) = (time.monotonic(), RESEND_AFTER);
        loop {
            match self.once(self.gateway.ports.stores.settlement_chunks.commit_chunk(chunk)).await {
                Err(Error::Store(StoreError::Unavailable(reason)))
                    if time.monotonic().saturating_sub(started) < CHUNK_WITHIN =>
                {
                    tracing::warn!(reason, chunk = chunk.number, "a chunk was not confirmed; it is sent again");
                    time.sleep(wait).await;
                    wait *= 2;
                }
                result => return result,
            }
        }
    }

    /// Counts what a chunk brought.
    pub(super) fn record(&mut self, chunk: &Chunk) {
        let counts = &chunk.counts;
        let mut tell = |outcome: &'static str, records: u64| {
            if records > 0 {
                metrics::counter!("settlement_records_total", "outcome" => outcome).increment(records);
                *self.report.did.entry(outcome).or_default() += records;
            }
        };
        tell("settled", counts.payments);
        tell("refund", counts.refunds);
        tell("refund_returned", counts.refunds_returned);
        tell("carried_over", counts.carried_over);
        if counts.dropped > 0 {
            metrics::counter!("settlement_records_total", "outcome" => "dropped").increment(counts.dropped);
            *self.report.could_not.entry("changed_meanwhile").or_default() += counts.dropped;
        }
        for one in &chunk.set_aside {
            metrics::counter!("settlement_records_total", "outcome" => "set_aside").increment(1);
            self.report.could_not(one.reason);
        }
    }
}

/// What is left of `chunk` without everything about `payments`.
fn without(chunk: Chunk, payments: &[PaymentId]) -> Draft {
    let gone: HashSet<PaymentId> = payments.iter().copied().collect();
    let Chunk { mut sets, mut lines, set_aside, counts, .. } = chunk;
    let before = lines.len();
    sets.retain(|set| set.payment.as_ref().is_none_or(|change| !gone.contains(&change.payment.id)));
    lines.retain(|line| line.payment.is_none_or(|(payment, _)| !gone.contains(&payment)));
    let dropped = counts.dropped + (before - lines.len()) as u64;
    Draft { sets, lines, set_aside, dropped }
}
