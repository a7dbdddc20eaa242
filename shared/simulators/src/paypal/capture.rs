//! `POST /v2/payments/authorizations/{id}/capture`, and what becomes of captures by themselves.

use serde_json::Value;

use super::{
    Call, PayPal,
    create::no_such,
    errors::ApiError,
    issues,
    kept::Outcome,
    order::Order,
    payments::{Authorization, Capture, Held, Refund, Returned, Taken},
    reading::{Body, LONGEST_ID},
    sources::Wallet,
};

/// How long pending captures take, and how soon a chargeback comes.
pub(super) const TURN_SECONDS: i64 = 3600;
/// How much may be captured of what was authorized.
const MOST_PERCENT: i128 = 115;

impl PayPal {
    pub(super) fn capture_authorization(&mut self, call: &Call, id: &str, body: &Body) -> Result<Outcome, ApiError> {
        let held = self.find_authorization(id)?;
        let root = self.root_of(&held);
        let asked = body.amount()?;
        let invoice = body.owned("/invoice_id", LONGEST_ID)?;
        let is_final = match &body.value["final_capture"] {
            Value::Null => false,
            Value::Bool(is_final) => *is_final,
            other => {
                return Err(ApiError::of(&issues::SYNTAX).field("/final_capture").value(&other.to_string()));
            }
        };
        match root.status {
            Held::Voided if root.expired => return Err(ApiError::of(&issues::EXPIRED)),
            Held::Voided => return Err(ApiError::of(&issues::VOIDED)),
            Held::Captured => return Err(ApiError::of(&issues::ALREADY_CAPTURED)),
            Held::Created | Held::PartiallyCaptured => {}
        }
        let amount = asked.unwrap_or_else(|| held.amount.of(held.amount.minor - root.captured));
        if amount.currency != held.amount.currency {
            return Err(ApiError::of(&issues::OTHER_CURRENCY_CAPTURED).field("/amount/currency_code"));
        }
        let most = i128::from(root.amount.minor) * MOST_PERCENT / 100;
        if i128::from(root.captured) + i128::from(amount.minor) > most {
            return Err(ApiError::of(&issues::CAPTURE_TOO_LARGE).field("/amount/value"));
        }
        if let Some(invoice) = invoice.as_deref().filter(|id| self.state.is_invoice_of_another(id, &held.order)) {
            return Err(ApiError::of(&issues::PAYMENT_INVOICE_USED).field("/invoice_id").value(invoice));
        }
        if held.wallet == Wallet::CaptureRefused {
            return Err(ApiError::of(&issues::PAYER_CANNOT_PAY).binding());
        }
        let mut order = self.find_order(&held.order)?;
        let capture = self.new_id();
        order.captures.push(capture.clone());
        order.updated = call.unix();
        let whole = new_capture(call, capture.clone(), &order, held.wallet);
        let invoice_id = invoice.or(whole.invoice_id);
        let taken = Capture { authorization: Some(held.id), amount, is_final, invoice_id, ..whole };
        self.state.put_order(order);
        if taken.status != Taken::Declined {
            self.count_capture(call, root, taken.amount.minor, is_final);
        }
        self.tell_of_capture(call, &taken);
        self.state.put_capture(taken);
        Ok(Outcome::Capture(capture))
    }

    /// The authorization that holds the money: this one, or the one that it renewed.
    pub(super) fn root_of(&self, held: &Authorization) -> Authorization {
        let parent = held.parent.as_deref().and_then(|id| self.state.authorizations.get(id));
        parent.unwrap_or(held).clone()
    }

    /// Notes what was captured of `root` more, or less.
    fn count_capture(&mut self, call: &Call, mut root: Authorization, more: i64, closes: bool) {
        root.captured += more;
        root.closed = (root.closed || closes) && root.captured > 0;
        root.status = root.status_by_captures();
        root.updated = call.unix();
        let child = root.renewed_by.as_deref().and_then(|id| self.state.authorizations.get(id)).cloned();
        if let Some(mut child) = child {
            child.status = root.status;
            child.updated = root.updated;
            self.state.put_authorization(child);
        }
        self.state.put_authorization(root);
    }

    pub(super) fn tell_of_capture(&mut self, call: &Call, taken: &Capture) {
        let kind = match taken.status {
            Taken::Pending => "PAYMENT.CAPTURE.PENDING",
            Taken::Completed => "PAYMENT.CAPTURE.COMPLETED",
            Taken::Declined => "PAYMENT.CAPTURE.DECLINED",
            Taken::Denied => "PAYMENT.CAPTURE.DENIED",
            Taken::Reversed => return self.tell_of_reversal(call, taken),
        };
        let resource = self.show(call).capture(taken);
        self.emit(call, kind, &taken.order, &taken.amount, &resource);
    }

    /// PayPal tells of a reversal as of a refund that nobody asked for.
    fn tell_of_reversal(&mut self, call: &Call, taken: &Capture) {
        let refund = Refund {
            id: self.new_id(),
            order: taken.order.clone(),
            capture: taken.id.clone(),
            created: call.unix(),
            updated: call.unix(),
            amount: taken.amount.of(taken.amount.minor - taken.refunded),
            status: Returned::Completed,
            custom_id: None,
            invoice_id: taken.invoice_id.clone(),
            note: Some("Payment reversed".to_owned()),
            total: taken.amount.minor,
            turn: None,
        };
        let resource = self.show(call).refund_of_event(&refund);
        self.emit(call, "PAYMENT.CAPTURE.REVERSED", &taken.order, &refund.amount, &resource);
    }

    /// A pending capture comes to its end, or a chargeback comes.
    pub(super) fn turn_capture(&mut self, call: &Call, mut taken: Capture) {
        let Some((_, status)) = taken.turn.take() else { return };
        taken.updated = call.unix();
        if status == Taken::Reversed && taken.refundable() == 0 {
            return self.state.put_capture(taken);
        }
        taken.status = status;
        self.tell_of_capture(call, &taken);
        let held = taken.authorization.as_deref().and_then(|id| self.state.authorizations.get(id)).cloned();
        if let Some(held) = held.filter(|_| status == Taken::Denied) {
            let root = self.root_of(&held);
            self.count_capture(call, root, -taken.amount.minor, false);
        }
        self.state.put_capture(taken);
    }

    pub(super) fn find_authorization(&self, id: &str) -> Result<Authorization, ApiError> {
        self.state.authorizations.get(id).cloned().ok_or_else(|| no_such("authorization_id", id))
    }

    pub(super) fn find_capture(&self, id: &str) -> Result<Capture, ApiError> {
        self.state.captures.get(id).cloned().ok_or_else(|| no_such("capture_id", id))
    }
}

/// All of an order's amount, taken from `wallet`.
pub(super) fn new_capture(call: &Call, id: String, order: &Order, wallet: Wallet) -> Capture {
    let later = |taken| Some((call.unix() + TURN_SECONDS, taken));
    let (status, turn) = match wallet {
        Wallet::CapturePending => (Taken::Pending, later(Taken::Completed)),
        Wallet::CaptureDenied => (Taken::Pending, later(Taken::Denied)),
        Wallet::CaptureDeclined => (Taken::Declined, None),
        Wallet::CaptureReversed => (Taken::Completed, later(Taken::Reversed)),
        _ => (Taken::Completed, None),
    };
    Capture {
        id,
        order: order.id.clone(),
        authorization: None,
        created: call.unix(),
        updated: call.unix(),
        amount: order.amount.clone(),
        status,
        wallet,
        is_final: true,
        custom_id: order.custom_id(),
        invoice_id: order.invoice_id(),
        refunded: 0,
        turn,
    }
}
