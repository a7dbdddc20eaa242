//! What stands between the gateway and a provider, so that one's trouble stays its own (findings C2 and M1): a circuit
//! breaker for each kind of call, quotas, retries within a budget, and a bound on calls under way. It wraps any
//! `Provider`.
//!
//! Must not know: a wire format, or what the gateway does with an answer.

mod breaker;
mod quota;
mod retries;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tollgate_domain::{Answer, CaptureMethod, Money, ProviderName, TransactionView};
use tollgate_gateway::ports::{
    Counters, Entropy, Provider, Time,
    provider::{Busy, Call, CallKind, LookUp, Pass, Reply, Terms, Unsupported},
    provider_records::{ProviderRecords, Records, RecordsAsk},
};

pub use breaker::{BreakerSettings, BreakerState};
pub use quota::QuotaSettings;

use breaker::{Breaker, Trial, Went};
use quota::Quota;
use retries::{ATTEMPTS, Budget, may_be_sent_again, wait};

/// Who finds every place taken waits for so long.
const NO_PLACE_WAIT: Duration = Duration::from_secs(1);

/// How a provider is guarded.
#[derive(Debug, Clone, Copy)]
pub struct GuardSettings {
    /// When it is left alone.
    pub breaker: BreakerSettings,
    /// How often it is called.
    pub quota: QuotaSettings,
    /// Calls under way at once, in this instance. More are turned away: a provider that hangs holds no more than these.
    pub in_flight: usize,
}

impl Default for GuardSettings {
    fn default() -> Self {
        Self { breaker: BreakerSettings::default(), quota: QuotaSettings::default(), in_flight: 128 }
    }
}

/// What guards need from outside.
#[derive(Clone)]
pub struct GuardPorts {
    /// Quotas that all instances share.
    pub counters: Arc<dyn Counters>,
    /// The clock: the business clock for breakers, real time for waits.
    pub time: Arc<dyn Time>,
    /// Jitter.
    pub entropy: Arc<dyn Entropy>,
}

/// How the breakers of a guarded provider stand, for whoever shows it.
#[derive(Clone)]
pub struct Breakers {
    provider: ProviderName,
    all: Arc<[Arc<Breaker>]>,
}

impl Breakers {
    fn new(provider: ProviderName, settings: BreakerSettings) -> Self {
        Self {
            provider,
            all: CallKind::ALL
                .iter()
                .map(|kind| Breaker::new(format!("{provider} {}", kind.as_str()), settings))
                .collect(),
        }
    }

    /// Whose they are.
    pub fn provider(&self) -> ProviderName {
        self.provider
    }

    /// The worst of them.
    pub fn worst(&self) -> BreakerState {
        self.all.iter().map(|breaker| breaker.state()).max().unwrap_or(BreakerState::Closed)
    }

    fn of(&self, kind: CallKind) -> &Arc<Breaker> {
        &self.all[kind.index()]
    }

    fn show(&self) {
        metrics::gauge!("circuit_breaker_state", "provider" => self.provider.as_str())
            .set(f64::from(self.worst().as_number()));
    }
}

/// Beside the places for operations there is a quarter as many for look-ups.
const PLACES_PER_LOOK: usize = 4;

/// A provider that is guarded.
pub struct Guarded<P> {
    inner: P,
    breakers: Breakers,
    quota: Quota,
    budget: Budget,
    places: Places,
    /// Whoever asks how something stands takes no place from whoever pays.
    places_to_look: Places,
    ports: GuardPorts,
}

impl<P: Provider> Guarded<P> {
    /// Guards `inner`.
    pub fn new(inner: P, settings: GuardSettings, ports: GuardPorts) -> Self {
        let (name, time) = (inner.name(), Arc::clone(&ports.time));
        let breakers = Breakers::new(name, settings.breaker);
        breakers.show();
        // A series that begins with its first event hides that one from whoever looks at growth.
        for outcome in ["answered", "failed", "turned_away"] {
            count(name, outcome, 0);
        }
        Self {
            quota: Quota::new(name, settings.quota, Arc::clone(&ports.counters), time),
            budget: Budget::new(),
            places: Places { free: AtomicUsize::new(settings.in_flight) },
            places_to_look: Places { free: AtomicUsize::new((settings.in_flight / PLACES_PER_LOOK).max(1)) },
            inner,
            breakers,
            ports,
        }
    }

    /// Its breakers.
    pub fn breakers(&self) -> Breakers {
        self.breakers.clone()
    }

    /// The right to make one call: past the breaker, and paid for.
    async fn let_through(&self, kind: CallKind) -> Result<Trial, Busy> {
        let admitted = self.breakers.of(kind).admit(self.ports.time.now());
        self.breakers.show();
        let trial = admitted.map_err(|wait| {
            count(self.inner.name(), "turned_away", 1);
            Busy { reason: "the circuit breaker is open", retry_after: wait }
        })?;
        match self.quota.take(kind).await {
            Ok(()) => Ok(trial),
            Err(wait) => Err(Busy { reason: "its quota is used up", retry_after: wait }),
        }
    }

