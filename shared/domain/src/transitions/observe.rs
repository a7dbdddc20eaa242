//! What follows from seeing the transaction at the provider: from a look-up, an answer, or an event, which can be
//! late, repeated or out of order and never moves a payment backwards (rule 17).

use super::Attempt;
use crate::{
    Change, Failure, Money, Operation, OperationKind, Payment, PaymentStatus, ProviderName, ReviewReason, Timestamp,
    TransactionState, TransactionView,
};

/// What a view of the transaction means for the payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observation {
    /// The payment follows.
    Change(Box<Change>),
    /// The payment knows, or the view is older than what it knows.
    Nothing {
        /// The provider's present word contradicts ours and nothing can follow by itself: to be counted and looked at.
        contradiction: bool,
    },
    /// It will lead to an operation, and another one is open: to be seen again later, and not to be taken as seen.
    Later,
    /// The view contradicts what is known and may be old: ask the provider how it stands now.
    AskProvider,
}

const NOTHING: Observation = Observation::Nothing { contradiction: false };

impl Payment {
    /// What follows from `view`. `fresh`: the provider was asked just now; otherwise it is a hint that may be old.
    /// `next` is used if it leads to another call.
    pub fn observed(&self, view: &TransactionView, fresh: bool, next: Attempt, now: Timestamp) -> Observation {
        match self.followed(view, fresh, next, now) {
            Observation::Change(mut change) => {
                let of_the_one_that_counts =
                    change.payment.provider_transaction_id.as_ref() == Some(&view.transaction_id);
                let ends = change.transitions.iter().any(|step| step.to.is_without_money());
                if let Some(kept) = view.kept.as_ref().filter(|_| of_the_one_that_counts && !ends) {
                    change.payment.provider_state = Some(kept.clone());
                }
                Observation::Change(change)
            }
            other => other,
        }
    }

    fn followed(&self, view: &TransactionView, fresh: bool, next: Attempt, now: Timestamp) -> Observation {
        if !self.is_shown_by(view) {
            return contradiction_if(fresh);
        }
        let of_another = self.provider_transaction_id.as_ref().is_some_and(|known| *known != view.transaction_id);
        if let Some(open) = &self.open {
            let about_open = match open.kind {
                OperationKind::Reversal => open.transaction_id.as_ref() == Some(&view.transaction_id),
                _ => !of_another,
            };
            if about_open {
                return self.open_observed(open, view, fresh, next, now);
            }
            // One operation at a time: what this leads to has to wait for the one that is open.
            let without = Self { open: None, ..self.clone() };
            return match without.observed(view, fresh, next, now) {
                Observation::Change(_) => Observation::Later,
                other => other,
            };
        }
        match self.status {
            // A success of a transaction that does not count is one too many, whatever became of the payment.
            _ if of_another => self.over_observed(self.provider, view, fresh, next, now),
            PaymentStatus::Authorized => self.authorized_observed(view, fresh, now),
            PaymentStatus::Failed | PaymentStatus::Voided => self.over_observed(self.provider, view, fresh, next, now),
            _ => match view.state {
                TransactionState::Voided | TransactionState::Declined(_) => contradiction_if(fresh),
                _ => NOTHING,
            },
        }
    }

    /// Whether the view can be of this payment at all: the amounts must be its own.
    pub(super) fn is_shown_by(&self, view: &TransactionView) -> bool {
        let within = |amount: Money| amount.exceeds(self.amount) == Ok(false);
        view.amount == self.amount
            && match &view.state {
                TransactionState::Captured { amount, refunded } => {
                    within(*amount) && refunded.exceeds(*amount) == Ok(false)
                }
                _ => true,
            }
    }

    pub(super) fn open_observed(
        &self,
        open: &Operation,
        view: &TransactionView,
        fresh: bool,
        next: Attempt,
        now: Timestamp,
    ) -> Observation {
        match open.kind {
            OperationKind::Authorize => self.authorization_observed(open, view, fresh, next, now),
            OperationKind::Capture => match &view.state {
                TransactionState::Captured { amount, .. } => change(self.captured(*amount, now)),
                TransactionState::Voided if fresh => {
                    let failure = Failure::new("authorization_gone", "The provider no longer holds the money");
                    change(self.capture_refused(&failure, true, next, now))
                }
                TransactionState::Voided | TransactionState::Declined(_) => contradiction_if(fresh),
                _ => NOTHING,
            },
            OperationKind::Void => match &view.state {
                TransactionState::Voided => change(self.voided(now)),
                TransactionState::Captured { amount, .. } if fresh => change(self.captured(*amount, now)),
                TransactionState::Captured { .. } | TransactionState::Declined(_) => contradiction_if(fresh),
                _ => NOTHING,
            },
            OperationKind::Reversal => match &view.state {
                TransactionState::Voided => change(self.reversed(now)),
                TransactionState::Captured { amount, refunded } if amount == refunded => change(self.reversed(now)),
                _ => NOTHING,
            },
            OperationKind::Refund => NOTHING,
        }
    }

