//! Examples: one payment's life as a sandbox answers it, and what it is told of.

use serde_json::{Map, Value, json};
use tollgate_api::{ProblemCode, events::KINDS, requests::next_cursor};
use tollgate_domain::{EventKind, Timestamp};

use super::problems;

const PAYMENT: &str = "pay_01mcbmk9w0zdhpakegjepn5rqy";
const REFUND: &str = "ref_01mce700w09repx6h3ydr4tz86";
const SETTLEMENT: &str = "stl_37mn3bksz84dbrd43tgjxk8qqd";
const CORRELATION: &str = "14f18fa9266ebea741cfb0796790161d";

/// The place of the payment in a list.
pub(super) fn cursor() -> Value {
    let place = PAYMENT.parse().ok().map(|payment| (Timestamp::constant(1_799_982_000, 0), payment));
    json!(place.map(next_cursor))
}

/// `base` with these fields instead.
fn with(mut base: Value, fields: Value) -> Value {
    if let (Value::Object(base), Value::Object(fields)) = (&mut base, fields) {
        base.extend(fields);
    }
    base
}

fn authorized() -> Value {
    json!({
        "id": PAYMENT, "object": "payment", "status": "AUTHORIZED", "amount": 1000, "currency": "JPY",
        "amount_captured": 0, "amount_refunded": 0, "provider": "stripe",
        "provider_transaction_id": "pi_fO4hCaB9Z28gwuMr17TZzQlU",
        "provider_request_id": "31d2d970-3940-466f-8494-57f0953d8094", "capture_method": "manual",
        "merchant_reference": "order-17", "description": null, "metadata": {"basket": "42"}, "next_action": null,
        "pending_operation": null, "failure": null, "expires_at": "2027-01-22T03:00:00Z", "resolve_by": null,
        "settlement_id": null, "created_at": "2027-01-15T03:00:00Z", "updated_at": "2027-01-15T03:00:00Z", "version": 2,
    })
}

fn captured() -> Value {
    with(
        authorized(),
        json!({"status": "CAPTURED", "amount_captured": 400, "updated_at": "2027-01-15T03:10:00Z", "version": 4}),
    )
}

fn settled() -> Value {
    with(
        captured(),
        json!({"status": "SETTLED", "settlement_id": SETTLEMENT, "updated_at": "2027-01-15T17:00:00Z", "version": 5}),
    )
}

fn failed() -> Value {
    let failure =
        json!({"code": "card_declined", "message": "The card was declined", "provider_code": "generic_decline"});
    with(authorized(), json!({"status": "FAILED", "failure": failure, "expires_at": null}))
}

fn waiting_for_the_payer() -> Value {
    let url = "https://hooks.stripe.com/3d_secure_2/hosted?merchant=acct_1";
    let waits = json!({"status": "PENDING", "next_action": {"type": "redirect", "url": url}, "expires_at": null,
        "resolve_by": "2027-01-15T04:00:00Z"});
    with(authorized(), waits)
}

fn not_known_yet(operation: &str, amount: u32) -> Value {
    let pending = json!({"type": operation, "amount": amount, "resolve_by": "2027-01-15T04:10:00Z"});
    with(authorized(), json!({"pending_operation": pending, "updated_at": "2027-01-15T03:10:00Z", "version": 3}))
}

fn voided() -> Value {
    with(authorized(), json!({"status": "VOIDED", "updated_at": "2027-01-15T03:10:00Z", "version": 4}))
}

fn refund(status: &str) -> Value {
    let failure = json!({"code": "refund_failed", "message": "The payer's bank sent it back", "provider_code": "lost_or_stolen_card"});
    json!({
        "id": REFUND, "object": "refund", "payment_id": PAYMENT, "amount": 100, "currency": "JPY", "reason": "Returned",
        "status": status, "failure": if status == "FAILED" { failure } else { Value::Null },
        "created_at": "2027-01-16T03:00:00Z", "updated_at": "2027-01-16T03:00:00Z",
    })
}

