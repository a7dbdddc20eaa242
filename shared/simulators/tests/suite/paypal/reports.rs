//! The transaction report: what moved, from the same books as everything else, page by page.

use super::account::{Account, usd};
use jiff::SignedDuration;
use serde_json::{Value, json};

fn between(account: &Account, hours: i64, more: &str) -> String {
    let from = account.now - SignedDuration::from_hours(hours);
    format!("/v1/reporting/transactions?start_date={from}&end_date={}{more}", account.now)
}

fn shown(report: &Value) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let details = report["transaction_details"].as_array().cloned().unwrap_or_default();
    let of = |detail: Value| {
        let info = &detail["transaction_info"];
        let amount = text(&info["transaction_amount"]["value"]);
        (text(&info["transaction_event_code"]), amount, text(&info["custom_field"]))
    };
    details.into_iter().map(of).collect()
}

#[test]
fn a_report_shows_captures_and_refunds_with_their_marks_oldest_first() {
    let mut account = Account::new();
    let (_, capture) = account.captured();
    let mut part = usd("30.00");
    part["custom_id"] = "pay_1 ref_1".into();
    account.pass(SignedDuration::from_mins(1));
    account.post(&format!("/v2/payments/captures/{capture}/refund"), "a", &part).is(201);
    let path = between(&account, 1, "");
    let report = account.get(&path).is(200).json;
    let line = |code: &str, amount: &str, mark: &str| (code.to_owned(), amount.to_owned(), mark.to_owned());
    assert_eq!(shown(&report), [line("T0006", "100.00", "pay_1"), line("T1107", "-30.00", "pay_1 ref_1")]);
    assert_eq!((&report["page"], &report["total_items"], &report["total_pages"]), (&json!(1), &json!(2), &json!(1)));
    let path = between(&account, 1, "&page_size=1&page=2");
    let second = account.get(&path).is(200).json;
    assert_eq!((shown(&second), &second["total_pages"]), (vec![line("T1107", "-30.00", "pay_1 ref_1")], &json!(2)));
    account.pass(SignedDuration::from_hours(2));
    let path = between(&account, 1, "");
    assert_eq!(shown(&account.get(&path).is(200).json), []);
}

#[test]
fn a_report_of_no_period_or_too_long_a_one_is_refused() {
    let mut account = Account::new();
    account.get("/v1/reporting/transactions").refused(400, "MISSING_REQUIRED_PARAMETER");
    let path = between(&account, 32 * 24, "");
    account.get(&path).refused(400, "INVALID_PARAMETER_VALUE");
    let path = between(&account, 1, "&page_size=501");
    account.get(&path).refused(400, "INVALID_PARAMETER_VALUE");
}
