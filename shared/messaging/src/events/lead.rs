//! Of several processes on one file one applies at a time: the others would do the same work for nothing. Should two all the same,
//! each event still has one effect.
//!
//! Must not know: what is applied.

use std::{
    fs::{File, TryLockError},
    io,
    path::Path,
};

use super::file::{beside, private};

/// The right to apply, until it is dropped or its process dies.
#[derive(Debug)]
pub(super) struct Lead {
    /// Locked as long as it is open; `None`: in memory, where nobody else is.
    _lock: Option<File>,
}

/// Takes the lead on the file at `path`. `None`: another process has it.
pub(super) fn take(path: Option<&Path>) -> io::Result<Option<Lead>> {
    let Some(path) = path else { return Ok(Some(Lead { _lock: None })) };
    let lock = private(&beside(path, ".lead"))?;
    match lock.try_lock() {
        Ok(()) => Ok(Some(Lead { _lock: Some(lock) })),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}
