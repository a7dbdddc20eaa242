//! One try of one delivery: read, skip if that try was made, send, and commit the try with the delivery after it
//! (rule 18). A rare second send carries the same `webhook-id`.

use std::time::Duration;

use tollgate_domain::{Delivery, DeliveryStatus, PaymentId, Timestamp, Tried};
use tracing::Instrument;
use zeroize::Zeroizing;

use crate::{
    Error, Gateway,
    bounded::publish,
    endpoint_health::{Ended, Turn},
    idempotency::RACES,
    ports::{
        FailPoint,
        deliveries::{DeliveryAttempt, Outgoing},
        merchants::WebhookEndpoint,
        queue::{DeliveryDue, Message},
        webhook_sender::{SendError, Sent, Webhook},
    },
    spans,
};

/// The longest that a try takes (contract: 10 s).
pub(crate) const TRY_TIMEOUT: Duration = Duration::from_secs(10);
/// A secret that does not open is a fault of ours: the merchant's schedule does not pay for it.
const OUR_FAULT_PUTS_OFF: Duration = Duration::from_secs(10 * 60);
/// Nor for a moment in which more is under way here than there is room for.
const BUSY_PUTS_OFF: Duration = Duration::from_secs(30);
/// What Pub/Sub gave up becomes due again after this (rule 19).
const GIVEN_UP_DUE_AFTER: Duration = Duration::from_secs(60);
/// "Gone": the endpoint wants nothing more.
const GONE: u16 = 410;

/// What became of a delivery that was said to be due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// The endpoint took it.
    Delivered,
    /// It did not; the next try has its time.
    Failed,
    /// It did not, and that was the last try.
    DeadLettered,
    /// The endpoint answered 410 and is paused.
    Paused,
    /// There is no endpoint, or it is paused: it waits for one, without a try.
    WaitsForEndpoint,
    /// The endpoint is dead and others probe it: put off, without a try.
    PutOff,
    /// There was nothing to do: that try was made before.
    Skipped,
}

impl DeliveryOutcome {
    /// The name in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::DeadLettered => "dead_lettered",
            Self::Paused => "paused",
            Self::WaitsForEndpoint => "waits_for_endpoint",
            Self::PutOff => "put_off",
            Self::Skipped => "skipped",
        }
    }
}

impl Gateway {
    /// Makes the try that `due` is about, if nobody made it. An error: it is not known to be committed; the message must
    /// come again.
    pub async fn deliver(&self, due: DeliveryDue) -> Result<DeliveryOutcome, Error> {
        let gateway = self.clone();
        let outcome = self.run(async move { gateway.try_delivery(due).await }).await?;
        metrics::counter!("webhook_deliveries_total", "outcome" => outcome.as_str()).increment(1);
        Ok(outcome)
    }

    /// Pub/Sub gave a message up because its handler failed over and over: that is no word of the merchant's, so the
    /// delivery becomes due again (rule 19).
    pub async fn delivery_given_up(&self, due: DeliveryDue) -> Result<(), Error> {
        let Some(outgoing) = self.outgoing(due).await? else { return Ok(()) };
        let delivery = outgoing.delivery;
        // What waits for its endpoint is made due by whoever sets that.
        if is_about_next_try(&delivery, due) && !delivery.waits_for_endpoint {
            tracing::warn!(payment = %due.payment, sequence = due.sequence, "a delivery was given up by the queue; it is due again");
            self.put_off(&delivery, GIVEN_UP_DUE_AFTER).await?;
        }
        Ok(())
    }

