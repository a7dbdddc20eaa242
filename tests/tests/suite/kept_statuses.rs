//! Reading a payment while the store is away: it is shown as it was, says so, and to nobody else; and nothing of that delays
//! or decides a payment.

use std::{
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Request},
};
use futures::future::{join_all, pending};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Semaphore};
use tollgate_counters::{EmbeddedStatuses, RedisCounters};
use tollgate_domain::{Answer, MerchantId, Payment, PaymentId, PaymentStatus, TransactionView};
use tollgate_gateway::{
    Error, Shown,
    authenticate::api_key_digest,
    ports::{
        Merchants, Statuses, Time,
        fail_points::NoFailPoints,
        merchants::{ApiKey, Merchant},
        provider::LookUp,
        statuses::KeptStatus,
    },
};
use tollgate_runtime::SystemClock;
use tollgate_simulators::SandboxTime;
use tollgate_store::{Options, SqliteStore};
use tollgate_tests::stage::eventually;
use tower::ServiceExt;

use crate::{
    api_support::{Request as Plain, World as Api, order},
    deployed::redis,
    merchants_front::merchants_front,
    settlement_support::Till,
    world::{Kept, START, Script, World, boot, held, merchant, shows, taken, unknown, view},
};

const MINE: &str = "key-of-mine";
const THEIRS: &str = "key-of-theirs";
const UNKNOWN: &str = "pay_7zzzzzzzzzzzzzzzzzzzzzzzzz";

/// The merchants' API on a world whose store can be away.
struct Shop {
    world: World,
    router: Router,
}

/// What a merchant is answered.
#[derive(Debug, PartialEq)]
struct Reply {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Reply {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// It is the truth, and does not say that it is old.
    #[track_caller]
    fn is_the_truth(&self) {
        assert_eq!((self.status, self.header("age"), self.header("x-served-from")), (200, None, None), "{self:?}");
    }

    /// It is what was so many seconds ago.
    #[track_caller]
    fn is_of_age(&self, seconds: &str) {
        let marks = (self.status, self.header("age"), self.header("x-served-from"));
        assert_eq!(marks, (200, Some(seconds), Some("cache")), "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/json"));
    }

    /// Nobody knows.
    #[track_caller]
    fn is_unavailable(&self) {
        assert_eq!((self.status, &self.json()["code"]), (503, &json!("store_unavailable")), "{self:?}");
        assert!(self.header("retry-after").is_some() && self.header("x-served-from").is_none(), "{self:?}");
    }
}

impl Shop {
    async fn new() -> Self {
        Self::of(World::new()).await
    }

    async fn of(world: World) -> Self {
        let created_at = world.time.now();
        for (id, key) in [(merchant(), MINE), (MerchantId::from_random([3; 16]), THEIRS)] {
            let merchant =
                Merchant { id, name: key.to_owned(), requests_per_minute: None, fee_basis_points: 0, created_at };
            world.store.put_merchant(&merchant).await.unwrap();
            let key = ApiKey { digest: api_key_digest(key), merchant: id, created_at, revoked_at: None };
            world.store.put_api_key(&key).await.unwrap();
        }
        let time: Arc<dyn Time> = world.time.clone();
        let router = merchants_front(world.gateway.clone(), world.store.clone(), &time);
        Self { world, router }
    }

    fn store_is_away(&self, is_away: bool) {
        self.world.flaky.away.store(is_away, Ordering::SeqCst);
    }

    async fn get(&self, id: &str, key: &str) -> Reply {
        let request = Request::get(format!("/v1/payments/{id}"))
            .header("x-api-key", key)
            .header("x-correlation-id", "one")
            .body(Body::empty());
        let answer = self.router.clone().oneshot(request.unwrap()).await.unwrap();
        let (status, mut headers) = (answer.status().as_u16(), answer.headers().clone());
        // One less with every request.
        headers.remove("ratelimit");
        let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        Reply { status, headers, body: String::from_utf8(body.to_vec()).unwrap() }
    }

    async fn mine(&self, payment: &Payment) -> Reply {
        self.get(&payment.id.to_string(), MINE).await
    }

    /// Waits until `version` of it is kept: nobody else does.
    async fn kept(&self, payment: &Payment, version: u64) {
        kept(&*self.world.statuses, payment.id, version).await;
    }
}

async fn kept(statuses: &dyn Statuses, payment: PaymentId, version: u64) {
    let reached = async || statuses.find(payment).await.is_some_and(|kept| kept.version >= version);
    eventually("it is kept", reached).await;
}

