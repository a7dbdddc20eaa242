//! Webhooks from the merchant's side, over HTTP: the endpoint and its secrets, how deliveries stand, redelivery, the feed; and
//! the sandbox's own inbox, jobs and clock.

use std::{path::PathBuf, time::Duration};

use futures::future::join_all;
use serde_json::{Value, json};
use tollgate_gateway::ports::Time;
use tollgate_runtime::SystemClock;
use tollgate_sandbox::serve::{ClockMode, Sandbox, ServeOptions};
use tollgate_tests::stage::eventually;

use super::api_support::{Answer, Request, World, identity};

const ENDPOINT: &str = "/v1/webhook-endpoint";
const ROTATE: &str = "/v1/webhook-endpoint/rotate-secret";
const INBOX: &str = "/sandbox/inbox";
const BEHAVIOUR: &str = "/sandbox/inbox/behaviour";
const EVENTS: &str = "/v1/events";
/// One try and six retries: what the contract says comes between them.
const SCHEDULE: [f64; 6] = [60.0, 300.0, 1800.0, 7200.0, 21_600.0, 86_400.0];

impl World {
    fn put(&self, path: &str, body: &Value) -> Request {
        self.post(path, body).method(&http::Method::PUT)
    }

    fn delete(&self, path: &str) -> Request {
        self.get(path).method(&http::Method::DELETE)
    }

    async fn set_endpoint(&self, url: &str) -> Answer {
        self.send(self.put(ENDPOINT, &json!({"url": url}))).await
    }

    /// How the inbox answers next.
    async fn behave(&self, behaviour: Value) {
        self.send(self.post(BEHAVIOUR, &behaviour)).await.expect(200);
    }

    /// What the inbox received.
    async fn inbox(&self) -> Vec<Value> {
        self.send(self.get(INBOX)).await.expect(200).json().as_array().unwrap().clone()
    }

    /// Lets what is under way come to its end.
    async fn settle(&self) {
        self.advance(0).await;
    }

    /// A payment that is authorized, and its id.
    async fn authorized(&self) -> String {
        let payment = self.payment("pm_card_visa", "AUTHORIZED").await;
        self.settle().await;
        payment["id"].as_str().unwrap().to_owned()
    }

    async fn capture(&self, id: &str) {
        self.send(self.post_nothing(&format!("/v1/payments/{id}/capture"))).await.expect(200);
        self.settle().await;
    }

    async fn deliveries(&self, payment: &str) -> Vec<Value> {
        let body = self.send(self.get(&format!("/v1/webhooks/{payment}/status"))).await.expect(200).json();
        assert_eq!(body["payment_id"], payment);
        body["deliveries"].as_array().unwrap().clone()
    }

    async fn redeliver(&self, payment: &str, body: Option<Value>) -> Answer {
        let path = format!("/v1/webhooks/{payment}/redeliver");
        let request = match body {
            Some(body) => self.post(&path, &body),
            None => self.post_nothing(&path),
        };
        self.send(request).await
    }

