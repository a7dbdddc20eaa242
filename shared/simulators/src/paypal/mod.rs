//! A simulated PayPal: orders, authorizations, captures, refunds and events, with the wire format of its API.
//!
//! Where PayPal leaves something open, this one does as follows. An order waits 6 hours for its payer, and an approved
//! one as long for its payment; then it is `VOIDED`, and paying it is `ORDER_EXPIRED`. A request id is bound by what
//! moved or tried to move money, a decline included, and not by what was refused before that, nor by server errors.
//! It stands for one path and body. Authorizations can be captured for 29 days, the honor period or not, and end with
//! `PAYMENT.AUTHORIZATION.VOIDED`. A reauthorization shares the money of the authorization that it renews.

mod authorization;
mod capture;
mod checkout;
mod create;
mod due;
mod endpoint;
mod errors;
mod event;
mod issues;
mod kept;
mod money;
mod notifications;
mod order;
mod order_payment;
mod page;
mod payments;
mod reading;
mod records;
mod refunds;
mod reports;
mod serve;
mod show;
mod signing;
mod sources;
mod state;
mod tokens;

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, header};
use jiff::Timestamp;
use serde_json::{Value, value::RawValue};
use tollgate_gateway::ports::Entropy;

use crate::{CallKind, Event, Interference, Provider, Reply, Transaction, provider::Changes, shelf::Filed};
use endpoint::Endpoint;
use order::Order;
use show::Show;
use signing::{CERTIFICATES, WebhookKey};
use state::State;

/// A simulated PayPal account.
pub struct PayPal {
    state: State,
    entropy: Arc<dyn Entropy>,
    public_url: Option<String>,
    /// The key of the state, once it was needed.
    key: OnceLock<WebhookKey>,
}

/// What every step of one call may need.
struct Call<'a> {
    now: Timestamp,
    request_id: Option<String>,
    /// Where callers and payers reach this simulator, with the `/paypal` prefix.
    base_url: String,
    interference: &'a mut Interference,
}

impl Call<'_> {
    fn unix(&self) -> i64 {
        self.now.as_second()
    }
}

impl PayPal {
    /// An empty account. `public_url` is where payers reach the approval pages, and others the certificate, such as
    /// `http://127.0.0.1:8080`; without it, the host that the API was called by.
    pub fn new(entropy: Arc<dyn Entropy>, public_url: Option<String>) -> Self {
        Self { state: State::default(), entropy, public_url, key: OnceLock::new() }
    }

    /// An id as orders and payments have it.
    fn new_id(&self) -> String {
        self.random("", 17).to_ascii_uppercase()
    }

    fn random(&self, prefix: &str, length: usize) -> String {
        const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let mut bytes = vec![0_u8; length];
        self.entropy.fill(&mut bytes);
        let digits = bytes.iter().map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()]));
        prefix.chars().chain(digits).collect()
    }

    fn random_hex(&self, prefix: &str, length: usize) -> String {
        let mut bytes = vec![0_u8; length.div_ceil(2)];
        self.entropy.fill(&mut bytes);
        prefix.to_owned() + &hex::encode(bytes)[..length]
    }

    fn uuid(&self) -> String {
        let parts = [8, 4, 4, 4, 12].map(|length| self.random_hex("", length));
        parts.join("-")
    }

    /// Where this simulator is reached, without a call that says so.
    fn known_address(&self) -> String {
        match &self.public_url {
            Some(url) => format!("{}/paypal", url.trim_end_matches('/')),
            None => self.state.address.clone(),
        }
    }

    fn base_url(&self, request: &Request<Bytes>) -> String {
        if self.public_url.is_some() {
            return self.known_address();
        }
        let host = || request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        let authority =
            request.uri().authority().map(http::uri::Authority::as_str).or_else(host).unwrap_or("localhost");
        let scheme = request.uri().scheme_str().unwrap_or("http");
        format!("{scheme}://{authority}/paypal")
    }

    /// The request's path without the prefix under which a server puts PayPal.
    fn path(request: &Request<Bytes>) -> &str {
        let path = request.uri().path();
        path.strip_prefix("/paypal").unwrap_or(path)
    }

    fn is_api(path: &str) -> bool {
        path.starts_with("/v1/") || path.starts_with("/v2/")
    }

    fn show<'a>(&'a self, call: &'a Call) -> Show<'a> {
        Show { state: &self.state, base: &call.base_url }
    }

    /// The id of another object of the kind that has this one, or one that nothing has.
    fn other_id(&self, id: &str) -> String {
        fn other<'a, T: Filed + 'a>(shelf: &'a crate::shelf::Shelf<T>, id: &str) -> Option<&'a str> {
            shelf.get(id)?;
            shelf.newest_first(0..=i64::MAX, None).map(Filed::id).find(|other| *other != id)
        }
        let State { orders, authorizations, captures, refunds, .. } = &self.state;
        let found = other(orders, id)
            .or_else(|| other(authorizations, id))
            .or_else(|| other(captures, id))
            .or_else(|| other(refunds, id));
        found.map_or_else(|| self.new_id(), ToOwned::to_owned)
    }
}

