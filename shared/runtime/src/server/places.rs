//! How many connections there may be, and which have to go for new ones when there is no place left.
//!
//! Must not know: sockets, requests.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tollgate_gateway::ports::Time;

use super::activity::Activity;
use crate::system::within;

/// How long to wait for those that were told to leave before looking again.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The connections of one listener.
pub(super) struct Places {
    time: Arc<dyn Time>,
    free: Arc<Semaphore>,
    /// For whoever comes when every place has a request under way: to be told so, or to see whether we are alive.
    spare: Arc<Semaphore>,
    /// How many are told to leave at once, so that not every new connection looks at all others.
    at_once: usize,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    next: u64,
    all: HashMap<u64, Arc<Activity>>,
}

/// A connection's place; free again when it is dropped.
pub(super) struct Place {
    pub(super) activity: Arc<Activity>,
    /// There was no place for it: it may only see whether we are alive.
    pub(super) is_spare: bool,
    id: u64,
    places: Arc<Places>,
    _permit: OwnedSemaphorePermit,
}

impl Places {
    pub(super) fn new(time: &Arc<dyn Time>, connections: usize) -> Arc<Self> {
        let connections = connections.clamp(1, Semaphore::MAX_PERMITS);
        Arc::new(Self {
            time: Arc::clone(time),
            free: Arc::new(Semaphore::new(connections)),
            spare: Arc::new(Semaphore::new((connections / 100).clamp(1, 64))),
            at_once: (connections / 100).max(1),
            open: Mutex::default(),
        })
    }

    /// A place for a new connection. Where there is none, those that have waited longest without a request are told to leave;
    /// where all have one under way, it is a spare one.
    pub(super) async fn take(self: &Arc<Self>) -> Place {
        loop {
            if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
                return self.place(permit, false);
            }
            if !self.make_room()
                && let Ok(permit) = Arc::clone(&self.spare).try_acquire_owned()
            {
                return self.place(permit, true);
            }
            // The semaphore is never closed.
            if let Some(Ok(permit)) = within(&*self.time, LOOK_AGAIN, Arc::clone(&self.free).acquire_owned()).await {
                return self.place(permit, false);
            }
        }
    }

    /// Tells some of those without a request to leave. `false`: there are none, and nobody is leaving.
    pub(super) fn make_room(&self) -> bool {
        let now = self.time.monotonic();
        let open = self.open();
        let mut idle: Vec<_> = open.all.iter().filter_map(|(id, activity)| Some((activity.claim(now)?, *id))).collect();
        if idle.len() > self.at_once {
            idle.select_nth_unstable(self.at_once);
            idle.truncate(self.at_once);
        }
        for (_, id) in &idle {
            if let Some(activity) = open.all.get(id) {
                activity.ask_to_leave();
            }
        }
        let told = u64::try_from(idle.len()).unwrap_or(u64::MAX);
        metrics::counter!("connections_closed_total", "reason" => "make_room").increment(told);
        told > 0 || open.all.values().any(|activity| activity.is_leaving() && !activity.is_busy())
    }

    /// Tells all to leave.
    pub(super) fn close(&self) {
        for activity in self.open().all.values() {
            activity.ask_to_leave();
        }
    }

    fn place(self: &Arc<Self>, permit: OwnedSemaphorePermit, is_spare: bool) -> Place {
        let activity = Activity::new(&self.time);
        let mut open = self.open();
        let id = open.next;
        open.next = id.wrapping_add(1);
        open.all.insert(id, Arc::clone(&activity));
        metrics::gauge!("connections_open").increment(1.0);
        Place { activity, is_spare, id, places: Arc::clone(self), _permit: permit }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.open().all.remove(&self.id);
        metrics::gauge!("connections_open").decrement(1.0);
    }
}
