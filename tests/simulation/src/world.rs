//! The world of one seed: instances that die and start again, jobs, postmen, merchants and payers, and the director who
//! decides at every step whether somebody gets that far.
//!
//! Must not know: what must hold in the end.

use std::{
    future::Future,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::{StreamExt as _, channel::oneshot, future};
use tollgate_domain::{BootId, ExceptionKind};
use tollgate_gateway::{
    Gateway, JobRun,
    ports::{Entropy, Merchants as _, merchants::Merchant},
};
use tollgate_simulators::Webhook;
use tollgate_store::{Options, SqliteStore};

use crate::{
    check,
    dice::Dice,
    executor::{Executor, Owner, locked},
    faults::Weather,
    instance::{Instance, context},
    merchant::{self, Told},
    messages::{Inboxes, merchant, url_of},
    planted::Bug,
    ports::{START, SimEntropy, SimTime},
    providers::{Providers, Which, or_gone},
    stage::Stage,
    story::Story,
    watch::Watch,
};

/// Merchants.
pub(crate) const MERCHANTS: usize = 3;
/// Instances.
const INSTANCES: usize = 3;
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
/// For so long things go wrong.
pub(crate) const STORM: Duration = Duration::from_secs(12 * 3600);
/// So long after the beginning everything is over: two settlements were made, what was put off for half a day was tried again, and
/// merchants' endpoints that were down for most of a day have been told.
const END: Duration = Duration::from_secs(50 * 3600);
/// Unless one is left that had failed six times when its endpoint came back, at 32 h at the latest: its last try comes within 26.4 h.
const LATE_END: Duration = Duration::from_secs(60 * 3600);

/// What one simulation is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// Decides everything.
    pub(crate) seed: u64,
    /// How many payments merchants want.
    pub(crate) payments: u64,
    /// A bug, if one is planted.
    pub(crate) bug: Option<Bug>,
    /// Whether the story's lines are kept.
    pub(crate) keeps_story: bool,
}

/// The world.
pub(crate) struct World {
    pub(crate) stage: Arc<Stage>,
    pub(crate) store: Arc<SqliteStore>,
    pub(crate) providers: Arc<Providers>,
    pub(crate) inboxes: Arc<Inboxes>,
    pub(crate) told: Mutex<Told>,
    pub(crate) knows_the_dead: bool,
    pub(crate) settlement_chunk: u32,
    /// Whether settlements are split, and their shards go through the queue.
    pub(crate) settles_in_shards: bool,
    instances: Mutex<Vec<Option<Arc<Instance>>>>,
    starts: AtomicU32,
}

impl World {
    /// Makes the world of `plan`.
    pub(crate) fn make(plan: &Plan) -> anyhow::Result<Arc<Self>> {
        let (executor, dice) = (Executor::default(), Dice::of(plan.seed));
        let stage = Arc::new(Stage {
            weather: Weather::of(&dice, STORM, MERCHANTS),
            story: Story::new(&executor, plan.keeps_story),
            watch: Watch::default(),
            late: Mutex::default(),
            stalled: Mutex::default(),
            bug: plan.bug,
            executor: executor.clone(),
            dice: dice.clone(),
        });
        let entropy: Arc<dyn Entropy> = Arc::new(SimEntropy(dice.clone()));
        let time = SimTime::new(&executor, jiff::SignedDuration::ZERO);
        let store = SqliteStore::in_memory(Options::new(BootId::from_random([9; 16])), time)?;
        Ok(Arc::new(Self {
            providers: Arc::new(Providers::new(&entropy)),
            inboxes: Arc::default(),
            told: Mutex::default(),
            knows_the_dead: dice.chance(500),
            settlement_chunk: dice.one_of(&[3, 10, 40]),
            settles_in_shards: dice.chance(250),
            instances: Mutex::new((0..INSTANCES).map(|_| None).collect()),
            starts: AtomicU32::new(0),
            store: Arc::new(store),
            stage,
        }))
    }

    /// Plays it to its end, or until something is wrong.
    pub(crate) fn play(self: &Arc<Self>, payments: u64) {
        for slot in 0..INSTANCES {
            self.boot(slot);
        }
        let executor = self.stage.executor.clone();
        executor.spawn(Owner::WORLD, Arc::clone(self).open_shops(payments));
        executor.spawn(Owner::WORLD, Arc::clone(self).post());
        for job in Job::ALL {
            executor.spawn(Owner::WORLD, Arc::clone(self).run_by_the_clock(job));
        }
        self.run_until(STORM);
        self.stage.weather.clear_up();
        self.stage.story.tell(Owner::WORLD, None, "the storm is over", String::new);
        self.run_until(END);
        if check::somebody_waits(self) {
            self.run_until(LATE_END);
        }
    }

