//! The journal: what an account knows after a kill.

use std::{fs, io::Write, path::Path};

use crate::account::{Account, kind_of, payment};

const PATH: &str = "/v1/payment_intents";

fn everything(account: &Account) -> Vec<String> {
    account.simulator.snapshot().iter().map(|record| record.get().to_owned()).collect()
}

fn tear(folder: &Path, tail: &[u8]) {
    let mut file = fs::OpenOptions::new().append(true).open(folder.join("stripe.journal")).unwrap();
    file.write_all(tail).unwrap();
}

#[test]
fn everything_is_known_after_a_kill_even_twice() {
    let folder = tempfile::tempdir().unwrap();
    let mut account = Account::open(folder.path());
    let paid = account.paid();
    let held = account.authorized();
    account.pay("pm_card_visa_chargeDeclined", "manual").refused(402, "card_declined");
    account.post("/v1/refunds", &[("payment_intent", &paid), ("amount", "100")]).ok();
    let kept = account.post_with_key(PATH, "k", &payment("pm_card_visa", "manual")).ok();
    let before = everything(&account);
    let books = account.simulator.transactions();
    for _ in 0..2 {
        drop(account);
        account = Account::open(folder.path());
        assert_eq!(everything(&account), before);
        assert_eq!(account.simulator.transactions(), books);
    }
    let replayed = account.post_with_key(PATH, "k", &payment("pm_card_visa", "manual")).ok();
    assert_eq!(replayed.text, kept.text);
    account.post("/v1/refunds", &[("payment_intent", &paid), ("amount", "901")]);
    account.post(&format!("{PATH}/{held}/capture"), &[]).ok();
    let balance = account.get("/v1/balance", &[]).ok().json;
    assert_eq!(balance["available"][0]["amount"], 1900);
}

#[test]
fn a_torn_last_line_is_a_change_that_never_happened() {
    let folder = tempfile::tempdir().unwrap();
    let mut account = Account::open(folder.path());
    account.paid();
    let before = everything(&account);
    drop(account);
    tear(folder.path(), br#"[{"provider":{"intent":{"id":"pi_torn","client_"#);
    let mut account = Account::open(folder.path());
    assert_eq!(everything(&account), before);
    account.paid();
    drop(account);
    assert_eq!(Account::open(folder.path()).simulator.transactions().len(), 2);
}

#[test]
fn a_change_cut_anywhere_is_gone_as_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("stripe.journal");
    let mut account = Account::open(folder.path());
    let whole = fs::read(&file).unwrap().len();
    account.post_with_key(PATH, "k", &payment("pm_card_visa", "manual")).ok();
    drop(account);
    let bytes = fs::read(&file).unwrap();
    for cut in (whole + 1..bytes.len()).step_by(97) {
        fs::write(&file, &bytes[..cut]).unwrap();
        let account = Account::open(folder.path());
        assert!(account.simulator.transactions().is_empty(), "cut at {cut}");
    }
}

#[test]
fn a_line_damaged_in_the_middle_is_told_not_skipped() {
    let folder = tempfile::tempdir().unwrap();
    drop(Account::open(folder.path()));
    tear(folder.path(), b"nonsense\n[]\n");
    let opened = tollgate_simulators::Simulator::open(crate::account::stripe(), folder.path());
    let error = opened.err().unwrap().to_string();
    assert!(error.contains("line 1"), "{error}");
}

#[test]
fn undelivered_webhooks_and_the_endpoint_outlive_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let mut account = Account::open(folder.path()).with_endpoint();
    account.authorized();
    let first = account.simulator.take_webhook(account.now).unwrap();
    account.simulator.webhook_settled(&first.event_id, false, account.now);
    let second = account.simulator.take_webhook(account.now).unwrap();
    drop(account);
    let mut account = Account::open(folder.path());
    let again = account.simulator.take_webhook(account.now).unwrap();
    assert_eq!(again.event_id, second.event_id, "killed while it was sent");
    assert_eq!(account.simulator.next_due().unwrap().duration_since(account.now).as_secs(), 5);
    account.simulator.webhook_settled(&again.event_id, true, account.now);
    account.now = account.simulator.next_due().unwrap();
    assert_eq!(account.delivered(), [kind_of(&first.body)]);
    drop(account);
    assert!(Account::open(folder.path()).simulator.take_webhook(crate::account::noon()).is_none());
}
