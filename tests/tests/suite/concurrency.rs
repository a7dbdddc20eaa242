//! Many at once on one payment: whoever is first does it, everybody else is told, and the money moves once.

use futures::future::{join, join_all};
use serde_json::{Value, json};
use tollgate_sandbox::client::{Answer, Client};
use tollgate_tests::stage::{Stage, eventually, times};

const KEY_IN_USE: (u16, &str) = (409, "idempotency_key_in_use");
const IN_PROGRESS: (u16, &str) = (409, "operation_in_progress");
const STATE_CONFLICT: (u16, &str) = (409, "payment_state_conflict");

/// What an answer came to: its status, with the code if it is a problem.
fn outcome(answer: &Answer) -> (u16, &str) {
    (answer.status, answer.text("code"))
}

async fn authorized(client: &Client, key: &str) -> String {
    let made = client.create(key, 1000, "pm_card_visa").await.unwrap();
    assert_eq!((made.status, made.text("status")), (201, "AUTHORIZED"), "{}", made.body);
    made.text("id").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_requests_with_one_key_charge_once() {
    let stage = Stage::start().await;
    let client = stage.client();
    // The first answer takes a while and no event tells sooner, so that the others meet it running.
    stage.lasting_fault("drop_webhooks").await;
    stage.fault("slow", 1, 800).await;
    let answers = join_all((0..100).map(|_| client.create("one-key", 1200, "pm_card_visa"))).await;
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    let made: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
    assert_eq!(made.len(), 1, "one request makes it");
    assert!(!made[0].replayed);
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        match answer.status {
            200 | 202 => {
                assert!(answer.replayed, "{answer:?}");
                assert_eq!(answer.text("id"), made[0].text("id"));
            }
            _ => {
                assert_eq!(outcome(answer), KEY_IN_USE, "{answer:?}");
                assert!(answer.retry_after.is_some_and(|wait| wait > 0), "{answer:?}");
            }
        }
    }
    let in_use = answers.iter().filter(|answer| outcome(answer) == KEY_IN_USE).count();
    assert!(in_use > 0, "nobody met the first one running: this shows nothing");

    let again = client.create("one-key", 1200, "pm_card_visa").await.unwrap();
    assert_eq!((again.status, again.replayed, again.text("id")), (200, true, made[0].text("id")));
    assert_eq!(stage.transactions().await.len(), 1, "one charge at the provider");
    stage.agreed(made[0].text("id")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_captures_and_fifty_voids_at_once_one_happens() {
    let stage = Stage::start().await;
    let client = stage.client();
    let id = authorized(&client, "held").await;
    stage.quiet().await;
    stage.lasting_fault("drop_webhooks").await;
    stage.fault("slow", 1, 800).await;
    let keys: Vec<_> = (0..50).map(|n| (format!("capture-{n}"), format!("void-{n}"))).collect();
    let both = keys.iter().map(|(capture, void)| join(client.capture(&id, capture, None), client.void(&id, void)));
    let (captures, voids): (Vec<_>, Vec<_>) = join_all(both).await.into_iter().unzip();
    let answers: Vec<_> = captures.into_iter().chain(voids).map(Result::unwrap).collect();

    let done: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(done.len(), 1, "one operation is carried out: {done:#?}");
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        assert!([IN_PROGRESS, STATE_CONFLICT].contains(&outcome(answer)), "{answer:?}");
        assert_eq!(outcome(answer) == IN_PROGRESS, answer.retry_after.is_some(), "{answer:?}");
    }
    assert!(answers.iter().any(|answer| outcome(answer) == IN_PROGRESS), "nobody met the first one running");
    let payment = stage.agreed(&id).await;
    assert_eq!(payment["status"], done[0].text("status"));
    let timeline = client.timeline(&id).await.unwrap();
    let sent = |call: &str| timeline.iter().filter(|entry| entry["call"] == call).count();
    assert_eq!(sent("capture") + sent("void"), 1, "one call moved money: {timeline:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_capture_with_another_key_conflicts_and_the_first_replays() {
    let stage = Stage::start().await;
    let client = stage.client();
    let id = authorized(&client, "held").await;
    let first = client.capture(&id, "first", Some(400)).await.unwrap();
    assert_eq!((first.status, first.text("status")), (200, "CAPTURED"));
    let second = client.capture(&id, "second", Some(400)).await.unwrap();
    assert_eq!(outcome(&second), STATE_CONFLICT);
    // What wrote nothing did not use its key up: it can still mean something else.
    let reused = client.capture(&id, "second", Some(300)).await.unwrap();
    assert_eq!(outcome(&reused), STATE_CONFLICT);
    let replay = client.capture(&id, "first", Some(400)).await.unwrap();
    assert_eq!((replay.status, replay.replayed, replay.body), (200, true, first.body));
    assert_eq!(stage.agreed(&id).await["amount_captured"], 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capture_and_its_events_in_any_order_take_the_money_once() {
    let stage = Stage::start().await;
    let client = stage.client();
    // What the events do, and how long the answer to the capture takes: longer than its event.
    for (faults, answer_ms) in [
        (&["duplicate_webhooks"][..], 0),
        (&["reorder_webhooks"], 0),
        (&["duplicate_webhooks", "reorder_webhooks"], 400),
    ] {
        let id = authorized(&client, &format!("held-{answer_ms}-{faults:?}").replace(['"', ' '], "")).await;
        stage.quiet().await;
        for fault in faults {
            stage.lasting_fault(fault).await;
        }
        if answer_ms > 0 {
            stage.fault("slow", 1, answer_ms).await;
        }
        let captured = client.capture(&id, &format!("capture-{id}"), None).await.unwrap();
        assert_eq!((captured.status, captured.text("status")), (200, "CAPTURED"), "{faults:?}: {}", captured.body);
        stage.disarm("stripe").await;
        stage.quiet().await;
        let payment = stage.agreed(&id).await;
        assert_eq!((&payment["status"], &payment["amount_captured"]), (&json!("CAPTURED"), &json!(1000)));
        assert_eq!(times(&client.timeline(&id).await.unwrap(), "captured"), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_bound_to_its_request_and_scoped_to_route_and_merchant() {
    let stage = Stage::start().await;
    let client = stage.client();
    let (one, two) = (authorized(&client, "shared").await, authorized(&client, "other").await);
    let reused = (422, "idempotency_key_reused");

    let captured = client.capture(&one, "shared", Some(300)).await.unwrap();
    assert_eq!((captured.status, captured.replayed), (200, false), "another route: the key is free there");
    assert_eq!(outcome(&client.capture(&two, "shared", Some(300)).await.unwrap()), reused, "another payment");
    assert_eq!(outcome(&client.capture(&one, "shared", Some(301)).await.unwrap()), reused, "another amount");
    assert_eq!(outcome(&client.create("shared", 999, "pm_card_visa").await.unwrap()), reused, "another amount");
    assert_eq!(outcome(&client.create("shared", 1000, "pm_card_mastercard").await.unwrap()), reused, "another card");
    // A default that is stated means the same as one that is left out.
    let stated = json!({"capture_method": "manual", "payment_method": {"stripe": "pm_card_visa"}, "currency": "JPY", "amount": 1000});
    let stated = client.create_as("shared", &stated).await.unwrap();
    assert_eq!((stated.status, stated.text("id")), (200, one.as_str()));

    let voided = client.void(&two, "shared").await.unwrap();
    assert_eq!((voided.status, voided.text("status")), (200, "VOIDED"), "another route: the key is free there");

    let other = stage.other_merchant();
    let theirs = other.create("shared", 1000, "pm_card_visa").await.unwrap();
    assert_eq!((theirs.status, theirs.replayed), (201, false), "another merchant: the key is free there");
    assert_ne!(theirs.text("id"), one);
    assert_eq!(other.capture(&one, "theirs", None).await.unwrap().status, 404, "nobody sees another's payment");
    assert_eq!(other.get(&format!("/v1/payments/{one}")).await.unwrap().status, 404);
    assert_eq!(stage.transactions().await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_an_operation_has_no_outcome_every_other_is_refused() {
    let stage = Stage::start().await;
    let client = stage.client();
    let id = authorized(&client, "held").await;
    stage.quiet().await;
    stage.lasting_fault("drop_webhooks").await;
    stage.fault("charge_then_timeout", 1, 50).await;
    let unknown = client.capture(&id, "capture", Some(700)).await.unwrap();
    assert_eq!(unknown.status, 202);
    assert_eq!(unknown.body["pending_operation"]["type"], "capture");
    assert_eq!(unknown.body["pending_operation"]["amount"], 700);
    for answer in [client.void(&id, "void").await.unwrap(), client.capture(&id, "again", Some(700)).await.unwrap()] {
        assert_eq!(outcome(&answer), IN_PROGRESS);
        assert!(answer.retry_after.is_some());
    }
    let known = client.capture(&id, "capture", Some(700)).await.unwrap();
    assert_eq!((known.status, known.replayed, known.text("status")), (200, true, "CAPTURED"));
    assert_eq!(known.body["pending_operation"], Value::Null);
    assert_eq!(stage.agreed(&id).await["amount_captured"], 700);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merchant_who_hangs_up_does_not_cut_a_payment_off() {
    let stage = Stage::start().await;
    let client = stage.client();
    stage.lasting_fault("drop_webhooks").await;
    stage.fault("slow", 1, 1200).await;
    // Gives up as soon as the charge stands in the provider's books, and the answer is still on its way.
    let charged = eventually("charged", async || !stage.transactions().await.is_empty());
    tokio::select! {
        answer = client.create("gone", 1000, "pm_card_visa") => panic!("answered before it was charged: {answer:?}"),
        () = charged => {}
    }
    let id = stage.transactions().await[0]["payment_id"].as_str().unwrap().to_owned();
    eventually("authorized without anybody asking", async || {
        client.payment(&id).await.unwrap()["status"] == "AUTHORIZED"
    })
    .await;
    let again = client.create("gone", 1000, "pm_card_visa").await.unwrap();
    assert_eq!((again.status, again.text("id")), (200, id.as_str()));
    stage.agreed(&id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_requests_that_share_a_key_only_the_first_is_served() {
    let stage = Stage::start().await;
    let client = stage.client();
    stage.fault("slow", 1, 200).await;
    let amounts: Vec<i64> = (0..40).map(|n| if n % 2 == 0 { 500 } else { 600 }).collect();
    let answers = join_all(amounts.iter().map(|amount| client.create("disputed", *amount, "pm_card_visa"))).await;
    let answers: Vec<_> = amounts.into_iter().zip(answers.into_iter().map(Result::unwrap)).collect();
    let made: Vec<_> = answers.iter().filter(|(_, answer)| answer.status == 201).collect();
    let [(amount, made)] = made.as_slice() else { panic!("one request makes it: {answers:#?}") };
    for (other, answer) in &answers {
        let expected = if other == amount { [KEY_IN_USE, (200, "")] } else { [(422, "idempotency_key_reused"); 2] };
        let first = answer.text("id") == made.text("id");
        assert!(first || expected.contains(&outcome(answer)), "{other}: {answer:?}");
    }
    let transactions = stage.transactions().await;
    assert_eq!((transactions.len(), &transactions[0]["amount"]), (1, &json!(amount)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_binds_for_a_week() {
    let stage = Stage::start().await;
    let client = stage.client();
    let declined = client.create("old", 1000, "pm_card_visa_chargeDeclined").await.unwrap();
    assert_eq!((declined.status, declined.text("status")), (201, "FAILED"));
    client.advance(7 * 24 * 3600 - 60).await.unwrap();
    let replay = client.create("old", 1000, "pm_card_visa_chargeDeclined").await.unwrap();
    assert_eq!((replay.status, replay.replayed, &replay.body), (200, true, &declined.body));
    let other = client.create("old", 1001, "pm_card_visa").await.unwrap();
    assert_eq!(outcome(&other), (422, "idempotency_key_reused"));
    assert_eq!(stage.transactions().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_comes_after_the_next_operation_began_leaves_that_alone() {
    let stage = Stage::start().await;
    let client = stage.client();
    // The event makes it known; its own answer comes while the capture is under way.
    stage.fault("slow", 1, 700).await;
    let create = client.create("first", 1000, "pm_card_visa");
    let capture = async {
        eventually("charged", async || !stage.transactions().await.is_empty()).await;
        let id = stage.transactions().await[0]["payment_id"].as_str().unwrap().to_owned();
        eventually("authorized", async || client.payment(&id).await.unwrap()["status"] == "AUTHORIZED").await;
        stage.quiet().await;
        stage.lasting_fault("drop_webhooks").await;
        stage.fault("slow", 1, 1200).await;
        client.capture(&id, "second", None).await.unwrap()
    };
    let (created, captured) = join(create, capture).await;
    let created = created.unwrap();
    assert_eq!(created.status, 201, "{}", created.body);
    assert_eq!(created.body["pending_operation"]["type"], "capture", "else this shows nothing");
    assert_eq!((captured.status, captured.text("status")), (200, "CAPTURED"), "{}", captured.body);
    let timeline = client.timeline(created.text("id")).await.unwrap();
    assert_eq!(times(&timeline, "outcome_unknown"), 0, "{timeline:#?}");
    stage.agreed(created.text("id")).await;
}
