//! What must hold of a payment and all that is kept with it, whatever happened to it: checked over the store, so that a
//! defect that loses or doubles money is seen before a person's books show it.
//!
//! Must not know: how a payment came to be as it is.

use std::collections::BTreeMap;

use crate::{Account, Operation, OperationState, Payment, PaymentStatus, ProviderName, Refund, RefundStatus};

/// Something that must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Invariant {
    /// Every row of the payment can be read.
    Readable,
    /// What is refunded and reserved is not more than what is captured, and that not more than the amount.
    Amounts,
    /// The postings of every change sum to zero, per currency.
    ChangesBalance,
    /// Postings go to the payment's own accounts, in its own currency.
    Accounts,
    /// The memo accounts show the amount while it is held, and nothing otherwise.
    Memo,
    /// What is pending for the merchant is what was captured, until it is settled.
    Pending,
    /// What the merchant has and what we keep as a fee is what was captured, less what went back or is reserved for that.
    Available,
    /// What is on its way back is what is reserved for it.
    Refunding,
    /// The provider owes what was captured and did not go back, and what stands in suspense.
    Receivable,
    /// What stands in suspense is what an open reversal has to give back.
    Suspense,
    /// The refunds add up to what the payment shows as refunded and as reserved.
    Refunds,
    /// The history has one row for every version, without gaps.
    Versions,
    /// The events are numbered without gaps, up to the payment's own count.
    Events,
    /// Every event has a delivery.
    Deliveries,
    /// The operations are numbered without gaps; the open one's row is open, the remembered void's waits, all others are
    /// closed.
    Operations,
}

impl Invariant {
    /// Every one.
    pub const ALL: [Self; 15] = [
        Self::Readable,
        Self::Amounts,
        Self::ChangesBalance,
        Self::Accounts,
        Self::Memo,
        Self::Pending,
        Self::Available,
        Self::Refunding,
        Self::Receivable,
        Self::Suspense,
        Self::Refunds,
        Self::Versions,
        Self::Events,
        Self::Deliveries,
        Self::Operations,
    ];

    /// The name in metrics, reports, logs and the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Readable => "readable",
            Self::Amounts => "amounts",
            Self::ChangesBalance => "changes_balance",
            Self::Accounts => "accounts",
            Self::Memo => "memo",
            Self::Pending => "pending",
            Self::Available => "available",
            Self::Refunding => "refunding",
            Self::Receivable => "receivable",
            Self::Suspense => "suspense",
            Self::Refunds => "refunds",
            Self::Versions => "versions",
            Self::Events => "events",
            Self::Deliveries => "deliveries",
            Self::Operations => "operations",
        }
    }
}

/// A payment and what is kept with it, as of one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Books {
    /// The payment.
    pub payment: Payment,
    /// Its ledger lines.
    pub postings: Vec<Booked>,
    /// Its refunds.
    pub refunds: Vec<Refund>,
    /// Its operations: number, and how far each is.
    pub operations: Vec<(u32, OperationState)>,
    /// Its history rows, by version.
    pub versions: Span,
    /// Its events, by sequence.
    pub events: Span,
    /// The deliveries of its events, by sequence.
    pub deliveries: Span,
}

/// A ledger line as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booked {
    /// The change that made it.
    pub version: u64,
    /// The account's name.
    pub account: String,
    /// Of what, by its code.
    pub currency: String,
    /// Debits above zero, credits below; minor units.
    pub minor: i64,
}

/// Rows that differ by a number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    /// How many there are.
    pub count: u64,
    /// The lowest number; 0: there are none.
    pub first: u64,
    /// The highest; 0: there are none.
    pub last: u64,
}

impl Span {
    /// Rows numbered 1 to `last`.
    pub const fn whole(last: u64) -> Self {
        Self { count: last, first: if last == 0 { 0 } else { 1 }, last }
    }
}

impl Books {
    /// What does not hold, in the order of [`Invariant::ALL`].
    pub fn violations(&self) -> Vec<Invariant> {
        Invariant::ALL.into_iter().filter(|invariant| !self.holds(*invariant)).collect()
    }

