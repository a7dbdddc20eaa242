//! What planted bugs make of commits and reads.
//!
//! Must not know: how they are found.

use std::{sync::Arc, time::Duration};

use tollgate_domain::{Delivery, DeliveryStatus, Money, Payment, PostingSet, What};
use tollgate_gateway::{
    ports::{Store as _, StoreError},
    records::{ChangeSet, Committed, Guard, KEY_BINDS_FOR},
};

use crate::{executor::locked, planted::Bug, store::FarStore};

/// Now and then.
const SOMETIMES: u64 = 30;

/// Commits as somebody with this bug does.
pub(crate) async fn commit(store: &FarStore, bug: Bug, set: &ChangeSet) -> Result<Committed, StoreError> {
    let what = set.payment.as_ref().map(|change| change.history.what);
    match bug {
        Bug::IntentAfterCall => return intent_after_call(store, set).await,
        Bug::AnsweredBeforeDurable if set.new_key.is_none() => {
            let (stage, shared, set) = (Arc::clone(&store.stage), Arc::clone(&store.shared), set.clone());
            store.stage.executor.spawn(store.owner, async move {
                stage.pause(stage.dice.ms(10, 3000)).await;
                if matches!(shared.commit(&set).await, Ok(Committed::Done))
                    && let Some(change) = &set.payment
                {
                    stage.watch.committed(change, &stage.story);
                }
            });
            return Ok(Committed::Done);
        }
        Bug::TakeOverWithoutCommit if what == Some(What::TakenOver) => return Ok(Committed::Done),
        Bug::LateSuccessIgnored if what == Some(What::LateSuccess) => {
            return Ok(Committed::Conflict(Guard::ReceivedEvent));
        }
        Bug::FailedRefundIgnored if what == Some(What::RefundFailed) => return Ok(Committed::Done),
        _ => {}
    }
    let mut set = set.clone();
    distort(store, bug, &mut set);
    let committed = store.commit_now(&set).await?;
    match (bug, committed) {
        (Bug::NoVersionGuard, Committed::Conflict(Guard::Version)) => Ok(Committed::Done),
        (Bug::NoKeyGuard, Committed::Conflict(Guard::IdempotencyKey)) => {
            if let Some(record) = &mut set.new_key {
                store.stage.dice.fill(&mut record.key.0);
            }
            store.commit_now(&set).await
        }
        (Bug::BodyNotCompared, Committed::Conflict(Guard::IdempotencyKey)) => {
            if let Some(record) = &set.new_key {
                locked(&store.memory).fingerprints.insert(record.key, record.fingerprint);
            }
            Ok(committed)
        }
        _ => Ok(committed),
    }
}

/// What is written instead.
fn distort(store: &FarStore, bug: Bug, set: &mut ChangeSet) {
    let sometimes = || store.stage.dice.chance(SOMETIMES);
    if bug == Bug::KeysForgottenEarly {
        for (_, until) in &mut set.released_keys {
            *until = *until - KEY_BINDS_FOR + Duration::from_secs(3600);
        }
    }
    let Some(change) = &mut set.payment else { return };
    match bug {
        Bug::EventsBesideCommit if sometimes() => change.events.clear(),
        Bug::SequenceFromVersion => {
            for event in &mut change.events {
                event.sequence = u32::try_from(change.payment.version).unwrap_or(u32::MAX);
            }
        }
        Bug::EventToTheWrongMerchant if sometimes() => {
            let mut bytes = change.payment.merchant.to_bytes();
            bytes[15] = bytes[15] % 3 + 1;
            for event in &mut change.events {
                event.merchant = tollgate_domain::MerchantId::from_random(bytes);
            }
        }
        Bug::PostingsBesideCommit if sometimes() => change.postings = PostingSet::default(),
        Bug::PostingOffByOne if sometimes() => {
            let mut postings = PostingSet::default();
            for pair in change.postings.lines().chunks(2) {
                if let [debit, credit] = pair
                    && let Ok(more) = Money::new(debit.amount.minor() + 1, debit.amount.currency())
                {
                    postings.transfer(debit.account, credit.account, more);
                }
            }
            change.postings = postings;
        }
        Bug::RefundNotReserved if change.history.what == What::RefundRequested => {
            change.payment.refund_reserved = Money::zero(change.payment.amount.currency());
        }
        _ => {}
    }
}

/// The intent is kept in mind until something else of its payment is committed.
async fn intent_after_call(store: &FarStore, set: &ChangeSet) -> Result<Committed, StoreError> {
    let Some(change) = &set.payment else { return store.commit_now(set).await };
    let id = change.payment.id;
    if let Some(record) = &set.new_key {
        if store.shared.idempotency(record.key).await?.is_some() {
            return Ok(Committed::Conflict(Guard::IdempotencyKey));
        }
        locked(&store.memory).intents.entry(id).or_default().push(set.clone());
        return Ok(Committed::Done);
    }
    let intents = locked(&store.memory).intents.remove(&id).unwrap_or_default();
    for intent in &intents {
        store.commit_now(intent).await?;
    }
    store.commit_now(set).await
}

/// What somebody with this bug reads of a payment.
pub(crate) fn read(bug: Bug, payment: &mut Payment) {
    match bug {
        Bug::RememberedVoidForgotten => payment.remembered_void = None,
        Bug::RefundSumUnchecked => {
            payment.refunded = Money::zero(payment.amount.currency());
            payment.refund_reserved = Money::zero(payment.amount.currency());
        }
        _ => {}
    }
}

/// A delivery that failed once is given up.
pub(crate) fn dead_at_once(after: &mut Delivery) {
    if !after.is_over() && !after.waits_for_endpoint {
        (after.status, after.next_attempt_at) = (DeliveryStatus::DeadLettered, None);
    }
}
