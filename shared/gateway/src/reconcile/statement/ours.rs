//! What we have under a mark: reads by key, each within a bound.

use std::{future::Future, time::Duration};

use tollgate_domain::{OperationKind, Payment, PaymentId, ProviderName, RefundId};

use super::{Ours, StatementCheck, mark::Mark};
use crate::{bounded::within, ports::StoreError};

/// One read.
const STORE_TIMEOUT: Duration = Duration::from_secs(5);

/// What we have, and of which payment.
pub(super) struct Found {
    pub(super) payment: Option<PaymentId>,
    pub(super) ours: Ours,
}

impl StatementCheck {
    /// Looks it up.
    pub(super) async fn find(&self, mark: Mark) -> Result<Found, StoreError> {
        let (id, refund) = match mark {
            Mark::Payment(id) | Mark::Reversal(id) => (id, None),
            Mark::Refund(id) => match self.refund(id).await? {
                Some(refund) => (refund.payment_id, Some(refund)),
                None => return Ok(Found { payment: None, ours: Ours::Nothing }),
            },
        };
        let Some(payment) = self.within_time(self.payments.payment(id)).await? else {
            return Ok(Found { payment: None, ours: Ours::Nothing });
        };
        let ours = if payment.provider != ProviderName::Bank {
            Ours::Elsewhere(payment.provider)
        } else if let Some(refund) = refund {
            Ours::Refund { status: refund.status, amount: refund.amount }
        } else if matches!(mark, Mark::Reversal(_)) {
            self.reversal(&payment).await?
        } else {
            of_payment(&payment)
        };
        Ok(Found { payment: Some(id), ours })
    }

    async fn refund(&self, id: RefundId) -> Result<Option<tollgate_domain::Refund>, StoreError> {
        self.within_time(self.timelines.refund(id)).await
    }

    /// How much went back stands with the operations that gave it back. A payment that never had one has no reversal.
    async fn reversal(&self, payment: &Payment) -> Result<Ours, StoreError> {
        let mut amounts = Vec::new();
        for number in 1..=payment.operations {
            let operation = self.within_time(self.payments.operation(payment.id, number)).await?;
            let reversal = operation.filter(|operation| operation.kind == OperationKind::Reversal);
            amounts.extend(reversal.map(|operation| operation.amount));
        }
        if amounts.is_empty() {
            return Ok(Ours::Nothing);
        }
        Ok(Ours::Reversal { is_done: payment.reversed_at.is_some(), amounts })
    }

    async fn within_time<T>(&self, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let late = || Err(StoreError::Unavailable("no answer in time".to_owned()));
        within(self.time.as_ref(), STORE_TIMEOUT, work).await.unwrap_or_else(late)
    }
}

fn of_payment(payment: &Payment) -> Ours {
    Ours::Payment {
        status: payment.status,
        amount: if payment.captured.is_zero() { payment.amount } else { payment.captured },
        open: payment.open.as_ref().map(|open| open.kind),
        is_undone: payment.reversed_at.is_some(),
    }
}
