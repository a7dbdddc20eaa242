//! What makes deliveries to merchants true, played against the use-cases: a real store, merchants and a queue that do what
//! they are told to, and a clock that moves when it is told to.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures::{
    FutureExt as _, StreamExt as _,
    future::{BoxFuture, join_all},
    stream::FuturesUnordered,
};
use tokio::sync::Semaphore;
use tollgate_api::events::JsonEvents;
use tollgate_domain::{
    Answer, BootId, CaptureMethod, Delivery, DeliveryStatus, Details, EventId, MerchantId, Money, Payment, PaymentId,
    ProviderName, Timestamp, TransactionState, TransactionView,
};
use tollgate_gateway::{
    Context, CreatePayment, DeliveryOutcome, Error, Gateway, JobReport, JobRun, Ports, ReturnLinks, Settings, Stores,
    Target,
    ports::{
        Deliveries, Endpoints, FailPoint, FailPoints, Merchants as _, Provider, Queue, StoreError, Time, WebhookSender,
        deliveries::{DeliveryAttempt, Outgoing},
        event_backlog::NoBacklog,
        fail_points::NoFailPoints,
        merchants::{Merchant, WaitedFor, WebhookEndpoint},
        provider::{Call, LookUp, Reply, Terms, Unsupported},
        queue::{DeliveryDue, Message, QueueError},
        webhook_sender::{EndpointRefused, SendError, Sent, Webhook},
    },
    records::EventRecord,
    secrets::SecretsKey,
};
use tollgate_runtime::TaskSpawner;
use tollgate_sandbox::collector::Collector;
use tollgate_simulators::SandboxTime;
use tollgate_store::{Options, SqliteStore};
use tollgate_tests::ports::SystemEntropy;

use super::api_support::in_time;

const START: Timestamp = Timestamp::constant(1_790_000_000, 0);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// One try and six retries: what the contract says comes between them.
const SCHEDULE: [u64; 6] = [60, 300, 1800, 7200, 21_600, 86_400];
const URL: &str = "https://shop.example/hooks";

/// What happens while something else is under way.
type Meanwhile = Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>;

/// A provider that holds every amount at once.
struct Holds;

#[async_trait]
impl Provider for Holds {
    fn name(&self) -> ProviderName {
        ProviderName::Stripe
    }

    fn accepts(&self, _: Money, _: CaptureMethod) -> Result<(), Unsupported> {
        Ok(())
    }

    fn terms(&self) -> Terms {
        Terms { captures_partially: true, resend_window: DAY }
    }

    async fn send(&self, call: Call<'_>) -> Reply<Answer> {
        let state = if call.operation.kind == tollgate_domain::OperationKind::Capture {
            TransactionState::Captured { amount: yen(1000), refunded: yen(0) }
        } else {
            TransactionState::Authorized { expires_at: None }
        };
        let transaction_id = format!("pi_{}", call.payment.id);
        let view = TransactionView { transaction_id, request_id: None, amount: yen(1000), state, kept: None };
        Reply {
            answer: Answer::Shows(view),
            http_status: Some(200),
            reference: None,
            provider_code: None,
            repeated: false,
        }
    }

    async fn look_up(&self, _: Call<'_>) -> Reply<LookUp> {
        Reply {
            answer: LookUp::NotFound,
            http_status: Some(404),
            reference: None,
            provider_code: None,
            repeated: false,
        }
    }

    async fn cancel(&self, call: Call<'_>) -> Reply<Answer> {
        self.send(call).await
    }
}

/// What a merchant was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Received {
    url: String,
    id: String,
    body: String,
    secrets: Vec<String>,
    at: Timestamp,
}

/// Every merchant's server: answers what it is told to, else 200, and remembers what it was sent.
#[derive(Default)]
struct Servers {
    answers: Mutex<VecDeque<Sent>>,
    /// What every server answers when it was told nothing.
    always: Mutex<Option<Sent>>,
    meanwhile: Mutex<Option<Meanwhile>>,
    received: Mutex<Vec<Received>>,
    /// Servers that answer only when they are let to.
    holding: Mutex<HashMap<String, Arc<Semaphore>>>,
}

impl Servers {
    fn answer(&self, answers: impl IntoIterator<Item = Sent>) {
        self.answers.lock().unwrap().extend(answers);
    }

    fn always(&self, answer: Sent) {
        *self.always.lock().unwrap() = Some(answer);
    }

    fn hold(&self, url: &str) -> Arc<Semaphore> {
        let gate = Arc::new(Semaphore::new(0));
        self.holding.lock().unwrap().insert(url.to_owned(), gate.clone());
        gate
    }

    fn while_sending(&self, what: impl FnOnce() -> BoxFuture<'static, ()> + Send + 'static) {
        *self.meanwhile.lock().unwrap() = Some(Box::new(what));
    }

    fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    fn count(&self) -> usize {
        self.received.lock().unwrap().len()
    }

    fn last(&self) -> Received {
        self.received().last().unwrap().clone()
    }
}

#[async_trait]
impl WebhookSender for Servers {
    fn check(&self, _: &str) -> Result<(), EndpointRefused> {
        Ok(())
    }

    async fn send(&self, webhook: Webhook<'_>) -> Sent {
        self.received.lock().unwrap().push(Received {
            url: webhook.url.to_owned(),
            id: webhook.id.to_owned(),
            body: webhook.body.to_owned(),
            secrets: webhook.secrets.iter().map(|secret| secret.as_str().to_owned()).collect(),
            at: webhook.at,
        });
        let meanwhile = self.meanwhile.lock().unwrap().take();
        if let Some(meanwhile) = meanwhile {
            meanwhile().await;
        }
        let gate = self.holding.lock().unwrap().get(webhook.url).cloned();
        if let Some(gate) = gate {
            gate.acquire().await.unwrap().forget();
        }
        let told = self.answers.lock().unwrap().pop_front();
        told.or_else(|| self.always.lock().unwrap().clone()).unwrap_or_else(|| status(200))
    }
}

fn status(status: u16) -> Sent {
    Sent { answer: Ok(status), retry_after: None }
}

fn silence() -> Sent {
    Sent { answer: Err(SendError::TimedOut), retry_after: None }
}

/// A queue that keeps what is published until the test handles it, unless it is to lose or to refuse it.
#[derive(Default)]
struct Line {
    messages: Mutex<VecDeque<Message>>,
    dead: Mutex<Vec<DeliveryDue>>,
    loses: AtomicBool,
    fails: AtomicBool,
    /// Of whom too much waits.
    refuses: Mutex<Option<MerchantId>>,
}

impl Line {
    fn take(&self) -> Vec<DeliveryDue> {
        let due = |message| match message {
            Message::Deliver(due) => due,
            Message::DeadLettered(_) => unreachable!("kept apart"),
        };
        self.messages.lock().unwrap().drain(..).map(due).collect()
    }

    fn only(&self) -> DeliveryDue {
        let all = self.take();
        assert_eq!(all.len(), 1, "{all:?}");
        all[0]
    }

    fn dead(&self) -> Vec<DeliveryDue> {
        self.dead.lock().unwrap().clone()
    }

    fn loses(&self, loses: bool) {
        self.loses.store(loses, Ordering::Relaxed);
    }

    fn refuses(&self, merchant: MerchantId) {
        *self.refuses.lock().unwrap() = Some(merchant);
    }

    fn fails(&self, fails: bool) {
        self.fails.store(fails, Ordering::Relaxed);
    }
}

#[async_trait]
impl Queue for Line {
    async fn publish(&self, messages: &[Message]) -> Result<usize, QueueError> {
        if self.fails.load(Ordering::Relaxed) {
            return Err(QueueError("down".to_owned()));
        }
        if self.loses.load(Ordering::Relaxed) {
            return Ok(0);
        }
        let mut refused = 0;
        for message in messages {
            match message {
                Message::Deliver(due) if *self.refuses.lock().unwrap() == Some(due.merchant) => refused += 1,
                Message::Deliver(_) => self.messages.lock().unwrap().push_back(*message),
                Message::DeadLettered(due) => self.dead.lock().unwrap().push(*due),
            }
        }
        Ok(refused)
    }
}

/// What goes wrong with one call to the store.
enum Trouble {
    /// It does not happen.
    Down,
    /// It happens, and nobody hears of it.
    AnswerLost,
    /// It happens only just before the next call of its name, and nobody hears of it.
    Late,
    /// Something else happens just before.
    Before(Meanwhile),
}

/// A store that can be in trouble, by the name of the call.
struct Flaky {
    inner: Arc<SqliteStore>,
    troubles: Mutex<HashMap<&'static str, VecDeque<Trouble>>>,
    /// What still waits to be written.
    late: Mutex<Vec<WebhookEndpoint>>,
}

impl Flaky {
    fn plan(&self, call: &'static str, troubles: impl IntoIterator<Item = Trouble>) {
        self.troubles.lock().unwrap().entry(call).or_default().extend(troubles);
    }

    async fn go<T: Send>(
        &self,
        call: &'static str,
        work: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        let trouble = self.troubles.lock().unwrap().get_mut(call).and_then(VecDeque::pop_front);
        match trouble {
            None => work.await,
            Some(Trouble::Down | Trouble::Late) => Err(StoreError::Unavailable("down".to_owned())),
            Some(Trouble::AnswerLost) => {
                work.await?;
                Err(StoreError::Unavailable("the answer was lost".to_owned()))
            }
            Some(Trouble::Before(happens)) => {
                happens().await;
                work.await
            }
        }
    }
}

