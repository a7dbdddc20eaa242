//! `/v1/webhook-endpoint`: where a merchant's webhooks go, and the secrets that sign them. A secret is shown once, when
//! it is made; each that a rotation replaces signs along for a day, so that no delivery is refused meanwhile.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use tollgate_domain::MerchantId;
use zeroize::Zeroizing;

use crate::{Error, Gateway, StoreCall, idempotency::RACES, ports::merchants::WebhookEndpoint};

/// How long a secret signs along after it was replaced (contract).
const OLD_SECRET_SIGNS_FOR: Duration = Duration::from_secs(24 * 3600);
/// So many sign along at most: each is a signature more in a header. Nobody deploys more in a day.
const OLD_SECRETS_AT_MOST: usize = 10;
/// A secret is shown when its write is confirmed, or never: so that is asked for longer than other calls to the store.
const TIMES_THE_STORE_TIMEOUT: u32 = 3;
/// Deliveries made due at once when an endpoint is set; what is beyond, the deliveries job makes due.
const RELEASED_AT_ONCE: u32 = 500;

/// An endpoint that was made or changed.
#[derive(Clone)]
pub struct EndpointChanged {
    /// As it now is.
    pub endpoint: WebhookEndpoint,
    /// The signing secret, if it was just made: nobody sees it again.
    pub secret: Option<Zeroizing<String>>,
}

impl EndpointChanged {
    /// Whether `present` is this change, or has come after it: a secret that was made here is in it, and in no other.
    fn is_in(&self, present: &WebhookEndpoint) -> bool {
        let made = &self.endpoint.sealed_secret;
        let has_made = || present.sealed_secret == *made || present.sealed_previous.iter().any(|(old, _)| old == made);
        if self.secret.is_some() { has_made() } else { *present == self.endpoint }
    }
}

impl Gateway {
    /// The merchant's endpoint.
    pub async fn webhook_endpoint(&self, merchant: MerchantId) -> Result<WebhookEndpoint, Error> {
        self.load_endpoint(merchant).await?.ok_or(Error::NotFound)
    }

    /// Sets the URL. One that was paused goes on, and what waited for it becomes due.
    pub async fn set_webhook_endpoint(&self, merchant: MerchantId, url: &str) -> Result<EndpointChanged, Error> {
        self.ports.webhooks.check(url).map_err(Error::EndpointRefused)?;
        let changed = self
            .change_endpoint(merchant, |before| {
                let (mut endpoint, secret) = match before {
                    Some(before) => (before, None),
                    None => self.new_endpoint(merchant).map(|(endpoint, secret)| (endpoint, Some(secret)))?,
                };
                url.clone_into(&mut endpoint.url);
                endpoint.paused_at = None;
                Ok(EndpointChanged { endpoint, secret })
            })
            .await?;
        // The endpoint is set, and its secret is shown this once: what could not be released, the job releases.
        if let Err(error) = self.release_waiting(merchant, RELEASED_AT_ONCE).await {
            tracing::warn!(%merchant, %error, "what waits for an endpoint was not made due; the job for deliveries does it");
        }
        Ok(changed)
    }

    /// Makes a new secret; the old one signs along for a day, and so does every one before it whose day is not over: which
    /// of them the merchant has deployed, we do not know.
    pub async fn rotate_webhook_secret(&self, merchant: MerchantId) -> Result<EndpointChanged, Error> {
        self.change_endpoint(merchant, |before| {
            let mut endpoint = before.ok_or(Error::NotFound)?;
            let secret = self.new_secret();
            let sealed = self.seal(merchant, &secret)?;
            let now = self.now();
            if let Some((_, until)) = endpoint.sealed_previous.get(OLD_SECRETS_AT_MOST - 1) {
                let retry_after = Duration::try_from(until.duration_since(now)).unwrap_or_default();
                return Err(Error::TooManySecrets { retry_after });
            }
            let old = std::mem::replace(&mut endpoint.sealed_secret, sealed);
            endpoint.sealed_previous.insert(0, (old, now + OLD_SECRET_SIGNS_FOR));
            Ok(EndpointChanged { endpoint, secret: Some(secret) })
        })
        .await
    }

