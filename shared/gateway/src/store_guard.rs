//! What stands before the store: a bound on every call, and a breaker, so that nobody waits for a store that is away
//! (finding S1). One for a process: whoever finds out tells the others.
//!
//! Must not know: which store, or what a call is about.

use std::{
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    bounded::within,
    ports::{StoreError, Time},
};

/// So many calls in a row without an answer, and the store counts as away (finding S1: 10).
const AWAY_AFTER: u32 = 10;
/// While it is away, one call in this time tries whether it is back. That one waits as long as any: a store that comes
/// back answers it.
const TRIED_EVERY: Duration = Duration::from_millis(500);
/// A store that has not answered for so long may well not answer at all.
const LONG: Duration = Duration::from_secs(1);

type Observer = Box<dyn Fn(Duration) + Send + Sync>;

/// How the breaker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreStanding {
    /// Calls go through.
    Closed,
    /// The store is away: one call now and then tries whether it is back, others fail at once.
    Open,
}

impl StoreStanding {
    /// As people read it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
        }
    }
}

/// What the store is called for. A store whose writer is stuck may well be read, and says so by kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreCall {
    /// A change of a payment.
    Commit,
    /// Everything else: reads, mostly.
    Other,
}

impl StoreCall {
    const ALL: [Self; 2] = [Self::Commit, Self::Other];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Other => "other",
        }
    }
}

/// Calls the store for everybody in this process.
pub struct StoreGuard {
    time: Arc<dyn Time>,
    standing: Mutex<[Standing; 2]>,
    observer: Option<Observer>,
}

#[derive(Debug, Default)]
struct Standing {
    /// Calls in a row that had no answer.
    unanswered: u32,
    /// The store is away; from then on, real time, one call may try it.
    next_try: Option<Duration>,
    /// When it last went away or came back: what was asked before says nothing of how it stands since.
    changed_at: Duration,
}

impl StoreGuard {
    /// A guard that lets calls through.
    pub fn new(time: Arc<dyn Time>) -> Self {
        for kind in StoreCall::ALL {
            show(kind, StoreStanding::Closed);
        }
        Self { time, standing: Mutex::default(), observer: None }
    }

    /// Tells `observer` how long each answer took: what adapts to the store's strain.
    #[must_use]
    pub fn telling(mut self, observer: impl Fn(Duration) + Send + Sync + 'static) -> Self {
        self.observer = Some(Box::new(observer));
        self
    }

    /// The store's answer within `limit` of real time. [`StoreError::Unavailable`] at once while the store is away.
    pub async fn call<T>(
        &self,
        kind: StoreCall,
        limit: Duration,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        if !self.may_ask(kind) {
            return Err(StoreError::Unavailable("it has not answered for a while and is not asked".to_owned()));
        }
        self.insist(kind, limit, work).await
    }

    /// The same, asked even while the store is away: for what is known once and nowhere else.
    pub async fn insist<T>(
        &self,
        kind: StoreCall,
        limit: Duration,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let mut asked = Asked { guard: self, kind, started: self.time.monotonic(), is_answered: false };
        let answer = within(self.time.as_ref(), limit, work)
            .await
            .unwrap_or_else(|| Err(StoreError::Unavailable("no answer in time".to_owned())));
        asked.is_answered = true;
        self.note(kind, answer.as_ref().err(), asked.started);
        answer
    }

    /// How it stands now for calls of this kind.
    pub fn standing_of(&self, kind: StoreCall) -> StoreStanding {
        if self.lock()[kind as usize].next_try.is_some() { StoreStanding::Open } else { StoreStanding::Closed }
    }

    /// How it stands now, for the kind for which it stands worst.
    pub fn standing(&self) -> StoreStanding {
        let open = StoreCall::ALL.into_iter().any(|kind| self.standing_of(kind) == StoreStanding::Open);
        if open { StoreStanding::Open } else { StoreStanding::Closed }
    }

    fn may_ask(&self, kind: StoreCall) -> bool {
        let now = self.time.monotonic();
        let standing = &mut self.lock()[kind as usize];
        match standing.next_try {
            Some(next_try) if now < next_try => false,
            Some(_) => {
                standing.next_try = Some(now + TRIED_EVERY);
                true
            }
            None => true,
        }
    }

