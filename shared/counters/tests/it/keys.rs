//! What is kept on Redis.

use redis::Commands;
use tollgate_gateway::ports::{
    Counters,
    counters::{Bucket, Limit},
};

use crate::subject::{OnRedis, QUOTA, merchant};

#[tokio::test]
async fn every_key_expires_by_itself_when_its_bucket_is_full_or_after_a_day() {
    let Some(subject) = OnRedis::new().await else { return };
    for (number, limit, most_ms) in [
        (1, Limit::per_second(10, 10), 100),
        (2, Limit::per_minute(60, 10), 1_000),
        (3, Limit::per_minute(1, u32::MAX), 60_000),
    ] {
        let mut connection = subject.server.connection();
        assert!(subject.one.take(merchant(number), limit).await.granted);
        let keys = subject.keys();
        for key in keys {
            let expires_in: i64 = connection.pttl(&key).unwrap();
            () = connection.del(&key).unwrap();
            // -2: it is gone already.
            assert!((0..=most_ms).contains(&expires_in) || expires_in == -2, "{key}: {expires_in}");
        }
    }
    let slow = Limit::per_minute(1, u32::MAX);
    for _ in 0..1_441 {
        subject.one.take(merchant(4), slow).await;
    }
    let mut connection = subject.server.connection();
    let keys = subject.keys();
    let expires_in: i64 = connection.pttl(&keys[0]).unwrap();
    assert!(expires_in <= 86_400_000 && expires_in > 86_000_000, "a day: {expires_in}");
}

#[tokio::test]
async fn a_refusal_and_a_look_write_nothing() {
    let Some(subject) = OnRedis::new().await else { return };
    let (limit, mut connection) = (Limit::per_minute(1, 1), subject.server.connection());
    subject.one.look(merchant(1), limit).await;
    let keys = subject.keys();
    assert!(keys.is_empty(), "{keys:?}");
    assert!(subject.one.take(merchant(1), limit).await.granted);
    let keys = subject.keys();
    let before: String = connection.get(&keys[0]).unwrap();
    assert!(!subject.one.take(merchant(1), limit).await.granted);
    subject.one.look(merchant(1), limit).await;
    let after: String = connection.get(&keys[0]).unwrap();
    assert_eq!(before, after);
}

#[tokio::test]
async fn what_cannot_be_read_counts_as_a_full_bucket_and_is_written_over() {
    let Some(subject) = OnRedis::new().await else { return };
    let (limit, mut connection) = (Limit::per_minute(1, 3), subject.server.connection());
    assert!(subject.one.take(merchant(1), limit).await.granted);
    let keys = subject.keys();
    let key = &keys[0];
    for garbage in ["", "garbage", "-1 5", "1e9 1e9", "99999999999999999999999 99999999999999999999999", "1 2 3"] {
        () = connection.set(key, garbage).unwrap();
        let standing = subject.one.take(merchant(1), limit).await;
        assert_eq!((standing.granted, standing.remaining), (true, 2), "{garbage:?}");
    }
    () = connection.del(key).unwrap();
    () = connection.lpush(key, "a list").unwrap();
    assert_eq!(subject.one.take(merchant(1), limit).await.remaining, 2);
    assert_eq!(subject.one.take(merchant(1), limit).await.remaining, 1);
    assert!(!subject.one.is_degraded());
}

#[tokio::test]
async fn keys_say_what_they_are_and_keep_what_belongs_together_on_one_node() {
    let Some(subject) = OnRedis::new().await else { return };
    let Bucket::Merchant(id) = merchant(1) else { unreachable!() };
    for bucket in [Bucket::Merchant(id), Bucket::MerchantReplays(id), QUOTA] {
        subject.one.take(bucket, Limit::per_minute(1, 100)).await;
    }
    let mut keys = subject.keys();
    keys.sort();
    let named = [format!("{{{id}}}:replays"), format!("{{{id}}}:requests"), "{stripe}:operations".to_owned()];
    assert_eq!(keys, named.map(|name| format!("{}:{name}", subject.prefix)));
}
