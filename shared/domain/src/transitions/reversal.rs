//! Late successes: a payment that was over turns out to have succeeded at the provider. It is undone there (rule 8).

use std::time::Duration;

use super::Attempt;
use crate::{
    Account, Change, Failure, Money, OperationKind, OperationState, Payment, ProviderName, Timestamp, What,
    change::Draft,
};

/// A reversal that came back is made again after this.
const REVERSE_AGAIN_AFTER: Duration = Duration::from_secs(24 * 3600);

impl Payment {
    /// A success after `FAILED` or `VOIDED`, or at a provider that the payment was moved away from: opens the operation that
    /// undoes it. `taken` is what the provider took.
    pub(super) fn late_success(
        &self,
        provider: ProviderName,
        transaction_id: &str,
        taken: Option<Money>,
        next: Attempt,
        now: Timestamp,
    ) -> Change {
        let amount = taken.unwrap_or(self.amount);
        let mut reversal = self.next_operation(OperationKind::Reversal, amount, next, now);
        reversal.provider = provider;
        reversal.transaction_id = Some(transaction_id.to_owned());
        let mut draft = Draft::of(self, What::LateSuccess, reversal.number, now);
        let payment = draft.payment();
        payment.operations = reversal.number;
        if provider == self.provider {
            payment.provider_transaction_id.get_or_insert_with(|| transaction_id.to_owned());
        }
        if let Some(taken) = taken {
            // What the ledger owes back until the reversal is done.
            reversal.in_suspense = true;
            draft.postings().transfer(Account::Receivable(provider), Account::Suspense, taken);
        }
        draft.open(reversal);
        draft.done()
    }

    /// The late success is undone at the provider.
    pub(super) fn reversed(&self, now: Timestamp) -> Change {
        let mut draft = Draft::of(self, What::Reversed, self.open_number(), now);
        if let Some(open) = self.open.as_ref().filter(|open| open.in_suspense) {
            draft.postings().transfer(Account::Suspense, Account::Receivable(open.provider), open.amount);
        }
        draft.close(OperationState::Succeeded, None);
        draft.payment().reversed_at = Some(now);
        draft.done()
    }

    /// What was undone is there again: a refund that failed, say. It is undone again a day later; doing it over and over
    /// would help nobody, and a person is asked to look.
    pub(super) fn reversal_came_back(&self, now: Timestamp) -> bool {
        self.reversed_at.is_some_and(|at| now < at + REVERSE_AGAIN_AFTER)
    }

    /// The provider refused: the operation stays open, so that it is tried again and alerts after an hour. The refusal is
    /// final for the id that it was asked with, so the next try has one of its own.
    pub(super) fn reversal_refused(&self, failure: &Failure, next: Attempt, now: Timestamp) -> Change {
        let mut draft = Draft::of(self, What::ReversalRefused, self.open_number(), now);
        draft.detail(&failure.code);
        if let Some(mut open) = draft.payment().open.take() {
            open.lease = None;
            open.request_id = next.request_id;
            open.failure = Some(failure.clone());
            draft.open(open);
        }
        draft.done()
    }
}
