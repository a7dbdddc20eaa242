//! The variables of what stands in front: how often merchants may call, who calls, and how much is worked on at a time.
//!
//! Must not know: what is refused how.

use std::{num::NonZeroU32, str::FromStr};

use tollgate_runtime::{AdmissionSettings, TrustedProxies, Variables, config::Read};

use super::parts::Millis;

/// What stands in front of a function's routes.
#[derive(Debug, Clone, Copy)]
pub struct FrontConfiguration {
    /// Requests a minute of a merchant who has no limit of his own.
    pub merchant_requests_per_minute: NonZeroU32,
    /// Our own proxies before us.
    pub trusted_proxies: TrustedProxies,
    /// How much is worked on at a time, and how much waits.
    pub admission: AdmissionSettings,
}

/// 1 to 100,000 of something that takes memory.
struct Count(usize);

impl FromStr for Count {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let count = text.parse().ok().filter(|count| (1..=100_000).contains(count));
        count.map(Self).ok_or("must be a number from 1 to 100000")
    }
}

/// 0 to 8.
struct Proxies(usize);

impl FromStr for Proxies {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        text.parse().ok().filter(|count| *count <= 8).map(Self).ok_or("must be a number from 0 to 8")
    }
}

/// 1 to a million a minute.
struct PerMinute(NonZeroU32);

impl FromStr for PerMinute {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let number = text.parse().ok().filter(|number: &NonZeroU32| number.get() <= 1_000_000);
        number.map(Self).ok_or("must be a number from 1 to 1000000")
    }
}

pub(super) fn read(vars: &mut Variables) -> Read<FrontConfiguration> {
    let per_minute = vars
        .var("MERCHANT_REQUESTS_PER_MINUTE", "requests a minute of a merchant who has no limit of his own")
        .parse::<PerMinute>()
        .or("100");
    let proxies = read_proxies(vars);
    let concurrency =
        vars.var("ADMISSION_CONCURRENCY", "requests that are worked on at a time, at most").parse::<Count>().or("256");
    let queue = vars.var("ADMISSION_QUEUE", "requests that wait, at most").parse::<Count>().or("1000");
    let shed_above = vars
        .var("ADMISSION_SHED_ABOVE", "with more than so many waiting, new payments are refused")
        .parse::<Count>()
        .or("500");
    let wait = vars
        .var("ADMISSION_WAIT_MS", "a new payment that would wait longer than this is refused at once")
        .parse::<Millis>()
        .or("250");
    let admission =
        AdmissionSettings { concurrency: concurrency?.0, queue: queue?.0, shed_above: shed_above?.0, wait: wait?.0 };
    Ok(FrontConfiguration { merchant_requests_per_minute: per_minute?.0, trusted_proxies: proxies?, admission })
}

/// Where the platform stands between us and whoever calls, everybody would come from its address: there it must be said.
fn read_proxies(vars: &mut Variables) -> Read<TrustedProxies> {
    let meaning =
        "how many entries at the end of X-Forwarded-For our own platform writes; 0: callers connect by themselves";
    let proxies = vars.var("TRUSTED_PROXIES", meaning).parse::<Proxies>().optional()?;
    let on_cloud_run = vars.var("K_SERVICE", "set by Cloud Run").optional()?.is_some();
    match proxies {
        Some(proxies) => Ok(TrustedProxies(proxies.0)),
        None if on_cloud_run => Err(vars.refuse(
            "TRUSTED_PROXIES is not set, and this is Cloud Run: 1 where callers come to it directly, 2 behind a Google load balancer",
        )),
        None => Ok(TrustedProxies(0)),
    }
}
