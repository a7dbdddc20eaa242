//! How often a merchant may call, and how often somebody whom nobody knows (finding C6).

use std::{
    net::SocketAddr,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use axum::{
    Router,
    body::Body,
    http::{Request as HttpRequest, StatusCode},
    routing::{get, post},
};
use futures::future::{join, join_all};
use tollgate_counters::EmbeddedCounters;
use tollgate_domain::{KeyHash, MerchantId, Timestamp};
use tollgate_gateway::{
    Authenticator, RateLimits, StoreGuard,
    authenticate::api_key_digest,
    ports::{
        Merchants, StoreError, Time,
        merchants::{ApiKey, Merchant},
    },
};
use tollgate_payments::MerchantsDoor;
use tollgate_runtime::{Edge, System, SystemClock, TrustedProxies, door::Peer, layered};
use tollgate_tests::stage::eventually;
use tower::ServiceExt;

use super::api_support::{Request, World, exchange, order};

fn rate_limit(answer: &super::api_support::Answer) -> (String, u32) {
    let policy = answer.header("ratelimit-policy").expect("a policy").to_owned();
    let now = answer.header("ratelimit").expect("a standing");
    let left = now.split(';').find_map(|part| part.strip_prefix("r=")).unwrap().parse().unwrap();
    (policy, left)
}

/// As the third merchant, who has production's default limit.
fn limited(world: &World, request: Request) -> Request {
    request.with("x-api-key", &world.limited_api_key)
}

#[tokio::test]
async fn the_request_after_the_hundredth_of_a_minute_is_refused_and_told_when_to_come_again() {
    let world = World::start().await;
    let show = limited(&world, world.get("/v1/payments"));
    for left in (0..100).rev() {
        let answer = world.send(show.clone()).await.expect(200);
        assert_eq!(rate_limit(&answer), ("\"requests\";q=100;w=60".to_owned(), left));
    }
    let refused = world.send(show.clone()).await.expect_problem(429, "rate_limited", "the 101st");
    assert_eq!((refused.header("retry-after"), rate_limit(&refused).1), (Some("1"), 0));
    let key = "kept-for-later";
    let create = limited(&world, world.post("/v1/payments", &order(1000, "pm_card_visa")).with("idempotency-key", key));
    world.send(create.clone()).await.expect_problem(429, "rate_limited", "whatever it is");
    assert!(world.transactions().await.is_empty());
    world.send(world.get("/v1/payments")).await.expect(200);
    // A token comes every 0.6 s; the refused request's key was not used up.
    world.advance(1).await;
    world.send(create).await.expect(201);
    world.send(show.clone()).await.expect_problem(429, "rate_limited", "one token came");
    world.advance(60).await;
    assert_eq!(rate_limit(&world.send(show).await.expect(200)).1, 99);
}

#[tokio::test]
async fn a_replay_costs_none_of_the_merchants_tokens_until_there_are_too_many() {
    let world = World::start().await;
    let create =
        limited(&world, world.post("/v1/payments", &order(1000, "pm_card_visa")).with("idempotency-key", "one"));
    let made = world.send(create.clone()).await.expect(201);
    assert_eq!(rate_limit(&made).1, 99);
    for _ in 0..100 {
        let again = world.send(create.clone()).await.expect(200);
        assert!(again.replayed());
        assert_eq!(rate_limit(&again).1, 99);
    }
    // Replays have a bucket as large as the merchant's own; past it they cost what anything costs.
    for left in (0..99).rev() {
        assert_eq!(rate_limit(&world.send(create.clone()).await.expect(200)).1, left);
    }
    world.send(create).await.expect_problem(429, "rate_limited", "a flood of replays is a flood");
}

#[tokio::test]
async fn a_key_that_no_merchant_has_is_refused_before_long_and_good_ones_from_there_are_not() {
    let world = World::start().await;
    world.send(world.get("/v1/payments")).await.expect(200);
    let mut refused = 0;
    for number in 0..300 {
        let answer = world.send(world.get("/v1/payments").with("x-api-key", format!("tgk_{number}"))).await;
        refused += usize::from(answer.status == 429);
        assert!([401, 429].contains(&answer.status), "{}", answer.status);
    }
    assert!(refused >= 100, "{refused} of 300");
    world.send(world.get("/v1/payments")).await.expect(200);
    world.send(Request::new("GET", "/health/ready")).await.expect(200);
}

#[tokio::test]
async fn made_up_return_links_and_signatures_shut_nobody_out_from_the_same_address() {
    let world = World::start().await;
    for (path, method, refused) in
        [("/return/made.up", "GET", [404, 404]), ("/webhooks/providers/stripe", "POST", [400, 401])]
    {
        for _ in 0..300 {
            let request = Request::new(method, path).with("stripe-signature", "t=1,v1=00").body(b"{}");
            let status = world.send(request).await.status;
            assert!(refused.contains(&status), "{path}: {status}");
        }
    }
    // A merchant whose key was not seen before calls from there, and the simulated provider sends from there: somebody may
    // have it send us what is not for us.
    let payment = world.payment("pm_card_threeDSecure2Required", "PENDING").await;
    let page = payment["next_action"]["url"].as_str().unwrap();
    let (address, path) = page.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let approve = Request::new("POST", &format!("/{path}/approve")).body(b"");
    exchange(address, &approve.to_bytes()).await.unwrap();
    let id = payment["id"].as_str().unwrap();
    eventually("the event is taken", async || world.look_at(id).await["status"] == "AUTHORIZED").await;
}

/// A store of merchants that counts its reads, and may be away.
struct Counted {
    merchant: Merchant,
    digest: KeyHash,
    revoked: AtomicBool,
    away: AtomicBool,
    reads: AtomicUsize,
    /// How long an answer takes.
    answer_ms: AtomicU64,
    time: Arc<dyn Time>,
}

#[async_trait]
impl Merchants for Counted {
    async fn by_key(&self, digest: KeyHash) -> Result<Option<(ApiKey, Merchant)>, StoreError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        match self.answer_ms.load(Ordering::Relaxed) {
            0 => {}
            answer_ms => self.time.sleep(Duration::from_millis(answer_ms)).await,
        }
        if self.away.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable("away".to_owned()));
        }
        let revoked_at = self.revoked.load(Ordering::Relaxed).then_some(Timestamp::UNIX_EPOCH);
        let (merchant, created_at) = (self.merchant.id, self.merchant.created_at);
        let key = ApiKey { digest, merchant, created_at, revoked_at };
        Ok((digest == self.digest).then(|| (key, self.merchant.clone())))
    }

    async fn merchant(&self, _: MerchantId) -> Result<Option<Merchant>, StoreError> {
        Ok(None)
    }

    async fn put_merchant(&self, _: &Merchant) -> Result<(), StoreError> {
        Ok(())
    }

    async fn put_api_key(&self, _: &ApiKey) -> Result<(), StoreError> {
        Ok(())
    }

    async fn merchants(&self, _: Option<MerchantId>, _: u32) -> Result<Vec<Merchant>, StoreError> {
        Ok(Vec::new())
    }

    async fn keys(&self, _: MerchantId) -> Result<Vec<ApiKey>, StoreError> {
        Ok(Vec::new())
    }
}

