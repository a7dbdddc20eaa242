//! The far store's part for the comparison with the providers' own records.
//!
//! Must not know: what agrees with what.

use async_trait::async_trait;
use tollgate_domain::{
    Exception, ExceptionChange, ExceptionId, PaymentId, ProviderName, RefundId, Timestamp, audit::Booked,
};
use tollgate_gateway::ports::{
    Exceptions, RecordBooks, StoreError,
    exceptions::{KeptRecord, OpenExceptions},
};

use crate::{planted::Bug, store::FarStore};

#[async_trait]
impl RecordBooks for FarStore {
    async fn keep_records(&self, records: &[KeptRecord]) -> Result<Vec<String>, StoreError> {
        self.there().await?;
        self.changed(self.shared.keep_records(records).await).await
    }

    async fn kept_record(&self, provider: ProviderName, subject: &str) -> Result<Option<KeptRecord>, StoreError> {
        self.there().await?;
        self.back(self.shared.kept_record(provider, subject).await).await
    }

    async fn captured_between(
        &self,
        provider: ProviderName,
        period: (Timestamp, Timestamp),
        after: Option<(Timestamp, PaymentId)>,
        limit: u32,
    ) -> Result<Vec<(Timestamp, PaymentId)>, StoreError> {
        self.there().await?;
        self.back(self.shared.captured_between(provider, period, after, limit).await).await
    }

    async fn refunds_between(
        &self,
        period: (Timestamp, Timestamp),
        after: Option<(Timestamp, RefundId)>,
        limit: u32,
    ) -> Result<Vec<(Timestamp, RefundId)>, StoreError> {
        self.there().await?;
        self.back(self.shared.refunds_between(period, after, limit).await).await
    }

    async fn booked(&self, payment: PaymentId) -> Result<Vec<Booked>, StoreError> {
        self.there().await?;
        self.back(self.shared.booked(payment).await).await
    }

    async fn payment_of(&self, provider: ProviderName, transaction: &str) -> Result<Option<PaymentId>, StoreError> {
        self.there().await?;
        self.back(self.shared.payment_of(provider, transaction).await).await
    }
}

#[async_trait]
impl Exceptions for FarStore {
    async fn exception(&self, id: ExceptionId) -> Result<Option<Exception>, StoreError> {
        self.there().await?;
        self.back(self.shared.exception(id).await).await
    }

    async fn put_exception(&self, exception: &Exception, change: Option<&ExceptionChange>) -> Result<bool, StoreError> {
        self.there().await?;
        if self.stage.has(Bug::ExceptionNeverResolved) && exception.resolved.is_some() {
            return Ok(true);
        }
        let put = self.shared.put_exception(exception, change).await;
        self.stage.story.tell(self.owner, exception.record.payment, "finds an exception", || {
            format!("{} {:?}", exception.kind.as_str(), exception.resolved)
        });
        self.changed(put).await
    }

    async fn exceptions(
        &self,
        open: bool,
        after: Option<(Timestamp, ExceptionId)>,
        limit: u32,
    ) -> Result<Vec<Exception>, StoreError> {
        self.there().await?;
        self.back(self.shared.exceptions(open, after, limit).await).await
    }

    async fn exception_changes(&self, id: ExceptionId, limit: u32) -> Result<Vec<ExceptionChange>, StoreError> {
        self.there().await?;
        self.back(self.shared.exception_changes(id, limit).await).await
    }

    async fn open_exceptions(&self) -> Result<Vec<OpenExceptions>, StoreError> {
        self.there().await?;
        self.back(self.shared.open_exceptions().await).await
    }
}
