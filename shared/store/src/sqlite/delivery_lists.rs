//! Deliveries by the times of their events, for operators.

use async_trait::async_trait;
use rusqlite::{Connection, Result, params};
use tollgate_domain::Delivery;
use tollgate_gateway::ports::{
    DeliveryLists, StoreError,
    deliveries::{DeliveriesSeen, DeliveryQuery},
};

use super::{SqliteStore, columns::Micros, deliveries};

#[async_trait]
impl DeliveryLists for SqliteStore {
    async fn look_through(&self, query: &DeliveryQuery) -> std::result::Result<DeliveriesSeen, StoreError> {
        let query = query.clone();
        self.read("look_through", "deliveries", move |connection| look_through(connection, &query)).await
    }
}

pub(super) fn look_through(connection: &Connection, query: &DeliveryQuery) -> Result<DeliveriesSeen> {
    // An id is longer than nothing: what is of the first moment is behind this.
    let (at, payment, sequence) = match query.after {
        None => (query.from, String::new(), 0),
        Some((at, payment, sequence)) => (at, payment.to_string(), sequence),
    };
    let mut list = connection.prepare_cached(
        "SELECT delivery.*, event.id, event.kind, event.at
         FROM events AS event INDEXED BY events_by_time
            CROSS JOIN deliveries AS delivery USING (payment_id, sequence)
         WHERE (event.at, event.payment_id, event.sequence) > (?1, ?2, ?3) AND event.at < ?4
         ORDER BY event.at, event.payment_id, event.sequence LIMIT ?5",
    )?;
    let all: Vec<Delivery> = list
        .query_map(params![Micros(at), payment, sequence, Micros(query.until), query.limit], deliveries::read)?
        .collect::<Result<_>>()?;
    let seen = u32::try_from(all.len()).unwrap_or(u32::MAX);
    let place = |last: &Delivery| (last.created_at, last.payment, last.sequence);
    let next = all.last().filter(|_| seen >= query.limit).map(place);
    let found = all.into_iter().filter(|delivery| query.wants(delivery.merchant, delivery.status)).collect();
    Ok(DeliveriesSeen { found, seen, next })
}
