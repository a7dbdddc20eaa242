//! A shop's endpoint for webhooks: takes only what is signed, and does each event once.

use std::{
    collections::HashSet,
    env,
    error::Error,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use serde_json::Value;
use standardwebhooks::Webhook;
use tokio::net::TcpListener;

struct Shop {
    webhook: Webhook,
    done: Mutex<HashSet<String>>,
}

async fn hooks(State(shop): State<Arc<Shop>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    if shop.webhook.verify(&body, &headers).is_err() {
        return StatusCode::UNAUTHORIZED;
    }
    let event: Value = serde_json::from_slice(&body).unwrap_or_default();
    let (Some(id), Some(kind), Some(about)) =
        (event["id"].as_str(), event["type"].as_str(), event["data"]["id"].as_str())
    else {
        return StatusCode::BAD_REQUEST;
    };
    if shop.done.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned()) {
        println!("{kind} {about}");
    }
    StatusCode::NO_CONTENT
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let webhook = Webhook::new(&env::var("WEBHOOK_SECRET")?)?;
    let shop = Arc::new(Shop { webhook, done: Mutex::default() });
    let routes = Router::new().route("/hooks", post(hooks)).with_state(shop);
    let port = env::var("HOOKS_PORT")?.parse()?;
    axum::serve(TcpListener::bind(("127.0.0.1", port)).await?, routes).await?;
    Ok(())
}
