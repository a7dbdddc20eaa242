//! Keys: shown once, kept as digests, revoked at once or from a time on.

use std::time::Duration;

use tollgate_domain::{KeyHash, MerchantId};
use tollgate_gateway::{authenticate::api_key_digest, ports::merchants::ApiKey};

use crate::place::{Place, Store, on_each_store};

const NOW: Duration = Duration::ZERO;
const HOUR: Duration = Duration::from_hours(1);

on_each_store! {
    a_key_is_shown_once_and_lets_its_merchant_in_until_it_is_revoked,
    a_rotation_takes_the_old_keys_away_at_once,
    a_rotation_may_keep_the_old_keys_for_a_while_and_never_longer_than_said_before,
    a_key_that_could_not_be_shown_opens_nothing_and_takes_none_away,
    an_ambiguous_prefix_revokes_nothing,
    a_key_is_no_digest_and_is_not_repeated,
    keys_of_a_merchant_whom_nobody_knows_are_refused,
}

async fn a_key_is_shown_once_and_lets_its_merchant_in_until_it_is_revoked(place: Place) {
    let merchant = place.merchant("Shoes");
    let loud = place.tollgate.with("RUST_LOG", "trace");
    let made = loud.run(&format!("keys create {merchant} --by ann --why asked"));
    let key = made.stdout.trim().to_owned();
    assert!(key.starts_with("tgk_") && made.stdout.lines().count() == 1, "only the key: {:?}", made.stdout);
    assert!(!made.stderr.contains(&key[4..]), "not among the logs");
    assert_eq!(place.whose(&key, NOW).await, Some(merchant));

    let digest = hex(&key);
    let listed = loud.run(&format!("keys list {merchant}"));
    assert!(!listed.stderr.contains(&key[4..]));
    let listed = listed.answer();
    assert!(listed.contains(&digest[..12]) && !listed.contains(&key[4..]), "{listed}");
    nothing_kept(&place, &key);

    let said = loud.run(&format!("keys revoke {merchant} {} --by ann --why asked", &digest[..12])).answer();
    assert!(said.contains("is revoked"), "{said}");
    assert_eq!(place.whose(&key, NOW).await, None);
    let first = place.tollgate.run(&format!("keys list {merchant} --json")).json();
    assert_eq!(first["data"][0]["digest"], digest.as_str());
    assert!(first["data"][0]["revoked_at"].is_string(), "{first}");
    let again = place.tollgate.run(&format!("keys revoke {merchant} {digest} --by ann --why asked")).answer();
    assert!(again.contains("was revoked before"), "{again}");
    assert_eq!(place.tollgate.run(&format!("keys list {merchant} --json")).json(), first, "it stays as it was");
    nothing_kept(&place, &key);
}

async fn a_rotation_takes_the_old_keys_away_at_once(place: Place) {
    let (merchant, other) = (place.merchant("Shoes"), place.merchant("Hats"));
    let (old, older, others) = (create(&place, merchant), create(&place, merchant), create(&place, other));
    let new = place.tollgate.run(&format!("keys rotate {merchant} --keep-old-for 0s --by ann --why asked"));
    assert_eq!(new.stderr.matches("is refused from").count(), 2, "{new:?}");
    let new = new.answer().trim().to_owned();
    for (key, expected) in [(&new, Some(merchant)), (&old, None), (&older, None), (&others, Some(other))] {
        assert_eq!(place.whose(key, NOW).await, expected);
    }
}

async fn a_rotation_may_keep_the_old_keys_for_a_while_and_never_longer_than_said_before(place: Place) {
    let merchant = place.merchant("Shoes");
    let first = create(&place, merchant);
    let rotate = |keep: &str| {
        place.tollgate.run(&format!("keys rotate {merchant} --keep-old-for {keep} --json --by ann --why asked")).json()
    };
    let answer = rotate("2h");
    let second = answer["key"].as_str().unwrap().to_owned();
    assert_eq!(answer["replaces"][0]["digest"], hex(&first).as_str());
    assert_eq!(answer["replaces"].as_array().unwrap().len(), 1);
    assert_eq!(place.whose(&first, HOUR).await, Some(merchant));
    assert_eq!(place.whose(&first, 2 * HOUR).await, None);
    assert_eq!(place.whose(&second, 2 * HOUR).await, Some(merchant));
    let listed = place.tollgate.run(&format!("keys list {merchant}")).answer();
    assert_eq!(listed.matches("still taken").count(), 1, "{listed}");

    let third = rotate("24h")["key"].as_str().unwrap().to_owned();
    assert_eq!(place.whose(&first, 2 * HOUR).await, None, "a later word makes no key last longer");
    assert_eq!(place.whose(&second, 23 * HOUR).await, Some(merchant));
    assert_eq!(place.whose(&second, 24 * HOUR).await, None);
    assert_eq!(place.whose(&third, 48 * HOUR).await, Some(merchant));

    // What is kept for a while can be ended at once.
    place.tollgate.run(&format!("keys revoke {merchant} {} --by ann --why asked", &hex(&second)[..12])).answer();
    assert_eq!(place.whose(&second, NOW).await, None);
}

