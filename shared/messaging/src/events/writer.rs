//! The one thread that works on the events' file. All that is brought while it works goes into its next transaction together:
//! they wait for the disk once.
//!
//! Must not know: what an event says.

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};
use tollgate_gateway::ports::queue::QueueError;

use super::{
    EventLimits, PROVIDER_EVENTS,
    file::{self, New, Raw, Totals},
};

/// So much goes into one transaction.
const TOGETHER: usize = 256;

pub(super) type Answer<T> = oneshot::Sender<Result<T, QueueError>>;

/// What the thread is asked for.
pub(super) enum Ask {
    Keep(New, Answer<()>),
    Delete(Vec<i64>, Answer<()>),
    After(i64, u32, Answer<Vec<Raw>>),
    Totals(Answer<Totals>),
}

/// Works until nobody can ask any more.
pub(super) fn run(mut connection: Connection, mut asks: mpsc::Receiver<Ask>, limits: EventLimits) {
    while let Some(first) = asks.blocking_recv() {
        let mut brought = vec![first];
        while brought.len() < TOGETHER
            && let Ok(more) = asks.try_recv()
        {
            brought.push(more);
        }
        write(&mut connection, &mut brought, limits);
        for ask in brought {
            match ask {
                Ask::After(id, limit, answer) => tell(answer, file::after(&connection, id, limit)),
                Ask::Totals(answer) => tell(answer, file::totals(&connection)),
                // Written, and answered.
                Ask::Keep(..) | Ask::Delete(..) => {}
            }
        }
    }
}

/// Writes what is to be written in one transaction, and answers once that is on the disk.
fn write(connection: &mut Connection, brought: &mut Vec<Ask>, limits: EventLimits) {
    let is_write = |ask: &mut Ask| matches!(ask, Ask::Keep(..) | Ask::Delete(..));
    let writes: Vec<Ask> = brought.extract_if(.., is_write).collect();
    if writes.is_empty() {
        return;
    }
    match together(connection, &writes, limits) {
        Ok((ends, totals)) => {
            waiting(totals.events);
            for (ask, end) in writes.into_iter().zip(ends) {
                answer(ask, end);
            }
        }
        Err(error) => {
            tracing::error!(%error, "the file of providers' events takes nothing");
            for ask in writes {
                answer(ask, Err(unavailable(&error)));
            }
        }
    }
}

type Ends = Vec<Result<(), QueueError>>;

fn together(connection: &mut Connection, writes: &[Ask], limits: EventLimits) -> rusqlite::Result<(Ends, Totals)> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut ends = Vec::with_capacity(writes.len());
    for ask in writes {
        ends.push(match ask {
            Ask::Keep(new, _) => keep(&transaction, new, limits)?,
            Ask::Delete(ids, _) => {
                ids.iter().try_for_each(|id| file::delete(&transaction, *id))?;
                Ok(())
            }
            Ask::After(..) | Ask::Totals(_) => Ok(()),
        });
    }
    let totals = file::totals(&transaction)?;
    transaction.commit()?;
    Ok((ends, totals))
}

fn keep(connection: &Connection, new: &New, limits: EventLimits) -> rusqlite::Result<Result<(), QueueError>> {
    let there = file::totals(connection)?;
    let is_full = there.events >= limits.events || there.bytes + new.data.len() as u64 > limits.bytes;
    // One that comes again takes the place that it has.
    if is_full && !file::is_known(connection, new)? {
        return Ok(Err(QueueError("as many events wait as may".to_owned())));
    }
    file::keep(connection, new)?;
    Ok(Ok(()))
}

fn answer(ask: Ask, end: Result<(), QueueError>) {
    if let Ask::Keep(_, answer) | Ask::Delete(_, answer) = ask {
        // Who does not wait any more has no use for it.
        _ = answer.send(end);
    }
}

fn tell<T>(answer: Answer<T>, read: rusqlite::Result<T>) {
    _ = answer.send(read.map_err(|error| unavailable(&error)));
}

fn unavailable(error: &rusqlite::Error) -> QueueError {
    QueueError(format!("{PROVIDER_EVENTS}: {error}"))
}

/// Shows how many events wait.
pub(super) fn waiting(events: u64) {
    #[allow(clippy::cast_precision_loss, reason = "there are a hundred thousand at most")]
    metrics::gauge!("provider_events_waiting").set(events as f64);
}
