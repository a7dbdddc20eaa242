//! The consumer's end: one task that takes what the writer holds for it, and one task for every message in flight.
//!
//! Must not know: the file, or in which order messages come.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::sync::mpsc;
use tollgate_gateway::ports::{
    Spawn, Time,
    queue::{Handled, QueueError},
};

use super::{
    EmbeddedQueue,
    inbox::{Inbox, Registration},
    table::{End, Held},
};
use crate::{Handler, Limits};

/// A handler at work. Dropping it stops handing out, too, but waits for nothing.
#[must_use = "dropping it stops the consumer"]
pub struct Consumer {
    queue: EmbeddedQueue,
    stopping: Arc<AtomicBool>,
    /// Ends when nothing is in flight any more.
    in_flight: mpsc::Receiver<()>,
}

impl Consumer {
    /// Starts to hand out what `queue` has.
    pub(super) fn start(
        queue: EmbeddedQueue,
        inbox: Arc<Inbox>,
        handler: Arc<dyn Handler>,
        limits: Limits,
        time: Arc<dyn Time>,
        spawn: &Arc<dyn Spawn>,
    ) -> Result<Self, QueueError> {
        // Each batch has a message at least: never more batches than places.
        let (hand_out, handed_out) = mpsc::channel(limits.in_flight.max(1));
        let (sign, in_flight) = mpsc::channel(1);
        inbox.register(Registration { limits, hand_out })?;
        let stopping = Arc::new(AtomicBool::new(false));
        let desk = Desk {
            handler,
            time,
            deadline: limits.ack_deadline,
            spawn: Arc::clone(spawn),
            stopping: Arc::clone(&stopping),
            at_work: Arc::new(AtWork { inbox, _sign: sign }),
        };
        spawn.spawn(Box::pin(desk.run(handed_out)));
        Ok(Self { queue, stopping, in_flight })
    }

    /// Stops: nothing more is handed out, and what is in flight is waited for (no longer than the ack deadline). The
    /// rest stays in the file.
    pub async fn stop(mut self) -> Result<(), QueueError> {
        self.stop_handing_out();
        while self.in_flight.recv().await.is_some() {}
        // What the handlers said is written before this is answered.
        self.queue.standing().await.map(drop)
    }

    fn stop_handing_out(&self) {
        if !self.stopping.swap(true, Ordering::AcqRel) {
            self.queue.inbox().stop_consuming();
        }
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.stop_handing_out();
    }
}

/// Where messages are handed out.
struct Desk {
    handler: Arc<dyn Handler>,
    time: Arc<dyn Time>,
    deadline: Duration,
    spawn: Arc<dyn Spawn>,
    stopping: Arc<AtomicBool>,
    at_work: Arc<AtWork>,
}

/// Held by all that works for one consumer: when the last lets go, another consumer may come, and the stop is over.
struct AtWork {
    inbox: Arc<Inbox>,
    _sign: mpsc::Sender<()>,
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.inbox.stopped_consuming();
    }
}

impl Desk {
    async fn run(self, mut handed_out: mpsc::Receiver<Vec<Held>>) {
        while let Some(batch) = handed_out.recv().await {
            for held in batch {
                let mut delivery = Delivery { at_work: Arc::clone(&self.at_work), held, end: None };
                if self.stopping.load(Ordering::Acquire) {
                    delivery.end = Some(End::Released);
                    continue;
                }
                let (handler, time) = (Arc::clone(&self.handler), Arc::clone(&self.time));
                self.spawn.spawn(Box::pin(delivery.run(handler, time, self.deadline)));
            }
        }
    }
}

/// One message in flight. However this ends, the writer hears of it.
struct Delivery {
    at_work: Arc<AtWork>,
    held: Held,
    end: Option<End>,
}

impl Delivery {
    async fn run(mut self, handler: Arc<dyn Handler>, time: Arc<dyn Time>, deadline: Duration) {
        // Real time: a sandbox that moves its clock by a day does not cut off a handler that has just begun.
        let end = tokio::select! {
            biased;
            said = handler.handle(self.held.delivered.clone()) => match said {
                Handled::Ack => End::Acked,
                Handled::Retry => End::Retry,
            },
            () = time.sleep(deadline) => End::Expired,
        };
        self.end = Some(end);
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        // Without an end its handler panicked, or the runtime is going down.
        let end = self.end.unwrap_or(if std::thread::panicking() { End::Retry } else { End::Released });
        self.at_work.inbox.end(self.held.clone(), end);
    }
}
