//! `settlement`: made and gone on with by hand, held against the ledger, and shown, with who did it and why.

use serde_json::json;
use tollgate_domain::{PaymentStatus, Settlement, SettlementDay, SettlementId, SettlementStatus};
use tollgate_gateway::{
    contract::{Samples, Story, yen},
    ports::settlements::Lane,
};

use crate::{
    place::{Place, on_each_store},
    stories::{commit, merchant_at, now},
};

on_each_store! {
    a_settlement_is_made_by_hand_verified_and_shown,
    what_is_unfinished_is_gone_on_with_and_nothing_is_begun_where_nothing_is,
    a_settlement_that_the_ledger_does_not_confirm_is_said_not_to_agree,
    what_is_not_there_or_typed_wrong_is_refused,
}

/// A payment of this merchant, captured long ago.
fn captured(samples: &Samples) -> Story<'_> {
    samples.opened().authorized().capture_requested(1000).captured(1000)
}

async fn a_settlement_is_made_by_hand_verified_and_shown(place: Place) {
    let samples = Samples::new(990);
    merchant_at(&place, samples.merchant, "https://shop.example/hooks").await;
    let mut payments = Vec::new();
    for _ in 0..3 {
        let story = captured(&samples);
        commit(&place, &story).await;
        payments.push(story.payment.id);
    }
    let run = place.tollgate.run("settlement run --by ann --why late --json").json();
    assert_eq!((&run["object"], &run["ran"], &run["saw"]), (&json!("settlement_run"), &json!(true), &json!(3)));
    let settlement = &run["settlement"];
    let date = SettlementDay::of(now()).date().to_string();
    assert_eq!((&settlement["status"], &settlement["date"]), (&json!("COMPLETED"), &json!(date)));
    for payment in payments {
        let payment = place.stores().payments.payment(payment).await.unwrap().unwrap();
        assert_eq!(payment.status, PaymentStatus::Settled);
    }
    let totals = json!([{
        "currency": "JPY", "payments": 3, "gross": 3000, "fees": 99, "refunds": 0, "refunds_returned": 0,
        "carried_over": 0, "net": 2901,
    }]);
    let check = place.tollgate.run("settlement verify --json").json();
    assert_eq!((&check["agrees"], &check["wrong"], &check["totals"]), (&json!(true), &json!(null), &totals));
    let said = place.tollgate.run(&format!("settlement verify --date {date}")).answer();
    assert!(said.contains("their lines and the ledger agree"), "{said}");
    let report = place.tollgate.run(&format!("settlement report --id {} --json", settlement["id"].as_str().unwrap()));
    let report = report.json();
    assert_eq!((&report["totals"], &report["counts"]["payments"]), (&totals, &json!(3)));
    let parts = report["merchants"].as_array().unwrap();
    assert_eq!((parts.len(), &parts[0]["totals"]), (1, &totals));
    assert_eq!(parts[0]["merchant_id"], samples.merchant.to_string());
    let words = place.tollgate.run(&format!("settlement report --merchant {}", samples.merchant)).answer();
    for part in ["COMPLETED", "Shoes", "2901", &date] {
        assert!(words.contains(part), "{part}: {words}");
    }
    let again = place.tollgate.run("settlement run --by ann --why again --json").json();
    assert_eq!((&again["saw"], &again["settlement"]["id"]), (&json!(0), &settlement["id"]), "it is over");
    let changes = place.tollgate.run("changes --json").json();
    let acts = changes["data"].as_array().unwrap();
    assert_eq!(acts.len(), 2, "reading is no change: {changes}");
    assert_eq!((&acts[1]["command"], &acts[1]["why"]), (&json!("settlement run"), &json!("late")));
    assert!(acts[1]["outcome"].as_str().unwrap().ends_with("COMPLETED"), "{changes}");
}

async fn what_is_unfinished_is_gone_on_with_and_nothing_is_begun_where_nothing_is(place: Place) {
    let samples = Samples::new(991);
    merchant_at(&place, samples.merchant, "https://shop.example/hooks").await;
    commit(&place, &captured(&samples)).await;
    let nothing = place.tollgate.run("settlement resume --by ann --why x --json").json();
    assert_eq!((&nothing["ran"], &nothing["settlement"]), (&json!(false), &json!(null)));
    let words = place.tollgate.run("settlement resume --by ann --why x").answer();
    assert!(words.contains("nothing was begun"), "{words}");
    assert!(place.stores().settlements.unfinished_settlement().await.unwrap().is_none());
    // A run that was cut off as soon as it had begun.
    let now = now();
    let begun = Settlement::open(SettlementId::from_random([9; 16]), SettlementDay::of(now), None, now);
    assert!(place.stores().settlements.put_settlement(&begun).await.unwrap());
    let said = place.tollgate.run("settlement resume --by ann --why cut-off");
    assert!(said.stderr.contains("settlement was found unfinished"), "{said:?}");
    let said = said.answer();
    assert!(said.contains(&begun.id.to_string()) && said.contains("COMPLETED"), "{said}");
    let ended = place.stores().settlements.settlement(begun.id).await.unwrap().unwrap();
    assert_eq!((ended.resumed, ended.counts.payments), (1, 1));
}