    fn authorization_observed(
        &self,
        open: &Operation,
        view: &TransactionView,
        fresh: bool,
        next: Attempt,
        now: Timestamp,
    ) -> Observation {
        match &view.state {
            TransactionState::Authorized { expires_at } => {
                change(self.authorized(&view.transaction_id, *expires_at, None, next, now))
            }
            TransactionState::Captured { amount, .. } => {
                change(self.authorized(&view.transaction_id, None, Some(*amount), next, now))
            }
            TransactionState::AwaitingPayer { url, until } => match &open.payer {
                Some(turn) if turn.url == *url => NOTHING,
                _ => change(self.payer_must_act(&view.transaction_id, url, *until, now)),
            },
            // Whoever holds the right to send goes on by itself. Nobody does while the payer is waited for, or once the step that
            // follows an approval was cut off: the merchant, who was answered long ago, will not ask for it again.
            TransactionState::Approved { progress }
                if open.payer.is_some()
                    || (fresh && open.is_nobodys(now) && open.progress.as_ref() == Some(progress)) =>
            {
                change(self.approved(open, &view.transaction_id, progress, next, now))
            }
            TransactionState::Processing | TransactionState::Approved { .. } => NOTHING,
            // A no can be old: the payer may have succeeded since.
            TransactionState::Declined(_) | TransactionState::Voided if !fresh => Observation::AskProvider,
            TransactionState::Declined(_) | TransactionState::Voided if open.payers_turn_is_over(now) => {
                let failure = if self.remembered_void.is_some() {
                    Failure::new("voided", "The payment was voided before the payer had approved it")
                } else {
                    Failure::new("approval_expired", "The payer did not approve the payment in time")
                };
                change(self.authorization_failed(Some(&view.transaction_id), &failure, now))
            }
            TransactionState::Declined(failure) => {
                change(self.authorization_failed(Some(&view.transaction_id), failure, now))
            }
            TransactionState::Voided => {
                let failure = Failure::new("canceled_at_provider", "The payment was cancelled at the provider");
                change(self.authorization_failed(Some(&view.transaction_id), &failure, now))
            }
        }
    }

    /// Held, and nothing asked: somebody at the provider captured or released it, or it expired there.
    fn authorized_observed(&self, view: &TransactionView, fresh: bool, now: Timestamp) -> Observation {
        match &view.state {
            TransactionState::Captured { amount, .. } => change(self.captured(*amount, now)),
            TransactionState::Voided if fresh => change(self.voided(now)),
            TransactionState::Voided | TransactionState::Declined(_) => contradiction_if(fresh),
            TransactionState::Authorized { expires_at: Some(at) } if self.expires_at != Some(*at) => {
                change(self.expiry_learned(*at, now))
            }
            _ => NOTHING,
        }
    }

    /// The payment is over: a success is late, and undone (rule 8).
    pub(super) fn over_observed(
        &self,
        provider: ProviderName,
        view: &TransactionView,
        fresh: bool,
        next: Attempt,
        now: Timestamp,
    ) -> Observation {
        let taken = match &view.state {
            TransactionState::Authorized { .. } => None,
            TransactionState::Captured { amount, refunded } if amount != refunded => {
                Some(still_taken(*amount, *refunded))
            }
            _ => return NOTHING,
        };
        if !fresh {
            return Observation::AskProvider;
        }
        if self.reversal_came_back(now) {
            return self.needs_review(ReviewReason::ProviderDiffers, now).map_or(contradiction_if(fresh), change);
        }
        change(self.late_success(provider, &view.transaction_id, taken, next, now))
    }
}

fn change(change: Change) -> Observation {
    Observation::Change(Box::new(change))
}

fn still_taken(amount: Money, refunded: Money) -> Money {
    amount.minus(refunded).unwrap_or(amount)
}

pub(super) fn contradiction_if(fresh: bool) -> Observation {
    if fresh { Observation::Nothing { contradiction: true } } else { Observation::AskProvider }
}
