//! Event notifications: what is told, how it is signed, and in which order.

use serde_json::{Value, json};
use tollgate_simulators::FaultKind;

use super::client::{AUDIENCE, Client, HOST, verified};

const UPDATE: &str = "urn:uk:org:openbanking:events:resource-update";

fn subjects(events: &[Value]) -> Vec<(String, String)> {
    let subject = |event: &Value, name: &str| {
        event["events"][UPDATE]["subject"][format!("http://openbanking.org.uk/{name}")].as_str().unwrap().to_owned()
    };
    events.iter().map(|event| (subject(event, "rty"), subject(event, "rid"))).collect()
}

#[test]
fn an_event_is_a_signed_token_for_its_receiver() {
    let mut client = Client::new().with_endpoint();
    let id = client.consent("debtor-ok");
    let keys = client.jwks();
    let webhook = client.simulator.take_webhook(client.now).unwrap();
    assert_eq!(webhook.headers["content-type"], "application/jwt");
    assert_eq!(webhook.headers["x-fapi-financial-id"], "tollgate-simulated-bank");
    assert!(webhook.headers.contains_key("x-fapi-interaction-id"));
    let (header, claims) = verified(&keys, &webhook.body, None);
    assert_eq!(header["typ"], "JWT");
    let link = format!("{HOST}/open-banking/v4.0/pisp/domestic-payment-consents/{id}");
    assert_eq!((&claims["aud"], &claims["iss"], &claims["sub"]), (&json!(AUDIENCE), &json!(HOST), &json!(link)));
    assert_eq!((&claims["iat"], &claims["toe"]), (&json!(client.now.as_second()), &json!(client.now.as_second())));
    assert_eq!(claims["jti"], webhook.event_id.as_str());
    assert!(claims["txn"].is_string());
    assert_eq!(
        claims["events"],
        json!({UPDATE: {"subject": {
            "subject_type": "http://openbanking.org.uk/rid_http://openbanking.org.uk/rty",
            "http://openbanking.org.uk/rid": id,
            "http://openbanking.org.uk/rty": "domestic-payment-consent",
            "http://openbanking.org.uk/rlk": [{"version": "v4.0", "link": link}],
        }}}),
    );
}

#[test]
fn every_change_of_a_consent_and_its_payment_is_told_in_order() {
    let mut client = Client::new().with_endpoint();
    let (consent, payment) = client.pay("debtor-slow");
    client.pass(60);
    let (of_consent, of_payment) =
        (("domestic-payment-consent".to_owned(), consent), ("domestic-payment".to_owned(), payment));
    let events = client.delivered();
    let expected = [&of_consent, &of_consent, &of_payment, &of_payment, &of_payment].map(Clone::clone);
    assert_eq!(subjects(&events), expected, "AUTH, COND, PDNG, ACSP, ACSC");
    let times: Vec<i64> = events.iter().map(|event| event["toe"].as_i64().unwrap()).collect();
    let start = client.now.as_second() - 60;
    assert_eq!(times, [start, start, start + 5, start + 10, start + 60], "each at its own time");
    client.consent("debtor-needs-consent");
    assert!(client.delivered().is_empty(), "a consent that waits has not changed");
}

#[test]
fn events_can_be_lost_doubled_and_swapped() {
    let count = |kind: FaultKind| {
        let mut client = Client::new().with_endpoint();
        client.arm(kind);
        client.pay("debtor-ok");
        subjects(&client.delivered()).into_iter().map(|(kind, _)| kind).collect::<Vec<_>>()
    };
    let (consent, payment) = ("domestic-payment-consent", "domestic-payment");
    assert_eq!(count(FaultKind::DropWebhooks), [consent, payment]);
    let mut doubled = count(FaultKind::DuplicateWebhooks);
    doubled.sort();
    assert_eq!(doubled, [payment, consent, consent, consent]);
    assert_eq!(count(FaultKind::ReorderWebhooks), [consent, consent, payment]);
}

#[test]
fn a_retry_is_signed_anew_and_is_the_same_event() {
    let mut client = Client::new().with_endpoint();
    client.consent("debtor-ok");
    let keys = client.jwks();
    let first = client.simulator.take_webhook(client.now).unwrap();
    client.simulator.webhook_settled(&first.event_id, false, client.now);
    client.now = client.simulator.next_due().unwrap();
    let second = client.simulator.take_webhook(client.now).unwrap();
    assert_ne!(first.body, second.body);
    assert_eq!(verified(&keys, &first.body, None).1, verified(&keys, &second.body, None).1);
}
