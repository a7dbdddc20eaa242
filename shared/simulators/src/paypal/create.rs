//! `POST /v2/checkout/orders`.

use serde_json::Value;

use super::{
    Call, PayPal,
    errors::ApiError,
    issues,
    kept::Outcome,
    money::Money,
    order::{Intent, Order, Status},
    reading::{Body, LONGEST_ID},
    sources::{Source, Wallet},
};

/// How long an order waits for its payer's approval, and an approved one for its payment.
pub(super) const ORDER_SECONDS: i64 = 6 * 3600;
/// The longest `reference_id`.
const LONGEST_REFERENCE: usize = 256;

impl PayPal {
    pub(super) fn create_order(&mut self, call: &mut Call, body: &Body) -> Result<Outcome, ApiError> {
        let mut order = self.read_order(call, body)?;
        match Source::read(&body.value, body.area)? {
            Source::Unsaid => {}
            Source::AnyPayer => {
                order.wallet = Some(Wallet::Plain);
                order.status = Status::PayerActionRequired;
            }
            Source::Vaulted(Wallet::NeedsApproval) => {
                order.wallet = Some(Wallet::NeedsApproval);
                order.status = Status::PayerActionRequired;
            }
            Source::Vaulted(wallet) => {
                self.check_invoice(&order)?;
                check_instrument(call, wallet)?;
                order.wallet = Some(wallet);
                self.take_payment(call, order.clone(), wallet);
                return Ok(Outcome::Order(order.id));
            }
        }
        let id = order.id.clone();
        self.state.put_order(order);
        Ok(Outcome::Order(id))
    }

    fn read_order(&self, call: &Call, body: &Body) -> Result<Order, ApiError> {
        let area = body.area;
        let missing = |field: &str| ApiError::of(&issues::missing(area)).field(field);
        let intent = match body.text("/intent", LONGEST_ID)? {
            Some("AUTHORIZE") => Intent::Authorize,
            Some("CAPTURE") => Intent::Capture,
            Some(other) => return Err(ApiError::of(&issues::invalid(area)).field("/intent").value(other)),
            None => return Err(missing("/intent")),
        };
        let units = body.value["purchase_units"].as_array().ok_or_else(|| missing("/purchase_units"))?;
        match (units.len(), intent) {
            (0, _) => return Err(ApiError::of(&issues::TOO_FEW).field("/purchase_units")),
            (1, _) => {}
            (_, Intent::Authorize) => return Err(ApiError::of(&issues::SEVERAL_UNITS).field("/purchase_units")),
            (_, Intent::Capture) => return Err(ApiError::of(&issues::NOT_SUPPORTED).field("/purchase_units")),
        }
        let field = "/purchase_units/0/amount";
        if units[0]["amount"].is_null() {
            return Err(missing(field));
        }
        let amount = Money::read(&units[0]["amount"], field, area)?;
        for (name, longest) in
            [("custom_id", LONGEST_ID), ("invoice_id", LONGEST_ID), ("reference_id", LONGEST_REFERENCE)]
        {
            body.text(&format!("/purchase_units/0/{name}"), longest)?;
        }
        let mut unit = units[0].clone();
        if unit["reference_id"].is_null() {
            unit["reference_id"] = "default".into();
        }
        unit["amount"]["value"] = amount.to_json()["value"].clone();
        let of_payer = |name: &str| -> Result<Option<String>, ApiError> {
            let old = body.url(&format!("/application_context/{name}"))?;
            Ok(body.url(&format!("/payment_source/paypal/experience_context/{name}"))?.or(old))
        };
        Ok(Order {
            id: self.new_id(),
            created: call.unix(),
            updated: call.unix(),
            intent,
            status: Status::Created,
            amount,
            unit,
            return_url: of_payer("return_url")?,
            cancel_url: of_payer("cancel_url")?,
            wallet: None,
            expires: Some(call.unix() + ORDER_SECONDS),
            request_id: call.request_id.clone(),
            authorizations: Vec::new(),
            captures: Vec::new(),
        })
    }

    /// An invoice is paid once.
    pub(super) fn check_invoice(&self, order: &Order) -> Result<(), ApiError> {
        match order.invoice_id() {
            Some(invoice) if self.state.is_invoice_of_another(&invoice, &order.id) => {
                Err(ApiError::of(&issues::ORDER_INVOICE_USED).field("/purchase_units/0/invoice_id").value(&invoice))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn show_order(&self, call: &Call, id: &str) -> Result<Value, ApiError> {
        Ok(self.show(call).order(&self.find_order(id)?, true))
    }

    pub(super) fn find_order(&self, id: &str) -> Result<Order, ApiError> {
        self.state.orders.get(id).cloned().ok_or_else(|| no_such("order_id", id))
    }
}

/// Refuses what the payer's instrument refuses.
pub(super) fn check_instrument(call: &mut Call, wallet: Wallet) -> Result<(), ApiError> {
    if call.interference.take(crate::Interference::Decline) || wallet == Wallet::Declined {
        return Err(ApiError::of(&issues::DECLINED).binding());
    }
    Ok(())
}

/// There is nothing with this id.
pub(super) fn no_such(field: &str, id: &str) -> ApiError {
    ApiError::of(&issues::NO_SUCH_RESOURCE).field(field).value(id)
}
