//! Stripe's objects, as far as we read them: an allow-list. Whatever else is in an answer is not kept, and what we read
//! is optional wherever a version of the API leaves it out. Decides nothing.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, MapAccess, Visitor, value::MapAccessDeserializer},
};

/// Reads one object. The error says where it broke, never what stood there: that could be a payer's data.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| {
        let kind = error.classify();
        format!("not the JSON that the API describes ({kind:?} at line {}, column {})", error.line(), error.column())
    })
}

#[derive(Debug, Deserialize)]
pub(super) struct Intent {
    pub(super) id: String,
    pub(super) object: String,
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) status: String,
    pub(super) amount_received: Option<i64>,
    /// Never used: it starts with the intent's id, which makes it a second witness of that.
    pub(super) client_secret: Option<String>,
    #[serde(default)]
    pub(super) metadata: Metadata,
    pub(super) latest_charge: Option<ChargeOrId>,
    pub(super) next_action: Option<NextAction>,
    pub(super) last_payment_error: Option<ErrorCodes>,
}

/// Our own marks among the metadata; absent in objects that were not made by us.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Metadata(Option<BTreeMap<String, String>>);

impl Metadata {
    pub(super) const PAYMENT_ID: &'static str = "tollgate_payment_id";
    pub(super) const REQUEST_ID: &'static str = "tollgate_request_id";
    pub(super) const OPERATION: &'static str = "tollgate_operation";
    pub(super) const REFUND_ID: &'static str = "tollgate_refund_id";
    pub(super) const REFERENCE: &'static str = "merchant_reference";

    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.0.as_ref()?.get(key).map(String::as_str)
    }

    pub(super) fn parse<T: std::str::FromStr>(&self, key: &str) -> Option<T> {
        self.get(key)?.parse().ok()
    }
}

/// A charge is shown whole where we asked for it, as its id elsewhere, which is of no use and left out.
#[derive(Debug)]
pub(super) enum ChargeOrId {
    Charge(Box<Charge>),
    Id,
}

/// By hand: an untagged enum would first copy the whole charge, with the dozens of fields that nobody reads.
impl<'de> Deserialize<'de> for ChargeOrId {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = ChargeOrId;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a charge or its id")
            }

            fn visit_str<E>(self, _: &str) -> Result<ChargeOrId, E> {
                Ok(ChargeOrId::Id)
            }

            fn visit_map<M: MapAccess<'de>>(self, fields: M) -> Result<ChargeOrId, M::Error> {
                Charge::deserialize(MapAccessDeserializer::new(fields)).map(Box::new).map(ChargeOrId::Charge)
            }
        }

        from.deserialize_any(Either)
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Charge {
    #[serde(default)]
    pub(super) amount_refunded: i64,
    #[serde(default)]
    pub(super) refunded: bool,
    pub(super) payment_method_details: Option<PaymentMethodDetails>,
}

#[derive(Debug, Deserialize)]
pub(super) struct PaymentMethodDetails {
    pub(super) card: Option<CardDetails>,
}

#[derive(Debug, Deserialize)]
pub(super) struct CardDetails {
    pub(super) capture_before: Option<i64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct NextAction {
    pub(super) redirect_to_url: Option<Redirect>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Redirect {
    pub(super) url: Option<String>,
}

/// Why an attempt failed. Its message is left unread: it is written for Stripe's own customers, and may change.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ErrorCodes {
    pub(super) code: Option<String>,
    pub(super) decline_code: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Refund {
    pub(super) id: String,
    pub(super) object: String,
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) status: Option<String>,
    pub(super) payment_intent: Option<ObjectOrId>,
    pub(super) failure_reason: Option<String>,
    #[serde(default)]
    pub(super) metadata: Metadata,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum ObjectOrId {
    Id(String),
    Object { id: String },
}

impl ObjectOrId {
    pub(super) fn id(&self) -> &str {
        match self {
            Self::Id(id) | Self::Object { id } => id,
        }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct List<T> {
    pub(super) object: String,
    pub(super) data: Vec<T>,
    pub(super) has_more: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct ErrorEnvelope {
    pub(super) error: ApiError,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct ApiError {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    #[serde(flatten)]
    pub(super) codes: ErrorCodes,
    pub(super) param: Option<String>,
    /// The intent as it stands after the refusal. Read apart, so that an odd one does not hide the error.
    pub(super) payment_intent: Option<serde_json::Value>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Event {
    pub(super) id: String,
    pub(super) object: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) data: EventData,
}

#[derive(Debug, Deserialize)]
pub(super) struct EventData {
    pub(super) object: serde_json::Value,
}
