//! How many requests are worked on at a time: fewer while the store takes longer than it usually does.
//!
//! A gradient limiter, as Netflix's "gradient2" is one: what is long ago says how long an answer takes when nobody is in a
//! hurry, the last moments how long it takes now, and the limit goes with their ratio. It looks at the store's answers and
//! not at whole requests, whose time is mostly the provider's: a provider that hangs is its own guard's matter, and must
//! not take places away from payments at the others. A machine that is busy shows in the store's answers, too.
//!
//! Must not know: which store.

use std::time::Duration;

/// So many answers, and so much time, are looked at at once.
const SAMPLES: u32 = 16;
const WINDOW: Duration = Duration::from_millis(250);
/// Nobody calls this slow, however fast it is otherwise.
const ALWAYS_FINE: f64 = 0.025;
/// So much longer than usual is no sign of anything.
const TOLERANCE: f64 = 2.0;
/// How much a window weighs in the limit.
const SMOOTHING: f64 = 0.3;
/// How much it weighs in what is usual: what lasts for minutes becomes usual, and is forgotten sooner.
const MEMORY: f64 = 0.002;
const FORGETS: f64 = 0.05;
/// The limit never falls below the most over this, and four.
const LEAST: usize = 16;

pub(super) struct AdaptiveLimit {
    most: f64,
    least: f64,
    limit: f64,
    /// Seconds that an answer usually takes.
    usual: Option<f64>,
    window: Window,
}

#[derive(Default)]
struct Window {
    since: Duration,
    samples: u32,
    seconds: f64,
    busiest: usize,
}

impl AdaptiveLimit {
    /// Begins at `most`.
    #[allow(clippy::cast_precision_loss, reason = "some hundreds")]
    pub(super) fn new(most: usize) -> Self {
        let least = (most / LEAST).max(4).min(most);
        Self { most: most as f64, least: least as f64, limit: most as f64, usual: None, window: Window::default() }
    }

    /// The limit now.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between `least` and `most`")]
    pub(super) fn now(&self) -> usize {
        self.limit as usize
    }

    /// An answer took so long, with so many requests at work. Answers whether the limit is another one now.
    pub(super) fn sample(&mut self, took: Duration, busy: usize, now: Duration) -> bool {
        let window = &mut self.window;
        window.samples += 1;
        window.seconds += took.as_secs_f64();
        window.busiest = window.busiest.max(busy);
        if window.samples < SAMPLES || now.saturating_sub(window.since) < WINDOW {
            return false;
        }
        let (short, busiest) = (window.seconds / f64::from(window.samples), window.busiest);
        self.window = Window { since: now, ..Window::default() };
        let before = self.now();
        self.adapt(short, busiest);
        before != self.now()
    }

    #[allow(clippy::cast_precision_loss, reason = "some hundreds")]
    fn adapt(&mut self, short: f64, busiest: usize) {
        let usual = *self.usual.get_or_insert(short);
        let memory = if short < usual { FORGETS } else { MEMORY };
        self.usual = Some(usual + memory * (short - usual));
        let gradient = (TOLERANCE * usual.max(ALWAYS_FINE) / short).clamp(0.5, 1.0);
        // Where fewer are at work than might be, a longer answer is not because of too many.
        if gradient < 1.0 && (busiest as f64) < self.limit / 2.0 {
            return;
        }
        let target = self.limit * gradient + if gradient < 1.0 { 0.0 } else { self.limit.sqrt() };
        let limit = self.limit + SMOOTHING * (target - self.limit);
        self.limit = limit.clamp(self.least, self.most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `windows` windows of answers that take `millis`, with `busy` at work.
    fn feed(limit: &mut AdaptiveLimit, clock: &mut Duration, windows: u32, millis: u64, busy: usize) {
        for _ in 0..windows {
            *clock += WINDOW;
            for _ in 0..SAMPLES {
                limit.sample(Duration::from_millis(millis), busy, *clock);
            }
        }
    }

    #[test]
    fn it_falls_while_the_store_is_slow_and_comes_back_with_it() {
        let (mut limit, mut clock) = (AdaptiveLimit::new(256), Duration::ZERO);
        feed(&mut limit, &mut clock, 40, 5, 200);
        assert_eq!(limit.now(), 256);
        feed(&mut limit, &mut clock, 8, 500, 256);
        assert!(limit.now() < 128, "after two seconds: {}", limit.now());
        feed(&mut limit, &mut clock, 40, 500, 256);
        assert_eq!(limit.now(), 16, "and never below a sixteenth");
        feed(&mut limit, &mut clock, 100, 5, 16);
        assert_eq!(limit.now(), 256);
    }

    #[test]
    fn what_is_fast_enough_for_anybody_never_lowers_it() {
        let (mut limit, mut clock) = (AdaptiveLimit::new(256), Duration::ZERO);
        feed(&mut limit, &mut clock, 40, 1, 256);
        feed(&mut limit, &mut clock, 40, 20, 256);
        assert_eq!(limit.now(), 256, "twenty times as long, and nothing to worry about");
    }

    #[test]
    fn a_slow_store_with_little_to_do_is_not_slow_because_of_too_many() {
        let (mut limit, mut clock) = (AdaptiveLimit::new(256), Duration::ZERO);
        feed(&mut limit, &mut clock, 40, 5, 10);
        feed(&mut limit, &mut clock, 40, 2000, 10);
        assert_eq!(limit.now(), 256);
    }

    #[test]
    fn the_smallest_limits_stay_above_zero() {
        for most in 1..8 {
            let (mut limit, mut clock) = (AdaptiveLimit::new(most), Duration::ZERO);
            feed(&mut limit, &mut clock, 10, 1, most);
            feed(&mut limit, &mut clock, 100, 5000, most);
            assert!((1..=most).contains(&limit.now()), "{most}");
        }
    }
}
