//! What merchants may send, and how they are told what is wrong with it.

use tollgate_domain::MerchantId;

use super::*;

const GOOD: &str = r#""amount":1000,"currency":"JPY","payment_method":{"stripe":"pm_card_visa"}"#;

fn refused(body: &str) -> Problem {
    read_create(body.as_bytes()).expect_err(body)
}

fn pointers(problem: &Problem) -> Vec<&str> {
    problem.errors.iter().map(|error| error.pointer.as_str()).collect()
}

#[test]
fn the_least_that_makes_a_payment() {
    let request = read_create(format!("{{{GOOD}}}").as_bytes()).unwrap();
    assert_eq!((request.amount.minor(), request.capture_method), (1000, CaptureMethod::Manual));
    assert_eq!(request.payment_method[&ProviderName::Stripe], "pm_card_visa");
}

#[test]
fn every_wrong_field_is_named_at_once() {
    let problem = refused(r#"{"amount":-1,"currency":"yen","payment_method":{"visa":"x"},"colour":"red"}"#);
    assert_eq!(problem.code, ProblemCode::InvalidRequest);
    let pointers = pointers(&problem);
    for pointer in ["/amount", "/currency", "/payment_method/visa", "/colour"] {
        assert!(pointers.contains(&pointer), "{pointer} in {pointers:?}");
    }
}

#[test]
fn a_mistake_is_told_in_its_own_words() {
    for (body, said) in [
        (r#"{"amount":1,"currency":"EURO","payment_method":{"stripe":"t"}}"#, "three capital letters"),
        (
            r#"{"amount":1,"currency":"EUR","payment_method":{"stripe":"t","visa":"x"}}"#,
            "must be one of stripe, paypal, bank",
        ),
    ] {
        let problem = refused(body);
        assert!(problem.errors[0].detail.contains(said), "{:?}", problem.errors);
    }
}

#[test]
fn amounts_are_whole_and_more_than_nothing_and_fit() {
    for amount in ["0", "-5", "1.5", "1e3", "\"1000\"", "null", "true", "9223372036854775808", "1000000000000"] {
        let body = format!(r#"{{"amount":{amount},"currency":"JPY","payment_method":{{"stripe":"t"}}}}"#);
        assert_eq!(pointers(&refused(&body)), ["/amount"], "{amount}");
    }
}

#[test]
fn a_currency_that_there_is_not_has_a_code_of_its_own() {
    let body = r#"{"amount":1,"currency":"ZZZ","payment_method":{"stripe":"t"}}"#;
    assert_eq!(refused(body).code, ProblemCode::CurrencyNotSupported);
}

#[test]
fn a_chosen_provider_needs_its_token() {
    let problem = refused(&format!(r#"{{{GOOD},"provider":"paypal"}}"#));
    assert_eq!(pointers(&problem), ["/payment_method"]);
}

#[test]
fn a_card_number_in_any_field_is_refused_and_not_repeated() {
    for field in [
        r#""description":"card 4242 4242 4242 4242""#,
        r#""metadata":{"n":"4242424242424242"}"#,
        r#""nobody":{"knows":["5555555555554444"]}"#,
        r#""4242424242424242":1"#,
        r#""merchant_reference":4242424242424242"#,
    ] {
        let problem = refused(&format!("{{{GOOD},{field}}}"));
        assert_eq!(problem.code, ProblemCode::CardDataNotAccepted, "{field}");
        assert!(!format!("{:?}{:?}", problem.detail, problem.errors).contains("4242424242424242"));
    }
}

#[test]
fn a_return_url_is_a_web_address() {
    for url in ["javascript:alert(1)", "/relative", "https://", "ftp://x/y", "not a url"] {
        let problem = refused(&format!(r#"{{{GOOD},"return_url":"{url}"}}"#));
        assert_eq!(pointers(&problem), ["/return_url"], "{url}");
    }
}

#[test]
fn a_capture_may_have_no_body_and_takes_nothing_but_an_amount() {
    assert_eq!(read_capture(b"").unwrap(), None);
    assert_eq!(read_capture(b"{}").unwrap(), None);
    assert_eq!(read_capture(br#"{"amount":5}"#).unwrap(), Some(5));
    assert!(read_capture(br#"{"amount":0}"#).is_err());
    assert!(read_capture(br#"{"sum":5}"#).is_err());
    assert!(read_nothing(br#"{"amount":5}"#).is_err());
}

#[test]
fn a_list_reads_its_query_and_refuses_what_it_does_not_know() {
    let merchant = MerchantId::from_random([1; 16]);
    let list = read_list("status=CAPTURED&limit=5&merchant_reference=order+17%2Fa", merchant).unwrap();
    assert_eq!((list.status, list.limit), (Some(PaymentStatus::Captured), 5));
    assert_eq!(list.merchant_reference.as_deref(), Some("order 17/a"));
    for query in ["status=captured", "limit=0", "limit=101", "limit=x", "cursor=zzz", "page=2", "limit=1&limit=2"] {
        assert_eq!(read_list(query, merchant).expect_err(query).code, ProblemCode::InvalidRequest, "{query}");
    }
}

#[test]
fn a_call_without_parameters_names_each_that_came() {
    assert!(read_no_parameters("").is_ok());
    assert_eq!(pointers(&read_no_parameters("limit=1&expand=refunds").unwrap_err()), ["?limit", "?expand"]);
}
