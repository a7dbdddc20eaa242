//! What stands between the gateway and a provider in trouble: breakers, quotas, retries, a bound on calls under way.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt;
use http::{Request, Response};
use tollgate_domain::{Answer, OperationKind, ProviderName, Timestamp};
use tollgate_gateway::ports::{
    Counters, Entropy, HttpClient, HttpError, Provider, Time,
    counters::{Bucket, CountersAway, DecidedBy, Limit, Share, Standing},
    provider::{Call, CallKind, LookUp, Pass},
};
use tollgate_providers::{
    BreakerState, GuardPorts, GuardSettings, Guarded, QuotaSettings, Secret, Stripe, StripeConfig,
};

use crate::world::{Scripted, World, error, now, ok, raw, status};

const AUTHORIZE: CallKind = CallKind::Send(OperationKind::Authorize);

/// A clock that waits by moving, buckets on it, and a dice that always shows the same.
#[derive(Default)]
struct Machine {
    micros: AtomicU64,
    waits: Mutex<Vec<Duration>>,
    buckets: Mutex<Vec<(Bucket, f64, Duration)>>,
}

impl Machine {
    fn passes(&self, time: Duration) {
        self.micros.fetch_add(u64::try_from(time.as_micros()).unwrap(), Ordering::Relaxed);
    }
}

#[async_trait]
impl Time for Machine {
    fn now(&self) -> Timestamp {
        now() + self.monotonic()
    }

    fn monotonic(&self) -> Duration {
        Duration::from_micros(self.micros.load(Ordering::Relaxed))
    }

    async fn sleep(&self, duration: Duration) {
        self.waits.lock().unwrap().push(duration);
        self.passes(duration);
    }
}

impl Entropy for Machine {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(0x7f);
    }
}

/// Token buckets by the book, shared by whoever holds this.
#[async_trait]
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "small numbers"
)]
impl Counters for Machine {
    async fn take(&self, bucket: Bucket, limit: Limit) -> Standing {
        let (rate, now) = (limit.tokens_per_minute() as f64 / 60.0, self.monotonic());
        let mut buckets = self.buckets.lock().unwrap();
        let index = buckets.iter().position(|(known, ..)| *known == bucket).unwrap_or_else(|| {
            buckets.push((bucket, f64::from(limit.burst()), now));
            buckets.len() - 1
        });
        let (_, level, at) = &mut buckets[index];
        *level = (*level + rate * now.saturating_sub(*at).as_secs_f64()).min(f64::from(limit.burst()));
        *at = now;
        let granted = *level >= 1.0;
        if granted {
            *level -= 1.0;
        }
        let next_in = Duration::from_secs_f64(((1.0 - *level) / rate).max(0.0));
        Standing { granted, remaining: *level as u32, next_in, decided_by: DecidedBy::Shared }
    }

    async fn look(&self, _: Bucket, _: Limit) -> Standing {
        unreachable!("a guard takes")
    }

    async fn give_back(&self, bucket: Bucket, _: Limit, _: DecidedBy) {
        let mut buckets = self.buckets.lock().unwrap();
        let (_, level, _) = buckets.iter_mut().find(|(known, ..)| *known == bucket).unwrap();
        *level += 1.0;
    }

    async fn ping(&self) -> Result<(), CountersAway> {
        Ok(())
    }
}

/// Stripe's side: answers in order, then the last one for ever; remembers which keys came.
struct Line {
    answers: Mutex<VecDeque<Scripted>>,
    keys: Mutex<Vec<String>>,
    hangs: bool,
}

#[async_trait]
impl HttpClient for Line {
    async fn send(&self, request: Request<Bytes>, _: Duration) -> Result<Response<Bytes>, HttpError> {
        let key = request.headers().get("idempotency-key").map(|key| key.to_str().unwrap().to_owned());
        self.keys.lock().unwrap().push(key.unwrap_or_default());
        if self.hangs {
            return std::future::pending().await;
        }
        let mut answers = self.answers.lock().unwrap();
        let next = answers.pop_front().expect("an answer is left");
        if answers.is_empty() {
            answers.push_back(again(&next));
        }
        next
    }
}

