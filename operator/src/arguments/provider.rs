//! `tollgate provider …`, as it is typed.
//!
//! Must not know: what a flag leads to.

use std::str::FromStr;

use clap::{Args, Subcommand, value_parser};
use tollgate_domain::{Currency, MerchantId, ProviderName, routing::Scope};

use super::word::Word;

const WEIGHT_AT_MOST: u32 = 1_000_000;
const CHANGES_AT_MOST: u32 = 1000;

#[derive(Subcommand)]
pub(crate) enum ProviderCommand {
    /// List what is switched off and how new payments are shared out.
    List,
    /// Send a provider no new payments. Captures, voids, refunds and its webhooks go on.
    Off {
        /// stripe, paypal or bank.
        provider: ProviderName,
        #[command(flatten)]
        word: Word,
    },
    /// Send it new payments again.
    On {
        /// stripe, paypal or bank.
        provider: ProviderName,
        #[command(flatten)]
        word: Word,
    },
    /// Share new payments out among the providers that the merchant has a token for. Who is not named gets what no other takes.
    ///
    /// The closest weights count: a merchant's in a currency, a merchant's, a currency's, everybody's. A payment stays where it
    /// went, and a request that is sent again goes where it went first.
    Weights {
        /// As in `stripe=80 paypal=20`; `default`: as if none had been set.
        #[arg(required = true, value_name = "PROVIDER=WEIGHT|default")]
        shares: Vec<Share>,
        #[command(flatten)]
        scope: ScopeArguments,
        #[command(flatten)]
        word: Word,
    },
    /// Show who changed what when and why, the last change first.
    Changes {
        /// Of this provider's switch alone. With neither this nor a scope: of everything.
        provider: Option<ProviderName>,
        #[command(flatten)]
        scope: ScopeArguments,
        /// How many at most.
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = value_parser!(u32).range(1..=i64::from(CHANGES_AT_MOST)))]
        limit: u32,
    },
}

/// Whose payments.
#[derive(Args)]
pub(crate) struct ScopeArguments {
    /// This merchant's only.
    #[arg(long, value_name = "ID")]
    merchant: Option<MerchantId>,
    /// Those in this currency only.
    #[arg(long, value_name = "ISO 4217")]
    currency: Option<Currency>,
}

impl ScopeArguments {
    pub(crate) fn scope(&self) -> Scope {
        Scope { merchant: self.merchant, currency: self.currency }
    }

    pub(crate) fn is_given(&self) -> bool {
        self.scope() != Scope::default()
    }
}

/// A provider's weight, or the word that takes all of them away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Share {
    /// None are set.
    Default,
    /// So much.
    Of(ProviderName, u32),
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "default" {
            return Ok(Self::Default);
        }
        let (provider, weight) = text.split_once('=').ok_or("must be as in stripe=80")?;
        let provider = provider.parse().map_err(|error| format!("{error}"))?;
        let plain = weight.bytes().all(|byte| byte.is_ascii_digit());
        let weight = weight.parse().ok().filter(|weight| plain && *weight <= WEIGHT_AT_MOST);
        weight
            .map(|weight| Self::Of(provider, weight))
            .ok_or_else(|| format!("the weight must be 0 to {WEIGHT_AT_MOST}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_provider_and_a_weight() {
        assert_eq!("stripe=80".parse(), Ok(Share::Of(ProviderName::Stripe, 80)));
        assert_eq!("bank=0".parse(), Ok(Share::Of(ProviderName::Bank, 0)));
        assert_eq!("default".parse(), Ok(Share::Default));
        for wrong in ["", "stripe", "stripe=", "stripe=-1", "stripe=+1", "stripe=1.5", "visa=1", "stripe=1000001", "=1"]
        {
            assert!(wrong.parse::<Share>().is_err(), "{wrong}");
        }
    }
}
