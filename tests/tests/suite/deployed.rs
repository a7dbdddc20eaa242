//! The functions as they are deployed: five programs that share a database on Spanner and messages on Pub/Sub, two copies of those
//! that much depends on, with the providers elsewhere, and a front that pushes, schedules and spreads requests. Payments
//! go through their whole life while the programs are killed. In the end everything agrees.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::TcpListener,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures::future::join_all;
use http::{Method, Request};
use serde_json::{Value, json};
use tokio::process::{Child, Command};
use tollgate_domain::{DeliveryStatus, MerchantId, PaymentId};
use tollgate_emulators::{Database, Retry, pubsub, spanner};
use tollgate_gateway::{
    authenticate::{api_key_digest, new_api_key},
    ports::{
        Audit, Deliveries, Endpoints, Merchants, Time,
        merchants::{ApiKey, Merchant, WebhookEndpoint},
    },
    secrets::SecretsKey,
};
use tollgate_runtime::SystemClock;
use tollgate_sandbox::process::Process;
use tollgate_store_spanner::{Options, SpannerStore, migrations::migrate};
use tollgate_tests::{
    dice::{Dice, seed},
    ports::SystemEntropy,
    program::program,
    requirements::require,
    stage::{Http, eventually},
};

use super::deployed_front::{ACCOUNT, AUDIENCE, Copies, Inbox, Pushes, front};

const WEBHOOK_SECRET: &str = "whsec_of_the_deployed_functions";
const MERCHANT_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// Each function, and how many copies of it run.
const FUNCTIONS: [(&str, usize); 5] =
    [("payments", 2), ("webhook-delivery", 2), ("provider-webhooks", 1), ("settlement", 1), ("reconciliation", 1)];
const PAYMENTS: u64 = 40;
const KILLS: usize = 12;
/// So much later is the second day.
const A_DAY_AND_AN_HOUR: u64 = 25 * 3600;

/// One program. Dropped, it is killed.
struct Copy {
    function: &'static str,
    port: u16,
    child: Child,
}

/// All that is there.
struct Deployment {
    /// Dropped, it is killed.
    redis: Child,
    http: Http,
    /// Dropped, it is gone.
    _database: Database,
    store: SpannerStore,
    providers: Process,
    copies: Vec<Copy>,
    urls: Copies,
    pushes: Pushes,
    front: String,
    environment: Vec<(&'static str, String)>,
    /// The library that moves a program's clock, and by how much it is moved.
    moved: Option<(PathBuf, u64)>,
    api_key: String,
    inbox: Inbox,
    _folder: tempfile::TempDir,
}

impl Deployment {
    /// `None`: this machine lacks a part.
    async fn start() -> Option<Self> {
        let (spanner, pubsub) = (spanner()?, pubsub()?);
        let (redis, counters) = redis()?;
        let folder = tempfile::tempdir().unwrap();
        let (sandbox, books) = (program("tollgate-sandbox"), folder.path().join("providers"));
        let providers = Process::providers(&sandbox, &books).await.unwrap();
        let database = spanner.create_database();
        migrate(&database.name().parse().unwrap(), Some(spanner.host())).await.unwrap();
        let options = Options::new(database.name().parse().unwrap()).emulator(Some(spanner.host().to_owned()));
        let store = SpannerStore::new(Options { staleness: Duration::ZERO, ..options }, Arc::new(SystemClock::start()));
        let urls = Copies::default();
        let pushes = Pushes::default();
        pushes.one_is_lost.store(true, Ordering::Relaxed);
        let front = front(Arc::clone(&urls), pushes.clone()).await;
        let dead_letter = pubsub.create_topic();
        let topic = pubsub.create_topic();
        let retry = Retry { dead_letter_topic: Some(dead_letter.clone()), ..Retry::default() };
        pubsub.push_to(&topic, &format!("{front}/pubsub/payment-events"), &retry);
        pubsub.push_to(&dead_letter, &format!("{front}/pubsub/dead-letter"), &Retry::default());
        let (given_up, kept) = (pubsub.create_topic(), pubsub.create_topic());
        pubsub.push_to(&kept, &format!("{front}/pubsub/provider-events"), &Retry::default());
        let shards = pubsub.create_topic();
        pubsub.push_to(&shards, &format!("{front}/pubsub/settlement-shards"), &Retry::default());
        let (inbox, endpoint) = Inbox::start(MERCHANT_SECRET, 5).await;
        let secrets_key = [7_u8; 32];
        let api_key = make_merchant(&store, &SecretsKey::new(&secrets_key), &endpoint).await;
        let environment = vec![
            ("STORE_URL", format!("spanner:{}", database.name())),
            ("SPANNER_EMULATOR_HOST", spanner.host().to_owned()),
            ("QUEUE_URL", format!("pubsub:{topic}")),
            ("QUEUE_DEAD_LETTER_TOPIC", given_up),
            ("QUEUE_PROVIDER_EVENTS_TOPIC", kept),
            ("QUEUE_SETTLEMENT_SHARDS_TOPIC", shards),
            ("PUBSUB_EMULATOR_HOST", pubsub.host().to_owned()),
            ("COUNTERS_URL", counters),
            ("OIDC_MODE", "cloud-run-iam".to_owned()),
            ("OIDC_AUDIENCE", AUDIENCE.to_owned()),
            ("OIDC_SERVICE_ACCOUNTS", ACCOUNT.to_owned()),
            ("SECRETS_KEY", STANDARD.encode(secrets_key)),
            ("PUBLIC_URL", "https://pay.example".to_owned()),
            ("STRIPE_API_URL", format!("{}/stripe", providers.url)),
            ("STRIPE_SECRET_KEY", "sk_test_deployed".to_owned()),
            ("STRIPE_WEBHOOK_SECRET", WEBHOOK_SECRET.to_owned()),
            ("PROVIDER_TIMEOUT_MS", "3000".to_owned()),
        ];
        let (http, copies) = (Http::new(), Vec::new());
        let mut deployment = Self {
            redis,
            http,
            _database: database,
            store,
            providers,
            copies,
            urls,
            pushes,
            front,
            environment,
            moved: None,
            api_key,
            inbox,
            _folder: folder,
        };
        for (function, count) in FUNCTIONS {
            for _ in 0..count {
                let copy = deployment.copy(function).await;
                deployment.copies.push(copy);
            }
        }
        deployment.tell_front();
        let hook = json!({"provider": "stripe", "url": format!("{}/webhooks/providers/stripe", deployment.front), "secret": WEBHOOK_SECRET});
        let url = format!("{}/control/webhook-endpoint", deployment.providers.url);
        assert_eq!(deployment.http.json(Method::PUT, &url, &hook).await.0, 200);
        Some(deployment)
    }

