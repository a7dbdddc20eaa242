//! Payments that the payer has to approve.

use crate::account::{Account, Got, payment, read, request};
use http::Method;

fn ask(account: &mut Account, return_url: &str) -> Got {
    let mut params = payment("pm_card_threeDSecure2Required", "manual").to_vec();
    params.push(("return_url", return_url));
    let asked = account.post("/v1/payment_intents", &params).ok();
    assert_eq!(asked.json["status"], "requires_action");
    asked
}

fn page(account: &mut Account, method: Method, id: &str, button: &str) -> Got {
    read(account.call(&request(method, &format!("/3ds/{id}{button}"), None, &[])))
}

#[test]
fn an_approved_payment_goes_on_and_the_payer_goes_back() {
    let mut account = Account::new().with_endpoint();
    let asked = ask(&mut account, "https://shop.test/back?cart=7#top");
    let id = asked.id();
    let action = &asked.json["next_action"];
    assert_eq!(action["type"], "redirect_to_url");
    assert_eq!(action["redirect_to_url"]["url"], format!("http://stripe.test/stripe/3ds/{id}"));

    let shown = page(&mut account, Method::GET, &id, "");
    assert!(shown.text.contains("Approve") && shown.text.contains("Fail"), "{}", shown.text);
    let done = page(&mut account, Method::POST, &id, "/approve");
    assert_eq!(done.status, 303);
    let secret = asked.json["client_secret"].as_str().unwrap();
    assert_eq!(
        done.headers["location"].to_str().unwrap(),
        format!(
            "https://shop.test/back?cart=7&payment_intent={id}&payment_intent_client_secret={secret}\
             &redirect_status=succeeded#top"
        )
    );
    let intent = account.get(&format!("/v1/payment_intents/{id}"), &[]).ok().json;
    assert_eq!((&intent["status"], &intent["next_action"]), (&"requires_capture".into(), &serde_json::Value::Null));
    assert_eq!(
        account.delivered(),
        ["payment_intent.created", "payment_intent.requires_action", "payment_intent.amount_capturable_updated"]
    );
    let again = page(&mut account, Method::POST, &id, "/approve");
    assert!(again.text.contains("approved already"), "{}", again.text);
}

#[test]
fn a_failed_approval_fails_the_attempt() {
    let mut account = Account::new().with_endpoint();
    let id = ask(&mut account, "https://shop.test/back").id();
    let done = page(&mut account, Method::POST, &id, "/fail");
    assert!(done.headers["location"].to_str().unwrap().ends_with("&redirect_status=failed"));
    let intent = account.get(&format!("/v1/payment_intents/{id}"), &[]).ok().json;
    assert_eq!(intent["status"], "requires_payment_method");
    assert_eq!(intent["last_payment_error"]["code"], "payment_intent_authentication_failure");
    assert_eq!(account.delivered().last().unwrap(), "payment_intent.payment_failed");
}

#[test]
fn a_cancelled_payment_can_no_longer_be_approved() {
    let mut account = Account::new();
    let id = ask(&mut account, "https://shop.test/back").id();
    account.post(&format!("/v1/payment_intents/{id}/cancel"), &[]).ok();
    assert!(page(&mut account, Method::GET, &id, "").text.contains("was cancelled"));
    page(&mut account, Method::POST, &id, "/approve");
    assert_eq!(account.simulator.transactions()[0].status, "canceled");
}

#[test]
fn without_the_payer_there_is_nobody_to_approve() {
    let mut account = Account::new();
    let mut params = payment("pm_card_threeDSecure2Required", "manual").to_vec();
    params.push(("off_session", "true"));
    let error = account.post("/v1/payment_intents", &params).refused(402, "authentication_required");
    assert_eq!(error["payment_intent"]["status"], "requires_payment_method");
}
