//! The providers that every adapter's tests are played against: each simulated, over real sockets, with the tokens that it
//! knows.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use bytes::Bytes;
use getrandom::SysRng;
use http::{Method, Request, Uri};
use rsa::{
    PrivateKey,
    pkcs8::{EncodePrivateKey, LineEnding},
    rand_core::UnwrapErr,
};
use serde_json::Value;
use tollgate_domain::{Attempt, BootId, Lease, Money, PaymentId, ProviderName, ProviderRequestId, Timestamp};
use tollgate_gateway::{
    ports::{Entropy as _, HttpClient, Provider, Time},
    secrets::SecretsKey,
};
use tollgate_providers::{
    Bank, BankAccount, BankConfig, BankSealing, HttpSettings, Paypal, PaypalConfig, ReqwestClient, Secret, Stripe,
    StripeConfig,
};
use tollgate_simulators::SandboxTime;
use tollgate_tests::{ports::SystemEntropy, simulated::start_providers, stage::Http};

/// Given up sooner than in production.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_millis(400);

/// The key of the bank's client.
static KEY: LazyLock<String> = LazyLock::new(|| {
    let key = PrivateKey::new(&mut UnwrapErr(SysRng), 2048).unwrap();
    key.to_pkcs8_pem(LineEnding::LF).unwrap().to_string()
});

/// A client of the bank at `url`.
pub(crate) fn bank_config(url: &str) -> BankConfig {
    let account = |identification: &str| BankAccount {
        scheme: "UK.OBIE.SortCodeAccountNumber".to_owned(),
        identification: identification.to_owned(),
        name: "Tollgate".to_owned(),
    };
    BankConfig {
        api_url: url.to_owned(),
        issuer: url.to_owned(),
        client_id: "tollgate".to_owned(),
        signing_key: Secret::new(KEY.as_str()),
        signing_key_id: "k1".to_owned(),
        creditor: account("collections"),
        refunds_from: account("tollgate-refunds"),
        currencies: vec!["GBP".parse().unwrap()],
    }
}

/// What seals what payers' approvals give.
pub(crate) fn bank_sealing() -> BankSealing {
    BankSealing { key: SecretsKey::new(&[7; 32]), entropy: Arc::new(SystemEntropy) }
}

pub(crate) fn random() -> [u8; 16] {
    let mut bytes = [0; 16];
    SystemEntropy.fill(&mut bytes);
    bytes
}

/// A provider, simulated, and the tokens that it knows.
#[derive(Clone)]
pub(crate) struct Subject {
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) time: Arc<SandboxTime>,
    pub(crate) http: Arc<Http>,
    pub(crate) url: String,
    pub(crate) good: &'static str,
    pub(crate) declined: &'static str,
    pub(crate) asks_the_payer: &'static str,
    pub(crate) currency: &'static str,
}

impl Subject {
    pub(crate) async fn all() -> Vec<Self> {
        vec![Self::stripe().await, Self::paypal().await, Self::bank().await]
    }

    async fn stripe() -> Self {
        Self::with(
            "usd",
            ["pm_card_visa", "pm_card_visa_chargeDeclined", "pm_card_threeDSecure2Required"],
            |url, http, time| {
                let config =
                    StripeConfig { api_url: format!("{url}/stripe"), secret_key: Secret::new("sk_test_contract") };
                Arc::new(Stripe::new(&config, http, time).unwrap())
            },
        )
        .await
    }

    async fn paypal() -> Self {
        Self::with("usd", ["vault-ok", "vault-declined", "vault-needs-approval"], |url, http, time| {
            let config = PaypalConfig {
                api_url: format!("{url}/paypal"),
                client_id: Secret::new("client"),
                client_secret: Secret::new("secret"),
            };
            Arc::new(Paypal::new(&config, http, time).unwrap())
        })
        .await
    }

    async fn bank() -> Self {
        let tokens = ["debtor-ok", "debtor-no-funds", "debtor-needs-consent"];
        let subject = Self::with("gbp", tokens, |url, http, time| {
            let config = bank_config(&format!("{url}/bank"));
            Arc::new(Bank::new(&config, bank_sealing(), http, time).unwrap())
        })
        .await;
        // The simulated bank makes its key when it is first needed, which takes longer than a call here may.
        subject.http.json(Method::GET, &format!("{}/bank/jwks", subject.url), &Value::Null).await;
        subject
    }

    async fn with(
        currency: &'static str,
        [good, declined, asks_the_payer]: [&'static str; 3],
        make: impl FnOnce(&str, Arc<dyn HttpClient>, Arc<dyn Time>) -> Arc<dyn Provider>,
    ) -> Self {
        let time = Arc::new(SandboxTime::real());
        let url = start_providers(time.clone()).await.unwrap();
        let http = Arc::new(ReqwestClient::new(HttpSettings::default()).unwrap());
        let provider = make(&url, http, time.clone());
        Self { provider, time, http: Arc::new(Http::new()), url, good, declined, asks_the_payer, currency }
    }

    pub(crate) fn name(&self) -> ProviderName {
        self.provider.name()
    }

    pub(crate) fn money(&self, minor: i64) -> Money {
        Money::new(minor, self.currency.to_uppercase().parse().unwrap()).unwrap()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.time.now()
    }

    pub(crate) fn attempt(&self) -> Attempt {
        let lease = Lease { owner: BootId::from_random([1; 16]), call_until: self.now() + Duration::from_secs(30) };
        Attempt { request_id: ProviderRequestId::from_random(random()), lease }
    }

    pub(crate) async fn fault(&self, fault: &Value) {
        let url = format!("{}/sandbox/providers/{}/faults", self.url, self.name());
        let (status, answer) = self.http.json(Method::POST, &url, fault).await;
        assert_eq!(status, 200, "{answer}");
    }

    pub(crate) async fn no_faults(&self) {
        let url = format!("{}/sandbox/providers/{}/faults", self.url, self.name());
        self.http.json(Method::DELETE, &url, &Value::Null).await;
    }

    /// What the provider's books show of a payment.
    pub(crate) async fn books(&self, payment: PaymentId) -> Vec<Value> {
        let url = format!("{}/sandbox/providers/{}/transactions", self.url, self.name());
        let (_, all) = self.http.json(Method::GET, &url, &Value::Null).await;
        let of = |row: &&Value| row["payment_id"] == payment.to_string().as_str();
        all.as_array().unwrap().iter().filter(of).cloned().collect()
    }

    /// The payer, on the page that the provider sent him to. Answers what he is sent back with.
    pub(crate) async fn payer(&self, page: &str, does: &str) -> String {
        if self.name() == ProviderName::Bank {
            let request = Request::post(page).header("content-type", "application/x-www-form-urlencoded");
            let answer = self.http.send(request.body(Bytes::from(format!("decision={does}"))).unwrap()).await;
            assert!(answer.status().is_redirection(), "{answer:?}");
            let back: Uri = answer.headers()["location"].to_str().unwrap().parse().unwrap();
            return back.query().unwrap_or_default().to_owned();
        }
        let (page, query) =
            page.split_once('?').map_or((page, String::new()), |(page, query)| (page, format!("?{query}")));
        let request = Request::post(format!("{page}/{does}{query}")).body(Bytes::new()).unwrap();
        let answer = self.http.send(request).await;
        assert!(answer.status().is_success() || answer.status().is_redirection(), "{answer:?}");
        String::new()
    }
}
