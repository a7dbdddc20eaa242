//! Settlements, for programs.
//!
//! Must not know: how they are made.

use std::collections::BTreeMap;

use serde::Serialize;
use tollgate_domain::{
    Settlement,
    settlement::{SettlementCounts, Totals},
};
use tollgate_gateway::{JobReport, SettlementCheck};

use super::report::Part;

/// What a run came to.
#[derive(Serialize)]
pub(super) struct RunBody {
    object: &'static str,
    /// Whether anything was run.
    ran: bool,
    saw: u64,
    did: BTreeMap<&'static str, u64>,
    could_not: BTreeMap<&'static str, u64>,
    /// The one that it ended with; null: there is none yet.
    settlement: Option<SettlementBody>,
}

impl RunBody {
    pub(super) fn of(report: Option<&JobReport>, settlement: Option<&Settlement>) -> Self {
        Self {
            object: "settlement_run",
            ran: report.is_some(),
            saw: report.map_or(0, |report| report.saw),
            did: report.map(|report| report.did.clone()).unwrap_or_default(),
            could_not: report.map(|report| report.could_not.clone()).unwrap_or_default(),
            settlement: settlement.map(SettlementBody::of),
        }
    }
}

/// What the books say of one.
#[derive(Serialize)]
pub(super) struct CheckBody {
    object: &'static str,
    settlement: SettlementBody,
    agrees: bool,
    /// The first disagreement.
    wrong: Option<String>,
    chunks: u64,
    counts: CountsBody,
    totals: Vec<TotalsBody>,
}

impl CheckBody {
    pub(super) fn of(settlement: &Settlement, check: &SettlementCheck) -> Self {
        Self {
            object: "settlement_check",
            settlement: SettlementBody::of(settlement),
            agrees: check.wrong.is_none(),
            wrong: check.wrong.clone(),
            chunks: check.chunks,
            counts: CountsBody::of(&check.counts),
            totals: check.totals.iter().map(TotalsBody::of).collect(),
        }
    }
}

/// One, with who gets what.
#[derive(Serialize)]
pub(super) struct ReportBody {
    #[serde(flatten)]
    settlement: SettlementBody,
    merchants: Vec<PartBody>,
}

impl ReportBody {
    pub(super) fn of(settlement: &Settlement, parts: &[Part]) -> Self {
        let merchants = parts.iter().map(|part| PartBody {
            merchant_id: part.merchant.to_string(),
            name: part.name.clone(),
            totals: part.totals.iter().map(TotalsBody::of).collect(),
        });
        Self { settlement: SettlementBody::of(settlement), merchants: merchants.collect() }
    }
}

#[derive(Serialize)]
struct PartBody {
    merchant_id: String,
    name: String,
    totals: Vec<TotalsBody>,
}

/// One as its record says it.
#[derive(Serialize)]
struct SettlementBody {
    object: &'static str,
    id: String,
    /// In Tokyo.
    date: String,
    cutoff: String,
    status: &'static str,
    /// Into how many it is split; 0: into none.
    shards: u32,
    resumed: u32,
    started_at: String,
    ended_at: Option<String>,
    /// Known when it has ended.
    counts: CountsBody,
    totals: Vec<TotalsBody>,
    failure: Option<String>,
}

impl SettlementBody {
    fn of(settlement: &Settlement) -> Self {
        Self {
            object: "settlement",
            id: settlement.id.to_string(),
            date: settlement.day.date().to_string(),
            cutoff: settlement.day.cutoff().to_string(),
            status: settlement.status.as_str(),
            shards: settlement.shards,
            resumed: settlement.resumed,
            started_at: settlement.started_at.to_string(),
            ended_at: settlement.ended_at.map(|at| at.to_string()),
            counts: CountsBody::of(&settlement.counts),
            totals: settlement.totals.iter().map(TotalsBody::of).collect(),
            failure: settlement.failure.clone(),
        }
    }
}

#[derive(Serialize)]
struct CountsBody {
    payments: u64,
    refunds: u64,
    refunds_returned: u64,
    carried_over: u64,
    set_aside: u64,
    dropped: u64,
}

impl CountsBody {
    fn of(counts: &SettlementCounts) -> Self {
        Self {
            payments: counts.payments,
            refunds: counts.refunds,
            refunds_returned: counts.refunds_returned,
            carried_over: counts.carried_over,
            set_aside: counts.set_aside,
            dropped: counts.dropped,
        }
    }
}

/// In minor units.
#[derive(Serialize)]
struct TotalsBody {
    currency: String,
    payments: u64,
    gross: i64,
    fees: i64,
    refunds: i64,
    refunds_returned: i64,
    carried_over: i64,
    net: i64,
}

impl TotalsBody {
    fn of(totals: &Totals) -> Self {
        Self {
            currency: totals.currency.to_string(),
            payments: totals.payments,
            gross: totals.gross,
            fees: totals.fees,
            refunds: totals.refunds,
            refunds_returned: totals.refunds_returned,
            carried_over: totals.carried_over,
            net: totals.net,
        }
    }
}
