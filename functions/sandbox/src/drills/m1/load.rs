//! What merchants ask for in drill M1, noted down with what was answered and how long that took.
//!
//! Must not know: metrics.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::ensure;
use http::Method;
use serde_json::{Value, json};
use tollgate_gateway::ports::Time;
use tollgate_runtime::SystemClock;

use crate::client::{Answer, Client};

pub(super) const CREATE: &str = "/v1/payments";
pub(super) const SHOW: &str = "/v1/payments/{id}";
const CAPTURE: &str = "/v1/payments/{id}/capture";
const VOID: &str = "/v1/payments/{id}/void";
const REFUND: &str = "/v1/payments/{id}/refund";
const TIMELINE: &str = "/v1/payments/{id}/timeline";

/// A provider with a token that pays, and one that does not.
pub(super) struct Via {
    pub(super) provider: &'static str,
    token: &'static str,
    declined: &'static str,
}

pub(super) const STRIPE: Via =
    Via { provider: "stripe", token: "pm_card_visa", declined: "pm_card_visa_chargeDeclined" };
pub(super) const PAYPAL: Via = Via { provider: "paypal", token: "vault-ok", declined: "vault-declined" };
pub(super) const BANK: Via = Via { provider: "bank", token: "debtor-ok", declined: "debtor-no-funds" };
pub(super) const ALL: [&Via; 3] = [&STRIPE, &PAYPAL, &BANK];

/// A request, and its answer.
pub(super) struct Sent {
    pub(super) who: &'static str,
    pub(super) method: Method,
    pub(super) route: &'static str,
    /// Whom it concerns; nothing where that is nobody.
    pub(super) provider: &'static str,
    pub(super) answer: Answer,
    pub(super) took: Duration,
}

impl Sent {
    /// What it asks to be done, as the payments' own counter calls it; nothing where it only looks.
    pub(super) fn endpoint(&self) -> &'static str {
        match self.route {
            _ if self.method == Method::GET => "",
            CREATE => "create",
            CAPTURE => "capture",
            VOID => "void",
            _ => "refund",
        }
    }

    pub(super) fn code(&self) -> &str {
        self.answer.text("code")
    }

    /// Whether the provider was asked for it.
    pub(super) fn was_sent_on(&self) -> bool {
        !self.endpoint().is_empty() && self.answer.status < 300 && !self.answer.replayed
    }
}

/// All that was sent.
pub(super) struct Load {
    clock: SystemClock,
    sent: Mutex<Vec<Sent>>,
}

impl Load {
    pub(super) fn new() -> Self {
        Self { clock: SystemClock::start(), sent: Mutex::default() }
    }

    pub(super) fn took(&self) -> Duration {
        self.clock.monotonic()
    }

