//! What goes into a chunk: a page of what waits, decided one by one.

use std::collections::{BTreeSet, HashMap};

use tollgate_domain::{
    Currency, MerchantId, Money, NotSettled, Payment, PaymentId, Refund, RefundId, Settlement,
    settlement::{Balance, Line, fee},
};

use super::{JOB, Run};
use crate::{
    Error,
    ports::settlements::{CHUNK_AT_MOST, Checkpoint, Lane, SetAside, Waiting},
    records::{Cause, ChangeSet},
};

/// Merchants whose fees are remembered in a run; more make it forget them all and begin anew.
const FEES_AT_MOST: usize = 10_000;

/// A page of what waits for a settlement.
pub(super) enum Page {
    /// What merchants owe after the settlement before.
    CarriedOver(Vec<(MerchantId, Balance)>),
    /// Captured payments.
    Payments(Vec<Waiting<PaymentId, Payment>>),
    /// Refunds, each with its payment.
    Refunds(Vec<Waiting<RefundId, (Refund, Payment)>>),
}

impl Page {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::CarriedOver(owed) => owed.len(),
            Self::Payments(payments) => payments.len(),
            Self::Refunds(refunds) => refunds.len(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The place of its last entry.
    pub(super) fn end(&self) -> Option<Checkpoint> {
        Some(match self {
            Self::CarriedOver(owed) => {
                Checkpoint::CarriedOver(owed.last().map(|(merchant, balance)| (*merchant, balance.currency)))
            }
            Self::Payments(payments) => Checkpoint::Payments(payments.last().map(|last| (last.at, last.id))),
            Self::Refunds(refunds) => Checkpoint::Refunds(refunds.last().map(|last| (last.at, last.id))),
        })
        .filter(|_| !self.is_empty())
    }
}

/// A chunk before it is committed.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) sets: Vec<ChangeSet>,
    pub(super) lines: Vec<Line>,
    pub(super) set_aside: Vec<SetAside>,
    /// Payments and refunds that were to be in it, and had changed.
    pub(super) dropped: u64,
}

impl Draft {
    fn set_aside(&mut self, settlement: &Settlement, payment: PaymentId, merchant: MerchantId, why: NotSettled) {
        let reason = why.as_str();
        tracing::warn!(settlement = %settlement.id, %payment, reason, "a payment is set aside");
        self.set_aside.push(SetAside { payment, merchant, reason });
    }
}

/// The fees of the merchants that the run has met: basis points; `None`: there is no such merchant.
#[derive(Default)]
pub(super) struct Fees(HashMap<MerchantId, Option<u32>>);

impl Run {
    pub(super) fn page_size(&self) -> usize {
        self.gateway.settings.settlement_chunk.clamp(1, CHUNK_AT_MOST) as usize
    }

    /// Reads what comes behind `checkpoint` in `lane`.
    pub(super) async fn read(
        &self,
        settlement: &Settlement,
        lane: Lane,
        checkpoint: Checkpoint,
    ) -> Result<Page, Error> {
        let shard = lane.shard();
        let (chunks, cutoff) = (&self.gateway.ports.stores.settlement_chunks, settlement.day.cutoff());
        let limit = self.gateway.settings.settlement_chunk.clamp(1, CHUNK_AT_MOST);
        Ok(match checkpoint {
            Checkpoint::CarriedOver(after) => Page::CarriedOver(match settlement.previous {
                Some(previous) => self.bounded(|| chunks.negative_balances(previous, after, limit)).await?,
                None => Vec::new(),
            }),
            Checkpoint::Payments(after) => {
                Page::Payments(self.bounded(|| chunks.payments_to_settle(shard, cutoff, after, limit)).await?)
            }
            Checkpoint::Refunds(after) => {
                Page::Refunds(self.bounded(|| chunks.refunds_to_settle(shard, cutoff, after, limit)).await?)
            }
            Checkpoint::Closed => Page::Refunds(Vec::new()),
        })
    }

