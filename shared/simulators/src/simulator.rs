//! One simulated provider with what surrounds it: armed faults, undelivered webhooks and a journal. Synchronous.

use std::{path::Path, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use jiff::Timestamp;
use serde_json::value::RawValue;

use crate::{
    Endpoint, Event, Fault, FaultKind, Interference, JournalError, Provider, Transaction, Webhook,
    faults::Faults,
    journal::{Entry, Journal},
    mangle,
    outbox::{Outbox, Undelivered},
    provider::Changes,
};

/// How long a call hangs when its fault does not say.
const HANG: Duration = Duration::from_secs(60);
/// How long a slow call takes when its fault does not say.
const SLOW: Duration = Duration::from_secs(2);

/// A simulated provider, called inline by tests and simulations, or from the HTTP shell.
pub struct Simulator {
    provider: Box<dyn Provider>,
    faults: Faults,
    outbox: Outbox,
    journal: Option<Journal>,
}

/// What a caller meets.
#[derive(Debug)]
pub struct Answer {
    /// The answer, for an [`Ending`] that sends one.
    pub response: Response<Bytes>,
    /// Real time to let pass first.
    pub after: Duration,
    /// How the connection ends.
    pub ending: Ending,
}

/// How a call's connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The answer arrives.
    Answered,
    /// The connection closes without an answer.
    HungUp,
    /// The connection closes within the answer's body.
    Truncated,
}

impl Simulator {
    /// A simulator that forgets everything at its end.
    pub fn ephemeral(provider: impl Provider) -> Self {
        Self { provider: Box::new(provider), faults: Faults::default(), outbox: Outbox::default(), journal: None }
    }

    /// A simulator that remembers, in `folder/<provider>.journal`. Reads what is there, and compacts it.
    pub fn open(provider: impl Provider, folder: &Path) -> Result<Self, JournalError> {
        let mut simulator = Self::ephemeral(provider);
        let path = folder.join(format!("{}.journal", simulator.provider.name()));
        let mut undelivered = Undelivered::default();
        Journal::replay(&path, |entry| {
            match entry {
                Entry::Provider(record) => return simulator.provider.restore(&record),
                Entry::Endpoint(endpoint) => simulator.outbox.endpoint = Some(endpoint),
                Entry::Pending(parked) => undelivered.note(parked),
                Entry::Settled(event_id) => undelivered.settle(&event_id),
            }
            Ok(())
        })?;
        for parked in undelivered.in_order() {
            if let Some(event) = simulator.provider.event(&parked.event_id) {
                simulator.outbox.restore(&parked, event);
            }
        }
        let entries = simulator.provider.snapshot().map(Entry::Provider).chain(simulator.outbox.snapshot());
        let journal = Journal::compact(&path, entries)?;
        simulator.journal = Some(journal);
        Ok(simulator)
    }

