//! Providers come in, and whoever says so: nobody knows before the signature is checked, which costs no read. From an address
//! that often sent what no provider signed, an event is no longer vital: it waits behind what is. It is not refused, for a
//! provider sends other people's events from the same addresses, and somebody may have those sent to us.
//!
//! Must not know: what an event does.

use std::{any::Any, sync::Arc};

use async_trait::async_trait;
use axum::{
    http::{StatusCode, request},
    response::Response,
};
use tollgate_api::{Problem, ProblemCode};
use tollgate_gateway::{RateLimits, ports::counters::Address};
use tollgate_runtime::{
    Door, Errand, TrustedProxies, Visit,
    admission::{Class, Who},
};

/// The routes that this door tells apart, as they are declared.
const WEBHOOKS: &str = "/webhooks/providers/{provider}";
const PUSHED: &str = "/pubsub/provider-events";

/// The door of providers' webhooks.
pub struct ProvidersDoor {
    limits: Arc<RateLimits>,
    proxies: TrustedProxies,
}

impl ProvidersDoor {
    /// A door that knows callers' addresses by what `proxies` say.
    pub fn new(limits: Arc<RateLimits>, proxies: TrustedProxies) -> Self {
        Self { limits, proxies }
    }
}

#[async_trait]
impl Door for ProvidersDoor {
    async fn enter(&self, route: &str, head: &mut request::Parts) -> Result<Visit, Problem> {
        let address = self.proxies.caller(head);
        let who = Who::Address(address.to_bytes());
        let class = match route {
            // Who pushes is checked by its token.
            PUSHED => Class::Vital,
            WEBHOOKS if !self.limits.makes_up(address).await => Class::Vital,
            _ => Class::Other,
        };
        let errand = Errand { class, who, operation: "webhook" };
        let kept: Option<Box<dyn Any + Send>> = (route == WEBHOOKS).then(|| Box::new(address) as _);
        Ok(Visit { errand, kept })
    }

    async fn leave(&self, visit: Visit, response: &mut Response) {
        // One that could not be checked made us ask the provider.
        let code = response.extensions().get::<Problem>().map(|problem| problem.code);
        let is_no_event = [StatusCode::BAD_REQUEST, StatusCode::UNAUTHORIZED].contains(&response.status())
            || code == Some(ProblemCode::ProviderUnavailable);
        let address = visit.kept.and_then(|kept| kept.downcast::<Address>().ok());
        if let Some(address) = address.filter(|_| is_no_event) {
            self.limits.made_up(*address).await;
        }
    }
}