    /// Takes note of how a call went that was made at `started`.
    fn note(&self, kind: StoreCall, error: Option<&StoreError>, started: Duration) {
        let now = self.time.monotonic();
        let mut all = self.lock();
        let standing = &mut all[kind as usize];
        if started < standing.changed_at {
            return;
        }
        if let Some(StoreError::Unavailable(reason)) = error {
            standing.unanswered = standing.unanswered.saturating_add(1);
            if standing.unanswered >= AWAY_AFTER && standing.next_try.is_none() {
                (standing.next_try, standing.changed_at) = (Some(now + TRIED_EVERY), now);
                show(kind, StoreStanding::Open);
                tracing::error!(
                    event = "store_away",
                    kind = kind.as_str(),
                    reason,
                    "the store has not answered {AWAY_AFTER} times in a row: calls fail at once until it does"
                );
            }
            return;
        }
        // What cannot be read has been answered.
        standing.unanswered = 0;
        if standing.next_try.take().is_some() {
            standing.changed_at = now;
            show(kind, StoreStanding::Closed);
            tracing::warn!(event = "store_back", kind = kind.as_str(), "the store answers again");
        }
        drop(all);
        if let Some(observer) = &self.observer {
            observer(now.saturating_sub(started));
        }
    }

    fn lock(&self) -> MutexGuard<'_, [Standing; 2]> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call under way. Dropped without an answer because nobody waits any more, it counts as unanswered, if it was asked a
/// while ago: impatient callers must not hide a store that is away.
struct Asked<'a> {
    guard: &'a StoreGuard,
    kind: StoreCall,
    started: Duration,
    is_answered: bool,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        let waited = self.guard.time.monotonic().saturating_sub(self.started);
        if !self.is_answered && waited >= LONG {
            let gone = StoreError::Unavailable("no answer as long as anybody waited".to_owned());
            self.guard.note(self.kind, Some(&gone), self.started);
        }
    }
}

fn show(kind: StoreCall, standing: StoreStanding) {
    metrics::gauge!("store_circuit_breaker_state", "kind" => kind.as_str()).set(match standing {
        StoreStanding::Closed => 0.0,
        StoreStanding::Open => 2.0,
    });
}

#[cfg(test)]
mod tests {
    use std::{
        future::{pending, ready},
        sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    };

    use async_trait::async_trait;
    use futures::FutureExt;
    use tollgate_domain::Timestamp;

    use super::*;

    /// Sleeping is what makes time pass.
    #[derive(Default)]
    struct Played(AtomicU64);

    impl Played {
        fn pass(&self, time: Duration) {
            self.0.fetch_add(u64::try_from(time.as_millis()).unwrap(), Ordering::Relaxed);
        }
    }

    #[async_trait]
    impl Time for Played {
        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH
        }

        fn monotonic(&self) -> Duration {
            Duration::from_millis(self.0.load(Ordering::Relaxed))
        }

