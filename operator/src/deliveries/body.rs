//! Deliveries, for programs.
//!
//! Must not know: how they are found.

use std::collections::BTreeMap;

use serde::Serialize;
use tollgate_domain::Delivery;

use super::{
    again::{Counted, Done},
    search::Search,
};

#[derive(Serialize)]
pub(super) struct ListBody {
    object: &'static str,
    from: String,
    /// Outside.
    to: String,
    /// There are more than are listed.
    more: bool,
    data: Vec<DeliveryBody>,
}

#[derive(Serialize)]
struct DeliveryBody {
    object: &'static str,
    event_id: String,
    r#type: &'static str,
    payment_id: String,
    /// The event's number within the payment.
    sequence: u32,
    merchant_id: String,
    status: &'static str,
    attempts: u32,
    next_attempt_at: Option<String>,
    waits_for_endpoint: bool,
    created_at: String,
}

/// What was, or would be, sent again.
#[derive(Serialize)]
pub(super) struct AgainBody {
    object: &'static str,
    dry_run: bool,
    from: String,
    /// Outside.
    to: String,
    /// How many were found.
    found: u64,
    /// How many of them by how they stood.
    statuses: BTreeMap<&'static str, u64>,
    merchants: u64,
    /// How many are due again.
    redelivered: u64,
    /// How many had moved meanwhile, and were left alone.
    moved_meanwhile: u64,
}

impl ListBody {
    pub(super) fn of(search: &Search, all: &[Delivery], more: bool) -> Self {
        let data = all.iter().map(|delivery| DeliveryBody {
            object: "delivery",
            event_id: delivery.event.to_string(),
            r#type: delivery.kind.as_str(),
            payment_id: delivery.payment.to_string(),
            sequence: delivery.sequence,
            merchant_id: delivery.merchant.to_string(),
            status: delivery.status.as_str(),
            attempts: delivery.attempts,
            next_attempt_at: delivery.next_attempt_at.map(|at| at.to_string()),
            waits_for_endpoint: delivery.waits_for_endpoint,
            created_at: delivery.created_at.to_string(),
        });
        let (from, to) = (search.from.to_string(), search.until.to_string());
        Self { object: "deliveries", from, to, more, data: data.collect() }
    }
}

impl AgainBody {
    pub(super) fn of(search: &Search, counted: &Counted, dry_run: bool, done: Done) -> Self {
        Self {
            object: "redelivery",
            dry_run,
            from: search.from.to_string(),
            to: search.until.to_string(),
            found: counted.all,
            statuses: counted.statuses.clone(),
            merchants: counted.merchants,
            redelivered: done.due,
            moved_meanwhile: done.moved,
        }
    }
}
