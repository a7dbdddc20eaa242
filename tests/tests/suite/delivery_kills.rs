//! The sandbox is killed again and again while it delivers to a merchant's server outside: every event arrives, and what
//! arrives twice is the same. And a merchant whose server hangs delays nobody else.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::future::join_all;
use http::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};
use tollgate_gateway::ports::Time;
use tollgate_runtime::{SystemClock, TaskSpawner};
use tollgate_sandbox::{client::Client, process::identity_of};
use tollgate_tests::stage::{Stage, eventually};

const KILLS: usize = 6;
const MERCHANTS: usize = 8;
/// What one merchant can have in flight at a kill: each of these is sent again.
const IN_FLIGHT: usize = 32;

/// A webhook as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Webhook {
    id: String,
    at: String,
    signatures: Vec<String>,
    body: String,
}

/// A merchant's server in the test's process.
struct Server {
    url: String,
    received: Arc<Mutex<Vec<Webhook>>>,
    connections: Arc<AtomicUsize>,
    tasks: TaskSpawner,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// Answers after this.
    Answers(Duration),
    /// Takes connections and says nothing.
    Hangs,
}

impl Server {
    async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hooks", listener.local_addr().unwrap());
        let (received, connections) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
        let tasks = TaskSpawner::default();
        let (seen, count, spawner) = (received.clone(), connections.clone(), tasks.clone());
        tasks.start(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                let seen = seen.clone();
                spawner.start(async move {
                    // A kill cuts connections off anywhere.
                    _ = talk(stream, manner, &seen).await;
                });
            }
        });
        Self { url, received, connections, tasks }
    }

    fn received(&self) -> Vec<Webhook> {
        self.received.lock().unwrap().clone()
    }

    fn ids(&self) -> BTreeSet<String> {
        self.received().into_iter().map(|webhook| webhook.id).collect()
    }
}

/// Request by request, until the other side is gone.
async fn talk(stream: TcpStream, manner: Manner, seen: &Mutex<Vec<Webhook>>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut headers = BTreeMap::new();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            if line == "\r\n" {
                break;
            }
            if let Some((name, value)) = line.split_once(':') {
                headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
            }
        }
        let text = |name: &str| headers.get(name).cloned().unwrap_or_default();
        let mut body = vec![0; text("content-length").parse().unwrap_or(0)];
        stream.read_exact(&mut body).await?;
        seen.lock().unwrap().push(Webhook {
            id: text("webhook-id"),
            at: text("webhook-timestamp"),
            signatures: text("webhook-signature").split(' ').map(str::to_owned).collect(),
            body: String::from_utf8_lossy(&body).into_owned(),
        });
        let Manner::Answers(after) = manner else {
            // Until the other side gives up.
            _ = stream.read_u8().await;
            return Ok(());
        };
        SystemClock::start().sleep(after).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await?;
    }
}

