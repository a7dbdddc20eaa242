//! What the sandbox puts between the gateway and the outside: crashes at fail points, providers that cannot be reached, and the
//! machine's time on webhooks. Production has none of it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Value, json};
use tollgate_gateway::ports::{
    FailPoint, FailPoints, HttpClient, HttpError, Time, WebhookSender,
    webhook_sender::{EndpointRefused, Sent, Webhook},
};

/// Providers' own records of what moved.
const RECORDS: [&str; 2] = ["/v1/balance_transactions", "/v1/reporting/transactions"];

/// Ends the process, without any clean-up, at the point that is armed.
#[derive(Default)]
pub(crate) struct Crashes(Mutex<Option<FailPoint>>);

impl Crashes {
    pub(crate) fn arm(&self, point: FailPoint) {
        *lock(&self.0) = Some(point);
    }
}

impl FailPoints for Crashes {
    fn pass(&self, point: FailPoint) {
        if *lock(&self.0) == Some(point) {
            std::process::abort();
        }
    }
}

/// Providers that cannot be reached, by name: how many more calls, or until cleared.
#[derive(Default)]
pub(crate) struct Outages(Mutex<HashMap<String, Option<u32>>>);

impl Outages {
    pub(crate) fn start(&self, provider: &str, times: Option<u32>) {
        lock(&self.0).insert(provider.to_owned(), times);
    }

    pub(crate) fn end(&self, provider: &str) {
        lock(&self.0).remove(provider);
    }

    /// The outage of a provider, as it would be armed anew; nothing where there is none.
    pub(crate) fn armed(&self, provider: &str) -> Option<Value> {
        let times = *lock(&self.0).get(provider)?;
        Some(json!({"kind": "unreachable", "times": times, "ms": null}))
    }

    /// Whether this call finds the provider unreachable; counts it. An outage of so many calls meets those that it was armed for,
    /// and not what a job reads by the hour.
    fn hits(&self, provider: &str, by_the_hour: bool) -> bool {
        let mut outages = lock(&self.0);
        match outages.get_mut(provider) {
            None => false,
            Some(None) => true,
            Some(Some(_)) if by_the_hour => false,
            Some(Some(times)) => {
                *times = times.saturating_sub(1);
                if *times == 0 {
                    outages.remove(provider);
                }
                true
            }
        }
    }
}

/// Calls providers, and finds those unreachable that are to be.
pub(crate) struct PlayedHttp {
    pub(crate) inner: Arc<dyn HttpClient>,
    pub(crate) outages: Arc<Outages>,
    /// Where the simulated providers are: `/stripe` and the others below it.
    pub(crate) providers_url: String,
}

#[async_trait]
impl HttpClient for PlayedHttp {
    async fn send(&self, request: Request<Bytes>, timeout: Duration) -> Result<Response<Bytes>, HttpError> {
        let uri = request.uri().to_string();
        let provider =
            uri.strip_prefix(&self.providers_url).and_then(|path| path.trim_start_matches('/').split('/').next());
        let by_the_hour = RECORDS.iter().any(|records| uri.contains(records));
        if provider.is_some_and(|provider| self.outages.hits(provider, by_the_hour)) {
            return Err(HttpError::NotReached("connection refused (played by the sandbox)".to_owned()));
        }
        self.inner.send(request, timeout).await
    }
}

/// Signs webhooks at the machine's time, wherever the sandbox's clock stands: the libraries that verify them take nothing that is more
/// than five minutes old, and a shop that is tried out has no other clock.
pub(crate) struct PlayedWebhooks<S> {
    pub(crate) inner: S,
    pub(crate) machine: Arc<dyn Time>,
}

#[async_trait]
impl<S: WebhookSender> WebhookSender for PlayedWebhooks<S> {
    fn check(&self, url: &str) -> Result<(), EndpointRefused> {
        self.inner.check(url)
    }

    async fn send(&self, webhook: Webhook<'_>) -> Sent {
        self.inner.send(Webhook { at: self.machine.now(), ..webhook }).await
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
