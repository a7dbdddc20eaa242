//! The built-in merchant endpoint: takes webhooks, verifies them as a merchant would, shows what came, and answers as it is
//! told to. What it has received is kept in a file, whole before it is answered: it stands for a merchant's own system,
//! which a kill of the gateway does not touch.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::Context;
use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};
use standardwebhooks::Webhook;
use tollgate_api::{Problem, strict_json};
use tollgate_domain::MerchantId;
use tollgate_gateway::{
    ports::{Endpoints, Time},
    secrets::SecretsKey,
};

/// Its path.
pub(crate) const PATH: &str = "/sandbox/inbox";
/// The longest that an answer is held back.
const DELAY_AT_MOST_MS: i64 = 120_000;

/// The endpoint. Cloning shares it.
#[derive(Clone)]
pub(crate) struct Inbox(Arc<Inner>);

struct Inner {
    received: Mutex<Received>,
    behaviour: Mutex<Option<Behaviour>>,
    /// What each merchant's endpoint signs with, as last seen.
    secrets: Mutex<Vec<String>>,
    merchants: Vec<MerchantId>,
    endpoints: Arc<dyn Endpoints>,
    secrets_key: SecretsKey,
    time: Arc<dyn Time>,
}

/// Lines of JSON, one for each webhook: memory stays flat however many come.
struct Received {
    file: File,
    /// Where the last whole line ends.
    end: u64,
}

/// How the next webhooks are answered.
#[derive(Debug, Clone, Copy)]
struct Behaviour {
    status: StatusCode,
    /// How many more; `None`: until told otherwise.
    times: Option<u32>,
    delay: Duration,
    retry_after: Option<u32>,
}

impl Inbox {
    /// The inbox of these merchants, with what it received before.
    pub(crate) fn open(
        file: &Path,
        merchants: Vec<MerchantId>,
        endpoints: Arc<dyn Endpoints>,
        secrets_key: SecretsKey,
        time: Arc<dyn Time>,
    ) -> anyhow::Result<Self> {
        let received = Received::open(file).with_context(|| format!("{} cannot be used", file.display()))?;
        let (behaviour, secrets) = (Mutex::default(), Mutex::default());
        Ok(Self(Arc::new(Inner {
            received: Mutex::new(received),
            behaviour,
            secrets,
            merchants,
            endpoints,
            secrets_key,
            time,
        })))
    }

    /// Whether a merchant who knows the present secrets accepts this.
    async fn verifies(&self, headers: &HeaderMap, body: &[u8]) -> bool {
        let accepted = |secrets: &[String]| secrets.iter().any(|secret| accepts(secret, headers, body));
        if accepted(&lock(&self.0.secrets)) {
            return true;
        }
        // Perhaps a secret was rotated meanwhile.
        let mut secrets = Vec::new();
        for merchant in &self.0.merchants {
            let Ok(Some(endpoint)) = self.0.endpoints.endpoint(*merchant).await else { continue };
            secrets.extend(self.0.secrets_key.open(*merchant, &endpoint.sealed_secret));
        }
        let verified = accepted(&secrets);
        *lock(&self.0.secrets) = secrets;
        verified
    }

    /// How the next webhook is answered, if otherwise than with 200: the status, and for how many more.
    pub(crate) fn behaviour(&self) -> Option<(u16, Option<u32>)> {
        lock(&self.0.behaviour).map(|now| (now.status.as_u16(), now.times))
    }

    fn next_answer(&self) -> Option<Behaviour> {
        let mut behaviour = lock(&self.0.behaviour);
        let now = (*behaviour)?;
        match now.times {
            Some(times) if times <= 1 => *behaviour = None,
            Some(times) => *behaviour = Some(Behaviour { times: Some(times - 1), ..now }),
            None => {}
        }
        Some(now)
    }
}

