//! What only a person can settle: marked on the payment, told to the merchant once, counted for on-call.

use crate::Timestamp;

/// Why a person has to look at a payment, since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Review {
    /// Why.
    pub reason: ReviewReason,
    /// Since when.
    pub since: Timestamp,
}

/// Why a person has to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReviewReason {
    /// An operation has no outcome though its `resolve_by` is past.
    Unresolved,
    /// The provider shows the money otherwise than we do, and nothing follows from it by itself. Held back from
    /// settlement.
    ProviderDiffers,
}

impl ReviewReason {
    /// Every reason.
    pub const ALL: [Self; 2] = [Self::Unresolved, Self::ProviderDiffers];

    /// The name in the timeline and in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unresolved => "unresolved",
            Self::ProviderDiffers => "provider_differs",
        }
    }
}

/// Why a person's word does not end what waits for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum NotResolved {
    /// Nothing waits for a person.
    #[error("it waits for nobody")]
    NothingWaits,
    /// An operation has no outcome yet: nobody's word but the provider's gives it one.
    #[error("an operation has no outcome yet")]
    OutcomeUnknown,
    /// It is over, and the provider has its money: that is given back by itself.
    #[error("it is over, and what the provider still has is given back by itself")]
    GivenBackByItself,
    /// Under its id the provider shows something that is not this payment's.
    #[error("what the provider shows is not this payment's")]
    NotOurs,
    /// It is captured, so the next settlement would pay it out, and nobody said that it should.
    #[error("the next settlement would pay it out as it is booked")]
    WouldBePaidOut,
}
