//! How PayPal shows orders and payments: whole, or as little as it can.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    order::{Intent, Order, Status},
    payments::{Authorization, Capture, Held, Refund, Taken},
    state::State,
};

/// The sandbox's payer.
pub(super) const PAYER_ID: &str = "QYR5Z8XDVJNXQ";
/// The sandbox's merchant.
const MERCHANT_ID: &str = "TGATE2SANDBX2";

/// A time as PayPal writes it.
pub(super) fn time(unix: i64) -> String {
    Timestamp::from_second(unix).unwrap_or_default().to_string()
}

/// Shows what the state holds to callers that reach it at `base`.
pub(super) struct Show<'a> {
    pub(super) state: &'a State,
    pub(super) base: &'a str,
}

fn payee() -> Value {
    json!({"email_address": "merchant@tollgate.example", "merchant_id": MERCHANT_ID})
}

/// An object of the members that are there.
fn object<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    let there = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(there.collect::<Map<_, _>>())
}

impl Show<'_> {
    fn link(&self, path: &str, rel: &str, method: &str) -> Value {
        json!({"href": format!("{}{path}", self.base), "rel": rel, "method": method})
    }

    /// Where the payer approves this order.
    pub(super) fn approval(&self, order: &Order) -> String {
        format!("{}/checkoutnow/{}", self.base, order.id)
    }

    fn order_links(&self, order: &Order) -> Value {
        let path = format!("/v2/checkout/orders/{}", order.id);
        let page = |rel: &str| json!({"href": self.approval(order), "rel": rel, "method": "GET"});
        let pay = match order.intent {
            Intent::Authorize => self.link(&format!("{path}/authorize"), "authorize", "POST"),
            Intent::Capture => self.link(&format!("{path}/capture"), "capture", "POST"),
        };
        let mut links = vec![self.link(&path, "self", "GET")];
        match order.status {
            Status::Created => links.extend([page("approve"), pay]),
            Status::PayerActionRequired => links.push(page("payer-action")),
            Status::Approved => links.push(pay),
            Status::Completed | Status::Voided => {}
        }
        links.into()
    }

    /// An order: `whole`, or with no more than id, status, links and what was paid.
    pub(super) fn order(&self, order: &Order, whole: bool) -> Value {
        let payments = self.payments(order);
        let unit = if whole {
            let mut unit = order.unit.clone();
            unit["payee"] = payee();
            unit
        } else {
            json!({"reference_id": order.unit["reference_id"]})
        };
        let with_payments = |mut unit: Value| {
            if let Some(payments) = &payments {
                unit["payments"] = payments.clone();
            }
            json!([unit])
        };
        let payer_known = order.wallet.is_some() && !order.is_open();
        object([
            ("id", Some(order.id.as_str().into())),
            ("intent", whole.then(|| order.intent.word().into())),
            ("status", Some(order.status.word().into())),
            ("payment_source", order.wallet.map(|_| wallet(order))),
            ("purchase_units", (whole || payments.is_some()).then(|| with_payments(unit))),
            ("payer", payer_known.then(payer)),
            ("create_time", whole.then(|| time(order.created).into())),
            ("update_time", whole.then(|| time(order.updated).into())),
            ("links", Some(self.order_links(order))),
        ])
    }

    fn payments(&self, order: &Order) -> Option<Value> {
        let held = order.authorizations.iter().filter_map(|id| self.state.authorizations.get(id));
        let taken = order.captures.iter().filter_map(|id| self.state.captures.get(id));
        let back = self.state.refunds_of(&order.id);
        let some = |list: Vec<Value>| (!list.is_empty()).then(|| list.into());
        let payments = object([
            ("authorizations", some(held.map(|it| without_order(self.authorization(it))).collect())),
            ("captures", some(taken.map(|it| without_order(self.capture(it))).collect())),
            ("refunds", some(back.map(|it| without_order(self.refund(it))).collect())),
        ]);
        payments.as_object().is_some_and(|lists| !lists.is_empty()).then_some(payments)
    }

    fn related(order: &str, authorization: Option<&String>, capture: Option<&String>) -> Value {
        let ids = object([
            ("order_id", Some(order.into())),
            ("authorization_id", authorization.map(|id| id.as_str().into())),
            ("capture_id", capture.map(|id| id.as_str().into())),
        ]);
        json!({"related_ids": ids})
    }

    pub(super) fn authorization(&self, held: &Authorization) -> Value {
        let path = format!("/v2/payments/authorizations/{}", held.id);
        let mut links = vec![self.link(&path, "self", "GET")];
        if held.is_open() {
            links.push(self.link(&format!("{path}/capture"), "capture", "POST"));
        }
        if held.is_open() && held.parent.is_none() {
            links.push(self.link(&format!("{path}/void"), "void", "POST"));
            if held.renewed_by.is_none() && held.status == Held::Created {
                links.push(self.link(&format!("{path}/reauthorize"), "reauthorize", "POST"));
            }
        }
        links.push(self.link(&format!("/v2/checkout/orders/{}", held.order), "up", "GET"));
        object([
            ("id", Some(held.id.as_str().into())),
            ("status", Some(held.status.word().into())),
            ("amount", Some(held.amount.to_json())),
            ("invoice_id", held.invoice_id.as_deref().map(Value::from)),
            ("custom_id", held.custom_id.as_deref().map(Value::from)),
            ("seller_protection", Some(seller_protection())),
            ("expiration_time", Some(time(held.expires).into())),
            ("payee", Some(payee())),
            ("supplementary_data", Some(Self::related(&held.order, None, None))),
            ("create_time", Some(time(held.created).into())),
            ("update_time", Some(time(held.updated).into())),
            ("links", Some(links.into())),
        ])
    }

    pub(super) fn capture(&self, taken: &Capture) -> Value {
        let path = format!("/v2/payments/captures/{}", taken.id);
        let mut links = vec![self.link(&path, "self", "GET")];
        if taken.refundable() > 0 {
            links.push(self.link(&format!("{path}/refund"), "refund", "POST"));
        }
        let up = match &taken.authorization {
            Some(id) => format!("/v2/payments/authorizations/{id}"),
            None => format!("/v2/checkout/orders/{}", taken.order),
        };
        links.push(self.link(&up, "up", "GET"));
        let is_taken = matches!(taken.status, Taken::Completed | Taken::Reversed);
        object([
            ("id", Some(taken.id.as_str().into())),
            ("status", Some(taken.word().into())),
            ("status_details", taken.reason().map(|reason| json!({"reason": reason}))),
            ("amount", Some(taken.amount.to_json())),
            ("invoice_id", taken.invoice_id.as_deref().map(Value::from)),
            ("custom_id", taken.custom_id.as_deref().map(Value::from)),
            ("seller_protection", Some(seller_protection())),
            ("final_capture", Some(taken.is_final.into())),
            ("seller_receivable_breakdown", is_taken.then(|| receivable(taken))),
            ("disbursement_mode", Some("INSTANT".into())),
            ("payee", Some(payee())),
            ("supplementary_data", Some(Self::related(&taken.order, taken.authorization.as_ref(), None))),
            ("create_time", Some(time(taken.created).into())),
            ("update_time", Some(time(taken.updated).into())),
            ("links", Some(links.into())),
        ])
    }

    pub(super) fn refund(&self, refund: &Refund) -> Value {
        let path = format!("/v2/payments/refunds/{}", refund.id);
        let up = format!("/v2/payments/captures/{}", refund.capture);
        let pending = refund.status == super::payments::Returned::Pending;
        let amount = |minor: i64| refund.amount.of(minor).to_json();
        object([
            ("id", Some(refund.id.as_str().into())),
            ("status", Some(refund.status.word().into())),
            ("status_details", pending.then(|| json!({"reason": "ECHECK"}))),
            ("amount", Some(refund.amount.to_json())),
            ("invoice_id", refund.invoice_id.as_deref().map(Value::from)),
            ("custom_id", refund.custom_id.as_deref().map(Value::from)),
            ("note_to_payer", refund.note.as_deref().map(Value::from)),
            (
                "seller_payable_breakdown",
                Some(json!({
                    "gross_amount": refund.amount.to_json(),
                    "paypal_fee": amount(0),
                    "net_amount": refund.amount.to_json(),
                    "total_refunded_amount": amount(refund.total),
                })),
            ),
            ("create_time", Some(time(refund.created).into())),
            ("update_time", Some(time(refund.updated).into())),
            ("links", Some(json!([self.link(&path, "self", "GET"), self.link(&up, "up", "GET")]))),
        ])
    }

    /// A refund as an event has it: with the order that it belongs to.
    pub(super) fn refund_of_event(&self, refund: &Refund) -> Value {
        let mut value = self.refund(refund);
        let capture = self.state.captures.get(&refund.capture);
        let authorization = capture.and_then(|capture| capture.authorization.as_ref());
        value["supplementary_data"] = Self::related(&refund.order, authorization, Some(&refund.capture));
        if refund.custom_id.is_none()
            && let Some(custom_id) = capture.and_then(|capture| capture.custom_id.as_deref())
        {
            value["custom_id"] = custom_id.into();
        }
        value
    }
}

