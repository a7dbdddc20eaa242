//! What else is done to an authorization: `POST …/reauthorize`, `POST …/void`, and its end.

use super::{
    Call, PayPal,
    errors::ApiError,
    issues::{self, Issue},
    kept::Outcome,
    payments::{Authorization, Held},
    reading::Body,
};

/// The honor period: PayPal holds the money for that long for certain. Then an authorization can be renewed.
const HONOR_SECONDS: i64 = 3 * 24 * 3600;
/// How much a reauthorization may be of what was authorized.
const MOST_PERCENT: i128 = 115;

impl PayPal {
    pub(super) fn reauthorize(&mut self, call: &Call, id: &str, body: &Body) -> Result<Outcome, ApiError> {
        let mut held = self.find_authorization(id)?;
        let refuse = |issue: &Issue| Err(ApiError::of(issue));
        let amount = body.amount()?.unwrap_or_else(|| held.amount.clone());
        match held.status {
            Held::Voided => return refuse(&issues::VOIDED),
            Held::Captured | Held::PartiallyCaptured => return refuse(&issues::ALREADY_CAPTURED),
            Held::Created => {}
        }
        if held.parent.is_some() || held.renewed_by.is_some() {
            return refuse(&issues::NO_SECOND_REAUTHORIZATION);
        }
        if amount.currency != held.amount.currency {
            return Err(ApiError::of(&issues::OTHER_CURRENCY_REAUTHORIZED).field("/amount/currency_code"));
        }
        let too_soon = call.unix() < held.created + HONOR_SECONDS;
        let too_much = i128::from(amount.minor) > i128::from(held.amount.minor) * MOST_PERCENT / 100;
        if too_soon || too_much {
            return refuse(&issues::TRANSACTION_REFUSED);
        }
        let renewed = Authorization {
            id: self.new_id(),
            created: call.unix(),
            updated: call.unix(),
            amount,
            parent: Some(held.id.clone()),
            ..held.clone()
        };
        let id = renewed.id.clone();
        held.renewed_by = Some(id.clone());
        held.updated = call.unix();
        let mut order = self.find_order(&held.order)?;
        order.authorizations.push(id.clone());
        order.updated = call.unix();
        self.state.put_order(order);
        self.state.put_authorization(held);
        self.tell_of_authorization(call, "PAYMENT.AUTHORIZATION.CREATED", &renewed);
        self.state.put_authorization(renewed);
        Ok(Outcome::Authorization(id))
    }

    pub(super) fn void(&mut self, call: &Call, id: &str) -> Result<Authorization, ApiError> {
        let held = self.find_authorization(id)?;
        if held.parent.is_some() {
            return Err(ApiError::of(&issues::CANNOT_BE_VOIDED));
        }
        match held.status {
            Held::Voided => Err(ApiError::of(&issues::PREVIOUSLY_VOIDED)),
            Held::Captured => Err(ApiError::of(&issues::PREVIOUSLY_CAPTURED)),
            Held::Created | Held::PartiallyCaptured => Ok(self.release(call, held, false)),
        }
    }

    /// Lets go of what `held`, which renews no other, still holds.
    pub(super) fn release(&mut self, call: &Call, mut held: Authorization, expired: bool) -> Authorization {
        held.status = Held::Voided;
        held.expired = expired;
        held.updated = call.unix();
        let child = held.renewed_by.as_deref().and_then(|id| self.state.authorizations.get(id)).cloned();
        if let Some(mut child) = child {
            child.status = Held::Voided;
            child.expired = expired;
            child.updated = call.unix();
            self.state.put_authorization(child);
        }
        self.tell_of_authorization(call, "PAYMENT.AUTHORIZATION.VOIDED", &held);
        self.state.put_authorization(held.clone());
        held
    }
}
