//! The other direction: what we say moved in a period, looked for among the records that were kept.

use futures::{StreamExt, TryStreamExt, stream};
use tollgate_domain::{
    ExceptionKind, Movement, PaymentId, ProviderRecord, RecordState, Refund, RefundId, RefundStatus, Timestamp,
    exception::Found,
};

use super::{Round, compare::Verdict, ours::has_money, subject::Subject};
use crate::{Error, Gateway, JobReport};

/// Movements that are looked for at once.
const AT_ONCE: usize = 8;

impl Gateway {
    /// Looks for the captures of these payments.
    pub(super) async fn look_for_captures(
        &self,
        page: Vec<(Timestamp, PaymentId)>,
        round: Round,
        report: &mut JobReport,
    ) -> Result<(), Error> {
        let all = page.into_iter().map(|(at, payment)| self.missing_capture(payment, at, round));
        self.note_missing(stream::iter(all).buffered(AT_ONCE).try_collect().await?, round, report).await
    }

    /// Looks for these refunds.
    pub(super) async fn look_for_refunds(
        &self,
        page: Vec<(Timestamp, RefundId)>,
        round: Round,
        report: &mut JobReport,
    ) -> Result<(), Error> {
        let all = page.into_iter().map(|(_, refund)| self.missing_refund(refund, round));
        self.note_missing(stream::iter(all).buffered(AT_ONCE).try_collect().await?, round, report).await
    }

    async fn note_missing(&self, all: Vec<Verdict>, round: Round, report: &mut JobReport) -> Result<(), Error> {
        for verdict in all {
            if let Verdict::Differs(found) = verdict {
                self.note(*found, round, report).await?;
            }
        }
        Ok(())
    }

    /// Whether what `record` stands for, a movement of ours that no record showed, is still missing.
    pub(super) async fn still_missing(&self, record: &ProviderRecord, round: Round) -> Result<Verdict, Error> {
        match (record.movement, record.payment, record.refund) {
            (Movement::Capture, Some(payment), _) => self.missing_capture(payment, record.at, round).await,
            (_, _, Some(refund)) => self.missing_refund(refund, round).await,
            _ => Ok(Verdict::InMotion),
        }
    }

    async fn missing_capture(&self, id: PaymentId, at: Timestamp, round: Round) -> Result<Verdict, Error> {
        if self.is_kept(Subject::Capture(id), round).await? {
            return Ok(Verdict::Matched);
        }
        let payment = self.load(id).await?.filter(|payment| has_money(payment, round.provider));
        let Some(payment) = payment else { return Ok(Verdict::Matched) };
        let record = expected(Subject::Capture(id), Movement::Capture, (Some(id), None), at);
        let record = ProviderRecord { transaction: payment.provider_transaction_id.clone(), ..record };
        Ok(Verdict::Differs(Box::new(Found {
            provider: round.provider,
            kind: ExceptionKind::MissingThere,
            record,
            our_amount: Some(payment.captured),
            our_state: payment.status.as_str().to_owned(),
        })))
    }

    async fn missing_refund(&self, id: RefundId, round: Round) -> Result<Verdict, Error> {
        let refund = self.ports.stores.timelines.refund(id);
        let refund: Option<Refund> = self.within_store_time(self.settings.store_timeout, refund).await?;
        let Some(refund) = refund.filter(|refund| refund.status == RefundStatus::Completed) else {
            return Ok(Verdict::Matched);
        };
        let of_provider = self.load(refund.payment_id).await?.is_some_and(|it| it.provider == round.provider);
        if !of_provider || self.is_kept(Subject::Refund(id), round).await? {
            return Ok(Verdict::Matched);
        }
        let ids = (Some(refund.payment_id), Some(id));
        let record = expected(Subject::Refund(id), Movement::Refund, ids, refund.created_at);
        Ok(Verdict::Differs(Box::new(Found {
            provider: round.provider,
            kind: ExceptionKind::MissingThere,
            record: ProviderRecord { transaction: refund.provider_reference.clone(), ..record },
            our_amount: Some(refund.amount),
            our_state: refund.status.as_str().to_owned(),
        })))
    }

    async fn is_kept(&self, subject: Subject, round: Round) -> Result<bool, Error> {
        let subject = subject.to_string();
        let kept = self.ports.stores.record_books.kept_record(round.provider, &subject);
        Ok(self.within_store_time(self.settings.store_timeout, kept).await?.is_some())
    }
}

/// What the provider's records should show, in the place of what they do not.
fn expected(
    subject: Subject,
    movement: Movement,
    (payment, refund): (Option<PaymentId>, Option<RefundId>),
    at: Timestamp,
) -> ProviderRecord {
    ProviderRecord {
        id: subject.to_string(),
        movement,
        payment,
        refund,
        transaction: None,
        amount: None,
        currency: None,
        state: RecordState::Completed,
        at,
    }
}
