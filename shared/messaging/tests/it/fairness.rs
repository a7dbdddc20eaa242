//! No merchant delays another.

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use tollgate_messaging::Limits;

use crate::{
    handlers::{Do, Scripted, eventually},
    subject::{consume, consume_within, merchant, merchant_of, message, messages, publish, queue, quiet},
};

#[tokio::test]
async fn merchants_whose_endpoints_hang_delay_nobody() {
    let (queue, _) = queue();
    // Twenty would fill every place if each got its thirty-two.
    let hanging: HashSet<_> = (0..20).map(merchant).collect();
    let hangs = hanging.clone();
    let handler = Scripted::new(
        move |delivered| {
            if hangs.contains(&merchant_of(&delivered.message)) { Do::Hang } else { Do::Ack }
        },
    );
    let _consumer = consume(&queue, &handler);
    for number in 0..20 {
        publish(&queue, &messages(number, 200)).await;
    }
    handler.has_begun(100).await;
    for number in 100..150 {
        publish(&queue, &messages(number, 10)).await;
    }
    eventually(|| handler.ended().len() == 500).await;
    let begun = handler.begun();
    let of_hanging = begun.iter().filter(|it| hanging.contains(&merchant_of(&it.message))).count();
    assert!(of_hanging < 256, "{of_hanging} are stuck, and places are left");
}

#[tokio::test]
async fn a_merchant_whose_endpoint_hangs_gets_its_limit_and_no_more() {
    let (queue, _) = queue();
    let handler = Scripted::new(|_| Do::Hang);
    let _consumer = consume(&queue, &handler);
    publish(&queue, &messages(1, 1000)).await;
    handler.has_begun(32).await;
    publish(&queue, &messages(2, 1)).await;
    handler.has_begun(33).await;
    assert_eq!(handler.begun().len(), 33);
}

#[tokio::test]
async fn a_long_line_of_one_merchant_does_not_delay_another() {
    let (queue, _) = queue();
    publish(&queue, &messages(1, 10_000)).await;
    let handler = Scripted::new(|_| Do::AckAfter(Duration::from_millis(1)));
    let _consumer = consume(&queue, &handler);
    for number in 2..12 {
        handler.has_begun(number as usize * 300).await;
        let before = handler.begun().len();
        publish(&queue, &[message(number, 1)]).await;
        eventually(|| handler.messages().contains(&message(number, 1))).await;
        let after = handler.messages().iter().position(|it| *it == message(number, 1)).unwrap();
        // Two windows: one that was being filled when it was published, and its own.
        assert!(after <= before + 64, "{} went before it", after - before);
    }
    quiet(&queue).await;
    assert_eq!(handler.ended().len(), 10_010);
}

#[tokio::test]
async fn merchants_with_long_lines_get_the_same() {
    let (queue, _) = queue();
    for number in 0..7 {
        // The longest line is ten times the shortest.
        publish(&queue, &messages(number, 400 + 600 * number)).await;
    }
    let handler = Scripted::acks();
    let _consumer = consume_within(&queue, &handler, Limits { in_flight: 10, ..Limits::default() });
    handler.has_begun(700).await;
    let mut shares = BTreeMap::new();
    for message in &handler.messages()[..700] {
        *shares.entry(merchant_of(message)).or_insert(0) += 1;
    }
    assert_eq!(shares.len(), 7);
    assert!(shares.values().all(|share| (90..=110).contains(share)), "{shares:?}");
    quiet(&queue).await;
}

#[tokio::test]
async fn no_more_is_in_flight_than_the_limits_say() {
    let (queue, _) = queue();
    for number in 0..30 {
        publish(&queue, &messages(number, 20)).await;
    }
    let limits = Limits { in_flight: 40, ..Limits::default() };
    let handler = Scripted::new(|_| Do::AckAfter(Duration::from_millis(2)));
    let consumer = consume_within(&queue, &handler, limits);
    quiet(&queue).await;
    consumer.stop().await.unwrap();
    assert_eq!(handler.ended().len(), 600);
    assert!(handler.most_at_work() <= 40, "{} at a time", handler.most_at_work());

    for number in 0..60 {
        publish(&queue, &messages(number, 3)).await;
    }
    let handler = Scripted::new(|_| Do::Hang);
    let _consumer = consume_within(&queue, &handler, limits);
    handler.has_begun(40).await;
    publish(&queue, &[message(70, 1)]).await;
    queue.standing().await.unwrap();
    assert_eq!(handler.begun().len(), 40, "each place is used, and no more");
}

#[tokio::test]
async fn retries_of_a_merchant_that_fails_do_not_delay_its_new_messages() {
    let (queue, _) = queue();
    let handler = Scripted::new(|delivered| if delivered.message == message(1, 5000) { Do::Ack } else { Do::Retry });
    let _consumer = consume(&queue, &handler);
    publish(&queue, &messages(1, 2000)).await;
    quiet(&queue).await;
    publish(&queue, &[message(1, 5000)]).await;
    quiet(&queue).await;
    assert_eq!(handler.begun().len(), 2001);
    assert_eq!(handler.ended().len(), 1);
}
