//! Merchants, their keys and endpoints.

use std::time::Duration;

use tollgate_domain::{MerchantId, Timestamp};

use super::{Samples, Subject};
use crate::ports::{
    Endpoints, Merchants,
    merchants::{ApiKey, Merchant, WebhookEndpoint},
};

/// Found by digest alone; a revoked key is still found, and says so.
pub async fn keys_are_found_by_digest_and_revoked<S: Subject>(subject: &S) {
    let samples = Samples::new(80);
    let store = subject.store();
    let merchant = merchant(samples.merchant);
    store.put_merchant(&merchant).await.unwrap();
    let mut key =
        ApiKey { digest: samples.key(), merchant: merchant.id, created_at: Samples::start(), revoked_at: None };
    let other = ApiKey { digest: samples.key(), ..key };
    store.put_api_key(&key).await.unwrap();
    store.put_api_key(&other).await.unwrap();
    assert_eq!(store.by_key(key.digest).await.unwrap(), Some((key, merchant.clone())));
    key.revoked_at = Some(Samples::start());
    store.put_api_key(&key).await.unwrap();
    assert_eq!(store.by_key(key.digest).await.unwrap(), Some((key, merchant.clone())));
    assert_eq!(store.by_key(other.digest).await.unwrap(), Some((other, merchant)), "only that one");
    assert_eq!(store.by_key(samples.key()).await.unwrap(), None);
}

/// Whoever writes last, with whatever was read before: the earlier revocation counts.
pub async fn nothing_makes_a_key_last_longer<S: Subject>(subject: &S) {
    let samples = Samples::new(86);
    let store = subject.store();
    let merchant = merchant(samples.merchant);
    store.put_merchant(&merchant).await.unwrap();
    let made = ApiKey { digest: samples.key(), merchant: merchant.id, created_at: Samples::start(), revoked_at: None };
    store.put_api_key(&made).await.unwrap();
    let (now, later) = (Samples::start() + Duration::from_secs(1), Samples::start() + Duration::from_secs(86_400));
    for (revoked_at, counts) in [(Some(later), later), (Some(now), now), (Some(later), now), (None, now)] {
        store.put_api_key(&ApiKey { revoked_at, ..made }).await.unwrap();
        let (kept, _) = store.by_key(made.digest).await.unwrap().unwrap();
        assert_eq!(kept.revoked_at, Some(counts), "after {revoked_at:?}");
    }
}

/// Under its id, with its keys.
pub async fn a_merchant_can_be_changed<S: Subject>(subject: &S) {
    let samples = Samples::new(81);
    let mut merchant = merchant(samples.merchant);
    subject.store().put_merchant(&merchant).await.unwrap();
    let key = ApiKey { digest: samples.key(), merchant: merchant.id, created_at: Samples::start(), revoked_at: None };
    subject.store().put_api_key(&key).await.unwrap();
    (merchant.name, merchant.requests_per_minute) = ("靴屋 & Söhne".to_owned(), Some(u32::MAX));
    merchant.fee_basis_points = 325;
    subject.store().put_merchant(&merchant).await.unwrap();
    assert_eq!(subject.store().merchant(merchant.id).await.unwrap(), Some(merchant.clone()));
    assert_eq!(subject.store().by_key(key.digest).await.unwrap(), Some((key, merchant)));
}

/// Each once, whatever the page, and one that was changed stands where it stood.
pub async fn merchants_are_paged_through_in_the_order_of_their_ids<S: Subject>(subject: &S) {
    let samples = Samples::new(84);
    let store = subject.store();
    assert_eq!(store.merchants(None, 10).await.unwrap(), []);
    let mut all: Vec<Merchant> = (0..7).map(|_| merchant(samples.merchant())).collect();
    for merchant in &all {
        store.put_merchant(merchant).await.unwrap();
    }
    // As text, the order of ids is that of their bytes.
    all.sort_by_key(|merchant| merchant.id.to_string());
    all[3] = Merchant { name: "Hats".to_owned(), requests_per_minute: Some(7), fee_basis_points: 325, ..all[3].clone() };
    store.put_merchant(&all[3]).await.unwrap();
    for limit in [1, 3, 7, 100] {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = store.merchants(after, limit).await.unwrap();
            assert!(page.len() <= limit as usize);
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            seen.extend(page);
        }
        assert_eq!(seen, all, "in pages of {limit}");
    }
    assert_eq!(store.merchants(None, 0).await.unwrap(), []);
}

