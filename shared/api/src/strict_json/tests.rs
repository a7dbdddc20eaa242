//! What strict reading refuses, and where it says the mistake is.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};

use super::*;

/// The mistakes as `pointer: detail`.
fn mistakes(problem: &Problem) -> Vec<String> {
    assert_eq!(problem.code, ProblemCode::InvalidRequest);
    problem.errors.iter().map(|error| format!("{}: {}", error.pointer, error.detail)).collect()
}

#[track_caller]
fn check_refused(body: &[u8], expected: &str) {
    let found = mistakes(&parse(body).unwrap_err());
    assert_eq!(found, [expected], "{}", String::from_utf8_lossy(body));
}

#[test]
fn every_kind_of_value_is_read() {
    let json = parse(br#" {"a":[null,true,false,-0,17],"b":"\u00e9\ud83d\ude00\n\"","c":{}} "#).unwrap();
    let items = vec![Json::Null, Json::Bool(true), Json::Bool(false), Json::Integer(0), Json::Integer(17)];
    let members = BTreeMap::from([
        ("a".to_owned(), Json::Array(items)),
        ("b".to_owned(), Json::String("é😀\n\"".to_owned())),
        ("c".to_owned(), Json::Object(BTreeMap::new())),
    ]);
    assert_eq!(json, Json::Object(members));
}

#[test]
fn numbers_are_kept_exactly() {
    for (text, number) in [("9223372036854775807", i64::MAX), ("-9223372036854775808", i64::MIN)] {
        assert_eq!(parse(text.as_bytes()).unwrap(), Json::Integer(number));
    }
    for text in ["9223372036854775808", "1.5", "1e3", "9e99", "-1E-2", "100.0"] {
        assert_eq!(parse(text.as_bytes()).unwrap(), Json::OtherNumber(text.to_owned()));
    }
}

#[test]
fn what_breaks_the_grammar_is_named_with_its_place() {
    check_refused(b"", ": is empty; a JSON document is needed (at byte 0)");
    check_refused(b"{} {}", ": has something after the end of the JSON document (at byte 3)");
    check_refused(b"{\"a\": }", "/a: is not valid JSON: a value is expected (at byte 6)");
    check_refused(b"{\"a\": 1,}", ": is not valid JSON: a key in double quotes is expected (at byte 8)");
    check_refused(b"{\"a\": [1 2]}", "/a: is not valid JSON: ',' or ']' is expected (at byte 9)");
    check_refused(b"[\"a", "/0: is not valid JSON: a string is not closed (at byte 3)");
    check_refused(b"[\"\n\"]", "/0: is not valid JSON: a control character in a string must be escaped (at byte 2)");
    check_refused(b"[\"\\x\"]", "/0: is not valid JSON: an unknown escape in a string (at byte 3)");
    check_refused("[\"\\é\"]".as_bytes(), "/0: is not valid JSON: an unknown escape in a string (at byte 3)");
    check_refused(b"[\"\\ud800\"]", "/0: is not valid JSON: half a surrogate pair in a string (at byte 8)");
    check_refused(
        "[\"\\u12é\"]".as_bytes(),
        "/0: is not valid JSON: four hexadecimal digits are expected after \\u (at byte 4)",
    );
    check_refused(b"01", ": is not valid JSON: a number must not start with 0 (at byte 1)");
    check_refused(b"1.", ": is not valid JSON: a digit is expected (at byte 2)");
    check_refused(b"\"\xff\"", ": is not valid UTF-8 at byte 1");
    check_refused(b"\xef\xbb\xbf{}", ": is not valid JSON: a value is expected (at byte 0)");
}

#[test]
fn duplicate_keys_are_all_named() {
    let problem = parse(br#"{"a":1,"a":2,"b":{"c~/":1,"c~\/":1}}"#).unwrap_err();
    let detail = "comes more than once; each key may come once";
    assert_eq!(mistakes(&problem), [format!("/a: {detail}"), format!("/b/c~0~1: {detail}")]);
}

#[test]
fn nul_is_refused_in_keys_and_values() {
    let problem = parse(br#"{"a":"\u0000","b\u0000":1}"#).unwrap_err();
    assert_eq!(mistakes(&problem).len(), 2);
    check_refused(br#"{"a":"x\u0000y"}"#, "/a: must not contain the NUL character");
}

#[test]
fn sixteen_levels_are_the_most() {
    assert!(parse(format!("{}{}", "[".repeat(16), "]".repeat(16)).as_bytes()).is_ok());
    let problem = parse("[".repeat(60_000).as_bytes()).unwrap_err();
    assert!(problem.errors[0].detail.contains("deeper than 16 levels"));
}

#[test]
fn an_answer_stays_small_whatever_came() {
    let duplicates = "\"k\":1,".repeat(9000);
    let problem = parse(format!("{{{duplicates}\"k\":1}}").as_bytes()).unwrap_err();
    assert_eq!(problem.errors.len(), MAX_ERRORS);
    let long_key = format!("{{\"{}\":1}}", "k".repeat(60_000));
    let problem = read_object(long_key.as_bytes()).unwrap().finish().unwrap_err();
    assert!(problem.errors[0].pointer.len() < 100);
}

#[test]
fn all_mistakes_of_a_request_come_at_once() {
    let body = br#"{"amount": 1.5, "currency": 7, "mode": "maybe", "description": "", "extra": 1,
        "metadata": {"a": 1, "b": "too long"}, "inner": {"x": true, "y": 1}}"#;
    let mut fields = read_object(body).unwrap();
    let limits = MapLimits { pairs: 2, key_chars: 10, value_chars: 3 };
    assert_eq!(fields.required_integer("amount", 1..=i64::MAX), Err(Refused));
    assert_eq!(fields.required_string("currency", 3), Err(Refused));
    assert_eq!(fields.optional_one_of("mode", &[("on", 1), ("off", 2)]), Err(Refused));
    assert_eq!(fields.optional_string("description", 10), Err(Refused));
    assert_eq!(fields.optional_string_map("metadata", limits), Err(Refused));
    assert_eq!(fields.required_string("missing", 10), Err(Refused));
    assert_eq!(fields.optional_object("inner", |inner| inner.optional_bool("x")), Err(Refused));
    assert_eq!(
        mistakes(&fields.finish().unwrap_err()),
        [
            "/amount: must be an integer, written without a fraction or an exponent",
            "/currency: must be a string, not a number",
            "/mode: must be one of \"on\", \"off\"",
            "/description: must not be empty",
            "/metadata/a: must be a string, not a number",
            "/metadata/b: must have at most 3 characters",
            "/missing: is required",
            "/inner/y: is not a field of this request",
            "/extra: is not a field of this request",
        ]
    );
}

#[test]
fn a_right_request_gives_its_values() {
    let body = br#"{"amount": 1000, "description": null, "mode": "on", "when": "5",
        "metadata": {"k": ""}, "inner": {"x": true}}"#;
    let mut fields = read_object(body).unwrap();
    let limits = MapLimits { pairs: 1, key_chars: 1, value_chars: 1 };
    assert_eq!(fields.required_integer("amount", 1..=1000), Ok(1000));
    assert_eq!(fields.optional_string("description", 10), Ok(None));
    assert_eq!(fields.required_one_of("mode", &[("on", 1), ("off", 2)]), Ok(1));
    assert_eq!(fields.required_parsed("when", 2, str::parse::<u8>), Ok(5));
    assert_eq!(fields.required_string_map("metadata", limits).map(|map| map.len()), Ok(1));
    assert_eq!(fields.required_object("inner", |inner| inner.optional_bool("x")), Ok(Some(true)));
    assert!(fields.finish().is_ok());
}

#[test]
fn amounts_out_of_range_say_what_would_be_right() {
    for (value, detail) in [("0", "from 1 to 9"), ("99999999999999999999", "from 1 to 9"), ("\"5\"", "not a string")] {
        let mut fields = read_object(format!("{{\"amount\": {value}}}").as_bytes()).unwrap();
        assert_eq!(fields.required_integer("amount", 1..=9), Err(Refused));
        let problem = fields.finish().unwrap_err();
        assert!(problem.errors[0].detail.contains(detail), "{}", problem.errors[0].detail);
    }
}

#[test]
fn a_forgotten_finish_still_refuses_the_request() {
    let mut fields = read_object(b"{}").unwrap();
    let missing = fields.required_string("currency", 3);
    assert_eq!(missing.map_err(Problem::from).unwrap_err().code, ProblemCode::InvalidRequest);
}

#[test]
fn only_calls_that_say_so_take_an_empty_body() {
    assert!(read_object_if_any(b" \n").unwrap().finish().is_ok());
    assert!(read_object(b" ").is_err());
    assert!(read_object_if_any(b"[]").is_err());
}

#[test]
fn a_card_number_is_refused_before_the_fields_are_looked_at() {
    let problem = read_object(br#"{"number": "4242424242424242"}"#).unwrap_err();
    assert_eq!(problem.code, ProblemCode::CardDataNotAccepted);
    let duplicate = parse(br#"{"4242424242424242":1,"4242424242424242":2}"#).unwrap_err();
    assert_eq!(duplicate.errors[0].pointer, "/****");
}

#[test]
fn a_body_must_say_that_it_is_json() {
    let with = |value| HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(value))]);
    assert!(require_json(&with("application/json")).is_ok());
    for media_type in
        ["Application/JSON; charset=utf-8", "application/json;charset=\"UTF-8\"", "application/json; v=1;"]
    {
        assert!(require_json(&with(media_type)).is_ok(), "{media_type}");
    }
    let mut twice = with("application/json");
    twice.append(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    let utf16 = with("application/json; Charset=utf-16");
    for headers in [HeaderMap::new(), with("text/plain"), with("application/jsonp"), twice, utf16] {
        assert_eq!(require_json(&headers).unwrap_err().code, ProblemCode::UnsupportedMediaType);
    }
}
