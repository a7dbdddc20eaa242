//! `invariants`: the books of every payment are checked, what does not hold is listed, and nothing is written.

use serde_json::json;
use tollgate_gateway::{contract::Samples, records::Committed};

use crate::{
    place::{Place, on_each_store},
    stories::commit,
};

on_each_store! {
    books_that_add_up_are_said_to_and_the_code_is_0,
    what_does_not_hold_is_listed_and_the_code_is_1,
}

async fn books_that_add_up_are_said_to_and_the_code_is_0(place: Place) {
    let empty = place.tollgate.run("invariants").answer();
    assert_eq!(empty, "the books of 0 payments add up\n");
    let samples = Samples::new(970);
    // More than one page of them.
    for _ in 0..101 {
        commit(&place, &samples.opened()).await;
    }
    commit(&place, &samples.opened().authorized().capture_requested(400).captured(400)).await;
    let body = place.tollgate.run("invariants --json").json();
    assert_eq!((&body["payments"], &body["violations"], &body["data"]), (&json!(102), &json!({}), &json!([])));
    let words = place.tollgate.run("invariants").answer();
    assert_eq!(words, "the books of 102 payments add up\n");
}

async fn what_does_not_hold_is_listed_and_the_code_is_1(place: Place) {
    let samples = Samples::new(971);
    commit(&place, &samples.opened().authorized()).await;
    let mut broken = Vec::new();
    for _ in 0..2 {
        let mut story = samples.opened();
        commit(&place, &story).await;
        // The ledger is told nothing of a hold.
        story = story.authorized();
        let mut set = story.last().clone();
        set.payment.as_mut().unwrap().postings = tollgate_domain::PostingSet::default();
        assert_eq!(place.stores().payments.commit(&set).await.unwrap(), Committed::Done);
        broken.push(story.payment.id.to_string());
    }
    broken.sort();
    let ran = place.tollgate.run("invariants --json");
    assert_eq!(ran.code, 1, "{ran:?}");
    let body: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&body["object"], &body["payments"], &body["more"]), (&json!("invariants"), &json!(3), &json!(false)));
    assert_eq!(body["violations"], json!({"memo": 2}), "{body}");
    let listed = body["data"].as_array().unwrap().iter().map(|one| {
        assert_eq!(one["invariant"], "memo");
        one["payment_id"].as_str().unwrap().to_owned()
    });
    assert_eq!(listed.collect::<Vec<_>>(), broken);
    let ran = place.tollgate.run("invariants --limit 1");
    assert!(ran.code == 1 && ran.stderr.is_empty(), "nothing turns where there is no terminal: {ran:?}");
    for part in [&*broken[0], "of 3 payments: memo 2", "see --limit", "ledger-mismatch"] {
        assert!(ran.stdout.contains(part), "{part}: {ran:?}");
    }
    assert!(!ran.stdout.contains(&broken[1]), "{ran:?}");
    assert_eq!(place.stores().audit.violations().await.unwrap(), [], "it only reads");
}