/// Revoked ones too; those of one instant in the order of their digests.
pub async fn a_merchants_keys_are_listed_oldest_first_and_nobody_elses<S: Subject>(subject: &S) {
    let samples = Samples::new(85);
    let store = subject.store();
    let (mine, other) = (merchant(samples.merchant), merchant(samples.merchant()));
    for merchant in [&mine, &other] {
        store.put_merchant(merchant).await.unwrap();
    }
    let key = |merchant: &Merchant, seconds: u64| {
        let created_at = Samples::start() + Duration::from_secs(seconds);
        ApiKey { digest: samples.key(), merchant: merchant.id, created_at, revoked_at: None }
    };
    let mut keys = [key(&mine, 9), key(&mine, 5), key(&mine, 5), key(&mine, 1)];
    keys[1].revoked_at = Some(Samples::start() + Duration::from_secs(7));
    for key in keys.iter().chain([&key(&other, 3)]) {
        store.put_api_key(key).await.unwrap();
    }
    keys.sort_by_key(|key| (key.created_at, key.digest.0));
    assert_eq!(store.keys(mine.id).await.unwrap(), keys);
    assert_eq!(store.keys(other.id).await.unwrap().len(), 1);
    assert_eq!(store.keys(samples.merchant()).await.unwrap(), [], "whom nobody knows");
}

/// Bytes are bytes.
pub async fn sealed_secrets_come_back_unchanged<S: Subject>(subject: &S) {
    let samples = Samples::new(82);
    let store = subject.store();
    store.put_merchant(&merchant(samples.merchant)).await.unwrap();
    let mut endpoint = WebhookEndpoint {
        merchant: samples.merchant,
        url: "https://shop.example/hooks".to_owned(),
        sealed_secret: (0..=255).collect(),
        sealed_previous: Vec::new(),
        paused_at: None,
        revision: 1,
        updated_at: Samples::start(),
    };
    assert!(store.put_endpoint(&endpoint).await.unwrap());
    assert_eq!(store.endpoint(samples.merchant).await.unwrap(), Some(endpoint.clone()));
    let before = std::mem::replace(&mut endpoint.sealed_secret, vec![0; 64]);
    // In their order, two of the same time too.
    endpoint.sealed_previous = vec![(vec![9], Samples::start()), (before, Samples::start()), (vec![1], Timestamp::UNIX_EPOCH)];
    (endpoint.revision, endpoint.paused_at) = (2, Some(Samples::start()));
    assert!(store.put_endpoint(&endpoint).await.unwrap());
    assert_eq!(store.endpoint(samples.merchant).await.unwrap(), Some(endpoint.clone()));
    (endpoint.paused_at, endpoint.revision) = (None, 3);
    endpoint.sealed_previous.remove(1);
    assert!(store.put_endpoint(&endpoint).await.unwrap());
    assert_eq!(store.endpoint(samples.merchant).await.unwrap(), Some(endpoint.clone()));
    (endpoint.sealed_previous, endpoint.revision) = (Vec::new(), 4);
    assert!(store.put_endpoint(&endpoint).await.unwrap());
    assert_eq!(store.endpoint(samples.merchant).await.unwrap(), Some(endpoint));
}

/// By revision: who decided from an older one writes nothing.
pub async fn of_two_changes_of_an_endpoint_at_once_one_happens<S: Subject>(subject: &S) {
    let samples = Samples::new(83);
    let store = subject.store();
    store.put_merchant(&merchant(samples.merchant)).await.unwrap();
    let mut first = WebhookEndpoint {
        merchant: samples.merchant,
        url: "https://shop.example/1".to_owned(),
        sealed_secret: vec![1],
        sealed_previous: Vec::new(),
        paused_at: None,
        revision: 1,
        updated_at: Samples::start(),
    };
    assert!(store.put_endpoint(&first).await.unwrap());
    let again = WebhookEndpoint { url: "https://shop.example/2".to_owned(), ..first.clone() };
    assert!(!store.put_endpoint(&again).await.unwrap(), "it is there already");
    first.revision = 2;
    assert!(store.put_endpoint(&first).await.unwrap());
    let late = WebhookEndpoint { revision: 2, sealed_previous: vec![(vec![2], Samples::start())], ..again };
    assert!(!store.put_endpoint(&late).await.unwrap(), "revision 2 was made");
    assert_eq!(store.endpoint(samples.merchant).await.unwrap(), Some(first));
}

fn merchant(id: MerchantId) -> Merchant {
    let name = "Shoes".to_owned();
    Merchant { id, name, requests_per_minute: None, fee_basis_points: 0, created_at: Samples::start() }
}
