//! Everything a PayPal account knows. Whoever changes it here has it journaled.

use std::collections::{HashMap, HashSet};

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::{
    event::StoredEvent,
    kept::{Kept, KeptRequest},
    order::Order,
    payments::{Authorization, Capture, Held, Refund, Returned, Taken},
    records::Record,
    signing::StoredKey,
    tokens::{Token, Tokens},
};
use crate::{Transaction, agenda::Agenda, provider::Changes, shelf::Shelf};

/// PayPal shows events of 30 days.
const EVENTS_KEPT_SECONDS: i64 = 30 * 24 * 3600;
/// More are not kept, for the sake of memory (about 2 KB each).
const EVENTS_KEPT: usize = 50_000;

#[derive(Default)]
pub(super) struct State {
    pub(super) orders: Shelf<Order>,
    pub(super) authorizations: Shelf<Authorization>,
    pub(super) captures: Shelf<Capture>,
    pub(super) refunds: Shelf<Refund>,
    refunds_by_order: HashMap<String, Vec<String>>,
    pub(super) events: Shelf<StoredEvent>,
    pub(super) kept: Kept,
    pub(super) tokens: Tokens,
    pub(super) key: Option<StoredKey>,
    /// Where callers reach this PayPal, as far as is known.
    pub(super) address: String,
    pub(super) agenda: Agenda,
    /// The orders whose payments used an invoice id.
    invoices: HashMap<String, String>,
    refund_invoices: HashSet<String>,
    changes: Changes,
}

impl State {
    pub(super) fn take_changes(&mut self) -> Changes {
        std::mem::take(&mut self.changes)
    }

    fn put(&mut self, record: Record) {
        self.record(&record);
        self.restore(record);
    }

    fn record(&mut self, record: &impl Serialize) {
        match to_raw_value(record) {
            Ok(record) => self.changes.records.push(record),
            Err(error) => tracing::error!(%error, "a record cannot be written as JSON"),
        }
    }

    pub(super) fn put_order(&mut self, order: Order) {
        self.put(Record::Order(order));
    }

    pub(super) fn put_authorization(&mut self, authorization: Authorization) {
        self.put(Record::Authorization(authorization));
    }

    pub(super) fn put_capture(&mut self, capture: Capture) {
        self.put(Record::Capture(capture));
    }

    pub(super) fn put_refund(&mut self, refund: Refund) {
        self.put(Record::Refund(refund));
    }

    pub(super) fn put_event(&mut self, event: StoredEvent) {
        self.changes.events.push(event.to_event());
        self.put(Record::Event(event));
    }

    pub(super) fn keep_request(&mut self, request: KeptRequest) {
        self.put(Record::Request(request));
    }

    pub(super) fn put_token(&mut self, token: Token) {
        self.put(Record::Token(token));
    }

    pub(super) fn put_key(&mut self, key: StoredKey) {
        self.put(Record::Key(key));
    }

    pub(super) fn put_address(&mut self, address: &str) {
        if self.address != address {
            self.put(Record::Address(address.to_owned()));
        }
    }