/// A world that keeps payments in `statuses`.
fn world_with(statuses: Arc<dyn Statuses>) -> World {
    let time = Arc::new(SandboxTime::simulated(START));
    let store = Arc::new(SqliteStore::in_memory(Options::new(boot(1)), time.clone()).unwrap());
    let (script, others) = (Arc::new(Script::default()), Vec::new());
    World::keeping(
        Kept { statuses, ..Kept::nothing_beside(&time) },
        store,
        script,
        others,
        time,
        boot(1),
        Arc::new(NoFailPoints),
    )
}

#[tokio::test]
async fn a_payment_that_was_made_is_shown_as_it_was_while_the_store_is_away_and_as_it_is_afterwards() {
    let shop = Shop::new().await;
    let payment = shop.world.authorized().await;
    shop.kept(&payment, 2).await;
    shop.world.later(7);
    shop.store_is_away(true);
    let kept = shop.mine(&payment).await;
    kept.is_of_age("7");
    shop.world.later(1);
    let later = shop.mine(&payment).await;
    later.is_of_age("8");
    shop.store_is_away(false);
    let truth = shop.mine(&payment).await;
    truth.is_the_truth();
    assert_eq!((&kept.body, &later.body), (&truth.body, &truth.body), "to the byte");
    assert_eq!(kept.json()["status"], "AUTHORIZED");
}

#[tokio::test]
async fn what_an_event_or_a_job_changed_elsewhere_is_what_is_shown() {
    let shop = Shop::new().await;
    let held_payment = shop.world.authorized().await;
    shop.world.script.answers([unknown()]);
    let open = shop.world.create("open").await.unwrap().payment;
    // Another function, on the same store and the same cache.
    let elsewhere = shop.world.restarted(2);
    elsewhere.event(&held_payment, "evt_1", taken()).await.unwrap();
    shop.world.later(25);
    let shown = TransactionView { transaction_id: "pi_2".to_owned(), ..view(held()) };
    elsewhere.script.look_ups([LookUp::Found(Answer::Shows(shown))]);
    elsewhere.stuck().await;
    for (payment, status, age) in [(&held_payment, "CAPTURED", "35"), (&open, "AUTHORIZED", "10")] {
        let truth = shop.world.now_is(payment).await;
        shop.kept(payment, truth.version).await;
        shop.store_is_away(true);
        if status == "CAPTURED" {
            shop.world.later(10);
        }
        let kept = shop.mine(payment).await;
        kept.is_of_age(age);
        assert_eq!((&kept.json()["status"], &kept.json()["version"]), (&json!(status), &json!(truth.version)));
        shop.store_is_away(false);
    }
}

#[tokio::test]
async fn another_merchant_is_answered_as_for_a_payment_that_does_not_exist() {
    let shop = Shop::new().await;
    let payment = shop.world.authorized().await;
    shop.kept(&payment, 2).await;
    for (is_away, status) in [(false, 404), (true, 503), (false, 404), (true, 503)] {
        shop.store_is_away(is_away);
        let theirs = shop.get(&payment.id.to_string(), THEIRS).await;
        assert_eq!(theirs.status, status, "{theirs:?}");
        assert_eq!(theirs, shop.get(UNKNOWN, THEIRS).await);
        assert_eq!(shop.mine(&payment).await.status, 200, "and it is there");
    }
}

#[tokio::test]
async fn nothing_is_shown_that_was_the_truth_five_minutes_ago_and_whoever_looks_makes_it_last() {
    let shop = Shop::new().await;
    let payment = shop.world.authorized().await;
    shop.kept(&payment, 2).await;
    shop.world.later(299);
    shop.store_is_away(true);
    shop.mine(&payment).await.is_of_age("299");
    shop.world.later(1);
    shop.mine(&payment).await.is_unavailable();

    // Looked at, it is the truth once more, and for five minutes from then.
    shop.store_is_away(false);
    shop.mine(&payment).await.is_the_truth();
    shop.kept(&payment, 2).await;
    shop.store_is_away(true);
    shop.world.later(200);
    shop.mine(&payment).await.is_of_age("200");
    shop.world.later(99);
    shop.mine(&payment).await.is_of_age("299");
    shop.world.later(1);
    shop.mine(&payment).await.is_unavailable();
}

