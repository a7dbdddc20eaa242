//! A provider: carries operations out step by step, shows transactions, and sends events.

use std::{any::Any, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http::HeaderMap;
use tollgate_domain::{
    Answer, CaptureMethod, Money, Operation, OperationKind, Payment, PaymentId, ProviderName, RefundId, RefundView,
    Timestamp, TransactionView,
};

use super::ProviderRecords;

/// One call to be made: the operation as committed, and the payment that it belongs to. Everything that is sent comes
/// from these two, so that sending it again is sending the same.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The payment, as committed.
    pub payment: &'a Payment,
    /// Its operation, as committed: `progress` says which step is next.
    pub operation: &'a Operation,
    /// When the whole call must have ended, connecting and reading included.
    pub timeout: Duration,
}

/// What came of a call, with what the audit trail keeps of it: allow-listed fields, never a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply<T> {
    /// What it means.
    pub answer: T,
    /// The HTTP status, if an answer came.
    pub http_status: Option<u16>,
    /// The provider's own id of the call, for its support desk.
    pub reference: Option<String>,
    /// The provider's error code.
    pub provider_code: Option<String>,
    /// It is what the provider answered the first time, kept under the operation's id: it says nothing of how the provider
    /// does now, and sending the same again will bring the same.
    pub repeated: bool,
}

/// What a look-up found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LookUp {
    /// The provider shows it.
    Found(Answer),
    /// The provider has no such request. It counts only as rule 2 says.
    NotFound,
    /// The provider shows something else than what was asked for. It is never adopted, and asking again changes nothing.
    NotOurs {
        /// For the log.
        reason: String,
    },
    /// The provider could not be asked.
    Failed {
        /// For the log.
        reason: String,
    },
}

/// What a provider cannot take, refused before the intent (rule 24).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsupported {
    /// The currency.
    Currency,
    /// The amount, in this currency.
    Amount,
}

/// What a provider promises, the same for every call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// It captures less than was authorized.
    pub captures_partially: bool,
    /// For how long after an operation was opened the same request may be sent again with its id, with a margin: past
    /// it, only look-ups (rule 11).
    pub resend_window: Duration,
}

/// What a call is about, for what stands before a provider: each kind has its own trouble and its own endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CallKind {
    /// A step of an operation.
    Send(OperationKind),
    /// Asking how something stands.
    LookUp,
    /// Ending an attempt that waits for its payer.
    Cancel,
    /// Reading its own records of a period.
    Records,
}

impl CallKind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Send(OperationKind::Authorize),
        Self::Send(OperationKind::Capture),
        Self::Send(OperationKind::Void),
        Self::Send(OperationKind::Refund),
        Self::Send(OperationKind::Reversal),
        Self::LookUp,
        Self::Cancel,
        Self::Records,
    ];

    /// Its place in [`CallKind::ALL`].
    pub const fn index(self) -> usize {
        match self {
            Self::Send(OperationKind::Authorize) => 0,
            Self::Send(OperationKind::Capture) => 1,
            Self::Send(OperationKind::Void) => 2,
            Self::Send(OperationKind::Refund) => 3,
            Self::Send(OperationKind::Reversal) => 4,
            Self::LookUp => 5,
            Self::Cancel => 6,
            Self::Records => 7,
        }
    }

    /// The name in keys and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Send(kind) => kind.as_str(),
            Self::LookUp => "look_up",
            Self::Cancel => "cancel",
            Self::Records => "records",
        }
    }
}

/// The right to make one call. Dropped unused, the place that it kept is free again.
pub struct Pass(Option<Box<dyn Any + Send>>);

impl Pass {
    /// One that nothing was asked for.
    pub const fn free() -> Self {
        Self(None)
    }

    /// One that keeps `held` for the call.
    pub fn holding<T: Send + 'static>(held: T) -> Self {
        Self(Some(Box::new(held)))
    }

    /// What it keeps, if it is a `T`.
    pub fn into_held<T: 'static>(self) -> Option<T> {
        self.0?.downcast().ok().map(|held| *held)
    }
}

