//! Who comes in: merchants by their API key, as often as their limit allows; payers by a link of ours; and whom nobody
//! knows only so often from one address, before the store is asked about him (finding C6).
//!
//! Must not know: what is done for whoever is inside.

use std::{any::Any, sync::Arc};

use async_trait::async_trait;
use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, request},
    response::Response,
};
use tollgate_api::{Problem, ProblemCode};
use tollgate_gateway::{
    Authenticator, RateLimits, Refused, Taken,
    authenticate::{Recalled, Unasked},
    ports::{counters::Address, merchants::Merchant},
};
use tollgate_runtime::{
    Door, Errand, TrustedProxies, Visit,
    admission::{Class, Who},
};

use crate::answer::REPLAYED;

/// The header that carries the API key.
const API_KEY: &str = "x-api-key";
/// `RateLimit` and `RateLimit-Policy` as in draft-ietf-httpapi-ratelimit-headers-10.
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// What limits are about: a minute.
const WINDOW_SECONDS: u32 = 60;

/// The door of the merchants' API.
pub struct MerchantsDoor {
    authenticator: Arc<Authenticator>,
    limits: Arc<RateLimits>,
    proxies: TrustedProxies,
}

/// What is kept of a visitor until he leaves.
enum Kept {
    Merchant(Taken),
    Payer(Address),
}

impl MerchantsDoor {
    /// A door that knows merchants by `authenticator`, and callers' addresses by what `proxies` say.
    pub fn new(authenticator: Arc<Authenticator>, limits: Arc<RateLimits>, proxies: TrustedProxies) -> Self {
        Self { authenticator, limits, proxies }
    }

    async fn merchant(&self, head: &request::Parts) -> Result<Arc<Merchant>, Problem> {
        let address = self.proxies.caller(head);
        let Some(key) = api_key(&head.headers) else { return Err(self.stranger(address).await) };
        let key = match self.authenticator.recall(key) {
            Recalled::Known(merchant) => return Ok(merchant),
            Recalled::Nobodys => return Err(self.stranger(address).await),
            Recalled::Expected(key) => {
                return match self.authenticator.ask(key).await.map_err(unasked)? {
                    Some(merchant) => Ok(merchant),
                    None => Err(self.stranger(address).await),
                };
            }
            Recalled::Unknown(key) => key,
        };
        self.limits.take_strangers(address).await.map_err(|refused| limited(&refused))?;
        let found = self.authenticator.ask(key).await.map_err(unasked);
        // Only who is surely nobody's has used it up.
        if !matches!(found, Ok(None)) {
            self.limits.no_stranger(address).await;
        }
        found?.ok_or_else(unauthenticated)
    }

    /// What somebody gets who is surely none of ours.
    async fn stranger(&self, address: Address) -> Problem {
        match self.limits.take_strangers(address).await {
            Ok(()) => unauthenticated(),
            Err(refused) => limited(&refused),
        }
    }
}

#[async_trait]
impl Door for MerchantsDoor {
    async fn enter(&self, route: &str, head: &mut request::Parts) -> Result<Visit, Problem> {
        if !takes(route, &head.method) {
            // Whoever comes with a method that the route does not take learns that, and needs no key for it.
            let who = Who::Address(self.proxies.caller(head).to_bytes());
            return Ok(Visit { errand: Errand { class: Class::Other, who, operation: "other" }, kept: None });
        }
        if !route.starts_with("/v1/") {
            // A payer with a link of ours, or somebody who makes one up: which of them, the link itself proves, and costs no read.
            // From where many were made up, it is no longer vital.
            let address = self.proxies.caller(head);
            let class = if self.limits.makes_up(address).await { Class::Other } else { Class::Vital };
            let errand = Errand { class, who: Who::Address(address.to_bytes()), operation: "return" };
            return Ok(Visit { errand, kept: Some(Box::new(Kept::Payer(address))) });
        }
        let merchant = self.merchant(head).await?;
        tracing::Span::current().record("merchant", tracing::field::display(merchant.id));
        let taken = self.limits.take(&merchant).await.map_err(|refused| limited(&refused))?;
        let errand = errand(route, &head.method, &merchant);
        head.extensions.insert(merchant);
        Ok(Visit { errand, kept: Some(Box::new(Kept::Merchant(taken))) })
    }

