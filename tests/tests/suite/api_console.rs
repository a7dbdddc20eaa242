//! The console, over HTTP and without a browser (`scripts/try-console` has one): its pages and forms, that nobody else's page may use them,
//! and that nothing in them runs.

use serde_json::json;

use super::api_support::{Answer, Request, World, exchange, order};

/// What a merchant may write, and no page may take for markup.
const HOSTILE: &str = "</title><script>alert(1)</script>\"'><img src=x onerror=alert(2)>";

const PAGES: [&str; 6] = [
    "/console",
    "/console/deliveries",
    "/console/traffic",
    "/console/settlements",
    "/console/exceptions",
    "/console/switches",
];

/// As a browser on this machine asks for a page.
fn look(path: &str) -> Request {
    Request::new("GET", path).with("accept", "text/html,application/xhtml+xml,*/*;q=0.8")
}

/// As a browser sends a form of the console's own page.
fn form(world: &World, path: &str, fields: &str) -> Request {
    Request::new("POST", path)
        .with("host", &world.address)
        .with("origin", format!("http://{}", world.address))
        .with("content-type", "application/x-www-form-urlencoded")
        .body(fields.as_bytes())
}

/// Sends a form, and follows to the page that it leads back to. Answers its path, and the page.
async fn send(world: &World, path: &str, fields: &str) -> (String, String) {
    let answer = world.send(form(world, path, fields)).await.expect(303);
    let to = answer.header("location").unwrap().to_owned();
    let page = world.send(look(&to)).await.expect(200).text();
    (to.split('?').next().unwrap().to_owned(), page)
}

fn shop(page: &str) -> &str {
    let from = page.find("name=\"merchant\"><option value=\"mer_").expect("merchants to choose from");
    let id = &page[from + "name=\"merchant\"><option value=\"".len()..];
    &id[..id.find('"').unwrap()]
}

/// A payment taken in the console, of this payer.
async fn take(world: &World, payer: &str) -> (String, String) {
    let page = world.send(look("/console")).await.expect(200).text();
    let fields = format!("merchant={}&payer={payer}&amount=1000&currency=JPY&key=k-{payer}", shop(&page));
    send(world, "/console/payments", &fields).await
}

fn guarded(answer: &Answer, what: &str) {
    let policy = answer.header("content-security-policy").unwrap_or_else(|| panic!("{what}: no policy"));
    let parts: Vec<_> = policy.split(';').map(str::trim).collect();
    for part in [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ] {
        assert!(parts.contains(&part), "{what}: no {part} in {policy}");
    }
    assert!(!policy.contains("unsafe"), "{what}: {policy}");
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{what}");
}

#[tokio::test]
async fn every_page_stands_behind_a_strict_policy_and_has_nothing_inline() {
    let world = World::start().await;
    let payment = world.payment("pm_card_visa", "AUTHORIZED").await;
    let of_payment = format!("/console/payments/{}", payment["id"].as_str().unwrap());
    for path in PAGES.into_iter().chain([of_payment.as_str()]) {
        let answer = world.send(look(path)).await.expect(200);
        guarded(&answer, path);
        let page = answer.text();
        let scripts = page.matches("<script").count();
        assert_eq!(scripts, 1, "{path}: its own script, by address");
        assert!(page.contains("<script defer src=\"/console/console.js\"></script>"), "{path}");
        for inline in ["<style", " style=", " onclick=", " onload=", " onerror=", "javascript:", "http://", "https://"]
        {
            let found = page.replace("http://www.w3.org/2000/svg", "").contains(inline);
            assert!(!found, "{path}: {inline}");
        }
        for landmark in ["<html lang=\"en\"", "<main id=\"main\"", "<nav aria-label", "<h1>", "aria-live=\"polite\""] {
            assert!(page.contains(landmark), "{path}: no {landmark}");
        }
    }
    for (path, media_type) in [
        ("/console/console.js", "text/javascript"),
        ("/console/console.css", "text/css"),
        ("/console/icon.svg", "image/svg+xml"),
    ] {
        let answer = world.send(look(path)).await.expect(200);
        assert!(answer.header("content-type").unwrap().starts_with(media_type), "{path}");
        guarded(&answer, path);
    }
}

