//! The queue under test, and messages for it.

use std::{path::Path, sync::Arc, time::Duration};

use tollgate_domain::{MerchantId, PaymentId};
use tollgate_gateway::ports::{
    Queue, Spawn,
    queue::{DeliveryDue, Message},
    spawn::Task,
};
use tollgate_messaging::{Consumer, EmbeddedQueue, Handler, Limits, Options};

use crate::clock::Clock;

pub(crate) struct Tasks;

impl Spawn for Tasks {
    #[allow(clippy::disallowed_methods, reason = "a test's spawn port")]
    fn spawn(&self, task: Task) {
        tokio::spawn(task);
    }
}

/// A queue in memory on a clock that stands.
pub(crate) fn queue() -> (EmbeddedQueue, Arc<Clock>) {
    let clock = Clock::standing();
    (EmbeddedQueue::in_memory(Options::default(), clock.clone()).unwrap(), clock)
}

/// A queue on a file, with the real clock.
pub(crate) fn on_file(path: &Path) -> EmbeddedQueue {
    EmbeddedQueue::open(path, Options::default(), Clock::real()).unwrap()
}

pub(crate) fn consume(queue: &EmbeddedQueue, handler: &Arc<impl Handler>) -> Consumer {
    consume_within(queue, handler, Limits::default())
}

pub(crate) fn consume_within(queue: &EmbeddedQueue, handler: &Arc<impl Handler>, limits: Limits) -> Consumer {
    let spawn: Arc<dyn Spawn> = Arc::new(Tasks);
    queue.consume(handler.clone(), limits, &spawn).unwrap()
}

pub(crate) fn merchant(number: u32) -> MerchantId {
    MerchantId::from_random(bytes(number))
}

/// The `payment`th thing that is due to a merchant.
pub(crate) fn due(of: u32, payment: u32) -> DeliveryDue {
    let payment = PaymentId::from_random(bytes(of.wrapping_mul(1_000_000) + payment));
    DeliveryDue { merchant: merchant(of), payment, sequence: 1, attempt: 1 }
}

pub(crate) fn message(of: u32, payment: u32) -> Message {
    Message::Deliver(due(of, payment))
}

pub(crate) fn messages(of: u32, count: u32) -> Vec<Message> {
    (0..count).map(|payment| message(of, payment)).collect()
}

pub(crate) fn merchant_of(message: &Message) -> MerchantId {
    message.due().merchant
}

/// Spread like random ones, so that merchants are not in the order of their numbers.
fn bytes(number: u32) -> [u8; 16] {
    (u128::from(number) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835).to_be_bytes()
}

/// Waits until nothing that is due waits and nothing is in flight.
#[allow(clippy::disallowed_methods, reason = "a test waits for real")]
pub(crate) async fn quiet(queue: &EmbeddedQueue) {
    for _ in 0..20_000 {
        if queue.is_quiet().await.unwrap() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("it never became quiet: {:?}", queue.standing().await);
}

pub(crate) async fn publish(queue: &EmbeddedQueue, messages: &[Message]) {
    assert_eq!(queue.publish(messages).await.unwrap(), 0);
}
