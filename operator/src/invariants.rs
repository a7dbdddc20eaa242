//! `tollgate invariants`: the books of every payment, checked as the job `invariants` checks them. It only reads.
//!
//! Must not know: what must hold.

use std::{collections::BTreeMap, process::ExitCode};

use serde::Serialize;
use tollgate_domain::{PaymentId, audit::Invariant};
use tollgate_gateway::reconcile::violated;

use crate::{open::Operator, output::answer, progress::Progress, table::Table};

/// Payments that one read brings.
const PAGE: u32 = 100;
/// Something is violated.
const VIOLATED: u8 = 1;

/// What was found.
#[derive(Default)]
struct Found {
    payments: u64,
    violations: BTreeMap<&'static str, u64>,
    /// The first of them.
    listed: Vec<(PaymentId, Invariant)>,
    /// There are more than are listed.
    more: bool,
}

#[derive(Serialize)]
struct Body<'a> {
    object: &'static str,
    at: String,
    /// How many were checked.
    payments: u64,
    /// How many of each are violated.
    violations: &'a BTreeMap<&'static str, u64>,
    /// There are more than are listed.
    more: bool,
    data: Vec<Violation>,
}

#[derive(Serialize)]
struct Violation {
    payment_id: String,
    invariant: &'static str,
}

/// Checks all, and lists `limit` of what is violated.
pub(crate) async fn run(operator: &Operator, limit: u32, json: bool) -> anyhow::Result<ExitCode> {
    let found = check(operator, limit as usize, json).await?;
    let data = found
        .listed
        .iter()
        .map(|(payment, invariant)| Violation { payment_id: payment.to_string(), invariant: invariant.as_str() });
    let body = Body {
        object: "invariants",
        at: operator.now().to_string(),
        payments: found.payments,
        violations: &found.violations,
        more: found.more,
        data: data.collect(),
    };
    answer(json, &body, || words(&found))?;
    Ok(if found.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(VIOLATED) })
}

async fn check(operator: &Operator, limit: usize, json: bool) -> anyhow::Result<Found> {
    let progress = Progress::counting(json, "payments");
    let (mut found, mut after) = (Found::default(), None);
    loop {
        let page = operator.ask(operator.stores.audit.books(after, PAGE)).await?;
        for (payment, books) in &page {
            for invariant in violated(books.as_ref()) {
                *found.violations.entry(invariant.as_str()).or_default() += 1;
                if found.listed.len() < limit {
                    found.listed.push((*payment, invariant));
                } else {
                    found.more = true;
                }
            }
        }
        found.payments += page.len() as u64;
        progress.done(page.len() as u64);
        match page.last() {
            Some((last, _)) if page.len() == PAGE as usize => after = Some(*last),
            _ => return Ok(found),
        }
    }
}

fn words(found: &Found) -> String {
    if found.violations.is_empty() {
        return format!("the books of {} payments add up", found.payments);
    }
    let mut table = Table::new(["PAYMENT", "DOES NOT HOLD"]);
    for (payment, invariant) in &found.listed {
        table.row(&[payment.to_string(), invariant.as_str().to_owned()]);
    }
    let more = if found.more { "and more: see --limit\n" } else { "" };
    let counts: Vec<_> = found.violations.iter().map(|(invariant, count)| format!("{invariant} {count}")).collect();
    format!(
        "{table}{more}\nof {} payments: {}. Change nothing: docs/runbooks/ledger-mismatch.md",
        found.payments,
        counts.join(", ")
    )
}
