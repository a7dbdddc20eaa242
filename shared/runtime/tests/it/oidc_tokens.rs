//! Who may call internal routes: every way in which a token can be wrong.

use std::sync::Arc;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tollgate_providers::{HttpSettings, ReqwestClient};
use tollgate_runtime::{InternalCallers, System, Variables, metrics};

use crate::oidc_support::{
    AUDIENCE, Function, GOOGLES, NEXT, REMOVED, bearer, claims, claims_with, head, token, unsigned,
};

/// Claims that are not enough, whoever has checked the signature.
fn wrong_claims() -> Vec<(Value, &'static str)> {
    let now = claims()["iat"].as_i64().unwrap();
    vec![
        (claims_with("aud", "https://elsewhere.example.com"), "audience"),
        (claims_with("aud", format!("{AUDIENCE}/")), "audience"),
        (claims_with("aud", json!([AUDIENCE])), "malformed"),
        (claims_with("aud", Value::Null), "malformed"),
        (claims_with("email", "stranger@shop.iam.gserviceaccount.com"), "account"),
        (claims_with("email", "SCHEDULER@shop.iam.gserviceaccount.com"), "account"),
        (claims_with("email", Value::Null), "account_unverified"),
        (claims_with("email_verified", false), "account_unverified"),
        (claims_with("email_verified", Value::Null), "account_unverified"),
        (claims_with("email_verified", "true"), "malformed"),
        (claims_with("iss", "https://accounts.example.com"), "issuer"),
        (claims_with("iss", "https://accounts.google.com/"), "issuer"),
        (claims_with("iss", "http://accounts.google.com"), "issuer"),
        (claims_with("exp", now - 30), "expired"),
        (claims_with("exp", Value::Null), "malformed"),
        (claims_with("exp", "never"), "malformed"),
        (claims_with("iat", now + 31), "not_yet_valid"),
        (claims_with("iat", Value::Null), "malformed"),
        (claims_with("nbf", now + 31), "not_yet_valid"),
        (json!("claims"), "malformed"),
    ]
}

fn good_claims() -> Vec<Value> {
    let now = claims()["iat"].as_i64().unwrap();
    vec![
        claims(),
        claims_with("aud", "https://other.example.com"),
        claims_with("iss", "accounts.google.com"),
        claims_with("email", "pubsub@shop.iam.gserviceaccount.com"),
        claims_with("exp", now - 29),
        claims_with("iat", now + 30),
        claims_with("nbf", now),
    ]
}

#[tokio::test]
async fn googles_token_for_us_is_taken() {
    let function = Function::start("verify").await;
    for claims in good_claims() {
        function.takes_it(&bearer(&GOOGLES.sign(&head("k1"), &claims))).await;
    }
    function.takes_it(&bearer(&token()).replace("Bearer", "bearer")).await;
    assert_eq!(function.keys.asked(), 1);
}

#[tokio::test]
async fn a_token_with_wrong_claims_is_refused() {
    let function = Function::start("verify").await;
    for (claims, reason) in wrong_claims() {
        function.refuses(&bearer(&GOOGLES.sign(&head("k1"), &claims)), reason).await;
    }
}

#[tokio::test]
async fn what_is_no_single_token_is_refused() {
    let function = Function::start("verify").await;
    let good = token();
    let two = bearer(&good) + &bearer(&good);
    let long = GOOGLES.sign(&head("k1"), &claims_with("azp", "x".repeat(4000)));
    for (headers, reason) in [
        ("", "missing"),
        ("X-Serverless-Authorization: Bearer x.y.z\r\n", "missing"),
        (&*two, "duplicate"),
        (&*bearer(&long), "oversized"),
        ("Authorization: Bearer\r\n", "malformed"),
        ("Authorization: Basic dXNlcjpwYXNzd29yZA==\r\n", "malformed"),
        ("Authorization: Bearer x.y\r\n", "malformed"),
        ("Authorization: Bearer x.y.z\r\n", "malformed"),
        ("Authorization: Bearer e30.e30.e30\r\n", "malformed"),
        (&*bearer(&format!("{good}.more")), "malformed"),
        (&*bearer(&format!(" {good}")), "malformed"),
        (&*bearer(&format!("{good}=")), "malformed"),
        (&*bearer(&good).replace("Bearer ", "Bearer é"), "malformed"),
    ] {
        function.refuses(headers, reason).await;
    }
}