    /// Starts a copy of `function`, and waits until it is ready.
    async fn copy(&self, function: &'static str) -> Copy {
        let name = match function {
            // Which sends to this machine, too; the real one refuses that.
            "webhook-delivery" => PathBuf::from(env!("CARGO_BIN_EXE_webhook-delivery-on-this-machine")),
            function => program(&format!("tollgate-{function}")),
        };
        // Somebody else may take the port in between: then another one.
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let mut command = Command::new(&name);
            command.env_clear().envs(self.environment.iter().map(|(name, value)| (name, value)));
            if let Some((library, seconds)) = &self.moved {
                command.env("LD_PRELOAD", library).env("FAKETIME", format!("+{seconds}"));
                command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
            }
            command.env("PORT", port.to_string()).stdin(Stdio::null()).kill_on_drop(true);
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            let mut ended = false;
            eventually("a copy is ready, or has ended", async || {
                ended = child.try_wait().unwrap().is_some();
                let ready = Request::get(format!("http://127.0.0.1:{port}/health/ready")).body(Bytes::new()).unwrap();
                ended || self.http.try_send(ready).await.is_some_and(|answer| answer.status() == 200)
            })
            .await;
            if !ended {
                return Copy { function, port, child };
            }
        }
        panic!("{function} does not start");
    }

    fn tell_front(&self) {
        let mut urls = self.urls.lock().unwrap();
        urls.clear();
        for copy in &self.copies {
            urls.entry(copy.function).or_default().push(format!("http://127.0.0.1:{}", copy.port));
        }
    }

    /// SIGKILL to one, and another one in its place.
    async fn replace(&mut self, place: usize) {
        let function = self.copies[place].function;
        self.copies[place].child.kill().await.unwrap();
        self.copies[place] = self.copy(function).await;
        self.tell_front();
    }
}

