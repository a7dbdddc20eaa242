//! What all counters must do, as checks that each runs against itself.
//!
//! Tests write `tollgate_gateway::counters_contract!(fresh);`, where `fresh` is an async function that gives a
//! [`CountersSubject`] without any bucket, or `None` where that cannot be had (it says why) and the check is skipped.
//!
//! Must not know: where buckets are kept.

use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use tollgate_domain::{MerchantId, ProviderName};

use crate::ports::{
    Counters,
    counters::{Bucket, DecidedBy, Limit, Share, Standing},
    provider::CallKind,
};

/// Counters under test. Real time may pass too: no more than a check takes.
#[async_trait]
pub trait CountersSubject: Send + Sync {
    /// An instance.
    fn counters(&self) -> &dyn Counters;

    /// Another one, where there can be another one that shares the buckets.
    fn other(&self) -> &dyn Counters;

    /// Lets `time` pass by the buckets' clock.
    async fn pass(&self, time: Duration);

    /// Moves the buckets' clock back.
    async fn move_back(&self, by: Duration);
}

/// Names every check once, and makes a test of it.
macro_rules! checks {
    (($d:tt) $($name:ident,)+) => {
        /// Makes a test of every check, on what the async function `$fresh` gives.
        #[macro_export]
        macro_rules! counters_contract {
            ($d fresh:path) => {
                $(
                    #[tokio::test]
                    async fn $name() {
                        if let Some(subject) = $d fresh().await {
                            $crate::contract::counters::$name(&subject).await;
                        }
                    }
                )+
            };
        }
    };
}

checks! { ($)
    a_bucket_that_nobody_used_gives_its_burst_and_no_more,
    tokens_come_back_one_by_one,
    no_token_is_lost_or_gained_by_asking_often,
    a_bucket_never_holds_more_than_its_burst,
    a_token_that_was_given_back_can_be_taken_again,
    giving_back_never_exceeds_the_burst,
    looking_takes_nothing,
    what_is_left_and_when_the_next_comes_is_said,
    of_a_hundred_takers_at_once_as_many_get_one_as_there_are,
    instances_share_a_bucket,
    what_is_counted_apart_is_counted_apart,
    where_nothing_is_allowed_nothing_is_given,
    the_largest_limits_are_exact,
    a_limit_that_changes_keeps_what_is_in_the_bucket,
    a_clock_that_goes_back_adds_nothing_and_blocks_for_a_second_at_most,
    they_answer_a_ping,
}

const MINUTE: Duration = Duration::from_secs(60);

fn merchant(number: u8) -> Bucket {
    Bucket::Merchant(MerchantId::from_random([number; 16]))
}

/// Asks for a token.
async fn take(subject: &dyn CountersSubject, bucket: Bucket, limit: Limit) -> Standing {
    let standing = subject.counters().take(bucket, limit).await;
    assert_eq!(standing.decided_by, DecidedBy::Shared);
    standing
}

/// How many tokens of `tries` there were.
async fn taken(subject: &dyn CountersSubject, bucket: Bucket, limit: Limit, tries: u32) -> u32 {
    let mut count = 0;
    for _ in 0..tries {
        count += u32::from(take(subject, bucket, limit).await.granted);
    }
    count
}

/// All of it at once, and then nothing.
pub async fn a_bucket_that_nobody_used_gives_its_burst_and_no_more(subject: &dyn CountersSubject) {
    for burst in [1, 2, 17] {
        let bucket = merchant(u8::try_from(burst).unwrap());
        assert_eq!(taken(subject, bucket, Limit::per_minute(1, burst), burst + 5).await, burst);
    }
}

/// Evenly: not a minute's worth at the minute's end.
pub async fn tokens_come_back_one_by_one(subject: &dyn CountersSubject) {
    let limit = Limit::per_minute(2, 3);
    assert_eq!(taken(subject, merchant(1), limit, 4).await, 3);
    for seconds in [20, 15, 30, 30] {
        // 20 s: none yet. 35 s: one. 65 s: another. 95 s: another.
        subject.pass(Duration::from_secs(seconds)).await;
        assert_eq!(taken(subject, merchant(1), limit, 3).await, u32::from(seconds != 20), "after {seconds} s more");
    }
}

/// Neither by those who are refused, nor by fractions of a token that are forgotten.
pub async fn no_token_is_lost_or_gained_by_asking_often(subject: &dyn CountersSubject) {
    let limit = Limit::per_minute(7, 3);
    assert_eq!(taken(subject, merchant(1), limit, 4).await, 3);
    let mut count = 0;
    for _ in 0..40 {
        subject.pass(Duration::from_secs(3)).await;
        count += taken(subject, merchant(1), limit, 2).await;
    }
    // What real time adds is far from a token.
    assert_eq!(count, 14, "seven a minute, for two minutes");
}

