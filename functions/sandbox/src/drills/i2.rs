//! Finding I2: no way to disable a degraded provider, or to route around it, without deploying code.

use anyhow::ensure;
use serde_json::{Value, json};

use super::{
    Stage,
    story::Story,
    wording::{self, short},
};
use crate::client::{Answer, Client};

const DAY: u64 = 24 * 3600;
const BY: &str = "ann";
const INCIDENT: &str = "incident 4711: Stripe is slow";
const TRIAL: &str = "trial of PayPal";
/// How many payments are shared out, and how many of them PayPal should get.
const SHARED: usize = 60;
const PAYPALS: std::ops::RangeInclusive<usize> = 8..=30;

pub(super) async fn play(story: &Story) -> anyhow::Result<()> {
    let stage = Stage::start(story).await?;
    let client = stage.client()?;
    let before = either(&client, "before").await?;
    told(story, "a payment that may go to Stripe or PayPal", &before)?;
    story.payment(&client, before.text("id")).await?;
    ensure!(before.text("provider") == "stripe", "expected that Stripe is the first: {}", before.body);

    client.switch("stripe", "off", BY, INCIDENT).await?;
    story.tell("operator", format!("{BY} turns Stripe off at run time: \"{INCIDENT}\""))?;
    let away = either(&client, "away").await?;
    told(story, "another that may go to either", &away)?;
    story.payment(&client, away.text("id")).await?;
    let asked = "disable Stripe, route all traffic to PayPal, without a deployment";
    let seen = format!("{} {}", away.text("provider"), away.text("status"));
    story.check_equal(asked, "paypal AUTHORIZED", &seen)?;
    let why = opened(&client, away.text("id")).await?;
    let asked = "and the payment's timeline says by whose word and why";
    story.check(asked, format!("{BY}, {INCIDENT}"), &why, why.contains(BY) && why.contains(INCIDENT))?;

    let only = client.create_as("drill-i2-only", &payment(&json!({"stripe": "pm_card_visa"}))).await?;
    told(story, "one that can go to Stripe only", &only)?;
    let seen = format!("{} {}", only.status, only.text("code"));
    story.check_equal("one that can go nowhere else is refused", "503 provider_unavailable", &seen)?;
    ensure!(only.retry_after.is_some(), "expected to be told when to come again");
    finished(story, &client, &before).await?;

    client.switch("stripe", "on", BY, "Stripe is well again").await?;
    story.tell("operator", format!("{BY} turns Stripe on again"))?;
    let again = client.create_as("drill-i2-only", &payment(&json!({"stripe": "pm_card_visa"}))).await?;
    told(story, "the refused one again, with its key", &again)?;
    story.check_equal("the refusal used no key up: the same request", 201, again.status)?;
    shared_out(story, &client).await?;
    let changes = client.get("/sandbox/providers/stripe/switch").await?.body;
    let changes = changes.as_array().into_iter().flatten().filter_map(|change| change["stands"].as_str());
    let changes = changes.collect::<Vec<_>>().join(", ");
    story.check_equal("every change of a flag is kept, the last first", "on, off", &changes)?;
    let truth = client.run_job("provider-truth").await?;
    story.tell("gateway", format!("job provider-truth: {}", wording::report(&truth)))?;
    ensure!(truth["could_not"] == json!({}), "expected that the books agree: {truth}");
    story.books_add_up(&client).await
}

fn told(story: &Story, what: &str, answer: &Answer) -> anyhow::Result<()> {
    let (status, provider) = (answer.text("status"), answer.text("provider"));
    let told = match answer.text("id") {
        "" => format!("{} {}", answer.status, answer.text("code")),
        id => format!("{} {}  {status} at {provider}", answer.status, short(id)),
    };
    story.tell("merchant", format!("{what}: {told}"))
}

/// By weight, 70 to 30; a request that is sent again goes where it went.
async fn shared_out(story: &Story, client: &Client) -> anyhow::Result<()> {
    client.weigh(&json!({"stripe": 70, "paypal": 30}), BY, TRIAL).await?;
    story.tell("operator", format!("{BY} shares new payments out, Stripe 70, PayPal 30: \"{TRIAL}\""))?;
    let (mut paypals, mut stayed) = (0, 0);
    for number in 0..SHARED {
        let key = format!("shared-{number}");
        let made = either(client, &key).await?;
        let again = either(client, &key).await?;
        stayed += usize::from(again.replayed && again.body["id"] == made.body["id"]);
        paypals += usize::from(made.text("provider") == "paypal");
    }
    story.tell("merchant", format!("{SHARED} payments, each sent twice: {paypals} went to PayPal"))?;
    let (least, most) = (PAYPALS.start(), PAYPALS.end());
    let asked = "A/B testing of routing: payments at PayPal, by a weight of 30 %";
    story.check(asked, format!("{least} to {most} of {SHARED}"), paypals, PAYPALS.contains(&paypals))?;
    story.check_equal("and a payment stays where it went when it is sent again", SHARED, stayed)?;
    let why = opened(client, either(client, "shared-0").await?.text("id")).await?;
    ensure!(why.contains("by weight") && why.contains(TRIAL), "expected that the trial is named: {why}");
    client.weigh(&Value::Null, BY, "the trial is over").await
}

/// A payment from before the switch lives on to its end.
async fn finished(story: &Story, client: &Client, payment: &Answer) -> anyhow::Result<()> {
    let id = payment.text("id");
    let captured = client.capture(id, "drill-i2-capture", None).await?;
    ensure!(captured.text("status") == "CAPTURED", "expected that captures go on: {}", captured.body);
    story.payment(client, id).await?;
    story.later(client, DAY).await?;
    story.payment(client, id).await?;
    let refund = client.refund(id, "drill-i2-refund", None).await?;
    story.payment(client, id).await?;
    let asked = "what Stripe held when it was turned off is captured, settled and refunded there";
    story.check_equal(asked, "COMPLETED", refund.text("status"))?;
    let timeline = client.timeline(id).await?;
    let told = timeline.iter().any(|entry| entry["type"] == "provider_event");
    ensure!(told, "expected that Stripe's webhooks go on");
    Ok(())
}

async fn either(client: &Client, key: &str) -> anyhow::Result<Answer> {
    let body = payment(&json!({"stripe": "pm_card_visa", "paypal": "vault-ok"}));
    client.create_as(&format!("drill-i2-{key}"), &body).await
}

fn payment(method: &Value) -> Value {
    json!({"amount": 1000, "currency": "JPY", "payment_method": method})
}

/// Why the payment went where it went.
async fn opened(client: &Client, id: &str) -> anyhow::Result<String> {
    let timeline = client.timeline(id).await?;
    let opened = timeline.iter().find(|entry| entry["what"] == "payment_opened");
    Ok(opened.and_then(|entry| entry["detail"].as_str()).unwrap_or_default().to_owned())
}
