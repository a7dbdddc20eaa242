//! Payments as they were: in process within bounds, and on a Redis that is away in every way it can be.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use redis::Commands;
use tollgate_counters::{EmbeddedStatuses, Options, RedisCounters};
use tollgate_domain::{MerchantId, PaymentId, Timestamp};
use tollgate_gateway::{
    contract::statuses::StatusesSubject,
    ports::{
        Counters, Statuses, Time,
        counters::DecidedBy,
        statuses::{BODY_AT_MOST, KeptStatus},
    },
};

use crate::{
    clock::Clock,
    seen::watched,
    server::Server,
    subject::{WIDE, merchant, patient, pause},
};

pub(crate) struct InProcess {
    statuses: EmbeddedStatuses,
    clock: Arc<Clock>,
}

impl InProcess {
    pub(crate) fn new() -> Self {
        let clock = Clock::standing();
        Self { statuses: EmbeddedStatuses::new(clock.clone()), clock }
    }
}

#[async_trait]
impl StatusesSubject for InProcess {
    fn statuses(&self) -> &dyn Statuses {
        &self.statuses
    }

    fn other(&self) -> &dyn Statuses {
        &self.statuses
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn pass(&self, time: Duration) {
        self.clock.advance(time);
    }
}

/// Two instances on a Redis.
pub(crate) struct OnRedis {
    one: RedisCounters,
    other: RedisCounters,
    clock: Arc<Clock>,
    prefix: String,
    server: Arc<Server>,
}

impl OnRedis {
    /// With keys of their own. `None`: there is no Redis here.
    pub(crate) async fn new() -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let (server, clock) = (Server::shared()?, Clock::standing());
        let prefix = format!("statuses-{}", NUMBER.fetch_add(1, Ordering::SeqCst));
        let options = Options { prefix: prefix.clone(), ..patient() };
        let one = connect(&server, options.clone(), &clock).await;
        let other = connect(&server, options, &clock).await;
        Some(Self { one, other, clock, prefix, server })
    }

    fn key(&self, number: u64) -> String {
        format!("{}:{{{}}}:status", self.prefix, payment(number))
    }
}

#[async_trait]
impl StatusesSubject for OnRedis {
    fn statuses(&self) -> &dyn Statuses {
        &self.one
    }