#[async_trait]
impl Deliveries for Flaky {
    async fn outgoing(&self, payment: PaymentId, sequence: u32) -> Result<Option<Outgoing>, StoreError> {
        self.go("outgoing", self.inner.outgoing(payment, sequence)).await
    }

    async fn record_attempt(
        &self,
        before: &Delivery,
        after: &Delivery,
        attempt: &DeliveryAttempt,
    ) -> Result<bool, StoreError> {
        self.go("record_attempt", self.inner.record_attempt(before, after, attempt)).await
    }

    async fn reschedule(&self, before: &Delivery, after: &Delivery) -> Result<bool, StoreError> {
        self.go("reschedule", self.inner.reschedule(before, after)).await
    }

    async fn claim_due(&self, now: Timestamp, until: Timestamp, limit: u32) -> Result<Vec<DeliveryDue>, StoreError> {
        self.go("claim_due", self.inner.claim_due(now, until, limit)).await
    }

    async fn oldest_due(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        self.go("oldest_due", self.inner.oldest_due(now)).await
    }

    async fn deliveries(&self, payment: PaymentId) -> Result<Vec<(Delivery, Vec<DeliveryAttempt>)>, StoreError> {
        self.go("deliveries", self.inner.deliveries(payment)).await
    }
}

#[async_trait]
impl Endpoints for Flaky {
    async fn endpoint(&self, merchant: MerchantId) -> Result<Option<WebhookEndpoint>, StoreError> {
        self.go("endpoint", self.inner.endpoint(merchant)).await
    }

    async fn put_endpoint(&self, endpoint: &WebhookEndpoint) -> Result<bool, StoreError> {
        let late = std::mem::take(&mut *self.late.lock().unwrap());
        for endpoint in late {
            self.inner.put_endpoint(&endpoint).await?;
        }
        let is_late =
            matches!(self.troubles.lock().unwrap().get("put_endpoint").and_then(VecDeque::front), Some(Trouble::Late));
        if is_late {
            self.late.lock().unwrap().push(endpoint.clone());
        }
        self.go("put_endpoint", self.inner.put_endpoint(endpoint)).await
    }

    async fn waited_for(&self, after: Option<MerchantId>, limit: u32) -> Result<WaitedFor, StoreError> {
        self.go("waited_for", self.inner.waited_for(after, limit)).await
    }

    async fn release_waiting(&self, merchant: MerchantId, at: Timestamp, limit: u32) -> Result<u32, StoreError> {
        self.go("release_waiting", self.inner.release_waiting(merchant, at, limit)).await
    }
}

/// The process dies where it is armed: here its task does.
#[derive(Default)]
struct Dies(AtomicBool);

impl FailPoints for Dies {
    fn pass(&self, point: FailPoint) {
        assert!(
            point != FailPoint::AfterWebhook || !self.0.swap(false, Ordering::Relaxed),
            "dies here, as it is told to"
        );
    }
}

/// A gateway with everything around it. Cloned, it is the same.
#[derive(Clone)]
struct World {
    gateway: Gateway,
    store: Arc<SqliteStore>,
    flaky: Arc<Flaky>,
    servers: Arc<Servers>,
    line: Arc<Line>,
    time: Arc<SandboxTime>,
    tasks: TaskSpawner,
}

impl World {
    /// Two merchants that exist; neither has an endpoint.
    async fn new() -> Self {
        let time = Arc::new(SandboxTime::simulated(START));
        let store = SqliteStore::in_memory(Options::new(BootId::from_random([1; 16])), time.clone()).unwrap();
        Self::on(Arc::new(store), time).await
    }

    async fn on(store: Arc<SqliteStore>, time: Arc<SandboxTime>) -> Self {
        for id in [shoes(), hats()] {
            let name = "A shop".to_owned();
            let merchant = Merchant { id, name, requests_per_minute: None, fee_basis_points: 0, created_at: START };
            store.put_merchant(&merchant).await.unwrap();
        }
        let flaky = Arc::new(Flaky { inner: store.clone(), troubles: Mutex::default(), late: Mutex::default() });
        let (servers, line, tasks) = (Arc::default(), Arc::default(), TaskSpawner::default());
        let gateway = gateway(&store, &flaky, &servers, &line, &time, &tasks, 1, Arc::new(NoFailPoints));
        Self { gateway, store, flaky, servers, line, time, tasks }
    }

    /// With the first merchant's endpoint set.
    async fn with_endpoint() -> Self {
        let world = Self::new().await;
        world.set_endpoint(shoes(), URL).await;
        world
    }

    /// Another process on the same data: it knows nothing of this one's endpoints' health, and has a `SECRETS_KEY` and
    /// fail points of its own.
    fn another(&self, secrets_key: u8, fail_points: Arc<dyn FailPoints>) -> Self {
        let World { store, flaky, servers, line, time, tasks, .. } = self;
        let gateway = gateway(store, flaky, servers, line, time, tasks, secrets_key, fail_points);
        Self { gateway, ..self.clone() }
    }

    fn later(&self, by: Duration) {
        self.time.set(Some(self.time.now() + by));
    }

    /// Sets the endpoint; answers its secret where that is new.
    async fn set_endpoint(&self, merchant: MerchantId, url: &str) -> Option<String> {
        let changed = self.gateway.set_webhook_endpoint(merchant, url).await.unwrap();
        changed.secret.map(|secret| secret.as_str().to_owned())
    }

    async fn rotate(&self) -> String {
        let changed = self.gateway.rotate_webhook_secret(shoes()).await.unwrap();
        changed.secret.unwrap().as_str().to_owned()
    }

    /// The secrets that sign an event now.
    async fn signs(&self) -> Vec<String> {
        self.payment().await;
        self.deliver(self.line.only()).await;
        self.servers.last().secrets
    }

    /// A payment that is authorized: one event. What is published waits in the line.
    async fn payment(&self) -> Payment {
        self.payment_of(shoes()).await
    }

    async fn payment_of(&self, merchant: MerchantId) -> Payment {
        let payment = self.payment_by(merchant, &uuid()).await.unwrap();
        self.tasks.idle().await;
        payment
    }

    async fn payment_by(&self, merchant: MerchantId, key: &str) -> Result<Payment, Error> {
        let command = CreatePayment {
            merchant,
            idempotency_key: key.to_owned(),
            amount: yen(1000),
            payment_method: BTreeMap::from([(ProviderName::Stripe, "pm_card_visa".to_owned())]),
            provider: None,
            capture_method: CaptureMethod::Manual,
            details: Details::default(),
        };
        let context = Context { correlation_id: "test".to_owned() };
        Ok(self.gateway.create_payment(command, context).await?.payment)
    }

    async fn capture(&self, payment: &Payment) {
        let target =
            Target { merchant: payment.merchant, payment: payment.id, idempotency_key: format!("key {}", uuid()) };
        let context = Context { correlation_id: "test".to_owned() };
        self.gateway.capture_payment(target, None, context).await.unwrap();
        self.tasks.idle().await;
    }

