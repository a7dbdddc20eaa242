//! The bank's own truth: what payers were asked for, what they paid, and what they got back.

use std::collections::HashMap;

use super::{consent::Consent, debtor::Debtor, state::State, status::PaymentStatus};
use crate::Transaction;

/// The payment of the gateway that a consent is for.
fn payment_id(consent: &Consent) -> Option<String> {
    let end_to_end = consent.initiation()["EndToEndIdentification"].as_str();
    let named = consent.note("tollgate_payment_id").or(end_to_end.filter(|id| id.starts_with("pay_")));
    named.map(ToOwned::to_owned)
}

impl State {
    fn status_of(&self, consent: &Consent) -> Option<PaymentStatus> {
        self.payment_of(consent).map(|payment| payment.now().status)
    }

    fn is_settled(&self, consent: &Consent) -> bool {
        self.status_of(consent).is_some_and(PaymentStatus::is_settled)
    }

    /// Every payment that a payer was asked for, oldest first.
    pub(super) fn transactions(&self) -> Vec<Transaction> {
        let asked = self.consents_in_order().filter(|consent| consent.debtor != Debtor::Own);
        let mut transactions: Vec<Transaction> = asked.map(|consent| self.transaction(consent)).collect();
        let mut places: HashMap<String, Vec<usize>> = HashMap::new();
        for (place, transaction) in transactions.iter().enumerate() {
            let names = transaction.payment_id.iter().chain([&transaction.provider_transaction_id]);
            names.for_each(|name| places.entry(name.clone()).or_default().push(place));
        }
        let given_back = self.consents_in_order().filter(|consent| consent.debtor == Debtor::Own);
        for refund in given_back.filter(|refund| self.is_settled(refund)) {
            // A refund may say of which consent it is; else it is of what was taken for the payment, as far as that goes.
            let named = refund.note("tollgate_consent_id").map(ToOwned::to_owned).or_else(|| payment_id(refund));
            let places = named.and_then(|name| places.get(&name)).into_iter().flatten();
            let mut left = refund.amount;
            for place in places {
                let transaction = &mut transactions[*place];
                let part = left.min(transaction.captured - transaction.refunded).max(0);
                transaction.refunded += part;
                left -= part;
            }
        }
        transactions
    }

    fn transaction(&self, consent: &Consent) -> Transaction {
        let request_id = consent.note("tollgate_request_id").unwrap_or(&consent.idempotency_key);
        Transaction {
            provider_transaction_id: consent.id.clone(),
            provider_request_id: Some(request_id.to_owned()),
            payment_id: payment_id(consent),
            amount: consent.amount,
            currency: consent.currency().to_owned(),
            captured: if self.is_settled(consent) { consent.amount } else { 0 },
            refunded: 0,
            status: self.status_of(consent).map_or(consent.status.word(), PaymentStatus::word).to_owned(),
        }
    }
}
