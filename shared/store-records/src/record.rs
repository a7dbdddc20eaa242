//! The JSON of nested values: operations, refunds inside them, failures, the merchant's words.
//!
//! The domain derives no `Serialize`, so its types are mirrored here, field for field; the compiler says when one is
//! missing. Rows outlive programs: a field that older rows lack needs `default`, a field that the domain renames keeps
//! its name here (`rename`), and what cannot be read is an error, never a panic.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tollgate_domain::{
    BootId, Details, Failure, KeyHash, Lease, Money, Operation, OperationKind, OperationState, PayerTurn, PaymentId,
    ProviderName, ProviderRequestId, Refund, RefundId, RefundStatus, SettlementId,
};

mod totals;
mod values;

use values::{digest_or_none, micros, micros_or_none, money, name, text, text_or_none};

/// A value that is kept as JSON.
pub trait Kept: Sized {
    /// Its JSON.
    fn to_json(&self) -> serde_json::Result<String>;
    /// Read back.
    fn from_json(json: &str) -> serde_json::Result<Self>;
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Operation")]
struct OperationRecord {
    number: u32,
    #[serde(with = "name")]
    kind: OperationKind,
    #[serde(with = "name")]
    provider: ProviderName,
    #[serde(with = "money")]
    amount: Money,
    #[serde(with = "text")]
    request_id: ProviderRequestId,
    #[serde(with = "name")]
    state: OperationState,
    #[serde(with = "lease_or_none", default, skip_serializing_if = "Option::is_none")]
    lease: Option<Lease>,
    #[serde(with = "micros_or_none", default, skip_serializing_if = "Option::is_none")]
    last_call_until: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    transaction_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    progress: Option<String>,
    #[serde(default, skip_serializing_if = "is_false")]
    in_suspense: bool,
    #[serde(with = "payer_turn_or_none", default, skip_serializing_if = "Option::is_none")]
    payer: Option<PayerTurn>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payment_method: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    return_url: Option<String>,
    #[serde(with = "digest_or_none", default, skip_serializing_if = "Option::is_none")]
    key: Option<KeyHash>,
    #[serde(with = "refund_or_none", default, skip_serializing_if = "Option::is_none")]
    refund: Option<Box<Refund>>,
    #[serde(with = "failure_or_none", default, skip_serializing_if = "Option::is_none")]
    failure: Option<Failure>,
    #[serde(with = "micros")]
    opened_at: Timestamp,
    #[serde(with = "micros_or_none", default, skip_serializing_if = "Option::is_none")]
    closed_at: Option<Timestamp>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Lease")]
struct LeaseRecord {
    #[serde(with = "text")]
    owner: BootId,
    #[serde(with = "micros")]
    call_until: Timestamp,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "PayerTurn")]
struct PayerTurnRecord {
    url: String,
    #[serde(with = "micros")]
    until: Timestamp,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Refund")]
struct RefundRecord {
    #[serde(with = "text")]
    id: RefundId,
    #[serde(with = "text")]
    payment_id: PaymentId,
    #[serde(with = "money")]
    amount: Money,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(with = "name")]
    status: RefundStatus,
    #[serde(with = "failure_or_none", default, skip_serializing_if = "Option::is_none")]
    failure: Option<Failure>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    provider_reference: Option<String>,
    #[serde(with = "micros_or_none", default, skip_serializing_if = "Option::is_none")]
    to_settle_at: Option<Timestamp>,
    #[serde(with = "text_or_none", default, skip_serializing_if = "Option::is_none")]
    settlement: Option<SettlementId>,
    #[serde(with = "micros")]
    created_at: Timestamp,
    #[serde(with = "micros")]
    updated_at: Timestamp,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Failure")]
struct FailureRecord {
    code: String,
    message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    provider_code: Option<String>,
}

/// Without the reference, which has a column of its own to be found by.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Details")]
struct DetailsRecord {
    #[serde(skip)]
    merchant_reference: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    return_url: Option<String>,
}

macro_rules! kept {
    ($type:ty as $mirror:ty) => {
        impl Kept for $type {
            fn to_json(&self) -> serde_json::Result<String> {
                let mut json = Vec::with_capacity(512);
                <$mirror>::serialize(self, &mut serde_json::Serializer::new(&mut json))?;
                String::from_utf8(json).map_err(serde::ser::Error::custom)
            }

            fn from_json(json: &str) -> serde_json::Result<Self> {
                let mut reader = serde_json::Deserializer::from_str(json);
                let value = <$mirror>::deserialize(&mut reader)?;
                reader.end().map(|()| value)
            }
        }
    };
}

kept!(Operation as OperationRecord);
kept!(Failure as FailureRecord);
kept!(Details as DetailsRecord);

/// What `with` needs for an optional mirrored value; `$held` is what the field holds (a box, maybe).
macro_rules! or_none {
    ($module:ident, $held:ty, $type:ty, $mirror:literal) => {
        mod $module {
            use super::{Deserialize, Serialize};

            #[allow(clippy::ref_option, reason = "serde's `with` passes the field")]
            pub(super) fn serialize<S: serde::Serializer>(value: &Option<$held>, to: S) -> Result<S::Ok, S::Error> {
                #[derive(Serialize)]
                struct Out<'a>(#[serde(with = $mirror)] &'a $type);
                value.as_ref().map(|value| Out(value)).serialize(to)
            }

            pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<$held>, D::Error> {
                #[derive(Deserialize)]
                struct In(#[serde(with = $mirror)] $type);
                Option::<In>::deserialize(from).map(|value| value.map(|In(value)| value.into()))
            }
        }
    };
}

or_none!(lease_or_none, tollgate_domain::Lease, tollgate_domain::Lease, "super::LeaseRecord");
or_none!(payer_turn_or_none, tollgate_domain::PayerTurn, tollgate_domain::PayerTurn, "super::PayerTurnRecord");
or_none!(refund_or_none, Box<tollgate_domain::Refund>, tollgate_domain::Refund, "super::RefundRecord");
or_none!(failure_or_none, tollgate_domain::Failure, tollgate_domain::Failure, "super::FailureRecord");

#[cfg(test)]
mod tests;
