//! The one connection of this process: takes what has gathered, writes it in one transaction, fills the free places from
//! what is ready, and only then answers and hands out.
//!
//! Must not know: the statements, or what handlers do.

use std::sync::Arc;

use rusqlite::{Connection, Result, TransactionBehavior};
use tokio::sync::mpsc;
use tollgate_domain::MerchantId;
use tollgate_gateway::ports::{Time, queue::QueueError};

use super::{
    Options, Standing,
    fair::Slots,
    holders::Holder,
    inbox::{Inbox, Publication, Published, Question, Registration, Wait, Work},
    measure::{Tally, depth},
    schedule::{Micros, after, timestamp},
    table::{End, Held, Messages, Taken, Totals, is_busy, next_due, next_ripe},
    turns,
};
use crate::Topic;

/// Rows that become ready in one transaction.
const RIPE: u32 = 512;
/// How much longer a lease lasts than its handler may take: its holder gives up first, and says so.
const LEASE_MARGIN: std::time::Duration = std::time::Duration::from_secs(5);

/// The writing thread's state.
pub(super) struct Writer {
    connection: Connection,
    inbox: Arc<Inbox>,
    time: Arc<dyn Time>,
    holder: Holder,
    options: Options,
    consuming: Option<Consuming>,
    /// The last transaction failed: what it was to look for is still to be looked for.
    failed: bool,
    /// Ends that a failed transaction did not write. No more than were in flight.
    unwritten: Vec<(Held, End)>,
    next_ripe: Option<Micros>,
    /// What others have written is seen by this number's change.
    seen: i64,
}

/// Whom messages are handed to.
struct Consuming {
    hand_out: mpsc::Sender<Vec<Held>>,
    lease: std::time::Duration,
    slots: Slots,
    last: Option<MerchantId>,
    /// Something is ready that there was no place for.
    hungry: bool,
}

/// What a transaction did, to be told once it is committed.
struct Written {
    answers: Vec<Published>,
    totals: Totals,
    tally: Tally,
    hungry: bool,
    /// More has become due than one transaction takes.
    more_ripe: bool,
}

impl Writer {
    pub(super) fn new(
        connection: Connection,
        inbox: Arc<Inbox>,
        time: Arc<dyn Time>,
        holder: Holder,
        options: Options,
    ) -> Self {
        Self {
            connection,
            inbox,
            time,
            holder,
            options,
            consuming: None,
            failed: false,
            unwritten: Vec::new(),
            next_ripe: None,
            seen: 0,
        }
    }

    /// Works until the inbox is closed and empty.
    pub(super) fn run(mut self) {
        let _ending = Ending(Arc::clone(&self.inbox));
        while let Some(work) = self.inbox.wait(self.how_to_wait()) {
            self.work(work);
        }
    }

    fn how_to_wait(&self) -> Wait {
        let poll = (self.consuming.is_some() || self.failed).then_some(self.options.poll);
        // A quarter of what is in flight makes room for a batch that is worth a transaction.
        let worth = self.consuming.as_ref().filter(|it| it.hungry).map(|it| it.slots.taken().div_ceil(4).max(1));
        Wait { poll, worth }
    }

    fn work(&mut self, work: Work) {
        // Whatever it was woken for, it looks: questions that come without end must not keep it from that.
        let Work { publications, mut ended, questions, register, stop_consuming, look: _ } = work;
        if stop_consuming {
            self.consuming = None;
        }
        for (held, _) in &ended {
            if let Some(consuming) = &mut self.consuming {
                consuming.slots.give_back(held.merchant());
            }
        }
        let registered = register.is_some();
        if let Some(Registration { limits, hand_out }) = register {
            let lease = limits.ack_deadline.saturating_add(LEASE_MARGIN);
            let slots = Slots::new(limits);
            self.consuming = Some(Consuming { hand_out, lease, slots, last: None, hungry: false });
        }
        ended.append(&mut self.unwritten);
        let due = !publications.is_empty() || !ended.is_empty() || registered || self.must_look();
        if due {
            self.write(publications, ended);
        }
        for question in questions {
            self.answer(question);
        }
    }

    /// Whether others have written, or something has become due, since the last transaction.
    fn must_look(&mut self) -> bool {
        let version = self.version();
        let others_wrote = version != Some(self.seen);
        self.seen = version.unwrap_or(self.seen);
        let now = self.time.now().as_microsecond();
        self.failed || (self.consuming.is_some() && (others_wrote || self.next_ripe.is_some_and(|ripe| ripe <= now)))
    }

    fn version(&self) -> Option<i64> {
        self.connection
            .prepare_cached("PRAGMA data_version")
            .and_then(|mut pragma| pragma.query_one([], |row| row.get(0)))
            .ok()
    }

