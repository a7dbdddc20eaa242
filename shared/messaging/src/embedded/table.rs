//! The messages' table: all that a message can go through, each as the statement that does it.
//!
//! ```text
//! published → ready → held → removed (acknowledged)
//!               ↑       ├→ waits for its time → ready
//!               ├───────┘  (released, or its holder is gone)
//!               └ given up: ready again, in the dead-letter topic
//! ```
//!
//! Must not know: who asks, or when.

use rusqlite::{Connection, OptionalExtension, Result, Row, params};
use tollgate_domain::{MerchantId, PaymentId};
use tollgate_gateway::ports::queue::{DeliveryDue, Message};

use super::{
    holders::Holder,
    measure::{Happened, Tally},
    room,
    schedule::{DELIVERIES, Micros, after, backoff},
};
use crate::{Delivered, Topic};

/// What `kind` says.
const DELIVER: u8 = 0;
const GIVEN_UP_BY_US: u8 = 1;
const GIVEN_UP_BY_QUEUE: u8 = 2;

/// A message that is held: its row, and which time it was handed out. Both must still be so for its end to count.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) id: i64,
    pub(super) delivered: Delivered,
}

impl Held {
    pub(super) const fn merchant(&self) -> MerchantId {
        self.delivered.message.due().merchant
    }
}

/// How holding a message ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// It was handled.
    Acked,
    /// It was not.
    Retry,
    /// Its handler took too long.
    Expired,
    /// It never got to its handler: as if it had not been handed out.
    Released,
}

/// Whether a message was taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// It is there, now or since before.
    Yes,
    /// So many of its merchant's are ready that no more of them are taken.
    TheirLineIsLong,
    /// There is room for nobody's.
    NoRoom,
}

/// The one row that counts, read at a transaction's start and written at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Totals {
    next_id: i64,
    events: i64,
    dead: i64,
}

impl Totals {
    pub(super) fn load(connection: &Connection) -> Result<Self> {
        connection
            .prepare_cached("SELECT next_id, payment_events, dead_letter FROM totals")?
            .query_one([], |row| Ok(Self { next_id: row.get(0)?, events: row.get(1)?, dead: row.get(2)? }))
    }

    pub(super) fn save(&self, connection: &Connection) -> Result<()> {
        connection
            .prepare_cached("UPDATE totals SET next_id = ?1, payment_events = ?2, dead_letter = ?3")?
            .execute(params![self.next_id, self.events, self.dead])?;
        Ok(())
    }

    /// How many messages are in `topic`.
    pub(super) fn depth(&self, topic: Topic) -> u64 {
        let depth = match topic {
            Topic::PaymentEvents => self.events,
            Topic::DeadLetter => self.dead,
        };
        u64::try_from(depth).unwrap_or(0)
    }

    /// How many are in the file.
    pub(super) fn all(&self) -> u64 {
        self.depth(Topic::PaymentEvents) + self.depth(Topic::DeadLetter)
    }

    fn add(&mut self, topic: Topic, messages: i64) {
        match topic {
            Topic::PaymentEvents => self.events += messages,
            Topic::DeadLetter => self.dead += messages,
        }
    }
}

/// The number of a holder that has just opened the file.
pub(super) fn next_holder(connection: &Connection) -> Result<Holder> {
    connection
        .query_one("UPDATE totals SET next_holder = next_holder + 1 RETURNING next_holder - 1", [], |row| row.get(0))
}

/// One transaction's view of the table.
pub(super) struct Messages<'a> {
    pub(super) connection: &'a Connection,
    pub(super) totals: &'a mut Totals,
    pub(super) tally: &'a mut Tally,
    pub(super) holder: Holder,
    pub(super) now: Micros,
}

