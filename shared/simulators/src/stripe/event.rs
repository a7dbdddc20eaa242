//! An event, rendered once: the same bytes are listed, sent and signed.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{API_VERSION, Call, Stripe};
use crate::{Event, shelf::Filed};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct StoredEvent {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) created: i64,
    pub(super) intent: String,
    #[serde(with = "crate::raw_json")]
    pub(super) body: Arc<str>,
}

impl Filed for StoredEvent {
    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created
    }
}

impl StoredEvent {
    pub(super) fn to_event(&self) -> Event {
        Event {
            id: self.id.clone(),
            kind: self.kind.clone(),
            payment: self.intent.clone(),
            body: Arc::clone(&self.body),
        }
    }

    pub(super) fn to_json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

impl Stripe {
    /// Tells that `object`, which belongs to `intent`, came into the state that it shows.
    pub(super) fn emit(&mut self, call: &Call, kind: &str, intent: &str, object: &Value) {
        let id = self.new_id("evt_");
        let body = json!({
            "id": id,
            "object": "event",
            "api_version": API_VERSION,
            "created": call.unix(),
            "data": {"object": object},
            "livemode": false,
            "pending_webhooks": 1,
            "request": {"id": call.request_id, "idempotency_key": call.idempotency_key},
            "type": kind,
        });
        self.state.put_event(StoredEvent {
            id,
            kind: kind.to_owned(),
            created: call.unix(),
            intent: intent.to_owned(),
            body: body.to_string().into(),
        });
    }
}