    /// Waits until the servers were sent so many webhooks in all.
    async fn sent(&self, webhooks: usize) {
        in_time(async {
            while self.servers.count() < webhooks {
                self.time.sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
    }

    async fn deliver(&self, due: DeliveryDue) -> DeliveryOutcome {
        self.gateway.deliver(due).await.unwrap()
    }

    /// The job, once.
    async fn dispatch(&self) -> JobReport {
        let report = self.gateway.dispatch_deliveries(JobRun::scheduled(Duration::ZERO)).await.unwrap();
        self.tasks.idle().await;
        report
    }

    /// The job, and every message that waits then.
    async fn deliver_what_is_due(&self) -> Vec<DeliveryOutcome> {
        self.dispatch().await;
        let mut outcomes = Vec::new();
        for due in self.line.take() {
            outcomes.push(self.deliver(due).await);
        }
        outcomes
    }

    /// All deliveries of the payment.
    async fn all(&self, payment: &Payment) -> Vec<(Delivery, Vec<DeliveryAttempt>)> {
        self.gateway.deliveries(payment.merchant, payment.id).await.unwrap()
    }

    /// The payment's first delivery, and its tries.
    async fn first(&self, payment: &Payment) -> (Delivery, Vec<DeliveryAttempt>) {
        self.all(payment).await.remove(0)
    }

    async fn status(&self, payment: &Payment) -> (DeliveryStatus, usize) {
        let (delivery, attempts) = self.first(payment).await;
        assert_eq!(delivery.attempts as usize, attempts.len(), "every try has its row");
        (delivery.status, attempts.len())
    }

    /// The message of the payment's last try, when that is due.
    async fn due_for_the_last_try(&self, payment: &Payment) -> DeliveryDue {
        self.until_the_last_try(payment).await;
        self.later(2 * DAY);
        self.dispatch().await;
        self.line.only()
    }

    /// Fails the payment's delivery until only its last try is left.
    async fn until_the_last_try(&self, payment: &Payment) {
        self.line.take();
        self.servers.always(status(500));
        for _ in 0..6 {
            self.later(2 * DAY);
            assert_eq!(self.deliver_what_is_due().await, [DeliveryOutcome::Failed]);
        }
        assert_eq!(self.status(payment).await, (DeliveryStatus::Retrying, 6));
    }

    async fn redeliver(&self, payment: &Payment, event: Option<EventId>) -> Result<(), Error> {
        let redelivered = self.gateway.redeliver(payment.merchant, payment.id, event).await;
        self.tasks.idle().await;
        redelivered
    }

    async fn events_after(&self, after: Option<EventId>, limit: u32) -> Vec<EventRecord> {
        self.gateway.events(shoes(), after, limit).await.unwrap()
    }
}

#[allow(clippy::too_many_arguments, reason = "each is a part of the stage")]
fn gateway(
    store: &Arc<SqliteStore>,
    flaky: &Arc<Flaky>,
    servers: &Arc<Servers>,
    line: &Arc<Line>,
    time: &Arc<SandboxTime>,
    tasks: &TaskSpawner,
    secrets_key: u8,
    fail_points: Arc<dyn FailPoints>,
) -> Gateway {
    let stores = Stores { deliveries: flaky.clone(), endpoints: flaky.clone(), ..Stores::of(store) };
    let ports = Ports {
        stores,
        providers: vec![Arc::new(Holds)],
        events: Arc::new(JsonEvents),
        statuses: None,
        queue: line.clone(),
        shards: Arc::new(tollgate_gateway::ports::queue::NoQueue),
        backlog: Arc::new(NoBacklog),
        webhooks: servers.clone(),
        secrets: SecretsKey::new(&[secrets_key; 32]),
        time: time.clone(),
        spawn: Arc::new(tasks.clone()),
        entropy: Arc::new(SystemEntropy),
        fail_points,
    };
    let links = ReturnLinks::new("https://pay.example", &[1; 32]);
    Gateway::new(ports, Settings::new(BootId::from_random([1; 16]), links))
}

fn uuid() -> String {
    use tollgate_gateway::ports::Entropy;
    let mut bytes = [0; 16];
    SystemEntropy.fill(&mut bytes);
    hex::encode(bytes)
}

fn shoes() -> MerchantId {
    MerchantId::from_random([2; 16])
}

fn hats() -> MerchantId {
    MerchantId::from_random([3; 16])
}

fn yen(minor: i64) -> Money {
    Money::new(minor, "JPY".parse().unwrap()).unwrap()
}

fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64()
}

// ------------------------------------------------------------------------------------------------ the outbox (rule 18)

#[tokio::test]
async fn the_event_its_delivery_and_the_change_are_one_commit() {
    let world = World::new().await;
    let before = world.store.counts().commits;
    let payment = world.payment().await;
    assert_eq!(world.store.counts().commits - before, 2, "the intent, and the outcome with all that tells of it");
    let (delivery, attempts) = world.first(&payment).await;
    let events = world.events_after(None, 10).await;
    assert_eq!((events.len(), events[0].id, events[0].sequence), (1, delivery.event, delivery.sequence));
    assert_eq!((delivery.status, attempts.len()), (DeliveryStatus::Pending, 0));
    let due = world.line.only();
    assert_eq!((due.merchant, due.payment, due.sequence, due.attempt), (shoes(), payment.id, 1, 1));
    world.capture(&payment).await;
    assert_eq!(world.line.only().sequence, 2);
}

#[tokio::test]
async fn what_a_crash_left_unsaid_is_due_by_itself_after_a_minute() {
    let world = World::with_endpoint().await;
    world.line.loses(true);
    let payment = world.payment().await;
    world.line.loses(false);
    world.later(Duration::from_secs(59));
    assert_eq!((world.dispatch().await.saw, world.line.take()), (0, vec![]), "not yet");
    world.later(Duration::from_secs(1));
    assert_eq!(world.deliver_what_is_due().await, [DeliveryOutcome::Delivered]);
    assert_eq!(world.status(&payment).await, (DeliveryStatus::Delivered, 1));
    world.later(30 * DAY);
    assert_eq!(world.dispatch().await.saw, 0, "what is delivered is never due again");
}

#[tokio::test]
async fn what_the_queue_does_not_take_or_loses_becomes_due_again() {
    let world = World::with_endpoint().await;
    world.line.fails(true);
    let payment = world.payment().await;
    world.later(MINUTE);
    let report = world.dispatch().await;
    assert_eq!((report.saw, report.could_not.get("publish")), (1, Some(&1)));
    assert_eq!(world.dispatch().await.saw, 0, "it is claimed");
    world.line.fails(false);
    world.line.loses(true);
    world.later(Duration::from_secs(90));
    assert_eq!(world.dispatch().await.did.get("published"), Some(&1));
    world.line.loses(false);
    world.later(Duration::from_secs(89));
    assert_eq!(world.dispatch().await.saw, 0);
    world.later(Duration::from_secs(1));
    assert_eq!(world.deliver_what_is_due().await, [DeliveryOutcome::Delivered]);
    assert_eq!(world.status(&payment).await, (DeliveryStatus::Delivered, 1), "being claimed is no try");
}

#[tokio::test]
async fn a_crash_between_the_answer_and_the_commit_sends_the_same_webhook_again() {
    let world = World::with_endpoint().await;
    let payment = world.payment().await;
    let due = world.line.only();
    let armed = Arc::new(Dies(AtomicBool::new(true)));
    let answer = world.another(1, armed).gateway.deliver(due).await;
    assert!(matches!(answer, Err(Error::Internal)), "{answer:?}");
    assert_eq!(world.status(&payment).await, (DeliveryStatus::Pending, 0), "nothing of it is known");
    world.later(MINUTE);
    assert_eq!(world.deliver_what_is_due().await, [DeliveryOutcome::Delivered]);
    let received = world.servers.received();
    assert_eq!(received.len(), 2);
    assert_eq!((&received[0].id, &received[0].body), (&received[1].id, &received[1].body));
    assert_eq!(received[0].id, world.first(&payment).await.0.event.to_string());
    assert_eq!(world.status(&payment).await, (DeliveryStatus::Delivered, 1));
}

#[tokio::test]
async fn a_store_that_fails_while_a_try_is_recorded_brings_the_message_again() {
    for (trouble, sends) in [(Trouble::Down, 2), (Trouble::AnswerLost, 1)] {
        let world = World::with_endpoint().await;
        let payment = world.payment().await;
        let due = world.line.only();
        world.flaky.plan("record_attempt", [trouble]);
        assert!(matches!(world.gateway.deliver(due).await, Err(Error::Store(_))));
        let again = world.deliver(due).await;
        assert_eq!(again == DeliveryOutcome::Skipped, sends == 1, "what was recorded is not sent again: {again:?}");
        assert_eq!(world.servers.count(), sends);
        assert_eq!(world.status(&payment).await, (DeliveryStatus::Delivered, 1));
    }
}

#[tokio::test]
async fn a_message_that_comes_twice_sends_once() {
    let world = World::with_endpoint().await;
    let payment = world.payment().await;
    let due = world.line.only();
    assert_eq!(world.deliver(due).await, DeliveryOutcome::Delivered);
    assert_eq!(world.deliver(due).await, DeliveryOutcome::Skipped);
    assert_eq!((world.servers.count(), world.status(&payment).await), (1, (DeliveryStatus::Delivered, 1)));
    // After a failure too: the next try has its own message, at its own time.
    world.servers.answer([status(500)]);
    let failing = world.payment().await;
    let due = world.line.only();
    assert_eq!(world.deliver(due).await, DeliveryOutcome::Failed);
    assert_eq!(world.deliver(due).await, DeliveryOutcome::Skipped);
    assert_eq!((world.servers.count(), world.status(&failing).await), (2, (DeliveryStatus::Retrying, 1)));
}

#[tokio::test]
async fn two_messages_at_once_are_at_most_a_second_send_of_the_same_and_one_try() {
    for answers in [[status(200), status(500)], [status(500), status(200)], [status(500), status(500)]] {
        let world = World::with_endpoint().await;
        let payment = world.payment().await;
        let due = world.line.only();
        let gate = world.servers.hold(URL);
        world.servers.answer(answers.clone());
        let other = world.another(1, Arc::new(NoFailPoints));
        let let_go = async {
            world.sent(2).await;
            gate.add_permits(2);
        };
        let (one, two, ()) = tokio::join!(world.deliver(due), other.deliver(due), in_time(let_go));
        let outcomes = [one, two];
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == DeliveryOutcome::Skipped).count(), 1, "{outcomes:?}");
        let received = world.servers.received();
        assert_eq!((received.len(), &received[0].id), (2, &received[1].id));
        let (delivery, attempts) = world.first(&payment).await;
        assert_eq!((attempts.len(), delivery.attempts, delivery.tries), (1, 1, 1), "{answers:?}");
    }
}

// ------------------------------------------------------------------------------------------------------- the schedule

