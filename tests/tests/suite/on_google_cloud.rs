//! The sandbox on Google Cloud's parts, and a function whose database is away.

use std::{net::TcpListener, process::Stdio, time::Duration};

use bytes::Bytes;
use http::{Method, Request};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};
use tollgate_emulators::{GrpcProxy, Retry, pubsub, spanner};
use tollgate_gateway::{ports::Time, secrets::SecretsKey};
use tollgate_runtime::SystemClock;
use tollgate_sandbox::process::{Process, client_of};
use tollgate_store_spanner::{Options, SpannerStore, migrations::migrate};
use tollgate_tests::{
    program::program,
    stage::{Http, eventually},
};

use super::deployed::make_merchant;

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sandbox_runs_on_spanner_and_pub_sub() {
    let (Some(spanner), Some(pubsub)) = (spanner(), pubsub()) else { return };
    let database = spanner.create_database();
    migrate(&database.name().parse().unwrap(), Some(spanner.host())).await.unwrap();
    let (topic, given_up, port) = (pubsub.create_topic(), pubsub.create_topic(), free_port());
    pubsub.push_to(&topic, &format!("http://127.0.0.1:{port}/pubsub/payment-events"), &Retry::default());
    let folder = tempfile::tempdir().unwrap();
    let start = async || {
        let mut command = Command::new(program("tollgate-sandbox"));
        command.env_clear().args(["serve", "--port", &port.to_string(), "--data"]).arg(folder.path());
        command.env("STORE_URL", format!("spanner:{}", database.name()));
        command.env("SPANNER_EMULATOR_HOST", spanner.host());
        command.env("QUEUE_URL", format!("pubsub:{topic}")).env("QUEUE_DEAD_LETTER_TOPIC", &given_up);
        command.env("PUBSUB_EMULATOR_HOST", pubsub.host());
        Process::start(command).await.unwrap()
    };
    let sandbox = start().await;
    let client = client_of(folder.path()).unwrap();
    let made = client.create("order-1", 1000, "pm_card_visa").await.unwrap();
    assert_eq!((made.status, made.text("status")), (201, "AUTHORIZED"));
    let id = made.text("id").to_owned();
    // Killed: what is on Spanner is there for the next one.
    sandbox.kill().await.unwrap();
    let sandbox = start().await;
    let client = client_of(folder.path()).unwrap();
    let again = client.create("order-1", 1000, "pm_card_visa").await.unwrap();
    assert_eq!((again.status, again.text("id")), (200, id.as_str()), "the same key, the same payment");
    assert_eq!(client.capture(&id, "take-1", None).await.unwrap().text("status"), "CAPTURED");
    let http = Http::new();
    eventually("Pub/Sub has pushed, and the merchant was told", async || {
        let (_, inbox) = http.json(Method::GET, &format!("{}/sandbox/inbox", sandbox.url), &Value::Null).await;
        let events = inbox.as_array().unwrap();
        // (That it was authorized may have died with the first process, before it was said: then that is due in a minute.)
        events
            .iter()
            .any(|event| event["body"].as_str().unwrap().contains("payment.captured") && event["verified"] == true)
    })
    .await;
    for job in ["settlement", "stuck-payments", "provider-truth", "invariants"] {
        let (status, report) =
            http.json(Method::POST, &format!("{}/sandbox/jobs/{job}", sandbox.url), &json!({})).await;
        assert_eq!(status, 200, "{job}: {report}");
    }
    let url = format!("{}/jobs/invariants", sandbox.url);
    assert_eq!(http.json(Method::POST, &url, &Value::Null).await.0, 200, "Pub/Sub's emulator has no token");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_whose_database_is_away_serves_says_what_it_lacks_and_is_ready_once_it_is_back() {
    let Some(spanner) = spanner() else { return };
    let database = spanner.create_database();
    migrate(&database.name().parse().unwrap(), Some(spanner.host())).await.unwrap();
    let proxy = GrpcProxy::before(spanner.host()).await;
    proxy.set_away(true);
    let port = free_port();
    let mut command = Command::new(program("tollgate-payments"));
    command.env_clear().env("PORT", port.to_string());
    command.env("STORE_URL", format!("spanner:{}", database.name())).env("SPANNER_EMULATOR_HOST", proxy.host());
    command.env("SECRETS_KEY", "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=").env("PUBLIC_URL", "https://pay.example");
    // No Redis either: without that it is ready.
    command.env("COUNTERS_URL", format!("redis://:hunter2@127.0.0.1:{}", free_port()));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let (http, clock) = (Http::new(), SystemClock::start());
    let ask = async |path: &str| {
        let request = Request::get(format!("http://127.0.0.1:{port}{path}")).body(Bytes::new()).unwrap();
        let answer = http.try_send(request).await?;
        Some((answer.status().as_u16(), serde_json::from_slice::<Value>(answer.body()).unwrap()))
    };
    eventually("it serves", async || ask("/health/live").await.is_some_and(|(status, _)| status == 200)).await;
    let (status, ready) = ask("/health/ready").await.unwrap();
    assert_eq!((status, &ready["status"]), (503, &json!("unavailable")), "{ready}");
    assert_ne!(ready["checks"]["store"], "ok");
    let (status, problem) = ask("/v1/payments").await.unwrap();
    assert_eq!(status, 401, "no key: {problem}");
    clock.sleep(Duration::from_secs(2)).await;
    assert!(child.try_wait().unwrap().is_none(), "it does not end");

    proxy.set_away(false);
    eventually("it is ready", async || ask("/health/ready").await.is_some_and(|(status, _)| status == 200)).await;
    let (_, ready) = ask("/health/ready").await.unwrap();
    assert_eq!((&ready["status"], &ready["checks"]["store"]), (&json!("degraded"), &json!("ok")), "{ready}");
    assert_ne!(ready["checks"]["counters"], "ok", "and it says what it does without");

    let out = child.stdout.take().unwrap();
    child.kill().await.unwrap();
    let (mut lines, mut said) = (BufReader::new(out).lines(), String::new());
    while let Some(line) = lines.next_line().await.unwrap() {
        said.push_str(&line);
    }
    assert!(said.contains("Spanner is not reached"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_created_payment_is_two_calls_to_spanner_and_one_to_the_provider() {
    let Some(spanner) = spanner() else { return };
    let database = spanner.create_database();
    migrate(&database.name().parse().unwrap(), Some(spanner.host())).await.unwrap();
    let options = Options::new(database.name().parse().unwrap()).emulator(Some(spanner.host().to_owned()));
    let store = SpannerStore::new(options, std::sync::Arc::new(SystemClock::start()));
    let key = make_merchant(&store, &SecretsKey::new(&[7; 32]), "https://shop.example/hooks").await;
    let folder = tempfile::tempdir().unwrap();
    let (sandbox, books) = (program("tollgate-sandbox"), folder.path().join("providers"));
    let providers = Process::providers(&sandbox, &books).await.unwrap();
    let proxy = GrpcProxy::before(spanner.host()).await;
    let port = free_port();
    let mut command = Command::new(program("tollgate-payments"));
    command.env_clear().env("PORT", port.to_string());
    command.env("STORE_URL", format!("spanner:{}", database.name())).env("SPANNER_EMULATOR_HOST", proxy.host());
    command.env("SECRETS_KEY", "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=").env("PUBLIC_URL", "https://pay.example");
    command.env("STRIPE_API_URL", format!("{}/stripe", providers.url)).env("STRIPE_SECRET_KEY", "sk_test_counted");
    command.env("STRIPE_WEBHOOK_SECRET", "whsec_counted");
    command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
    let _child = command.spawn().unwrap();
    let http = Http::new();
    let url = format!("http://127.0.0.1:{port}");
    eventually("it is ready", async || {
        let request = Request::get(format!("{url}/health/ready")).body(Bytes::new()).unwrap();
        http.try_send(request).await.is_some_and(|answer| answer.status() == 200)
    })
    .await;
    let send = async |method: Method, path: &str, key_of: &str, body: Value| {
        let request = Request::builder().method(method).uri(format!("{url}{path}")).header("x-api-key", &key);
        let request = request.header("idempotency-key", key_of).header("content-type", "application/json");
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        let answer = http.send(request.body(body).unwrap()).await;
        (answer.status().as_u16(), serde_json::from_slice::<Value>(answer.body()).unwrap())
    };
    let order = json!({"amount": 1000, "currency": "JPY", "payment_method": {"stripe": "pm_card_visa"}});
    // Each figure with the merchant's key known: it is asked for every five seconds, not with every payment.
    let mut figures = Vec::new();
    for round in 0..2 {
        proxy.take_counts();
        let (status, payment) = send(Method::POST, "/v1/payments", &format!("make-{round}"), order.clone()).await;
        assert_eq!(status, 201, "{payment}");
        let created = proxy.take_counts();
        let path = format!("/v1/payments/{}", payment["id"].as_str().unwrap());
        let (status, payment) =
            send(Method::POST, &format!("{path}/capture"), &format!("take-{round}"), Value::Null).await;
        assert_eq!((status, &payment["status"]), (200, &json!("CAPTURED")), "{payment}");
        let captured = proxy.take_counts();
        assert_eq!(send(Method::GET, &path, "-", Value::Null).await.0, 200);
        let shown = proxy.take_counts();
        let (status, _) = send(Method::POST, "/v1/payments", &format!("make-{round}"), order.clone()).await;
        assert_eq!(status, 200);
        figures = vec![created, captured, shown, proxy.take_counts()];
    }
    let counts = |counts: &[(&str, u64)]| counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
    let expected: Vec<std::collections::BTreeMap<String, u64>> =
        vec![counts(&[("Commit", 2)]), counts(&[("Commit", 2), ("StreamingRead", 1)]), counts(&[("StreamingRead", 1)])];
    assert_eq!(figures[..3], expected[..], "create; capture; show");
    assert_eq!(figures[3].get("Commit"), Some(&1), "a replay finds its key taken: {:?}", figures[3]);
    let transactions = format!("{}/sandbox/providers/stripe/transactions", providers.url);
    let (_, books) = http.json(Method::GET, &transactions, &Value::Null).await;
    assert_eq!(books.as_array().unwrap().len(), 2, "one charge for each payment");
}
