//! Everything that the simulated PayPal says, and every request that these tests send it, held against PayPal's published
//! schemas and its catalogue of issues.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, header};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tollgate_simulators::{Endpoint, Fault, FaultKind, PayPal, Simulator};
use tollgate_tests::{ports::SystemEntropy, requirements::provider_specs};

use crate::paypal_schemas::Specs;

/// A walk through the API that checks every step.
struct Walk {
    specs: Specs,
    paypal: Simulator,
    now: Timestamp,
    token: String,
    whole: bool,
    keys: usize,
    checked: usize,
}

impl Walk {
    fn sign_in(&mut self) {
        let request = Request::post("http://paypal.test/paypal/v1/oauth2/token")
            .header(header::AUTHORIZATION, "Basic YTpi")
            .body(Bytes::from_static(b"grant_type=client_credentials"));
        let answer = self.paypal.handle(self.now, &request.unwrap()).response;
        let body: Value = serde_json::from_slice(answer.body()).unwrap();
        body["access_token"].as_str().unwrap().clone_into(&mut self.token);
    }

    fn call(&mut self, method: &Method, path: &str, key: Option<&str>, body: &Value) -> Value {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://paypal.test/paypal{path}"))
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token));
        if let Some(key) = key {
            request = request.header("paypal-request-id", key);
        }
        if self.whole && method == Method::POST && path.starts_with("/v2") {
            request = request.header("prefer", "return=representation");
        }
        if !body.is_null() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let content = if body.is_null() { Bytes::new() } else { body.to_string().into() };
        let request = request.body(content).unwrap();
        let answer = self.paypal.handle(self.now, &request).response;
        let status = answer.status().as_u16();
        let said = serde_json::from_slice(answer.body()).unwrap_or_default();
        if status != 400 {
            self.specs.check_request(method, path, request.headers(), body);
        }
        self.specs.check_answer(method, path, status, &said);
        self.checked += 1;
        said
    }

    /// Sends with a new request id.
    fn post(&mut self, path: &str, body: &Value) -> Value {
        self.keys += 1;
        let key = format!("key-{}", self.keys);
        self.call(&Method::POST, path, Some(&key), body)
    }

    fn get(&mut self, path: &str) -> Value {
        self.call(&Method::GET, path, None, &Value::Null)
    }

    fn void(&mut self, authorization: &str) -> Value {
        let path = format!("/v2/payments/authorizations/{authorization}/void");
        self.call(&Method::POST, &path, None, &Value::Null)
    }

    /// An authorization of 1000 yen; answers its id.
    fn hold(&mut self, token: &str) -> String {
        let order = self.post(ORDERS, &order("AUTHORIZE", "JPY", "1000"));
        let order = format!("{ORDERS}/{}", id(&order));
        let paid = self.post(&format!("{order}/authorize"), &vault(token));
        self.get(&order);
        paid["purchase_units"][0]["payments"]["authorizations"][0]["id"].as_str().unwrap().to_owned()
    }

    fn pass(&mut self, hours: i64) {
        self.now += SignedDuration::from_hours(hours);
        self.paypal.advance(self.now);
        self.sign_in();
    }

    /// Checks the webhooks that were posted, and PayPal's verification of each; answers how many.
    fn check_webhooks(&mut self) -> usize {
        let mut count = 0;
        while let Some(webhook) = self.paypal.take_webhook(self.now) {
            let event: Value = serde_json::from_str(&webhook.body).unwrap();
            self.specs.check_event(&event);
            let of = |name: &str| webhook.headers[name].to_str().unwrap();
            let asked = json!({
                "auth_algo": of("paypal-auth-algo"),
                "cert_url": of("paypal-cert-url"),
                "transmission_id": of("paypal-transmission-id"),
                "transmission_sig": of("paypal-transmission-sig"),
                "transmission_time": of("paypal-transmission-time"),
                "webhook_id": WEBHOOK_ID,
                "webhook_event": event,
            });
            let verified = self.call(&Method::POST, "/v1/notifications/verify-webhook-signature", None, &asked);
            assert_eq!(verified["verification_status"], "SUCCESS");
            self.get(&format!("/v1/notifications/webhooks-events/{}", id(&event)));
            self.paypal.webhook_settled(&webhook.event_id, true, self.now);
            count += 1;
        }
        count
    }
}

const ORDERS: &str = "/v2/checkout/orders";
const WEBHOOK_ID: &str = "8PT597110X687430L";

fn id(object: &Value) -> String {
    object["id"].as_str().unwrap_or_else(|| panic!("no id: {object:#}")).to_owned()
}

fn order(intent: &str, currency: &str, value: &str) -> Value {
    json!({
        "intent": intent,
        "purchase_units": [{
            "custom_id": "pay_1",
            "description": "A book",
            "amount": {"currency_code": currency, "value": value},
        }],
        "application_context": {"return_url": "https://shop.test/back", "cancel_url": "https://shop.test/no"},
    })
}

