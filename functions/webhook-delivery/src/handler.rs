//! The handler of the queue's messages, the same for Pub/Sub's push and for the embedded queue.

use async_trait::async_trait;
use tollgate_gateway::{
    Error, Gateway,
    ports::queue::{Handled, Message},
};
use tollgate_messaging::{Delivered, Handler};
use tollgate_runtime::trace::consumed;

/// Makes the tries that messages are about.
pub struct DeliveryHandler {
    gateway: Gateway,
}

impl DeliveryHandler {
    /// A handler that works with these use-cases.
    pub fn new(gateway: Gateway) -> Self {
        Self { gateway }
    }

    async fn take(&self, delivered: Delivered) -> Result<(), Error> {
        match delivered.message {
            // The queue gave up on us, not the merchant on the event (rule 19).
            Message::Deliver(due) if delivered.dead_lettered => self.gateway.delivery_given_up(due).await,
            Message::Deliver(due) => self.gateway.deliver(due).await.map(drop),
            // Said for whoever subscribes to the topic; the store holds what the merchant sees.
            Message::DeadLettered(_) => Ok(()),
        }
    }
}

#[async_trait]
impl Handler for DeliveryHandler {
    async fn handle(&self, delivered: Delivered) -> Handled {
        // In the trace of whoever published it: payment, event and delivery are one.
        let (topic, traceparent) = (delivered.topic().name(), delivered.traceparent.clone());
        match consumed(topic, traceparent.as_deref(), self.take(delivered)).await {
            Ok(()) => Handled::Ack,
            Err(error) => {
                tracing::warn!(%error, "a delivery's try is not known to be recorded; its message comes again");
                Handled::Retry
            }
        }
    }
}
