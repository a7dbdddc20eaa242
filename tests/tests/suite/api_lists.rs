//! `GET /v1/payments`: newest first, page by page, without gaps or repeats.

use std::collections::HashSet;

use futures::future::join_all;
use serde_json::{Value, json};

use super::api_support::{World, order};

async fn page(world: &World, query: &str) -> (Vec<Value>, Option<String>) {
    let list = world.send(world.get(&format!("/v1/payments?{query}"))).await.expect(200).json();
    assert_eq!(list.as_object().unwrap().len(), 2, "a list is data and next_cursor: {list}");
    let next = match &list["next_cursor"] {
        Value::Null => None,
        cursor => Some(cursor.as_str().unwrap().to_owned()),
    };
    (list["data"].as_array().unwrap().clone(), next)
}

fn ids(payments: &[Value]) -> Vec<String> {
    payments.iter().map(|payment| payment["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn payments_are_listed_newest_first_page_by_page() {
    let world = World::start().await;
    assert_eq!(page(&world, "").await, (Vec::new(), None), "nothing yet");
    let mut made = Vec::new();
    for _ in 0..7 {
        world.advance(1).await;
        made.push(world.payment("pm_card_visa", "AUTHORIZED").await["id"].as_str().unwrap().to_owned());
    }
    made.reverse();
    let (all, next) = page(&world, "").await;
    assert_eq!((ids(&all), next), (made.clone(), None));
    for limit in 1..=8 {
        let mut seen = Vec::new();
        let mut query = format!("limit={limit}");
        loop {
            let (payments, next) = page(&world, &query).await;
            assert!(payments.len() <= limit);
            seen.extend(ids(&payments));
            let Some(cursor) = next else { break };
            assert_eq!(payments.len(), limit, "only the last page is short");
            query = format!("limit={limit}&cursor={cursor}");
        }
        assert_eq!(seen, made, "by {limit}");
    }
}

#[tokio::test]
async fn a_listed_payment_is_the_payment() {
    let world = World::start().await;
    let payment = world.payment("pm_card_visa", "AUTHORIZED").await;
    assert_eq!(page(&world, "").await.0, [payment]);
}

#[tokio::test]
async fn paging_neither_skips_nor_repeats_while_payments_are_being_made() {
    let world = World::start_in_real_time().await;
    let create =
        || async { world.send(world.post("/v1/payments", &order(100, "pm_card_visa"))).await.expect(201).json() };
    let first: HashSet<String> = ids(&join_all((0..30).map(|_| create())).await).into_iter().collect();
    assert_eq!(first.len(), 30);
    let walk = async {
        let mut seen = Vec::new();
        let mut query = "limit=4".to_owned();
        loop {
            let (payments, next) = page(&world, &query).await;
            seen.extend(payments);
            let Some(cursor) = next else { return seen };
            query = format!("limit=4&cursor={cursor}");
        }
    };
    let (seen, more) = tokio::join!(walk, join_all((0..30).map(|_| create())));
    let unique: HashSet<String> = ids(&seen).into_iter().collect();
    assert_eq!(unique.len(), seen.len(), "nothing comes twice");
    assert!(first.is_subset(&unique), "nothing that was there is left out");
    let times: Vec<_> = seen
        .iter()
        .map(|payment| payment["created_at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap())
        .collect();
    assert!(times.is_sorted_by(|a, b| a >= b), "newest first");
    assert_eq!(more.len(), 30);
    assert_eq!(page(&world, "limit=100").await.0.len(), 60);
}

#[tokio::test]
async fn a_list_is_narrowed_by_reference_and_status() {
    let world = World::start().await;
    let cards = [
        ("pm_card_visa", "AUTHORIZED"),
        ("pm_card_visa_chargeDeclined", "FAILED"),
        ("pm_card_threeDSecure2Required", "PENDING"),
    ];
    let references = ["a", "注文 #1", "100%_&=+?", "A"];
    for reference in references {
        for (card, _) in cards {
            world.advance(1).await;
            let mut body = order(1000, card);
            body["merchant_reference"] = json!(reference);
            let answer = world.send(world.post("/v1/payments", &body)).await;
            assert!([201, 202].contains(&answer.status));
        }
    }
    world.payment("pm_card_visa", "AUTHORIZED").await;
    let encode = |value: &str| serde_urlencoded::to_string([("merchant_reference", value)]).unwrap();
    for reference in references {
        let (found, next) = page(&world, &encode(reference)).await;
        assert_eq!(next, None);
        let statuses: Vec<_> = found.iter().map(|payment| payment["status"].as_str().unwrap()).collect();
        assert_eq!(statuses, ["PENDING", "FAILED", "AUTHORIZED"], "{reference}, newest first");
        assert!(found.iter().all(|payment| payment["merchant_reference"] == reference));
        for (_, status) in cards {
            let (found, _) = page(&world, &format!("{}&status={status}", encode(reference))).await;
            assert_eq!(found.len(), 1, "{reference} {status}");
            assert_eq!(found[0]["status"], status);
        }
    }
    let (failed, cursor) = page(&world, "status=FAILED&limit=3").await;
    let (rest, end) = page(&world, &format!("status=FAILED&limit=3&cursor={}", cursor.unwrap())).await;
    assert_eq!((failed.len(), rest.len(), end), (3, 1, None), "a filter holds on every page");
    for (query, count) in [("status=AUTHORIZED", 5), ("status=SETTLED", 0), (&encode("%"), 0), (&encode("a "), 0)] {
        assert_eq!(page(&world, query).await.0.len(), count, "{query}");
    }
}

#[tokio::test]
async fn a_query_that_makes_no_sense_is_refused_with_the_parameter_named() {
    let world = World::start().await;
    world.payment("pm_card_visa", "AUTHORIZED").await;
    let long = "A".repeat(5000);
    let cases = [
        ("limit=0", "?limit"),
        ("limit=101", "?limit"),
        ("limit=-1", "?limit"),
        ("limit=", "?limit"),
        ("limit=ten", "?limit"),
        ("limit=1.5", "?limit"),
        ("limit=1e1", "?limit"),
        ("limit=99999999999999999999", "?limit"),
        ("limit=%201", "?limit"),
        ("merchant_reference=", "?merchant_reference"),
        (&format!("merchant_reference={}", "x".repeat(256)), "?merchant_reference"),
        ("merchant_reference=a%00b", "?merchant_reference"),
        ("status=authorized", "?status"),
        ("status=", "?status"),
        ("status=AUTHORIZED,FAILED", "?status"),
        ("cursor=", "?cursor"),
        ("cursor=x", "?cursor"),
        ("cursor=%00", "?cursor"),
        ("cursor=AAAA", "?cursor"),
        (&format!("cursor={long}"), "?cursor"),
        ("cursor=pay_1", "?cursor"),
        ("limit=1&limit=1", "?limit"),
        ("status=FAILED&status=FAILED", "?status"),
        ("page=2", "?page"),
        ("Limit=1", "?Limit"),
        ("=", "?"),
    ];
    for (query, pointer) in cases {
        let answer = world.send(world.get(&format!("/v1/payments?{query}"))).await;
        let answer = answer.expect_problem(400, "invalid_request", query);
        assert_eq!(answer.pointers(), [pointer], "{query}");
    }
    for query in ["limit=1", "limit=100", "&", "limit=5&"] {
        assert_eq!(page(&world, query).await.0.len(), 1, "{query}");
    }
}

#[tokio::test]
async fn a_parameter_of_a_call_that_takes_none_is_refused_and_nothing_is_done() {
    let world = World::start().await;
    let id = world.payment("pm_card_visa", "AUTHORIZED").await["id"].as_str().unwrap().to_owned();
    let calls = [
        world.get(&format!("/v1/payments/{id}?expand=refunds")),
        world.get(&format!("/v1/payments/{id}/timeline?expand=1")),
        world.get(&format!("/v1/payments/{id}/refunds?expand=1")),
        world.get(&format!("/v1/webhooks/{id}/status?expand=1")),
        world.post(&format!("/v1/payments/{id}/capture?expand=1"), &json!({"amount": 1})),
        world.post_nothing(&format!("/v1/payments/{id}/void?expand=1")),
        world.post("/v1/payments?expand=1", &order(1000, "pm_card_visa")),
    ];
    for call in calls {
        let what = call.path.clone();
        let answer = world.send(call).await.expect_problem(400, "invalid_request", &what);
        assert_eq!(answer.pointers(), ["?expand"], "{what}");
    }
    let found = page(&world, "").await.0;
    assert_eq!((found.len(), &found[0]["status"]), (1, &json!("AUTHORIZED")));
    world.send(world.get(&format!("/v1/payments/{id}?"))).await.expect(200);
}