/// No call may be made now: the provider is in trouble, or was called as often as it allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Busy {
    /// For the log.
    pub reason: &'static str,
    /// How long to wait.
    pub retry_after: Duration,
}

/// Carries operations out.
#[async_trait]
pub trait Provider: Send + Sync + 'static {
    /// Which one.
    fn name(&self) -> ProviderName;

    /// Whether it takes this amount.
    fn accepts(&self, amount: Money, capture: CaptureMethod) -> Result<(), Unsupported>;

    /// What it promises.
    fn terms(&self) -> Terms;

    /// Asks for the right to make a call of this kind, before anything is written that would need it.
    async fn admit(&self, _kind: CallKind) -> Result<Pass, Busy> {
        Ok(Pass::free())
    }

    /// [Sends](Self::send), with the right that was asked for.
    async fn send_with(&self, call: Call<'_>, _pass: Pass) -> Reply<Answer> {
        self.send(call).await
    }

    /// Sends the operation's next step. Every call of one operation carries the same id.
    async fn send(&self, call: Call<'_>) -> Reply<Answer>;

    /// Asks how the operation's transaction stands now, changing nothing.
    async fn look_up(&self, call: Call<'_>) -> Reply<LookUp>;

    /// What the query `returned` of a payer's return hands over, if it is the answer to what `call` asked: a view that keeps it
    /// ([`TransactionView::kept`]) for the next step. Nobody is called, so that it is not lost where the provider cannot be reached; and
    /// anybody can make such a query, so that what it is worth is for the next step to show. `None`: nothing; the provider is asked.
    fn brought_back(&self, _call: Call<'_>, _returned: &str) -> Option<TransactionView> {
        None
    }

    /// Ends an authorization attempt that waits for the payer, so that nobody can approve it any more, and shows how it
    /// then stands: as it is, where the payer was faster. Doing it again changes nothing.
    async fn cancel(&self, call: Call<'_>) -> Reply<Answer>;

    /// Its own records of what moved; `None`: it shows none by a call.
    fn records(&self) -> Option<&dyn ProviderRecords> {
        None
    }
}

/// A provider's event, verified and read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderEvent {
    /// The provider's id of the event.
    pub event_id: String,
    /// The provider's type, as it came.
    pub event_type: String,
    /// What it says.
    pub news: News,
}

/// What an event says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// Of a type that we do not use.
    NotUsed,
    /// About what carries no id of ours: somebody else's, with the same account.
    NotOurs,
    /// A transaction, as it stood when the event was made.
    Transaction {
        /// Our payment, from the provider's metadata (rule 17); `None` if it carries none of ours.
        payment: Option<PaymentId>,
        /// How it stood.
        view: TransactionView,
    },
    /// Something happened to a transaction of ours that the event does not show: the provider has to be asked.
    Changed {
        /// Our payment, from the provider's metadata.
        payment: PaymentId,
        /// The provider's id of the transaction.
        transaction_id: String,
    },
    /// A refund of ours, as it stood when the event was made: the only news of one that fails after it completed
    /// (rule 23).
    Refund {
        /// Our payment, from the provider's metadata.
        payment: PaymentId,
        /// Our refund, from there too.
        refund: RefundId,
        /// How it stood.
        view: RefundView,
    },
}

/// Why an event is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventRejected {
    /// Not signed by the provider, or too old, or from the future.
    #[error("the signature does not hold: {0}")]
    Signature(&'static str),
    /// Whether the provider signed it cannot be found out now: to be sent again.
    #[error("the signature cannot be checked: {0}")]
    Unverifiable(String),
    /// Signed, but not readable as an event.
    #[error("the event cannot be read: {0}")]
    Malformed(String),
}

/// Reads a provider's events.
#[async_trait]
pub trait EventReader: Send + Sync + 'static {
    /// Verifies the signature over the raw `body` and reads it.
    async fn read(&self, headers: &HeaderMap, body: &Bytes, now: Timestamp) -> Result<ProviderEvent, EventRejected>;
}