/// Real time that is moved ahead by hand.
struct Ahead {
    real: Arc<dyn Time>,
    by_ms: AtomicUsize,
}

#[async_trait]
impl Time for Ahead {
    fn now(&self) -> Timestamp {
        self.real.now() + self.by()
    }

    fn monotonic(&self) -> Duration {
        self.real.monotonic() + self.by()
    }

    async fn sleep(&self, duration: Duration) {
        self.real.sleep(duration).await;
    }
}

impl Ahead {
    fn by(&self) -> Duration {
        Duration::from_millis(self.by_ms.load(Ordering::Relaxed) as u64)
    }
}

/// The door alone, before a route that answers whoever comes in.
struct Front {
    store: Arc<Counted>,
    time: Arc<Ahead>,
    router: Router,
}

impl Front {
    fn new() -> Self {
        let real: Arc<dyn Time> = Arc::new(SystemClock::start());
        let time = Arc::new(Ahead { real, by_ms: AtomicUsize::new(0) });
        let merchant = Merchant {
            id: MerchantId::from_random([1; 16]),
            name: "Shop".to_owned(),
            requests_per_minute: Some(1_000_000),
            fee_basis_points: 0,
            created_at: Timestamp::UNIX_EPOCH,
        };
        let store = Arc::new(Counted {
            merchant,
            digest: api_key_digest("good"),
            revoked: AtomicBool::default(),
            away: AtomicBool::default(),
            reads: AtomicUsize::default(),
            answer_ms: AtomicU64::default(),
            time: time.clone(),
        });
        let guard = Arc::new(StoreGuard::new(time.clone()));
        let authenticator = Arc::new(Authenticator::new(store.clone(), guard, time.clone()));
        let counters = || Arc::new(EmbeddedCounters::new(time.clone()));
        let limits = RateLimits::new(counters(), counters(), NonZeroU32::new(100).unwrap());
        let door = MerchantsDoor::new(authenticator, Arc::new(limits), TrustedProxies(1));
        let system = System { time: time.clone(), ..System::real() };
        let edge = Edge::new("payments", &system).with_door(Some(Arc::new(door)));
        let routes = Router::new().route("/v1/payments", get(async || "in").merge(post(async || "in")));
        Self { store, time, router: layered(routes, edge) }
    }

    async fn call(&self, key: &str, from: &str) -> StatusCode {
        let mut request = HttpRequest::get("/v1/payments").header("x-api-key", key).header("x-forwarded-for", from);
        request.extensions_mut().unwrap().insert(Peer(SocketAddr::from(([127, 0, 0, 1], 1))));
        self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap().status()
    }