#[tokio::test]
async fn an_outcome_that_the_store_did_not_confirm_is_not_shown() {
    let shop = Shop::new().await;
    let down = shop.world.flaky.clone();
    *shop.world.script.meanwhile.lock().unwrap() = Some(Box::new(move || {
        *down.down.lock().unwrap() = true;
        Box::pin(async {})
    }));
    shop.world.script.answers([shows(held())]);
    assert!(matches!(shop.world.create("k").await, Err(Error::Store(_))));
    *shop.world.flaky.down.lock().unwrap() = false;
    let payment = shop.world.newest().await;
    shop.kept(&payment, 1).await;
    shop.store_is_away(true);
    assert_eq!(shop.mine(&payment).await.json()["status"], "PENDING");
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_shown_and_is_as_old_as_its_first_try() {
    let shop = Shop::new().await;
    *shop.world.flaky.lost_answers.lock().unwrap() = 1;
    let payment = shop.world.authorized().await;
    shop.kept(&payment, 2).await;
    shop.store_is_away(true);
    shop.mine(&payment).await.is_of_age("0");
    assert_eq!(shop.mine(&payment).await.json()["version"], 2);
}

#[tokio::test]
async fn an_error_of_the_store_that_is_not_its_absence_is_not_hidden() {
    let shop = Shop::new().await;
    let payment = shop.world.authorized().await;
    shop.kept(&payment, 2).await;
    // It answers: there is no such payment, whatever the cache says.
    let stray = KeptStatus { payment: UNKNOWN.parse().unwrap(), ..find(&shop.world, payment.id).await };
    assert!(shop.world.statuses.keep(&stray).await);
    assert_eq!(shop.get(UNKNOWN, MINE).await.status, 404);
}

async fn find(world: &World, payment: PaymentId) -> KeptStatus {
    world.statuses.find(payment).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_settlement_brings_what_is_kept_up_to_date_and_keeps_nothing_else() {
    let till = Till::new().await;
    let payments = till.capture_many(&till.samples, 30).await;
    till.night();
    let gateway = till.gateway();
    for payment in &payments[..3] {
        let shown = gateway.show_payment(till.samples.merchant, payment.id).await.unwrap();
        assert!(matches!(shown, Shown::Truth(_)));
        kept(&*till.statuses, payment.id, payment.version).await;
    }
    till.settle().await;
    for payment in &payments[..3] {
        kept(&*till.statuses, payment.id, payment.version + 1).await;
        let body: Value = serde_json::from_str(&till.statuses.find(payment.id).await.unwrap().body).unwrap();
        assert_eq!(body["status"], "SETTLED");
    }
    assert_eq!(till.statuses.kept().0, 3);
}

/// Lets nothing through until it is told to, and then the last that came first.
struct LateAndTurnedRound {
    inner: EmbeddedStatuses,
    came: AtomicUsize,
    turns: Vec<Semaphore>,
}

#[async_trait]
impl Statuses for LateAndTurnedRound {
    async fn keep(&self, status: &KeptStatus) -> bool {
        let turn = self.came.fetch_add(1, Ordering::SeqCst);
        self.turns[turn].acquire().await.unwrap().forget();
        let is_kept = self.inner.keep(status).await;
        if let Some(next) = turn.checked_sub(1) {
            self.turns[next].add_permits(1);
        }
        is_kept
    }

    async fn renew(&self, _: &[KeptStatus]) -> usize {
        0
    }

    async fn find(&self, payment: PaymentId) -> Option<KeptStatus> {
        self.inner.find(payment).await
    }
}

#[tokio::test]
async fn what_was_written_late_and_in_any_order_does_not_hide_the_latest() {
    let time = Arc::new(SandboxTime::simulated(START));
    let turns = (0..8).map(|_| Semaphore::new(0)).collect();
    let late = Arc::new(LateAndTurnedRound { inner: EmbeddedStatuses::new(time), came: AtomicUsize::new(0), turns });
    let shop = Shop::of(world_with(late.clone())).await;
    shop.world.script.answers([shows(held()), shows(taken())]);
    let payment = shop.world.create("k").await.unwrap().payment;
    shop.mine(&payment).await.is_the_truth();
    let captured = shop.world.capture(&payment, "c").await.unwrap().payment;
    assert_eq!((captured.status, captured.version), (PaymentStatus::Captured, 4));
    // Intent and outcome, twice, and a look in between.
    eventually("all wait", async || late.came.load(Ordering::SeqCst) == 5).await;
    shop.store_is_away(true);
    shop.mine(&payment).await.is_unavailable();
    late.turns[4].add_permits(1);
    eventually("all are written", async || late.turns[0].available_permits() == 0 && late.inner.kept().0 == 1).await;
    assert_eq!(shop.mine(&payment).await.json()["version"], 4);
}

/// A cache that never answers.
#[derive(Default)]
struct Hanging {
    asked: AtomicUsize,
}

#[async_trait]
impl Statuses for Hanging {
    async fn keep(&self, _: &KeptStatus) -> bool {
        self.asked.fetch_add(1, Ordering::SeqCst);
        pending().await
    }

    async fn renew(&self, _: &[KeptStatus]) -> usize {
        pending().await
    }

    async fn find(&self, _: PaymentId) -> Option<KeptStatus> {
        None
    }
}

#[tokio::test]
async fn no_payment_waits_for_a_cache_that_hangs_and_no_more_than_so_many_wait_in_it() {
    let hanging = Arc::new(Hanging::default());
    let world = world_with(hanging.clone());
    for number in 0..100 {
        let key = format!("k{number}");
        let view = TransactionView { transaction_id: key.clone(), ..view(held()) };
        world.script.answers([Answer::Shows(view)]);
        let done = world.create(&key).await.unwrap();
        assert_eq!(done.payment.status, PaymentStatus::Authorized);
    }
    eventually("those that may have come", async || hanging.asked.load(Ordering::SeqCst) >= 64).await;
    assert_eq!(hanging.asked.load(Ordering::SeqCst), 64, "two hundred versions were committed");
}

#[tokio::test]
async fn a_payment_is_as_fast_beside_a_redis_that_hangs_as_without_one() {
    // It takes connections, and never answers; and one that is not there at all.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let hanging = format!("redis://{}", listener.local_addr().unwrap());
    let clock = Arc::new(SystemClock::start());
    for url in [hanging.as_str(), "redis://127.0.0.1:1"] {
        let options = tollgate_counters::Options::default();
        let redis = RedisCounters::connect(url.parse().unwrap(), options, clock.clone()).await.unwrap();
        let shop = Shop::of(world_with(Arc::new(redis))).await;
        let before = clock.monotonic();
        let mut last = None;
        for number in 0..50 {
            let key = format!("k{number}");
            let view = TransactionView { transaction_id: key.clone(), ..view(held()) };
            shop.world.script.answers([Answer::Shows(view)]);
            let counts = shop.world.store.counts();
            last = Some(shop.world.create(&key).await.unwrap().payment);
            let after = shop.world.store.counts();
            assert_eq!(after.commits - counts.commits, 2);
        }
        // A single wait for Redis each would be five seconds.
        let took = clock.monotonic().saturating_sub(before);
        assert!(took < Duration::from_millis(2_500), "{took:?}");
        let payment = last.unwrap();
        shop.mine(&payment).await.is_the_truth();
        shop.store_is_away(true);
        shop.mine(&payment).await.is_unavailable();
    }
}

#[tokio::test]
async fn the_sandbox_keeps_payments_and_counts_what_became_of_it() {
    let api = Api::start().await;
    let made = join_all((0..5).map(|_| api.send(api.post("/v1/payments", &order(1000, "pm_card_visa"))))).await;
    for payment in made {
        let path = format!("/v1/payments/{}", payment.json()["id"].as_str().unwrap());
        api.send(api.get(&path)).await.expect(200);
    }
    let metrics = async || api.send(Plain::new("GET", "/metrics")).await.expect(200).text();
    eventually("it is counted", async || metrics().await.contains("status_cache_total{outcome=\"kept\"}")).await;
}

mod as_deployed {
    use std::process::Stdio;

    use bytes::Bytes;
    use http::{Method, Request, Response};
    use serde_json::{Value, json};
    use tokio::process::{Child, Command};
    use tollgate_emulators::{GrpcProxy, spanner};
    use tollgate_gateway::secrets::SecretsKey;
    use tollgate_runtime::SystemClock;
    use tollgate_sandbox::process::Process;
    use tollgate_store_spanner::{Options, SpannerStore, migrations::migrate};
    use tollgate_tests::{
        program::program,
        stage::{Http, eventually},
    };

    use super::redis;
    use crate::deployed::make_merchant;

    /// A program of the merchants' API. Dropped, it is killed.
    struct Function {
        url: String,
        http: Http,
        key: String,
        _child: Child,
    }

    impl Function {
        async fn start(spanner: &str, environment: &[(&str, &str)], key: &str) -> Self {
            let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let mut command = Command::new(program("tollgate-payments"));
            command.env_clear().env("PORT", port.to_string()).env("SPANNER_EMULATOR_HOST", spanner);
            command.envs(environment.iter().copied());
            command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
            let (url, http, child) = (format!("http://127.0.0.1:{port}"), Http::new(), command.spawn().unwrap());
            let function = Self { url, http, key: key.to_owned(), _child: child };
            eventually("it is ready", async || {
                let request = Request::get(format!("{}/health/ready", function.url)).body(Bytes::new()).unwrap();
                let answer = function.http.try_send(request).await;
                answer.is_some_and(|answer| answer.status() == 200 && json_of(&answer)["status"] == "ok")
            })
            .await;
            function
        }

        async fn send(&self, method: Method, path: &str, body: &Value) -> Response<Bytes> {
            let request = Request::builder().method(method).uri(format!("{}{path}", self.url));
            let request = request.header("x-api-key", &self.key).header("idempotency-key", path);
            let request = request.header("content-type", "application/json");
            let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
            self.http.send(request.body(body).unwrap()).await
        }
    }

    fn json_of(answer: &Response<Bytes>) -> Value {
        serde_json::from_slice(answer.body()).unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn functions_share_through_redis_what_one_shows_while_its_database_is_away() {
        let (Some(spanner), Some((_redis, counters))) = (spanner(), redis()) else { return };
        let database = spanner.create_database();
        migrate(&database.name().parse().unwrap(), Some(spanner.host())).await.unwrap();
        let options = Options::new(database.name().parse().unwrap()).emulator(Some(spanner.host().to_owned()));
        let store = SpannerStore::new(options, std::sync::Arc::new(SystemClock::start()));
        let key = make_merchant(&store, &SecretsKey::new(&[7; 32]), "https://shop.example/hooks").await;
        let folder = tempfile::tempdir().unwrap();
        let (sandbox, books) = (program("tollgate-sandbox"), folder.path().join("providers"));
        let providers = Process::providers(&sandbox, &books).await.unwrap();
        let proxy = GrpcProxy::before(spanner.host()).await;
        let (url, stripe) = (format!("spanner:{}", database.name()), format!("{}/stripe", providers.url));
        let environment = [
            ("STORE_URL", url.as_str()),
            ("STORE_TIMEOUT_MS", "1000"),
            ("COUNTERS_URL", counters.as_str()),
            ("COUNTERS_TIMEOUT_MS", "1000"),
            ("SECRETS_KEY", "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc="),
            ("PUBLIC_URL", "https://pay.example"),
            ("STRIPE_API_URL", stripe.as_str()),
            ("STRIPE_SECRET_KEY", "sk_test_kept"),
            ("STRIPE_WEBHOOK_SECRET", "whsec_kept"),
        ];
        let one = Function::start(proxy.host(), &environment, &key).await;
        let other = Function::start(spanner.host(), &environment, &key).await;
        let order = json!({"amount": 1000, "currency": "JPY", "payment_method": {"stripe": "pm_card_visa"}});
        let made = json_of(&one.send(Method::POST, "/v1/payments", &order).await);
        let path = format!("/v1/payments/{}", made["id"].as_str().unwrap());
        let captured = other.send(Method::POST, &format!("{path}/capture"), &Value::Null).await;
        assert_eq!(json_of(&captured)["status"], "CAPTURED", "{captured:?}");
        // Known for some seconds from now: the key.
        assert_eq!(one.send(Method::GET, "/v1/payments", &Value::Null).await.status(), 200);
        proxy.set_away(true);
        let kept = one.send(Method::GET, &path, &Value::Null).await;
        assert_eq!(kept.status(), 200, "{kept:?}");
        assert_eq!(kept.headers()["x-served-from"], "cache");
        assert!(kept.headers()["age"].to_str().unwrap().parse::<u32>().unwrap() < 60);
        assert_eq!(json_of(&kept)["status"], "CAPTURED");
        let truth = other.send(Method::GET, &path, &Value::Null).await;
        assert!(truth.headers().get("age").is_none() && truth.headers().get("x-served-from").is_none());
        assert_eq!(truth.body(), kept.body(), "to the byte");
        proxy.set_away(false);
        eventually("it is the truth again", async || {
            let answer = one.send(Method::GET, &path, &Value::Null).await;
            answer.status() == 200 && answer.headers().get("x-served-from").is_none()
        })
        .await;
    }
}
