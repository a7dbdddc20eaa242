//! More comes in than can be done: new payments are refused at once, what is vital gets in, and nothing is lost (findings C6, M3).

use std::time::Duration;

use futures::future::join_all;
use serde_json::json;
use tollgate_gateway::ports::Time;
use tollgate_runtime::SystemClock;
use tollgate_tests::stage::Stage;

/// A few places, so that a test's load is an overload.
const FEW: [(&str, &str); 2] = [("ADMISSION_CONCURRENCY", "8"), ("ADMISSION_WAIT_MS", "250")];

#[tokio::test(flavor = "multi_thread")]
async fn new_payments_are_refused_at_once_while_captures_refunds_and_health_get_through() {
    let stage = Stage::with(&FEW).await;
    let client = stage.client();
    let mut held = Vec::new();
    for number in 0..12 {
        held.push(client.create(&format!("held-{number}"), 1000, "pm_card_visa").await.unwrap().text("id").to_owned());
    }
    stage.arm("stripe", &json!({"kind": "slow", "ms": 300})).await;

    let creates = join_all((0..120).map(|number| {
        let client = client.clone();
        async move {
            let clock = SystemClock::start();
            let answer = client.create(&format!("new-{number}"), 1000, "pm_card_visa").await.unwrap();
            (number, answer, clock.monotonic())
        }
    }));
    // In the midst of it: all places are taken, and the first ones refused.
    let asked = async {
        while client.metric("load_shed_total{operation=\"create\"}").await.unwrap() < 1.0 {
            client.pause().await;
        }
        join_all(held.iter().map(|id| client.capture(id, id, None))).await
    };
    let health = async {
        client.pause().await;
        for path in ["/health/live", "/health/ready", "/health/deep", "/metrics"] {
            assert_eq!(client.get(path).await.unwrap().status, 200, "{path}");
        }
    };
    let (creates, asked, ()) = futures::join!(creates, asked, health);

    for captured in asked {
        let captured = captured.unwrap();
        assert_eq!((captured.status, captured.text("status")), (200, "CAPTURED"), "{captured:?}");
    }
    let (refused, made): (Vec<_>, Vec<_>) = creates.into_iter().partition(|(_, answer, _)| answer.status == 503);
    assert!(refused.len() > 60 && made.len() >= 4, "{} refused, {} made", refused.len(), made.len());
    for (_, answer, _) in &refused {
        assert_eq!((answer.text("code"), answer.retry_after), ("overloaded", Some(60)), "{answer:?}");
    }
    let mut times: Vec<_> = refused.iter().map(|(_, _, time)| *time).collect();
    times.sort();
    assert!(times[times.len() / 2] < Duration::from_secs(1), "refused at once, not after a wait: {times:?}");
    assert!(made.iter().all(|(_, answer, _)| answer.status == 201), "{made:?}");
    assert_eq!(stage.transactions().await.len(), 12 + made.len(), "what was refused was never sent");

    // A refusal used up nothing.
    stage.disarm("stripe").await;
    let (number, ..) = refused[0];
    let again = client.create(&format!("new-{number}"), 1000, "pm_card_visa").await.unwrap();
    assert_eq!((again.status, again.replayed), (201, false));
    assert!(client.metric("load_shed_total{operation=\"create\"}").await.unwrap() >= 60.0);
    stage.quiet().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_merchant_floods_leaves_places_for_another() {
    let stage = Stage::with(&FEW).await;
    let (flood, other) = (stage.client(), stage.other_merchant());
    assert_eq!(other.create("first", 1000, "pm_card_visa").await.unwrap().status, 201);
    stage.arm("stripe", &json!({"kind": "slow", "ms": 100})).await;
    let flooding = join_all((0..200).map(|number| {
        let flood = flood.clone();
        async move { flood.create(&format!("flood-{number}"), 1000, "pm_card_visa").await.unwrap().status }
    }));
    let shopping = async {
        let mut statuses = Vec::new();
        for number in 0..10 {
            statuses.push(other.create(&format!("calm-{number}"), 1000, "pm_card_visa").await.unwrap().status);
        }
        statuses
    };
    let (flooded, calm) = futures::join!(flooding, shopping);
    assert!(flooded.contains(&503), "it is a flood");
    assert_eq!(calm, [201; 10]);
    stage.quiet().await;
}