    /// The provider's name.
    pub fn name(&self) -> &'static str {
        self.provider.name()
    }

    /// Answers `request` at `now`, playing the first armed fault that meets it. When the answer came late
    /// ([`Answer::after`]), tell [`finished`](Self::finished) once it was sent.
    pub fn handle(&mut self, now: Timestamp, request: &Request<Bytes>) -> Answer {
        let fault = match self.faults.armed() {
            [] => None,
            _ => self.faults.for_call(self.provider.kind(request)),
        };
        let kind = fault.as_ref().map(|fault| fault.kind);
        let ms = |default| fault.as_ref().and_then(|fault| fault.ms).map_or(default, Duration::from_millis);
        let mut interference = match kind {
            Some(FaultKind::Decline) => Interference::Decline,
            Some(FaultKind::Error500) => Interference::ServerError,
            Some(FaultKind::RateLimit) => Interference::RateLimit,
            _ => Interference::None,
        };
        let for_provider = interference != Interference::None;
        if let Some(kind) = kind.filter(|_| !for_provider) {
            self.faults.spend(kind);
        }
        let mut answer = Answer { response: Response::default(), after: Duration::ZERO, ending: Ending::Answered };
        match kind {
            Some(FaultKind::Html502) => {
                answer.response = mangle::bad_gateway_page();
                return answer;
            }
            Some(FaultKind::Timeout) => {
                return Answer { after: ms(HANG), ending: Ending::HungUp, ..answer };
            }
            _ => {}
        }
        let reply = self.provider.handle(now, request, &mut interference);
        if let Some(kind) = kind.filter(|_| for_provider && interference == Interference::None) {
            self.faults.spend(kind);
        }
        answer.response = reply.response;
        if !self.take_in(reply.changes, now) {
            answer.ending = Ending::HungUp;
            return answer;
        }
        match kind {
            Some(FaultKind::ChargeThenTimeout) => (answer.after, answer.ending) = (ms(HANG), Ending::HungUp),
            Some(FaultKind::Slow) => {
                answer.after = ms(SLOW);
                self.provider.set_running(request, true);
            }
            Some(FaultKind::MalformedJson) => mangle::cut_json(&mut answer.response),
            Some(FaultKind::TruncatedBody) => answer.ending = Ending::Truncated,
            Some(FaultKind::WrongId) => self.provider.give_wrong_id(now, &mut answer.response),
            _ => {}
        }
        answer
    }

    /// A call that was answered late is over.
    pub fn finished(&mut self, request: &Request<Bytes>) {
        self.provider.set_running(request, false);
    }

    /// Does what is due at the provider by `now`, such as letting authorizations expire.
    pub fn advance(&mut self, now: Timestamp) {
        let changes = self.provider.advance(now);
        self.take_in(changes, now);
    }

    /// Writes a change down and posts its events. False if it could not be written: then its outcome stays unknown.
    fn take_in(&mut self, changes: Changes, now: Timestamp) -> bool {
        let Changes { events, records } = changes;
        let mut entries: Vec<Entry> = records.into_iter().map(Entry::Provider).collect();
        entries.extend(events.into_iter().filter_map(|event| self.outbox.push(event, now, &mut self.faults)));
        self.write(&entries)
    }

    fn write(&mut self, entries: &[Entry]) -> bool {
        let Some(journal) = &mut self.journal else { return true };
        journal
            .append(entries)
            .inspect_err(|error| tracing::error!(%error, "a simulated provider cannot write its journal"))
            .is_ok()
    }

    /// When the next expiry or webhook retry is due.
    pub fn next_due(&self) -> Option<Timestamp> {
        let retries = self.outbox.endpoint.as_ref().and_then(|_| self.outbox.next_due());
        [self.provider.next_due(), retries].into_iter().flatten().min()
    }

    /// Every payment that ever was at the provider, oldest first.
    pub fn transactions(&self) -> Vec<Transaction> {
        self.provider.transactions()
    }

    /// Arms `fault`, or says why it cannot be played here.
    pub fn arm(&mut self, fault: Fault) -> Result<(), String> {
        self.faults.arm(fault)
    }

    /// Disarms every fault.
    pub fn clear_faults(&mut self) {
        self.faults.clear();
    }

    /// The armed faults, in order.
    pub fn faults(&self) -> &[Fault] {
        self.faults.armed()
    }

    /// Says where webhooks go from now on. What happened before stays untold.
    pub fn set_endpoint(&mut self, endpoint: Endpoint) {
        self.outbox.endpoint = Some(endpoint.clone());
        self.write(&[Entry::Endpoint(endpoint)]);
    }

    /// Takes a webhook that is due at `now`, signed. Tell [`webhook_settled`](Self::webhook_settled) how it went.
    pub fn take_webhook(&mut self, now: Timestamp) -> Option<Webhook> {
        let Event { id, body, .. } = self.outbox.take(now)?;
        let Endpoint { url, secret } = self.outbox.endpoint.clone()?;
        let changes = self.provider.prepare_to_sign();
        self.take_in(changes, now);
        let body = self.provider.envelope(&secret, now, &body);
        Some(Webhook { event_id: id, url, headers: self.provider.sign(&secret, now, &body), body })
    }

    /// A webhook was answered with a 2xx (`delivered`), or not.
    pub fn webhook_settled(&mut self, event_id: &str, delivered: bool, now: Timestamp) {
        if let Some(entry) = self.outbox.settle(event_id, delivered, now) {
            self.write(&[entry]);
        }
    }

    /// The events whose webhooks were held back since the last call, so that the next one overtakes them. Each has to
    /// be [released](Self::release_webhook) in a while, for the case that nothing follows.
    pub fn take_newly_held(&mut self) -> Vec<String> {
        self.outbox.take_newly_held()
    }

    /// Lets a held webhook go, because nothing followed it.
    pub fn release_webhook(&mut self, event_id: &str) {
        self.outbox.release(event_id);
    }

    /// Is no webhook being sent, held or due at `now`?
    pub fn is_quiet(&self, now: Timestamp) -> bool {
        self.outbox.is_quiet(now)
    }

    /// The records that make up the provider's present state.
    pub fn snapshot(&self) -> Vec<Box<RawValue>> {
        self.provider.snapshot().collect()
    }
}