    async fn now(&self) -> jiff::Timestamp {
        let body = self.send(self.post("/sandbox/clock", &json!({"advance_seconds": 0}))).await.expect(200).json();
        body["now"].as_str().unwrap().parse().unwrap()
    }
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn event(webhook: &Value) -> Value {
    serde_json::from_str(webhook["body"].as_str().unwrap()).unwrap()
}

fn time(value: &Value) -> jiff::Timestamp {
    value.as_str().unwrap_or_else(|| panic!("{value} is a time")).parse().unwrap()
}

// ------------------------------------------------------------------------------------------------------ the endpoint

#[tokio::test]
async fn every_route_wants_a_key_and_shows_nothing_of_another_merchants() {
    let world = World::start().await;
    let id = world.authorized().await;
    let event_id = world.deliveries(&id).await[0]["event_id"].as_str().unwrap().to_owned();
    let routes = [
        ("GET", ENDPOINT.to_owned()),
        ("PUT", ENDPOINT.to_owned()),
        ("POST", ROTATE.to_owned()),
        ("GET", format!("/v1/webhooks/{id}/status")),
        ("POST", format!("/v1/webhooks/{id}/redeliver")),
        ("GET", EVENTS.to_owned()),
    ];
    for (method, path) in &routes {
        let bare = Request::new(method, path).with("content-type", "application/json").body(b"{}");
        world.send(bare.clone()).await.expect_problem(401, "unauthenticated", path);
        let wrong = bare.with("x-api-key", "nobody");
        world.send(wrong).await.expect_problem(401, "unauthenticated", path);
    }
    for (method, path) in [("GET", "status"), ("POST", "redeliver")] {
        for payment in [id.as_str(), "pay_00000000000000000000000000000000", "pay_x", "x"] {
            let path = format!("/v1/webhooks/{payment}/{path}");
            let request = Request::new(method, &path).with("x-api-key", &world.other_api_key);
            world.send(request).await.expect_problem(404, "not_found", &path);
        }
    }
    let theirs = Request::new("GET", EVENTS).with("x-api-key", &world.other_api_key);
    assert_eq!(world.send(theirs).await.expect(200).json()["data"], json!([]));
    let after = format!("{EVENTS}?after={event_id}");
    let theirs = Request::new("GET", &after).with("x-api-key", &world.other_api_key);
    world.send(theirs).await.expect_problem(400, "invalid_request", "another merchant's event");
}

#[tokio::test]
async fn other_methods_media_types_and_sizes_are_refused() {
    let world = World::start().await;
    let id = world.authorized().await;
    for (method, path, allowed) in [
        ("POST", ENDPOINT.to_owned(), ["GET", "PUT"].as_slice()),
        ("DELETE", ENDPOINT.to_owned(), &["GET", "PUT"]),
        ("GET", ROTATE.to_owned(), &["POST"]),
        ("POST", format!("/v1/webhooks/{id}/status"), &["GET"]),
        ("GET", format!("/v1/webhooks/{id}/redeliver"), &["POST"]),
        ("POST", EVENTS.to_owned(), &["GET"]),
    ] {
        let answer = world.send(world.get(&path).method(&method.parse().unwrap())).await;
        let answer = answer.expect_problem(405, "method_not_allowed", &path);
        assert!(allowed.iter().all(|method| answer.header("allow").unwrap().contains(method)), "{path}");
    }
    let redeliver = format!("/v1/webhooks/{id}/redeliver");
    let large = vec![b' '; (64 << 10) + 1];
    for request in [world.put(ENDPOINT, &json!({"url": "https://shop.example/"})), world.post(&redeliver, &json!({}))] {
        for media_type in ["text/plain", "application/x-www-form-urlencoded"] {
            let answer = world.send(request.clone().with("content-type", media_type)).await;
            answer.expect_problem(415, "unsupported_media_type", media_type);
        }
        world.send(request.body(&large)).await.expect_problem(413, "body_too_large", "64 KiB and one");
    }
    let answer = world.send(world.post(ROTATE, &json!({"secret": "mine"}))).await;
    answer.expect_problem(400, "invalid_request", "a secret is never chosen");
}

#[tokio::test]
async fn urls_that_cannot_be_endpoints_are_refused_with_their_place() {
    let world = World::start().await;
    let before = world.send(world.get(ENDPOINT)).await.expect(200).json();
    let urls = [
        "",
        "shop.example/hooks",
        "/hooks",
        "ftp://shop.example/",
        "javascript:alert(1)",
        "http://shop.example/hooks",
        "http://10.0.0.1/",
        "http://127.0.0.1.nip.io/",
        "https://user@shop.example/",
        "https://user:secret@shop.example/",
        "https://10.0.0.1/",
        "https://172.16.0.1/",
        "https://192.168.1.1/",
        "https://169.254.169.254/computeMetadata/v1/",
        "https://metadata.google.internal/",
        "https://100.64.0.1/",
        "https://0.0.0.0/",
        "https://[fd00::1]/",
        "https://[fe80::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://2130706433.1/",
        "https://intranet/",
        "https://shop.local/",
        "https://shop.example:0/",
        "https://shop example/",
        "https://",
    ];
    for url in urls {
        let answer = world.set_endpoint(url).await.expect_problem(400, "invalid_request", url);
        assert_eq!(answer.pointers(), ["/url"], "{url}");
    }
    let long = format!("https://shop.example/{}", "x".repeat(3000));
    assert_eq!(world.set_endpoint(&long).await.expect(400).pointers(), ["/url"]);
    for (body, pointer) in [
        (json!({}), "/url"),
        (json!({"url": 1}), "/url"),
        (json!({"url": null}), "/url"),
        (json!({"url": "https://shop.example/", "secret": "whsec_mine"}), "/secret"),
        (json!([]), ""),
    ] {
        let answer = world.send(world.put(ENDPOINT, &body)).await;
        assert_eq!(answer.expect_problem(400, "invalid_request", "body").pointers(), [pointer], "{body}");
    }
    assert_eq!(world.send(world.get(ENDPOINT)).await.expect(200).json(), before, "nothing has changed");
    for url in
        ["https://shop.example/hooks?merchant=1", "http://127.0.0.1:9/", "http://[::1]:9/", "http://localhost:9/"]
    {
        assert_eq!(world.set_endpoint(url).await.expect(200).json()["url"], url, "a sandbox allows loopback");
    }
}

#[tokio::test]
async fn a_secret_is_shown_once_and_signs_what_comes_then() {
    let world = World::start().await;
    let shown = world.send(world.get(ENDPOINT)).await.expect(200).json();
    assert_eq!(keys(&shown), ["object", "previous_secret_until", "status", "updated_at", "url"]);
    assert_eq!((&shown["status"], &shown["previous_secret_until"]), (&json!("ACTIVE"), &Value::Null));
    assert!(shown["url"].as_str().unwrap().ends_with(INBOX), "the built-in inbox until they set their own");
    let set = world.set_endpoint(shown["url"].as_str().unwrap()).await.expect(200).json();
    assert_eq!(set.get("secret"), None, "it was made before");
    let rotated = world.send(world.post_nothing(ROTATE)).await.expect(200).json();
    assert_eq!(keys(&rotated), ["object", "previous_secret_until", "secret", "status", "updated_at", "url"]);
    let secret = rotated["secret"].as_str().unwrap();
    assert!(secret.starts_with("whsec_") && secret.len() == 6 + 32, "{secret}");
    let until = time(&rotated["previous_secret_until"]);
    let signs_along = until.duration_since(world.now().await).as_secs_f64();
    assert!((signs_along - 86_400.0).abs() < 0.01, "{signs_along}");
    assert_eq!(world.send(world.get(ENDPOINT)).await.expect(200).json().get("secret"), None);

    let old = identity(world.data.path())["webhook_secret"].as_str().unwrap().to_owned();
    let signatures = async || {
        world.send(world.delete(INBOX)).await.expect(200);
        world.authorized().await;
        let webhook = world.inbox().await.remove(0);
        assert_eq!(webhook["verified"], true);
        let header = |name: &str| webhook["headers"][name].as_str().unwrap().to_owned();
        let (id, at) = (header("webhook-id"), header("webhook-timestamp"));
        let signed: Vec<_> = header("webhook-signature").split(' ').map(str::to_owned).collect();
        let signature = |secret| hmac(secret, &id, &at, webhook["body"].as_str().unwrap());
        (signed.clone(), [signature(secret), signature(&old)])
    };
    let (signed, [new, before]) = signatures().await;
    assert_eq!(signed, [new, before], "the old one signs along");
    world.advance(24 * 3600).await;
    let (signed, [new, _]) = signatures().await;
    assert_eq!(signed, [new], "for a day");
    let shown = world.send(world.get(ENDPOINT)).await.expect(200).json();
    assert_eq!(shown["previous_secret_until"], Value::Null);
    // Another merchant's rotation changes nothing here, and one without an endpoint has nothing to rotate.
    let theirs = world.post_nothing(ROTATE).with("x-api-key", &world.other_api_key);
    world.send(theirs).await.expect(200);
    assert_eq!(signatures().await.0.len(), 1);
}

/// As Standard Webhooks has it.
fn hmac(secret: &str, id: &str, at: &str, body: &str) -> String {
    standardwebhooks::Webhook::new(secret).unwrap().sign(id, at.parse().unwrap(), body.as_bytes()).unwrap()
}

#[tokio::test]
async fn no_secret_stands_in_anything_that_is_kept() {
    let world = World::start().await;
    let mut secrets = vec![identity(world.data.path())["webhook_secret"].as_str().unwrap().to_owned()];
    for _ in 0..2 {
        let rotated = world.send(world.post_nothing(ROTATE)).await.expect(200).json();
        secrets.push(rotated["secret"].as_str().unwrap().to_owned());
    }
    world.authorized().await;
    let metrics = world.send(Request::new("GET", "/metrics")).await.expect(200).text();
    for secret in &secrets {
        let bare = secret.strip_prefix("whsec_").unwrap();
        assert!(!metrics.contains(bare));
        for file in files(world.data.path().to_owned()) {
            let known = file.file_name().is_some_and(|name| name == "sandbox.json");
            let text = std::fs::read(&file).unwrap();
            let found = text.windows(bare.len()).any(|window| window == bare.as_bytes());
            assert!(known || !found, "{} holds a secret", file.display());
        }
    }
}

fn files(folder: PathBuf) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(path) } else { vec![path] }).collect()
}

