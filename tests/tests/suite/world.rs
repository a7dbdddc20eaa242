//! A gateway with a real store, a provider that answers what it is told to, and a clock that moves when it is told to: what
//! interleavings are played in.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures::future::BoxFuture;
use tollgate_api::{events::JsonEvents, statuses::JsonStatuses};
use tollgate_counters::EmbeddedStatuses;
use tollgate_domain::{
    Answer, Attempt, BootId, CaptureMethod, Change, ChangeId, Details, EventId, EventKind, Failure, KeyHash, Lease,
    MerchantId, Money, Operation, OperationKind, Payment, PaymentId, ProviderName, ProviderRequestId, Refund, RefundId,
    RefundState, RefundView, ReviewReason, SettlementId, Timestamp, TransactionState, TransactionView,
};
use tollgate_gateway::{
    Context, CreatePayment, Done, Error, Gateway, Ingested, JobReport, JobRun, Ports, Resolution, ReturnLinks,
    Settings, Stores, Target,
    ports::{
        Entropy, EventBacklog, FailPoint, FailPoints, Provider, Statuses, Store, StoreError, Time, Timelines,
        event_backlog::NoBacklog,
        fail_points::NoFailPoints,
        provider::{Call, LookUp, News, ProviderEvent, Reply, Terms, Unsupported},
        queue::NoQueue,
        statuses::StatusCache,
    },
    reconcile::{ByHand, StillWaits, resolve_by_hand},
    records::{Cause, ChangeSet, Committed, EventRecord, IdempotencyRecord, ListQuery},
    secrets::SecretsKey,
};
use tollgate_simulators::SandboxTime;
use tollgate_store::{Options, SqliteStore};
use tollgate_tests::ports::{SystemEntropy, TestSpawn};
use tollgate_webhooks::{AddressPolicy, HttpWebhookSender};

pub(crate) const START: Timestamp = Timestamp::constant(1_790_000_000, 0);

/// What happens while a call is under way.
pub(crate) type Meanwhile = Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>;

/// A provider that answers what it is told to, and remembers what it was sent.
#[derive(Default)]
pub(crate) struct Script {
    pub(crate) answers: Mutex<VecDeque<Answer>>,
    pub(crate) look_ups: Mutex<VecDeque<LookUp>>,
    pub(crate) meanwhile: Mutex<Option<Meanwhile>>,
    pub(crate) sent: Mutex<Vec<(OperationKind, String, Option<String>)>>,
    /// What is shown where no look-up was scripted.
    pub(crate) every_look_up: Mutex<Option<LookUp>>,
    pub(crate) cancels: Mutex<VecDeque<Answer>>,
    pub(crate) cancelled: Mutex<u32>,
    /// The payments that it was asked for, in order.
    pub(crate) asked: Mutex<Vec<PaymentId>>,
    /// It keeps an error under an operation's id, and answers it again and again.
    pub(crate) keeps_errors: AtomicBool,
    /// What happens while a look-up is under way.
    pub(crate) while_asked: Mutex<Option<Meanwhile>>,
    /// How long it takes to answer a look-up, real time.
    pub(crate) ponders: Mutex<Duration>,
}

impl Script {
    pub(crate) fn answers(&self, answers: impl IntoIterator<Item = Answer>) {
        self.answers.lock().unwrap().extend(answers);
    }

    pub(crate) fn look_ups(&self, answers: impl IntoIterator<Item = LookUp>) {
        self.look_ups.lock().unwrap().extend(answers);
    }

    pub(crate) fn cancels(&self, answers: impl IntoIterator<Item = Answer>) {
        self.cancels.lock().unwrap().extend(answers);
    }

    pub(crate) fn sent(&self) -> Vec<(OperationKind, String, Option<String>)> {
        self.sent.lock().unwrap().clone()
    }

    pub(crate) fn kinds(&self) -> Vec<OperationKind> {
        self.sent().into_iter().map(|(kind, ..)| kind).collect()
    }
}

pub(crate) fn reply<T>(answer: T) -> Reply<T> {
    Reply { answer, http_status: Some(200), reference: None, provider_code: None, repeated: false }
}

#[async_trait]
impl Provider for Script {
    fn name(&self) -> ProviderName {
        ProviderName::Stripe
    }

    fn accepts(&self, _: Money, _: CaptureMethod) -> Result<(), Unsupported> {
        Ok(())
    }

    fn terms(&self) -> Terms {
        Terms { captures_partially: true, resend_window: Duration::from_secs(23 * 3600) }
    }

