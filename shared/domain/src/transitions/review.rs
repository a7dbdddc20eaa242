//! What time brings about: an authorization or a payer's turn that ended, and payments that a person has to look at.

use super::Attempt;
use crate::{
    Change, Discrepancy, EventKind, Lease, NotResolved, OperationKind, Payment, PaymentStatus, Review, ReviewReason,
    Timestamp, What, change::Draft,
};

/// What stands between a review's reason and what is known of it.
const KNOWN: &str = ": ";

impl Payment {
    /// The hold is past its end: opens the void that releases it at the provider. `None`: it is not, or something else
    /// is open.
    pub fn expire(&self, next: Attempt, now: Timestamp) -> Option<Change> {
        let past = self.expires_at.is_some_and(|expires_at| expires_at <= now);
        if self.status != PaymentStatus::Authorized || self.open.is_some() || !past {
            return None;
        }
        let void = self.next_operation(OperationKind::Void, self.amount, next, now);
        Some(self.intent(What::AuthorizationExpired, void, now))
    }

    /// The payer's turn is past its end: takes the attempt, so that it can be cancelled at the provider before anybody
    /// calls it failed (rule 7). `None`: no payer is waited for any longer.
    pub fn expire_approval(&self, lease: Lease, now: Timestamp) -> Option<Change> {
        let mut open = self.open.clone()?;
        if !open.payers_turn_is_over(now) {
            return None;
        }
        let mut draft = Draft::of(self, What::ApprovalExpired, open.number, now);
        open.lease_to(lease);
        draft.open(open);
        Some(draft.done())
    }

    /// A person has to look, and the merchant is told. `None`: they know already.
    pub fn needs_review(&self, reason: ReviewReason, now: Timestamp) -> Option<Change> {
        if self.review.is_some() {
            return None;
        }
        let mut draft = Draft::of(self, What::NeedsReview, self.open_number(), now);
        draft.detail(reason.as_str());
        draft.payment().review = Some(Review { reason, since: now });
        draft.tell(EventKind::PaymentNeedsReview);
        Some(draft.done())
    }

    /// The provider differs: a person has to look, and `words` say in what ([`Discrepancy::told`]). `None`: they know already.
    pub fn differs(&self, words: &str, now: Timestamp) -> Option<Change> {
        let mut change = self.needs_review(ReviewReason::ProviderDiffers, now)?;
        change.detail = Some(format!("{}{KNOWN}{words}", ReviewReason::ProviderDiffers.as_str()));
        Some(change)
    }

    /// In what the provider differed, by the detail of the change that asked a person to look.
    pub fn difference_of(detail: &str) -> Option<&str> {
        detail.strip_prefix(ReviewReason::ProviderDiffers.as_str())?.strip_prefix(KNOWN)
    }

    /// A person has looked at what differs and leaves it as it is: for as long as both say the same, nobody is asked again. It moves
    /// no money; `why` is for the timeline.
    ///
    /// `difference`: in what the provider differed. `pays_out`: he knows that the next settlement pays out what is captured here,
    /// whatever the provider has.
    pub fn resolve_by_hand(
        &self,
        difference: Option<&str>,
        pays_out: bool,
        why: &str,
        now: Timestamp,
    ) -> Result<Change, NotResolved> {
        let review = self.review.ok_or(NotResolved::NothingWaits)?;
        if self.open.is_some() || review.reason == ReviewReason::Unresolved {
            return Err(NotResolved::OutcomeUnknown);
        }
        if self.status.is_without_money() {
            return Err(NotResolved::GivenBackByItself);
        }
        if difference.and_then(Discrepancy::of_words) == Some(Discrepancy::NotOurs) {
            return Err(NotResolved::NotOurs);
        }
        if self.status == PaymentStatus::Captured && !pays_out {
            return Err(NotResolved::WouldBePaidOut);
        }
        let mut change = self.review_over(review.reason, now).ok_or(NotResolved::NothingWaits)?;
        change.detail = Some(format!("{}{KNOWN}{why}", review.reason.as_str()));
        Ok(change)
    }

    /// What a person had to look at is over. `None`: nothing was.
    pub fn review_over(&self, reason: ReviewReason, now: Timestamp) -> Option<Change> {
        self.review.filter(|review| review.reason == reason)?;
        let mut draft = Draft::of(self, What::ReviewOver, self.open_number(), now);
        draft.detail(reason.as_str());
        draft.payment().review = None;
        Some(draft.done())
    }
}