fn again(scripted: &Scripted) -> Scripted {
    match scripted {
        Ok(response) => {
            let mut copy = Response::new(response.body().clone());
            *copy.status_mut() = response.status();
            *copy.headers_mut() = response.headers().clone();
            Ok(copy)
        }
        Err(HttpError::NotReached(reason)) => Err(HttpError::NotReached(reason.clone())),
        Err(HttpError::AnswerLost(reason)) => Err(HttpError::AnswerLost(reason.clone())),
    }
}

struct Played {
    machine: Arc<Machine>,
    line: Arc<Line>,
    guarded: Guarded<Stripe>,
    world: World,
}

impl Played {
    fn new(answers: Vec<Scripted>, settings: GuardSettings) -> Self {
        Self::with(Arc::new(Machine::default()), answers, settings, false)
    }

    fn with(machine: Arc<Machine>, answers: Vec<Scripted>, settings: GuardSettings, hangs: bool) -> Self {
        let line = Arc::new(Line { answers: Mutex::new(answers.into()), keys: Mutex::default(), hangs });
        let config = StripeConfig { api_url: "https://stripe.test".to_owned(), secret_key: Secret::new("sk_test_x") };
        let stripe = Stripe::new(&config, line.clone(), machine.clone()).unwrap();
        let ports = GuardPorts { counters: machine.clone(), time: machine.clone(), entropy: machine.clone() };
        let guarded = Guarded::new(stripe, settings, ports);
        Self { machine, line, guarded, world: World::new(OperationKind::Authorize, Vec::new()) }
    }

    async fn send(&self) -> Answer {
        self.guarded.send(self.world.call()).await.answer
    }

    fn calls(&self) -> usize {
        self.line.keys.lock().unwrap().len()
    }
}

fn unreachable_host() -> Scripted {
    Err(HttpError::NotReached("connection refused".to_owned()))
}

fn lost() -> Scripted {
    Err(HttpError::AnswerLost("reset".to_owned()))
}

fn held() -> Scripted {
    ok(&World::new(OperationKind::Authorize, Vec::new()).success())
}

fn shows(answer: &Answer) -> bool {
    matches!(answer, Answer::Shows(_))
}

#[tokio::test]
async fn what_did_not_arrive_is_sent_again_with_the_same_key_after_growing_waits() {
    let played = Played::new(vec![unreachable_host(), unreachable_host(), held()], GuardSettings::default());
    assert!(shows(&played.send().await));
    let keys = played.line.keys.lock().unwrap().clone();
    assert_eq!(keys.len(), 3);
    assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    let waits = played.machine.waits.lock().unwrap().clone();
    assert!(waits[0] < Duration::from_secs(1) && waits[1] > waits[0] && waits[1] < Duration::from_secs(2), "{waits:?}");
}

#[tokio::test]
async fn three_tries_are_all_and_what_may_have_happened_is_never_sent_again() {
    let played = Played::new(vec![unreachable_host()], GuardSettings::default());
    assert!(matches!(played.send().await, Answer::NotReached { .. }));
    assert_eq!(played.calls(), 3);
    for answer in [lost(), raw(500, &[], "{}"), raw(502, &[], "<html>")] {
        let played = Played::new(vec![answer], GuardSettings::default());
        assert!(matches!(played.send().await, Answer::Unknown { .. }));
        assert_eq!(played.calls(), 1);
    }
}

/// Else a payment would be handed to another provider while the first one still works on it.
#[tokio::test]
async fn a_try_that_did_not_arrive_says_nothing_of_one_before_it_that_is_still_worked_on() {
    let underway = || status(409, &error("invalid_request_error", "idempotency_key_in_use"));
    for answers in [
        vec![underway(), unreachable_host()],
        vec![unreachable_host(), underway(), unreachable_host()],
        vec![underway(), status(429, &error("rate_limit_error", "rate_limit"))],
    ] {
        let played = Played::new(answers, GuardSettings::default());
        let answer = played.send().await;
        assert!(matches!(answer, Answer::Unknown { .. }), "{answer:?}");
        assert_eq!(played.calls(), 3);
    }
    let played = Played::new(vec![underway(), held()], GuardSettings::default());
    assert!(shows(&played.send().await));
}

