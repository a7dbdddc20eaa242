//! Looking for deliveries: by time, page by page, through all or one merchant's.
//!
//! Must not know: what they are looked for for.

use std::{collections::HashMap, fmt};

use tollgate_domain::{Delivery, DeliveryStatus, MerchantId, Timestamp};
use tollgate_gateway::ports::deliveries::{DeliveryPlace, DeliveryQuery};

use super::which_words;
use crate::{
    arguments::{When, Which},
    failure::mistaken,
    open::Operator,
    progress::Progress,
};

/// Deliveries that one read looks at.
const PAGE: u32 = 1000;

/// What is looked for.
pub(super) struct Search {
    which: Which,
    statuses: Vec<DeliveryStatus>,
    /// From when on.
    pub(super) from: Timestamp,
    /// Until when; that itself is outside.
    pub(super) until: Timestamp,
}

impl Search {
    /// What was typed, at `now`; `from`: where nothing is said of the beginning.
    pub(super) fn of(which: Which, statuses: Vec<DeliveryStatus>, from: When, now: Timestamp) -> anyhow::Result<Self> {
        let (from, until) = (which.from.unwrap_or(from).at(now), which.to.map_or(now, |to| to.at(now)));
        if from >= until {
            return Err(mistaken(format!("--from must be before --to, and {from} is not before {until}")));
        }
        Ok(Self { which, statuses, from, until })
    }

    /// Nothing is found of a merchant whom nobody knows: that is a mistake, not an answer.
    pub(super) async fn of_a_known_merchant(self, operator: &Operator) -> anyhow::Result<Self> {
        if let Some(merchant) = self.which.merchant {
            operator.merchant(merchant).await?;
        }
        Ok(self)
    }

    /// Begins to look.
    pub(super) fn begin<'a>(&'a self, operator: &'a Operator) -> Looking<'a> {
        Looking { operator, search: self, after: None, is_over: false, endpoints: HashMap::new() }
    }
}

impl fmt::Display for Search {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let statuses: Vec<_> = self.statuses.iter().map(|status| status.as_str()).collect();
        let which = which_words(&self.which);
        let space = if which.is_empty() { "" } else { " " };
        write!(f, "{}{space}{which} from {} to before {}", statuses.join(", "), self.from, self.until)
    }
}

/// A search that goes on.
pub(super) struct Looking<'a> {
    operator: &'a Operator,
    search: &'a Search,
    after: Option<DeliveryPlace>,
    is_over: bool,
    /// Where merchants' webhooks go, of those that were met.
    endpoints: HashMap<MerchantId, Option<String>>,
}

impl Looking<'_> {
    /// What is found on the next page, perhaps nothing. `None`: there are no more.
    pub(super) async fn next(&mut self, progress: &Progress) -> anyhow::Result<Option<Vec<Delivery>>> {
        if self.is_over {
            return Ok(None);
        }
        let query = DeliveryQuery {
            merchant: self.search.which.merchant,
            statuses: self.search.statuses.clone(),
            from: self.search.from,
            until: self.search.until,
            after: self.after,
            limit: PAGE,
        };
        let page = self.operator.ask(self.operator.stores.delivery_lists.look_through(&query)).await?;
        progress.done(page.seen.into());
        (self.after, self.is_over) = (page.next, page.next.is_none());
        let mut found = Vec::with_capacity(page.found.len());
        for delivery in page.found {
            if self.goes_there(delivery.merchant).await? {
                found.push(delivery);
            }
        }
        Ok(Some(found))
    }

    /// Whether the merchant's webhooks go where it is looked for.
    async fn goes_there(&mut self, merchant: MerchantId) -> anyhow::Result<bool> {
        let Some(wanted) = &self.search.which.endpoint else { return Ok(true) };
        if !self.endpoints.contains_key(&merchant) {
            let endpoint = self.operator.ask(self.operator.stores.endpoints.endpoint(merchant)).await?;
            self.endpoints.insert(merchant, endpoint.map(|endpoint| endpoint.url));
        }
        Ok(self.endpoints.get(&merchant).is_some_and(|url| url.as_ref() == Some(wanted)))
    }
}
