//! Another provider is tried where the first was not reached (rule 9), and what turns up at the first all the same (rule 8).

use super::{Attempt, Observation, observe::contradiction_if};
use crate::{
    Change, Failure, OperationKind, OperationState, Payment, PaymentStatus, ProviderName, Timestamp, TransactionView,
    What, change::Draft,
};

impl Payment {
    /// Ends the open authorization, whose every call did not reach its provider, and opens one at `to`, with the payer's
    /// `token` there. `None`: it is not in that state. A step was done, the payer is asked, or somebody may still send it.
    ///
    /// The caller knows that no call of this attempt was ever left without an answer: nothing here can.
    pub fn fail_over(
        &self,
        to: ProviderName,
        token: String,
        why: &str,
        next: Attempt,
        now: Timestamp,
    ) -> Option<Change> {
        let untouched = |open: &&crate::Operation| {
            open.kind == OperationKind::Authorize
                && open.lease.is_none()
                && open.payer.is_none()
                && open.progress.is_none()
                && open.transaction_id.is_none()
        };
        let mut before = self.open.clone().filter(|open| untouched(&open))?;
        let nothing_else = self.status == PaymentStatus::Pending && self.remembered_void.is_none();
        if !nothing_else || before.provider == to {
            return None;
        }
        let mut operation = self.next_operation(OperationKind::Authorize, self.amount, next, now);
        operation.provider = to;
        operation.payment_method = Some(token);
        operation.return_url.clone_from(&before.return_url);
        // The key is bound to what counts now, for as long as that is open.
        operation.key = before.key.take();
        let failure = Failure::new("provider_not_reached", "The provider was not reached: nothing was charged there");
        before.close(OperationState::Dropped, Some(failure), now);
        let mut draft = Draft::of(self, What::FailedOver, operation.number, now);
        draft.detail(why);
        draft.write(before);
        let payment = draft.payment();
        payment.provider = to;
        payment.provider_state = None;
        payment.provider_request_id = operation.request_id;
        payment.operations = operation.number;
        draft.open(operation);
        Some(draft.done())
    }

