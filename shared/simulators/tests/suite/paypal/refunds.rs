//! Money that goes back.

use super::account::{Account, usd};
use jiff::SignedDuration;
use serde_json::json;

#[test]
fn parts_are_refunded_until_nothing_is_left() {
    let mut account = Account::with_endpoint();
    let (_, capture) = account.captured();
    account.kinds();
    let path = format!("/v2/payments/captures/{capture}/refund");
    let mut part = usd("30.00");
    part["custom_id"] = "ref_1".into();
    part["invoice_id"] = "refund-1".into();
    let refund = account.post(&path, "a", &part).is(201);
    assert_eq!((&refund.json["status"], &refund.json["custom_id"]), (&"COMPLETED".into(), &"ref_1".into()));
    assert_eq!(account.get(&format!("/v2/payments/captures/{capture}")).json["status"], "PARTIALLY_REFUNDED");
    assert_eq!(account.transaction().refunded, 3_000);
    account.post(&path, "b", &usd("70.01")).refused(422, "REFUND_AMOUNT_EXCEEDED");
    account.post(&path, "c", &part).refused(422, "DUPLICATE_INVOICE_ID");
    let yen = json!({"amount": {"currency_code": "JPY", "value": "10"}});
    account.post(&path, "d", &yen).refused(422, "REFUND_CAPTURE_CURRENCY_MISMATCH");
    let rest = account.post(&path, "e", &json!({})).is(201);
    assert_eq!(rest.json["amount"]["value"], "70.00");
    assert_eq!(rest.json["seller_payable_breakdown"]["total_refunded_amount"]["value"], "100.00");
    account.post(&path, "f", &json!({})).refused(422, "CAPTURE_FULLY_REFUNDED");
    assert_eq!((account.transaction().refunded, account.transaction().status.as_str()), (10_000, "REFUNDED"));
    let shown = account.get(&format!("/v2/payments/refunds/{}", refund.id())).is(200);
    assert_eq!(shown.json, refund.json);

    let told = account.delivered();
    assert_eq!(told.len(), 2);
    assert_eq!(
        (&told[0]["event_type"], &told[0]["resource_type"]),
        (&"PAYMENT.CAPTURE.REFUNDED".into(), &"refund".into())
    );
    assert_eq!(
        (&told[0]["resource"]["custom_id"], &told[1]["resource"]["custom_id"]),
        (&"ref_1".into(), &"pay_1".into())
    );
}

#[test]
fn a_pending_refund_completes_after_an_hour() {
    let mut account = Account::with_endpoint();
    let (_, capture) = account.captured_by("vault-refund-pending");
    account.kinds();
    let refund = account.post(&format!("/v2/payments/captures/{capture}/refund"), "a", &json!({})).is(201);
    assert_eq!(refund.json["status"], "PENDING");
    assert_eq!((account.kinds(), account.transaction().refunded), (vec![], 10_000));
    account.pass(SignedDuration::from_hours(1));
    assert_eq!(account.kinds(), ["PAYMENT.CAPTURE.REFUNDED"]);
    assert_eq!(account.get(&format!("/v2/payments/refunds/{}", refund.id())).json["status"], "COMPLETED");
}

#[test]
fn a_refund_that_fails_gives_nothing_back_and_is_not_told_of() {
    let mut account = Account::with_endpoint();
    let (_, capture) = account.captured_by("vault-refund-failed");
    account.kinds();
    let refund = account.post(&format!("/v2/payments/captures/{capture}/refund"), "a", &usd("1.00")).is(201);
    account.pass(SignedDuration::from_hours(1));
    assert_eq!(account.kinds(), Vec::<String>::new());
    assert_eq!(account.get(&format!("/v2/payments/refunds/{}", refund.id())).json["status"], "FAILED");
    assert_eq!((account.transaction().captured, account.transaction().refunded), (10_000, 0));
}

#[test]
fn a_capture_can_be_refunded_for_180_days() {
    let mut account = Account::new();
    let (_, capture) = account.captured();
    let path = format!("/v2/payments/captures/{capture}/refund");
    account.pass(SignedDuration::from_hours(24 * 180) - SignedDuration::from_secs(1));
    account.forget_token();
    account.post(&path, "a", &usd("1.00")).is(201);
    account.pass(SignedDuration::from_secs(1));
    account.post(&path, "b", &usd("1.00")).refused(422, "REFUND_TIME_LIMIT_EXCEEDED");
    account.post("/v2/payments/captures/0/refund", "c", &json!({})).refused(404, "INVALID_RESOURCE_ID");
}