#[tokio::test]
async fn one_try_and_six_retries_each_at_its_time_and_then_it_is_given_up_and_said_once() {
    let world = World::with_endpoint().await;
    world.servers.always(status(503));
    let mut seen = BTreeSet::new();
    for _ in 0..5 {
        let payment = world.payment().await;
        assert_eq!(world.deliver(world.line.only()).await, DeliveryOutcome::Failed);
        for (number, after) in SCHEDULE.into_iter().enumerate() {
            let now = world.time.now();
            let due = world.first(&payment).await.0.next_attempt_at.unwrap();
            #[allow(clippy::cast_precision_loss, reason = "a day has few seconds")]
            let (wait, after) = (seconds(now, due), after as f64);
            assert!((0.9 * after - 0.001..=1.1 * after + 0.001).contains(&wait), "try {}: {wait} s", number + 2);
            seen.insert(format!("{:.3}", wait / after));
            world.time.set(Some(due - Duration::from_secs(1)));
            assert_eq!(world.dispatch().await.saw, 0, "not before its time");
            world.time.set(Some(due));
            let last = number + 1 == SCHEDULE.len();
            let expected = if last { DeliveryOutcome::DeadLettered } else { DeliveryOutcome::Failed };
            assert_eq!(world.deliver_what_is_due().await, [expected]);
        }
        let (delivery, attempts) = world.first(&payment).await;
        assert_eq!((delivery.status, delivery.next_attempt_at), (DeliveryStatus::DeadLettered, None));
        assert_eq!(attempts.iter().map(|attempt| attempt.number).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7]);
        assert!(attempts.iter().all(|attempt| attempt.http_status == Some(503) && attempt.error.is_none()));
        let dead = world.line.dead.lock().unwrap().drain(..).collect::<Vec<_>>();
        assert_eq!(dead.len(), 1);
        assert_eq!((dead[0].payment, dead[0].sequence, dead[0].attempt), (payment.id, 1, 7));
        world.later(30 * DAY);
        assert_eq!(world.dispatch().await.saw, 0, "only a person tries again");
    }
    assert!(seen.len() > 10, "what failed together does not come back together: {seen:?}");
}

#[tokio::test]
async fn giving_up_is_said_until_the_queue_has_heard_it() {
    let world = World::with_endpoint().await;
    let payment = world.payment().await;
    let due = world.due_for_the_last_try(&payment).await;
    world.line.fails(true);
    assert!(matches!(world.gateway.deliver(due).await, Err(Error::Queue(_))), "the message has to come again");
    assert_eq!(world.status(&payment).await, (DeliveryStatus::DeadLettered, 7));
    world.line.fails(false);
    assert_eq!(world.deliver(due).await, DeliveryOutcome::Skipped);
    assert_eq!((world.line.dead().len(), world.servers.count()), (1, 7), "said, and not sent again");
    assert_eq!(world.deliver(DeliveryDue { attempt: 6, ..due }).await, DeliveryOutcome::Skipped);
    assert_eq!(world.line.dead().len(), 1, "an older try's message says nothing");
}

#[tokio::test]
async fn giving_up_is_said_by_another_handler_of_the_last_try_where_the_one_that_recorded_it_died() {
    let world = World::with_endpoint().await;
    let payment = world.payment().await;
    let due = world.due_for_the_last_try(&payment).await;
    let (gate, second) = (world.servers.hold(URL), world.another(1, Arc::new(NoFailPoints)));
    let mut handlers =
        FuturesUnordered::from_iter([world.gateway.deliver(due).boxed(), second.gateway.deliver(due).boxed()]);
    let both_sent = async {
        world.sent(8).await;
        // Whoever records it cannot say so: as if it died there.
        world.line.fails(true);
        gate.add_permits(1);
        std::future::pending::<()>().await;
    };
    let first = tokio::select! { first = handlers.next() => first, () = in_time(both_sent) => None };
    assert!(matches!(first, Some(Err(Error::Queue(_)))), "{first:?}");
    assert_eq!((world.status(&payment).await, world.line.dead().len()), ((DeliveryStatus::DeadLettered, 7), 0));
    world.line.fails(false);
    gate.add_permits(1);
    let other = in_time(handlers.next()).await;
    assert!(matches!(other, Some(Ok(DeliveryOutcome::Skipped))), "{other:?}");
    assert_eq!(world.line.dead().len(), 1, "it was said");
}

#[tokio::test]
async fn what_is_not_a_plain_yes_is_a_failure() {
    let world = World::with_endpoint().await;
    for code in [200, 201, 202, 204, 299] {
        world.servers.answer([status(code)]);
        world.payment().await;
        assert_eq!(world.deliver(world.line.only()).await, DeliveryOutcome::Delivered, "{code}");
    }
    for code in [101, 199, 300, 301, 302, 303, 304, 307, 308, 400, 401, 404, 409, 411, 429, 500, 502, 503, 599, 999] {
        world.servers.answer([status(code)]);
        let payment = world.payment().await;
        assert_eq!(world.deliver(world.line.only()).await, DeliveryOutcome::Failed, "{code}");
        let (delivery, attempts) = world.first(&payment).await;
        assert_eq!((delivery.status, attempts[0].http_status), (DeliveryStatus::Retrying, Some(code)));
    }
    let errors = [
        SendError::AddressRefused,
        SendError::HostNotFound,
        SendError::NotConnected,
        SendError::Tls,
        SendError::TimedOut,
        SendError::Broken,
    ];
    for error in errors {
        world.servers.answer([Sent { answer: Err(error), retry_after: None }]);
        let payment = world.payment().await;
        assert_eq!(world.deliver(world.line.only()).await, DeliveryOutcome::Failed, "{error}");
        let attempt = world.first(&payment).await.1.remove(0);
        assert_eq!((attempt.http_status, attempt.error), (None, Some(error.to_string())));
    }
}

#[tokio::test]
async fn retry_after_puts_the_next_try_off_within_a_day_and_never_brings_it_forward() {
    let world = World::with_endpoint().await;
    for (asked, at_least, at_most) in [(1, 54, 66), (900, 900, 900), (u64::MAX / 4, 86_400, 86_400)] {
        world.servers.answer([Sent { answer: Ok(429), retry_after: Some(Duration::from_secs(asked)) }]);
        let payment = world.payment().await;
        world.deliver(world.line.only()).await;
        let wait = seconds(world.time.now(), world.first(&payment).await.0.next_attempt_at.unwrap());
        assert!((f64::from(at_least)..=f64::from(at_most)).contains(&wait), "asked for {asked}: {wait}");
        world.later(2 * DAY);
        assert_eq!(world.deliver_what_is_due().await, [DeliveryOutcome::Delivered]);
    }
}

// ------------------------------------------------------------------------------------------ paused, and no endpoint yet

#[tokio::test]
async fn gone_pauses_the_endpoint_until_it_is_set_again_and_costs_no_try() {
    let world = World::with_endpoint().await;
    world.servers.answer([status(500)]);
    let tried = world.payment().await;
    world.deliver(world.line.only()).await;
    world.servers.answer([status(410)]);
    let gone = world.payment().await;
    assert_eq!(world.deliver(world.line.only()).await, DeliveryOutcome::Paused);
    assert!(world.gateway.webhook_endpoint(shoes()).await.unwrap().paused_at.is_some());
    let (delivery, attempts) = world.first(&gone).await;
    assert_eq!((delivery.status, delivery.tries, delivery.next_attempt_at), (DeliveryStatus::Retrying, 0, None));
    assert_eq!((attempts.len(), attempts[0].http_status), (1, Some(410)), "it shows why");

    let fresh = world.payment().await;
    assert_eq!(world.deliver(world.line.only()).await, DeliveryOutcome::WaitsForEndpoint);
    for _ in 0..10 {
        world.later(DAY);
        for outcome in world.deliver_what_is_due().await {
            assert_eq!(outcome, DeliveryOutcome::WaitsForEndpoint);
        }
    }
    assert_eq!(world.servers.count(), 2, "nothing more is sent");
    assert_eq!(world.status(&tried).await, (DeliveryStatus::Retrying, 1));
    assert_eq!(world.status(&fresh).await, (DeliveryStatus::Pending, 0));
    let rotated = world.rotate().await;
    assert!(world.gateway.webhook_endpoint(shoes()).await.unwrap().paused_at.is_some(), "a new secret is no new word");
    assert_eq!(world.dispatch().await.saw, 0);

    assert_eq!(world.set_endpoint(shoes(), URL).await, None, "the secret stays");
    assert_eq!(world.deliver_what_is_due().await, [DeliveryOutcome::Delivered; 3]);
    assert_eq!(world.servers.last().secrets[0], rotated);
    for payment in [&tried, &gone, &fresh] {
        let (delivery, _) = world.first(payment).await;
        assert_eq!((delivery.status, delivery.waits_for_endpoint), (DeliveryStatus::Delivered, false));
    }
    assert_eq!(world.first(&tried).await.0.tries, 2);
    assert_eq!(world.first(&gone).await.0.tries, 1);
}

#[tokio::test]
async fn an_endpoint_that_was_set_anew_while_the_old_one_said_gone_is_not_paused() {
    let world = World::with_endpoint().await;
    let payment = world.payment().await;
    let (due, setter) = (world.line.only(), world.clone());
    world.servers.answer([status(410)]);
    world.servers.while_sending(move || {
        Box::pin(async move { drop(setter.set_endpoint(shoes(), "https://new.example/hooks").await) })
    });
    world.deliver(due).await;
    assert_eq!(world.gateway.webhook_endpoint(shoes()).await.unwrap().paused_at, None);
    assert_eq!(world.deliver_what_is_due().await, [DeliveryOutcome::Delivered], "the job finds what waits in vain");
    assert_eq!(world.servers.last().url, "https://new.example/hooks");
    assert_eq!(world.status(&payment).await, (DeliveryStatus::Delivered, 2));
}

