//! Authorizations that nobody captures.

use crate::account::Account;
use jiff::SignedDuration;

#[test]
fn an_authorization_ends_after_seven_days() {
    let mut account = Account::new().with_endpoint();
    let held = account.authorized();
    let captured = account.authorized();
    account.post(&format!("/v1/payment_intents/{captured}/capture"), &[]).ok();
    account.delivered();
    let due = account.simulator.next_due().unwrap();
    assert_eq!(due.duration_since(account.now), SignedDuration::from_hours(7 * 24));

    account.now = due - SignedDuration::from_secs(1);
    account.simulator.advance(account.now);
    assert_eq!(account.delivered(), Vec::<String>::new());
    account.now = due;
    account.simulator.advance(account.now);
    assert_eq!(account.delivered(), ["charge.expired", "payment_intent.canceled"]);

    let intent = account.get(&format!("/v1/payment_intents/{held}"), &[]).ok().json;
    assert_eq!((&intent["status"], &intent["cancellation_reason"]), (&"canceled".into(), &"automatic".into()));
    let late = account.post(&format!("/v1/payment_intents/{held}/capture"), &[]);
    late.refused(400, "payment_intent_unexpected_state");
    assert_eq!(account.simulator.next_due(), None);
}

#[test]
fn a_capture_that_comes_too_late_finds_the_authorization_gone_even_if_nobody_looked() {
    let mut account = Account::new();
    let held = account.authorized();
    account.pass(SignedDuration::from_hours(7 * 24));
    let late = account.post(&format!("/v1/payment_intents/{held}/capture"), &[]);
    let error = late.refused(400, "payment_intent_unexpected_state");
    assert_eq!(error["payment_intent"]["status"], "canceled");
}
