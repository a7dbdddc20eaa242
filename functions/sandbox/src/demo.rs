//! `demo`: a payment's whole life as a merchant sees it over HTTP: created, captured, told of, settled, refunded; and what
//! goes wrong on the way, put right.

use std::io::Write;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::{
    client::Client,
    serve::{ClockMode, Sandbox, ServeOptions},
};

const MINUTE: u64 = 60;
const DAY: u64 = 24 * 60 * MINUTE;
/// How often the inbox is looked at before something is missing: some seconds.
const LOOKS: u32 = 500;

/// Plays the demo. An error: something was not as it should be.
pub async fn run() -> anyhow::Result<()> {
    let options = ServeOptions { port: 0, data: None, providers_url: None, clock: ClockMode::NOON, environment: false };
    let sandbox = Sandbox::start(options).await?;
    let client = Client::connect(sandbox.url(), sandbox.api_key())?;
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = sandbox.serve(async {
        // Told to stop, or nobody is left to tell.
        _ = stopped.await;
    });
    let play = async {
        let result = play(&client).await;
        drop(stop);
        result
    };
    let ((), result) = tokio::join!(serving, play);
    result
}

async fn play(client: &Client) -> anyhow::Result<()> {
    let id = captured(client).await?;
    told(client, &id).await?;
    settled(client, &id).await?;
    refunded(client, &id).await?;
    others(client).await?;
    declined(client).await?;
    lost_answer(client).await?;
    outage(client).await?;
    failed_over(client).await?;
    say("Everything was as it should be.")
}

async fn captured(client: &Client) -> anyhow::Result<String> {
    say("A payment of 1000 yen by card, through Stripe's wire format")?;
    let created = client.create("demo-order-1", 1000, "pm_card_visa").await?;
    show("create", created.status, &created.body)?;
    ensure!(created.status == 201 && created.text("status") == "AUTHORIZED", "expected that the payment is authorized");
    let id = created.text("id").to_owned();

    let again = client.create("demo-order-1", 1000, "pm_card_visa").await?;
    show("the same request again", again.status, &again.body)?;
    ensure!(again.replayed && again.text("id") == id, "expected that the same key gives the same payment");

    let captured = client.capture(&id, "demo-capture-1", None).await?;
    show("capture", captured.status, &captured.body)?;
    ensure!(captured.status == 200 && captured.text("status") == "CAPTURED", "expected that the payment is captured");

    say("  its timeline:")?;
    for entry in client.timeline(&id).await? {
        say(&format!("    {}", timeline_line(&entry)))?;
    }
    let transactions = client.transactions("stripe").await?;
    let ours: Vec<_> = transactions.iter().filter(|transaction| transaction["payment_id"] == id).collect();
    ensure!(ours.len() == 1 && ours[0]["captured"] == 1000, "expected that Stripe's books show one charge of 1000 yen");
    say("  Stripe's own books show one charge of 1000 yen for it.\n")?;
    Ok(id)
}

/// The merchant's endpoint in the sandbox has received what happened, signed.
async fn told(client: &Client, id: &str) -> anyhow::Result<()> {
    say("The merchant is told, by signed webhooks")?;
    // Each says its number within the payment; which arrives first does not matter.
    let mut types = told_of(client, id, 2).await?;
    types.sort();
    ensure!(types == ["payment.authorized", "payment.captured"], "expected to be told of both, once: {types:?}");
    say("")
}

async fn settled(client: &Client, id: &str) -> anyhow::Result<()> {
    say("A day later: at 02:00 in Tokyo what was captured is settled")?;
    client.advance(DAY).await?;
    let payment = client.payment(id).await?;
    ensure!(payment["status"] == "SETTLED", "expected that the payment is settled: {payment}");
    let settlement = payment["settlement_id"].as_str().unwrap_or_default();
    say(&format!("  the payment is {} in {settlement}", payment["status"].as_str().unwrap_or_default()))?;
    let answer = client.get(&format!("/v1/settlements/{settlement}")).await?;
    let totals = &answer.body["totals"][0];
    ensure!(answer.status == 200 && totals["gross"] == 1000, "expected that its totals show it: {}", answer.body);
    say(&format!("  totals: gross {}, fees {}, net {} JPY\n", totals["gross"], totals["fees"], totals["net"]))
}