    async fn try_delivery(&self, due: DeliveryDue) -> Result<DeliveryOutcome, Error> {
        let Some(Outgoing { delivery, body, endpoint }) = self.outgoing(due).await? else {
            return Ok(DeliveryOutcome::Skipped);
        };
        if !is_about_next_try(&delivery, due) {
            return self.after_the_last_try(&delivery, due.attempt).await;
        }
        let Some(endpoint) = endpoint.filter(|endpoint| endpoint.paused_at.is_none()) else {
            self.reschedule(&delivery, &delivery.without_endpoint()).await?;
            return Ok(DeliveryOutcome::WaitsForEndpoint);
        };
        let Some(secrets) = self.secrets_of(&endpoint) else {
            tracing::error!(merchant = %endpoint.merchant, "an endpoint's secret does not open with this SECRETS_KEY");
            return self.put_off(&delivery, OUR_FAULT_PUTS_OFF).await;
        };
        let in_flight = match self.health.turn(delivery.merchant) {
            Turn::Now(in_flight) => in_flight,
            // Not all of them at the same time, or they would hold others up together.
            Turn::Later(wait) => return self.put_off(&delivery, wait.mul_f64(0.75 + 0.5 * self.jitter())).await,
        };
        let sent = self.send_webhook(&delivery, &endpoint.url, &body, &secrets).await;
        match sent.not_sent {
            Some(SendError::Secret) => {
                tracing::error!(merchant = %endpoint.merchant, "an endpoint's secret opens and does not sign");
                return self.put_off(&delivery, OUR_FAULT_PUTS_OFF).await;
            }
            Some(_) => {
                tracing::warn!("too many names are looked up for a delivery to be sent; it is put off");
                return self.put_off(&delivery, BUSY_PUTS_OFF).await;
            }
            None => {}
        }
        in_flight.ended(sent.ended(), self.now());
        self.ports.fail_points.pass(FailPoint::AfterWebhook);
        self.record(delivery, endpoint, sent).await
    }

    async fn put_off(&self, delivery: &Delivery, by: Duration) -> Result<DeliveryOutcome, Error> {
        // Where it has changed meanwhile, it has its time from whoever changed it.
        self.reschedule(delivery, &delivery.put_off(self.now() + by)).await?;
        Ok(DeliveryOutcome::PutOff)
    }

    /// This try was made. If it was the last one and the message comes again, nobody may have heard that
    /// the event was given up.
    async fn after_the_last_try(&self, delivery: &Delivery, attempt: u32) -> Result<DeliveryOutcome, Error> {
        if delivery.status == DeliveryStatus::DeadLettered && attempt == delivery.attempts {
            self.say_dead_lettered(delivery).await?;
        }
        Ok(DeliveryOutcome::Skipped)
    }

    /// Every secret that signs now; `None`: the present one does not open. One before it that does not open any more, where
    /// `SECRETS_KEY` was changed, must not keep the new one from signing.
    fn secrets_of(&self, endpoint: &WebhookEndpoint) -> Option<Vec<Zeroizing<String>>> {
        let open = |sealed: &[u8]| self.ports.secrets.open(endpoint.merchant, sealed).ok().map(Zeroizing::new);
        let mut secrets = vec![open(&endpoint.sealed_secret)?];
        let now = self.now();
        for (sealed, _) in endpoint.sealed_previous.iter().filter(|(_, until)| now < *until) {
            if let Some(secret) = open(sealed) {
                secrets.push(secret);
            } else {
                let merchant = endpoint.merchant;
                tracing::error!(%merchant, "an endpoint's secret before the present one does not open with this SECRETS_KEY");
            }
        }
        Some(secrets)
    }

    async fn send_webhook(&self, delivery: &Delivery, url: &str, body: &str, secrets: &[Zeroizing<String>]) -> MadeTry {
        let (at, started) = (self.now(), self.ports.time.monotonic());
        let id = delivery.event.to_string();
        let webhook = Webhook { url, id: &id, at, body, secrets, timeout: TRY_TIMEOUT };
        let span = spans::webhook(delivery);
        let Sent { answer, retry_after } = self.ports.webhooks.send(webhook).instrument(span.clone()).await;
        match answer {
            Ok(status) => _ = span.record("http.response.status_code", i64::from(status)),
            Err(_) => spans::failed(&span),
        }
        let tried = match answer {
            Ok(200..=299) => Tried::Taken,
            Ok(GONE) => Tried::Gone,
            Ok(_) | Err(_) => Tried::Failed { retry_after },
        };
        let attempt = DeliveryAttempt {
            number: delivery.attempts + 1,
            at,
            http_status: answer.ok(),
            error: answer.err().as_ref().map(SendError::to_string),
            duration: self.ports.time.monotonic().saturating_sub(started),
        };
        let not_sent = answer.err().filter(|error| matches!(error, SendError::Secret | SendError::Busy));
        MadeTry { tried, attempt, not_sent }
    }

