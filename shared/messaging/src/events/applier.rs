//! Hands out the events that wait, oldest first, until they were applied. One that cannot be applied yet is tried again after a
//! growing pause, and the others go on without it; a store that is away ends the round, for the others would fare the same.
//!
//! Must not know: how an event is applied, when rounds are made.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures::{StreamExt, stream};
use tokio::sync::Mutex;
use tollgate_domain::PaymentId;
use tollgate_gateway::ports::{Time, event_backlog::KeptEvent, provider::News, queue::QueueError};

use super::{EventFile, PROVIDER_EVENTS, Waiting, lead};

/// Read at a time.
const PAGE: u32 = 64;
/// Payments whose events are applied at once, so that one slow provider does not hold up the others.
const AT_ONCE: usize = 8;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What became of an event that was handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// What it led to is durable, or it led to nothing: it need not be kept.
    Done,
    /// It cannot be applied yet.
    NotYet,
    /// The store is away still.
    StoreAway,
}

/// Applies events. One can come twice, and a future of this can be dropped when the process ends.
#[async_trait]
pub trait Apply: Send + Sync + 'static {
    /// Applies one event, which came in the trace `traceparent`.
    async fn apply(&self, event: KeptEvent, traceparent: Option<&str>) -> Outcome;
}

/// What a round came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Round {
    /// Events that need not be kept any more.
    pub done: usize,
    /// Events that were tried, and wait on.
    pub not_yet: usize,
    /// The store is away.
    pub store_away: bool,
}

/// Applies what waits in a file. Cloning shares it.
#[derive(Clone)]
pub struct Applier(Arc<Inner>);

struct Inner {
    file: EventFile,
    apply: Arc<dyn Apply>,
    time: Arc<dyn Time>,
    /// One round at a time.
    pauses: Mutex<HashMap<i64, Pause>>,
}

/// Until when, in real time, an event is left alone.
#[derive(Debug, Clone, Copy)]
struct Pause {
    until: Duration,
    length: Duration,
    /// It was for the store, and not for the event.
    for_the_store: bool,
}

impl Applier {
    /// One that applies what waits in `file`.
    pub fn new(file: EventFile, apply: Arc<dyn Apply>, time: Arc<dyn Time>) -> Self {
        Self(Arc::new(Inner { file, apply, time, pauses: Mutex::default() }))
    }

    /// Tries every event whose pause is over, once.
    pub async fn round(&self) -> Result<Round, QueueError> {
        self.0.round(false).await
    }

    /// Tries every event once, whatever pause it is in.
    pub async fn try_all(&self) -> Result<Round, QueueError> {
        self.0.round(true).await
    }
}

impl Inner {
    async fn round(&self, everything: bool) -> Result<Round, QueueError> {
        let mut pauses = self.pauses.lock().await;
        let mut round = Round::default();
        if self.file.waiting().await? == 0 {
            pauses.clear();
            return Ok(round);
        }
        let taken = lead::take(self.file.path()).map_err(|error| QueueError(format!("{PROVIDER_EVENTS}: {error}")))?;
        let Some(_lead) = taken else { return Ok(round) };
        let mut behind = 0;
        while !round.store_away {
            let mut page = self.file.after(behind, PAGE).await?;
            let Some(last) = page.last() else { break };
            behind = last.id;
            let now = self.time.monotonic();
            page.retain(|waiting| everything || pauses.get(&waiting.id).is_none_or(|pause| pause.until <= now));
            let ended = self.try_page(page).await;
            self.note(ended, &mut pauses, &mut round).await?;
        }
        Ok(round)
    }

    /// Tries the events of a page: those of one payment in their order, those of several at once.
    async fn try_page(&self, page: Vec<Waiting>) -> Vec<(i64, Outcome)> {
        let mut lines: BTreeMap<Option<PaymentId>, Vec<Waiting>> = BTreeMap::new();
        for waiting in page {
            lines.entry(payment_of(&waiting)).or_default().push(waiting);
        }
        let mut lines: Vec<_> = lines.into_values().collect();
        lines.sort_by_key(|line| line.first().map(|first| first.id));
        let away = AtomicBool::new(false);
        let lines: Vec<_> = lines.into_iter().map(|line| self.try_line(line, &away)).collect();
        stream::iter(lines).buffer_unordered(AT_ONCE).concat().await
    }

    async fn try_line(&self, line: Vec<Waiting>, away: &AtomicBool) -> Vec<(i64, Outcome)> {
        let mut ended = Vec::with_capacity(line.len());
        for Waiting { id, event, traceparent } in line {
            if away.load(Ordering::Relaxed) {
                break;
            }
            let outcome = match event {
                Ok(event) => self.apply.apply(event, traceparent.as_deref()).await,
                Err(error) => {
                    metrics::counter!("provider_events_unreadable_total").increment(1);
                    tracing::error!(id, %error, "a provider's event that waits cannot be read; a person has to look");
                    Outcome::NotYet
                }
            };
            away.fetch_or(outcome == Outcome::StoreAway, Ordering::Relaxed);
            ended.push((id, outcome));
        }
        ended
    }

    async fn note(
        &self,
        ended: Vec<(i64, Outcome)>,
        pauses: &mut HashMap<i64, Pause>,
        round: &mut Round,
    ) -> Result<(), QueueError> {
        let done: Vec<i64> = ended.iter().filter(|(_, outcome)| *outcome == Outcome::Done).map(|(id, _)| *id).collect();
        let now = self.time.monotonic();
        for (id, outcome) in ended {
            if outcome == Outcome::Done {
                pauses.remove(&id);
                continue;
            }
            let before = pauses.get(&id).map(|pause| pause.length);
            let length = before.map_or(FIRST_PAUSE, |before| (2 * before).min(LONGEST_PAUSE));
            let for_the_store = outcome == Outcome::StoreAway;
            pauses.insert(id, Pause { until: now + length, length, for_the_store });
            round.not_yet += 1;
            round.store_away |= for_the_store;
        }
        if !done.is_empty() && !round.store_away {
            // The store is back: what waited for it need not wait on.
            pauses.retain(|_, pause| !pause.for_the_store);
        }
        round.done += done.len();
        self.file.delete(done).await
    }
}

fn payment_of(waiting: &Waiting) -> Option<PaymentId> {
    match &waiting.event.as_ref().ok()?.event.news {
        News::Transaction { payment, .. } => *payment,
        News::Changed { payment, .. } | News::Refund { payment, .. } => Some(*payment),
        News::NotUsed | News::NotOurs => None,
    }
}
