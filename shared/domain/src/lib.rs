//! Tollgate's rules, pure: money, ids, state machines and ledger postings.
//!
//! No async, no I/O, no clock and no wire format: state, command and time come in, the next state and what follows
//! from it go out. Nothing here derives `Serialize`.

pub mod audit;
pub mod change;
pub mod currency;
pub mod delivery;
pub mod discrepancy;
pub mod event;
pub mod exception;
pub mod history;
pub mod ids;
pub mod ledger;
pub mod money;
pub mod operation;
pub mod payment;
pub mod provider;
pub mod refund;
pub mod refusal;
pub mod review;
pub mod routing;
pub mod schedule;
pub mod settlement;
mod transitions;

pub use change::Change;
pub use currency::{Currency, UnknownCurrency};
pub use delivery::{Delivery, DeliveryStatus, Tried};
pub use discrepancy::Discrepancy;
pub use event::{Event, EventKind};
pub use exception::{Exception, ExceptionChange, ExceptionKind, Movement, ProviderRecord, RecordState};
pub use history::{Transition, What};
pub use ids::{
    BootId, ChangeId, EventId, ExceptionId, IdError, KeyHash, MerchantId, PaymentId, ProviderRequestId, RefundId,
    SettlementId,
};
pub use ledger::{Account, Posting, PostingSet, Side};
pub use money::{Money, MoneyError};
pub use operation::{Lease, Operation, OperationKind, OperationState, PayerTurn};
pub use payment::{AUTHORIZATION_LASTS, CaptureMethod, Details, NewPayment, Payment, PaymentStatus};
pub use provider::{Answer, Failure, ProviderName, RefundState, RefundView, TransactionState, TransactionView};
pub use refund::{Refund, RefundStatus};
pub use refusal::Refusal;
pub use review::{NotResolved, Review, ReviewReason};
pub use settlement::{Settlement, SettlementDay, SettlementStatus};
pub use transitions::{Attempt, NotSettled, Observation};

/// A point in time, UTC. Whatever is kept is cut to microseconds, which is what both stores hold.
pub use jiff::Timestamp;
/// A date on the calendar, of whichever place the name says.
pub use jiff::civil::Date;
