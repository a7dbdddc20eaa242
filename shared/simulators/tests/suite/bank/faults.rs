//! What an armed fault does at the bank, and what it leaves behind.

use tollgate_simulators::{Ending, FaultKind};

use super::client::{CONSENTS, Client, PAYMENTS, consent, id_of, payment, read, status, verified};

#[test]
fn a_declined_payment_is_refused_at_the_consent() {
    let mut client = Client::new();
    client.arm(FaultKind::Decline);
    let made = client.post(CONSENTS, &consent("debtor-ok")).made();
    assert_eq!(status(&made), "RJCT");
    let id = id_of(&made, "ConsentId");
    client.submit("debtor-ok", &id).refused(400, "U009");
    client.get(&format!("{CONSENTS}/{id}/funds-confirmation")).refused(400, "U009");
    client.pay("debtor-ok");
}

#[test]
fn a_decline_between_consent_and_payment_rejects_the_payment_and_spares_refunds() {
    let mut client = Client::new();
    let id = client.consent("debtor-ok");
    client.arm(FaultKind::Decline);
    let (_, back) = client.pay("tollgate-collections");
    assert_eq!(client.payment_status(&back), "ACSC");
    assert_eq!(status(&client.submit("debtor-ok", &id).made()), "RJCT");
}

#[test]
fn a_server_error_leaves_nothing_behind_and_the_key_free() {
    let mut client = Client::new();
    let token = client.client_token();
    client.arm(FaultKind::Error500);
    client.post_as(&token, CONSENTS, "k", &consent("debtor-ok")).refused(500, "U000");
    assert!(client.simulator.transactions().is_empty());
    client.post_as(&token, CONSENTS, "k", &consent("debtor-ok")).made();
}

#[test]
fn a_rate_limit_says_when_to_come_again() {
    let mut client = Client::new();
    client.arm(FaultKind::RateLimit);
    let got = client.post(CONSENTS, &consent("debtor-ok"));
    got.refused(429, "U000");
    assert_eq!(got.headers["retry-after"], "1");
    client.post(CONSENTS, &consent("debtor-ok")).made();
}

#[test]
fn a_lost_answer_leaves_the_payment_under_its_key() {
    let mut client = Client::new();
    let token = client.client_token();
    for (kind, made) in [(FaultKind::Timeout, 0), (FaultKind::ChargeThenTimeout, 1)] {
        client.arm(kind);
        let request = client.request(&token, CONSENTS, "k", &consent("debtor-ok"));
        assert_eq!(client.simulator.handle(client.now, &request).ending, Ending::HungUp);
        assert_eq!(client.simulator.transactions().len(), made);
    }
    let id = id_of(&client.post_as(&token, CONSENTS, "k", &consent("debtor-ok")).made(), "ConsentId");
    client.arm(FaultKind::ChargeThenTimeout);
    let body = payment(&id, &consent("debtor-ok"));
    let request = client.request(&token, PAYMENTS, "p", &body);
    assert_eq!(client.simulator.handle(client.now, &request).ending, Ending::HungUp);
    assert_eq!(client.consent_status(&id), "COND", "it was used, whatever the caller knows");
    assert_eq!(status(&client.post_as(&token, PAYMENTS, "p", &body).made()), "ACSC");
    assert_eq!(client.simulator.transactions().len(), 1);
}

#[test]
fn a_twin_of_a_slow_call_is_told_to_wait() {
    let mut client = Client::new();
    let token = client.client_token();
    let id = client.consent("debtor-ok");
    let body = payment(&id, &consent("debtor-ok"));
    for (path, body, refusal) in [(PAYMENTS, body, (409, "U029")), (CONSENTS, consent("debtor-ok"), (429, "U000"))] {
        client.arm(FaultKind::Slow);
        let request = client.request(&token, path, "k", &body);
        let slow = client.simulator.handle(client.now, &request);
        assert_eq!((slow.ending, slow.after.as_secs()), (Ending::Answered, 2));
        client.call(&request).refused(refusal.0, refusal.1);
        client.simulator.finished(&request);
        assert_eq!(client.call(&request).made(), read(slow).json);
    }
}

#[test]
fn faults_meet_the_api_and_leave_the_tokens_alone() {
    let mut client = Client::new();
    client.arm(FaultKind::Html502);
    client.jwks();
    client.client_token();
    let page = client.post(CONSENTS, &consent("debtor-ok"));
    assert_eq!((page.status, page.headers["content-type"].to_str().unwrap()), (502, "text/html"));
}

#[test]
fn a_wrong_id_is_signed_as_if_it_were_right() {
    let mut client = Client::new();
    let keys = client.jwks();
    let (other, other_payment) = client.pay("debtor-ok");
    client.arm(FaultKind::WrongId);
    let got = client.post(CONSENTS, &consent("debtor-ok"));
    assert_eq!(got.json["Data"]["ConsentId"], other.as_str());
    verified(&keys, got.headers["x-jws-signature"].to_str().unwrap(), Some(&got.text));
    let id = client.consent("debtor-ok");
    client.arm(FaultKind::WrongId);
    let got = client.submit("debtor-ok", &id);
    assert_eq!(got.json["Data"]["DomesticPaymentId"], other_payment.as_str());
    verified(&keys, got.headers["x-jws-signature"].to_str().unwrap(), Some(&got.text));
}

#[test]
fn answers_can_be_garbled_on_the_way() {
    let mut client = Client::new();
    client.arm(FaultKind::MalformedJson);
    let got = client.post(CONSENTS, &consent("debtor-ok"));
    assert_eq!((got.status, got.json.is_null()), (201, true));
    client.arm(FaultKind::TruncatedBody);
    let (token, key) = (client.client_token(), client.new_key());
    let request = client.request(&token, CONSENTS, &key, &consent("debtor-ok"));
    assert_eq!(client.simulator.handle(client.now, &request).ending, Ending::Truncated);
    assert_eq!(client.simulator.transactions().len(), 2);
}