    /// Takes in a record: a new one, or one from the journal.
    pub(super) fn restore(&mut self, record: Record) {
        match record {
            Record::Order(order) => {
                self.agenda.note(&order.id, order.expires);
                self.orders.put(order);
            }
            Record::Authorization(held) => {
                let ends = held.is_open() && held.parent.is_none();
                self.agenda.note(&held.id, ends.then_some(held.expires));
                let released = held.status == Held::Voided && held.captured == 0;
                self.note_invoice(held.invoice_id.as_ref(), &held.order, !released);
                self.authorizations.put(held);
            }
            Record::Capture(taken) => {
                self.agenda.note(&taken.id, taken.turn.map(|(at, _)| at));
                let failed = matches!(taken.status, Taken::Declined | Taken::Denied);
                if !failed {
                    self.note_invoice(taken.invoice_id.as_ref(), &taken.order, true);
                }
                self.captures.put(taken);
            }
            Record::Refund(refund) => {
                self.agenda.note(&refund.id, refund.turn.map(|(at, _)| at));
                if self.refunds.get(&refund.id).is_none() {
                    self.refunds_by_order.entry(refund.order.clone()).or_default().push(refund.id.clone());
                }
                match &refund.invoice_id {
                    Some(invoice) if refund.status == Returned::Failed => {
                        self.refund_invoices.remove(invoice);
                    }
                    Some(invoice) => {
                        self.refund_invoices.insert(invoice.clone());
                    }
                    None => {}
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
            Record::Request(request) => self.kept.keep(request),
            Record::Token(token) => self.tokens.keep(token),
            Record::Key(key) => self.key = Some(key),
            Record::Address(address) => self.address = address,
        }
    }

    fn note_invoice(&mut self, invoice: Option<&String>, order: &str, used: bool) {
        let Some(invoice) = invoice else { return };
        if used {
            self.invoices.entry(invoice.clone()).or_insert_with(|| order.to_owned());
        } else if self.invoices.get(invoice).is_some_and(|user| user == order) {
            self.invoices.remove(invoice);
        }
    }

    /// Did another order's payment use this invoice id?
    pub(super) fn is_invoice_of_another(&self, invoice: &str, order: &str) -> bool {
        self.invoices.get(invoice).is_some_and(|user| user != order)
    }

    pub(super) fn is_refund_invoice(&self, invoice: &str) -> bool {
        self.refund_invoices.contains(invoice)
    }

    /// The refunds of an order, oldest first.
    pub(super) fn refunds_of(&self, order: &str) -> impl DoubleEndedIterator<Item = &Refund> {
        self.refunds_by_order.get(order).into_iter().flatten().filter_map(|id| self.refunds.get(id))
    }

    pub(super) fn transactions(&self) -> Vec<Transaction> {
        self.orders.oldest_first().map(|order| self.transaction(order)).collect()
    }

    fn transaction(&self, order: &Order) -> Transaction {
        let captures: Vec<&Capture> = order.captures.iter().filter_map(|id| self.captures.get(id)).collect();
        let taken = captures.iter().filter(|it| matches!(it.status, Taken::Completed | Taken::Reversed));
        let in_all = taken.clone().map(|capture| capture.amount.minor).sum();
        let returned = |capture: &&&Capture| match capture.status {
            Taken::Reversed => capture.amount.minor,
            _ => capture.refunded,
        };
        let held = order.authorizations.first().and_then(|id| self.authorizations.get(id));
        let status = match (captures.last(), held) {
            (_, Some(held)) if held.captured == 0 => held.status.word(),
            (Some(capture), _) => capture.word(),
            (None, Some(held)) => held.status.word(),
            (None, None) => order.status.word(),
        };
        Transaction {
            provider_transaction_id: order.id.clone(),
            provider_request_id: order.request_id.clone(),
            payment_id: order.custom_id(),
            amount: order.amount.minor,
            currency: order.amount.currency.clone(),
            captured: in_all,
            refunded: taken.map(|capture| returned(&capture)).sum(),
            status: status.to_owned(),
        }
    }

    pub(super) fn snapshot(&self) -> impl Iterator<Item = Box<RawValue>> + '_ {
        let address = (!self.address.is_empty()).then(|| Record::Address(self.address.clone()));
        let first = address.into_iter().chain(self.key.clone().map(Record::Key));
        first
            .chain(self.tokens.oldest_first().cloned().map(Record::Token))
            .chain(self.orders.oldest_first().cloned().map(Record::Order))
            .chain(self.authorizations.oldest_first().cloned().map(Record::Authorization))
            .chain(self.captures.oldest_first().cloned().map(Record::Capture))
            .chain(self.refunds.oldest_first().cloned().map(Record::Refund))
            .chain(self.events.oldest_first().cloned().map(Record::Event))
            .chain(self.kept.oldest_first().cloned().map(Record::Request))
            .filter_map(|record| to_raw_value(&record).ok())
    }
}