#[tokio::test]
async fn what_merchants_say_is_text_on_every_page() {
    let world = World::start().await;
    let mut body = order(1000, "pm_card_visa");
    (body["merchant_reference"], body["description"]) = (json!(HOSTILE), json!(HOSTILE));
    let payment = world.send(world.post("/v1/payments", &body)).await.expect(201).json();
    let of_payment = format!("/console/payments/{}", payment["id"].as_str().unwrap());
    let searched =
        "/console?q=%3C%2Ftitle%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E%22%27%3E%3Cimg%20src%3Dx%20onerror%3Dalert(2)%3E";
    let (_, told) =
        send(&world, "/console/switches/fault", "provider=%3Cscript%3Ealert(3)%3C/script%3E&kind=%3Cimg%3E").await;
    assert!(told.contains("There is no such simulated provider."));
    for path in PAGES.into_iter().chain([of_payment.as_str(), searched, "/console/payments/%3Cscript%3Ealert(1)"]) {
        let page = world.send_page(look(path)).await.text();
        assert!(!page.contains("<script>alert") && !page.contains("<img"), "{path}: {page}");
    }
    for path in [of_payment.as_str(), searched, "/console", "/console/deliveries"] {
        let page = world.send(look(path)).await.expect(200).text();
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{path}");
    }
}

#[tokio::test]
async fn nobody_elses_page_can_do_anything_with_the_console() {
    let world = World::start().await;
    let payment = world.payment("pm_card_visa", "AUTHORIZED").await;
    let id = payment["id"].as_str().unwrap();
    let own = format!("http://{}", world.address);
    let host = world.address.as_str();
    let port = host.rsplit(':').next().unwrap();
    let calls = [
        ("/console/payments".to_owned(), "payer=card-ok&amount=1000&currency=JPY&key=k1"),
        (format!("/console/payments/{id}/void"), "key=k2"),
        (format!("/console/payments/{id}/redeliver"), ""),
        ("/console/switches/clock".to_owned(), "seconds=3600"),
        ("/console/switches/fault".to_owned(), "provider=stripe&kind=decline"),
        ("/console/switches/job".to_owned(), "job=settlement"),
    ];
    for (path, fields) in &calls {
        let own_form = form(&world, path, fields);
        for (what, foreign) in [
            ("from a page of another site", own_form.clone().with("origin", "http://shop.example")),
            ("from a page of this machine's other port", own_form.clone().with("origin", "http://127.0.0.1:1")),
            ("from a page that does not say whose it is", own_form.clone().with("origin", "null")),
            ("from nobody's page", own_form.clone().without("origin")),
            (
                "from a page whose name leads here",
                own_form
                    .clone()
                    .with("origin", format!("http://rebound.example:{port}"))
                    .with("host", format!("rebound.example:{port}")),
            ),
            ("twice from two pages", own_form.clone().and("origin", "http://shop.example")),
        ] {
            let answer = world.send(foreign).await;
            answer.expect_problem(403, "forbidden", &format!("{path} {what}"));
        }
    }
    for shown in ["/docs", "/docs/openapi.json", "/console", "/sandbox/inbox"] {
        let rebound = world.get(shown).with("host", format!("rebound.example:{port}"));
        world.send(rebound).await.expect_problem(403, "forbidden", "a name that leads here reads nothing");
        for name in ["127.0.0.1", "localhost", "shop.localhost", "tollgate"] {
            world.send(world.get(shown).with("host", format!("{name}:{port}"))).await.expect(200);
        }
    }
    assert_eq!(world.look_at(id).await["status"], "AUTHORIZED");
    assert_eq!(world.count().await, 1);
    let armed = world.send(world.get("/sandbox/providers/stripe/faults")).await.expect(200).json();
    assert_eq!(armed, json!([]));
    // The very same from our own page does it.
    assert!(world.send(form(&world, &calls[1].0, calls[1].1)).await.expect(303).header("location").is_some(), "{own}");
    assert_eq!(world.look_at(id).await["status"], "VOIDED");
}

