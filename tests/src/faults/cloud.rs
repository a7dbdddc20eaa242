//! What Google Cloud's front adds and knows: its callers' tokens, and whose a path is.
//!
//! Must not know: any fault.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tollgate_gateway::ports::Time;
use tollgate_runtime::SystemClock;

/// Whom tokens are made for.
pub const AUDIENCE: &str = "https://tollgate.example";
/// Who calls.
pub const ACCOUNT: &str = "push@tollgate.iam.gserviceaccount.com";

/// What Cloud Run hands on of a Google ID token that it has verified.
pub fn token() -> String {
    let now = SystemClock::start().now().as_second();
    let claims = json!({
        "iss": "https://accounts.google.com", "aud": AUDIENCE, "email": ACCOUNT, "email_verified": true,
        "sub": "1", "iat": now - 10, "exp": now + 3600 + 48 * 3600,
    });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!(
        "{}.{}.SIGNATURE_REMOVED_BY_GOOGLE",
        part(&json!({"alg": "RS256", "kid": "1", "typ": "JWT"})),
        part(&claims)
    )
}

/// Whose a path is.
pub fn function_of(path: &str) -> Option<&'static str> {
    let routes = [
        ("/v1/", "payments"),
        ("/return/", "payments"),
        ("/webhooks/", "provider-webhooks"),
        ("/pubsub/provider-events", "provider-webhooks"),
        ("/pubsub/settlement-shards", "settlement"),
        ("/pubsub/payment-events", "webhook-delivery"),
        ("/pubsub/dead-letter", "webhook-delivery"),
        ("/jobs/deliveries", "webhook-delivery"),
        ("/jobs/settlement", "settlement"),
        ("/jobs/", "reconciliation"),
    ];
    routes.into_iter().find(|(prefix, _)| path.starts_with(prefix)).map(|(_, function)| function)
}
