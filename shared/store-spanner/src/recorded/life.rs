//! A life of payments through every port that writes: what is recorded of a version.
//!
//! Must not know: how it is recorded.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use tollgate_domain::{
    Money, ProviderName, Settlement, SettlementDay, SettlementId, Timestamp, Tried,
    audit::Invariant,
    routing::{Flag, FlagName, FlagValue},
    settlement::{Line, SettlementCounts, Totals},
};
use tollgate_gateway::{
    contract::Samples,
    ports::{
        Agenda, Audit, Deliveries, Endpoints, Exceptions, Flags, Merchants, RecordBooks, SettlementChunks,
        SettlementShards, Settlements, Store, Time, Timelines,
        agenda::Agendum,
        audit::JobState,
        deliveries::DeliveryAttempt,
        exceptions::KeptRecord,
        merchants::{ApiKey, Merchant, WebhookEndpoint},
        settlements::{Checkpoint, Chunk, ChunkCommitted, Lane, SetAside, ShardBooks},
    },
    records::{Cause, ChangeSet, Committed, ListQuery},
};

use crate::{Options, SpannerStore};

/// Every write of this version, and its reads.
pub(super) async fn play(database: &str, host: &str) {
    let mut options = Options::new(database.parse().unwrap()).emulator(Some(host.to_owned()));
    options.staleness = Duration::ZERO;
    options.attempt_timeout = Duration::from_secs(20);
    options.operation_timeout = Duration::from_secs(60);
    let store = SpannerStore::new(options, Clock::real());
    let samples = Samples::new(170);
    merchants(&store, &samples).await;
    payments(&store, &samples).await;
    deliveries(&store).await;
    settle(&store, &samples).await;
    jobs(&store).await;
}

async fn merchants(store: &SpannerStore, samples: &Samples) {
    let merchant = Merchant {
        id: samples.merchant,
        name: "Shoes".to_owned(),
        requests_per_minute: None,
        fee_basis_points: 0,
        created_at: Samples::start(),
    };
    store.put_merchant(&merchant).await.unwrap();
    let limited =
        Merchant { id: samples.merchant(), requests_per_minute: Some(60), fee_basis_points: 325, ..merchant.clone() };
    store.put_merchant(&limited).await.unwrap();
    let key = ApiKey { digest: samples.key(), merchant: merchant.id, created_at: Samples::start(), revoked_at: None };
    store.put_api_key(&key).await.unwrap();
    store.put_api_key(&ApiKey { revoked_at: Some(Samples::start()), ..key }).await.unwrap();
    let endpoint = WebhookEndpoint {
        merchant: merchant.id,
        url: "https://shop.example/hooks".to_owned(),
        sealed_secret: vec![1, 2, 3],
        sealed_previous: Vec::new(),
        paused_at: None,
        revision: 1,
        updated_at: Samples::start(),
    };
    assert!(store.put_endpoint(&endpoint).await.unwrap());
    let rotated = vec![(vec![1, 2, 3], Samples::start())];
    assert!(store.put_endpoint(&WebhookEndpoint { revision: 2, sealed_previous: rotated, ..endpoint }).await.unwrap());
    store.by_key(key.digest).await.unwrap().unwrap();
    store.merchants(None, 10).await.unwrap();
    store.keys(merchant.id).await.unwrap();
    store.endpoint(merchant.id).await.unwrap().unwrap();
    store.waited_for(None, 10).await.unwrap();
    store.release_waiting(merchant.id, Samples::start(), 10).await.unwrap();
    let flag = |revision, value| Flag {
        name: FlagName::Provider(ProviderName::Stripe),
        value,
        revision,
        changed_at: Samples::start(),
        changed_by: "ann".to_owned(),
        why: "incident 4711".to_owned(),
    };
    assert!(store.put_flag(&flag(1, FlagValue::Off)).await.unwrap());
    assert!(store.put_flag(&flag(2, FlagValue::Unset)).await.unwrap());
    store.flags().await.unwrap();
    store.flag_changes(FlagName::Provider(ProviderName::Stripe), 10).await.unwrap();
    records(store).await;
}

async fn records(store: &SpannerStore) {
    let (exception, change) = Samples::exception("txn_1", Samples::start());
    let kept = KeptRecord {
        provider: ProviderName::Stripe,
        subject: "pay_1".to_owned(),
        record: "txn_1".to_owned(),
        amount: exception.our_amount,
        at: Samples::start(),
    };
    assert_eq!(store.keep_records(&[kept]).await.unwrap(), ["txn_1"]);
    store.kept_record(ProviderName::Stripe, "pay_1").await.unwrap().unwrap();
    let period = (Samples::start(), Samples::start() + Duration::from_secs(3600));
    store.captured_between(ProviderName::Stripe, period, None, 10).await.unwrap();
    store.refunds_between(period, None, 10).await.unwrap();
    store.payment_of(ProviderName::Stripe, "pi_1").await.unwrap();
    store.booked(Samples::new(1).payment_id()).await.unwrap();
    assert!(store.put_exception(&exception, Some(&change)).await.unwrap());
    store.exception(exception.id).await.unwrap().unwrap();
    store.exception_changes(exception.id, 10).await.unwrap();
    store.open_exceptions().await.unwrap();
    for open in [true, false] {
        store.exceptions(open, None, 10).await.unwrap();
    }
}

