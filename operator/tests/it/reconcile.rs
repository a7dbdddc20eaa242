//! `reconcile bank-statement`: every kind of disagreement is found and told by the code, and nothing is changed.

use std::fmt::Write;

use serde_json::{Value, json};
use tollgate_domain::{Answer, NewPayment, PaymentId, ProviderName, RefundId, TransactionState, TransactionView};
use tollgate_gateway::{
    contract::{Samples, Story, yen},
    records::Committed,
};

use crate::place::{Place, on_each_store};

on_each_store! {
    what_agrees_is_matched_and_the_code_is_0,
    every_disagreement_is_an_exception_and_the_code_is_1,
    exceptions_that_are_to_be_kept_are_kept_once,
}

/// A payment at the bank: 1000 yen.
pub(crate) fn opened(samples: &Samples) -> Story<'_> {
    Story::open(samples, NewPayment { provider: ProviderName::Bank, ..samples.new_payment() }, Samples::start())
}

pub(crate) fn captured(samples: &Samples) -> Story<'_> {
    opened(samples).authorized().capture_requested(1000).captured(1000)
}

/// One that was over, succeeded late, and of which that was undone.
pub(crate) fn undone(samples: &Samples) -> Story<'_> {
    let story = opened(samples).refused().captured(1000);
    let view = TransactionView {
        transaction_id: story.payment.provider_transaction_id.clone().unwrap(),
        request_id: None,
        amount: yen(1000),
        state: TransactionState::Captured { amount: yen(1000), refunded: yen(1000) },
        kept: None,
    };
    let story = story.answered(&Answer::Shows(view));
    assert!(story.payment.reversed_at.is_some());
    story
}

pub(crate) fn refund_of(story: &Story<'_>) -> RefundId {
    story.sets.iter().rev().find_map(|set| set.payment.as_ref()?.refund.as_ref()).unwrap().id
}

pub(crate) fn reversal_of(payment: PaymentId) -> String {
    payment.to_string().replace("pay_", "rev_")
}

pub(crate) async fn commit(place: &Place, story: &Story<'_>) {
    let payments = place.stores().payments;
    for set in &story.sets {
        assert_eq!(payments.commit(set).await.unwrap(), Committed::Done);
    }
}

/// A bank's file, entry by entry.
#[derive(Default)]
struct File {
    entries: String,
    moved: i64,
}

impl File {
    /// A booked entry: more than nothing is a credit.
    fn booked(self, name: &str, yen: i64) -> Self {
        self.entry(name, yen, "BOOK", "")
    }

    fn entry(mut self, name: &str, yen: i64, status: &str, within: &str) -> Self {
        let side = if yen < 0 { "DBIT" } else { "CRDT" };
        _ = writeln!(
            self.entries,
            "<Ntry><Amt Ccy=\"JPY\">{0}</Amt><CdtDbtInd>{side}</CdtDbtInd>{within}<Sts><Cd>{status}</Cd></Sts>\
             <BookgDt><Dt>2026-11-25</Dt></BookgDt><NtryDtls><TxDtls><Refs><EndToEndId>{name}</EndToEndId></Refs>\
             <Amt Ccy=\"JPY\">{0}</Amt></TxDtls></NtryDtls></Ntry>",
            yen.abs()
        );
        self.moved += if status == "BOOK" { yen } else { 0 };
        self
    }

    fn done(&self) -> String {
        let balance = |code: &str, yen: i64| {
            format!(
                "<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy=\"JPY\">{yen}</Amt><CdtDbtInd>CRDT</CdtDbtInd></Bal>"
            )
        };
        format!(
            "<?xml version=\"1.0\"?>\n<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:camt.053.001.08\"><BkToCstmrStmt><Stmt>\
             <Id>S-1</Id><Acct><Id><IBAN>NL02ABNA0123456789</IBAN></Id><Ccy>JPY</Ccy></Acct>{}{}\n{}</Stmt></BkToCstmrStmt>\
             </Document>",
            balance("OPBD", 100_000),
            balance("CLBD", 100_000 + self.moved),
            self.entries
        )
    }
}

const COMMAND: &str = "reconcile bank-statement -";

