//! Counters under test, and how their time passes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use redis::{Commands, Connection};
use tollgate_counters::{EmbeddedCounters, Options, RedisCounters};
use tollgate_domain::{MerchantId, ProviderName};
use tollgate_gateway::{
    contract::counters::CountersSubject,
    ports::{
        Counters, Time,
        counters::{Bucket, DecidedBy, Limit, Share},
    },
};

use crate::{clock::Clock, server::Server};

pub(crate) struct InProcess {
    pub(crate) counters: EmbeddedCounters,
    pub(crate) clock: Arc<Clock>,
}

impl InProcess {
    pub(crate) fn new() -> Self {
        let clock = Clock::standing();
        Self { counters: EmbeddedCounters::new(clock.clone()), clock }
    }
}

#[async_trait]
impl CountersSubject for InProcess {
    fn counters(&self) -> &dyn Counters {
        &self.counters
    }

    fn other(&self) -> &dyn Counters {
        &self.counters
    }

    async fn pass(&self, time: Duration) {
        self.clock.advance(time);
    }

    async fn move_back(&self, by: Duration) {
        self.clock.move_back(by);
    }
}

/// Two instances on a Redis.
pub(crate) struct OnRedis {
    pub(crate) one: RedisCounters,
    pub(crate) other: RedisCounters,
    pub(crate) prefix: String,
    pub(crate) server: Arc<Server>,
}

impl OnRedis {
    /// With keys of their own. `None`: there is no Redis here.
    pub(crate) async fn new() -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let server = Server::shared()?;
        let prefix = format!("test-{}", NUMBER.fetch_add(1, Ordering::SeqCst));
        let options = Options { prefix: prefix.clone(), ..patient() };
        let (one, other) = (connect(&server.url(), options.clone()).await, connect(&server.url(), options).await);
        Some(Self { one, other, prefix, server })
    }

    /// The buckets that are kept. (What asks whether Redis takes writes is none, and is gone within a millisecond.)
    pub(crate) fn keys(&self) -> Vec<String> {
        let keys: Vec<String> = self.server.connection().keys(format!("{}:*", self.prefix)).unwrap();
        keys.into_iter().filter(|key| !key.ends_with("{probe}")).collect()
    }

    /// Redis's clock cannot be moved. What is kept can: each bucket's time, and when it is forgotten.
    fn shift(&self, millis: i64) {
        let mut connection = self.server.connection();
        self.keys().iter().for_each(|key| shift(&mut connection, key, millis));
    }
}

/// What Redis says of the time that a key has left which is not there.
const GONE: i64 = -2;

fn shift(connection: &mut Connection, key: &str, millis: i64) {
    let (kept, expires_in): (Option<String>, i64) = (connection.get(key).unwrap(), connection.pttl(key).unwrap());
    let Some(kept) = kept else { return };
    let (units, at) = kept.split_once(' ').unwrap();
    let at = (at.parse::<i64>().unwrap() - millis).max(0);
    () = connection.set(key, format!("{units} {at}")).unwrap();
    if expires_in == GONE {
        // It expired in between.
        return;
    }
    assert!(expires_in >= 0, "{key} expires: {expires_in}");
    // At once, where that is past.
    () = connection.pexpire(key, expires_in - millis).unwrap();
}

#[async_trait]
impl CountersSubject for OnRedis {
    fn counters(&self) -> &dyn Counters {
        &self.one
    }

    fn other(&self) -> &dyn Counters {
        &self.other
    }

    async fn pass(&self, time: Duration) {
        self.shift(i64::try_from(time.as_millis()).unwrap());
    }

    async fn move_back(&self, by: Duration) {
        self.shift(-i64::try_from(by.as_millis()).unwrap());
    }
}

/// As in production, for tests in which Redis is there: what is slow is this machine.
pub(crate) fn patient() -> Options {
    let patience = Duration::from_secs(5);
    Options { command_timeout: patience, connect_timeout: patience, ..Options::default() }
}

pub(crate) async fn connect(url: &str, options: Options) -> RedisCounters {
    let time: Arc<dyn Time> = Clock::real();
    RedisCounters::connect(url.parse().unwrap(), options, time).await.unwrap()
}

pub(crate) fn merchant(number: u32) -> Bucket {
    let number = (u128::from(number) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    Bucket::Merchant(MerchantId::from_random(number.to_be_bytes()))
}

pub(crate) const QUOTA: Bucket = Bucket::Provider { provider: ProviderName::Stripe, share: Share::Operations };

/// A limit that nobody meets.
pub(crate) const WIDE: Limit = Limit::per_second(u32::MAX, u32::MAX);

/// Waits until who decides is `decider`; asks for a token that nobody else wants.
pub(crate) async fn until_decided_by(counters: &dyn Counters, decider: DecidedBy) {
    for _ in 0..2_000 {
        if counters.take(merchant(999), WIDE).await.decided_by == decider {
            return;
        }
        pause(5).await;
    }
    panic!("never decided by {decider:?}");
}

#[allow(clippy::disallowed_methods, reason = "Redis goes by real time")]
pub(crate) async fn pause(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}
