//! Counters that all instances share: token buckets, for merchants' rate limits and for providers' quotas.
//!
//! No call fails. Whoever cannot ask the shared counter decides by itself, on its own share of the limit, and says so:
//! a counter that is away must never stop a payment.

use std::{net::IpAddr, time::Duration};

use async_trait::async_trait;
use tollgate_domain::{MerchantId, ProviderName};

use super::provider::CallKind;

/// What is counted. Each has a bucket of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bucket {
    /// A merchant's requests.
    Merchant(MerchantId),
    /// A merchant's requests that are answered from what was done before.
    MerchantReplays(MerchantId),
    /// Requests that nobody is known for, by where they come from. Counted in each process by itself: a flood must cost
    /// nothing elsewhere.
    Address(Address),
    /// Links and signatures that were made up, by where they come from. Apart from [`Self::Address`]: what somebody makes up
    /// must not shut a merchant out who shares his address. Counted in each process by itself, too.
    MadeUp(Address),
    /// Calls to a provider.
    Provider {
        /// Which.
        provider: ProviderName,
        /// Which part of what it allows.
        share: Share,
    },
}

impl Bucket {
    /// What it is, in metrics (`rate_limited_total{scope}`). Says nothing of whom.
    pub const fn scope(self) -> &'static str {
        match self {
            Self::Merchant(_) => "merchant",
            Self::MerchantReplays(_) => "merchant_replays",
            Self::Address(_) => "address",
            Self::MadeUp(_) => "made_up",
            Self::Provider { .. } => "provider",
        }
    }

    /// Whether somebody else holds us to this limit, so that it may not be overshot when a shared counter goes away or
    /// comes back. A merchant's own limit is between the merchant and us: there, its burst matters more.
    pub const fn is_quota(self) -> bool {
        matches!(self, Self::Provider { .. })
    }
}

/// Where a request comes from, as far as one caller has it to himself: an IPv4 address, or an IPv6 network of 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Address([u8; 16]);

impl Address {
    /// Of this address. IPv4 written as IPv6 is IPv4.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self(address.to_ipv6_mapped().octets()),
            IpAddr::V6(address) => {
                let mut network = address.octets();
                network[8..].fill(0);
                Self(network)
            }
        }
    }

    /// As bytes.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }
}

/// A part of what a provider allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Share {
    /// Operations: what moves money.
    Operations,
    /// Look-ups, by which what is unknown is found out: no new payment takes their share.
    LookUps,
    /// One endpoint: providers limit each by itself, too.
    Endpoint(CallKind),
}

impl Share {
    /// Its name, in keys.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Operations => "operations",
            Self::LookUps => "look_ups",
            Self::Endpoint(kind) => kind.as_str(),
        }
    }
}

/// How fast a bucket fills, and how much it holds. A bucket that nobody used is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Limit {
    per_minute: u64,
    burst: u32,
}

impl Limit {
    /// `tokens` a minute, evenly; at most `burst` at once. Where either is 0, nothing is allowed.
    pub const fn per_minute(tokens: u32, burst: u32) -> Self {
        Self { per_minute: tokens as u64, burst }
    }

    /// `tokens` a second, evenly; at most `burst` at once. Where either is 0, nothing is allowed.
    pub const fn per_second(tokens: u32, burst: u32) -> Self {
        Self { per_minute: tokens as u64 * 60, burst }
    }

    /// Tokens a minute: 60 times [`u32::MAX`] at most.
    pub const fn tokens_per_minute(self) -> u64 {
        self.per_minute
    }

    /// The most tokens that a bucket holds.
    pub const fn burst(self) -> u32 {
        self.burst
    }

    /// Whether it allows nothing, ever.
    pub const fn is_nothing(self) -> bool {
        self.per_minute == 0 || self.burst == 0
    }
}

/// Who decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DecidedBy {
    /// The counter that all instances share.
    Shared,
    /// This instance alone, on its share of the limit: the shared counter gave no answer.
    Fallback,
}

/// How a bucket stands after a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Standing {
    /// Whether there was a token: it was taken, where one was asked for.
    pub granted: bool,
    /// Whole tokens that are left. Of this instance's share, where it decided alone.
    pub remaining: u32,
    /// How long until there is one to take; zero while `remaining` is above zero. Whole milliseconds.
    pub next_in: Duration,
    /// Who says so.
    pub decided_by: DecidedBy,
}

impl Standing {
    /// What is said to wait where nothing is allowed, ever.
    pub const NEVER: Duration = Duration::from_secs(3600);

    /// How a bucket stands that allows nothing, ever.
    pub const fn nothing(decided_by: DecidedBy) -> Self {
        Self { granted: false, remaining: 0, next_in: Self::NEVER, decided_by }
    }
}

/// Token buckets.
#[async_trait]
pub trait Counters: Send + Sync + 'static {
    /// Takes a token from `bucket`, if there is one. One that is refused costs nothing: who waits `next_in` and is alone
    /// gets one.
    async fn take(&self, bucket: Bucket, limit: Limit) -> Standing;

    /// How `bucket` stands, without taking anything; `granted` says whether a take would have been.
    async fn look(&self, bucket: Bucket, limit: Limit) -> Standing;

    /// Gives back a token that was taken and not used, to who gave it (the taker's [`Standing::decided_by`]). A bucket
    /// never holds more than its burst. Where that counter is away by now, the token is lost.
    async fn give_back(&self, bucket: Bucket, limit: Limit, taken_from: DecidedBy);

    /// Whether the shared counter answers now, for readiness: away means degraded, and still ready.
    async fn ping(&self) -> Result<(), CountersAway>;
}

/// The shared counter gives no answer: every instance decides by itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the shared counters are away: {0}")]
pub struct CountersAway(pub String);
