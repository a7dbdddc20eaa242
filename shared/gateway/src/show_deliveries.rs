//! What a merchant sees of webhooks: how each stands, the feed that fills gaps, and redelivery by hand.

use tollgate_domain::{Delivery, DeliveryStatus, EventId, MerchantId, PaymentId};

use crate::{
    Error, Gateway,
    idempotency::RACES,
    ports::{
        deliveries::DeliveryAttempt,
        queue::{DeliveryDue, Message},
    },
    records::EventRecord,
};

impl Gateway {
    /// The deliveries of the merchant's payment, in order, each with its tries.
    pub async fn deliveries(
        &self,
        merchant: MerchantId,
        payment: PaymentId,
    ) -> Result<Vec<(Delivery, Vec<DeliveryAttempt>)>, Error> {
        self.get_payment(merchant, payment).await?;
        let deliveries = self.ports.stores.deliveries.deliveries(payment);
        Ok(self.within_store_time(self.settings.store_timeout, deliveries).await?)
    }

    /// Delivers one event of the merchant's payment again, with its schedule begun anew; without `event`, all that are
    /// not delivered, or, where every one is, all.
    pub async fn redeliver(
        &self,
        merchant: MerchantId,
        payment: PaymentId,
        event: Option<EventId>,
    ) -> Result<(), Error> {
        let all: Vec<_> = self.deliveries(merchant, payment).await?.into_iter().map(|(found, _)| found).collect();
        if event.is_some_and(|event| !all.iter().any(|delivery| delivery.event == event)) {
            return Err(Error::NotFound);
        }
        let mut messages = Vec::new();
        for delivery in chosen(all, event) {
            messages.extend(self.deliver_anew(delivery).await?.map(Message::Deliver));
        }
        self.say(messages);
        Ok(())
    }

    /// Makes one delivery due anew. `None`: it was delivered meanwhile.
    async fn deliver_anew(&self, mut delivery: Delivery) -> Result<Option<DeliveryDue>, Error> {
        let (merchant, payment, sequence) = (delivery.merchant, delivery.payment, delivery.sequence);
        let was_delivered = delivery.status == DeliveryStatus::Delivered;
        for _ in 0..RACES {
            let anew = delivery.anew(self.now());
            if self.reschedule(&delivery, &anew).await? {
                return Ok(Some(DeliveryDue { merchant, payment, sequence, attempt: anew.attempts + 1 }));
            }
            delivery = self.load_outgoing(payment, sequence).await?.ok_or(Error::NotFound)?.delivery;
            if delivery.status == DeliveryStatus::Delivered && !was_delivered {
                return Ok(None);
            }
        }
        Err(Error::Internal)
    }

    /// At most `limit` of the merchant's events in the order of their commits, those behind `after`.
    pub async fn events(
        &self,
        merchant: MerchantId,
        after: Option<EventId>,
        limit: u32,
    ) -> Result<Vec<EventRecord>, Error> {
        let events = self.ports.stores.timelines.events(merchant, after, limit);
        self.within_store_time(self.settings.store_timeout, events).await?.ok_or(Error::NotFound)
    }
}

fn chosen(mut all: Vec<Delivery>, event: Option<EventId>) -> Vec<Delivery> {
    use DeliveryStatus::Delivered;
    match event {
        Some(event) => all.retain(|delivery| delivery.event == event),
        None if all.iter().any(|delivery| delivery.status != Delivered) => {
            all.retain(|delivery| delivery.status != Delivered);
        }
        None => {}
    }
    all
}
