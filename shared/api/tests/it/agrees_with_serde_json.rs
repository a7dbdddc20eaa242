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
        (Json::OtherNumber(text), Value::Number(b)) => {
            // serde_json may be off by the last bit.
            let (ours, theirs) = (text.parse::<f64>().unwrap_or(f64::NAN), b.as_f64().unwrap_or(f64::NAN));
            (ours - theirs).abs() <= ours.abs() * 1e-12
        }
        (Json::String(a), Value::String(b)) => a == b,
        (Json::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Json::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => false,
    }
}

/// A document spelled in every way the grammar has: escapes, exponents, white space, duplicate keys.
fn document() -> impl Strategy<Value = String> {
    let number = "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,4})?([eE][+-]?[0-9]{1,2})?";
    let text = r#""([a-zé😀 ]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4}|\\ud83d\\ude0[0-9a-fA-F]){0,6}""#;
    let leaf = prop_oneof!["null|true|false", number, text];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        let members = prop::collection::vec((text, inner.clone()), 0..5);
        prop_oneof![
            prop::collection::vec(inner, 0..5).prop_map(|items| format!("[ {}\n]", items.join(" ,"))),
            members.prop_map(|members| {
                let members: Vec<_> = members.into_iter().map(|(key, value)| format!("{key}\t: {value}")).collect();
                format!("{{{}\r}}", members.join(", "))
            }),
        ]
    })
}

/// Reads `text` both ways. Only what is meant to be stricter may differ: duplicate keys and NULs.
fn check(text: &str) -> Result<(), TestCaseError> {
    match (strict_json::parse(text.as_bytes()), serde_json::from_str::<Value>(text)) {
        (Ok(strict), Ok(other)) => prop_assert!(same(&strict, &other), "{text}"),
        // A number past every float is still a number to us, though never an integer.
        (Ok(_), Err(error)) => prop_assert!(error.to_string().contains("out of range"), "taken by us only: {text}"),
        (Err(problem), Ok(_)) => {
            let meant = ["more than once", "NUL", "deeper than"];
            let stricter = |detail: &str| meant.iter().any(|what| detail.contains(what));
            let by_intent = problem.errors.iter().all(|error| stricter(&error.detail));
            prop_assert!(by_intent, "refused by us only: {text} ({problem:?})");
        }
        (Err(_), Err(_)) => {}
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn on_every_document(text in document()) {
        check(&text)?;
    }

    #[test]
    fn on_documents_with_a_slip(text in document(), at in any::<prop::sample::Index>(), slip in "[\\[\\]{}\",:\\\\eEu0-9+.\\- -]{0,2}") {
        let mut characters: Vec<char> = text.chars().collect();
        let at = at.index(characters.len());
        characters.splice(at..=at, slip.chars());
        check(&characters.into_iter().collect::<String>())?;
    }

    #[test]
    fn on_any_bytes_without_panicking(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        _ = strict_json::parse(&bytes);
    }
}
