//! The bodies of `/v1`: create, capture, void, refund, endpoint, redeliver. Input: a body.
//!
//! Holds: what the strict reader takes, a common one takes for the same; amounts are in range; what was read, written and
//! read again is the same; and a refusal is an answer of 400 or 422.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use tollgate_api::{
    Problem,
    requests::{
        CreateRequest, read_capture, read_create, read_nothing, read_redeliver, read_refund, read_webhook_endpoint,
    },
    strict_json::{Json, parse},
};
use tollgate_domain::Money;

pub(crate) fn run(input: &[u8]) {
    strictly(input);
    if let Some(request) = taken(read_create(input)) {
        assert!((1..=Money::MAX_MINOR).contains(&request.amount.minor()));
        assert!(!request.payment_method.is_empty());
        assert!(request.provider.is_none_or(|provider| request.payment_method.contains_key(&provider)));
        let written = written(&request);
        assert_eq!(read_create(written.to_string().as_bytes()).ok(), Some(request), "{written}");
    }
    if let Some(amount) = taken(read_capture(input)) {
        in_range(amount);
        let written = with_amount(amount).to_string();
        assert_eq!(read_capture(written.as_bytes()).ok(), Some(amount), "{written}");
    }
    if let Some((amount, reason)) = taken(read_refund(input)) {
        in_range(amount);
        let mut written = with_amount(amount);
        if let Some(reason) = &reason {
            written["reason"] = json!(reason);
        }
        assert_eq!(read_refund(written.to_string().as_bytes()).ok(), Some((amount, reason)), "{written}");
    }
    if let Some(Some(event)) = taken(read_redeliver(input)) {
        let written = json!({"event_id": event.to_string()}).to_string();
        assert_eq!(read_redeliver(written.as_bytes()).ok(), Some(Some(event)));
    }
    taken(read_webhook_endpoint(input));
    taken(read_nothing(input));
}

/// What was read; a refusal must be one that the contract knows.
fn taken<T>(result: Result<T, Problem>) -> Option<T> {
    result.map_err(|problem| assert!(matches!(problem.code.status().as_u16(), 400 | 422), "{problem:?}")).ok()
}

fn in_range(amount: Option<i64>) {
    assert!(amount.is_none_or(|amount| (1..=Money::MAX_MINOR).contains(&amount)), "{amount:?}");
}

fn with_amount(amount: Option<i64>) -> Value {
    amount.map_or(json!({}), |amount| json!({"amount": amount}))
}

fn written(request: &CreateRequest) -> Value {
    let CreateRequest { amount, payment_method, provider, capture_method, details } = request;
    let tokens: BTreeMap<_, _> = payment_method.iter().map(|(name, token)| (name.as_str(), token)).collect();
    let mut body = json!({
        "amount": amount.minor(), "currency": amount.currency().code(), "payment_method": tokens,
        "capture_method": capture_method.as_str(), "metadata": details.metadata,
    });
    for (name, value) in [
        ("provider", provider.map(|provider| provider.as_str().to_owned())),
        ("merchant_reference", details.merchant_reference.clone()),
        ("description", details.description.clone()),
        ("return_url", details.return_url.clone()),
    ] {
        if let Some(value) = value {
            body[name] = json!(value);
        }
    }
    body
}

/// The strict reader takes less than a common one, and nothing for something else.
fn strictly(input: &[u8]) {
    let Ok(strict) = parse(input) else { return };
    let common: Value = match serde_json::from_slice(input) {
        Ok(common) => common,
        // The strict reader keeps such a number as it was written, and no field of ours takes one.
        Err(error) if error.to_string().starts_with("number out of range") => return,
        Err(error) => panic!("what the strict reader takes is no JSON: {error}"),
    };
    assert!(is_same(&strict, &common), "{strict:?} and {common}");
}

fn is_same(strict: &Json, common: &Value) -> bool {
    match (strict, common) {
        (Json::Null, Value::Null) => true,
        (Json::Bool(one), Value::Bool(other)) => one == other,
        (Json::Integer(one), Value::Number(other)) => {
            other.as_i64() == Some(*one) || other.as_f64() == Some(0.0) && *one == 0
        }
        (Json::OtherNumber(_), Value::Number(other)) => other.as_i64().is_none(),
        (Json::String(one), Value::String(other)) => one == other,
        (Json::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_same(one, other))
        }
        (Json::Object(one), Value::Object(other)) => are_same(one, other),
        _ => false,
    }
}

fn are_same(one: &BTreeMap<String, Json>, other: &Map<String, Value>) -> bool {
    one.len() == other.len()
        && one.iter().all(|(name, value)| other.get(name).is_some_and(|other| is_same(value, other)))
}
