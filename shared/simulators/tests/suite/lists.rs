//! Lists: newest first, page by page, by time.

use crate::account::Account;
use jiff::SignedDuration;
use serde_json::Value;

fn ids(list: &Value) -> Vec<&str> {
    list["data"].as_array().unwrap().iter().map(|object| object["id"].as_str().unwrap()).collect()
}

#[test]
fn pages_follow_each_other_in_both_directions() {
    let mut account = Account::new();
    let mut made: Vec<String> = (0..7).map(|_| account.paid()).collect();
    made.reverse();
    let path = "/v1/payment_intents";
    let first = account.get(path, &[("limit", "3")]).ok().json;
    assert_eq!(ids(&first), &made[..3]);
    assert_eq!(first["has_more"], true);
    let last = account.get(path, &[("limit", "3"), ("starting_after", &made[3])]).ok().json;
    assert_eq!(ids(&last), &made[4..]);
    assert_eq!(last["has_more"], false);
    let back = account.get(path, &[("limit", "2"), ("ending_before", &made[3])]).ok().json;
    assert_eq!(ids(&back), &made[1..3]);
    assert_eq!(back["has_more"], true);
    account.get(path, &[("starting_after", "pi_0")]).refused(400, "resource_missing");
    account.get(path, &[("limit", "101")]).refused(400, "parameter_invalid_integer");
}

#[test]
fn lists_are_cut_by_creation_time() {
    let mut account = Account::new();
    let early = account.paid();
    account.pass(SignedDuration::from_mins(1));
    let late = account.paid();
    let at = account.now.as_second();
    let path = "/v1/payment_intents";
    let at_or_after = account.get(path, &[("created[gte]", &at.to_string())]).ok().json;
    assert_eq!(ids(&at_or_after), [&late]);
    let before = account.get(path, &[("created[lt]", &at.to_string())]).ok().json;
    assert_eq!(ids(&before), [&early]);
    let never = account.get(path, &[("created[gt]", &at.to_string()), ("created[lt]", "5")]).ok().json;
    assert!(ids(&never).is_empty());
    let after_cursor = account.get(path, &[("created[gte]", &at.to_string()), ("starting_after", &late)]).ok().json;
    assert!(ids(&after_cursor).is_empty());
}

#[test]
fn lists_expand_their_members() {
    let mut account = Account::new();
    account.paid();
    let list = account.get("/v1/payment_intents", &[("expand[]", "data.latest_charge")]).ok().json;
    assert_eq!(list["data"][0]["latest_charge"]["object"], "charge");
    assert_eq!(account.get("/v1/payment_intents", &[("expand[]", "data.secrets")]).status, 400);
}

#[test]
fn balance_transactions_show_what_moved_from_what_and_come_and_go_with_it() {
    let mut account = Account::new();
    let held = account.authorized();
    let path = "/v1/balance_transactions";
    assert!(ids(&account.get(path, &[]).ok().json).is_empty(), "what is held has not moved");
    account.post(&format!("/v1/payment_intents/{held}/capture"), &[("amount_to_capture", "700")]).ok();
    account.post("/v1/refunds", &[("payment_intent", &held), ("amount", "200")]).ok();
    let list = account.get(path, &[("expand[]", "data.source")]).ok().json;
    let shown: Vec<_> = list["data"].as_array().unwrap().iter().collect();
    let of = |number: usize| (shown[number]["type"].as_str().unwrap(), shown[number]["amount"].as_i64().unwrap());
    assert_eq!((of(0), of(1), shown.len()), (("refund", -200), ("charge", 700), 2));
    assert_eq!(shown[1]["net"], 700 - 25, "Stripe keeps its fee");
    assert_eq!(
        (&shown[0]["source"]["object"], &shown[1]["source"]["payment_intent"]),
        (&"refund".into(), &held.into())
    );
    let failing = account.pay("pm_card_refundFail", "automatic").id();
    account.post("/v1/refunds", &[("payment_intent", &failing)]).ok();
    account.pass(SignedDuration::from_hours(1));
    let back = account.get(path, &[("type", "refund_failure")]).ok().json;
    assert_eq!((ids(&back).len(), back["data"][0]["source"].as_str().unwrap().starts_with("re_")), (1, true));
}

#[test]
fn events_are_listed_by_kind() {
    let mut account = Account::new();
    let id = account.paid();
    account.post("/v1/refunds", &[("payment_intent", &id)]).ok();
    let all = account.get("/v1/events", &[]).ok().json;
    let kinds: Vec<_> = all["data"].as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["charge.refunded", "refund.created", "payment_intent.succeeded", "payment_intent.created"]);
    let some = account.get("/v1/events", &[("type", "payment_intent.*")]).ok().json;
    assert_eq!(some["data"].as_array().unwrap().len(), 2);
    let one = account.get("/v1/events", &[("types[]", "refund.created"), ("types[]", "refund.failed")]).ok().json;
    let event = &one["data"][0];
    assert_eq!(account.get(&format!("/v1/events/{}", event["id"].as_str().unwrap()), &[]).ok().json, *event);
}
