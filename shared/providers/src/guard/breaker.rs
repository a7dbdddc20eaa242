//! A circuit breaker: stops calls that would most likely fail, so that nobody waits for a provider in trouble (finding C2).
//!
//! One for each kind of call: a provider whose refunds fail may still take payments. Must not know: what a call is.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tollgate_domain::Timestamp;

/// When a breaker opens, and how it closes again (contract: 50 % of the last 10 calls, 30 s, 5 trials).
#[derive(Debug, Clone, Copy)]
pub struct BreakerSettings {
    /// So many calls are looked back on; with fewer it never opens.
    pub window: usize,
    /// It opens where at least so many per cent of them failed.
    pub failures_percent: usize,
    /// It lets nothing through for so long.
    pub open_for: Duration,
    /// Then so many calls try whether it works again.
    pub trials: usize,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self { window: 10, failures_percent: 50, open_for: Duration::from_secs(30), trials: 5 }
    }
}

/// How a breaker stands, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum BreakerState {
    /// Calls go through.
    Closed,
    /// Some calls try whether it works again.
    HalfOpen,
    /// None goes through.
    Open,
}

impl BreakerState {
    /// As `circuit_breaker_state` shows it.
    pub const fn as_number(self) -> u8 {
        match self {
            Self::Closed => 0,
            Self::HalfOpen => 1,
            Self::Open => 2,
        }
    }

    /// As people read it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half-open",
            Self::Open => "open",
        }
    }
}

/// How a call went, as far as a breaker is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Went {
    /// The provider did its work, whatever its answer was.
    Well,
    /// The provider is in trouble.
    Badly,
    /// It says nothing about the provider: our own limits, or it was never made.
    Untold,
}

/// Trials say in this time whether it works again, or are not waited for.
const AFTER_TRIALS: Duration = Duration::from_secs(1);
/// Trials that began longer ago than so many times what it is open for do not count any more.
const TRIALS_COUNT_FOR: u32 = 10;

enum Phase {
    /// The last calls, true where one failed.
    Closed(VecDeque<bool>),
    Open {
        since: Timestamp,
    },
    HalfOpen {
        since: Timestamp,
        under_way: usize,
        well: usize,
        badly: usize,
    },
}

struct Standing {
    phase: Phase,
    /// Counts changes of the phase: what was let through in an earlier one says nothing about this one.
    generation: u64,
}

/// One breaker. Its time is the business clock's.
pub(crate) struct Breaker {
    settings: BreakerSettings,
    /// What it is in the log.
    name: String,
    standing: Mutex<Standing>,
}

impl Breaker {
    pub(crate) fn new(name: String, settings: BreakerSettings) -> Arc<Self> {
        let standing = Standing { phase: Phase::Closed(VecDeque::new()), generation: 0 };
        Arc::new(Self { settings, name, standing: Mutex::new(standing) })
    }

    /// Lets a call through, or says how long to wait.
    pub(crate) fn admit(self: &Arc<Self>, now: Timestamp) -> Result<Trial, Duration> {
        let mut standing = self.standing();
        if let Phase::Open { since } = standing.phase {
            let until = since + self.settings.open_for;
            // A clock that went back must not keep it open.
            if since <= now && now < until {
                return Err(Duration::try_from(until.duration_since(now)).unwrap_or(self.settings.open_for));
            }
            standing.turn(Phase::trials(now), &self.name);
        }
        if let Phase::HalfOpen { since, .. } = standing.phase
            && !(since <= now && now < since + self.settings.open_for * TRIALS_COUNT_FOR)
        {
            // Where calls are rare, what failed long ago says nothing of today: the trials begin anew.
            standing.phase = Phase::trials(now);
            standing.generation += 1;
        }
        if let Phase::HalfOpen { under_way, well, badly, .. } = &mut standing.phase {
            if *under_way + *well + *badly >= self.settings.trials {
                return Err(AFTER_TRIALS);
            }
            *under_way += 1;
        }
        Ok(Trial { breaker: Arc::clone(self), generation: standing.generation, ended: false })
    }

    /// How it stands. One whose time is over stays open until a call tries it.
    pub(crate) fn state(&self) -> BreakerState {
        self.standing().phase.state()
    }

