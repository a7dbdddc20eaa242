//! Settlement in shards: whatever happens to their messages and to whoever has them, each payment is settled once, and the settlement is
//! what one process would have made of it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use futures::future::join;
use proptest::{
    prelude::{ProptestConfig, Strategy, any},
    prop_assert_eq, proptest,
};
use tollgate_domain::{Settlement, SettlementId, SettlementStatus, settlement::Totals};
use tollgate_gateway::{
    Error, Gateway, JobReport, JobRun, ShardSettled,
    ports::{
        FailPoint, FailPoints, SettlementShards, Settlements, ShardQueue,
        fail_points::NoFailPoints,
        queue::{QueueError, ShardDue},
        settlements::{SHARDS, ShardBooks},
    },
};

use super::settlement_support::{DiesAt, Meanwhile, Till, context, run};

const BUDGET: Duration = Duration::from_secs(60);

/// A topic that a test pushes from.
#[derive(Default)]
struct Topic {
    waiting: Mutex<Vec<ShardDue>>,
    is_away: bool,
}

impl Topic {
    fn taken(&self) -> Vec<ShardDue> {
        std::mem::take(&mut self.waiting.lock().unwrap())
    }
}

#[async_trait]
impl ShardQueue for Topic {
    fn is_there(&self) -> bool {
        true
    }

    async fn publish_shards(&self, due: &[ShardDue]) -> Result<(), QueueError> {
        if self.is_away {
            return Err(QueueError("away".to_owned()));
        }
        self.waiting.lock().unwrap().extend(due);
        Ok(())
    }
}

/// A night of so many payments, split into shards that nobody has settled yet: the job published them, and its time was over.
struct Night {
    till: Till,
    topic: Arc<Topic>,
}

impl Night {
    async fn of(payments: i64) -> Self {
        let (till, topic) = (Till::new().await, Arc::new(Topic::default()));
        till.capture_many(&till.samples, payments).await;
        till.night();
        Self { till, topic }
    }

    async fn published(payments: i64) -> (Self, Vec<ShardDue>) {
        let night = Self::of(payments).await;
        // What is owed from before is in, and then the run dies; the next one has time for nothing but to publish.
        assert!(run(&night.gateway(DiesAt::the(1, FailPoint::BeforeShards))).await.is_err());
        let (report, settlement) = night.job(Duration::ZERO).await.unwrap();
        assert_eq!((report.more, settlement.status, settlement.shards), (true, SettlementStatus::Running, SHARDS));
        let due = night.topic.taken();
        assert!(due.iter().all(|due| due.settlement == settlement.id));
        assert_eq!(due.iter().map(|due| due.shard).collect::<Vec<_>>(), (0..SHARDS).collect::<Vec<_>>());
        (night, due)
    }

    /// A process of its own.
    fn gateway(&self, fail_points: Arc<dyn FailPoints>) -> Gateway {
        self.till.gateway_in_shards(self.topic.clone(), fail_points)
    }

    async fn job(&self, budget: Duration) -> Result<(JobReport, Settlement), Error> {
        self.gateway(Arc::new(NoFailPoints)).run_settlement(JobRun::scheduled(budget), context()).await
    }

    async fn push(&self, due: ShardDue) -> ShardSettled {
        self.push_to(&self.gateway(Arc::new(NoFailPoints)), due).await.unwrap()
    }

    async fn push_to(&self, gateway: &Gateway, due: ShardDue) -> Result<ShardSettled, Error> {
        gateway.settle_shard(due, BUDGET, context()).await
    }

    async fn settlement(&self, id: SettlementId) -> Settlement {
        self.till.store.settlement(id).await.unwrap().unwrap()
    }

