//! `tollgate payment …`, as it is typed.
//!
//! Must not know: what a payment may do.

use clap::{Args, Subcommand};
use tollgate_domain::PaymentId;

use super::word::Word;

#[derive(Subcommand)]
pub(crate) enum PaymentCommand {
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
