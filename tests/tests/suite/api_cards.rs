//! A card number is refused wherever it turns up, and then it is nowhere: not in the answer, not in a log line, not in a
//! file.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use serde_json::{Value, json};
use tokio::process::{Child, Command};
use tollgate_gateway::ports::Time;
use tollgate_runtime::SystemClock;
use tollgate_tests::program::program;

use super::api_support::{Answer, CARD, Request, World, exchange, fresh_key, identity, in_time, order};

/// The number as people and programs write it.
const WRITTEN: [&str; 5] =
    [CARD, "4242 4242 4242 4242", "4242-4242-4242-4242", "card 4242424242424242!", "４２４２４２４２４２４２４２４２"];

/// Bodies of a payment that hold the number somewhere.
fn bodies() -> Vec<Value> {
    let with = |field: &str, value: Value| {
        let mut body = order(1000, "pm_card_visa");
        body[field] = value;
        body
    };
    let mut bodies = vec![
        with("amount", json!(4_242_424_242_424_242_i64)),
        with("amount", json!(4_242_424_242_424_242.5)),
        with("currency", json!(CARD)),
        with("provider", json!(CARD)),
        with("capture_method", json!(CARD)),
        with("merchant_reference", json!(CARD)),
        with("return_url", json!(format!("https://shop.example/?card={CARD}"))),
        with("payment_method", json!({"stripe": CARD})),
        with("payment_method", json!({"stripe": {"number": CARD}})),
        with("metadata", json!({"a": CARD})),
        with("metadata", json!({CARD: "a"})),
        with("metadata", json!({"a": {"b": ["c", {"d": CARD}]}})),
        with("card", json!({"number": CARD, "cvc": "123"})),
        with(CARD, json!(1)),
        json!([CARD]),
        json!(CARD),
    ];
    bodies.extend(WRITTEN.map(|text| with("description", json!(text))));
    bodies
}

/// Every request with the number in it, and the problem that it must come to.
fn requests(api_key: &str, id: &str) -> Vec<(Request, u16, &'static str)> {
    const REFUSED: (u16, &str) = (400, "card_data_not_accepted");
    let post = |path: &str, body: &Value| {
        Request::new("POST", path)
            .with("x-api-key", api_key)
            .with("idempotency-key", fresh_key())
            .with("content-type", "application/json")
            .body(body.to_string().as_bytes())
    };
    let get = |path: &str| Request::new("GET", path).with("x-api-key", api_key);
    let mut requests: Vec<_> = bodies().iter().map(|body| (post("/v1/payments", body), REFUSED.0, REFUSED.1)).collect();
    for path in [format!("/v1/payments/{id}/capture"), format!("/v1/payments/{id}/void")] {
        requests.push((post(&path, &json!({"amount": 4_242_424_242_424_242_i64})), REFUSED.0, REFUSED.1));
        requests.push((post(&path, &json!({"note": CARD})), REFUSED.0, REFUSED.1));
        requests.push((post(&path, &json!({})).with("idempotency-key", CARD), REFUSED.0, REFUSED.1));
    }
    let good = order(1000, "pm_card_visa");
    for key in [CARD, "4242 4242 4242 4242", "order-4242424242424242"] {
        requests.push((post("/v1/payments", &good).with("idempotency-key", key), REFUSED.0, REFUSED.1));
    }
    for query in [
        "merchant_reference=4242424242424242",
        "merchant_reference=4242+4242+4242+4242",
        "merchant_reference=4242%204242%204242%204242",
        "status=4242424242424242",
        "cursor=4242424242424242",
        "limit=4242424242424242",
        "4242424242424242",
        "4242424242424242=1",
    ] {
        requests.push((get(&format!("/v1/payments?{query}")), REFUSED.0, REFUSED.1));
    }
    requests.push((get(&format!("/v1/payments/{CARD}")), 404, "not_found"));
    requests.push((get(&format!("/v1/payments/{CARD}/timeline")), 404, "not_found"));
    requests.push((get(&format!("/{CARD}")), 404, "not_found"));
    requests.push((get(&format!("/return/{CARD}")), 404, "not_found"));
    requests.push((get("/v1/payments").with("x-api-key", CARD), 401, "unauthenticated"));
    requests
}

#[track_caller]
fn holds_no_card(answer: &Answer) {
    let headers = answer.headers.iter().map(|(_, value)| value.as_str()).collect::<Vec<_>>().join("\n");
    for text in WRITTEN.map(|written| {
        written.trim_matches(|character: char| character.is_ascii_alphabetic() || " !".contains(character))
    }) {
        assert!(!answer.text().contains(text) && !headers.contains(text), "{}", answer.text());
    }
}

