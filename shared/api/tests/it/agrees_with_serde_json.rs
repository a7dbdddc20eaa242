//! What the strict reader accepts, `serde_json` reads to the same value; what it refuses for its grammar, `serde_json`
//! refuses too.

use proptest::prelude::*;
use serde_json::Value;
use tollgate_api::strict_json::{self, Json};

fn same(strict: &Json, other: &Value) -> bool {
    match (strict, other) {
        (Json::Null, Value::Null) => true,
        (Json::Bool(a), Value::Bool(b)) => a == b,
        (Json::Integer(a), Value::Number(b)) => b.as_i64() == Some(*a) || (*a == 0 && b.as_f64() == Some(0.0)),
        (Json::OtherNumber(text), Value::Number(b)) => text.parse::<f64>().ok() == b.as_f64(),
        (Json::String(a), Value::String(b)) => a == b,
        (Json::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Json::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => false,
    }
}

/// Text made of the pieces that JSON is made of, mostly not JSON.
fn nearly_json() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\"a\"",
        "\"b\":",
        "\\",
        "\\u",
        "\\ud83d\\ude00",
        "\\n",
        "00",
        "1",
        "-",
        ".5",
        "e+2",
        "true",
        "false",
        "null",
        " ",
        "\n",
        "é",
        "😀",
        "\"\\u0041\"",
    ]);
    prop::collection::vec(pieces, 0..12).prop_map(|pieces| pieces.concat())
}

/// A document as some client would write it.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        "[^\0]{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 60, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map("[^\0]{0,8}", inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn on_every_document(document in json()) {
        for text in [document.to_string(), serde_json::to_string_pretty(&document).unwrap()] {
            let strict = strict_json::parse(text.as_bytes());
            prop_assert!(strict.is_ok_and(|strict| same(&strict, &document)), "{text}");
        }
    }

    #[test]
    fn on_nearly_every_text(text in nearly_json()) {
        match (strict_json::parse(text.as_bytes()), serde_json::from_str::<Value>(&text)) {
            (Ok(strict), Ok(other)) => prop_assert!(same(&strict, &other), "{text}"),
            (Ok(_), Err(_)) => prop_assert!(false, "taken by us only: {text}"),
            (Err(problem), Ok(_)) => {
                let ours = problem.errors.iter().all(|error| error.detail.contains("more than once"));
                prop_assert!(ours, "refused by us only: {text}");
            }
            (Err(_), Err(_)) => {}
        }
    }

    #[test]
    fn on_any_bytes_without_panicking(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        _ = strict_json::parse(&bytes);
    }
}
