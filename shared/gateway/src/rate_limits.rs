//! How often a merchant may call, and how often somebody whom nobody knows (finding C6).
//!
//! A merchant has a bucket in the counters that all instances share. A request that turns out to be a replay, one that
//! repeats what was done before, gets its token back, and costs one of the replays' bucket instead: a merchant who
//! retries is never refused for it, and one who does nothing else is in the end.
//!
//! Whom nobody knows is counted by address, in this process alone, before the store is asked about anything.
//!
//! Must not know: HTTP.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use tollgate_domain::MerchantId;

use crate::ports::{
    Counters,
    counters::{Address, Bucket, Limit, Standing},
    merchants::Merchant,
};

/// What a stranger may try in a second, and at once: plenty for somebody with the wrong key, little for the store.
const STRANGERS: Limit = Limit::per_second(10, 200);

/// Knows how often anybody may call.
pub struct RateLimits {
    counters: Arc<dyn Counters>,
    strangers: Arc<dyn Counters>,
    per_minute: NonZeroU32,
}

/// A merchant's token, taken.
#[derive(Debug, Clone, Copy)]
pub struct Taken {
    merchant: MerchantId,
    limit: Limit,
    standing: Standing,
}

/// No token was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// How long until there is one.
    pub retry_after: Duration,
    /// What the merchant may do in a minute; `None`: it was no merchant's.
    pub per_minute: Option<u32>,
}

impl Taken {
    /// What the merchant may do in a minute.
    pub fn per_minute(&self) -> u32 {
        u32::try_from(self.limit.tokens_per_minute()).unwrap_or(u32::MAX)
    }

    /// What is left of it now.
    pub const fn remaining(&self) -> u32 {
        self.standing.remaining
    }

    /// Without having been used.
    #[must_use]
    const fn given_back(mut self) -> Self {
        self.standing.remaining = self.standing.remaining.saturating_add(1);
        self
    }
}

impl RateLimits {
    /// Merchants are counted in `counters`, strangers in `strangers`; a merchant who has no limit of his own may do
    /// `per_minute` (contract: 100), all at once too.
    pub fn new(counters: Arc<dyn Counters>, strangers: Arc<dyn Counters>, per_minute: NonZeroU32) -> Self {
        Self { counters, strangers, per_minute }
    }

    fn limit(&self, merchant: &Merchant) -> Limit {
        let per_minute = merchant.requests_per_minute.unwrap_or(self.per_minute.get());
        Limit::per_minute(per_minute, per_minute)
    }

    /// Takes one of the merchant's tokens.
    pub async fn take(&self, merchant: &Merchant) -> Result<Taken, Refused> {
        let (bucket, limit) = (Bucket::Merchant(merchant.id), self.limit(merchant));
        let standing = self.counters.take(bucket, limit).await;
        let taken = Taken { merchant: merchant.id, limit, standing };
        if standing.granted {
            return Ok(taken);
        }
        refused(bucket);
        Err(Refused { retry_after: standing.next_in, per_minute: Some(taken.per_minute()) })
    }

    /// The request was a replay: its token goes back, and one of the replays' is taken. Where none of those is left, the
    /// request costs what any costs.
    pub async fn replayed(&self, taken: Taken) -> Taken {
        let bucket = Bucket::MerchantReplays(taken.merchant);
        if !self.counters.take(bucket, taken.limit).await.granted {
            refused(bucket);
            return taken;
        }
        self.unused(taken).await
    }

    /// The request was refused for what is no fault of the merchant's: its token goes back.
    pub async fn unused(&self, taken: Taken) -> Taken {
        let bucket = Bucket::Merchant(taken.merchant);
        self.counters.give_back(bucket, taken.limit, taken.standing.decided_by).await;
        taken.given_back()
    }

    /// Takes one of a stranger's tokens.
    pub async fn take_strangers(&self, address: Address) -> Result<(), Refused> {
        let bucket = Bucket::Address(address);
        let standing = self.strangers.take(bucket, STRANGERS).await;
        if standing.granted {
            return Ok(());
        }
        refused(bucket);
        Err(Refused { retry_after: standing.next_in, per_minute: None })
    }

    /// It was no stranger after all.
    pub async fn no_stranger(&self, address: Address) {
        use crate::ports::counters::DecidedBy::Shared;
        self.strangers.give_back(Bucket::Address(address), STRANGERS, Shared).await;
    }

    /// A link or a signature from there was made up.
    pub async fn made_up(&self, address: Address) {
        self.strangers.take(Bucket::MadeUp(address), STRANGERS).await;
    }

    /// Whether so much was made up there of late that what comes from there is to wait behind the rest.
    pub async fn makes_up(&self, address: Address) -> bool {
        !self.strangers.look(Bucket::MadeUp(address), STRANGERS).await.granted
    }
}

fn refused(bucket: Bucket) {
    metrics::counter!("rate_limited_total", "scope" => bucket.scope()).increment(1);
}