#[tokio::test]
async fn nobody_waits_past_the_deadline_of_the_request_for_a_retry() {
    let mut played = Played::new(vec![unreachable_host()], GuardSettings::default());
    played.world.timeout = Duration::from_millis(200);
    assert!(matches!(played.send().await, Answer::NotReached { .. }));
    assert_eq!((played.calls(), played.machine.waits.lock().unwrap().len()), (1, 0));
}

#[tokio::test]
async fn in_a_full_outage_retries_are_a_tenth_of_the_calls_at_most() {
    let mut settings = GuardSettings::default();
    // So that the breaker does not hide it.
    settings.breaker.window = 10_000;
    let played = Played::new(vec![unreachable_host()], settings);
    for _ in 0..1000 {
        played.send().await;
    }
    assert!(played.calls() <= 1103, "{} calls for 1000 payments", played.calls());
}

#[tokio::test]
async fn an_open_breaker_refuses_at_once_and_declines_never_open_it() {
    let played = Played::new(vec![status(402, &error("card_error", "card_declined"))], GuardSettings::default());
    for _ in 0..30 {
        played.send().await;
    }
    assert_eq!(played.guarded.breakers().worst(), BreakerState::Closed);

    let played = Played::new(vec![lost()], GuardSettings::default());
    for _ in 0..10 {
        played.send().await;
    }
    assert_eq!(played.guarded.breakers().worst(), BreakerState::Open);
    let busy = played.guarded.admit(AUTHORIZE).await.err().unwrap();
    assert!(busy.retry_after <= Duration::from_secs(30) && busy.retry_after > Duration::from_secs(20));
    let before = played.calls();
    assert!(matches!(played.send().await, Answer::NotReached { retry_after: Some(_), .. }));
    assert_eq!(played.calls(), before, "nothing was sent");
    assert!(played.guarded.admit(CallKind::LookUp).await.is_ok(), "another kind of call has a breaker of its own");
}

/// Else one merchant who asks again for one payment would have the provider taken for ill by all others.
#[tokio::test]
async fn an_error_that_the_provider_keeps_for_a_payment_says_nothing_about_it() {
    let kept = || raw(500, &[("idempotent-replayed", "true")], "{}");
    let played = Played::new(vec![kept()], GuardSettings::default());
    for _ in 0..100 {
        assert!(matches!(played.send().await, Answer::Unknown { .. }));
    }
    assert_eq!(played.calls(), 100, "the breaker stays closed");
    let played = Played::new(vec![raw(500, &[], "{}")], GuardSettings::default());
    for _ in 0..100 {
        played.send().await;
    }
    assert_eq!(played.calls(), 10, "an error of now opens it");
}

#[tokio::test]
async fn a_breaker_closes_by_itself_once_the_provider_is_well_again() {
    let mut answers: Vec<_> = (0..10).map(|_| lost()).collect();
    answers.push(held());
    let played = Played::new(answers, GuardSettings::default());
    for _ in 0..10 {
        played.send().await;
    }
    played.machine.passes(Duration::from_secs(30));
    for _ in 0..5 {
        assert!(shows(&played.send().await));
    }
    assert_eq!(played.guarded.breakers().worst(), BreakerState::Closed);
}

#[tokio::test]
async fn a_call_that_is_cut_off_counts_as_the_providers_trouble_and_a_pass_that_is_not_used_as_nothing() {
    let played = Played::with(Arc::default(), Vec::new(), GuardSettings::default(), true);
    for _ in 0..10 {
        drop(played.guarded.admit(AUTHORIZE).await);
    }
    assert_eq!(played.guarded.breakers().worst(), BreakerState::Closed);
    for _ in 0..10 {
        let call = played.guarded.send(played.world.call());
        assert!(call.now_or_never().is_none());
    }
    assert_eq!(played.guarded.breakers().worst(), BreakerState::Open);
}

#[tokio::test]
async fn a_provider_that_hangs_holds_no_more_calls_than_there_are_places() {
    let settings = GuardSettings { in_flight: 2, ..GuardSettings::default() };
    let played = Played::with(Arc::default(), Vec::new(), settings, true);
    let mut hanging: Vec<_> = (0..2).map(|_| Box::pin(played.guarded.send(played.world.call()))).collect();
    for call in &mut hanging {
        assert!(call.now_or_never().is_none());
    }
    assert!(matches!(played.send().await, Answer::NotReached { .. }), "no place is free");
    assert!(played.guarded.admit(AUTHORIZE).await.is_err());
    drop(hanging);
    assert!(played.guarded.admit(AUTHORIZE).await.is_ok());
}

