//! Providers' switches and weights: set with a word, kept with it, and what was typed wrong changes nothing.

use tollgate_domain::{
    ProviderName,
    routing::{FlagName, FlagValue, Scope},
};

use crate::place::{Place, on_each_store};

on_each_store! {
    a_provider_is_turned_off_and_on_again_and_every_change_is_kept_with_who_and_why,
    weights_are_set_for_a_merchant_or_a_currency_and_taken_away_again,
    what_is_typed_wrong_changes_nothing,
}

async fn a_provider_is_turned_off_and_on_again_and_every_change_is_kept_with_who_and_why(place: Place) {
    let listed = place.tollgate.run("provider list").answer();
    assert_eq!(listed.matches("  on ").count(), 3, "{listed}");
    let said = place.tollgate.run_all(&["provider", "off", "stripe", "--by", "ann", "--why", "incident 4711"]).answer();
    assert!(said.starts_with("stripe: on -> off;") && said.contains("within 5 seconds"), "{said}");
    let flags = place.stores().flags.flags().await.unwrap();
    assert_eq!((flags.len(), &flags[0].value), (1, &FlagValue::Off));
    assert_eq!(flags[0].name, FlagName::Provider(ProviderName::Stripe));
    let again = place.tollgate.run_all(&["provider", "off", "stripe", "--by", "bob", "--why", "me too"]).answer();
    assert!(again.contains("stripe was off before; nothing was changed"), "{again}");
    // Who is not said is the user who runs it.
    let as_user = place.tollgate.with("USER", "carol");
    let said = as_user.run_all(&["provider", "on", "stripe", "--why", "it is over"]).answer();
    assert!(said.starts_with("stripe: off -> on;"), "{said}");
    let changes = place.tollgate.run("provider changes stripe --json").json();
    let told = changes["data"].as_array().unwrap().iter().map(|change| {
        let text = |name: &str| change[name].as_str().unwrap().to_owned();
        (text("state"), text("changed_by"), text("why"))
    });
    let told = told.collect::<Vec<_>>();
    let word = |state: &str, by: &str, why: &str| (state.to_owned(), by.to_owned(), why.to_owned());
    assert_eq!(told, [word("on", "carol", "it is over"), word("off", "ann", "incident 4711")], "the last first");
    let table = place.tollgate.run("provider list").answer();
    assert!(table.contains("carol") && table.contains("it is over"), "{table}");
}

async fn weights_are_set_for_a_merchant_or_a_currency_and_taken_away_again(place: Place) {
    let merchant = place.merchant("Shoes");
    let run = |words: &str| place.tollgate.run_all(&words.split(' ').collect::<Vec<_>>());
    run("provider weights stripe=80 paypal=20 --by ann --why trial").answer();
    run(&format!("provider weights bank=1 --merchant {merchant} --currency GBP --by ann --why trial")).answer();
    let mut flags = place.stores().flags.flags().await.unwrap();
    flags.sort_by_key(|flag| flag.name);
    let scope = Scope { merchant: Some(merchant), currency: Some("GBP".parse().unwrap()) };
    assert_eq!(flags[0].name, FlagName::Weights(Scope::default()));
    assert_eq!(flags[1].name, FlagName::Weights(scope));
    let of = FlagValue::Weights([(ProviderName::Stripe, 80), (ProviderName::Paypal, 20)].into());
    assert_eq!(flags[0].value, of);
    let listed = run("provider list").answer();
    assert!(listed.contains("stripe=80 paypal=20") && listed.contains(&format!("{merchant} in GBP")), "{listed}");
    let said = run("provider weights default --by ann --why over").answer();
    assert!(said.starts_with("weights for all payments: stripe=80 paypal=20 -> not set;"), "{said}");
    assert!(!run("provider list").answer().contains("stripe=80"));
    assert_eq!(run("provider changes --json").json()["data"].as_array().unwrap().len(), 3, "of everything");
    let of_currency = run(&format!("provider changes --merchant {merchant} --currency GBP --json")).json();
    assert_eq!(of_currency["data"].as_array().unwrap().len(), 1);
    // What stands closer goes on counting: whoever shares out everybody's in an outage has to know.
    let everybodys = run("provider weights stripe=80 paypal=30 --by ann --why trial");
    let closer = format!("weights for {merchant} in GBP is closer, and stays: bank=1");
    assert!(everybodys.code == 0 && everybodys.stderr.contains(&closer), "{everybodys:?}");
    let closest = run(&format!("provider weights bank=2 --merchant {merchant} --currency GBP --by ann --why trial"));
    assert_eq!(closest.stderr, "", "nothing is closer than that");
}

async fn what_is_typed_wrong_changes_nothing(place: Place) {
    let nobody = "mer_00000000000000000000000000";
    for (words, code, says) in [
        ("provider off visa --why x --by a", 2, "stripe, paypal, bank"),
        ("provider off stripe --by a", 2, "--why"),
        ("provider weights --why x --by a", 2, "PROVIDER=WEIGHT"),
        ("provider weights stripe=x --why x --by a", 2, "weight must be 0 to"),
        ("provider weights stripe=0 --why x --by a", 2, "above 0"),
        ("provider weights stripe=1 stripe=2 --why x --by a", 2, "named twice"),
        ("provider weights stripe=1 default --why x --by a", 2, "stands alone"),
        ("provider weights stripe=1 --currency XXQ --why x --by a", 2, "XXQ"),
        (&format!("provider weights stripe=1 --merchant {nobody} --why x --by a"), 1, "there is no merchant"),
        ("provider changes stripe --currency GBP", 2, "leave the scope out"),
    ] {
        let ran = place.tollgate.run_all(&words.split(' ').collect::<Vec<_>>());
        assert!(ran.code == code && ran.stderr.contains(says), "{words}: {ran:?}");
    }
    let unnamed = place.tollgate.with("USER", "").with("LOGNAME", "");
    let ran = unnamed.run("provider off stripe --why x");
    assert!(ran.code == 2 && ran.stderr.contains("say it with --by"), "{ran:?}");
    assert_eq!(place.stores().flags.flags().await.unwrap(), []);
}
