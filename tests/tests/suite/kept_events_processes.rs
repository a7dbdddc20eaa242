//! Providers' webhooks while the store is away, with programs as they are deployed: a database file that somebody has locked, and a
//! Spanner that cannot be reached.

use std::{net::TcpListener, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Method, Request};
use rusqlite::Connection;
use serde_json::{Value, json};
use tokio::process::Command;
use tollgate_domain::{PaymentId, ProviderName};
use tollgate_emulators::{GrpcProxy, Retry, pubsub, spanner};
use tollgate_gateway::ports::{
    event_backlog::KeptEvent,
    provider::{News, ProviderEvent},
};
use tollgate_messaging::events::write;
use tollgate_sandbox::{
    client::Client,
    process::{Process, client_of},
};
use tollgate_store_spanner::migrations::migrate;
use tollgate_tests::{
    locked_store::LockedStore,
    program::program,
    stage::{Http, Stage, eventually},
};

use super::{
    deployed_front::{ACCOUNT, AUDIENCE, token},
    provider_events::at_the_dashboard,
    separate_functions::{Deployment, Function, card},
};

/// How often the provider's event changed the payment, and how often one was noted at all with the same id.
fn effects(timeline: &[Value]) -> usize {
    let events = timeline.iter().filter(|entry| entry["type"] == "provider_event");
    let mut ids: Vec<_> = events.map(|entry| entry["event_id"].as_str().unwrap().to_owned()).collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all, "an event was taken twice: {timeline:#?}");
    timeline.iter().filter(|entry| entry["type"] == "change" && entry["what"] == "captured").count()
}

async fn metric(http: &Http, url: &str, line: &str) -> f64 {
    let request = Request::get(format!("{url}/metrics")).body(Bytes::new()).unwrap();
    let Some(answer) = http.try_send(request).await else { return 0.0 };
    let text = String::from_utf8_lossy(answer.body()).into_owned();
    text.lines().find_map(|found| found.strip_prefix(line)?.trim().parse().ok()).unwrap_or_default()
}

const QUEUED: &str = r#"provider_webhooks_total{provider="stripe",outcome="queued"}"#;

async fn deployment() -> (Deployment, Function, Vec<Value>) {
    let mut deployment = Deployment::prepare().await;
    deployment.environment.push(("STORE_TIMEOUT_MS", "700".to_owned()));
    let (payments, webhooks) = (deployment.start("payments").await, deployment.start("provider-webhooks").await);
    deployment.send_webhooks_to(&webhooks).await;
    let mut made = Vec::new();
    for number in 0..4 {
        let (create, key) = (format!("{}/v1/payments", payments.url), format!("kept-{number}"));
        let (status, payment) = deployment.call(Method::POST, &create, Some(&key), Some(card())).await;
        assert_eq!((status, &payment["status"]), (201, &Value::from("AUTHORIZED")), "{payment}");
        made.push(payment);
    }
    deployment.stage.quiet().await;
    drop(payments);
    (deployment, webhooks, made)
}

