//! What we have for a record: the payment, the refund, what undid it, the ledger, and the record that its subject has.

use tollgate_domain::{
    Money, Movement, OperationKind, Payment, PaymentId, ProviderName, ProviderRecord, Refund, audit::Booked,
};

use super::subject::Subject;
use crate::{Error, Gateway, ports::exceptions::KeptRecord};

/// What we have.
#[derive(Debug, Clone, Default)]
pub(super) struct Ours {
    /// The payment that the record is of.
    pub(super) payment: Option<Payment>,
    /// The refund that it names.
    pub(super) refund: Option<Refund>,
    /// What was given back at this provider because it came too late, each time, and whether that is over.
    pub(super) reversals: Vec<(Money, bool)>,
    /// The payment's ledger lines.
    pub(super) ledger: Vec<Booked>,
    /// The record that the subject has: this one, or one that was first.
    pub(super) holder: Option<String>,
    /// The refund came back, as another record shows.
    pub(super) came_back: bool,
}

impl Gateway {
    /// Whose the record is; `None`: nobody's of ours. One that carries no id of ours is found by its transaction.
    pub(super) async fn owner_of(
        &self,
        provider: ProviderName,
        record: &ProviderRecord,
    ) -> Result<Option<PaymentId>, Error> {
        if record.payment.is_some() {
            return Ok(record.payment);
        }
        if let Some(refund) = record.refund {
            let refund = self.ports.stores.timelines.refund(refund);
            let refund = self.within_store_time(self.settings.store_timeout, refund).await?;
            if let Some(refund) = refund {
                return Ok(Some(refund.payment_id));
            }
        }
        let Some(transaction) = &record.transaction else { return Ok(None) };
        let found = self.ports.stores.record_books.payment_of(provider, transaction);
        Ok(self.within_store_time(self.settings.store_timeout, found).await?)
    }

    /// What we have for `record`, which is of `payment`; which record its subject has is asked for by whoever keeps it.
    pub(super) async fn ours_for(
        &self,
        provider: ProviderName,
        record: &ProviderRecord,
        payment: PaymentId,
    ) -> Result<Ours, Error> {
        let mut ours = Ours { payment: self.load(payment).await?, ..Ours::default() };
        let limit = self.settings.store_timeout;
        if let Some(refund) = record.refund {
            ours.refund = self.within_store_time(limit, self.ports.stores.timelines.refund(refund)).await?;
            let returned = Subject::Returned(refund).to_string();
            let kept = self.ports.stores.record_books.kept_record(provider, &returned);
            ours.came_back = self.within_store_time(limit, kept).await?.is_some();
        }
        let Some(payment) = &ours.payment else { return Ok(ours) };
        if record.movement != Movement::Capture && record.refund.is_none() || !has_money(payment, provider) {
            ours.reversals = self.reversals_at(payment, provider).await?;
        }
        ours.ledger = self.within_store_time(limit, self.ports.stores.record_books.booked(payment.id)).await?;
        Ok(ours)
    }

    async fn reversals_at(&self, payment: &Payment, provider: ProviderName) -> Result<Vec<(Money, bool)>, Error> {
        let mut reversals = Vec::new();
        for number in 1..=payment.operations {
            let operation = self.load_operation(payment.id, number).await?;
            let reversal = operation.filter(|it| it.kind == OperationKind::Reversal && it.provider == provider);
            reversals.extend(reversal.map(|reversal| (reversal.amount, reversal.state.is_closed())));
        }
        Ok(reversals)
    }
}

/// Whether we say that `provider` took money for `payment`, and has it or gave it back by refunds.
pub(super) fn has_money(payment: &Payment, provider: ProviderName) -> bool {
    use tollgate_domain::PaymentStatus::{Captured, Refunded, Settled};
    payment.provider == provider && matches!(payment.status, Captured | Settled | Refunded)
}

/// The row that keeps `record` under its subject.
pub(super) fn kept(provider: ProviderName, subject: Subject, record: &ProviderRecord) -> KeptRecord {
    let (subject, id) = (subject.to_string(), record.id.clone());
    KeptRecord { provider, subject, record: id, amount: record.amount, at: record.at }
}
