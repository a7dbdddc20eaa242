//! Who may call.

use super::account::{Account, Got, token_request};
use http::Request;
use jiff::SignedDuration;

fn ask(account: &mut Account, authorization: &str, grant: &str) -> Got {
    account.call(&token_request(authorization, grant)).into()
}

#[test]
fn any_client_gets_a_token_that_holds_for_nine_hours() {
    let mut account = Account::new();
    let got = ask(&mut account, "Basic Y2xpZW50OnNlY3JldA==", "client_credentials").is(200).json;
    assert_eq!((&got["token_type"], &got["expires_in"]), (&"Bearer".into(), &32_400.into()));
    for name in ["scope", "app_id", "nonce"] {
        assert!(got[name].as_str().is_some_and(|text| !text.is_empty()), "{name}");
    }
    account.ordered("AUTHORIZE", "order-1");
    account.now += SignedDuration::from_secs(32_399);
    account.ordered("AUTHORIZE", "order-2");
    account.now += SignedDuration::from_secs(1);
    let expired = account.get("/v2/checkout/orders/0").is(401);
    assert_eq!(expired.json["error"], "invalid_token");
    account.forget_token();
    account.ordered("AUTHORIZE", "order-3");
}

#[test]
fn without_a_client_or_the_right_grant_there_is_no_token() {
    let mut account = Account::new();
    for authorization in ["Bearer x", "Basic ???", "Basic Og==", ""] {
        assert_eq!(ask(&mut account, authorization, "client_credentials").is(401).json["error"], "invalid_client");
    }
    let other = ask(&mut account, "Basic Y2xpZW50OnNlY3JldA==", "password").is(400);
    assert_eq!(other.json["error"], "unsupported_grant_type");
}

#[test]
fn calls_without_a_token_or_with_a_strange_one_are_refused() {
    let mut account = Account::new();
    let url = "http://paypal.test/paypal/v2/checkout/orders/0";
    let bare: Got = account.call(&Request::get(url).body("".into()).unwrap()).into();
    assert_eq!(bare.is(401).json["name"], "AUTHENTICATION_FAILURE");
    let strange = Request::get(url).header("authorization", "Bearer A21AAstrange").body("".into()).unwrap();
    assert_eq!(Got::from(account.call(&strange)).is(401).json["error"], "invalid_token");
}
