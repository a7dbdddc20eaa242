//! The steps, in order, each with what must be seen.
//!
//! Must not know: how a request is sent.

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};

use super::{
    Step,
    merchant::{Answer, Merchant},
};
use crate::arguments::{Expected, Verify};

const CREATE: &str = "create";

/// Plays them until one fails; whether none did. A payment that was made and not carried on is released, as far as it can be.
pub(super) async fn play(merchant: &Merchant, what: &Verify, played: &mut Vec<Step>) -> bool {
    let body = json!({
        "amount": what.amount,
        "currency": what.currency,
        "payment_method": {what.payment_method.provider.as_str(): what.payment_method.token},
        "merchant_reference": "tollgate verify",
    });
    let Some(id) = step(merchant, played, CREATE, create(merchant, &body, what.expect)).await else { return false };
    if step(merchant, played, "replay", replay(merchant, &body, &id)).await.is_none() {
        // Of one that has failed there is nothing to release.
        _ = merchant.post(&format!("/v1/payments/{id}/void"), "release", &Value::Null).await;
        return false;
    }
    if what.expect == Expected::Failed {
        return step(merchant, played, "webhook", delivered(merchant, &id, "payment.failed")).await.is_some();
    }
    let (name, wanted, event) =
        if what.capture { ("capture", "CAPTURED", "payment.captured") } else { ("void", "VOIDED", "payment.voided") };
    if step(merchant, played, name, change(merchant, &id, name, wanted)).await.is_none() {
        return false;
    }
    let Some((first, last)) = step(merchant, played, "webhook", delivered(merchant, &id, event)).await else {
        return false;
    };
    step(merchant, played, "events", in_the_feed(merchant, &first, &last)).await.is_some()
}

/// What a step gives the next ones.
struct Seen<T> {
    detail: String,
    gives: T,
}

async fn step<T>(
    merchant: &Merchant,
    played: &mut Vec<Step>,
    name: &'static str,
    work: impl Future<Output = anyhow::Result<Seen<T>>>,
) -> Option<T> {
    merchant.begins(name);
    let started = merchant.now();
    let seen = work.await;
    let seconds = merchant.now().saturating_sub(started).as_secs_f64();
    let (ok, detail, gives) = match seen {
        Ok(seen) => (true, seen.detail, Some(seen.gives)),
        Err(error) => (false, format!("{error:#}"), None),
    };
    played.push(Step { name, ok, seconds, detail });
    gives
}

async fn create(merchant: &Merchant, body: &Value, expected: Expected) -> anyhow::Result<Seen<String>> {
    let made = merchant.post("/v1/payments", CREATE, body).await?;
    ensure!(matches!(made.status, 200..=202), "{}", made.said());
    let id = made.text("id").to_owned();
    let known = known(merchant, made, &id).await?;
    ensure!(known.text("status") == expected.status(), "{id} is {}{}", known.text("status"), failure(&known));
    Ok(Seen { detail: format!("{id} {}{}", expected.status(), failure(&known)), gives: id })
}

/// The payment, once its outcome is known.
async fn known(merchant: &Merchant, mut answer: Answer, id: &str) -> anyhow::Result<Answer> {
    loop {
        let asks_the_payer = !answer.body["next_action"].is_null();
        let is_open = answer.text("status") == "PENDING" || !answer.body["pending_operation"].is_null();
        if !is_open || asks_the_payer {
            return Ok(answer);
        }
        ensure!(merchant.waits().await, "{id} is {} still, and no time is left", answer.text("status"));
        answer = merchant.get(&format!("/v1/payments/{id}")).await?;
        ensure!(answer.status == 200, "{}", answer.said());
    }
}

fn failure(answer: &Answer) -> String {
    answer.body["failure"]["code"].as_str().map_or_else(String::new, |code| format!(": {code}"))
}

async fn replay(merchant: &Merchant, body: &Value, id: &str) -> anyhow::Result<Seen<()>> {
    let again = merchant.post("/v1/payments", CREATE, body).await?;
    ensure!(again.status == 200, "the same key again: {}", again.said());
    ensure!(again.text("id") == id, "the same key again made another payment: {}", again.text("id"));
    ensure!(again.replayed, "the answer does not say Idempotent-Replayed");
    Ok(Seen { detail: "the same payment".to_owned(), gives: () })
}

async fn change(merchant: &Merchant, id: &str, name: &'static str, wanted: &str) -> anyhow::Result<Seen<()>> {
    let changed = merchant.post(&format!("/v1/payments/{id}/{name}"), name, &Value::Null).await?;
    ensure!(matches!(changed.status, 200 | 202), "{}", changed.said());
    let changed = known(merchant, changed, id).await?;
    ensure!(changed.text("status") == wanted, "{id} is {}", changed.text("status"));
    Ok(Seen { detail: wanted.to_owned(), gives: () })
}

/// Waits until every webhook of the payment is delivered; the ids of its first and its last event.
async fn delivered(merchant: &Merchant, id: &str, last: &str) -> anyhow::Result<Seen<(String, String)>> {
    loop {
        let answer = merchant.get(&format!("/v1/webhooks/{id}/status")).await?;
        ensure!(answer.status == 200, "{}", answer.said());
        let all = answer.body["deliveries"].as_array().context("the answer has no deliveries")?;
        let event =
            |delivery: Option<&Value>| delivery.and_then(|one| one["event_id"].as_str()).unwrap_or_default().to_owned();
        let ended = all.iter().find(|delivery| delivery["type"] == last);
        let open = all.iter().find(|delivery| delivery["status"] != "DELIVERED");
        if let (Some(_), None) = (ended, open) {
            let detail = format!("{} webhooks DELIVERED, {last} among them", all.len());
            return Ok(Seen { detail, gives: (event(all.first()), event(ended)) });
        }
        if let Some(dead) = all.iter().find(|delivery| delivery["status"] == "DEAD_LETTERED") {
            bail!("{} is DEAD_LETTERED", dead["type"]);
        }
        if !merchant.waits().await {
            let Some(open) = open else { bail!("there is no {last}, and no time is left") };
            let attempts = open["attempts"].as_array();
            let why = attempts.and_then(|attempts| attempts.last()).map_or_else(
                || "not tried".to_owned(),
                |attempt| format!("last answer {}, error {}", attempt["http_status"], attempt["error"]),
            );
            bail!("{} is {} ({why}), and no time is left", open["type"], open["status"]);
        }
    }
}

async fn in_the_feed(merchant: &Merchant, first: &str, last: &str) -> anyhow::Result<Seen<()>> {
    let answer = merchant.get(&format!("/v1/events?after={first}&limit=100")).await?;
    ensure!(answer.status == 200, "{}", answer.said());
    let events = answer.body["data"].as_array().context("the answer has no events")?;
    ensure!(events.iter().any(|event| event["id"] == last), "{last} is not behind {first} in the feed");
    Ok(Seen { detail: format!("{last} is in the feed"), gives: () })
}
