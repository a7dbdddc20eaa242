//! One gateway instance: the real use-cases and the real adapters of Stripe and PayPal, behind their guards, on ports that the
//! simulation holds.
//!
//! Must not know: what it is asked for.

use std::{
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use bytes::Bytes;
use http::HeaderMap;
use jiff::SignedDuration;
use tollgate_api::events::JsonEvents;
use tollgate_counters::EmbeddedCounters;
use tollgate_domain::BootId;
use tollgate_gateway::{
    Context, Gateway, Ingested, Keys, Ports, ReturnLinks, Settings, Stores,
    ports::{EventReader, HttpClient, Provider, Time, fail_points::NoFailPoints},
    secrets::SecretsKey,
};
use tollgate_providers::{
    GuardPorts, GuardSettings, Guarded, Paypal, PaypalConfig, PaypalEvents, Secret, Stripe, StripeConfig, StripeEvents,
};

use crate::{
    crooked::{CountsDeclines, Crooked},
    executor::{Executor, Owner},
    messages::{SimBacklog, SimQueue, SimWebhooks},
    planted::Bug,
    ports::{SimEntropy, SimSpawn, SimTime},
    providers::{PAYPAL, PAYPAL_WEBHOOK, STRIPE, STRIPE_SECRET, SimHttp, Which},
    store::FarStore,
    world::World,
};

/// An instance that is alive.
pub(crate) struct Instance {
    pub(crate) owner: Owner,
    pub(crate) gateway: Gateway,
    time: Arc<SimTime>,
    stripe_events: StripeEvents,
    paypal_events: PaypalEvents,
    executor: Executor,
}

/// Whoever asks it for something.
pub(crate) fn context() -> Context {
    Context { correlation_id: "simulation".to_owned() }
}

impl Instance {
    /// Starts an instance.
    pub(crate) fn boot(world: &Arc<World>, owner: Owner) -> anyhow::Result<Self> {
        let (stage, dice) = (Arc::clone(&world.stage), &world.stage.dice);
        let mut boot = [0; 16];
        dice.fill(&mut boot);
        let boot = BootId::from_random(boot);
        // Past 5 s, what is left of a lease after the longest call, another instance takes over what is still being called.
        let most = if dice.chance(250) { 45_000 } else { 4000 };
        let off_by = if dice.chance(300) && !stage.weather.is_clear() { dice.ms(0, most) } else { Duration::ZERO };
        let is_far_ahead = stage.weather.is_muddled() && !stage.weather.is_clear() && dice.chance(333);
        let off_by = match SignedDuration::try_from(off_by)? {
            _ if is_far_ahead => SignedDuration::try_from(dice.ms(22_000, 45_000))?,
            off_by if dice.chance(500) => off_by,
            off_by => -off_by,
        };
        let time = SimTime::new(&stage.executor, off_by);
        let entropy = Arc::new(SimEntropy(dice.clone()));
        let http = Arc::new(SimHttp { stage: Arc::clone(&stage), owner, providers: Arc::clone(&world.providers) });
        let far = Arc::new(FarStore {
            stage: Arc::clone(&stage),
            owner,
            shared: Arc::clone(&world.store),
            presence: world.store.another(boot)?,
            knows_the_dead: world.knows_the_dead,
            memory: Mutex::default(),
        });
        let weak: Weak<World> = Arc::downgrade(world);
        let ports = Ports {
            stores: Stores {
                payments: Arc::clone(&far) as _,
                timelines: Arc::clone(&far) as _,
                deliveries: Arc::clone(&far) as _,
                endpoints: Arc::clone(&far) as _,
                agenda: Arc::clone(&far) as _,
                settlements: Arc::clone(&far) as _,
                settlement_chunks: Arc::clone(&far) as _,
                settlement_shards: Arc::clone(&far) as _,
                audit: Arc::clone(&far) as _,
                record_books: Arc::clone(&far) as _,
                exceptions: Arc::clone(&far) as _,
                ..Stores::of(&world.store)
            },
            providers: providers(stage.bug, &http, &time, &entropy)?,
            events: Arc::new(JsonEvents),
            statuses: None,
            queue: Arc::new(SimQueue(Weak::clone(&weak))),
            shards: Arc::new(SimQueue(Weak::clone(&weak))),
            backlog: Arc::new(SimBacklog(weak)),
            webhooks: Arc::new(SimWebhooks { stage: Arc::clone(&stage), owner, inboxes: Arc::clone(&world.inboxes) }),
            secrets: SecretsKey::new(&[1; 32]),
            time: Arc::clone(&time) as _,
            spawn: Arc::new(SimSpawn { executor: stage.executor.clone(), owner }),
            entropy,
            fail_points: Arc::new(NoFailPoints),
        };
        let mut settings = Settings::new(boot, ReturnLinks::new("https://pay.test", &[1; 32]));
        settings.keys = Keys::ByTime;
        settings.settlement_chunk = world.settlement_chunk;
        let paypal_events = PaypalEvents::new(PAYPAL_WEBHOOK, PAYPAL, Arc::clone(&http) as _, Arc::clone(&time) as _)?;
        Ok(Self {
            owner,
            gateway: Gateway::new(ports, settings),
            time,
            stripe_events: StripeEvents::new(vec![secret(STRIPE_SECRET)])?,
            paypal_events,
            executor: stage.executor.clone(),
        })
    }

    /// Takes a provider's webhook, as the function `provider-webhooks` does. `true`: it is acknowledged.
    pub(crate) async fn take_webhook(&self, which: Which, headers: &HeaderMap, body: &Bytes) -> bool {
        let (reader, name): (&dyn EventReader, _) = match which {
            Which::Stripe => (&self.stripe_events, tollgate_domain::ProviderName::Stripe),
            Which::Paypal => (&self.paypal_events, tollgate_domain::ProviderName::Paypal),
        };
        let Ok(event) = reader.read(headers, body, self.time.now()).await else { return false };
        let taken = self.gateway.take_event(name, event, context()).await;
        matches!(taken, Ok(Ingested::Processed | Ingested::Duplicate | Ingested::Ignored | Ingested::Queued))
    }
}

impl Instance {
    /// Takes a webhook after it was acknowledged: it is lost if the instance dies, or the store is away.
    pub(crate) fn take_later(self: Arc<Self>, which: Which, headers: HeaderMap, body: Bytes) {
        let (executor, owner) = (self.executor.clone(), self.owner);
        executor.spawn(owner, async move {
            self.time.sleep(Duration::from_secs(1)).await;
            self.take_webhook(which, &headers, &body).await;
        });
    }
}

fn secret(text: &str) -> Secret {
    Secret::new(text)
}

fn providers(
    bug: Option<Bug>,
    http: &Arc<SimHttp>,
    time: &Arc<SimTime>,
    entropy: &Arc<SimEntropy>,
) -> anyhow::Result<Vec<Arc<dyn Provider>>> {
    let (http, time): (Arc<dyn HttpClient>, Arc<dyn Time>) = (Arc::clone(http) as _, Arc::clone(time) as _);
    let guard = || GuardPorts {
        counters: Arc::new(EmbeddedCounters::new(Arc::clone(&time))),
        time: Arc::clone(&time),
        entropy: Arc::clone(entropy) as _,
    };
    let stripe = StripeConfig { api_url: STRIPE.to_owned(), secret_key: secret("sk_test_simulation") };
    let stripe = Stripe::new(&stripe, Arc::clone(&http), Arc::clone(&time))?;
    let paypal = PaypalConfig {
        api_url: PAYPAL.to_owned(),
        client_id: secret("simulation"),
        client_secret: secret("simulation"),
    };
    let paypal = Paypal::new(&paypal, Arc::clone(&http), Arc::clone(&time))?;
    let settings = GuardSettings::default();
    let (stripe, paypal) = match bug {
        None => (wrap(stripe, settings, guard()), wrap(paypal, settings, guard())),
        Some(bug) => (
            wrap(Crooked { inner: stripe, bug }, settings, guard()),
            wrap(Crooked { inner: paypal, bug }, settings, guard()),
        ),
    };
    if bug == Some(Bug::BreakerCountsDeclines) {
        return Ok(vec![Arc::new(CountsDeclines::new(stripe, &time)), Arc::new(CountsDeclines::new(paypal, &time))]);
    }
    Ok(vec![stripe, paypal])
}

fn wrap(inner: impl Provider, settings: GuardSettings, ports: GuardPorts) -> Arc<dyn Provider> {
    Arc::new(Guarded::new(inner, settings, ports))
}
