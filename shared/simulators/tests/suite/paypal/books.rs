//! The journal: what an account knows after a kill.

use std::fs;

use super::account::{Account, order, usd, vault};
use jiff::SignedDuration;

const ORDERS: &str = "/v2/checkout/orders";

fn everything(account: &Account) -> Vec<String> {
    account.simulator.snapshot().iter().map(|record| record.get().to_owned()).collect()
}

#[test]
fn everything_is_known_after_a_kill_even_twice() {
    let folder = tempfile::tempdir().unwrap();
    let mut account = Account::open(folder.path());
    account.set_endpoint();
    let (first, held) = account.authorized();
    let capture = format!("/v2/payments/authorizations/{held}/capture");
    let taken = account.post(&capture, "capture-1", &usd("40.00")).is(201).id();
    account.post(&format!("/v2/payments/captures/{taken}/refund"), "refund-1", &usd("10.00")).is(201);
    account.ordered("AUTHORIZE", "order-2");
    account.post(&format!("{ORDERS}/{first}/authorize"), "late", &vault("vault-ok"));
    account.kinds();
    let bearer = account.token();
    let before = everything(&account);
    let books = account.simulator.transactions();
    for _ in 0..2 {
        drop(account);
        account = Account::open(folder.path());
        assert_eq!(everything(&account), before);
        assert_eq!(account.simulator.transactions(), books);
    }
    assert!(before.iter().any(|record| record.contains(&bearer)), "a token outlives the process that issued it");
    let again = account.post(&capture, "capture-1", &usd("40.00")).is(201);
    assert_eq!((again.id(), &again.json["status"]), (taken, &"PARTIALLY_REFUNDED".into()));
    account.post(ORDERS, "order-2", &order("CAPTURE")).refused(422, "DUPLICATE_REQUEST_ID");
    account.pass(SignedDuration::from_hours(29 * 24));
    account.forget_token();
    assert_eq!(account.authorization(&held)["status"], "VOIDED");
}

#[test]
fn a_change_cut_anywhere_is_gone_as_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("paypal.journal");
    let mut account = Account::open(folder.path());
    account.token();
    let id = account.ordered("AUTHORIZE", "order-1");
    let whole = fs::read(&file).unwrap().len();
    account.post(&format!("{ORDERS}/{id}/authorize"), "authorize-1", &vault("vault-ok")).is(201);
    drop(account);
    let bytes = fs::read(&file).unwrap();
    for cut in (whole + 1..bytes.len()).step_by(97) {
        fs::write(&file, &bytes[..cut]).unwrap();
        assert_eq!(Account::open(folder.path()).transaction().status, "CREATED", "cut at {cut}");
    }
    fs::write(&file, &bytes).unwrap();
    let mut account = Account::open(folder.path());
    assert_eq!(account.order(&id)["status"], "COMPLETED");
}

#[test]
fn the_key_and_undelivered_webhooks_outlive_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let mut account = Account::open(folder.path());
    account.set_endpoint();
    account.authorized();
    let first = account.simulator.take_webhook(account.now).unwrap();
    drop(account);
    let mut account = Account::open(folder.path());
    let again = account.simulator.take_webhook(account.now).unwrap();
    assert_eq!(again.event_id, first.event_id, "killed while it was sent");
    assert_eq!(again.headers["paypal-cert-url"], first.headers["paypal-cert-url"]);
}