/// A merchant with a key and an endpoint. Answers the key.
pub(crate) async fn make_merchant(store: &SpannerStore, secrets: &SecretsKey, endpoint: &str) -> String {
    let now = SystemClock::start().now();
    let id = MerchantId::from_random([5; 16]);
    let merchant =
        Merchant { id, name: "Shoes".to_owned(), requests_per_minute: None, fee_basis_points: 100, created_at: now };
    store.put_merchant(&merchant).await.unwrap();
    let key = new_api_key(&SystemEntropy);
    let kept = ApiKey { digest: api_key_digest(&key), merchant: id, created_at: now, revoked_at: None };
    store.put_api_key(&kept).await.unwrap();
    let endpoint = WebhookEndpoint {
        merchant: id,
        url: endpoint.to_owned(),
        sealed_secret: secrets.seal(id, MERCHANT_SECRET, &SystemEntropy).unwrap(),
        sealed_previous: Vec::new(),
        paused_at: None,
        revision: 1,
        updated_at: now,
    };
    assert!(store.put_endpoint(&endpoint).await.unwrap());
    key
}

/// Somebody who calls the front from outside.
#[derive(Clone)]
struct Caller {
    front: String,
    api_key: String,
}

impl Caller {
    fn of(deployment: &Deployment) -> Self {
        Self { front: deployment.front.clone(), api_key: deployment.api_key.clone() }
    }

    /// One request; `None`: it was cut off.
    async fn once(&self, http: &Http, method: &Method, path: &str, key: &str, body: &Value) -> Option<(u16, Value)> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.front))
            .header("x-api-key", &self.api_key)
            .header("idempotency-key", key)
            .header("content-type", "application/json")
            .body(Bytes::from(body))
            .unwrap();
        let answer = http.try_send(request).await?;
        Some((answer.status().as_u16(), serde_json::from_slice(answer.body()).unwrap_or(Value::Null)))
    }

    /// Asks with the same key until there is an answer that stays.
    async fn until_done(&self, http: &Http, clock: &SystemClock, path: &str, key: &str, body: &Value) -> (u16, Value) {
        let mut last = None;
        for _ in 0..400 {
            last = self.once(http, &Method::POST, path, key, body).await;
            match &last {
                Some((200 | 201 | 422, answer)) => return (200, answer.clone()),
                Some((409, answer)) if answer["code"] == "payment_state_conflict" => return (409, answer.clone()),
                _ => clock.sleep(Duration::from_millis(150)).await,
            }
        }
        panic!("{path} with {key} comes to no end: {last:?}");
    }

    async fn get(&self, http: &Http, path: &str) -> Value {
        for _ in 0..50 {
            if let Some((200, answer)) = self.once(http, &Method::GET, path, "-", &Value::Null).await {
                return answer;
            }
        }
        panic!("{path} is not answered");
    }

    /// Cloud Scheduler: the job's answer, `None` where it failed.
    async fn run_job(&self, http: &Http, job: &str) -> Option<Value> {
        let answer = self.once(http, &Method::POST, &format!("/jobs/{job}"), "-", &Value::Null).await?;
        (answer.0 == 200).then_some(answer.1)
    }
}

/// One payment's first day: made, and most captured or voided. Answers its id.
async fn first_day(caller: &Caller, clock: &SystemClock, number: u64, seed: u64) -> String {
    let http = Http::new();
    let mut dice = Dice::of(seed ^ (number << 24));
    clock.sleep(Duration::from_millis(dice.below(6000))).await;
    let card = if number.is_multiple_of(8) { "pm_card_visa_chargeDeclined" } else { "pm_card_visa" };
    let body = json!({"amount": 1000 + number, "currency": "JPY", "payment_method": {"stripe": card}});
    let (_, payment) = caller.until_done(&http, clock, "/v1/payments", &format!("make-{number}"), &body).await;
    let id = payment["id"].as_str().unwrap_or_else(|| panic!("{payment}")).to_owned();
    clock.sleep(Duration::from_millis(dice.below(1500))).await;
    let (call, body) = match number % 4 {
        1 | 2 => ("capture", json!({})),
        3 => ("capture", json!({"amount": 400})),
        _ => ("void", Value::Null),
    };
    caller.until_done(&http, clock, &format!("/v1/payments/{id}/{call}"), &format!("{call}-{number}"), &body).await;
    id
}

/// Kills one program after the other, and Redis in the midst of it, which stays away.
async fn killer(deployment: &mut Deployment, clock: &SystemClock, dice: &mut Dice, kills: usize) {
    for kill in 0..kills {
        if kill == KILLS / 2 {
            deployment.redis.kill().await.unwrap();
        }
        clock.sleep(Duration::from_millis(200 + dice.below(600))).await;
        let place = usize::try_from(dice.below(deployment.copies.len() as u64)).unwrap();
        deployment.replace(place).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::print_stderr, reason = "the seed has to be known to play it again")]
