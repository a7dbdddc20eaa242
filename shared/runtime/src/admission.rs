//! Who is worked for, who waits, and who is refused while there is more to do than can be done (findings C6 and M3).
//!
//! So many requests are worked on at a time; others wait, so many and no more. Captures, voids, refunds and providers'
//! events go first, and a part of the places is kept for them. New payments are refused where too much waits already, or
//! where they would wait too long: at once, so that a refusal costs nobody anything. Among requests of one kind whoever
//! has least gets the next place, and the longest line is cut first: what one merchant floods delays no other.
//!
//! Must not know: HTTP, merchants, what a request is about.

mod limit;
mod lines;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{
    channel::oneshot,
    future::{Either, select},
};
use tollgate_gateway::ports::Time;

use limit::AdaptiveLimit;
use lines::{Lines, Waiter};

/// How much what was done weighs in the estimate of how long the next one takes.
const WEIGHT: f64 = 0.1;

/// What a request is, in the order in which it is worked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// It moves money that is held, or says what became of some: never refused for a new payment's sake.
    Vital,
    /// Everything else: reads, mostly.
    Other,
    /// A new payment: the first to be refused.
    New,
}

impl Class {
    const ALL: [Self; 3] = [Self::Vital, Self::Other, Self::New];

    const fn index(self) -> usize {
        match self {
            Self::Vital => 0,
            Self::Other => 1,
            Self::New => 2,
        }
    }
}

/// Whose a request is: whom what is to be had is shared between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Who {
    /// A merchant's, by the bytes of its id.
    Merchant([u8; 16]),
    /// Of nobody who is known, from this address.
    Address([u8; 16]),
    /// Our own: another function's.
    Ourselves,
}

/// The bounds of one instance.
#[derive(Debug, Clone, Copy)]
pub struct AdmissionSettings {
    /// The most requests that are worked on at a time. While the store is slow there are fewer.
    pub concurrency: usize,
    /// The most that wait (finding C6: 1,000).
    pub queue: usize,
    /// With more than so many waiting, new payments are refused (finding M3: 500).
    pub shed_above: usize,
    /// A new payment that would wait longer than this is refused at once. One that does although it should not have is
    /// refused after half as long again.
    pub wait: Duration,
}

impl Default for AdmissionSettings {
    fn default() -> Self {
        Self { concurrency: 256, queue: 1000, shed_above: 500, wait: Duration::from_millis(250) }
    }
}

/// Why a request is not worked for: too much waits, it would wait too long, or it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overloaded;

/// How an instance stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdmissionStanding {
    /// Worked on now.
    pub in_flight: usize,
    /// Waiting now.
    pub waiting: usize,
    /// The most that are worked on at a time, as it now is.
    pub limit: usize,
}

/// Lets requests in. Cloning shares it.
#[derive(Clone)]
pub struct Admission(Arc<Shared>);

/// Refusals are told of once in this time, with how many there were.
const TOLD_EVERY: Duration = Duration::from_secs(1);

struct Shared {
    time: Arc<dyn Time>,
    settings: AdmissionSettings,
    state: Mutex<State>,
}

struct State {
    work: Work,
    lines: Lines,
    /// Whose turn it is of new payments and everything else.
    others_first: bool,
    next_id: u64,
    /// Refused since it was told of, and when that was.
    refused: u64,
    told_at: Option<Duration>,
}

/// What is worked on.
struct Work {
    limit: AdaptiveLimit,
    in_flight: [usize; 3],
    of: HashMap<Who, usize>,
    /// How long one of each class takes, in seconds.
    takes: [f64; 3],
}

/// The right to be worked for, until it is dropped.
#[must_use]
pub struct Place {
    shared: Arc<Shared>,
    class: Class,
    who: Who,
    since: Duration,
}

impl Admission {
    /// Everybody may come in.
    pub fn new(settings: AdmissionSettings, time: Arc<dyn Time>) -> Self {
        let limit = AdaptiveLimit::new(settings.concurrency.max(1));
        let work = Work { limit, in_flight: [0; 3], of: HashMap::new(), takes: [0.0; 3] };
        let state = State { work, lines: Lines::default(), others_first: false, next_id: 0, refused: 0, told_at: None };
        Self(Arc::new(Shared { time, settings, state: Mutex::new(state) }))
    }

    /// A place for a request of `who`, which may wait for it `within` so long.
    pub async fn enter(&self, class: Class, who: Who, within: Duration) -> Result<Place, Overloaded> {
        let entered = self.wait_for_place(class, who, within).await;
        if entered.is_err() {
            self.tell_refused();
        }
        entered
    }

