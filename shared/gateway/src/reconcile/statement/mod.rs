//! The bank's statement against our books: every booked movement that carries an id of ours is held against the payment, refund
//! or reversal that it names. It reads by key and changes nothing.
//!
//! What the statement should show and does not is found by comparing with the provider's own word (`provider_truth`): which period a
//! file covers whole, it does not say.
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
use tollgate_domain::{
    Currency, Date, ExceptionKind, Money, Movement, OperationKind, PaymentId, PaymentStatus, ProviderName,
    ProviderRecord, RecordState, RefundStatus, Timestamp, exception::Found,
};

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

impl StatementException {
    /// As it is kept among the exceptions of providers' records: one of each id that a line carries, and kind.
    pub fn found(&self, now: Timestamp) -> Found {
        let (our_amount, our_state) = match &self.ours {
            Ours::Nothing => (None, "none".to_owned()),
            Ours::Elsewhere(provider) => (None, format!("at {provider}")),
            Ours::Payment { status, amount, .. } => (Some(*amount), status.as_str().to_owned()),
            Ours::Refund { status, amount } => (Some(*amount), status.as_str().to_owned()),
            Ours::Reversal { is_done, amounts } => {
                (amounts.first().copied(), if *is_done { "reversed" } else { "reversal open" }.to_owned())
            }
        };
        let id = self.bank.end_to_end_id.clone().unwrap_or_default();
        let movement = match (self.bank.gives_back, Mark::read(&id)) {
            (false, Some(Mark::Payment(_))) => Movement::Capture,
            (true, Some(Mark::Refund(_) | Mark::Reversal(_))) => Movement::Returned,
            _ => Movement::Refund,
        };
        let booked_at = self.bank.booked_on.and_then(|day| format!("{day}T00:00:00Z").parse().ok());
        Found {
            provider: ProviderName::Bank,
            kind: self.kind,
            record: ProviderRecord {
                movement,
                payment: self.payment,
                refund: match Mark::read(&id) {
                    Some(Mark::Refund(refund)) => Some(refund),
                    _ => None,
                },
                transaction: None,
                amount: self.bank.amount,
                currency: Some(self.bank.currency),
                state: RecordState::Completed,
                at: booked_at.unwrap_or(now),
                id,
            },
            our_amount,
            our_state,
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
