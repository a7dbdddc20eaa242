//! Reconciliation: jobs that ask the providers for what nobody told us, bring payments to their end when their time is
//! over, and check the books (finding C3).
//!
//! Must not know: who starts a job, or when.

mod adopt;
mod by_hand;
mod expiry;
mod invariants;
mod left_behind;
mod outcome;
mod provider_truth;
mod records;
mod refunds;
mod round;
mod statement;
mod stuck_payments;

pub use by_hand::{ByHand, StillWaits, resolve_by_hand};
pub use invariants::{INVARIANTS, violated};
pub use provider_truth::PROVIDER_TRUTH;
pub use records::{
    ExceptionAct, Noted, PROVIDER_RECORDS, PROVIDER_RECORDS_DAY, act_on_exception, exception_id, note_exception,
};
pub use statement::{Direction, Ours, StatementCheck, StatementException, StatementLine, StatementReport};
pub use stuck_payments::STUCK_PAYMENTS;
pub use tollgate_domain::ExceptionKind;
