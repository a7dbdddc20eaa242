//! A simulated Stripe: payment intents, charges, refunds and events, with the wire format of its API.

mod amounts;
mod answers;
mod attempt;
mod balance;
mod cancel;
mod capture;
mod cards;
mod charge;
mod create;
mod endpoint;
mod errors;
mod event;
mod expand;
mod intent;
mod lists;
mod page;
mod params;
mod records;
mod refund;
mod refunds;
mod serve;
mod signature;
mod state;
mod three_d_secure;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, header};
use jiff::Timestamp;
use serde_json::value::RawValue;
use tollgate_gateway::ports::Entropy;

use crate::{CallKind, Event, Interference, Provider, Reply, Transaction, provider::Changes};
use endpoint::Endpoint;
use params::Params;
use state::State;

/// The API version that this simulator speaks unless the caller names another.
const API_VERSION: &str = "2026-10-28.endive";

/// A simulated Stripe account.
pub struct Stripe {
    state: State,
    entropy: Arc<dyn Entropy>,
    public_url: Option<String>,
}

/// What every step of one call may need.
struct Call<'a> {
    now: Timestamp,
    request_id: Option<String>,
    idempotency_key: Option<String>,
    /// Where payers reach this simulator, with the `/stripe` prefix.
    base_url: String,
    interference: &'a mut Interference,
}

impl Call<'_> {
    fn unix(&self) -> i64 {
        self.now.as_second()
    }
}

impl Stripe {
    /// An empty account. `public_url` is where payers reach the 3-D Secure pages, such as `http://127.0.0.1:8080`;
    /// without it, the host that the API was called by.
    pub fn new(entropy: Arc<dyn Entropy>, public_url: Option<String>) -> Self {
        Self { state: State::default(), entropy, public_url }
    }

    fn new_id(&self, prefix: &str) -> String {
        self.random(prefix, 24)
    }

    fn random(&self, prefix: &str, length: usize) -> String {
        const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let mut bytes = [0_u8; 32];
        self.entropy.fill(&mut bytes);
        let digits = bytes.iter().take(length).map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()]));
        prefix.chars().chain(digits).collect()
    }

    fn base_url(&self, request: &Request<Bytes>) -> String {
        let host = || request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        let authority =
            request.uri().authority().map(http::uri::Authority::as_str).or_else(host).unwrap_or("localhost");
        let scheme = request.uri().scheme_str().unwrap_or("http");
        let root = self.public_url.clone().unwrap_or_else(|| format!("{scheme}://{authority}"));
        format!("{}/stripe", root.trim_end_matches('/'))
    }

    /// The request's path without the prefix under which a server puts Stripe.
    fn path(request: &Request<Bytes>) -> &str {
        let path = request.uri().path();
        path.strip_prefix("/stripe").unwrap_or(path)
    }
}

impl Provider for Stripe {
    fn name(&self) -> &'static str {
        "stripe"
    }

    fn kind(&self, request: &Request<Bytes>) -> CallKind {
        let path = Self::path(request);
        // What a job reads by the hour is no business of faults: one meets the call that it was armed for.
        if !path.starts_with("/v1/") || path.starts_with("/v1/balance_transactions") {
            return CallKind::Page;
        }
        if request.method() != Method::POST {
            return CallKind::Read;
        }
        let pays = match Endpoint::find(request.method(), path) {
            Some(Endpoint::Confirm(_)) => true,
            Some(Endpoint::CreateIntent) => {
                Params::parse(request.body()).is_ok_and(|params| params.text("confirm") == Some("true"))
            }
            _ => false,
        };
        CallKind::Change { pays }
    }

    fn handle(&mut self, now: Timestamp, request: &Request<Bytes>, interference: &mut Interference) -> Reply {
        self.let_pass(now);
        let mut call =
            Call { now, request_id: None, idempotency_key: None, base_url: self.base_url(request), interference };
        let response = if Self::path(request).starts_with("/v1/") {
            self.serve(&mut call, request)
        } else {
            self.page(&mut call, request)
        };
        Reply { response, changes: self.state.take_changes() }
    }

    fn set_running(&mut self, request: &Request<Bytes>, running: bool) {
        if let Some(key) = serve::idempotency_key(request) {
            self.state.answers.set_running(key, running);
        }
    }

    fn advance(&mut self, now: Timestamp) -> Changes {
        self.let_pass(now);
        self.state.take_changes()
    }

    fn next_due(&self) -> Option<Timestamp> {
        self.state.agenda.next_due()
    }

    fn transactions(&self) -> Vec<Transaction> {
        self.state.transactions()
    }

    fn event(&self, id: &str) -> Option<Event> {
        self.state.events.get(id).map(event::StoredEvent::to_event)
    }

    fn sign(&self, secret: &str, now: Timestamp, body: &str) -> HeaderMap {
        signature::headers(secret, now, body)
    }

    fn with_wrong_id(&mut self, body: &[u8]) -> Bytes {
        self.swap_id(body)
    }

    fn restore(&mut self, record: &RawValue) -> Result<(), serde_json::Error> {
        self.state.restore(serde_json::from_str(record.get())?);
        Ok(())
    }

    fn snapshot(&self) -> Box<dyn Iterator<Item = Box<RawValue>> + '_> {
        Box::new(self.state.snapshot())
    }
}
