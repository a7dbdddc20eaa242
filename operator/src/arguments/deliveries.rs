//! `tollgate deliveries …` and `tollgate dead-letters …`, as they are typed.
//!
//! Must not know: how a delivery is sent.

use std::{str::FromStr, time::Duration};

use clap::{Args, Subcommand, value_parser};
use tollgate_domain::{DeliveryStatus, MerchantId, Timestamp};

use super::{KeepFor, word::Word};

/// More are not listed at once.
const LISTED_AT_MOST: u32 = 100_000;

#[derive(Subcommand)]
pub(crate) enum DeliveriesCommand {
    /// List them in the order of their events' times; not given otherwise, those of the last 24 hours.
    List {
        /// Only those that stand so: PENDING, DELIVERED, RETRYING or `DEAD_LETTERED`; may be given several times.
        #[arg(long, value_name = "STATUS")]
        status: Vec<Status>,
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        limit: Limit,
    },
    /// Have them sent again, each with its own webhook-id and its schedule begun anew.
    ///
    /// Those that are not delivered; which are, only where --status asks for them. They are due in a minute, and the job `deliveries`
    /// takes them up within the next. How many is said first, and asked about.
    Redeliver {
        /// Only those that stand so: PENDING, DELIVERED, RETRYING or `DEAD_LETTERED`; may be given several times.
        #[arg(long, value_name = "STATUS")]
        status: Vec<Status>,
        #[command(flatten)]
        again: Again,
    },
}

#[derive(Subcommand)]
pub(crate) enum DeadLetters {
    /// List what was given up, in the order of the events' times; not given otherwise, that of the last 30 days.
    List {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        limit: Limit,
    },
    /// Have what was given up sent again, each with its own webhook-id and its schedule begun anew: `deliveries redeliver` of these alone.
    Redeliver {
        #[command(flatten)]
        again: Again,
    },
}

/// How many are shown.
#[derive(Args)]
pub(crate) struct Limit {
    /// How many at most.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = value_parser!(u32).range(1..=i64::from(LISTED_AT_MOST)))]
    pub(crate) limit: u32,
}

/// Which deliveries.
#[derive(Args)]
pub(crate) struct Which {
    /// Only this merchant's.
    #[arg(long, value_name = "ID")]
    pub(crate) merchant: Option<MerchantId>,
    /// Only those of merchants whose endpoint is this URL now.
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint: Option<String>,
    /// Those whose events were made at this time (RFC 3339) or later; or so long ago at most: 90s, 30m, 24h, 7d.
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<When>,
    /// And before this time; not given: until now.
    #[arg(long, value_name = "TIME")]
    pub(crate) to: Option<When>,
}

/// Which deliveries are sent again, and who says so.
#[derive(Args)]
#[command(group(clap::ArgGroup::new("range").args(["from"]).required(true)))]
pub(crate) struct Again {
    #[command(flatten)]
    pub(crate) which: Which,
    /// Do nothing; say how many there are.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask.
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) word: Word,
}

/// How a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Status(pub(crate) DeliveryStatus);

impl FromStr for Status {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let name = text.to_ascii_uppercase().replace('-', "_");
        let found = DeliveryStatus::ALL.into_iter().find(|status| status.as_str() == name);
        found.map(Self).ok_or("must be PENDING, DELIVERED, RETRYING or DEAD_LETTERED")
    }
}

/// A time, or how long ago it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// Then.
    At(Timestamp),
    /// So long ago.
    Ago(Duration),
}

impl When {
    /// The time, at `now`.
    pub(crate) fn at(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(ago) => now.checked_sub(ago).unwrap_or(Timestamp::MIN),
        }
    }
}

impl FromStr for When {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let ago = text.parse().map(|KeepFor(ago)| Self::Ago(ago));
        ago.or_else(|_| text.parse().map(Self::At)).map_err(
            |_| "must be a time, as in 2027-01-15T03:00:00Z, or a number and s, m, h or d, as in 24h; 90d at most",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_time_or_how_long_ago_it_was() {
        let now: Timestamp = "2027-01-15T03:00:00Z".parse().unwrap();
        for (text, at) in [
            ("2027-01-14T03:00:00Z", "2027-01-14T03:00:00Z"),
            ("2027-01-14T03:00:00+09:00", "2027-01-13T18:00:00Z"),
            ("24h", "2027-01-14T03:00:00Z"),
            ("0s", "2027-01-15T03:00:00Z"),
        ] {
            assert_eq!(text.parse::<When>().unwrap().at(now).to_string(), at, "{text}");
        }
        for wrong in ["", "yesterday", "2027-01-14", "2027-01-14T03:00:00", "-1h", "91d"] {
            assert!(wrong.parse::<When>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_status_is_taken_as_people_type_it() {
        for text in ["DEAD_LETTERED", "dead-lettered", "Dead_Lettered"] {
            assert_eq!(text.parse(), Ok(Status(DeliveryStatus::DeadLettered)));
        }
        assert!("dead".parse::<Status>().is_err() && "".parse::<Status>().is_err());
    }
}