/// However long nobody asks.
pub async fn a_bucket_never_holds_more_than_its_burst(subject: &dyn CountersSubject) {
    let limit = Limit::per_minute(3, 5);
    for days in [0, 1, 400] {
        assert_eq!(taken(subject, merchant(1), limit, 8).await, 5, "after {days} days");
        subject.pass(MINUTE * 60 * 24 * (days + 1)).await;
    }
}

/// Once.
pub async fn a_token_that_was_given_back_can_be_taken_again(subject: &dyn CountersSubject) {
    let limit = Limit::per_minute(1, 4);
    assert_eq!(taken(subject, merchant(1), limit, 5).await, 4);
    for _ in 0..2 {
        subject.counters().give_back(merchant(1), limit, DecidedBy::Shared).await;
    }
    assert_eq!(taken(subject, merchant(1), limit, 5).await, 2);
}

/// Not even where nothing was taken, or more is given back than was.
pub async fn giving_back_never_exceeds_the_burst(subject: &dyn CountersSubject) {
    let limit = Limit::per_minute(1, 3);
    for used in [0, 1, 3] {
        assert_eq!(taken(subject, merchant(used), limit, u32::from(used)).await, u32::from(used));
        for _ in 0..10 {
            subject.counters().give_back(merchant(used), limit, DecidedBy::Shared).await;
        }
        assert_eq!(taken(subject, merchant(used), limit, 10).await, 3);
    }
}

/// Of a bucket that was used, or not.
pub async fn looking_takes_nothing(subject: &dyn CountersSubject) {
    let limit = Limit::per_minute(1, 2);
    for left in [2, 1, 0] {
        for _ in 0..3 {
            let seen = subject.counters().look(merchant(1), limit).await;
            assert_eq!((seen.remaining, seen.granted, seen.decided_by), (left, left > 0, DecidedBy::Shared));
        }
        assert_eq!(take(subject, merchant(1), limit).await.granted, left > 0);
    }
}

/// For the headers that a client goes by: who waits that long gets one.
pub async fn what_is_left_and_when_the_next_comes_is_said(subject: &dyn CountersSubject) {
    let limit = Limit::per_minute(2, 2);
    let first = take(subject, merchant(1), limit).await;
    assert_eq!((first.granted, first.remaining, first.next_in), (true, 1, Duration::ZERO));
    let second = take(subject, merchant(1), limit).await;
    assert_eq!((second.granted, second.remaining), (true, 0));
    let third = take(subject, merchant(1), limit).await;
    assert_eq!((third.granted, third.remaining), (false, 0));
    for wait in [second.next_in, third.next_in] {
        assert!(wait > Duration::from_secs(20) && wait <= Duration::from_secs(30), "{wait:?}");
    }
    subject.pass(third.next_in).await;
    assert!(take(subject, merchant(1), limit).await.granted);
    assert!(!take(subject, merchant(1), limit).await.granted);
}

/// Exactly.
pub async fn of_a_hundred_takers_at_once_as_many_get_one_as_there_are(subject: &dyn CountersSubject) {
    let limit = Limit::per_minute(1, 37);
    let counters = [subject.counters(), subject.other()];
    let takers = (0..100).map(|number| counters[number % 2].take(merchant(1), limit));
    let granted = join_all(takers).await.iter().filter(|standing| standing.granted).count();
    assert_eq!(granted, 37);
}

/// What one takes, the other does not get.
pub async fn instances_share_a_bucket(subject: &dyn CountersSubject) {
    let limit = Limit::per_minute(1, 3);
    let (one, other) = (subject.counters(), subject.other());
    assert!(one.take(merchant(1), limit).await.granted);
    assert!(other.take(merchant(1), limit).await.granted);
    assert_eq!(one.look(merchant(1), limit).await.remaining, 1);
    other.give_back(merchant(1), limit, DecidedBy::Shared).await;
    assert_eq!(one.look(merchant(1), limit).await.remaining, 2);
}

/// Merchants, their replays, providers and their shares.
pub async fn what_is_counted_apart_is_counted_apart(subject: &dyn CountersSubject) {
    let limit = Limit::per_minute(1, 1);
    let replays = Bucket::MerchantReplays(MerchantId::from_random([1; 16]));
    let shares = [Share::Operations, Share::LookUps].into_iter().chain(CallKind::ALL.map(Share::Endpoint));
    let shares = ProviderName::ALL.into_iter().flat_map(|provider| shares.clone().map(move |share| (provider, share)));
    let providers = shares.map(|(provider, share)| Bucket::Provider { provider, share });
    for bucket in [merchant(1), merchant(2), replays].into_iter().chain(providers) {
        assert_eq!(taken(subject, bucket, limit, 2).await, 1, "{bucket:?}");
    }
}

