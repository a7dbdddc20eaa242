//! A handler that does what a test says, and notes what it was given.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};
use std::time::Duration;

use async_trait::async_trait;
use tollgate_gateway::ports::queue::{Handled, Message};
use tollgate_messaging::{Delivered, Handler};

/// What to do with a message.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Do {
    Ack,
    Retry,
    /// Acknowledge after so long.
    AckAfter(Duration),
    Hang,
    Panic,
}

type Script = Box<dyn Fn(&Delivered) -> Do + Send + Sync>;

pub(crate) struct Scripted {
    script: Script,
    begun: Mutex<Vec<Delivered>>,
    ended: Mutex<Vec<Delivered>>,
    at_work: AtomicUsize,
    most_at_work: AtomicUsize,
}

impl Scripted {
    pub(crate) fn new(script: impl Fn(&Delivered) -> Do + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            script: Box::new(script),
            begun: Mutex::default(),
            ended: Mutex::default(),
            at_work: AtomicUsize::new(0),
            most_at_work: AtomicUsize::new(0),
        })
    }

    pub(crate) fn acks() -> Arc<Self> {
        Self::new(|_| Do::Ack)
    }

    /// What it was given, in order.
    pub(crate) fn begun(&self) -> Vec<Delivered> {
        self.begun.lock().unwrap().clone()
    }

    /// What it has acknowledged, in order.
    pub(crate) fn ended(&self) -> Vec<Delivered> {
        self.ended.lock().unwrap().clone()
    }

    pub(crate) fn messages(&self) -> Vec<Message> {
        self.begun().iter().map(|delivered| delivered.message).collect()
    }

    pub(crate) fn most_at_work(&self) -> usize {
        self.most_at_work.load(Ordering::SeqCst)
    }

    /// Waits until it was given `count` messages.
    pub(crate) async fn has_begun(&self, count: usize) {
        eventually(|| self.begun.lock().unwrap().len() >= count).await;
    }
}

/// Waits until `is_so`, no longer than twenty seconds.
#[allow(clippy::disallowed_methods, reason = "a test that hangs must fail")]
pub(crate) async fn eventually(mut is_so: impl FnMut() -> bool) {
    for _ in 0..20_000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("it never came to that");
}

#[async_trait]
impl Handler for Scripted {
    #[allow(clippy::disallowed_methods, reason = "a handler that is slow")]
    async fn handle(&self, delivered: Delivered) -> Handled {
        self.begun.lock().unwrap().push(delivered.clone());
        let at_work = self.at_work.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_at_work.fetch_max(at_work, Ordering::SeqCst);
        let handled = match (self.script)(&delivered) {
            Do::Ack => Handled::Ack,
            Do::Retry => Handled::Retry,
            Do::AckAfter(long) => {
                tokio::time::sleep(long).await;
                Handled::Ack
            }
            Do::Hang => std::future::pending().await,
            Do::Panic => panic!("planted"),
        };
        self.at_work.fetch_sub(1, Ordering::SeqCst);
        if handled == Handled::Ack {
            self.ended.lock().unwrap().push(delivered);
        }
        handled
    }
}