    /// Loads, changes and writes; who is overtaken does it again, so that a secret that was shown is one that signs.
    async fn change_endpoint(
        &self,
        merchant: MerchantId,
        change: impl Fn(Option<WebhookEndpoint>) -> Result<EndpointChanged, Error>,
    ) -> Result<EndpointChanged, Error> {
        let mut before = self.load_endpoint(merchant).await?;
        let limit = self.settings.store_timeout * TIMES_THE_STORE_TIMEOUT;
        for _ in 0..RACES {
            let mut changed = change(before)?;
            changed.endpoint.revision += 1;
            changed.endpoint.updated_at = self.now();
            // The very same while the answer is lost: it may still be on its way, and what is read meanwhile proves nothing
            // (rule 14).
            let put = |limit| {
                let put = self.ports.stores.endpoints.put_endpoint(&changed.endpoint);
                self.store.call(StoreCall::Other, limit, put)
            };
            if self.until_answered(limit, put).await? {
                return Ok(changed);
            }
            // Overtaken: by somebody else, or by this very change, the answer of which was lost.
            let load = |limit| self.store.call(StoreCall::Other, limit, self.ports.stores.endpoints.endpoint(merchant));
            let present = self.until_answered(limit, load).await?;
            match present {
                Some(endpoint) if changed.is_in(&endpoint) => {
                    return Ok(EndpointChanged { endpoint, secret: changed.secret });
                }
                present => before = present.map(|endpoint| self.still_signing(endpoint)),
            }
        }
        Err(Error::Internal)
    }

    fn new_endpoint(&self, merchant: MerchantId) -> Result<(WebhookEndpoint, Zeroizing<String>), Error> {
        let secret = self.new_secret();
        let endpoint = WebhookEndpoint {
            merchant,
            url: String::new(),
            sealed_secret: self.seal(merchant, &secret)?,
            sealed_previous: Vec::new(),
            paused_at: None,
            revision: 0,
            updated_at: self.now(),
        };
        Ok((endpoint, secret))
    }

    /// 24 random bytes, as Standard Webhooks has them.
    fn new_secret(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([0; 24]);
        self.ports.entropy.fill(bytes.as_mut_slice());
        Zeroizing::new(format!("whsec_{}", STANDARD.encode(bytes.as_slice())))
    }

    fn seal(&self, merchant: MerchantId, secret: &str) -> Result<Vec<u8>, Error> {
        self.ports.secrets.seal(merchant, secret, self.ports.entropy.as_ref()).map_err(|_| Error::Internal)
    }

    async fn load_endpoint(&self, merchant: MerchantId) -> Result<Option<WebhookEndpoint>, Error> {
        let endpoint = self.ports.stores.endpoints.endpoint(merchant);
        let endpoint = self.within_store_time(self.settings.store_timeout, endpoint).await?;
        Ok(endpoint.map(|endpoint| self.still_signing(endpoint)))
    }

    /// Without the secrets whose day is over: they are shown to nobody, and gone with the next change.
    fn still_signing(&self, mut endpoint: WebhookEndpoint) -> WebhookEndpoint {
        let now = self.now();
        endpoint.sealed_previous.retain(|(_, until)| now < *until);
        endpoint
    }

    pub(crate) async fn put_endpoint(&self, endpoint: &WebhookEndpoint) -> Result<bool, Error> {
        let put = self.ports.stores.endpoints.put_endpoint(endpoint);
        Ok(self.within_store_time(self.settings.store_timeout, put).await?)
    }

    /// Makes deliveries due that wait for the merchant's endpoint. Returns how many.
    pub(crate) async fn release_waiting(&self, merchant: MerchantId, limit: u32) -> Result<u32, Error> {
        let release = self.ports.stores.endpoints.release_waiting(merchant, self.now(), limit);
        Ok(self.within_store_time(self.settings.store_timeout, release).await?)
    }
}