/// And who asks is told to wait.
pub async fn where_nothing_is_allowed_nothing_is_given(subject: &dyn CountersSubject) {
    let limits = [(0, 0), (0, 5), (5, 0), (0, u32::MAX), (u32::MAX, 0)]
        .map(|(rate, burst)| [Limit::per_minute(rate, burst), Limit::per_second(rate, burst)]);
    for limit in limits.into_iter().flatten() {
        for standing in [take(subject, merchant(1), limit).await, subject.counters().look(merchant(1), limit).await] {
            assert_eq!((standing.granted, standing.remaining), (false, 0), "{limit:?}");
            assert_eq!(standing.next_in, Standing::NEVER);
        }
        subject.counters().give_back(merchant(1), limit, DecidedBy::Shared).await;
        subject.pass(MINUTE * 60).await;
    }
    assert!(take(subject, merchant(1), Limit::per_minute(1, 1)).await.granted, "and nothing was kept");
}

/// No number wraps or is rounded.
pub async fn the_largest_limits_are_exact(subject: &dyn CountersSubject) {
    let slow = Limit::per_minute(1, u32::MAX);
    for left in [u32::MAX - 1, u32::MAX - 2, u32::MAX - 3] {
        let standing = take(subject, merchant(1), slow).await;
        assert_eq!((standing.granted, standing.remaining, standing.next_in), (true, left, Duration::ZERO));
    }
    subject.pass(MINUTE).await;
    assert_eq!(subject.counters().look(merchant(1), slow).await.remaining, u32::MAX - 2);
    let fast = Limit::per_second(u32::MAX, u32::MAX);
    for _ in 0..3 {
        // A millisecond may pass, and with it four million tokens.
        let standing = take(subject, merchant(2), fast).await;
        assert!(standing.granted && standing.remaining >= u32::MAX - 3);
        subject.pass(MINUTE * 60 * 24 * 365).await;
    }
    let narrow = Limit::per_second(u32::MAX, 1);
    assert!(take(subject, merchant(3), narrow).await.granted);
    subject.pass(Duration::from_millis(1)).await;
    assert!(take(subject, merchant(3), narrow).await.granted);
}

/// Lowered, it holds no more than the new burst; raised, it is not filled up.
pub async fn a_limit_that_changes_keeps_what_is_in_the_bucket(subject: &dyn CountersSubject) {
    let (narrow, wide) = (Limit::per_minute(1, 4), Limit::per_minute(1, 100));
    assert_eq!(taken(subject, merchant(1), wide, 10).await, 10);
    assert_eq!(subject.counters().look(merchant(1), wide).await.remaining, 90);
    assert_eq!(taken(subject, merchant(1), narrow, 3).await, 3);
    assert_eq!(taken(subject, merchant(1), wide, 10).await, 1);
    // The same tokens, whether they are counted by the minute or by the second.
    subject.pass(MINUTE * 10).await;
    assert_eq!(subject.counters().look(merchant(1), Limit::per_second(1, 100)).await.remaining, 100);
    assert_eq!(taken(subject, merchant(1), wide, 12).await, 10);
}

/// By little, and it stands still; by much, and it is believed.
pub async fn a_clock_that_goes_back_adds_nothing_and_blocks_for_a_second_at_most(subject: &dyn CountersSubject) {
    let limit = Limit::per_minute(1, 2);
    for (number, back) in [(1, Duration::from_millis(500)), (2, MINUTE), (3, MINUTE * 60 * 24 * 365)] {
        let bucket = merchant(number);
        assert_eq!(taken(subject, bucket, limit, 3).await, 2);
        subject.move_back(back).await;
        let refused = take(subject, bucket, limit).await;
        assert!(!refused.granted, "back by {back:?}");
        assert!(refused.next_in <= MINUTE + Duration::from_secs(1), "{:?}", refused.next_in);
        subject.pass(Duration::from_secs(40)).await;
        assert!(!take(subject, bucket, limit).await.granted, "back by {back:?}");
        subject.pass(Duration::from_secs(21)).await;
        assert_eq!(taken(subject, bucket, limit, 2).await, 1, "back by {back:?}");
    }
}

/// They are there.
pub async fn they_answer_a_ping(subject: &dyn CountersSubject) {
    assert_eq!(subject.counters().ping().await, Ok(()));
    assert_eq!(subject.other().ping().await, Ok(()));
}
