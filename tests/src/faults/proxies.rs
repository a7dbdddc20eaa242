//! What stands between the programs, and can be broken: a wire, and behind it a relay where messages can be told apart.
//!
//! Must not know: what the programs do.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::{
    cloud::{function_of, token},
    matrix::{Part, Trouble},
    redis::RedisRelay,
    relay::{Addresses, Language, Relay, Twist},
    wire::{Break, Speech, Wire},
};

/// A request waits so long for another one to overtake it.
const OVERTAKEN_WITHIN: Duration = Duration::from_millis(1500);

/// One way from programs to a server.
#[derive(Debug, Clone)]
pub(super) struct Way {
    wire: Wire,
    behind: Behind,
    slow: Duration,
}

#[derive(Debug, Clone)]
enum Behind {
    Relay(Relay),
    Redis(RedisRelay),
}

impl Way {
    async fn through(relay: Relay, speech: Speech, slow: Duration, ends_dead: bool) -> anyhow::Result<Self> {
        Ok(Self { wire: Wire::to(relay.address, speech, ends_dead).await?, behind: Behind::Relay(relay), slow })
    }

    /// Where it begins.
    pub(super) fn address(&self) -> SocketAddr {
        self.wire.address
    }

    /// Brings the trouble, or ends it. Answers how much was hit since the last time.
    fn set(&self, trouble: Option<Trouble>) -> u64 {
        let (mut broken, mut twist) = (None, None);
        match trouble {
            None => {}
            Some(Trouble::Refuse) => broken = Some(Break::Refuse),
            Some(Trouble::TimeOut) => broken = Some(Break::Swallow),
            Some(Trouble::Slow) => broken = Some(Break::Delay(self.slow)),
            Some(Trouble::Reset) => broken = Some(Break::Reset),
            Some(Trouble::Error) => twist = Some(Twist::Error),
            Some(Trouble::Repeat) => twist = Some(Twist::Repeat),
            Some(Trouble::Reorder) => twist = Some(Twist::Reorder),
            Some(Trouble::Kill) => twist = Some(Twist::Gone),
        }
        let behind = match &self.behind {
            Behind::Relay(relay) => relay.set(twist),
            Behind::Redis(redis) => {
                broken = broken.or(twist.filter(|twist| *twist == Twist::Gone).map(|_| Break::Gone));
                redis.set(twist == Some(Twist::Error))
            }
        };
        self.wire.set(broken) + behind
    }
}

/// All of them.
pub(super) struct Proxies {
    /// Where the servers are.
    pub(super) addresses: Addresses,
    pub(super) store: Option<Way>,
    pub(super) counters: Option<Way>,
    pub(super) publish: Option<Way>,
    pub(super) push: Way,
    pub(super) scheduler: Way,
    pub(super) provider: Way,
    pub(super) provider_webhooks: Way,
    pub(super) merchant: Way,
    /// Where Redis is, whether it runs or not.
    pub(super) redis: Option<SocketAddr>,
}

/// What servers there are at the start.
pub(super) struct Servers {
    pub(super) spanner: Option<SocketAddr>,
    pub(super) pubsub: Option<SocketAddr>,
    pub(super) redis: Option<SocketAddr>,
}

impl Proxies {
    pub(super) async fn before(servers: &Servers) -> anyhow::Result<Self> {
        let addresses: Addresses = Arc::new(Mutex::new(BTreeMap::new()));
        let seconds = Duration::from_secs;
        for (name, at) in [("spanner", servers.spanner), ("pubsub", servers.pubsub)] {
            if let Some(at) = at {
                addresses.lock().unwrap_or_else(PoisonError::into_inner).insert(name, at);
            }
        }
        let http = async |route, token: Option<fn() -> String>, slow: Duration, ends_dead: bool| {
            // Jobs are called every few seconds.
            let patience = if token.is_some() && !ends_dead { Duration::from_secs(6) } else { OVERTAKEN_WITHIN };
            let relay = Relay::before(Language::Http, Arc::clone(&addresses), route, token, patience).await?;
            Way::through(relay, Speech::Plain, slow, ends_dead).await
        };
        let grpc = async |there: Option<SocketAddr>, route, slow| {
            if there.is_none() {
                return anyhow::Ok(None);
            }
            let relay = Relay::before(Language::Grpc, Arc::clone(&addresses), route, None, OVERTAKEN_WITHIN).await?;
            Way::through(relay, Speech::Http2, slow, false).await.map(Some)
        };
        let counters = match servers.redis {
            None => None,
            Some(address) => {
                let redis = RedisRelay::before(address).await?;
                let wire = Wire::to(redis.address, Speech::Plain, false).await?;
                Some(Way { wire, behind: Behind::Redis(redis), slow: Duration::from_millis(200) })
            }
        };
        Ok(Self {
            store: grpc(servers.spanner, |_| Some("spanner"), Duration::from_millis(700)).await?,
            publish: grpc(servers.pubsub, |_| Some("pubsub"), seconds(2)).await?,
            counters,
            // Google ends a push with its ack deadline; the emulator waits for ever.
            push: http(function_of, Some(token), seconds(2), true).await?,
            scheduler: http(function_of, Some(token), seconds(2), false).await?,
            provider: http(|_| Some("provider"), None, seconds(2), false).await?,
            provider_webhooks: http(|_| Some("provider-webhooks"), None, seconds(2), false).await?,
            merchant: http(|_| Some("merchant"), None, seconds(4), false).await?,
            redis: servers.redis,
            addresses,
        })
    }

    /// A server is there from now on.
    pub(super) fn found(&self, name: &'static str, address: SocketAddr) {
        self.addresses.lock().unwrap_or_else(PoisonError::into_inner).insert(name, address);
    }

    fn ways(&self, part: Part) -> Vec<&Way> {
        match part {
            Part::Store => self.store.iter().collect(),
            Part::Counters => self.counters.iter().collect(),
            Part::Queue => self.publish.iter().chain([&self.push]).collect(),
            Part::Scheduler => vec![&self.scheduler],
            Part::Provider => vec![&self.provider, &self.provider_webhooks],
            Part::Merchant => vec![&self.merchant],
        }
    }

    /// Brings a trouble to a part, or ends it. Answers how much was hit since the last time.
    pub(super) fn set(&self, part: Part, trouble: Option<Trouble>) -> u64 {
        self.ways(part).into_iter().map(|way| way.set(trouble)).sum()
    }
}