async fn set_endpoint(client: &Client, url: &str) {
    let answer = client.send(Method::PUT, "/v1/webhook-endpoint", None, Some(&json!({"url": url}))).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// Sends a request until it is answered.
async fn insist(stage: &tokio::sync::RwLock<Stage>, clock: &SystemClock, path: &str, key: &str, body: &Value) -> Value {
    for _ in 0..2000 {
        let client = stage.read().await.client();
        let answer = client.send(Method::POST, path, Some(key), Some(body)).await;
        if let Ok(answer) = answer
            && [200, 201].contains(&answer.status)
        {
            return answer.body;
        }
        clock.sleep(Duration::from_millis(20)).await;
    }
    panic!("never answered: {path}")
}

/// The merchant's whole feed.
async fn feed(client: &Client) -> Vec<Value> {
    let (mut events, mut path) = (Vec::<Value>::new(), "/v1/events".to_owned());
    loop {
        let page = client.get(&path).await.unwrap();
        assert_eq!(page.status, 200);
        events.extend(page.body["data"].as_array().unwrap().iter().cloned());
        if page.body["has_more"] == false {
            return events;
        }
        path = format!("/v1/events?after={}", events.last().unwrap()["id"].as_str().unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::print_stderr, reason = "how much it has shown is worth knowing")]
async fn every_event_arrives_whatever_is_killed_and_what_comes_twice_is_the_same() {
    let clock = SystemClock::start();
    let server = Server::start(Manner::Answers(Duration::from_millis(15))).await;
    let stage = tokio::sync::RwLock::new(Stage::with_a_public_address().await);
    let secret = {
        let stage = stage.read().await;
        set_endpoint(&stage.client(), &server.url).await;
        identity_of(&stage.data()).unwrap()["webhook_secret"].as_str().unwrap().to_owned()
    };
    let over = AtomicBool::new(false);
    let merchant = async |number: usize| {
        let mut payments = Vec::new();
        while !over.load(Ordering::Relaxed) {
            let key = format!("kills-{number}-{}", payments.len());
            let body = json!({"amount": 500, "currency": "JPY", "payment_method": {"stripe": "pm_card_visa"}});
            let made = insist(&stage, &clock, "/v1/payments", &key, &body).await;
            let id = made["id"].as_str().unwrap().to_owned();
            let path = format!("/v1/payments/{id}/capture");
            insist(&stage, &clock, &path, &format!("{key}-c"), &json!({})).await;
            payments.push(id);
        }
        payments
    };
    let killer = async {
        for kill in 0..KILLS {
            let before = server.received().len();
            // Under way: webhooks are arriving.
            eventually("deliveries go on", async || server.received().len() > before + 10).await;
            clock.sleep(Duration::from_millis(37 * kill as u64)).await;
            let mut stage = stage.write().await;
            stage.kill().await;
            stage.restart().await;
        }
        over.store(true, Ordering::Relaxed);
    };
    let (payments, ()) = tokio::join!(join_all((0..MERCHANTS).map(merchant)), killer);
    let payments: BTreeSet<_> = payments.into_iter().flatten().collect();

    let stage = stage.into_inner();
    let client = stage.client();
    // What was committed and not said is due by itself; what failed while it was killed is tried again.
    client.advance(3600).await.unwrap();
    let events = feed(&client).await;
    assert!(events.len() >= 2 * payments.len() && payments.len() > 20, "{} payments show little", payments.len());
    eventually("every event arrives", async || server.ids().len() >= events.len()).await;
    let mut told = BTreeMap::new();
    let received = server.received();
    for webhook in &received {
        let first = told.entry(webhook.id.clone()).or_insert_with(|| webhook.body.clone());
        assert_eq!(*first, webhook.body, "the same webhook-id is the same body");
        let signer = standardwebhooks::Webhook::new(&secret).unwrap();
        let expected = signer.sign(&webhook.id, webhook.at.parse().unwrap(), webhook.body.as_bytes()).unwrap();
        assert_eq!(webhook.signatures, [expected]);
    }
    let mut sequences: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for event in &events {
        let body: Value = serde_json::from_str(&told[event["id"].as_str().unwrap()]).unwrap();
        assert_eq!(body, *event, "what arrived is what the feed shows");
        let payment = event["data"]["id"].as_str().unwrap().to_owned();
        sequences.entry(payment).or_default().push(event["sequence"].as_u64().unwrap());
    }
    assert_eq!(told.len(), events.len(), "nothing arrives that did not happen");
    assert!(payments.iter().all(|payment| sequences[payment] == [1, 2]), "authorized and captured, without gaps");
    for payment in &payments {
        let status = client.get(&format!("/v1/webhooks/{payment}/status")).await.unwrap().body;
        for delivery in status["deliveries"].as_array().unwrap() {
            assert_eq!(delivery["status"], "DELIVERED", "{status}");
        }
    }
    let twice = received.len() - told.len();
    eprintln!("delivery kills: {} events of {} payments, {twice} came twice", events.len(), payments.len());
    assert!(twice <= KILLS * IN_FLIGHT, "{twice} of {} came twice", events.len());
    drop(stage);
    assert!(server.tasks.running() > 0, "the server served to the end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merchant_whose_server_hangs_delays_nobody_else() {
    const WAITING: usize = 300;
    const SOON: Duration = Duration::from_secs(5);
    let clock = SystemClock::start();
    let hanging = Server::start(Manner::Hangs).await;
    let server = Server::start(Manner::Answers(Duration::ZERO)).await;
    let stage = Stage::start().await;
    let (client, other) = (stage.client(), stage.other_merchant());
    set_endpoint(&client, &hanging.url).await;
    set_endpoint(&other, &server.url).await;
    let order = async |client: &Client, key: String| {
        let made = client.create(&key, 700, "pm_card_visa").await.unwrap();
        assert_eq!(made.status, 201, "{}", made.body);
    };
    for round in 0..WAITING / 20 {
        join_all((0..20).map(|number| order(&client, format!("hangs-{round}-{number}")))).await;
    }
    eventually("its places are taken", async || hanging.connections.load(Ordering::Relaxed) >= 4).await;
    // Shorter than one try of the hanging one's: whoever waits for those does not pass.
    for number in 0..10 {
        order(&other, format!("other-{number}")).await;
        let asked = clock.monotonic();
        eventually("it arrives", async || server.ids().len() > number).await;
        let waited = clock.monotonic().saturating_sub(asked);
        assert!(waited < SOON, "event {number} came after {waited:?}");
    }
    assert!(hanging.ids().len() <= WAITING);
    let events = feed(&client).await;
    assert_eq!(events.len(), WAITING, "nothing of the hanging one's is lost");
}
