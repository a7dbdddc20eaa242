//! How problems look on the wire.

use std::{collections::HashSet, io};

use axum::body::to_bytes;
use serde_json::{Value, json};

use super::*;

/// The answer's status, content type, `Retry-After` and body.
async fn sent(response: Response) -> (u16, String, Option<String>, Value) {
    let header = |name| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let (status, kind, retry) = (response.status().as_u16(), header(header::CONTENT_TYPE), header(header::RETRY_AFTER));
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, kind.unwrap_or_default(), retry, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn a_problem_renders_without_any_layer() {
    let (status, kind, retry, body) =
        sent(Problem::new(ProblemCode::NotFound, "No such payment.").into_response()).await;
    assert_eq!((status, kind.as_str(), retry), (404, CONTENT_TYPE, None));
    let expected = json!({"type": "/problems/not_found", "title": "Not found", "status": 404,
        "detail": "No such payment.", "code": "not_found"});
    assert_eq!(body, expected);
}

#[tokio::test]
async fn the_correlation_id_is_written_in_and_headers_stay() {
    let mut response = Problem::new(ProblemCode::ProviderRefused, "Refused.").into_response();
    response.headers_mut().insert("idempotent-replayed", HeaderValue::from_static("true"));
    Problem::add_correlation_id(&mut response, "abc");
    assert_eq!(response.headers()["idempotent-replayed"], "true");
    assert_eq!(sent(response).await.3["correlation_id"], "abc");
}

#[tokio::test]
async fn an_answer_that_is_no_problem_is_left_alone() {
    let mut response = axum::Json(json!({"id": "pay_1"})).into_response();
    Problem::add_correlation_id(&mut response, "abc");
    assert_eq!(sent(response).await.3, json!({"id": "pay_1"}));
}

#[tokio::test]
async fn waiting_is_rounded_up_to_whole_seconds() {
    for (wait, header) in [(0, "1"), (1, "1"), (1000, "1"), (1001, "2")] {
        let problem = Problem::new(ProblemCode::RateLimited, "Slow down.").retry_after(Duration::from_millis(wait));
        assert_eq!(sent(problem.into_response()).await.2.as_deref(), Some(header), "{wait} ms");
    }
}

#[tokio::test]
async fn a_cause_is_kept_for_the_log_and_never_sent() {
    let problem = Problem::internal(io::Error::other("disk at /dev/sda is gone"));
    assert_eq!(problem.cause().unwrap().to_string(), "disk at /dev/sda is gone");
    let (status, _, _, body) = sent(problem.into_response()).await;
    assert_eq!(status, 500);
    assert!(!body.to_string().contains("disk"), "{body}");
}

#[test]
fn codes_are_unique_and_every_unavailable_says_when_to_come_back() {
    let names: HashSet<_> = ProblemCode::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(names.len(), ProblemCode::ALL.len());
    for &code in ProblemCode::ALL {
        let waits = Problem::new(code, "").retry_after.is_some();
        assert!(waits || !matches!(code.status().as_u16(), 429 | 503), "{code:?}");
    }
}

#[test]
fn wrong_fields_are_told_in_the_detail_too() {
    let error = FieldError { pointer: "/amount".to_owned(), detail: "is required".to_owned() };
    assert_eq!(Problem::invalid_fields(vec![error]).detail, "/amount is required.");
}
