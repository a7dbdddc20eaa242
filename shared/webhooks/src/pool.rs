//! Connections that wait for their next request: for a bounded time, and a bounded number of them.
//!
//! A connection was checked when it was made, and stays at the address it was made to; how old it can become is bounded
//! so that a merchant who moves is followed. No timer closes what is idle: whatever send comes next does.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::connection::Connection;

/// How long a connection waits. Shorter than the five seconds after which common servers close, so that few requests meet
/// a closing one.
const MAX_IDLE: Duration = Duration::from_secs(4);
/// How old a connection may become.
const MAX_AGE: Duration = Duration::from_secs(120);
/// How many wait at all; the one that waited longest makes room.
const MAX_WAITING: usize = 512;

/// The waiting connections.
#[derive(Default)]
pub(crate) struct Pool {
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    /// In the order in which they began to wait.
    connections: BTreeMap<u64, (String, Duration, Connection)>,
    /// The same by origin, in the same order.
    by_origin: HashMap<String, Vec<u64>>,
    next: u64,
}

impl Pool {
    /// The connection to `origin` that has waited least, if there is one.
    pub(crate) fn take(&self, origin: &str, now: Duration) -> Option<Connection> {
        let mut expired = Vec::new();
        let mut waiting = self.lock();
        waiting.expire(now, &mut expired);
        let number = waiting.by_origin.get(origin)?.last().copied()?;
        waiting.remove(number)
        // `expired` is dropped, and so closed, after the lock is given back.
    }

    /// Lets `connection` wait.
    pub(crate) fn put(&self, origin: String, now: Duration, connection: Connection) {
        if now.saturating_sub(connection.made) >= MAX_AGE {
            return;
        }
        let mut expired = Vec::new();
        let mut waiting = self.lock();
        waiting.expire(now, &mut expired);
        if waiting.connections.len() >= MAX_WAITING {
            let oldest = waiting.connections.keys().next().copied();
            expired.extend(oldest.and_then(|number| waiting.remove(number)));
        }
        let number = waiting.next;
        waiting.next += 1;
        waiting.by_origin.entry(origin.clone()).or_default().push(number);
        waiting.connections.insert(number, (origin, now, connection));
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing in here panics half-way; and a lost connection is only a new one to make.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn expire(&mut self, now: Duration, expired: &mut Vec<Connection>) {
        while let Some((&number, (_, since, _))) = self.connections.first_key_value() {
            if now.saturating_sub(*since) < MAX_IDLE {
                break;
            }
            expired.extend(self.remove(number));
        }
    }

    fn remove(&mut self, number: u64) -> Option<Connection> {
        let (origin, _, connection) = self.connections.remove(&number)?;
        if let Some(numbers) = self.by_origin.get_mut(&origin) {
            numbers.retain(|other| *other != number);
            if numbers.is_empty() {
                self.by_origin.remove(&origin);
            }
        }
        Some(connection)
    }
}