    /// Makes one call, and takes note of how it went. Dropped in the middle it went badly: nobody had an answer in time.
    async fn made<T>(
        &self,
        trial: Trial,
        call: impl Future<Output = Reply<T>>,
        went: fn(&Reply<T>) -> Went,
    ) -> Reply<T> {
        let mut noted = Noted { guard: self, trial: Some(trial) };
        let reply = call.await;
        noted.ended(went(&reply));
        if reply.http_status == Some(429) {
            self.quota.complained();
        }
        reply
    }

    async fn send_guarded(&self, call: Call<'_>, mut trial: Trial) -> Reply<Answer> {
        let (started, kind) = (self.ports.time.monotonic(), CallKind::Send(call.operation.kind));
        let left = || call.timeout.saturating_sub(self.ports.time.monotonic().saturating_sub(started));
        self.budget.earn();
        // A try that is still worked on there, say: a later one that did not arrive says nothing of it.
        let mut left_open: Option<Reply<Answer>> = None;
        for attempt in 1.. {
            let Some(place) = self.places.take() else {
                let busy = not_reached("too many calls to this provider are under way", NO_PLACE_WAIT);
                return left_open.unwrap_or(busy);
            };
            let reply = self.made(trial, self.inner.send(Call { timeout: left(), ..call }), went).await;
            drop(place);
            let reply = match left_open.take() {
                Some(before) if matches!(reply.answer, Answer::NotReached { .. }) => before,
                _ => reply,
            };
            if matches!(reply.answer, Answer::Unknown { .. }) {
                left_open = Some(reply.clone());
            }
            if attempt >= ATTEMPTS || !may_be_sent_again(&reply) {
                return reply;
            }
            let asked = match &reply.answer {
                Answer::NotReached { retry_after, .. } => retry_after.unwrap_or_default(),
                _ => Duration::ZERO,
            };
            let pause = wait(attempt, self.random()).max(asked);
            // What cannot be waited for is the caller's to send again.
            if pause >= left() || !self.budget.spend() {
                return reply;
            }
            self.ports.time.sleep(pause).await;
            trial = match self.let_through(kind).await {
                Ok(trial) => trial,
                Err(_) => return reply,
            };
        }
        not_reached("it was tried too often", NO_PLACE_WAIT)
    }

    /// From 0 to 1.
    fn random(&self) -> f64 {
        let mut bytes = [0; 4];
        self.ports.entropy.fill(&mut bytes);
        f64::from(u32::from_be_bytes(bytes)) / f64::from(u32::MAX)
    }
}

#[async_trait]
impl<P: Provider> Provider for Guarded<P> {
    fn name(&self) -> ProviderName {
        self.inner.name()
    }

    fn accepts(&self, amount: Money, capture: CaptureMethod) -> Result<(), Unsupported> {
        self.inner.accepts(amount, capture)
    }

    fn terms(&self) -> Terms {
        self.inner.terms()
    }

    async fn admit(&self, kind: CallKind) -> Result<Pass, Busy> {
        if self.places.free.load(Ordering::Relaxed) == 0 {
            return Err(Busy { reason: "too many calls are under way", retry_after: NO_PLACE_WAIT });
        }
        self.let_through(kind).await.map(Pass::holding)
    }

    async fn send_with(&self, call: Call<'_>, pass: Pass) -> Reply<Answer> {
        let trial = match pass.into_held::<Trial>() {
            Some(trial) => trial,
            None => match self.let_through(CallKind::Send(call.operation.kind)).await {
                Ok(trial) => trial,
                Err(Busy { reason, retry_after }) => return not_reached(reason, retry_after),
            },
        };
        self.send_guarded(call, trial).await
    }

    async fn send(&self, call: Call<'_>) -> Reply<Answer> {
        self.send_with(call, Pass::free()).await
    }

    async fn look_up(&self, call: Call<'_>) -> Reply<LookUp> {
        let failed = |reason: &str| LookUp::Failed { reason: reason.to_owned() };
        let trial = match self.let_through(CallKind::LookUp).await {
            Ok(trial) => trial,
            Err(Busy { reason, .. }) => return unanswered(failed(reason)),
        };
        let Some(_place) = self.places_to_look.take() else {
            return unanswered(failed("too many calls to this provider are under way"));
        };
        self.made(trial, self.inner.look_up(call), look_up_went).await
    }

    fn brought_back(&self, call: Call<'_>, returned: &str) -> Option<TransactionView> {
        self.inner.brought_back(call, returned)
    }

