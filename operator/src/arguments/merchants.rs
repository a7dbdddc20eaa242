//! `tollgate merchants …`, `tollgate keys …` and `tollgate endpoints …`, as they are typed.
//!
//! Must not know: what a merchant may do.

use std::str::FromStr;

use clap::{ArgGroup, Args, Subcommand, value_parser};
use tollgate_domain::MerchantId;

use super::{
    KeepFor,
    word::{Word, kept},
};

/// The longest name, in characters.
const NAME_CHARS: usize = 100;
/// More requests a minute than this is as good as no limit.
const REQUESTS_AT_MOST: u32 = 1_000_000;

#[derive(Subcommand)]
pub(crate) enum Merchants {
    /// Make a merchant.
    Create(NewMerchant),
    /// List all merchants.
    List,
    /// Show one.
    Show {
        /// `mer_…`
        #[arg(value_name = "ID")]
        merchant: MerchantId,
    },
    /// Change one.
    Set(MerchantChanges),
}

#[derive(Args)]
pub(crate) struct NewMerchant {
    /// What people call it.
    #[arg(value_parser = name)]
    pub(crate) name: String,
    /// Requests a minute at most; not given: the default of the functions.
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=i64::from(REQUESTS_AT_MOST)))]
    pub(crate) requests_per_minute: Option<u32>,
    /// Our fee on what is settled, in hundredths of a per cent.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = value_parser!(u32).range(0..=10_000))]
    pub(crate) fee_basis_points: u32,
    #[command(flatten)]
    pub(crate) word: Word,
}

#[derive(Args)]
#[command(group(ArgGroup::new("changes").required(true).multiple(true)))]
pub(crate) struct MerchantChanges {
    /// `mer_…`
    #[arg(value_name = "ID")]
    pub(crate) merchant: MerchantId,
    /// What people call it.
    #[arg(long, group = "changes", value_parser = name)]
    pub(crate) name: Option<String>,
    /// Requests a minute at most, or `default`.
    #[arg(long, group = "changes", value_name = "N|default")]
    pub(crate) requests_per_minute: Option<RequestsPerMinute>,
    /// Our fee on what is settled, in hundredths of a per cent.
    #[arg(long, group = "changes", value_name = "N", value_parser = value_parser!(u32).range(0..=10_000))]
    pub(crate) fee_basis_points: Option<u32>,
    #[command(flatten)]
    pub(crate) word: Word,
}

#[derive(Subcommand)]
pub(crate) enum Keys {
    /// Make a key. It is shown this once, on stdout; only its SHA-256 is kept.
    Create {
        /// `mer_…`
        merchant: MerchantId,
        #[command(flatten)]
        word: Word,
    },
    /// List a merchant's keys by their digests.
    List {
        /// `mer_…`
        merchant: MerchantId,
    },
    /// Refuse a key from now on. Functions follow within 5 seconds.
    Revoke {
        /// `mer_…`
        merchant: MerchantId,
        /// The beginning of the key's digest, as `keys list` shows it: 6 digits or more.
        #[arg(value_name = "DIGEST_PREFIX")]
        digest: String,
        #[command(flatten)]
        word: Word,
    },
    /// Make a new key, shown this once on stdout, and refuse those before it.
    Rotate {
        /// `mer_…`
        merchant: MerchantId,
        /// How long those before it are still taken, those of an earlier rotation too: 90s, 30m, 24h, 7d; 0s where one leaked: the
        /// merchant sells nothing until he has the new one.
        #[arg(long, value_name = "TIME")]
        keep_old_for: KeepFor,
        #[command(flatten)]
        word: Word,
    },
}

#[derive(Subcommand)]
pub(crate) enum Endpoints {
    /// Show where a merchant's webhooks go.
    Show {
        /// `mer_…`
        merchant: MerchantId,
    },
    /// Set where they go. A secret that is made is shown this once.
    Set {
        /// Although no other merchant's secret opens with this `SECRETS_KEY`: it was changed.
        #[arg(long)]
        secrets_key_was_changed: bool,
        /// `mer_…`
        merchant: MerchantId,
        /// https, on a public address.
        url: String,
        #[command(flatten)]
        word: Word,
    },
    /// Make a new signing secret, shown this once; the old one signs along for 24 hours.
    RotateSecret {
        /// Although the present secret does not open with this `SECRETS_KEY`: it was changed.
        #[arg(long)]
        secrets_key_was_changed: bool,
        /// `mer_…`
        merchant: MerchantId,
        #[command(flatten)]
        word: Word,
    },
}

impl Endpoints {
    /// Whose.
    pub(crate) fn merchant(&self) -> MerchantId {
        match self {
            Self::Show { merchant } | Self::Set { merchant, .. } | Self::RotateSecret { merchant, .. } => *merchant,
        }
    }
}

/// A limit, or none of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RequestsPerMinute(pub(crate) Option<u32>);

impl FromStr for RequestsPerMinute {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "default" {
            return Ok(Self(None));
        }
        let limit = text.parse().ok().filter(|limit| (1..=REQUESTS_AT_MOST).contains(limit));
        limit.map(|limit| Self(Some(limit))).ok_or_else(|| format!("must be 1 to {REQUESTS_AT_MOST}, or default"))
    }
}

fn name(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > NAME_CHARS || text.chars().any(char::is_control) {
        return Err(format!("must be 1 to {NAME_CHARS} characters, none of them a control character"));
    }
    kept(text).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_of_nothing_is_none() {
        assert_eq!("default".parse(), Ok(RequestsPerMinute(None)));
        assert_eq!("120".parse(), Ok(RequestsPerMinute(Some(120))));
        for wrong in ["0", "-1", "1000001", "", "Default"] {
            assert!(wrong.parse::<RequestsPerMinute>().is_err(), "{wrong}");
        }
    }
}
