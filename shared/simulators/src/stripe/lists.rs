//! Reading: single objects, and Stripe's lists, newest first, page by page.

use std::ops::RangeInclusive;

use serde_json::{Value, json};

use super::{
    Stripe, balance::BalanceTransaction, charge::Charge, errors::ApiError, event::StoredEvent, intent::Intent,
    params::Params, refund::Refund,
};
use crate::shelf::{Filed, Shelf};

/// Which part of a list is asked for.
struct Page<'a> {
    limit: usize,
    created: RangeInclusive<i64>,
    starting_after: Option<&'a str>,
    ending_before: Option<&'a str>,
}

impl<'a> Page<'a> {
    fn read(params: &'a Params) -> Result<Self, ApiError> {
        let limit = match params.integer("limit")? {
            None => 10,
            Some(limit @ 1..=100) => usize::try_from(limit).unwrap_or(100),
            Some(_) => {
                let message = "Invalid limit: it must be between 1 and 100.";
                return Err(ApiError::invalid(message).code("parameter_invalid_integer").param("limit"));
            }
        };
        let (starting_after, ending_before) = (params.text("starting_after"), params.text("ending_before"));
        if starting_after.is_some() && ending_before.is_some() {
            let message = "Only one of `starting_after` and `ending_before` can be given.";
            return Err(ApiError::invalid(message).code("parameters_exclusive"));
        }
        Ok(Self { limit, created: created(params)?, starting_after, ending_before })
    }

    /// The page of `objects`, of those objects that `fits` lets through.
    fn of<T: Filed>(
        &self,
        objects: &Shelf<T>,
        what: &str,
        url: &str,
        fits: impl Fn(&T) -> bool,
        show: impl Fn(&T) -> Value,
    ) -> Result<Value, ApiError> {
        for (param, cursor) in [("starting_after", self.starting_after), ("ending_before", self.ending_before)] {
            if let Some(id) = cursor.filter(|id| objects.get(id).is_none()) {
                return Err(ApiError::no_such(what, id, param).status(400));
            }
        }
        let mut found: Vec<&T> = match self.ending_before {
            Some(id) => {
                objects.oldest_after(self.created.clone(), id).filter(|it| fits(it)).take(self.limit + 1).collect()
            }
            None => objects
                .newest_first(self.created.clone(), self.starting_after)
                .filter(|it| fits(it))
                .take(self.limit + 1)
                .collect(),
        };
        let has_more = found.len() > self.limit;
        found.truncate(self.limit);
        if self.ending_before.is_some() {
            found.reverse();
        }
        let data: Vec<Value> = found.into_iter().map(show).collect();
        Ok(json!({"object": "list", "data": data, "has_more": has_more, "url": url}))
    }
}

fn created(params: &Params) -> Result<RangeInclusive<i64>, ApiError> {
    if let Some(exactly) = params.integer("created")? {
        return Ok(exactly..=exactly);
    }
    let after = params.integer("created[gt]")?.map(|time| time.saturating_add(1));
    let until = params.integer("created[lt]")?.map(|time| time.saturating_sub(1));
    let from = params.integer("created[gte]")?.max(after).unwrap_or(0);
    let to = [params.integer("created[lte]")?, until].into_iter().flatten().min().unwrap_or(i64::MAX);
    Ok(from..=to)
}

impl Stripe {
    pub(super) fn find_intent(&self, id: &str) -> Result<Intent, ApiError> {
        self.state.intents.get(id).cloned().ok_or_else(|| ApiError::no_such("payment_intent", id, "intent"))
    }

    pub(super) fn find_charge(&self, id: &str, param: &str) -> Result<Charge, ApiError> {
        self.state.charges.get(id).cloned().ok_or_else(|| ApiError::no_such("charge", id, param))
    }

    pub(super) fn show_intent(&self, id: &str) -> Result<Value, ApiError> {
        Ok(self.find_intent(id)?.to_json())
    }