    async fn cancel(&self, call: Call<'_>) -> Reply<Answer> {
        let trial = match self.let_through(CallKind::Cancel).await {
            Ok(trial) => trial,
            Err(Busy { reason, retry_after }) => return not_reached(reason, retry_after),
        };
        let Some(_place) = self.places.take() else {
            return not_reached("too many calls to this provider are under way", NO_PLACE_WAIT);
        };
        self.made(trial, self.inner.cancel(call), went).await
    }

    fn records(&self) -> Option<&dyn ProviderRecords> {
        self.inner.records().map(|_| self as &dyn ProviderRecords)
    }
}

#[async_trait]
impl<P: Provider> ProviderRecords for Guarded<P> {
    fn known_after(&self) -> Duration {
        self.inner.records().map_or(Duration::MAX, ProviderRecords::known_after)
    }

    fn longest_period(&self) -> Duration {
        self.inner.records().map_or(Duration::ZERO, ProviderRecords::longest_period)
    }

    /// A page is a look-up: it takes no place from whoever pays, and has a breaker of its own.
    async fn records_of(&self, ask: RecordsAsk<'_>) -> Reply<Records> {
        let failed = |reason: &str| unanswered(Records::Failed { reason: reason.to_owned() });
        let Some(records) = self.inner.records() else { return failed("it shows no records") };
        let trial = match self.let_through(CallKind::Records).await {
            Ok(trial) => trial,
            Err(Busy { reason, .. }) => return failed(reason),
        };
        let Some(_place) = self.places_to_look.take() else {
            return failed("too many calls to this provider are under way");
        };
        self.made(trial, records.records_of(ask), records_went).await
    }
}

/// A call under way.
struct Noted<'a, P: Provider> {
    guard: &'a Guarded<P>,
    trial: Option<Trial>,
}

impl<P: Provider> Noted<'_, P> {
    fn ended(&mut self, went: Went) {
        if let Some(trial) = self.trial.take() {
            trial.ended(went, self.guard.ports.time.now());
            self.guard.breakers.show();
            match went {
                Went::Well => count(self.guard.inner.name(), "answered", 1),
                Went::Badly => count(self.guard.inner.name(), "failed", 1),
                Went::Untold => {}
            }
            if went == Went::Badly {
                self.guard.quota.in_trouble();
            }
        }
    }
}

impl<P: Provider> Drop for Noted<'_, P> {
    fn drop(&mut self) {
        self.ended(Went::Badly);
    }
}

/// What the provider's objective counts (docs/slo.md): what it answered, what it did not, and what it was not asked because it had not.
fn count(provider: ProviderName, outcome: &'static str, calls: u64) {
    metrics::counter!("provider_calls_total", "provider" => provider.as_str(), "outcome" => outcome).increment(calls);
}

/// Only the provider's own trouble counts: not a decline, not what we ask too often or with wrong credentials, not a twin
/// of the same request, and not an old answer that is kept for it: one payment's merchant may ask for that again and again.
fn went(reply: &Reply<Answer>) -> Went {
    match (&reply.answer, reply.http_status) {
        _ if reply.repeated => Went::Untold,
        (Answer::Unknown { .. }, Some(400..=499)) | (Answer::NotReached { .. }, Some(_)) => Went::Untold,
        (Answer::Unknown { .. } | Answer::NotReached { .. }, _) => Went::Badly,
        _ => Went::Well,
    }
}

fn look_up_went(reply: &Reply<LookUp>) -> Went {
    match (&reply.answer, reply.http_status) {
        (LookUp::Failed { .. }, Some(400..=499)) => Went::Untold,
        (LookUp::Failed { .. } | LookUp::Found(Answer::Unknown { .. }), _) => Went::Badly,
        _ => Went::Well,
    }
}

fn records_went(reply: &Reply<Records>) -> Went {
    match (&reply.answer, reply.http_status) {
        (Records::Failed { .. }, Some(400..=499)) => Went::Untold,
        (Records::Failed { .. }, _) => Went::Badly,
        _ => Went::Well,
    }
}

fn not_reached(reason: &str, retry_after: Duration) -> Reply<Answer> {
    unanswered(Answer::NotReached { reason: reason.to_owned(), retry_after: Some(retry_after) })
}

fn unanswered<T>(answer: T) -> Reply<T> {
    Reply { answer, http_status: None, reference: None, provider_code: None, repeated: false }
}

/// Places for calls under way.
struct Places {
    free: AtomicUsize,
}

struct Place<'a>(&'a Places);

impl Places {
    fn take(&self) -> Option<Place<'_>> {
        let taken = self.free.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |free| free.checked_sub(1));
        taken.ok().map(|_| Place(self))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.free.fetch_add(1, Ordering::Relaxed);
    }
}
