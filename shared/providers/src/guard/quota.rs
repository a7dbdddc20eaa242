//! How often a provider may be called: its account as a whole, each of its endpoints, and a share for look-ups that no new
//! payment can take. Lowered where the provider complains, and raised again slowly.
//!
//! Must not know: what a call means, or what happens to one that is refused.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::future::join;
use tollgate_domain::ProviderName;
use tollgate_gateway::ports::{
    Counters, Time,
    counters::{Bucket, Limit, Share},
    provider::CallKind,
};

/// What a provider allows us. `None` anywhere: as much as we like.
#[derive(Debug, Clone, Copy, Default)]
pub struct QuotaSettings {
    /// Operations, all of them together.
    pub operations: Option<Limit>,
    /// Look-ups, beside the operations.
    pub look_ups: Option<Limit>,
    /// Each endpoint by itself.
    pub endpoint: Option<Limit>,
}

impl QuotaSettings {
    /// Shares `account` calls a second of the whole account, an eighth of them for look-ups, and `endpoint` a second for
    /// each endpoint. Bursts are a fifth at most: in no second do more leave than a quarter above.
    pub fn per_second(account: Option<u32>, endpoint: Option<u32>) -> Self {
        let limit = |per_second: u32| Limit::per_second(per_second, (per_second / 5).max(1));
        let look_ups = account.map(|account| (account / 8).max(1));
        let operations = account.zip(look_ups).map(|(account, look_ups)| account.saturating_sub(look_ups).max(1));
        Self { operations: operations.map(limit), look_ups: look_ups.map(limit), endpoint: endpoint.map(limit) }
    }
}

/// No lower than this part of the limits, or nobody would find out that it works again.
const LOWEST: f64 = 0.1;
/// The limits are halved by one complaint, and once a second at most: calls under way complain together.
const HALVED_AT_MOST_EVERY: Duration = Duration::from_secs(1);
/// A call that the provider is in trouble with takes this part off.
const TROUBLE_TAKES: f64 = 0.05;
/// So much of the whole comes back each second.
const COMES_BACK: f64 = 0.01;

/// A provider's quota.
pub(crate) struct Quota {
    provider: ProviderName,
    settings: QuotaSettings,
    counters: Arc<dyn Counters>,
    time: Arc<dyn Time>,
    lowered: Mutex<Lowered>,
}

/// How much of the limits this instance takes.
struct Lowered {
    part: f64,
    /// Real time: this is about the provider, which does not follow a clock that is moved.
    at: Duration,
    halved_at: Option<Duration>,
}

impl Quota {
    pub(crate) fn new(
        provider: ProviderName,
        settings: QuotaSettings,
        counters: Arc<dyn Counters>,
        time: Arc<dyn Time>,
    ) -> Self {
        let lowered = Mutex::new(Lowered { part: 1.0, at: time.monotonic(), halved_at: None });
        Self { provider, settings, counters, time, lowered }
    }

    /// Takes what one call costs, or says how long to wait. Nothing is taken then.
    pub(crate) async fn take(&self, kind: CallKind) -> Result<(), Duration> {
        let (share, limit) = match kind {
            CallKind::LookUp | CallKind::Records => (Share::LookUps, self.settings.look_ups),
            CallKind::Send(_) | CallKind::Cancel => (Share::Operations, self.settings.operations),
        };
        let part = self.part();
        let bucket = |share| Bucket::Provider { provider: self.provider, share };
        let take = async |bucket: Bucket, limit: Option<Limit>| match limit.map(|limit| lower(limit, part)) {
            Some(limit) => Some((bucket, limit, self.counters.take(bucket, limit).await)),
            None => None,
        };
        let (whole, endpoint) =
            join(take(bucket(share), limit), take(bucket(Share::Endpoint(kind)), self.settings.endpoint)).await;
        let taken = [whole, endpoint];
        let used = taken.iter().flatten().map(|(_, limit, standing)| {
            1.0 - f64::from(standing.remaining.min(limit.burst())) / f64::from(limit.burst().max(1))
        });
        if let Some(used) = used.reduce(f64::max) {
            metrics::gauge!("provider_quota_used_ratio", "provider" => self.provider.as_str()).set(used);
        }
        let refused = taken.iter().flatten().filter(|(.., standing)| !standing.granted);
        let Some(wait) = refused.map(|(.., standing)| standing.next_in).max() else { return Ok(()) };
        for (bucket, limit, standing) in taken.into_iter().flatten().filter(|(.., standing)| standing.granted) {
            self.counters.give_back(bucket, limit, standing.decided_by).await;
        }
        metrics::counter!("rate_limited_total", "scope" => bucket(share).scope()).increment(1);
        Err(wait)
    }

    /// The provider said that we call too often.
    pub(crate) fn complained(&self) {
        let now = self.time.monotonic();
        let mut lowered = self.lowered.lock().unwrap_or_else(PoisonError::into_inner);
        if lowered.halved_at.is_some_and(|at| now.saturating_sub(at) < HALVED_AT_MOST_EVERY) {
            return;
        }
        let part = lowered.now(now) / 2.0;
        *lowered = Lowered { part: part.max(LOWEST), at: now, halved_at: Some(now) };
    }

    /// The provider is in trouble.
    pub(crate) fn in_trouble(&self) {
        let now = self.time.monotonic();
        let mut lowered = self.lowered.lock().unwrap_or_else(PoisonError::into_inner);
        lowered.part = (lowered.now(now) - TROUBLE_TAKES).max(LOWEST);
        lowered.at = now;
    }

    /// Which part of the limits is taken now.
    fn part(&self) -> f64 {
        self.lowered.lock().unwrap_or_else(PoisonError::into_inner).now(self.time.monotonic())
    }
}

impl Lowered {
    fn now(&self, now: Duration) -> f64 {
        (self.part + COMES_BACK * now.saturating_sub(self.at).as_secs_f64()).min(1.0)
    }
}

/// `limit`, or a part of it: at least one call a minute, and one at once.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "0 to a limit")]
fn lower(limit: Limit, part: f64) -> Limit {
    if part >= 1.0 || limit.is_nothing() {
        return limit;
    }
    let per_minute = (limit.tokens_per_minute() as f64 * part).max(1.0).min(f64::from(u32::MAX));
    Limit::per_minute(per_minute as u32, ((f64::from(limit.burst()) * part) as u32).max(1))
}
