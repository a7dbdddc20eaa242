//! What merchants may send, and what is refused before anything is written: whatever is wrong with a request, the answer
//! says what, and the same key makes the payment once it is put right.

use serde_json::{Value, json};

use super::api_support::{Answer, Request, World, exchange, fresh_key, order};

/// Bodies that are not one JSON object, or that two readers could understand differently.
fn bodies_that_are_no_object() -> Vec<(&'static str, Vec<u8>)> {
    let deep = |opening: &str, closing: &str, depth: usize| {
        format!("{{\"description\":{}{}}}", opening.repeat(depth), closing.repeat(depth)).into_bytes()
    };
    let mut cases: Vec<(&str, Vec<u8>)> = [
        ("an open brace", "{"),
        ("two objects", r#"{"amount":1} {"amount":2}"#),
        ("something behind it", r#"{"amount":1}x"#),
        ("a comma too many", r#"{"amount":1,}"#),
        ("an array", r#"[{"amount":1}]"#),
        ("null", "null"),
        ("a string", r#""amount""#),
        ("a number", "1"),
        ("a key twice", r#"{"amount":1,"amount":1}"#),
        ("a key twice, once escaped", r#"{"amount":1,"\u0061mount":2}"#),
        ("a key twice further down", r#"{"metadata":{"a":"1","a":"2"}}"#),
        ("a comment", r#"{"amount":1/* one */}"#),
        ("single quotes", r"{'amount':1}"),
        ("a bare key", r"{amount:1}"),
        ("NaN", r#"{"amount":NaN}"#),
        ("Infinity", r#"{"amount":Infinity}"#),
        ("a leading zero", r#"{"amount":01}"#),
        ("a plus", r#"{"amount":+1}"#),
        ("hexadecimal", r#"{"amount":0x10}"#),
        ("an escaped NUL", r#"{"description":"a\u0000b"}"#),
        ("an escaped NUL in a key", r#"{"metadata":{"a\u0000b":"1"}}"#),
        ("half a surrogate pair", r#"{"description":"\ud800"}"#),
        ("a surrogate pair the wrong way round", r#"{"description":"\udc00\ud800"}"#),
        ("a line break in a string", "{\"description\":\"a\nb\"}"),
        ("a NUL in a string", "{\"description\":\"a\0b\"}"),
        ("a NUL behind it", "{}\0"),
        ("a byte order mark", "\u{feff}{\"amount\":1}"),
        ("an unknown escape", r#"{"description":"\x41"}"#),
    ]
    .map(|(what, body)| (what, body.as_bytes().to_owned()))
    .into();
    cases.push(("bytes that are no UTF-8", b"{\"description\":\"\xff\xfe\"}".to_vec()));
    cases.push(("overlong UTF-8", b"{\"description\":\"\xc0\xaf\"}".to_vec()));
    cases.push(("UTF-16", "{\"amount\":1}".encode_utf16().flat_map(u16::to_le_bytes).collect()));
    cases.push(("arrays that never end", deep("[", "", 30_000)));
    cases.push(("arrays too deep", deep("[", "]", 17)));
    cases.push(("arrays far too deep", deep("[", "]", 30_000)));
    cases.push(("objects too deep", deep("{\"a\":", "1}", 9_000)));
    cases
}

#[tokio::test]
async fn a_body_that_is_not_one_json_object_is_refused_and_leaves_the_key_unused() {
    let world = World::start().await;
    let authorized = world.payment("pm_card_visa", "AUTHORIZED").await;
    let other = world.payment("pm_card_visa", "AUTHORIZED").await;
    let id = authorized["id"].as_str().unwrap();
    let routes = [
        ("/v1/payments".to_owned(), order(700, "pm_card_visa"), 201),
        (format!("/v1/payments/{id}/capture"), json!({"amount": 400}), 200),
        (format!("/v1/payments/{}/void", other["id"].as_str().unwrap()), json!({}), 200),
    ];
    for (path, good, status) in routes {
        let key = fresh_key();
        let mut cases = bodies_that_are_no_object();
        if path == "/v1/payments" {
            cases.push(("nothing", Vec::new()));
            cases.push(("spaces", b"  ".to_vec()));
        }
        for (what, body) in cases {
            let answer = world.send(world.post_bytes(&path, &body).with("idempotency-key", &key)).await;
            answer.expect_problem(400, "invalid_request", &format!("{path}: {what}"));
        }
        let answer = world.send(world.post(&path, &good).with("idempotency-key", &key)).await.expect(status);
        assert!(!answer.replayed(), "{path}: nothing refused has used the key up");
    }
    assert_eq!(world.count().await, 3, "nothing refused has made a payment");
    assert_eq!(world.look_at(id).await["version"], 4, "nothing refused has changed a payment");
}

/// The good order, with one field changed (or, for null, left out), and where the mistake must be named.
fn wrong_fields() -> Vec<(&'static str, Value, &'static str)> {
    let text = |length: usize| json!("é".repeat(length));
    let pairs = |count: usize| (0..count).map(|index| (format!("k{index}"), "v")).collect::<Value>();
    let mut cases = vec![
        ("currency", json!("jpy"), "/currency"),
        ("currency", json!("JP"), "/currency"),
        ("currency", json!("JPYX"), "/currency"),
        ("currency", json!(" JPY"), "/currency"),
        ("currency", json!(""), "/currency"),
        ("currency", json!("ＪＰＹ"), "/currency"),
        ("currency", json!("J1Y"), "/currency"),
        ("currency", json!(392), "/currency"),
        ("currency", json!(null), "/currency"),
        ("payment_method", json!(null), "/payment_method"),
        ("payment_method", json!("pm_card_visa"), "/payment_method"),
        ("payment_method", json!([]), "/payment_method"),
        ("payment_method", json!({}), "/payment_method"),
        ("payment_method", json!({"stripe": null}), "/payment_method"),
        ("payment_method", json!({"stripe": 1}), "/payment_method/stripe"),
        ("payment_method", json!({"stripe": ""}), "/payment_method/stripe"),
        ("payment_method", json!({"stripe": "p".repeat(256)}), "/payment_method/stripe"),
        ("payment_method", json!({"visa": "x", "stripe": "pm_card_visa"}), "/payment_method/visa"),
        ("provider", json!("Stripe"), "/provider"),
        ("provider", json!(""), "/provider"),
        ("provider", json!(["stripe"]), "/provider"),
        ("provider", json!("paypal"), "/payment_method"),
        ("capture_method", json!("auto"), "/capture_method"),
        ("capture_method", json!(true), "/capture_method"),
        ("merchant_reference", json!(""), "/merchant_reference"),
        ("merchant_reference", json!(17), "/merchant_reference"),
        ("merchant_reference", text(256), "/merchant_reference"),
        ("description", text(501), "/description"),
        ("description", json!({}), "/description"),
        ("metadata", json!("a=b"), "/metadata"),
        ("metadata", json!(["a"]), "/metadata"),
        ("metadata", pairs(21), "/metadata"),
        ("metadata", json!({"a": 1}), "/metadata/a"),
        ("metadata", json!({"a": null}), "/metadata/a"),
        ("metadata", json!({"a": {"b": "c"}}), "/metadata/a"),
        ("metadata", json!({"a": "v".repeat(501)}), "/metadata/a"),
        ("metadata", json!({"": "v"}), "/metadata/"),
        ("return_url", json!("/thanks"), "/return_url"),
        ("return_url", json!("shop.example/thanks"), "/return_url"),
        ("return_url", json!("javascript:alert(1)"), "/return_url"),
        ("return_url", json!("data:text/html,x"), "/return_url"),
        ("return_url", json!("ftp://shop.example/"), "/return_url"),
        ("return_url", json!("https://"), "/return_url"),
        ("return_url", json!("https://shop:secret@shop.example/"), "/return_url"),
        ("return_url", json!("https://shop.example/\r\nset-cookie: a=b"), "/return_url"),
        ("return_url", json!(format!("https://shop.example/{}", "x".repeat(2048))), "/return_url"),
        ("status", json!("CAPTURED"), "/status"),
        ("amount_captured", json!(1000), "/amount_captured"),
        ("Amount", json!(1000), "/Amount"),
        ("card", json!({"number": "x"}), "/card"),
        ("a/b~c", json!(1), "/a~1b~0c"),
        ("__proto__", json!({}), "/__proto__"),
    ];
    let amounts = [
        json!(null),
        json!(0),
        json!(-1),
        json!("1000"),
        json!(true),
        json!([1000]),
        json!({}),
        json!(1.5),
        json!(1000.0),
        json!(1_000_000_000_000_i64),
        json!(i64::MIN),
        json!(u64::MAX),
    ];
    cases.extend(amounts.map(|amount| ("amount", amount, "/amount")));
    cases
}

#[tokio::test]
async fn a_wrong_field_is_named_and_leaves_the_key_unused() {
    let world = World::start().await;
    let key = fresh_key();
    for (field, value, pointer) in wrong_fields() {
        let mut body = order(1000, "pm_card_visa");
        body[field] = value.clone();
        let answer = world.send(world.post("/v1/payments", &body).with("idempotency-key", &key)).await;
        let what = format!("{field}: {}", value.to_string().chars().take(60).collect::<String>());
        let answer = answer.expect_problem(400, "invalid_request", &what);
        assert_eq!(answer.pointers(), [pointer], "{what}: {}", answer.text());
    }
    for amount in ["1e3", "1E3", "1.0", "0.1", "-0", "1000000000000", "9223372036854775808", "1e400", "1e-1", "-1e99"] {
        let body = format!(r#"{{"amount":{amount},"currency":"JPY","payment_method":{{"stripe":"pm_card_visa"}}}}"#);
        let answer = world.send(world.post_bytes("/v1/payments", body.as_bytes()).with("idempotency-key", &key)).await;
        assert_eq!(answer.expect_problem(400, "invalid_request", amount).pointers(), ["/amount"], "{amount}");
    }
    let answer =
        world.send(world.post("/v1/payments", &order(1000, "pm_card_visa")).with("idempotency-key", &key)).await;
    assert!(!answer.expect(201).replayed(), "nothing refused has used the key up");
    assert_eq!(world.count().await, 1);
}

#[tokio::test]
async fn every_mistake_is_named_at_once() {
    let world = World::start().await;
    let body = json!({"amount": 0, "currency": "yen", "metadata": {"a": 1}, "colour": "red"});
    let answer = world.send(world.post("/v1/payments", &body)).await;
    let mut pointers = answer.expect_problem(400, "invalid_request", "several mistakes").pointers();
    pointers.sort_unstable();
    assert_eq!(pointers, ["/amount", "/colour", "/currency", "/metadata/a", "/payment_method"]);
}

#[tokio::test]
async fn what_is_at_the_limits_is_taken_and_comes_back_as_it_was() {
    let world = World::start().await;
    let mut body = order(99_999_999, "pm_card_visa");
    body["merchant_reference"] = json!("語".repeat(255));
    body["description"] = json!("\u{1f600}\"\\/<script>\u{202e}\t".repeat(25));
    body["metadata"] = (0..20).map(|index| (format!("{index:>40}"), "v".repeat(500))).collect::<Value>();
    body["return_url"] = json!(format!("https://shop.example/{}", "x".repeat(2048 - 21)));
    body["provider"] = json!("stripe");
    body["capture_method"] = json!("manual");
    let answer = world.send(world.post("/v1/payments", &body).with("idempotency-key", "k".repeat(255))).await;
    let payment = answer.expect(201).json();
    for field in ["amount", "merchant_reference", "description", "metadata", "provider", "capture_method"] {
        assert_eq!(payment[field], body[field], "{field}");
    }
}

#[tokio::test]
async fn a_capture_names_its_mistakes_and_leaves_the_key_unused() {
    let world = World::start().await;
    let payment = world.payment("pm_card_visa", "AUTHORIZED").await;
    let path = format!("/v1/payments/{}/capture", payment["id"].as_str().unwrap());
    let key = fresh_key();
    let amounts = [json!(0), json!(-5), json!(1.5), json!("500"), json!(true), json!(1_000_000_000_000_i64)];
    let mut cases: Vec<_> = amounts.into_iter().map(|amount| (json!({"amount": amount}), "/amount")).collect();
    cases.push((json!({"amount": 500, "currency": "JPY"}), "/currency"));
    cases.push((json!({"final": true}), "/final"));
    for (body, pointer) in cases {
        let answer = world.send(world.post(&path, &body).with("idempotency-key", &key)).await;
        let answer = answer.expect_problem(400, "invalid_request", &body.to_string());
        assert_eq!(answer.pointers(), [pointer], "{body}");
    }
    let too_much = world.send(world.post(&path, &json!({"amount": 1001})).with("idempotency-key", &key)).await;
    too_much.expect_problem(422, "amount_exceeds_authorized", "more than was authorized");
    let captured = world.send(world.post(&path, &json!({"amount": 1000})).with("idempotency-key", &key)).await;
    assert!(!captured.expect(200).replayed());
}

#[tokio::test]
async fn a_void_takes_no_fields() {
    let world = World::start().await;
    let payment = world.payment("pm_card_visa", "AUTHORIZED").await;
    let path = format!("/v1/payments/{}/void", payment["id"].as_str().unwrap());
    let answer = world.send(world.post(&path, &json!({"amount": 500}))).await;
    assert_eq!(answer.expect_problem(400, "invalid_request", "a partial void").pointers(), ["/amount"]);
    world.send(world.post_nothing(&path)).await.expect(200);
}

#[tokio::test]
async fn a_body_of_more_than_64_kib_is_refused_however_it_comes() {
    let world = World::start().await;
    let padded = |length: usize| {
        let mut body = order(1000, "pm_card_visa").to_string().into_bytes();
        body.resize(length, b' ');
        body
    };
    let chunked = |body: &[u8], size: usize| {
        let mut bytes = Vec::new();
        for chunk in body.chunks(size) {
            bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
        bytes
    };
    let key = fresh_key();
    let post = |body: &[u8]| world.post_bytes("/v1/payments", body).with("idempotency-key", &key);
    let post_chunked = |body: &[u8]| post(&chunked(body, 4096)).with("transfer-encoding", "chunked");
    let too_large = [
        ("one byte too many", post(&padded(64 * 1024 + 1))),
        ("ten times too many", post(&padded(640 * 1024))),
        ("one byte too many, in chunks", post_chunked(&padded(64 * 1024 + 1))),
        ("ten times too many, in chunks", post_chunked(&padded(640 * 1024))),
        ("announced only", post(b"{").with("content-length", "99999999999").with("expect", "100-continue")),
    ];
    for (what, request) in too_large {
        world.send(request).await.expect_problem(413, "body_too_large", what);
    }
    assert_eq!(world.count().await, 0);
    let answer = world.send(post(&padded(64 * 1024))).await;
    assert!(!answer.expect(201).replayed(), "64 KiB are not too many, and the key was unused");
    assert!(world.send(post_chunked(&padded(64 * 1024))).await.expect(200).replayed(), "chunks make no difference");
}

#[tokio::test]
async fn a_body_that_does_not_say_it_is_json_is_refused() {
    let world = World::start().await;
    let payment = world.payment("pm_card_visa", "AUTHORIZED").await;
    let id = payment["id"].as_str().unwrap();
    let body = order(1000, "pm_card_visa");
    let routes = [
        ("/v1/payments".to_owned(), body.to_string()),
        (format!("/v1/payments/{id}/capture"), json!({"amount": 1}).to_string()),
        (format!("/v1/payments/{id}/void"), "{}".to_owned()),
    ];
    let wrong = [
        "",
        "text/plain",
        "text/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "application/json-seq",
        "application/problem+json",
        "application/json, text/plain",
        "json",
    ];
    for (path, body) in &routes {
        let request = world.post_bytes(path, body.as_bytes());
        let answer = world.send(request.clone().without("content-type")).await;
        answer.expect_problem(415, "unsupported_media_type", path);
        for media_type in wrong {
            let answer = world.send(request.clone().with("content-type", media_type)).await;
            answer.expect_problem(415, "unsupported_media_type", &format!("{path} as {media_type:?}"));
        }
    }
    for media_type in ["application/json", "application/json; charset=utf-8", "Application/JSON;charset=UTF-8"] {
        world.send(world.post("/v1/payments", &body).with("content-type", media_type)).await.expect(201);
    }
}

#[tokio::test]
async fn a_method_that_a_path_does_not_take_is_answered_with_those_it_takes() {
    let world = World::start().await;
    let routes: [(&str, &[&str]); 8] = [
        ("/v1/payments", &["GET", "HEAD", "POST"]),
        ("/v1/payments/pay_1", &["GET", "HEAD"]),
        ("/v1/payments/pay_1/capture", &["POST"]),
        ("/v1/payments/pay_1/void", &["POST"]),
        ("/v1/payments/pay_1/timeline", &["GET", "HEAD"]),
        ("/return/x", &["GET", "HEAD"]),
        ("/webhooks/providers/stripe", &["POST"]),
        ("/health/live", &["GET", "HEAD"]),
    ];
    for (path, taken) in routes {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"] {
            if taken.contains(&method) {
                continue;
            }
            let answer = world.send(Request::new(method, path).with("x-api-key", &world.api_key)).await;
            let answer = answer.expect_problem(405, "method_not_allowed", &format!("{method} {path}"));
            let mut allow: Vec<_> = answer.header("allow").unwrap_or_default().split(',').map(str::trim).collect();
            allow.sort_unstable();
            assert_eq!(allow, taken, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn a_path_that_leads_nowhere_is_not_found() {
    let world = World::start().await;
    let paths = [
        "/v1",
        "/v1/",
        "/v1/payments/",
        "/v1//payments",
        "/V1/payments",
        "/v2/payments",
        "/v1/payments/pay_1/",
        "/v1/payments/pay_1/captures",
        "/v1/payments/pay_1/capture/x",
        "/return",
        "/return/",
        "/webhooks",
        "/webhooks/providers",
        "/health",
        "/health/",
        "/metrics/x",
        "/problems/not_found",
        "/.env",
        "/%2e%2e/v1/payments",
        "/v1/payments%2f",
        "/v1/%70ayments/x/y/z",
    ];
    for path in paths {
        for method in ["GET", "POST"] {
            let answer = world.send(Request::new(method, path).with("x-api-key", &world.api_key)).await;
            answer.expect_problem(404, "not_found", &format!("{method} {path}"));
        }
    }
}

#[tokio::test]
async fn what_is_no_id_of_ours_names_no_payment() {
    let world = World::start().await;
    let payment = world.payment("pm_card_visa", "AUTHORIZED").await;
    let id = payment["id"].as_str().unwrap();
    let random = &id["pay_".len()..];
    let ids = [
        "pay_",
        "pay_1",
        "1",
        "null",
        random,
        &id.to_uppercase(),
        &format!("{id}0"),
        &id[..id.len() - 1],
        &format!("ref_{random}"),
        &format!("evt_{random}"),
        &format!("pay_{}", "z".repeat(26)),
        &format!("pay-{random}"),
        "..",
        "%2e%2e",
        "%00",
        &format!("{id}%00"),
        &format!("{id}%20"),
        &format!("%20{id}"),
        "%F0%9F%92%B8",
        "'%20OR%201=1--",
        "%3Cscript%3E",
        "*",
        &format!("pay_{}", "0".repeat(5000)),
    ];
    for wrong in ids {
        let answers = [
            world.send(world.get(&format!("/v1/payments/{wrong}"))).await,
            world.send(world.get(&format!("/v1/payments/{wrong}/timeline"))).await,
            world.send(world.post_nothing(&format!("/v1/payments/{wrong}/capture"))).await,
            world.send(world.post_nothing(&format!("/v1/payments/{wrong}/void"))).await,
        ];
        for answer in answers {
            answer.expect_problem(404, "not_found", wrong);
        }
    }
    assert_eq!(world.look_at(id).await["version"], payment["version"]);
}

#[tokio::test]
async fn every_call_that_moves_money_needs_one_good_idempotency_key() {
    let world = World::start().await;
    let payment = world.payment("pm_card_visa", "AUTHORIZED").await;
    let id = payment["id"].as_str().unwrap();
    let calls = [
        world.post("/v1/payments", &order(1000, "pm_card_visa")),
        world.post_nothing(&format!("/v1/payments/{id}/capture")),
        world.post_nothing(&format!("/v1/payments/{id}/void")),
    ];
    for call in calls {
        let answer = world.send(call.clone().without("idempotency-key")).await;
        answer.expect_problem(400, "idempotency_key_missing", "no key");
        let too_long = "k".repeat(256);
        for key in [b"".as_slice(), b"   ", too_long.as_bytes(), "clé".as_bytes(), b"a\tb", b"\xff\xfe"] {
            let answer = world.send(call.clone().with("idempotency-key", key)).await;
            answer.expect_problem(400, "invalid_request", &format!("the key {key:?}"));
        }
        for second in ["one", "two"] {
            let answer = world.send(call.clone().with("idempotency-key", "one").and("Idempotency-Key", second)).await;
            answer.expect_problem(400, "invalid_request", "two keys");
        }
    }
    assert_eq!(world.count().await, 1);
    assert_eq!(world.look_at(id).await["version"], payment["version"]);
}

#[tokio::test]
async fn without_a_valid_api_key_nothing_is_said_of_anything() {
    let world = World::start().await;
    let payment = world.payment("pm_card_visa", "AUTHORIZED").await;
    let id = payment["id"].as_str().unwrap();
    let calls = [
        world.post("/v1/payments", &order(1000, "pm_card_visa")),
        world.post_bytes("/v1/payments", b"not even JSON"),
        world.get("/v1/payments"),
        world.get("/v1/payments?limit=wrong"),
        world.get(&format!("/v1/payments/{id}")),
        world.get("/v1/payments/pay_1"),
        world.get(&format!("/v1/payments/{id}/timeline")),
        world.post_nothing(&format!("/v1/payments/{id}/capture")),
        world.post_nothing(&format!("/v1/payments/{id}/void")),
    ];
    let (longer, shorter) = (format!("{}0", world.api_key), &world.api_key[..world.api_key.len() - 1]);
    let (upper, very_long) = (world.api_key.to_uppercase(), "tgk_".repeat(2000));
    let quoted = format!("\"{}\"", world.api_key);
    let wrong = ["", "tgk_", &longer, shorter, &upper, &very_long, &quoted, "null", "cl\u{e9}", "mer_1", "' OR 1=1--"];
    for call in calls {
        let bare = call.clone().without("x-api-key");
        let mut answers = vec![
            world.send(bare.clone()).await,
            world.send(bare.with("authorization", format!("Bearer {}", world.api_key))).await,
            world.send(call.clone().and("X-API-Key", &world.api_key)).await,
            world.send(call.clone().and("X-API-Key", &world.other_api_key)).await,
        ];
        for key in wrong {
            answers.push(world.send(call.clone().with("x-api-key", key)).await);
        }
        for answer in answers {
            answer.expect_problem(401, "unauthenticated", "no valid key");
        }
    }
    assert_eq!(world.count().await, 1);
}

#[tokio::test]
async fn what_is_no_http_is_refused_and_harms_nobody() {
    let world = World::start().await;
    let body = order(1000, "pm_card_visa").to_string();
    let head = format!(
        "POST /v1/payments HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-api-key: {}\r\nidempotency-key: raw\r\n\
         content-type: application/json\r\n",
        world.api_key
    );
    let length = body.len();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("noise", b"\x00\x01\x02\x03\xff\xfe\r\n\r\n".to_vec()),
        ("a TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec()),
        ("no version", b"GET /v1/payments\r\n\r\n".to_vec()),
        ("an unknown version", b"GET /v1/payments HTTP/9.9\r\n\r\n".to_vec()),
        ("a space in a header's name", b"GET / HTTP/1.1\r\nhost : x\r\n\r\n".to_vec()),
        ("a header without a colon", b"GET / HTTP/1.1\r\nhost\r\n\r\n".to_vec()),
        ("a DEL in a header", b"GET / HTTP/1.1\r\nhost: x\r\nx-api-key: a\x7fb\r\n\r\n".to_vec()),
        ("a NUL in a header", b"GET / HTTP/1.1\r\nhost: x\r\nx-api-key: a\0b\r\n\r\n".to_vec()),
        ("a path of a megabyte", format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "x".repeat(1 << 20)).into_bytes()),
        ("headers of a megabyte", format!("GET / HTTP/1.1\r\na: {}\r\n\r\n", "x".repeat(1 << 20)).into_bytes()),
        ("ten thousand headers", format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(10_000)).into_bytes()),
        ("a negative length", format!("{head}content-length: -1\r\n\r\n{body}").into_bytes()),
        ("a length that is no number", format!("{head}content-length: many\r\n\r\n{body}").into_bytes()),
        ("a length past all bounds", format!("{head}content-length: 99999999999999999999\r\n\r\n{body}").into_bytes()),
        ("two lengths", format!("{head}content-length: {length}\r\ncontent-length: 1\r\n\r\n{body}").into_bytes()),
        ("an unknown coding", format!("{head}transfer-encoding: gzip\r\n\r\n{body}").into_bytes()),
        (
            "a chunk that lies",
            format!("{head}transfer-encoding: chunked\r\n\r\nzz\r\n{body}\r\n0\r\n\r\n").into_bytes(),
        ),
    ];
    for (what, bytes) in cases {
        if let Some(answer) = exchange(&world.address, &bytes).await {
            assert!((400..500).contains(&answer.status), "{what}: {}", answer.status);
        }
        assert_eq!(world.count().await, 0, "{what}");
    }
    let answer = world.send(world.post_bytes("/v1/payments", body.as_bytes()).with("idempotency-key", "raw")).await;
    assert!(!answer.expect(201).replayed());
}

#[tokio::test]
async fn refusals_never_repeat_what_was_sent() {
    let world = World::start().await;
    let secret = "pm_very_private_token";
    let mut body = order(0, secret);
    body["currency"] = json!(secret);
    body["provider"] = json!(secret);
    body["description"] = json!([secret]);
    let refused: Vec<Answer> = vec![
        world.send(world.post("/v1/payments", &body)).await,
        world.send(world.post_bytes("/v1/payments", secret.as_bytes())).await,
        world.send(world.get(&format!("/v1/payments/{secret}"))).await,
        world.send(world.get(&format!("/v1/payments?status={secret}&limit={secret}&cursor={secret}"))).await,
        world.send(world.get("/v1/payments").with("x-api-key", secret)).await,
        world.send(world.get(&format!("/{secret}"))).await,
    ];
    for answer in refused {
        assert!((400..500).contains(&answer.status) && !answer.text().contains(secret), "{}", answer.text());
    }
}
