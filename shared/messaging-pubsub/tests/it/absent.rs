//! A Pub/Sub that is away, or has no such topic: an error in time, and no restart when it is back.

use std::{sync::Arc, time::Duration};

use tollgate_emulators::{GrpcProxy, own_pubsub, pubsub};
use tollgate_gateway::ports::{EventBacklog, Queue, Time};
use tollgate_messaging_pubsub::{Named, Options, PubsubQueue, Topics};

use crate::subject::{TIMEOUT, clock, deliver, kept, pause, queue, topics};

/// What a publish may take beyond its time on a busy machine.
const GRACE: Duration = Duration::from_millis(500);

/// Publishes one message, which fails in time; answers the error.
async fn fails_in_time(queue: &PubsubQueue) -> String {
    let clock = clock();
    let error = queue.publish(&[deliver(1)]).await.expect_err("it cannot be taken").to_string();
    let took = clock.monotonic();
    assert!(took < TIMEOUT + GRACE, "{took:?}: {error}");
    error
}

/// Publishes until one is taken, as the dispatcher would.
async fn works_soon(queue: &PubsubQueue) {
    for _ in 0..20 {
        if queue.publish(&[deliver(1)]).await.is_ok() {
            return;
        }
        pause(Duration::from_millis(250)).await;
    }
    panic!("it does not work again: {:?}", queue.publish(&[deliver(1)]).await);
}

#[tokio::test]
async fn a_topic_that_is_lost_is_an_error_at_once_and_works_when_it_is_there_again() {
    let Some(pubsub) = pubsub() else { return };
    let topics = topics(&pubsub);
    let queue = queue(pubsub.host(), &topics).await;
    queue.publish(&[deliver(1)]).await.unwrap();
    pubsub.delete_topic(&topics.payment_events);
    let error = fails_in_time(&queue).await;
    assert!(error.contains("not_found"), "{error}");
    pubsub.create_topic_named(&topics.payment_events);
    works_soon(&queue).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pub_sub_that_is_killed_is_an_error_in_time_and_works_when_it_is_back() {
    let Some(own) = own_pubsub() else { return };
    let topics = topics(own.pubsub());
    let queue = queue(own.pubsub().host(), &topics).await;
    queue.publish(&[deliver(1)]).await.unwrap();
    own.kill();
    for _ in 0..3 {
        fails_in_time(&queue).await;
    }
    own.start_again();
    own.pubsub().create_topic_named(&topics.payment_events);
    works_soon(&queue).await;
}

#[tokio::test]
async fn one_that_takes_the_connection_and_says_nothing_is_not_waited_for() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let queue = queue(&silent.local_addr().unwrap().to_string(), &nowhere()).await;
    let error = fails_in_time(&queue).await;
    assert!(error.contains("timeout"), "{error}");
}

#[tokio::test]
async fn a_connection_that_died_without_a_word_is_given_up_and_another_one_made() {
    let Some(pubsub) = pubsub() else { return };
    let proxy = GrpcProxy::before(pubsub.host()).await;
    let queue = queue(proxy.host(), &topics(&pubsub)).await;
    queue.publish(&[deliver(1)]).await.unwrap();
    proxy.lose_connections();
    for _ in 0..3 {
        fails_in_time(&queue).await;
    }
    works_soon(&queue).await;
}

#[tokio::test]
async fn one_that_is_not_there_at_the_start_does_not_keep_the_process_from_it() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    fails_in_time(&queue(&closed.to_string(), &nowhere()).await).await;
}

#[tokio::test]
async fn without_an_emulator_googles_own_is_set_up_without_being_asked() {
    let options = Options::new(nowhere(), None);
    assert!(PubsubQueue::connect(options, clock(), Arc::new(|| None)).await.is_ok());
}

#[tokio::test]
async fn an_event_counts_as_kept_only_once_pub_sub_has_said_so() {
    let Some(own) = own_pubsub() else { return };
    let topics = topics(own.pubsub());
    let queue = queue(own.pubsub().host(), &topics).await;
    queue.keep(&kept("evt_1")).await.unwrap();
    own.pubsub().delete_topic(&topics.provider_events);
    let error = queue.keep(&kept("evt_2")).await.unwrap_err().to_string();
    assert!(error.contains("not_found"), "{error}");
    own.kill();
    let clock = clock();
    queue.keep(&kept("evt_3")).await.unwrap_err();
    assert!(clock.monotonic() < TIMEOUT + GRACE, "whoever sent it is told in time");
}

fn nowhere() -> Topics {
    Topics::read("pubsub:projects/p/topics/payment-events", Named::default()).unwrap()
}
