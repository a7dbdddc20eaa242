//! `serve`: every function in one process on 127.0.0.1, with the sandbox's own calls and the console beside them.

use std::{
    fs,
    io::Write,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use axum::{Router, middleware};
use jiff::Timestamp;
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};
use tollgate_assembly::{Configuration, Outside, Parts, embedded};
use tollgate_gateway::ports::Time;
use tollgate_messaging::events::Applier;
use tollgate_payments::{MerchantsDoor, Payments};
use tollgate_provider_webhooks::{KeptEvents, ProviderWebhooks, ProvidersDoor};
use tollgate_runtime::{
    Door, Edge, InternalCallers, Server, Stop, System, TaskSpawner, Variables,
    function::stop_signal,
    health::Health,
    layered_routes,
    layers::{RequestLimits, layered_fallback},
    metrics, stopping,
    system::within,
};
use tollgate_simulators::{Settings, Simulators};
use tollgate_webhook_delivery::{DeliveryHandler, WebhookDelivery};
use tollgate_webhooks::{AddressPolicy, HttpWebhookSender};

use crate::{
    api_page,
    clock::Clock,
    console::{self, Console},
    control,
    control::Control,
    identity::{Identity, write_whole},
    inbox::{self, Inbox},
    jobs::Job,
    lock::FolderLock,
    outside::{Crashes, Outages, PlayedHttp, PlayedWebhooks},
    providers_link::ProvidersLink,
    simulated::{self, Simulated},
    switches,
    system::SandboxSystem,
};

/// A graceful stop waits so long for what runs beside the server.
const STOP_WITHIN: Duration = Duration::from_secs(10);
/// Moving the clock far, or settling many payments, takes its time.
const OWN_DEADLINE: Duration = Duration::from_secs(30 * 60);

fn own_limits() -> RequestLimits {
    RequestLimits { deadline: OWN_DEADLINE, ..RequestLimits::default() }
}

/// Where a sandbox has its time from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockMode {
    /// It runs by itself.
    Real,
    /// It stands until it is moved.
    Simulated {
        /// Where it stands with data that know no time yet; `None`: at the present.
        from: Option<Timestamp>,
    },
}

impl ClockMode {
    /// Stands at noon in Tokyo, always of the same day: no settlement comes into a play by the hour at which it is played.
    pub const NOON: Self = Self::Simulated { from: Some(Timestamp::constant(1_799_982_000, 0)) };
    /// Stands where it stood.
    pub const KEPT: Self = Self::Simulated { from: None };
}

impl std::str::FromStr for ClockMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "real" => Ok(Self::Real),
            "simulated" => Ok(Self::Simulated { from: None }),
            instant => match instant.parse() {
                Ok(from) => Ok(Self::Simulated { from: Some(from) }),
                Err(_) => Err("expected `real`, `simulated`, or an instant like 2027-01-15T03:00:00Z".to_owned()),
            },
        }
    }
}

impl std::fmt::Display for ClockMode {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Real => formatter.write_str("real"),
            Self::Simulated { from: None } => formatter.write_str("simulated"),
            Self::Simulated { from: Some(from) } => from.fmt(formatter),
        }
    }
}

/// How the sandbox is served.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// On 127.0.0.1; 0 takes any free one.
    pub port: u16,
    /// Where everything is kept; `None`: nowhere.
    pub data: Option<PathBuf>,
    /// Simulated providers in another process.
    pub providers_url: Option<String>,
    /// Whether time runs by itself.
    pub clock: ClockMode,
    /// Whether the environment may say otherwise than the sandbox itself (another store, Stripe's own API). A demo must
    /// not.
    pub environment: bool,
}

/// Serves until SIGTERM or SIGINT.
pub async fn run(options: ServeOptions) -> anyhow::Result<()> {
    let stop = stop_signal().context("cannot listen for signals")?;
    let sandbox = Sandbox::start(options).await?;
    let keys = sandbox.folder.path.join("sandbox.json");
    let lines = format!("ready {}\nconsole {}\nkeys {}\n", sandbox.url(), sandbox.identity.console, keys.display());
    // Who starts it may stop reading after the first line: that is no reason to stop serving.
    _ = std::io::stdout().write_all(lines.as_bytes());
    sandbox.serve(stop).await;
    Ok(())
}

