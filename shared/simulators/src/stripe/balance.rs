//! Balance transactions: what moved on the account, as kept and as shown.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Call, Stripe, charge::Charge, refund::Refund};
use crate::shelf::Filed;

/// Stripe's fee: 3.6 % of what it takes, as in Japan. A refund gives none of it back.
const FEE_PER_MILLE: i64 = 36;
/// The money can be paid out after so long.
const AVAILABLE_AFTER_SECONDS: i64 = 4 * 24 * 3600;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct BalanceTransaction {
    pub(super) id: String,
    pub(super) created: i64,
    pub(super) kind: Kind,
    /// The charge or refund that it came from.
    pub(super) source: String,
    /// Below zero where it left the account.
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) fee: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Charge,
    Refund,
    RefundFailure,
}

impl Kind {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Charge => "charge",
            Self::Refund => "refund",
            Self::RefundFailure => "refund_failure",
        }
    }
}

impl Filed for BalanceTransaction {
    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created
    }
}

impl BalanceTransaction {
    pub(super) fn to_json(&self) -> Value {
        let fees = match self.fee {
            0 => json!([]),
            fee => json!([{
                "amount": fee,
                "application": null,
                "currency": self.currency,
                "description": "Stripe processing fees",
                "type": "stripe_fee",
            }]),
        };
        json!({
            "id": self.id,
            "object": "balance_transaction",
            "amount": self.amount,
            "available_on": self.created + AVAILABLE_AFTER_SECONDS,
            "created": self.created,
            "currency": self.currency,
            "description": null,
            "exchange_rate": null,
            "fee": self.fee,
            "fee_details": fees,
            "net": self.amount - self.fee,
            "reporting_category": self.kind.word(),
            "source": self.source,
            "status": "pending",
            "type": self.kind.word(),
        })
    }
}

impl Stripe {
    /// The money of `charge` came onto the account.
    pub(super) fn book_charge(&mut self, call: &Call, charge: &Charge) {
        let fee = charge.captured * FEE_PER_MILLE / 1000;
        self.book(call, Kind::Charge, &charge.id, charge.captured, &charge.currency, fee);
    }

    /// That of `refund` left it.
    pub(super) fn book_refund(&mut self, call: &Call, refund: &Refund) {
        self.book(call, Kind::Refund, &refund.id, -refund.amount, &refund.currency, 0);
    }

    /// And came back.
    pub(super) fn book_refund_failure(&mut self, call: &Call, refund: &Refund) {
        self.book(call, Kind::RefundFailure, &refund.id, refund.amount, &refund.currency, 0);
    }

    fn book(&mut self, call: &Call, kind: Kind, source: &str, amount: i64, currency: &str, fee: i64) {
        let transaction = BalanceTransaction {
            id: self.new_id("txn_"),
            created: call.unix(),
            kind,
            source: source.to_owned(),
            amount,
            currency: currency.to_owned(),
            fee,
        };
        self.state.put_balance(transaction);
    }
}
