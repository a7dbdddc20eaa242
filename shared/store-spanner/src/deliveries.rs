//! The tables `deliveries` (one per event: the outbox) and `delivery_attempts` (every try, insert-only).

use std::time::Duration;

use async_trait::async_trait;
use google_cloud_spanner::{
    key::{KeyRange, KeySet},
    value::ToValue,
};
use tollgate_domain::{Delivery, DeliveryStatus, MerchantId, PaymentId, Timestamp};
use tollgate_gateway::{
    ports::{
        deliveries::{DeliveryAttempt, Outgoing},
        queue::DeliveryDue,
    },
    records::EventRecord,
};

use crate::{
    SpannerStore,
    cells::{Row, count, int, maybe, name, text, time},
    error::Result,
    events, merchants,
    reading::{Locked, Reader},
    rows::{Asked, Counted, Source, Write, key, keys, prefix, ranges},
    shards::{SHARDS, shard},
    transactions::{Decided, Decision},
};

static DELIVERIES: Source = Source {
    table: "deliveries",
    index: None,
    columns: &[
        "payment_id",
        "sequence",
        "merchant_id",
        "event_id",
        "kind",
        "status",
        "attempts",
        "tries",
        "next_attempt_at",
        "waits_for_endpoint",
        "created_at",
    ],
};
/// What taking one, or releasing it, needs. No word that a newer release may have written is among it: what this one cannot read
/// keeps no other delivery from being taken.
static TO_TAKE: Source = Source {
    table: "deliveries",
    index: None,
    columns: &["payment_id", "sequence", "merchant_id", "attempts", "next_attempt_at", "waits_for_endpoint"],
};
static DUE: Source = Source {
    table: "deliveries",
    index: Some("deliveries_due"),
    columns: &["next_attempt_at", "payment_id", "sequence"],
};
static WAITING: Source = Source {
    table: "deliveries",
    index: Some("deliveries_waiting"),
    columns: &["waiting_merchant_id", "payment_id", "sequence"],
};
static ATTEMPTS: Source = Source {
    table: "delivery_attempts",
    index: None,
    columns: &["sequence", "number", "occurred_at", "http_status", "error", "duration"],
};

/// How many shards are looked into at a time for what is due.
const SHARDS_AT_ONCE: usize = 16;
/// How many deliveries are taken in one transaction.
const TAKEN_AT_ONCE: usize = 100;
/// After this no more are taken: who asked waits only so long, and what he does not hear of is lost to all for a while.
const TAKES_FOR: Duration = Duration::from_secs(2);

/// Writes the delivery of an event that is new.
pub(crate) fn insert(event: &EventRecord) -> Counted {
    Write::insert("deliveries")
        .set("payment_id", text(event.payment))
        .set("sequence", int(event.sequence))
        .set("shard", int(shard(event.payment)))
        .set("merchant_id", text(event.merchant))
        .set("event_id", text(event.id))
        .set("kind", name(event.kind))
        .set("status", name(DeliveryStatus::Pending))
        .set("attempts", int(0))
        .set("tries", int(0))
        .set("next_attempt_at", time(Delivery::born_due(event.at)))
        .set("waits_for_endpoint", false.to_value())
        .set("created_at", time(event.at))
        .build()
}

/// Writes how a delivery stands after a try or a change of its time.
fn update(after: &Delivery) -> Counted {
    Write::update("deliveries")
        .set("payment_id", text(after.payment))
        .set("sequence", int(after.sequence))
        .set("status", name(after.status))
        .set("attempts", int(after.attempts))
        .set("tries", int(after.tries))
        .set("next_attempt_at", maybe(after.next_attempt_at.map(time)))
        .set("waits_for_endpoint", after.waits_for_endpoint.to_value())
        .build()
}

/// Writes when a delivery is due, and that it waits for nothing.
fn due_at(payment: PaymentId, sequence: u32, at: Timestamp) -> Counted {
    Write::update("deliveries")
        .set("payment_id", text(payment))
        .set("sequence", int(sequence))
        .set("next_attempt_at", time(at))
        .set("waits_for_endpoint", false.to_value())
        .build()
}

fn insert_attempt(of: &Delivery, attempt: &DeliveryAttempt) -> Counted {
    Write::insert("delivery_attempts")
        .set("payment_id", text(of.payment))
        .set("sequence", int(of.sequence))
        .set("number", int(attempt.number))
        .set("occurred_at", time(attempt.at))
        .set("http_status", maybe(attempt.http_status.map(int)))
        .set("error", maybe(attempt.error.as_ref().map(text)))
        .set("duration", count(u64::try_from(attempt.duration.as_micros()).unwrap_or(u64::MAX)))
        .build()
}

fn one(payment: PaymentId, sequence: u32) -> Asked {
    DELIVERIES.read(key([text(payment), int(sequence)]))
}

