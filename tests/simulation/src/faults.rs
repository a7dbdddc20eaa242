//! What goes wrong, how often: drawn once for each seed, and over when the storm is.
//!
//! Must not know: what it goes wrong with.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use crate::dice::Dice;

/// How bad it is. Rates are of a million, for each time that it could happen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rates {
    /// An instance dies, at a step of one of its tasks.
    pub(crate) crash: u64,
    /// An instance stands still, at a step of one of its tasks, and wakes up later.
    pub(crate) stall: u64,
    /// An instance stands still just when a call to the provider came to nothing, and has yet to write that down.
    pub(crate) stall_with_it: u64,
    /// The store gives no answer, and did nothing.
    pub(crate) store_fails: u64,
    /// The store did it, and gives no answer.
    pub(crate) store_answer_lost: u64,
    /// A commit arrives after whoever sent it has given up.
    pub(crate) commit_late: u64,
    /// The provider is not reached.
    pub(crate) not_reached: u64,
    /// A request to the provider is lost on its way.
    pub(crate) request_lost: u64,
    /// A request to the provider arrives after it was given up.
    pub(crate) request_late: u64,
    /// A request to the provider arrives hours later.
    pub(crate) request_too_late: u64,
    /// A request to the provider arrives twice.
    pub(crate) request_twice: u64,
    /// The provider did it, and the answer is lost.
    pub(crate) answer_lost: u64,
    /// The provider answers with an error of a machine before it, and did nothing.
    pub(crate) bad_gateway: u64,
    /// The provider's webhook never comes.
    pub(crate) webhook_lost: u64,
    /// It comes late, behind others.
    pub(crate) webhook_late: u64,
    /// It comes twice.
    pub(crate) webhook_twice: u64,
    /// A message of the queue never comes, comes late, or twice: each so often.
    pub(crate) message: u64,
    /// A merchant's request, or the answer to it, is lost: each so often.
    pub(crate) merchant: u64,
    /// The merchant's endpoint fails, or took it and its answer is lost: each so often.
    pub(crate) endpoint: u64,
}

const CALM: Rates = Rates {
    crash: 0,
    stall: 0,
    stall_with_it: 0,
    store_fails: 0,
    store_answer_lost: 0,
    commit_late: 0,
    not_reached: 0,
    request_lost: 0,
    request_late: 0,
    request_too_late: 0,
    request_twice: 0,
    answer_lost: 0,
    bad_gateway: 0,
    webhook_lost: 0,
    webhook_late: 0,
    webhook_twice: 0,
    message: 0,
    merchant: 0,
    endpoint: 0,
};

impl Rates {
    /// A storm of this seed: each kind is absent, rare or frequent.
    fn storm(dice: &Dice) -> Self {
        let often = |most: u64| dice.one_of(&[0, most / 8, most / 2, most]);
        Self {
            crash: often(400),
            stall: often(300),
            stall_with_it: often(300_000),
            store_fails: often(8_000),
            store_answer_lost: often(15_000),
            commit_late: often(4_000),
            not_reached: often(60_000),
            request_lost: often(20_000),
            request_late: often(15_000),
            request_too_late: if dice.chance(400) { 8_000 } else { 0 },
            request_twice: often(20_000),
            answer_lost: often(40_000),
            bad_gateway: often(30_000),
            webhook_lost: often(150_000),
            webhook_late: often(100_000),
            webhook_twice: often(80_000),
            message: often(80_000),
            merchant: often(40_000),
            endpoint: often(150_000),
        }
    }

    /// A bad way to the providers. Not so bad that breakers keep everybody from it.
    fn with_a_bad_way(self) -> Self {
        Self { not_reached: 120_000, answer_lost: 120_000, stall_with_it: 500_000, ..self }
    }
}

/// A time in which something is away.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outage {
    from: Duration,
    until: Duration,
}

impl Outage {
    fn covers(self, now: Duration) -> bool {
        (self.from..self.until).contains(&now)
    }
}

/// The weather of one simulation.
pub(crate) struct Weather {
    storm: Rates,
    is_muddled: bool,
    is_over: AtomicBool,
    store: Vec<Outage>,
    /// By provider.
    providers: [Vec<Outage>; 2],
    /// By merchant.
    endpoints: Vec<Option<Outage>>,
}

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

impl Weather {
    /// The weather of this seed, in a storm of `storm` for so many merchants.
    pub(crate) fn of(dice: &Dice, storm: Duration, merchants: usize) -> Self {
        let storm_secs = storm.as_secs();
        let outage = |least: u64, most: u64| {
            let from = Duration::from_secs(dice.below(storm_secs));
            Outage { from, until: from + dice.secs(least, most) }
        };
        let some = |most: u64, shortest: u64, longest: u64| {
            (0..dice.below(most + 1)).map(|_| outage(shortest, longest)).collect::<Vec<_>>()
        };
        let (storm, is_muddled) = (Rates::storm(dice), dice.chance(125));
        Self {
            storm: if is_muddled { storm.with_a_bad_way() } else { storm },
            is_muddled,
            is_over: AtomicBool::new(false),
            store: some(3, 5, 10 * MINUTE),
            providers: [some(3, 10, HOUR), some(3, 10, HOUR)],
            endpoints: (0..merchants).map(|_| dice.chance(300).then(|| outage(HOUR, 20 * HOUR))).collect(),
        }
    }

    /// What goes wrong now.
    pub(crate) fn rates(&self) -> &Rates {
        if self.is_over.load(Ordering::Relaxed) { &CALM } else { &self.storm }
    }

    /// Whether several things that each are rare come together: clocks that are far ahead, merchants who ask again while they are
    /// being answered, and a bad way to the providers. Then two instances often call about one payment.
    pub(crate) fn is_muddled(&self) -> bool {
        self.is_muddled
    }

    /// Nothing goes wrong any more. (A merchant's endpoint that is down stays so for its day.)
    pub(crate) fn clear_up(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    /// Whether nothing goes wrong any more.
    pub(crate) fn is_clear(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    pub(crate) fn store_is_away(&self, now: Duration) -> bool {
        !self.is_over.load(Ordering::Relaxed) && self.store.iter().any(|outage| outage.covers(now))
    }

    pub(crate) fn provider_is_away(&self, provider: usize, now: Duration) -> bool {
        !self.is_over.load(Ordering::Relaxed) && self.providers[provider].iter().any(|outage| outage.covers(now))
    }

    pub(crate) fn endpoint_is_down(&self, merchant: usize, now: Duration) -> bool {
        self.endpoints.get(merchant).copied().flatten().is_some_and(|outage| outage.covers(now))
    }
}