#[tokio::test]
async fn without_an_endpoint_events_wait_and_setting_one_delivers_them() {
    let world = World::new().await;
    let mine = world.payment().await;
    let theirs = world.payment_of(hats()).await;
    for due in world.line.take() {
        assert_eq!(world.deliver(due).await, DeliveryOutcome::WaitsForEndpoint);
    }
    let (delivery, attempts) = world.first(&mine).await;
    assert_eq!((delivery.status, delivery.next_attempt_at), (DeliveryStatus::Pending, None));
    assert_eq!((delivery.waits_for_endpoint, attempts.len()), (true, 0));
    world.later(30 * DAY);
    assert_eq!(world.dispatch().await.saw, 0);
    assert!(world.set_endpoint(shoes(), URL).await.unwrap().starts_with("whsec_"));
    assert_eq!(world.deliver_what_is_due().await, [DeliveryOutcome::Delivered]);
    assert_eq!(world.status(&mine).await, (DeliveryStatus::Delivered, 1));
    assert_eq!(world.status(&theirs).await, (DeliveryStatus::Pending, 0), "another merchant's waits on");
}

#[tokio::test]
async fn an_endpoint_set_in_the_very_moment_when_a_delivery_found_none_gets_it_by_the_job() {
    let world = World::new().await;
    let payment = world.payment().await;
    let (due, setter) = (world.line.only(), world.clone());
    let sets =
        move || -> BoxFuture<'static, ()> { Box::pin(async move { drop(setter.set_endpoint(shoes(), URL).await) }) };
    world.flaky.plan("reschedule", [Trouble::Before(Box::new(sets))]);
    assert_eq!(world.deliver(due).await, DeliveryOutcome::WaitsForEndpoint);
    assert!(world.first(&payment).await.0.waits_for_endpoint, "set and released just before it began to wait");
    let report = world.dispatch().await;
    assert_eq!((report.did.get("released"), report.did.get("published")), (Some(&1), Some(&1)));
    assert_eq!(world.deliver(world.line.only()).await, DeliveryOutcome::Delivered);
}

#[tokio::test]
async fn a_second_message_that_meets_the_new_endpoint_before_the_release_leaves_nothing_waiting() {
    // The message, the merchant's PUT and its release in every order; whatever the endpoint says.
    for answer in [status(200), status(500), silence()] {
        for released_meanwhile in [false, true] {
            let world = World::new().await;
            let payment = world.payment().await;
            let due = world.line.only();
            assert_eq!(world.deliver(due).await, DeliveryOutcome::WaitsForEndpoint);
            world.flaky.plan("release_waiting", [Trouble::Down]);
            world.set_endpoint(shoes(), URL).await;
            let releaser = world.clone();
            if released_meanwhile {
                world
                    .servers
                    .while_sending(move || Box::pin(async move { drop(releaser.set_endpoint(shoes(), URL).await) }));
            }
            world.servers.answer([answer.clone()]);
            world.deliver(due).await;
            assert_eq!(world.servers.count(), 1);
            let (delivery, attempts) = world.first(&payment).await;
            assert_eq!((delivery.waits_for_endpoint, attempts.len()), (false, 1), "{answer:?}");
            assert_eq!(delivery.next_attempt_at.is_some(), answer != status(200));
            assert_eq!(world.set_endpoint(shoes(), URL).await, None);
            assert_eq!(world.dispatch().await.could_not, BTreeMap::new(), "nobody else is held up by it");
            world.later(2 * MINUTE);
            world.deliver_what_is_due().await;
            assert_eq!(world.first(&payment).await.0.status, DeliveryStatus::Delivered);
        }
    }
}

#[tokio::test]
async fn any_number_of_waiting_deliveries_is_released_and_each_is_said_once() {
    const WAITING: usize = 1201;
    let world = World::new().await;
    for _ in 0..WAITING {
        world.payment().await;
    }
    for due in world.line.take() {
        assert_eq!(world.deliver(due).await, DeliveryOutcome::WaitsForEndpoint);
    }
    // Beside them, another merchant's try becomes due: it does not wait for all of those.
    world.set_endpoint(hats(), "https://hats.example/hooks").await;
    world.line.loses(true);
    world.payment_of(hats()).await;
    world.line.loses(false);
    world.later(2 * MINUTE);
    world.set_endpoint(shoes(), URL).await;
    let report = world.dispatch().await;
    assert_eq!((report.saw, report.more), (WAITING as u64 + 1, false));
    let said = world.line.take();
    assert_eq!(said.iter().collect::<std::collections::HashSet<_>>().len(), WAITING + 1, "each once");
    assert!(said[..501].iter().any(|due| due.merchant == hats()), "the longest overdue is among the first");
    for due in said {
        assert_eq!(world.deliver(due).await, DeliveryOutcome::Delivered);
    }
    assert_eq!(world.dispatch().await.saw, 0);
}

#[tokio::test]
async fn one_merchants_trouble_with_the_store_does_not_stop_the_others() {
    let world = World::new().await;
    world.payment().await;
    world.payment_of(hats()).await;
    for due in world.line.take() {
        world.deliver(due).await;
    }
    world.flaky.plan("release_waiting", [Trouble::Down, Trouble::Down]);
    world.set_endpoint(shoes(), URL).await;
    world.set_endpoint(hats(), URL).await;
    world.flaky.plan("release_waiting", [Trouble::Down]);
    let report = world.dispatch().await;
    assert_eq!((report.could_not.get("release"), report.did.get("published")), (Some(&1), Some(&1)));
    assert_eq!(world.dispatch().await.did.get("published"), Some(&1), "the other at the next run");
}

#[tokio::test]
async fn what_is_due_is_said_though_it_cannot_be_seen_who_waits_for_an_endpoint() {
    let world = World::with_endpoint().await;
    world.line.loses(true);
    world.payment().await;
    world.line.loses(false);
    world.later(MINUTE);
    world.flaky.plan("waited_for", [Trouble::Down]);
    let report = world.dispatch().await;
    assert_eq!((report.could_not.get("look"), report.did.get("published")), (Some(&1), Some(&1)));
}

#[tokio::test]
async fn a_hiccup_of_the_store_does_not_end_a_run_of_the_job() {
    let world = World::with_endpoint().await;
    world.line.loses(true);
    world.payment().await;
    world.line.loses(false);
    world.later(MINUTE);
    world.flaky.plan("claim_due", [Trouble::Down]);
    let report = world.gateway.dispatch_deliveries(JobRun::scheduled(Duration::from_millis(50))).await.unwrap();
    assert_eq!((report.could_not.get("take"), report.did.get("published")), (Some(&1), Some(&1)));
    world.flaky.plan("claim_due", [Trouble::Down]);
    assert!(world.gateway.dispatch_deliveries(JobRun::scheduled(Duration::ZERO)).await.is_err(), "it did nothing");
}

#[tokio::test]
async fn a_queue_that_takes_nothing_is_not_asked_again_and_again() {
    let world = World::with_endpoint().await;
    world.line.loses(true);
    join_all((0..600).map(|_| world.payment())).await;
    world.line.loses(false);
    world.later(MINUTE);
    world.line.fails(true);
    let report = world.dispatch().await;
    assert_eq!((report.saw, report.could_not.get("publish"), report.more), (500, Some(&500), true));
    world.line.fails(false);
    assert_eq!(
        world.dispatch().await.did.get("published"),
        Some(&100),
        "what was not taken from the store is still due"
    );
    let started = world.time.monotonic();
    world.later(2 * MINUTE);
    world.line.fails(true);
    let time = Duration::from_millis(500);
    let report = world.gateway.dispatch_deliveries(JobRun::scheduled(time)).await.unwrap();
    assert_eq!(report.saw, 600);
    assert!(world.time.monotonic().saturating_sub(started) >= time, "a run that has time waits before it asks again");
}

#[tokio::test]
async fn a_merchant_of_whom_too_much_waits_holds_up_nobody_else() {
    let world = World::with_endpoint().await;
    world.line.loses(true);
    join_all((0..1100).map(|_| world.payment())).await;
    world.line.loses(false);
    world.later(MINUTE);
    world.payment_of(hats()).await;
    world.line.take();
    world.later(MINUTE);
    world.line.refuses(shoes());
    let report = world.dispatch().await;
    assert_eq!((report.could_not.get("publish"), report.did.get("published")), (Some(&1100), Some(&1)));
    assert_eq!(world.line.only().merchant, hats());
    world.line.refuses(hats());
    world.later(2 * MINUTE);
    assert_eq!(world.dispatch().await.did.get("published"), Some(&1100), "they come back by themselves");
}

// ---------------------------------------------------------------------------------------------------- rules 19 and 20

