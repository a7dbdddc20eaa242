//! A queue on topics of its own, and the messages that it is given.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use tollgate_domain::{MerchantId, PaymentId, ProviderName, Timestamp};
use tollgate_emulators::Pubsub;
use tollgate_gateway::ports::{
    Time,
    event_backlog::KeptEvent,
    provider::{News, ProviderEvent},
    queue::{DeliveryDue, Message},
};
use tollgate_messaging_pubsub::{Options, PubsubQueue, Topics};

/// What a caller that is traced says.
pub(crate) const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// Short, so that a test of it is.
pub(crate) const TIMEOUT: Duration = Duration::from_millis(1500);

/// Time as it passes.
pub(crate) struct RealTime(Instant);

#[async_trait]
#[allow(clippy::disallowed_methods, reason = "the test's own clock")]
impl Time for RealTime {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

#[allow(clippy::disallowed_methods, reason = "the test's own clock")]
pub(crate) fn clock() -> Arc<RealTime> {
    Arc::new(RealTime(Instant::now()))
}

#[allow(clippy::disallowed_methods, reason = "waits for another program")]
pub(crate) async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// Topics of the emulator's, this test's own.
pub(crate) fn topics(pubsub: &Pubsub) -> Topics {
    Topics {
        payment_events: pubsub.create_topic(),
        dead_letter: pubsub.create_topic(),
        provider_events: pubsub.create_topic(),
        settlement_shards: Some(pubsub.create_topic()),
    }
}

pub(crate) async fn queue(host: &str, topics: &Topics) -> PubsubQueue {
    queue_with_room(host, topics, 10_000).await
}

pub(crate) async fn queue_with_room(host: &str, topics: &Topics, in_flight: usize) -> PubsubQueue {
    let publish_timeout_ms = u64::try_from(TIMEOUT.as_millis()).unwrap();
    let options = Options { publish_timeout_ms, in_flight, ..Options::new(topics.clone(), Some(host.to_owned())) };
    PubsubQueue::connect(options, clock(), Arc::new(|| Some(TRACE.to_owned()))).await.unwrap()
}

/// The delivery of one event of a payment.
pub(crate) fn due(sequence: u32) -> DeliveryDue {
    let (merchant, payment) = (MerchantId::from_random([7; 16]), PaymentId::from_random([8; 16]));
    DeliveryDue { merchant, payment, sequence, attempt: 2 }
}

/// A provider's event of this id.
pub(crate) fn kept(id: &str) -> KeptEvent {
    let news = News::Changed { payment: PaymentId::from_random([8; 16]), transaction_id: "pi_1".to_owned() };
    KeptEvent {
        provider: ProviderName::Stripe,
        event: ProviderEvent { event_id: id.to_owned(), event_type: "charge.updated".to_owned(), news },
        received_at: Timestamp::UNIX_EPOCH,
        correlation_id: "c".to_owned(),
    }
}

pub(crate) fn deliver(sequence: u32) -> Message {
    Message::Deliver(due(sequence))
}
