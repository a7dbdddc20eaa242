//! A settlement as a merchant sees it: what it comes to for the merchant, and its lines as CSV.

use jiff::civil::Date;
use serde::Serialize;
use tollgate_domain::settlement::Totals;
use tollgate_gateway::{MerchantSettlement, ports::settlements::PlacedLine};
use utoipa::ToSchema;

use crate::{
    Problem,
    requests::{self, wrong_parameter},
};

/// The columns of the lines.
const COLUMNS: [&str; 9] =
    ["kind", "payment_id", "refund_id", "merchant_reference", "currency", "gross", "fee", "net", "at"];

/// A merchant's part of a settlement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SettlementBody {
    /// `stl_…`
    pub id: String,
    /// Always `settlement`.
    #[schema(example = "settlement")]
    pub object: &'static str,
    /// In Tokyo, `YYYY-MM-DD`.
    pub date: String,
    /// What was captured before this is in it: 02:00 in Tokyo on that date, as RFC 3339 in UTC.
    pub cutoff: String,
    /// `RUNNING` (the totals are not all yet), `COMPLETED`, or `FAILED` (we are looking into it).
    pub status: &'static str,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// RFC 3339, UTC.
    pub ended_at: Option<String>,
    /// What it comes to for the merchant, one per currency.
    pub totals: Vec<TotalsBody>,
}

/// What a settlement comes to in one currency, in minor units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TotalsBody {
    /// ISO 4217.
    pub currency: String,
    /// How many payments.
    pub payments: u64,
    /// What was captured.
    pub gross: i64,
    /// Our fees on it; they are not given back with a refund.
    pub fees: i64,
    /// Refunds, taken off.
    pub refunds: i64,
    /// Refunds that had been taken off and came back, given back.
    pub refunds_returned: i64,
    /// What was owed to us after the settlement before: below zero, or zero.
    pub carried_over: i64,
    /// What the merchant gets: gross − fees − refunds + `refunds_returned` + `carried_over`. Below zero, it is carried over
    /// to the next settlement.
    pub net: i64,
}

impl From<&MerchantSettlement> for SettlementBody {
    fn from(part: &MerchantSettlement) -> Self {
        let settlement = &part.settlement;
        Self {
            id: settlement.id.to_string(),
            object: "settlement",
            date: settlement.day.date().to_string(),
            cutoff: settlement.day.cutoff().to_string(),
            status: settlement.status.as_str(),
            started_at: settlement.started_at.to_string(),
            ended_at: settlement.ended_at.map(|at| at.to_string()),
            totals: part.totals.iter().map(TotalsBody::from).collect(),
        }
    }
}