// -------------------------------------------------------------------------------------------- deliveries and the inbox

#[tokio::test]
async fn what_is_delivered_is_what_the_feed_shows_signed_in_order_and_each_once() {
    let world = World::start().await;
    let id = world.authorized().await;
    world.capture(&id).await;
    let inbox = world.inbox().await;
    assert_eq!(inbox.len(), 2);
    for (webhook, kind) in inbox.iter().zip(["payment.authorized", "payment.captured"]) {
        let event = event(webhook);
        assert_eq!(keys(&event), ["created_at", "data", "id", "sequence", "type"]);
        assert_eq!((&event["type"], &event["data"]["id"]), (&json!(kind), &json!(id)));
        assert_eq!((&webhook["verified"], &webhook["headers"]["webhook-id"]), (&json!(true), &event["id"]));
        assert_eq!(webhook["headers"]["content-type"], "application/json");
        assert!(webhook["headers"].get("x-api-key").is_none());
    }
    assert_eq!(event(&inbox[0])["sequence"], 1);
    assert_eq!(event(&inbox[1])["sequence"], 2);
    let feed = world.send(world.get(EVENTS)).await.expect(200).json();
    assert_eq!(keys(&feed), ["data", "has_more"]);
    assert_eq!(feed["data"], json!([event(&inbox[0]), event(&inbox[1])]));
    let deliveries = world.deliveries(&id).await;
    for (delivery, webhook) in deliveries.iter().zip(&inbox) {
        assert_eq!(keys(delivery), ["attempts", "event_id", "next_attempt_at", "status", "type"]);
        assert_eq!((&delivery["event_id"], &delivery["status"]), (&event(webhook)["id"], &json!("DELIVERED")));
        assert_eq!((&delivery["type"], &delivery["next_attempt_at"]), (&event(webhook)["type"], &Value::Null));
        let attempts = delivery["attempts"].as_array().unwrap();
        assert_eq!(attempts.len(), 1);
        assert_eq!(keys(&attempts[0]), ["at", "duration_ms", "error", "http_status", "number"]);
        assert_eq!((&attempts[0]["number"], &attempts[0]["http_status"]), (&json!(1), &json!(200)));
        assert_eq!(attempts[0]["error"], Value::Null);
        assert!(attempts[0]["duration_ms"].is_u64());
    }
}