    pub(super) fn show_charge(&self, id: &str) -> Result<Value, ApiError> {
        Ok(self.find_charge(id, "charge")?.to_json())
    }

    pub(super) fn show_refund(&self, id: &str) -> Result<Value, ApiError> {
        self.state.refunds.get(id).map(Refund::to_json).ok_or_else(|| ApiError::no_such("refund", id, "refund"))
    }

    pub(super) fn show_event(&self, id: &str) -> Result<Value, ApiError> {
        self.state.events.get(id).map(StoredEvent::to_json).ok_or_else(|| ApiError::no_such("event", id, "id"))
    }

    pub(super) fn show_balance(&self) -> Value {
        let balances = self.state.balances();
        let available: Vec<Value> = balances
            .iter()
            .map(|(currency, amount)| json!({"amount": amount, "currency": currency, "source_types": {"card": amount}}))
            .collect();
        json!({"object": "balance", "available": available, "livemode": false, "pending": []})
    }

    pub(super) fn show_balance_transaction(&self, id: &str) -> Result<Value, ApiError> {
        let found = self.state.balance_transactions.get(id).map(BalanceTransaction::to_json);
        found.ok_or_else(|| ApiError::no_such("balance_transaction", id, "id"))
    }

    pub(super) fn list_balance_transactions(&self, params: &Params) -> Result<Value, ApiError> {
        let (kind, source, currency) = (params.text("type"), params.text("source"), params.text("currency"));
        let fits = |one: &BalanceTransaction| {
            kind.is_none_or(|kind| one.kind.word() == kind)
                && source.is_none_or(|source| one.source == source)
                && currency.is_none_or(|currency| one.currency == currency)
        };
        let (of, show) = (&self.state.balance_transactions, BalanceTransaction::to_json);
        Page::read(params)?.of(of, "balance_transaction", "/v1/balance_transactions", fits, show)
    }

    pub(super) fn list_intents(&self, params: &Params) -> Result<Value, ApiError> {
        let customer = params.text("customer");
        let fits = |intent: &Intent| customer.is_none_or(|customer| intent.customer.as_deref() == Some(customer));
        let page = Page::read(params)?;
        page.of(&self.state.intents, "payment_intent", "/v1/payment_intents", fits, Intent::to_json)
    }

    pub(super) fn list_refunds(&self, params: &Params) -> Result<Value, ApiError> {
        let page = Page::read(params)?;
        let intent = match (params.text("payment_intent"), params.text("charge")) {
            (Some(id), _) => {
                let known = self.state.intents.get(id);
                Some(known.ok_or_else(|| ApiError::no_such("payment_intent", id, "payment_intent"))?.id.clone())
            }
            (None, Some(id)) => Some(self.find_charge(id, "charge")?.intent),
            (None, None) => None,
        };
        let Some(intent) = intent else {
            return page.of(&self.state.refunds, "refund", "/v1/refunds", |_| true, Refund::to_json);
        };
        // An intent has few refunds: they become a shelf of their own instead of a walk over all.
        let mut few = Shelf::default();
        self.state.refunds_of(&intent).cloned().for_each(|refund| few.put(refund));
        page.of(&few, "refund", "/v1/refunds", |_| true, Refund::to_json)
    }

    pub(super) fn list_events(&self, params: &Params) -> Result<Value, ApiError> {
        let mut kinds = params.list("types");
        kinds.extend(params.text("type"));
        let fits = |event: &StoredEvent| kinds.is_empty() || kinds.iter().any(|kind| matches_kind(kind, &event.kind));
        Page::read(params)?.of(&self.state.events, "event", "/v1/events", fits, StoredEvent::to_json)
    }
}

/// `charge.captured`, or `charge.*` for every kind about charges.
fn matches_kind(pattern: &str, kind: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => kind.starts_with(prefix),
        None => kind == pattern,
    }
}
