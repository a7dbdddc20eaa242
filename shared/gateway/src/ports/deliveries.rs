//! Deliveries to merchants, as the store keeps them: the due delivery is the outbox (rule 18).

use std::time::Duration;

use async_trait::async_trait;
use tollgate_domain::{Delivery, DeliveryStatus, MerchantId, PaymentId, Timestamp};

use super::{StoreError, merchants::WebhookEndpoint, queue::DeliveryDue};

/// A delivery with everything that sending it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// How it stands.
    pub delivery: Delivery,
    /// The event's body, byte for byte as it was committed.
    pub body: String,
    /// Where to; `None`: the merchant has no endpoint.
    pub endpoint: Option<WebhookEndpoint>,
}

/// One try, as it is kept and shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryAttempt {
    /// Counted from 1 within the delivery.
    pub number: u32,
    /// When it was sent.
    pub at: Timestamp,
    /// What the endpoint answered.
    pub http_status: Option<u16>,
    /// Why there was no answer, or why it did not count.
    pub error: Option<String>,
    /// How long it took.
    pub duration: Duration,
}

/// Deliveries.
#[async_trait]
pub trait Deliveries: Send + Sync + 'static {
    /// One delivery, by its event's place within the payment.
    async fn outgoing(&self, payment: PaymentId, sequence: u32) -> Result<Option<Outgoing>, StoreError>;

    /// Commits a try of `before` together with the delivery after it. `false`: it is not as it was before (a claim's push
    /// of its time aside): that try was made already, or it was begun anew or released. Nothing was written.
    async fn record_attempt(
        &self,
        before: &Delivery,
        after: &Delivery,
        attempt: &DeliveryAttempt,
    ) -> Result<bool, StoreError>;

    /// Writes `after` for `before` where no try was made: put off, waiting, or due anew. `false`: it is not as it was
    /// before (a claim's push of its time aside); nothing was written.
    async fn reschedule(&self, before: &Delivery, after: &Delivery) -> Result<bool, StoreError>;

    /// Takes at most `limit` deliveries that are due at `now` and pushes each to `until`, so that nobody else takes it
    /// meanwhile and a crash of the taker leaves it to become due again.
    async fn claim_due(&self, now: Timestamp, until: Timestamp, limit: u32) -> Result<Vec<DeliveryDue>, StoreError>;

    /// When the one that has been due longest at `now` became due; `None`: nothing is due. What is waited for, or was claimed, is not.
    async fn oldest_due(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError>;

    /// All deliveries of a payment, in order, each with its tries.
    async fn deliveries(&self, payment: PaymentId) -> Result<Vec<(Delivery, Vec<DeliveryAttempt>)>, StoreError>;
}

/// Where a delivery stands among all: by the time of its event, and of one time by payment and number.
pub type DeliveryPlace = (Timestamp, PaymentId, u32);

/// Which deliveries are looked for, whosever they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryQuery {
    /// Only this merchant's.
    pub merchant: Option<MerchantId>,
    /// Only those that stand so; empty: however they stand.
    pub statuses: Vec<DeliveryStatus>,
    /// Those whose events were made at this time or later.
    pub from: Timestamp,
    /// And before this one.
    pub until: Timestamp,
    /// Only those behind this place.
    pub after: Option<DeliveryPlace>,
    /// How many are looked at, whether they are what is looked for or not.
    pub limit: u32,
}

impl DeliveryQuery {
    /// Whether a delivery of this merchant, which stands so, is looked for.
    pub fn wants(&self, merchant: MerchantId, status: DeliveryStatus) -> bool {
        self.merchant.is_none_or(|wanted| wanted == merchant)
            && (self.statuses.is_empty() || self.statuses.contains(&status))
    }
}

/// Some deliveries that were looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveriesSeen {
    /// Those that are looked for, in order.
    pub found: Vec<Delivery>,
    /// How many were looked at.
    pub seen: u32,
    /// Where to go on; `None`: those were the last.
    pub next: Option<DeliveryPlace>,
}

/// Deliveries as operators look for them: by time.
#[async_trait]
pub trait DeliveryLists: Send + Sync + 'static {
    /// Looks through at most `limit` deliveries, in the order of their events' times.
    async fn look_through(&self, query: &DeliveryQuery) -> Result<DeliveriesSeen, StoreError>;
}
