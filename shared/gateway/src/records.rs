//! What is committed and read beside the domain's own types: change sets with their guards, idempotency records,
//! received events, audit rows, and what a timeline shows.

use std::time::Duration;

use tollgate_domain::{
    Change, ChangeId, EventId, EventKind, KeyHash, MerchantId, Operation, Payment, PaymentId, PaymentStatus,
    PostingSet, ProviderName, Refund, Timestamp, Transition, What,
};

/// How long an idempotency record binds after what it guards is resolved (rule 12).
pub const KEY_BINDS_FOR: Duration = Duration::from_secs(7 * 24 * 3600);

/// How long a provider's event is remembered as taken, and shown in the timeline: ten times as long as any provider
/// sends one again.
pub const EVENTS_KEPT_FOR: Duration = Duration::from_secs(30 * 24 * 3600);

/// Everything of one change, committed in one transaction that only inserts and overwrites (rule 13).
///
/// Its guards are the inserts that must not exist yet: the history row `(payment, version)`, the idempotency record,
/// the received event, the provider reference (which may exist for the same payment).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeSet {
    /// Tells this change from any other when a commit's answer was lost (rule 14).
    pub change_id: ChangeId,
    /// The new version of the payment, with its history row as guard. `None`: only audit rows or a received event.
    pub payment: Option<PaymentChange>,
    /// A key that must be new.
    pub new_key: Option<IdempotencyRecord>,
    /// Keys whose operation is closed: they bind until the time given, then may be deleted.
    pub released_keys: Vec<(KeyHash, Timestamp)>,
    /// A provider's event that must be new.
    pub received: Option<ReceivedEvent>,
    /// The provider's reference that belongs to this payment and no other.
    pub reference: Option<ProviderReference>,
    /// Audit rows of calls.
    pub calls: Vec<ProviderCall>,
}

/// The part of a change set that moves a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentChange {
    /// The row, overwriting the version before.
    pub payment: Payment,
    /// Its history row: the guard.
    pub history: History,
    /// Operations, written or overwritten.
    pub operations: Vec<Operation>,
    /// The refund, written or overwritten.
    pub refund: Option<Refund>,
    /// Events, inserted.
    pub events: Vec<EventRecord>,
    /// Ledger lines, inserted.
    pub postings: PostingSet,
}

/// One row of a payment's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// The version that this change made.
    pub version: u64,
    /// When.
    pub at: Timestamp,
    /// What it was about.
    pub what: What,
    /// Which operation.
    pub operation: u32,
    /// Why, in words.
    pub detail: Option<String>,
    /// The statuses passed through.
    pub transitions: Vec<Transition>,
    /// Who or what caused it.
    pub cause: Cause,
    /// The correlation id of the request that caused it.
    pub correlation_id: String,
}

/// Who or what caused a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// The merchant's request.
    Merchant,
    /// The provider's answer to a call.
    ProviderAnswer,
    /// The provider's event with this id.
    ProviderEvent(String),
    /// A look-up at the provider.
    LookUp,
    /// The payer came back.
    Payer,
    /// A job of this name.
    Job(String),
    /// The operator of this name.
    Operator(String),
}

impl Cause {
    /// The name in the timeline and in the store.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Merchant => "merchant_request",
            Self::ProviderAnswer => "provider_answer",
            Self::ProviderEvent(_) => "provider_event",
            Self::LookUp => "look_up",
            Self::Payer => "payer_return",
            Self::Job(_) => "job",
            Self::Operator(_) => "operator",
        }
    }

    /// What tells two of a kind apart: the event's id, the job's or the operator's name.
    pub fn subject(&self) -> Option<&str> {
        match self {
            Self::ProviderEvent(id) => Some(id),
            Self::Job(name) | Self::Operator(name) => Some(name),
            _ => None,
        }
    }
}

/// An idempotency key in its scope, bound to the operation that it made. What is needed to send that again stands
/// with the operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyRecord {
    /// SHA-256 of merchant, route and key.
    pub key: KeyHash,
    /// Versioned hash of what was asked (rule 11).
    pub fingerprint: KeyHash,
    /// The payment.
    pub payment: PaymentId,
    /// Its operation.
    pub operation: u32,
    /// When it was first used.
    pub created_at: Timestamp,
}

/// A provider's event that was taken: the deduplication row, committed with the event's effect (rule 17).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedEvent {
    /// Whose.
    pub provider: ProviderName,
    /// The provider's id of it.
    pub event_id: String,
    /// The provider's type.
    pub event_type: String,
    /// The payment that it is about.
    pub payment: PaymentId,
    /// The payment's version when it had been taken: places it in the timeline.
    pub version: u64,
    /// Whether it changed the payment.
    pub effect: bool,
    /// When.
    pub at: Timestamp,
    /// Of the request that brought it.
    pub correlation_id: String,
}

/// One transaction at a provider belongs to one payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderReference {
    /// Whose.
    pub provider: ProviderName,
    /// The provider's id.
    pub reference: String,
    /// The payment.
    pub payment: PaymentId,
}

