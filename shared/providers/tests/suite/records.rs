//! Stripe's own records, seen from the gateway's port: what is asked, what is made of every kind of line, and what is not believed.

use std::time::Duration;

use serde_json::{Value, json};
use tollgate_domain::{Movement, OperationKind, ProviderRecord, RecordState, RefundId};
use tollgate_gateway::ports::{
    Provider as _,
    provider_records::{RecordPage, Records, RecordsAsk},
};

use crate::world::{INTENT, NOW_S, REFUND, World, error, list, money, now, ok, status, with};

/// What comes of asking for the hour before now, behind `cursor`.
async fn asked(world: &World, cursor: Option<&str>) -> Records {
    let ask = RecordsAsk { from: now() - Duration::from_secs(3600), until: now(), cursor, timeout: world.timeout };
    let stripe = world.stripe();
    stripe.records().unwrap().records_of(ask).await.answer
}

async fn page(body: &Value) -> Result<RecordPage, String> {
    let world = World::new(OperationKind::Refund, vec![ok(body)]);
    match asked(&world, None).await {
        Records::Page(page) => Ok(page),
        Records::Failed { reason } => Err(reason),
        Records::TooMany => Err("too many".to_owned()),
    }
}

/// The capture of 10.00 USD as Stripe's balance shows it.
fn charge() -> Value {
    let world = World::new(OperationKind::Refund, vec![]);
    json!({
        "id": "txn_1", "object": "balance_transaction", "type": "charge", "amount": 1000, "currency": "usd",
        "created": NOW_S - 60, "fee": 36, "net": 964, "exchange_rate": null, "status": "pending",
        "source": {
            "id": "ch_1", "object": "charge", "amount": 1500, "amount_captured": 1000, "currency": "usd",
            "payment_intent": INTENT, "metadata": {"tollgate_payment_id": world.payment.id.to_string()},
        },
    })
}

fn refund() -> Value {
    let world = World::new(OperationKind::Refund, vec![]);
    let refund = RefundId::from_random([5; 16]);
    let marks = json!({"tollgate_payment_id": world.payment.id.to_string(), "tollgate_refund_id": refund.to_string()});
    let source = json!({
        "id": REFUND, "object": "refund", "amount": 400, "currency": "usd", "payment_intent": INTENT, "metadata": marks,
    });
    json!({
        "id": "txn_2", "object": "balance_transaction", "type": "refund", "amount": -400, "currency": "usd",
        "created": NOW_S - 30, "fee": 0, "net": -400, "exchange_rate": null, "status": "pending", "source": source,
    })
}

fn expected() -> ProviderRecord {
    let world = World::new(OperationKind::Refund, vec![]);
    ProviderRecord {
        id: "txn_1".to_owned(),
        movement: Movement::Capture,
        payment: Some(world.payment.id),
        refund: None,
        transaction: Some(INTENT.to_owned()),
        amount: Some(money(1000, "USD")),
        currency: "USD".parse().ok(),
        state: RecordState::Completed,
        at: now() - Duration::from_secs(60),
    }
}

#[tokio::test]
async fn a_period_is_asked_for_page_by_page_with_what_each_came_from() {
    let world = World::new(OperationKind::Refund, vec![ok(&list(&[charge()], true)), ok(&list(&[refund()], false))]);
    let Records::Page(first) = asked(&world, None).await else { panic!("a page") };
    assert_eq!((first.records, first.next.as_deref()), (vec![expected()], Some("txn_1")));
    let Records::Page(second) = asked(&world, first.next.as_deref()).await else { panic!("a page") };
    let back = &second.records[0];
    assert_eq!((back.movement, back.amount, second.next.as_deref()), (Movement::Refund, Some(money(400, "USD")), None));
    assert_eq!(back.refund, Some(RefundId::from_random([5; 16])));
    let asked: Vec<_> = world.asked().into_iter().map(|(line, _)| line).collect();
    let start = format!("GET /v1/balance_transactions?created%5Bgte%5D={}&created%5Blt%5D={NOW_S}", NOW_S - 3600);
    assert_eq!(asked[0], format!("{start}&expand%5B0%5D=data.source&limit=50"));
    assert_eq!(asked[1], format!("{start}&expand%5B0%5D=data.source&limit=50&starting_after=txn_1"));
}