#[tokio::test]
async fn the_clock_steps_through_the_whole_schedule_and_then_it_is_dead_lettered() {
    let world = World::start().await;
    world.behave(json!({"status": 500})).await;
    let id = world.authorized().await;
    // All at once: everything on the way happens at its own time.
    world.advance(3 * 24 * 3600).await;
    let delivery = world.deliveries(&id).await.remove(0);
    assert_eq!((&delivery["status"], &delivery["next_attempt_at"]), (&json!("DEAD_LETTERED"), &Value::Null));
    let attempts = delivery["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 7);
    for ((before, attempt), after) in attempts.iter().zip(&attempts[1..]).zip(SCHEDULE) {
        let wait = time(&attempt["at"]).duration_since(time(&before["at"])).as_secs_f64();
        assert!((0.9 * after - 0.01..=1.1 * after + 0.01).contains(&wait), "{wait} s instead of {after} s");
        assert_eq!(attempt["http_status"], 500);
    }
    let inbox = world.inbox().await;
    assert_eq!(inbox.len(), 7);
    assert!(inbox.iter().all(|webhook| webhook["body"] == inbox[0]["body"] && webhook["verified"] == true));
    for (webhook, attempt) in inbox.iter().zip(attempts) {
        let apart = time(&webhook["at"]).duration_since(time(&attempt["at"])).as_secs_f64();
        assert!((0.0..0.001).contains(&apart), "received {apart} s after it was sent, by a clock that stands");
    }

    world.behave(json!({"status": 200})).await;
    let answer = world.redeliver(&id, None).await.expect(202).json();
    assert_eq!((&answer["payment_id"], &answer["deliveries"][0]["event_id"]), (&json!(id), &delivery["event_id"]));
    world.settle().await;
    let delivery = world.deliveries(&id).await.remove(0);
    assert_eq!((&delivery["status"], delivery["attempts"].as_array().unwrap().len()), (&json!("DELIVERED"), 8));
    assert_eq!(world.inbox().await[7]["headers"]["webhook-id"], inbox[0]["headers"]["webhook-id"]);
}

#[tokio::test]
async fn a_failing_delivery_shows_its_next_try_and_the_job_makes_it_when_it_is_due() {
    let world = World::start().await;
    world.behave(json!({"status": 503, "times": 1, "retry_after": 900})).await;
    let id = world.authorized().await;
    let delivery = world.deliveries(&id).await.remove(0);
    assert_eq!(delivery["status"], "RETRYING");
    let wait = time(&delivery["next_attempt_at"]).duration_since(world.now().await).as_secs();
    assert!((899..=900).contains(&wait), "Retry-After counts: {wait}");
    let job = "/sandbox/jobs/deliveries";
    let report = world.send(world.post_nothing(job)).await.expect(200).json();
    assert_eq!((&report["job"], &report["saw"]), (&json!("deliveries"), &json!(0)), "{report}");
    assert_eq!(world.inbox().await.len(), 1);
    world.advance(901).await;
    assert_eq!(world.deliveries(&id).await[0]["status"], "DELIVERED");
    assert_eq!(world.inbox().await.len(), 2);
    for wrong in ["/sandbox/jobs/nothing", "/sandbox/jobs/Deliveries"] {
        world.send(world.post_nothing(wrong)).await.expect_problem(404, "not_found", wrong);
    }
}

#[tokio::test]
async fn gone_pauses_the_endpoint_and_setting_it_again_delivers_what_waited() {
    let world = World::start().await;
    world.behave(json!({"status": 410, "times": 1})).await;
    let first = world.authorized().await;
    let second = world.authorized().await;
    world.advance(3 * 24 * 3600).await;
    assert_eq!(world.inbox().await.len(), 1, "nothing more is sent");
    let endpoint = world.send(world.get(ENDPOINT)).await.expect(200).json();
    assert_eq!(endpoint["status"], "PAUSED");
    for (id, attempts) in [(&first, 1), (&second, 0)] {
        let delivery = world.deliveries(id).await.remove(0);
        assert_eq!(delivery["next_attempt_at"], Value::Null);
        assert_eq!(delivery["attempts"].as_array().unwrap().len(), attempts);
    }
    let set = world.set_endpoint(endpoint["url"].as_str().unwrap()).await.expect(200).json();
    assert_eq!(set["status"], "ACTIVE");
    world.settle().await;
    for id in [&first, &second] {
        assert_eq!(world.deliveries(id).await[0]["status"], "DELIVERED");
    }
}

#[tokio::test]
async fn redelivery_takes_one_event_or_all_and_nothing_else() {
    let world = World::start().await;
    let id = world.authorized().await;
    world.capture(&id).await;
    let other = world.authorized().await;
    let events: Vec<_> = world.deliveries(&id).await.iter().map(|delivery| delivery["event_id"].clone()).collect();
    let foreign = world.deliveries(&other).await[0]["event_id"].clone();
    world.send(world.delete(INBOX)).await.expect(200);
    world.redeliver(&id, Some(json!({"event_id": events[1]}))).await.expect(202);
    world.settle().await;
    assert_eq!(world.inbox().await.iter().map(|webhook| event(webhook)["id"].clone()).collect::<Vec<_>>(), events[1..]);
    for body in [None, Some(json!({}))] {
        world.send(world.delete(INBOX)).await.expect(200);
        world.redeliver(&id, body).await.expect(202);
        world.settle().await;
        assert_eq!(world.inbox().await.len(), 2, "all, for every one is delivered");
    }
    world.send(world.delete(INBOX)).await.expect(200);
    let nobodys = tollgate_domain::EventId::from_random([9; 16]).to_string();
    for unknown in [foreign, json!(nobodys)] {
        let answer = world.redeliver(&id, Some(json!({"event_id": unknown}))).await;
        answer.expect_problem(404, "not_found", "none of this payment's");
    }
    for (body, pointer) in [
        (json!({"event_id": "x"}), "/event_id"),
        (json!({"event_id": 1}), "/event_id"),
        (json!({"event": events[0]}), "/event"),
        (json!([]), ""),
    ] {
        let answer = world.redeliver(&id, Some(body.clone())).await.expect_problem(400, "invalid_request", "body");
        assert_eq!(answer.pointers(), [pointer], "{body}");
    }
    world.advance(3600).await;
    assert_eq!(world.inbox().await.len(), 0);
}

#[tokio::test]
async fn the_feed_pages_and_refuses_what_is_no_event_of_theirs() {
    let world = World::start().await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        let id = world.authorized().await;
        ids.push(world.deliveries(&id).await[0]["event_id"].as_str().unwrap().to_owned());
    }
    let page = async |query: &str| world.send(world.get(&format!("{EVENTS}{query}"))).await.expect(200).json();
    let of = |page: &Value| -> Vec<String> {
        page["data"].as_array().unwrap().iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
    };
    let (mut seen, mut query) = (Vec::new(), "?limit=2".to_owned());
    loop {
        let page = page(&query).await;
        seen.extend(of(&page));
        query = format!("?limit=2&after={}", seen.last().unwrap());
        if page["has_more"] == false {
            break;
        }
    }
    assert_eq!(seen, ids);
    assert_eq!(of(&page(&format!("?after={}", ids[4])).await), Vec::<String>::new());
    for wrong in ["?after=x", "?after=evt_0", "?limit=0", "?limit=101", "?limit=x", "?cursor=1"] {
        world.send(world.get(&format!("{EVENTS}{wrong}"))).await.expect_problem(400, "invalid_request", wrong);
    }
}

