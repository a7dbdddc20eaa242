//! What is recognised as a card number, and what is not.

use super::*;
use crate::strict_json::parse;

/// Test numbers that the schemes and providers publish, one or more per brand and length.
const CARDS: &[&str] = &[
    "4242424242424242",
    "4222222222222",
    "4000000000000000006",
    "5555555555554444",
    "5105105105105100",
    "2223003122003222",
    "2720990000000007",
    "378282246310005",
    "341111111111111",
    "6011111111111117",
    "6445644564456445",
    "6510000000000034",
    "30569309025904",
    "36227206271667",
    "38520000023237",
    "3566002020360505",
    "6200000000000005",
    "6205500000000000004",
    "6759649826438453",
    "6304000000000000",
    "5018000000000009",
];

#[test]
fn every_brand_is_recognised() {
    for card in CARDS {
        assert!(is_in(card), "{card}");
    }
}

#[test]
fn a_number_is_found_however_it_is_written() {
    for text in [
        "4242 4242 4242 4242",
        "4242-4242-4242-4242",
        "3782 822463 10005",
        "card 4242424242424242, thanks",
        "(4242424242424242)",
        "card:4242424242424242",
        "7 4242 4242 4242 4242",
        "4242  4242  4242  4242",
        "4242.4242.4242.4242",
        "4242/4242/4242/4242",
        "4242_4242_4242_4242",
        "4242, 4242, 4242, 4242",
        "(4242)4242(4242)4242",
        "4242\n4242\n4242\n4242",
        "3782.822463.10005",
        "4242 4242 4242 4242 12/30",
        "４２４２４２４２４２４２４２４２",
        "٤٢٤٢٤٢٤٢٤٢٤٢٤٢٤٢",
        "4242\u{a0}4242\u{2011}4242\u{2013}4242",
        "4242\u{200b}424242424242",
        "550e8400-e29b-41d4-a716-446655440000 4242424242424242",
    ] {
        assert!(is_in(text), "{text}");
    }
}

#[test]
fn what_is_no_card_number_is_let_through() {
    for text in [
        "",
        "4242424242424241",
        "1234567812345670",
        "42424242",
        "x4242424242424242",
        "4242424242424242x",
        "42424242424242424242424242424242",
        "pm_card_visa",
        "pm_1MqLiJLkdIwHu7ixUEgbFdYp",
        "pay_01JCXZ7Q5W9V2M3N4P5R6S7T8V",
        "550e8400-e29b-41d4-a716-446655440000",
        "41111111-1111-4111-a111-446655440000",
        "42424242-4242-4242-8242-424242424242",
        "2026-11-05T12:34:56.789123456Z",
        "2026-11-05 12:34:56.789123456+09:00",
        "1762345678901234",
        "https://shop.example/orders/2026/11/05?ref=A-4242",
        "+81 90-1234-5678",
        "order 20261105-000123",
        "4242.4242.4242.4241",
        "4242 and 4242 and 4242 and 4242",
        "10.0.4242.4242:4242",
    ] {
        assert!(!is_in(text), "{text}");
    }
}

#[test]
fn uuids_whose_first_groups_look_like_a_card_are_still_uuids() {
    // 8-4-4 digits that would be a card number on their own.
    assert!(is_in("42424242-4242-4242"));
    assert!(!is_in("42424242-4242-4242-abcd-0123456789ab"));
    assert!(!is_in("key=42424242-4242-4242-ABCD-0123456789AB;"));
}

#[test]
fn keys_strings_and_numbers_are_searched_in_unknown_fields_too() {
    let body = br#"{
        "metadata": {"note": "4242 4242 4242 4242"},
        "unknown": [1, {"pan": 4242424242424242}],
        "fraction": 4242424242424242.0,
        "4242424242424242": {"inside": "5555555555554444"}
    }"#;
    let found = find(&parse(body).unwrap());
    assert_eq!(found, ["/****", "/****/inside", "/fraction", "/metadata/note", "/unknown/1/pan"]);
}

#[test]
fn the_refusal_names_the_field_and_never_the_number() {
    let problem = refuse(&parse(br#"{"description": "4242424242424242"}"#).unwrap()).unwrap_err();
    assert_eq!(problem.code, ProblemCode::CardDataNotAccepted);
    assert_eq!(problem.errors[0].pointer, "/description");
    let sent = serde_json::to_string(&problem.body(None)).unwrap();
    assert!(!sent.contains("4242"), "{sent}");
}

#[test]
fn a_text_outside_the_body_is_refused_by_its_name() {
    let problem = refuse_in_text("The query parameter merchant_reference", "4242424242424242").unwrap_err();
    assert!(problem.detail.starts_with("The query parameter merchant_reference holds"), "{}", problem.detail);
    assert!(refuse_in_text("The query parameter merchant_reference", "order-17").is_ok());
}

#[test]
fn a_huge_text_is_searched_in_linear_time() {
    let digits = "4 ".repeat(32 * 1024);
    assert!(!is_in(&digits));
    let many_ids = "550e8400-e29b-41d4-a716-446655440000 ".repeat(1700);
    assert!(!is_in(&many_ids));
}