impl Received {
    fn open(path: &Path) -> std::io::Result<Self> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        // A line that a kill has torn was never answered.
        let end = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last as u64 + 1);
        file.set_len(end)?;
        Ok(Self { file, end })
    }

    fn append(&mut self, entry: &Value) -> std::io::Result<()> {
        let mut line = entry.to_string();
        line.push('\n');
        self.file.seek(SeekFrom::Start(self.end))?;
        self.file.write_all(line.as_bytes())?;
        self.end += line.len() as u64;
        Ok(())
    }

    /// All of them, as a JSON array.
    fn list(&mut self) -> std::io::Result<Vec<u8>> {
        let mut array = vec![b'['];
        self.file.seek(SeekFrom::Start(0))?;
        (&mut self.file).take(self.end).read_to_end(&mut array)?;
        // The last line has no other behind it.
        if array.last() == Some(&b'\n') {
            array.pop();
        }
        for byte in &mut array {
            // JSON has no line end but between the entries.
            if *byte == b'\n' {
                *byte = b',';
            }
        }
        array.push(b']');
        Ok(array)
    }

    fn clear(&mut self) -> std::io::Result<()> {
        self.end = 0;
        self.file.set_len(0)
    }
}

/// Whether a shop's library would take it: signed, and just now.
fn accepts(secret: &str, headers: &HeaderMap, body: &[u8]) -> bool {
    Webhook::new(secret).is_ok_and(|webhook| webhook.verify(body, headers).is_ok())
}

/// What people and tests call.
pub(crate) fn router(inbox: Inbox) -> Router {
    Router::new().route(PATH, get(list).delete(clear)).route("/sandbox/inbox/behaviour", post(behave)).with_state(inbox)
}

/// What the gateway calls: a merchant's own system, whose failures are none of ours to log or count.
pub(crate) fn endpoint(inbox: Inbox) -> Router {
    Router::new().route(PATH, post(receive)).with_state(inbox)
}

async fn receive(State(inbox): State<Inbox>, headers: HeaderMap, body: Bytes) -> Result<Response, Problem> {
    let verified = inbox.verifies(&headers, &body).await;
    let behaviour = inbox.next_answer();
    let status = behaviour.map_or(StatusCode::OK, |behaviour| behaviour.status);
    let shown: BTreeMap<_, _> =
        headers.iter().map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes()))).collect();
    let entry = json!({
        "headers": shown,
        "body": String::from_utf8_lossy(&body),
        "verified": verified,
        "at": inbox.0.time.now().to_string(),
        "answered": status.as_u16(),
    });
    lock(&inbox.0.received).append(&entry).map_err(Problem::internal)?;
    let mut response = status.into_response();
    if let Some(behaviour) = behaviour {
        inbox.0.time.sleep(behaviour.delay).await;
        if let Some(seconds) = behaviour.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
    }
    Ok(response)
}

async fn list(State(inbox): State<Inbox>) -> Result<Response, Problem> {
    let array = lock(&inbox.0.received).list().map_err(Problem::internal)?;
    Ok(([(header::CONTENT_TYPE, "application/json")], array).into_response())
}

async fn clear(State(inbox): State<Inbox>) -> Result<Json<Value>, Problem> {
    lock(&inbox.0.received).clear().map_err(Problem::internal)?;
    Ok(Json(json!([])))
}

/// How the next webhooks are answered: `{"status":500,"times":3,"delay_ms":0}`.
pub(crate) async fn behave(State(inbox): State<Inbox>, body: Bytes) -> Result<Json<Value>, Problem> {
    let mut fields = strict_json::read_object(&body)?;
    let status = fields.optional_integer("status", 200..=599);
    let times = fields.optional_integer("times", 1..=i64::from(u32::MAX));
    let delay = fields.optional_integer("delay_ms", 0..=DELAY_AT_MOST_MS);
    let retry_after = fields.optional_integer("retry_after", 0..=i64::from(u32::MAX));
    fields.finish()?;
    let small = |value: Option<i64>| value.and_then(|value| u32::try_from(value).ok());
    let status = status?.and_then(|status| StatusCode::from_u16(u16::try_from(status).ok()?).ok());
    let (status, times) = (status.unwrap_or(StatusCode::OK), small(times?));
    let delay_ms = small(delay?).unwrap_or_default();
    let retry_after = small(retry_after?);
    let delay = Duration::from_millis(u64::from(delay_ms));
    *lock(&inbox.0.behaviour) = Some(Behaviour { status, times, delay, retry_after });
    Ok(Json(json!({"status": status.as_u16(), "times": times, "delay_ms": delay_ms, "retry_after": retry_after})))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
