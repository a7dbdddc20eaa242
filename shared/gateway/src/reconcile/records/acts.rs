//! What people do to exceptions: assign them, resolve them, and note those that a statement of the bank has. Each is kept with who and why.

use tollgate_domain::{
    Exception, ExceptionId, Timestamp,
    exception::{ExceptionDone, Found, Resolution},
};

use super::noted::exception_id;
use crate::{
    idempotency::RACES,
    ports::{Exceptions, StoreError},
};

/// What is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExceptionAct {
    /// Somebody looks after it.
    Assign {
        /// Who.
        owner: String,
    },
    /// It is as it should be.
    Resolve {
        /// Why.
        why: String,
    },
}

/// What noting came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Noted {
    /// It is new, or open again.
    Opened(Box<Exception>),
    /// It was open.
    StillOpen(Box<Exception>),
    /// A person has resolved just this.
    Settled,
}

/// Does it, for `by`. The exception as it then is, and whether that changed it: one that is resolved stays as it is. `None`: there is no
/// such exception.
pub async fn act_on_exception(
    exceptions: &dyn Exceptions,
    id: ExceptionId,
    act: &ExceptionAct,
    by: &str,
    now: Timestamp,
) -> Result<Option<(Exception, bool)>, StoreError> {
    for _ in 0..RACES {
        let Some(present) = exceptions.exception(id).await? else { return Ok(None) };
        let changed = match act {
            ExceptionAct::Assign { owner } => present.assign(owner, by, now),
            ExceptionAct::Resolve { why } => present.resolve(Resolution::ByHand, by, why, now),
        };
        let Some((after, change)) = changed else { return Ok(Some((present, false))) };
        if exceptions.put_exception(&after, Some(&change)).await? {
            return Ok(Some((after, true)));
        }
    }
    Err(raced())
}

/// Notes what was found: opens it, ages it, or leaves it.
pub async fn note_exception(
    exceptions: &dyn Exceptions,
    found: &Found,
    by: &str,
    now: Timestamp,
) -> Result<Noted, StoreError> {
    let id = exception_id(found.provider, found.kind, &found.record.id);
    for _ in 0..RACES {
        let (after, change) = match exceptions.exception(id).await? {
            None => {
                let (exception, change) = Exception::open(id, found.clone(), by, now);
                (exception, Some(change))
            }
            Some(present) => match present.seen(found.clone(), by, now) {
                Some(seen) => seen,
                None => return Ok(Noted::Settled),
            },
        };
        if exceptions.put_exception(&after, change.as_ref()).await? {
            let opened = change.is_some_and(|it| matches!(it.done, ExceptionDone::Opened | ExceptionDone::Reopened));
            let after = Box::new(after);
            return Ok(if opened { Noted::Opened(after) } else { Noted::StillOpen(after) });
        }
    }
    Err(raced())
}

fn raced() -> StoreError {
    StoreError::Unavailable("others change the same exception all the time".to_owned())
}