    /// Lets everybody do what he does, until then.
    fn run_until(self: &Arc<Self>, end: Duration) {
        let (executor, dice) = (&self.stage.executor, &self.stage.dice);
        while !self.stage.story.went_wrong() {
            let Some((ready, owner)) = executor.next(dice) else {
                if executor.pass_time(end) {
                    continue;
                }
                return;
            };
            if owner != Owner::WORLD {
                if let Some(until) = self.stage.stands_still(owner) {
                    executor.hold(ready, until);
                    continue;
                }
                let rates = self.stage.weather.rates();
                if dice.rarely(rates.crash) {
                    self.crash(owner);
                    continue;
                }
                if dice.rarely(rates.stall) {
                    let until = self.stage.stand_still(owner, dice.secs(1, 400));
                    executor.hold(ready, until);
                    continue;
                }
            }
            executor.step(ready);
        }
    }

    fn boot(self: &Arc<Self>, slot: usize) {
        let owner = Owner(self.starts.fetch_add(1, Ordering::Relaxed) + 1);
        self.stage.story.tell(owner, None, "starts", String::new);
        match Instance::boot(self, owner) {
            Ok(instance) => locked(&self.instances)[slot] = Some(Arc::new(instance)),
            Err(error) => self.stage.story.is_wrong(None, format!("an instance does not start: {error:#}")),
        }
    }

    fn crash(self: &Arc<Self>, owner: Owner) {
        let executor = &self.stage.executor;
        self.stage.story.tell(owner, None, "dies", String::new);
        let slot = locked(&self.instances).iter().position(|it| it.as_ref().is_some_and(|it| it.owner == owner));
        executor.kill(owner);
        let Some(slot) = slot else { return };
        let gone = locked(&self.instances)[slot].take();
        drop(gone);
        let (world, after) = (Arc::clone(self), self.stage.dice.secs(1, 60));
        executor.spawn(Owner::WORLD, async move {
            world.stage.pause(after).await;
            world.boot(slot);
        });
    }

    /// An instance that is alive, any of them.
    fn somebody(&self) -> Option<Arc<Instance>> {
        let instances = locked(&self.instances);
        let alive: Vec<_> = instances.iter().flatten().collect();
        (!alive.is_empty()).then(|| Arc::clone(alive[self.stage.dice.index(alive.len())]))
    }

    /// Asks any instance for something; `None`: it died over it, or nobody answered in time.
    pub(crate) async fn ask_instance<T, W>(&self, within: Duration, work: impl FnOnce(Arc<Instance>) -> W) -> Option<T>
    where
        T: Send + 'static,
        W: Future<Output = T> + Send + 'static,
    {
        let instance = self.somebody()?;
        let (sender, receiver) = oneshot::channel();
        let (owner, work) = (instance.owner, work(instance));
        self.stage.executor.spawn(owner, async move {
            // Who has gone away meanwhile has no use for it.
            _ = sender.send(work.await);
        });
        or_gone(receiver, within, &self.stage).await
    }

    /// The same, of its use-cases.
    pub(crate) async fn ask<T, W>(&self, within: Duration, work: impl FnOnce(Gateway) -> W) -> Option<T>
    where
        T: Send + 'static,
        W: Future<Output = T> + Send + 'static,
    {
        self.ask_instance(within, |instance| work(instance.gateway.clone())).await
    }

    async fn open_shops(self: Arc<Self>, payments: u64) {
        for number in 0..MERCHANTS {
            let record = Merchant {
                id: merchant(number),
                name: format!("shop {number}"),
                requests_per_minute: None,
                fee_basis_points: 290,
                created_at: START,
            };
            if let Err(error) = self.store.put_merchant(&record).await {
                self.stage.story.is_wrong(None, format!("no merchant: {error}"));
            }
            self.stage.executor.spawn(Owner::WORLD, Arc::clone(&self).tend_endpoint(number));
        }
        merchant::go_shopping(&self, payments);
    }