#[tokio::test]
async fn what_the_queue_gave_up_is_due_again_and_never_dead_lettered_for_it() {
    let world = World::with_endpoint().await;
    let payment = world.payment().await;
    let due = world.line.only();
    for _ in 0..20 {
        world.gateway.delivery_given_up(due).await.unwrap();
        let (delivery, _) = world.first(&payment).await;
        assert_eq!((delivery.status, delivery.attempts, delivery.tries), (DeliveryStatus::Pending, 0, 0));
        assert_eq!(delivery.next_attempt_at, Some(world.time.now() + MINUTE));
        world.later(MINUTE);
        assert_eq!(world.dispatch().await.saw, 1);
        assert_eq!(world.line.only(), due);
    }
    assert_eq!(world.deliver(due).await, DeliveryOutcome::Delivered);
    world.gateway.delivery_given_up(due).await.unwrap();
    assert_eq!(world.status(&payment).await, (DeliveryStatus::Delivered, 1));
    let nobodys = DeliveryDue { payment: PaymentId::from_random([9; 16]), ..due };
    world.gateway.delivery_given_up(nobodys).await.unwrap();
    assert_eq!((world.dispatch().await.saw, world.line.dead().len()), (0, 0));
}

#[tokio::test]
async fn what_the_queue_gave_up_before_its_last_try_gets_it() {
    let world = World::with_endpoint().await;
    let payment = world.payment().await;
    let due = world.due_for_the_last_try(&payment).await;
    world.gateway.delivery_given_up(due).await.unwrap();
    assert_eq!(world.status(&payment).await, (DeliveryStatus::Retrying, 6));
    world.later(MINUTE);
    assert_eq!(world.deliver_what_is_due().await, [DeliveryOutcome::DeadLettered], "the seventh failed try, only that");
}

#[tokio::test]
async fn what_the_queue_gave_up_while_it_waits_for_its_endpoint_waits_on() {
    let world = World::new().await;
    let payment = world.payment().await;
    let due = world.line.only();
    world.deliver(due).await;
    world.gateway.delivery_given_up(due).await.unwrap();
    world.later(DAY);
    assert_eq!(world.dispatch().await.saw, 0);
    world.set_endpoint(shoes(), URL).await;
    assert_eq!(world.deliver_what_is_due().await, [DeliveryOutcome::Delivered]);
    assert_eq!(world.status(&payment).await, (DeliveryStatus::Delivered, 1));
}

#[tokio::test]
async fn a_dead_endpoints_deliveries_are_put_off_without_a_try_and_others_go_on() {
    let world = World::with_endpoint().await;
    world.set_endpoint(hats(), "https://hats.example/hooks").await;
    world.servers.answer((0..10).map(|_| silence()));
    for _ in 0..10 {
        world.payment().await;
        assert_eq!(world.deliver(world.line.only()).await, DeliveryOutcome::Failed);
    }
    let gate = world.servers.hold(URL);
    let mut dues = Vec::new();
    let mut payments = Vec::new();
    for _ in 0..20 {
        payments.push(world.payment().await);
        dues.push(world.line.only());
    }
    world.payment_of(hats()).await;
    let others = world.line.only();
    let probes = join_all(dues[..4].iter().map(|due| world.deliver(*due)));
    let meanwhile = async {
        world.sent(14).await;
        for (due, payment) in dues[4..].iter().zip(&payments[4..]) {
            assert_eq!(world.deliver(*due).await, DeliveryOutcome::PutOff);
            let (delivery, attempts) = world.first(payment).await;
            assert_eq!((delivery.status, delivery.tries, attempts.len()), (DeliveryStatus::Pending, 0, 0));
            let wait = seconds(world.time.now(), delivery.next_attempt_at.unwrap());
            assert!((20.0..=40.0).contains(&wait), "{wait}");
        }
        assert_eq!(world.deliver(others).await, DeliveryOutcome::Delivered, "the others go on");
        gate.add_permits(1000);
    };
    let (probes, ()) = tokio::join!(in_time(probes), in_time(meanwhile));
    assert_eq!(probes, [DeliveryOutcome::Delivered; 4], "it is alive again");
    world.later(MINUTE);
    let outcomes = world.deliver_what_is_due().await;
    let delivered = outcomes.iter().filter(|outcome| **outcome == DeliveryOutcome::Delivered).count();
    // With some of those that have failed before.
    assert!(delivered >= 16 && delivered == outcomes.len(), "{outcomes:?}");
}

#[tokio::test]
async fn an_endpoint_that_says_no_keeps_its_schedule_however_much_fails() {
    let world = World::with_endpoint().await;
    world.servers.always(status(500));
    let mut dues = Vec::new();
    for _ in 0..50 {
        world.payment().await;
        dues.push(world.line.only());
    }
    for due in dues {
        assert_eq!(world.deliver(due).await, DeliveryOutcome::Failed);
    }
    world.later(Duration::from_secs(67));
    assert_eq!(world.dispatch().await.saw, 50);
    let dues = world.line.take();
    let gate = world.servers.hold(URL);
    let let_go = async {
        world.sent(100).await;
        gate.add_permits(50);
    };
    let tries = join_all(dues.iter().map(|due| world.deliver(*due)));
    let (outcomes, ()) = tokio::join!(in_time(tries), in_time(let_go));
    assert_eq!(outcomes, [DeliveryOutcome::Failed; 50], "every one at its time, however many at once");
}

// ------------------------------------------------------------------------------------------------ redelivery by hand

#[tokio::test]
async fn a_dead_lettered_event_is_redelivered_with_its_schedule_begun_anew() {
    let world = World::with_endpoint().await;
    let payment = world.payment().await;
    world.until_the_last_try(&payment).await;
    world.later(2 * DAY);
    assert_eq!(world.deliver_what_is_due().await, [DeliveryOutcome::DeadLettered]);
    world.redeliver(&payment, None).await.unwrap();
    let due = world.line.only();
    assert_eq!(due.attempt, 8, "attempts go on counting");
    assert_eq!(world.status(&payment).await, (DeliveryStatus::Pending, 7));
    assert_eq!(world.deliver(due).await, DeliveryOutcome::Failed);
    for last in [false, false, false, false, false, true] {
        world.later(2 * DAY);
        let expected = if last { DeliveryOutcome::DeadLettered } else { DeliveryOutcome::Failed };
        assert_eq!(world.deliver_what_is_due().await, [expected], "seven more tries");
    }
    assert_eq!((world.status(&payment).await, world.line.dead().len()), ((DeliveryStatus::DeadLettered, 14), 2));
    let received = world.servers.received();
    assert!(received.iter().all(|webhook| webhook.id == received[0].id && webhook.body == received[0].body));
}

#[tokio::test]
async fn a_redelivery_that_was_not_published_is_due_by_itself() {
    let world = World::with_endpoint().await;
    let payment = world.payment().await;
    world.deliver(world.line.only()).await;
    world.line.fails(true);
    world.redeliver(&payment, None).await.unwrap();
    world.line.fails(false);
    world.later(MINUTE);
    assert_eq!(world.deliver_what_is_due().await, [DeliveryOutcome::Delivered]);
    assert_eq!(world.servers.count(), 2);
}

#[tokio::test]
async fn redelivery_takes_what_is_not_delivered_or_all_or_the_one_that_is_named() {
    let world = World::with_endpoint().await;
    let payment = world.payment().await;
    world.capture(&payment).await;
    let dues = world.line.take();
    world.deliver(dues[0]).await;
    world.servers.answer([status(500)]);
    world.deliver(dues[1]).await;
    let sequences = |dues: Vec<DeliveryDue>| dues.iter().map(|due| due.sequence).collect::<Vec<_>>();
    world.redeliver(&payment, None).await.unwrap();
    let said = world.line.take();
    assert_eq!(sequences(said.clone()), [2], "what is not delivered");
    world.deliver(said[0]).await;
    world.redeliver(&payment, None).await.unwrap();
    let said = world.line.take();
    assert_eq!(sequences(said.clone()), [1, 2], "where every one is, all");
    for due in said {
        assert_eq!(world.deliver(due).await, DeliveryOutcome::Delivered);
    }
    let first = world.first(&payment).await.0.event;
    world.redeliver(&payment, Some(first)).await.unwrap();
    assert_eq!(sequences(world.line.take()), [1], "the one that is named, delivered or not");
}

#[tokio::test]
async fn redelivery_of_what_is_not_there_or_another_merchants_is_not_found() {
    let world = World::with_endpoint().await;
    let mine = world.payment().await;
    let theirs = world.payment_of(hats()).await;
    let event = world.first(&mine).await.0.event;
    world.line.take();
    let nobodys = EventId::from_random([9; 16]);
    assert!(matches!(world.redeliver(&mine, Some(nobodys)).await, Err(Error::NotFound)));
    assert!(matches!(world.redeliver(&theirs, Some(event)).await, Err(Error::NotFound)), "another payment's event");
    let (shoes, hats) = (shoes(), hats());
    for event in [None, Some(event)] {
        assert!(matches!(world.gateway.redeliver(hats, mine.id, event).await, Err(Error::NotFound)));
    }
    assert!(matches!(world.gateway.deliveries(hats, mine.id).await, Err(Error::NotFound)));
    let unknown = PaymentId::from_random([9; 16]);
    assert!(matches!(world.gateway.redeliver(shoes, unknown, None).await, Err(Error::NotFound)));
    world.tasks.idle().await;
    assert_eq!(world.line.take(), []);
    assert_eq!(world.status(&mine).await, (DeliveryStatus::Pending, 0));
}

