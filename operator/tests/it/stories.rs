//! What tests tell a store: payments, and what became of their webhooks.

use std::time::Duration;

use tollgate_domain::{Delivery, MerchantId, Payment, PaymentId, Timestamp, Tried};
use tollgate_gateway::{
    contract::{Samples, Story},
    ports::{
        deliveries::DeliveryAttempt,
        merchants::{Merchant, WebhookEndpoint},
    },
    records::{Cause, ChangeSet, Committed},
};

use tollgate_runtime::System;

use crate::place::Place;

/// The machine's time.
pub(crate) fn now() -> Timestamp {
    System::real().time.now()
}

/// Commits all of a story.
pub(crate) async fn commit(place: &Place, story: &Story<'_>) {
    let payments = place.stores().payments;
    for set in &story.sets {
        assert_eq!(payments.commit(set).await.unwrap(), Committed::Done);
    }
}

/// Commits a change of a job's.
pub(crate) async fn change(place: &Place, samples: &Samples, change: tollgate_domain::Change) -> Payment {
    let payment = change.payment.clone();
    let set = ChangeSet::of(samples.change_id(), change, Cause::Job("provider-truth".to_owned()), "corr", Vec::new());
    assert_eq!(place.stores().payments.commit(&set).await.unwrap(), Committed::Done);
    payment
}

/// An authorized payment, whose one webhook was made at this time.
pub(crate) async fn told_at(place: &Place, samples: &Samples, at: Timestamp) -> PaymentId {
    let mut story = samples.opened();
    story.now = at - story.step;
    let story = story.authorized();
    assert_eq!(story.now, at);
    commit(place, &story).await;
    story.payment.id
}

/// Its webhook, as it now stands.
pub(crate) async fn webhook(place: &Place, payment: PaymentId) -> Delivery {
    place.stores().deliveries.outgoing(payment, 1).await.unwrap().unwrap().delivery
}

/// Its webhook is tried so often, and taken, or not.
pub(crate) async fn tried(place: &Place, payment: PaymentId, times: u32, is_taken: bool) -> Delivery {
    let deliveries = place.stores().deliveries;
    let mut delivery = webhook(place, payment).await;
    for time in 1..=times {
        let tried = if is_taken && time == times { Tried::Taken } else { Tried::Failed { retry_after: None } };
        let after = delivery.after(tried, 0.5, delivery.created_at);
        let number = after.attempts;
        let (at, http_status, error) = (delivery.created_at, Some(500), None);
        let attempt = DeliveryAttempt { number, at, http_status, error, duration: Duration::ZERO };
        assert!(deliveries.record_attempt(&delivery, &after, &attempt).await.unwrap());
        delivery = after;
    }
    delivery
}

/// Given up: seven tries, and none was taken.
pub(crate) async fn given_up(place: &Place, payment: PaymentId) -> Delivery {
    tried(place, payment, 7, false).await
}

/// A merchant whose webhooks go there.
pub(crate) async fn merchant_at(place: &Place, id: MerchantId, url: &str) {
    let created_at = Samples::start();
    let name = "Shoes".to_owned();
    let merchant = Merchant { id, name, requests_per_minute: None, fee_basis_points: 325, created_at };
    place.stores().merchants.put_merchant(&merchant).await.unwrap();
    let endpoint = WebhookEndpoint {
        merchant: id,
        url: url.to_owned(),
        sealed_secret: vec![1],
        sealed_previous: Vec::new(),
        paused_at: None,
        revision: 1,
        updated_at: created_at,
    };
    assert!(place.stores().endpoints.put_endpoint(&endpoint).await.unwrap());
}
