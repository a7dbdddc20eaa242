//! Stripe's own records: its balance transactions of a period, each with what it came from, newest first, page by page.
//!
//! The amount is that of what moved, in its own currency: a balance transaction shows what that came to on the account, which
//! Stripe may have exchanged.

use std::{fmt, time::Duration};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor, value::MapAccessDeserializer},
};
use tollgate_domain::{Movement, ProviderRecord, RecordState, Timestamp};
use tollgate_gateway::ports::provider_records::{RecordPage, Records, RecordsAsk};

use super::{
    amounts,
    api::{Api, Got, Reply, Trace},
    look_up::body,
    objects::{List, Metadata, ObjectOrId, read},
    requests,
    view::is_id,
};

/// Balance transactions are there as soon as the money moved; a margin for what is on its way and for clocks.
pub(super) const KNOWN_AFTER: Duration = Duration::from_secs(15 * 60);
pub(super) const LONGEST_PERIOD: Duration = Duration::from_secs(24 * 3600);

#[derive(Debug, Deserialize)]
struct BalanceTransaction {
    id: String,
    object: String,
    #[serde(rename = "type")]
    kind: String,
    amount: i64,
    currency: String,
    created: i64,
    exchange_rate: Option<IgnoredAny>,
    source: Option<Source>,
}

/// What it came from: a charge or a refund, as we asked for it; an id where Stripe shows no more.
#[derive(Debug)]
enum Source {
    Object(Box<Moved>),
    Id,
}

/// The fields that charges and refunds have in common, and `amount_captured` of a charge.
#[derive(Debug, Deserialize)]
struct Moved {
    amount: Option<i64>,
    amount_captured: Option<i64>,
    currency: Option<String>,
    payment_intent: Option<ObjectOrId>,
    #[serde(default)]
    metadata: Metadata,
}

impl<'de> Deserialize<'de> for Source {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Source;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object or its id")
            }

            fn visit_str<E>(self, _: &str) -> Result<Source, E> {
                Ok(Source::Id)
            }

            fn visit_map<M: MapAccess<'de>>(self, fields: M) -> Result<Source, M::Error> {
                Moved::deserialize(MapAccessDeserializer::new(fields)).map(Box::new).map(Source::Object)
            }
        }

        from.deserialize_any(Either)
    }
}

/// One page.
pub(super) async fn records(api: &Api, ask: RecordsAsk<'_>) -> (Records, Trace) {
    let failed = |reason: String, trace| (Records::Failed { reason }, trace);
    if ask.cursor.is_some_and(|cursor| !is_id(cursor, "txn_")) {
        return failed("the place to go on from is not one of the provider's".to_owned(), Trace::default());
    }
    let deadline = api.deadline(ask.timeout);
    let request = requests::balance_transactions(ask.from, ask.until, ask.cursor);
    let Reply { got, trace } = api.call(request, deadline).await;
    if matches!(&got, Got::Body { replayed: true, .. }) {
        return failed("the answer is of another time".to_owned(), trace);
    }
    match body(got).and_then(|body| read::<List<BalanceTransaction>>(&body)).and_then(|list| page(&list, ask)) {
        Ok(page) => (Records::Page(page), trace),
        Err(reason) => failed(reason, trace),
    }
}

fn page(list: &List<BalanceTransaction>, ask: RecordsAsk<'_>) -> Result<RecordPage, String> {
    if list.object != "list" {
        return Err("the answer shows something other than a list".to_owned());
    }
    let mut page = RecordPage { records: Vec::new(), others: 0, next: None };
    for one in &list.data {
        match record(one, ask)? {
            Some(record) => page.records.push(record),
            None => page.others += 1,
        }
    }
    if list.has_more {
        let end = list.data.last().map(|one| one.id.as_str()).filter(|end| ask.cursor != Some(end));
        page.next = Some(end.ok_or("the list does not go on where it says it does")?.to_owned());
    }
    Ok(page)
}

/// `Ok(None)`: a fee, a payout, a dispute: no movement of a payment or refund of ours.
fn record(one: &BalanceTransaction, ask: RecordsAsk<'_>) -> Result<Option<ProviderRecord>, String> {
    if one.object != "balance_transaction" || !is_id(&one.id, "txn_") {
        return Err("the list shows something other than balance transactions".to_owned());
    }
    let at = Timestamp::from_second(one.created).map_err(|_| "a balance transaction of an impossible time")?;
    if at < ask.from || at >= ask.until {
        return Err("the list shows another period than the one asked for".to_owned());
    }
    let movement = match one.kind.as_str() {
        "charge" | "payment" => Movement::Capture,
        "refund" | "payment_refund" => Movement::Refund,
        "refund_failure" => Movement::Returned,
        _ => return Ok(None),
    };
    let source = match &one.source {
        Some(Source::Object(source)) => Some(source),
        Some(Source::Id) | None => None,
    };
    // Where it was exchanged, the account's amount is of another currency than what moved.
    let exchanged = source.filter(|_| one.exchange_rate.is_some());
    let (currency, amount) = match exchanged {
        Some(source) => {
            let taken = source.amount_captured.filter(|_| movement == Movement::Capture).or(source.amount);
            (source.currency.as_deref().unwrap_or_default(), taken)
        }
        // What leaves the account is below zero.
        None if movement == Movement::Refund => (one.currency.as_str(), one.amount.checked_neg()),
        None => (one.currency.as_str(), Some(one.amount)),
    };
    let currency = amounts::currency_from_wire(currency);
    Ok(Some(ProviderRecord {
        id: one.id.clone(),
        movement,
        payment: source.and_then(|source| source.metadata.parse(Metadata::PAYMENT_ID)),
        refund: source.and_then(|source| source.metadata.parse(Metadata::REFUND_ID)),
        transaction: source
            .and_then(|source| source.payment_intent.as_ref())
            .map(ObjectOrId::id)
            .filter(|id| is_id(id, "pi_"))
            .map(ToOwned::to_owned),
        amount: currency.and_then(|currency| amounts::from_wire(amount?, currency)),
        currency,
        state: RecordState::Completed,
        at,
    }))
}