impl Messages<'_> {
    /// Takes a message in where there is room, unless it is there already.
    pub(super) fn publish(&mut self, message: &Message, traceparent: Option<&str>, capacity: u64) -> Result<Taken> {
        let (due, kind) = (message.due(), kind(message));
        let (merchant, payment) = (due.merchant.to_bytes(), due.payment.to_bytes());
        let all = self.totals.all();
        // That an event was given up is said once, and must be heard: only a full queue refuses it.
        let line = if kind == DELIVER { room::line(all, capacity) } else { None };
        let refused = if all >= capacity {
            Some(Taken::NoRoom)
        } else if let Some(line) = line
            && self.has_ready(merchant, line)?
        {
            Some(Taken::TheirLineIsLong)
        } else {
            None
        };
        if let Some(refused) = refused
            && !self.is_there(due, kind)?
        {
            return Ok(refused);
        }
        let inserted = self
            .connection
            .prepare_cached(
                "INSERT OR IGNORE INTO messages
                     (id, merchant, payment, sequence, attempt, kind, state, due, holder, deliveries, again, traceparent)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, 0, NULL, 0, 0, ?7)",
            )?
            .execute(params![self.totals.next_id, merchant, payment, due.sequence, due.attempt, kind, traceparent])?;
        let topic = topic(kind);
        if inserted == 1 {
            self.totals.next_id += 1;
            self.totals.add(topic, 1);
            self.tally.count(topic, Happened::Published);
            return Ok(Taken::Yes);
        }
        // Its handler may have looked already at what this message tells of: once more, when it is done.
        self.connection
            .prepare_cached(
                "UPDATE messages SET again = 1 WHERE payment = ?1 AND sequence = ?2 AND attempt = ?3 AND kind = ?4
                 AND merchant = ?5 AND state = 2",
            )?
            .execute(params![payment, due.sequence, due.attempt, kind, merchant])?;
        Ok(Taken::Yes)
    }

    /// Whether so many messages of the merchant are ready.
    fn has_ready(&self, merchant: [u8; 16], count: u32) -> Result<bool> {
        let mut select = self.connection.prepare_cached(
            "SELECT count(*) FROM (SELECT 1 FROM messages INDEXED BY messages_ready
                WHERE state = 0 AND merchant = ?1 LIMIT ?2)",
        )?;
        select.query_one(params![merchant, count], |row| row.get(0).map(|ready: u32| ready >= count))
    }

    fn is_there(&self, due: DeliveryDue, kind: u8) -> Result<bool> {
        let (merchant, payment) = (due.merchant.to_bytes(), due.payment.to_bytes());
        self.connection
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM messages INDEXED BY messages_once
                    WHERE payment = ?1 AND sequence = ?2 AND attempt = ?3 AND kind = ?4 AND merchant = ?5)",
            )?
            .query_one(params![payment, due.sequence, due.attempt, kind, merchant], |row| row.get(0))
    }

    /// The first merchant after `merchant` that has something ready. `None` asks for the first of all.
    pub(super) fn next_merchant(&self, merchant: Option<MerchantId>) -> Result<Option<MerchantId>> {
        let mut select = self.connection.prepare_cached(
            "SELECT merchant FROM messages INDEXED BY messages_ready WHERE state = 0 AND merchant > ?1
             ORDER BY merchant LIMIT 1",
        )?;
        let bytes = merchant.map(MerchantId::to_bytes);
        let after = bytes.as_ref().map_or(&[][..], |bytes| &bytes[..]);
        select.query_one([after], |row| row.get(0).map(MerchantId::from_random)).optional()
    }

    /// Holds the oldest messages that `merchant` has ready, up to `count`, until `until`.
    pub(super) fn hold(
        &mut self,
        merchant: MerchantId,
        count: usize,
        until: Micros,
        held: &mut Vec<Held>,
    ) -> Result<usize> {
        let before = held.len();
        let mut select = self.connection.prepare_cached(
            "SELECT id, kind, payment, sequence, attempt, deliveries, traceparent FROM messages INDEXED BY messages_ready
             WHERE state = 0 AND merchant = ?1 ORDER BY id LIMIT ?2",
        )?;
        let limit = i64::try_from(count).unwrap_or(i64::MAX);
        let rows = select.query_map(params![merchant.to_bytes(), limit], |row| read(row, merchant))?;
        for row in rows {
            held.push(row?);
        }
        let mut update = self.connection.prepare_cached(
            "UPDATE messages SET state = 2, due = ?2, holder = ?3, deliveries = deliveries + 1 WHERE id = ?1",
        )?;
        for held in &held[before..] {
            update.execute(params![held.id, until, self.holder])?;
        }
        Ok(held.len() - before)
    }

    /// Holding `held` ended. Nothing happens where it is held by somebody else by now, or for another time.
    pub(super) fn end(&mut self, held: &Held, end: End) -> Result<()> {
        let Delivered { delivery_attempt, dead_lettered, message, traceparent: _ } = held.delivered;
        let kind = if dead_lettered { GIVEN_UP_BY_QUEUE } else { kind(&message) };
        if end == End::Expired {
            self.tally.count(topic(kind), Happened::Expired);
        }
        match end {
            End::Acked => self.remove(held.id, delivery_attempt, kind),
            End::Retry | End::Expired if kind == DELIVER && delivery_attempt >= DELIVERIES => {
                self.give_up(held.id, self.holder)
            }
            End::Retry | End::Expired => {
                let due = after(self.now, backoff(delivery_attempt));
                let changed = self
                    .connection
                    .prepare_cached(
                        "UPDATE messages SET state = 1, due = ?4, holder = NULL, again = 0
                         WHERE id = ?1 AND holder = ?2 AND deliveries = ?3",
                    )?
                    .execute(params![held.id, self.holder, delivery_attempt, due])?;
                if changed == 1 {
                    self.tally.count(topic(kind), Happened::Retried);
                }
                Ok(())
            }
            End::Released => {
                self.connection
                    .prepare_cached(
                        "UPDATE messages SET state = 0, holder = NULL, deliveries = deliveries - 1, again = 0
                         WHERE id = ?1 AND holder = ?2 AND deliveries = ?3",
                    )?
                    .execute(params![held.id, self.holder, delivery_attempt])?;
                Ok(())
            }
        }
    }

    fn remove(&mut self, id: i64, delivery: u32, kind: u8) -> Result<()> {
        let removed = self
            .connection
            .prepare_cached("DELETE FROM messages WHERE id = ?1 AND holder = ?2 AND deliveries = ?3 AND again = 0")?
            .execute(params![id, self.holder, delivery])?;
        if removed == 1 {
            self.totals.add(topic(kind), -1);
            self.tally.count(topic(kind), Happened::Acked);
            return Ok(());
        }
        // It was published again meanwhile: the same as if that had come after this.
        let renewed = self
            .connection
            .prepare_cached(
                "UPDATE messages SET state = 0, holder = NULL, deliveries = 0, again = 0
                 WHERE id = ?1 AND holder = ?2 AND deliveries = ?3",
            )?
            .execute(params![id, self.holder, delivery])?;
        if renewed == 1 {
            self.tally.count(topic(kind), Happened::Acked);
        }
        Ok(())
    }

    /// Moves a message that failed too often into the dead-letter topic, where it is handed out at once.
    fn give_up(&mut self, id: i64, holder: Holder) -> Result<()> {
        let moved = self
            .connection
            .prepare_cached(
                "UPDATE OR IGNORE messages SET kind = ?3, state = 0, holder = NULL, deliveries = 0, again = 0
                 WHERE id = ?1 AND holder = ?2",
            )?
            .execute(params![id, holder, GIVEN_UP_BY_QUEUE])?;
        if moved == 1 {
            self.totals.add(Topic::DeadLetter, 1);
        } else {
            // It is there already, from an earlier publication; or somebody else holds it by now.
            let removed = self
                .connection
                .prepare_cached("DELETE FROM messages WHERE id = ?1 AND holder = ?2")?
                .execute(params![id, holder])?;
            if removed == 0 {
                return Ok(());
            }
        }
        self.totals.add(Topic::PaymentEvents, -1);
        self.tally.count(Topic::PaymentEvents, Happened::DeadLettered);
        Ok(())
    }

    /// Makes ready what has become due, up to `count`: waits that are over, and what others held for too long. What this
    /// holder holds it knows about, and goes on holding until `renewed`. Answers how many rows it looked at.
    pub(super) fn ripen(&mut self, count: u32, renewed: Micros) -> Result<usize> {
        let ripe = {
            let mut select = self.connection.prepare_cached(
                "SELECT id, holder, kind, deliveries FROM messages INDEXED BY messages_timed
                 WHERE state <> 0 AND due <= ?1 ORDER BY due LIMIT ?2",
            )?;
            let rows = select.query_map(params![self.now, count], Ripe::read)?;
            rows.collect::<Result<Vec<_>>>()?
        };
        for row in &ripe {
            match row.holder {
                Some(holder) if holder == self.holder => {
                    self.connection
                        .prepare_cached("UPDATE messages SET due = ?2 WHERE id = ?1")?
                        .execute([row.id, renewed])?;
                }
                Some(holder) => {
                    self.tally.count(topic(row.kind), Happened::Expired);
                    self.lost(row, holder)?;
                }
                None => {
                    self.connection.prepare_cached("UPDATE messages SET state = 0 WHERE id = ?1")?.execute([row.id])?;
                }
            }
        }
        Ok(ripe.len())
    }

    /// Makes ready what `holder` held, who is gone.
    pub(super) fn inherit(&mut self, holder: Holder) -> Result<()> {
        let left = {
            let mut select = self.connection.prepare_cached(
                "SELECT id, holder, kind, deliveries FROM messages INDEXED BY messages_timed
                 WHERE state <> 0 AND holder = ?1",
            )?;
            let rows = select.query_map([holder], Ripe::read)?;
            rows.collect::<Result<Vec<_>>>()?
        };
        left.iter().try_for_each(|row| self.lost(row, holder))
    }

    /// Its holder is gone or stalled. That counts as a delivery: a message that kills its handler is given up, too.
    fn lost(&mut self, row: &Ripe, holder: Holder) -> Result<()> {
        if row.kind == DELIVER && row.deliveries >= DELIVERIES {
            return self.give_up(row.id, holder);
        }
        self.connection
            .prepare_cached("UPDATE messages SET state = 0, holder = NULL, again = 0 WHERE id = ?1")?
            .execute([row.id])?;
        self.tally.count(topic(row.kind), Happened::Retried);
        Ok(())
    }
}

