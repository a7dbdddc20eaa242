//! What a connection is doing: whether a request is under way on it, and since when not.
//!
//! Must not know: HTTP's versions, sockets, which connection has to go.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::sync::Notify;
use tollgate_gateway::ports::Time;

/// Shared by the connection's socket, its requests, and whoever needs its place.
pub(super) struct Activity {
    time: Arc<dyn Time>,
    opened_ms: u64,
    /// Requests whose head was read, ever.
    begun: AtomicU64,
    /// Requests that were not answered yet, or whose answer's body was not taken yet.
    under_way: AtomicUsize,
    /// Those of them that are being answered.
    answering: AtomicUsize,
    /// When an answer last got on.
    answered_on_ms: AtomicU64,
    /// Bytes are waiting until the client takes some.
    blocked: AtomicBool,
    /// Since when it is not busy, if it is not.
    idle_since_ms: AtomicU64,
    leave: Notify,
    leaving: AtomicBool,
}

/// How much longer a connection may be kept: the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Claim {
    /// It had time to make a request, and made none.
    NeverAsked { since_ms: u64 },
    /// It made requests, and makes none now.
    Idle { since_ms: u64 },
    /// It has only just been opened.
    New { since_ms: u64 },
}

/// A connection without a request is new for so long.
const NEW_FOR_MS: u64 = 200;

impl Activity {
    pub(super) fn new(time: &Arc<dyn Time>) -> Arc<Self> {
        let now = millis(time.monotonic());
        Arc::new(Self {
            time: Arc::clone(time),
            opened_ms: now,
            begun: AtomicU64::new(0),
            under_way: AtomicUsize::new(0),
            answering: AtomicUsize::new(0),
            answered_on_ms: AtomicU64::new(now),
            blocked: AtomicBool::new(false),
            idle_since_ms: AtomicU64::new(now),
            leave: Notify::new(),
            leaving: AtomicBool::new(false),
        })
    }

    pub(super) fn now(&self) -> Duration {
        self.time.monotonic()
    }

    pub(super) fn time(&self) -> &Arc<dyn Time> {
        &self.time
    }

    pub(super) fn opened(&self) -> Duration {
        Duration::from_millis(self.opened_ms)
    }

    /// How many requests it has made.
    pub(super) fn begun(&self) -> u64 {
        self.begun.load(Ordering::Acquire)
    }

    /// Something of a request or its answer is under way.
    pub(super) fn is_busy(&self) -> bool {
        self.under_way.load(Ordering::Acquire) > 0 || self.blocked.load(Ordering::Acquire)
    }

    pub(super) fn idle_since(&self) -> Duration {
        Duration::from_millis(self.idle_since_ms.load(Ordering::Acquire))
    }

    /// When an answer that is not finished last got on; `None`: there is none.
    pub(super) fn answered_on(&self) -> Option<Duration> {
        let answering = self.answering.load(Ordering::Acquire) > 0;
        answering.then(|| Duration::from_millis(self.answered_on_ms.load(Ordering::Acquire)))
    }

    /// Says whether bytes wait for the client.
    pub(super) fn block(&self, blocked: bool) {
        if self.blocked.swap(blocked, Ordering::AcqRel) && !blocked {
            self.idle_since_ms.store(millis(self.now()), Ordering::Release);
        }
    }

    /// How good its claim to its place is. `None`: a request is under way, or it has been told to leave already.
    pub(super) fn claim(&self, now: Duration) -> Option<Claim> {
        if self.is_busy() || self.is_leaving() {
            return None;
        }
        let since_ms = self.idle_since_ms.load(Ordering::Acquire);
        Some(if self.begun() > 0 {
            Claim::Idle { since_ms }
        } else if millis(now).saturating_sub(since_ms) < NEW_FOR_MS {
            Claim::New { since_ms }
        } else {
            Claim::NeverAsked { since_ms }
        })
    }

    /// Tells it to end once nothing is under way.
    pub(super) fn ask_to_leave(&self) {
        self.leaving.store(true, Ordering::Release);
        self.leave.notify_one();
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Acquire)
    }

    /// Waits until it is told to leave.
    pub(super) async fn told_to_leave(&self) {
        self.leave.notified().await;
    }

    /// A request's head was read.
    pub(super) fn begin(self: &Arc<Self>) -> UnderWay {
        self.under_way.fetch_add(1, Ordering::AcqRel);
        self.begun.fetch_add(1, Ordering::AcqRel);
        UnderWay { activity: Arc::clone(self), answering: false }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A request that is under way; dropped when its answer was taken, or will never be.
pub(super) struct UnderWay {
    activity: Arc<Activity>,
    answering: bool,
}

impl UnderWay {
    /// The answer's body, which keeps the request under way until it was taken, in pieces of at most so many bytes.
    pub(super) fn answered_by(mut self, body: Body, piece: usize) -> Answer {
        self.got_on();
        self.answering = true;
        self.activity.answering.fetch_add(1, Ordering::AcqRel);
        Answer { body, rest: Bytes::new(), piece, under_way: self }
    }

    fn got_on(&self) {
        self.activity.answered_on_ms.store(millis(self.activity.now()), Ordering::Release);
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let activity = &self.activity;
        if self.answering {
            activity.answering.fetch_sub(1, Ordering::AcqRel);
        }
        // The time first: nobody may see it idle since longer than it is.
        activity.idle_since_ms.store(millis(activity.now()), Ordering::Release);
        activity.under_way.fetch_sub(1, Ordering::AcqRel);
    }
}

/// An answer's body. It is given in pieces: HTTP/2 takes the next one only when the client has room for the one before, so that
/// a client who takes nothing cannot have a whole answer kept where nobody sees that it does not get on.
pub(super) struct Answer {
    body: Body,
    rest: Bytes,
    piece: usize,
    under_way: UnderWay,
}

impl hyper::body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.under_way.got_on();
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(frame) => return Poll::Ready(Some(Ok(frame))),
                },
                other => return Poll::Ready(other),
            }
        }
        let length = self.rest.len().min(self.piece);
        let piece = self.rest.split_to(length);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (mut hint, rest) = (self.body.size_hint(), u64::try_from(self.rest.len()).unwrap_or(u64::MAX));
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint.set_lower(hint.lower().saturating_add(rest));
        hint
    }
}
