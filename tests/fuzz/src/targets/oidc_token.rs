//! `/pubsub/*` and `/jobs/*`: Google's ID tokens. Input: the `Authorization` header, with `{token}` for a signed token; a line with the
//! token's head; then its claims.
//!
//! Holds: who is let in has a token that Google's key has signed by RS256, whose claims are ours by a second reading; a token
//! of which one bit was changed lets nobody in; and where Cloud Run checks signatures, one that is still there lets nobody in.

use std::sync::{Arc, LazyLock};

use axum::{Router, body::Body, routing::post};
use http::{HeaderValue, Request, header};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};
use tollgate_runtime::{InternalCallers, System, Variables};
use tower::ServiceExt;

use crate::{
    fakes::{Clock, NOW, Network},
    keys::{THEIRS, signed, unsigned},
    template::{damaged, lines},
};

const AUDIENCE: &str = "https://settlement.example.com";
const ACCOUNT: &str = "pubsub@shop.iam.gserviceaccount.com";
/// What Cloud Run puts in the place of a signature that it has checked.
const REMOVED: &str = "SIGNATURE_REMOVED_BY_GOOGLE";

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Builder::new_current_thread().build().expect("a runtime is made"));
static VERIFYING: LazyLock<Router> = LazyLock::new(|| function("verify"));
static ON_CLOUD_RUN: LazyLock<Router> = LazyLock::new(|| function("cloud-run-iam"));

fn function(mode: &str) -> Router {
    let mut vars =
        Variables::of([("OIDC_MODE", mode), ("OIDC_AUDIENCE", AUDIENCE), ("OIDC_SERVICE_ACCOUNTS", ACCOUNT)]);
    let keys = json!({"keys": [THEIRS.jwk("k1")]}).to_string();
    let network = Network::answering(vec![("/certs", keys)]);
    let system = System { time: Arc::new(Clock), ..System::real() };
    let callers = InternalCallers::read(&mut vars, &system, Arc::new(network)).expect("it is configured");
    callers.guard(Router::new().route("/jobs/settlement", post(async || "done")))
}

fn is_let_in(function: &Router, authorization: &str) -> bool {
    let Ok(value) = HeaderValue::from_str(authorization) else { return false };
    let request = Request::post("/jobs/settlement").header(header::AUTHORIZATION, value).body(Body::empty());
    let answer = RUNTIME.block_on(function.clone().oneshot(request.expect("a request is made")));
    let status = answer.expect("a router always answers").status().as_u16();
    assert!(matches!(status, 200 | 401 | 403), "answered {status}");
    status == 200
}

/// The claims, read a second time.
fn are_ours(claims: &str) -> bool {
    let Ok(claims) = serde_json::from_str::<Value>(claims) else { return false };
    let time = |name: &str| claims[name].as_i64();
    matches!(claims["iss"].as_str(), Some("https://accounts.google.com" | "accounts.google.com"))
        && claims["aud"] == AUDIENCE
        && claims["email"] == ACCOUNT
        && claims["email_verified"] == true
        && time("exp").is_some_and(|exp| exp > NOW - 30)
        && time("iat").is_some_and(|iat| iat <= NOW + 30)
}

fn names_our_key(head: &str) -> bool {
    serde_json::from_str::<Value>(head).is_ok_and(|head| head["alg"] == "RS256" && head["kid"] == "k1")
}

pub(crate) fn run(input: &[u8]) {
    let ([template, head], claims) = lines::<2>(input);
    let claims = std::str::from_utf8(claims).unwrap_or_default().trim_end_matches('\n');
    let message = unsigned(head, claims);
    let is_signed = template.contains("{token}");
    let token = if is_signed { signed(&message, &THEIRS.rs256(message.as_bytes())) } else { String::new() };
    let good = template.replace("{token}", &token);
    if is_let_in(&VERIFYING, &good) {
        assert!(is_signed && names_our_key(head) && are_ours(claims), "let in: {head} {claims}");
        for other in damaged(token.as_bytes()) {
            let other = template.replace("{token}", &String::from_utf8_lossy(&other));
            assert!(!is_let_in(&VERIFYING, &other), "a damaged token was let in: {other}");
        }
    }
    assert!(!is_let_in(&ON_CLOUD_RUN, &good) || good.contains(REMOVED), "let in past the platform's check");
    let removed = template.replace("{token}", &format!("{message}.{REMOVED}"));
    if is_signed && is_let_in(&ON_CLOUD_RUN, &removed) {
        assert!(are_ours(claims), "let in: {claims}");
    }
    assert!(!is_let_in(&VERIFYING, &removed) || !is_signed, "let in without a signature");
}
