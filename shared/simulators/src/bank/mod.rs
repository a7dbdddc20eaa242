//! A simulated bank: domestic payments by Open Banking UK's Read/Write API 4.0, with its OAuth 2, signatures and events.
//!
//! Where the real thing leaves something to each bank, or needs what a sandbox has not:
//!
//! - Clients are taken at their word: the first key that comes under a client's id is its key ([`clients`]).
//! - What happens is chosen by `DebtorAccount.Identification` ([`debtor`]), where the debtor is exempt from approval
//!   unless its name says otherwise.
//! - A consent that nobody approves within an hour is `RJCT`: version 4.0 has no status for expiry on this resource.
//! - An idempotency key that failed is free: nothing was made under it, and after a server error neither.
//! - Faults meet the API. The pages, the token call and the keys are left alone.
//! - Refunds are payments from an account of the gateway's own (`tollgate-…`), matched by `SupplementaryData`.

mod answers;
mod authorize;
mod books;
mod clients;
mod consent;
mod consents;
mod debtor;
mod endpoint;
mod errors;
mod event;
mod jose;
mod keys;
mod money;
mod oauth;
mod page;
mod payment;
mod payments;
mod progress;
mod records;
mod requests;
mod serve;
mod shape;
mod signing;
mod state;
mod status;
mod time;
mod tokens;
mod wrong_id;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use jiff::Timestamp;
use serde_json::{Value, value::RawValue};
use tollgate_gateway::ports::Entropy;

use crate::{CallKind, Event, Interference, Provider, Reply, Transaction, provider::Changes};
use state::State;

/// Who signs: the bank's id, as a directory would have it.
const ORGANISATION: &str = "tollgate-simulated-bank";
/// The directory that knows it.
const TRUST_ANCHOR: &str = "openbanking.org.uk";

/// A simulated bank.
pub struct Bank {
    state: State,
    entropy: Arc<dyn Entropy>,
    public_url: Option<String>,
}

/// What every step of one call may need.
struct Call<'a> {
    now: Timestamp,
    /// Where payers reach this simulator, with the `/bank` prefix.
    base_url: String,
    /// Where this call came to, with the same.
    called_url: String,
    interference: &'a mut Interference,
}

impl Call<'_> {
    fn unix(&self) -> i64 {
        self.now.as_second()
    }
}

impl Bank {
    /// A bank without clients. `public_url` is where payers reach the page on which they approve, such as
    /// `http://127.0.0.1:8080`; without it, the host that the API was called by.
    pub fn new(entropy: Arc<dyn Entropy>, public_url: Option<String>) -> Self {
        Self { state: State::default(), entropy, public_url }
    }

    fn random(&self, prefix: &str, length: usize) -> String {
        const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let mut bytes = [0_u8; 32];
        self.entropy.fill(&mut bytes);
        let digits = bytes.iter().take(length).map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()]));
        prefix.chars().chain(digits).collect()
    }

    /// A random UUID (RFC 9562, version 4).
    fn uuid(&self) -> String {
        let mut bytes = [0_u8; 16];
        self.entropy.fill(&mut bytes);
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let hex = hex::encode(bytes);
        [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
    }

    /// Where a call came to, with the `/bank` prefix.
    fn called_url(request: &Request<Bytes>) -> String {
        let host = || request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        let authority =
            request.uri().authority().map(http::uri::Authority::as_str).or_else(host).unwrap_or("localhost");
        format!("{}://{authority}/bank", request.uri().scheme_str().unwrap_or("http"))
    }

    /// The request's path without the prefix under which a server puts the bank.
    fn path(request: &Request<Bytes>) -> &str {
        let path = request.uri().path();
        path.strip_prefix("/bank").unwrap_or(path)
    }

    fn is_api(request: &Request<Bytes>) -> bool {
        Self::path(request).starts_with("/open-banking/")
    }

    /// Answers what is not the payments API.
    fn serve_others(&mut self, call: &Call, request: &Request<Bytes>) -> Response<Bytes> {
        match Self::path(request) {
            "/oauth2/token" => self.serve_token(call, request),
            "/authorize" => self.serve_authorize(call, request),
            "/jwks" => {
                self.have_key();
                answers::json(200, &self.key_set())
            }
            "/.well-known/openid-configuration" => Self::serve_configuration(call),
            path => match path.strip_prefix("/clients/").and_then(|path| path.strip_suffix("/jwks")) {
                Some(client) => {
                    let client = client.to_owned();
                    self.serve_client_keys(request, &client)
                }
                None => page::say(StatusCode::NOT_FOUND, "Nothing here", "There is no such page."),
            },
        }
    }
}

impl Provider for Bank {
    fn name(&self) -> &'static str {
        "bank"
    }

    fn kind(&self, request: &Request<Bytes>) -> CallKind {
        if !Self::is_api(request) {
            return CallKind::Page;
        }
        if request.method() != Method::POST {
            return CallKind::Read;
        }
        let body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
        let debtor = body["Data"]["Initiation"]["DebtorAccount"]["Identification"].as_str().unwrap_or_default();
        CallKind::Change { pays: !debtor::is_own(debtor) }
    }

    fn handle(&mut self, now: Timestamp, request: &Request<Bytes>, interference: &mut Interference) -> Reply {
        self.let_pass(now);
        let called_url = Self::called_url(request);
        let base_url = self.public_url.as_ref().map(|root| format!("{}/bank", root.trim_end_matches('/')));
        let base_url = base_url.unwrap_or_else(|| called_url.clone());
        let mut call = Call { now, base_url, called_url, interference };
        let response =
            if Self::is_api(request) { self.serve(&mut call, request) } else { self.serve_others(&call, request) };
        Reply { response, changes: self.state.take_changes() }
    }

    fn set_running(&mut self, request: &Request<Bytes>, running: bool) {
        let Some(name) = serve::name_of(request) else { return };
        if running {
            self.state.running.insert(name);
        } else {
            self.state.running.remove(&name);
        }
    }

    fn advance(&mut self, now: Timestamp) -> Changes {
        self.let_pass(now);
        self.state.take_changes()
    }

    fn next_due(&self) -> Option<Timestamp> {
        self.state.next_due().and_then(|(at, _)| Timestamp::from_second(*at).ok())
    }

    fn transactions(&self) -> Vec<Transaction> {
        self.state.transactions()
    }

    fn event(&self, id: &str) -> Option<Event> {
        self.state.event(id).map(event::StoredEvent::to_event)
    }

    fn envelope(&self, secret: &str, now: Timestamp, body: &Arc<str>) -> Arc<str> {
        self.event_token(secret, now, body)
    }

    fn sign(&self, _secret: &str, _now: Timestamp, _body: &str) -> HeaderMap {
        self.event_headers()
    }

    fn with_wrong_id(&mut self, body: &[u8]) -> Bytes {
        self.swap_id(body)
    }

    fn give_wrong_id(&mut self, now: Timestamp, response: &mut Response<Bytes>) {
        self.swap_id_and_sign(now.as_second(), response);
    }

    fn restore(&mut self, record: &RawValue) -> Result<(), serde_json::Error> {
        self.state.restore(serde_json::from_str(record.get())?);
        Ok(())
    }

    fn snapshot(&self) -> Box<dyn Iterator<Item = Box<RawValue>> + '_> {
        Box::new(self.state.snapshot())
    }
}
