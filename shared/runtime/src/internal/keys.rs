//! Google's keys, kept and fetched again: by one request for all, not more often than needed, and never as often as
//! strangers ask.
//!
//! Must not know: tokens.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use axum::http::{Request, Uri, header};
use bytes::Bytes;
use jsonwebtoken::DecodingKey;
use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};
use tollgate_gateway::ports::{HttpClient, HttpError, Time};

use super::{
    key_set::{KeySet, NoKeys},
    refusal::Refusal,
};
use crate::system::{System, TaskSpawner};

/// How long a fetch may take.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// Between the starts of two fetches, whoever asks: a token names its key as it likes.
const FETCH_INTERVAL: Duration = Duration::from_secs(60);
/// The same where there are no keys to go on with, so that the endpoint's hiccup at a start does not cost a minute.
const FETCH_INTERVAL_WITHOUT_KEYS: Duration = Duration::from_secs(10);
/// How long keys are used past their time while the endpoint gives no others.
const STALE_FOR: Duration = Duration::from_secs(6 * 3600);

/// The keys, shared by all requests.
pub(super) struct Keys {
    url: Uri,
    http: Arc<dyn HttpClient>,
    time: Arc<dyn Time>,
    tasks: TaskSpawner,
    kept: RwLock<Arc<Kept>>,
    /// Who holds it fetches. Inside: when the last fetch was started.
    fetching: Arc<Mutex<Option<Duration>>>,
}

/// The keys of one answer.
#[derive(Default)]
struct Kept {
    set: KeySet,
    /// `None`: there was no answer yet.
    since: Option<Duration>,
}

impl Kept {
    fn is_younger(&self, age: Duration, now: Duration) -> bool {
        self.since.is_some_and(|since| now.saturating_sub(since) < age)
    }

    fn is_fresh(&self, now: Duration) -> bool {
        self.is_younger(self.set.fresh_for, now)
    }

    fn is_usable(&self, now: Duration) -> bool {
        self.is_younger(self.set.fresh_for + STALE_FOR, now)
    }
}

#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error(transparent)]
    NoKeys(#[from] NoKeys),
}

impl Keys {
    /// No keys yet.
    pub(super) fn new(url: Uri, system: &System, http: Arc<dyn HttpClient>) -> Arc<Self> {
        let (time, tasks) = (Arc::clone(&system.time), system.tasks.clone());
        Arc::new(Self { url, http, time, tasks, kept: RwLock::default(), fetching: Arc::default() })
    }

    /// The key of this name. Asks Google where the keys are too old, or none has that name.
    pub(super) async fn find(self: &Arc<Self>, id: &str) -> Result<Arc<DecodingKey>, Refusal> {
        let kept = self.kept();
        if kept.is_fresh(self.time.monotonic())
            && let Some(key) = kept.set.get(id)
        {
            return Ok(key);
        }
        let kept = self.fetched_after(&kept).await;
        if !kept.is_usable(self.time.monotonic()) {
            return Err(Refusal::KeysUnavailable);
        }
        kept.set.get(id).ok_or(Refusal::UnknownKey)
    }

    fn kept(&self) -> Arc<Kept> {
        Arc::clone(&self.kept.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The keys after `seen`, if there are newer ones or they may be fetched now; else the same. Of all who ask, one
    /// fetches and the others wait for it.
    async fn fetched_after(self: &Arc<Self>, seen: &Arc<Kept>) -> Arc<Kept> {
        let mut last_fetch = Arc::clone(&self.fetching).lock_owned().await;
        let (kept, now) = (self.kept(), self.time.monotonic());
        let interval = if kept.is_usable(now) { FETCH_INTERVAL } else { FETCH_INTERVAL_WITHOUT_KEYS };
        let too_soon = last_fetch.is_some_and(|last| now.saturating_sub(last) < interval);
        if too_soon || !Arc::ptr_eq(&kept, seen) {
            return kept;
        }
        *last_fetch = Some(now);
        self.fetch_in_a_task(last_fetch).await;
        self.kept()
    }

    /// In a task of its own: a caller that goes away must not take the fetch with it, or strangers could keep us from
    /// ever having new keys.
    async fn fetch_in_a_task(self: &Arc<Self>, fetching: OwnedMutexGuard<Option<Duration>>) {
        let (done, wait) = oneshot::channel();
        let keys = Arc::clone(self);
        self.tasks.start(async move {
            keys.fetch().await;
            drop(fetching);
            // Whoever waited may have gone.
            _ = done.send(());
        });
        // An error: the task is gone, and what is kept is as it was.
        _ = wait.await;
    }

    async fn fetch(&self) {
        let outcome = match self.ask().await {
            Ok(set) => {
                let kept = Kept { set, since: Some(self.time.monotonic()) };
                *self.kept.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(kept);
                "fetched"
            }
            Err(error) => {
                let still_usable = self.kept().is_usable(self.time.monotonic());
                tracing::warn!(%error, still_usable, "the keys for ID tokens cannot be fetched");
                "failed"
            }
        };
        metrics::counter!("oidc_key_fetches_total", "outcome" => outcome).increment(1);
    }

    async fn ask(&self) -> Result<KeySet, FetchError> {
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = self.url.clone();
        request.headers_mut().insert(header::ACCEPT, header::HeaderValue::from_static("application/json"));
        Ok(KeySet::read(&self.http.send(request, FETCH_TIMEOUT).await?)?)
    }
}