    /// The last shard ended it, everything is in it once, and nobody has anything left to do.
    async fn is_completed(&self, id: SettlementId, payments: i64) {
        let settlement = self.settlement(id).await;
        assert_eq!(settlement.status, SettlementStatus::Completed, "{:?}", settlement.failure);
        assert_eq!(settlement.counts.payments, payments.unsigned_abs());
        assert_eq!(settlement.totals[0].gross, (100..100 + payments).sum::<i64>());
        self.till.each_settled_once(usize::try_from(payments).unwrap());
        let before = self.till.everything();
        assert_eq!(self.job(BUDGET).await.unwrap().1, settlement);
        assert_eq!(self.till.everything(), before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_shard_ends_the_settlement_in_whatever_order_they_come() {
    let (night, mut due) = Night::published(300).await;
    due.reverse();
    let (last, others) = due.split_last().unwrap();
    for due in others {
        assert_eq!(night.push(*due).await, ShardSettled::Done);
        assert_eq!(night.settlement(due.settlement).await.status, SettlementStatus::Running);
    }
    assert_eq!(night.push(*last).await, ShardSettled::Done);
    night.is_completed(last.settlement, 300).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_comes_again_after_the_end_does_nothing() {
    let (night, due) = Night::published(100).await;
    for due in due.iter().chain(&due) {
        assert_eq!(night.push(*due).await, ShardSettled::Done);
    }
    let before = night.till.everything();
    assert_eq!(night.push(due[3]).await, ShardSettled::Done);
    assert_eq!(night.till.everything(), before);
    night.is_completed(due[0].settlement, 100).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_that_have_the_same_shard_one_goes_on() {
    let (night, due) = Night::published(400).await;
    let night = Arc::new(night);
    for due in &due {
        // While one has put its chunk together, the other settles the whole shard.
        let (rival, of) = (Arc::clone(&night), *due);
        let meanwhile = Meanwhile::at(FailPoint::BeforeChunk, move || {
            Box::pin(async move { assert_eq!(rival.push(of).await, ShardSettled::Done) })
        });
        let slower = night.push_to(&night.gateway(meanwhile), *due).await.unwrap();
        assert_eq!(slower, ShardSettled::AnotherIsAtIt);
    }
    night.is_completed(due[0].settlement, 400).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_shard_twice_at_once_is_settled_once() {
    let (night, due) = Night::published(500).await;
    let other = night.gateway(Arc::new(NoFailPoints));
    for due in &due {
        let (one, two) = join(night.push(*due), night.push_to(&other, *due)).await;
        assert!(one == ShardSettled::Done || two.unwrap() == ShardSettled::Done, "one of the two gets through");
    }
    night.is_completed(due[0].settlement, 500).await;
}

/// Crashes whoever has a shard, each the `nth` time that it comes to `point`, and pushes its message again.
async fn a_crash_at(point: FailPoint, nth: u32) {
    let (night, due) = Night::published(600).await;
    let mut deaths = 0;
    for due in &due {
        if night.push_to(&night.gateway(DiesAt::the(nth, point)), *due).await.is_err() {
            deaths += 1;
            assert_eq!(night.push(*due).await, ShardSettled::Done, "{point}");
        }
    }
    assert!(deaths > 0, "{point}: nobody came there");
    night.is_completed(due[0].settlement, 600).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_whose_worker_dies_anywhere_is_taken_up_by_the_next() {
    a_crash_at(FailPoint::BeforeChunk, 1).await;
    a_crash_at(FailPoint::BeforeChunk, 2).await;
    a_crash_at(FailPoint::AfterChunk, 1).await;
    a_crash_at(FailPoint::AfterChunk, 2).await;
    a_crash_at(FailPoint::BeforeShardCompared, 1).await;
    a_crash_at(FailPoint::BeforeFinish, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_dies_before_it_has_published_publishes_the_next_time() {
    for point in [FailPoint::BeforeShards, FailPoint::AfterChunk] {
        let night = Night::of(100).await;
        assert!(run(&night.gateway(DiesAt::the(1, point))).await.is_err(), "{point}");
        assert!(night.topic.taken().is_empty(), "{point}");
        _ = run(&night.gateway(DiesAt::the(1, FailPoint::BeforeShards))).await;
        assert!(night.job(Duration::ZERO).await.unwrap().0.more, "{point}");
        let due = night.topic.taken();
        for due in &due {
            night.push(*due).await;
        }
        night.is_completed(due[0].settlement, 100).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_whose_message_is_lost_is_published_again_by_the_same_run_and_by_the_next() {
    let (night, due) = Night::published(200).await;
    // All but two are settled; those are lost.
    for due in due.iter().filter(|due| due.shard != 5 && due.shard != 6) {
        night.push(*due).await;
    }
    let lost = |due: Vec<ShardDue>| due.into_iter().map(|due| due.shard).collect::<Vec<_>>();
    assert!(night.job(Duration::ZERO).await.unwrap().0.more);
    assert_eq!(lost(night.topic.taken()), [5, 6], "the next run publishes what is missing, and nothing else");
    let run = night.job(Duration::from_secs(20));
    let gateway = night.gateway(Arc::new(NoFailPoints));
    let pushes = async {
        let mut seen: BTreeMap<u32, u32> = BTreeMap::new();
        while seen.values().filter(|times| **times >= 2).count() < 2 {
            tokio::task::yield_now().await;
            for due in night.topic.taken() {
                let times = seen.entry(due.shard).or_default();
                *times += 1;
                // Its first message is lost again.
                if *times == 2 {
                    night.push_to(&gateway, due).await.unwrap();
                }
            }
        }
    };
    let (ended, ()) = join(run, pushes).await;
    assert_eq!(ended.unwrap().1.status, SettlementStatus::Completed, "the run waits for them");
    night.is_completed(due[0].settlement, 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_topic_is_away_the_run_settles_everything_itself() {
    let mut night = Night::of(300).await;
    night.topic = Arc::new(Topic { is_away: true, ..Topic::default() });
    let (report, settlement) = night.job(BUDGET).await.unwrap();
    assert_eq!((settlement.status, settlement.shards), (SettlementStatus::Completed, SHARDS));
    assert_eq!(report.did["settled"], 300);
    night.is_completed(settlement.id, 300).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_whose_time_is_over_publishes_its_rest_or_has_its_message_pushed_again() {
    let (night, due) = Night::published(300).await;
    let gateway = night.gateway(Arc::new(NoFailPoints));
    let nothing = |due| gateway.settle_shard(due, Duration::ZERO, context());
    assert_eq!(nothing(due[0]).await.unwrap(), ShardSettled::GoesOn);
    assert_eq!(night.topic.taken(), [due[0]]);
    let away =
        night.till.gateway_in_shards(Arc::new(Topic { is_away: true, ..Topic::default() }), Arc::new(NoFailPoints));
    let refused = away.settle_shard(due[0], Duration::ZERO, context()).await;
    assert!(matches!(refused, Err(Error::Queue(_))), "{refused:?}");
    let dead = night.gateway(DiesAt::the(1, FailPoint::BeforeShardGoesOn));
    assert!(dead.settle_shard(due[0], Duration::ZERO, context()).await.is_err());
    for due in &due {
        night.push(*due).await;
    }
    night.is_completed(due[0].settlement, 300).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_about_nothing_of_ours_is_refused_and_one_of_a_whole_settlement_does_nothing() {
    let night = Night::of(10).await;
    let stranger = ShardDue { settlement: SettlementId::from_random([9; 16]), shard: 1 };
    let gateway = night.gateway(Arc::new(NoFailPoints));
    assert!(matches!(night.push_to(&gateway, stranger).await, Err(Error::NotFound)));
    // In one process: it has no shards that anybody could settle beside it.
    assert!(run(&night.till.gateway_with(5, DiesAt::the(1, FailPoint::AfterChunk))).await.is_err());
    let whole = night.till.store.unfinished_settlement().await.unwrap().unwrap();
    let due = ShardDue { settlement: whole.id, shard: 0 };
    assert!(matches!(night.push_to(&gateway, due).await, Err(Error::NotFound)));
    // What began in one process ends in one, whatever runs now.
    let (_, settlement) = night.job(BUDGET).await.unwrap();
    assert_eq!((settlement.id, settlement.status, settlement.shards), (whole.id, SettlementStatus::Completed, 0));
    night.till.each_settled_once(10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_that_the_ledger_does_not_confirm_fails_the_settlement_until_it_is_right() {
    let (night, due) = Night::published(300).await;
    let (last, others) = due.split_last().unwrap();
    for due in others {
        night.push(*due).await;
    }
    let change = |by: &str| {
        format!(
            "UPDATE postings SET minor = minor {by} 1 WHERE account = 'fee_income' AND payment_id IN
             (SELECT payment_id FROM settlement_lines WHERE chunk > 16777216 ORDER BY payment_id LIMIT 1)"
        )
    };
    // Behind the gateway's back, and the shard is compared anew, as if nobody had.
    night.till.tamper(&change("+"));
    for due in others {
        night.till.store.put_shard_books(&ShardBooks::none(due.settlement, due.shard)).await.unwrap();
        night.push(*due).await;
    }
    night.push(*last).await;
    let failed = night.settlement(last.settlement).await;
    assert_eq!(failed.status, SettlementStatus::Failed);
    assert!(failed.failure.as_ref().unwrap().contains("the ledger says"), "{:?}", failed.failure);
    night.till.tamper(&change("-"));
    assert_eq!(night.job(BUDGET).await.unwrap().1.status, SettlementStatus::Completed);
    night.is_completed(last.settlement, 300).await;
}

/// What a settlement comes to, for us and for each merchant.
type Sums = (SettlementStatus, Vec<Totals>, Vec<Totals>, Vec<Totals>, u64, u64, u64);

/// Two nights: payments, then refunds of some of them, for two merchants; the second night begins with what is owed.
async fn two_nights(payments: &[(bool, i64)], refunds: &[(usize, i64)], topic: Option<Arc<Topic>>) -> Vec<Sums> {
    let till = Till::new().await;
    let mut captured = Vec::new();
    for (first, minor) in payments {
        let samples = if *first { &till.samples } else { &till.other };
        let story = till.captured(samples, *minor);
        till.commit(&story).await;
        captured.push((*first, story.payment));
    }
    let mut sums = Vec::new();
    for night in 0..2 {
        till.night();
        let settlement = settled(&till, topic.as_ref()).await;
        let of = |samples: &tollgate_gateway::contract::Samples| {
            let (store, id, merchant) = (till.store.clone(), settlement.id, samples.merchant);
            async move { store.merchant_totals(id, merchant).await.unwrap() }
        };
        let (one, other) = join(of(&till.samples), of(&till.other)).await;
        let counts = settlement.counts;
        sums.push((
            settlement.status,
            settlement.totals.clone(),
            one,
            other,
            counts.payments,
            counts.refunds,
            counts.carried_over,
        ));
        if night == 0 {
            for (index, minor) in refunds {
                let (first, payment) = &captured[index % captured.len()];
                let samples = if *first { &till.samples } else { &till.other };
                if till.payment(payment).await.refundable().minor() >= *minor {
                    till.refund(samples, payment, *minor).await;
                }
            }
        }
    }
    sums
}

/// The night's settlement, by one process or by a push for each shard.
async fn settled(till: &Till, topic: Option<&Arc<Topic>>) -> Settlement {
    let Some(topic) = topic else { return till.settle().await.1 };
    let gateway = till.gateway_in_shards(topic.clone(), Arc::new(NoFailPoints));
    let dies = till.gateway_in_shards(topic.clone(), DiesAt::the(1, FailPoint::BeforeShards));
    assert!(run(&dies).await.is_err());
    let begun = gateway.run_settlement(JobRun::scheduled(Duration::ZERO), context()).await.unwrap().1;
    while till.store.settlement(begun.id).await.unwrap().unwrap().status == SettlementStatus::Running {
        let due = topic.taken();
        assert!(!due.is_empty(), "nothing is left to push, and it has not ended");
        for due in due {
            gateway.settle_shard(due, BUDGET, context()).await.unwrap();
        }
    }
    till.store.settlement(begun.id).await.unwrap().unwrap()
}

fn payments() -> impl Strategy<Value = Vec<(bool, i64)>> {
    proptest::collection::vec((any::<bool>(), 1..100_000_i64), 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn shards_come_to_what_one_process_comes_to(
        payments in payments(),
        refunds in proptest::collection::vec((0..40_usize, 1..100_000_i64), 0..12),
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let whole = runtime.block_on(two_nights(&payments, &refunds, None));
        let shards = runtime.block_on(two_nights(&payments, &refunds, Some(Arc::default())));
        prop_assert_eq!(whole, shards);
    }
}