    /// How many were sent so far.
    pub(super) fn count(&self) -> usize {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    pub(super) fn sent(self) -> Vec<Sent> {
        self.sent.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody who sends.
pub(super) struct Sender<'a> {
    pub(super) who: &'static str,
    pub(super) client: Client,
    pub(super) load: &'a Load,
}

impl Sender<'_> {
    async fn send(
        &self,
        (method, route): (Method, &'static str),
        (provider, id): (&'static str, &str),
        key: Option<&str>,
        body: Option<&Value>,
    ) -> anyhow::Result<Answer> {
        let clock = &self.load.clock;
        let (started, path) = (clock.monotonic(), route.replace("{id}", id));
        let answer = self.client.send(method.clone(), &path, key, body).await?;
        let took = clock.monotonic().saturating_sub(started);
        let sent = Sent { who: self.who, method, route, provider, answer: answer.clone(), took };
        self.load.sent.lock().unwrap_or_else(PoisonError::into_inner).push(sent);
        Ok(answer)
    }

    pub(super) async fn create(&self, via: &Via, key: &str) -> anyhow::Result<Answer> {
        self.create_with(via, via.token, key).await
    }

    async fn create_with(&self, via: &Via, token: &str, key: &str) -> anyhow::Result<Answer> {
        let body = json!({"amount": 900, "currency": "JPY", "payment_method": {via.provider: token}});
        let key = format!("drill-m1-{}-{}-{key}", self.who, via.provider);
        self.send((Method::POST, CREATE), (via.provider, ""), Some(&key), Some(&body)).await
    }

    async fn change(&self, route: &'static str, provider: &'static str, id: &str) -> anyhow::Result<Answer> {
        let key = format!("drill-m1-{route}-{id}");
        self.send((Method::POST, route), (provider, id), Some(&key), None).await
    }

    pub(super) async fn capture(&self, via: &Via, id: &str) -> anyhow::Result<Answer> {
        self.change(CAPTURE, via.provider, id).await
    }

    async fn look(&self, route: &'static str, id: &str) -> anyhow::Result<Answer> {
        self.send((Method::GET, route), ("", id), None, None).await
    }

    /// Reads the list so many times.
    pub(super) async fn list(&self, times: usize) -> anyhow::Result<()> {
        for _ in 0..times {
            self.look(CREATE, "").await?;
        }
        Ok(())
    }

    /// A merchant's day: payments that are captured or released, refunds of `settled` ones, one that is declined, one that
    /// is asked for twice; and looks at them.
    pub(super) async fn day(&self, via: &Via, creates: usize, settled: &[String]) -> anyhow::Result<()> {
        for number in 0..creates {
            let made = self.create(via, &number.to_string()).await?;
            ensure!(made.status < 300, "expected a payment: {}", made.body);
            let id = made.text("id");
            self.look(SHOW, id).await?;
            match made.text("status") {
                "AUTHORIZED" if number % 2 == 0 => drop(self.capture(via, id).await?),
                "AUTHORIZED" => drop(self.change(VOID, via.provider, id).await?),
                _ => drop(self.look(TIMELINE, id).await?),
            }
        }
        let declined = self.create_with(via, via.declined, "declined").await?;
        ensure!(declined.text("status") == "FAILED", "expected a decline: {}", declined.body);
        let again = self.create(via, "0").await?;
        ensure!(again.replayed, "expected the same payment: {}", again.body);
        for id in settled {
            let refund = self.change(REFUND, via.provider, id).await?;
            ensure!(refund.text("status") == "COMPLETED", "expected a refund: {}", refund.body);
        }
        Ok(())
    }

    /// What merchants do wrong, each once: nothing of it goes to a provider.
    pub(super) async fn mistakes(&self) -> anyhow::Result<()> {
        let create = (Method::POST, CREATE);
        let body = json!({"amount": 900, "currency": "JPY", "payment_method": {"stripe": STRIPE.token}});
        let wrong = json!({"amount": "much", "currency": "JPY", "payment_method": {"stripe": STRIPE.token}});
        self.send(create.clone(), ("", ""), None, Some(&body)).await?;
        self.send(create.clone(), ("", ""), Some("drill-m1-wrong"), Some(&wrong)).await?;
        let made = self.create(&STRIPE, "mistakes").await?;
        let (id, key) = (made.text("id"), format!("drill-m1-{}-stripe-mistakes", self.who));
        let other = json!({"amount": 901, "currency": "JPY", "payment_method": {"stripe": STRIPE.token}});
        self.send(create, ("", ""), Some(&key), Some(&other)).await?;
        let too_much = json!({"amount": 901});
        self.send((Method::POST, CAPTURE), ("", id), Some("drill-m1-too-much"), Some(&too_much)).await?;
        self.change(REFUND, "", id).await?;
        self.capture(&STRIPE, id).await?;
        self.change(VOID, "", id).await?;
        self.look(SHOW, "pay_nobodys").await?;
        Ok(())
    }
}

/// How many there are of each.
pub(super) fn count<'a, T, K: Ord>(all: impl IntoIterator<Item = &'a T>, key: impl Fn(&T) -> K) -> BTreeMap<K, u64>
where
    T: 'a,
{
    let mut counts = BTreeMap::new();
    for one in all {
        *counts.entry(key(one)).or_default() += 1;
    }
    counts
}
