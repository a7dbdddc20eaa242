//! Flags: changed by operators, and known to every instance within five seconds (finding I2).

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tollgate_domain::{
    Timestamp,
    routing::{Flag, FlagName, FlagValue, Routing},
};

use crate::{
    Error, Gateway,
    idempotency::RACES,
    ports::{Flags, StoreError},
};

/// How long flags count once they are read. Reading them may take as long as a store operation, and a change is to be seen
/// within five seconds.
const KNOWN_FOR: Duration = Duration::from_secs(4);
/// While the store is away it is not asked more often.
const ASKED_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Sets the flag `name`, for `by` and with the reason `why`. Of two people at once the later one's word stands, and both are
/// kept. Answers how it stood before, and how it stands.
pub async fn change_flag(
    flags: &dyn Flags,
    name: FlagName,
    value: &FlagValue,
    (by, why): (&str, &str),
    now: Timestamp,
) -> Result<(FlagValue, Flag), StoreError> {
    for _ in 0..RACES {
        let before = flags.flag_changes(name, 1).await?.pop();
        let flag = Flag {
            name,
            value: value.clone(),
            revision: before.as_ref().map_or(0, |before| before.revision) + 1,
            changed_at: now,
            changed_by: by.to_owned(),
            why: why.to_owned(),
        };
        if flags.put_flag(&flag).await? {
            return Ok((before.map_or(FlagValue::Unset, |before| before.value), flag));
        }
    }
    Err(StoreError::Unavailable("others change the same flag all the time".to_owned()))
}

/// What an instance knows of the flags.
#[derive(Default)]
pub(crate) struct KnownFlags {
    known: Mutex<Option<Known>>,
    /// One reads, the others wait for that.
    reading: futures::lock::Mutex<()>,
}

#[derive(Clone)]
struct Known {
    routing: Arc<Routing>,
    /// Until when it counts, on the clock that a sandbox does not move.
    until: Duration,
}

impl KnownFlags {
    fn known(&self) -> Option<Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn know(&self, known: Known) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(known);
    }
}

impl Gateway {
    /// The flags as they were four seconds ago at most; older ones only while the store is away.
    pub(crate) async fn routing(&self) -> Result<Arc<Routing>, Error> {
        if let Some(routing) = self.fresh_routing() {
            return Ok(routing);
        }
        Box::pin(self.read_routing()).await
    }

    fn fresh_routing(&self) -> Option<Arc<Routing>> {
        let known = self.flags.known()?;
        (self.ports.time.monotonic() < known.until).then_some(known.routing)
    }

    async fn read_routing(&self) -> Result<Arc<Routing>, Error> {
        let _reading = self.flags.reading.lock().await;
        if let Some(routing) = self.fresh_routing() {
            return Ok(routing);
        }
        // From before it was asked: what changes while it answers may not be in it.
        let asked_at = self.ports.time.monotonic();
        let read = self.within_store_time(self.settings.store_timeout, self.ports.stores.flags.flags()).await;
        let (routing, until) = match (read, self.flags.known()) {
            (Ok(flags), _) => {
                for flag in flags.iter().filter(|flag| matches!(flag.value, FlagValue::Unreadable(_))) {
                    let (flag, value) = (flag.name.to_string(), flag.value.to_string());
                    tracing::error!(event = "flag_unreadable", flag, value, "a flag is without effect: set it anew");
                }
                (Arc::new(Routing::of(flags)), asked_at + KNOWN_FOR)
            }
            (Err(error), Some(before)) => {
                tracing::warn!(%error, "the flags cannot be read: those from before count");
                (before.routing, self.ports.time.monotonic() + ASKED_AGAIN_AFTER)
            }
            (Err(error), None) => return Err(error.into()),
        };
        self.flags.know(Known { routing: Arc::clone(&routing), until });
        Ok(routing)
    }

    /// Turns a provider off for new payments, on again, or weighs providers: see [`change_flag`].
    pub async fn change_flag(&self, name: FlagName, value: &FlagValue, by: &str, why: &str) -> Result<Flag, Error> {
        let change = change_flag(self.ports.stores.flags.as_ref(), name, value, (by, why), self.now());
        let (_, flag) = self.within_store_time(self.settings.store_timeout, change).await?;
        // Whoever changed it here sees it here at once; the others follow.
        if let Some(known) = self.flags.known() {
            self.flags.know(Known { until: Duration::ZERO, ..known });
        }
        Ok(flag)
    }

    /// The last changes of a flag, the last one first.
    pub async fn flag_changes(&self, name: FlagName, limit: u32) -> Result<Vec<Flag>, Error> {
        let changes = self.ports.stores.flags.flag_changes(name, limit);
        Ok(self.within_store_time(self.settings.store_timeout, changes).await?)
    }
}
