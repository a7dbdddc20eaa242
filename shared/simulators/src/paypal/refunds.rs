//! `POST /v2/payments/captures/{id}/refund`, and what becomes of slow refunds.

use super::{
    Call, PayPal,
    capture::TURN_SECONDS,
    create::no_such,
    errors::ApiError,
    issues::{self, Issue},
    kept::Outcome,
    payments::{Capture, Refund, Returned, Taken},
    reading::{Body, LONGEST_ID},
    sources::Wallet,
};

/// Captures can be refunded for that long.
const REFUNDABLE_SECONDS: i64 = 180 * 24 * 3600;
/// The longest `note_to_payer`.
const LONGEST_NOTE: usize = 255;

impl PayPal {
    pub(super) fn refund_capture(&mut self, call: &Call, id: &str, body: &Body) -> Result<Outcome, ApiError> {
        let mut capture = self.find_capture(id)?;
        let asked = body.amount()?;
        let custom_id = body.owned("/custom_id", LONGEST_ID)?;
        let invoice_id = body.owned("/invoice_id", LONGEST_ID)?;
        let note = body.owned("/note_to_payer", LONGEST_NOTE)?;
        check_refundable(call, &capture)?;
        let amount = asked.unwrap_or_else(|| capture.amount.of(capture.refundable()));
        if amount.currency != capture.amount.currency {
            return Err(ApiError::of(&issues::OTHER_CURRENCY_REFUNDED).field("/amount/currency_code"));
        }
        if amount.minor > capture.refundable() {
            return Err(ApiError::of(&issues::REFUND_TOO_LARGE).field("/amount/value"));
        }
        if let Some(invoice) = invoice_id.as_deref().filter(|id| self.state.is_refund_invoice(id)) {
            return Err(ApiError::of(&issues::REFUND_INVOICE_USED).field("/invoice_id").value(invoice));
        }
        capture.refunded += amount.minor;
        capture.updated = call.unix();
        let later = |returned| Some((call.unix() + TURN_SECONDS, returned));
        let (status, turn) = match capture.wallet {
            Wallet::RefundPending => (Returned::Pending, later(Returned::Completed)),
            Wallet::RefundFailed => (Returned::Pending, later(Returned::Failed)),
            _ => (Returned::Completed, None),
        };
        let refund = Refund {
            id: self.new_id(),
            order: capture.order.clone(),
            capture: capture.id.clone(),
            created: call.unix(),
            updated: call.unix(),
            amount,
            status,
            custom_id,
            invoice_id,
            note,
            total: capture.refunded,
            turn,
        };
        let id = refund.id.clone();
        self.state.put_capture(capture);
        self.tell_of_refund(call, &refund);
        self.state.put_refund(refund);
        Ok(Outcome::Refund(id))
    }

    /// PayPal tells of refunds that are complete; of others nothing.
    fn tell_of_refund(&mut self, call: &Call, refund: &Refund) {
        if refund.status == Returned::Completed {
            let resource = self.show(call).refund_of_event(refund);
            self.emit(call, "PAYMENT.CAPTURE.REFUNDED", &refund.order, &refund.amount, &resource);
        }
    }

    /// A slow refund comes to its end.
    pub(super) fn turn_refund(&mut self, call: &Call, mut refund: Refund) {
        let Some((_, status)) = refund.turn.take() else { return };
        refund.status = status;
        refund.updated = call.unix();
        if status == Returned::Failed
            && let Some(mut capture) = self.state.captures.get(&refund.capture).cloned()
        {
            capture.refunded -= refund.amount.minor;
            capture.updated = call.unix();
            self.state.put_capture(capture);
        }
        self.tell_of_refund(call, &refund);
        self.state.put_refund(refund);
    }

    pub(super) fn find_refund(&self, id: &str) -> Result<Refund, ApiError> {
        self.state.refunds.get(id).cloned().ok_or_else(|| no_such("refund_id", id))
    }
}

fn check_refundable(call: &Call, capture: &Capture) -> Result<(), ApiError> {
    let refuse = |issue: &Issue| Err(ApiError::of(issue));
    match capture.status {
        Taken::Pending => refuse(&issues::CAPTURE_PENDING),
        Taken::Declined | Taken::Denied => refuse(&issues::REFUND_NOT_ALLOWED),
        Taken::Reversed => refuse(&issues::CHARGED_BACK),
        Taken::Completed if capture.refundable() == 0 => refuse(&issues::FULLY_REFUNDED),
        Taken::Completed if call.unix() >= capture.created + REFUNDABLE_SECONDS => refuse(&issues::REFUND_TOO_LATE),
        Taken::Completed => Ok(()),
    }
}
