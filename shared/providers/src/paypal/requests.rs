//! What is sent to PayPal: each request from the payment and operation as committed, so that sending it again is sending the
//! same.

use std::time::Duration;

use serde_json::{Map, Value, json};
use tollgate_domain::{Money, Operation, Payment, PaymentId, Refund, RefundId, Timestamp};

use super::{amounts, api::Ask, view::is_id};

/// How much of a merchant's words PayPal takes.
const DESCRIPTION_MAX: usize = 127;

/// Why a request cannot be made: nothing is sent. For the log.
pub(super) type Unsendable = &'static str;

/// Makes the order, without saying who pays (rule 4: its id is committed before money can move).
pub(super) fn order(payment: &Payment, operation: &Operation) -> Result<Ask, Unsendable> {
    let id = payment.id.to_string();
    let mut unit = Map::new();
    unit.insert("custom_id".to_owned(), json!(id));
    // PayPal refuses a second capture under one invoice: one more guard.
    unit.insert("invoice_id".to_owned(), json!(id));
    unit.insert("amount".to_owned(), amount(operation.amount)?);
    if let Some(description) = &payment.details.description {
        let short: String = description.chars().take(DESCRIPTION_MAX).collect();
        unit.insert("description".to_owned(), json!(short));
    }
    let mut body = json!({"intent": "AUTHORIZE", "purchase_units": [unit]});
    if let Some(url) = &operation.return_url {
        body["application_context"] = json!({
            "return_url": url, "cancel_url": url, "user_action": "PAY_NOW", "shipping_preference": "NO_SHIPPING",
        });
    }
    Ok(Ask::post("/v2/checkout/orders".to_owned(), operation.request_id.to_string(), body))
}

/// Holds the money of an order, with the payer's vaulted token; `None`: the payer has approved it.
pub(super) fn authorize(order: &str, vault: Option<&str>, operation: &Operation) -> Result<Ask, Unsendable> {
    let body = match vault {
        Some(token) => json!({"payment_source": {"paypal": {"vault_id": token}}}),
        None => json!({}),
    };
    let step = if vault.is_some() { "authorize" } else { "approved" };
    Ok(Ask::post(format!("{}/authorize", order_path(order)?), format!("{}-{step}", operation.request_id), body))
}

/// Shows an order.
pub(super) fn show_order(order: &str) -> Result<Ask, Unsendable> {
    order_path(order).map(Ask::get)
}

/// Renews an authorization whose honor period is over.
pub(super) fn reauthorize(authorization: &str, payment: &Payment, operation: &Operation) -> Result<Ask, Unsendable> {
    let path = format!("{}/reauthorize", authorization_path(authorization)?);
    Ok(Ask::post(path, format!("{}-reauthorize", operation.request_id), json!({"amount": amount(payment.amount)?})))
}

/// Takes the money, or a part of it; the rest is released.
pub(super) fn capture(authorization: &str, payment: &Payment, operation: &Operation) -> Result<Ask, Unsendable> {
    let path = format!("{}/capture", authorization_path(authorization)?);
    let body = json!({
        "amount": amount(operation.amount)?, "final_capture": true, "invoice_id": payment.id.to_string(),
    });
    Ok(Ask::post(path, operation.request_id.to_string(), body))
}

/// Releases the hold.
pub(super) fn void(authorization: &str, operation: &Operation) -> Result<Ask, Unsendable> {
    let path = format!("{}/void", authorization_path(authorization)?);
    Ok(Ask::post(path, operation.request_id.to_string(), json!({})))
}

/// Gives money back; `None`: undoes a late success, whole.
pub(super) fn refund(
    capture: &str,
    payment: &Payment,
    operation: &Operation,
    refund: Option<&Refund>,
) -> Result<Ask, Unsendable> {
    if !is_id(capture) {
        return Err("the capture's id is not one of the provider's");
    }
    let mut body = json!({"amount": amount(operation.amount)?});
    if let Some(refund) = refund {
        body["custom_id"] = json!(refund_mark(payment.id, refund.id));
    }
    Ok(Ask::post(format!("/v2/payments/captures/{capture}/refund"), operation.request_id.to_string(), body))
}

/// A page of the report of a period, whose last second is the one before `until`. The times need no encoding: digits, `-`, `:` and letters.
pub(super) fn transactions(from: Timestamp, until: Timestamp, page: u32) -> Ask {
    let last = until.checked_sub(Duration::from_secs(1)).unwrap_or(from).max(from);
    Ask::get(format!(
        "/v1/reporting/transactions?start_date={from}&end_date={last}&fields=transaction_info&page_size=100&page={page}"
    ))
}

/// What a refund of ours carries: PayPal shows it with the refund, and in its event.
pub(super) fn refund_mark(payment: PaymentId, refund: RefundId) -> String {
    format!("{payment} {refund}")
}

/// Whose refund carries `mark`; `None`: it is none of ours.
pub(super) fn refund_of_mark(mark: &str) -> Option<(PaymentId, RefundId)> {
    let (payment, refund) = mark.split_once(' ')?;
    Some((payment.parse().ok()?, refund.parse().ok()?))
}

fn order_path(order: &str) -> Result<String, Unsendable> {
    is_id(order).then(|| format!("/v2/checkout/orders/{order}")).ok_or("the order's id is not one of the provider's")
}

fn authorization_path(id: &str) -> Result<String, Unsendable> {
    let path = || format!("/v2/payments/authorizations/{id}");
    is_id(id).then(path).ok_or("the authorization's id is not one of the provider's")
}

fn amount(amount: Money) -> Result<Value, Unsendable> {
    let value = amounts::to_wire(amount).ok_or("the amount cannot be written")?;
    Ok(json!({"currency_code": amount.currency().code(), "value": value}))
}

/// An authorization is honored for so long; after that it is renewed before it is captured.
pub(super) const HONOR_PERIOD: Duration = Duration::from_secs(3 * 24 * 3600);