    fn holds(&self, invariant: Invariant) -> bool {
        let payment = &self.payment;
        let (captured, refunded) = (i128::from(payment.captured.minor()), i128::from(payment.refunded.minor()));
        let reserved = i128::from(payment.refund_reserved.minor());
        let (merchant, provider) = (payment.merchant, payment.provider);
        match invariant {
            // Whoever could not read it has no books to show.
            Invariant::Readable => true,
            Invariant::Amounts => refunded + reserved <= captured && captured <= i128::from(payment.amount.minor()),
            Invariant::ChangesBalance => self.changes_balance(),
            Invariant::Accounts => self.postings.iter().all(|line| self.is_own(line)),
            Invariant::Memo => {
                let held = payment.status == PaymentStatus::Authorized;
                let held = if held { i128::from(payment.amount.minor()) } else { 0 };
                self.balance(Account::MemoHeld(provider)) == held && self.balance(Account::MemoDue(merchant)) == -held
            }
            Invariant::Pending => {
                let pending = if payment.status == PaymentStatus::Captured { captured } else { 0 };
                self.balance(Account::Pending(merchant)) == -pending
            }
            Invariant::Available => {
                let settled = matches!(payment.status, PaymentStatus::Settled | PaymentStatus::Refunded);
                let due = if settled { captured - refunded - reserved } else { 0 };
                self.balance(Account::Available(merchant)) + self.balance(Account::FeeIncome) == -due
            }
            Invariant::Refunding => self.balance(Account::Refunding(merchant)) == -reserved,
            Invariant::Receivable => {
                let at = |at| self.balance(Account::Receivable(at));
                let suspense = -self.balance(Account::Suspense);
                ProviderName::ALL.into_iter().map(at).sum::<i128>() == captured - refunded + suspense
                    && ProviderName::ALL
                        .into_iter()
                        .all(|other| other == provider || at(other) == self.in_suspense_at(other))
            }
            Invariant::Suspense => {
                let in_suspense: i128 = ProviderName::ALL.into_iter().map(|at| self.in_suspense_at(at)).sum();
                self.balance(Account::Suspense) == -in_suspense
            }
            Invariant::Refunds => {
                self.refunds_in(RefundStatus::Completed) == refunded
                    && self.refunds_in(RefundStatus::Pending) == reserved
            }
            Invariant::Versions => self.versions == Span::whole(payment.version),
            Invariant::Events => self.events == Span::whole(u64::from(payment.events)),
            Invariant::Deliveries => self.deliveries == self.events,
            Invariant::Operations => self.operations_fit(),
        }
    }

    /// What was taken at this provider too late, and is not given back yet.
    fn in_suspense_at(&self, provider: ProviderName) -> i128 {
        let open = self.payment.open.as_ref().filter(|open| open.in_suspense && open.provider == provider);
        open.map_or(0, |open| i128::from(open.amount.minor()))
    }

    fn balance(&self, account: Account) -> i128 {
        let name = account.to_string();
        self.postings.iter().filter(|line| line.account == name).map(|line| i128::from(line.minor)).sum()
    }

    fn changes_balance(&self) -> bool {
        let mut sums: BTreeMap<(u64, &str), i128> = BTreeMap::new();
        for line in &self.postings {
            *sums.entry((line.version, &line.currency)).or_default() += i128::from(line.minor);
        }
        sums.values().all(|sum| *sum == 0)
    }

    fn is_own(&self, line: &Booked) -> bool {
        let (merchant, provider) = (self.payment.merchant, self.payment.provider);
        let own = [
            Account::MemoHeld(provider),
            Account::MemoDue(merchant),
            Account::Pending(merchant),
            Account::Available(merchant),
            Account::Refunding(merchant),
            Account::FeeIncome,
            Account::Suspense,
        ];
        // A success too many may be at a provider that the payment was moved away from.
        let own = own.into_iter().chain(ProviderName::ALL.map(Account::Receivable));
        line.currency == self.payment.amount.currency().code()
            && own.into_iter().any(|account| account.to_string() == line.account)
    }

    fn refunds_in(&self, status: RefundStatus) -> i128 {
        let of_status = self.refunds.iter().filter(|refund| refund.status == status);
        of_status.map(|refund| i128::from(refund.amount.minor())).sum()
    }

    fn operations_fit(&self) -> bool {
        let number = |operation: &Option<Operation>| operation.as_ref().map(|operation| operation.number);
        let (open, waiting) = (number(&self.payment.open), number(&self.payment.remembered_void));
        let expected = |of: u32, state: OperationState| match state {
            OperationState::Open => Some(of) == open,
            OperationState::Waiting => Some(of) == waiting,
            OperationState::Succeeded | OperationState::Refused | OperationState::Dropped => {
                Some(of) != open && Some(of) != waiting
            }
        };
        let mut numbers: Vec<_> = self.operations.iter().map(|(of, _)| *of).collect();
        numbers.sort_unstable();
        numbers.into_iter().eq(1..=self.payment.operations)
            && self.operations.iter().all(|(of, state)| expected(*of, *state))
    }
}
