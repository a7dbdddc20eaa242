//! Everything a Stripe account knows. Whoever changes it here has it journaled.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::{
    amounts,
    answers::{Answers, KeptAnswer},
    balance::BalanceTransaction,
    charge::Charge,
    event::StoredEvent,
    intent::{self, Intent},
    records::Record,
    refund::Refund,
};
use crate::{Transaction, agenda::Agenda, provider::Changes, shelf::Shelf};

/// Stripe lists events of 30 days.
const EVENTS_KEPT_SECONDS: i64 = 30 * 24 * 3600;
/// More are not kept, for the sake of memory (about 2 KB each).
const EVENTS_KEPT: usize = 50_000;

#[derive(Default)]
pub(super) struct State {
    pub(super) intents: Shelf<Intent>,
    pub(super) charges: Shelf<Charge>,
    pub(super) refunds: Shelf<Refund>,
    refunds_by_intent: HashMap<String, Vec<String>>,
    pub(super) events: Shelf<StoredEvent>,
    pub(super) balance_transactions: Shelf<BalanceTransaction>,
    pub(super) answers: Answers,
    pub(super) agenda: Agenda,
    /// Captured minus refunded, by currency.
    balances: BTreeMap<String, i64>,
    changes: Changes,
}

impl State {
    pub(super) fn take_changes(&mut self) -> Changes {
        std::mem::take(&mut self.changes)
    }

    fn record(&mut self, record: &impl Serialize) {
        match to_raw_value(record) {
            Ok(record) => self.changes.records.push(record),
            Err(error) => tracing::error!(%error, "a record cannot be written as JSON"),
        }
    }

    pub(super) fn put_intent(&mut self, intent: Intent) {
        let record = Record::Intent(intent);
        self.record(&record);
        self.restore(record);
    }

    pub(super) fn put_charge(&mut self, charge: Charge) {
        let record = Record::Charge(charge);
        self.record(&record);
        self.restore(record);
    }

    pub(super) fn put_refund(&mut self, refund: Refund) {
        let record = Record::Refund(refund);
        self.record(&record);
        self.restore(record);
    }

    pub(super) fn put_balance(&mut self, transaction: BalanceTransaction) {
        let record = Record::Balance(transaction);
        self.record(&record);
        self.restore(record);
    }

    pub(super) fn put_event(&mut self, event: StoredEvent) {
        self.changes.events.push(event.to_event());
        let record = Record::Event(event);
        self.record(&record);
        self.restore(record);
    }

    pub(super) fn keep_answer(&mut self, answer: KeptAnswer) {
        let record = Record::Answer(answer);
        self.record(&record);
        self.restore(record);
    }

    /// Takes in a record: a new one, or one from the journal.
    pub(super) fn restore(&mut self, record: Record) {
        match record {
            Record::Intent(intent) => {
                let expires = (intent.status == intent::Status::RequiresCapture).then_some(intent.capture_before);
                self.agenda.note(&intent.id, expires.flatten());
                self.intents.put(intent);
            }
            Record::Charge(charge) => {
                let before = self.charges.get(&charge.id).map_or(0, Charge::refundable);
                let difference = charge.refundable() - before;
                if difference != 0 {
                    *self.balances.entry(charge.currency.clone()).or_default() += difference;
                }
                self.charges.put(charge);
            }
            Record::Refund(refund) => {
                self.agenda.note(&refund.id, refund.turn.map(|(at, _)| at));
                if self.refunds.get(&refund.id).is_none() {
                    self.refunds_by_intent.entry(refund.intent.clone()).or_default().push(refund.id.clone());
                }
                self.refunds.put(refund);
            }
            Record::Event(event) => {
                let newest = event.created;
                self.events.put(event);
                let is_old = |event: &StoredEvent| event.created + EVENTS_KEPT_SECONDS <= newest;
                while self.events.len() > EVENTS_KEPT || self.events.oldest().is_some_and(is_old) {
                    self.events.pop_oldest();
                }
            }
            Record::Answer(answer) => {
                self.answers.forget_old(answer.at);
                self.answers.keep(answer);
            }
            Record::Balance(transaction) => self.balance_transactions.put(transaction),
        }
    }

    /// The refunds of an intent, oldest first.
    pub(super) fn refunds_of(&self, intent: &str) -> impl DoubleEndedIterator<Item = &Refund> {
        self.refunds_by_intent.get(intent).into_iter().flatten().filter_map(|id| self.refunds.get(id))
    }

    pub(super) fn balances(&self) -> &BTreeMap<String, i64> {
        &self.balances
    }

    pub(super) fn transactions(&self) -> Vec<Transaction> {
        self.intents.oldest_first().map(|intent| self.transaction(intent)).collect()
    }

    fn transaction(&self, intent: &Intent) -> Transaction {
        let charge = intent.latest_charge.as_ref().and_then(|id| self.charges.get(id));
        let iso = |amount| amounts::in_iso_minor_units(amount, &intent.currency);
        Transaction {
            provider_transaction_id: intent.id.clone(),
            provider_request_id: intent.metadata.get("tollgate_request_id").cloned(),
            payment_id: intent.metadata.get("tollgate_payment_id").cloned(),
            amount: iso(intent.amount),
            currency: intent.currency.to_ascii_uppercase(),
            captured: iso(intent.received),
            refunded: iso(charge.map_or(0, |charge| charge.refunded)),
            status: intent.status.word().to_owned(),
        }
    }

    pub(super) fn snapshot(&self) -> impl Iterator<Item = Box<RawValue>> + '_ {
        let charges = self.charges.oldest_first().cloned().map(Record::Charge);
        charges
            .chain(self.intents.oldest_first().cloned().map(Record::Intent))
            .chain(self.refunds.oldest_first().cloned().map(Record::Refund))
            .chain(self.events.oldest_first().cloned().map(Record::Event))
            .chain(self.answers.oldest_first().cloned().map(Record::Answer))
            .chain(self.balance_transactions.oldest_first().cloned().map(Record::Balance))
            .filter_map(|record| to_raw_value(&record).ok())
    }
}
