//! An operation: one thing asked of a provider that moves money (rule 1). It is a row of its own, committed before
//! the call, and closed by the commit that carries the outcome.

use std::time::Duration;

use crate::{BootId, Failure, KeyHash, Money, ProviderName, ProviderRequestId, Refund, Timestamp};

/// How long an operation may stay unresolved before a person is asked to look (contract: `resolve_by`).
pub const RESOLVE_WITHIN: Duration = Duration::from_secs(3600);

/// "The provider has no such request" counts only this long after the last call could have been sent (rule 2).
const ZOMBIE_SAFE_AFTER: Duration = Duration::from_secs(5 * 60);

/// What is asked of the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OperationKind {
    /// Hold the money (and take it at once, where capture is automatic and the provider can).
    Authorize,
    /// Take what is held.
    Capture,
    /// Release what is held.
    Void,
    /// Give back what was taken.
    Refund,
    /// Undo a success that came too late (rule 8).
    Reversal,
}

impl OperationKind {
    /// The name in bodies, timelines and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Authorize => "authorize",
            Self::Capture => "capture",
            Self::Void => "void",
            Self::Refund => "refund",
            Self::Reversal => "reversal",
        }
    }
}

/// How far an operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OperationState {
    /// Remembered: a void asked for while the authorization was unknown. Nothing may be sent.
    Waiting,
    /// Committed; sent or about to be, and its outcome not known.
    Open,
    /// The provider did it.
    Succeeded,
    /// The provider's final no, or ours where the payment had moved on.
    Refused,
    /// There is nothing left to do: the payment ended without it.
    Dropped,
}

impl OperationState {
    /// Whether the outcome is known.
    pub const fn is_closed(self) -> bool {
        matches!(self, Self::Succeeded | Self::Refused | Self::Dropped)
    }
}

/// The right to send: held by one process, until a time after which nothing is sent (rule 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Who holds it.
    pub owner: BootId,
    /// Nothing is sent after this.
    pub call_until: Timestamp,
}

/// The payer has to act (rule 7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayerTurn {
    /// Where to send the payer.
    pub url: String,
    /// Past this the attempt is cancelled at the provider.
    pub until: Timestamp,
}

/// One operation of one payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// 1, 2, 3 … within the payment.
    pub number: u32,
    /// What is asked.
    pub kind: OperationKind,
    /// Of whom.
    pub provider: ProviderName,
    /// How much.
    pub amount: Money,
    /// The id that every call of this operation carries.
    pub request_id: ProviderRequestId,
    /// How far it is.
    pub state: OperationState,
    /// Who may be calling right now.
    pub lease: Option<Lease>,
    /// The latest `call_until` that any lease of this operation ever had: "no such request" counts only five minutes
    /// after it (rule 2).
    pub last_call_until: Option<Timestamp>,
    /// The provider's transaction that it works on, once known.
    pub transaction_id: Option<String>,
    /// The token of the last committed step, where the provider needs several (rule 4).
    pub progress: Option<String>,
    /// A reversal whose amount stands in suspense in the ledger until it is done.
    pub in_suspense: bool,
    /// Set while the payer has to act.
    pub payer: Option<PayerTurn>,
    /// The payer's token, needed to send again; erased once the outcome is known (rule 11).
    pub payment_method: Option<String>,
    /// Where the provider sends the payer back to: sent again as it was sent first, whatever our address is by then.
    pub return_url: Option<String>,
    /// The idempotency record that guards it, where a merchant asked for it.
    pub key: Option<KeyHash>,
    /// The refund that it carries out, as it stood when it was asked for.
    pub refund: Option<Box<Refund>>,
    /// Why it was refused.
    pub failure: Option<Failure>,
    /// When it was committed.
    pub opened_at: Timestamp,
    /// When its outcome was.
    pub closed_at: Option<Timestamp>,
}

impl Operation {
    /// Past this it counts as needing review.
    pub fn resolve_by(&self) -> Timestamp {
        self.opened_at + RESOLVE_WITHIN
    }

    /// Whether every call that could ever have been sent, by a stalled instance too, is long over.
    pub fn nobody_may_send(&self, now: Timestamp) -> bool {
        self.last_call_until.is_none_or(|until| now >= until + ZOMBIE_SAFE_AFTER)
    }

    /// Whether nobody holds the right to send it.
    pub fn is_nobodys(&self, now: Timestamp) -> bool {
        self.lease.is_none_or(|lease| lease.call_until <= now)
    }

    /// Whether a payer was waited for, for as long as it goes.
    pub fn payers_turn_is_over(&self, now: Timestamp) -> bool {
        self.payer.as_ref().is_some_and(|turn| turn.until <= now)
    }

    /// Whether it is unresolved for longer than it may be: a person has to look. While a payer is waited for, that is
    /// nobody's fault; after that, cancelling may take as long as any other operation.
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        let by = self.payer.as_ref().map_or(self.resolve_by(), |turn| turn.until + RESOLVE_WITHIN);
        self.state == OperationState::Open && by <= now
    }

    /// Whether the payment was moved on to another provider from this attempt.
    pub fn was_left_behind(&self) -> bool {
        self.kind == OperationKind::Authorize && self.state == OperationState::Dropped
    }

    /// Gives `lease` the right to send.
    pub(crate) fn lease_to(&mut self, lease: Lease) {
        self.last_call_until = self.last_call_until.max(Some(lease.call_until));
        self.lease = Some(lease);
    }

    /// Closes it and erases what only an open one needs.
    pub(crate) fn close(&mut self, state: OperationState, failure: Option<Failure>, now: Timestamp) {
        self.state = state;
        self.failure = failure;
        self.closed_at = Some(now);
        self.lease = None;
        self.payer = None;
        self.payment_method = None;
        self.return_url = None;
    }
}
