//! Routing as merchants and operators meet it, over HTTP and over crashes: switches that a running gateway follows, and payments
//! that are handed on while processes die. The providers' own books say what happened.

use std::time::Duration;

use serde_json::{Value, json};
use tollgate_domain::{
    BootId, ProviderName,
    routing::{FlagName, FlagValue},
};
use tollgate_gateway::{
    change_flag,
    ports::{Entropy, Time},
};
use tollgate_runtime::SystemClock;
use tollgate_sandbox::client::{Answer, Client};
use tollgate_store::{Options, SqliteStore};
use tollgate_tests::{
    ports::SystemEntropy,
    stage::{Stage, assert_timeline, eventually},
};

use crate::api_support::World;

/// What an operator changes counts everywhere after this.
const FOLLOWED_WITHIN: Duration = Duration::from_secs(5);

async fn either(client: &Client, key: &str) -> anyhow::Result<Answer> {
    let method = json!({"stripe": "pm_card_visa", "paypal": "vault-ok"});
    client.create_as(key, &json!({"amount": 1000, "currency": "JPY", "payment_method": method})).await
}

/// How many charges the payment has at each provider.
async fn charges(client: &Client, payment: &Value) -> (usize, usize) {
    let count = async |provider: &str| {
        let books = client.transactions(provider).await.unwrap();
        books.iter().filter(|row| row["payment_id"] == payment["id"]).count()
    };
    (count("stripe").await, count("paypal").await)
}