/// An event of this kind.
fn event(kind: EventKind) -> Value {
    let (sequence, data) = match kind {
        EventKind::PaymentAuthorized => (1, authorized()),
        EventKind::PaymentCaptured => (2, captured()),
        EventKind::PaymentCaptureFailed => (2, with(authorized(), json!({"version": 4}))),
        EventKind::PaymentSettled => (3, settled()),
        EventKind::PaymentFailed => (1, failed()),
        EventKind::PaymentVoided => (2, voided()),
        EventKind::PaymentRefunded => {
            (5, with(settled(), json!({"status": "REFUNDED", "amount_refunded": 400, "version": 9})))
        }
        EventKind::PaymentNeedsReview => (2, not_known_yet("capture", 400)),
        EventKind::RefundCompleted => (4, refund("COMPLETED")),
        EventKind::RefundFailed => (5, refund("FAILED")),
    };
    let at = data["updated_at"].clone();
    json!({"id": "evt_01mcbmk9w0hrnd2zshj3m1n0r1", "type": kind.as_str(), "created_at": at, "sequence": sequence, "data": data})
}

fn timeline() -> Value {
    let change = |version: u32, what: &str, from: Value, to: &str, cause: &str, detail: Value| {
        json!({"type": "change", "at": "2027-01-15T03:00:00Z", "version": version, "what": what, "operation": 1,
            "transitions": [{"from": from, "to": to}], "cause": {"type": cause, "id": null}, "detail": detail, "correlation_id": CORRELATION})
    };
    json!({"payment_id": PAYMENT, "data": [
        change(1, "payment_opened", Value::Null, "PENDING", "merchant_request", json!("stripe: the only one given")),
        {"type": "provider_call", "at": "2027-01-15T03:00:00Z", "operation": 1, "call": "authorize", "provider": "stripe",
            "outcome": "succeeded", "http_status": 200, "provider_code": null, "reference": "req_ddxuABaPKEE0Lv", "duration_ms": 212,
            "correlation_id": CORRELATION},
        change(2, "authorized", json!("PENDING"), "AUTHORIZED", "provider_answer", Value::Null),
        {"type": "provider_event", "at": "2027-01-15T03:00:01Z", "provider": "stripe", "event_id": "evt_VDGSvygWRW2MB8hJTdV2FqpY",
            "event_type": "payment_intent.amount_capturable_updated", "effect": false, "correlation_id": "19a084b6ac56e519f36ada4d540ba2c4"},
    ]})
}

fn deliveries() -> Value {
    let attempt = |number: u32, at: &str, status: Value, error: Value| json!({"number": number, "at": at, "http_status": status, "error": error, "duration_ms": 87});
    json!({"payment_id": PAYMENT, "deliveries": [
        {"event_id": "evt_01mcbmk9w0hrnd2zshj3m1n0r1", "type": "payment.authorized", "status": "DELIVERED",
            "attempts": [attempt(1, "2027-01-15T03:00:00Z", json!(200), Value::Null)], "next_attempt_at": null},
        {"event_id": "evt_01mcbmk9w0bw00b8d4rw0yyh1b", "type": "payment.captured", "status": "RETRYING",
            "attempts": [attempt(1, "2027-01-15T03:10:00Z", Value::Null, json!("timeout"))], "next_attempt_at": "2027-01-15T03:11:03Z"},
    ]})
}

fn due_again() -> Value {
    let mut again = deliveries();
    for delivery in again["deliveries"].as_array_mut().into_iter().flatten().skip(1) {
        delivery["status"] = json!("PENDING");
    }
    again
}

fn endpoint() -> Value {
    json!({"object": "webhook_endpoint", "url": "https://shop.example/hooks", "status": "ACTIVE", "previous_secret_until": null,
        "updated_at": "2027-01-15T03:00:00Z"})
}

fn settlement() -> Value {
    json!({
        "id": SETTLEMENT, "object": "settlement", "date": "2027-01-16", "cutoff": "2027-01-15T17:00:00Z", "status": "COMPLETED",
        "started_at": "2027-01-15T17:00:00Z", "ended_at": "2027-01-15T17:00:04Z",
        "totals": [{"currency": "JPY", "payments": 1, "gross": 400, "fees": 12, "refunds": 0, "refunds_returned": 0,
            "carried_over": 0, "net": 388}],
    })
}