#[tokio::test]
async fn a_second_merchants_endpoint_events_and_deliveries_are_its_own() {
    let world = World::start().await;
    let other = |request: Request| request.with("x-api-key", &world.other_api_key);
    let nobody = "http://127.0.0.1:9/";
    world.send(other(world.put(ENDPOINT, &json!({"url": nobody})))).await.expect(200);
    let mine = world.authorized().await;
    let body = super::api_support::order(1000, "pm_card_visa");
    let theirs = world.send(other(world.post("/v1/payments", &body))).await.expect(201).json();
    world.settle().await;
    assert_eq!(world.deliveries(&mine).await[0]["status"], "DELIVERED");
    let path = format!("/v1/webhooks/{}/status", theirs["id"].as_str().unwrap());
    let shown = world.send(other(world.get(&path))).await.expect(200).json();
    let attempt = &shown["deliveries"][0]["attempts"][0];
    assert_eq!((&attempt["http_status"], &attempt["error"]), (&Value::Null, &json!("no connection could be made")));
    assert_eq!(world.inbox().await.len(), 1);
    assert_ne!(world.send(world.get(ENDPOINT)).await.expect(200).json()["url"], nobody);
}

#[tokio::test]
async fn internal_routes_refuse_everybody() {
    let world = World::start().await;
    let routes = ["/jobs/deliveries", "/pubsub/payment-events", "/pubsub/dead-letter"];
    for path in routes {
        for request in [
            world.post(path, &json!({})),
            Request::new("POST", path).with("authorization", "Bearer abc").body(b"{}"),
            Request::new("POST", path).with("x-serverless-authorization", "Bearer abc"),
        ] {
            world.send(request).await.expect_problem(401, "unauthenticated", path);
        }
    }
}