async fn five_functions_that_are_killed_again_and_again_take_payments_through_their_whole_life() {
    let Some(library) = faketime() else { return };
    let Some(mut deployment) = Box::pin(Deployment::start()).await else { return };
    let (seed, clock) = (seed(), SystemClock::start());
    eprintln!("deployed: TOLLGATE_SEED={seed}");
    let mut dice = Dice::of(seed);
    let caller = Caller::of(&deployment);

    // The first day.
    let over = AtomicBool::new(false);
    let tills = async {
        let ids = join_all((0..PAYMENTS).map(|number| first_day(&caller, &clock, number, seed))).await;
        over.store(true, Ordering::Release);
        ids
    };
    let scheduler = async {
        let http = Http::new();
        while !over.load(Ordering::Acquire) {
            _ = caller.run_job(&http, "stuck-payments").await;
            clock.sleep(Duration::from_millis(700)).await;
        }
    };
    let (ids, (), ()) = futures::join!(tills, killer(&mut deployment, &clock, &mut dice, KILLS), scheduler);
    eprintln!("deployed: the first day is over after {} s", clock.monotonic().as_secs());

    // What never got through was given up by Pub/Sub, and is due again (rule 19).
    eventually("Pub/Sub has given something up", async || deployment.pushes.given_up.load(Ordering::Relaxed) > 0).await;
    deployment.pushes.one_is_lost.store(false, Ordering::Relaxed);

    // The second day: every program is another one, and its clock shows a day more.
    deployment.moved = Some((library, A_DAY_AND_AN_HOUR));
    let later = (clock.now() + Duration::from_secs(A_DAY_AND_AN_HOUR)).to_string();
    let providers_clock = format!("{}/control/clock", deployment.providers.url);
    assert_eq!(deployment.http.json(Method::PUT, &providers_clock, &json!({"now": later})).await.0, 200);
    for place in 0..deployment.copies.len() {
        deployment.replace(place).await;
    }
    // It dies in the midst of it, and the next one goes on.
    let place = deployment.copies.iter().position(|copy| copy.function == "settlement").unwrap();
    let http = Http::new();
    let cut_off = caller.run_job(&http, "settlement");
    let kill = async {
        clock.sleep(Duration::from_millis(30)).await;
        deployment.replace(place).await;
    };
    futures::join!(cut_off, kill);
    eventually("the settlement is made", async || {
        _ = caller.run_job(&http, "settlement").await;
        let settled = caller.get(&http, "/v1/payments?status=CAPTURED&limit=100").await;
        settled["data"].as_array().is_some_and(Vec::is_empty)
    })
    .await;
    let refunds = ids.iter().enumerate().filter(|(number, _)| number % 4 == 1).map(|(number, id)| {
        let (caller, clock) = (&caller, &clock);
        async move {
            let (path, body) = (format!("/v1/payments/{id}/refund"), json!({"amount": 300}));
            caller.until_done(&Http::new(), clock, &path, &format!("refund-{number}"), &body).await
        }
    });
    let (refunded, ()) = futures::join!(join_all(refunds), killer(&mut deployment, &clock, &mut dice, 4));
    assert!(refunded.iter().all(|(status, _)| *status == 200), "{refunded:?}");
    everything_agrees(&deployment, &caller, &clock, &ids).await;
    eprintln!("deployed: over after {} s", clock.monotonic().as_secs());
}