#[tokio::test]
async fn a_redelivery_asked_for_during_the_last_try_is_not_lost_with_it() {
    let world = World::with_endpoint().await;
    let payment = world.payment().await;
    let (due, asks, asked) = (world.due_for_the_last_try(&payment).await, world.clone(), payment.clone());
    world.servers.while_sending(move || {
        Box::pin(async move { asks.gateway.redeliver(asked.merchant, asked.id, None).await.unwrap() })
    });
    assert_eq!(world.deliver(due).await, DeliveryOutcome::Failed, "the seventh try, and the first of a new schedule");
    let (delivery, attempts) = world.first(&payment).await;
    assert_eq!((delivery.status, delivery.tries, attempts.len()), (DeliveryStatus::Retrying, 1, 7));
    assert_eq!(world.line.dead(), [], "it was not given up");
    // The message of the redelivery is about the try that was just made.
    world.tasks.idle().await;
    assert_eq!(world.deliver(world.line.only()).await, DeliveryOutcome::Skipped);
    world.later(2 * MINUTE);
    world.servers.always(status(200));
    assert_eq!(world.deliver_what_is_due().await, [DeliveryOutcome::Delivered]);
}

#[tokio::test]
async fn a_redelivery_asked_for_while_it_is_put_off_keeps_its_new_schedule() {
    let world = World::with_endpoint().await;
    let payment = world.payment().await;
    // The secret does not open there, so the try is put off; just before, the merchant asks for it anew.
    let (due, asks, asked) = (world.due_for_the_last_try(&payment).await, world.clone(), payment.clone());
    let other = world.another(7, Arc::new(NoFailPoints));
    let asks = move || -> BoxFuture<'static, ()> {
        Box::pin(async move { asks.gateway.redeliver(asked.merchant, asked.id, None).await.unwrap() })
    };
    world.flaky.plan("reschedule", [Trouble::Before(Box::new(asks))]);
    assert_eq!(other.deliver(due).await, DeliveryOutcome::PutOff);
    let (delivery, _) = world.first(&payment).await;
    assert_eq!((delivery.status, delivery.tries), (DeliveryStatus::Pending, 0), "anew");
}

#[tokio::test]
async fn an_event_that_is_delivered_while_its_redelivery_is_asked_for_is_not_sent_twice() {
    let world = World::with_endpoint().await;
    let payment = world.payment().await;
    world.capture(&payment).await;
    let dues = world.line.take();
    let delivers = world.clone();
    let both = move || -> BoxFuture<'static, ()> {
        Box::pin(async move {
            for due in dues {
                assert_eq!(delivers.deliver(due).await, DeliveryOutcome::Delivered);
            }
        })
    };
    world.flaky.plan("reschedule", [Trouble::Before(Box::new(both))]);
    world.redeliver(&payment, None).await.unwrap();
    for due in world.line.take() {
        world.deliver(due).await;
    }
    assert_eq!(world.servers.count(), 2, "each once");
}

// --------------------------------------------------------------------------------------------------------- the secrets

#[tokio::test]
async fn after_a_rotation_both_secrets_sign_for_a_day_and_then_only_the_new_one() {
    let world = World::new().await;
    let first = world.set_endpoint(shoes(), URL).await.unwrap();
    let signs = || world.signs();
    assert_eq!(signs().await, [first.as_str()]);
    let second = world.rotate().await;
    assert_ne!(first, second);
    assert_eq!(signs().await, [second.as_str(), first.as_str()]);
    world.later(Duration::from_secs(24 * 3600 - 1));
    assert_eq!(signs().await, [second.as_str(), first.as_str()]);
    world.later(Duration::from_secs(1));
    assert_eq!(signs().await, [second.as_str()]);
    assert_eq!(world.set_endpoint(shoes(), "https://new.example/hooks").await, None, "another URL, the same secret");
    assert_eq!(signs().await, [second.as_str()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_rotations_at_once_both_secrets_that_were_shown_sign() {
    for _ in 0..20 {
        let world = World::with_endpoint().await;
        let first = world.rotate().await;
        let (one, two) = (world.clone(), world.another(1, Arc::new(NoFailPoints)));
        let (one, two) = tokio::join!(one.rotate(), two.rotate());
        let signed: BTreeSet<_> = world.signs().await.into_iter().collect();
        assert!(signed.is_superset(&BTreeSet::from([first, one, two])));
    }
}

#[tokio::test]
async fn a_rotation_that_was_overtaken_is_made_again_on_top() {
    let world = World::with_endpoint().await;
    let overtakes = world.clone();
    let shown = Arc::new(Mutex::new(String::new()));
    let other = shown.clone();
    let rotates = move || -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let secret = overtakes.rotate().await;
            *other.lock().unwrap() = secret;
        })
    };
    world.flaky.plan("put_endpoint", [Trouble::Before(Box::new(rotates))]);
    let late = world.rotate().await;
    assert_eq!(world.signs().await[..2], [late, shown.lock().unwrap().clone()]);
}

#[tokio::test]
async fn a_new_secret_is_shown_though_the_answer_of_the_store_was_lost() {
    let world = World::new().await;
    world.flaky.plan("put_endpoint", [Trouble::AnswerLost]);
    let first = world.set_endpoint(shoes(), URL).await.expect("it is shown now or never");
    world.flaky.plan("put_endpoint", [Trouble::AnswerLost]);
    let second = world.rotate().await;
    assert_eq!(world.signs().await, [second.as_str(), &first]);
    world.flaky.plan("put_endpoint", [Trouble::Down]);
    let third = world.rotate().await;
    assert_eq!(world.signs().await, [third.as_str(), &second, &first], "it is sent again, not made again");
}

#[tokio::test]
async fn a_new_secret_that_is_written_late_is_shown_and_every_one_before_it_signs() {
    let world = World::new().await;
    world.flaky.plan("put_endpoint", [Trouble::Late]);
    let first = world.set_endpoint(shoes(), URL).await.expect("it is shown now or never");
    world.flaky.plan("put_endpoint", [Trouble::Late]);
    let second = world.rotate().await;
    assert_eq!(world.signs().await, [second, first]);
}

#[tokio::test]
async fn a_new_secret_whose_answer_was_lost_is_shown_though_the_endpoint_has_changed_since() {
    let world = World::new().await;
    let pauses = world.clone();
    let pauses = move || -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let made = pauses.store.endpoint(shoes()).await.unwrap().unwrap();
            let second = WebhookEndpoint { paused_at: Some(START), revision: 2, ..made };
            assert!(pauses.store.put_endpoint(&second).await.unwrap());
        })
    };
    world.flaky.plan("put_endpoint", [Trouble::AnswerLost, Trouble::Before(Box::new(pauses))]);
    let changed = world.gateway.set_webhook_endpoint(shoes(), URL).await.unwrap();
    assert!(changed.secret.is_some(), "it is shown now or never");
    assert_eq!(changed.endpoint.paused_at, Some(START), "as it is now");
}

#[tokio::test]
async fn a_secret_signs_for_its_own_day_however_often_the_secret_is_rotated_in_it() {
    let world = World::new().await;
    let first = world.set_endpoint(shoes(), URL).await.unwrap();
    let second = world.rotate().await;
    world.later(30 * MINUTE);
    let third = world.rotate().await;
    assert_eq!(world.signs().await, [third.as_str(), &second, &first], "the first one may be the one deployed");
    world.later(Duration::from_secs(24 * 3600 - 30 * 60 - 1));
    assert_eq!(world.signs().await, [third.as_str(), &second, &first]);
    world.later(Duration::from_secs(1));
    assert_eq!(world.signs().await, [third.as_str(), &second]);
    world.later(30 * MINUTE);
    assert_eq!(world.signs().await, [third]);
}

#[tokio::test]
async fn no_more_secrets_sign_than_fit_and_none_is_dropped_for_another() {
    let world = World::new().await;
    let first = world.set_endpoint(shoes(), URL).await.unwrap();
    for _ in 0..10 {
        world.rotate().await;
        world.later(MINUTE);
    }
    let refused = world.gateway.rotate_webhook_secret(shoes()).await.map(drop).unwrap_err();
    let Error::TooManySecrets { retry_after } = refused else { panic!("{refused}") };
    assert_eq!(retry_after + 10 * MINUTE, DAY);
    let signs = world.signs().await;
    assert_eq!((signs.len(), signs.last()), (11, Some(&first)));
    world.later(retry_after);
    world.rotate().await;
    assert_eq!(world.signs().await.len(), 11);
}

#[tokio::test]
async fn a_changed_secrets_key_puts_off_and_costs_no_try_until_it_is_right_or_rotated() {
    let world = World::with_endpoint().await;
    let payment = world.payment().await;
    let due = world.line.only();
    let changed = world.another(7, Arc::new(NoFailPoints));
    for _ in 0..10 {
        assert_eq!(changed.deliver(due).await, DeliveryOutcome::PutOff);
        let (delivery, attempts) = world.first(&payment).await;
        assert_eq!((delivery.status, delivery.tries, attempts.len()), (DeliveryStatus::Pending, 0, 0));
        world.later(10 * MINUTE);
        world.dispatch().await;
        assert_eq!(world.line.only(), due);
    }
    assert_eq!(world.servers.count(), 0, "nothing goes out unsigned");
    // A rotation under the new key makes a secret that opens; the one before it does not, and holds nothing up.
    let secret = changed.rotate().await;
    assert_eq!(changed.deliver(due).await, DeliveryOutcome::Delivered);
    assert_eq!(world.servers.last().secrets, [secret]);
}

/// Keeps every line that is logged on this thread, with all its fields.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<(tracing::Level, String)>>>);

