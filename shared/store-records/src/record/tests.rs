//! Rows outlive programs: what earlier ones wrote must still read. Add to these texts; never change them.

use tollgate_domain::{Details, Failure, Operation, OperationKind, OperationState};

use super::Kept;

/// The least that was ever written.
const BARE: &str = r#"{"number":1,"kind":"authorize","provider":"stripe","amount":[1000,"JPY"],
    "request_id":"07070707-0707-4707-8707-070707070707","state":"open","opened_at":1760000000123456}"#;

/// Everything that version 1 of the schema wrote.
const FULL: &str = r#"{"number":2,"kind":"refund","provider":"bank","amount":[1000,"KWD"],
    "request_id":"07070707-0707-4707-8707-070707070707","state":"refused",
    "lease":{"owner":"boot_01010101010101010101010101","call_until":1760000000123456},
    "last_call_until":1760000000123456,"transaction_id":"t","progress":"p",
    "payer":{"url":"https://bank.example","until":1760000000123456},"payment_method":"pm",
    "key":"0101010101010101010101010101010101010101010101010101010101010101",
    "refund":{"id":"ref_01010101010101010101010101","payment_id":"pay_01010101010101010101010101",
        "amount":[7,"KWD"],"reason":"r","status":"FAILED",
        "failure":{"code":"c","message":"m","provider_code":"pc"},"provider_reference":"re",
        "created_at":1,"updated_at":2},
    "failure":{"code":"c","message":"m"},"opened_at":-1,"closed_at":3}"#;

#[test]
fn an_operation_without_any_optional_field_reads() {
    let operation = Operation::from_json(BARE).unwrap();
    assert_eq!((operation.kind, operation.state), (OperationKind::Authorize, OperationState::Open));
    assert_eq!((operation.lease, operation.key, operation.closed_at), (None, None, None));
}

#[test]
fn an_operation_of_schema_1_reads_and_is_written_as_it_was() {
    let operation = Operation::from_json(FULL).unwrap();
    assert_eq!(operation.refund.as_ref().map(|refund| refund.amount.minor()), Some(7));
    let written = operation.to_json().unwrap();
    let compact: String = FULL.lines().map(str::trim_start).collect();
    assert_eq!(written, compact);
}

#[test]
fn a_field_of_a_newer_program_is_passed_over() {
    let newer = BARE.replace("{\"number\"", "{\"colour\":\"blue\",\"number\"");
    assert_eq!(Operation::from_json(&newer).unwrap(), Operation::from_json(BARE).unwrap());
}

#[test]
fn what_is_unreadable_is_an_error() {
    for (from, to) in [
        ("authorize", "divine"),
        ("\"JPY\"", "\"XXX\""),
        ("1000", "-1"),
        ("07070707-0707", "0707070707"),
        ("1760000000123456", "9223372036854775807"),
        ("\"number\":1", "\"number\":-1"),
        (
            "\"state\":\"open\"",
            "\"state\":\"open\",\"key\":\"é00000000000000000000000000000000000000000000000000000000000000\"",
        ),
        ("}", "} x"),
    ] {
        let damaged = BARE.replace(from, to);
        assert_ne!(damaged, BARE);
        assert!(Operation::from_json(&damaged).is_err(), "{damaged}");
    }
}

#[test]
fn nothing_said_is_nothing_kept() {
    assert_eq!(Details::default().to_json().unwrap(), "{}");
    assert_eq!(Details::from_json("{}").unwrap(), Details::default());
    let failure = Failure::new("c", "m");
    assert_eq!(failure.to_json().unwrap(), r#"{"code":"c","message":"m"}"#);
}