/// The audit row of one call to a provider: allow-listed fields only (finding C5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderCall {
    /// Its id: a repeated write changes nothing.
    pub id: ChangeId,
    /// The payment.
    pub payment: PaymentId,
    /// The operation.
    pub operation: u32,
    /// The payment's version that the call was made from. The timeline shows it with what it led to, the next one.
    pub version: u64,
    /// Whom.
    pub provider: ProviderName,
    /// `authorize`, `capture`, …, `cancel` or `look_up`.
    pub call: String,
    /// `succeeded`, `pending`, `declined`, `refused`, `unknown`, `not_reached`, `not_found`, `not_ours`.
    pub outcome: String,
    /// The HTTP status, if an answer came.
    pub http_status: Option<u16>,
    /// The provider's own id of the call.
    pub reference: Option<String>,
    /// The provider's error code.
    pub provider_code: Option<String>,
    /// How long it took.
    pub duration: Duration,
    /// When it was sent.
    pub at: Timestamp,
    /// Of the request that caused it.
    pub correlation_id: String,
}

/// An event to the merchant, with its body as it will be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRecord {
    /// Its id.
    pub id: EventId,
    /// The payment.
    pub payment: PaymentId,
    /// Whom it tells.
    pub merchant: MerchantId,
    /// 1, 2, 3 … within the payment.
    pub sequence: u32,
    /// What it tells of.
    pub kind: EventKind,
    /// The body.
    pub body: String,
    /// When.
    pub at: Timestamp,
}

/// What a commit came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    /// It is durable.
    Done,
    /// A guard is taken; nothing was changed. Where several are, the first in this order.
    Conflict(Guard),
}

/// What a change set can lose its race for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// The key was used before.
    IdempotencyKey,
    /// Somebody else made this version first.
    Version,
    /// The event was taken before.
    ReceivedEvent,
    /// The provider's reference belongs to another payment.
    Reference,
}

/// Which payments to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListQuery {
    /// Whose.
    pub merchant: MerchantId,
    /// Only those with this reference.
    pub merchant_reference: Option<String>,
    /// Only those with this status.
    pub status: Option<PaymentStatus>,
    /// Only those after this one in the order (newest first; ids break ties, descending).
    pub after: Option<(Timestamp, PaymentId)>,
    /// At most so many.
    pub limit: u32,
}

/// A page of payments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Newest first. Fewer than were asked for, even none, where a store looked through many others for them.
    pub payments: Vec<Payment>,
    /// Behind this place the next page begins; `None`: this was the last.
    pub next: Option<(Timestamp, PaymentId)>,
}

/// One thing that happened to a payment; [`TimelineRow::position`] is its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimelineRow {
    /// A change.
    Change(History),
    /// A call to the provider.
    Call(ProviderCall),
    /// A provider's event.
    Event(ReceivedEvent),
}

impl TimelineRow {
    /// Where the row stands in the timeline, the same for every store: between the version that a call was made from, or
    /// that an event which told nothing new was compared with, and the next one, calls and such events stand by their
    /// time; then comes the event that made the next version, then that change. Of the same instant, calls come
    /// first. Rows of the same place keep the order of their commits, so the order holds even when a sandbox's clock
    /// stands still.
    pub fn position(&self) -> (u64, u8, Timestamp, u8) {
        match self {
            Self::Call(call) => (call.version.saturating_add(1), 0, call.at, 0),
            Self::Event(event) if event.effect => (event.version, 1, event.at, 0),
            Self::Event(event) => (event.version.saturating_add(1), 0, event.at, 1),
            Self::Change(history) => (history.version, 2, history.at, 0),
        }
    }
}

impl ChangeSet {
    /// A set that commits `change`, with nothing beside it yet.
    pub fn of(
        change_id: ChangeId,
        change: Change,
        cause: Cause,
        correlation_id: &str,
        events: Vec<EventRecord>,
    ) -> Self {
        let released_keys = change
            .operations
            .iter()
            .filter_map(|operation| Some((operation.key?, operation.closed_at? + KEY_BINDS_FOR)))
            .collect();
        Self {
            change_id,
            payment: Some(PaymentChange {
                history: History {
                    version: change.payment.version,
                    at: change.payment.updated_at,
                    what: change.what,
                    operation: change.operation,
                    detail: change.detail,
                    transitions: change.transitions,
                    cause,
                    correlation_id: correlation_id.to_owned(),
                },
                payment: change.payment,
                operations: change.operations,
                refund: change.refund,
                events,
                postings: change.postings,
            }),
            new_key: None,
            released_keys,
            received: None,
            reference: None,
            calls: Vec::new(),
        }
    }

    /// A set of rows that move no payment: audit rows, a received event without effect.
    pub fn beside(change_id: ChangeId) -> Self {
        Self {
            change_id,
            payment: None,
            new_key: None,
            released_keys: Vec::new(),
            received: None,
            reference: None,
            calls: Vec::new(),
        }
    }
}
