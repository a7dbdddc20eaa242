//! `tollgate payment …`, as it is typed.
//!
//! Must not know: what a payment may do.

use std::str::FromStr;

use clap::{Args, Subcommand};
use tollgate_domain::{MerchantId, PaymentId, PaymentStatus, ProviderName};

use super::{deliveries::Limit, word::Word};

#[derive(Subcommand)]
pub(crate) enum PaymentCommand {
    /// List payments: a merchant's, newest first, or the one of a provider's transaction. Reads only.
    List(ListPayments),
    /// Show a payment with its operations, refunds, deliveries and timeline. Reads only.
    Show {
        /// `pay_…`
        #[arg(value_name = "PAYMENT_ID")]
        payment: PaymentId,
    },
    /// Show all that happened to a payment, in order: changes, calls to providers and their events, with who caused them. Reads only.
    Timeline {
        /// `pay_…`
        #[arg(value_name = "PAYMENT_ID")]
        payment: PaymentId,
    },
    /// Close a payment that waits for a person because the provider differs: it stays as it is, and you know why.
    ///
    /// It moves no money and books nothing. For as long as the provider and we say the same as now nobody is asked again; what says
    /// something else comes back. What waits because an outcome is not known is not closed by this: only the provider's word does that.
    Resolve(Resolve),
}

/// Which payments.
#[derive(Args)]
#[command(group(clap::ArgGroup::new("whose").args(["merchant", "transaction"]).required(true)))]
pub(crate) struct ListPayments {
    /// This merchant's.
    #[arg(long, value_name = "ID")]
    pub(crate) merchant: Option<MerchantId>,
    /// Only those that the merchant calls so.
    #[arg(long, value_name = "TEXT", conflicts_with = "transaction")]
    pub(crate) reference: Option<String>,
    /// Only those that stand so: PENDING, AUTHORIZED, CAPTURED, SETTLED, REFUNDED, VOIDED or FAILED.
    #[arg(long, value_name = "STATUS", conflicts_with = "transaction")]
    pub(crate) status: Option<Standing>,
    /// The one that has this transaction at its provider: `stripe:pi_…`, `paypal:…`, `bank:…`.
    #[arg(long, value_name = "PROVIDER:ID")]
    pub(crate) transaction: Option<Transaction>,
    #[command(flatten)]
    pub(crate) limit: Limit,
}

/// A payment's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing(pub(crate) PaymentStatus);

impl FromStr for Standing {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let found = PaymentStatus::ALL.into_iter().find(|status| status.as_str().eq_ignore_ascii_case(text));
        found.map(Self).ok_or("must be PENDING, AUTHORIZED, CAPTURED, SETTLED, REFUNDED, VOIDED or FAILED")
    }
}

/// What a provider calls a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Transaction {
    pub(crate) provider: ProviderName,
    pub(crate) id: String,
}

impl FromStr for Transaction {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let wrong = "must be a provider and its id of the transaction: stripe:pi_…";
        let (name, id) = text.split_once(':').filter(|(_, id)| !id.is_empty()).ok_or(wrong)?;
        let provider = ProviderName::ALL.into_iter().find(|provider| provider.as_str() == name).ok_or(wrong)?;
        Ok(Self { provider, id: id.to_owned() })
    }
}

#[derive(Args)]
pub(crate) struct Resolve {
    /// `pay_…`
    #[arg(value_name = "PAYMENT_ID")]
    pub(crate) payment: PaymentId,
    /// The version that you looked at, as `payment show` says it: what moved since then is not closed.
    #[arg(long, value_name = "N")]
    pub(crate) version: Option<u64>,
    /// It is captured, and not settled yet: let the next settlement pay it out as it is booked here, whatever the provider has.
    /// Only of the version that you looked at.
    #[arg(long, requires = "version")]
    pub(crate) settle_as_booked: bool,
    #[command(flatten)]
    pub(crate) word: Word,
}