impl From<&Totals> for TotalsBody {
    fn from(totals: &Totals) -> Self {
        Self {
            currency: totals.currency.code().to_owned(),
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

/// Reads the query of `GET /v1/settlements`: a date, and nothing else.
pub fn read_date(query: &str) -> Result<Date, Problem> {
    let mut date = None;
    for (name, value) in requests::query_pairs(query)? {
        if name != "date" {
            return Err(wrong_parameter(&requests::shown(&name), "is not a parameter of this call"));
        }
        if date.is_some() {
            return Err(wrong_parameter("date", "came twice"));
        }
        date = Some(value);
    }
    let date = date.ok_or_else(|| wrong_parameter("date", "is required: a date in Tokyo, YYYY-MM-DD"))?;
    // Nothing but ten characters: the parser of dates would also take times and weeks.
    let read = Some(&date).filter(|date| date.len() == 10).and_then(|date| date.parse::<Date>().ok());
    read.filter(|read| read.to_string() == date).ok_or_else(|| wrong_parameter("date", "must be a date, YYYY-MM-DD"))
}

/// The header row.
pub fn csv_header() -> Vec<u8> {
    rows(|writer| writer.write_record(COLUMNS))
}

/// The rows of `lines` (RFC 4180).
pub fn csv_rows(lines: &[PlacedLine]) -> Vec<u8> {
    rows(|writer| {
        lines.iter().try_for_each(|PlacedLine { line, merchant_reference, .. }| {
            let text = |id: Option<String>| id.unwrap_or_default();
            writer.write_record([
                line.kind.as_str().to_owned(),
                text(line.payment.map(|(id, _)| id.to_string())),
                text(line.refund.map(|id| id.to_string())),
                inert(merchant_reference.as_deref().unwrap_or_default()),
                line.currency.code().to_owned(),
                line.gross.to_string(),
                line.fee.to_string(),
                line.net.to_string(),
                line.at.to_string(),
            ])
        })
    })
}

fn rows(write: impl FnOnce(&mut csv::Writer<Vec<u8>>) -> csv::Result<()>) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    // Every row has the same number of fields, and memory takes them all: this cannot fail.
    let _ = write(&mut writer);
    writer.into_inner().unwrap_or_default()
}

/// What a spreadsheet would take for a formula is text to it behind an apostrophe. The reference is the merchant's own
/// word, but whoever opens the file may not have chosen it: a shop's customer often does.
fn inert(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) { format!("'{text}") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use tollgate_domain::{
        MerchantId, PaymentId, Timestamp,
        settlement::{Line, LineKind},
    };

    use super::*;
    use crate::ProblemCode;

    fn line(merchant_reference: Option<&str>) -> PlacedLine {
        PlacedLine {
            place: (1, 1),
            line: Line {
                merchant: MerchantId::from_random([1; 16]),
                kind: LineKind::Payment,
                payment: Some((PaymentId::from_random([2; 16]), 4)),
                refund: None,
                currency: "JPY".parse().unwrap(),
                gross: 1000,
                fee: 30,
                net: 970,
                at: Timestamp::from_second(1_790_000_000).unwrap(),
            },
            merchant_reference: merchant_reference.map(str::to_owned),
        }
    }

    fn row(merchant_reference: Option<&str>) -> String {
        String::from_utf8(csv_rows(&[line(merchant_reference)])).unwrap()
    }

    #[test]
    fn a_line_is_a_row_under_the_header() {
        let header = String::from_utf8(csv_header()).unwrap();
        assert_eq!(header, "kind,payment_id,refund_id,merchant_reference,currency,gross,fee,net,at\r\n");
        let id = PaymentId::from_random([2; 16]);
        assert_eq!(row(Some("order 1")), format!("payment,{id},,order 1,JPY,1000,30,970,2026-09-21T14:13:20Z\r\n"));
        assert_eq!(row(None).split(',').nth(3), Some(""));
    }

    #[test]
    fn what_would_break_a_row_is_quoted_and_reads_back() {
        for text in ["a,b", "say \"hello\"", "two\r\nlines", "ünï", ""] {
            let bytes = [csv_header(), csv_rows(&[line(Some(text))])].concat();
            let mut reader = csv::Reader::from_reader(bytes.as_slice());
            let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
            assert_eq!((rows.len(), &rows[0][3]), (1, text));
        }
    }

    #[test]
    fn what_a_spreadsheet_would_take_for_a_formula_is_text() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "=HYPERLINK(\"http://evil\")"] {
            let bytes = [csv_header(), csv_rows(&[line(Some(text))])].concat();
            let mut reader = csv::Reader::from_reader(bytes.as_slice());
            let record = reader.records().next().unwrap().unwrap();
            assert_eq!(&record[3], format!("'{text}"));
        }
        assert!(row(Some("order-1=2")).contains(",order-1=2,"), "only at the start");
    }

    #[test]
    fn a_date_is_read_strictly() {
        assert_eq!(read_date("date=2026-10-03").unwrap(), Date::constant(2026, 10, 3));
        for (query, pointer) in [
            ("", "?date"),
            ("date=", "?date"),
            ("date=2026-13-01", "?date"),
            ("date=2026-02-29", "?date"),
            ("date=20261003", "?date"),
            ("date=2026-10-03T00:00:00", "?date"),
            ("date=2026-W40-6", "?date"),
            ("date=2026-10-03&date=2026-10-03", "?date"),
            ("date=2026-10-03&limit=1", "?limit"),
        ] {
            let problem = read_date(query).unwrap_err();
            assert_eq!(
                (problem.code, problem.errors[0].pointer.as_str()),
                (ProblemCode::InvalidRequest, pointer),
                "{query}"
            );
        }
    }
}