const LINES: &str = "kind,payment_id,refund_id,merchant_reference,currency,gross,fee,net,at\r\n\
    payment,pay_01mcbmk9w0zdhpakegjepn5rqy,,order-17,JPY,400,12,388,2027-01-15T03:10:00Z\r\n";

fn requests() -> Vec<(&'static str, &'static str, Value)> {
    let order = json!({"amount": 1000, "currency": "JPY", "payment_method": {"stripe": "pm_card_visa"}, "merchant_reference": "order-17",
        "metadata": {"basket": "42"}});
    let chosen = json!({"amount": 2500, "currency": "EUR", "payment_method": {"paypal": "vault-needs-approval", "stripe": "pm_card_visa"},
        "provider": "paypal", "capture_method": "automatic", "description": "Two tickets", "return_url": "https://shop.example/done"});
    vec![
        ("order", "A card, to be captured later", order),
        ("order_at_a_chosen_provider", "PayPal, with the payer's approval, captured at once", chosen),
        ("all_of_it", "All of it", json!({})),
        ("a_part", "A part", json!({"amount": 400})),
        ("a_part_back", "A part, and why", json!({"amount": 100, "reason": "Returned"})),
        ("hooks", "An endpoint", json!({"url": "https://shop.example/hooks"})),
        ("one_event", "One event", json!({"event_id": "evt_01mcbmk9w0bw00b8d4rw0yyh1b"})),
    ]
}

fn answers() -> Vec<(&'static str, &'static str, Value)> {
    let secret = with(endpoint(), json!({"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}));
    let rotated = with(secret.clone(), json!({"previous_secret_until": "2027-01-16T03:00:00Z"}));
    vec![
        ("authorized", "The money is held", authorized()),
        ("declined", "A decline is a payment, too", failed()),
        ("waiting_for_the_payer", "Send the payer to `next_action.url`", waiting_for_the_payer()),
        ("captured", "A part was taken", captured()),
        ("capture_not_known_yet", "The outcome is not known yet", not_known_yet("capture", 400)),
        ("voided", "Released", voided()),
        ("void_not_known_yet", "The outcome is not known yet", not_known_yet("void", 1000)),
        ("payments", "A page", json!({"data": [captured()], "next_cursor": cursor()})),
        ("no_payments", "Nothing there", json!({"data": [], "next_cursor": null})),
        ("timeline", "The first second of a payment", timeline()),
        ("refund", "Done", refund("COMPLETED")),
        ("refund_on_its_way", "Not known yet, or on its way", refund("PENDING")),
        ("refunds", "Oldest first", json!({"data": [refund("COMPLETED")]})),
        ("deliveries", "One taken, one to be tried again", deliveries()),
        ("due_again", "What was not taken is due", due_again()),
        (
            "events",
            "The feed",
            json!({"data": [event(EventKind::PaymentAuthorized), event(EventKind::RefundCompleted)], "has_more": false}),
        ),
        ("endpoint", "As it is", endpoint()),
        ("endpoint_with_secret", "The first time: with its secret", secret),
        ("endpoint_with_new_secret", "With the new secret", rotated),
        ("settlement", "What the merchant gets", settlement()),
        ("settlement_lines", "The lines", json!(LINES)),
        ("back_to_the_shop", "A page for people", json!("<!doctype html><html lang=\"en\">…</html>")),
    ]
}

/// Every example by its name.
pub(super) fn all() -> Value {
    let named = requests()
        .into_iter()
        .chain(answers())
        .map(|(name, summary, value)| (name.to_owned(), json!({"summary": summary, "value": value})));
    let events = KINDS
        .into_iter()
        .map(|kind| (kind.as_str().to_owned(), json!({"summary": kind.as_str(), "value": event(kind)})));
    let problems = ProblemCode::ALL.iter().map(|code| {
        let body = problems::example(*code).body(Some(CORRELATION));
        (code.as_str().to_owned(), json!({"summary": code.meaning(), "value": body}))
    });
    Value::Object(named.chain(events).chain(problems).collect::<Map<_, _>>())
}
