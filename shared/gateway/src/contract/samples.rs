//! Samples: payments in every state, made by the domain's own transitions, with the change sets that led there.
//!
//! Everything is counted out from a seed: two of the same seed are equal, two of different seeds share nothing.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tollgate_domain::{
    Attempt, BootId, CaptureMethod, ChangeId, Currency, Details, EventId, Exception, ExceptionChange, ExceptionKind,
    KeyHash, Lease, MerchantId, Money, Movement, NewPayment, PaymentId, ProviderName, ProviderRecord,
    ProviderRequestId, RecordState, RefundId, Timestamp, exception::Found,
};

use super::story::Story;
use crate::reconcile::exception_id;
use crate::records::{ProviderCall, ProviderReference, ReceivedEvent};

/// How long a sample's lease lasts.
const LEASE: Duration = Duration::from_secs(15);

/// Counts out ids, keys and everything else that must differ.
#[derive(Debug)]
pub struct Samples {
    seed: u64,
    count: AtomicU64,
    /// Whose payments they are.
    pub merchant: MerchantId,
}

impl Samples {
    /// Samples that share nothing with those of another seed.
    pub fn new(seed: u64) -> Self {
        let mut samples = Self { seed, count: AtomicU64::new(0), merchant: MerchantId::from_random([0; 16]) };
        samples.merchant = samples.merchant();
        samples
    }

    /// The time at which every story begins.
    pub fn start() -> Timestamp {
        Timestamp::from_microsecond(1_760_000_000_123_456).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// Sixteen bytes that no other call gives.
    pub fn bytes(&self) -> [u8; 16] {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        // Mixed, so that ids are in no order, as random ones are; seed and count keep them apart.
        let mixed = (self.seed ^ count).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29) ^ self.seed;
        let mixed = u128::from(mixed.wrapping_mul(0xbf58_476d_1ce4_e5b9));
        (mixed << 64 | u128::from(self.seed) << 40 | u128::from(count)).to_be_bytes()
    }

    /// A digest that no other call gives.
    pub fn key(&self) -> KeyHash {
        let mut key = [0; 32];
        key[..16].copy_from_slice(&self.bytes());
        key[16..].copy_from_slice(&self.bytes());
        KeyHash(key)
    }

    /// The id of a change.
    pub fn change_id(&self) -> ChangeId {
        ChangeId::from_random(self.bytes())
    }

    /// The id of a payment.
    pub fn payment_id(&self) -> PaymentId {
        PaymentId::from_random(self.bytes())
    }

    /// The id of a refund.
    pub fn refund_id(&self) -> RefundId {
        RefundId::from_random(self.bytes())
    }

    /// The id of an event.
    pub fn event_id(&self) -> EventId {
        EventId::from_random(self.bytes())
    }

    /// The id of a merchant.
    pub fn merchant(&self) -> MerchantId {
        MerchantId::from_random(self.bytes())
    }

    /// Fresh material for a call, leased from `now`.
    pub fn attempt(&self, now: Timestamp) -> Attempt {
        Attempt {
            request_id: ProviderRequestId::from_random(self.bytes()),
            lease: Lease { owner: BootId::from_random(self.bytes()), call_until: now + LEASE },
        }
    }

    /// A payment about to be made: 1000 yen by card, captured by hand.
    pub fn new_payment(&self) -> NewPayment {
        NewPayment {
            id: self.payment_id(),
            merchant: self.merchant,
            amount: yen(1000),
            provider: ProviderName::Stripe,
            payment_method: "pm_card_visa".to_owned(),
            return_url: "https://pay.example/return/1".to_owned(),
            capture_method: CaptureMethod::Manual,
            details: Details {
                merchant_reference: Some("order 1".to_owned()),
                description: Some("A pair of shoes".to_owned()),
                metadata: [("cart".to_owned(), "7".to_owned())].into(),
                return_url: Some("https://shop.example/thanks".to_owned()),
            },
        }
    }

