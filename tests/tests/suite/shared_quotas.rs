//! A provider's quota that several instances share through a real Redis, in real time.

use std::{
    num::NonZeroU32,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use tollgate_counters::{Options, RedisCounters};
use tollgate_domain::{Answer, CaptureMethod, Money, OperationKind, ProviderName};
use tollgate_gateway::ports::{
    Counters, Provider, Time,
    provider::{Call, CallKind, LookUp, Reply, Terms, Unsupported},
};
use tollgate_providers::{GuardPorts, GuardSettings, Guarded, QuotaSettings};
use tollgate_runtime::SystemClock;
use tollgate_tests::{ports::SystemEntropy, stage::eventually};

use crate::deployed::redis;

const INSTANCES: u32 = 4;
/// What all of them may do together; Stripe's own limits are a quarter above.
const PER_SECOND: u32 = 20;
const SECONDS: u32 = 4;
/// Between two tries of an instance: together they offer ten times the quota.
const PAUSE: Duration = Duration::from_millis(20);

/// Nobody is called here: only who may be is of interest.
struct Nobody;

#[async_trait]
impl Provider for Nobody {
    fn name(&self) -> ProviderName {
        ProviderName::Stripe
    }

    fn accepts(&self, _: Money, _: CaptureMethod) -> Result<(), Unsupported> {
        Ok(())
    }

    fn terms(&self) -> Terms {
        Terms { captures_partially: true, resend_window: Duration::ZERO }
    }

    async fn send(&self, _: Call<'_>) -> Reply<Answer> {
        unreachable!("nothing is sent")
    }

    async fn look_up(&self, _: Call<'_>) -> Reply<LookUp> {
        unreachable!("nothing is asked")
    }

    async fn cancel(&self, _: Call<'_>) -> Reply<Answer> {
        unreachable!("nothing is cancelled")
    }
}

#[tokio::test]
async fn instances_that_share_a_quota_through_redis_never_exceed_the_providers_and_use_ours() {
    let Some((_redis, url)) = redis() else { return };
    let clock: Arc<dyn Time> = Arc::new(SystemClock::start());
    let mut instances = Vec::new();
    for _ in 0..INSTANCES {
        let options = Options { instances: NonZeroU32::new(INSTANCES).unwrap(), ..Options::default() };
        let counters = RedisCounters::connect(url.parse().unwrap(), options, Arc::clone(&clock)).await.unwrap();
        eventually("Redis answers", async || counters.ping().await.is_ok()).await;
        let ports =
            GuardPorts { counters: Arc::new(counters), time: Arc::clone(&clock), entropy: Arc::new(SystemEntropy) };
        let quota = QuotaSettings::per_second(None, Some(PER_SECOND));
        instances.push(Guarded::new(Nobody, GuardSettings { quota, ..GuardSettings::default() }, ports));
    }
    let (granted, started) = (Mutex::new(Vec::new()), clock.monotonic());
    let over = started + Duration::from_secs(SECONDS.into());
    futures::future::join_all(instances.iter().map(async |instance| {
        while clock.monotonic() < over {
            let asked = clock.monotonic();
            if instance.admit(CallKind::Send(OperationKind::Authorize)).await.is_ok() {
                granted.lock().unwrap().push((asked, clock.monotonic()));
            }
            clock.sleep(PAUSE).await;
        }
    }))
    .await;
    let mut times = granted.into_inner().unwrap();
    times.sort_unstable();
    // What was asked for and granted within the second: a machine that stalls makes others look closer together than they were.
    let in_a_second = |from: Duration| {
        let until = from + Duration::from_secs(1);
        times.iter().filter(|(asked, granted)| *asked >= from && *granted < until).count()
    };
    let most = times.iter().map(|(asked, _)| in_a_second(*asked)).max().unwrap();
    assert!(most <= 25, "{most} in a second of real time");
    // A machine that stalls loses some of it, but no more: what is not taken in a fifth of a second is gone.
    let ours = (PER_SECOND * SECONDS) as usize;
    assert!(times.len() * 2 >= ours, "{} of {ours}", times.len());
}