fn vault(token: &str) -> Value {
    json!({"payment_source": {"paypal": {"vault_id": token}}})
}

fn yen(value: &str) -> Value {
    json!({"amount": {"currency_code": "JPY", "value": value}})
}

fn orders(walk: &mut Walk) {
    for intent in ["AUTHORIZE", "CAPTURE"] {
        let action = intent.to_lowercase();
        let new = |walk: &mut Walk| format!("{ORDERS}/{}", id(&walk.post(ORDERS, &order(intent, "USD", "10.00"))));
        let path = new(walk);
        let other = if intent == "CAPTURE" { "authorize" } else { "capture" };
        for body in
            [json!({}), vault("vault-unheard-of"), vault("vault-declined"), vault("vault-needs-approval"), json!({})]
        {
            walk.post(&format!("{path}/{action}"), &body);
        }
        walk.post(&format!("{path}/{other}"), &json!({}));
        let approvable = walk.get(&path);
        assert_eq!(approvable["status"], "PAYER_ACTION_REQUIRED");
        let page = format!("http://paypal.test/paypal/checkoutnow/{}/approve", id(&approvable));
        let request = Request::post(page).body(Bytes::new()).unwrap();
        assert_eq!(walk.paypal.handle(walk.now, &request).response.status(), 303);
        walk.get(&path);
        walk.post(&format!("{path}/{action}"), &json!({}));
        walk.post(&format!("{path}/{action}"), &json!({}));
        walk.get(&path);
        let expired = new(walk);
        walk.pass(6);
        walk.get(&expired);
        walk.post(&format!("{expired}/{action}"), &vault("vault-ok"));
        for source in [
            vault("vault-ok"),
            vault("vault-declined"),
            vault("vault-needs-approval"),
            vault("nothing"),
            json!({"payment_source": {"paypal": {"experience_context": {"return_url": "https://shop.test/"}}}}),
            json!({"payment_source": {"token": {"id": "vault-ok", "type": "BILLING_AGREEMENT"}}}),
            json!({"payment_source": {"token": {"id": "B-1", "type": "BILLING_AGREEMENT"}}}),
            json!({"payment_source": {"card": {"number": "4111111111111111", "expiry": "2030-01"}}}),
        ] {
            let mut order = order(intent, "USD", "10.00");
            order["payment_source"] = source["payment_source"].clone();
            walk.post(ORDERS, &order);
        }
    }
}

fn payments(walk: &mut Walk) {
    for token in [
        "vault-ok",
        "vault-capture-pending",
        "vault-capture-denied",
        "vault-capture-declined",
        "vault-capture-refused",
        "vault-capture-reversed",
        "vault-refund-pending",
        "vault-refund-failed",
    ] {
        let held = format!("/v2/payments/authorizations/{}", walk.hold(token));
        let mut part = yen("400");
        part["invoice_id"] = format!("inv-{token}").into();
        let taken = walk.post(&format!("{held}/capture"), &part);
        walk.get(&held);
        if taken["id"].is_string() {
            let path = format!("/v2/payments/captures/{}", id(&taken));
            walk.post(&format!("{path}/refund"), &json!({}));
            walk.pass(1);
            walk.get(&path);
            let refund = json!({"amount": {"currency_code": "JPY", "value": "100"}, "custom_id": "ref_1", "note_to_payer": "Sorry"});
            let refund = walk.post(&format!("{path}/refund"), &refund);
            walk.pass(1);
            if refund["id"].is_string() {
                walk.get(&format!("/v2/payments/refunds/{}", id(&refund)));
            }
            for body in [yen("301"), json!({}), json!({}), json!({"amount": {"currency_code": "USD", "value": "1.00"}})]
            {
                walk.post(&format!("{path}/refund"), &body);
            }
            walk.get(&path);
        }
        for body in [yen("751"), json!({"final_capture": true}), json!({})] {
            walk.post(&format!("{held}/capture"), &body);
        }
        walk.get(&held);
    }
}

fn ends(walk: &mut Walk) {
    let held = walk.hold("vault-ok");
    walk.void(&held);
    walk.void(&held);
    walk.post(&format!("/v2/payments/authorizations/{held}/capture"), &json!({}));
    let captured = walk.hold("vault-ok");
    walk.post(&format!("/v2/payments/authorizations/{captured}/capture"), &json!({}));
    walk.void(&captured);
    let held = walk.hold("vault-ok");
    let path = format!("/v2/payments/authorizations/{held}");
    walk.post(&format!("{path}/reauthorize"), &json!({}));
    walk.pass(24 * 4);
    let renewed = walk.post(&format!("{path}/reauthorize"), &yen("1000"));
    let renewed = id(&renewed);
    walk.post(&format!("{path}/reauthorize"), &json!({}));
    walk.post(&format!("/v2/payments/authorizations/{renewed}/reauthorize"), &json!({}));
    walk.void(&renewed);
    walk.get(&format!("/v2/payments/authorizations/{renewed}"));
    walk.pass(24 * 25);
    walk.get(&path);
    for what in ["capture", "reauthorize"] {
        walk.post(&format!("{path}/{what}"), &json!({}));
    }
}

