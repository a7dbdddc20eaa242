//! What stands in the way of a delivery, such as a row that a newer release wrote, keeps nobody else's from being sent.

use std::{collections::BTreeSet, time::Duration};

use tollgate_domain::{MerchantId, PaymentId, Timestamp};
use tollgate_gateway::{
    contract::Samples,
    ports::{Deliveries, Endpoints, Store},
};
use tollgate_store_spanner::SpannerStore;

use crate::{
    clock::Clock,
    subject::{OnSpanner, options},
};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

struct Due {
    subject: OnSpanner,
    payments: Vec<PaymentId>,
    merchant: MerchantId,
    now: Timestamp,
}

impl Due {
    /// Twenty deliveries, due for an hour.
    async fn twenty() -> Option<Self> {
        let (subject, samples) = (OnSpanner::new().await?, Samples::new(900));
        let mut payments = Vec::new();
        for _ in 0..20 {
            let story = samples.opened().authorized();
            for set in &story.sets {
                subject.store.commit(set).await.unwrap();
            }
            payments.push(story.payment.id);
        }
        Some(Self { subject, payments, merchant: samples.merchant, now: Samples::start() + HOUR })
    }

    async fn change(&self, what: &str, payment: PaymentId) {
        let sql = format!("UPDATE deliveries SET {what} WHERE payment_id = '{payment}'");
        assert_eq!(self.subject.raw.execute(&sql).await.unwrap(), 1);
    }

    async fn left(&self) -> BTreeSet<PaymentId> {
        let sql = format!("SELECT payment_id FROM deliveries WHERE next_attempt_at <= '{}'", self.now);
        self.subject.raw.texts(&sql).await.iter().map(|row| row[0].parse().unwrap()).collect()
    }
}

#[tokio::test]
async fn an_event_of_a_kind_that_is_not_known_yet_is_taken_with_the_others() {
    let Some(due) = Due::twenty().await else { return };
    due.change("kind = 'payment.something_new'", due.payments[7]).await;
    let taken = due.subject.store.claim_due(due.now, due.now + HOUR, 500).await.unwrap();
    let taken: BTreeSet<_> = taken.iter().map(|due| due.payment).collect();
    assert_eq!(taken, due.payments.iter().copied().collect());
    assert_eq!(due.left().await, BTreeSet::new());
}

#[tokio::test]
async fn an_event_of_a_kind_that_is_not_known_yet_is_released_with_the_others() {
    let Some(due) = Due::twenty().await else { return };
    for payment in &due.payments {
        due.change("waits_for_endpoint = TRUE, next_attempt_at = NULL", *payment).await;
    }
    due.change("kind = 'payment.something_new'", due.payments[7]).await;
    assert_eq!(due.subject.store.release_waiting(due.merchant, due.now, 500).await.unwrap(), 20);
    assert_eq!(due.left().await.len(), 20);
}

#[tokio::test]
async fn who_waits_for_what_is_due_is_handed_what_was_taken_in_time() {
    let Some(due) = Due::twenty().await else { return };
    let slow = SpannerStore::new(options(&due.subject.database, &due.subject.host), Clock::that_leaps(3 * SECOND));
    let taken = slow.claim_due(due.now, due.now + HOUR, 500).await.unwrap();
    let (taken, left): (BTreeSet<_>, _) = (taken.iter().map(|due| due.payment).collect(), due.left().await);
    assert!(!taken.is_empty() && !left.is_empty(), "{} taken, {} left", taken.len(), left.len());
    assert_eq!(&taken | &left, due.payments.iter().copied().collect(), "what was not handed on is still due");
}

#[tokio::test]
async fn what_was_taken_before_something_failed_is_handed_on() {
    let Some(due) = Due::twenty().await else { return };
    // Nobody can be told of this one: taking it fails, and what is taken with it.
    due.change("merchant_id = 'nobody'", due.payments[7]).await;
    let mut handed_on = BTreeSet::new();
    for _ in 0..8 {
        // An error where its shards came first.
        let taken = due.subject.store.claim_due(due.now, due.now + HOUR, 500).await.unwrap_or_default();
        handed_on.extend(taken.iter().map(|due| due.payment));
    }
    let left = due.left().await;
    let all: BTreeSet<_> = due.payments.iter().copied().collect();
    assert!(!handed_on.is_empty() && left.contains(&due.payments[7]));
    assert_eq!(handed_on, all.difference(&left).copied().collect(), "what is not due any more was handed on");
}