    async fn record(
        &self,
        mut delivery: Delivery,
        endpoint: WebhookEndpoint,
        made: MadeTry,
    ) -> Result<DeliveryOutcome, Error> {
        if made.tried == Tried::Gone {
            self.pause(endpoint).await?;
        }
        let now = self.now();
        for _ in 0..RACES {
            let next = delivery.after(made.tried, self.jitter(), now);
            let record = self.ports.stores.deliveries.record_attempt(&delivery, &next, &made.attempt);
            if self.within_store_time(self.settings.store_timeout, record).await? {
                return self.recorded(&next, &made, now).await;
            }
            // Begun anew by hand or released while it was tried: that counts, and so does the try. Or made by another.
            let Some(Outgoing { delivery: present, .. }) =
                self.load_outgoing(delivery.payment, delivery.sequence).await?
            else {
                return Ok(DeliveryOutcome::Skipped);
            };
            if present.attempts != delivery.attempts {
                // Whoever made it may have died since.
                return self.after_the_last_try(&present, made.attempt.number).await;
            }
            delivery = present;
        }
        Err(Error::Internal)
    }

    async fn recorded(&self, next: &Delivery, made: &MadeTry, now: Timestamp) -> Result<DeliveryOutcome, Error> {
        Ok(match next.status {
            DeliveryStatus::Delivered => {
                let age = Duration::try_from(now.duration_since(next.created_at)).unwrap_or_default();
                metrics::histogram!("webhook_delivery_age_seconds").record(age);
                DeliveryOutcome::Delivered
            }
            DeliveryStatus::DeadLettered => {
                tracing::warn!(
                    event = "delivery_dead_lettered", merchant = %next.merchant, payment = %next.payment,
                    sequence = next.sequence, last_status = made.attempt.http_status, last_error = made.attempt.error,
                    "a delivery was given up after its last try"
                );
                self.say_dead_lettered(next).await?;
                DeliveryOutcome::DeadLettered
            }
            _ if made.tried == Tried::Gone => DeliveryOutcome::Paused,
            _ => DeliveryOutcome::Failed,
        })
    }

    /// The endpoint wants nothing more. Where the merchant has changed it meanwhile, that counts.
    async fn pause(&self, endpoint: WebhookEndpoint) -> Result<(), Error> {
        tracing::warn!(merchant = %endpoint.merchant, "a webhook endpoint answered 410 and is paused");
        let now = self.now();
        let revision = endpoint.revision + 1;
        self.put_endpoint(&WebhookEndpoint { paused_at: Some(now), revision, updated_at: now, ..endpoint }).await?;
        Ok(())
    }

    /// For whoever subscribes to the dead-letter topic. No due row brings it back, so it is waited for: where it fails, the
    /// message of the last try comes again. What the queue loses after that is not said: the status in the store tells it.
    async fn say_dead_lettered(&self, delivery: &Delivery) -> Result<(), Error> {
        let (merchant, payment, sequence) = (delivery.merchant, delivery.payment, delivery.sequence);
        let due = DeliveryDue { merchant, payment, sequence, attempt: delivery.attempts };
        publish(&*self.ports.queue, &[Message::DeadLettered(due)]).await?;
        Ok(())
    }

    async fn outgoing(&self, due: DeliveryDue) -> Result<Option<Outgoing>, Error> {
        self.load_outgoing(due.payment, due.sequence).await
    }

    pub(crate) async fn load_outgoing(&self, payment: PaymentId, sequence: u32) -> Result<Option<Outgoing>, Error> {
        let outgoing = self.ports.stores.deliveries.outgoing(payment, sequence);
        Ok(self.within_store_time(self.settings.store_timeout, outgoing).await?)
    }

    pub(crate) async fn reschedule(&self, before: &Delivery, after: &Delivery) -> Result<bool, Error> {
        let reschedule = self.ports.stores.deliveries.reschedule(before, after);
        Ok(self.within_store_time(self.settings.store_timeout, reschedule).await?)
    }
}

/// A try that was made.
struct MadeTry {
    tried: Tried,
    attempt: DeliveryAttempt,
    /// Nothing was sent, for a reason of ours.
    not_sent: Option<SendError>,
}

impl MadeTry {
    fn ended(&self) -> Ended {
        Ended::of(self.tried == Tried::Taken, self.attempt.http_status.is_some(), self.attempt.duration)
    }
}

/// Whether the try that `due` is about is the next one: not made, and not given up.
fn is_about_next_try(delivery: &Delivery, due: DeliveryDue) -> bool {
    !delivery.is_over() && due.attempt == delivery.attempts + 1
}