#[tokio::test]
async fn a_page_from_elsewhere_turns_none_of_the_sandboxs_switches_and_a_program_does() {
    let world = World::start().await;
    let fault = json!({"kind": "decline"});
    for (path, body) in [
        ("/sandbox/providers/stripe/faults", &fault),
        ("/sandbox/fail-points", &json!({"point": "after_call"})),
        ("/sandbox/jobs/settlement", &json!({})),
        ("/sandbox/clock", &json!({"advance_seconds": 60})),
        ("/sandbox/weights", &json!({})),
    ] {
        let foreign = world.post(path, body).with("origin", "http://shop.example");
        world.send(foreign).await.expect_problem(403, "forbidden", path);
    }
    let armed = async || world.send(world.get("/sandbox/providers/stripe/faults")).await.expect(200).json();
    assert_eq!(armed().await, json!([]));
    world.send(world.post("/sandbox/providers/stripe/faults", &fault)).await.expect(200);
    assert_eq!(armed().await.as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_payment_is_taken_once_however_often_its_form_is_sent() {
    let world = World::start().await;
    let (path, page) = take(&world, "card-ok").await;
    assert!(page.contains("The payment is AUTHORIZED."));
    assert_eq!(take(&world, "card-ok").await.0, path);
    assert_eq!((world.count().await, world.transactions().await.len()), (1, 1));
    let (_, page) = send(&world, &format!("{path}/capture"), "key=c1&amount=700").await;
    assert!(page.contains("The payment is CAPTURED.") && page.contains("700 JPY"), "{page}");
    let (_, page) = send(&world, &format!("{path}/refund"), "key=r1").await;
    assert!(page.contains("note failed") && page.contains("settled"), "the gateway's own word: {page}");
    let (_, page) = send(&world, &format!("{path}/capture"), "key=c2&amount=all").await;
    assert!(page.contains("amount must be a whole number."), "{page}");
}

#[tokio::test]
async fn every_payer_that_can_be_chosen_is_one_that_a_provider_knows() {
    let world = World::start().await;
    let page = world.send(look("/console")).await.expect(200).text();
    let from = page.find("name=\"payer\">").expect("payers to choose from");
    let options = &page[from..from + page[from..].find("</select>").unwrap()];
    let payers: Vec<_> =
        options.split("<option value=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(payers.len(), 10);
    for payer in payers {
        let (path, page) = take(&world, payer).await;
        let failed = payer.ends_with("declined") || payer.ends_with("no-funds");
        let waits = ["card-3ds", "paypal-approval", "bank-consent"].contains(&payer);
        let status = if failed {
            "FAILED"
        } else if waits {
            "PENDING"
        } else {
            "AUTHORIZED"
        };
        assert!(page.contains(&format!("The payment is {status}.")), "{payer}: {page}");
        assert!(path.starts_with("/console/payments/pay_"), "{payer}: {path}");
        assert_eq!(page.contains("the payer's page</a>"), waits, "{payer}");
    }
}

#[tokio::test]
async fn pages_of_a_search_show_every_payment_once_newest_first() {
    let world = World::start_in_real_time().await;
    let mut made = Vec::new();
    for index in 0..60 {
        let key = if index % 3 == 0 { &world.other_api_key } else { &world.api_key };
        let request = world.post("/v1/payments", &order(100 + index, "pm_card_visa")).with("x-api-key", key);
        made.push(world.send(request).await.expect(201).json()["id"].as_str().unwrap().to_owned());
    }
    made.reverse();
    let (mut seen, mut path) = (Vec::new(), "/console".to_owned());
    for _ in 0..10 {
        let page = world.send(look(&path)).await.expect(200).text();
        seen.extend(
            page.split("href=\"/console/payments/").skip(1).map(|rest| rest[..rest.find('"').unwrap()].to_owned()),
        );
        let Some(end) = page.find("\" rel=\"next\"") else { break };
        path = page[page[..end].rfind('"').unwrap() + 1..end].replace("&amp;", "&");
    }
    assert_eq!(seen, made);
    let page = world.send(look("/console?status=CAPTURED")).await.expect(200).text();
    assert!(page.contains("No payments match."));
    world.send(Request::new("GET", "/console?status=NEITHER")).await.expect(400);
}

#[tokio::test]
async fn the_timeline_shows_calls_webhooks_postings_and_tries_on_one_axis_and_as_a_table() {
    let world = World::start().await;
    world.fault(&json!({"kind": "drop_webhooks", "times": 9})).await;
    world.fault(&json!({"kind": "charge_then_timeout", "times": 1, "ms": 50})).await;
    let (path, page) = take(&world, "card-ok").await;
    assert!(page.contains("The payment is PENDING.") && page.contains("outcome not known yet"), "{page}");
    let state = world.send(look(&format!("{path}/state"))).await.expect(200).json();
    let (_, page) = send(&world, "/console/switches/inbox", "status=500&times=1").await;
    assert!(page.contains("1 more times."), "{page}");
    let (_, page) = send(&world, "/console/switches/clock", "seconds=600").await;
    assert!(page.contains("The clock stands at 2027-01-15T03:10:00Z"), "{page}");
    send(&world, "/console/switches/clock", "seconds=120").await;
    let page = world.send(look(&path)).await.expect(200).text();
    for label in [
        "payment opened",
        "authorize at stripe",
        "outcome unknown",
        "look up at stripe",
        "2 postings",
        "try 1 of payment.authorized",
        "try 2 of payment.authorized",
    ] {
        assert_eq!(page.matches(label).count(), 2, "{label}: in the picture and in the table: {page}");
    }
    assert!(page.contains("HTTP 500") && page.contains("min later"));
    let later = world.send(look(&format!("{path}/state"))).await.expect(200).json();
    assert_ne!(state["seen"], later["seen"], "a page that was open meanwhile learns that it is out of date");
    let (_, page) = send(&world, &format!("{path}/redeliver"), "").await;
    assert!(page.contains("It is delivered again.") && page.contains("try 3 of payment.authorized"), "{page}");
}

#[tokio::test]
async fn switches_show_how_they_stand() {
    let world = World::start().await;
    let switches = "/console/switches";
    let (_, page) = send(&world, &format!("{switches}/fault"), "provider=bank&kind=slow&times=3&ms=20").await;
    assert!(page.contains("slow, 3 more, 20 ms"), "{page}");
    let (_, page) = send(&world, &format!("{switches}/fault"), "provider=bank&kind=unreachable").await;
    assert!(page.contains("unreachable, until cleared"), "{page}");
    let armed = world.send(world.get("/sandbox/providers/bank/faults")).await.expect(200).json();
    assert_eq!(
        armed,
        json!([{"kind": "slow", "times": 3, "ms": 20}, {"kind": "unreachable", "times": null, "ms": null}])
    );
    let (_, page) = send(&world, &format!("{switches}/clear"), "provider=bank").await;
    assert!(!page.contains("until cleared<") && page.contains("No fault is armed any more."), "{page}");
    let (_, page) = send(&world, &format!("{switches}/provider"), "provider=paypal&state=off").await;
    assert!(page.contains("paypal is off for new payments."), "{page}");
    let (_, page) = send(&world, &format!("{switches}/provider"), "provider=paypal&state=on").await;
    assert!(page.contains("paypal is on.") && !page.contains("off for new payments</span>"), "{page}");
    let (_, page) = send(&world, &format!("{switches}/job"), "job=invariants").await;
    assert!(page.contains("invariants: looked at 0, did nothing."), "{page}");
    for (switch, fields, says) in [
        ("fault", "provider=stripe&kind=fire", "Invalid request"),
        ("fault", "provider=stripe&kind=slow&times=many", "times must be a whole number."),
        ("job", "job=lunch", "There is no such job"),
        ("clock", "seconds=-5", "Invalid request"),
        ("inbox", "status=99", "Invalid request"),
        ("provider", "provider=nobody&state=off", "There is no such provider."),
    ] {
        let (_, page) = send(&world, &format!("{switches}/{switch}"), fields).await;
        assert!(page.contains("note failed") && page.contains(says), "{switch} {fields}: {page}");
    }
    world.send(form(&world, "/console/switches/fuse", "")).await.expect_problem(404, "not_found", "no such switch");
}

#[tokio::test]
async fn settlements_have_totals_for_each_merchant_and_their_lines_as_the_merchant_gets_them() {
    let world = World::start().await;
    let (path, _) = take(&world, "bank-ok").await;
    send(&world, &format!("{path}/capture"), "key=c1").await;
    let (_, page) = send(&world, "/console/switches/clock", "seconds=cutoff").await;
    assert!(page.contains("The clock stands at 2027-01-15T17:05:00Z"), "{page}");
    let page = world.send(look("/console/settlements")).await.expect(200).text();
    assert!(page.contains("2027-01-16") && page.contains("COMPLETED") && page.contains("Sandbox shop"), "{page}");
    let end = page.find(".csv\"").expect("a file");
    let file = &page[page[..end].rfind('"').unwrap() + 1..end + 4];
    let lines = world.send(look(file)).await.expect(200);
    assert_eq!(lines.header("content-type"), Some("text/csv; charset=utf-8; header=present"));
    let settlement = file.split('/').nth(3).unwrap();
    let merchants =
        world.send(world.get(&format!("/v1/settlements/{settlement}")).with("accept", "text/csv")).await.expect(200);
    let payment = path.rsplit('/').next().unwrap();
    assert!(lines.text().contains(payment) && merchants.text().contains(payment), "{}", lines.text());
    let others = file.replace(shop(&world.send(look("/console")).await.text()), "mer_nobody");
    world.send(Request::new("GET", &others)).await.expect_problem(404, "not_found", "nobody's");
    let page = world.send(look("/console/exceptions")).await.expect(200).text();
    assert!(page.contains("None is open."), "{page}");
}

#[tokio::test]
async fn an_open_exception_is_shown_with_what_either_side_says() {
    let world = World::start().await;
    let mut automatic = order(1000, "pm_card_visa");
    automatic["capture_method"] = json!("automatic");
    let payment = world.send(world.post("/v1/payments", &automatic)).await.expect(201).json();
    // Where simulated Stripe is, the page that it has for payers says.
    let waits = world.payment("pm_card_threeDSecure2Required", "PENDING").await;
    let stripe =
        waits["next_action"]["url"].as_str().unwrap().strip_prefix("http://").unwrap().split('/').next().unwrap();
    let by_hand = Request::new("POST", "/stripe/v1/refunds")
        .with("authorization", "Bearer sk_test_by_hand")
        .with("content-type", "application/x-www-form-urlencoded")
        .body(format!("payment_intent={}&amount=100", payment["provider_transaction_id"].as_str().unwrap()).as_bytes());
    exchange(stripe, &by_hand.to_bytes()).await.unwrap().expect(200);
    let (_, page) = send(&world, "/console/switches/clock", "seconds=14400").await;
    assert!(page.contains("The clock stands at"), "{page}");
    let page = world.send(look("/console/exceptions")).await.expect(200).text();
    for says in ["missing here", "100 JPY", "nobody", "stripe"] {
        assert!(page.contains(says), "{says}: {page}");
    }
}

#[tokio::test]
async fn traffic_says_how_many_requests_came_and_how_breakers_stand() {
    let world = World::start().await;
    let before = world.send(look("/console/traffic/now")).await.expect(200).json();
    world.payment("pm_card_visa", "AUTHORIZED").await;
    world.send(world.get("/v1/payments/pay_nothing")).await.expect(404);
    let after = world.send(look("/console/traffic/now")).await.expect(200).json();
    let grew = |class: &str| after["requests"][class].as_u64().unwrap() - before["requests"][class].as_u64().unwrap();
    // (Other tests of this process count along.)
    assert!(grew("2xx") >= 1 && grew("4xx") >= 1, "{before} {after}");
    let latency = after["latency"].as_array().unwrap();
    assert!(latency.len() > 5 && latency.last().unwrap()[0].is_null(), "{after}");
    let standing = after["standing"].as_array().unwrap();
    for key in ["Check/store", "Circuit breaker/stripe", "Provider/paypal", "Messages in queue/payment events"] {
        assert!(standing.iter().any(|of| of["key"] == key && of["tone"] != "failed"), "{key}: {after}");
    }
}

#[tokio::test]
async fn what_goes_wrong_is_a_page_for_people_and_a_problem_for_programs() {
    let world = World::start().await;
    let missing = "/console/payments/pay_nothing";
    let page = world.send_page(look(missing)).await;
    assert_eq!(page.status, 404);
    assert!(
        page.header("content-type").unwrap().starts_with("text/html")
            && page.text().contains("There is no such payment.")
    );
    guarded(&page, missing);
    for nowhere in ["/console/foo", "/console/foo/bar"] {
        let page = world.send_page(look(nowhere)).await;
        assert_eq!(page.status, 404);
        assert!(page.text().contains("There is no such page.") && page.text().contains("All payments"), "{nowhere}");
        guarded(&page, nowhere);
    }
    let only_forms = "/console/payments/foo/bar";
    let page = world.send_page(look(only_forms)).await;
    assert!(
        page.status == 405 && page.text().contains("is no page") && page.text().contains("All payments"),
        "{}",
        page.text()
    );
    guarded(&page, only_forms);
    world.send(Request::new("GET", missing)).await.expect_problem(404, "not_found", "a program");
    world.send(Request::new("DELETE", "/console")).await.expect_problem(
        403,
        "forbidden",
        "a program has no orders to give here, whatever the method",
    );
}
