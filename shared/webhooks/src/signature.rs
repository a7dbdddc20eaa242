//! Signs a webhook as Standard Webhooks say. Secrets come in, and only signatures go out: what is wrong with a secret is
//! not told, because the error would quote it.

use http::{HeaderMap, HeaderValue, header};
use standardwebhooks::{HEADER_WEBHOOK_ID, HEADER_WEBHOOK_SIGNATURE, HEADER_WEBHOOK_TIMESTAMP};
use tollgate_gateway::ports::webhook_sender::{SendError, Webhook};

/// Every header of the request but `host` and the length.
pub(crate) fn headers(webhook: &Webhook<'_>) -> Result<HeaderMap, SendError> {
    let second = webhook.at.as_second();
    let signature = sign(webhook, second)?;
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let agent = concat!("Tollgate/", env!("CARGO_PKG_VERSION"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(agent));
    // Our own ids are letters, digits and underscores; another could not be sent as it is.
    let id = HeaderValue::from_str(webhook.id).map_err(|_| SendError::Broken)?;
    headers.insert(HEADER_WEBHOOK_ID, id);
    headers.insert(HEADER_WEBHOOK_TIMESTAMP, HeaderValue::from(second));
    headers.insert(HEADER_WEBHOOK_SIGNATURE, HeaderValue::from_str(&signature).map_err(|_| SendError::Secret)?);
    Ok(headers)
}

/// One signature for each secret. All have to sign: a merchant who has only the one that does not would see a webhook
/// that nobody signed.
fn sign(webhook: &Webhook<'_>, second: i64) -> Result<String, SendError> {
    let mut signatures = String::with_capacity(webhook.secrets.len() * 48);
    for secret in webhook.secrets {
        let signer = standardwebhooks::Webhook::new(secret).map_err(|_| SendError::Secret)?;
        let signature = signer.sign(webhook.id, second, webhook.body.as_bytes()).map_err(|_| SendError::Secret)?;
        if !signatures.is_empty() {
            signatures.push(' ');
        }
        signatures.push_str(&signature);
    }
    // An empty key would sign as well, and anybody could do the same.
    let is_keyless = webhook.secrets.iter().any(|secret| secret.trim_start_matches("whsec_").is_empty());
    if signatures.is_empty() || is_keyless { Err(SendError::Secret) } else { Ok(signatures) }
}
