//! What an order of PayPal's means in our words. The order is the transaction: its authorization and its capture are below
//! it. Whatever does not fit the payment is a mismatch, and is never adopted.

use tollgate_domain::{
    Answer, Failure, Money, Operation, Payment, Refund as OurRefund, RefundState, RefundView, Timestamp,
    TransactionState, TransactionView,
};

use super::{
    amounts,
    failures::of_code,
    objects::{Amount, Authorization, Capture, Link, Order, Payments, Refund},
    requests::refund_mark,
};

/// Why an answer is not of our payment. For the log.
pub(super) type Mismatch = &'static str;

/// Longer URLs are not sent to payers.
const URL_MAX_LEN: usize = 2048;
/// PayPal's ids are shorter.
const ID_MAX_LEN: usize = 64;

/// What is below an order, as it is kept with the payment: `<authorization> <its time, unix> [<capture>]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) authorization: String,
    pub(super) authorized_at: i64,
    pub(super) capture: Option<String>,
}

impl Kept {
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let (authorization, at, capture) = (words.next()?, words.next()?, words.next());
        let known = is_id(authorization) && capture.is_none_or(is_id) && words.next().is_none();
        known.then_some(())?;
        Some(Self {
            authorization: authorization.to_owned(),
            authorized_at: at.parse().ok()?,
            capture: capture.map(ToOwned::to_owned),
        })
    }

    pub(super) fn write(&self) -> String {
        let Self { authorization, authorized_at, capture } = self;
        let capture = capture.as_ref().map(|capture| format!(" {capture}")).unwrap_or_default();
        format!("{authorization} {authorized_at}{capture}")
    }
}

/// The view of `order`, which must be `payment`'s.
pub(super) fn order_view(order: &Order, payment: &Payment, expected: &str) -> Result<TransactionView, Mismatch> {
    if order.id != expected {
        return Err("the answer shows another order");
    }
    let [unit] = &order.purchase_units[..] else {
        return Err("the order has not the one purchase unit that ours have");
    };
    if unit.custom_id.as_deref() != Some(payment.id.to_string().as_str()) {
        return Err("the order carries another payment's id");
    }
    let amount = unit.amount.as_ref().and_then(money).ok_or("the order shows an impossible amount")?;
    if amount != payment.amount {
        return Err("the order shows another amount");
    }
    let none = Payments::default();
    let payments = unit.payments.as_ref().unwrap_or(&none);
    let authorization = payments.authorizations.last();
    let state = match (authorization, &payments.captures[..]) {
        (_, [_, ..]) => captured(payments, amount)?,
        (Some(authorization), []) => authorized(authorization)?,
        (None, []) => untouched(order)?,
    };
    let kept = authorization.and_then(|authorization| kept(authorization, payments));
    Ok(TransactionView { transaction_id: order.id.clone(), request_id: None, amount, state, kept })
}

/// Nobody has paid yet.
fn untouched(order: &Order) -> Result<TransactionState, Mismatch> {
    Ok(match order.status.as_deref() {
        Some("CREATED" | "SAVED" | "PAYER_ACTION_REQUIRED") => match payer_link(&order.links) {
            Some(url) => TransactionState::AwaitingPayer { url, until: None },
            None => TransactionState::Processing,
        },
        Some("APPROVED") => TransactionState::Approved { progress: format!("{APPROVED}{}", order.id) },
        Some("VOIDED") => TransactionState::Voided,
        Some("COMPLETED") => TransactionState::Processing,
        _ => return Err("the answer shows an unknown status of an order"),
    })
}

/// How an order that the payer has approved is named in an operation's progress.
pub(super) const APPROVED: &str = "approved:";
/// How one that we made is.
pub(super) const MADE: &str = "order:";
/// How an authorization that was renewed for a capture is.
pub(super) const RENEWED: &str = "renewed:";

fn authorized(authorization: &Authorization) -> Result<TransactionState, Mismatch> {
    Ok(match authorization.status.as_deref() {
        Some("CREATED") => TransactionState::Authorized { expires_at: time(authorization.expiration_time.as_deref()) },
        Some("PENDING" | "CAPTURED" | "PARTIALLY_CAPTURED") => TransactionState::Processing,
        Some("DENIED") => TransactionState::Declined(of_code("AUTHORIZATION_DENIED")),
        Some("VOIDED" | "EXPIRED") => TransactionState::Voided,
        _ => return Err("the answer shows an unknown status of an authorization"),
    })
}