// ------------------------------------------------------------------------------------------------- the inbox by itself

#[tokio::test]
async fn the_inbox_answers_as_it_is_told_as_often_as_it_is_told() {
    let world = World::start().await;
    world.behave(json!({"status": 500, "times": 2, "delay_ms": 0})).await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        let id = world.authorized().await;
        seen.push(world.deliveries(&id).await[0]["attempts"][0]["http_status"].clone());
    }
    assert_eq!(seen, [500, 500, 200]);
    let clock = SystemClock::start();
    world.behave(json!({"status": 204, "times": 1, "delay_ms": 300})).await;
    let id = world.authorized().await;
    let attempt = world.deliveries(&id).await[0]["attempts"][0].clone();
    assert_eq!(attempt["http_status"], 204);
    assert!(attempt["duration_ms"].as_u64().unwrap() >= 300 && clock.monotonic() >= Duration::from_millis(300));
    for wrong in [
        json!({"status": 199}),
        json!({"status": 600}),
        json!({"status": "500"}),
        json!({"times": 0}),
        json!({"delay_ms": -1}),
        json!({"delay_ms": 1_000_000}),
        json!({"stati": 500}),
        json!([]),
    ] {
        let answer = world.send(world.post(BEHAVIOUR, &wrong)).await;
        answer.expect_problem(400, "invalid_request", &wrong.to_string());
    }
}

