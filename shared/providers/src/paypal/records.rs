//! PayPal's own records: its transaction report of a period, oldest first, page by page. A payment of ours is known by the custom or the
//! invoice id that it carries.
//!
//! A report is of what PayPal has refreshed: what is asked for beyond that is no answer.

use std::time::Duration;

use serde::Deserialize;
use tollgate_domain::{Movement, PaymentId, ProviderRecord, RecordState, RefundId, Timestamp};
use tollgate_gateway::ports::provider_records::{RecordPage, Records, RecordsAsk};

use super::{
    amounts,
    api::{Api, Got, Reply, Trace},
    failures::token,
    objects::{Amount, read},
    requests,
    view::is_id,
};

/// PayPal says that a transaction can take three hours until it is in the report.
pub(super) const KNOWN_AFTER: Duration = Duration::from_secs(3 * 3600 + 1800);
/// A report has ten thousand transactions at most.
pub(super) const LONGEST_PERIOD: Duration = Duration::from_secs(3600);
/// More pages than this no report has: ten thousand, a hundred a page.
const PAGES_AT_MOST: u32 = 100;
/// PayPal's word for a period with more.
const TOO_LARGE: &str = "RESULTSET_TOO_LARGE";

#[derive(Debug, Deserialize)]
struct Report {
    #[serde(default)]
    transaction_details: Vec<Detail>,
    last_refreshed_datetime: Option<String>,
    page: u32,
    total_pages: u32,
}

#[derive(Debug, Deserialize)]
struct Detail {
    transaction_info: Info,
}

#[derive(Debug, Deserialize)]
struct Info {
    transaction_id: String,
    paypal_reference_id: Option<String>,
    paypal_reference_id_type: Option<String>,
    transaction_event_code: String,
    transaction_initiation_date: String,
    transaction_amount: Amount,
    transaction_status: String,
    invoice_id: Option<String>,
    custom_field: Option<String>,
}

/// One page.
pub(super) async fn records(api: &Api, ask: RecordsAsk<'_>) -> (Records, Trace) {
    let failed = |reason: &str, trace| (Records::Failed { reason: reason.to_owned() }, trace);
    let number = match ask.cursor {
        None => Some(1),
        Some(cursor) => cursor.parse().ok().filter(|page| (2..=PAGES_AT_MOST).contains(page)),
    };
    let Some(number) = number else {
        return failed("the page to go on from is none of a report's", Trace::default());
    };
    let deadline = api.deadline(ask.timeout);
    let Reply { got, trace } = api.call(&requests::transactions(ask.from, ask.until, number), deadline).await;
    let body = match got {
        Got::Body(body) => body,
        Got::Refused(error) if error.code() == TOO_LARGE || error.name == TOO_LARGE => {
            return (Records::TooMany, trace);
        }
        Got::Refused(error) => {
            let code = token(error.code()).unwrap_or("no code");
            return failed(&format!("the provider refused to show its report ({code})"), trace);
        }
        Got::Missing => return failed("the provider has no reports", trace),
        Got::Unknown(reason) | Got::NotReached { reason, .. } => return failed(&reason, trace),
    };
    match read::<Report>(&body).and_then(|report| page(&report, number, ask)) {
        Ok(page) => (Records::Page(page), trace),
        Err(reason) => failed(&reason, trace),
    }
}

fn page(report: &Report, number: u32, ask: RecordsAsk<'_>) -> Result<RecordPage, String> {
    if report.page != number {
        return Err("the report shows another page than the one asked for".to_owned());
    }
    let refreshed = report.last_refreshed_datetime.as_deref().map(time).transpose()?;
    if refreshed.is_some_and(|refreshed| refreshed < ask.until) {
        return Err("the report is older than what is asked for".to_owned());
    }
    let mut page = RecordPage { records: Vec::new(), others: 0, next: None };
    for detail in &report.transaction_details {
        match record(&detail.transaction_info)? {
            Some(record) => page.records.push(record),
            None => page.others += 1,
        }
    }
    if number < report.total_pages {
        if report.transaction_details.is_empty() || number >= PAGES_AT_MOST {
            return Err("the report does not go on where it says it does".to_owned());
        }
        page.next = Some((number + 1).to_string());
    }
    Ok(page)
}

/// `Ok(None)`: a fee, a withdrawal, a conversion, a dispute: no movement of a payment or refund of ours.
fn record(info: &Info) -> Result<Option<ProviderRecord>, String> {
    if !is_id(&info.transaction_id) {
        return Err("the report shows something other than transactions".to_owned());
    }
    let (value, leaves) = match info.transaction_amount.value.strip_prefix('-') {
        Some(value) => (value, true),
        None => (info.transaction_amount.value.as_str(), false),
    };
    let movement = match (info.transaction_event_code.as_str(), leaves) {
        ("T1107", true) => Movement::Refund,
        (code, false) if code.starts_with("T00") => Movement::Capture,
        _ => return Ok(None),
    };
    let state = match info.transaction_status.as_str() {
        "S" | "V" => RecordState::Completed,
        "P" => RecordState::Pending,
        "D" => RecordState::Denied,
        _ => return Err("the report shows an unknown status".to_owned()),
    };
    let (payment, refund) = marks(info);
    let currency = info.transaction_amount.currency_code.parse().ok();
    let of_order = info.paypal_reference_id_type.as_deref() == Some("ODR");
    Ok(Some(ProviderRecord {
        id: info.transaction_id.clone(),
        movement,
        payment,
        refund,
        transaction: info.paypal_reference_id.clone().filter(|id| of_order && is_id(id)),
        amount: currency.and_then(|currency| amounts::from_wire(value, currency)),
        currency,
        state,
        at: time(&info.transaction_initiation_date)?,
    }))
}

/// Whose it is, by the marks that our requests leave.
fn marks(info: &Info) -> (Option<PaymentId>, Option<RefundId>) {
    let custom = info.custom_field.as_deref();
    if let Some((payment, refund)) = custom.and_then(requests::refund_of_mark) {
        return (Some(payment), Some(refund));
    }
    let own = |mark: Option<&str>| mark.and_then(|mark| mark.parse().ok());
    (own(custom).or_else(|| own(info.invoice_id.as_deref())), None)
}

fn time(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|_| "the report shows an impossible time".to_owned())
}