    async fn send(&self, call: Call<'_>) -> Reply<Answer> {
        let operation = call.operation;
        let sent = (operation.kind, operation.request_id.to_string(), operation.progress.clone());
        self.sent.lock().unwrap().push(sent);
        let meanwhile = self.meanwhile.lock().unwrap().take();
        if let Some(meanwhile) = meanwhile {
            meanwhile().await;
        }
        let answer = self.answers.lock().unwrap().pop_front().expect("the script has an answer for this call");
        let repeated = self.keeps_errors.load(Ordering::SeqCst) && matches!(answer, Answer::Unknown { .. });
        Reply { repeated, ..reply(answer) }
    }

    async fn look_up(&self, call: Call<'_>) -> Reply<LookUp> {
        self.asked.lock().unwrap().push(call.payment.id);
        let meanwhile = self.while_asked.lock().unwrap().take();
        if let Some(meanwhile) = meanwhile {
            meanwhile().await;
        }
        let ponders = *self.ponders.lock().unwrap();
        if !ponders.is_zero() {
            SandboxTime::real().sleep(ponders).await;
        }
        let next = self.look_ups.lock().unwrap().pop_front().or_else(|| self.every_look_up.lock().unwrap().clone());
        reply(next.expect("the script has an answer for this look-up"))
    }

    async fn cancel(&self, _: Call<'_>) -> Reply<Answer> {
        *self.cancelled.lock().unwrap() += 1;
        let meanwhile = self.meanwhile.lock().unwrap().take();
        if let Some(meanwhile) = meanwhile {
            meanwhile().await;
        }
        reply(self.cancels.lock().unwrap().pop_front().expect("the script has an answer for this cancel"))
    }
}

/// A store whose commits can fail, before or after they happened.
pub(crate) struct Flaky {
    pub(crate) inner: Arc<SqliteStore>,
    pub(crate) lost_answers: Mutex<u32>,
    pub(crate) down: Mutex<bool>,
    /// Nobody gets an answer, whatever is asked.
    pub(crate) away: AtomicBool,
    /// How many found it away.
    pub(crate) refused: AtomicUsize,
    /// Reads of payments fail.
    pub(crate) unreadable: Mutex<bool>,
    /// The answer to every commit is lost.
    pub(crate) mute: Mutex<bool>,
}

impl Flaky {
    fn before(inner: Arc<SqliteStore>) -> Self {
        Self {
            inner,
            lost_answers: Mutex::default(),
            down: Mutex::default(),
            away: AtomicBool::default(),
            refused: AtomicUsize::default(),
            unreadable: Mutex::default(),
            mute: Mutex::default(),
        }
    }

    fn reached(&self) -> Result<&SqliteStore, StoreError> {
        let is_away = self.away.load(Ordering::SeqCst);
        self.refused.fetch_add(usize::from(is_away), Ordering::SeqCst);
        if is_away { Err(StoreError::Unavailable("away".to_owned())) } else { Ok(&self.inner) }
    }
}

#[async_trait]
impl Store for Flaky {
    async fn commit(&self, set: &ChangeSet) -> Result<Committed, StoreError> {
        if *self.down.lock().unwrap() {
            return Err(StoreError::Unavailable("down".to_owned()));
        }
        let committed = self.reached()?.commit(set).await?;
        let mut lost = self.lost_answers.lock().unwrap();
        if *lost > 0 {
            *lost -= 1;
            return Err(StoreError::Unavailable("the answer was lost".to_owned()));
        }
        if *self.mute.lock().unwrap() {
            return Err(StoreError::Unavailable("the answer was lost".to_owned()));
        }
        Ok(committed)
    }

    async fn payment(&self, id: PaymentId) -> Result<Option<Payment>, StoreError> {
        if *self.unreadable.lock().unwrap() {
            return Err(StoreError::Unavailable("down".to_owned()));
        }
        self.reached()?.payment(id).await
    }

    async fn operation(&self, payment: PaymentId, number: u32) -> Result<Option<Operation>, StoreError> {
        self.reached()?.operation(payment, number).await
    }

    async fn idempotency(&self, key: KeyHash) -> Result<Option<IdempotencyRecord>, StoreError> {
        self.reached()?.idempotency(key).await
    }

    async fn owner_is_gone(&self, owner: BootId) -> Result<bool, StoreError> {
        self.reached()?.owner_is_gone(owner).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.reached()?.ping().await
    }
}

/// Does something at a fail point: moves the clock, stalls an instance.
pub(crate) struct At(pub(crate) FailPoint, pub(crate) Box<dyn Fn() + Send + Sync>);

impl FailPoints for At {
    fn pass(&self, point: FailPoint) {
        if point == self.0 {
            (self.1)();
        }
    }
}

