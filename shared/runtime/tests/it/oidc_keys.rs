//! The keys that tokens are checked with: when they are fetched, and what happens when they cannot be.

use std::time::Duration;

use axum::http::StatusCode;
use serde_json::json;

use crate::{
    oidc_support::{Function, GOOGLES, NEXT, bearer, claims_with, head, token},
    support::eventually,
};

const HOUR: i64 = 3600;

/// A good token by the clock of the function, signed by Google's next key.
fn next_token() -> String {
    NEXT.sign(&head("k2"), &claims_with("exp", 2_000_000_000))
}

fn lasting_token() -> String {
    GOOGLES.sign(&head("k1"), &claims_with("exp", 2_000_000_000))
}

#[tokio::test]
async fn a_new_key_is_taken_once_it_is_shown_and_an_old_one_no_more_after_its_time() {
    let function = Function::start("verify").await;
    function.takes_it(&bearer(&lasting_token())).await;
    function.keys.shows(&[GOOGLES.shown("k1"), NEXT.shown("k2")]);
    function.clock.advance(60);
    function.takes_it(&bearer(&next_token())).await;
    function.takes_it(&bearer(&lasting_token())).await;
    assert_eq!(function.keys.asked(), 2);

    function.keys.shows(&[NEXT.shown("k2")]);
    function.clock.advance(HOUR - 1);
    function.takes_it(&bearer(&lasting_token())).await;
    assert_eq!(function.keys.asked(), 2, "the keys were good for an hour");
    function.clock.advance(1);
    function.refuses(&bearer(&lasting_token()), "unknown_key").await;
    function.takes_it(&bearer(&next_token())).await;
    assert_eq!(function.keys.asked(), 3);
}

#[tokio::test]
async fn unknown_keys_cause_one_fetch_a_minute_at_most() {
    let function = Function::start("verify").await;
    for minute in 1..=3 {
        for number in 0..40 {
            function
                .refuses(&bearer(&NEXT.sign(&head(&format!("k{number}-{minute}")), &json!({}))), "unknown_key")
                .await;
        }
        assert_eq!(function.keys.asked(), minute);
        function.takes_it(&bearer(&lasting_token())).await;
        function.clock.advance(60);
    }
}

#[tokio::test]
async fn of_many_requests_at_once_one_fetches() {
    let function = Function::start("verify").await;
    function.keys.takes(Duration::from_millis(200));
    let headers = bearer(&token());
    let calls: Vec<_> = (0..20).map(|_| function.call(&headers)).collect();
    for call in futures::future::join_all(calls).await {
        assert_eq!(call.status, 200);
    }
    assert_eq!(function.keys.asked(), 1);
}

#[tokio::test]
async fn a_caller_that_goes_away_does_not_take_the_fetch_with_it() {
    let function = Function::start("verify").await;
    function.keys.takes(Duration::from_millis(200));
    let mut stream = function.server.connect().await;
    let request = format!("POST /jobs/settlement HTTP/1.1\r\nHost: test\r\n{}\r\n", bearer(&token()));
    tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await.unwrap();
    let system = tollgate_runtime::System::real();
    eventually(&system, "a fetch", || function.keys.asked() == 1).await;
    drop(stream);
    eventually(&system, "a line with 499", || function.captured.text().contains("settlement 499")).await;
    function.takes_it(&bearer(&token())).await;
    assert_eq!(function.keys.asked(), 1);
}

#[tokio::test]
async fn while_the_endpoint_is_away_old_keys_are_used_for_some_hours() {
    let mut function = Function::start("verify").await;
    function.takes_it(&bearer(&lasting_token())).await;
    function.take_keys_away().await;
    function.clock.advance(HOUR);
    function.takes_it(&bearer(&lasting_token())).await;
    function.refuses(&bearer(&next_token()), "unknown_key").await;
    function.clock.advance(6 * HOUR - 2);
    function.takes_it(&bearer(&lasting_token())).await;
    function.clock.advance(2);
    function.refuses(&bearer(&lasting_token()), "keys_unavailable").await;
    function.clock.advance(10);
    function.refuses(&bearer(&lasting_token()), "keys_unavailable").await;
    let lines = function.captured.json_lines();
    let failures: Vec<_> =
        lines.iter().filter(|line| line["message"] == "the keys for ID tokens cannot be fetched").collect();
    assert_eq!(failures.len(), 3, "{}", function.captured.text());
    assert_eq!((&failures[0]["still_usable"], &failures[2]["still_usable"]), (&true.into(), &false.into()));
}

#[tokio::test]
async fn an_endpoint_that_is_away_at_the_start_is_asked_again_soon_and_not_by_every_request() {
    let function = Function::start("verify").await;
    function.keys.answers(StatusCode::SERVICE_UNAVAILABLE, String::new());
    for _ in 0..20 {
        function.refuses(&bearer(&token()), "keys_unavailable").await;
    }
    assert_eq!(function.keys.asked(), 1);
    function.keys.shows(&[GOOGLES.shown("k1")]);
    function.clock.advance(10);
    function.takes_it(&bearer(&token())).await;
    assert_eq!(function.keys.asked(), 2);
}

#[tokio::test]
async fn an_endpoint_that_never_answers_is_given_up() {
    let function = Function::start("verify").await;
    function.keys.takes(Duration::from_secs(3600));
    function.refuses(&bearer(&token()), "keys_unavailable").await;
}

#[tokio::test]
async fn answers_that_are_no_set_of_keys_or_too_large_change_nothing() {
    let function = Function::start("verify").await;
    function.takes_it(&bearer(&lasting_token())).await;
    let many = format!("{{\"keys\":[{}{{}}]}}", "{},".repeat(9_999));
    let mut large = json!({ "keys": [NEXT.shown("k2")] }).to_string();
    large.push_str(&" ".repeat(10 << 20));
    let thousands: Vec<_> = (0..10_000).map(|number| NEXT.shown(&format!("k{number}"))).collect();
    let thousands = json!({ "keys": thousands }).to_string();
    for body in [many, large, thousands, "<html>".to_owned(), "{\"keys\":{}}".to_owned(), "{\"keys\":[]}".to_owned()] {
        function.keys.answers(StatusCode::OK, body);
        function.clock.advance(60);
        let asked = function.keys.asked();
        function.refuses(&bearer(&next_token()), "unknown_key").await;
        assert_eq!(function.keys.asked(), asked + 1);
        function.takes_it(&bearer(&lasting_token())).await;
    }
}
