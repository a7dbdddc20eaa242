//! What everything that keeps payments as they were must do, as checks that each runs against itself.
//!
//! Tests write `tollgate_gateway::statuses_contract!(fresh);`, where `fresh` is an async function that gives a
//! [`StatusesSubject`] that keeps nothing yet, or `None` where that cannot be had (it says why) and the check is skipped.
//!
//! Must not know: where they are kept.

use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use tollgate_domain::{MerchantId, PaymentId, Timestamp};

use crate::ports::{
    Statuses,
    statuses::{BODY_AT_MOST, KeptStatus, SHOWN_FOR},
};

/// What keeps payments, under test.
#[async_trait]
pub trait StatusesSubject: Send + Sync {
    /// An instance.
    fn statuses(&self) -> &dyn Statuses;

    /// Another one, where there can be another one that shares what is kept.
    fn other(&self) -> &dyn Statuses;

    /// The business clock, which stands while nobody lets time pass, or goes.
    fn now(&self) -> Timestamp;

    /// Lets `time` pass by it.
    async fn pass(&self, time: Duration);
}

/// Names every check once, and makes a test of it.
macro_rules! checks {
    (($d:tt) $($name:ident,)+) => {
        /// Makes a test of every check, on what the async function `$fresh` gives.
        #[macro_export]
        macro_rules! statuses_contract {
            ($d fresh:path) => {
                $(
                    #[tokio::test]
                    async fn $name() {
                        if let Some(subject) = $d fresh().await {
                            $crate::contract::statuses::$name(&subject).await;
                        }
                    }
                )+
            };
        }
    };
}

checks! { ($)
    what_is_kept_is_found_as_it_was,
    what_nobody_kept_is_not_found,
    instances_share_what_is_kept,
    payments_are_kept_apart,
    a_later_version_takes_the_place_of_an_earlier_one,
    an_earlier_version_that_comes_late_changes_nothing,
    of_versions_that_come_at_once_in_any_order_the_latest_stays,
    nothing_is_found_five_minutes_after_it_was_the_truth,
    what_was_the_truth_again_lasts_anew,
    what_is_said_again_or_was_known_before_lasts_no_longer,
    what_is_too_old_is_left_out,
    what_is_too_long_is_left_out_and_what_is_kept_stays,
    only_what_is_kept_is_renewed,
    what_is_renewed_is_so_by_its_version,
    a_thousand_are_renewed_at_once,
    what_comes_from_a_clock_that_is_ahead_is_kept_and_is_of_no_age,
}

const SECOND: Duration = Duration::from_secs(1);
/// What a check may take, on a clock that goes.
const A_WHILE: Duration = Duration::from_secs(60);

fn payment(number: u16) -> PaymentId {
    let mut bytes = [7; 16];
    bytes[..2].copy_from_slice(&number.to_be_bytes());
    PaymentId::from_random(bytes)
}

fn micros(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond()).unwrap()
}

/// A payment of `version`, which was the truth at `at`.
fn status(number: u16, version: u64, at: Timestamp) -> KeptStatus {
    let merchant = MerchantId::from_random([2; 16]);
    KeptStatus {
        payment: payment(number),
        merchant,
        version,
        at: micros(at),
        body: format!("{{\"version\":{version}}}"),
    }
}

async fn version(subject: &dyn StatusesSubject, number: u16) -> Option<u64> {
    subject.statuses().find(payment(number)).await.map(|kept| kept.version)
}

/// To the byte, whatever is in it, up to the longest.
pub async fn what_is_kept_is_found_as_it_was(subject: &dyn StatusesSubject) {
    let bodies = ["", " ", "1 2 3 4 5", "{\"a\":\"é\u{1f600}\n\r\0\"}", "7 7 mer_7 {}"].map(str::to_owned);
    for (number, body) in (0..).zip(bodies.into_iter().chain(["x".repeat(BODY_AT_MOST)])) {
        for version in [1, 2, (1 << 40)] {
            let kept = KeptStatus { body: body.clone(), ..status(number, version, subject.now()) };
            assert!(subject.statuses().keep(&kept).await);
            assert!(subject.statuses().find(kept.payment).await == Some(kept), "{number}, version {version}");
        }
    }
}

/// And that is no error.
pub async fn what_nobody_kept_is_not_found(subject: &dyn StatusesSubject) {
    assert_eq!(subject.statuses().find(payment(1)).await, None);
}

