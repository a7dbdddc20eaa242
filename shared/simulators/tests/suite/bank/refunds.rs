//! Refunds: payments from the gateway's own account back to the payer.

use serde_json::{Value, json};

use super::client::{CONSENTS, Client, PAYMENTS, consent, id_of, payment, status};

fn refund(to: &str, amount: &str, payment_id: &str) -> Value {
    let mut asked = consent("tollgate-collections");
    let initiation = &mut asked["Data"]["Initiation"];
    initiation["InstructedAmount"]["Amount"] = amount.into();
    initiation["EndToEndIdentification"] = "ref_1".into();
    initiation["CreditorAccount"]["Identification"] = to.into();
    initiation["SupplementaryData"] = json!({"tollgate_payment_id": payment_id, "tollgate_refund_id": "ref_1"});
    asked
}

fn pay_back(client: &mut Client, asked: &Value) -> Value {
    let id = id_of(&client.post(CONSENTS, asked).made(), "ConsentId");
    client.post(PAYMENTS, &payment(&id, asked)).made()
}

fn refunded(client: &Client) -> Vec<i64> {
    client.simulator.transactions().iter().map(|transaction| transaction.refunded).collect()
}

const PAYMENT: &str = "pay_01JD0000000000000000000001";

#[test]
fn a_refund_is_a_payment_back_and_counts_for_its_payment() {
    let mut client = Client::new();
    client.pay("debtor-ok");
    assert_eq!(status(&pay_back(&mut client, &refund("debtor-ok", "4.00", PAYMENT))), "ACSC");
    assert_eq!(refunded(&client), [400]);
    pay_back(&mut client, &refund("debtor-ok", "6.00", PAYMENT));
    assert_eq!(refunded(&client), [1000]);
    pay_back(&mut client, &refund("debtor-ok", "1.00", "pay_2"));
    assert_eq!(refunded(&client), [1000], "another payment's, of which the bank knows nothing");
}

#[test]
fn refunds_can_be_slow_and_can_come_back() {
    let mut client = Client::new();
    client.pay("debtor-refund-slow");
    let slow = pay_back(&mut client, &refund("debtor-refund-slow", "10.00", PAYMENT));
    assert_eq!((status(&slow).as_str(), refunded(&client)), ("PDNG", vec![0]));
    client.pass(60);
    assert_eq!(client.payment_status(&id_of(&slow, "DomesticPaymentId")), "ACSC");
    assert_eq!(refunded(&client), [1000]);

    let mut client = Client::new();
    client.pay("debtor-refund-rejected");
    let rejected = pay_back(&mut client, &refund("debtor-refund-rejected", "10.00", PAYMENT));
    assert_eq!(status(&rejected), "ACSP");
    client.pass(60);
    assert_eq!(client.payment_status(&id_of(&rejected, "DomesticPaymentId")), "RJCT");
    assert_eq!(refunded(&client), [0]);
}

#[test]
fn a_reversal_of_one_attempt_leaves_the_other_alone() {
    let mut client = Client::new();
    let (first, _) = client.pay("debtor-ok");
    let (second, _) = client.pay("debtor-ok");
    let mut reversal = refund("debtor-ok", "10.00", PAYMENT);
    reversal["Data"]["Initiation"]["SupplementaryData"]["tollgate_consent_id"] = second.as_str().into();
    pay_back(&mut client, &reversal);
    let books = client.simulator.transactions();
    assert_eq!((books[0].provider_transaction_id.as_str(), books[0].refunded), (first.as_str(), 0));
    assert_eq!(books[1].refunded, 1000);
    pay_back(&mut client, &refund("debtor-ok", "10.00", PAYMENT));
    assert_eq!(refunded(&client), [1000, 1000], "what is left of the payment");
}

#[test]
fn a_refund_counts_once_however_many_attempts_were_paid() {
    let mut client = Client::new();
    client.pay("debtor-ok");
    client.pay("debtor-ok");
    pay_back(&mut client, &refund("debtor-ok", "7.00", PAYMENT));
    assert_eq!(refunded(&client), [700, 0]);
    pay_back(&mut client, &refund("debtor-ok", "7.00", PAYMENT));
    assert_eq!(refunded(&client), [1000, 400]);
}