/// A sandbox that serves. Dropped, it stops.
pub struct Sandbox {
    identity: Identity,
    folder: Folder,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

/// Where a sandbox keeps its things: nobody else uses it meanwhile.
struct Folder {
    path: PathBuf,
    _lock: FolderLock,
    /// Deleted when the sandbox ends.
    ephemeral: Option<tempfile::TempDir>,
}

impl Folder {
    fn take(data: Option<PathBuf>) -> anyhow::Result<Self> {
        let ephemeral = data.is_none().then(tempfile::tempdir).transpose()?;
        let path = data.or_else(|| ephemeral.as_ref().map(|folder| folder.path().to_owned()));
        let path = path.context("no place for data")?;
        let lock = FolderLock::take(&path, "another sandbox")?;
        Ok(Self { path, _lock: lock, ephemeral })
    }
}

impl Sandbox {
    /// Opens the data, starts the simulated providers, and puts the functions together.
    pub async fn start(options: ServeOptions) -> anyhow::Result<Self> {
        metrics::install();
        let folder = Folder::take(options.data)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port))
            .await
            .with_context(|| format!("cannot listen on 127.0.0.1:{}; choose another port with PORT=…", options.port))?;
        let url = format!("http://{}", listener.local_addr()?);
        let system = SandboxSystem::new()?;
        // Before anybody has read the time: it never goes back, not even to an instant of the past that is asked for.
        let clock_file = folder.path.join("clock");
        start_clock(&system, options.clock, &clock_file)?;
        let plays_providers = options.providers_url.is_none();
        let providers_url = match options.providers_url {
            Some(url) => url,
            None => start_providers(&system, &folder.path).await?,
        };
        let link = ProvidersLink::new(&providers_url, system.control.clone(), system.system.time.clone());

        let mut vars = if options.environment { Variables::of_process() } else { Variables::of([]) };
        if folder.ephemeral.is_some() {
            // Keeping nothing includes a store that others keep.
            vars.unset("STORE_URL");
        }
        let store_is_named = vars.is_set("STORE_URL");
        let simulated = Simulated::of(&vars);
        simulated::refuse_live_keys(&mut vars);
        simulated::defaults(&mut vars, &folder.path, &url, &link.url, &system)?;
        let configuration = Configuration::read(&mut vars);
        vars.finish()?;
        let configuration = configuration?;
        let (crashes, outages) = (Arc::new(Crashes::default()), Arc::new(Outages::default()));
        let http = PlayedHttp { inner: system.http.clone(), outages: outages.clone(), providers_url: link.url.clone() };
        let sender = HttpWebhookSender::new(AddressPolicy::sandbox(), system.system.time.clone());
        let webhooks = PlayedWebhooks { inner: sender, machine: System::real().time };
        let outside = Outside {
            http: Arc::new(http),
            webhooks: Arc::new(webhooks),
            fail_points: crashes.clone(),
            ephemeral: folder.ephemeral.is_some(),
        };
        let parts = Parts::build(&configuration, &system.system, outside).await?;
        if parts.embedded_queue.is_none() && system.time.is_simulated() {
            anyhow::bail!("a clock that is moved by hand needs QUEUE_URL=embedded: Pub/Sub pushes in its own time");
        }

        let mut identity = Identity::load_or_make(&folder.path, system.system.entropy.as_ref())?;
        identity.url.clone_from(&url);
        identity.console = format!("{url}/console");
        // Providers that were named may be the very ones whose payments are in that store; its own cannot be.
        if store_is_named && plays_providers {
            identity.owns(&parts).await?;
        }
        identity.seed(&parts, &system.system, &format!("{url}{}", inbox::PATH)).await?;
        identity.write(&folder.path)?;

