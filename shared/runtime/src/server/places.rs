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
        let mut has_waited = false;
        loop {
            if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
                return self.place(permit, false);
            }
            if !self.make_room(has_waited)
                && let Ok(permit) = Arc::clone(&self.spare).try_acquire_owned()
            {
                return self.place(permit, true);
            }
            // The semaphore is never closed.
            if let Some(Ok(permit)) = within(&*self.time, LOOK_AGAIN, Arc::clone(&self.free).acquire_owned()).await {
                return self.place(permit, false);
            }
            has_waited = true;
        }
    }

    /// Tells some of those without a request to leave; more while others are still leaving only if those do not suffice (`more`).
    /// `false`: there are none, and nobody is leaving.
    pub(super) fn make_room(&self, more: bool) -> bool {
        let now = self.time.monotonic();
        let open = self.open();
        let is_coming = open.all.values().any(|activity| activity.is_leaving() && !activity.is_busy());
        if is_coming && !more {
            return true;
        }
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
        told > 0 || is_coming
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

#[cfg(test)]
mod tests {
    use futures::{FutureExt, future::join_all};

    use super::*;
    use crate::SystemClock;

    #[tokio::test]
    async fn who_comes_while_others_are_leaving_waits_for_their_places_and_has_nobody_else_closed() {
        let time: Arc<dyn Time> = Arc::new(SystemClock::start());
        let places = Places::new(&time, 3);
        let here = join_all((0..3).map(|_| places.take())).await;
        let mut coming = [Box::pin(places.take()), Box::pin(places.take())];
        for place in &mut coming {
            assert!(place.as_mut().now_or_never().is_none(), "there is no place yet");
        }
        let leaving = |here: &[Place]| here.iter().filter(|place| place.activity.is_leaving()).count();
        assert_eq!(leaving(&here), 1);
        let [first, second] = coming;
        // Nobody goes: after a while one more is told, and by the other one, too.
        assert!(within(&*time, LOOK_AGAIN * 3 / 2, first).await.is_none());
        assert!(leaving(&here) > 1);
        drop(here);
        assert!(!second.await.is_spare);
    }
}