/// The store as the operator's command opens it: from another process than the one that serves.
fn operators_store(stage: &Stage) -> SqliteStore {
    let mut boot = [0; 16];
    SystemEntropy.fill(&mut boot);
    let clock = std::sync::Arc::new(SystemClock::start());
    SqliteStore::open(stage.data().join("tollgate.sqlite"), Options::new(BootId::from_random(boot)), clock).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_gateway_follows_an_operator_within_five_seconds_and_without_a_restart() {
    let stage = Stage::start().await;
    let (client, clock, store) = (stage.client(), SystemClock::start(), operators_store(&stage));
    assert_eq!(either(&client, "before").await.unwrap().text("provider"), "stripe");
    for (value, provider) in [(FlagValue::Off, "paypal"), (FlagValue::Unset, "stripe")] {
        let name = FlagName::Provider(ProviderName::Stripe);
        change_flag(&store, name, &value, ("ann", "incident 4711"), clock.now()).await.unwrap();
        clock.sleep(FOLLOWED_WITHIN).await;
        let after = either(&client, provider).await.unwrap();
        assert_eq!((after.text("provider"), after.text("status")), (provider, "AUTHORIZED"), "{}", after.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_dies_before_it_hands_a_payment_on_leaves_it_where_it_is() {
    let mut stage = Stage::with_a_public_address().await;
    stage.client().fault("stripe", &json!({"kind": "unreachable"})).await.unwrap();
    // Stripe was not reached, and nobody has written that yet.
    stage.client().crash_at("after_call").await.unwrap();
    assert!(either(&stage.client(), "key").await.is_err());
    stage.died().await;
    stage.restart().await;
    stage.client().fault("stripe", &json!({"kind": "unreachable"})).await.unwrap();
    let refused = either(&stage.client(), "key").await.unwrap();
    assert_eq!((refused.status, refused.text("code")), (503, "provider_unavailable"), "a retry never moves it");
    stage.client().clear_faults("stripe").await.unwrap();
    let known = either(&stage.client(), "key").await.unwrap();
    assert_eq!((known.text("provider"), known.text("status")), ("stripe", "AUTHORIZED"), "{}", known.body);
    assert_eq!(charges(&stage.client(), &known.body).await, (1, 0));
    assert_timeline(&known.body, &stage.client().timeline(known.text("id")).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_dies_after_it_handed_a_payment_on_finds_it_there() {
    let mut stage = Stage::with_a_public_address().await;
    let client = stage.client();
    client.fault("stripe", &json!({"kind": "unreachable"})).await.unwrap();
    // PayPal makes the order at once, and holds the money before its answer is lost.
    client.fault("paypal", &json!({"kind": "drop_webhooks", "times": 2})).await.unwrap();
    let book = async || client.transactions("paypal").await.unwrap_or_default();
    let killed = async {
        eventually("PayPal holds the money", async || !book().await.is_empty()).await;
        stage.kill().await;
    };
    // It may be answered just before.
    let (_, ()) = futures::join!(either(&client, "key"), killed);
    stage.restart().await;
    let known = either(&stage.client(), "key").await.unwrap();
    assert_eq!((known.text("provider"), known.text("status")), ("paypal", "AUTHORIZED"), "{}", known.body);
    assert_eq!(charges(&stage.client(), &known.body).await, (0, 1));
    stage.client().advance(2 * 3600).await.unwrap();
    let later = stage.client().payment(known.text("id")).await.unwrap();
    assert_eq!(later["status"], "AUTHORIZED");
    assert_timeline(&later, &stage.client().timeline(known.text("id")).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_was_handed_on_lives_its_whole_life_and_the_books_agree() {
    let stage = Stage::start().await;
    let client = stage.client();
    client.fault("stripe", &json!({"kind": "unreachable"})).await.unwrap();
    let made = either(&client, "key").await.unwrap();
    assert_eq!((made.status, made.text("provider")), (201, "paypal"), "{}", made.body);
    client.clear_faults("stripe").await.unwrap();
    assert_eq!(client.capture(made.text("id"), "take", None).await.unwrap().text("status"), "CAPTURED");
    client.advance(24 * 3600).await.unwrap();
    assert_eq!(client.refund(made.text("id"), "back", None).await.unwrap().text("status"), "COMPLETED");
    assert_eq!(client.payment(made.text("id")).await.unwrap()["status"], "REFUNDED");
    for job in ["provider-truth", "invariants"] {
        let report = client.run_job(job).await.unwrap();
        assert_eq!(report["could_not"], json!({}), "{job}: {report}");
    }
    assert_eq!(charges(&client, &made.body).await, (0, 1));
    let timeline = client.timeline(made.text("id")).await.unwrap();
    let asked_stripe = timeline.iter().filter(|entry| entry["provider"] == "stripe" && entry["call"] == "look_up");
    assert!(asked_stripe.count() >= 1, "the job has looked there, too");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_is_declined_charges_no_other_account() {
    let stage = Stage::start().await;
    let client = stage.client();
    let method = json!({"stripe": "pm_card_visa_chargeDeclined", "paypal": "vault-ok"});
    let body = json!({"amount": 1000, "currency": "JPY", "payment_method": method});
    let declined = client.create_as("key", &body).await.unwrap();
    assert_eq!((declined.status, declined.text("status")), (201, "FAILED"));
    assert_eq!(client.transactions("paypal").await.unwrap(), Vec::<Value>::new());
}

#[tokio::test]
async fn what_is_typed_wrong_switches_nothing() {
    let world = World::start().await;
    let signed = json!({"by": "ann", "why": "x"});
    let with = |fields: Value| {
        let mut body = signed.clone();
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        body
    };
    for (path, body, status) in [
        ("/sandbox/providers/visa/switch", with(json!({"state": "off"})), 404),
        ("/sandbox/providers/stripe/switch", with(json!({"state": "away"})), 400),
        ("/sandbox/providers/stripe/switch", json!({"state": "off", "why": "x"}), 400),
        ("/sandbox/providers/stripe/switch", json!({"state": "off", "by": "ann"}), 400),
        ("/sandbox/weights", with(json!({"weights": {"stripe": -1}})), 400),
        ("/sandbox/weights", with(json!({"weights": {"visa": 1}})), 400),
        ("/sandbox/weights", with(json!({"weights": {"stripe": 1}, "currency": "XXQ"})), 400),
    ] {
        let answer = world.send(world.post(path, &body)).await;
        assert_eq!(answer.status, status, "{path} {body}");
    }
    let changes = world.send(world.get("/sandbox/providers/stripe/switch")).await.json();
    assert_eq!(changes, json!([]));
}
