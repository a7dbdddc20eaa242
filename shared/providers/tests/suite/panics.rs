//! No bytes make a parser panic, and none but the right ones are adopted.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;
use tollgate_domain::{Answer, OperationKind, Timestamp};
use tollgate_gateway::ports::{EventReader as _, provider::LookUp};
use tollgate_providers::{Secret, StripeEvents};

use crate::world::{World, now, ok, raw};

fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn kinds() -> impl Strategy<Value = OperationKind> {
    prop_oneof![
        Just(OperationKind::Authorize),
        Just(OperationKind::Capture),
        Just(OperationKind::Void),
        Just(OperationKind::Refund),
    ]
}

/// JSON that looks like Stripe's, with anything in any place.
fn anything() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        "[ -~]{0,12}".prop_map(Into::into),
        prop_oneof![Just("payment_intent"), Just("list"), Just("succeeded"), Just("usd"), Just("pi_3Pabc")]
            .prop_map(Into::into),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        let key = prop_oneof![
            Just("id"),
            Just("object"),
            Just("amount"),
            Just("currency"),
            Just("status"),
            Just("metadata"),
            Just("data"),
            Just("has_more"),
            Just("latest_charge"),
            Just("amount_received"),
            Just("error"),
            Just("type"),
            Just("next_action"),
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::btree_map(key.prop_map(str::to_owned), inner, 0..8)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_answer_makes_the_adapter_panic_or_believe(kind in kinds(), status in 200_u16..600, body: Vec<u8>) {
        let response = http::Response::builder().status(status).body(Bytes::from(body)).unwrap();
        let world = World::new(kind, vec![Ok(response)]);
        let answer = run(world.send());
        let unknown = matches!(answer, Answer::Unknown { .. });
        prop_assert!(unknown, "{:?}", answer);
    }

    #[test]
    fn no_json_makes_the_adapter_panic_or_believe(kind in kinds(), body in anything()) {
        let world = World::new(kind, vec![ok(&body)]);
        let answer = run(world.send());
        let unknown = matches!(answer, Answer::Unknown { .. });
        prop_assert!(unknown, "{:?}", answer);
        let found = run(World::new(kind, vec![ok(&body)]).look_up());
        let found = matches!(found, LookUp::Found(_));
        prop_assert!(!found);
    }

    #[test]
    fn no_headers_make_the_adapter_panic(name in "retry-after|request-id|stripe-should-retry|idempotent-replayed", value in "[ -~]{0,40}") {
        let world = World::new(OperationKind::Capture, vec![raw(429, &[(&name, &value)], "{\"error\":{}}")]);
        run(world.send());
    }

    #[test]
    fn no_signature_makes_the_reader_panic(header: Vec<u8>, body: Vec<u8>, seconds in any::<i64>()) {
        let events = StripeEvents::new(vec![Secret::new("whsec_x")]).unwrap();
        let mut headers = HeaderMap::new();
        if let Ok(value) = HeaderValue::from_bytes(&header) {
            headers.append("stripe-signature", value);
        }
        let at = Timestamp::from_second(seconds).unwrap_or(now());
        prop_assert!(run(events.read(&headers, &Bytes::from(body), at)).is_err());
    }
}
