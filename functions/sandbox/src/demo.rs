//! `demo`: a payment created, authorized and captured, with its timeline, as a merchant would do it over HTTP.

use std::io::Write;

use anyhow::{Context, ensure};
use serde_json::Value;
use tokio::sync::oneshot;

use crate::{
    client::Client,
    serve::{Sandbox, ServeOptions},
};

/// Plays the demo. An error: something was not as it should be.
pub async fn run() -> anyhow::Result<()> {
    let options = ServeOptions { port: 0, data: None, providers_url: None, simulated_clock: true, environment: false };
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
    captured(client).await?;
    declined(client).await?;
    lost_answer(client).await?;
    say("Everything was as it should be.")
}

async fn captured(client: &Client) -> anyhow::Result<()> {
    say("A payment of 1000 yen by card, through Stripe's wire format")?;
    let created = client.create("demo-order-1", 1000, "pm_card_visa").await?;
    show("create", created.status, &created.body)?;
    ensure!(created.status == 201 && created.text("status") == "AUTHORIZED", "expected that the payment is authorized");
    let id = created.text("id");

    let again = client.create("demo-order-1", 1000, "pm_card_visa").await?;
    show("the same request again", again.status, &again.body)?;
    ensure!(again.replayed && again.text("id") == id, "expected that the same key gives the same payment");

    let captured = client.capture(id, "demo-capture-1", None).await?;
    show("capture", captured.status, &captured.body)?;
    ensure!(captured.status == 200 && captured.text("status") == "CAPTURED", "expected that the payment is captured");

    say("  its timeline:")?;
    for entry in client.timeline(id).await? {
        say(&format!("    {}", timeline_line(&entry)))?;
    }
    let transactions = client.transactions("stripe").await?;
    let ours: Vec<_> = transactions.iter().filter(|transaction| transaction["payment_id"] == id).collect();
    ensure!(ours.len() == 1 && ours[0]["captured"] == 1000, "expected that Stripe's books show one charge of 1000 yen");
    say("  Stripe's own books show one charge of 1000 yen for it.\n")
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
    client.fault("stripe", &serde_json::json!({"kind": "drop_webhooks", "times": 2})).await?;
    let fault = serde_json::json!({"kind": "charge_then_timeout", "times": 1, "ms": 300});
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
