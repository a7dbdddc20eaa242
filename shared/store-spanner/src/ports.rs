//! The gateway's ports, each method on its table.

use std::{collections::BTreeSet, fmt::Display, future::Future};

use async_trait::async_trait;
use tollgate_domain::{
    BootId, Delivery, EventId, KeyHash, MerchantId, Operation, Payment, PaymentId, Refund, RefundId, Timestamp,
    audit::{Books, Invariant},
};
use tollgate_gateway::{
    ports::{
        Agenda, Audit, Deliveries, Endpoints, Merchants, Store, StoreError, Timelines,
        agenda::{Agendum, NextDue, Standing},
        audit::JobState,
        deliveries::{DeliveryAttempt, Outgoing},
        merchants::{ApiKey, Merchant, WaitedFor, WebhookEndpoint},
        queue::DeliveryDue,
        store::Upkeep,
    },
    records::{ChangeSet, Committed, EventRecord, IdempotencyRecord, ListQuery, Page, TimelineRow},
};
use tracing::Instrument;

use crate::{
    SpannerStore,
    agenda::{self, Postpone},
    audit,
    deliveries::{self, Replace},
    error::{Result, Trouble, is_schema_missing},
    events, idempotency, jobs, measure,
    merchants::{self, PutEndpoint},
    migrations, operations, payments,
    reading::Reader,
    refunds, timeline,
};

type Answer<T> = std::result::Result<T, StoreError>;

impl SpannerStore {
    /// Does the work, measures it, and says of what went wrong that it was with `subject`.
    pub(crate) async fn measured<T>(
        &self,
        operation: &'static str,
        subject: impl Display,
        work: impl Future<Output = Result<T>>,
    ) -> Answer<T> {
        let started = self.time.monotonic();
        let result = work.instrument(measure::span(operation)).await;
        measure::operation(operation, self.time.monotonic().saturating_sub(started));
        result.map_err(|trouble| trouble.of(subject))
    }
}

#[async_trait]
impl Store for SpannerStore {
    async fn commit(&self, set: &ChangeSet) -> Answer<Committed> {
        let committed = self.measured("commit", set.change_id, self.commit_set(set)).await?;
        measure::committed(committed);
        Ok(committed)
    }

    async fn payment(&self, id: PaymentId) -> Answer<Option<Payment>> {
        let work = async { payments::find(&self.present("tollgate:payment").await?, id).await };
        self.measured("payment", id, work).await
    }

    async fn operation(&self, payment: PaymentId, number: u32) -> Answer<Option<Operation>> {
        let work = async {
            let row = self.present("tollgate:operation").await?.row(operations::one(payment, number)).await?;
            row.map(|row| operations::read(&row)).transpose()
        };
        self.measured("operation", payment, work).await
    }

    async fn idempotency(&self, key: KeyHash) -> Answer<Option<IdempotencyRecord>> {
        let work = async {
            let row = self.present("tollgate:idempotency").await?.row(idempotency::one(key)).await?;
            row.map(|row| idempotency::read(&row)).transpose()
        };
        self.measured("idempotency", "idempotency", work).await
    }

    /// Nobody knows of another machine's process whether it is gone: only time releases a lease.
    async fn owner_is_gone(&self, _: BootId) -> Answer<bool> {
        Ok(false)
    }

    /// The database answers, and has the tables of this program.
    async fn ping(&self) -> Answer<()> {
        let work = async {
            let present = self.present("tollgate:ping").await?;
            match present.row(migrations::newest()).await? {
                Some(_) => Ok(()),
                None => Err(Trouble::Unreachable(crate::SpannerUnreachable(
                    "the database has an older schema than this program: run `tollgate migrate`".to_owned(),
                ))),
            }
        };
        self.measured("ping", "ping", work).await
    }
}

#[async_trait]
impl Timelines for SpannerStore {
    async fn list(&self, query: &ListQuery) -> Answer<Page> {
        let work = async { payments::list(&self.snapshot("tollgate:list").await?, query).await };
        self.measured("list", query.merchant, work).await
    }

    async fn timeline(&self, payment: PaymentId) -> Answer<Vec<TimelineRow>> {
        let work = async { timeline::of_payment(&self.snapshot("tollgate:timeline").await?, payment).await };
        self.measured("timeline", payment, work).await
    }

    async fn refund(&self, id: RefundId) -> Answer<Option<Refund>> {
        let work = async { refunds::find(&self.present("tollgate:refund").await?, id).await };
        self.measured("refund", id, work).await
    }

    async fn refunds(&self, payment: PaymentId) -> Answer<Vec<Refund>> {
        let work = async {
            refunds::read_all(&self.present("tollgate:refunds").await?.rows(refunds::of_payment(payment)).await?)
        };
        self.measured("refunds", payment, work).await
    }