    /// A story that begins with [`Samples::new_payment`].
    pub fn opened(&self) -> Story<'_> {
        Story::open(self, self.new_payment(), Self::start())
    }

    /// A story of a payment with nothing in it that may be left out, up to a refund without a reason.
    pub fn bare(&self) -> Story<'_> {
        let new = NewPayment { details: Details::default(), ..self.new_payment() };
        let story = Story::open(self, new, Self::start()).authorized().capture_requested(1000).captured(1000);
        let mut story = story.settled().refund_requested(100);
        if let Some(refund) = story.last_mut().payment.as_mut().and_then(|change| change.refund.as_mut()) {
            refund.reason = None;
        }
        story
    }

    /// A call made from the present version of the story.
    pub fn call(&self, story: &Story<'_>) -> ProviderCall {
        ProviderCall {
            id: self.change_id(),
            payment: story.payment.id,
            operation: story.payment.operations,
            version: story.payment.version,
            provider: story.payment.provider,
            call: "authorize".to_owned(),
            outcome: "succeeded".to_owned(),
            http_status: Some(200),
            reference: Some("req_7".to_owned()),
            provider_code: None,
            duration: Duration::from_micros(123_456),
            at: story.now,
            correlation_id: "corr-call".to_owned(),
        }
    }

    /// An event taken at the present version of the story.
    pub fn event(&self, story: &Story<'_>) -> ReceivedEvent {
        ReceivedEvent {
            provider: story.payment.provider,
            event_id: self.change_id().to_string(),
            event_type: "payment_intent.succeeded".to_owned(),
            payment: story.payment.id,
            version: story.payment.version,
            effect: false,
            at: story.now,
            correlation_id: "corr-event".to_owned(),
        }
    }

    /// A reference that belongs to the story's payment.
    pub fn reference(&self, story: &Story<'_>) -> ProviderReference {
        ProviderReference {
            provider: story.payment.provider,
            reference: self.change_id().to_string(),
            payment: story.payment.id,
        }
    }

    /// An exception that was just opened: the record of this id says 900 yen.
    pub fn exception(record: &str, now: Timestamp) -> (Exception, ExceptionChange) {
        let (provider, kind) = (ProviderName::Stripe, ExceptionKind::Amount);
        let record = ProviderRecord {
            id: record.to_owned(),
            movement: Movement::Capture,
            payment: Some(PaymentId::from_random([7; 16])),
            refund: None,
            transaction: Some("pi_1".to_owned()),
            amount: Some(yen(900)),
            currency: Some(yen(900).currency()),
            state: RecordState::Completed,
            at: Self::start(),
        };
        let id = exception_id(provider, kind, &record.id);
        let found = Found { provider, kind, record, our_amount: Some(yen(1000)), our_state: "CAPTURED".to_owned() };
        Exception::open(id, found, "provider-records", now)
    }

    /// A story for every state that a payment can be in, by name.
    pub fn every_state(&self) -> Vec<(&'static str, Story<'_>)> {
        vec![
            ("pending", self.opened()),
            ("pending, outcome unknown", self.opened().unknown()),
            ("pending, next step", self.opened().advanced()),
            ("pending, payer's turn", self.opened().payer_must_act()),
            ("pending, void remembered", self.opened().void_requested()),
            ("authorized", self.opened().authorized()),
            ("authorized, void open", self.opened().void_requested().authorized()),
            ("authorized, capture open", self.opened().authorized().capture_requested(400)),
            ("authorized, capture refused", self.opened().authorized().capture_requested(400).refused()),
            ("captured", self.opened().authorized().capture_requested(400).captured(400)),
            ("captured at once", self.opened().captured(1000)),
            ("settled", self.settled()),
            ("settled, refund open", self.settled().refund_requested(100)),
            ("settled, partly refunded", self.settled().refund_requested(100).refund_completed()),
            ("settled, refund failed", self.settled().refund_requested(100).refused()),
            ("refunded", self.settled().refund_requested(1000).refund_completed()),
            ("failed", self.opened().refused()),
            ("failed, late success open", self.opened().refused().captured(1000)),
            ("voided", self.opened().authorized().void_requested().voided()),
        ]
    }

    fn settled(&self) -> Story<'_> {
        self.opened().authorized().capture_requested(1000).captured(1000).settled()
    }
}

/// So many yen.
pub fn yen(minor: i64) -> Money {
    money(minor, "JPY")
}

/// So many minor units.
pub fn money(minor: i64, code: &str) -> Money {
    let currency: Currency = code.parse().expect("a currency of ISO 4217");
    Money::new(minor, currency).expect("an amount in range")
}