/// Where payments as they were are kept, and events that come while the store is away.
pub(crate) struct Kept {
    pub(crate) statuses: Arc<dyn Statuses>,
    pub(crate) backlog: Arc<dyn EventBacklog>,
}

impl Kept {
    /// Payments in process, and events nowhere.
    pub(crate) fn nothing_beside(time: &Arc<SandboxTime>) -> Self {
        Self { statuses: Arc::new(EmbeddedStatuses::new(time.clone())), backlog: Arc::new(NoBacklog) }
    }
}

/// A gateway with everything around it.
pub(crate) struct World {
    pub(crate) gateway: Gateway,
    pub(crate) script: Arc<Script>,
    pub(crate) store: Arc<SqliteStore>,
    pub(crate) flaky: Arc<Flaky>,
    pub(crate) time: Arc<SandboxTime>,
    pub(crate) statuses: Arc<dyn Statuses>,
}

pub(crate) fn boot(number: u8) -> BootId {
    BootId::from_random([number; 16])
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(Arc::new(SandboxTime::simulated(START)), Arc::new(NoFailPoints))
    }

    pub(crate) fn with(time: Arc<SandboxTime>, fail_points: Arc<dyn FailPoints>) -> Self {
        let store = Arc::new(SqliteStore::in_memory(Options::new(boot(1)), time.clone()).unwrap());
        Self::on(store, Arc::new(Script::default()), time, boot(1), fail_points)
    }

    pub(crate) fn on(
        store: Arc<SqliteStore>,
        script: Arc<Script>,
        time: Arc<SandboxTime>,
        boot: BootId,
        fail_points: Arc<dyn FailPoints>,
    ) -> Self {
        Self::beside(store, script, Vec::new(), time, boot, fail_points)
    }

    /// With `others` beside the provider that is told what to answer.
    pub(crate) fn beside(
        store: Arc<SqliteStore>,
        script: Arc<Script>,
        others: Vec<Arc<dyn Provider>>,
        time: Arc<SandboxTime>,
        boot: BootId,
        fail_points: Arc<dyn FailPoints>,
    ) -> Self {
        Self::keeping(Kept::nothing_beside(&time), store, script, others, time, boot, fail_points)
    }

    /// With payments as they were, and events that come while the store is away, kept in `kept`.
    pub(crate) fn keeping(
        kept: Kept,
        store: Arc<SqliteStore>,
        script: Arc<Script>,
        others: Vec<Arc<dyn Provider>>,
        time: Arc<SandboxTime>,
        boot: BootId,
        fail_points: Arc<dyn FailPoints>,
    ) -> Self {
        let flaky = Arc::new(Flaky::before(store.clone()));
        let ports = Ports {
            stores: Stores { payments: flaky.clone(), exceptions: flaky.clone(), ..Stores::of(&store) },
            providers: [script.clone() as _].into_iter().chain(others).collect(),
            events: Arc::new(JsonEvents),
            statuses: Some(StatusCache { statuses: kept.statuses.clone(), format: Arc::new(JsonStatuses) }),
            queue: Arc::new(NoQueue),
            shards: Arc::new(NoQueue),
            backlog: kept.backlog,
            webhooks: Arc::new(HttpWebhookSender::new(AddressPolicy::production(), time.clone())),
            secrets: SecretsKey::new(&[1; 32]),
            time: time.clone(),
            spawn: Arc::new(TestSpawn),
            entropy: Arc::new(SystemEntropy),
            fail_points,
        };
        let mut settings = Settings::new(boot, ReturnLinks::new("https://pay.example", &[1; 32]));
        settings.store_timeout = Duration::from_millis(300);
        settings.job_retry = Duration::from_millis(5);
        Self { gateway: Gateway::new(ports, settings), script, store, flaky, time, statuses: kept.statuses }
    }

    /// The same data and provider, seen by a process that started after this one.
    pub(crate) fn restarted(&self, number: u8) -> Self {
        let store = Arc::new(self.store.another(boot(number)).unwrap());
        let (script, time) = (self.script.clone(), self.time.clone());
        let kept = Kept { statuses: self.statuses.clone(), backlog: Arc::new(NoBacklog) };
        Self::keeping(kept, store, script, Vec::new(), time, boot(number), Arc::new(NoFailPoints))
    }

    pub(crate) fn later(&self, seconds: u64) {
        self.time.set(Some(self.time.now() + Duration::from_secs(seconds)));
    }

    pub(crate) async fn create(&self, key: &str) -> Result<Done, Error> {
        self.create_with(key, CaptureMethod::Manual).await
    }

    pub(crate) async fn create_with(&self, key: &str, capture_method: CaptureMethod) -> Result<Done, Error> {
        let command = CreatePayment {
            merchant: merchant(),
            idempotency_key: key.to_owned(),
            amount: yen(1000),
            payment_method: BTreeMap::from([(ProviderName::Stripe, "pm_card_visa".to_owned())]),
            provider: None,
            capture_method,
            details: Details::default(),
        };
        self.gateway.create_payment(command, context()).await
    }

    pub(crate) async fn authorized(&self) -> Payment {
        self.script.answers([shows(held())]);
        self.create("authorized").await.unwrap().payment
    }

    pub(crate) async fn capture(&self, payment: &Payment, key: &str) -> Result<Done, Error> {
        self.gateway.capture_payment(target(payment, key), None, context()).await
    }

    pub(crate) async fn void(&self, payment: &Payment, key: &str) -> Result<Done, Error> {
        self.gateway.void_payment(target(payment, key), context()).await
    }

    /// A payment of 1000 yen that is settled, without a fee.
    pub(crate) async fn settled(&self) -> Payment {
        self.script.answers([shows(held()), shows(taken())]);
        let key = hex::encode(random());
        let held = self.create(&key).await.unwrap().payment;
        let captured = self.capture(&held, &key).await.unwrap().payment;
        let change = captured.settle(SettlementId::from_random(random()), yen(0), self.time.now()).unwrap();
        self.committed(change, None).await
    }

    /// Reserves a refund of `minor` yen; nobody has sent it yet.
    pub(crate) async fn refund_reserved(&self, payment: &Payment, minor: i64) -> (Payment, RefundId) {
        let now = self.time.now();
        let lease = Lease { owner: boot(1), call_until: now + Duration::from_secs(20) };
        let attempt = Attempt { request_id: ProviderRequestId::from_random(random()), lease };
        let (id, key) = (RefundId::from_random(random()), key());
        let change = payment.request_refund(id, Some(yen(minor)), None, attempt, key, now).unwrap();
        (self.committed(change, Some(key)).await, id)
    }

    /// A refund of `minor` yen that the job has sent, and that was answered with `state`.
    pub(crate) async fn refunded(&self, payment: &Payment, minor: i64, state: RefundState) -> (Payment, RefundId) {
        let (payment, id) = self.refund_reserved(payment, minor).await;
        self.later(21);
        self.script.answers([Answer::ShowsRefund(RefundView {
            refund_reference: "re_1".to_owned(),
            instead_of: None,
            state,
        })]);
        self.stuck().await;
        (self.now_is(&payment).await, id)
    }

    pub(crate) async fn refund(&self, id: RefundId) -> Refund {
        self.store.refund(id).await.unwrap().unwrap()
    }

    /// Checks the books for so long.
    pub(crate) async fn books(&self, budget: Duration) -> JobReport {
        self.gateway.invariants(JobRun::scheduled(budget), context()).await.unwrap()
    }

    /// A defect: the change, and not the events that it counts.
    pub(crate) async fn committed_without_events(&self, change: Change) -> Payment {
        let payment = change.payment.clone();
        let set = ChangeSet::of(ChangeId::from_random(random()), change, Cause::Merchant, "test", Vec::new());
        assert_eq!(self.store.commit(&set).await.unwrap(), Committed::Done);
        payment
    }

    /// The repair of that defect.
    pub(crate) async fn event_made_up_for(&self, payment: &Payment) {
        let change = payment.review_over(ReviewReason::Unresolved, self.time.now()).unwrap();
        let event = EventRecord {
            id: EventId::from_random(random()),
            payment: payment.id,
            merchant: payment.merchant,
            sequence: payment.events,
            kind: EventKind::PaymentNeedsReview,
            body: "{}".to_owned(),
            at: payment.updated_at,
        };
        let set = ChangeSet::of(ChangeId::from_random(random()), change, Cause::Merchant, "test", vec![event]);
        assert_eq!(self.store.commit(&set).await.unwrap(), Committed::Done);
    }

    /// Commits what no use-case does yet.
    async fn committed(&self, change: Change, key: Option<KeyHash>) -> Payment {
        let payment = change.payment.clone();
        let events = change.events.iter().map(|event| {
            let (id, sequence, kind, at) = (EventId::from_random(random()), event.sequence, event.kind, event.at);
            EventRecord {
                id,
                payment: payment.id,
                merchant: payment.merchant,
                sequence,
                kind,
                body: "{}".to_owned(),
                at,
            }
        });
        let (events, operation) = (events.collect(), change.operation);
        let mut set = ChangeSet::of(ChangeId::from_random(random()), change, Cause::Merchant, "test", events);
        set.new_key = key.map(|key| IdempotencyRecord {
            key,
            fingerprint: key,
            payment: payment.id,
            operation,
            created_at: payment.updated_at,
        });
        assert_eq!(self.store.commit(&set).await.unwrap(), Committed::Done);
        payment
    }

    pub(crate) async fn event(&self, payment: &Payment, id: &str, state: TransactionState) -> Result<Ingested, Error> {
        self.gateway.ingest_event(ProviderName::Stripe, event(payment.id, id, state), context()).await
    }

    pub(crate) async fn resolve(&self, payment: &Payment) -> Resolution {
        self.gateway.resolve_operation(payment.id, "stuck-payments", context()).await.unwrap()
    }

    /// Runs the job for stuck payments once.
    pub(crate) async fn stuck(&self) -> JobReport {
        let run = JobRun::scheduled(Duration::from_secs(60));
        self.gateway.stuck_payments(run, context()).await.unwrap()
    }

    /// Runs the comparison with the provider's truth once.
    pub(crate) async fn truth(&self) -> JobReport {
        let run = JobRun::scheduled(Duration::from_secs(60));
        self.gateway.provider_truth(run, context()).await.unwrap()
    }

    /// A person leaves the payment as it is, having looked at it in this version.
    pub(crate) async fn left_as_it_is(&self, payment: &Payment, version: Option<u64>) -> Result<Payment, StillWaits> {
        let change_id = ChangeId::from_random(random());
        let word = ByHand { payment: payment.id, version, pays_out: false, by: "ann", why: "ticket 7", change_id };
        resolve_by_hand(&Stores::of(&self.store), word, self.time.now()).await.unwrap()
    }

    /// The payment that was made last, while its own answer is still on the way.
    pub(crate) async fn newest(&self) -> Payment {
        let query = ListQuery { merchant: merchant(), merchant_reference: None, status: None, after: None, limit: 1 };
        self.gateway.list_payments(&query).await.unwrap().payments.remove(0)
    }

    pub(crate) async fn now_is(&self, payment: &Payment) -> Payment {
        self.gateway.get_payment(merchant(), payment.id).await.unwrap()
    }

    /// Waits for what goes on in the background.
    pub(crate) async fn until(&self, payment: &Payment, reached: impl Fn(&Payment) -> bool) -> Payment {
        for _ in 0..500 {
            let now = self.now_is(payment).await;
            if reached(&now) {
                return now;
            }
            self.time.sleep(Duration::from_millis(10)).await;
        }
        panic!("it never came: {:?}", self.now_is(payment).await)
    }
}

