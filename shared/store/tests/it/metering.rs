//! What the store says of itself: metrics, and the counts that tests of use-cases read.

use futures::future::join_all;
use metrics_exporter_prometheus::PrometheusBuilder;
use tollgate_gateway::{
    contract::{Samples, Story},
    ports::Store,
};
use tollgate_store::Counts;

use crate::subject::{OnFile, options};

#[test]
fn operations_and_conflicts_are_measured() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let subject = OnFile::with(options(1).inline().ephemeral());
            let samples = Samples::new(150);
            let story = samples.opened();
            subject.store.commit(story.last()).await.unwrap();
            for _ in 0..3 {
                subject.store.commit(&story.rival(Story::authorized)).await.unwrap();
            }
            subject.store.payment(story.payment.id).await.unwrap();
        });
    });
    let text = handle.render();
    assert!(text.contains("store_conflicts_total 2\n"), "{text}");
    assert!(text.contains("store_operation_duration_seconds_count{operation=\"commit\"} 4\n"), "{text}");
    assert!(text.contains("store_operation_duration_seconds_count{operation=\"payment\"} 1\n"), "{text}");
}

#[tokio::test]
async fn commits_and_reads_are_counted_and_commits_made_together_share_a_transaction() {
    let subject = OnFile::new();
    assert_eq!(subject.store.counts(), Counts::default());
    let samples = Samples::new(151);
    let sets: Vec<_> = (0..100).map(|_| samples.opened().last().clone()).collect();
    join_all(sets.iter().map(|set| subject.store.commit(set))).await;
    subject.store.payment(samples.payment_id()).await.unwrap();
    subject.store.idempotency(samples.key()).await.unwrap();
    let counts = subject.store.counts();
    assert_eq!((counts.commits, counts.reads), (100, 2));
    assert!((1..=50).contains(&counts.transactions), "{counts:?}");
}