#[tokio::test]
async fn payments_cannot_take_the_share_of_the_look_ups() {
    let quota = QuotaSettings::per_second(Some(8), None);
    let played = Played::new(vec![held()], GuardSettings { quota, ..GuardSettings::default() });
    let mut granted = 0;
    while played.guarded.admit(AUTHORIZE).await.is_ok() {
        granted += 1;
    }
    assert!(granted <= 8, "{granted}");
    let found = played.guarded.look_up(Call { ..played.world.call() }).await.answer;
    assert!(!matches!(&found, LookUp::Failed { reason } if reason.contains("quota")), "{found:?}");
}

#[tokio::test]
async fn a_provider_that_complains_is_called_less_and_then_slowly_more() {
    let quota = QuotaSettings::per_second(None, Some(20));
    let settings = GuardSettings { quota, ..GuardSettings::default() };
    let played = Played::new(vec![status(429, &error("invalid_request_error", "rate_limit"))], settings);
    let in_a_second = async || {
        let mut granted = 0;
        for _ in 0..100 {
            played.machine.passes(Duration::from_millis(10));
            granted += usize::from(played.guarded.admit(AUTHORIZE).await.is_ok());
        }
        granted
    };
    // The burst first.
    in_a_second().await;
    let before = in_a_second().await;
    assert!((19..=21).contains(&before), "{before}");
    played.machine.passes(Duration::from_secs(1));
    let pass = played.guarded.admit(AUTHORIZE).await.ok().unwrap();
    let mut world = World::new(OperationKind::Authorize, Vec::new());
    world.timeout = Duration::from_millis(1);
    played.guarded.send_with(world.call(), pass).await;
    in_a_second().await;
    let after = in_a_second().await;
    assert!((9..=12).contains(&after), "{after} instead of {before}");
    played.machine.passes(Duration::from_secs(60));
    in_a_second().await;
    assert_eq!(in_a_second().await, before);
}

/// Stripe's own limits are 100 a second for the account and 25 for an endpoint; ours are 80 and 20.
#[tokio::test]
async fn a_thousand_payments_a_second_offered_to_twenty_instances_never_exceed_stripes_limits_and_use_ours() {
    const SECONDS: usize = 60;
    let machine = Arc::new(Machine::default());
    let quota = QuotaSettings::per_second(Some(80), Some(20));
    let instances: Vec<_> = (0..20)
        .map(|_| {
            Played::with(machine.clone(), vec![held()], GuardSettings { quota, ..GuardSettings::default() }, false)
        })
        .collect();
    let mut sent: Vec<(Duration, usize)> = Vec::new();
    for offered in 0..1000 * SECONDS {
        machine.passes(Duration::from_millis(1));
        // Payments mostly, and captures of those that were made: two endpoints.
        let kind = if offered % 4 == 3 { OperationKind::Capture } else { OperationKind::Authorize };
        let instance = &instances[offered % instances.len()];
        if let Ok(pass) = instance.guarded.admit(CallKind::Send(kind)).await {
            sent.push((machine.monotonic(), kind as usize));
            drop::<Pass>(pass);
        }
    }
    let authorize = OperationKind::Authorize as usize;
    let in_any_second = |of: &dyn Fn(usize) -> bool| {
        let times: Vec<_> = sent.iter().filter(|(_, kind)| of(*kind)).map(|(at, _)| *at).collect();
        let until = |index: usize| times.partition_point(|at| *at < times[index] + Duration::from_secs(1));
        (0..times.len()).map(|index| until(index) - index).max().unwrap()
    };
    assert!(in_any_second(&|_| true) <= 100, "the account's limit");
    assert!(in_any_second(&|kind| kind == authorize) <= 25, "the endpoint's limit");
    let payments = sent.iter().filter(|(_, kind)| *kind == authorize).count();
    assert!(payments * 100 >= 95 * 20 * SECONDS, "{payments} of {}", 20 * SECONDS);
    let shares = machine.buckets.lock().unwrap().iter().map(|(bucket, ..)| *bucket).collect::<Vec<_>>();
    assert!(shares.contains(&Bucket::Provider { provider: ProviderName::Stripe, share: Share::Operations }));
}
