//! Redis is away, in every way it can be: nobody is stopped, nobody waits long, and it is used again when it is back.

use std::{net::Ipv4Addr, num::NonZeroU32, time::Duration};

use tokio::net::TcpListener;
use tollgate_counters::{Options, RedisCounters};
use tollgate_gateway::ports::{
    Counters,
    counters::{DecidedBy, Limit},
};

use crate::{
    clock::Clock,
    seen::watched,
    server::Server,
    subject::{QUOTA, WIDE, connect, merchant, patient, until_decided_by},
};

/// Without Redis, `takes` cost next to nothing each: no timeout, no connection.
#[allow(clippy::disallowed_methods, reason = "how long something takes")]
async fn costs_nothing(counters: &RedisCounters) {
    let started = std::time::Instant::now();
    for _ in 0..1_000 {
        assert_eq!(counters.take(merchant(1), WIDE).await.decided_by, DecidedBy::Fallback);
    }
    // Some microseconds each; a single timeout a call would be fifty seconds.
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

#[tokio::test]
async fn no_redis_at_the_start_is_no_error_and_it_is_used_once_it_is_there() {
    let Some(server) = Server::with(&[]) else { return };
    server.kill();
    let counters = connect(&server.url(), patient()).await;
    costs_nothing(&counters).await;
    assert!(counters.is_degraded());
    let away = counters.ping().await.unwrap_err();
    assert!(away.0.starts_with("no connection: "), "{away}");
    server.start_again();
    until_decided_by(&counters, DecidedBy::Shared).await;
    assert_eq!(counters.ping().await, Ok(()));
}

#[tokio::test]
async fn one_that_accepts_and_never_answers_is_not_waited_for() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let counters = connect(&url, Options::default()).await;
    costs_nothing(&counters).await;
    assert_eq!(counters.ping().await.unwrap_err().0, "no answer in time");
}

#[tokio::test]
async fn one_that_stops_answering_costs_three_timeouts_and_comes_back() {
    let Some(server) = Server::with(&[]) else { return };
    let counters = connect(&server.url(), Options { command_timeout: Duration::from_millis(200), ..patient() }).await;
    until_decided_by(&counters, DecidedBy::Shared).await;
    server.freeze();
    for _ in 0..3 {
        assert!(!counters.is_degraded());
        assert_eq!(counters.take(merchant(1), WIDE).await.decided_by, DecidedBy::Fallback);
    }
    assert!(counters.is_degraded());
    costs_nothing(&counters).await;
    server.go_on();
    until_decided_by(&counters, DecidedBy::Shared).await;
}

#[tokio::test]
async fn a_timeout_now_and_then_does_not_mean_away() {
    let Some(server) = Server::with(&[]) else { return };
    let counters = connect(&server.url(), Options { command_timeout: Duration::from_millis(200), ..patient() }).await;
    for _ in 0..3 {
        until_decided_by(&counters, DecidedBy::Shared).await;
        server.freeze();
        for _ in 0..2 {
            assert_eq!(counters.take(merchant(1), WIDE).await.decided_by, DecidedBy::Fallback);
        }
        assert!(!counters.is_degraded());
        server.go_on();
        until_decided_by(&counters, DecidedBy::Shared).await;
        assert!(!counters.is_degraded());
    }
}

#[tokio::test]
async fn one_that_takes_no_writes_is_away_until_it_does() {
    let Some(server) = Server::with(&[]) else { return };
    for (broken, mended) in [
        ("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE"),
        ("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0"),
        ("ACL SETUSER default -evalsha", "ACL SETUSER default +evalsha"),
    ] {
        let counters = connect(&server.url(), patient()).await;
        until_decided_by(&counters, DecidedBy::Shared).await;
        () = server.ask(broken);
        stays_away(&counters).await;
        () = server.ask(mended);
        until_decided_by(&counters, DecidedBy::Shared).await;
    }
}

/// And a new connection, which it takes, does not mean that it is back.
async fn stays_away(counters: &RedisCounters) {
    until_decided_by(counters, DecidedBy::Fallback).await;
    for _ in 0..2 {
        costs_nothing(counters).await;
        crate::subject::pause(300).await;
        assert!(counters.is_degraded(), "nobody asked meanwhile");
    }
}

