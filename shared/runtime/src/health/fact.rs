//! What `/health/deep` shows beside the checks: worth a look, and deciding nothing.
//!
//! Must not know: what is looked at.

use std::{pin::Pin, sync::Arc, time::Duration};

use serde_json::Value;
use tollgate_gateway::ports::Time;

use crate::{logs::Chain, system::within};

/// How long finding one out may take.
const TIMEOUT: Duration = Duration::from_secs(1);

type Look = Pin<Box<dyn Future<Output = anyhow::Result<Value>> + Send>>;

/// Something that is worth a look and decides nothing, such as how circuit breakers stand.
#[derive(Clone)]
pub struct Fact {
    name: &'static str,
    timeout: Duration,
    look: Arc<dyn Fn() -> Look + Send + Sync>,
}

impl Fact {
    /// A fact with this name in `/health/deep`, which is known here. `look` must be quick: nobody bounds it. It may say nothing
    /// that outsiders must not know.
    pub fn new(name: &'static str, look: impl Fn() -> Value + Send + Sync + 'static) -> Self {
        Self::asked(name, move || std::future::ready(Ok(look())))
    }

    /// A fact that somebody else is asked for, such as the store; null where there is no answer within a second.
    pub fn asked<F>(name: &'static str, look: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = anyhow::Result<Value>> + Send + 'static,
    {
        Self { name, timeout: TIMEOUT, look: Arc::new(move || Box::pin(look())) }
    }

    /// Changes how long finding it out may take.
    #[must_use]
    pub fn within(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    pub(super) async fn look(&self, time: &dyn Time) -> (&'static str, Value) {
        let value = match within(time, self.timeout, (self.look)()).await {
            Some(Ok(value)) => value,
            Some(Err(error)) => {
                tracing::warn!(fact = self.name, error = %Chain(&*error), "a fact for /health/deep cannot be found out");
                Value::Null
            }
            None => {
                tracing::warn!(fact = self.name, "a fact for /health/deep took too long");
                Value::Null
            }
        };
        (self.name, value)
    }
}