    /// What follows from `view` of a transaction at `provider`, which this payment was moved away from: a success there is
    /// one too many, whatever became of the payment.
    pub fn observed_elsewhere(
        &self,
        provider: ProviderName,
        view: &TransactionView,
        fresh: bool,
        next: Attempt,
        now: Timestamp,
    ) -> Observation {
        if !self.is_shown_by(view) {
            return contradiction_if(fresh);
        }
        let Some(open) = &self.open else { return self.over_observed(provider, view, fresh, next, now) };
        if open.kind == OperationKind::Reversal
            && open.provider == provider
            && open.transaction_id.as_ref() == Some(&view.transaction_id)
        {
            return self.open_observed(open, view, fresh, next, now);
        }
        let without = Self { open: None, ..self.clone() };
        match without.over_observed(provider, view, fresh, next, now) {
            Observation::Change(_) => Observation::Later,
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Account, Answer, CaptureMethod, TransactionState,
        transitions::samples::{NOW, attempt, held, jpy, key, opened, shows, taken, view},
    };

    fn not_reached() -> Payment {
        let answer = Answer::NotReached { reason: "refused".to_owned(), retry_after: None };
        opened(CaptureMethod::Manual).answered(1, &answer, attempt(9, NOW), NOW).unwrap().payment
    }

    fn to_paypal(payment: &Payment) -> Option<Change> {
        payment.fail_over(ProviderName::Paypal, "vault-ok".to_owned(), "stripe is away", attempt(5, NOW), NOW)
    }

    fn elsewhere(payment: &Payment, state: TransactionState, fresh: bool) -> Observation {
        payment.observed_elsewhere(ProviderName::Stripe, &view(state), fresh, attempt(7, NOW), NOW)
    }

    fn changed(observation: Observation) -> Change {
        let Observation::Change(change) = observation else { panic!("{observation:?}") };
        *change
    }

    #[test]
    fn a_payment_whose_provider_was_not_reached_moves_whole_to_another() {
        let change = to_paypal(&not_reached()).unwrap();
        let (before, after) = (&change.operations[0], change.payment.open.as_ref().unwrap());
        assert_eq!((before.number, before.state, before.key), (1, OperationState::Dropped, None));
        assert_eq!((before.payment_method.as_ref(), before.lease), (None, None), "nothing of it can be sent again");
        assert_eq!((after.number, after.provider, after.key), (2, ProviderName::Paypal, Some(key(1))));
        assert_eq!(after.payment_method.as_deref(), Some("vault-ok"));
        assert_eq!(change.payment.provider, ProviderName::Paypal);
        assert_eq!(change.payment.provider_request_id, after.request_id, "the attempt that counts");
        assert_eq!((change.what, change.detail.as_deref()), (What::FailedOver, Some("stripe is away")));
        assert_eq!(change.payment.status, PaymentStatus::Pending);
    }

    #[test]
    fn unknown_a_call_under_way_a_step_that_was_done_and_a_payer_who_is_asked_never_fail_over() {
        let payment = opened(CaptureMethod::Manual);
        assert_eq!(to_paypal(&payment), None, "it may be under way");
        let page = TransactionState::AwaitingPayer { url: "https://b".to_owned(), until: None };
        assert_eq!(to_paypal(&shows(&payment, page).payment), None);
        let step = Answer::Advanced { progress: "order 1".to_owned() };
        let mut step = payment.answered(1, &step, attempt(9, NOW), NOW).unwrap().payment;
        step.open.as_mut().unwrap().lease = None;
        assert_eq!(to_paypal(&step), None);
        assert_eq!(to_paypal(&shows(&payment, held()).payment), None, "authorized");
        let voided = not_reached().request_void(attempt(3, NOW), key(3), NOW).unwrap().payment;
        assert_eq!(to_paypal(&voided), None, "a void is asked for");
        let again = not_reached();
        let same = again.fail_over(ProviderName::Stripe, "pm_card_visa".to_owned(), "", attempt(5, NOW), NOW);
        assert_eq!(same, None, "there it is");
    }

    #[test]
    fn a_success_at_the_provider_that_it_was_moved_away_from_is_reversed_there() {
        let moved = to_paypal(&not_reached()).unwrap().payment;
        assert_eq!(elsewhere(&moved, held(), true), Observation::Later, "one operation at a time");
        let mut order = view(held());
        order.transaction_id = "order 1".to_owned();
        let paid = moved.answered(2, &Answer::Shows(order), attempt(9, NOW), NOW).unwrap().payment;
        assert_eq!(elsewhere(&paid, taken(1000), false), Observation::AskProvider);
        let change = changed(elsewhere(&paid, taken(1000), true));
        let reversal = change.payment.open.clone().unwrap();
        assert_eq!((reversal.kind, reversal.provider), (OperationKind::Reversal, ProviderName::Stripe));
        assert_eq!(
            change.payment.provider_transaction_id.as_deref(),
            Some("order 1"),
            "PayPal's is the one that counts"
        );
        assert_eq!(change.payment.status, PaymentStatus::Authorized);
        let accounts: Vec<_> = change.postings.lines().iter().map(|posting| posting.account).collect();
        assert_eq!(accounts, [Account::Receivable(ProviderName::Stripe), Account::Suspense]);
        let all = TransactionState::Captured { amount: jpy(1000), refunded: jpy(1000) };
        let undone = changed(elsewhere(&change.payment, all, true));
        assert_eq!((undone.what, undone.payment.status), (What::Reversed, PaymentStatus::Authorized));
        assert!(
            undone.postings.lines().iter().any(|posting| posting.account == Account::Receivable(ProviderName::Stripe))
        );
    }

    #[test]
    fn what_never_happened_elsewhere_changes_nothing() {
        let moved = to_paypal(&not_reached()).unwrap().payment;
        for state in [TransactionState::Voided, TransactionState::Processing] {
            assert_eq!(elsewhere(&moved, state, true), Observation::Nothing { contradiction: false });
        }
    }
}
