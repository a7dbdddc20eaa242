//! Connections: kept where the answer allows it, and given up where they are old, closed, or have said something unasked.

use std::{sync::Arc, time::Duration};

use tollgate_gateway::ports::webhook_sender::SendError;
use tollgate_webhooks::AddressPolicy;

use crate::{
    endpoint::{Endpoint, Step},
    world::{send, sender},
};

fn say(text: &str) -> Step {
    Step::Say(text.as_bytes().to_vec())
}

#[tokio::test]
async fn a_connection_is_used_again_whatever_body_the_answer_had() {
    let full = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{}", 16 << 10, "x".repeat(16 << 10));
    let answers = [
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 500 No\r\ncontent-length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n3\r\nyou\r\n0\r\n\r\n",
        &full,
    ];
    for answer in answers {
        let endpoint = Endpoint::saying(answer).await;
        let sender = sender(AddressPolicy::sandbox());
        for _ in 0..5 {
            assert!(send(&sender, &endpoint.url()).await.answer.is_ok());
        }
        assert_eq!((endpoint.received().len(), endpoint.connections()), (5, 1), "{}", &answer[..20]);
    }
}

#[tokio::test]
async fn a_connection_is_not_used_again_where_the_answer_forbids_it_or_is_too_long() {
    let long = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{}", (16 << 10) + 1, "x".repeat((16 << 10) + 1));
    let answers = [
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n",
        &long,
    ];
    for answer in answers {
        let endpoint = Endpoint::saying(answer).await;
        let sender = sender(AddressPolicy::sandbox());
        for _ in 0..3 {
            assert_eq!(send(&sender, &endpoint.url()).await.answer, Ok(200));
        }
        assert_eq!(endpoint.connections(), 3, "{}", &answer[..30]);
    }
}

#[tokio::test]
async fn a_connection_that_was_closed_while_it_waited_costs_no_webhook() {
    let endpoint = Endpoint::doing(vec![say("HTTP/1.1 204 No Content\r\n\r\n"), Step::Close]).await;
    let sender = sender(AddressPolicy::sandbox());
    for _ in 0..20 {
        assert_eq!(send(&sender, &endpoint.url()).await.answer, Ok(204));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!((endpoint.received().len(), endpoint.connections()), (20, 20));
}

#[tokio::test]
async fn an_answer_that_nobody_asked_for_is_not_taken_for_the_next_ones() {
    let twice = "HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    let late =
        vec![say("HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n"), say("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")];
    for steps in [vec![say(twice)], late] {
        let endpoint = Endpoint::doing(steps).await;
        let sender = sender(AddressPolicy::sandbox());
        for _ in 0..3 {
            assert_eq!(send(&sender, &endpoint.url()).await.answer, Ok(500));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(endpoint.connections(), 3);
    }
}

#[tokio::test]
async fn a_connection_waits_no_longer_than_its_bound() {
    let endpoint = Endpoint::saying("HTTP/1.1 204 No Content\r\n\r\n").await;
    let sender = sender(AddressPolicy::sandbox());
    assert_eq!(send(&sender, &endpoint.url()).await.answer, Ok(204));
    tokio::time::sleep(Duration::from_millis(4_100)).await;
    assert_eq!(send(&sender, &endpoint.url()).await.answer, Ok(204));
    assert_eq!(endpoint.connections(), 2);
}

#[tokio::test]
async fn a_webhook_that_may_have_arrived_is_not_sent_again_by_the_sender() {
    let endpoint = Endpoint::by_number(|number| match number {
        1 => vec![say("HTTP/1.1 204 No Content\r\n\r\n")],
        _ => vec![Step::Close],
    })
    .await;
    let sender = sender(AddressPolicy::sandbox());
    assert_eq!(send(&sender, &endpoint.url()).await.answer, Ok(204));
    assert_eq!(send(&sender, &endpoint.url()).await.answer, Err(SendError::Broken));
    assert_eq!((endpoint.received().len(), endpoint.connections()), (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_get_each_its_own_answer() {
    let endpoint = Endpoint::by_number(|number| {
        vec![say(&format!("HTTP/1.1 {} Word\r\ncontent-length: 4\r\n\r\nbody", 400 + number % 100))]
    })
    .await;
    let sender = Arc::new(sender(AddressPolicy::sandbox()));
    let mut sends = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (sender, url) = (Arc::clone(&sender), endpoint.url());
        sends.spawn(async move {
            let mut statuses = Vec::new();
            for _ in 0..50 {
                statuses.push(send(&sender, &url).await.answer.unwrap());
            }
            statuses
        });
    }
    let mut statuses = sends.join_all().await.concat();
    statuses.sort_unstable();
    let mut expected: Vec<u16> = (1..=1000).map(|number| 400 + number % 100).collect();
    expected.sort_unstable();
    assert_eq!(statuses, expected);
    assert!(endpoint.connections() <= 20);
}
