//! One thread, a clock of its own, and no choice but the dice's: tasks run one step at a time, in an order that the seed
//! decides, and time passes only when nobody has anything to do.
//!
//! Must not know: what the tasks are about.

use std::{
    collections::{BTreeMap, VecDeque},
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use crate::dice::Dice;

/// Whose task it is: the world's, or an instance's. A crash takes all tasks of one owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Owner(pub(crate) u32);

impl Owner {
    /// The world: providers, networks, merchants and payers. It never crashes.
    pub(crate) const WORLD: Self = Self(0);
}

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A task that is to take its next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ready {
    slot: usize,
    generation: u64,
}

struct Slot {
    generation: u64,
    owner: Owner,
    work: Option<Work>,
    waker: Option<Waker>,
}

/// Tasks that are to take a step; wakers fill it.
type Line = Arc<Mutex<VecDeque<Ready>>>;

struct Alarm {
    ready: Ready,
    line: Line,
    rung: AtomicBool,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.rung.swap(true, Ordering::Relaxed) {
            locked(&self.line).push_back(self.ready);
        }
    }
}

#[derive(Default)]
struct Core {
    now: Duration,
    slots: Vec<Slot>,
    alarms: Vec<Option<Arc<Alarm>>>,
    free: Vec<usize>,
    generations: u64,
    timers: BTreeMap<(Duration, u64), Waker>,
    timer_numbers: u64,
    steps: u64,
}

/// The executor. Cheap to clone; all clones are the same one.
#[derive(Clone, Default)]
pub(crate) struct Executor {
    core: Arc<Mutex<Core>>,
    line: Line,
}

pub(crate) fn locked<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Executor {
    /// How much time has passed since the beginning.
    pub(crate) fn now(&self) -> Duration {
        locked(&self.core).now
    }

    /// How many steps were taken.
    pub(crate) fn steps(&self) -> u64 {
        locked(&self.core).steps
    }

    /// Starts a task of `owner`.
    pub(crate) fn spawn(&self, owner: Owner, work: impl Future<Output = ()> + Send + 'static) {
        self.spawn_boxed(owner, Box::pin(work));
    }

    /// The same, for one that is boxed already.
    pub(crate) fn spawn_boxed(&self, owner: Owner, work: Work) {
        let mut core = locked(&self.core);
        core.generations += 1;
        let generation = core.generations;
        let slot = core.free.pop().unwrap_or_else(|| {
            core.slots.push(Slot { generation, owner, work: None, waker: None });
            core.alarms.push(None);
            core.slots.len() - 1
        });
        let ready = Ready { slot, generation };
        let alarm = Arc::new(Alarm { ready, line: Arc::clone(&self.line), rung: AtomicBool::new(true) });
        let waker = Waker::from(Arc::clone(&alarm));
        core.slots[slot] = Slot { generation, owner, work: Some(work), waker: Some(waker) };
        core.alarms[slot] = Some(alarm);
        drop(core);
        locked(&self.line).push_back(ready);
    }

    /// Takes one of the tasks that are to take a step: mostly the first in line, sometimes any. `None`: nobody has
    /// anything to do.
    pub(crate) fn next(&self, dice: &Dice) -> Option<(Ready, Owner)> {
        loop {
            let mut line = locked(&self.line);
            let length = line.len();
            let ready =
                if length > 1 && dice.chance(250) { line.remove(dice.index(length)) } else { line.pop_front() }?;
            drop(line);
            let core = locked(&self.core);
            let slot = &core.slots[ready.slot];
            if slot.generation == ready.generation && slot.waker.is_some() {
                return Some((ready, slot.owner));
            }
        }
    }

    /// The task takes its step.
    pub(crate) fn step(&self, ready: Ready) {
        let mut core = locked(&self.core);
        core.steps += 1;
        let slot = &mut core.slots[ready.slot];
        let (Some(mut work), Some(waker)) = (slot.work.take(), slot.waker.clone()) else { return };
        if let Some(alarm) = &core.alarms[ready.slot] {
            alarm.rung.store(false, Ordering::Relaxed);
        }
        drop(core);
        let ended = work.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
        let mut core = locked(&self.core);
        let slot = &mut core.slots[ready.slot];
        // Killed in its own step: gone.
        if slot.generation != ready.generation || slot.waker.is_none() {
            return;
        }
        if ended {
            let gone = core.release(ready.slot);
            drop(core);
            drop(gone);
            drop(work);
        } else {
            slot.work = Some(work);
        }
    }

    /// Does nothing with the task until `until`.
    pub(crate) fn hold(&self, ready: Ready, until: Duration) {
        let mut core = locked(&self.core);
        let Some(alarm) = core.alarms[ready.slot].clone() else { return };
        alarm.rung.store(false, Ordering::Relaxed);
        core.timer_numbers += 1;
        let number = core.timer_numbers;
        core.timers.insert((until, number), Waker::from(alarm));
    }

    /// Lets time pass until somebody has something to do, but not past `until`. `false`: nobody ever will by then.
    pub(crate) fn pass_time(&self, until: Duration) -> bool {
        let mut core = locked(&self.core);
        let Some((&(at, number), _)) = core.timers.first_key_value() else { return false };
        if at > until {
            core.now = until;
            return false;
        }
        core.now = core.now.max(at);
        let waker = core.timers.remove(&(at, number));
        drop(core);
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }

    /// Ends every task of `owner` where it is, as a crash does.
    pub(crate) fn kill(&self, owner: Owner) {
        let mut gone = Vec::new();
        let mut core = locked(&self.core);
        for slot in 0..core.slots.len() {
            if core.slots[slot].owner == owner && core.slots[slot].waker.is_some() {
                gone.push(core.release(slot));
            }
        }
        drop(core);
        // What a future drops may wake others.
        drop(gone);
    }

    /// Ends every task of everybody.
    pub(crate) fn end(&self) {
        let mut core = locked(&self.core);
        let gone: Vec<_> = (0..core.slots.len()).map(|slot| core.slots[slot].work.take()).collect();
        let timers = std::mem::take(&mut core.timers);
        drop(core);
        drop((gone, timers));
    }

    /// Waits for so long.
    pub(crate) fn sleep(&self, duration: Duration) -> Sleep {
        Sleep { executor: self.clone(), until: self.now() + duration, timer: None }
    }

    /// Lets others go first.
    pub(crate) fn give_way(&self) -> Sleep {
        self.sleep(Duration::from_nanos(1))
    }
}

impl Core {
    fn release(&mut self, slot: usize) -> Option<Work> {
        self.alarms[slot] = None;
        self.free.push(slot);
        let slot = &mut self.slots[slot];
        slot.waker = None;
        slot.work.take()
    }
}

/// See [`Executor::sleep`].
pub(crate) struct Sleep {
    executor: Executor,
    until: Duration,
    timer: Option<u64>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let core = Arc::clone(&self.executor.core);
        let mut core = locked(&core);
        if core.now >= self.until {
            self.timer = None;
            return Poll::Ready(());
        }
        let number = self.timer.unwrap_or_else(|| {
            core.timer_numbers += 1;
            core.timer_numbers
        });
        self.timer = Some(number);
        core.timers.insert((self.until, number), context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(number) = self.timer {
            locked(&self.executor.core).timers.remove(&(self.until, number));
        }
    }
}
