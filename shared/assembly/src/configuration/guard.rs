//! The variables of what stands between us and providers: breakers, quotas, bounds.

use std::str::FromStr;

use tollgate_providers::{BreakerSettings, QuotaSettings};
use tollgate_runtime::{Variables, config::Read};

use super::{GuardConfiguration, parts::Millis};

/// What a provider's quota is read from: names and defaults.
pub(super) struct QuotaVariables {
    pub(super) account: (&'static str, &'static str),
    pub(super) endpoint: (&'static str, &'static str),
}

/// Calls a second, or `off`.
struct PerSecond(Option<u32>);

impl FromStr for PerSecond {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        match text {
            "off" => Ok(Self(None)),
            _ => text
                .parse()
                .ok()
                .filter(|calls| (1..=1_000_000).contains(calls))
                .map(|calls| Self(Some(calls)))
                .ok_or("must be 1 to 1000000 calls a second, or off"),
        }
    }
}

/// A number from 1 to `MOST`.
struct UpTo<const MOST: usize>(usize);

impl<const MOST: usize> FromStr for UpTo<MOST> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.parse().ok().filter(|number| (1..=MOST).contains(number));
        number.map(Self).ok_or_else(|| format!("must be 1 to {MOST}"))
    }
}

/// Reads a provider's quota.
pub(super) fn read_quota(vars: &mut Variables, names: &QuotaVariables) -> Read<QuotaSettings> {
    let account = vars
        .var(names.account.0, "calls a second of the whole account, an eighth of them for look-ups; or off")
        .parse::<PerSecond>()
        .or(names.account.1);
    let endpoint =
        vars.var(names.endpoint.0, "calls a second of each endpoint; or off").parse::<PerSecond>().or(names.endpoint.1);
    Ok(QuotaSettings::per_second(account?.0, endpoint?.0))
}

/// Reads `BREAKER_*` and `PROVIDER_CALLS_IN_FLIGHT`.
pub(super) fn read(vars: &mut Variables) -> Read<GuardConfiguration> {
    let window =
        vars.var("BREAKER_WINDOW", "the last calls of a kind that a breaker looks at").parse::<UpTo<1000>>().or("10");
    let failures = vars
        .var("BREAKER_FAILURES_PERCENT", "it opens where so many per cent of them failed")
        .parse::<UpTo<100>>()
        .or("50");
    let open = vars.var("BREAKER_OPEN_MS", "how long it stays open").parse::<Millis>().or("30000");
    let trials =
        vars.var("BREAKER_TRIALS", "the calls that then try whether it works again").parse::<UpTo<100>>().or("5");
    let in_flight = vars
        .var("PROVIDER_CALLS_IN_FLIGHT", "calls to a provider that one instance makes at once")
        .parse::<UpTo<10_000>>()
        .or("128");
    let breaker =
        BreakerSettings { window: window?.0, failures_percent: failures?.0, open_for: open?.0, trials: trials?.0 };
    Ok(GuardConfiguration { breaker, in_flight: in_flight?.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: QuotaVariables = QuotaVariables { account: ("ACCOUNT", "80"), endpoint: ("ENDPOINT", "20") };

    fn quota<'a>(values: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<QuotaSettings, Vec<String>> {
        let mut vars = Variables::of(values);
        let read = read_quota(&mut vars, &NAMES);
        vars.finish().map_err(|mistakes| mistakes.0)?;
        read.map_err(|_| vec!["a mistake that was not noted".to_owned()])
    }

    #[test]
    fn an_eighth_of_the_account_is_for_look_ups() {
        let read = quota([]).unwrap();
        let per_second = |limit: Option<tollgate_gateway::ports::counters::Limit>| {
            limit.map(|limit| (limit.tokens_per_minute() / 60, limit.burst()))
        };
        assert_eq!(per_second(read.operations), Some((70, 14)));
        assert_eq!(per_second(read.look_ups), Some((10, 2)));
        assert_eq!(per_second(read.endpoint), Some((20, 4)));
    }

    #[test]
    fn a_quota_can_be_off_and_nothing_else_than_a_number() {
        let read = quota([("ACCOUNT", "off"), ("ENDPOINT", "7")]).unwrap();
        assert!(read.operations.is_none() && read.look_ups.is_none() && read.endpoint.is_some());
        for wrong in ["0", "-1", "many", "1000001"] {
            assert_eq!(quota([("ACCOUNT", wrong)]).unwrap_err().len(), 1, "{wrong}");
        }
    }
}