        let gateway = parts.gateway.clone();
        gateway.show_earlier_runs().await?;
        let applier = parts.event_file.clone().map(|file| {
            let kept = Arc::new(KeptEvents::new(gateway.clone()));
            Applier::new(file, kept, system.system.time.clone())
        });
        let clock = Clock {
            time: system.time.clone(),
            file: clock_file,
            link: link.clone(),
            gateway: gateway.clone(),
            agenda: parts.stores.agenda.clone(),
            queue: parts.embedded_queue.clone(),
            applier: applier.clone(),
            tasks: system.system.tasks.clone(),
            moving: Arc::default(),
        };
        let control = Control { link: link.clone(), crashes, outages, gateway, clock };
        let inbox = Inbox::open(
            &folder.path.join("inbox.jsonl"),
            identity.merchants()?.into_iter().map(|(id, ..)| id).collect(),
            parts.stores.endpoints.clone(),
            parts.secrets_key.clone(),
            system.system.time.clone(),
        )?;
        let console = Console::new(&parts, &system.system, &identity, control.clone(), inbox.clone())?;
        let router = compose(&parts, &system, control, console, inbox).merge(api_page::router(&system, &identity));
        let background = start_background(&parts, &system, applier.as_ref());
        let (stop, serving) = start_serving(system.clone(), listener, router, background);
        // Once they are told where their webhooks go, providers send those that waited: somebody must take them.
        link.set_clock(system.time.is_simulated().then(|| system.time.now())).await?;
        simulated.tell(&link, &configuration, &url).await?;
        Ok(Self { identity, folder, stop, serving })
    }

    /// Where it serves.
    pub fn url(&self) -> &str {
        &self.identity.url
    }

    /// The first merchant's key.
    pub fn api_key(&self) -> &str {
        &self.identity.api_key
    }

    /// Serves until `stop`, and ends what is under way.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        stop.await;
        drop(self.stop);
        if let Err(error) = self.serving.await {
            tracing::error!(%error, "the server did not end well");
        }
    }
}

/// Serves in the background until the sender is dropped.
#[allow(clippy::disallowed_methods, reason = "the server itself: it is not work of a request that a stop waits for")]
fn start_serving(
    system: SandboxSystem,
    listener: TcpListener,
    router: Router,
    background: BackgroundWork,
) -> (oneshot::Sender<()>, JoinHandle<()>) {
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(async move {
        let stopped = async {
            // Nothing is ever sent: the end of the sender is the word.
            _ = stopped.await;
        };
        Server::new(&system.system).serve(listener, router, stopped).await;
        background.end(system.system.time.as_ref()).await;
    });
    (stop, serving)
}

/// A port for the simulated providers: where they were the last time, if it is free, so that a payer's page that was open then
/// still leads somewhere.
async fn providers_port(folder: &Path) -> anyhow::Result<TcpListener> {
    let file = folder.join("providers-port");
    let before = std::fs::read_to_string(&file).ok().and_then(|text| text.trim().parse::<u16>().ok());
    if let Some(port) = before
        && let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await
    {
        return Ok(listener);
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    std::fs::write(&file, listener.local_addr()?.port().to_string())?;
    Ok(listener)
}

/// Starts the simulated providers in this process, on a port of their own. Answers where.
async fn start_providers(system: &SandboxSystem, folder: &Path) -> anyhow::Result<String> {
    let listener = providers_port(folder).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let settings = Settings { data: Some(folder.join("providers")), public_url: Some(url.clone()) };
    let simulators =
        Simulators::open(settings, system.simulator_ports()).context("the providers' books do not open")?;
    // They end with the process, not before: a payment under way may still need them.
    #[allow(
        clippy::disallowed_methods,
        reason = "the providers stand for another process: a graceful stop does not wait for them"
    )]
    tokio::spawn(async move {
        if let Err(error) = tollgate_simulators::serve(listener, simulators, std::future::pending()).await {
            tracing::error!(%error, "the simulated providers ended");
        }
    });
    Ok(url)
}

/// A simulated clock stands where it stood.
fn start_clock(system: &SandboxSystem, mode: ClockMode, file: &Path) -> anyhow::Result<()> {
    let ClockMode::Simulated { from } = mode else {
        system.time.set(None);
        return Ok(());
    };
    let kept = match fs::read_to_string(file) {
        Ok(text) => {
            let unreadable = || format!("{} holds no time: delete it to start anew", file.display());
            Some(text.trim().parse().with_context(unreadable)?)
        }
        Err(_) => None,
    };
    if let (Some(kept), Some(from)) = (kept, from)
        && kept != from
    {
        tracing::warn!("these data know their time: the clock stands at {kept}, and not at {from}");
    }
    let now = system.time.set(Some(kept.or(from).unwrap_or_else(|| system.time.now())));
    write_whole(file, now.to_string().as_bytes())
}

