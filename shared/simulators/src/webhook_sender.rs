//! Sends what is in the outboxes, over the HTTP port, a bounded number at a time.

use std::{sync::Arc, time::Duration};

use http::{Method, Request};
use tollgate_gateway::ports::Time;

use crate::{Simulators, Webhook};

/// Webhooks under way at a time, over all providers.
const CONCURRENT: usize = 32;
/// How long an endpoint may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a webhook is held back for the next one to overtake it.
const HELD_FOR: Duration = Duration::from_millis(500);

impl Simulators {
    /// Starts sending what is due, as far as there is room. Every ended send calls this again.
    pub(crate) fn send_webhooks(self: &Arc<Self>) {
        for index in 0..self.count() {
            self.release_later(index);
            while let Some(turn) = self.next_turn() {
                let now = self.ports.time.now();
                let Some(webhook) = self.at(index).take_webhook(now) else { break };
                let simulators = Arc::clone(self);
                self.ports.spawn.spawn(Box::pin(async move {
                    simulators.send(index, webhook).await;
                    drop(turn);
                    simulators.send_webhooks();
                    simulators.bell.notify_waiters();
                }));
            }
        }
        self.bell.notify_waiters();
    }

    async fn send(&self, index: usize, webhook: Webhook) {
        let Webhook { event_id, url, headers, body } = webhook;
        let mut request = Request::new(bytes::Bytes::copy_from_slice(body.as_bytes()));
        *request.method_mut() = Method::POST;
        *request.headers_mut() = headers;
        let delivered = match url.parse() {
            Ok(uri) => {
                *request.uri_mut() = uri;
                match self.ports.http.send(request, PATIENCE).await {
                    Ok(response) => response.status().is_success(),
                    Err(error) => {
                        tracing::debug!(event_id, %error, "a simulated webhook was not answered");
                        false
                    }
                }
            }
            Err(_) => false,
        };
        let now = self.ports.time.now();
        self.at(index).webhook_settled(&event_id, delivered, now);
    }

    /// Lets the webhooks that were just held back go later, if nothing overtakes them.
    fn release_later(self: &Arc<Self>, index: usize) {
        let held = self.at(index).take_newly_held();
        for event_id in held {
            let simulators = Arc::clone(self);
            self.ports.spawn.spawn(Box::pin(async move {
                simulators.ports.time.sleep(HELD_FOR).await;
                simulators.at(index).release_webhook(&event_id);
                simulators.send_webhooks();
            }));
        }
    }

    fn next_turn(&self) -> Option<tokio::sync::OwnedSemaphorePermit> {
        Arc::clone(&self.turns).try_acquire_owned().ok()
    }

    pub(crate) fn new_turns() -> Arc<tokio::sync::Semaphore> {
        Arc::new(tokio::sync::Semaphore::new(CONCURRENT))
    }
}
