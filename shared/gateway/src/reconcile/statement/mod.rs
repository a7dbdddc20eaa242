//! The bank's statement against our books: every booked movement that carries an id of ours is held against the payment, refund
//! or reversal that it names. It reads by key and changes nothing.
//!
//! What the statement should show and does not is found by comparing with the provider's own word (`provider_truth`): no store
//! offers the payments of a period by an index.
//!
//! Must not know: how a statement is written.

mod compare;
mod mark;
mod ours;
#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use futures::{StreamExt, TryStreamExt, stream};
use tollgate_domain::{Currency, Date, Money, OperationKind, PaymentId, PaymentStatus, ProviderName, RefundStatus};

use crate::{
    Stores,
    ports::{Store, StoreError, Time, store::Timelines},
};

use mark::Mark;

/// Ids that are read at once.
const AT_ONCE: usize = 8;

/// One booked movement of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementLine {
    /// Where it is in the file.
    pub line: u64,
    /// What it is named from end to end.
    pub end_to_end_id: Option<String>,
    /// How much; `None` where the bank does not say.
    pub amount: Option<Money>,
    /// The account's currency.
    pub currency: Currency,
    /// Which way.
    pub direction: Direction,
    /// It undoes a movement of the same name: a reversal entry, or a return.
    pub gives_back: bool,
    /// The day.
    pub booked_on: Option<Date>,
}

/// Which way money went, seen from our account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Onto it.
    In,
    /// Off it.
    Out,
}

/// What does not agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExceptionKind {
    /// It names an id of ours that we do not have, or not at the bank.
    MissingHere,
    /// Another amount.
    Amount,
    /// Another currency.
    Currency,
    /// The bank says that the money moved, or came back, and we say otherwise; or it went the wrong way.
    State,
    /// It moved more than once.
    Duplicate,
}

/// What we say of what a line names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ours {
    /// There is no such id.
    Nothing,
    /// It is moved by another provider.
    Elsewhere(ProviderName),
    /// A payment.
    Payment {
        /// How it stands.
        status: PaymentStatus,
        /// What was taken; where nothing was, what was asked for.
        amount: Money,
        /// What is under way.
        open: Option<OperationKind>,
        /// It was over, succeeded late, and that was given back.
        is_undone: bool,
    },
    /// A refund.
    Refund {
        /// How it stands.
        status: RefundStatus,
        /// How much.
        amount: Money,
    },
    /// What undid a late success.
    Reversal {
        /// Whether it is done.
        is_done: bool,
        /// How much went back, each time.
        amounts: Vec<Money>,
    },
}

/// One line that does not agree with us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementException {
    /// In what.
    pub kind: ExceptionKind,
    /// What the bank says.
    pub bank: StatementLine,
    /// Whose it is, where we know.
    pub payment: Option<PaymentId>,
    /// What we say.
    pub ours: Ours,
}

/// What a statement came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StatementReport {
    /// Lines that agree with us.
    pub matched: u64,
    /// Lines that carry no id of ours.
    pub not_ours: u64,
    /// What does not agree, in the order of the file. A line can be here for more than one reason.
    pub exceptions: Vec<StatementException>,
}

/// Holds statements against the stores.
pub struct StatementCheck {
    payments: Arc<dyn Store>,
    timelines: Arc<dyn Timelines>,
    time: Arc<dyn Time>,
}

impl ExceptionKind {
    /// The name in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MissingHere => "missing_here",
            Self::Amount => "amount",
            Self::Currency => "currency",
            Self::State => "state",
            Self::Duplicate => "duplicate",
        }
    }
}

impl StatementCheck {
    /// Asks these stores.
    pub fn new(stores: &Stores, time: Arc<dyn Time>) -> Self {
        Self { payments: Arc::clone(&stores.payments), timelines: Arc::clone(&stores.timelines), time }
    }

    /// Holds `lines`, all of one file, against what we have.
    pub async fn check(&self, lines: &[StatementLine]) -> Result<StatementReport, StoreError> {
        let mut report = StatementReport::default();
        let mut named: Vec<(Mark, Vec<usize>)> = Vec::new();
        let mut known = HashMap::new();
        for (place, line) in lines.iter().enumerate() {
            let Some(mark) = line.end_to_end_id.as_deref().and_then(Mark::read) else {
                report.not_ours += 1;
                continue;
            };
            let of_mark = *known.entry(mark).or_insert(named.len());
            if of_mark == named.len() {
                named.push((mark, Vec::new()));
            }
            named[of_mark].1.push(place);
        }
        let looked = stream::iter(named).map(|(mark, places)| async move {
            let found = self.find(mark).await?;
            Ok::<_, StoreError>((mark, places, found))
        });
        let mut looked = looked.buffered(AT_ONCE);
        let mut exceptions = Vec::new();
        while let Some((mark, places, found)) = looked.try_next().await? {
            let of_mark: Vec<_> = places.iter().map(|place| &lines[*place]).collect();
            let wrong = compare::compare(mark, &found.ours, &of_mark);
            let wrong_lines: HashSet<_> = wrong.iter().map(|(place, _)| place).collect();
            report.matched += (places.len() - wrong_lines.len()) as u64;
            exceptions.extend(wrong.iter().map(|(place, kind)| {
                let (bank, ours) = (of_mark[*place].clone(), found.ours.clone());
                (places[*place], StatementException { kind: *kind, bank, payment: found.payment, ours })
            }));
        }
        exceptions.sort_by_key(|(place, _)| *place);
        report.exceptions = exceptions.into_iter().map(|(_, exception)| exception).collect();
        Ok(report)
    }
}
