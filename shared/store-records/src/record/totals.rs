//! The JSON of a settlement's totals: a list, one per currency.

use serde::{Deserialize, Serialize};
use tollgate_domain::{Currency, settlement::Totals};

use super::{Kept, values::text};

#[derive(Serialize, Deserialize)]
struct TotalsRecord {
    #[serde(with = "text")]
    currency: Currency,
    payments: u64,
    gross: i64,
    fees: i64,
    refunds: i64,
    refunds_returned: i64,
    carried_over: i64,
    net: i64,
}

impl Kept for Vec<Totals> {
    fn to_json(&self) -> serde_json::Result<String> {
        let records: Vec<_> = self.iter().map(TotalsRecord::from).collect();
        serde_json::to_string(&records)
    }

    fn from_json(json: &str) -> serde_json::Result<Self> {
        let records: Vec<TotalsRecord> = serde_json::from_str(json)?;
        Ok(records.into_iter().map(Totals::from).collect())
    }
}

impl From<&Totals> for TotalsRecord {
    fn from(totals: &Totals) -> Self {
        let Totals { currency, payments, gross, fees, refunds, refunds_returned, carried_over, net } = *totals;
        Self { currency, payments, gross, fees, refunds, refunds_returned, carried_over, net }
    }
}

impl From<TotalsRecord> for Totals {
    fn from(record: TotalsRecord) -> Self {
        let TotalsRecord { currency, payments, gross, fees, refunds, refunds_returned, carried_over, net } = record;
        Self { currency, payments, gross, fees, refunds, refunds_returned, carried_over, net }
    }
}