fn random() -> [u8; 16] {
    let mut bytes = [0; 16];
    SystemEntropy.fill(&mut bytes);
    bytes
}

fn key() -> KeyHash {
    let mut key = [0; 32];
    SystemEntropy.fill(&mut key);
    KeyHash(key)
}

pub(crate) fn merchant() -> MerchantId {
    MerchantId::from_random([2; 16])
}

pub(crate) fn context() -> Context {
    Context { correlation_id: "test".to_owned() }
}

pub(crate) fn target(payment: &Payment, key: &str) -> Target {
    Target { merchant: merchant(), payment: payment.id, idempotency_key: key.to_owned() }
}

pub(crate) fn yen(minor: i64) -> Money {
    Money::new(minor, "JPY".parse().unwrap()).unwrap()
}

pub(crate) fn view(state: TransactionState) -> TransactionView {
    TransactionView { transaction_id: "pi_1".to_owned(), request_id: None, amount: yen(1000), state, kept: None }
}

pub(crate) fn shows(state: TransactionState) -> Answer {
    Answer::Shows(view(state))
}

pub(crate) fn held() -> TransactionState {
    TransactionState::Authorized { expires_at: None }
}

pub(crate) fn taken() -> TransactionState {
    TransactionState::Captured { amount: yen(1000), refunded: yen(0) }
}

pub(crate) fn unknown() -> Answer {
    Answer::Unknown { reason: "timeout".to_owned() }
}

pub(crate) fn refused() -> Answer {
    Answer::Refused { failure: Failure::new("provider_refused", "No"), authorization_gone: false }
}

pub(crate) fn event(payment: PaymentId, id: &str, state: TransactionState) -> ProviderEvent {
    let news = News::Transaction { payment: Some(payment), view: view(state) };
    ProviderEvent { event_id: id.to_owned(), event_type: "payment_intent.updated".to_owned(), news }
}
