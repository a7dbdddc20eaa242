//! What a statement came to, for programs.
//!
//! Must not know: how it is compared.

use std::collections::BTreeMap;

use serde::Serialize;
use tollgate_domain::{Money, OperationKind};
use tollgate_gateway::reconcile::{Direction, Ours, StatementException, StatementLine};
use tollgate_statements::{Balance, Statement};

use super::Reconciled;

#[derive(Serialize)]
pub(super) struct ReconciledBody<'a> {
    statements: Vec<StatementBody<'a>>,
    /// Movements that were compared.
    booked: u64,
    not_booked: u64,
    matched: u64,
    not_ours: u64,
    /// How many exceptions of each kind there are.
    kinds: BTreeMap<&'static str, u64>,
    exceptions: Vec<ExceptionBody<'a>>,
}

#[derive(Serialize)]
struct StatementBody<'a> {
    id: &'a str,
    account: String,
    opening: BalanceBody,
    closing: BalanceBody,
    entries: usize,
    first_booked_on: Option<String>,
    last_booked_on: Option<String>,
}

#[derive(Serialize)]
struct BalanceBody {
    /// Below zero where the account is overdrawn.
    amount: i128,
    currency: String,
}

#[derive(Serialize)]
struct ExceptionBody<'a> {
    kind: &'static str,
    payment_id: Option<String>,
    bank: BankBody<'a>,
    ours: OursBody,
}

#[derive(Serialize)]
struct BankBody<'a> {
    line: u64,
    end_to_end_id: Option<&'a str>,
    direction: &'static str,
    gives_back: bool,
    /// `null`: the bank says that of a whole batch only.
    amount: Option<i64>,
    currency: String,
    booked_on: Option<String>,
}

#[derive(Serialize, Default)]
struct OursBody {
    r#type: &'static str,
    /// Another provider's payment.
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pending_operation: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_undone: Option<bool>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    amounts: Vec<MoneyBody>,
}

#[derive(Serialize)]
struct MoneyBody {
    amount: i64,
    currency: String,
}

impl<'a> From<&'a Reconciled> for ReconciledBody<'a> {
    fn from(reconciled: &'a Reconciled) -> Self {
        let report = &reconciled.report;
        let mut kinds = BTreeMap::new();
        for exception in &report.exceptions {
            *kinds.entry(exception.kind.as_str()).or_default() += 1;
        }
        Self {
            statements: reconciled.statements.iter().map(StatementBody::from).collect(),
            booked: reconciled.booked,
            not_booked: reconciled.not_booked,
            matched: report.matched,
            not_ours: report.not_ours,
            kinds,
            exceptions: report.exceptions.iter().map(ExceptionBody::from).collect(),
        }
    }
}

impl<'a> From<&'a Statement> for StatementBody<'a> {
    fn from(statement: &'a Statement) -> Self {
        let days = statement.booked_days();
        Self {
            id: &statement.id,
            account: statement.account.to_string(),
            opening: statement.opening.into(),
            closing: statement.closing.into(),
            entries: statement.entries.len(),
            first_booked_on: days.map(|(first, _)| first.to_string()),
            last_booked_on: days.map(|(_, last)| last.to_string()),
        }
    }
}

impl From<Balance> for BalanceBody {
    fn from(balance: Balance) -> Self {
        Self { amount: balance.minor, currency: balance.currency.to_string() }
    }
}

impl<'a> From<&'a StatementException> for ExceptionBody<'a> {
    fn from(exception: &'a StatementException) -> Self {
        Self {
            kind: exception.kind.as_str(),
            payment_id: exception.payment.map(|id| id.to_string()),
            bank: BankBody::from(&exception.bank),
            ours: OursBody::from(&exception.ours),
        }
    }
}

impl<'a> From<&'a StatementLine> for BankBody<'a> {
    fn from(line: &'a StatementLine) -> Self {
        Self {
            line: line.line,
            end_to_end_id: line.end_to_end_id.as_deref(),
            direction: match line.direction {
                Direction::In => "credit",
                Direction::Out => "debit",
            },
            gives_back: line.gives_back,
            amount: line.amount.map(Money::minor),
            currency: line.currency.to_string(),
            booked_on: line.booked_on.map(|day| day.to_string()),
        }
    }
}

impl From<&Ours> for OursBody {
    fn from(ours: &Ours) -> Self {
        let money = |money: &Money| MoneyBody { amount: money.minor(), currency: money.currency().to_string() };
        match ours {
            Ours::Nothing => Self { r#type: "nothing", ..Self::default() },
            Ours::Elsewhere(provider) => {
                Self { r#type: "elsewhere", provider: Some(provider.as_str()), ..Self::default() }
            }
            Ours::Payment { status, amount, open, is_undone } => Self {
                r#type: "payment",
                status: Some(status.as_str()),
                pending_operation: open.map(OperationKind::as_str),
                is_undone: Some(*is_undone),
                amounts: vec![money(amount)],
                ..Self::default()
            },
            Ours::Refund { status, amount } => Self {
                r#type: "refund",
                status: Some(status.as_str()),
                amounts: vec![money(amount)],
                ..Self::default()
            },
            Ours::Reversal { is_done, amounts } => Self {
                r#type: "reversal",
                status: Some(if *is_done { "COMPLETED" } else { "PENDING" }),
                amounts: amounts.iter().map(money).collect(),
                ..Self::default()
            },
        }
    }
}
