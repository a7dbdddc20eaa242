//! How publishing goes, as on-call sees it.

use metrics_exporter_prometheus::PrometheusBuilder;
use tollgate_emulators::pubsub;
use tollgate_gateway::ports::{Queue, queue::Message};

use crate::subject::{deliver, due, queue, topics};

#[tokio::test]
async fn publishes_are_counted_and_timed_by_topic_and_outcome() {
    let Some(pubsub) = pubsub() else { return };
    let recorder = PrometheusBuilder::new().build_recorder();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let topics = topics(&pubsub);
    let queue = queue(pubsub.host(), &topics).await;
    queue.publish(&[deliver(1), deliver(2), Message::DeadLettered(due(3))]).await.unwrap();
    pubsub.delete_topic(&topics.payment_events);
    queue.publish(&[deliver(1)]).await.unwrap_err();
    let text = recorder.handle().render();
    for expected in [
        r#"queue_messages_total{topic="payment-events",outcome="published"} 2"#,
        r#"queue_messages_total{topic="payment-events",outcome="not_published"} 1"#,
        r#"queue_messages_total{topic="dead-letter",outcome="published"} 1"#,
        r#"queue_publish_duration_seconds_count{topic="payment-events",outcome="ok"} 1"#,
        r#"queue_publish_duration_seconds_count{topic="payment-events",outcome="not_found"} 1"#,
        r#"queue_publish_duration_seconds_count{topic="dead-letter",outcome="ok"} 1"#,
    ] {
        assert!(text.contains(expected), "{expected} in\n{text}");
    }
    assert!(!text.contains("mer_") && !text.contains("pay_"), "{text}");
}