async fn a_key_that_could_not_be_shown_opens_nothing_and_takes_none_away(place: Place) {
    let merchant = place.merchant("Shoes");
    let key = create(&place, merchant);
    for command in ["create", "rotate --keep-old-for 0s"] {
        let failed = place.tollgate.run_on_a_full_disk(&format!("keys {command} {merchant} --by ann --why asked"));
        let line = failed.failure(1);
        assert!(line.contains("was not shown, and is revoked again"), "{line}");
    }
    let keys = place.stores().merchants.keys(merchant).await.unwrap();
    let taken: Vec<_> = keys.iter().filter(|key| key.revoked_at.is_none()).map(|key| key.digest).collect();
    assert_eq!((keys.len(), taken), (3, vec![api_key_digest(&key)]));
}

async fn an_ambiguous_prefix_revokes_nothing(place: Place) {
    let merchant = place.merchant("Shoes");
    let stores = place.stores();
    let created_at = "2026-01-01T00:00:00Z".parse().unwrap();
    for last in [1, 2] {
        let mut digest = [0xab; 32];
        digest[31] = last;
        let key = ApiKey { digest: KeyHash(digest), merchant, created_at, revoked_at: None };
        stores.merchants.put_api_key(&key).await.unwrap();
    }
    let line = place.tollgate.run(&format!("keys revoke {merchant} abababab --by ann --why asked")).failure(1);
    assert!(line.starts_with("2 keys have digests that begin with abababab"), "{line}");
    let line = place.tollgate.run(&format!("keys revoke {merchant} cdcdcdcd --by ann --why asked")).failure(1);
    assert!(line.contains("no key"), "{line}");
    let keys = stores.merchants.keys(merchant).await.unwrap();
    assert!(keys.len() == 2 && keys.iter().all(|key| key.revoked_at.is_none()), "{keys:?}");
    let whole = format!("{}02", "AB".repeat(31));
    place.tollgate.run(&format!("keys revoke {merchant} {whole} --by ann --why asked")).answer();
    let keys = stores.merchants.keys(merchant).await.unwrap();
    assert_eq!(keys.iter().filter(|key| key.revoked_at.is_some()).map(|key| key.digest.0[31]).collect::<Vec<_>>(), [2]);
}

async fn a_key_is_no_digest_and_is_not_repeated(place: Place) {
    let merchant = place.merchant("Shoes");
    let key = create(&place, merchant);
    for words in [
        format!("keys revoke {merchant} {key} --by ann --why asked"),
        format!("keys revoke {merchant} abcdef {key} --by ann --why asked"),
        format!("keys list {key}"),
        format!("keys create {merchant} --{key} --by ann --why asked"),
        key.clone(),
    ] {
        let ran = place.tollgate.run(&words);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{ran:?}");
        assert!(!ran.stderr.contains(&key[4..]), "{}", ran.stderr);
    }
    assert_eq!(place.whose(&key, NOW).await, Some(merchant));
}

async fn keys_of_a_merchant_whom_nobody_knows_are_refused(place: Place) {
    let (known, unknown) = (place.merchant("Shoes"), MerchantId::from_random([7; 16]));
    let key = create(&place, known);
    for words in [
        "create {} --by ann --why asked",
        "list {}",
        "revoke {} abcdef --by ann --why asked",
        "rotate {} --keep-old-for 0s --by ann --why asked",
    ] {
        let line = place.tollgate.run(&format!("keys {}", words.replace("{}", &unknown.to_string()))).failure(1);
        assert_eq!(line, format!("there is no merchant {unknown}"));
    }
    // Nor does another merchant's command reach a key.
    let other = place.merchant("Hats");
    place.tollgate.run(&format!("keys revoke {other} {} --by ann --why asked", &hex(&key)[..12])).failure(1);
    assert_eq!(place.whose(&key, NOW).await, Some(known));
}

fn create(place: &Place, merchant: MerchantId) -> String {
    place.tollgate.run(&format!("keys create {merchant} --by ann --why asked")).answer().trim().to_owned()
}

fn hex(key: &str) -> String {
    hex::encode(api_key_digest(key).0)
}

/// No file of the database, or beside it, holds the key; some file holds its digest, so looking like this finds what is kept.
fn nothing_kept(place: &Place, key: &str) {
    assert!(!place.files_hold(&key.as_bytes()[4..]));
    if let Store::Sqlite(_) = place.store {
        assert!(place.files_hold(&api_key_digest(key).0));
    }
}