/// What the functions do beside their requests: messages are consumed, and jobs run by the clock, if that runs.
fn start_background(parts: &Parts, system: &SandboxSystem, applier: Option<&Applier>) -> BackgroundWork {
    let tasks = TaskSpawner::default();
    let (stop, stopping) = stopping();
    let beside = System { tasks: tasks.clone(), ..system.system.clone() };
    let handler = DeliveryHandler::new(parts.gateway.clone());
    let mut work: Vec<_> = embedded::consumer(parts, &beside, handler).into_iter().collect();
    work.extend(applier.map(|applier| embedded::applying(applier, &beside)));
    if !system.time.is_simulated() {
        let time = &system.system.time;
        work.extend(Job::ALL.map(|job| job.scheduled(&parts.gateway).in_background(Arc::clone(time))));
    }
    for work in work {
        work.start(&tasks, stopping.clone());
    }
    BackgroundWork { stop, tasks }
}

/// What runs beside the server.
struct BackgroundWork {
    stop: Stop,
    /// Its own: the mover of the clock waits for the gateway's tasks, which end.
    tasks: TaskSpawner,
}

impl BackgroundWork {
    /// Ends it, within the bound of a graceful stop.
    async fn end(self, time: &dyn Time) {
        self.stop.now();
        if within(time, STOP_WITHIN, self.tasks.idle()).await.is_none() {
            tracing::warn!("stopped with work beside the server unfinished");
        }
    }
}

fn compose(parts: &Parts, system: &SandboxSystem, control: Control, console: Console, inbox: Inbox) -> Router {
    let edge = |function| Edge::new(function, &system.system);
    let merchants: Arc<dyn Door> =
        Arc::new(MerchantsDoor::new(parts.authenticator.clone(), parts.rate_limits(), parts.trusted_proxies));
    let providers: Arc<dyn Door> = Arc::new(ProvidersDoor::new(parts.rate_limits(), parts.trusted_proxies));
    let admitted = |function| edge(function).with_admission(Some(parts.admission.clone()));
    let payments = tollgate_payments::router(Payments { gateway: parts.gateway.clone() });
    let webhook_limits =
        RequestLimits { body_bytes: tollgate_provider_webhooks::BODY_AT_MOST, ..RequestLimits::default() };
    let checks = [Some(parts.store_check()), parts.queue_check(), Some(parts.counters_check())];
    // Whom Pub/Sub's emulator is, no token says; nobody from elsewhere reaches a sandbox.
    let callers =
        || if parts.embedded_queue.is_some() { InternalCallers::Nobody } else { InternalCallers::ThisMachine };
    let webhooks = ProviderWebhooks {
        gateway: parts.gateway.clone(),
        readers: parts.readers.clone(),
        time: system.system.time.clone(),
    };
    let webhooks = tollgate_provider_webhooks::router(webhooks, callers());
    let health =
        Health::new("sandbox", &system.system, checks.into_iter().flatten().collect()).showing(parts.facts()).router();
    let delivery = tollgate_webhook_delivery::router(WebhookDelivery { gateway: parts.gateway.clone() }, callers());
    let settlement = tollgate_settlement::router(parts.gateway.clone(), callers());
    let reconciliation = tollgate_reconciliation::router(parts.gateway.clone(), callers());
    let own = control::router(control)
        .merge(switches::router(parts.gateway.clone()))
        .merge(inbox::router(inbox.clone()))
        .route_layer(middleware::from_fn(console::no_strangers))
        .merge(console::router(console))
        .merge(health)
        .merge(metrics::router(&system.system));
    let at_webhooks = admitted("provider-webhooks").with_limits(webhook_limits).with_door(Some(providers));
    let functions = layered_routes(payments, admitted("payments").with_door(Some(merchants)))
        .merge(layered_routes(webhooks, at_webhooks))
        .merge(layered_routes(delivery, admitted("webhook-delivery")))
        .merge(layered_routes(settlement, edge("settlement")))
        .merge(layered_routes(reconciliation, edge("reconciliation")))
        .merge(layered_routes(own, edge("sandbox").with_limits(own_limits())))
        .merge(inbox::endpoint(inbox));
    layered_fallback(functions, edge("sandbox"))
}
