//! A settlement held against its lines and the ledger by somebody who asks: every chunk is read, and nothing is written.

use std::time::Duration;

use tollgate_domain::{
    Settlement, SettlementStatus,
    settlement::{SettlementCounts, Totals},
};

use super::{Run, verify::Books};
use crate::{Context, Error, Gateway, JobRun, ports::settlements::Lane};

/// How long the store may be away meanwhile.
const PATIENCE: Duration = Duration::from_secs(60);
/// Chunks that are compared before it is said how far that is.
const COMPARED_TOGETHER: u32 = 16;

/// What the books say of a settlement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettlementCheck {
    /// How many chunks there are.
    pub chunks: u64,
    /// How much is in them.
    pub counts: SettlementCounts,
    /// What they come to, per currency.
    pub totals: Vec<Totals>,
    /// The first disagreement: between the chunks, their lines and the ledger, or with the settlement's own record.
    pub wrong: Option<String>,
}

impl Gateway {
    /// Reads all of `settlement` and compares it; `progress` is told how many chunks of how many are done.
    pub async fn check_settlement(
        &self,
        settlement: &Settlement,
        progress: impl Fn(u64, u64) + Send + Sync,
    ) -> Result<SettlementCheck, Error> {
        let context = Context { correlation_id: format!("check-{}", settlement.id) };
        let run = Run::start(self.clone(), JobRun::scheduled(PATIENCE), context);
        let mut lanes = Vec::new();
        for lane in std::iter::once(Lane::MAIN).chain((0..settlement.shards).map(Lane::of_shard)) {
            lanes.push((lane, run.progress(settlement.id, lane).await?.0));
        }
        let chunks = lanes.iter().map(|(lane, last)| u64::from(last - lane.before())).sum();
        let (mut books, mut done) = (Books::default(), 0);
        for (lane, last) in lanes {
            let mut compared = lane.before();
            while compared < last {
                let until = last.min(compared + COMPARED_TOGETHER);
                books = run.books(settlement.id, compared + 1..=until, books).await?;
                done += u64::from(until - compared);
                compared = until;
                progress(done, chunks);
            }
        }
        let (counts, totals) = (books.counts, books.totals.into_vec());
        let wrong = books.wrong.or_else(|| differs(settlement, counts, &totals));
        Ok(SettlementCheck { chunks, counts, totals, wrong })
    }
}

/// How the record of a settlement that has ended differs from what its chunks come to.
fn differs(settlement: &Settlement, counts: SettlementCounts, totals: &[Totals]) -> Option<String> {
    if settlement.status == SettlementStatus::Running {
        return None;
    }
    if settlement.counts != counts {
        return Some(format!(
            "its record says {} payments and {} refunds, its chunks {} and {}, or they differ in what was left out",
            settlement.counts.payments, settlement.counts.refunds, counts.payments, counts.refunds
        ));
    }
    (settlement.totals != totals).then(|| "its record's totals are not those of its chunks".to_owned())
}
