//! `GET /v1/reporting/transactions`: the account's transactions of a period, oldest first, page by page, from the same books as
//! everything else. Only what affects the balance, or waits to.

use std::collections::HashMap;

use http::Request;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    Call, PayPal,
    errors::ApiError,
    issues::{self, Area},
    money::Money,
    payments::{Capture, Refund, Returned, Taken},
    show::time,
};

/// The longest period, and the most that one has.
const LONGEST_SECONDS: i64 = 31 * 24 * 3600;
const TRANSACTIONS_AT_MOST: usize = 10_000;
const PAGE_AT_MOST: usize = 500;
const ACCOUNT: &str = "TGATE2SANDBX2";

/// What the query asks for.
struct Asked {
    from: i64,
    until: i64,
    page: usize,
    size: usize,
}

impl PayPal {
    pub(super) fn report<B>(&self, call: &Call, request: &Request<B>) -> Result<Value, ApiError> {
        let asked = read(request.uri().query().unwrap_or_default())?;
        let mut all = self.transactions_between(asked.from, asked.until);
        if all.len() > TRANSACTIONS_AT_MOST {
            return Err(ApiError::of(&issues::RESULTSET_TOO_LARGE));
        }
        all.sort_by_key(|(at, _)| *at);
        let pages = all.len().div_ceil(asked.size);
        let of_page: Vec<Value> = all
            .iter()
            .skip((asked.page - 1) * asked.size)
            .take(asked.size)
            .map(|(_, info)| json!({"transaction_info": info}))
            .collect();
        let mut report = json!({
            "account_number": ACCOUNT,
            "start_date": time(asked.from),
            "end_date": time(asked.until),
            "last_refreshed_datetime": time(call.unix()),
            "page": asked.page,
            "total_items": all.len(),
            "total_pages": pages,
            "links": [{"href": format!("{}/v1/reporting/transactions", call.base_url), "rel": "self", "method": "GET"}],
        });
        if !of_page.is_empty() {
            report["transaction_details"] = of_page.into();
        }
        Ok(report)
    }

    fn transactions_between(&self, from: i64, until: i64) -> Vec<(i64, Value)> {
        let within = |at: i64| (from..=until).contains(&at);
        let mut all = Vec::new();
        for capture in self.state.captures.oldest_first() {
            if within(capture.created) && capture.status != Taken::Declined {
                all.push((capture.created, captured(capture)));
            }
            if within(capture.updated) && capture.status == Taken::Reversed {
                all.push((capture.updated, reversed(capture)));
            }
        }
        for refund in self.state.refunds.oldest_first().filter(|refund| within(refund.created)) {
            let capture = self.state.captures.get(&refund.capture);
            all.push((refund.created, refunded(refund, capture)));
        }
        all
    }
}

fn read(query: &str) -> Result<Asked, ApiError> {
    let fields: HashMap<String, String> = serde_urlencoded::from_str(query).unwrap_or_default();
    let date = |name: &str| {
        let missing = || ApiError::of(&issues::missing(Area::Payments)).field(name);
        let text = fields.get(name).ok_or_else(missing)?;
        let wrong = |_| ApiError::of(&issues::invalid(Area::Payments)).field(name).value(text);
        text.parse::<Timestamp>().map(Timestamp::as_second).map_err(wrong)
    };
    let number = |name: &str, default: usize, most: usize| {
        let Some(text) = fields.get(name) else { return Ok(default) };
        let wrong = || ApiError::of(&issues::invalid(Area::Payments)).field(name).value(text);
        text.parse().ok().filter(|number| (1..=most).contains(number)).ok_or_else(wrong)
    };
    let (from, until) = (date("start_date")?, date("end_date")?);
    if until < from || until - from > LONGEST_SECONDS {
        return Err(ApiError::of(&issues::invalid(Area::Payments)).field("end_date"));
    }
    Ok(Asked { from, until, page: number("page", 1, usize::MAX)?, size: number("page_size", 100, PAGE_AT_MOST)? })
}

fn captured(capture: &Capture) -> Value {
    let status = match capture.status {
        Taken::Pending => "P",
        Taken::Declined | Taken::Denied => "D",
        Taken::Completed | Taken::Reversed => "S",
    };
    let reference = match &capture.authorization {
        Some(authorization) => (authorization.as_str(), "TXN"),
        None => (capture.order.as_str(), "ODR"),
    };
    let mut info = info(
        &capture.id,
        reference,
        "T0006",
        &signed(&capture.amount, false),
        status,
        capture.created,
        capture.updated,
    );
    info["fee_amount"] = signed(&capture.amount.fee(), true);
    marked(info, capture.custom_id.as_deref(), capture.invoice_id.as_deref())
}

fn refunded(refund: &Refund, capture: Option<&Capture>) -> Value {
    let status = match refund.status {
        Returned::Pending => "P",
        Returned::Completed => "S",
        Returned::Failed => "D",
    };
    let reference = (refund.capture.as_str(), "TXN");
    let info =
        info(&refund.id, reference, "T1107", &signed(&refund.amount, true), status, refund.created, refund.updated);
    // What the refund carries none of itself is the capture's.
    let custom = refund.custom_id.as_deref().or_else(|| capture?.custom_id.as_deref());
    let invoice = refund.invoice_id.as_deref().or_else(|| capture?.invoice_id.as_deref());
    marked(info, custom, invoice)
}

/// A chargeback, in a transaction of its own.
fn reversed(capture: &Capture) -> Value {
    let (id, left) = (format!("{}C", &capture.id[1..]), capture.amount.of(capture.amount.minor - capture.refunded));
    let reference = (capture.id.as_str(), "TXN");
    let info = info(&id, reference, "T1106", &signed(&left, true), "S", capture.updated, capture.updated);
    marked(info, capture.custom_id.as_deref(), capture.invoice_id.as_deref())
}

fn info(
    id: &str,
    (reference, kind): (&str, &str),
    code: &str,
    amount: &Value,
    status: &str,
    created: i64,
    updated: i64,
) -> Value {
    json!({
        "paypal_account_id": super::show::PAYER_ID,
        "transaction_id": id,
        "paypal_reference_id": reference,
        "paypal_reference_id_type": kind,
        "transaction_event_code": code,
        "transaction_initiation_date": time(created),
        "transaction_updated_date": time(updated),
        "transaction_amount": amount,
        "transaction_status": status,
        "protection_eligibility": "01",
    })
}

fn marked(mut info: Value, custom: Option<&str>, invoice: Option<&str>) -> Value {
    let marks = [("custom_field", custom), ("invoice_id", invoice)];
    let marks = marks.into_iter().filter_map(|(name, mark)| Some((name.to_owned(), Value::from(mark?))));
    if let Some(members) = info.as_object_mut() {
        members.extend(marks.collect::<Map<_, _>>());
    }
    info
}

/// Below zero where it left the account.
fn signed(amount: &Money, leaves: bool) -> Value {
    let mut value = amount.to_json();
    if leaves && amount.minor > 0 {
        value["value"] = format!("-{}", value["value"].as_str().unwrap_or_default()).into();
    }
    value
}
