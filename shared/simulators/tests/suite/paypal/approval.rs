//! Payments that the payer has to approve.

use super::account::{Account, Got, order, vault};
use http::{Method, Request};
use jiff::SignedDuration;
use serde_json::json;

const ORDERS: &str = "/v2/checkout/orders";

fn visit(account: &mut Account, method: Method, url: &str) -> Got {
    account.call(&Request::builder().method(method).uri(url).body("".into()).unwrap()).into()
}

#[test]
fn the_payer_approves_and_the_order_is_authorized_without_a_source() {
    let mut account = Account::with_endpoint();
    let created = account.post(ORDERS, "order-1", &order("AUTHORIZE")).is(201);
    let (id, page) = (created.id(), created.link("approve").unwrap());
    let shown = visit(&mut account, Method::GET, &page).is(200);
    assert!(shown.text.contains("100.00 USD") && shown.text.contains("A book"), "{}", shown.text);

    let left = visit(&mut account, Method::POST, &format!("{page}/cancel")).is(303);
    assert_eq!(left.location.unwrap(), format!("https://shop.test/cancelled?token={id}"));
    assert_eq!(account.order(&id)["status"], "CREATED", "the payer may come again");

    let back = visit(&mut account, Method::POST, &format!("{page}/approve")).is(303);
    let expected = format!("https://shop.test/back?cart=7&token={id}&PayerID=QYR5Z8XDVJNXQ#top");
    assert_eq!(back.location.unwrap(), expected);
    assert_eq!(account.order(&id)["status"], "APPROVED");
    assert_eq!(account.kinds(), ["CHECKOUT.ORDER.APPROVED"]);
    assert!(visit(&mut account, Method::GET, &page).text.contains("approved already"));

    account.post(&format!("{ORDERS}/{id}/authorize"), "authorize-1", &json!({})).is(201);
    assert_eq!(account.kinds(), ["PAYMENT.AUTHORIZATION.CREATED", "CHECKOUT.ORDER.COMPLETED"]);
}

#[test]
fn a_vaulted_payer_who_has_to_approve_is_sent_to_the_page() {
    let mut account = Account::new();
    let id = account.ordered("AUTHORIZE", "order-1");
    let path = format!("{ORDERS}/{id}/authorize");
    let asked = account.post(&path, "authorize-1", &vault("vault-needs-approval"));
    let page = asked.link("payer-action").unwrap();
    asked.refused(422, "PAYER_ACTION_REQUIRED");
    let shown = account.get(&format!("{ORDERS}/{id}"));
    assert_eq!(
        (&shown.json["status"], shown.link("payer-action")),
        (&"PAYER_ACTION_REQUIRED".into(), Some(page.clone()))
    );
    account.post(&path, "authorize-2", &json!({})).refused(422, "PAYER_ACTION_REQUIRED");

    visit(&mut account, Method::POST, &format!("{page}/approve")).is(303);
    account.post(&path, "authorize-1", &vault("vault-needs-approval")).is(201);
    assert_eq!(account.order(&id)["status"], "COMPLETED");
}

#[test]
fn an_order_to_be_paid_with_paypal_waits_for_its_payer() {
    for source in [
        vault("vault-needs-approval")["payment_source"].clone(),
        json!({"paypal": {"experience_context": {"return_url": "https://new.test/", "cancel_url": "https://new.test/no"}}}),
    ] {
        let mut account = Account::new();
        let mut order = order("CAPTURE");
        order["payment_source"] = source;
        let created = account.post(ORDERS, "order-1", &order).is(201);
        assert_eq!(created.json["status"], "PAYER_ACTION_REQUIRED");
        let page = created.link("payer-action").unwrap();
        let back = visit(&mut account, Method::POST, &format!("{page}/approve")).is(303).location.unwrap();
        assert!(back.contains(&format!("token={}", created.id())), "{back}");
        let paid = account.post(&format!("{ORDERS}/{}/capture", created.id()), "capture-1", &json!({})).is(201);
        assert_eq!(paid.json["purchase_units"][0]["payments"]["captures"][0]["status"], "COMPLETED");
    }
}

#[test]
fn who_comes_too_late_has_nothing_to_approve() {
    let mut account = Account::new();
    let created = account.post(ORDERS, "order-1", &order("AUTHORIZE")).is(201);
    let page = created.link("approve").unwrap();
    account.pass(SignedDuration::from_hours(6));
    let late = visit(&mut account, Method::POST, &format!("{page}/approve")).is(200);
    assert!(late.text.contains("has expired"), "{}", late.text);
    visit(&mut account, Method::GET, "http://paypal.test/paypal/checkoutnow/0").is(404);
    visit(&mut account, Method::GET, "http://paypal.test/paypal/elsewhere").is(404);
}

#[test]
fn an_approval_holds_for_six_hours() {
    let mut account = Account::new();
    let created = account.post(ORDERS, "order-1", &order("AUTHORIZE")).is(201);
    account.pass(SignedDuration::from_hours(5));
    visit(&mut account, Method::POST, &format!("{}/approve", created.link("approve").unwrap())).is(303);
    account.pass(SignedDuration::from_hours(5));
    account.forget_token();
    let id = created.id();
    assert_eq!(account.order(&id)["status"], "APPROVED");
    account.pass(SignedDuration::from_hours(1));
    assert_eq!(account.order(&id)["status"], "VOIDED");
}
