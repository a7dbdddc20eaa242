//! What a provider can tell us, in our words. Adapters translate wire formats to these; the state machines decide
//! what they mean.

use std::{fmt, str::FromStr, time::Duration};

use crate::{Money, ProviderRequestId, Timestamp};

/// A provider that moves money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ProviderName {
    /// Cards, through Stripe.
    Stripe,
    /// PayPal wallets.
    Paypal,
    /// Account to account, through the bank.
    Bank,
}

impl ProviderName {
    /// Every provider.
    pub const ALL: [Self; 3] = [Self::Stripe, Self::Paypal, Self::Bank];

    /// The name in URLs, bodies and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stripe => "stripe",
            Self::Paypal => "paypal",
            Self::Bank => "bank",
        }
    }
}

impl fmt::Display for ProviderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Text that names no provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a provider: one of stripe, paypal, bank")]
pub struct UnknownProvider;

impl FromStr for ProviderName {
    type Err = UnknownProvider;

    fn from_str(text: &str) -> Result<Self, UnknownProvider> {
        Self::ALL.into_iter().find(|name| name.as_str() == text).ok_or(UnknownProvider)
    }
}

/// Why a payment or an operation came to nothing, fit to be shown to the merchant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Ours, stable: `card_declined`, `approval_expired`, …
    pub code: String,
    /// What the merchant can tell the payer or do.
    pub message: String,
    /// The provider's own code, as it came.
    pub provider_code: Option<String>,
}

impl Failure {
    /// A failure of ours, without a provider's code.
    pub fn new(code: &str, message: &str) -> Self {
        Self { code: code.to_owned(), message: message.to_owned(), provider_code: None }
    }
}

/// The outcome of one step of an operation at the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The provider shows the transaction as it now is.
    Shows(TransactionView),
    /// The provider shows the refund that was asked for.
    ShowsRefund(RefundView),
    /// One step of several is done; the token lets the next one go on. It is committed before the next call (rule 4).
    Advanced {
        /// The provider's reference that the next step needs.
        progress: String,
    },
    /// A final no: nothing was moved by this request, and never will be (rule 6).
    Refused {
        /// Why.
        failure: Failure,
        /// The authorization that it needed is gone.
        authorization_gone: bool,
    },
    /// Whether it happened is not known: to be asked, never assumed.
    Unknown {
        /// For the log and the timeline.
        reason: String,
    },
    /// It did not happen: the request was never sent, or was turned away before anything was done. The same request
    /// may be sent again.
    NotReached {
        /// For the log and the timeline.
        reason: String,
        /// How long the provider asks to wait.
        retry_after: Option<Duration>,
    },
}

/// A transaction at the provider, as it says it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionView {
    /// The provider's id of the transaction.
    pub transaction_id: String,
    /// Our id of the request that made it, where the provider keeps it.
    pub request_id: Option<ProviderRequestId>,
    /// What was asked for.
    pub amount: Money,
    /// How it stands.
    pub state: TransactionState,
    /// What the adapter needs for what comes next, in its own words: the authorization below an order, say. Kept with the
    /// payment.
    pub kept: Option<String>,
}

/// How a transaction stands at the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransactionState {
    /// The payer must act: 3-D Secure, an approval, a consent.
    AwaitingPayer {
        /// Where to send the payer.
        url: String,
        /// The provider's own deadline, where it has one.
        until: Option<Timestamp>,
    },
    /// The payer has approved, and the provider waits for our next step.
    Approved {
        /// The token that the next step goes on with.
        progress: String,
    },
    /// The provider has not decided.
    Processing,
    /// Held, not taken.
    Authorized {
        /// The provider's own date, where it gives one.
        expires_at: Option<Timestamp>,
    },
    /// Taken (rule 5).
    Captured {
        /// How much was taken.
        amount: Money,
        /// How much of it went back.
        refunded: Money,
    },
    /// Released: cancelled, or expired at the provider.
    Voided,
    /// The provider said no to the payer.
    Declined(Failure),
}

impl TransactionState {
    /// Whether the provider holds or has taken the money, and is not working on anything.
    pub const fn is_settled(&self) -> bool {
        matches!(self, Self::Authorized { .. } | Self::Captured { .. })
    }
}

/// A refund at the provider, as it says it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundView {
    /// The provider's id of the refund.
    pub refund_reference: String,
    /// The id that we had for it, which the provider does not know: an answer can name a wrong one.
    pub instead_of: Option<String>,
    /// How it stands.
    pub state: RefundState,
}

/// How a refund stands at the provider. A 2xx alone does not complete one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefundState {
    /// Accepted, on its way.
    Pending,
    /// Done.
    Completed,
    /// It came to nothing, or came back.
    Failed(Failure),
}