#[tokio::test]
async fn fees_payouts_and_disputes_are_counted_and_left_out() {
    let of = |kind: &str| with(charge(), "/type", kind.into());
    let body = list(&[of("payout"), of("stripe_fee"), of("adjustment"), of("something_new"), charge()], false);
    let page = page(&body).await.unwrap();
    assert_eq!((page.others, page.records), (4, vec![expected()]));
}

#[tokio::test]
async fn amounts_are_those_that_moved_and_one_that_cannot_be_is_none() {
    let exchanged = with(with(charge(), "/amount", 152_000.into()), "/currency", "jpy".into());
    let exchanged = with(exchanged, "/exchange_rate", json!(152.0));
    let krona = with(with(charge(), "/amount", 50_000.into()), "/currency", "isk".into());
    let yen = |amount: i64| with(with(charge(), "/amount", amount.into()), "/currency", "jpy".into());
    for (line, amount, currency) in [
        (exchanged, Some(money(1000, "USD")), "USD"),
        // Stripe writes crowns with two decimals that they do not have: 500 ISK, not 50,000.
        (krona.clone(), Some(money(500, "ISK")), "ISK"),
        (with(krona, "/amount", 50_050.into()), None, "ISK"),
        (yen(1000), Some(money(1000, "JPY")), "JPY"),
        (yen(-1000), None, "JPY"),
        (yen(i64::MAX), None, "JPY"),
    ] {
        let page = page(&list(&[line], false)).await.unwrap();
        assert_eq!((page.records[0].amount, page.records[0].currency), (amount, currency.parse().ok()), "{currency}");
    }
    let unknown = page(&list(&[with(charge(), "/currency", "zzz".into())], false)).await.unwrap();
    assert_eq!((unknown.records[0].amount, unknown.records[0].currency), (None, None));
}

#[tokio::test]
async fn what_carries_no_id_of_ours_has_none() {
    for mark in [json!({}), json!({"tollgate_payment_id": "pay_x"}), json!({"tollgate_payment_id": ""}), Value::Null] {
        let page = page(&list(&[with(charge(), "/source/metadata", mark)], false)).await.unwrap();
        assert_eq!(page.records[0].payment, None);
    }
    let bare = page(&list(&[with(charge(), "/source", "ch_1".into())], false)).await.unwrap();
    assert_eq!((bare.records[0].payment, bare.records[0].transaction.as_deref()), (None, None));
    let odd = page(&list(&[with(charge(), "/source/payment_intent", "../v1".into())], false)).await.unwrap();
    assert_eq!(odd.records[0].transaction, None);
}

#[tokio::test]
async fn an_answer_that_is_not_what_was_asked_for_is_none() {
    for body in [
        list(&[with(charge(), "/created", (NOW_S - 3601).into())], false),
        list(&[with(charge(), "/created", NOW_S.into())], false),
        list(&[with(charge(), "/created", i64::MAX.into())], false),
        list(&[with(charge(), "/object", "charge".into())], false),
        list(&[with(charge(), "/id", "txn_../x".into())], false),
        list(&[], true),
        with(list(&[charge()], false), "/object", "charge".into()),
        json!({"object": "list", "data": {}, "has_more": false}),
        json!([]),
    ] {
        assert!(page(&body).await.is_err(), "{body}");
    }
}

#[tokio::test]
async fn a_list_that_turns_in_a_circle_is_not_followed() {
    let world = World::new(OperationKind::Refund, vec![ok(&list(&[charge()], true))]);
    let Records::Failed { reason } = asked(&world, Some("txn_1")).await else { panic!("no page") };
    assert!(reason.contains("does not go on"), "{reason}");
    let world = World::new(OperationKind::Refund, vec![]);
    assert!(matches!(asked(&world, Some("txn_1&limit=1")).await, Records::Failed { .. }), "nothing is sent");
}

#[tokio::test]
async fn an_error_is_no_page_and_its_words_are_not_repeated() {
    for scripted in [
        status(403, &error("invalid_request_error", "no_such")),
        status(500, &json!({})),
        status(429, &error("x", "y")),
    ] {
        let world = World::new(OperationKind::Refund, vec![scripted]);
        let Records::Failed { reason } = asked(&world, None).await else { panic!("no page") };
        assert!(!reason.contains("4242"), "{reason}");
    }
}
