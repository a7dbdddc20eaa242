//! What went wrong at Spanner, and what that means to the gateway.

use std::{error::Error as _, fmt::Display};

use google_cloud_gax::error::rpc::Code;
use google_cloud_spanner::Error;
use tollgate_domain::PaymentId;
use tollgate_gateway::ports::StoreError;

/// Spanner is not reached.
#[derive(Debug, Clone, thiserror::Error)]
#[error("Spanner is not reached: {0}")]
pub struct SpannerUnreachable(pub String);

/// Why an operation came to nothing.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// No client could be made.
    Unreachable(SpannerUnreachable),
    /// Spanner's own word.
    Spanner(Error),
    /// A cell does not read as what was written.
    Unreadable(String),
    /// Something that no writer of ours does.
    Impossible(&'static str),
}

pub(crate) type Result<T> = std::result::Result<T, Trouble>;

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Spanner(error)
    }
}

impl Trouble {
    /// Nothing was heard, not even that the connection ended.
    pub(crate) fn is_silence(&self) -> bool {
        match self {
            Self::Unreachable(_) => true,
            Self::Spanner(error) => {
                matches!(code(error), None | Some(Code::DeadlineExceeded | Code::Cancelled)) && !error.is_connect()
            }
            Self::Unreadable(_) | Self::Impossible(_) => false,
        }
    }

    /// As the gateway is told it; `subject` is what was read or written.
    pub(crate) fn of(self, subject: impl Display) -> StoreError {
        match self {
            Self::Unreachable(unreachable) => StoreError::Unavailable(unreachable.to_string()),
            Self::Unreadable(why) => StoreError::Corrupt(format!("{subject}: {why}")),
            Self::Impossible(why) => StoreError::Corrupt(format!("{subject}: {why}")),
            Self::Spanner(error) if is_schema_missing(&error) => StoreError::Unavailable(format!(
                "the database has not the tables of this program: run `tollgate migrate` ({})",
                text(&error)
            )),
            Self::Spanner(error) => {
                let said = format!("{subject}: {}", text(&error));
                match code(&error) {
                    // A constraint is the last line against writing what must never be: no retry will help.
                    Some(Code::OutOfRange | Code::FailedPrecondition | Code::InvalidArgument | Code::AlreadyExists) => {
                        StoreError::Corrupt(said)
                    }
                    _ => StoreError::Unavailable(said),
                }
            }
        }
    }
}

/// Spanner's code, where it answered.
pub(crate) fn code(error: &Error) -> Option<Code> {
    error.status().map(|status| status.code)
}

/// The tables are not there, or were not at the time that was read.
pub(crate) fn is_schema_missing(error: &Error) -> bool {
    matches!(code(error), Some(Code::NotFound | Code::InvalidArgument))
        && error.status().is_some_and(|status| {
            let said = &status.message;
            said.contains("Table not found") || said.contains("Index not found") || said.contains("Column not found")
        })
}

/// What Spanner said, with the causes beneath it.
fn text(error: &Error) -> String {
    if let Some(status) = error.status() {
        return format!("{}: {}", status.code, status.message);
    }
    let (mut said, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        let beneath = error.to_string();
        if !said.contains(&beneath) {
            said = format!("{said}: {beneath}");
        }
        cause = error.source();
    }
    said
}

/// A client could not be made.
pub(crate) fn unreachable(error: &(dyn std::error::Error + 'static)) -> SpannerUnreachable {
    let (mut said, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        said = format!("{said}: {error}");
        cause = error.source();
    }
    SpannerUnreachable(said)
}

/// What was read of `payment`; `None`: it does not read as what was written, which is said here, so that it hinders no
/// other payment.
pub(crate) fn readable<T>(payment: PaymentId, read: Result<T>) -> Result<Option<T>> {
    match read {
        Err(Trouble::Unreadable(error)) => {
            tracing::error!(%payment, error, "a payment's rows cannot be read; a person has to look");
            Ok(None)
        }
        read => read.map(Some),
    }
}
