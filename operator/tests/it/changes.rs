//! `changes`: whatever the command changes is kept with who and why, before it is done, and with what came of it.

use serde_json::json;
use tollgate_domain::MerchantId;
use tollgate_gateway::{contract::Samples, ports::operators::OperatorAct};

use crate::place::{Place, on_each_store};

on_each_store! {
    every_change_is_kept_with_who_and_why_and_what_came_of_it,
    what_was_begun_and_not_ended_says_so,
}

async fn every_change_is_kept_with_who_and_why_and_what_came_of_it(place: Place) {
    let nothing = place.tollgate.run("changes").answer();
    assert_eq!(nothing, "there are no such changes\n");
    let run = |words: &str| place.tollgate.run(words);
    let merchant = run("merchants create Shoes --by ann --why new --json").json();
    let merchant: MerchantId = merchant["id"].as_str().unwrap().parse().unwrap();
    let key = run(&format!("keys create {merchant} --by ann --why new")).answer();
    run(&format!("merchants set {merchant} --name Boots --fee-basis-points 500 --by bob --reason renamed")).answer();
    run(&format!("keys rotate {merchant} --keep-old-for 0s --by bob --why leaked")).answer();
    run(&format!("endpoints set {merchant} https://shop.example/hooks --by bob --why asked")).answer();
    run(&format!("endpoints rotate-secret {merchant} --by bob --why leaked")).answer();
    run("provider off stripe --by ann --why incident").answer();
    // What changes nothing, and what only reads, is no change.
    run("provider off stripe --by ann --why again").answer();
    run("merchants list").answer();
    assert_eq!(run(&format!("keys revoke {merchant} abcdef --by bob --why gone")).code, 1);
    // Without who and why nothing is done.
    let nobody = place.tollgate.with("USER", "").with("LOGNAME", "");
    let line = nobody.run(&format!("keys create {merchant} --why asked")).failure(2);
    assert_eq!(line, "it is not known who you are: say it with --by");
    for words in [
        "merchants create Hats".to_owned(),
        format!("merchants set {merchant} --name Hats"),
        format!("keys create {merchant}"),
        format!("keys revoke {merchant} abcdef"),
        format!("keys rotate {merchant} --keep-old-for 0s"),
        format!("endpoints set {merchant} https://shop.example/other"),
        format!("endpoints rotate-secret {merchant}"),
        "provider off stripe".to_owned(),
    ] {
        let ran = run(&format!("{words} --by bob"));
        assert!(ran.code == 2 && ran.stderr.contains("--why"), "{words}: {ran:?}");
    }
    let changes = run("changes --json").json();
    let acts = changes["data"].as_array().unwrap();
    let told: Vec<_> = acts
        .iter()
        .rev()
        .map(|act| ["command", "by", "why"].map(|name| act[name].as_str().unwrap_or("-").to_owned()).join(" "))
        .collect();
    let expected = [
        "merchants create ann new",
        "keys create ann new",
        "merchants set bob renamed",
        "keys rotate bob leaked",
        "endpoints set bob asked",
        "endpoints rotate-secret bob leaked",
        "provider off|on ann incident",
        "keys revoke bob gone",
    ];
    assert_eq!(told, expected);
    let outcomes: Vec<_> = acts.iter().rev().map(|act| act["outcome"].as_str().unwrap()).collect();
    assert!(outcomes[7].starts_with("failed: "), "{outcomes:?}");
    let subjects: Vec<_> = acts.iter().rev().map(|act| act["subject"].as_str().unwrap()).collect();
    // Which key it is, is told by its digest; the first was replaced by the second.
    let (first, second) = (outcomes[1].strip_prefix("done: ").unwrap(), outcomes[3].strip_prefix("done: ").unwrap());
    assert!(second.contains(&format!("for [{first}], refused from ")), "{outcomes:?}");
    let what = [
        (format!("{merchant}: name Shoes, requests a minute default, fee in basis points 0"), "done"),
        (merchant.to_string(), outcomes[1]),
        (format!("{merchant}: name Shoes -> Boots, fee in basis points 0 -> 500"), "done"),
        (merchant.to_string(), outcomes[3]),
        (merchant.to_string(), "done: https://shop.example/hooks"),
        (merchant.to_string(), "done"),
        ("stripe: off".to_owned(), "done: on -> off"),
        (merchant.to_string(), outcomes[7]),
    ];
    let said: Vec<_> = subjects.into_iter().map(str::to_owned).zip(outcomes.iter().copied()).collect();
    assert_eq!(said, what);
    let fields: Vec<_> = acts[0].as_object().unwrap().keys().cloned().collect();
    assert_eq!(fields.join(" "), "at by command id object outcome subject why");
    let shown = run("changes --limit 2");
    assert!(shown.stderr.starts_with("there are more than 2"), "{shown:?}");
    let words = shown.answer();
    let [last, before] = [&acts[0], &acts[1]].map(|act| act["at"].as_str().unwrap());
    let expected = format!(
        "{last}  bob  keys revoke\n  {merchant}\n  {}\n  why: gone\n{before}  ann  provider off|on\n  stripe: off\n  done: on -> off\n  why: incident\n",
        outcomes[7]
    );
    assert_eq!(words, expected);
    let whys = |options: &str| {
        let found = run(&format!("changes --json {options}")).json();
        found["data"].as_array().unwrap().iter().map(|act| act["why"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(whys("--by ann"), ["incident", "new", "new"]);
    assert_eq!(whys("--about Boots"), ["renamed"]);
    assert_eq!(whys("--by ann --about keys --limit 1"), ["new"]);
    assert_eq!(whys(&format!("--from {before}")), ["gone", "incident"]);
    assert_eq!(whys("--from 1h").len(), 8);
    assert!(whys("--by nobody").is_empty());
    assert!(!words.contains(key.trim()) && !changes.to_string().contains(key.trim()), "no key is in it");
    assert!(!place.files_hold(key.trim().as_bytes()));
    for words in ["changes --limit 0", "changes --limit x", "changes --from yesterday"] {
        assert_eq!(run(words).code, 2, "{words}");
    }
}

async fn what_was_begun_and_not_ended_says_so(place: Place) {
    let samples = Samples::new(999);
    let act = OperatorAct {
        id: samples.change_id(),
        at: Samples::start(),
        by: "ann".to_owned(),
        why: Some("x".to_owned()),
        command: "settlement run".to_owned(),
        subject: "the first\u{1b}[2J".to_owned(),
        outcome: None,
    };
    place.stores().operator_acts.begin_act(&act).await.unwrap();
    let words = place.tollgate.run("changes").answer();
    assert!(words.contains("begun; not known") && !words.contains('\u{1b}'), "{words}");
    let body = place.tollgate.run("changes --json").json();
    assert_eq!(body["data"][0]["outcome"], json!(null));
}
