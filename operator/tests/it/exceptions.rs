//! Exceptions of providers' records: listed as a report, assigned and resolved, and every change kept with who and why.

use tollgate_domain::{Exception, Timestamp};
use tollgate_gateway::contract::Samples;

use crate::place::{Place, on_each_store};

on_each_store! {
    exceptions_are_listed_assigned_and_resolved_and_every_change_is_kept,
    a_report_is_csv_or_json_and_a_strangers_word_is_no_formula,
    what_is_not_there_or_resolved_already_is_refused,
}

async fn planted(place: &Place, record: &str) -> Exception {
    let (exception, change) = Samples::exception(record, Samples::start());
    assert!(place.stores().exceptions.put_exception(&exception, Some(&change)).await.unwrap());
    exception
}

async fn exceptions_are_listed_assigned_and_resolved_and_every_change_is_kept(place: Place) {
    let nothing = place.tollgate.run("reconciliation exceptions list").answer();
    assert!(nothing.contains("there are no exceptions"), "{nothing}");
    let id = planted(&place, "txn_1").await.id;
    let listed = place.tollgate.run("reconciliation exceptions list").answer();
    assert!(listed.contains(&id.to_string()) && listed.contains("amount") && listed.contains("txn_1"), "{listed}");
    let run = |words: &[&str]| place.tollgate.run_all(words);
    let id = id.to_string();
    let said = run(&["reconciliation", "exceptions", "assign", &id, "--owner", "bob", "--by", "ann"]).answer();
    assert!(said.contains("bob's"), "{said}");
    let resolve = ["reconciliation", "exceptions", "resolve", &id, "--why", "agreed, ticket 4711", "--by", "bob"];
    assert!(run(&resolve).answer().contains("is resolved"));
    let nothing = place.tollgate.run("reconciliation exceptions list").answer();
    assert!(nothing.contains("there are no exceptions"), "{nothing}");
    let all = place.tollgate.run("reconciliation exceptions list --all").answer();
    assert!(all.contains("by_hand by bob: agreed, ticket 4711"), "{all}");
    let shown = place.tollgate.run(&format!("reconciliation exceptions show {id} --json")).json();
    let told = shown["changes"].as_array().unwrap().iter().map(|change| {
        let text = |name: &str| change[name].as_str().unwrap().to_owned();
        (text("what"), text("by"), text("why"))
    });
    let word = |what: &str, by: &str, why: &str| (what.to_owned(), by.to_owned(), why.to_owned());
    let expected = [
        word("resolved", "bob", "agreed, ticket 4711"),
        word("assigned", "ann", "bob"),
        word("opened", "provider-records", "amount"),
    ];
    assert_eq!(told.collect::<Vec<_>>(), expected, "the last first");
}

async fn a_report_is_csv_or_json_and_a_strangers_word_is_no_formula(place: Place) {
    for record in ["txn_1", "=1+1"] {
        planted(&place, record).await;
    }
    let report = place.tollgate.run("reconciliation exceptions list --json").json();
    assert_eq!((&report["kinds"]["amount"], &report["more"]), (&2.into(), &false.into()));
    let one = &report["data"][0];
    assert_eq!((&one["theirs"]["amount"], &one["ours"]["amount"]), (&900.into(), &1000.into()));
    assert_eq!(one["first_seen"].as_str().unwrap().parse::<Timestamp>().unwrap(), Samples::start());
    assert!(one["age_seconds"].as_i64().unwrap() > 0);
    let csv = place.tollgate.run("reconciliation exceptions list --csv").answer();
    let lines: Vec<_> = csv.lines().collect();
    assert_eq!(lines.len(), 3, "{csv}");
    assert!(lines[0].starts_with("id,provider,kind,record,movement,payment_id"), "{csv}");
    assert!(csv.contains(",'=1+1,") && csv.contains(",900,JPY,completed,1000,JPY,CAPTURED,"), "{csv}");
    let short = place.tollgate.run("reconciliation exceptions list --csv --limit 1");
    assert!(short.stderr.contains("more than 1") && short.answer().lines().count() == 2);
}

async fn what_is_not_there_or_resolved_already_is_refused(place: Place) {
    let id = planted(&place, "txn_1").await.id;
    let nobody = "exc_00000000000000000000000000";
    let resolve = format!("reconciliation exceptions resolve {id} --why x --by a");
    place.tollgate.run(&resolve).answer();
    for (words, code, says) in [
        (resolve, 1, "resolved already"),
        (format!("reconciliation exceptions assign {id} --owner a --by a"), 1, "resolved already"),
        (format!("reconciliation exceptions show {nobody}"), 1, "there is no exception"),
        (format!("reconciliation exceptions resolve {nobody} --why x --by a"), 1, "there is no exception"),
        (format!("reconciliation exceptions resolve {id} --by a"), 2, "--why"),
        ("reconciliation exceptions list --csv --json".to_owned(), 2, "one of them"),
    ] {
        let ran = place.tollgate.run(&words);
        assert!(ran.code == code && ran.stderr.contains(says), "{words}: {ran:?}");
    }
}
