//! The queue's metrics.

use std::time::Duration;

use metrics_exporter_prometheus::PrometheusBuilder;

use crate::{
    handlers::{Do, Scripted},
    subject::{consume_within, messages, publish, queue, quiet},
};

#[tokio::test]
async fn what_happens_to_messages_is_counted_by_topic_and_outcome() {
    // Other tests of this process count, too: only that it is there can be said, and that nothing else is.
    let metrics = PrometheusBuilder::new().install_recorder().unwrap();
    let (queue, clock) = queue();
    let handler = Scripted::new(|delivered| match (delivered.dead_lettered, delivered.delivery_attempt) {
        (true, _) => Do::Ack,
        (false, 1) => Do::Hang,
        (false, _) => Do::Retry,
    });
    let limits = tollgate_messaging::Limits { ack_deadline: Duration::from_millis(20), ..Default::default() };
    let _consumer = consume_within(&queue, &handler, limits);
    publish(&queue, &messages(1, 3)).await;
    for _ in 0..6 {
        quiet(&queue).await;
        clock.advance(Duration::from_secs(600));
        queue.clock_moved();
    }
    quiet(&queue).await;
    let text = metrics.render();
    for (topic, outcome) in [
        ("payment-events", "published"),
        ("payment-events", "retried"),
        ("payment-events", "expired"),
        ("payment-events", "dead_lettered"),
        ("dead-letter", "acked"),
    ] {
        let line = format!("queue_messages_total{{topic=\"{topic}\",outcome=\"{outcome}\"}}");
        assert!(text.contains(&line), "{line} in {text}");
    }
    assert!(text.contains("queue_depth{topic=\"payment-events\"}"), "{text}");
    assert!(!text.contains("mer_"), "no merchant is a label");
}