#[tokio::test]
async fn a_card_number_is_refused_wherever_it_turns_up_and_is_not_repeated() {
    let world = World::start().await;
    let payment = world.payment("pm_card_visa", "AUTHORIZED").await;
    let id = payment["id"].as_str().unwrap();
    for (index, (request, status, code)) in requests(&world.api_key, id).into_iter().enumerate() {
        let what = format!("{index}: {}", String::from_utf8_lossy(&request.to_bytes()));
        let answer = world.send(request).await.expect_problem(status, code, &what);
        holds_no_card(&answer);
    }
    assert_eq!(world.count().await, 1);
    assert_eq!(world.look_at(id).await["version"], payment["version"]);
}

#[tokio::test]
async fn an_api_key_as_correlation_id_is_replaced() {
    let world = World::start().await;
    for written in [world.api_key.clone(), format!("key={}", world.api_key)] {
        let answer = world.send(world.get("/v1/payments").with("x-correlation-id", &written)).await.expect(200);
        assert!(!answer.text().contains(&world.api_key), "{}", answer.text());
        assert_eq!(
            answer.header("x-correlation-id").map(str::len),
            Some(32),
            "{:?}",
            answer.header("x-correlation-id")
        );
    }
}

#[tokio::test]
async fn a_card_number_as_correlation_id_is_replaced() {
    let world = World::start().await;
    for written in [CARD, "order-4242424242424242", "4242-4242-4242-4242"] {
        let answer = world.send(world.get("/v1/payments").with("x-correlation-id", written)).await.expect(200);
        holds_no_card(&answer);
    }
}

#[tokio::test]
async fn numbers_that_are_no_card_are_no_trouble() {
    let world = World::start().await;
    for reference in
        ["4242424242424241", "1234567890123456", "20260211-4242-0001", "0042", "123e4567-e89b-42d3-a456-426614174000"]
    {
        let mut body = order(1000, "pm_card_visa");
        body["merchant_reference"] = json!(reference);
        world.send(world.post("/v1/payments", &body).with("idempotency-key", reference)).await.expect(201);
    }
}

#[tokio::test]
async fn no_card_number_reaches_a_log_or_a_file() {
    for format in ["json", "text"] {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let log = folder.path().join("log");
        let mut sandbox = serve(&data, &log, format);
        wait_until_ready(&log).await;

        let known = identity(&data);
        let text = |field: &str| known[field].as_str().unwrap().to_owned();
        let (address, key) = (text("url").replace("http://", ""), text("api_key"));
        let paid = Request::new("POST", "/v1/payments")
            .with("x-api-key", &key)
            .with("idempotency-key", "marker-key")
            .with("content-type", "application/json")
            .with("x-correlation-id", "marker-correlation")
            .body(order(1000, "pm_card_visa").to_string().as_bytes());
        let paid = exchange(&address, &paid.to_bytes()).await.unwrap().expect(201).json();
        for (request, status, _) in requests(&key, paid["id"].as_str().unwrap()) {
            let request = request.and("x-note", CARD).and("x-correlation-id", CARD);
            let answer = exchange(&address, &request.to_bytes()).await.unwrap().expect(status);
            holds_no_card(&answer);
        }
        let stop = std::process::Command::new("kill").args(["-TERM", &sandbox.id().unwrap().to_string()]).status();
        assert!(stop.unwrap().success());
        in_time(sandbox.wait()).await.unwrap();

        let written = |bytes: &[u8], text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        let logged = fs::read(&log).unwrap();
        assert!(written(&logged, "marker-correlation"), "requests are logged: {}", String::from_utf8_lossy(&logged));
        let files = files_below(folder.path());
        assert!(files.iter().any(|(_, bytes)| bytes.starts_with(b"SQLite format 3")), "the store is among them");
        for (path, bytes) in files {
            for text in WRITTEN {
                assert!(!written(&bytes, text), "{} holds the number", path.display());
            }
        }
    }
}

/// A sandbox as a process of its own that logs all that it can say of itself into `log`.
fn serve(data: &Path, log: &Path, format: &str) -> Child {
    let log = fs::File::create(log).unwrap();
    Command::new(program("tollgate-sandbox"))
        .args(["serve", "--port", "0", "--clock", "simulated", "--data"])
        .arg(data)
        .envs([("RUST_LOG", "debug"), ("LOG_FORMAT", format)])
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

async fn wait_until_ready(log: &Path) {
    let clock = SystemClock::start();
    in_time(async {
        while !fs::read_to_string(log).unwrap_or_default().lines().any(|line| line.starts_with("ready ")) {
            clock.sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

fn files_below(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push((path.clone(), fs::read(&path).unwrap()));
        }
    }
    files
}