async fn exceptions_that_are_to_be_kept_are_kept_once(place: Place) {
    let samples = Samples::new(912);
    let paid = captured(&samples);
    commit(&place, &paid).await;
    let lost = PaymentId::from_random([9; 16]).to_string();
    let file = File::default().booked(&paid.payment.id.to_string(), 900).booked(&lost, 5).done();
    assert_eq!(place.tollgate.run_on(COMMAND, &file).code, 1);
    assert_eq!(place.stores().exceptions.exceptions(false, None, 10).await.unwrap(), [], "it only reads");
    for opened in [2, 0] {
        let ran = place.tollgate.run_on(&format!("{COMMAND} --record --by ann"), &file);
        assert!(ran.code == 1 && ran.stderr.contains(&format!("{opened} exceptions were opened")), "{ran:?}");
    }
    let report = place.tollgate.run("reconciliation exceptions list --json").json();
    assert_eq!(report["kinds"], json!({"amount": 1, "missing_here": 1}));
    assert!(report["data"].as_array().unwrap().iter().all(|one| one["provider"] == "bank"));
}

async fn what_agrees_is_matched_and_the_code_is_0(place: Place) {
    let samples = Samples::new(910);
    let (paid, late, failed) = (captured(&samples), undone(&samples), opened(&samples).refused());
    let refunded = captured(&samples).settled().refund_requested(100).refund_completed();
    for story in [&paid, &late, &failed, &refunded] {
        commit(&place, story).await;
    }
    let file = File::default()
        .booked(&paid.payment.id.to_string(), 1000)
        .booked(&late.payment.id.to_string(), 1000)
        .booked(&reversal_of(late.payment.id), -1000)
        .booked(&refunded.payment.id.to_string(), 1000)
        .booked(&refund_of(&refunded).to_string(), -100)
        .booked(&failed.payment.id.to_string(), 1000)
        .entry(&failed.payment.id.to_string(), -1000, "BOOK", "<RvslInd>true</RvslInd>")
        .booked("NOTPROVIDED", 77)
        .booked("SALARY-11", -500)
        .entry(&PaymentId::from_random([9; 16]).to_string(), 5, "PDNG", "")
        .done();
    let said = place.tollgate.run_on(COMMAND, &file).answer();
    assert!(said.ends_with("\n9 booked: 7 matched, 2 not ours, 0 with exceptions; 1 not booked, left out\n"), "{said}");
    for part in ["S-1", "NL02ABNA0123456789", "2026-11-25", "100000 JPY", "101477 JPY"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let shown = place.tollgate.run_on(&format!("--json {COMMAND}"), &file).json();
    assert_eq!((&shown["matched"], &shown["not_ours"], &shown["not_booked"]), (&json!(7), &json!(2), &json!(1)));
    assert_eq!(shown["exceptions"], json!([]));
    assert_eq!(shown["statements"][0]["closing"], json!({"amount": 101_477, "currency": "JPY"}));
    // A file is as good as standard input.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a statement.xml");
    std::fs::write(&path, &file).unwrap();
    assert_eq!(place.tollgate.run_all(&["reconcile", "bank-statement", path.to_str().unwrap()]).answer(), said);
}

async fn every_disagreement_is_an_exception_and_the_code_is_1(place: Place) {
    let samples = Samples::new(911);
    let failed = opened(&samples).refused();
    let held = opened(&samples).authorized().capture_requested(1000);
    let (short, twice, back, away) = (captured(&samples), captured(&samples), captured(&samples), captured(&samples));
    let by_card = samples.opened().captured(1000);
    let waiting = captured(&samples).settled().refund_requested(100);
    let fresh = captured(&samples);
    let stories = [&failed, &held, &short, &twice, &back, &away, &by_card, &waiting, &fresh];
    for story in stories {
        commit(&place, story).await;
    }
    let unknown = PaymentId::from_random([9; 16]).to_string();
    let id = |story: &Story<'_>| story.payment.id.to_string();
    let file = File::default()
        .booked(&id(&failed), 1000)
        .booked(&id(&held), 1000)
        .booked(&id(&short), 999)
        .booked(&id(&twice), 1000)
        .booked(&id(&back), 1000)
        .booked(&id(&twice), 1000)
        .entry(&id(&back), -1000, "BOOK", "<RvslInd>true</RvslInd>")
        .booked(&id(&away), -1000)
        .booked(&id(&by_card), 1000)
        .booked(&unknown, 7)
        .booked(&RefundId::from_random([9; 16]).to_string(), -7)
        .booked(&refund_of(&waiting).to_string(), -100)
        .booked(&reversal_of(fresh.payment.id), -1000);
    let expected = [
        (3, "state", id(&failed)),
        (4, "state", id(&held)),
        (5, "amount", id(&short)),
        (8, "duplicate", id(&twice)),
        (9, "state", id(&back)),
        (10, "state", id(&away)),
        (11, "missing_here", id(&by_card)),
        (12, "missing_here", "-".to_owned()),
        (13, "missing_here", "-".to_owned()),
        (14, "state", id(&waiting)),
        (15, "missing_here", id(&fresh)),
    ];
    let ran = place.tollgate.run_on(COMMAND, &file.done());
    assert_eq!((ran.code, ran.stderr.as_str()), (1, ""), "{ran:?}");
    for (line, kind, payment) in &expected {
        let row = ran.stdout.lines().find(|row| row.contains(&format!("line {line}:")));
        let row = row.unwrap_or_else(|| panic!("line {line}: {}", ran.stdout));
        let words: Vec<_> = row.split_whitespace().take(2).collect();
        assert_eq!(words, [payment.as_str(), kind], "{row}");
    }
    let totals = "13 booked: 2 matched, 0 not ours, 11 with exceptions; 0 not booked, left out\n";
    assert!(ran.stdout.ends_with(totals), "{}", ran.stdout);
    for part in ["credit 1000 JPY on 2026-11-25", "AUTHORIZED 1000 JPY, capture under way", "a payment of stripe"] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }

    let ran = place.tollgate.run_on(&format!("--json {COMMAND}"), &file.done());
    let shown: Value = serde_json::from_str(&ran.stdout).unwrap();
    let found = shown["exceptions"].as_array().unwrap().iter().map(|one| {
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        (one["bank"]["line"].as_u64().unwrap(), text(&one["kind"]), text(&one["payment_id"]))
    });
    let expected: Vec<_> = expected.iter().map(|(line, kind, id)| (*line, (*kind).to_owned(), id.clone())).collect();
    assert_eq!((ran.code, found.collect::<Vec<_>>()), (1, expected));
    assert_eq!(shown["kinds"], json!({"amount": 1, "duplicate": 1, "missing_here": 4, "state": 5}));
    for story in stories {
        let after = place.stores().payments.payment(story.payment.id).await.unwrap();
        assert_eq!(after.as_ref(), Some(&story.payment), "it only reads");
    }
}