    /// Decides what becomes of everything on `page`.
    pub(super) async fn build(&mut self, settlement: &Settlement, page: Page) -> Result<Draft, Error> {
        self.report.saw += page.len() as u64;
        let mut draft = Draft::default();
        match page {
            Page::CarriedOver(owed) => {
                let line = |(merchant, balance)| Line::carried_over(merchant, balance, settlement.day.cutoff());
                draft.lines.extend(owed.into_iter().map(line));
            }
            Page::Payments(payments) => {
                let violators = self.violators(&payments).await?;
                for Waiting { id, merchant, read, .. } in payments {
                    match read {
                        Some(_) if violators.contains(&id) => {
                            draft.set_aside(settlement, id, merchant, NotSettled::Violates);
                        }
                        Some(payment) => self.settle_payment(settlement, &payment, &mut draft).await?,
                        None => draft.set_aside(settlement, id, merchant, NotSettled::Unreadable),
                    }
                }
            }
            Page::Refunds(refunds) => self.settle_refunds(settlement, refunds, &mut draft),
        }
        Ok(draft)
    }

    /// Those whose books do not add up. Where there were none when the run began, it asks no more: one read a run.
    async fn violators<T>(&mut self, waiting: &[Waiting<PaymentId, T>]) -> Result<BTreeSet<PaymentId>, Error> {
        let audit = &self.gateway.ports.stores.audit;
        let there_are = match self.there_are_violators {
            Some(known) => known,
            None => !self.bounded(|| audit.violations()).await?.is_empty(),
        };
        let among: Vec<_> = waiting.iter().filter(|_| there_are).map(|one| one.id).collect();
        let found = if among.is_empty() { BTreeSet::new() } else { self.bounded(|| audit.violators(&among)).await? };
        self.there_are_violators = Some(there_are);
        Ok(found)
    }

    async fn settle_payment(
        &mut self,
        settlement: &Settlement,
        payment: &Payment,
        draft: &mut Draft,
    ) -> Result<(), Error> {
        let fee = self.fee(payment.merchant, payment.captured).await?;
        let settled = fee.and_then(|fee| Ok((payment.settle(settlement.id, fee, self.gateway.now())?, fee)));
        match settled {
            Ok((change, fee)) => {
                draft.lines.push(Line::of_payment(payment, &change, fee));
                draft.sets.push(self.gateway.change_set(Some(payment), change, cause(), &self.context));
            }
            // Read from the index of what is captured: it was, and is not any more.
            Err(NotSettled::NotCaptured) => draft.dropped += 1,
            Err(why) => draft.set_aside(settlement, payment.id, payment.merchant, why),
        }
        Ok(())
    }

    /// Several refunds of one payment follow each other, version by version.
    fn settle_refunds(
        &self,
        settlement: &Settlement,
        refunds: Vec<Waiting<RefundId, (Refund, Payment)>>,
        draft: &mut Draft,
    ) {
        let mut latest: HashMap<PaymentId, Payment> = HashMap::new();
        for Waiting { payment: id, merchant, read, .. } in refunds {
            let Some((refund, read)) = read else {
                draft.set_aside(settlement, id, merchant, NotSettled::Unreadable);
                continue;
            };
            let payment = latest.remove(&id).unwrap_or(read);
            let Some(change) = payment.settle_refund(&refund, settlement.id, self.gateway.now()) else {
                draft.dropped += 1;
                continue;
            };
            draft.lines.push(Line::of_refund(&refund, &change));
            latest.insert(payment.id, change.payment.clone());
            draft.sets.push(self.gateway.change_set(Some(&payment), change, cause(), &self.context));
        }
    }

    async fn fee(&mut self, merchant: MerchantId, captured: Money) -> Result<Result<Money, NotSettled>, Error> {
        let basis_points = if let Some(known) = self.fees.0.get(&merchant) {
            *known
        } else {
            let found = self.bounded(|| self.gateway.ports.stores.merchants.merchant(merchant)).await?;
            let found = found.map(|merchant| merchant.fee_basis_points);
            if self.fees.0.len() >= FEES_AT_MOST {
                self.fees.0.clear();
            }
            self.fees.0.insert(merchant, found);
            found
        };
        Ok(match basis_points {
            Some(basis_points) => fee(captured, basis_points).map_err(|_| NotSettled::Fee),
            None => Err(NotSettled::UnknownMerchant),
        })
    }
}

fn cause() -> Cause {
    Cause::Job(JOB.to_owned())
}

/// What lines come to, per merchant and currency, in their order.
pub(super) type MerchantTotals =
    std::collections::BTreeMap<(MerchantId, Currency), tollgate_domain::settlement::Totals>;
