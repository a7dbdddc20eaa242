//! `GET /v1/settlements`: a merchant's own part of a settlement.

use tollgate_domain::{Date, MerchantId, Settlement, SettlementId, settlement::Totals};

use crate::{Error, Gateway, ports::settlements::PlacedLine};

/// A settlement as one merchant sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MerchantSettlement {
    /// The settlement; its own totals and counts are nobody's but ours.
    pub settlement: Settlement,
    /// What it comes to for the merchant, per currency; so far, while it is `RUNNING`.
    pub totals: Vec<Totals>,
}

impl Gateway {
    /// The merchant's part of the settlement of `date`. One with nothing of the merchant in it is not found: whether there
    /// is one for others is none of the merchant's business.
    pub async fn settlement_on(&self, merchant: MerchantId, date: Date) -> Result<MerchantSettlement, Error> {
        let read = self.ports.stores.settlements.latest_settlement(date);
        let found = self.within_store_time(self.settings.store_timeout, read).await?;
        self.part_of(merchant, found.filter(|settlement| settlement.day.date() == date)).await
    }

    /// The merchant's part of a settlement.
    pub async fn settlement(&self, merchant: MerchantId, id: SettlementId) -> Result<MerchantSettlement, Error> {
        let read = self.ports.stores.settlements.settlement(id);
        let found = self.within_store_time(self.settings.store_timeout, read).await?;
        self.part_of(merchant, found).await
    }

    /// At most `limit` of the merchant's lines in order, those behind `after`.
    pub async fn settlement_lines(
        &self,
        merchant: MerchantId,
        id: SettlementId,
        after: Option<(u32, u32)>,
        limit: u32,
    ) -> Result<Vec<PlacedLine>, Error> {
        let read = self.ports.stores.settlements.settlement_lines(id, merchant, after, limit);
        Ok(self.within_store_time(self.settings.store_timeout, read).await?)
    }

    async fn part_of(&self, merchant: MerchantId, found: Option<Settlement>) -> Result<MerchantSettlement, Error> {
        let settlement = found.ok_or(Error::NotFound)?;
        let read = self.ports.stores.settlements.merchant_totals(settlement.id, merchant);
        let totals = self.within_store_time(self.settings.store_timeout, read).await?;
        if totals.is_empty() {
            return Err(Error::NotFound);
        }
        Ok(MerchantSettlement { settlement, totals })
    }
}
