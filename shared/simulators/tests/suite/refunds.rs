//! Refunds: whole, in parts, too much, slow, and failing after all.

use crate::account::Account;
use jiff::SignedDuration;

#[test]
fn refunds_never_exceed_what_was_captured() {
    let mut account = Account::new();
    let id = account.paid();
    let part = account.post("/v1/refunds", &[("payment_intent", &id), ("amount", "300"), ("metadata[a]", "b")]).ok();
    assert_eq!(part.json["status"], "succeeded");
    assert_eq!(part.json["metadata"]["a"], "b");
    let over = account.post("/v1/refunds", &[("payment_intent", &id), ("amount", "701")]);
    assert_eq!((over.status, over.json["error"]["param"].as_str()), (400, Some("amount")));
    let rest = account.post("/v1/refunds", &[("payment_intent", &id)]).ok();
    assert_eq!(rest.json["amount"], 700);
    account.post("/v1/refunds", &[("payment_intent", &id)]).refused(400, "charge_already_refunded");

    let charge = part.json["charge"].as_str().unwrap();
    let charge = account.get(&format!("/v1/charges/{charge}"), &[]).ok().json;
    assert_eq!((charge["amount_refunded"].as_i64(), charge["refunded"].as_bool()), (Some(1000), Some(true)));
    assert_eq!(account.simulator.transactions()[0].refunded, 1000);

    let listed = account.get("/v1/refunds", &[("payment_intent", &id)]).ok().json;
    assert_eq!(listed["data"][0]["id"], rest.json["id"], "newest first");
    assert_eq!(listed["data"].as_array().unwrap().len(), 2);
    let shown = account.get(&format!("/v1/refunds/{}", part.id()), &[]).ok();
    assert_eq!(shown.json, part.json);
}

#[test]
fn what_was_not_captured_is_not_refunded() {
    let mut account = Account::new();
    let held = account.authorized();
    account.post("/v1/refunds", &[("payment_intent", &held)]).refused(400, "charge_not_refundable");
    account.post("/v1/refunds", &[("payment_intent", "pi_0")]).refused(404, "resource_missing");
    account.post("/v1/refunds", &[]).refused(400, "parameter_missing");
}

#[test]
fn a_partly_captured_payment_gives_back_only_that_part() {
    let mut account = Account::new();
    let id = account.authorized();
    account.post(&format!("/v1/payment_intents/{id}/capture"), &[("amount_to_capture", "400")]).ok();
    let over = account.post("/v1/refunds", &[("payment_intent", &id), ("amount", "401")]);
    assert_eq!(over.status, 400);
    assert_eq!(account.post("/v1/refunds", &[("payment_intent", &id)]).ok().json["amount"], 400);
}

#[test]
fn a_slow_refund_succeeds_later() {
    let mut account = Account::new().with_endpoint();
    let id = account.pay("pm_card_pendingRefund", "automatic").ok().id();
    let refund = account.post("/v1/refunds", &[("payment_intent", &id)]).ok();
    assert_eq!(refund.json["status"], "pending");
    account.delivered();
    let due = account.simulator.next_due().unwrap();
    assert_eq!(due.duration_since(account.now), SignedDuration::from_mins(5));
    account.now = due;
    account.simulator.advance(account.now);
    assert_eq!(account.delivered(), ["refund.updated"]);
    assert_eq!(account.get(&format!("/v1/refunds/{}", refund.id()), &[]).ok().json["status"], "succeeded");
}

#[test]
fn a_refund_that_succeeded_can_fail_and_be_made_again() {
    let mut account = Account::new().with_endpoint();
    let id = account.pay("pm_card_refundFail", "automatic").ok().id();
    let refund = account.post("/v1/refunds", &[("payment_intent", &id)]).ok();
    assert_eq!(refund.json["status"], "succeeded");
    account.delivered();
    account.pass(SignedDuration::from_mins(5));
    let failed = account.get(&format!("/v1/refunds/{}", refund.id()), &[]).ok().json;
    assert_eq!(failed["status"], "failed");
    assert!(failed["failure_reason"].is_string());
    assert_eq!(account.delivered(), ["refund.failed"]);
    assert_eq!(account.simulator.transactions()[0].refunded, 0);
    account.post("/v1/refunds", &[("payment_intent", &id)]).ok();
}
