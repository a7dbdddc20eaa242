//! What the adapter keeps with a payment (`provider_state`): the id of the bank's payment in the clear, and what the payer's
//! approval gave us sealed, so that a copy of the store is no power over anybody's account.

use std::{fmt, sync::Arc};

use http::HeaderValue;
use tollgate_domain::{Payment, PaymentId};
use tollgate_gateway::{ports::Entropy, secrets::SecretsKey};

use super::key::{decode, encode};

/// What the payer brought: it is changed for a token, once.
const CODE: &str = "code";
/// What the consent is used with.
const TOKEN: &str = "token";

/// Seals what a payer's approval gives, and opens it.
#[derive(Clone)]
pub struct Sealing {
    /// The gateway's own.
    pub key: SecretsKey,
    /// For nonces.
    pub entropy: Arc<dyn Entropy>,
}

impl fmt::Debug for Sealing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealing(…)")
    }
}

impl Sealing {
    /// The code, as it is kept.
    pub(super) fn keep_code(&self, payment: PaymentId, consent: &str, code: &str) -> Option<String> {
        self.seal(payment, consent, CODE, code)
    }

    /// The code that is kept for `consent`.
    pub(super) fn code(&self, payment: &Payment, consent: &str) -> Option<String> {
        self.open(payment, consent, CODE)
    }

    /// The payer's token, as it is kept.
    pub(super) fn keep_token(&self, payment: PaymentId, consent: &str, token: &str) -> Option<String> {
        self.seal(payment, consent, TOKEN, token)
    }

    /// The payer's token that is kept for `consent`, as calls are made with it; `None`: our own has to do.
    pub(super) fn token(&self, payment: &Payment, consent: &str) -> Option<HeaderValue> {
        bearer(&self.open(payment, consent, TOKEN)?)
    }

    fn seal(&self, payment: PaymentId, consent: &str, what: &str, secret: &str) -> Option<String> {
        let sealed = self.key.seal_for_payment(payment, &purpose(consent, what), secret, self.entropy.as_ref()).ok()?;
        Some(format!("{what}:{}", encode(sealed)))
    }

    fn open(&self, payment: &Payment, consent: &str, what: &str) -> Option<String> {
        let (kind, sealed) = payment.provider_state.as_deref()?.split_once(':')?;
        if kind != what {
            return None;
        }
        self.key.open_for_payment(payment.id, &purpose(consent, what), &decode(sealed)?).ok()
    }
}

fn purpose(consent: &str, what: &str) -> String {
    format!("bank {what} {consent}")
}

/// How a call is made with `token`; `None` if it cannot be sent.
pub(super) fn bearer(token: &str) -> Option<HeaderValue> {
    let mut bearer = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
    bearer.set_sensitive(true);
    Some(bearer)
}