    async fn leave(&self, visit: Visit, response: &mut Response) {
        let kept = visit.kept.and_then(|kept: Box<dyn Any + Send>| kept.downcast::<Kept>().ok());
        match kept.as_deref() {
            Some(Kept::Merchant(taken)) => {
                let code = response.extensions().get::<Problem>().map(|problem| problem.code);
                let replayed =
                    response.headers().contains_key(REPLAYED) || code == Some(ProblemCode::IdempotencyKeyInUse);
                let taken = match code {
                    _ if replayed => self.limits.replayed(*taken).await,
                    Some(ProblemCode::Overloaded) => self.limits.unused(*taken).await,
                    _ => *taken,
                };
                let (policy, now) = rate_limit(taken.per_minute(), taken.remaining());
                response.headers_mut().insert(RATE_LIMIT_POLICY, policy);
                response.headers_mut().insert(RATE_LIMIT, now);
            }
            // No link of ours.
            Some(Kept::Payer(address)) if response.status() == StatusCode::NOT_FOUND => {
                self.limits.made_up(*address).await;
            }
            _ => {}
        }
    }
}

/// Whether the route has a handler for the method. One that is missing here answers nobody: handlers ask for the merchant
/// whom the door let in.
fn takes(route: &str, method: &Method) -> bool {
    let methods: &[Method] = match route.rsplit('/').next() {
        Some("capture" | "void" | "refund" | "rotate-secret" | "redeliver") => &[Method::POST],
        Some("payments") => &[Method::GET, Method::HEAD, Method::POST],
        Some("webhook-endpoint") => &[Method::GET, Method::HEAD, Method::PUT],
        _ => &[Method::GET, Method::HEAD],
    };
    methods.contains(method)
}

fn errand(route: &str, method: &Method, merchant: &Merchant) -> Errand {
    let (class, operation) = match route.rsplit('/').next() {
        Some("payments") if *method == Method::POST => (Class::New, "create"),
        Some("capture") => (Class::Vital, "capture"),
        Some("void") => (Class::Vital, "void"),
        Some("refund") => (Class::Vital, "refund"),
        _ => (Class::Other, "other"),
    };
    Errand { class, who: Who::Merchant(merchant.id.to_bytes()), operation }
}

fn api_key(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(API_KEY).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    value.to_str().ok()
}

/// The same for a missing, unknown or revoked key: nothing to learn from.
pub(crate) fn unauthenticated() -> Problem {
    Problem::new(ProblemCode::Unauthenticated, "Send a valid API key in the X-API-Key header.")
}

fn limited(refused: &Refused) -> Problem {
    let problem = match refused.per_minute {
        Some(per_minute) => {
            let detail = format!(
                "More than {per_minute} requests a minute. Nothing was done; send it again later, with the same \
                 Idempotency-Key if it has one."
            );
            let (policy, now) = rate_limit(per_minute, 0);
            Problem::new(ProblemCode::RateLimited, detail)
                .with_header(RATE_LIMIT_POLICY, policy)
                .with_header(RATE_LIMIT, now)
        }
        None => {
            Problem::new(ProblemCode::RateLimited, "Too many requests from this address that are of nobody we know.")
        }
    };
    problem.retry_after(refused.retry_after)
}

fn unasked(why: Unasked) -> Problem {
    let detail = "Too many keys that were never seen come at once. Nothing was done; send it again later.";
    match why {
        Unasked::Crowded => Problem::new(ProblemCode::Overloaded, detail),
        Unasked::NoAnswer(error) => error.into(),
    }
}

/// `RateLimit-Policy` and `RateLimit`: how much in how many seconds, what is left, and in how many seconds it is whole again.
fn rate_limit(per_minute: u32, remaining: u32) -> (HeaderValue, HeaderValue) {
    let used = u64::from(per_minute.saturating_sub(remaining));
    let whole_in = (used * u64::from(WINDOW_SECONDS)).div_ceil(u64::from(per_minute.max(1)));
    let value = |text: String| HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""));
    (
        value(format!("\"requests\";q={per_minute};w={WINDOW_SECONDS}")),
        value(format!("\"requests\";r={remaining};t={whole_in}")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_say_what_is_left_and_when_it_is_whole_again() {
        let text = |(policy, now): (HeaderValue, HeaderValue)| {
            (policy.to_str().unwrap().to_owned(), now.to_str().unwrap().to_owned())
        };
        let policy = "\"requests\";q=100;w=60".to_owned();
        assert_eq!(text(rate_limit(100, 100)), (policy.clone(), "\"requests\";r=100;t=0".to_owned()));
        assert_eq!(text(rate_limit(100, 99)), (policy.clone(), "\"requests\";r=99;t=1".to_owned()));
        assert_eq!(text(rate_limit(100, 0)), (policy, "\"requests\";r=0;t=60".to_owned()));
        assert_eq!(text(rate_limit(0, 0)).1, "\"requests\";r=0;t=0");
        assert_eq!(text(rate_limit(u32::MAX, 0)).1, "\"requests\";r=0;t=60");
    }
}
