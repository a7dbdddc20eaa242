//! `GET`: one payment, a merchant's payments, a payment's timeline.

use tollgate_domain::{MerchantId, Payment, PaymentId};

use crate::{
    Error, Gateway,
    records::{ListQuery, Page, TimelineRow},
};

impl Gateway {
    /// The merchant's payment; another merchant's is not found.
    pub async fn get_payment(&self, merchant: MerchantId, id: PaymentId) -> Result<Payment, Error> {
        self.load(id).await?.filter(|payment| payment.merchant == merchant).ok_or(Error::NotFound)
    }

    /// A page of the merchant's payments, newest first.
    pub async fn list_payments(&self, query: &ListQuery) -> Result<Page, Error> {
        Ok(self.within_store_time(self.settings.store_timeout, self.ports.stores.timelines.list(query)).await?)
    }

    /// Everything that happened to the merchant's payment, in order.
    pub async fn timeline(&self, merchant: MerchantId, id: PaymentId) -> Result<Vec<TimelineRow>, Error> {
        self.get_payment(merchant, id).await?;
        let rows =
            self.within_store_time(self.settings.store_timeout, self.ports.stores.timelines.timeline(id)).await?;
        Ok(in_timeline_order(rows))
    }
}

/// A payment's timeline as people read it. An event that told nothing new was compared with one version while the next was
/// on its way: it stands after every change that was made before it, by the clock, and never before the one that it was
/// compared with.
pub fn in_timeline_order(mut rows: Vec<TimelineRow>) -> Vec<TimelineRow> {
    let changes: Vec<_> = rows
        .iter()
        .filter_map(|row| match row {
            TimelineRow::Change(history) => Some((history.version, history.at)),
            _ => None,
        })
        .collect();
    rows.sort_by_cached_key(|row| match row {
        TimelineRow::Event(event) if !event.effect => {
            let made_before = changes.iter().filter(|(_, at)| *at < event.at).map(|(version, _)| *version).max();
            let (_, rank, at, kind) = row.position();
            (made_before.unwrap_or(0).max(event.version).saturating_add(1), rank, at, kind)
        }
        _ => row.position(),
    });
    rows
}
