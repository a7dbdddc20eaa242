//! A server that Pub/Sub pushes to: keeps what comes, and answers as it is told.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::StatusCode,
    routing::post,
};
use tollgate_messaging::{
    Topic,
    events::PROVIDER_EVENTS,
    push::{self, Push, PushedEvent},
};

use crate::subject::pause;

/// Longer than the emulator takes for five tries.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Default)]
struct Seen {
    pushes: Vec<(Topic, Push, Bytes)>,
    events: Vec<PushedEvent>,
    /// What is answered next on `payment-events`; nothing left: 204.
    answers: VecDeque<u16>,
}

/// The server, until it is dropped.
pub(crate) struct Receiver {
    address: String,
    seen: Arc<Mutex<Seen>>,
    server: tokio::task::JoinHandle<()>,
}

impl Receiver {
    /// One that answers `answers` on `payment-events`, then 204; 204 at once on `dead-letter`.
    #[allow(clippy::disallowed_methods, reason = "the test's own server")]
    pub(crate) async fn start(answers: &[u16]) -> Self {
        let seen = Arc::new(Mutex::new(Seen { answers: answers.iter().copied().collect(), ..Seen::default() }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let routes = Router::new().route("/pubsub/{topic}", post(take)).with_state(Arc::clone(&seen));
        let server = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { address, seen, server }
    }

    /// Where `topic` is pushed to.
    pub(crate) fn url(&self, topic: Topic) -> String {
        format!("http://{}/pubsub/{}", self.address, topic.name())
    }

    /// What came so far.
    pub(crate) fn pushes(&self) -> Vec<(Topic, Push)> {
        self.seen.lock().unwrap().pushes.iter().map(|(topic, push, _)| (*topic, push.clone())).collect()
    }

    /// Where providers' events are pushed to; the first of each is not taken.
    pub(crate) fn events_url(&self) -> String {
        format!("http://{}/pubsub/{PROVIDER_EVENTS}", self.address)
    }

    /// The providers' events that came so far.
    pub(crate) fn events(&self) -> Vec<PushedEvent> {
        self.seen.lock().unwrap().events.clone()
    }

    /// The last body as it came.
    pub(crate) fn last_body(&self) -> serde_json::Value {
        serde_json::from_slice(&self.seen.lock().unwrap().pushes.last().unwrap().2).unwrap()
    }

    /// Waits until `count` have come.
    pub(crate) async fn has_got(&self, count: usize) {
        for _ in 0..PATIENCE.as_millis() / 20 {
            if self.seen.lock().unwrap().pushes.len() >= count {
                return;
            }
            pause(Duration::from_millis(20)).await;
        }
        panic!("{} of {count} pushes came: {:?}", self.pushes().len(), self.pushes().first());
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn take(State(seen): State<Arc<Mutex<Seen>>>, Path(topic): Path<String>, body: Bytes) -> StatusCode {
    if topic == PROVIDER_EVENTS {
        let event = push::read_event(&body).unwrap();
        let mut seen = seen.lock().unwrap();
        let came_before = seen.events.iter().any(|other| other.message_id == event.message_id);
        seen.events.push(event);
        return if came_before { StatusCode::NO_CONTENT } else { StatusCode::SERVICE_UNAVAILABLE };
    }
    let topic = if topic == Topic::DeadLetter.name() { Topic::DeadLetter } else { Topic::PaymentEvents };
    // As another function would read it, so that only the attributes tell what the queue gave up.
    let push = push::read(Topic::PaymentEvents, &body).unwrap();
    let mut seen = seen.lock().unwrap();
    seen.pushes.push((topic, push, body));
    let answer = if topic == Topic::PaymentEvents { seen.answers.pop_front() } else { None };
    StatusCode::from_u16(answer.unwrap_or(204)).unwrap()
}
