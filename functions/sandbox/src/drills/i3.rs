//! Finding I3: no runbooks. Here they are followed: an incident is played, and what docs/runbooks says is typed line by line, with the
//! real operator's command on the sandbox's store.

mod on_call;
mod operator;
mod outage;
mod page;
mod prom;
mod stuck;

use anyhow::ensure;
use serde_json::{Value, json};

use super::{Stage, story::Story};
use crate::client::{Answer, Client};

/// The providers' words for money that is held.
const STRIPE_HOLDS: &str = "requires_capture";
const PAYPAL_HOLDS: &str = "CREATED";

pub(super) async fn play(story: &Story) -> anyhow::Result<()> {
    let programs = operator::folder(story).await?;
    // As a function logs on Google Cloud.
    let stage = Stage::start_with(story, &[("LOG_FORMAT", "json"), ("RUST_LOG", "info")]).await?;
    outage::play(&stage, &programs).await?;
    stuck::play(&stage, &programs).await
}

/// A merchant who goes on selling.
struct Shop {
    client: Client,
    number: usize,
    /// His payments' ids.
    made: Vec<String>,
    /// How many were refused because no provider took them.
    refused: u32,
}

impl Shop {
    fn of(client: Client) -> Self {
        Self { client, number: 0, made: Vec::new(), refused: 0 }
    }

    /// A payment with tokens at Stripe and at PayPal.
    async fn either(&mut self) -> anyhow::Result<Answer> {
        self.create(json!({"stripe": "pm_card_visa", "paypal": "vault-ok"})).await
    }

    /// One with a token at Stripe only.
    async fn stripe_only(&mut self) -> anyhow::Result<Answer> {
        self.create(json!({"stripe": "pm_card_visa"})).await
    }

    /// The last request once more, with its key.
    async fn again(&self) -> anyhow::Result<Answer> {
        let body = json!({"amount": 900, "currency": "JPY", "payment_method": {"stripe": "pm_card_visa"}});
        self.client.create_as(&format!("drill-i3-{}", self.number), &body).await
    }

    async fn create(&mut self, method: Value) -> anyhow::Result<Answer> {
        self.number += 1;
        let body = json!({"amount": 900, "currency": "JPY", "payment_method": method});
        let answer = self.client.create_as(&format!("drill-i3-{}", self.number), &body).await?;
        match answer.status {
            201 | 202 => self.made.push(answer.text("id").to_owned()),
            503 if answer.text("code") == "provider_unavailable" => self.refused += 1,
            status => anyhow::bail!("expected a payment or a refusal, not {status}: {}", answer.body),
        }
        Ok(answer)
    }

    /// Every payment that was made is known, and holds or has a payer's money once, or, where it failed, not at all.
    async fn nobody_paid_twice(&self, story: &Story) -> anyhow::Result<()> {
        let (mut live, mut right) = (Vec::new(), 0);
        for provider in ["stripe", "paypal"] {
            live.extend(self.client.transactions(provider).await?.into_iter().filter(holds_money));
        }
        for id in &self.made {
            let status = self.client.payment(id).await?["status"].clone();
            let charges = live.iter().filter(|row| row["payment_id"] == **id).count();
            let expected = match status.as_str() {
                Some("AUTHORIZED" | "CAPTURED") => 1,
                Some("FAILED") => 0,
                _ => anyhow::bail!("expected that {id} is known by now, not {status}"),
            };
            ensure!(charges == expected, "expected {expected} charges of {id}, which is {status}, not {charges}");
            right += usize::from(charges == expected);
        }
        let asked = "no payment is doubled or left open by what was done: payments whose charges are as they should be";
        story.check_equal(asked, self.made.len(), right)
    }
}

fn holds_money(transaction: &Value) -> bool {
    let money = |field: &str| transaction[field].as_i64().unwrap_or(0);
    let status = transaction["status"].as_str().unwrap_or_default();
    money("captured") > money("refunded") || matches!(status, STRIPE_HOLDS | PAYPAL_HOLDS)
}
