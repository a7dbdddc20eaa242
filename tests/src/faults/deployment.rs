//! The functions as they are deployed, each a process of its own, with everything that they need behind a proxy: Spanner's and
//! Pub/Sub's emulators and Redis, or SQLite where the emulators are missing; simulated providers and a merchant's endpoint as processes.

use std::{
    collections::BTreeMap,
    fs::File,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use http::{Method, Request};
use serde_json::{Value, json};
use tokio::process::{Child, Command};
use tollgate_emulators::{Database, OwnPubsub, Pubsub, Retry, own_pubsub, pubsub, spanner};
use tollgate_gateway::ports::{HttpClient, Time};
use tollgate_runtime::SystemClock;
use tollgate_sandbox::process::Process;
use tollgate_store_spanner::migrations::migrate;

use super::{
    cloud::{ACCOUNT, AUDIENCE, token},
    matrix::{Part, Trouble},
    merchant,
    proxies::{Proxies, Servers},
    seed,
};
use crate::{ports::TestHttp, program::program};

const WEBHOOK_SECRET: &str = "whsec_of_the_fault_matrix";
const FUNCTIONS: [&str; 5] = ["payments", "provider-webhooks", "webhook-delivery", "reconciliation", "settlement"];
/// A process that is not ready within this is broken.
const READY_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(50);
const STRIPE_FAULTS: &str = "/sandbox/providers/stripe/faults";
type Environment = Vec<(&'static str, String)>;

/// All that runs. Dropped, everything is ended.
pub struct Deployment {
    pub(super) proxies: Proxies,
    pub(super) http: TestHttp,
    pub(super) api_key: String,
    /// Payments that are settled, for refunds.
    pub(super) settled: Vec<String>,
    /// What the merchant took.
    pub(super) inbox: PathBuf,
    functions: BTreeMap<&'static str, Function>,
    environment: Environment,
    providers: Option<Process>,
    merchant: Option<Process>,
    redis: Option<Child>,
    queue: Option<Queue>,
    database: Option<Database>,
    folder: PathBuf,
    _temporary: Option<tempfile::TempDir>,
}

struct Function {
    child: Child,
    address: SocketAddr,
}

/// Pub/Sub, with topics of its own.
struct Queue {
    /// One that may be killed.
    own: Option<OwnPubsub>,
    pubsub: Pubsub,
    events: String,
    dead_letter: String,
    given_up: String,
    kept: String,
    shards: String,
}

impl Queue {
    fn start(own: bool) -> Option<Self> {
        let own = if own { Some(own_pubsub()?) } else { None };
        let pubsub = own.as_ref().map_or_else(pubsub, |own| Some(own.pubsub().clone()))?;
        let [events, dead_letter, given_up, kept, shards] = std::array::from_fn(|_| pubsub.fresh_topic_name());
        Some(Self { own, pubsub, events, dead_letter, given_up, kept, shards })
    }

    /// Topics, and whom they are pushed to.
    fn make(&self, push: SocketAddr) {
        for topic in [&self.events, &self.dead_letter, &self.given_up, &self.kept, &self.shards] {
            self.pubsub.create_topic_named(topic);
        }
        // As in production: with less, what waits for its turn would be pushed over and over.
        let retry = Retry { dead_letter_topic: Some(self.dead_letter.clone()), ack_deadline_seconds: Some(60) };
        let again = Retry { dead_letter_topic: None, ..retry.clone() };
        let url = |path: &str| format!("http://{push}/pubsub/{path}");
        self.pubsub.push_to(&self.events, &url("payment-events"), &retry);
        self.pubsub.push_to(&self.dead_letter, &url("dead-letter"), &again);
        self.pubsub.push_to(&self.kept, &url("provider-events"), &again);
        self.pubsub.push_to(&self.shards, &url("settlement-shards"), &again);
    }
}

/// How a deployment is made.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Its Pub/Sub may be killed.
    pub own_queue: bool,
    /// Where to keep everything, logs too; `None`: nothing is kept.
    pub keep: Option<PathBuf>,
    /// How many payments are settled beforehand.
    pub settled: usize,
    /// Without Google's emulators, though they are there.
    pub on_sqlite: bool,
}

impl Deployment {
    /// Starts everything.
    pub async fn start(options: &Options) -> anyhow::Result<Self> {
        let temporary = if options.keep.is_some() { None } else { Some(tempfile::tempdir()?) };
        let kept = options.keep.clone().or_else(|| temporary.as_ref().map(|folder| folder.path().to_owned()));
        let folder = kept.context("no folder")?;
        std::fs::create_dir_all(&folder)?;
        let google = !options.on_sqlite;
        let (spanner, queue) =
            (google.then(spanner).flatten(), google.then(|| Queue::start(options.own_queue)).flatten());
        let google = spanner.zip(queue);
        let redis = redis().await;
        let servers = Servers {
            spanner: google.as_ref().and_then(|(spanner, _)| spanner.host().parse().ok()),
            pubsub: google.as_ref().and_then(|(_, queue)| queue.pubsub.host().parse().ok()),
            redis: redis.as_ref().map(|(_, address)| *address),
        };
        let proxies = Proxies::before(&servers).await?;
        let mut environment = vec![
            ("OIDC_MODE", "cloud-run-iam".to_owned()),
            ("OIDC_AUDIENCE", AUDIENCE.to_owned()),
            ("OIDC_SERVICE_ACCOUNTS", ACCOUNT.to_owned()),
            ("PUBLIC_URL", "https://pay.example".to_owned()),
            ("STRIPE_API_URL", format!("http://{}/stripe", proxies.provider.address())),
            ("STRIPE_SECRET_KEY", "sk_test_faults".to_owned()),
            ("STRIPE_WEBHOOK_SECRET", WEBHOOK_SECRET.to_owned()),
            // Asked for and taken, and never what refuses a payment here.
            ("STRIPE_REQUESTS_PER_SECOND", "400".to_owned()),
            ("STRIPE_ENDPOINT_REQUESTS_PER_SECOND", "200".to_owned()),
        ];
        if let Some(counters) = &proxies.counters {
            environment.push(("COUNTERS_URL", format!("redis://{}", counters.address())));
        }
        let mut deployment = Self {
            proxies,
            http: TestHttp::new(),
            api_key: String::new(),
            settled: Vec::new(),
            inbox: folder.join("webhooks.jsonl"),
            functions: BTreeMap::new(),
            environment,
            providers: None,
            merchant: None,
            redis: redis.map(|(child, _)| child),
            queue: None,
            database: None,
            folder,
            _temporary: temporary,
        };
        deployment.start_providers().await?;
        deployment.start_merchant().await?;
        let mut store = vec![("STORE_URL", format!("sqlite:{}", deployment.folder.join("tollgate.sqlite").display()))];
        let mut seen_store = store.clone();
        if let Some((spanner, queue)) = google {
            let database = spanner.create_database();
            migrate(&database.name().parse()?, Some(spanner.host())).await?;
            let url = ("STORE_URL", format!("spanner:{}", database.name()));
            let way = deployment.proxies.store.as_ref().context("a way to Spanner")?.address();
            store = vec![url.clone(), ("SPANNER_EMULATOR_HOST", spanner.host().to_owned())];
            seen_store = vec![url, ("SPANNER_EMULATOR_HOST", way.to_string())];
            queue.make(deployment.proxies.push.address());
            let publish = deployment.proxies.publish.as_ref().context("a way to Pub/Sub")?.address();
            deployment.environment.extend([
                ("QUEUE_URL", format!("pubsub:{}", queue.events)),
                ("QUEUE_DEAD_LETTER_TOPIC", queue.given_up.clone()),
                ("QUEUE_PROVIDER_EVENTS_TOPIC", queue.kept.clone()),
                ("QUEUE_SETTLEMENT_SHARDS_TOPIC", queue.shards.clone()),
                ("PUBSUB_EMULATOR_HOST", publish.to_string()),
            ]);
            (deployment.queue, deployment.database) = (Some(queue), Some(database));
        }
        deployment.environment.extend(seen_store);
        let place = seed::Place {
            folder: &deployment.folder,
            providers_url: &deployment.providers.as_ref().context("providers")?.url,
            merchant_url: format!("http://{}/hooks", deployment.proxies.merchant.address()),
            store,
        };
        let seeded = seed::settled_payments(&place, options.settled).await?;
        (deployment.api_key, deployment.settled) = (seeded.api_key, seeded.settled);
        deployment.environment.push(("SECRETS_KEY", seeded.secrets_key));
        for function in FUNCTIONS {
            deployment.start_function(function).await?;
        }
        deployment.tell_providers().await?;
        Ok(deployment)
    }

    /// Whether this part is there at all.
    pub fn has(&self, part: Part) -> bool {
        match part {
            // Without a proxy it is in the functions' own processes: those can be killed.
            Part::Store | Part::Scheduler | Part::Provider | Part::Merchant => true,
            Part::Counters => self.proxies.counters.is_some(),
            Part::Queue => self.queue.is_some(),
        }
    }

    /// Whether this trouble can be brought to this part here.
    pub fn can_play(&self, part: Part, trouble: Trouble) -> bool {
        self.has(part) && (part != Part::Store || trouble == Trouble::Kill || self.proxies.store.is_some())
    }

    async fn start_providers(&mut self) -> anyhow::Result<()> {
        let providers = Process::providers(&program("tollgate-sandbox"), &self.folder.join("providers")).await?;
        self.proxies.found("provider", address_in(&providers.url)?);
        self.providers = Some(providers);
        Ok(())
    }

    async fn start_merchant(&mut self) -> anyhow::Result<()> {
        let mut command = Command::new(program("fault-matrix"));
        let merchant = Process::start({
            command.args(["merchant", "--file"]).arg(&self.inbox);
            command
        });
        let merchant = merchant.await?;
        self.proxies.found("merchant", address_in(&merchant.url)?);
        self.merchant = Some(merchant);
        Ok(())
    }

    /// Where the providers' webhooks go.
    async fn tell_providers(&self) -> anyhow::Result<()> {
        let hook = format!("http://{}/webhooks/providers/stripe", self.proxies.provider_webhooks.address());
        let body = json!({"provider": "stripe", "url": hook, "secret": WEBHOOK_SECRET});
        self.control(Method::PUT, "/control/webhook-endpoint", &body).await?;
        self.control(Method::PUT, "/control/clock", &json!({"now": null})).await.map(drop)
    }

    /// A call to the simulated providers' own plane, beside the proxy.
    pub(super) async fn control(&self, method: Method, path: &str, body: &Value) -> anyhow::Result<Value> {
        let url = format!("{}{path}", self.providers.as_ref().context("no providers")?.url);
        let request = Request::builder().method(method).uri(&url).header("content-type", "application/json");
        let answer = self.http.send(request.body(Bytes::from(body.to_string()))?, READY_WITHIN).await?;
        ensure!(answer.status() == 200, "{url} was answered {}", answer.status());
        Ok(serde_json::from_slice(answer.body())?)
    }

    async fn start_function(&mut self, name: &'static str) -> anyhow::Result<()> {
        let file = match name {
            // Which sends to this machine, too; the real one refuses that.
            "webhook-delivery" => program("webhook-delivery-on-this-machine"),
            name => program(&format!("tollgate-{name}")),
        };
        // Somebody else may take the port in between: then another one.
        for _ in 0..5 {
            let address = free_address()?;
            let mut command = Command::new(&file);
            command.env_clear().envs(self.environment.iter().map(|(name, value)| (name, value)));
            command.env("PORT", address.port().to_string());
            let child = command.stdin(Stdio::null()).kill_on_drop(true);
            let child = child.stdout(log(&self.folder, name)?).stderr(log(&self.folder, name)?).spawn()?;
            let mut function = Function { child, address };
            if self.ready(&mut function).await? {
                self.proxies.found(name, address);
                self.functions.insert(name, function);
                return Ok(());
            }
        }
        bail!("{name} does not start");
    }

    /// Waits until it serves. `false`: it ended.
    async fn ready(&self, function: &mut Function) -> anyhow::Result<bool> {
        let clock = SystemClock::start();
        while clock.monotonic() < READY_WITHIN {
            if function.child.try_wait()?.is_some() {
                return Ok(false);
            }
            // Not `ready`: what it needs may be in trouble.
            let request = Request::get(format!("http://{}/health/live", function.address)).body(Bytes::new())?;
            if self.http.send(request, READY_WITHIN).await.is_ok_and(|answer| answer.status() == 200) {
                return Ok(true);
            }
            clock.sleep(LOOK_EVERY).await;
        }
        bail!("a function is not ready")
    }

    /// SIGKILL to these functions at once.
    async fn kill_functions(&mut self, names: &[&'static str]) -> anyhow::Result<()> {
        for name in names {
            if let Some(function) = self.functions.get_mut(name) {
                function.child.start_kill()?;
            }
        }
        for name in names {
            if let Some(mut function) = self.functions.remove(name) {
                function.child.wait().await?;
            }
        }
        Ok(())
    }

    /// Whose death is the trouble `Kill` of a part. A store is a library in the functions, or a service that loses nothing when a machine
    /// of it dies: what dies is everybody who uses it.
    const fn victims(part: Part) -> &'static [&'static str] {
        match part {
            Part::Store => &FUNCTIONS,
            Part::Scheduler => &["webhook-delivery", "reconciliation", "settlement"],
            _ => &[],
        }
    }

    /// Brings trouble to a part.
    pub(super) async fn bring(&mut self, part: Part, trouble: Trouble) -> anyhow::Result<()> {
        self.proxies.set(part, Some(trouble));
        if loses_events(part, trouble) {
            self.control(Method::POST, STRIPE_FAULTS, &json!({"kind": "drop_webhooks"})).await?;
        }
        if trouble != Trouble::Kill {
            return Ok(());
        }
        match part {
            Part::Store | Part::Scheduler => self.kill_functions(Self::victims(part)).await?,
            Part::Counters => self.redis.take().context("no Redis")?.kill().await?,
            Part::Queue => {
                self.queue.as_ref().and_then(|queue| queue.own.as_ref()).context("no Pub/Sub to kill")?.kill();
            }
            Part::Provider => self.providers.take().context("no providers")?.kill().await?,
            Part::Merchant => self.merchant.take().context("no merchant")?.kill().await?,
        }
        Ok(())
    }

    /// Ends it. Answers how much was hit.
    pub(super) async fn lift(&mut self, part: Part, trouble: Trouble) -> anyhow::Result<u64> {
        if trouble == Trouble::Kill {
            match part {
                Part::Store | Part::Scheduler => {
                    for name in Self::victims(part) {
                        self.start_function(name).await?;
                    }
                }
                Part::Counters => self.redis_again().await?,
                Part::Queue => {
                    let queue = self.queue.as_ref().context("no Pub/Sub")?;
                    queue.own.as_ref().context("no Pub/Sub to kill")?.start_again();
                    queue.make(self.proxies.push.address());
                }
                Part::Provider => self.start_providers().await?,
                Part::Merchant => self.start_merchant().await?,
            }
        }
        if loses_events(part, trouble) {
            self.control(Method::DELETE, STRIPE_FAULTS, &Value::Null).await?;
        }
        Ok(self.proxies.set(part, None))
    }

    async fn redis_again(&mut self) -> anyhow::Result<()> {
        let address = self.proxies.redis.context("no Redis")?;
        self.redis = Some(start_redis(address).await.context("Redis does not start")?);
        Ok(())
    }

    /// A job, called beside the scheduler's proxy: its answer.
    pub(super) async fn job(&self, function: &str, job: &str) -> anyhow::Result<Value> {
        let address = self.functions.get(function).context("no such function")?.address;
        let request = Request::post(format!("http://{address}/jobs/{job}"))
            .header("authorization", format!("Bearer {}", token()))
            .body(Bytes::new())?;
        let answer = self.http.send(request, Duration::from_secs(180)).await?;
        ensure!(answer.status() == 200, "the job {job} was answered {}", answer.status());
        Ok(serde_json::from_slice(answer.body())?)
    }

    /// Where merchants call.
    pub(super) fn payments(&self) -> Option<SocketAddr> {
        self.functions.get("payments").map(|function| function.address)
    }

    /// What the merchant's endpoint took.
    pub(super) fn taken(&self) -> Vec<(String, Value)> {
        merchant::taken(&self.inbox)
    }
}

/// Whether the provider's events are lost as well: else they tell what the lost answers said, and nobody has to ask again.
fn loses_events(part: Part, trouble: Trouble) -> bool {
    part == Part::Provider && trouble == Trouble::Reset
}

fn log(folder: &Path, name: &str) -> anyhow::Result<File> {
    Ok(File::options().create(true).append(true).open(folder.join(format!("{name}.log")))?)
}

fn address_in(url: &str) -> anyhow::Result<SocketAddr> {
    url.trim_start_matches("http://").parse().context("a process has an address")
}

fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// A Redis of one's own; `None`: it is not installed.
async fn redis() -> Option<(Child, SocketAddr)> {
    let address = free_address().ok()?;
    start_redis(address).await.map(|child| (child, address))
}

async fn start_redis(address: SocketAddr) -> Option<Child> {
    let mut command = Command::new("redis-server");
    command.args(["--port", &address.port().to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true).spawn().ok()?;
    let clock = SystemClock::start();
    while tokio::net::TcpStream::connect(address).await.is_err() {
        if clock.monotonic() > READY_WITHIN {
            return None;
        }
        clock.sleep(LOOK_EVERY).await;
    }
    Some(child)
}
