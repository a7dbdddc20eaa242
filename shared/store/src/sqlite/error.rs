//! What an error of `SQLite` means to the gateway.

use std::fmt::Display;

use rusqlite::{Error, ErrorCode};
use tollgate_domain::PaymentId;
use tollgate_gateway::ports::StoreError;

/// Why the store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The database does not open, or a migration fails.
    #[error("the database cannot be opened: {0}")]
    Database(#[from] Error),
    /// The files beside it cannot be made or locked.
    #[error("the files of the database cannot be used: {0}")]
    Files(#[from] std::io::Error),
    /// The file is a database, and not this program's: a path with a mistake in it must not change what others keep.
    #[error("the database is another program's: it has tables, and no record of our schema")]
    Foreign,
    /// A newer program has migrated it.
    #[error("the database has schema {found}, made by a newer program: this one knows {known}")]
    Newer {
        /// The schema of the file.
        found: u32,
        /// The newest schema that this program knows.
        known: u32,
    },
}

/// What was read of `payment`; `None`: it does not read as what was written, which is said here, so that it hinders no
/// other payment. An error: the database itself failed.
pub(super) fn readable<T>(payment: PaymentId, read: Result<T, Error>) -> Result<Option<T>, Error> {
    match read {
        Err(
            error @ (Error::FromSqlConversionFailure(..)
            | Error::InvalidColumnType(..)
            | Error::IntegralValueOutOfRange(..)),
        ) => {
            tracing::error!(%payment, %error, "a payment's rows cannot be read; a person has to look");
            Ok(None)
        }
        read => read.map(Some),
    }
}

/// `subject` is what was read or written: a message about an unreadable row must say which.
pub(super) fn store_error(subject: impl Display, error: &Error) -> StoreError {
    let text = format!("{subject}: {error}");
    match error {
        Error::FromSqlConversionFailure(..)
        | Error::IntegralValueOutOfRange(..)
        | Error::InvalidColumnType(..)
        | Error::StatementChangedRows(_)
        | Error::ToSqlConversionFailure(_)
        | Error::Utf8Error(..) => StoreError::Corrupt(text),
        Error::SqliteFailure(failure, _) => match failure.code {
            // A constraint is the last line against writing what must never be: no retry will help.
            ErrorCode::ConstraintViolation | ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => {
                StoreError::Corrupt(text)
            }
            _ => StoreError::Unavailable(text),
        },
        _ => StoreError::Unavailable(text),
    }
}