async fn refunded(client: &Client, id: &str) -> anyhow::Result<()> {
    say("A refund of 400 yen, one of too much, and the rest")?;
    for (key, amount, expected) in
        [("demo-refund-1", Some(400), 201), ("demo-refund-2", Some(700), 422), ("demo-refund-3", None, 201)]
    {
        let refund = client.refund(id, key, amount).await?;
        let word = if expected == 201 { refund.text("status") } else { refund.text("code") };
        say(&format!(
            "  refund of {}: {} {word}",
            amount.map_or("the rest".to_owned(), |yen| yen.to_string()),
            refund.status
        ))?;
        ensure!(refund.status == expected, "expected {expected}: {}", refund.body);
    }
    let payment = client.payment(id).await?;
    ensure!(
        payment["status"] == "REFUNDED" && payment["amount_refunded"] == 1000,
        "expected that all of it went back, and no more: {payment}"
    );
    let types = told_of(client, id, 6).await?;
    ensure!(types.len() == 6, "expected that the merchant was told of all of it: {types:?}");
    say("")
}

async fn others(client: &Client) -> anyhow::Result<()> {
    say("The same through PayPal, and from an account at the bank")?;
    let mut ids = Vec::new();
    for (provider, token) in [("paypal", "vault-ok"), ("bank", "debtor-ok")] {
        let key = format!("demo-{provider}");
        let order = serde_json::json!({"amount": 1000, "currency": "JPY", "payment_method": {provider: token}});
        let created = client.create_as(&key, &order).await?;
        show(provider, created.status, &created.body)?;
        let id = created.text("id").to_owned();
        let captured = client.capture(&id, &key, None).await?;
        ensure!(captured.text("status") == "CAPTURED", "expected that it is captured: {}", captured.body);
        ids.push((provider, key, id));
    }
    client.advance(DAY).await?;
    for (provider, key, id) in ids {
        let refund = client.refund(&id, &key, None).await?;
        ensure!(refund.text("status") == "COMPLETED", "expected that all of it goes back: {}", refund.body);
        let payment = client.payment(&id).await?;
        let books = client.transactions(provider).await?;
        let ours: Vec<_> = books.iter().filter(|transaction| transaction["payment_id"] == id).collect();
        let once = ours.len() == 1 && ours[0]["captured"] == 1000 && ours[0]["refunded"] == 1000;
        ensure!(payment["status"] == "REFUNDED" && once, "expected that its books show it once: {ours:?}");
        say(&format!("  {provider}: captured, settled, refunded; its own books show it once"))?;
    }
    say("")
}

async fn declined(client: &Client) -> anyhow::Result<()> {
    say("A card that is declined")?;
    let declined = client.create("demo-order-2", 1000, "pm_card_visa_chargeDeclined").await?;
    show("create", declined.status, &declined.body)?;
    ensure!(
        declined.status == 201 && declined.text("status") == "FAILED",
        "expected that the payment failed, and says why"
    );
    say(&format!("  because: {}\n", declined.body["failure"]["code"].as_str().unwrap_or_default()))
}

async fn lost_answer(client: &Client) -> anyhow::Result<()> {
    say("Stripe charges, and its answer is lost on the way; so are its webhooks")?;
    client.fault("stripe", &json!({"kind": "drop_webhooks", "times": 2})).await?;
    let fault = json!({"kind": "charge_then_timeout", "times": 1, "ms": 300});
    client.fault("stripe", &fault).await?;
    let unknown = client.create("demo-order-3", 500, "pm_card_visa").await?;
    show("create", unknown.status, &unknown.body)?;
    ensure!(
        unknown.status == 202 && unknown.text("status") == "PENDING",
        "expected that what is not known is not called failed"
    );
    let known = client.create("demo-order-3", 500, "pm_card_visa").await?;
    show("the same request again", known.status, &known.body)?;
    ensure!(known.text("status") == "AUTHORIZED", "expected that a retry finds the charge that was made");
    let transactions = client.transactions("stripe").await?;
    let ours = transactions.iter().filter(|transaction| transaction["payment_id"] == known.body["id"]).count();
    ensure!(ours == 1, "expected that the payer was charged once");
    say("  The payer was charged once.\n")
}