/// What one keeps, another finds.
pub async fn instances_share_what_is_kept(subject: &dyn StatusesSubject) {
    let kept = status(1, 1, subject.now());
    assert!(subject.statuses().keep(&kept).await);
    assert_eq!(subject.other().find(kept.payment).await, Some(kept.clone()));
    let next = status(1, 2, kept.at);
    assert!(subject.other().keep(&next).await);
    assert_eq!(subject.statuses().find(kept.payment).await, Some(next));
}

/// Each with whose it is.
pub async fn payments_are_kept_apart(subject: &dyn StatusesSubject) {
    let (shoes, hats) = (MerchantId::from_random([2; 16]), MerchantId::from_random([3; 16]));
    let of = |number, merchant| KeptStatus { merchant, ..status(number, u64::from(number), subject.now()) };
    let all = [of(1, shoes), of(2, hats), of(3, shoes)];
    for kept in &all {
        assert!(subject.statuses().keep(kept).await);
    }
    for kept in all {
        assert_eq!(subject.statuses().find(kept.payment).await, Some(kept));
    }
}

/// Also where it was known at the same time, or before.
pub async fn a_later_version_takes_the_place_of_an_earlier_one(subject: &dyn StatusesSubject) {
    let now = subject.now();
    for (version, at) in [(1, now), (2, now), (9, now - SECOND), (10, now)] {
        let kept = status(1, version, at);
        assert!(subject.statuses().keep(&kept).await);
        assert_eq!(subject.statuses().find(kept.payment).await, Some(kept));
    }
}

/// Whenever it says that it was the truth: it is no failure, and of no effect.
pub async fn an_earlier_version_that_comes_late_changes_nothing(subject: &dyn StatusesSubject) {
    let now = subject.now();
    let kept = status(1, 5, now);
    assert!(subject.statuses().keep(&kept).await);
    for (version, at) in [(4, now), (4, now + SECOND), (1, now - SECOND)] {
        assert!(subject.statuses().keep(&status(1, version, at)).await);
        assert_eq!(subject.statuses().find(kept.payment).await.as_ref(), Some(&kept), "version {version}");
    }
    assert_eq!(subject.statuses().renew(&[status(1, 4, now + SECOND)]).await, 0);
    assert_eq!(subject.statuses().find(kept.payment).await, Some(kept));
}

/// It is one step: two that come at once cannot both find the place free.
pub async fn of_versions_that_come_at_once_in_any_order_the_latest_stays(subject: &dyn StatusesSubject) {
    let (now, instances) = (subject.now(), [subject.statuses(), subject.other()]);
    for payment in 0..10_u16 {
        let versions: Vec<_> = (1..=20_u64).map(|number| status(payment, number * 7 % 20 + 1, now)).collect();
        let kept = join_all(versions.iter().enumerate().map(|(number, kept)| instances[number % 2].keep(kept))).await;
        assert!(kept.into_iter().all(|kept| kept));
        assert_eq!(version(subject, payment).await, Some(20), "payment {payment}");
    }
}

/// By the business clock, from when it was the truth: not from when it was said.
pub async fn nothing_is_found_five_minutes_after_it_was_the_truth(subject: &dyn StatusesSubject) {
    let now = subject.now();
    assert!(subject.statuses().keep(&status(1, 1, now)).await);
    assert!(subject.statuses().keep(&status(2, 1, now - A_WHILE)).await);
    subject.pass(SHOWN_FOR.saturating_sub(A_WHILE * 2)).await;
    assert_eq!((version(subject, 1).await, version(subject, 2).await), (Some(1), Some(1)));
    subject.pass(A_WHILE).await;
    assert_eq!((version(subject, 1).await, version(subject, 2).await), (Some(1), None), "known a minute before");
    subject.pass(A_WHILE).await;
    assert_eq!(version(subject, 1).await, None);
    subject.pass(SHOWN_FOR * 1_000).await;
    assert_eq!(version(subject, 1).await, None);
    let again = status(1, 1, subject.now());
    assert!(subject.statuses().keep(&again).await);
    assert_eq!(subject.statuses().find(again.payment).await, Some(again));
}

/// A payment that is looked at stays.
pub async fn what_was_the_truth_again_lasts_anew(subject: &dyn StatusesSubject) {
    for _ in 0..5 {
        assert!(subject.statuses().keep(&status(1, 3, subject.now())).await);
        subject.pass(SHOWN_FOR.saturating_sub(A_WHILE)).await;
        assert_eq!(version(subject, 1).await, Some(3));
    }
    subject.pass(A_WHILE).await;
    assert_eq!(version(subject, 1).await, None);
}

