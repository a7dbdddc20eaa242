//! The payment: its row holds everything that a decision about it reads (rule 13), the open operation included.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    Failure, MerchantId, Money, Operation, PaymentId, ProviderName, ProviderRequestId, Review, SettlementId, Timestamp,
};

/// How long an authorization lasts where the provider gives no date of its own.
pub const AUTHORIZATION_LASTS: Duration = Duration::from_secs(7 * 24 * 3600);
/// How long the payer has to act, unless the provider says otherwise.
pub const APPROVAL_LASTS: Duration = Duration::from_secs(30 * 60);

/// How a payment stands. Money only moves along the arrows of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PaymentStatus {
    /// The authorization's outcome is not known, or the payer must act.
    Pending,
    /// The money is held.
    Authorized,
    /// The money is taken.
    Captured,
    /// In a settlement of ours.
    Settled,
    /// All that was captured was refunded.
    Refunded,
    /// It came to nothing.
    Failed,
    /// The hold was released.
    Voided,
}

impl PaymentStatus {
    /// Every status.
    pub const ALL: [Self; 7] =
        [Self::Pending, Self::Authorized, Self::Captured, Self::Settled, Self::Refunded, Self::Failed, Self::Voided];

    /// The name in bodies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Authorized => "AUTHORIZED",
            Self::Captured => "CAPTURED",
            Self::Settled => "SETTLED",
            Self::Refunded => "REFUNDED",
            Self::Failed => "FAILED",
            Self::Voided => "VOIDED",
        }
    }

    /// Whether it has ended without money.
    pub const fn is_without_money(self) -> bool {
        matches!(self, Self::Failed | Self::Voided)
    }

    /// The contract's arrows: whether `self` may become `next`.
    pub const fn may_become(self, next: Self) -> bool {
        matches!(
            (self, next),
            (Self::Pending, Self::Authorized | Self::Failed)
                | (Self::Authorized, Self::Captured | Self::Voided)
                | (Self::Captured | Self::Refunded, Self::Settled)
                | (Self::Settled, Self::Refunded)
        )
    }
}

/// When the money is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum CaptureMethod {
    /// When the merchant captures.
    #[default]
    Manual,
    /// As soon as it is authorized.
    Automatic,
}

impl CaptureMethod {
    /// The name in bodies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Automatic => "automatic",
        }
    }
}

/// What the merchant says of the payment; no rule depends on it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Details {
    /// The merchant's own number.
    pub merchant_reference: Option<String>,
    /// Free text.
    pub description: Option<String>,
    /// Free pairs.
    pub metadata: BTreeMap<String, String>,
    /// Where the payer goes after having acted.
    pub return_url: Option<String>,
}

/// A payment. The stores build one from its row; everything else goes through the transitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// Its id.
    pub id: PaymentId,
    /// Whose it is.
    pub merchant: MerchantId,
    /// One more with every change: `(id, version)` is the guard of every commit.
    pub version: u64,
    /// How it stands.
    pub status: PaymentStatus,
    /// What was asked for.
    pub amount: Money,
    /// What was taken.
    pub captured: Money,
    /// What went back.
    pub refunded: Money,
    /// What is reserved for refunds on their way.
    pub refund_reserved: Money,
    /// Who moves the money.
    pub provider: ProviderName,
    /// The provider's id of the transaction, once known.
    pub provider_transaction_id: Option<String>,
    /// What the provider's adapter keeps with it, in its own words.
    pub provider_state: Option<String>,
    /// The id of the attempt that counts.
    pub provider_request_id: ProviderRequestId,
    /// When the money is taken.
    pub capture_method: CaptureMethod,
    /// The merchant's words.
    pub details: Details,
    /// Why it came to nothing.
    pub failure: Option<Failure>,
    /// When the authorization ends.
    pub expires_at: Option<Timestamp>,
    /// When the money was taken.
    pub captured_at: Option<Timestamp>,
    /// The settlement that it is part of.
    pub settlement: Option<SettlementId>,
    /// When a success too many was last undone at the provider.
    pub reversed_at: Option<Timestamp>,
    /// Why a person has to look.
    pub review: Option<Review>,
    /// The operation whose outcome is not known. While there is one, every other is refused.
    pub open: Option<Operation>,
    /// A void asked for while the authorization is unknown; carried out after it (rule 1).
    pub remembered_void: Option<Operation>,
    /// How many operations it has had.
    pub operations: u32,
    /// How many events it has had (rule 15).
    pub events: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Payment {
    /// Until when the payment's own outcome should be known; `None` once it is.
    pub fn resolve_by(&self) -> Option<Timestamp> {
        match (&self.open, self.status) {
            (Some(open), PaymentStatus::Pending) => Some(open.resolve_by()),
            _ => None,
        }
    }

    /// What could still be refunded.
    pub fn refundable(&self) -> Money {
        self.captured
            .minus(self.refunded)
            .and_then(|rest| rest.minus(self.refund_reserved))
            .unwrap_or(Money::zero(self.amount.currency()))
    }
}

/// A payment that is about to be made: validated, authenticated, routed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPayment {
    /// Its id.
    pub id: PaymentId,
    /// Whose it is.
    pub merchant: MerchantId,
    /// How much; not zero.
    pub amount: Money,
    /// Who moves the money.
    pub provider: ProviderName,
    /// That provider's token of the payer.
    pub payment_method: String,
    /// Where that provider sends the payer back to.
    pub return_url: String,
    /// When the money is taken.
    pub capture_method: CaptureMethod,
    /// The merchant's words.
    pub details: Details,
}
