//! Endpoints: by the API's rules, with secrets that are shown once and kept sealed.

use tollgate_gateway::secrets::SecretsKey;

use crate::place::{Place, on_each_store};

on_each_store! {
    an_endpoint_is_set_with_a_secret_that_is_shown_once,
    a_rotated_secret_signs_beside_the_one_before,
    a_secret_is_not_sealed_with_another_key_than_the_present_one_by_mistake,
    urls_that_the_api_would_refuse_are_refused,
    a_merchant_without_an_endpoint_has_no_secret_to_rotate,
}

async fn an_endpoint_is_set_with_a_secret_that_is_shown_once(place: Place) {
    let merchant = place.merchant("Shoes");
    let loud = place.tollgate.with("RUST_LOG", "trace");
    let set = loud.run(&format!("endpoints set {merchant} https://shop.example/hooks --json --by ann --why asked"));
    let log = set.stderr.clone();
    let body = set.json();
    let secret = body["secret"].as_str().unwrap();
    assert!(secret.starts_with("whsec_") && !log.contains(&secret[6..]));
    let key = SecretsKey::new(&std::array::from_fn(|index| u8::try_from(index).unwrap()));
    let kept = place.stores().endpoints.endpoint(merchant).await.unwrap().unwrap();
    assert_eq!(key.open(merchant, &kept.sealed_secret).unwrap(), secret);
    assert!(!place.files_hold(&secret.as_bytes()[6..]));

    let moved =
        place.tollgate.run(&format!("endpoints set {merchant} https://shop.example/2 --by ann --why asked")).answer();
    assert!(moved.contains("https://shop.example/2") && !moved.contains("whsec_"), "{moved}");
    let shown = place.tollgate.run(&format!("endpoints show {merchant} --json")).json();
    assert_eq!((&shown["url"], &shown["secret"]), (&"https://shop.example/2".into(), &serde_json::Value::Null));
    let kept = place.stores().endpoints.endpoint(merchant).await.unwrap().unwrap();
    assert_eq!(key.open(merchant, &kept.sealed_secret).unwrap(), secret, "another URL, the same secret");
}

async fn a_rotated_secret_signs_beside_the_one_before(place: Place) {
    let merchant = place.merchant("Shoes");
    let set = place
        .tollgate
        .run(&format!("endpoints set {merchant} https://shop.example/hooks --by ann --why asked"))
        .answer();
    let rotated = place.tollgate.run(&format!("endpoints rotate-secret {merchant} --by ann --why asked")).answer();
    let secret = |text: &str| text.lines().find_map(|line| line.strip_prefix("secret")).unwrap().trim().to_owned();
    assert_ne!(secret(&set), secret(&rotated));
    let key = SecretsKey::new(&std::array::from_fn(|index| u8::try_from(index).unwrap()));
    let kept = place.stores().endpoints.endpoint(merchant).await.unwrap().unwrap();
    assert_eq!(key.open(merchant, &kept.sealed_secret).unwrap(), secret(&rotated));
    assert_eq!(key.open(merchant, &kept.sealed_previous[0].0).unwrap(), secret(&set));
    let shown = place.tollgate.run(&format!("endpoints show {merchant} --json")).json();
    assert_eq!(shown["previous_secret_until"], kept.sealed_previous[0].1.to_string());
    let line = place
        .tollgate
        .run_on_a_full_disk(&format!("endpoints rotate-secret {merchant} --by ann --why asked"))
        .failure(1);
    assert!(line.starts_with("the secret was made but not shown"), "{line}");
}

async fn a_secret_is_not_sealed_with_another_key_than_the_present_one_by_mistake(place: Place) {
    let merchant = place.merchant("Shoes");
    place.tollgate.run(&format!("endpoints set {merchant} https://shop.example/hooks --by ann --why asked")).answer();
    let before = place.stores().endpoints.endpoint(merchant).await.unwrap();
    let other = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let with_another = || place.tollgate.with("SECRETS_KEY", other);
    let line = with_another().run(&format!("endpoints rotate-secret {merchant} --by ann --why asked")).failure(2);
    assert!(line.starts_with("SECRETS_KEY is not the key that the present secret is sealed with"), "{line}");
    assert_eq!(place.stores().endpoints.endpoint(merchant).await.unwrap(), before);
    with_another()
        .run(&format!("endpoints rotate-secret {merchant} --secrets-key-was-changed --by ann --why asked"))
        .answer();
    let kept = place.stores().endpoints.endpoint(merchant).await.unwrap().unwrap();
    assert!(SecretsKey::new(&[0; 32]).open(merchant, &kept.sealed_secret).is_ok());
    // The first secret of a merchant has none before it to be held against: others' have.
    let second = place.merchant("Hats");
    let set = |more: &str| format!("endpoints set {second} https://hats.example/hooks --by ann --why asked {more}");
    let line = place.tollgate.run(&set("")).failure(2);
    assert!(line.starts_with("SECRETS_KEY opens no other merchant's secret (1 tried)"), "{line}");
    assert_eq!(place.stores().endpoints.endpoint(second).await.unwrap(), None);
    with_another().run(&set("")).answer();
    let third = place.merchant("Gloves");
    let forced =
        format!("endpoints set {third} https://gloves.example/ --secrets-key-was-changed --by ann --why asked");
    place.tollgate.run(&forced).answer();
}

async fn urls_that_the_api_would_refuse_are_refused(place: Place) {
    let merchant = place.merchant("Shoes");
    for (url, why) in [
        ("http://shop.example/", "URL must be https"),
        ("https://127.0.0.1/", "URL must be on a public address"),
        ("https://metadata.google.internal/", "URL must be on a public address"),
        ("https://user:hunter2@shop.example/", "URL must not contain a user name or password"),
        ("shop", "URL is not a URL"),
    ] {
        assert_eq!(
            place.tollgate.run(&format!("endpoints set {merchant} {url} --by ann --why asked")).failure(2),
            why,
            "{url}"
        );
    }
    assert_eq!(place.stores().endpoints.endpoint(merchant).await.unwrap(), None);
}

async fn a_merchant_without_an_endpoint_has_no_secret_to_rotate(place: Place) {
    let merchant = place.merchant("Shoes");
    for words in ["show", "rotate-secret --by ann --why asked"] {
        let line = place.tollgate.run(&format!("endpoints {words} {merchant}")).failure(1);
        assert_eq!(line, format!("{merchant} has no webhook endpoint yet: `tollgate endpoints set` makes it"));
    }
}