async fn payments(store: &SpannerStore, samples: &Samples) {
    for (state, mut story) in samples.every_state() {
        let (call, event, reference) = (samples.call(&story), samples.event(&story), samples.reference(&story));
        story.last_mut().calls.push(call);
        story.last_mut().received = Some(event);
        story.last_mut().reference = Some(reference);
        for set in &story.sets {
            assert_eq!(store.commit(set).await.unwrap(), Committed::Done, "{state}");
        }
        let id = story.payment.id;
        store.payment(id).await.unwrap().unwrap();
        store.operation(id, 1).await.unwrap();
        store.timeline(id).await.unwrap();
        store.refunds(id).await.unwrap();
        store.idempotency(samples.key()).await.unwrap();
    }
    for set in &samples.bare().sets {
        assert_eq!(store.commit(set).await.unwrap(), Committed::Done);
    }
    for merchant_reference in [None, Some("order 1".to_owned())] {
        let query = ListQuery { merchant: samples.merchant, merchant_reference, status: None, after: None, limit: 10 };
        store.list(&query).await.unwrap();
    }
    store.events(samples.merchant, None, 10).await.unwrap();
    store.refund(samples.refund_id()).await.unwrap();
}

async fn deliveries(store: &SpannerStore) {
    let (now, far) =
        (Samples::start() + Duration::from_secs(24 * 3600), Samples::start() + Duration::from_secs(48 * 3600));
    store.oldest_due(now).await.unwrap();
    let due = store.claim_due(now, far, 1).await.unwrap().pop().unwrap();
    let delivery = store.outgoing(due.payment, due.sequence).await.unwrap().unwrap().delivery;
    let attempt =
        DeliveryAttempt { number: 1, at: now, http_status: Some(200), error: None, duration: Duration::from_micros(7) };
    let taken = delivery.after(Tried::Taken, 0.5, now);
    assert!(store.record_attempt(&delivery, &taken, &attempt).await.unwrap());
    store.deliveries(due.payment).await.unwrap();
    for what in [Agendum::Stuck, Agendum::Truth] {
        store.due(what, far, None, 10).await.unwrap();
        store.postpone(what, due.payment, 1, None).await.unwrap();
    }
    store.next_due().await.unwrap();
    store.standing(now).await.unwrap();
    store.books(None, 100).await.unwrap();
    let memo = [(due.payment, Invariant::Memo)];
    store.keep_violations(None, due.payment, &memo).await.unwrap();
    store.violations().await.unwrap();
}

async fn settle(store: &SpannerStore, samples: &Samples) {
    let (day, far) = (SettlementDay::of(Samples::start()), Samples::start() + Duration::from_secs(48 * 3600));
    let settlement = Settlement::open(SettlementId::from_random([1; 16]), day, None, Samples::start());
    let id = settlement.id;
    assert!(store.put_settlement(&settlement).await.unwrap());
    assert!(store.put_settlement(&settlement.resumed()).await.unwrap());
    store.settlement(id).await.unwrap().unwrap();
    store.latest_settlement(day.date()).await.unwrap().unwrap();
    store.unfinished_settlement().await.unwrap().unwrap();
    let payments = store.payments_to_settle(None, far, None, 10).await.unwrap();
    let refunds = store.refunds_to_settle(None, far, None, 10).await.unwrap();
    let (refund, refunded) = refunds[0].read.as_ref().unwrap();
    let captured = payments[0].read.as_ref().unwrap();
    let free = Money::zero(captured.captured.currency());
    let settled = captured.settle(id, free, Samples::start()).unwrap();
    let taken_off = refunded.settle_refund(refund, id, Samples::start()).unwrap();
    let lines = vec![Line::of_payment(captured, &settled, free), Line::of_refund(refund, &taken_off)];
    let set = |change| ChangeSet::of(samples.change_id(), change, Cause::Job("settlement".to_owned()), "", Vec::new());
    let chunk = Chunk {
        settlement: id,
        number: 1,
        change_id: samples.change_id(),
        sets: vec![set(settled), set(taken_off)],
        totals: vec![(samples.merchant, Totals::none(free.currency()))],
        lines,
        set_aside: vec![SetAside { payment: samples.payment_id(), merchant: samples.merchant, reason: "fee" }],
        counts: SettlementCounts::default(),
        checkpoint: Checkpoint::Closed,
        at: Samples::start(),
    };
    assert_eq!(store.commit_chunk(&chunk).await.unwrap(), ChunkCommitted::Done);
    store.last_chunk(id, Lane::MAIN).await.unwrap().unwrap();
    store.chunk_sums(id, 1).await.unwrap().unwrap();
    store.merchant_totals(id, samples.merchant).await.unwrap();
    store.settlement_lines(id, samples.merchant, None, 10).await.unwrap();
    store.negative_balances(id, None, 10).await.unwrap();
    store.put_shard_books(&ShardBooks::none(id, 7)).await.unwrap();
    store.shard_books(id).await.unwrap();
}

async fn jobs(store: &SpannerStore) {
    store.job("settlement").await.unwrap();
    let state = JobState { cursor: Some("pay_7".to_owned()), last_success_at: Some(Samples::start()) };
    store.put_job("settlement", &state).await.unwrap();
    store.put_job("invariants", &JobState::default()).await.unwrap();
}

struct Clock(Instant);

impl Clock {
    #[allow(clippy::disallowed_methods, reason = "the tests' real clock")]
    fn real() -> Arc<dyn Time> {
        Arc::new(Self(Instant::now()))
    }
}

#[async_trait]
impl Time for Clock {
    #[allow(clippy::disallowed_methods, reason = "the tests' real clock")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }

    #[allow(clippy::disallowed_methods, reason = "the tests' real clock")]
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
