//! A settlement for people: its facts, what it comes to, and who gets what.
//!
//! Must not know: how it is made.

use std::process::ExitCode;

use anyhow::ensure;
use tollgate_domain::{MerchantId, Settlement, SettlementStatus, settlement::Totals};
use tollgate_gateway::{SettlementCheck, ports::merchants::Merchant};

use super::body;
use crate::{
    open::Operator,
    output::answer,
    progress::Progress,
    table::{Table, facts},
};

/// What stands over figures that are not all.
const NOT_ENDED: &str =
    "NOT ENDED, these are only a part: pay nothing out by them, `tollgate settlement resume` goes on";
/// Merchants that one read brings.
const PAGE: u32 = 500;

/// What one merchant gets.
pub(super) struct Part {
    pub(super) merchant: MerchantId,
    pub(super) name: String,
    pub(super) totals: Vec<Totals>,
}

/// Shows it: everybody's, or one merchant's part alone.
pub(super) async fn run(
    operator: &Operator,
    settlement: &Settlement,
    merchant: Option<MerchantId>,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let parts = match merchant {
        Some(id) => {
            let part = part(operator, settlement, operator.merchant(id).await?).await?;
            ensure!(!part.totals.is_empty(), "nothing of {id} is in the settlement of {}", settlement.day.date());
            vec![part]
        }
        None => everybodys(operator, settlement, json).await?,
    };
    let has_ended = settlement.status != SettlementStatus::Running;
    answer(json, &body::ReportBody::of(settlement, &parts), || {
        let totals = if has_ended { totals_of(&settlement.totals) } else { format!("{NOT_ENDED}\n") };
        format!("{}\n{totals}\n{}", facts_of(settlement), parts_of(&parts))
    })?;
    Ok(if has_ended { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn everybodys(operator: &Operator, settlement: &Settlement, json: bool) -> anyhow::Result<Vec<Part>> {
    let progress = Progress::counting(json, "merchants");
    let (mut parts, mut after) = (Vec::new(), None);
    loop {
        let page = operator.ask(operator.stores.merchants.merchants(after, PAGE)).await?;
        let is_last = page.len() < PAGE as usize;
        after = page.last().map(|last| last.id);
        for merchant in page {
            let part = part(operator, settlement, merchant).await?;
            parts.extend((!part.totals.is_empty()).then_some(part));
            progress.done(1);
        }
        if is_last {
            return Ok(parts);
        }
    }
}

async fn part(operator: &Operator, settlement: &Settlement, merchant: Merchant) -> anyhow::Result<Part> {
    let totals = operator.ask(operator.stores.settlements.merchant_totals(settlement.id, merchant.id)).await?;
    Ok(Part { merchant: merchant.id, name: merchant.name, totals })
}

/// What its record says.
pub(super) fn facts_of(settlement: &Settlement) -> String {
    let counts = &settlement.counts;
    facts([
        ("settlement", Some(settlement.id.to_string())),
        ("date in Tokyo", Some(settlement.day.date().to_string())),
        ("cut-off", Some(settlement.day.cutoff().to_string())),
        ("status", Some(settlement.status.as_str().to_owned())),
        ("failure", settlement.failure.clone()),
        ("begun", Some(settlement.started_at.to_string())),
        ("ended", settlement.ended_at.map(|at| at.to_string())),
        ("resumed", Some(settlement.resumed.to_string())),
        ("shards", (settlement.shards > 0).then(|| settlement.shards.to_string())),
        ("payments", Some(counts.payments.to_string())),
        ("refunds", Some(counts.refunds.to_string())),
        ("refunds returned", Some(counts.refunds_returned.to_string())),
        ("carried over", Some(counts.carried_over.to_string())),
        ("set aside", Some(counts.set_aside.to_string())),
        ("dropped", Some(counts.dropped.to_string())),
    ])
}

/// What its books say.
pub(super) fn check_words(settlement: &Settlement, check: &SettlementCheck) -> String {
    let said = match &check.wrong {
        None if settlement.status == SettlementStatus::Running => {
            format!("{NOT_ENDED}: {} chunks so far, their lines and the ledger agree\n", check.chunks)
        }
        None => format!("{} chunks, their lines and the ledger agree\n", check.chunks),
        Some(wrong) => format!("{} chunks, and they do not agree: {wrong}\n", check.chunks),
    };
    format!("{}\n{}\n{said}", facts_of(settlement), totals_of(&check.totals))
}

/// In minor units, as everywhere.
fn totals_of(all: &[Totals]) -> String {
    let mut table = Table::new(["CURRENCY", "PAYMENTS", "GROSS", "FEES", "REFUNDS", "RETURNED", "CARRIED OVER", "NET"]);
    for totals in all {
        table.row(&cells(totals));
    }
    if table.is_empty() { "nothing is in it\n".to_owned() } else { table.to_string() }
}

fn parts_of(parts: &[Part]) -> String {
    let mut table = Table::new([
        "MERCHANT",
        "NAME",
        "CURRENCY",
        "PAYMENTS",
        "GROSS",
        "FEES",
        "REFUNDS",
        "RETURNED",
        "CARRIED OVER",
        "NET",
    ]);
    for part in parts {
        for totals in &part.totals {
            let [currency, payments, gross, fees, refunds, returned, carried_over, net] = cells(totals);
            let (merchant, name) = (part.merchant.to_string(), part.name.clone());
            table.row(&[merchant, name, currency, payments, gross, fees, refunds, returned, carried_over, net]);
        }
    }
    if table.is_empty() { "no merchant has anything in it\n".to_owned() } else { table.to_string() }
}

fn cells(totals: &Totals) -> [String; 8] {
    [
        totals.currency.to_string(),
        totals.payments.to_string(),
        totals.gross.to_string(),
        totals.fees.to_string(),
        totals.refunds.to_string(),
        totals.refunds_returned.to_string(),
        totals.carried_over.to_string(),
        totals.net.to_string(),
    ]
}
