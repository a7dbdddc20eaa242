//! Where a provider's own records of a period and our books do not say the same of one movement of money: an exception, which a
//! person owns until it is resolved, or which resolves itself once both say the same.
//!
//! Must not know: where records come from, or how they are compared.

use crate::{Currency, ExceptionId, Money, PaymentId, ProviderName, RefundId, Timestamp};

/// What does not agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ExceptionKind {
    /// The provider moved money of which we know nothing.
    MissingHere,
    /// We say that money moved, and the provider's records do not show it.
    MissingThere,
    /// Another amount.
    Amount,
    /// Another currency.
    Currency,
    /// The provider says that the money moved, or came back, and we say otherwise; or it went the wrong way.
    State,
    /// It moved more than once.
    Duplicate,
}

impl ExceptionKind {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::MissingHere, Self::MissingThere, Self::Amount, Self::Currency, Self::State, Self::Duplicate];

    /// The name in metrics, reports, logs and the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MissingHere => "missing_here",
            Self::MissingThere => "missing_there",
            Self::Amount => "amount",
            Self::Currency => "currency",
            Self::State => "state",
            Self::Duplicate => "duplicate",
        }
    }
}

/// Which way money moved, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Movement {
    /// Taken from a payer.
    Capture,
    /// Given back to one: a refund, or what undoes a success that came too late.
    Refund,
    /// Given back, and come back to us: the provider could not deliver it.
    Returned,
}

impl Movement {
    /// The name in reports and the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Capture => "capture",
            Self::Refund => "refund",
            Self::Returned => "returned",
        }
    }
}

/// How far a movement is, as the provider has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecordState {
    /// On its way: it may still come to nothing.
    Pending,
    /// The money moved.
    Completed,
    /// It came to nothing.
    Denied,
}

impl RecordState {
    /// The name in reports and the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Completed => "completed",
            Self::Denied => "denied",
        }
    }
}

/// One movement of money in a provider's own records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderRecord {
    /// The provider's id of the movement.
    pub id: String,
    /// Which way.
    pub movement: Movement,
    /// The payment of ours that it carries the id of.
    pub payment: Option<PaymentId>,
    /// The refund of ours that it carries the id of.
    pub refund: Option<RefundId>,
    /// The provider's id of the transaction that it belongs to, where the record shows that one.
    pub transaction: Option<String>,
    /// How much; `None`: it cannot be read as an amount of its currency.
    pub amount: Option<Money>,
    /// Of what; `None`: no currency that we know.
    pub currency: Option<Currency>,
    /// How far it is.
    pub state: RecordState,
    /// When.
    pub at: Timestamp,
}

/// How an exception was resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// Both say the same by now, or a person said that it is as it should be.
    pub how: Resolution,
    /// When.
    pub at: Timestamp,
    /// Who: a person, or a job.
    pub by: String,
    /// Why.
    pub why: String,
}

/// What resolved an exception.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Resolution {
    /// A later run found that both say the same.
    Matched,
    /// A person's word.
    ByHand,
}

impl Resolution {
    /// The name in reports and the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Matched => "matched",
            Self::ByHand => "by_hand",
        }
    }
}

/// One movement that does not agree in one way. There is one of each (provider, record, kind), which its id is made of: seen again,
/// it is the same one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// Its id.
    pub id: ExceptionId,
    /// Whose records.
    pub provider: ProviderName,
    /// In what.
    pub kind: ExceptionKind,
    /// What the provider says; where it says nothing ([`ExceptionKind::MissingThere`]), our movement in its place, without an amount.
    pub record: ProviderRecord,
    /// The amount that we have for it.
    pub our_amount: Option<Money>,
    /// How it stands with us, in our words.
    pub our_state: String,
    /// Since when it stands open.
    pub first_seen: Timestamp,
    /// When a run last found it.
    pub last_seen: Timestamp,
    /// Who looks after it.
    pub owner: Option<String>,
    /// `None`: it is open.
    pub resolved: Option<Resolved>,
    /// 1, 2, 3 …: of two changes at once one happens.
    pub revision: u64,
}

/// What was done to an exception.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExceptionDone {
    /// It was found.
    Opened,
    /// It was resolved, and found again.
    Reopened,
    /// It has another owner.
    Assigned,
    /// It is resolved.
    Resolved,
}

impl ExceptionDone {
    /// The name in reports and the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Reopened => "reopened",
            Self::Assigned => "assigned",
            Self::Resolved => "resolved",
        }
    }
}

/// One entry of an exception's history; runs that only see it again make none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExceptionChange {
    /// Of which.
    pub exception: ExceptionId,
    /// The revision that it made.
    pub revision: u64,
    /// What was done.
    pub done: ExceptionDone,
    /// Who: a person, or a job.
    pub by: String,
    /// Why, or to whom.
    pub why: String,
    /// When.
    pub at: Timestamp,
}

/// What is found of a movement, before it is an exception: how it differs, and what we say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Whose records.
    pub provider: ProviderName,
    /// In what.
    pub kind: ExceptionKind,
    /// What the provider says.
    pub record: ProviderRecord,
    /// The amount that we have for it.
    pub our_amount: Option<Money>,
    /// How it stands with us.
    pub our_state: String,
}

impl Exception {
    /// The first time that it is found.
    pub fn open(id: ExceptionId, found: Found, by: &str, now: Timestamp) -> (Self, ExceptionChange) {
        let Found { provider, kind, record, our_amount, our_state } = found;
        let exception = Self {
            id,
            provider,
            kind,
            record,
            our_amount,
            our_state,
            first_seen: now,
            last_seen: now,
            owner: None,
            resolved: None,
            revision: 1,
        };
        let change = exception.change(ExceptionDone::Opened, by, kind.as_str(), now);
        (exception, change)
    }