async fn a_settlement_that_the_ledger_does_not_confirm_is_said_not_to_agree(place: Place) {
    let samples = Samples::new(992);
    merchant_at(&place, samples.merchant, "https://shop.example/hooks").await;
    let story = captured(&samples);
    commit(&place, &story).await;
    place.tollgate.run("settlement run --by ann --why x").answer();
    let latest = place.stores().settlements.latest_settlement(tollgate_domain::Date::MAX).await.unwrap().unwrap();
    // Its record comes to say something else than its chunks.
    let mut spoilt = Settlement { revision: latest.revision + 1, ..latest.clone() };
    spoilt.totals[0].net += 1;
    assert!(place.stores().settlements.put_settlement(&spoilt).await.unwrap());
    let ran = place.tollgate.run("settlement verify --json");
    assert_eq!(ran.code, 1, "{ran:?}");
    let check: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&check["agrees"], &check["totals"][0]["net"]), (&json!(false), &json!(967)));
    assert_eq!(check["wrong"], "its record's totals are not those of its chunks");
    spoilt.revision += 1;
    spoilt.totals = latest.totals.clone();
    spoilt.counts.payments += 1;
    assert!(place.stores().settlements.put_settlement(&spoilt).await.unwrap());
    let ran = place.tollgate.run("settlement verify");
    assert!(ran.code == 1 && ran.stdout.contains("they do not agree: its record says 2 payments"), "{ran:?}");
    // A chunk's totals and lines against the ledger, whatever the record says.
    let sums = place.stores().settlement_chunks.chunk_sums(latest.id, 1).await.unwrap().unwrap();
    assert_eq!((sums.lines[0].net, yen(967).minor()), (967, 967));
    assert!(place.stores().settlement_chunks.last_chunk(latest.id, Lane::MAIN).await.unwrap().is_some());
    // One that was cut off: what there is agrees, and nobody may take it for all.
    let revision = spoilt.revision + 1;
    let cut_off =
        Settlement { status: SettlementStatus::Running, revision, ended_at: None, totals: Vec::new(), ..latest };
    assert!(place.stores().settlements.put_settlement(&cut_off).await.unwrap());
    for (words, code) in [("settlement verify", 3), ("settlement report", 1)] {
        let ran = place.tollgate.run(words);
        assert!(ran.code == code && ran.stdout.contains("NOT ENDED, these are only a part"), "{words}: {ran:?}");
    }
}

async fn what_is_not_there_or_typed_wrong_is_refused(place: Place) {
    let samples = Samples::new(993);
    let nobody = "stl_00000000000000000000000000";
    for (words, code, says) in [
        ("settlement run --by a", 2, "--why"),
        ("settlement resume --why", 2, "--why"),
        ("settlement report --date 2026-13-01", 2, "--date"),
        (&format!("settlement report --id {nobody} --date 2026-01-01"), 2, "cannot be used with"),
        ("settlement report", 1, "there is no settlement yet"),
        ("settlement verify", 3, "there is no settlement yet"),
        (&format!("settlement verify --id {nobody}"), 3, "there is no settlement stl_"),
        (&format!("settlement report --id {nobody}"), 1, "there is no settlement stl_"),
    ] {
        let ran = place.tollgate.run(words);
        assert!(ran.code == code && ran.stderr.contains(says) && ran.stdout.is_empty(), "{words}: {ran:?}");
    }
    place.tollgate.run("settlement run --by ann --why first").answer();
    merchant_at(&place, samples.merchant, "https://shop.example/hooks").await;
    for (words, says) in [
        ("settlement report --date 2020-01-01".to_owned(), "there is no settlement of 2020-01-01"),
        (format!("settlement report --merchant {}", samples.merchant), "nothing of mer_"),
        ("settlement report --merchant mer_00000000000000000000000000".to_owned(), "there is no merchant"),
    ] {
        let line = place.tollgate.run(&words).failure(1);
        assert!(line.contains(says), "{words}: {line}");
    }
}
