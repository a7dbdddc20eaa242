//! Applies one change set inside a transaction: first every guard, by key, then every row (rule 13).
//!
//! Must not know: what else is in the transaction, or who waits for it.

use rusqlite::{Connection, Result};
use tollgate_gateway::records::{ChangeSet, Committed, Guard, PaymentChange, ReceivedEvent};

use super::{
    calls, deliveries, events, history, idempotency, operations, payments, postings, received_events, references,
    refunds,
};

/// What the guards say, before anything is written.
enum Guards {
    /// Nobody was here before.
    Free,
    /// This very set was committed before (rule 14).
    OursAlready,
    /// Somebody else was.
    Taken(Guard),
}

/// Writes `set`, or nothing where a guard is taken.
pub(super) fn apply(connection: &Connection, set: &ChangeSet) -> Result<Committed> {
    match guards(connection, set)? {
        Guards::Taken(guard) => return Ok(Committed::Conflict(guard)),
        Guards::OursAlready => return Ok(Committed::Done),
        Guards::Free => {}
    }
    Ok(if write(connection, set)? { Committed::Done } else { Committed::Conflict(Guard::Version) })
}

/// Writes `set`, whose guards are free. `false`: its version does not follow the stored one; nothing was written.
pub(super) fn write(connection: &Connection, set: &ChangeSet) -> Result<bool> {
    if let Some(change) = &set.payment {
        // First of all writes: a version that does not follow the stored one is refused with nothing written.
        if !write_payment(connection, change)? {
            return Ok(false);
        }
        write_change(connection, set, change)?;
    }
    if let Some(key) = &set.new_key {
        idempotency::insert(connection, key)?;
    }
    for (key, until) in &set.released_keys {
        idempotency::release(connection, *key, *until)?;
    }
    if let Some(event) = &set.received {
        received_events::insert(connection, set.change_id, event)?;
    }
    if let Some(reference) = &set.reference {
        references::insert(connection, reference)?;
    }
    for call in &set.calls {
        calls::insert(connection, call)?;
    }
    Ok(true)
}

/// In the order in which conflicts are reported. Only the first guard of a set can tell that the set is here already:
/// its rows came all at once.
fn guards(connection: &Connection, set: &ChangeSet) -> Result<Guards> {
    let version = match &set.payment {
        Some(change) => history::made_by(connection, change.payment.id, change.history.version)?,
        None => None,
    };
    if version == Some(set.change_id) {
        return Ok(Guards::OursAlready);
    }
    if let Some(key) = &set.new_key
        && idempotency::exists(connection, key.key)?
    {
        return Ok(Guards::Taken(Guard::IdempotencyKey));
    }
    if version.is_some() {
        return Ok(Guards::Taken(Guard::Version));
    }
    if let Some(event) = &set.received
        && let Some(taken) = event_guard(connection, set, event)?
    {
        return Ok(taken);
    }
    if let Some(reference) = &set.reference
        && references::payment(connection, reference)?.is_some_and(|payment| payment != reference.payment)
    {
        return Ok(Guards::Taken(Guard::Reference));
    }
    Ok(Guards::Free)
}

fn event_guard(connection: &Connection, set: &ChangeSet, event: &ReceivedEvent) -> Result<Option<Guards>> {
    Ok(received_events::taken_by(connection, event.provider, &event.event_id)?.map(|change| {
        if change == set.change_id && set.payment.is_none() {
            Guards::OursAlready
        } else {
            Guards::Taken(Guard::ReceivedEvent)
        }
    }))
}

fn write_payment(connection: &Connection, change: &PaymentChange) -> Result<bool> {
    if change.payment.version > 1 {
        return payments::update(connection, &change.payment);
    }
    payments::insert(connection, &change.payment)?;
    Ok(true)
}

fn write_change(connection: &Connection, set: &ChangeSet, change: &PaymentChange) -> Result<()> {
    let payment = change.payment.id;
    history::insert(connection, payment, set.change_id, &change.history)?;
    for operation in &change.operations {
        operations::upsert(connection, payment, operation)?;
    }
    if let Some(refund) = &change.refund {
        refunds::upsert(connection, refund)?;
    }
    for event in &change.events {
        events::insert(connection, event)?;
        deliveries::insert(connection, event)?;
    }
    postings::insert(connection, payment, change.history.version, &change.postings)
}