#[tokio::test]
async fn the_inbox_shows_what_is_not_signed_as_such_and_everything_until_it_is_cleared() {
    let world = World::start().await;
    let forged = json!({"id": "evt_1", "type": "payment.captured"});
    world.arrives(world.post(INBOX, &forged).with("webhook-id", "evt_1")).await;
    world.authorized().await;
    let signed = world.inbox().await.remove(1);
    let replay = |body: &str| {
        ["webhook-id", "webhook-timestamp", "webhook-signature"]
            .iter()
            .fold(world.post_bytes(INBOX, body.as_bytes()), |request, name| {
                request.with(name, signed["headers"][name].as_str().unwrap())
            })
    };
    let body = signed["body"].as_str().unwrap();
    world.arrives(replay(body)).await;
    world.arrives(replay(&body.replace("1000", "9000"))).await;
    let verified: Vec<_> = world.inbox().await.iter().map(|webhook| webhook["verified"].clone()).collect();
    assert_eq!(verified, [false, true, true, false]);
    assert_eq!(world.send(world.delete(INBOX)).await.expect(200).json(), json!([]));
    assert_eq!(world.inbox().await, Vec::<Value>::new());
    world.authorized().await;
    assert_eq!(world.inbox().await.len(), 1);
}

#[tokio::test]
async fn the_inbox_survives_a_restart() {
    let data = tempfile::tempdir().unwrap();
    let options = || ServeOptions {
        port: 0,
        data: Some(data.path().to_owned()),
        providers_url: None,
        clock: ClockMode::NOON,
        environment: false,
    };
    let http = tollgate_tests::stage::Http::new();
    let inbox = async |sandbox: &Sandbox| http.get(&format!("{}{INBOX}", sandbox.url())).await.body().clone();
    let sandbox = Sandbox::start(options()).await.unwrap();
    for number in 0..20 {
        let body = json!({"number": number, "text": "a line\nand \"another\" é"});
        http.json(http::Method::POST, &format!("{}{INBOX}", sandbox.url()), &body).await;
    }
    let before = inbox(&sandbox).await;
    let shown: Vec<Value> = serde_json::from_slice(&before).unwrap();
    assert_eq!(
        shown.iter().map(|webhook| event(webhook)["number"].as_u64().unwrap()).collect::<Vec<_>>(),
        (0..20).collect::<Vec<_>>()
    );
    sandbox.serve(std::future::ready(())).await;
    // What a kill has torn in the middle of a line was never answered.
    let file = data.path().join("inbox.jsonl");
    let mut text = std::fs::read(&file).unwrap();
    text.extend_from_slice(b"{\"headers\":{\"host\":");
    std::fs::write(&file, text).unwrap();
    let sandbox = Sandbox::start(options()).await.unwrap();
    assert_eq!(inbox(&sandbox).await, before);
    sandbox.serve(std::future::ready(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_inbox_takes_thousands_at_once() {
    const SENDERS: usize = 20;
    const EACH: usize = 100;
    let world = World::start().await;
    let client = tollgate_tests::stage::Http::new();
    let url = format!("http://{}{INBOX}", world.address);
    let send = async |sender: usize| {
        for number in 0..EACH {
            let body = json!({"sender": sender, "number": number, "text": "x".repeat(2000)});
            assert_eq!(client.json(http::Method::POST, &url, &body).await.0, 200);
        }
    };
    join_all((0..SENDERS).map(send)).await;
    let inbox = world.inbox().await;
    assert_eq!(inbox.len(), SENDERS * EACH);
    for sender in 0..SENDERS {
        let numbers =
            inbox.iter().map(event).filter(|event| event["sender"] == sender).map(|event| event["number"].clone());
        let expected = (0..EACH).map(Value::from);
        assert!(numbers.eq(expected), "in the order in which they came");
    }
}

#[tokio::test]
async fn in_real_time_events_arrive_by_themselves() {
    let world = World::start_in_real_time().await;
    world.payment("pm_card_visa", "AUTHORIZED").await;
    eventually("the event arrives", async || world.inbox().await.len() == 1).await;
    assert_eq!(world.inbox().await[0]["verified"], true);
}
