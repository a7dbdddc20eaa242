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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tollgate_domain::Money;

    use super::*;

    const UNTIL: Timestamp = Timestamp::constant(1_795_406_400, 0);

    fn ids() -> (PaymentId, RefundId) {
        (PaymentId::from_random([2; 16]), RefundId::from_random([5; 16]))
    }

    fn captured() -> Value {
        json!({
            "transaction_id": "5TY05013RG002845M", "paypal_reference_id": "7AB", "paypal_reference_id_type": "TXN",
            "transaction_event_code": "T0006", "transaction_initiation_date": "2026-11-23T03:59:00+0000",
            "transaction_amount": {"currency_code": "JPY", "value": "1000"},
            "fee_amount": {"currency_code": "JPY", "value": "-36"},
            "transaction_status": "S", "custom_field": ids().0.to_string(), "invoice_id": ids().0.to_string(),
        })
    }

    fn refunded() -> Value {
        let mut info = captured();
        info["transaction_event_code"] = "T1107".into();
        info["transaction_amount"]["value"] = "-400".into();
        info["custom_field"] = requests::refund_mark(ids().0, ids().1).into();
        info
    }

    fn with(mut info: Value, field: &str, value: Value) -> Value {
        info[field] = value;
        info
    }

    fn report(infos: &[Value]) -> Value {
        let details: Vec<_> = infos.iter().map(|info| json!({"transaction_info": info})).collect();
        json!({
            "transaction_details": details, "page": 1, "total_pages": 1, "total_items": details.len(),
            "last_refreshed_datetime": "2026-11-23T04:00:00+0000",
        })
    }

    fn read_page(body: &Value, number: u32) -> Result<RecordPage, String> {
        let ask = RecordsAsk { from: UNTIL, until: UNTIL, cursor: None, timeout: Duration::ZERO };
        read::<Report>(body.to_string().as_bytes()).and_then(|report| page(&report, number, ask))
    }

    fn one(info: Value) -> ProviderRecord {
        read_page(&report(&[info]), 1).unwrap().records.remove(0)
    }

    fn money(minor: i64, code: &str) -> Option<Money> {
        Money::new(minor, code.parse().unwrap()).ok()
    }

    #[test]
    fn captures_and_refunds_are_known_by_their_marks() {
        let capture = one(captured());
        assert_eq!((capture.movement, capture.amount), (Movement::Capture, money(1000, "JPY")));
        assert_eq!((capture.payment, capture.refund, capture.transaction), (Some(ids().0), None, None));
        assert_eq!(capture.at, Timestamp::from_second(UNTIL.as_second() - 60).unwrap(), "PayPal's own form of a time");
        let refund = one(refunded());
        assert_eq!((refund.movement, refund.amount), (Movement::Refund, money(400, "JPY")));
        assert_eq!((refund.payment, refund.refund), (Some(ids().0), Some(ids().1)));
        let by_invoice = one(with(captured(), "custom_field", "a shop's own".into()));
        assert_eq!(by_invoice.payment, Some(ids().0));
        let stranger = with(with(captured(), "custom_field", "pay_x".into()), "invoice_id", Value::Null);
        assert_eq!(one(stranger).payment, None);
        let order = with(captured(), "paypal_reference_id_type", "ODR".into());
        assert_eq!(one(order).transaction.as_deref(), Some("7AB"));
    }

    #[test]
    fn what_is_no_payment_and_no_refund_is_counted_and_left_out() {
        let of = |code: &str| with(captured(), "transaction_event_code", code.into());
        let body = report(&[of("T0400"), of("T1106"), of("T1201"), of("T0200"), of("T1107"), captured()]);
        let page = read_page(&body, 1).unwrap();
        assert_eq!((page.others, page.records.len()), (5, 1));
    }

    #[test]
    fn the_state_is_paypals_word_and_an_unknown_one_is_no_page() {
        for (word, state) in [
            ("S", RecordState::Completed),
            ("V", RecordState::Completed),
            ("P", RecordState::Pending),
            ("D", RecordState::Denied),
        ] {
            assert_eq!(one(with(captured(), "transaction_status", word.into())).state, state);
        }
        assert!(read_page(&report(&[with(captured(), "transaction_status", "X".into())]), 1).is_err());
    }

    #[test]
    fn an_amount_with_decimals_that_its_currency_does_not_have_is_none() {
        for (code, value, amount) in [
            ("JPY", "1000.5", None),
            ("JPY", "1000.00", money(1000, "JPY")),
            ("USD", "10.5", money(1050, "USD")),
            ("USD", "10.505", None),
            ("USD", "1e3", None),
        ] {
            let record = one(with(captured(), "transaction_amount", json!({"currency_code": code, "value": value})));
            assert_eq!((record.amount, record.currency), (amount, code.parse().ok()), "{code} {value}");
        }
        let unknown = one(with(captured(), "transaction_amount", json!({"currency_code": "ZZZ", "value": "1"})));
        assert_eq!((unknown.amount, unknown.currency), (None, None));
    }

    #[test]
    fn pages_follow_each_other_and_a_report_that_is_not_what_was_asked_for_is_none() {
        let two = with(report(&[captured()]), "total_pages", 2.into());
        assert_eq!(read_page(&two, 1).unwrap().next.as_deref(), Some("2"));
        assert_eq!(read_page(&with(two.clone(), "page", 2.into()), 2).unwrap().next, None);
        let empty = json!({"page": 1, "total_pages": 0, "total_items": 0});
        assert_eq!(read_page(&empty, 1).unwrap().records, []);
        for (body, number) in [
            (two.clone(), 2),
            (with(two.clone(), "transaction_details", json!([])), 1),
            (with(with(two.clone(), "page", 100.into()), "total_pages", 101.into()), 100),
            (with(two, "last_refreshed_datetime", "2026-11-23T03:59:59+0000".into()), 1),
            (report(&[with(captured(), "transaction_id", "../v1".into())]), 1),
            (report(&[with(captured(), "transaction_initiation_date", "soon".into())]), 1),
            (json!({"name": "x"}), 1),
        ] {
            assert!(read_page(&body, number).is_err(), "{body}");
        }
    }
}