/// One delivery, with all that sending it needs.
pub(crate) async fn outgoing(reader: &dyn Reader, payment: PaymentId, sequence: u32) -> Result<Option<Outgoing>> {
    let (delivery, event) =
        futures::try_join!(reader.row(one(payment, sequence)), reader.row(events::one(payment, sequence)))?;
    let (Some(delivery), Some(event)) = (delivery, event) else { return Ok(None) };
    let delivery = read(&delivery)?;
    let endpoint = merchants::find_endpoint(reader, delivery.merchant).await?;
    Ok(Some(Outgoing { delivery, body: events::read(&event)?.body, endpoint }))
}

/// Writes a delivery as it is after `before`, and the try that made it so, if one did. `false`: it is not as it was
/// before, the time of its next try aside, which every claim pushes.
pub(crate) struct Replace {
    pub(crate) before: Delivery,
    pub(crate) after: Delivery,
    pub(crate) attempt: Option<DeliveryAttempt>,
}

#[async_trait]
impl Decision for Replace {
    type Answer = bool;

    async fn decide(&self, locked: &Locked) -> Result<Decided<bool>> {
        let Some(row) = locked.row(one(self.before.payment, self.before.sequence)).await? else {
            return Ok(Decided::nothing(false));
        };
        let present = read(&row)?;
        let stands = |it: &Delivery| (it.status, it.attempts, it.tries, it.waits_for_endpoint);
        if stands(&present) != stands(&self.before) {
            return Ok(Decided::nothing(false));
        }
        let mut writes = vec![update(&self.after)];
        writes.extend(self.attempt.as_ref().map(|attempt| insert_attempt(&self.after, attempt)));
        Ok(Decided { answer: true, writes })
    }
}

/// Pushes those of `seen` that are still due at `now` to `until`.
struct Take {
    seen: Vec<(PaymentId, u32)>,
    now: Timestamp,
    until: Timestamp,
}

#[async_trait]
impl Decision for Take {
    type Answer = Vec<DeliveryDue>;

    async fn decide(&self, locked: &Locked) -> Result<Decided<Vec<DeliveryDue>>> {
        let (mut answer, mut writes) = (Vec::new(), Vec::new());
        for row in &locked.rows(TO_TAKE.read(places(&self.seen))).await? {
            if row.maybe_time("next_attempt_at")?.is_some_and(|at| at <= self.now) {
                let ((payment, sequence), attempts) = (place(row)?, row.int::<u32>("attempts")?);
                let attempt = attempts.saturating_add(1);
                writes.push(due_at(payment, sequence, self.until));
                answer.push(DeliveryDue { merchant: row.text("merchant_id")?, payment, sequence, attempt });
            }
        }
        Ok(Decided { answer, writes })
    }
}

/// Makes those of `seen` due that still wait for their endpoint; how many.
struct Release {
    seen: Vec<(PaymentId, u32)>,
    at: Timestamp,
}

#[async_trait]
impl Decision for Release {
    type Answer = u32;

    async fn decide(&self, locked: &Locked) -> Result<Decided<u32>> {
        let mut writes = Vec::new();
        for row in &locked.rows(TO_TAKE.read(places(&self.seen))).await? {
            if row.bool("waits_for_endpoint")? {
                let (payment, sequence) = place(row)?;
                writes.push(due_at(payment, sequence, self.at));
            }
        }
        Ok(Decided { answer: u32::try_from(writes.len()).unwrap_or(u32::MAX), writes })
    }
}

pub(crate) fn several(of: &[(PaymentId, u32)]) -> Asked {
    DELIVERIES.read(places(of))
}

fn places(of: &[(PaymentId, u32)]) -> KeySet {
    keys(of.iter().map(|(payment, sequence)| key([text(*payment), int(*sequence)])))
}

impl SpannerStore {
    /// Takes what is due, of some shards after the other, so that several takers seldom meet. Which are due is read without
    /// a lock; each is looked at again in the transaction that takes it.
    pub(crate) async fn claim(&self, now: Timestamp, until: Timestamp, limit: u32) -> Result<Vec<DeliveryDue>> {
        let mut taken = Vec::new();
        match self.claim_into(&mut taken, now, until, limit).await {
            // What was taken before is nobody else's for a while: it is handed on, or nobody would send it meanwhile.
            Err(error) if !taken.is_empty() => tracing::warn!(?error, "fewer deliveries were taken than are due"),
            done => done?,
        }
        Ok(taken)
    }

