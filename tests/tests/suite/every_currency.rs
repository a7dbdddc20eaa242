//! Currencies without decimals, with two and with three, through every provider: what its own books show is ours to the minor
//! unit, and what it cannot take is refused before anything is written.

use serde_json::{Value, json};
use tollgate_sandbox::client::{Answer, Client};

use crate::every_provider::{BANK, PAYPAL, STRIPE, Via, stage};

async fn create(client: &Client, via: &Via, key: &str, amount: i64, currency: &str) -> Answer {
    let order = json!({"amount": amount, "currency": currency, "payment_method": {via.name: via.token}});
    client.create_as(key, &order).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn amounts_are_the_providers_own_to_the_minor_unit_from_hold_to_refund() {
    let stage = stage().await;
    let client = stage.client();
    // Stripe takes dinars in tens of the smallest unit.
    let taken: [(&Via, i64, &str); 10] = [
        (&STRIPE, 1001, "JPY"),
        (&STRIPE, 1099, "USD"),
        (&STRIPE, 12_340, "KWD"),
        (&STRIPE, 5_670, "TND"),
        (&PAYPAL, 1001, "JPY"),
        (&PAYPAL, 1099, "USD"),
        (&BANK, 1001, "JPY"),
        (&BANK, 1099, "USD"),
        (&BANK, 12_345, "KWD"),
        (&BANK, 5_678, "TND"),
    ];
    let mut made = Vec::new();
    for (via, amount, currency) in taken {
        let key = format!("{}-{currency}", via.name);
        let payment = create(&client, via, &key, amount, currency).await;
        assert_eq!((payment.status, payment.text("status")), (201, "AUTHORIZED"), "{key}: {}", payment.body);
        let id = payment.text("id").to_owned();
        let captured = client.capture(&id, &key, None).await.unwrap();
        assert_eq!(captured.body["amount_captured"], amount, "{key}: {}", captured.body);
        made.push((via, amount, currency, key, id));
    }
    client.advance(24 * 3600).await.unwrap();
    for (via, amount, currency, key, id) in made {
        // The least that can go back, and then all the rest.
        let least = if via.name == STRIPE.name && ["KWD", "TND"].contains(&currency) { 10 } else { 1 };
        for (part, key) in [(least, format!("{key}-least")), (amount - least, format!("{key}-rest"))] {
            let refund = client.refund(&id, &key, Some(part)).await.unwrap();
            assert_eq!((refund.text("status"), &refund.body["amount"]), ("COMPLETED", &json!(part)), "{key}");
        }
        let books = client.transactions(via.name).await.unwrap();
        let row = books.iter().find(|row| row["payment_id"] == id.as_str()).unwrap();
        let shown = ["amount", "captured", "refunded"].map(|field| row[field].clone());
        assert_eq!(shown, [amount, amount, amount].map(Value::from), "{key}: {row}");
        assert_eq!(row["currency"], currency, "{key}");
    }
    for job in ["provider-truth", "invariants"] {
        let report = client.run_job(job).await.unwrap();
        assert_eq!(report["could_not"], json!({}), "{job}: {report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_provider_cannot_take_is_refused_and_leaves_the_key_unused() {
    let stage = stage().await;
    let client = stage.client();
    for (via, amount, currency, code) in [
        (&PAYPAL, 12_340, "KWD", "currency_not_supported"),
        (&PAYPAL, 5_670, "TND", "currency_not_supported"),
        (&PAYPAL, 150, "HUF", "amount_not_supported"),
        (&STRIPE, 12_345, "KWD", "amount_not_supported"),
        (&STRIPE, 1000, "KPW", "currency_not_supported"),
    ] {
        let refused = create(&client, via, via.name, amount, currency).await;
        assert_eq!((refused.status, refused.text("code")), (422, code), "{} {amount} {currency}", via.name);
    }
    let listed = client.get("/v1/payments").await.unwrap();
    assert_eq!(listed.body["data"], json!([]), "nothing was written");
    for via in [&STRIPE, &PAYPAL, &BANK] {
        assert!(client.transactions(via.name).await.unwrap().is_empty(), "{}", via.name);
        let taken = create(&client, via, via.name, 1000, "JPY").await;
        assert_eq!((taken.status, taken.text("status")), (201, "AUTHORIZED"), "{}: {}", via.name, taken.body);
    }
}
