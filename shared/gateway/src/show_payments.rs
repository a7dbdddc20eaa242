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
        Ok(self.within_store_time(self.settings.store_timeout, self.ports.timelines.list(query)).await?)
    }

    /// Everything that happened to the merchant's payment, in order.
    pub async fn timeline(&self, merchant: MerchantId, id: PaymentId) -> Result<Vec<TimelineRow>, Error> {
        self.get_payment(merchant, id).await?;
        Ok(self.within_store_time(self.settings.store_timeout, self.ports.timelines.timeline(id)).await?)
    }
}