    async fn claim_into(
        &self,
        taken: &mut Vec<DeliveryDue>,
        now: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> Result<()> {
        let began = self.time.monotonic();
        let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
        for shards in self.shuffled_shards().chunks(SHARDS_AT_ONCE) {
            // Once more where others took what was seen: there may be more behind it.
            loop {
                let room = wanted - taken.len();
                let seen = self.due_in(shards, now, room).await?;
                let mut lost = 0;
                for some in seen.chunks(TAKEN_AT_ONCE) {
                    if !taken.is_empty() && self.time.monotonic().saturating_sub(began) > TAKES_FOR {
                        return Ok(());
                    }
                    let seen = some.to_vec();
                    let won = self.transact("tollgate:claim_due", Take { seen, now, until }).await?;
                    lost += some.len() - won.len();
                    taken.extend(won);
                }
                if taken.len() == wanted {
                    return Ok(());
                }
                if lost == 0 {
                    break;
                }
            }
        }
        Ok(())
    }

    /// All shards, in an order that another taker hardly has at the same time.
    fn shuffled_shards(&self) -> Vec<i64> {
        let spin = self.time.monotonic().subsec_nanos() ^ std::process::id().rotate_left(16);
        // An odd step goes through all of them.
        let (first, step) = (i64::from(spin >> 8) % SHARDS, (i64::from(spin >> 16) % SHARDS) | 1);
        (0..SHARDS).map(|place| (first + place * step).rem_euclid(SHARDS)).collect()
    }

    /// At most `room` that are due in these shards.
    async fn due_in(&self, shards: &[i64], now: Timestamp, room: usize) -> Result<Vec<(PaymentId, u32)>> {
        let present = self.present("tollgate:due_deliveries").await?;
        let limit = u32::try_from(room).unwrap_or(u32::MAX);
        let due = ranges(
            shards.iter().map(|shard| KeyRange::closed_closed(key([int(*shard)]), key([int(*shard), time(now)]))),
        );
        let rows = present.rows(DUE.read(due).limit(limit)).await?;
        rows.iter().map(place).collect()
    }

    /// Makes due what waits for the merchant's endpoint. Returns how many.
    pub(crate) async fn release(&self, merchant: MerchantId, at: Timestamp, limit: u32) -> Result<u32> {
        let mut released: u32 = 0;
        while released < limit {
            let at_once = (limit - released).min(u32::try_from(TAKEN_AT_ONCE).unwrap_or(1));
            let present = self.present("tollgate:waiting_deliveries").await?;
            let seen = present.rows(WAITING.read(prefix([text(merchant)])).limit(at_once)).await?;
            drop(present);
            if seen.is_empty() {
                break;
            }
            let seen = seen.iter().map(place).collect::<Result<Vec<_>>>()?;
            released += self.transact("tollgate:release_waiting", Release { seen, at }).await?;
        }
        Ok(released)
    }

    /// Merchants for whom deliveries wait, in order, those behind `after`.
    pub(crate) async fn waiting_merchants(&self, after: Option<MerchantId>, limit: u32) -> Result<Vec<MerchantId>> {
        let present = self.present("tollgate:waiting_merchants").await?;
        let (mut merchants, mut after) = (Vec::new(), after);
        // From one to the next: however many wait for a merchant, one entry is read.
        while merchants.len() < usize::try_from(limit).unwrap_or(usize::MAX) {
            let range = match after {
                None => KeyRange::closed_closed(key([]), key([])),
                Some(merchant) => KeyRange::open_closed(key([text(merchant)]), key([])),
            };
            let Some(row) = present.row(WAITING.read(range)).await? else { break };
            let merchant = row.text("waiting_merchant_id")?;
            merchants.push(merchant);
            after = Some(merchant);
        }
        Ok(merchants)
    }
}

fn place(row: &Row) -> Result<(PaymentId, u32)> {
    Ok((row.text("payment_id")?, row.int("sequence")?))
}

/// The time in an entry of what is due.
pub(crate) fn due_time(row: &Row) -> Result<Timestamp> {
    row.time("next_attempt_at")
}

/// What is due in a shard, whenever.
pub(crate) fn due_in_shard(shard: i64) -> Asked {
    DUE.read(prefix([int(shard)]))
}

/// All of a payment's, in order, each with its tries.
pub(crate) async fn of_payment(
    reader: &dyn Reader,
    payment: PaymentId,
) -> Result<Vec<(Delivery, Vec<DeliveryAttempt>)>> {
    let mut rows =
        reader.all(vec![DELIVERIES.read(prefix([text(payment)])), ATTEMPTS.read(prefix([text(payment)]))]).await?;
    let tries = rows.pop().unwrap_or_default();
    let mut deliveries = Vec::new();
    for row in rows.pop().unwrap_or_default() {
        let delivery = read(&row)?;
        let mut its = Vec::new();
        for row in &tries {
            if row.int::<u32>("sequence")? == delivery.sequence {
                its.push(read_attempt(row)?);
            }
        }
        deliveries.push((delivery, its));
    }
    Ok(deliveries)
}

pub(crate) fn read(row: &Row) -> Result<Delivery> {
    Ok(Delivery {
        payment: row.text("payment_id")?,
        sequence: row.int("sequence")?,
        merchant: row.text("merchant_id")?,
        event: row.text("event_id")?,
        kind: row.name("kind")?,
        status: row.name("status")?,
        attempts: row.int("attempts")?,
        tries: row.int("tries")?,
        next_attempt_at: row.maybe_time("next_attempt_at")?,
        waits_for_endpoint: row.bool("waits_for_endpoint")?,
        created_at: row.time("created_at")?,
    })
}

fn read_attempt(row: &Row) -> Result<DeliveryAttempt> {
    Ok(DeliveryAttempt {
        number: row.int("number")?,
        at: row.time("occurred_at")?,
        http_status: row.maybe_int("http_status")?,
        error: row.maybe_string("error")?,
        duration: Duration::from_micros(row.int("duration")?),
    })
}