    fn write(&mut self, publications: Vec<Publication>, ended: Vec<(Held, End)>) {
        let mut held = Vec::new();
        match self.transaction(&publications, &ended, &mut held) {
            Ok(written) => {
                self.failed = false;
                written.tally.report();
                for topic in [Topic::PaymentEvents, Topic::DeadLetter] {
                    depth(topic, written.totals.depth(topic));
                }
                if let Some(consuming) = &mut self.consuming {
                    consuming.hungry = written.hungry;
                }
                if written.more_ripe {
                    self.inbox.look();
                }
                self.hand_out(held);
                for (publication, answer) in publications.into_iter().zip(written.answers) {
                    // Who does not wait any more publishes again when the delivery is due again.
                    let _ = publication.answer.send(answer);
                }
            }
            Err(error) => {
                tracing::error!(%error, "the queue's file could not be written");
                self.failed = true;
                self.forget(&held);
                self.unwritten = ended;
                for publication in publications {
                    let _ = publication.answer.send(Err(unavailable(&error)));
                }
            }
        }
    }

    /// Writes all of it, and fills the free places into `held`.
    fn transaction(
        &mut self,
        publications: &[Publication],
        ended: &[(Held, End)],
        held: &mut Vec<Held>,
    ) -> Result<Written> {
        let now = self.time.now().as_microsecond();
        // Whatever leaves this function early, a panic included, rolls back.
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let before = Totals::load(&transaction)?;
        let (mut totals, mut tally) = (before, Tally::default());
        let (mut hungry, mut more_ripe) = (false, false);
        let mut messages =
            Messages { connection: &transaction, totals: &mut totals, tally: &mut tally, holder: self.holder, now };
        for (held, end) in ended {
            messages.end(held, *end)?;
        }
        let mut answers = Vec::with_capacity(publications.len());
        for publication in publications {
            answers.push(publish(&mut messages, publication, self.options.capacity)?);
        }
        if let Some(consuming) = &mut self.consuming {
            let until = after(now, consuming.lease);
            if self.next_ripe.is_none_or(|ripe| ripe <= now) {
                more_ripe = messages.ripen(RIPE, until)? >= RIPE as usize;
            }
            hungry = turns::fill(&mut messages, &mut consuming.slots, &mut consuming.last, until, held)?;
        }
        if totals != before {
            totals.save(&transaction)?;
        }
        self.next_ripe = next_ripe(&transaction)?;
        transaction.commit()?;
        Ok(Written { answers, totals, tally, hungry, more_ripe })
    }

    fn hand_out(&mut self, held: Vec<Held>) {
        if held.is_empty() {
            return;
        }
        let Some(consuming) = &self.consuming else { return };
        // There is a place in it for every message in flight. It is refused only by a consumer that is gone.
        if let Err(refused) = consuming.hand_out.try_send(held) {
            let (mpsc::error::TrySendError::Full(held) | mpsc::error::TrySendError::Closed(held)) = refused;
            for held in held {
                self.inbox.end(held, End::Released);
            }
        }
    }

    /// What a failed transaction held is not held.
    fn forget(&mut self, held: &[Held]) {
        let Some(consuming) = &mut self.consuming else { return };
        for held in held {
            consuming.slots.give_back(held.merchant());
        }
    }

    fn answer(&self, question: Question) {
        let standing = if self.failed {
            Err(QueueError("its file could not be written".to_owned()))
        } else {
            self.standing().map_err(|error| unavailable(&error))
        };
        let _ = question.send(standing);
    }

    fn standing(&self) -> Result<Standing> {
        let now = self.time.now().as_microsecond();
        let totals = Totals::load(&self.connection)?;
        let next_due = next_due(&self.connection)?;
        let quiet = next_due.is_none_or(|due| due > now) && !is_busy(&self.connection)?;
        let depth = |topic| totals.depth(topic);
        Ok(Standing {
            quiet,
            next_due: next_due.map(timestamp),
            payment_events: depth(Topic::PaymentEvents),
            dead_letter: depth(Topic::DeadLetter),
        })
    }
}

/// However the writer ends, by a panic too, nobody waits for it any more.
struct Ending(Arc<Inbox>);

impl Drop for Ending {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("the queue's writer panicked: nothing is published or handed out until a restart");
        }
        self.0.abandon();
    }
}

/// Takes one publication in, message by message, so that nobody's is refused for another's.
fn publish(messages: &mut Messages<'_>, publication: &Publication, capacity: u64) -> Result<Published> {
    let (mut refused, mut full) = (0, false);
    for message in &publication.messages {
        match messages.publish(message, publication.traceparent.as_deref(), capacity)? {
            Taken::Yes => {}
            Taken::TheirLineIsLong => refused += 1,
            Taken::NoRoom => full = true,
        }
    }
    Ok(if full { Err(QueueError("the queue is full".to_owned())) } else { Ok(refused) })
}

fn unavailable(error: &rusqlite::Error) -> QueueError {
    QueueError(format!("its file: {error}"))
}
