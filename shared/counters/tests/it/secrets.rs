//! The password: it opens Redis, and is seen nowhere.

use tollgate_counters::Source;
use tollgate_gateway::ports::{Counters, counters::DecidedBy};

use crate::{
    seen::watched,
    server::Server,
    subject::{WIDE, connect, merchant, patient, until_decided_by},
};

#[tokio::test]
async fn the_right_password_opens_redis() {
    let Some(server) = Server::with(&["--requirepass", "s3cret/word"]) else { return };
    let url = format!("redis://:s3cret%2Fword@127.0.0.1:{}/3", server.port);
    let counters = connect(&url, patient()).await;
    until_decided_by(&counters, DecidedBy::Shared).await;
}

#[test]
fn a_wrong_password_is_a_redis_that_is_away_and_is_said_without_the_password() {
    watched(async |seen| {
        let Some(server) = Server::with(&["--requirepass", "the-right-one"]) else { return };
        let host = format!("127.0.0.1:{}", server.port);
        for (login, why) in [
            (":wr0ng-one@", "AuthenticationFailed"),
            ("gateway:wr0ng-one@", "AuthenticationFailed"),
            ("", "it refuses"),
            (":wr0ng%20one@", "AuthenticationFailed"),
        ] {
            let url = format!("redis://{login}{host}");
            let counters = connect(&url, patient()).await;
            assert_eq!(counters.take(merchant(1), WIDE).await.decided_by, DecidedBy::Fallback);
            let away = counters.ping().await.unwrap_err();
            let source: Source = url.parse().unwrap();
            let log = seen.log();
            let said = format!("{away} {away:?} {source:?} {log:?} {}", seen.metrics());
            assert!(!said.contains("wr0ng") && !said.contains("the-right-one"), "{said}");
            assert!(away.0.contains(why), "{away}");
            assert!(log.iter().any(|line| line.contains(why) && line.contains(&host)), "{log:?}");
        }
    });
}