    fn other(&self) -> &dyn Statuses {
        &self.other
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn pass(&self, time: Duration) {
        self.clock.advance(time);
    }
}

async fn connect(server: &Server, options: Options, clock: &Arc<Clock>) -> RedisCounters {
    RedisCounters::connect(server.url().parse().unwrap(), options, clock.clone()).await.unwrap()
}

fn payment(number: u64) -> PaymentId {
    PaymentId::from_random((u128::from(number) + 1).to_be_bytes())
}

fn status(number: u64, version: u64, at: Timestamp, bytes: usize) -> KeptStatus {
    let (payment, merchant) = (payment(number), MerchantId::from_random([2; 16]));
    KeptStatus { payment, merchant, version, at, body: "s3cret-".repeat(bytes / 7 + 1)[..bytes].to_owned() }
}

async fn until_kept(statuses: &dyn Statuses, status: &KeptStatus) {
    for _ in 0..2_000 {
        if statuses.keep(status).await {
            return;
        }
        pause(5).await;
    }
    panic!("it is never kept");
}

/// Without Redis, a thousand of each cost next to nothing: no timeout, no connection.
#[allow(clippy::disallowed_methods, reason = "how long something takes")]
async fn costs_nothing(statuses: &dyn Statuses, status: &KeptStatus) {
    let started = std::time::Instant::now();
    for _ in 0..1_000 {
        assert!(!statuses.keep(status).await);
        assert_eq!(statuses.find(status.payment).await, None);
    }
    let many = vec![status.clone(); 1_000];
    assert_eq!(statuses.renew(&many).await, 1_000);
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

#[tokio::test]
async fn in_process_so_many_payments_are_kept_and_the_oldest_go_first() {
    let InProcess { statuses, clock } = InProcess::new();
    let now = clock.now();
    for number in 0..10_100 {
        let age = Duration::from_millis(10_100 - number);
        assert!(statuses.keep(&status(number, 1, now - age, 100)).await);
    }
    assert_eq!(statuses.kept(), (10_000, 1_000_000));
    assert_eq!(statuses.find(payment(99)).await, None);
    assert!(statuses.find(payment(100)).await.is_some());
    // Whoever is looked at again is the youngest.
    assert!(statuses.keep(&status(100, 1, now, 100)).await);
    assert!(statuses.keep(&status(20_000, 1, now, 100)).await);
    assert!(statuses.find(payment(100)).await.is_some());
    assert_eq!(statuses.find(payment(101)).await, None);
}

#[tokio::test]
async fn in_process_so_many_bytes_are_kept_whatever_hostile_bodies_come_to() {
    let InProcess { statuses, clock } = InProcess::new();
    for number in 0..1_000 {
        assert!(statuses.keep(&status(number, 1, clock.now(), BODY_AT_MOST)).await);
        // The same again, shorter and longer: what it replaces is not counted.
        assert!(statuses.keep(&status(number, 2, clock.now(), 1)).await);
        assert!(statuses.keep(&status(number, 3, clock.now(), BODY_AT_MOST)).await);
    }
    assert_eq!(statuses.kept(), (256, 16 * 1024 * 1024));
    clock.advance(Duration::from_secs(300));
    assert!(statuses.keep(&status(5_000, 1, clock.now(), 10)).await);
    assert_eq!(statuses.kept(), (1, 10), "what nobody will be shown is forgotten");
}

#[tokio::test]
async fn on_redis_a_payment_expires_five_minutes_after_it_was_the_truth() {
    let Some(subject) = OnRedis::new().await else { return };
    let now = subject.now();
    for (number, age) in [(1, 0), (2, 100), (3, 299)] {
        assert!(subject.one.keep(&status(number, 1, now - Duration::from_secs(age), 100)).await);
        let expires_in: i64 = subject.server.connection().pttl(subject.key(number)).unwrap();
        let most = (300 - i64::try_from(age).unwrap()) * 1_000;
        assert!(expires_in == -2 && age == 299 || (most - 20_000..=most).contains(&expires_in), "{age}: {expires_in}");
    }
    // Said again, it does not last longer; known again later, it does.
    let lasts = || subject.server.connection().pttl::<_, i64>(subject.key(2)).unwrap();
    assert!(subject.one.keep(&status(2, 1, now - Duration::from_secs(100), 100)).await);
    assert!(lasts() <= 200_000);
    assert!(subject.one.keep(&status(2, 1, now, 100)).await);
    assert!(lasts() > 280_000);
}

#[tokio::test]
async fn on_redis_what_nobody_of_us_wrote_is_not_found_and_is_written_over() {
    let Some(subject) = OnRedis::new().await else { return };
    let (mut connection, key) = (subject.server.connection(), subject.key(1));
    let ours = status(1, 1, subject.now(), 10);
    let garbage: [&[u8]; 7] = [
        b"",
        b"garbage",
        b"1 2",
        b"9 x mer_1 {}",
        b"9 9 nobody {}",
        b"\xff\xfe 1 2 3",
        b"99999999999999999999 99999999999999999999 mer_ {}",
    ];
    for value in garbage {
        () = connection.set(&key, value).unwrap();
        assert_eq!(subject.one.find(ours.payment).await, None, "{value:?}");
    }
    () = connection.set(&key, garbage[6]).unwrap();
    assert!(subject.one.keep(&ours).await);
    assert_eq!(subject.one.find(ours.payment).await.as_ref(), Some(&ours));
    () = connection.del(&key).unwrap();
    () = connection.lpush(&key, "a list").unwrap();
    assert_eq!(subject.one.find(ours.payment).await, None);
    assert!(subject.one.keep(&ours).await);
    assert_eq!(subject.one.find(ours.payment).await, Some(ours));
    assert!(!subject.one.is_degraded(), "and no counter went away");
}

#[tokio::test]
async fn on_redis_that_forgot_the_script_it_is_said_again() {
    let Some(server) = Server::with(&[]) else { return };
    let clock = Clock::standing();
    let statuses = connect(&server, patient(), &clock).await;
    let kept = status(1, 1, clock.now(), 10);
    for _ in 0..2 {
        () = server.ask("SCRIPT FLUSH");
        assert!(statuses.keep(&kept).await);
        () = server.ask("SCRIPT FLUSH");
        assert_eq!(statuses.find(kept.payment).await.as_ref(), Some(&kept));
    }
}

#[tokio::test]
async fn a_redis_that_was_killed_keeps_and_finds_nothing_and_is_used_when_it_is_back() {
    let Some(server) = Server::with(&[]) else { return };
    let clock = Clock::standing();
    let statuses = connect(&server, patient(), &clock).await;
    let kept = status(1, 1, clock.now(), 100);
    until_kept(&statuses, &kept).await;
    server.kill();
    while statuses.keep(&kept).await {}
    while !statuses.is_degraded() {
        pause(5).await;
    }
    costs_nothing(&statuses, &kept).await;
    server.start_again();
    // It has lost everything; nothing is made up.
    until_kept(&statuses, &status(2, 1, clock.now(), 100)).await;
    assert_eq!(statuses.find(kept.payment).await, None);
    assert!(statuses.keep(&kept).await);
    assert_eq!(statuses.find(kept.payment).await, Some(kept));
}

#[tokio::test]
#[allow(clippy::disallowed_methods, reason = "how long something takes")]
async fn a_redis_that_stands_still_costs_three_timeouts_and_what_comes_late_overwrites_nothing() {
    let Some(server) = Server::with(&[]) else { return };
    let clock = Clock::standing();
    let options = Options { command_timeout: Duration::from_millis(200), ..patient() };
    let statuses = connect(&server, options, &clock).await;
    let (kept, now) = (status(1, 5, clock.now(), 100), clock.now());
    until_kept(&statuses, &kept).await;
    server.freeze();
    let started = std::time::Instant::now();
    // Sent, and not answered: Redis carries them out when it goes on.
    assert!(!statuses.keep(&status(1, 4, now + Duration::from_secs(1), 100)).await);
    assert_eq!(statuses.find(kept.payment).await, None);
    assert!(!statuses.is_degraded());
    assert_eq!(statuses.renew(&vec![status(1, 3, now, 100); 1_000]).await, 1_000);
    assert!(statuses.is_degraded());
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    costs_nothing(&statuses, &kept).await;
    server.go_on();
    until_kept(&statuses, &kept).await;
    assert_eq!(statuses.find(kept.payment).await, Some(kept));
}

#[tokio::test]
async fn a_redis_that_is_full_leaves_payments_out_and_that_makes_no_counter_go_away() {
    let Some(server) = Server::with(&[]) else { return };
    let clock = Clock::standing();
    let statuses = connect(&server, patient(), &clock).await;
    let kept = status(1, 1, clock.now(), 100);
    until_kept(&statuses, &kept).await;
    () = server.ask("CONFIG SET maxmemory 1");
    assert!(!statuses.keep(&status(2, 1, clock.now(), 100)).await);
    assert!(!statuses.keep(&status(1, 2, clock.now(), 100)).await);
    assert_eq!(statuses.find(kept.payment).await.as_ref(), Some(&kept));
    assert!(!statuses.is_degraded());
    () = server.ask("CONFIG SET maxmemory 0");
    assert!(statuses.keep(&status(2, 1, clock.now(), 100)).await);
}

#[tokio::test]
async fn many_payments_at_once_take_no_place_of_the_counters() {
    let Some(server) = Server::with(&[]) else { return };
    let clock = Clock::standing();
    let options = Options { most_in_flight: std::num::NonZeroU32::MIN, ..patient() };
    let counters = connect(&server, options, &clock).await;
    let long: Vec<_> = (0..500).map(|number| status(number, 1, clock.now(), BODY_AT_MOST)).collect();
    let done = AtomicU32::new(0);
    let keeping = futures::future::join_all(long.iter().map(async |status| {
        let is_kept = counters.keep(status).await;
        done.fetch_add(1, Ordering::SeqCst);
        is_kept
    }));
    let taking = async {
        assert_eq!(counters.take(merchant(1), WIDE).await.decided_by, DecidedBy::Shared);
        let before = done.load(Ordering::SeqCst);
        assert!(before < 200, "{before} came first: it waits for those that were sent already at most");
    };
    let (kept, ()) = futures::future::join(keeping, taking).await;
    assert!(kept.into_iter().all(|kept| kept), "and each of them had its turn");
}

#[test]
fn neither_logs_nor_metrics_say_whose_or_what_it_was() {
    watched(async |seen| {
        let Some(server) = Server::with(&[]) else { return };
        let clock = Clock::standing();
        let statuses = connect(&server, patient(), &clock).await;
        let kept = status(1, 1, clock.now(), 100);
        until_kept(&statuses, &kept).await;
        assert!(statuses.find(kept.payment).await.is_some());
        server.kill();
        while statuses.keep(&kept).await {}
        assert_eq!(statuses.find(kept.payment).await, None);
        let (metrics, log) = (seen.metrics(), seen.log());
        let said = format!("{metrics} {log:?} {kept:?}");
        assert!(metrics.contains("operation=\"keep_status\",outcome=\"ok\""), "{metrics}");
        assert!(!said.contains("s3cret"), "{said}");
        assert!(!metrics.contains("pay_") && !metrics.contains("mer_"), "{metrics}");
    });
}