fn captured(payments: &Payments, amount: Money) -> Result<TransactionState, Mismatch> {
    let zero = Money::zero(amount.currency());
    let mut taken = zero;
    let (mut pending, mut failed) = (false, None);
    for capture in &payments.captures {
        match capture.status.as_deref() {
            Some("COMPLETED" | "PARTIALLY_REFUNDED" | "REFUNDED") => {
                let one = capture.amount.as_ref().and_then(money).ok_or("a capture shows an impossible amount")?;
                taken = taken.plus(one).map_err(|_| "captures show different currencies")?;
            }
            Some("PENDING") => pending = true,
            Some(status @ ("DECLINED" | "FAILED")) => failed = Some(status),
            _ => return Err("the answer shows an unknown status of a capture"),
        }
    }
    if !taken.is_zero() {
        let mut refunded = zero;
        for refund in payments.refunds.iter().filter(|refund| refund.status.as_deref() == Some("COMPLETED")) {
            let one = refund.amount.as_ref().and_then(money).ok_or("a refund shows an impossible amount")?;
            refunded = refunded.plus(one).map_err(|_| "refunds show different currencies")?;
        }
        if taken.exceeds(amount) != Ok(false) || refunded.exceeds(taken) != Ok(false) {
            return Err("the order shows more taken or given back than asked for");
        }
        return Ok(TransactionState::Captured { amount: taken, refunded });
    }
    match (pending, failed, payments.authorizations.last()) {
        (true, ..) => Ok(TransactionState::Processing),
        // A capture that came to nothing leaves the hold as it is.
        (false, Some(_), Some(authorization)) => authorized(authorization),
        (false, Some(status), None) => Ok(TransactionState::Declined(of_code(status))),
        (false, None, _) => Err("the order shows no capture that counts"),
    }
}

/// The refusal of the capture that `operation` asked for, which can come long after PayPal has taken it on. The newest capture since
/// the operation was opened says so, where no other counts: one of an operation before it was refused before it was opened.
pub(super) fn capture_refused(order: &Order, operation: &Operation, state: &TransactionState) -> Option<Answer> {
    if matches!(state, TransactionState::Captured { .. } | TransactionState::Processing) {
        return None;
    }
    let payments = order.purchase_units.iter().filter_map(|unit| unit.payments.as_ref());
    let newest = payments.flat_map(|payments| &payments.captures).next_back()?;
    let status = newest.status.as_deref().filter(|status| matches!(*status, "DECLINED" | "FAILED"))?;
    // PayPal's times are whole seconds.
    let made = time(newest.create_time.as_deref())?.as_second();
    let authorization_gone = !matches!(state, TransactionState::Authorized { .. });
    let refused = || Answer::Refused { failure: of_code(status), authorization_gone };
    (made >= operation.opened_at.as_second()).then(refused)
}

fn kept(authorization: &Authorization, payments: &Payments) -> Option<String> {
    let counts = |capture: &&Capture| !matches!(capture.status.as_deref(), Some("DECLINED" | "FAILED"));
    let capture = payments.captures.iter().rfind(counts).map(|capture| capture.id.clone());
    // A renewed authorization does not begin the honor period of the first anew.
    let at = time(payments.authorizations.first()?.create_time.as_deref())?;
    let kept = Kept { authorization: authorization.id.clone(), authorized_at: at.as_second(), capture };
    (is_id(&kept.authorization) && kept.capture.as_deref().is_none_or(is_id)).then(|| kept.write())
}

/// The view of a refund that must be `ours`.
pub(super) fn refund_view(refund: &Refund, ours: &OurRefund) -> Result<RefundView, Mismatch> {
    if refund.custom_id.as_deref().is_some_and(|mark| mark != refund_mark(ours.payment_id, ours.id)) {
        return Err("the answer shows another refund than the one asked for");
    }
    if refund.amount.as_ref().is_some_and(|amount| money(amount) != Some(ours.amount)) {
        return Err("the answer shows another amount");
    }
    any_refund_view(refund)
}

/// The view of a refund of which nothing is known beforehand.
pub(super) fn any_refund_view(refund: &Refund) -> Result<RefundView, Mismatch> {
    if !is_id(&refund.id) {
        return Err("the answer shows no refund");
    }
    let failed = || Failure::new("refund_failed", "The provider could not give the money back to the payer");
    let state = match refund.status.as_deref() {
        Some("COMPLETED") => RefundState::Completed,
        Some("PENDING") => RefundState::Pending,
        Some("FAILED" | "CANCELLED") => RefundState::Failed(failed()),
        _ => return Err("the answer shows an unknown status of a refund"),
    };
    Ok(RefundView { refund_reference: refund.id.clone(), instead_of: None, state })
}

/// Where the payer approves.
pub(super) fn payer_link(links: &[Link]) -> Option<String> {
    let link = links.iter().find(|link| matches!(link.rel.as_str(), "payer-action" | "approve"))?;
    let scheme = link.href.parse::<http::Uri>().ok().and_then(|uri| uri.scheme_str().map(ToOwned::to_owned));
    let is_web = link.href.len() <= URL_MAX_LEN && matches!(scheme.as_deref(), Some("http" | "https"));
    is_web.then(|| link.href.clone())
}

pub(super) fn money(amount: &Amount) -> Option<Money> {
    amounts::from_wire(&amount.value, amount.currency_code.parse().ok()?)
}

/// Whether `text` is an id of PayPal's that can be part of a URL.
pub(super) fn is_id(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= ID_MAX_LEN
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn time(text: Option<&str>) -> Option<Timestamp> {
    text?.parse().ok()
}
