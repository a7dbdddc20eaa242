//! The token that calls are made with, where a provider gives one out (OAuth's client credentials): got by one, waited for by the
//! others, and renewed before it ends.
//!
//! Must not know: how a token is got.

use std::{sync::Arc, time::Duration};

use futures::lock::Mutex;
use http::HeaderValue;
use tollgate_gateway::ports::Time;

/// A token is renewed so long before it ends.
const RENEW_BEFORE: Duration = Duration::from_secs(60);

/// A token, as it was got.
pub(crate) struct Got {
    /// `Bearer …`
    pub(crate) bearer: HeaderValue,
    /// For how long from now.
    pub(crate) lives: Duration,
}

/// The present token.
pub(crate) struct Tokens {
    present: Mutex<Option<Known>>,
    /// None is believed to live longer.
    live_at_most: Duration,
    time: Arc<dyn Time>,
}

struct Known {
    bearer: HeaderValue,
    /// Monotonic time.
    until: Duration,
}

impl Tokens {
    /// None yet.
    pub(crate) fn new(live_at_most: Duration, time: Arc<dyn Time>) -> Self {
        Self { present: Mutex::new(None), live_at_most, time }
    }

    /// The present one, or the one that `get` gets.
    pub(crate) async fn present<E>(&self, get: impl Future<Output = Result<Got, E>>) -> Result<HeaderValue, E> {
        let mut present = self.present.lock().await;
        if let Some(known) = present.as_ref().filter(|known| self.time.monotonic() < known.until) {
            return Ok(known.bearer.clone());
        }
        *present = None;
        let Got { bearer, lives } = get.await?;
        let lives = lives.min(self.live_at_most).saturating_sub(RENEW_BEFORE);
        *present = Some(Known { bearer: bearer.clone(), until: self.time.monotonic() + lives });
        Ok(bearer)
    }

    /// The provider does not know `refused` any more: the next call gets another. One that somebody else has got meanwhile stays.
    pub(crate) async fn forget(&self, refused: &HeaderValue) {
        let mut present = self.present.lock().await;
        if present.as_ref().is_some_and(|known| known.bearer == *refused) {
            *present = None;
        }
    }
}
