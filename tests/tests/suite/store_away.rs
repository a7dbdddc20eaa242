//! The store is away: whoever asks is told soon, nothing is sent without a written intent, and the same key goes on when it is
//! back (finding S1).

use std::{collections::BTreeMap, sync::atomic::Ordering, time::Duration};

use serde_json::json;
use tollgate_domain::{Payment, PaymentStatus};
use tollgate_gateway::ports::{Time, provider::LookUp};
use tollgate_runtime::SystemClock;
use tollgate_tests::{
    locked_store::LockedStore,
    stage::{Stage, eventually},
};

use super::world::{World, held, shows, unknown};

/// Short, so that a test does not wait for long.
const SHORT: [(&str, &str); 1] = [("STORE_TIMEOUT_MS", "400")];

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_is_said_to_be_soon_and_keys_go_on_when_it_is_back() {
    let stage = Stage::with(&SHORT).await;
    let client = stage.client();
    let held = client.create("held", 1000, "pm_card_visa").await.unwrap().text("id").to_owned();
    let lock = LockedStore::of(&stage.data());

    let clock = SystemClock::start();
    for number in 0..12 {
        let answer = client.create(&format!("new-{number}"), 1000, "pm_card_visa").await.unwrap();
        assert_eq!((answer.status, answer.text("code")), (503, "store_unavailable"), "{answer:?}");
        assert!(answer.retry_after.is_some());
    }
    let capture = client.capture(&held, "capture", None).await.unwrap();
    assert_eq!((capture.status, capture.text("code")), (503, "store_unavailable"), "{capture:?}");
    // Ten in a row have not been answered: from here on nobody waits.
    eventually("the breaker opens", async || {
        client.metric("store_circuit_breaker_state{kind=\"commit\"}").await.unwrap() > 1.0
    })
    .await;
    let before = clock.monotonic();
    for number in 0..20 {
        let answer = client.create(&format!("fast-{number}"), 1000, "pm_card_visa").await.unwrap();
        assert_eq!((answer.status, answer.text("code")), (503, "store_unavailable"), "{answer:?}");
    }
    // Of twenty calls a few try whether it is back.
    let took = clock.monotonic().saturating_sub(before);
    assert!(took < Duration::from_secs(4), "{took:?}");
    assert_eq!(stage.transactions().await.len(), 1, "nothing was sent without a written intent");

    drop(lock);
    let back = SystemClock::start();
    let mut tries = 0;
    eventually("it serves again", async || {
        tries += 1;
        client.create(&format!("after-{tries}"), 1000, "pm_card_visa").await.unwrap().status == 201
    })
    .await;
    assert!(back.monotonic() < Duration::from_secs(5), "{:?}", back.monotonic());
    let captured = client.capture(&held, "capture", None).await.unwrap();
    assert_eq!((captured.status, captured.text("status")), (200, "CAPTURED"), "{captured:?}");
    // What was waiting to be written may have been written after all: then whoever asked holds the right to send it for 20 s.
    client.advance(30).await.unwrap();
    for key in ["new-0", "new-1", "fast-0"] {
        let made = client.create(key, 1000, "pm_card_visa").await.unwrap();
        assert!([200, 201].contains(&made.status) && made.text("status") == "AUTHORIZED", "{made:?}");
        assert_eq!(stage.charges_of(made.text("id")).await.len(), 1, "{key}: one charge");
    }
    assert_eq!(stage.transactions().await.len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_goes_away_while_the_provider_is_asked_leaves_one_charge_that_the_same_key_finds() {
    let stage = Stage::with(&SHORT).await;
    let client = stage.client();
    assert_eq!(client.create("warm", 1000, "pm_card_visa").await.unwrap().status, 201);
    stage.arm("stripe", &json!({"kind": "slow", "ms": 900, "times": 1})).await;
    let paying = {
        let client = client.clone();
        async move { client.create("cut-off", 1000, "pm_card_visa").await.unwrap() }
    };
    let locking = async {
        // The provider has it by then.
        eventually("it is sent", async || stage.transactions().await.len() == 2).await;
        LockedStore::of(&stage.data())
    };
    let (answer, lock) = futures::join!(paying, locking);
    assert_eq!((answer.status, answer.text("code")), (503, "store_unavailable"), "{answer:?}");
    drop(lock);
    eventually("the same key finds it", async || {
        // Who sent it holds the right to for 20 s of the clock, which stands.
        stage.client().advance(30).await.unwrap();
        let again = client.create("cut-off", 1000, "pm_card_visa").await.unwrap();
        again.status == 200 && again.text("status") == "AUTHORIZED"
    })
    .await;
    assert_eq!(stage.transactions().await.len(), 2);
}

/// A payment that the job has to ask about, on a store that is away.
async fn stuck_and_away() -> (World, Payment) {
    let world = World::new();
    world.script.answers([unknown()]);
    let payment = world.create("k").await.unwrap().payment;
    world.later(6 * 60);
    world.script.look_ups([LookUp::Found(shows(held()))]);
    world.flaky.away.store(true, Ordering::SeqCst);
    (world, payment)
}

#[tokio::test]
async fn a_job_waits_for_a_store_that_is_away_and_does_its_work_when_it_is_back() {
    let (world, payment) = stuck_and_away().await;
    let back = async {
        eventually("the job has found it away", async || world.flaky.refused.load(Ordering::SeqCst) > 0).await;
        world.flaky.away.store(false, Ordering::SeqCst);
    };
    let (report, ()) = futures::join!(world.stuck(), back);
    assert_eq!((report.saw, &report.could_not), (1, &BTreeMap::new()));
    assert_eq!(world.now_is(&payment).await.status, PaymentStatus::Authorized);
}

#[tokio::test]
async fn a_job_tries_six_times_in_all_and_leaves_the_rest_to_its_next_run() {
    let (world, payment) = stuck_and_away().await;
    let report = world.stuck().await;
    assert_eq!(report.could_not, BTreeMap::from([("store_unavailable", 1)]));
    assert_eq!(world.flaky.refused.load(Ordering::SeqCst), 6);
    world.flaky.away.store(false, Ordering::SeqCst);
    assert_eq!(world.stuck().await.could_not, BTreeMap::new());
    assert_eq!(world.now_is(&payment).await.status, PaymentStatus::Authorized);
}
