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
use tollgate_gateway::ports::Time;
use tollgate_runtime::SystemClock;
use tollgate_sandbox::process::{Process, client_of};
use tollgate_store_spanner::migrations::migrate;
use tollgate_tests::{
    program::program,
    stage::{Http, eventually},
};

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
