//! Everything a bank knows. Whoever changes it here has it journaled.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use serde_json::value::{RawValue, to_raw_value};

use super::{
    clients::Client,
    consent::Consent,
    event::StoredEvent,
    keys::SigningKey,
    payment::Payment,
    records::Record,
    tokens::{Assertion, Code, Token},
};
use crate::provider::Changes;

/// How long an idempotency key is kept.
const KEY_KEPT_SECONDS: i64 = 24 * 3600;
/// How long events are kept.
const EVENTS_KEPT_SECONDS: i64 = 30 * 24 * 3600;
/// More are not kept, for the sake of memory (about 1 KB each).
const EVENTS_KEPT: usize = 50_000;

/// What changes by itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// A consent whose payer has not approved.
    Consent(String),
    /// A payment with steps ahead.
    Payment(String),
}

/// What an idempotency key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Use {
    Consent,
    Payment,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) key: Option<SigningKey>,
    pub(super) clients: BTreeMap<String, Client>,
    assertions: BTreeMap<String, Assertion>,
    tokens: BTreeMap<String, Token>,
    pub(super) codes: BTreeMap<String, Code>,
    pub(super) consents: HashMap<String, Consent>,
    /// The consents' ids, oldest first.
    order: Vec<String>,
    pub(super) payments: HashMap<String, Payment>,
    events: HashMap<String, StoredEvent>,
    events_by_age: VecDeque<(i64, String)>,
    due: BTreeSet<(i64, Due)>,
    /// What was made under an idempotency key: by use, client and key.
    made: HashMap<(Use, String, String), String>,
    /// The requests that are still being answered: by path and key.
    pub(super) running: HashSet<(String, String)>,
    changes: Changes,
}

impl State {
    pub(super) fn take_changes(&mut self) -> Changes {
        std::mem::take(&mut self.changes)
    }

    fn put(&mut self, record: Record) {
        match to_raw_value(&record) {
            Ok(record) => self.changes.records.push(record),
            Err(error) => tracing::error!(%error, "a record cannot be written as JSON"),
        }
        self.restore(record);
    }

    pub(super) fn put_key(&mut self, key: SigningKey) {
        self.put(Record::Key(key));
    }

    pub(super) fn put_client(&mut self, client: Client) {
        self.put(Record::Client(client));
    }

    pub(super) fn put_assertion(&mut self, assertion: Assertion) {
        self.put(Record::Assertion(assertion));
    }

    pub(super) fn put_token(&mut self, token: Token) {
        self.put(Record::Token(token));
    }

    pub(super) fn put_code(&mut self, code: Code) {
        self.put(Record::Code(code));
    }

    pub(super) fn put_consent(&mut self, consent: Consent) {
        self.put(Record::Consent(consent));
    }

    pub(super) fn put_payment(&mut self, payment: Payment) {
        self.put(Record::Payment(payment));
    }

    pub(super) fn put_event(&mut self, event: StoredEvent) {
        self.changes.events.push(event.to_event());
        self.put(Record::Event(event));
    }

    /// Takes in a record: a new one, or one from the journal.
    pub(super) fn restore(&mut self, record: Record) {
        match record {
            Record::Key(key) => self.key = Some(key),
            Record::Client(client) => _ = self.clients.insert(client.id.clone(), client),
            Record::Assertion(assertion) => {
                self.assertions.retain(|_, kept| kept.expires > assertion.used);
                self.assertions.insert(assertion.digest.clone(), assertion);
            }
            Record::Token(token) => {
                self.tokens.retain(|_, kept| kept.expires > token.issued);
                self.tokens.insert(token.digest.clone(), token);
            }
            Record::Revoked(digest) => _ = self.tokens.remove(&digest),
            Record::Code(code) => {
                self.codes.retain(|_, kept| kept.expires > code.issued);
                self.codes.insert(code.digest.clone(), code);
            }
            Record::Consent(consent) => self.restore_consent(consent),
            Record::Payment(payment) => self.restore_payment(payment),
            Record::Event(event) => {
                let newest = event.created;
                self.events_by_age.push_back((newest, event.id.clone()));
                self.events.insert(event.id.clone(), event);
                let is_old = |(created, _): &(i64, String)| created + EVENTS_KEPT_SECONDS <= newest;
                while self.events_by_age.len() > EVENTS_KEPT || self.events_by_age.front().is_some_and(is_old) {
                    if let Some((_, id)) = self.events_by_age.pop_front() {
                        self.events.remove(&id);
                    }
                }
            }
        }
    }