    fn tell_refused(&self) {
        let mut state = self.0.lock();
        let now = self.0.time.monotonic();
        state.refused += 1;
        if state.told_at.is_none_or(|at| now.saturating_sub(at) >= TOLD_EVERY) {
            let (refused, waiting, limit) = (state.refused, state.lines.len(), state.work.limit.now());
            (state.refused, state.told_at) = (0, Some(now));
            drop(state);
            tracing::warn!(
                event = "load_shed",
                refused,
                waiting,
                limit,
                "there is too much to do; requests are refused"
            );
        }
    }

    async fn wait_for_place(&self, class: Class, who: Who, within: Duration) -> Result<Place, Overloaded> {
        let shared = &self.0;
        let longest = if class == Class::New { shared.settings.wait * 3 / 2 } else { within };
        let (now, within) = (shared.time.monotonic(), within.min(longest));
        let (ticket, displaced) = {
            let mut state = shared.lock();
            record_depth(state.lines.len());
            if state.work.may_start(class, who) {
                state.work.start(class, who);
                state.work.show();
                return Ok(Place { shared: Arc::clone(shared), class, who, since: now });
            }
            if state.lines.len() >= shared.settings.shed_above.min(shared.settings.queue) {
                state.lines.forget_late(now);
            }
            let displaced = state.make_room(class, who, &shared.settings)?;
            state.next_id += 1;
            let (sender, receiver) = oneshot::channel();
            let id = state.next_id;
            state.lines.push(class, who, Waiter { id, until: now + within, place: sender });
            (Ticket { shared, class, who, id, receiver }, displaced)
        };
        // Told outside of the lock: whoever waits there may let go of something at once.
        drop(displaced);
        ticket.wait(within).await
    }

    /// The store has answered, after `took`: what the limit adapts to.
    pub fn store_answered(&self, took: Duration) {
        let grants = {
            let mut state = self.0.lock();
            let now = self.0.time.monotonic();
            let busy = state.work.busy();
            if !state.work.limit.sample(took, busy, now) {
                return;
            }
            self.0.grants(&mut state)
        };
        self.0.hand_out(grants);
    }

    /// How it stands.
    pub fn standing(&self) -> AdmissionStanding {
        let state = self.0.lock();
        AdmissionStanding { in_flight: state.work.busy(), waiting: state.lines.len(), limit: state.work.limit.now() }
    }
}

/// Somebody who waits. Dropped, nobody waits any more.
struct Ticket<'a> {
    shared: &'a Arc<Shared>,
    class: Class,
    who: Who,
    id: u64,
    receiver: oneshot::Receiver<Place>,
}

impl Ticket<'_> {
    async fn wait(mut self, within: Duration) -> Result<Place, Overloaded> {
        let sleep = self.shared.time.sleep(within);
        match select(&mut self.receiver, pin!(sleep)).await {
            Either::Left((Ok(place), _)) => Ok(place),
            // Displaced by one that goes first, or its time is over.
            Either::Left((Err(_), _)) | Either::Right(_) => Err(Overloaded),
        }
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let waiter = self.shared.lock().lines.remove(self.class, self.who, self.id);
        drop(waiter);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let took = self.shared.time.monotonic().saturating_sub(self.since);
        let grants = {
            let mut state = self.shared.lock();
            state.work.end(self.class, self.who, took);
            self.shared.grants(&mut state)
        };
        self.shared.hand_out(grants);
    }
}

type Grant = (Class, Who, oneshot::Sender<Place>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes out of the lines whoever may start now.
    fn grants(&self, state: &mut State) -> Vec<Grant> {
        let (mut grants, now) = (Vec::new(), self.time.monotonic());
        while let Some((class, who, waiter)) = state.next(now) {
            state.work.start(class, who);
            grants.push((class, who, waiter.place));
        }
        state.work.show();
        grants
    }

    /// Outside of the lock: a place that nobody waits for any more comes back at once.
    fn hand_out(self: &Arc<Self>, grants: Vec<Grant>) {
        let since = self.time.monotonic();
        for (class, who, sender) in grants {
            // Whoever is gone by now gives it back by this.
            _ = sender.send(Place { shared: Arc::clone(self), class, who, since });
        }
    }
}

impl Work {
    fn busy(&self) -> usize {
        self.in_flight.iter().sum()
    }