    /// Sets a merchant's endpoint, and changes its secret once, perhaps.
    async fn tend_endpoint(self: Arc<Self>, number: usize) {
        let set = |gateway: Gateway| async move {
            gateway.set_webhook_endpoint(merchant(number), &url_of(number)).await.ok()
        };
        while self.ask(MINUTE, set).await.flatten().is_none() {
            self.stage.pause(MINUTE).await;
        }
        if !self.stage.dice.chance(400) {
            return;
        }
        self.stage.pause(self.stage.dice.secs(600, 10 * 3600)).await;
        let rotate = |gateway: Gateway| async move { gateway.rotate_webhook_secret(merchant(number)).await.ok() };
        let changed = self.ask(MINUTE, rotate).await.flatten();
        // Where the answer is lost, the old one signs along for a day, and he asks for another one in a real shop.
        if let Some(secret) = changed.and_then(|changed| changed.secret) {
            // What is on its way was signed with the old one.
            self.stage.pause(15 * MINUTE).await;
            self.inboxes.verify_with(number, secret.to_string());
            self.stage.story.tell(Owner::WORLD, None, "a merchant has a new secret", || number.to_string());
        }
    }

    /// Carries the providers' webhooks, and lets the providers' own time pass.
    async fn post(self: Arc<Self>) {
        let mut bell = self.providers.bell();
        loop {
            let next = self.providers.advance(&self.stage).unwrap_or(HOUR).clamp(Duration::from_secs(1), HOUR);
            for which in Which::ALL {
                while let Some(webhook) = self.providers.take_webhook(which, &self.stage) {
                    self.stage.executor.spawn(Owner::WORLD, Arc::clone(&self).carry(which, webhook));
                }
            }
            future::select(bell.next(), self.stage.executor.sleep(next)).await;
        }
    }

    async fn carry(self: Arc<Self>, which: Which, webhook: Webhook) {
        let (stage, rates) = (&self.stage, self.stage.weather.rates());
        let Webhook { event_id, headers, body, .. } = webhook;
        let body = Bytes::copy_from_slice(body.as_bytes());
        let is_lost = stage.dice.rarely(rates.webhook_lost);
        let is_late = !is_lost && stage.dice.rarely(rates.webhook_late);
        if is_lost || is_late {
            stage
                .story
                .tell(Owner::WORLD, None, "a webhook is lost or late", || format!("{event_id}, late: {is_late}"));
            self.settled(which, &event_id, true);
            if is_lost {
                return;
            }
            stage.pause(stage.dice.secs(10, 2 * 3600)).await;
        }
        let copies = if stage.dice.rarely(rates.webhook_twice) { 2 } else { 1 };
        let mut delivered = false;
        for _ in 0..copies {
            stage.pause(stage.dice.ms(5, 400)).await;
            let (headers, body) = (headers.clone(), body.clone());
            let acknowledges_first = stage.has(Bug::AcknowledgedBeforeDurable);
            let taken = self.ask_instance(Duration::from_secs(10), move |instance| async move {
                if acknowledges_first {
                    instance.take_later(which, headers, body);
                    return true;
                }
                instance.take_webhook(which, &headers, &body).await
            });
            delivered = taken.await == Some(true);
            stage.story.tell(Owner::WORLD, None, "a webhook is taken", || format!("{event_id}: {delivered}"));
        }
        if !is_late {
            self.settled(which, &event_id, delivered && !stage.dice.rarely(rates.merchant));
        }
    }

    fn settled(&self, which: Which, event_id: &str, delivered: bool) {
        self.providers.webhook_settled(which, event_id, delivered, &self.stage);
        self.providers.ring();
    }

    /// A job, again and again; sometimes two of it at once.
    async fn run_by_the_clock(self: Arc<Self>, job: Job) {
        loop {
            let stage = &self.stage;
            stage.pause(job.every(stage.executor.now()) + stage.dice.ms(0, 900)).await;
            if job.is_off(stage.bug) {
                continue;
            }
            let twice = stage.executor.now() < STORM && stage.dice.chance(100);
            let (one, other) = (self.run(job), self.run(job));
            if twice {
                future::join(one, other).await;
            } else {
                one.await;
            }
        }
    }

    async fn run(self: &Arc<Self>, job: Job) {
        let ended = self.ask(10 * MINUTE, move |gateway| job.run(gateway)).await;
        if let Some(Err(wrong)) = ended {
            self.stage.story.is_wrong(None, wrong);
        }
    }

    /// Ends it: whatever anybody still wanted to do is dropped.
    pub(crate) fn end(&self) {
        locked(&self.instances).clear();
        self.stage.executor.end();
    }

