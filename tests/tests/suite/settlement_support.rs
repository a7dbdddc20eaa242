//! What the tests of settlements are played on: a store on a file, gateways that can be started and crashed, payments in
//! every state, and a look at the books from outside.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use futures::{StreamExt, future::BoxFuture, stream};
use tempfile::TempDir;
use tollgate_api::{events::JsonEvents, statuses::JsonStatuses};
use tollgate_counters::EmbeddedStatuses;
use tollgate_domain::{
    BootId, Change, Failure, Observation, Payment, PaymentStatus, Refund, RefundState, RefundView, ReviewReason,
    Settlement, SettlementDay, Timestamp, TransactionState, TransactionView,
    settlement::{LineKind, Totals},
};
use tollgate_gateway::{
    Context, Error, Gateway, JobReport, JobRun, Ports, ReturnLinks, Settings, Stores,
    contract::{Samples, Story, yen},
    ports::{
        FailPoint, FailPoints, Merchants, Settlements, ShardQueue, Store, Time, Timelines, event_backlog::NoBacklog,
        fail_points::NoFailPoints, merchants::Merchant, queue::NoQueue, statuses::StatusCache,
    },
    records::{Cause, ChangeSet, Committed, EventRecord},
    secrets::SecretsKey,
};
use tollgate_simulators::SandboxTime;
use tollgate_store::{Options, SqliteStore};
use tollgate_tests::ports::{SystemEntropy, TestSpawn};
use tollgate_webhooks::{AddressPolicy, HttpWebhookSender};

/// Three hours before a cut-off: 23:00 in Tokyo.
pub(crate) const EVENING: Timestamp = Timestamp::constant(1_789_999_200, 0);
/// What the merchants of these tests pay: 3 per cent.
pub(crate) const FEE: u32 = 300;
const HOUR: Duration = Duration::from_secs(3600);

/// Dies the n-th time that it comes to a point.
pub(crate) struct DiesAt(pub(crate) FailPoint, pub(crate) AtomicU32);

impl DiesAt {
    pub(crate) fn the(nth: u32, point: FailPoint) -> Arc<Self> {
        Arc::new(Self(point, AtomicU32::new(nth)))
    }
}

impl FailPoints for DiesAt {
    fn pass(&self, point: FailPoint) {
        assert!(point != self.0 || self.1.fetch_sub(1, Ordering::Relaxed) != 1, "the process dies at {point}");
    }
}

/// What happens while a run stands at a point.
pub(crate) type Happening = Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>;

/// Lets something happen the first time that a run comes to a point.
pub(crate) struct Meanwhile(FailPoint, Mutex<Option<Happening>>);

impl Meanwhile {
    pub(crate) fn at(
        point: FailPoint,
        happening: impl FnOnce() -> BoxFuture<'static, ()> + Send + 'static,
    ) -> Arc<Self> {
        Arc::new(Self(point, Mutex::new(Some(Box::new(happening)))))
    }
}

impl FailPoints for Meanwhile {
    fn pass(&self, point: FailPoint) {
        if point == self.0
            && let Some(happening) = self.1.lock().unwrap().take()
        {
            tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(happening()));
        }
    }
}

/// A store with merchants in it, at a time that is told.
pub(crate) struct Till {
    pub(crate) store: Arc<SqliteStore>,
    pub(crate) time: Arc<SandboxTime>,
    pub(crate) samples: Samples,
    pub(crate) other: Samples,
    pub(crate) folder: TempDir,
    boots: AtomicU32,
    ports: Ports,
    /// Payments as they were.
    pub(crate) statuses: Arc<EmbeddedStatuses>,
}

fn boot(number: u32) -> BootId {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    BootId::from_random(bytes)
}

pub(crate) fn context() -> Context {
    Context { correlation_id: "settlement-test".to_owned() }
}