/// An answer that comes twice, or late, makes nothing younger.
pub async fn what_is_said_again_or_was_known_before_lasts_no_longer(subject: &dyn StatusesSubject) {
    let kept = status(1, 3, subject.now());
    assert!(subject.statuses().keep(&kept).await);
    subject.pass(SHOWN_FOR.saturating_sub(A_WHILE)).await;
    for at in [kept.at, kept.at - SECOND] {
        assert!(subject.statuses().keep(&status(1, 3, at)).await);
        assert_eq!(subject.statuses().renew(&[status(1, 3, at)]).await, 0);
    }
    assert_eq!(subject.statuses().find(kept.payment).await, Some(kept));
    subject.pass(A_WHILE).await;
    assert_eq!(version(subject, 1).await, None);
}

/// It would be found by nobody.
pub async fn what_is_too_old_is_left_out(subject: &dyn StatusesSubject) {
    for age in [SHOWN_FOR, SHOWN_FOR * 100] {
        let old = status(1, 1, subject.now() - age);
        assert!(!subject.statuses().keep(&old).await);
        assert_eq!(subject.statuses().renew(&[old]).await, 1);
        assert_eq!(version(subject, 1).await, None);
    }
}

/// As it was, and for as long as it would have.
pub async fn what_is_too_long_is_left_out_and_what_is_kept_stays(subject: &dyn StatusesSubject) {
    let kept = status(1, 1, subject.now());
    assert!(subject.statuses().keep(&kept).await);
    for version in [1, 2] {
        let long = KeptStatus { body: "x".repeat(BODY_AT_MOST + 1), ..status(1, version, subject.now()) };
        assert!(!subject.statuses().keep(&long).await);
        assert_eq!(subject.statuses().renew(&[long]).await, 1);
    }
    assert_eq!(subject.statuses().find(kept.payment).await, Some(kept));
}

/// What nobody kept is not kept, and that is no failure.
pub async fn only_what_is_kept_is_renewed(subject: &dyn StatusesSubject) {
    let now = subject.now();
    assert!(subject.statuses().keep(&status(2, 1, now)).await);
    let all = [1, 2, 3].map(|number| status(number, 2, now));
    assert_eq!(subject.statuses().renew(&all).await, 0);
    let found = [version(subject, 1).await, version(subject, 2).await, version(subject, 3).await];
    assert_eq!(found, [None, Some(2), None]);
    assert_eq!(subject.statuses().renew(&[]).await, 0);
}

/// Like what is kept.
pub async fn what_is_renewed_is_so_by_its_version(subject: &dyn StatusesSubject) {
    let now = subject.now();
    assert!(subject.statuses().keep(&status(1, 4, now)).await);
    for (next, stays) in [(3, 4), (4, 4), (5, 5), (2, 5)] {
        assert_eq!(subject.statuses().renew(&[status(1, next, now)]).await, 0);
        assert_eq!(version(subject, 1).await, Some(stays));
    }
}

/// As a settlement's chunk brings them.
pub async fn a_thousand_are_renewed_at_once(subject: &dyn StatusesSubject) {
    let now = subject.now();
    let all = |version| (0..1_000).map(|number| status(number, version, now)).collect::<Vec<_>>();
    for kept in all(1).iter().step_by(3) {
        assert!(subject.statuses().keep(kept).await);
    }
    assert_eq!(subject.other().renew(&all(2)).await, 0);
    for number in 0..1_000 {
        assert_eq!(version(subject, number).await, (number % 3 == 0).then_some(2), "payment {number}");
    }
}

/// And no longer than any other.
pub async fn what_comes_from_a_clock_that_is_ahead_is_kept_and_is_of_no_age(subject: &dyn StatusesSubject) {
    let ahead = status(1, 1, subject.now() + A_WHILE);
    assert!(subject.statuses().keep(&ahead).await);
    assert_eq!(subject.statuses().find(ahead.payment).await, Some(ahead.clone()));
    assert_eq!(ahead.age(subject.now()), Some(Duration::ZERO));
    subject.pass(SHOWN_FOR + A_WHILE * 2).await;
    assert_eq!(version(subject, 1).await, None);
}