    fn ended(&self, generation: u64, went: Went, now: Option<Timestamp>) {
        let mut standing = self.standing();
        if standing.generation != generation {
            return;
        }
        let next = match &mut standing.phase {
            Phase::Closed(last) if went != Went::Untold => {
                if last.len() == self.settings.window {
                    last.pop_front();
                }
                last.push_back(went == Went::Badly);
                let failed = last.iter().filter(|failed| **failed).count();
                // A call that went well is no reason to open, whatever its window now holds.
                let opens = went == Went::Badly && last.len() == self.settings.window;
                (opens && self.is_too_many(failed, last.len())).then_some(false)
            }
            Phase::HalfOpen { under_way, well, badly, .. } => {
                *under_way = under_way.saturating_sub(1);
                match went {
                    Went::Well => *well += 1,
                    Went::Badly => *badly += 1,
                    Went::Untold => {}
                }
                let ended = *well + *badly;
                (ended >= self.settings.trials).then(|| !self.is_too_many(*badly, ended))
            }
            Phase::Closed(_) | Phase::Open { .. } => None,
        };
        match (next, now) {
            (Some(true), _) => standing.turn(Phase::Closed(VecDeque::new()), &self.name),
            (Some(false), Some(now)) => standing.turn(Phase::Open { since: now }, &self.name),
            _ => {}
        }
    }

