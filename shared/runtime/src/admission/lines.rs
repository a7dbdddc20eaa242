//! Who waits: a line for each class, in which everybody has a line of their own and gets a turn after the other.
//!
//! Must not know: who may start.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use futures::channel::oneshot;

use super::{Class, Place, Who};

/// A request that waits.
pub(super) struct Waiter {
    pub(super) id: u64,
    /// When its time is over.
    pub(super) until: Duration,
    /// Where its place goes; dropped, it is told that there is none.
    pub(super) place: oneshot::Sender<Place>,
}

/// Everybody who waits.
#[derive(Default)]
pub(super) struct Lines([Line; 3]);

#[derive(Default)]
struct Line {
    /// Whose turn is next; each who waits once.
    turns: VecDeque<Who>,
    waiting: HashMap<Who, VecDeque<Waiter>>,
    len: usize,
}

impl Lines {
    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|line| line.len).sum()
    }

    /// How many of `class` wait.
    pub(super) fn of(&self, class: Class) -> usize {
        self.0[class.index()].len
    }

    /// How many of `class` would have their turn before one more of `who`.
    pub(super) fn ahead_of(&self, class: Class, who: Who) -> usize {
        let line = &self.0[class.index()];
        let mine = line.waiting.get(&who).map_or(0, VecDeque::len);
        line.waiting.values().map(|waiting| waiting.len().min(mine + 1)).sum()
    }

    pub(super) fn push(&mut self, class: Class, who: Who, waiter: Waiter) {
        let line = &mut self.0[class.index()];
        let waiting = line.waiting.entry(who).or_default();
        if waiting.is_empty() {
            line.turns.push_back(who);
        }
        waiting.push_back(waiter);
        line.len += 1;
    }

    /// The next of `class` whose time is not over, of somebody who `may` start.
    pub(super) fn take(&mut self, class: Class, now: Duration, may: impl Fn(Who) -> bool) -> Option<(Who, Waiter)> {
        let line = &mut self.0[class.index()];
        for _ in 0..line.turns.len() {
            let who = line.turns.pop_front()?;
            if !may(who) {
                line.turns.push_back(who);
                continue;
            }
            let waiting = line.waiting.get_mut(&who)?;
            let mut next = None;
            while let Some(waiter) = waiting.pop_front() {
                line.len -= 1;
                if now < waiter.until {
                    next = Some(waiter);
                    break;
                }
            }
            if waiting.is_empty() {
                line.waiting.remove(&who);
            } else {
                line.turns.push_back(who);
            }
            if let Some(waiter) = next {
                return Some((who, waiter));
            }
        }
        None
    }

    /// Takes out whoever's time is over.
    pub(super) fn forget_late(&mut self, now: Duration) {
        for line in &mut self.0 {
            line.retain(|waiter| now < waiter.until);
        }
    }

    /// Takes out one that does not wait any more. `None`: it was taken out before.
    pub(super) fn remove(&mut self, class: Class, who: Who, id: u64) -> Option<Waiter> {
        let line = &mut self.0[class.index()];
        let waiting = line.waiting.get_mut(&who)?;
        let at = waiting.iter().position(|waiter| waiter.id == id)?;
        let removed = waiting.remove(at);
        line.shrunk(who);
        removed
    }

    /// Takes out the last of `class` to come of whoever has most waiting.
    pub(super) fn cut_last(&mut self, class: Class) -> Option<Waiter> {
        let line = &mut self.0[class.index()];
        let (who, _) = line.longest()?;
        line.pop_last(who)
    }

    /// Takes out the last of whoever has most of `class` waiting, where that is more than `who` then would have.
    pub(super) fn cut_longest(&mut self, class: Class, who: Who) -> Option<Waiter> {
        let line = &mut self.0[class.index()];
        let mine = line.waiting.get(&who).map_or(0, VecDeque::len);
        let (longest, len) = line.longest()?;
        if len > mine + 1 { line.pop_last(longest) } else { None }
    }
}

impl Line {
    fn longest(&self) -> Option<(Who, usize)> {
        self.waiting.iter().map(|(who, waiting)| (*who, waiting.len())).max_by_key(|(_, len)| *len)
    }

    fn pop_last(&mut self, who: Who) -> Option<Waiter> {
        let last = self.waiting.get_mut(&who)?.pop_back();
        self.shrunk(who);
        last
    }

    /// One of `who`'s was taken out.
    fn shrunk(&mut self, who: Who) {
        self.len -= 1;
        if self.waiting.get(&who).is_some_and(VecDeque::is_empty) {
            self.waiting.remove(&who);
            self.turns.retain(|other| *other != who);
        }
    }

    fn retain(&mut self, stays: impl Fn(&Waiter) -> bool) {
        let Self { turns, waiting, len } = self;
        for of in waiting.values_mut() {
            of.retain(&stays);
        }
        waiting.retain(|_, of| !of.is_empty());
        turns.retain(|who| waiting.contains_key(who));
        *len = waiting.values().map(VecDeque::len).sum();
    }
}