#[tokio::test]
async fn dropped_counters_close_their_connection_and_try_no_more() {
    let Some(server) = Server::with(&[]) else { return };
    let counters = connect(&server.url(), patient()).await;
    until_decided_by(&counters, DecidedBy::Shared).await;
    // Ours to the side is one of them.
    let clients = || server.ask::<String>("CLIENT LIST").lines().count();
    assert_eq!(clients(), 2);
    drop(counters);
    for _ in 0..200 {
        if clients() == 1 {
            crate::subject::pause(300).await;
            assert_eq!(clients(), 1);
            return;
        }
        crate::subject::pause(5).await;
    }
    panic!("it stays connected");
}

#[tokio::test]
async fn who_decides_alone_takes_its_part_of_the_limit() {
    let time = Clock::standing();
    let options = Options { instances: NonZeroU32::new(4).unwrap(), ..Options::default() };
    let nowhere = "redis://127.0.0.1:1".parse().unwrap();
    let counters = RedisCounters::connect(nowhere, options, time).await.unwrap();
    let limit = Limit::per_minute(4, 40);
    let standing = counters.look(merchant(1), limit).await;
    assert_eq!((standing.remaining, standing.decided_by), (10, DecidedBy::Fallback), "a merchant's part starts full");
    for left in (0..10).rev() {
        assert_eq!(counters.take(merchant(1), limit).await.remaining, left);
    }
    let refused = counters.take(merchant(1), limit).await;
    assert!(!refused.granted && refused.next_in > Duration::from_secs(55), "one a minute: {refused:?}");
    counters.give_back(merchant(1), limit, DecidedBy::Shared).await;
    assert!(!counters.take(merchant(1), limit).await.granted, "that token was not of this part");
    counters.give_back(merchant(1), limit, DecidedBy::Fallback).await;
    assert!(counters.take(merchant(1), limit).await.granted);
    let tiny = Limit::per_minute(1, 1);
    assert!(counters.take(merchant(2), tiny).await.granted, "a part of one is one");
    // 80 a second: 20 for each, and a fifth of a second of them at once.
    let quota = counters.look(QUOTA, Limit::per_second(80, 80)).await;
    assert_eq!(quota.remaining, 4, "a quota's part starts with its head start");
}

#[test]
fn metrics_and_logs_say_once_that_it_goes_and_comes() {
    watched(async |seen| {
        let Some(server) = Server::with(&[]) else { return };
        let counters = connect(&server.url(), patient()).await;
        until_decided_by(&counters, DecidedBy::Shared).await;
        assert!(seen.metrics().contains("counters_degraded 0"), "{}", seen.metrics());
        assert!(!seen.metrics().contains("counters_fallback_total"), "{}", seen.metrics());
        assert_eq!(seen.log(), Vec::<String>::new());
        server.kill();
        until_decided_by(&counters, DecidedBy::Fallback).await;
        // Long enough for several tries.
        for _ in 0..8 {
            costs_nothing(&counters).await;
            crate::subject::pause(100).await;
        }
        let metrics = seen.metrics();
        assert!(metrics.contains("counters_degraded 1"), "{metrics}");
        assert!(metrics.contains("counters_fallback_total{reason=\"away\"}"), "{metrics}");
        assert_eq!(seen.log().len(), 1, "{:?}", seen.log());
        server.start_again();
        until_decided_by(&counters, DecidedBy::Shared).await;
        let (metrics, log) = (seen.metrics(), seen.log());
        assert!(metrics.contains("counters_degraded 0"), "{metrics}");
        let asked = "counters_request_duration_seconds_count{operation=\"take\",outcome=\"ok\"}";
        assert!(metrics.contains(asked), "{metrics}");
        assert!(!metrics.contains("mer_"), "no merchant is a label");
        let [away, back] = &log[..] else { panic!("{log:?}") };
        assert!(away.starts_with("WARN") && away.contains("counters are away"), "{away}");
        assert!(back.starts_with("INFO") && back.contains("counters are back"), "{back}");
    });
}