impl Provider for PayPal {
    fn name(&self) -> &'static str {
        "paypal"
    }

    /// Tokens, the certificate and the report that a job reads by the hour are no business of faults: a fault meets the call that it was armed for.
    fn kind(&self, request: &Request<Bytes>) -> CallKind {
        let path = Self::path(request);
        if !Self::is_api(path) || path.starts_with(CERTIFICATES) {
            return CallKind::Page;
        }
        let pays = match Endpoint::find(request.method(), path) {
            Some(Endpoint::Token | Endpoint::Transactions) => return CallKind::Page,
            Some(Endpoint::AuthorizeOrder(_) | Endpoint::CaptureOrder(_)) => true,
            Some(Endpoint::CreateOrder) => {
                serde_json::from_slice::<Value>(request.body()).is_ok_and(|body| !body["payment_source"].is_null())
            }
            Some(endpoint) if endpoint.changes() => false,
            _ => return CallKind::Read,
        };
        CallKind::Change { pays }
    }

    fn handle(&mut self, now: Timestamp, request: &Request<Bytes>, interference: &mut Interference) -> Reply {
        let base_url = self.base_url(request);
        self.state.put_address(&base_url);
        self.let_pass(now);
        let mut call =
            Call { now, request_id: serve::request_id(request).map(ToOwned::to_owned), base_url, interference };
        let path = Self::path(request);
        let response = match path.strip_prefix(CERTIFICATES) {
            Some(id) if request.method() == Method::GET => self.certificate(id),
            _ if Self::is_api(path) => self.serve(&mut call, request),
            _ => self.page(&call, request),
        };
        Reply { response, changes: self.state.take_changes() }
    }

    fn set_running(&mut self, request: &Request<Bytes>, running: bool) {
        let Some(endpoint) = Endpoint::find(request.method(), Self::path(request)) else { return };
        if !endpoint.changes() {
            return;
        }
        let id = serve::request_id(request).filter(|_| endpoint.kept_seconds().is_some());
        for busy in [id, endpoint.resource()].into_iter().flatten() {
            self.state.kept.set_running(busy, running);
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

    fn prepare_to_sign(&mut self) -> Changes {
        self.make_key();
        self.state.take_changes()
    }

    fn sign(&self, secret: &str, now: Timestamp, body: &str) -> HeaderMap {
        self.signed(secret, now, body)
    }

    fn with_wrong_id(&mut self, body: &[u8]) -> Bytes {
        let Ok(mut value) = serde_json::from_slice::<Value>(body) else { return Bytes::copy_from_slice(body) };
        let Some(id) = value.get("id").and_then(Value::as_str) else { return Bytes::copy_from_slice(body) };
        value["id"] = self.other_id(id).into();
        value.to_string().into()
    }

    fn restore(&mut self, record: &RawValue) -> Result<(), serde_json::Error> {
        self.state.restore(serde_json::from_str(record.get())?);
        Ok(())
    }

    fn snapshot(&self) -> Box<dyn Iterator<Item = Box<RawValue>> + '_> {
        Box::new(self.state.snapshot())
    }
}