    fn reads(&self) -> usize {
        self.store.reads.load(Ordering::Relaxed)
    }

    fn later(&self, seconds: usize) {
        self.time.by_ms.fetch_add(seconds * 1000, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn a_flood_of_made_up_keys_costs_the_store_little_and_other_addresses_nothing() {
    let front = Front::new();
    for number in 0..2000 {
        front.call(&format!("made-up-{number}"), "203.0.113.7").await;
    }
    assert!((200..300).contains(&front.reads()), "{} reads", front.reads());
    let before = front.reads();
    assert_eq!(front.call("good", "203.0.113.7").await, 429, "never seen, and from there");
    assert_eq!(front.reads(), before);
    assert_eq!(front.call("good", "198.51.100.2").await, 200);
    assert_eq!(front.call("good", "203.0.113.7").await, 200, "now it is known, wherever it comes from");
    // What the caller himself puts before our proxy's word is not believed.
    let status = front.call("made-up-again", "198.51.100.9, 203.0.113.7").await;
    assert_eq!(status, 429);
}

#[tokio::test]
async fn however_many_come_with_a_key_that_was_never_seen_the_store_is_asked_once() {
    let front = Front::new();
    front.store.answer_ms.store(50, Ordering::Relaxed);
    for status in join_all((0..500).map(|_| front.call("good", "203.0.113.7"))).await {
        assert_eq!(status, 200);
    }
    assert_eq!(front.reads(), 1);
}

#[tokio::test]
async fn whoever_asked_and_hung_up_takes_nobodys_answer_along() {
    let front = Front::new();
    front.store.answer_ms.store(50, Ordering::Relaxed);
    let mut first = Box::pin(front.call("good", "203.0.113.7"));
    assert!(futures::poll!(first.as_mut()).is_pending());
    let mut second = Box::pin(front.call("good", "203.0.113.7"));
    assert!(futures::poll!(second.as_mut()).is_pending());
    drop(first);
    assert_eq!(second.await, 200);
    assert_eq!(front.reads(), 1);
    // And where nobody was left to wait, the next one asks anew.
    front.later(60);
    let mut alone = Box::pin(front.call("new", "203.0.113.7"));
    assert!(futures::poll!(alone.as_mut()).is_pending());
    drop(alone);
    assert_eq!(front.call("new", "203.0.113.7").await, 401);
}

#[tokio::test]
async fn of_keys_that_were_never_seen_only_so_many_are_asked_about_at_once_and_a_known_one_is_always() {
    let front = Front::new();
    front.store.answer_ms.store(50, Ordering::Relaxed);
    assert_eq!(front.call("good", "203.0.113.7").await, 200);
    front.later(6);
    let keys: Vec<_> = (0..100).map(|number| format!("made-up-{number}")).collect();
    let made_up = join_all(keys.iter().zip(1..).map(async |(key, from): (_, u8)| {
        let from = format!("203.0.113.{from}");
        front.call(key, &from).await
    }));
    let (made_up, good) = join(made_up, front.call("good", "198.51.100.2")).await;
    assert_eq!(made_up.iter().filter(|status| **status == 401).count(), 32);
    assert_eq!(made_up.iter().filter(|status| **status == 503).count(), 68);
    assert_eq!(good, 200, "it was seen before");
    // Those that had their answer, or went away, hold nobody up.
    assert_eq!(front.call("another", "198.51.100.3").await, 401);
}

#[tokio::test]
async fn a_key_and_its_absence_are_asked_for_once_in_five_seconds_and_a_revocation_is_seen_by_then() {
    let front = Front::new();
    for _ in 0..20 {
        assert_eq!(front.call("good", "203.0.113.7").await, 200);
        assert_eq!(front.call("bad", "203.0.113.7").await, 401);
    }
    assert_eq!(front.reads(), 2);
    front.store.revoked.store(true, Ordering::Relaxed);
    front.later(5);
    assert_eq!(front.call("good", "203.0.113.7").await, 401);
    assert_eq!(front.reads(), 3);
}

#[tokio::test]
async fn while_the_store_is_away_good_keys_count_on_and_unknown_ones_are_told_the_truth() {
    let front = Front::new();
    assert_eq!(front.call("good", "203.0.113.7").await, 200);
    assert_eq!(front.call("bad", "203.0.113.7").await, 401);
    front.store.away.store(true, Ordering::Relaxed);
    front.later(6);
    for _ in 0..300 {
        assert_eq!(front.call("good", "203.0.113.7").await, 200);
        assert_eq!(front.call("bad", "203.0.113.7").await, 503, "it may have been given to somebody meanwhile");
    }
    front.store.away.store(false, Ordering::Relaxed);
    front.store.revoked.store(true, Ordering::Relaxed);
    front.later(6);
    assert_eq!(front.call("good", "203.0.113.7").await, 401, "and it is asked about again");
}
