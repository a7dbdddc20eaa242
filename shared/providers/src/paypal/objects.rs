//! What PayPal's API shows, as far as it is used: everything else is left out, and nothing is taken for granted.

use serde::{Deserialize, de::DeserializeOwned};

/// Reads a body of PayPal's.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| format!("the answer cannot be read: {error}"))
}

/// An order.
#[derive(Debug, Deserialize)]
pub(super) struct Order {
    pub(super) id: String,
    pub(super) status: Option<String>,
    #[serde(default)]
    pub(super) purchase_units: Vec<PurchaseUnit>,
    #[serde(default)]
    pub(super) links: Vec<Link>,
}

#[derive(Debug, Deserialize)]
pub(super) struct PurchaseUnit {
    pub(super) custom_id: Option<String>,
    pub(super) amount: Option<Amount>,
    pub(super) payments: Option<Payments>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Payments {
    #[serde(default)]
    pub(super) authorizations: Vec<Authorization>,
    #[serde(default)]
    pub(super) captures: Vec<Capture>,
    #[serde(default)]
    pub(super) refunds: Vec<Refund>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Authorization {
    pub(super) id: String,
    pub(super) status: Option<String>,
    pub(super) create_time: Option<String>,
    pub(super) expiration_time: Option<String>,
    #[serde(default)]
    pub(super) links: Vec<Link>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Capture {
    pub(super) id: String,
    pub(super) status: Option<String>,
    pub(super) create_time: Option<String>,
    pub(super) amount: Option<Amount>,
    #[serde(default)]
    pub(super) links: Vec<Link>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Refund {
    pub(super) id: String,
    pub(super) status: Option<String>,
    pub(super) amount: Option<Amount>,
    pub(super) custom_id: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Amount {
    pub(super) currency_code: String,
    pub(super) value: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Link {
    pub(super) href: String,
    pub(super) rel: String,
}

/// An error of PayPal's own.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct ApiError {
    pub(super) name: String,
    #[serde(default)]
    pub(super) details: Vec<Issue>,
    #[serde(default)]
    pub(super) links: Vec<Link>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Issue {
    pub(super) issue: Option<String>,
}

impl ApiError {
    /// The closest word: the first issue, else the name.
    pub(super) fn code(&self) -> &str {
        self.details.iter().find_map(|detail| detail.issue.as_deref()).unwrap_or(&self.name)
    }
}

/// A token to call with.
#[derive(Deserialize)]
pub(super) struct Token {
    pub(super) access_token: String,
    pub(super) expires_in: u64,
}

/// An event.
#[derive(Debug, Deserialize)]
pub(super) struct Event {
    pub(super) id: String,
    #[serde(rename = "event_type")]
    pub(super) kind: String,
    pub(super) resource: serde_json::Value,
}

/// What an event about an authorization or a capture shows.
#[derive(Debug, Deserialize)]
pub(super) struct EventPayment {
    pub(super) custom_id: Option<String>,
    pub(super) supplementary_data: Option<Supplementary>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Supplementary {
    pub(super) related_ids: Option<RelatedIds>,
}

#[derive(Debug, Deserialize)]
pub(super) struct RelatedIds {
    pub(super) order_id: Option<String>,
}
