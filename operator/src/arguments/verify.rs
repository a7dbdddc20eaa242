//! `tollgate verify`: what can be typed.
//!
//! Must not know: what is done with it. The key is never an argument: others on the machine could read it.

use std::str::FromStr;

use clap::{Args, ValueEnum, value_parser};
use url::{Host, Url};

#[derive(Args)]
pub(crate) struct Verify {
    /// Where the gateway is: https, or http on this machine.
    #[arg(long)]
    pub(crate) url: Address,
    /// All of it, at most.
    #[arg(long, value_name = "N", default_value_t = 120, value_parser = value_parser!(u64).range(1..=3600))]
    pub(crate) timeout_seconds: u64,
    /// The provider, and a test token of its.
    #[arg(long, value_name = "PROVIDER=TOKEN", default_value = "stripe=pm_card_visa")]
    pub(crate) payment_method: PaymentMethod,
    /// In minor units.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = value_parser!(i64).range(1..=1_000_000))]
    pub(crate) amount: i64,
    /// ISO 4217.
    #[arg(long, default_value = "JPY")]
    pub(crate) currency: String,
    /// What must become of it. With a provider's live keys a test token is refused, and that is as good a sign: the provider
    /// was asked, and the merchant is told.
    #[arg(long, value_enum, default_value_t = Expected::Authorized)]
    pub(crate) expect: Expected,
    /// Take the money, instead of releasing it.
    #[arg(long)]
    pub(crate) capture: bool,
}

/// What becomes of the payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Expected {
    Authorized,
    Failed,
}

impl Expected {
    /// The status, as the API says it.
    pub(crate) const fn status(self) -> &'static str {
        match self {
            Self::Authorized => "AUTHORIZED",
            Self::Failed => "FAILED",
        }
    }
}

/// A gateway's base URL, without a slash at its end.
#[derive(Debug, Clone)]
pub(crate) struct Address(pub(crate) String);

impl FromStr for Address {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let url = Url::parse(text).map_err(|_| "must be a URL")?;
        let here = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        // The key goes there.
        let is_safe = url.scheme() == "https" || (url.scheme() == "http" && here);
        if !is_safe || url.query().is_some() || !url.username().is_empty() {
            return Err("must be https, or http on this machine, without a user or a query");
        }
        Ok(Self(text.trim_end_matches('/').to_owned()))
    }
}

/// A provider with a token.
#[derive(Debug, Clone)]
pub(crate) struct PaymentMethod {
    pub(crate) provider: String,
    pub(crate) token: String,
}

impl FromStr for PaymentMethod {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let (provider, token) = text.split_once('=').ok_or("must be PROVIDER=TOKEN")?;
        if provider.is_empty() || token.is_empty() {
            return Err("must be PROVIDER=TOKEN");
        }
        Ok(Self { provider: provider.to_owned(), token: token.to_owned() })
    }
}