    fn is_too_many(&self, failed: usize, of: usize) -> bool {
        failed * 100 >= of * self.settings.failures_percent
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Standing {
    fn turn(&mut self, phase: Phase, name: &str) {
        let (from, to) = (self.phase.state().as_str(), phase.state().as_str());
        if phase.state() == BreakerState::Open {
            tracing::warn!(event = "circuit_breaker_opened", breaker = name, from, to, "a circuit breaker opened");
        } else {
            tracing::info!(event = "circuit_breaker_turned", breaker = name, from, to, "a circuit breaker turned");
        }
        self.phase = phase;
        self.generation += 1;
    }
}

impl Phase {
    /// Trials that begin now.
    const fn trials(now: Timestamp) -> Self {
        Self::HalfOpen { since: now, under_way: 0, well: 0, badly: 0 }
    }

    const fn state(&self) -> BreakerState {
        match self {
            Self::Closed(_) => BreakerState::Closed,
            Self::HalfOpen { .. } => BreakerState::HalfOpen,
            Self::Open { .. } => BreakerState::Open,
        }
    }
}

/// A call that was let through. Dropped without an end it was never made, and frees its place.
pub(crate) struct Trial {
    breaker: Arc<Breaker>,
    generation: u64,
    ended: bool,
}

impl Trial {
    /// Says how the call went.
    pub(crate) fn ended(mut self, went: Went, now: Timestamp) {
        self.ended = true;
        self.breaker.ended(self.generation, went, Some(now));
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        if !self.ended {
            self.breaker.ended(self.generation, Went::Untold, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN_FOR: Duration = Duration::from_secs(30);

    struct Played {
        breaker: Arc<Breaker>,
        now: Timestamp,
    }

    impl Played {
        fn new() -> Self {
            Self {
                breaker: Breaker::new("stripe authorize".to_owned(), BreakerSettings::default()),
                now: "2026-03-01T09:00:00Z".parse().unwrap(),
            }
        }

        fn calls(&self, all: &[Went]) {
            for went in all {
                let Ok(trial) = self.breaker.admit(self.now) else { panic!("it is let through") };
                trial.ended(*went, self.now);
            }
        }

        fn opened() -> Self {
            let mut played = Self::new();
            played.calls(&[Went::Badly; 10]);
            assert_eq!(played.breaker.state(), BreakerState::Open);
            played.now += OPEN_FOR;
            played
        }
    }

    #[test]
    fn it_opens_when_half_of_the_last_ten_calls_failed_and_not_before() {
        let played = Played::new();
        played.calls(&[Went::Badly; 9]);
        assert_eq!(played.breaker.state(), BreakerState::Closed, "nine calls are too few to say");
        let played = Played::new();
        played.calls(&[Went::Well; 6]);
        played.calls(&[Went::Badly; 4]);
        assert_eq!(played.breaker.state(), BreakerState::Closed, "four of ten");
        played.calls(&[Went::Badly]);
        assert_eq!(played.breaker.state(), BreakerState::Open, "five of the last ten");
        assert_eq!(played.breaker.admit(played.now).err(), Some(OPEN_FOR));
    }

    #[test]
    fn a_call_that_goes_well_never_opens_it() {
        let played = Played::new();
        played.calls(&[Went::Badly; 5]);
        played.calls(&[Went::Well; 5]);
        assert_eq!(
            played.breaker.state(),
            BreakerState::Closed,
            "the trouble is over, and its calls fill half the window"
        );
        played.calls(&[Went::Well; 4]);
        played.calls(&[Went::Badly; 2]);
        assert_eq!(played.breaker.state(), BreakerState::Closed, "what was before it has moved on");
    }

    #[test]
    fn what_says_nothing_about_the_provider_does_not_count() {
        let played = Played::new();
        played.calls(&[Went::Badly; 4]);
        played.calls(&[Went::Untold; 50]);
        played.calls(&[Went::Well; 5]);
        assert_eq!(played.breaker.state(), BreakerState::Closed);
    }

    #[test]
    fn it_lets_five_trials_through_after_thirty_seconds_and_closes_when_most_go_well() {
        let mut played = Played::opened();
        played.now -= Duration::from_millis(1);
        assert_eq!(played.breaker.admit(played.now).err(), Some(Duration::from_millis(1)));
        played.now += Duration::from_millis(1);
        let trials: Vec<_> = (0..5).map(|_| played.breaker.admit(played.now).ok().unwrap()).collect();
        assert!(played.breaker.admit(played.now).is_err(), "five, and no sixth");
        assert_eq!(played.breaker.state(), BreakerState::HalfOpen);
        for (trial, went) in trials.into_iter().zip([Went::Badly, Went::Well, Went::Well, Went::Badly, Went::Well]) {
            trial.ended(went, played.now);
        }
        assert_eq!(played.breaker.state(), BreakerState::Closed);
    }

    #[test]
    fn trials_that_fail_open_it_for_another_thirty_seconds() {
        let played = Played::opened();
        played.calls(&[Went::Well, Went::Well, Went::Badly, Went::Badly, Went::Badly]);
        assert_eq!(played.breaker.state(), BreakerState::Open);
        assert_eq!(played.breaker.admit(played.now).err(), Some(OPEN_FOR));
    }

    #[test]
    fn trials_that_failed_long_ago_do_not_open_it_over_one_that_goes_well() {
        let mut played = Played::opened();
        played.calls(&[Went::Badly; 4]);
        played.now += OPEN_FOR * TRIALS_COUNT_FOR;
        played.calls(&[Went::Well]);
        assert_eq!(played.breaker.state(), BreakerState::HalfOpen);
        played.calls(&[Went::Well; 4]);
        assert_eq!(played.breaker.state(), BreakerState::Closed);
    }

    #[test]
    fn a_trial_that_is_never_made_frees_its_place() {
        let played = Played::opened();
        for _ in 0..20 {
            drop(played.breaker.admit(played.now));
        }
        played.calls(&[Went::Untold; 20]);
        played.calls(&[Went::Well; 5]);
        assert_eq!(played.breaker.state(), BreakerState::Closed);
    }

    #[test]
    fn a_call_from_before_it_opened_says_nothing_about_the_trials() {
        let mut played = Played::new();
        let late: Vec<_> = (0..5).map(|_| played.breaker.admit(played.now).ok().unwrap()).collect();
        played.calls(&[Went::Badly; 10]);
        played.now += OPEN_FOR;
        played.calls(&[Went::Well; 4]);
        for call in late {
            call.ended(Went::Badly, played.now);
        }
        assert_eq!(played.breaker.state(), BreakerState::HalfOpen);
        played.calls(&[Went::Well]);
        assert_eq!(played.breaker.state(), BreakerState::Closed);
    }

    #[test]
    fn a_clock_that_went_back_does_not_keep_it_open() {
        let mut played = Played::opened();
        played.now -= Duration::from_secs(3600);
        assert!(played.breaker.admit(played.now).is_ok());
    }
}
