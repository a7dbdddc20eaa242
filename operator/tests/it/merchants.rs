//! Merchants: made, listed, shown and changed.

use std::collections::BTreeSet;

use serde_json::json;
use tollgate_domain::MerchantId;

use crate::place::{Place, on_each_store};

on_each_store! {
    a_merchant_is_made_and_shown_as_it_was_made,
    only_what_is_named_is_changed,
    all_merchants_are_listed,
    a_merchant_whom_nobody_knows_is_one_clear_line,
}

async fn a_merchant_is_made_and_shown_as_it_was_made(place: Place) {
    let arguments = [
        "merchants",
        "create",
        "靴屋 & Söhne",
        "--requests-per-minute",
        "120",
        "--fee-basis-points",
        "325",
        "--by",
        "ann",
        "--why",
        "asked",
    ];
    let made = place.tollgate.run_all(&[&arguments[..], &["--json"]].concat()).json();
    let id = made["id"].as_str().unwrap();
    assert_eq!(made["name"], "靴屋 & Söhne");
    assert_eq!((&made["requests_per_minute"], &made["fee_basis_points"]), (&json!(120), &json!(325)));
    assert_eq!(place.tollgate.run(&format!("merchants show {id} --json")).json(), made);
    let kept = place.stores().merchants.merchant(id.parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(kept.created_at.to_string(), made["created_at"].as_str().unwrap());
    let words = place.tollgate.run(&format!("merchants show {id}")).answer();
    for part in [id, "靴屋 & Söhne", "120", "325"] {
        assert!(words.contains(part), "{words}");
    }
    let plain = place.tollgate.run("merchants create Hats --json --by ann --why asked").json();
    assert_eq!((&plain["requests_per_minute"], &plain["fee_basis_points"]), (&json!(null), &json!(0)));
}

async fn only_what_is_named_is_changed(place: Place) {
    let id = place.merchant("Shoes");
    let set =
        |words: &str| place.tollgate.run(&format!("merchants set {id} --json {words} --by ann --why asked")).json();
    let limited = set("--requests-per-minute 60");
    assert_eq!((&limited["requests_per_minute"], &limited["name"]), (&json!(60), &json!("Shoes")));
    let renamed = set("--name Boots --fee-basis-points 10000");
    assert_eq!((&renamed["requests_per_minute"], &renamed["fee_basis_points"]), (&json!(60), &json!(10_000)));
    let unlimited = set("--requests-per-minute default");
    assert_eq!((&unlimited["requests_per_minute"], &unlimited["name"]), (&json!(null), &json!("Boots")));
    assert_eq!(unlimited["created_at"], limited["created_at"]);
    assert_eq!(place.tollgate.run(&format!("merchants show {id} --json")).json(), unlimited);
}

async fn all_merchants_are_listed(place: Place) {
    assert_eq!(place.tollgate.run("merchants list").answer(), "there are no merchants yet\n");
    assert_eq!(place.tollgate.run("merchants list --json").json(), json!({"data": []}));
    let ids: BTreeSet<String> = ["a", "b", "c"].map(|name| place.merchant(name).to_string()).into();
    let listed = place.tollgate.run("merchants list --json").json();
    let listed: Vec<_> = listed["data"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(listed, ids.iter().map(String::as_str).collect::<Vec<_>>(), "in the order of their ids");
    let table = place.tollgate.run("merchants list").answer();
    assert!(table.lines().count() == 4 && table.starts_with("ID"), "{table}");
}

async fn a_merchant_whom_nobody_knows_is_one_clear_line(place: Place) {
    let unknown = MerchantId::from_random([7; 16]);
    for words in [
        format!("merchants show {unknown}"),
        format!("merchants set {unknown} --name x --by ann --why asked"),
        format!("endpoints show {unknown}"),
        format!("endpoints set {unknown} https://shop.example/hooks --by ann --why asked"),
        format!("endpoints rotate-secret {unknown} --by ann --why asked"),
    ] {
        assert_eq!(place.tollgate.run(&words).failure(1), format!("there is no merchant {unknown}"), "{words}");
    }
    assert_eq!(place.tollgate.run("merchants list --json").json(), json!({"data": []}), "none was made");
}