#[tokio::test]
async fn a_token_that_google_did_not_sign_is_refused() {
    let function = Function::start("verify").await;
    let good = token();
    let (message, signature) = good.rsplit_once('.').unwrap();
    let other_claims = GOOGLES.sign(&head("k1"), &claims_with("sub", "2"));
    let moved = format!("{}.{signature}", other_claims.rsplit_once('.').unwrap().0);
    for (token, reason) in [
        (NEXT.sign(&head("k1"), &claims()), "signature"),
        (moved, "signature"),
        (format!("{message}.AAAA"), "signature"),
        (format!("{message}."), "malformed"),
        (message.to_owned(), "malformed"),
        (format!("{message}.{REMOVED}"), "signature_removed"),
        (NEXT.sign(&head("k2"), &claims()), "unknown_key"),
        (GOOGLES.sign(&json!({ "alg": "RS256" }), &claims()), "malformed"),
        (GOOGLES.sign(&json!({ "alg": "RS256", "kid": "k1", "crit": ["exp"] }), &claims()), "malformed"),
    ] {
        function.refuses(&bearer(&token), reason).await;
    }
}

#[tokio::test]
async fn any_algorithm_but_rs256_is_refused() {
    let function = Function::start("verify").await;
    function.takes_it(&bearer(&token())).await;
    for (algorithm, reason) in [
        ("none", "malformed"),
        ("None", "malformed"),
        ("HS256", "algorithm"),
        ("RS384", "algorithm"),
        ("RS512", "algorithm"),
        ("PS256", "algorithm"),
        ("ES256", "algorithm"),
        ("EdDSA", "algorithm"),
    ] {
        let head = json!({ "alg": algorithm, "typ": "JWT", "kid": "k1" });
        function.refuses(&bearer(&GOOGLES.sign(&head, &claims())), reason).await;
        function.refuses(&bearer(&format!("{}.", unsigned(&head, &claims()))), "malformed").await;
    }
    // The public key is known to everybody: as a secret it proves nothing.
    let message = unsigned(&json!({ "alg": "HS256", "typ": "JWT", "kid": "k1" }), &claims());
    let modulus = BASE64_URL_SAFE_NO_PAD.decode(GOOGLES.shown("k1")["n"].as_str().unwrap()).unwrap();
    for secret in [GOOGLES.public(), modulus, GOOGLES.shown("k1").to_string().into_bytes()] {
        let secret = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &secret);
        let tag = BASE64_URL_SAFE_NO_PAD.encode(ring::hmac::sign(&secret, message.as_bytes()));
        function.refuses(&bearer(&format!("{message}.{tag}")), "algorithm").await;
    }
}

fn removed(claims: &Value) -> String {
    format!("{}.{REMOVED}", unsigned(&head("k1"), claims))
}

#[tokio::test]
async fn behind_cloud_run_claims_are_enough() {
    let function = Function::start("cloud-run-iam").await;
    for claims in good_claims() {
        function.takes_it(&bearer(&removed(&claims))).await;
        function.takes_it(&format!("X-Serverless-{}", bearer(&removed(&claims)))).await;
    }
    for (claims, reason) in wrong_claims() {
        function.refuses(&bearer(&removed(&claims)), reason).await;
    }
    assert_eq!(function.keys.asked(), 0);
}

#[tokio::test]
async fn behind_cloud_run_a_token_that_still_has_a_signature_did_not_come_through_it() {
    let function = Function::start("cloud-run-iam").await;
    let good = removed(&claims());
    let unsigned = unsigned(&json!({ "alg": "none" }), &claims());
    for (token, reason) in [
        (token(), "not_from_platform"),
        (good.to_lowercase(), "not_from_platform"),
        (format!("{good}_"), "not_from_platform"),
        (format!("{unsigned}."), "malformed"),
        (format!("{unsigned}.{REMOVED}"), "malformed"),
    ] {
        function.refuses(&bearer(&token), reason).await;
    }
    function.refuses("", "missing").await;
    function.refuses(&(bearer(&good) + &bearer(&good)), "duplicate").await;
}