/// The provider's books, the API, the ledger and the merchant's inbox say the same.
async fn everything_agrees(deployment: &Deployment, caller: &Caller, clock: &SystemClock, ids: &[String]) {
    let http = Http::new();
    // What is still due is said and sent: the scheduler calls, Pub/Sub pushes.
    let payments: Vec<PaymentId> = ids.iter().map(|id| id.parse().unwrap()).collect();
    let mut waiting = Vec::new();
    for _ in 0..3 {
        waiting = undelivered(&deployment.store, &payments).await;
        if waiting.is_empty() {
            break;
        }
        // It works for 55 s; nobody waits for it longer than for what it is to do.
        let job = caller.run_job(&http, "deliveries");
        let delivered = async {
            for _ in 0..300 {
                if undelivered(&deployment.store, &payments).await.is_empty() {
                    return;
                }
                clock.sleep(Duration::from_millis(200)).await;
            }
        };
        futures::pin_mut!(job, delivered);
        futures::future::select(job, delivered).await;
    }
    assert!(waiting.is_empty() || undelivered(&deployment.store, &payments).await.is_empty(), "{waiting:?}");

    let url = format!("{}/sandbox/providers/stripe/transactions", deployment.providers.url);
    let (_, books) = http.json(Method::GET, &url, &Value::Null).await;
    let mut charges: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for charge in books.as_array().unwrap() {
        charges.entry(charge["payment_id"].as_str().unwrap_or_default().to_owned()).or_default().push(charge.clone());
    }
    let mut statuses: BTreeMap<String, usize> = BTreeMap::new();
    for id in ids {
        let payment = caller.get(&http, &format!("/v1/payments/{id}")).await;
        let status = payment["status"].as_str().unwrap().to_owned();
        assert!(payment["pending_operation"].is_null(), "{payment}");
        assert_ne!(status, "PENDING", "{payment}");
        let stand: Vec<&Value> = charges
            .get(id)
            .into_iter()
            .flatten()
            .filter(|charge| {
                !["canceled", "failed", "requires_payment_method"]
                    .contains(&charge["status"].as_str().unwrap_or_default())
            })
            .collect();
        let expected = usize::from(!["FAILED", "VOIDED"].contains(&status.as_str()));
        assert_eq!(stand.len(), expected, "{payment}\n{:?}", charges.get(id));
        if let [charge] = stand[..] {
            assert_eq!(charge["captured"], payment["amount_captured"], "{payment}\n{charge}");
            assert_eq!(charge["refunded"], payment["amount_refunded"], "{payment}\n{charge}");
        }
        *statuses.entry(status).or_default() += 1;
    }
    assert!(statuses["SETTLED"] >= 20 && statuses["FAILED"] >= 4, "{statuses:?}");
    let unknown: BTreeSet<&String> = charges.keys().filter(|id| !ids.contains(id)).collect();
    assert!(unknown.is_empty(), "charges of payments that nobody was told of: {unknown:?}");

    let all = deployment.store.books(None, 1000).await.unwrap();
    assert_eq!(all.len(), ids.len(), "one payment for each key");
    for (id, books) in all {
        assert_eq!(books.expect("it can be read").violations(), [], "{id}");
    }
    assert_eq!(deployment.inbox.refused(), 0, "every webhook was signed");
    let (mut events, mut after) = (BTreeMap::new(), String::new());
    loop {
        let page = caller.get(&http, &format!("/v1/events?limit=50{after}")).await;
        let page = page["data"].as_array().unwrap().clone();
        let Some(last) = page.last() else { break };
        after = format!("&after={}", last["id"].as_str().unwrap());
        events.extend(page.into_iter().map(|event| (event["id"].as_str().unwrap().to_owned(), event)));
    }
    let received = deployment.inbox.bodies();
    let (told, heard): (BTreeSet<_>, BTreeSet<_>) = (events.keys().collect(), received.keys().collect());
    assert_eq!(told, heard, "every event of the feed reached the merchant, and no other");
    for (id, body) in &received {
        assert_eq!(serde_json::from_str::<Value>(body).unwrap(), events[id], "{id}");
    }
}

/// Deliveries that the merchant has not taken yet.
async fn undelivered(store: &SpannerStore, payments: &[PaymentId]) -> Vec<(PaymentId, u32, DeliveryStatus)> {
    let mut waiting = Vec::new();
    for payment in payments {
        for (delivery, _) in store.deliveries(*payment).await.unwrap() {
            if delivery.status != DeliveryStatus::Delivered {
                waiting.push((*payment, delivery.sequence, delivery.status));
            }
        }
    }
    waiting
}

/// A Redis of the test's own, and where it is.
pub(crate) fn redis() -> Option<(Child, String)> {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = Command::new("redis-server");
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
    let started = command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true).spawn();
    require("redis", started.is_ok(), "install Debian's package redis-server");
    Some((started.ok()?, format!("redis://127.0.0.1:{port}")))
}

/// The library that moves the clock of a program.
fn faketime() -> Option<PathBuf> {
    let folders = ["/usr/lib/x86_64-linux-gnu/faketime", "/usr/lib/aarch64-linux-gnu/faketime", "/usr/lib/faketime"];
    let library = folders.iter().map(|folder| Path::new(folder).join("libfaketimeMT.so.1")).find(|file| file.is_file());
    require("faketime", library.is_some(), "install Debian's package faketime");
    library
}