    /// Tells the metrics, whenever somebody starts or ends: a provider that hangs lets nobody end, and would else not be seen.
    #[allow(clippy::cast_precision_loss, reason = "far fewer than a double counts exactly")]
    fn show(&self) {
        metrics::gauge!("admission_in_flight").set(self.busy() as f64);
        metrics::gauge!("admission_limit").set(self.limit.now() as f64);
    }

    /// Whether one more of `class` may be worked on for `who`. An eighth of the places is kept from new payments, and half
    /// of them from everything else, so that what is vital finds one soon; and nobody gets more than half.
    fn may_start(&self, class: Class, who: Who) -> bool {
        let limit = self.limit.now();
        let of_class = match class {
            Class::Vital => limit,
            Class::Other => (limit / 2).max(1),
            Class::New => limit - (limit / 8).clamp(usize::from(limit > 1), limit),
        };
        let of_one = if who == Who::Ourselves { limit } else { limit.div_ceil(2) };
        self.busy() < limit
            && self.in_flight[class.index()] < of_class
            && self.of.get(&who).copied().unwrap_or(0) < of_one
    }

    fn start(&mut self, class: Class, who: Who) {
        self.in_flight[class.index()] += 1;
        *self.of.entry(who).or_default() += 1;
    }

    fn end(&mut self, class: Class, who: Who, took: Duration) {
        let index = class.index();
        self.in_flight[index] = self.in_flight[index].saturating_sub(1);
        if let Some(of) = self.of.get_mut(&who) {
            *of -= 1;
            if *of == 0 {
                self.of.remove(&who);
            }
        }
        let (before, took) = (self.takes[index], took.as_secs_f64());
        self.takes[index] = if before == 0.0 { took } else { before + WEIGHT * (took - before) };
    }
}

impl State {
    /// Whoever is next, if anybody may start: what is vital first, then new payments and everything else in turns.
    fn next(&mut self, now: Duration) -> Option<(Class, Who, Waiter)> {
        let (first, second) = if self.others_first { (Class::Other, Class::New) } else { (Class::New, Class::Other) };
        let Self { work, lines, .. } = self;
        let mut next_of = |class| {
            let (who, waiter) = lines.take(class, now, |who| work.may_start(class, who))?;
            Some((class, who, waiter))
        };
        let next = [Class::Vital, first, second].into_iter().find_map(&mut next_of)?;
        if next.0 == first {
            self.others_first = !self.others_first;
        }
        Some(next)
    }

    /// Makes room for one more that waits, or refuses it. Answers whom it takes the place of.
    fn make_room(
        &mut self,
        class: Class,
        who: Who,
        settings: &AdmissionSettings,
    ) -> Result<Option<Waiter>, Overloaded> {
        let would_wait = self.would_wait(class, who);
        match class {
            Class::New if would_wait > settings.wait => return Err(Overloaded),
            Class::Other if would_wait > settings.wait * 4 => return Err(Overloaded),
            Class::New if self.lines.len() >= settings.shed_above => {
                return self.lines.cut_longest(Class::New, who).map(Some).ok_or(Overloaded);
            }
            _ if self.lines.len() < settings.queue => return Ok(None),
            _ => {}
        }
        // Full. What is less urgent makes room; else whoever has most waiting.
        let less_urgent = Class::ALL.into_iter().rev().take_while(|other| *other != class);
        let displaced = less_urgent.into_iter().find_map(|other| self.lines.cut_last(other));
        displaced.or_else(|| self.lines.cut_longest(class, who)).map(Some).ok_or(Overloaded)
    }

    /// How long one more of `who` would wait: for all that goes first, as long as that takes, at as many places as there are.
    #[allow(clippy::cast_precision_loss, reason = "some hundreds")]
    fn would_wait(&self, class: Class, who: Who) -> Duration {
        let ahead = |other: Class| -> f64 {
            let count = match (class, other) {
                (_, Class::Vital) if class != Class::Vital => self.lines.of(other),
                (mine, other) if mine == other => self.lines.ahead_of(class, who) + 1,
                (Class::Vital, _) => 0,
                // In turns.
                (..) => self.lines.of(other).min(self.lines.of(class) + 1),
            };
            count as f64 * self.work.takes[other.index()]
        };
        let work: f64 = Class::ALL.into_iter().map(ahead).sum();
        Duration::try_from_secs_f64(work / self.work.limit.now() as f64).unwrap_or(Duration::MAX)
    }
}

fn record_depth(waiting: usize) {
    #[allow(clippy::cast_precision_loss, reason = "a thousand at most")]
    metrics::histogram!("admission_queue_depth").record(waiting as f64);
}