    async fn events(
        &self,
        merchant: MerchantId,
        after: Option<EventId>,
        limit: u32,
    ) -> Answer<Option<Vec<EventRecord>>> {
        let work =
            async { events::of_merchant(&self.snapshot("tollgate:events").await?, merchant, after, limit).await };
        self.measured("events", merchant, work).await
    }
}

#[async_trait]
impl Upkeep for SpannerStore {
    /// Spanner deletes by itself: the tables have row deletion policies.
    async fn delete_expired(&self, _: Timestamp, _: u32) -> Answer<u32> {
        Ok(0)
    }
}

#[async_trait]
impl Merchants for SpannerStore {
    async fn by_key(&self, digest: KeyHash) -> Answer<Option<(ApiKey, Merchant)>> {
        let work = async { merchants::by_key(&self.present("tollgate:merchant_by_key").await?, digest).await };
        self.measured("merchant_by_key", "api key", work).await
    }

    async fn merchant(&self, id: MerchantId) -> Answer<Option<Merchant>> {
        let work = async { merchants::find(&self.present("tollgate:merchant").await?, id).await };
        self.measured("merchant", id, work).await
    }

    async fn put_merchant(&self, merchant: &Merchant) -> Answer<()> {
        let work = self.write("tollgate:put_merchant", vec![merchants::put(merchant)]);
        self.measured("put_merchant", merchant.id, work).await
    }

    async fn put_api_key(&self, key: &ApiKey) -> Answer<()> {
        let work = self.transact("tollgate:put_api_key", merchants::PutKey(*key));
        self.measured("put_api_key", key.merchant, work).await
    }

    async fn merchants(&self, after: Option<MerchantId>, limit: u32) -> Answer<Vec<Merchant>> {
        let work = async { merchants::page(&self.present("tollgate:merchants").await?, after, limit).await };
        self.measured("merchants", "merchants", work).await
    }

    async fn keys(&self, merchant: MerchantId) -> Answer<Vec<ApiKey>> {
        let work = async { merchants::keys_of(&self.snapshot("tollgate:merchant_keys").await?, merchant).await };
        self.measured("merchant_keys", merchant, work).await
    }
}

#[async_trait]
impl Endpoints for SpannerStore {
    async fn endpoint(&self, merchant: MerchantId) -> Answer<Option<WebhookEndpoint>> {
        let work = async { merchants::find_endpoint(&self.present("tollgate:endpoint").await?, merchant).await };
        self.measured("endpoint", merchant, work).await
    }

    async fn put_endpoint(&self, endpoint: &WebhookEndpoint) -> Answer<bool> {
        let work = self.transact("tollgate:put_endpoint", PutEndpoint(endpoint.clone()));
        self.measured("put_endpoint", endpoint.merchant, work).await
    }

    async fn waited_for(&self, after: Option<MerchantId>, limit: u32) -> Answer<WaitedFor> {
        let work = async {
            let waiting = self.waiting_merchants(after, limit).await?;
            let is_last = waiting.len() < usize::try_from(limit).unwrap_or(usize::MAX);
            let next = if is_last { None } else { waiting.last().copied() };
            if waiting.is_empty() {
                return Ok(WaitedFor { waited_for: waiting, next });
            }
            let mut waited_for = Vec::new();
            for row in self.present("tollgate:endpoints").await?.rows(merchants::endpoints(&waiting)).await? {
                let endpoint = merchants::read_endpoint(&row)?;
                if endpoint.paused_at.is_none() {
                    waited_for.push(endpoint.merchant);
                }
            }
            Ok(WaitedFor { waited_for, next })
        };
        self.measured("waited_for", "endpoints", work).await
    }

    async fn release_waiting(&self, merchant: MerchantId, at: Timestamp, limit: u32) -> Answer<u32> {
        self.measured("release_waiting", merchant, self.release(merchant, at, limit)).await
    }
}

#[async_trait]
impl Deliveries for SpannerStore {
    async fn outgoing(&self, payment: PaymentId, sequence: u32) -> Answer<Option<Outgoing>> {
        let work = async { deliveries::outgoing(&self.present("tollgate:outgoing").await?, payment, sequence).await };
        self.measured("outgoing", payment, work).await
    }

    async fn record_attempt(&self, before: &Delivery, after: &Delivery, attempt: &DeliveryAttempt) -> Answer<bool> {
        let (payment, attempt) = (before.payment, Some(attempt.clone()));
        let replace = Replace { before: before.clone(), after: after.clone(), attempt };
        self.measured("record_attempt", payment, self.transact("tollgate:record_attempt", replace)).await
    }