/// When the next row becomes due: a wait's end or a lease's.
pub(super) fn next_ripe(connection: &Connection) -> Result<Option<Micros>> {
    connection
        .prepare_cached("SELECT due FROM messages INDEXED BY messages_timed WHERE state <> 0 ORDER BY due LIMIT 1")?
        .query_one([], |row| row.get(0))
        .optional()
}

/// When the next wait for a further delivery ends.
pub(super) fn next_due(connection: &Connection) -> Result<Option<Micros>> {
    connection
        .prepare_cached(
            "SELECT due FROM messages INDEXED BY messages_timed WHERE state <> 0 AND state = 1 ORDER BY due LIMIT 1",
        )?
        .query_one([], |row| row.get(0))
        .optional()
}

/// Whether something is ready or held.
pub(super) fn is_busy(connection: &Connection) -> Result<bool> {
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM messages INDEXED BY messages_ready WHERE state = 0)
                 OR EXISTS (SELECT 1 FROM messages INDEXED BY messages_timed WHERE state <> 0 AND state = 2)",
        )?
        .query_one([], |row| row.get(0))
}

/// A row that time, or the end of its holder, has come for.
struct Ripe {
    id: i64,
    holder: Option<Holder>,
    kind: u8,
    deliveries: u32,
}

impl Ripe {
    fn read(row: &Row<'_>) -> Result<Self> {
        Ok(Self { id: row.get(0)?, holder: row.get(1)?, kind: row.get(2)?, deliveries: row.get(3)? })
    }
}

fn read(row: &Row<'_>, merchant: MerchantId) -> Result<Held> {
    let kind: u8 = row.get(1)?;
    let payment = PaymentId::from_random(row.get(2)?);
    let due = DeliveryDue { merchant, payment, sequence: row.get(3)?, attempt: row.get(4)? };
    let message = if kind == GIVEN_UP_BY_US { Message::DeadLettered(due) } else { Message::Deliver(due) };
    let delivery_attempt = row.get::<_, u32>(5)?.saturating_add(1);
    let dead_lettered = kind == GIVEN_UP_BY_QUEUE;
    let delivered = Delivered { message, delivery_attempt, dead_lettered, traceparent: row.get(6)? };
    Ok(Held { id: row.get(0)?, delivered })
}

const fn kind(message: &Message) -> u8 {
    match message {
        Message::Deliver(_) => DELIVER,
        Message::DeadLettered(_) => GIVEN_UP_BY_US,
    }
}

const fn topic(kind: u8) -> Topic {
    if kind == DELIVER { Topic::PaymentEvents } else { Topic::DeadLetter }
}