fn errors(walk: &mut Walk) {
    for (pointer, value) in [
        ("/intent", Value::Null),
        ("/intent", json!("GIVE")),
        ("/purchase_units", json!([])),
        ("/purchase_units/0/amount", Value::Null),
        ("/purchase_units/0/amount/value", json!("ten")),
        ("/purchase_units/0/amount/value", json!("0.00")),
        ("/purchase_units/0/amount/value", json!("1.005")),
        ("/purchase_units/0/amount/value", json!("1000000000000000.00")),
        ("/purchase_units/0/amount/currency_code", json!("KWD")),
        ("/purchase_units/0/amount/currency_code", json!("JPY")),
        ("/purchase_units/0/custom_id", json!("x".repeat(128))),
    ] {
        let mut order = order("AUTHORIZE", "USD", "10.00");
        *order.pointer_mut(pointer).unwrap() = value;
        assert!(walk.post(ORDERS, &order)["name"].is_string(), "{pointer}");
    }
    let mut two = order("AUTHORIZE", "USD", "10.00");
    let unit = two["purchase_units"][0].clone();
    two["purchase_units"].as_array_mut().unwrap().push(unit);
    walk.post(ORDERS, &two);
    walk.call(&Method::POST, ORDERS, None, &json!({"payment_source": {"paypal": {}}}));
    for path in
        ["/v2/checkout/orders/0", "/v2/payments/authorizations/0", "/v2/payments/captures/0", "/v2/payments/refunds/0"]
    {
        assert!(walk.get(path)["name"].is_string(), "{path}");
    }
    let held = format!("/v2/payments/authorizations/{}", walk.hold("vault-ok"));
    for body in [
        yen("1.5"),
        yen("x"),
        json!({"amount": {"value": "1"}}),
        json!({"amount": {"currency_code": "USD", "value": "1.00"}}),
        json!({"amount": {"currency_code": "KWD", "value": "1"}}),
        json!({"final_capture": "yes"}),
    ] {
        walk.post(&format!("{held}/capture"), &body);
    }
    let path = format!("{held}/capture");
    for body in [yen("100"), yen("100"), yen("200")] {
        walk.call(&Method::POST, &path, Some("same"), &body);
    }
    for kind in [FaultKind::Error500, FaultKind::Slow] {
        walk.paypal.arm(Fault { kind, times: Some(1), ms: None }).unwrap();
        walk.call(&Method::POST, ORDERS, Some("busy"), &order("AUTHORIZE", "USD", "10.00"));
    }
    let twin = walk.call(&Method::POST, ORDERS, Some("busy"), &order("AUTHORIZE", "USD", "10.00"));
    assert_eq!(twin["details"][0]["issue"], "PREVIOUS_REQUEST_IN_PROGRESS");
    for (intent, action) in [("AUTHORIZE", "authorize"), ("CAPTURE", "capture")] {
        let order = walk.post(ORDERS, &order(intent, "USD", "10.00"));
        walk.call(&Method::POST, &format!("{ORDERS}/{}/{action}", id(&order)), None, &vault("vault-ok"));
        walk.post(&format!("{ORDERS}/{}/{action}", id(&order)), &json!({"payment_source": {"card": {}}}));
    }
    let token = std::mem::replace(&mut walk.token, "nobody's".to_owned());
    let request = Request::get("http://paypal.test/paypal/v2/checkout/orders/0").body(Bytes::new()).unwrap();
    let bare = walk.paypal.handle(walk.now, &request).response;
    walk.specs.check_answer(&Method::GET, "/v2/checkout/orders/0", 401, &serde_json::from_slice(bare.body()).unwrap());
    walk.token = token;
}

#[test]
fn every_request_answer_and_event_is_as_paypal_specifies() {
    let Some(folder) = provider_specs() else { return };
    let mut checked = (0, 0);
    for whole in [true, false] {
        let mut walk = Walk {
            specs: Specs::read(&folder),
            paypal: Simulator::ephemeral(PayPal::new(Arc::new(SystemEntropy), None)),
            now: "2026-11-20T12:00:00Z".parse().unwrap(),
            token: String::new(),
            whole,
            keys: 0,
            checked: 0,
        };
        walk.paypal.set_endpoint(Endpoint { url: "http://merchant.test/".into(), secret: WEBHOOK_ID.into() });
        walk.sign_in();
        orders(&mut walk);
        payments(&mut walk);
        ends(&mut walk);
        errors(&mut walk);
        checked.1 += walk.check_webhooks();
        assert!(walk.specs.has_met_every_exception());
        checked.0 += walk.checked;
    }
    assert!(checked.0 > 300 && checked.1 > 60, "{checked:?}");
}