    async fn reschedule(&self, before: &Delivery, after: &Delivery) -> Answer<bool> {
        let replace = Replace { before: before.clone(), after: after.clone(), attempt: None };
        self.measured("reschedule", before.payment, self.transact("tollgate:reschedule", replace)).await
    }

    async fn claim_due(&self, now: Timestamp, until: Timestamp, limit: u32) -> Answer<Vec<DeliveryDue>> {
        self.measured("claim_due", "due deliveries", self.claim(now, until, limit)).await
    }

    async fn oldest_due(&self, now: Timestamp) -> Answer<Option<Timestamp>> {
        let work = async {
            match agenda::oldest_delivery(&self.a_little_old("tollgate:oldest_due").await?, now).await {
                // A little ago there were no tables yet.
                Err(Trouble::Spanner(error)) if is_schema_missing(&error) => {
                    agenda::oldest_delivery(&self.snapshot("tollgate:oldest_due").await?, now).await
                }
                oldest => oldest,
            }
        };
        self.measured("oldest_due", "due deliveries", work).await
    }

    async fn deliveries(&self, payment: PaymentId) -> Answer<Vec<(Delivery, Vec<DeliveryAttempt>)>> {
        let work = async { deliveries::of_payment(&self.snapshot("tollgate:deliveries").await?, payment).await };
        self.measured("deliveries", payment, work).await
    }
}

#[async_trait]
impl Agenda for SpannerStore {
    async fn due(
        &self,
        what: Agendum,
        now: Timestamp,
        after: Option<(Timestamp, PaymentId)>,
        limit: u32,
    ) -> Answer<Vec<(Timestamp, PaymentId)>> {
        let work = async { agenda::due(&self.snapshot("tollgate:due").await?, what, now, after, limit).await };
        self.measured("due", "due payments", work).await
    }

    async fn postpone(&self, what: Agendum, payment: PaymentId, version: u64, at: Option<Timestamp>) -> Answer<()> {
        let work = self.transact("tollgate:postpone", Postpone { what, payment, version, at });
        self.measured("postpone", payment, work).await
    }

    async fn next_due(&self) -> Answer<NextDue> {
        let work = async { agenda::next_due(&self.snapshot("tollgate:next_due").await?).await };
        self.measured("next_due", "next due", work).await
    }

    async fn standing(&self, now: Timestamp) -> Answer<Standing> {
        let work = async {
            match agenda::standing(&self.a_little_old("tollgate:standing").await?, now).await {
                // A little ago there were no tables yet.
                Err(Trouble::Spanner(error)) if is_schema_missing(&error) => {
                    agenda::standing(&self.snapshot("tollgate:standing").await?, now).await
                }
                standing => standing,
            }
        };
        self.measured("standing", "standing", work).await
    }
}

#[async_trait]
impl Audit for SpannerStore {
    async fn books(&self, after: Option<PaymentId>, limit: u32) -> Answer<Vec<(PaymentId, Option<Books>)>> {
        let work = async {
            match audit::books(&self.a_little_old("tollgate:books").await?, after, limit).await {
                Err(Trouble::Spanner(error)) if is_schema_missing(&error) => {
                    audit::books(&self.snapshot("tollgate:books").await?, after, limit).await
                }
                books => books,
            }
        };
        self.measured("books", "books", work).await
    }

    async fn keep_violations(
        &self,
        after: Option<PaymentId>,
        upto: PaymentId,
        found: &[(PaymentId, Invariant)],
    ) -> Answer<()> {
        let work = self.write("tollgate:keep_violations", audit::keep(after, upto, found));
        self.measured("keep_violations", "violations", work).await
    }

    async fn violations(&self) -> Answer<Vec<(Invariant, u64)>> {
        let work = async { audit::violations(&self.present("tollgate:violations").await?).await };
        self.measured("violations", "violations", work).await
    }

    async fn violators(&self, among: &[PaymentId]) -> Answer<BTreeSet<PaymentId>> {
        let work = async { audit::violators(&self.present("tollgate:violators").await?, among).await };
        self.measured("violators", "violations", work).await
    }

    async fn job(&self, name: &'static str) -> Answer<JobState> {
        let work = async {
            let row = self.present("tollgate:job").await?.row(jobs::one(name)).await?;
            row.map_or_else(|| Ok(JobState::default()), |row| jobs::read(&row))
        };
        self.measured("job", name, work).await
    }

    async fn put_job(&self, name: &'static str, state: &JobState) -> Answer<()> {
        self.measured("put_job", name, self.write("tollgate:put_job", vec![jobs::put(name, state)])).await
    }
}