/// Nobody retries: the job finds out.
async fn outage(client: &Client) -> anyhow::Result<()> {
    say("The same, and the merchant never asks again; and then the merchant's server is down")?;
    client.fault("stripe", &json!({"kind": "drop_webhooks", "times": 2})).await?;
    let fault = json!({"kind": "charge_then_timeout", "times": 1, "ms": 300});
    client.fault("stripe", &fault).await?;
    let unknown = client.create("demo-order-4", 700, "pm_card_visa").await?;
    show("create", unknown.status, &unknown.body)?;
    let id = unknown.text("id");
    client.inbox_answers(503, Some(2)).await?;
    client.advance(30 * MINUTE).await?;
    let payment = client.payment(id).await?;
    say(&format!("  half an hour later: {}", payment["status"].as_str().unwrap_or_default()))?;
    ensure!(payment["status"] == "AUTHORIZED", "expected that the job found the charge: {payment}");
    let delivery = client.deliveries(id).await?.into_iter().next().unwrap_or_default();
    let attempts = delivery["attempts"].as_array().map_or(0, Vec::len);
    say(&format!("  its webhook: {} by try {attempts}", delivery["status"].as_str().unwrap_or_default()))?;
    ensure!(delivery["status"] == "DELIVERED" && attempts == 3, "expected that retries reach the merchant: {delivery}");
    say("")
}

/// The merchant has a token at two providers, and leaves the choice to the gateway.
async fn failed_over(client: &Client) -> anyhow::Result<()> {
    say("Stripe cannot be reached at all; the payer has a PayPal account, too")?;
    client.fault("stripe", &json!({"kind": "unreachable"})).await?;
    let method = json!({"stripe": "pm_card_visa", "paypal": "vault-ok"});
    let body = json!({"amount": 1200, "currency": "JPY", "payment_method": method});
    let created = client.create_as("demo-order-5", &body).await?;
    show("create", created.status, &created.body)?;
    ensure!(
        created.text("status") == "AUTHORIZED" && created.text("provider") == "paypal",
        "expected that PayPal takes it: {}",
        created.body
    );
    for entry in client.timeline(created.text("id")).await? {
        let detail = entry["detail"].as_str().map(|detail| format!(": {detail}")).unwrap_or_default();
        say(&format!("    {}{detail}", timeline_line(&entry)))?;
    }
    client.clear_faults("stripe").await?;
    let captured = client.capture(created.text("id"), "demo-capture-5", None).await?;
    ensure!(captured.text("status") == "CAPTURED", "expected that it is captured there: {}", captured.body);
    let count_at = async |provider: &str| {
        let books = client.transactions(provider).await?;
        anyhow::Ok(books.iter().filter(|row| row["payment_id"] == created.body["id"]).count())
    };
    let charges = (count_at("stripe").await?, count_at("paypal").await?);
    ensure!(charges == (0, 1), "expected one charge, at PayPal: {charges:?}");
    say("  The payer was charged once, through PayPal.\n")
}

/// Waits until the merchant's endpoint has received so much of a payment, and says what it was.
async fn told_of(client: &Client, id: &str, events: usize) -> anyhow::Result<Vec<String>> {
    let mut types = Vec::new();
    for _ in 0..LOOKS {
        types.clear();
        for hook in client.inbox().await? {
            ensure!(hook["verified"] == true, "expected that every webhook is signed: {hook}");
            let body: Value = serde_json::from_str(hook["body"].as_str().unwrap_or_default())?;
            if body["data"]["id"] == id || body["data"]["payment_id"] == id {
                types.push(body["type"].as_str().unwrap_or_default().to_owned());
            }
        }
        if types.len() >= events {
            break;
        }
        client.pause().await;
    }
    for event in &types {
        say(&format!("  told: {event}"))?;
    }
    Ok(types)
}

fn show(what: &str, status: u16, body: &Value) -> anyhow::Result<()> {
    let text = |field: &str| body[field].as_str().unwrap_or_default();
    say(&format!("  {what}: {status} {} {}", text("status"), text("id")))
}

/// One line of a timeline, for people.
pub(crate) fn timeline_line(entry: &Value) -> String {
    let text = |field: &str| entry[field].as_str().unwrap_or_default();
    match text("type") {
        "change" => {
            let moves: Vec<_> =
                entry["transitions"].as_array().into_iter().flatten().filter_map(|step| step["to"].as_str()).collect();
            let arrow = if moves.is_empty() { String::new() } else { format!(" → {}", moves.join(" → ")) };
            format!("{}{arrow}  ({})", text("what"), entry["cause"]["type"].as_str().unwrap_or_default())
        }
        "provider_call" => format!("called {}: {} {}", text("provider"), text("call"), text("outcome")),
        _ => {
            let news = if entry["effect"] == true { "" } else { ", nothing new" };
            format!("event from {}: {}{news}", text("provider"), text("event_type"))
        }
    }
}

pub(crate) fn say(line: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{line}").context("there is nobody to tell")
}
