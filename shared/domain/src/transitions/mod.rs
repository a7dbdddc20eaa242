//! The state machine of a payment, one file per kind of operation. Every function takes the payment as it is and
//! returns the change that follows, or nothing where nothing follows.

mod authorize;
mod capture;
mod command;
mod fail_over;
mod observe;
mod refund;
mod reversal;
mod review;
mod settle;
mod void;

#[cfg(test)]
mod life;
#[cfg(test)]
mod properties;
#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod scenarios;

pub use observe::Observation;
pub use settle::NotSettled;

use crate::{
    Answer, Change, Lease, Money, Operation, OperationKind, OperationState, Payment, ProviderRequestId, Timestamp,
    What, change::Draft,
};

/// Fresh material for a call that a change may lead to: the id that it will carry and the right to send it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// The id that the call carries.
    pub request_id: ProviderRequestId,
    /// The right to send it.
    pub lease: Lease,
}

impl Payment {
    /// What follows from the provider's `answer` to the open operation `number`. `None`: that operation is closed
    /// already (an event was faster), or it says nothing new of a refund, so there is nothing left to decide.
    ///
    /// `next` is used if the answer leads to another call: the capture of an automatic payment, a remembered void.
    pub fn answered(&self, number: u32, answer: &Answer, next: Attempt, now: Timestamp) -> Option<Change> {
        let open = self.open.as_ref().filter(|open| open.number == number)?;
        match answer {
            Answer::Unknown { reason } => Some(self.let_go(What::OutcomeUnknown, open, reason, now)),
            Answer::NotReached { reason, .. } => Some(self.let_go(What::NotReached, open, reason, now)),
            Answer::Advanced { progress } => Some(self.advanced(open, progress, next, now)),
            Answer::Refused { failure, authorization_gone } => match open.kind {
                OperationKind::Authorize => Some(self.authorization_failed(None, failure, now)),
                OperationKind::Capture => Some(self.capture_refused(failure, *authorization_gone, next, now)),
                OperationKind::Void => Some(self.void_refused(failure, *authorization_gone, now)),
                OperationKind::Refund => self.refund_refused(open.refund.as_deref()?, failure, now),
                OperationKind::Reversal => Some(self.reversal_refused(failure, next, now)),
            },
            Answer::Shows(view) => Some(match self.observed(view, true, next, now) {
                Observation::Change(change) => *change,
                // The provider answered, and yet shows that nothing was done: not known until it shows otherwise.
                Observation::Nothing { .. } | Observation::AskProvider | Observation::Later => {
                    self.let_go(What::OutcomeUnknown, open, "the provider shows it as not done", now)
                }
            }),
            Answer::ShowsRefund(view) => {
                let refund = open.refund.as_deref()?;
                self.refund_moved(refund, view, now)
            }
        }
    }

    /// The call ended without an outcome: nobody holds the right to send any more.
    fn let_go(&self, what: What, open: &Operation, reason: &str, now: Timestamp) -> Change {
        let mut draft = Draft::of(self, what, open.number, now);
        draft.detail(reason);
        let mut operation = open.clone();
        operation.lease = None;
        draft.open(operation);
        draft.done()
    }

    /// A step is done and must be committed before the next is sent, under a fresh lease.
    fn advanced(&self, open: &Operation, progress: &str, next: Attempt, now: Timestamp) -> Change {
        let mut draft = Draft::of(self, What::StepDone, open.number, now);
        let mut operation = open.clone();
        operation.progress = Some(progress.to_owned());
        operation.lease_to(next.lease);
        draft.open(operation);
        draft.done()
    }

    /// The payer has approved: the next step is ours, under a fresh lease (rule 7).
    fn approved(
        &self,
        open: &Operation,
        transaction_id: &str,
        progress: &str,
        next: Attempt,
        now: Timestamp,
    ) -> Change {
        let mut draft = Draft::of(self, What::PayerApproved, open.number, now);
        draft.payment().provider_transaction_id = Some(transaction_id.to_owned());
        let mut operation = open.clone();
        operation.transaction_id = Some(transaction_id.to_owned());
        operation.progress = Some(progress.to_owned());
        operation.payer = None;
        operation.lease_to(next.lease);
        draft.open(operation);
        draft.done()
    }

    /// An operation that comes next, numbered and leased.
    fn next_operation(&self, kind: OperationKind, amount: Money, next: Attempt, now: Timestamp) -> Operation {
        Operation {
            number: self.operations + 1,
            kind,
            provider: self.provider,
            amount,
            request_id: next.request_id,
            state: OperationState::Open,
            lease: Some(next.lease),
            last_call_until: Some(next.lease.call_until),
            transaction_id: self.provider_transaction_id.clone(),
            progress: None,
            in_suspense: false,
            payer: None,
            payment_method: None,
            return_url: None,
            key: None,
            refund: None,
            failure: None,
            opened_at: now,
            closed_at: None,
        }
    }
}
