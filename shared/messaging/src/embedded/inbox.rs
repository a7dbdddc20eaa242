//! What is brought to the writer: publications, ends of deliveries, questions. All that gathers while it works goes into
//! its next transaction together (group commit).
//!
//! Publications are bounded: more are refused. Ends are bounded by what is in flight. Must not know: the file.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::{mpsc, oneshot};
use tollgate_gateway::ports::queue::{Message, QueueError};

use super::{
    Standing,
    table::{End, Held},
};
use crate::Limits;

/// Ends of deliveries may gather for so long, unless places for more are needed sooner: nobody waits for them.
const GATHER: Duration = Duration::from_millis(4);

/// How many messages were refused.
pub(super) type Published = Result<usize, QueueError>;

/// Messages that are to be taken in together.
pub(super) struct Publication {
    pub(super) messages: Vec<Message>,
    pub(super) traceparent: Option<Arc<str>>,
    pub(super) answer: oneshot::Sender<Published>,
}

/// Where held messages are handed to.
pub(super) struct Registration {
    pub(super) limits: Limits,
    pub(super) hand_out: mpsc::Sender<Vec<Held>>,
}

/// Who asks how the queue stands.
pub(super) type Question = oneshot::Sender<Result<Standing, QueueError>>;

/// What the writer is to do next.
#[derive(Default)]
pub(super) struct Work {
    pub(super) publications: Vec<Publication>,
    pub(super) ended: Vec<(Held, End)>,
    pub(super) questions: Vec<Question>,
    pub(super) register: Option<Registration>,
    /// Whoever consumes gets nothing more.
    pub(super) stop_consuming: bool,
    /// Time may have come for something.
    pub(super) look: bool,
}

impl Work {
    fn is_urgent(&self) -> bool {
        let Self { publications, questions, register, stop_consuming, look, ended: _ } = self;
        !publications.is_empty() || !questions.is_empty() || register.is_some() || *stop_consuming || *look
    }
}

/// How the writer waits for work.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wait {
    /// Look after so long, even if nothing was brought.
    pub(super) poll: Option<Duration>,
    /// So many ends are worth being written at once. `None`: they may gather.
    pub(super) worth: Option<usize>,
}

#[derive(Default)]
struct State {
    work: Work,
    /// Messages in `work.publications`.
    queued: usize,
    /// See [`Wait::worth`].
    worth: Option<usize>,
    /// The writer sleeps until the bell rings.
    sleeping: bool,
    consumed: bool,
    closed: bool,
}

/// The way to the writer.
pub(super) struct Inbox {
    state: Mutex<State>,
    bell: Condvar,
    capacity: usize,
}

impl Inbox {
    /// One that takes `capacity` messages that are to be published.
    pub(super) fn new(capacity: usize) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), bell: Condvar::new(), capacity })
    }

    /// Brings messages. The answer comes when they are in the file.
    pub(super) fn publish(
        &self,
        messages: &[Message],
        traceparent: Option<Arc<str>>,
    ) -> Result<oneshot::Receiver<Published>, QueueError> {
        let (answer, answered) = oneshot::channel();
        let mut state = self.open_state()?;
        // A large publication is taken whole where nothing waits, or it could never be.
        if state.queued > 0 && state.queued + messages.len() > self.capacity {
            return Err(QueueError("too many messages are waiting to be written".to_owned()));
        }
        state.queued += messages.len();
        state.work.publications.push(Publication { messages: messages.to_vec(), traceparent, answer });
        self.ring(state);
        Ok(answered)
    }

    /// Brings the end of a delivery. Nothing is refused: there are no more than there were places.
    pub(super) fn end(&self, held: Held, end: End) {
        let mut state = self.state();
        let first = state.work.ended.is_empty();
        state.work.ended.push((held, end));
        let worth = state.worth.is_some_and(|worth| state.work.ended.len() == worth.max(1));
        if first || worth {
            self.ring(state);
        }
    }

    /// Asks how the queue stands once all is written that was brought before.
    pub(super) fn ask(&self) -> Result<oneshot::Receiver<Result<Standing, QueueError>>, QueueError> {
        let (question, answer) = oneshot::channel();
        let mut state = self.open_state()?;
        state.work.questions.push(question);
        self.ring(state);
        Ok(answer)
    }

    /// From now on messages are handed out. One consumer at a time.
    pub(super) fn register(&self, registration: Registration) -> Result<(), QueueError> {
        let mut state = self.open_state()?;
        if state.consumed {
            return Err(QueueError("this queue has a consumer already".to_owned()));
        }
        state.consumed = true;
        state.work.register = Some(registration);
        self.ring(state);
        Ok(())
    }

    /// From now on nothing more is handed out.
    pub(super) fn stop_consuming(&self) {
        let mut state = self.state();
        if state.work.register.take().is_none() {
            state.work.stop_consuming = true;
        }
        self.ring(state);
    }

    /// The consumer has stopped, and another may come.
    pub(super) fn stopped_consuming(&self) {
        self.state().consumed = false;
    }

    /// Time may have come for something.
    pub(super) fn look(&self) {
        let mut state = self.state();
        state.work.look = true;
        self.ring(state);
    }

    /// Nothing more is taken; the writer ends when all is written.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        self.ring(state);
    }

    /// The writer has ended, and what it did not take nobody will. It goes: who waits for an answer gets none, and knows.
    pub(super) fn abandon(&self) {
        let mut state = self.state();
        state.closed = true;
        drop(std::mem::take(&mut state.work));
    }

    /// Waits for work, and takes all of it. `None`: there will be none any more.
    pub(super) fn wait(&self, wait: Wait) -> Option<Work> {
        let mut state = self.state();
        state.worth = wait.worth;
        while !state.work.is_urgent() {
            if state.closed && state.work.ended.is_empty() {
                return None;
            }
            let ended = state.work.ended.len();
            if state.closed || (ended > 0 && wait.worth.is_some_and(|worth| ended >= worth)) {
                break;
            }
            let timed_out;
            (state, timed_out) = self.sleep(state, if ended > 0 { Some(GATHER) } else { wait.poll });
            if timed_out {
                state.work.look |= ended == 0;
                break;
            }
        }
        state.queued = 0;
        state.sleeping = false;
        Some(std::mem::take(&mut state.work))
    }

    /// Sleeps until the bell rings, or for `limit`. Answers whether that passed.
    fn sleep<'a>(&self, mut state: MutexGuard<'a, State>, limit: Option<Duration>) -> (MutexGuard<'a, State>, bool) {
        state.sleeping = true;
        if let Some(limit) = limit {
            let (state, waited) = self.bell.wait_timeout(state, limit).unwrap_or_else(PoisonError::into_inner);
            (state, waited.timed_out())
        } else {
            (self.bell.wait(state).unwrap_or_else(PoisonError::into_inner), false)
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open_state(&self) -> Result<MutexGuard<'_, State>, QueueError> {
        let state = self.state();
        if state.closed { Err(closed()) } else { Ok(state) }
    }

    fn ring(&self, mut state: MutexGuard<'_, State>) {
        let sleeping = std::mem::take(&mut state.sleeping);
        drop(state);
        if sleeping {
            self.bell.notify_one();
        }
    }
}

pub(super) fn closed() -> QueueError {
    QueueError("the queue's writer has stopped".to_owned())
}
