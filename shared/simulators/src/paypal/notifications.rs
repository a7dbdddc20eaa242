//! What PayPal offers around its webhooks: their signatures, the certificate, verification, and past events.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use super::{
    PayPal,
    create::no_such,
    errors::ApiError,
    issues::{self, Area},
    signing::{ALGORITHM, CERTIFICATES, StoredKey, Transmission, WebhookKey},
};

/// The body of `POST /v1/notifications/verify-webhook-signature`; the event as it was written.
#[derive(Deserialize)]
struct Verification<'a> {
    auth_algo: String,
    cert_url: String,
    transmission_id: String,
    transmission_sig: String,
    transmission_time: String,
    webhook_id: String,
    #[serde(borrow)]
    webhook_event: &'a RawValue,
}

impl PayPal {
    /// Makes the key if there is none yet.
    pub(super) fn make_key(&mut self) {
        if self.state.key.is_some() {
            return;
        }
        let id = format!("{}-{}", self.random_hex("CERT-", 8), self.random_hex("", 8));
        match StoredKey::make(&self.entropy, id) {
            Ok(key) => self.state.put_key(key),
            Err(error) => tracing::error!(%error, "the simulated PayPal has no key: its webhooks are not signed"),
        }
    }

    fn key(&self) -> Option<&WebhookKey> {
        let stored = self.state.key.as_ref()?;
        if self.key.get().is_none() {
            match stored.open() {
                // Whoever was first, it is the same key.
                Ok(key) => drop(self.key.set(key)),
                Err(error) => tracing::error!(%error, "the simulated PayPal's key cannot be used"),
            }
        }
        self.key.get()
    }

    /// Where the certificate is.
    fn certificate_url(&self) -> Option<String> {
        let key = self.state.key.as_ref()?;
        Some(format!("{}{CERTIFICATES}{}", self.known_address(), key.id))
    }

    /// The headers of a webhook, signed for the webhook with this id.
    pub(super) fn signed(&self, webhook_id: &str, now: Timestamp, body: &str) -> HeaderMap {
        let (Some(key), Some(certificate)) = (self.key(), self.certificate_url()) else { return HeaderMap::new() };
        key.headers(&self.uuid(), webhook_id, now, &certificate, body)
    }

    /// Shows the certificate with this id, to anybody.
    pub(super) fn certificate(&self, id: &str) -> Response<Bytes> {
        let Some(key) = self.state.key.as_ref().filter(|key| key.id == id) else {
            let mut response = Response::new(Bytes::from_static(b"there is no such certificate\n"));
            *response.status_mut() = StatusCode::NOT_FOUND;
            return response;
        };
        let mut response = Response::new(Bytes::copy_from_slice(key.certificate.as_bytes()));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-pem-file"));
        response
    }

    /// Says whether a webhook is PayPal's. The event counts byte by byte, so it must be as it came.
    pub(super) fn verify_signature(&self, body: &[u8]) -> Result<Value, ApiError> {
        let asked: Verification = serde_json::from_slice(body).map_err(|error| {
            let issue = if error.is_data() { issues::missing(Area::Payments) } else { issues::MALFORMED_JSON };
            ApiError::of(&issue).field("/")
        })?;
        let transmission = Transmission {
            id: &asked.transmission_id,
            time: &asked.transmission_time,
            webhook_id: &asked.webhook_id,
            body: asked.webhook_event.get().as_bytes(),
        };
        let holds = asked.auth_algo == ALGORITHM
            && self.certificate_url().is_some_and(|url| url == asked.cert_url)
            && self.key().is_some_and(|key| key.verify(&transmission, &asked.transmission_sig));
        Ok(json!({"verification_status": if holds { "SUCCESS" } else { "FAILURE" }}))
    }

    pub(super) fn show_event(&self, id: &str) -> Result<Value, ApiError> {
        self.state.events.get(id).map(super::event::StoredEvent::to_json).ok_or_else(|| no_such("event_id", id))
    }
}
