//! What a use-case on a payment ends with.

use std::time::Duration;

use tollgate_domain::{CaptureMethod, Operation, OperationKind, OperationState, Payment, RefundId};

use crate::Error;

/// The payment as it now is, and how sure that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// The payment.
    pub payment: Payment,
    /// `false`: the outcome of what was asked is not known yet, or the payer must act.
    pub known: bool,
    /// The key had been used for this request before.
    pub replayed: bool,
    /// The refund that was asked for.
    pub refund: Option<RefundId>,
}

impl Done {
    /// What the merchant gets once `operation` is as it is. `not_reached`: the provider was not reached just now.
    pub(crate) fn of(payment: Payment, operation: &Operation, not_reached: Option<NotReached>) -> Result<Self, Error> {
        match (operation.state, not_reached) {
            // A declined payment is a result; a refused capture or void is not (rule 6).
            (OperationState::Refused, _) if operation.kind != OperationKind::Authorize => {
                Err(operation.failure.clone().map_or(Error::Internal, Error::ProviderRefused))
            }
            (OperationState::Open, Some(NotReached { retry_after })) => Err(Error::ProviderUnavailable { retry_after }),
            (state, _) => {
                let refund = operation.refund.as_ref().map(|refund| refund.id);
                let known = state.is_closed() && follow_up(&payment, operation).is_none();
                Ok(Self { payment, known, replayed: false, refund })
            }
        }
    }

    pub(crate) fn replayed(self) -> Self {
        Self { replayed: true, ..self }
    }
}

/// What `payment` has open because it is automatic: its capture, or the void of one whose capture was refused. It is a part of
/// what creating it asked for, so long as `operation` is that.
pub(crate) fn follow_up<'a>(payment: &'a Payment, operation: &Operation) -> Option<&'a Operation> {
    let is_its_own =
        |open: &&Operation| matches!(open.kind, OperationKind::Capture | OperationKind::Void) && open.key.is_none();
    let asked_for = operation.kind == OperationKind::Authorize && payment.capture_method == CaptureMethod::Automatic;
    payment.open.as_ref().filter(|_| asked_for && operation.state.is_closed()).filter(is_its_own)
}

/// The provider was not reached: nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotReached {
    /// How long it asks to wait.
    pub(crate) retry_after: Option<Duration>,
}
