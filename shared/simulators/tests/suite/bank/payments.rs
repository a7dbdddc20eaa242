//! Payments: what becomes of a consent that is used.

use serde_json::json;

use super::client::{CONSENTS, Client, PAYMENTS, consent, id_of, payment, status};

#[test]
fn an_exempt_debtor_pays_at_once_without_a_redirect() {
    let mut client = Client::new();
    let id = client.consent("debtor-ok");
    let made = client.submit("debtor-ok", &id).made();
    assert_eq!(status(&made), "ACSC");
    assert_eq!(client.consent_status(&id), "COND");
    let payment = id_of(&made, "DomesticPaymentId");
    assert_eq!(client.get(&format!("{PAYMENTS}/{payment}")).ok(), made);
    let books = client.simulator.transactions();
    assert_eq!(books.len(), 1);
    assert_eq!((books[0].provider_transaction_id.as_str(), books[0].captured), (id.as_str(), 1000));
    assert_eq!((books[0].status.as_str(), books[0].refunded), ("ACSC", 0));
    assert_eq!(books[0].payment_id.as_deref(), Some("pay_01JD0000000000000000000001"));
    assert_eq!(books[0].provider_request_id.as_deref(), Some("req-1"));
}

#[test]
fn a_consent_pays_once() {
    let mut client = Client::new();
    let (id, _) = client.pay("debtor-ok");
    client.submit("debtor-ok", &id).refused(400, "U009");
    assert_eq!(client.simulator.transactions()[0].captured, 1000);
}

#[test]
fn a_payment_is_exactly_what_was_consented_to() {
    let mut client = Client::new();
    let id = client.consent("debtor-ok");
    for (pointer, value) in [
        ("/Data/Initiation/InstructedAmount/Amount", "9.00"),
        ("/Data/Initiation/InstructedAmount/Amount", "10.0"),
        ("/Data/Initiation/CreditorAccount/Identification", "somebody-else"),
        ("/Risk/PaymentContextCode", "TransferToSelf"),
    ] {
        let mut body = payment(&id, &consent("debtor-ok"));
        *body.pointer_mut(pointer).unwrap() = json!(value);
        let path = client.post(PAYMENTS, &body).refused(400, "U008");
        assert_eq!(path, pointer[1..].replace('/', "."));
    }
    let mut less = payment(&id, &consent("debtor-ok"));
    less["Data"]["Initiation"].as_object_mut().unwrap().remove("SupplementaryData");
    assert_eq!(client.post(PAYMENTS, &less).refused(400, "U008"), "Data.Initiation.SupplementaryData");
    assert_eq!(client.consent_status(&id), "AUTH", "nothing was used up");
    client.submit("debtor-ok", &id).made();
}

#[test]
fn without_funds_the_payment_is_rejected() {
    let mut client = Client::new();
    let id = client.consent("debtor-no-funds");
    let made = client.submit("debtor-no-funds", &id).made();
    assert_eq!(
        (status(&made).as_str(), &made["Data"]["StatusReason"][0]["StatusReasonCode"]),
        ("RJCT", &json!("AM04"))
    );
    assert_eq!(client.consent_status(&id), "COND");
    let books = client.simulator.transactions();
    assert_eq!((books[0].captured, books[0].status.as_str()), (0, "RJCT"));
}

#[test]
fn a_slow_payment_settles_as_time_passes() {
    let mut client = Client::new();
    let (id, payment) = client.pay("debtor-slow");
    let mut seen = vec![client.payment_status(&payment)];
    let start = client.now;
    while let Some(due) = client.simulator.next_due() {
        client.now = due;
        client.simulator.advance(due);
        assert_eq!(client.simulator.transactions()[0].captured != 0, due.duration_since(start).as_secs() == 60);
        seen.push(client.payment_status(&payment));
    }
    assert_eq!(seen, ["RCVD", "PDNG", "ACSP", "ACSC"]);
    assert_eq!(client.now.duration_since(start).as_secs(), 60);
    let shown = client.get(&format!("{PAYMENTS}/{payment}")).ok();
    assert_eq!(shown["Data"]["CreationDateTime"], "2026-11-20T12:00:00+00:00");
    assert_eq!(shown["Data"]["StatusUpdateDateTime"], "2026-11-20T12:01:00+00:00");
    assert_eq!(client.consent_status(&id), "COND");
}

#[test]
fn every_step_of_a_payment_is_in_its_details() {
    let mut client = Client::new();
    let (_, payment) = client.pay("debtor-step-by-step");
    client.pass(6);
    let details = client.get(&format!("{PAYMENTS}/{payment}/payment-details")).ok();
    let steps = details["Data"]["PaymentStatus"].as_array().unwrap();
    let words: Vec<&str> = steps.iter().map(|step| step["Status"].as_str().unwrap()).collect();
    assert_eq!(words, ["PDNG", "ACTC", "ACCP", "ACSP", "ACWP", "ACCC"]);
    assert_eq!(steps[5]["StatusUpdateDateTime"], "2026-11-20T12:00:06+00:00");
    assert_eq!(client.simulator.transactions()[0].captured, 1000);
}

#[test]
fn what_was_taken_can_still_be_rejected() {
    let mut client = Client::new();
    let (_, payment) = client.pay("debtor-late-reject");
    assert_eq!(client.payment_status(&payment), "ACSP");
    client.pass(59);
    assert_eq!(client.payment_status(&payment), "ACSP");
    client.pass(1);
    assert_eq!(client.payment_status(&payment), "RJCT", "even if nobody looked");
    assert_eq!(client.simulator.transactions()[0].captured, 0);
}

#[test]
fn a_blocked_payment_stays_blocked() {
    let mut client = Client::new();
    let (_, payment) = client.pay("debtor-blocked");
    client.pass(24 * 3600);
    assert_eq!(client.payment_status(&payment), "BLCK");
    assert_eq!(client.simulator.next_due(), None);
}

#[test]
fn the_refund_account_is_told_if_it_was_asked_for() {
    let mut client = Client::new();
    for (asked, told) in [(Some("Yes"), true), (Some("No"), false), (None, false)] {
        let mut body = consent("debtor-ok");
        match asked {
            Some(word) => body["Data"]["ReadRefundAccount"] = word.into(),
            None => _ = body["Data"].as_object_mut().unwrap().remove("ReadRefundAccount"),
        }
        let id = id_of(&client.post(CONSENTS, &body).made(), "ConsentId");
        let made = client.post(PAYMENTS, &payment(&id, &body)).made();
        assert_eq!(made["Data"]["Refund"]["Account"]["Identification"] == "debtor-ok", told, "{asked:?}");
        assert_eq!(made["Data"].get("Refund").is_some(), told);
    }
}