/// Waits until all of them are captured, and asserts that each was by one event.
async fn captured_once(deployment: &Deployment, made: &[Value]) {
    let payments = deployment.start("payments").await;
    for payment in made {
        let url = format!("{}/v1/payments/{}", payments.url, payment["id"].as_str().unwrap());
        eventually("it is captured", async || {
            deployment.call(Method::GET, &url, None, None).await.1["status"] == "CAPTURED"
        })
        .await;
        let (_, timeline) = deployment.call(Method::GET, &format!("{url}/timeline"), None, None).await;
        assert_eq!(effects(timeline["data"].as_array().unwrap()), 1, "{timeline:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_that_come_while_the_database_is_locked_are_answered_200_and_applied_once_after() {
    let (deployment, webhooks, made) = deployment().await;
    let http = deployment.stage.http();
    let locked = LockedStore::of(&deployment.stage.data());
    for payment in &made {
        at_the_dashboard(&deployment.stage, payment, "capture").await;
    }
    eventually("all are answered", async || metric(http, &webhooks.url, QUEUED).await >= 4.0).await;
    // The provider has its 2xx: it does not send them again.
    deployment.stage.quiet().await;
    eventually("they wait", async || metric(http, &webhooks.url, "provider_events_waiting").await >= 4.0).await;
    drop(locked);
    captured_once(&deployment, &made).await;
    eventually("none waits", async || metric(http, &webhooks.url, "provider_events_waiting").await < 0.5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_200_outlives_the_process_that_answered() {
    let (deployment, mut webhooks, made) = deployment().await;
    let locked = LockedStore::of(&deployment.stage.data());
    for payment in &made {
        at_the_dashboard(&deployment.stage, payment, "capture").await;
    }
    eventually("all are answered", async || metric(deployment.stage.http(), &webhooks.url, QUEUED).await >= 4.0).await;
    webhooks.child.kill().await.unwrap();
    drop(locked);
    // Two copies at once, of which either may apply them.
    let _copies = (deployment.start("provider-webhooks").await, deployment.start("provider-webhooks").await);
    captured_once(&deployment, &made).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_applying_and_forgetting_an_event_has_one_effect() {
    let mut stage = Stage::start().await;
    let made = stage.client().create("kept", 1000, "pm_card_visa").await.unwrap();
    stage.quiet().await;
    let locked = LockedStore::of(&stage.data());
    at_the_dashboard(&stage, &made.body, "capture").await;
    let client = stage.client();
    eventually("it is answered", async || client.metric(QUEUED).await.unwrap() >= 1.0).await;
    // Nobody finds the event before the place to die at is known.
    let aside = set_aside(&mut stage, locked).await;
    stage.client().crash_at("after_event").await.unwrap();
    put_back(&aside);
    stage.died().await;
    stage.restart().await;
    let client = stage.client();
    let duplicate = r#"provider_events_applied_total{provider="stripe",outcome="duplicate"}"#;
    eventually("it is found to be a duplicate", async || client.metric(duplicate).await.unwrap() >= 1.0).await;
    eventually("it is forgotten", async || client.metric("provider_events_waiting").await.unwrap() < 0.5).await;
    assert_eq!(stage.agreed(made.text("id")).await["status"], "CAPTURED");
    assert_eq!(effects(&client.timeline(made.text("id")).await.unwrap()), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn moving_the_clock_applies_what_waits() {
    let mut stage = Stage::start().await;
    let client = stage.client();
    let made = client.create("kept", 1000, "pm_card_visa").await.unwrap();
    stage.quiet().await;
    let locked = LockedStore::of(&stage.data());
    at_the_dashboard(&stage, &made.body, "capture").await;
    eventually("it is answered", async || client.metric(QUEUED).await.unwrap() >= 1.0).await;
    let aside = set_aside(&mut stage, locked).await;
    let client = stage.client();
    put_back(&aside);
    client.advance(0).await.unwrap();
    assert_eq!(client.payment(made.text("id")).await.unwrap()["status"], "CAPTURED", "it is not waited for");
}

/// Unlocks the store, and starts the sandbox anew, with the event that waits out of its sight. (With the old process goes the commit
/// that it has under way, which would happen as soon as it could.)
async fn set_aside(stage: &mut Stage, locked: LockedStore) -> Connection {
    stage.kill().await;
    drop(locked);
    let file = Connection::open(stage.data().join("tollgate.sqlite.events")).unwrap();
    file.execute_batch("CREATE TEMP TABLE aside AS SELECT * FROM events; DELETE FROM events").unwrap();
    stage.restart().await;
    file
}

fn put_back(file: &Connection) {
    assert_eq!(file.execute("INSERT INTO events SELECT * FROM aside", []).unwrap(), 1);
}

/// A sandbox on Spanner behind `proxy` and on Pub/Sub, which pushes providers' events to it.
async fn on_google_cloud(proxy: &GrpcProxy, database: &str, folder: &Path, providers: &Process) -> Option<Process> {
    let pubsub = pubsub()?;
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (topic, kept) = (pubsub.create_topic(), pubsub.create_topic());
    let here = format!("http://127.0.0.1:{port}/pubsub");
    pubsub.push_to(&topic, &format!("{here}/payment-events"), &Retry::default());
    pubsub.push_to(&kept, &format!("{here}/provider-events"), &Retry::default());
    let mut command = Command::new(program("tollgate-sandbox"));
    command.env_clear().args(["serve", "--port", &port.to_string(), "--providers-url", &providers.url, "--data"]);
    command.arg(folder.join("sandbox")).env("STORE_URL", format!("spanner:{database}"));
    command.env("SPANNER_EMULATOR_HOST", proxy.host()).env("PUBSUB_EMULATOR_HOST", pubsub.host());
    command.env("QUEUE_URL", format!("pubsub:{topic}")).env("QUEUE_DEAD_LETTER_TOPIC", pubsub.create_topic());
    command.env("QUEUE_PROVIDER_EVENTS_TOPIC", kept).env("STORE_TIMEOUT_MS", "2000");
    Some(Process::start(command).await.unwrap())
}

/// Has Stripe capture the payment by itself.
async fn capture_at_stripe(http: &Http, providers: &Process, payment: &Value) {
    let intent = payment["provider_transaction_id"].as_str().unwrap();
    let request = Request::post(format!("{}/stripe/v1/payment_intents/{intent}/capture", providers.url))
        .header("authorization", "Bearer sk_test_dashboard")
        .header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(http.send(request.body(Bytes::new()).unwrap()).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn on_google_cloud_they_wait_on_pub_sub_until_spanner_is_back() {
    let (Some(spanner), Some(_)) = (spanner(), pubsub()) else { return };
    let database = spanner.create_database();
    migrate(&database.name().parse().unwrap(), Some(spanner.host())).await.unwrap();
    let proxy = GrpcProxy::before(spanner.host()).await;
    let folder = tempfile::tempdir().unwrap();
    let books = folder.path().join("providers");
    let providers = Process::providers(&program("tollgate-sandbox"), &books).await.unwrap();
    let _sandbox = on_google_cloud(&proxy, database.name(), folder.path(), &providers).await.unwrap();
    let (client, http): (Client, Http) = (client_of(&folder.path().join("sandbox")).unwrap(), Http::new());
    let mut made = Vec::new();
    for number in 0..3 {
        let payment = client.create(&format!("kept-{number}"), 1000, "pm_card_visa").await.unwrap();
        assert_eq!(payment.text("status"), "AUTHORIZED", "{}", payment.body);
        made.push(payment);
    }
    let quiet = format!("{}/control/quiet?timeout_ms=20000", providers.url);
    assert_eq!(http.json(Method::GET, &quiet, &Value::Null).await.1["quiet"], true);

    proxy.set_away(true);
    for payment in &made {
        capture_at_stripe(&http, &providers, &payment.body).await;
    }
    eventually("all are answered", async || client.metric(QUEUED).await.unwrap() >= 3.0).await;
    assert_eq!(http.json(Method::GET, &quiet, &Value::Null).await.1["quiet"], true, "Stripe sends none of them again");
    let away = r#"provider_events_applied_total{provider="stripe",outcome="store_away"}"#;
    eventually("one was pushed in vain", async || client.metric(away).await.unwrap() >= 1.0).await;

    proxy.set_away(false);
    for payment in &made {
        eventually("it is captured", async || {
            client.payment(payment.text("id")).await.is_ok_and(|payment| payment["status"] == "CAPTURED")
        })
        .await;
        // Other connections to the store may take a moment longer to be back.
        let mut timeline = Vec::new();
        eventually("its timeline is shown", async || {
            let shown = client.timeline(payment.text("id")).await;
            shown.map(|shown| timeline = shown).is_ok()
        })
        .await;
        assert_eq!(effects(&timeline), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_is_no_event_of_ours_is_refused_and_strangers_are_not_heard() {
    let mut deployment = Deployment::prepare().await;
    let oidc = [("OIDC_MODE", "cloud-run-iam"), ("OIDC_AUDIENCE", AUDIENCE), ("OIDC_SERVICE_ACCOUNTS", ACCOUNT)];
    deployment.environment.extend(oidc.map(|(name, value)| (name, value.to_owned())));
    let webhooks = deployment.start("provider-webhooks").await;
    let push = async |token: Option<String>, data: &str| {
        let body = json!({"message": {"data": STANDARD.encode(data), "messageId": "1"}, "subscription": "s"});
        let mut request = Request::post(format!("{}/pubsub/provider-events", webhooks.url));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        deployment.send(request.body(Bytes::from(body.to_string())).unwrap()).await.status().as_u16()
    };
    let news = News::Changed { payment: PaymentId::from_random([9; 16]), transaction_id: "pi_1".to_owned() };
    let kept = KeptEvent {
        provider: ProviderName::Stripe,
        event: ProviderEvent { event_id: "evt_1".to_owned(), event_type: "charge.updated".to_owned(), news },
        received_at: "2026-11-25T12:00:00Z".parse().unwrap(),
        correlation_id: "c".to_owned(),
    };
    let data = write(&kept).unwrap();
    assert_eq!(push(None, &data).await, 401, "a stranger");
    assert_eq!(push(Some(token()), "{}").await, 400, "no event of ours: never acknowledged");
    assert_eq!(push(Some(token()), &data.replace("evt_1", "evt_2")).await, 400, "damaged");
    assert_eq!(push(Some(token()), &data).await, 204, "it matches no payment: counted, logged, and gone");
    let unmatched = r#"provider_events_applied_total{provider="stripe",outcome="unmatched"}"#;
    assert!(metric(deployment.stage.http(), &webhooks.url, unmatched).await > 0.5);
}