        async fn sleep(&self, time: Duration) {
            if time == Duration::MAX {
                return pending().await;
            }
            self.pass(time);
        }
    }

    struct Guarded {
        guard: StoreGuard,
        time: Arc<Played>,
        asked: AtomicUsize,
    }

    impl Guarded {
        fn new() -> Self {
            let time = Arc::new(Played::default());
            Self { guard: StoreGuard::new(Arc::clone(&time) as _), time, asked: AtomicUsize::new(0) }
        }

        /// Calls the store, which answers or is away; whether it was asked.
        fn call(&self, answer: Result<(), StoreError>) -> bool {
            let before = self.asked.load(Ordering::Relaxed);
            let work = async {
                self.asked.fetch_add(1, Ordering::Relaxed);
                ready(answer).await
            };
            _ = self.guard.call(StoreCall::Commit, Duration::from_secs(5), work).now_or_never().unwrap();
            self.asked.load(Ordering::Relaxed) > before
        }
    }

    fn away() -> Result<(), StoreError> {
        Err(StoreError::Unavailable("refused".to_owned()))
    }

    #[test]
    fn ten_failures_in_a_row_open_it_and_not_nine_or_ten_with_an_answer_between() {
        let store = Guarded::new();
        (0..9).for_each(|_| assert!(store.call(away())));
        assert!(store.call(Ok(())), "the ninth was followed by an answer");
        (0..9).for_each(|_| assert!(store.call(away())));
        assert_eq!(store.guard.standing(), StoreStanding::Closed);
        assert!(store.call(away()));
        assert_eq!(store.guard.standing(), StoreStanding::Open);
        assert!(!store.call(Ok(())), "nobody is asked while it is open");
    }

    #[test]
    fn a_writer_that_is_stuck_keeps_nobody_from_reading_and_reads_do_not_hide_it() {
        let store = Guarded::new();
        let read = || store.guard.call(StoreCall::Other, Duration::from_secs(5), ready(Ok(()))).now_or_never().unwrap();
        for _ in 0..10 {
            assert!(store.call(away()));
            assert!(read().is_ok());
        }
        assert_eq!(store.guard.standing_of(StoreCall::Commit), StoreStanding::Open);
        assert_eq!(store.guard.standing_of(StoreCall::Other), StoreStanding::Closed);
        assert!(read().is_ok() && !store.call(Ok(())));
    }

    #[test]
    fn callers_who_do_not_wait_for_the_answer_do_not_hide_that_there_is_none() {
        let store = Guarded::new();
        let ask = |waits: Duration| {
            let never = std::future::poll_fn(|_| std::task::Poll::<Result<(), StoreError>>::Pending);
            // Time passes by hand here: nothing ends the call but its caller.
            let mut call = Box::pin(store.guard.insist(StoreCall::Other, Duration::MAX, never));
            assert!((&mut call).now_or_never().is_none());
            store.time.pass(waits);
        };
        (0..50).for_each(|_| ask(LONG / 2));
        assert_eq!(store.guard.standing(), StoreStanding::Closed, "they were gone at once");
        (0..10).for_each(|_| ask(LONG));
        assert_eq!(store.guard.standing_of(StoreCall::Other), StoreStanding::Open);
    }

    #[test]
    fn what_was_asked_before_it_came_back_does_not_make_it_go_away_again() {
        let store = Guarded::new();
        (0..10).for_each(|_| assert!(store.call(away())));
        let before = store.time.monotonic();
        store.time.pass(TRIED_EVERY);
        assert!(store.call(Ok(())));
        let late = StoreError::Unavailable("no answer in time".to_owned());
        (0..10).for_each(|_| store.guard.note(StoreCall::Commit, Some(&late), before));
        assert_eq!(store.guard.standing(), StoreStanding::Closed);
    }

    #[test]
    fn what_is_known_once_is_asked_even_while_it_is_away() {
        let store = Guarded::new();
        (0..10).for_each(|_| assert!(store.call(away())));
        assert!(!store.call(Ok(())));
        let told = store.guard.insist(StoreCall::Commit, LONG, ready(Ok(()))).now_or_never().unwrap();
        assert!(told.is_ok() && store.guard.standing() == StoreStanding::Closed);
    }

    #[test]
    fn one_call_in_half_a_second_tries_and_one_answer_closes_it() {
        let store = Guarded::new();
        (0..10).for_each(|_| assert!(store.call(away())));
        store.time.pass(TRIED_EVERY);
        assert!(store.call(away()), "it is tried");
        assert!(!store.call(Ok(())), "once");
        store.time.pass(TRIED_EVERY);
        assert!(store.call(Ok(())));
        assert_eq!(store.guard.standing(), StoreStanding::Closed);
        assert!(store.call(Ok(())));
    }

    #[test]
    fn an_answer_that_does_not_come_in_time_is_none_and_a_row_that_cannot_be_read_is_one() {
        let store = Guarded::new();
        for _ in 0..10 {
            let call = store.guard.call(StoreCall::Commit, Duration::from_secs(5), pending::<Result<(), StoreError>>());
            let answer = call.now_or_never().unwrap();
            assert!(matches!(answer, Err(StoreError::Unavailable(_))));
        }
        assert_eq!(store.guard.standing(), StoreStanding::Open);
        store.time.pass(TRIED_EVERY);
        assert!(store.call(Err(StoreError::Corrupt("row".to_owned()))));
        assert_eq!(store.guard.standing(), StoreStanding::Closed);
    }

    #[test]
    fn how_long_answers_take_is_told_and_not_how_long_none_is_waited_for() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let store = {
            let mut store = Guarded::new();
            let told = Arc::clone(&told);
            store.guard = store.guard.telling(move |took| told.lock().unwrap().push(took));
            store
        };
        store.call(Ok(()));
        store.call(away());
        assert_eq!(*told.lock().unwrap(), [Duration::ZERO]);
    }
}