    /// Found again. An open one only ages. One that a person resolved stays so while both say the same as then; any other is open
    /// again. `None`: nothing changes.
    pub fn seen(&self, found: Found, by: &str, now: Timestamp) -> Option<(Self, Option<ExceptionChange>)> {
        let same = found.record == self.record && found.our_amount == self.our_amount;
        let mut after = Self { revision: self.revision + 1, last_seen: now.max(self.last_seen), ..self.clone() };
        match &self.resolved {
            None => {
                (after.record, after.our_amount, after.our_state) = (found.record, found.our_amount, found.our_state);
                Some((after, None))
            }
            Some(resolved) if resolved.how == Resolution::ByHand && same => None,
            Some(_) => {
                (after.record, after.our_amount, after.our_state) = (found.record, found.our_amount, found.our_state);
                (after.first_seen, after.resolved) = (now, None);
                let change = after.change(ExceptionDone::Reopened, by, self.kind.as_str(), now);
                Some((after, Some(change)))
            }
        }
    }

    /// Somebody looks after it. `None`: it is resolved.
    pub fn assign(&self, owner: &str, by: &str, now: Timestamp) -> Option<(Self, ExceptionChange)> {
        self.resolved.is_none().then(|| {
            let after = Self { revision: self.revision + 1, owner: Some(owner.to_owned()), ..self.clone() };
            let change = after.change(ExceptionDone::Assigned, by, owner, now);
            (after, change)
        })
    }

    /// It is resolved. `None`: it was before.
    pub fn resolve(&self, how: Resolution, by: &str, why: &str, now: Timestamp) -> Option<(Self, ExceptionChange)> {
        self.resolved.is_none().then(|| {
            let resolved = Resolved { how, at: now, by: by.to_owned(), why: why.to_owned() };
            let after = Self { revision: self.revision + 1, resolved: Some(resolved), ..self.clone() };
            let change = after.change(ExceptionDone::Resolved, by, why, now);
            (after, change)
        })
    }

    fn change(&self, done: ExceptionDone, by: &str, why: &str, at: Timestamp) -> ExceptionChange {
        let (by, why) = (by.to_owned(), why.to_owned());
        ExceptionChange { exception: self.id, revision: self.revision, done, by, why, at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_790_000_000, 0);

    fn found(minor: i64) -> Found {
        let money = |minor| Money::new(minor, "JPY".parse().unwrap()).ok();
        let record = ProviderRecord {
            id: "txn_1".to_owned(),
            movement: Movement::Capture,
            payment: None,
            refund: None,
            transaction: None,
            amount: money(minor),
            currency: "JPY".parse().ok(),
            state: RecordState::Completed,
            at: NOW,
        };
        let (provider, kind) = (ProviderName::Stripe, ExceptionKind::Amount);
        Found { provider, kind, record, our_amount: money(1000), our_state: "CAPTURED".to_owned() }
    }

    fn opened() -> Exception {
        Exception::open(ExceptionId::from_random([1; 16]), found(900), "job", NOW).0
    }

    fn later(seconds: i64) -> Timestamp {
        Timestamp::from_second(NOW.as_second() + seconds).unwrap()
    }

    #[test]
    fn an_exception_that_is_seen_again_ages_and_is_not_doubled() {
        let (again, change) = opened().seen(found(900), "job", later(60)).unwrap();
        assert_eq!((again.first_seen, again.last_seen, again.revision, change), (NOW, later(60), 2, None));
    }

    #[test]
    fn what_a_person_resolved_stays_resolved_until_it_differs_otherwise() {
        let (resolved, _) = opened().resolve(Resolution::ByHand, "Ann", "agreed", later(1)).unwrap();
        assert_eq!(resolved.seen(found(900), "job", later(2)), None);
        let (open, change) = resolved.seen(found(800), "job", later(3)).unwrap();
        assert_eq!((open.first_seen, open.resolved), (later(3), None));
        assert_eq!(change.unwrap().done, ExceptionDone::Reopened);
    }

    #[test]
    fn what_matched_and_differs_again_is_open_again() {
        let (matched, _) = opened().resolve(Resolution::Matched, "job", "both say the same", later(1)).unwrap();
        let (open, change) = matched.seen(found(900), "job", later(2)).unwrap();
        assert_eq!((open.resolved, change.unwrap().done), (None, ExceptionDone::Reopened));
    }

    #[test]
    fn what_is_resolved_is_neither_assigned_nor_resolved_again() {
        let (assigned, _) = opened().assign("Bob", "Ann", later(1)).unwrap();
        assert_eq!(assigned.owner.as_deref(), Some("Bob"));
        let (resolved, _) = assigned.resolve(Resolution::ByHand, "Ann", "agreed", later(2)).unwrap();
        assert_eq!(resolved.owner.as_deref(), Some("Bob"), "who looked after it is still known");
        assert_eq!(resolved.assign("Eve", "Eve", later(3)), None);
        assert_eq!(resolved.resolve(Resolution::ByHand, "Eve", "no", later(3)), None);
    }

    #[test]
    fn whoever_assigns_or_resolves_makes_a_revision_of_its_own_so_that_two_at_once_are_seen() {
        let (assigned, change) = opened().assign("Bob", "Ann", later(1)).unwrap();
        assert_eq!((assigned.revision, change.revision), (2, 2));
        let (resolved, change) = assigned.resolve(Resolution::ByHand, "Ann", "agreed", later(2)).unwrap();
        assert_eq!((resolved.revision, change.revision), (3, 3));
    }
}