    fn restore_consent(&mut self, consent: Consent) {
        let id = consent.id.clone();
        let before = self.consents.get(&id).map(Consent::due);
        self.note_due(before.flatten(), consent.due(), Due::Consent(id.clone()));
        if before.is_none() {
            self.order.push(id.clone());
            let key = (Use::Consent, consent.client.clone(), consent.idempotency_key.clone());
            self.made.insert(key, id.clone());
        }
        self.consents.insert(id, consent);
    }

    fn restore_payment(&mut self, payment: Payment) {
        let id = payment.id.clone();
        let before = self.payments.get(&id).map(Payment::due);
        self.note_due(before.flatten(), payment.due(), Due::Payment(id.clone()));
        if before.is_none() {
            let key = (Use::Payment, payment.client.clone(), payment.idempotency_key.clone());
            self.made.insert(key, id.clone());
        }
        self.payments.insert(id, payment);
    }

    fn note_due(&mut self, before: Option<i64>, after: Option<i64>, what: Due) {
        if let Some(before) = before {
            self.due.remove(&(before, what.clone()));
        }
        if let Some(after) = after {
            self.due.insert((after, what));
        }
    }

    /// What changes next by itself, with its time in Unix seconds.
    pub(super) fn next_due(&self) -> Option<&(i64, Due)> {
        self.due.first()
    }

    /// The id of what `client` made under `key`, if that was less than a day before `now`.
    pub(super) fn made(&self, what: Use, client: &str, key: &str, now: i64) -> Option<&str> {
        let id = self.made.get(&(what, client.to_owned(), key.to_owned()))?;
        let created = match what {
            Use::Consent => self.consents.get(id)?.created,
            Use::Payment => self.payments.get(id)?.created,
        };
        (now < created + KEY_KEPT_SECONDS).then_some(id)
    }

    /// The token with this digest, if it is good at `now`.
    pub(super) fn token(&self, digest: &str, now: i64) -> Option<&Token> {
        self.tokens.get(digest).filter(|token| token.expires > now)
    }

    /// Takes a token's power away.
    pub(super) fn revoke(&mut self, digest: &str) {
        self.put(Record::Revoked(digest.to_owned()));
    }

    /// Was the assertion with this digest used, and is it still good?
    pub(super) fn is_used(&self, digest: &str, now: i64) -> bool {
        self.assertions.get(digest).is_some_and(|assertion| assertion.expires > now)
    }

    /// Notes for which token a code was changed.
    pub(super) fn code_was_used(&mut self, digest: &str, token: String) {
        if let Some(code) = self.codes.get(digest).cloned() {
            self.put_code(Code { token: Some(token), ..code });
        }
    }

    pub(super) fn event(&self, id: &str) -> Option<&StoredEvent> {
        self.events.get(id)
    }

    /// Consents, oldest first.
    pub(super) fn consents_in_order(&self) -> impl DoubleEndedIterator<Item = &Consent> {
        self.order.iter().filter_map(|id| self.consents.get(id))
    }

    /// The payment that used `consent`.
    pub(super) fn payment_of(&self, consent: &Consent) -> Option<&Payment> {
        consent.payment.as_ref().and_then(|id| self.payments.get(id))
    }

    pub(super) fn snapshot(&self) -> impl Iterator<Item = Box<RawValue>> + '_ {
        let consents = || self.consents_in_order();
        let payments = consents().filter_map(|consent| self.payment_of(consent)).cloned();
        let events = self.events_by_age.iter().filter_map(|(_, id)| self.events.get(id)).cloned();
        self.key
            .iter()
            .cloned()
            .map(Record::Key)
            .chain(self.clients.values().cloned().map(Record::Client))
            .chain(self.assertions.values().cloned().map(Record::Assertion))
            .chain(self.tokens.values().cloned().map(Record::Token))
            .chain(self.codes.values().cloned().map(Record::Code))
            .chain(consents().cloned().map(Record::Consent))
            .chain(payments.map(Record::Payment))
            .chain(events.map(Record::Event))
            .filter_map(|record| to_raw_value(&record).ok())
    }
}