impl Till {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let time = Arc::new(SandboxTime::simulated(EVENING));
        let options = Options::new(boot(1)).ephemeral();
        let store = Arc::new(SqliteStore::open(folder.path().join("store.db"), options, time.clone()).unwrap());
        let statuses = Arc::new(EmbeddedStatuses::new(time.clone()));
        let ports = Ports {
            stores: Stores::of(&store),
            providers: Vec::new(),
            events: Arc::new(JsonEvents),
            statuses: Some(StatusCache { statuses: statuses.clone(), format: Arc::new(JsonStatuses) }),
            queue: Arc::new(NoQueue),
            shards: Arc::new(NoQueue),
            backlog: Arc::new(NoBacklog),
            webhooks: Arc::new(HttpWebhookSender::new(AddressPolicy::production(), time.clone())),
            secrets: SecretsKey::new(&[1; 32]),
            time: time.clone(),
            spawn: Arc::new(TestSpawn),
            entropy: Arc::new(SystemEntropy),
            fail_points: Arc::new(NoFailPoints),
        };
        let (samples, other) = (Samples::new(501), Samples::new(502));
        let till = Self { store, time, samples, other, folder, boots: AtomicU32::new(2), ports, statuses };
        for samples in [&till.samples, &till.other] {
            till.fee(samples, FEE).await;
        }
        till
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("store.db")
    }

    pub(crate) async fn fee(&self, samples: &Samples, basis_points: u32) {
        let merchant = Merchant {
            id: samples.merchant,
            name: "Shoes".to_owned(),
            requests_per_minute: None,
            fee_basis_points: basis_points,
            created_at: EVENING,
        };
        self.store.put_merchant(&merchant).await.unwrap();
    }

    /// A process that starts now.
    pub(crate) fn gateway(&self) -> Gateway {
        self.gateway_with(100, Arc::new(NoFailPoints))
    }

    /// One that works in chunks of so many.
    pub(crate) fn gateway_with(&self, chunk: u32, fail_points: Arc<dyn FailPoints>) -> Gateway {
        let boot = boot(self.boots.fetch_add(1, Ordering::Relaxed));
        let store = Arc::new(self.store.another(boot).unwrap());
        let mut settings = Settings::new(boot, ReturnLinks::new("https://pay.example", &[1; 32]));
        settings.settlement_chunk = chunk;
        settings.settlement_pause = Duration::ZERO;
        Gateway::new(Ports { stores: Stores::of(&store), fail_points, ..self.ports.clone() }, settings)
    }

    /// A gateway of another process whose settlements are split, in chunks of ten: parts of them are published to `shards`.
    pub(crate) fn gateway_in_shards(&self, shards: Arc<dyn ShardQueue>, fail_points: Arc<dyn FailPoints>) -> Gateway {
        let boot = boot(self.boots.fetch_add(1, Ordering::Relaxed));
        let store = Arc::new(self.store.another(boot).unwrap());
        let mut settings = Settings::new(boot, ReturnLinks::new("https://pay.example", &[1; 32]));
        settings.settlement_chunk = 10;
        settings.settlement_pause = Duration::ZERO;
        settings.settlement_look = Duration::from_millis(5);
        settings.settlement_again = Duration::from_millis(50);
        Gateway::new(Ports { stores: Stores::of(&store), shards, fail_points, ..self.ports.clone() }, settings)
    }

    /// One run, by a process of its own.
    pub(crate) async fn settle(&self) -> (JobReport, Settlement) {
        run(&self.gateway()).await.unwrap()
    }

    /// Moves the clock to the next cut-off.
    pub(crate) fn night(&self) -> SettlementDay {
        let next = SettlementDay::of(self.time.now()).next_cutoff();
        self.time.set(Some(next));
        SettlementDay::of(next)
    }

    /// Some hours pass.
    pub(crate) fn hours(&self, hours: u32) {
        self.time.set(Some(self.time.now() + HOUR * hours));
    }

    /// A payment of so many yen, captured now.
    pub(crate) fn captured<'a>(&self, samples: &'a Samples, minor: i64) -> Story<'a> {
        let mut new = samples.new_payment();
        new.amount = yen(minor);
        let story = Story::open(samples, new, self.time.now()).frozen();
        story.seen(TransactionState::Captured { amount: yen(minor), refunded: yen(0) })
    }

    /// What was told and is not committed yet.
    pub(crate) async fn commit(&self, story: &Story<'_>) {
        for set in &story.sets {
            assert_eq!(self.store.commit(set).await.unwrap(), Committed::Done);
        }
    }

    /// So many payments captured now, of 100, 101, 102 … yen.
    pub(crate) async fn capture_many(&self, samples: &Samples, count: i64) -> Vec<Payment> {
        let stories: Vec<Story<'_>> = (0..count).map(|number| self.captured(samples, 100 + number)).collect();
        stream::iter(&stories).for_each_concurrent(64, |story| self.commit(story)).await;
        stories.into_iter().map(|story| story.payment).collect()
    }

    /// The payment goes on from how it now is.
    pub(crate) async fn story<'a>(&self, samples: &'a Samples, payment: &Payment) -> Story<'a> {
        let mut story = Story::open(samples, samples.new_payment(), self.time.now()).frozen();
        story.sets.clear();
        story.payment = self.payment(payment).await;
        story
    }

    /// Commits `change`, as whoever else works on the payment would.
    pub(crate) async fn commit_change(&self, samples: &Samples, change: Change) {
        let event = |event: &tollgate_domain::Event| EventRecord {
            id: samples.event_id(),
            payment: event.payment.id,
            merchant: event.payment.merchant,
            sequence: event.sequence,
            kind: event.kind,
            body: "{}".to_owned(),
            at: event.at,
        };
        let events = change.events.iter().map(event).collect();
        let set = ChangeSet::of(samples.change_id(), change, Cause::LookUp, "corr-other", events);
        assert_eq!(self.store.commit(&set).await.unwrap(), Committed::Done);
    }

    /// The provider differs: a person has to look at the payment.
    pub(crate) async fn needs_review(&self, samples: &Samples, payment: &Payment) {
        let change = self.payment(payment).await.needs_review(ReviewReason::ProviderDiffers, self.time.now());
        self.commit_change(samples, change.unwrap()).await;
    }

    /// A second success turns up at the provider: its reversal is open.
    pub(crate) async fn reversal_open(&self, samples: &Samples, payment: &Payment) {
        let (payment, now) = (self.payment(payment).await, self.time.now());
        let state = TransactionState::Captured { amount: payment.amount, refunded: yen(0) };
        let (transaction_id, amount) = ("pi_other".to_owned(), payment.amount);
        let view = TransactionView { transaction_id, request_id: None, amount, state, kept: None };
        let Observation::Change(change) = payment.observed(&view, true, samples.attempt(now), now) else {
            panic!("one success too many is undone")
        };
        assert!(change.payment.open.is_some() && change.payment.status == PaymentStatus::Captured);
        self.commit_change(samples, *change).await;
    }

    /// The provider takes a refund back that had completed.
    pub(crate) async fn refund_comes_back(&self, samples: &Samples, refund: &Refund) {
        let refund = self.store.refund(refund.id).await.unwrap().unwrap();
        let payment = self.store.payment(refund.payment_id).await.unwrap().unwrap();
        let failure =
            Failure { code: "account_closed".to_owned(), message: "No account".to_owned(), provider_code: None };
        let view =
            RefundView { refund_reference: "re_7".to_owned(), instead_of: None, state: RefundState::Failed(failure) };
        let change = payment.refund_moved(&refund, &view, self.time.now()).unwrap();
        self.commit_change(samples, change).await;
    }

    /// A refund of so many yen, asked for and done now.
    pub(crate) async fn refund(&self, samples: &Samples, payment: &Payment, minor: i64) -> Refund {
        let story = self.story(samples, payment).await.refund_requested(minor).refund_completed();
        self.commit(&story).await;
        story.last().payment.as_ref().unwrap().refund.clone().unwrap()
    }

    pub(crate) async fn payment(&self, payment: &Payment) -> Payment {
        self.store.payment(payment.id).await.unwrap().unwrap()
    }

    /// What the merchant gets, in yen.
    pub(crate) async fn totals(&self, settlement: &Settlement, samples: &Samples) -> Totals {
        let totals = self.store.merchant_totals(settlement.id, samples.merchant).await.unwrap();
        totals.into_iter().find(|totals| totals.currency == yen(0).currency()).unwrap()
    }

    /// The merchant's lines: what, which payment, how much.
    pub(crate) async fn lines(
        &self,
        settlement: &Settlement,
        samples: &Samples,
    ) -> Vec<(LineKind, Option<tollgate_domain::PaymentId>, i64)> {
        let lines = self.store.settlement_lines(settlement.id, samples.merchant, None, 10_000).await.unwrap();
        lines
            .into_iter()
            .map(|placed| (placed.line.kind, placed.line.payment.map(|(id, _)| id), placed.line.net))
            .collect()
    }

    /// One number from the store's file.
    pub(crate) fn number(&self, sql: &str) -> i64 {
        let connection = rusqlite::Connection::open(self.path()).unwrap();
        connection.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    /// Changes the store's file behind its back.
    pub(crate) fn tamper(&self, sql: &str) {
        let connection = rusqlite::Connection::open(self.path()).unwrap();
        assert!(connection.execute(sql, []).unwrap() > 0, "{sql}");
    }

    /// Every payment that was captured before the cut-off is in exactly one settlement, with one line.
    pub(crate) fn each_settled_once(&self, count: usize) {
        let count = i64::try_from(count).unwrap();
        assert_eq!(self.number("SELECT count(*) FROM payments WHERE status = 'SETTLED'"), count);
        assert_eq!(self.number("SELECT count(*) FROM settlement_lines WHERE kind = 'payment'"), count);
        let distinct = "SELECT count(DISTINCT payment_id) FROM settlement_lines WHERE kind = 'payment'";
        assert_eq!(self.number(distinct), count);
        let told =
            "SELECT count(*) FROM events JOIN deliveries USING (payment_id, sequence) WHERE kind = 'payment.settled'";
        assert_eq!(self.number(told), count, "every merchant is told once, and the delivery is born with it");
        let sums = "SELECT count(*) FROM (SELECT 1 FROM postings GROUP BY payment_id, version, currency HAVING sum(minor) <> 0)";
        assert_eq!(self.number(sums), 0);
    }

    /// Nothing of the books differs between these two moments.
    pub(crate) fn everything(&self) -> Vec<i64> {
        ["settlements", "settlement_chunks", "settlement_lines", "settlement_totals", "history", "postings", "events"]
            .map(|table| self.number(&format!("SELECT count(*) FROM {table}")))
            .into_iter()
            .chain([
                self.number("SELECT sum(revision) FROM settlements"),
                self.number("SELECT sum(version) FROM payments"),
            ])
            .collect()
    }
}

pub(crate) async fn run(gateway: &Gateway) -> Result<(JobReport, Settlement), Error> {
    gateway.run_settlement(JobRun::scheduled(Duration::from_secs(600)), context()).await
}

pub(crate) fn settled(payment: &Payment, settlement: &Settlement) -> bool {
    payment.status == PaymentStatus::Settled && payment.settlement == Some(settlement.id)
}