    /// Checks the books of every payment, as the job does.
    pub(crate) fn check_books(self: &Arc<Self>) {
        let (world, executor) = (Arc::clone(self), &self.stage.executor);
        executor.spawn(Owner::WORLD, async move {
            let all = JobRun { budget: 100 * HOUR, everything: true };
            let ended = world.ask(100 * HOUR, |gateway| async move { gateway.invariants(all, context()).await }).await;
            match ended {
                Some(Ok(report)) if report.could_not.is_empty() => {}
                other => world.stage.story.is_wrong(None, format!("the books do not add up: {other:?}")),
            }
        });
        self.run_until(self.stage.executor.now() + HOUR);
    }

    /// Holds the providers' own records against everything, as the job does by hand: whatever the storm made look wrong has
    /// resolved itself.
    pub(crate) fn check_records(self: &Arc<Self>) {
        // By instances whose clocks are right: no report goes up to the present of one that is ahead.
        let slots = locked(&self.instances).len();
        (0..slots).for_each(|slot| self.boot(slot));
        let (world, executor) = (Arc::clone(self), &self.stage.executor);
        executor.spawn(Owner::WORLD, async move {
            let all = JobRun { budget: 100 * HOUR, everything: true };
            let compared = |gateway: Gateway| async move { gateway.provider_records(all, context()).await };
            // What differs is an exception, and is looked at as such: `check.rs`.
            let differs = |what: &&str| ExceptionKind::ALL.iter().any(|kind| kind.as_str() == *what);
            match world.ask(100 * HOUR, compared).await {
                Some(Ok(report)) if !report.more && report.could_not.keys().all(differs) => {}
                other => world.stage.story.is_wrong(None, format!("the providers' records are not read: {other:?}")),
            }
        });
        self.run_until(self.stage.executor.now() + HOUR);
    }
}

/// What runs by the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Job {
    Deliveries,
    Stuck,
    Truth,
    Invariants,
    Settlement,
    Records,
    RecordsOfTheDay,
}

impl Job {
    const ALL: [Self; 7] = [
        Self::Deliveries,
        Self::Stuck,
        Self::Truth,
        Self::Invariants,
        Self::Settlement,
        Self::Records,
        Self::RecordsOfTheDay,
    ];

    fn every(self, now: Duration) -> Duration {
        // Once all is quiet, less often: the same happens, and it is simulated in less time.
        let is_quiet = now > 2 * STORM;
        match self {
            Self::Deliveries if is_quiet => 10 * MINUTE,
            Self::Deliveries => MINUTE,
            Self::Stuck if is_quiet => HOUR,
            Self::Stuck => 10 * MINUTE,
            Self::Truth | Self::Records if is_quiet => 6 * HOUR,
            Self::Truth | Self::Records | Self::Settlement => HOUR,
            Self::RecordsOfTheDay => 24 * HOUR,
            // The watch looks at every commit, and all books are checked at the end.
            Self::Invariants => 8 * HOUR,
        }
    }

    fn is_off(self, bug: Option<Bug>) -> bool {
        match self {
            Self::Stuck | Self::Truth => {
                matches!(bug, Some(Bug::StuckPaymentsNotSought | Bug::AcknowledgedBeforeDurable))
            }
            _ => false,
        }
    }

    /// Runs it; an error is something that may not be.
    async fn run(self, gateway: Gateway) -> Result<(), String> {
        let run = JobRun::scheduled(5 * MINUTE);
        match self {
            Self::Deliveries => drop(gateway.dispatch_deliveries(JobRun::scheduled(Duration::ZERO)).await),
            Self::Stuck => drop(gateway.stuck_payments(run, context()).await),
            Self::Truth => drop(gateway.provider_truth(run, context()).await),
            Self::Records => drop(gateway.provider_records(run, context()).await),
            Self::RecordsOfTheDay => drop(gateway.provider_records_day(run, context()).await),
            Self::Settlement => {
                if let Ok((_, settlement)) = gateway.run_settlement(run, context()).await
                    && let Some(failure) = settlement.failure
                {
                    return Err(format!("the settlement of {} failed: {failure}", settlement.day.date()));
                }
            }
            Self::Invariants => {
                // A part of the books each time: all of them at the end.
                let some = JobRun::scheduled(Duration::from_millis(5));
                if let Ok(report) = gateway.invariants(some, context()).await
                    && !report.could_not.is_empty()
                {
                    return Err(format!("the books do not add up: {:?}", report.could_not));
                }
            }
        }
        Ok(())
    }
}