#[tokio::test]
async fn an_account_in_another_currency_is_told() {
    let place = Place::on_sqlite().migrated();
    let samples = Samples::new(912);
    let paid = captured(&samples);
    commit(&place, &paid).await;
    let file = File::default().booked(&paid.payment.id.to_string(), 1000).done().replace("JPY", "EUR");
    let ran = place.tollgate.run_on(&format!("--json {COMMAND}"), &file);
    let shown: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((ran.code, &shown["kinds"]), (1, &json!({"currency": 1})));
}

#[test]
fn what_cannot_be_read_is_one_line_and_code_3() {
    let place = Place::on_sqlite().migrated();
    let good = File::default().booked("x", 1).done();
    for (file, said) in [
        (String::new(), "line 1: not a camt.053 statement"),
        (good[..good.len() / 2].to_owned(), "line "),
        (good.replace("<Document", "<!DOCTYPE x><Document"), "line 2: a DOCTYPE is not taken"),
        (good.replace("100001", "100002"), "100001 JPY, but the closing balance is 100002 JPY: 1 JPY apart"),
    ] {
        let line = place.tollgate.run_on(COMMAND, &file).failure(3);
        assert!(line.starts_with("standard input: line ") && line.contains(said), "{line}");
    }
    let line = place.tollgate.run("reconcile bank-statement /nowhere/s.xml").failure(3);
    assert!(line.starts_with("/nowhere/s.xml cannot be opened"), "{line}");
    // Code 1 is for exceptions alone: a store that is not there has none.
    let nowhere = place.tollgate.with("STORE_URL", "sqlite:/nowhere/t.db");
    nowhere.run_on(COMMAND, &good).failure(2);
    nowhere.run("merchants list").failure(2);
    assert_eq!(place.tollgate.with("STORE_URL", "").run_on(COMMAND, &good).code, 2);
}