/// What is left of a payment where it stands within its order.
fn without_order(mut payment: Value) -> Value {
    if let Some(members) = payment.as_object_mut() {
        members.remove("supplementary_data");
        members.remove("payee");
    }
    payment
}

/// What is left of an answer that nobody wants whole.
pub(super) fn minimal(whole: &Value) -> Value {
    let members = ["id", "status", "status_details", "links"];
    let kept = members.into_iter().filter_map(|name| Some((name.to_owned(), whole.get(name)?.clone())));
    Value::Object(kept.collect())
}

fn seller_protection() -> Value {
    json!({"status": "ELIGIBLE", "dispute_categories": ["ITEM_NOT_RECEIVED", "UNAUTHORIZED_TRANSACTION"]})
}

fn receivable(taken: &Capture) -> Value {
    let fee = taken.amount.fee();
    let net = taken.amount.of(taken.amount.minor - fee.minor);
    json!({"gross_amount": taken.amount.to_json(), "paypal_fee": fee.to_json(), "net_amount": net.to_json()})
}

/// How the order is paid: before the payer agreed, PayPal says no more than that it is PayPal.
fn wallet(order: &Order) -> Value {
    if order.is_open() {
        return json!({"paypal": {}});
    }
    json!({"paypal": {
        "email_address": "payer@tollgate.example",
        "account_id": PAYER_ID,
        "account_status": "VERIFIED",
        "name": {"given_name": "Taro", "surname": "Yamada"},
        "address": {"country_code": "JP"},
    }})
}

fn payer() -> Value {
    json!({
        "name": {"given_name": "Taro", "surname": "Yamada"},
        "email_address": "payer@tollgate.example",
        "payer_id": PAYER_ID,
        "address": {"country_code": "JP"},
    })
}