struct Fields(String);

impl tracing::field::Visit for Fields {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        use std::fmt::Write;
        self.0 += field.name();
        write!(self.0, "={value:?} ").unwrap();
    }
}

impl tracing::Subscriber for Log {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        let mut fields = Fields(String::new());
        span.record(&mut fields);
        self.0.lock().unwrap().push((*span.metadata().level(), fields.0));
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, values: &tracing::span::Record<'_>) {
        let mut fields = Fields(String::new());
        values.record(&mut fields);
        self.0.lock().unwrap().push((tracing::Level::TRACE, fields.0));
    }

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut fields = Fields(String::new());
        event.record(&mut fields);
        self.0.lock().unwrap().push((*event.metadata().level(), fields.0));
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test]
async fn our_own_fault_is_an_error_in_the_log_and_no_secret_or_body_ever_stands_there() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let world = World::new().await;
    let mut private = vec![world.set_endpoint(shoes(), URL).await.unwrap(), world.rotate().await];
    let payment = world.payment().await;
    let due = world.line.only();
    let changed = world.another(7, Arc::new(NoFailPoints));
    assert_eq!(changed.deliver(due).await, DeliveryOutcome::PutOff);
    world.servers.answer([status(500), status(410)]);
    world.deliver(due).await;
    world.payment().await;
    world.deliver(world.line.only()).await;
    world.set_endpoint(shoes(), URL).await;
    world.redeliver(&payment, None).await.unwrap();
    private.push(changed.rotate().await);
    private.push(world.servers.last().body);
    let lines = log.0.lock().unwrap().clone();
    let errors: Vec<_> = lines.iter().filter(|(level, _)| *level == tracing::Level::ERROR).collect();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].1.contains("SECRETS_KEY") && errors[0].1.contains(&shoes().to_string()), "{errors:?}");
    for private in private {
        let bare = private.trim_start_matches("whsec_");
        assert!(lines.iter().all(|(_, line)| !line.contains(bare)), "{lines:#?}");
    }
}

#[tokio::test]
async fn a_gateway_that_is_too_busy_to_send_puts_off_and_costs_no_try() {
    let world = World::with_endpoint().await;
    let payment = world.payment().await;
    let due = world.line.only();
    world.servers.always(Sent { answer: Err(SendError::Busy), retry_after: None });
    for _ in 0..20 {
        assert_eq!(world.deliver(due).await, DeliveryOutcome::PutOff);
        let (delivery, attempts) = world.first(&payment).await;
        assert_eq!((delivery.status, delivery.tries, attempts.len()), (DeliveryStatus::Pending, 0, 0));
        assert_eq!(delivery.next_attempt_at, Some(world.time.now() + Duration::from_secs(30)));
        world.later(Duration::from_secs(30));
    }
    world.servers.always(status(200));
    assert_eq!(world.deliver(due).await, DeliveryOutcome::Delivered, "nor does the endpoint count as dead");
}

#[tokio::test]
async fn a_secret_that_opens_and_does_not_sign_is_our_fault_and_costs_no_try() {
    let world = World::with_endpoint().await;
    let payment = world.payment().await;
    world.servers.answer([Sent { answer: Err(SendError::Secret), retry_after: None }]);
    assert_eq!(world.deliver(world.line.only()).await, DeliveryOutcome::PutOff);
    assert_eq!(world.status(&payment).await, (DeliveryStatus::Pending, 0));
    world.later(10 * MINUTE);
    assert_eq!(world.deliver_what_is_due().await, [DeliveryOutcome::Delivered]);
}

// ---------------------------------------------------------------------------------------------------------- the feed

#[tokio::test]
async fn the_feed_is_in_the_order_of_commits_page_by_page_and_each_merchants_own() {
    let world = World::new().await;
    let mut expected = Vec::new();
    for round in 0..7 {
        let payment = world.payment().await;
        world.payment_of(hats()).await;
        expected.push((payment.id, 1));
        if round % 2 == 0 {
            world.capture(&payment).await;
            expected.push((payment.id, 2));
        }
    }
    let all = world.events_after(None, 100).await;
    assert_eq!(all.iter().map(|event| (event.payment, event.sequence)).collect::<Vec<_>>(), expected);
    for size in 1..=12 {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = world.events_after(after, size).await;
            assert!(page.len() <= size as usize);
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            seen.extend(page);
        }
        assert_eq!(seen, all, "{size} at a time");
    }
    let theirs = world.gateway.events(hats(), None, 1).await.unwrap().remove(0).id;
    assert!(matches!(world.gateway.events(shoes(), Some(theirs), 10).await, Err(Error::NotFound)));
    let nobodys = EventId::from_random([9; 16]);
    assert!(matches!(world.gateway.events(shoes(), Some(nobodys), 10).await, Err(Error::NotFound)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_feed_has_no_gaps_while_many_write_at_once() {
    const WRITERS: usize = 8;
    const EACH: usize = 25;
    let folder = tempfile::tempdir().unwrap();
    let time = Arc::new(SandboxTime::real());
    let file = folder.path().join("store.db");
    let open = |boot| SqliteStore::open(&file, Options::new(BootId::from_random([boot; 16])), time.clone()).unwrap();
    // Two stores on one file, as two processes have it.
    let (one, two) =
        (World::on(Arc::new(open(1)), time.clone()).await, World::on(Arc::new(open(2)), time.clone()).await);
    let writing = AtomicBool::new(true);
    let write = async {
        let writer = async |number: usize| {
            let world = if number.is_multiple_of(2) { &one } else { &two };
            for _ in 0..EACH {
                let key = uuid();
                // On a machine that is busy, two writers of one file can keep each other waiting for longer than a
                // request may take: then it is sent again, as merchants do.
                in_time(async {
                    while Box::pin(world.payment_by(shoes(), &key)).await.is_err() {
                        time.sleep(Duration::from_millis(50)).await;
                    }
                })
                .await;
            }
        };
        join_all((0..WRITERS).map(writer)).await;
        writing.store(false, Ordering::Release);
    };
    let read = async {
        let (mut seen, mut after): (Vec<EventId>, _) = (Vec::new(), None);
        loop {
            let last_look = !writing.load(Ordering::Acquire);
            let page = two.events_after(after, 7).await;
            after = page.last().map(|event| event.id).or(after);
            let empty = page.is_empty();
            seen.extend(page.iter().map(|event| event.id));
            if empty && last_look {
                return seen;
            }
            time.sleep(Duration::from_millis(1)).await;
        }
    };
    let ((), seen) = tokio::join!(write, read);
    assert_eq!(seen.len(), WRITERS * EACH);
    let all: Vec<_> = one.gateway.events(shoes(), None, 1000).await.unwrap().iter().map(|event| event.id).collect();
    assert_eq!(seen, all, "every event once, in an order that does not change");
}

#[tokio::test]
async fn hundreds_of_messages_about_one_try_are_one_and_hundreds_of_redeliveries_are_each_one_more() {
    let world = World::with_endpoint().await;
    let payment = world.payment().await;
    world.line.take();
    // Hundreds of hints at once all tell of the same delivery: one try.
    let due = DeliveryDue { merchant: shoes(), payment: payment.id, sequence: 1, attempt: 1 };
    for _ in 0..300 {
        world.deliver(due).await;
    }
    assert_eq!((world.servers.count(), world.status(&payment).await), (1, (DeliveryStatus::Delivered, 1)));
    for number in 2..=150 {
        world.redeliver(&payment, None).await.unwrap();
        assert_eq!(world.deliver(world.line.only()).await, DeliveryOutcome::Delivered);
        assert_eq!(world.status(&payment).await.1, number);
    }
}

#[tokio::test]
async fn a_try_is_a_span_of_its_messages_trace_with_ids_and_status_and_nothing_else() {
    let collector = Collector::start().await.unwrap();
    let (traces, _guard) = crate::traces::exporting(&collector.url);
    let world = World::with_endpoint().await;
    world.servers.answer([status(500), silence()]);
    world.payment().await;
    let due = world.line.only();
    let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    tollgate_runtime::trace::consumed("payment-events", Some(traceparent), world.deliver(due)).await;
    world.later(DAY);
    world.deliver_what_is_due().await;
    assert!(traces.flush(Duration::from_secs(5)).await);

    let spans = collector.spans();
    let tries: Vec<_> = spans.iter().filter(|span| span.name == "webhook").collect();
    assert_eq!(tries.len(), 2, "{spans:#?}");
    let consumer = spans.iter().find(|span| span.name == "payment-events").unwrap();
    assert_eq!(hex::encode(&consumer.parent_span_id), "00f067aa0ba902b7");
    assert_eq!((&tries[0].trace_id, &tries[0].parent_span_id), (&consumer.trace_id, &consumer.span_id));
    assert_eq!(crate::traces::attributes(tries[0]), ["payment", "event", "attempt", "http.response.status_code"]);
    assert_eq!(crate::traces::attributes(tries[1]), ["payment", "event", "attempt"]);
    let failed = |span: &&opentelemetry_proto::tonic::trace::v1::Span| {
        span.status.as_ref().is_some_and(|status| status.code == 2)
    };
    assert_eq!(tries.iter().map(failed).collect::<Vec<_>>(), [false, true]);
    let text = format!("{spans:?}");
    for secret in [URL, "whsec_", "pm_card_visa"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}