#[tokio::test]
async fn behind_cloud_run_the_header_that_it_has_checked_counts_and_not_the_other() {
    let function = Function::start("cloud-run-iam").await;
    let good = removed(&claims());
    let strangers = removed(&claims_with("email", "stranger@elsewhere.iam.gserviceaccount.com"));
    let both = |checked: &str, other: &str| format!("X-Serverless-{}{}", bearer(checked), bearer(other));
    function.refuses(&both(&strangers, &good), "account").await;
    function.takes_it(&both(&good, "the.callers.own")).await;
    let twice = format!("X-Serverless-{}X-Serverless-{}", bearer(&strangers), bearer(&good));
    function.refuses(&twice, "duplicate").await;
}

#[tokio::test]
async fn refusals_are_counted_by_reason() {
    let function = Function::start("verify").await;
    function.refuses("", "missing").await;
    let text = metrics::install().render(&System::real());
    assert!(text.contains("internal_calls_refused_total{reason=\"missing\"} "), "{text}");
}

/// What reading the configuration says.
fn read(values: &[(&str, &str)]) -> Result<String, Vec<String>> {
    let mut vars = Variables::of(values.iter().copied());
    let http = Arc::new(ReqwestClient::new(HttpSettings::default()).unwrap());
    let callers = InternalCallers::read(&mut vars, &System::real(), http);
    vars.finish().map_err(|mistakes| mistakes.0)?;
    Ok(format!("{:?}", callers.unwrap()))
}

#[test]
fn without_a_mode_nobody_may_call() {
    assert_eq!(read(&[]), Ok("Nobody".to_owned()));
    assert_eq!(read(&[("OIDC_AUDIENCE", AUDIENCE), ("OIDC_SERVICE_ACCOUNTS", "a@b")]), Ok("Nobody".to_owned()));
}

#[test]
fn a_configuration_that_lets_nobody_or_anybody_call_is_one_clear_line() {
    let good = [("OIDC_MODE", "verify"), ("OIDC_AUDIENCE", AUDIENCE), ("OIDC_SERVICE_ACCOUNTS", "a@b, c@d")];
    assert_eq!(read(&good), Ok("Google".to_owned()));
    for (name, value, line) in [
        ("OIDC_AUDIENCE", "", "OIDC_MODE is set, so OIDC_AUDIENCE and OIDC_SERVICE_ACCOUNTS must be"),
        ("OIDC_SERVICE_ACCOUNTS", "", "OIDC_MODE is set, so OIDC_AUDIENCE and OIDC_SERVICE_ACCOUNTS must be"),
        ("OIDC_AUDIENCE", "a,,b", "OIDC_AUDIENCE=\"a,,b\" is not valid (has an empty entry)"),
        ("OIDC_SERVICE_ACCOUNTS", "a@b,c", "OIDC_SERVICE_ACCOUNTS=\"a@b,c\" is not valid (must be e-mail addresses)"),
        ("OIDC_MODE", "trust", "OIDC_MODE=\"trust\" is not valid (must be one of verify, cloud-run-iam)"),
        ("OIDC_JWKS_URL", "http://keys.example.com/", "OIDC_JWKS_URL=\"http://keys.example.com/\" is not valid"),
        ("OIDC_JWKS_URL", "http://127.0.0.1.example.com/", "OIDC_JWKS_URL=\"http://127.0.0.1.example.com/\""),
        ("OIDC_JWKS_URL", "http://127.0.0.1@example.com/", "OIDC_JWKS_URL=\"http://127.0.0.1@example.com/\""),
        ("OIDC_JWKS_URL", "/certs", "OIDC_JWKS_URL=\"/certs\" is not valid (must be a whole URL with a host)"),
    ] {
        let mut values = good.to_vec();
        values.retain(|(known, _)| *known != name);
        values.push((name, value));
        let mistakes = read(&values).unwrap_err();
        assert_eq!(mistakes.len(), 1, "{mistakes:?}");
        assert!(mistakes[0].starts_with(line), "{mistakes:?}");
    }
    for url in ["http://localhost:1/certs", "http://[::1]:1/certs", "https://keys.example.com/certs"] {
        assert!(read(&[&good[..], &[("OIDC_JWKS_URL", url)]].concat()).is_ok(), "{url}");
    }
}
