//! What the bank's API shows, as far as it is used: everything else is left out, and nothing is taken for granted.

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

/// Reads a body of the bank's.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| format!("the answer cannot be read: {error}"))
}

/// A consent.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Consent {
    pub(super) data: ConsentData,
    #[serde(default)]
    pub(super) risk: Value,
    #[serde(default)]
    pub(super) links: Links,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ConsentData {
    pub(super) consent_id: String,
    pub(super) status: String,
    #[serde(default)]
    pub(super) status_reason: Vec<Reason>,
    /// Kept whole: a payment has to repeat it.
    pub(super) initiation: Value,
}

/// A payment.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Paid {
    pub(super) data: PaidData,
    #[serde(default)]
    pub(super) links: Links,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PaidData {
    pub(super) domestic_payment_id: String,
    pub(super) consent_id: String,
    pub(super) status: String,
    #[serde(default)]
    pub(super) status_reason: Vec<Reason>,
    pub(super) initiation: Value,
    pub(super) refund: Option<RefundTo>,
}

/// Where a payment can be given back to.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RefundTo {
    pub(super) account: Value,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Reason {
    pub(super) status_reason_code: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Links {
    #[serde(rename = "Self")]
    pub(super) itself: Option<String>,
}

impl Links {
    /// Whether they are those of the object with this id.
    pub(super) fn name(&self, id: &str) -> bool {
        self.itself.as_deref().is_some_and(|link| link.rsplit('/').next() == Some(id))
    }
}

/// Whether there is money.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Funds {
    pub(super) data: FundsData,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct FundsData {
    pub(super) funds_available_result: FundsResult,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct FundsResult {
    pub(super) funds_available: bool,
}

/// An error of the bank's own.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ApiError {
    pub(super) errors: Vec<Detail>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Detail {
    pub(super) error_code: String,
    pub(super) path: Option<String>,
}

impl ApiError {
    /// One that says what `code` does.
    pub(super) fn of_code(code: &str) -> Self {
        Self { errors: vec![Detail { error_code: code.to_owned(), path: None }] }
    }

    /// Its first code.
    pub(super) fn code(&self) -> &str {
        self.errors.first().map_or("", |detail| &detail.error_code)
    }

    /// What it is about.
    pub(super) fn path(&self) -> &str {
        self.errors.first().and_then(|detail| detail.path.as_deref()).unwrap_or_default()
    }
}

/// A token to call with.
#[derive(Deserialize)]
pub(super) struct Token {
    pub(super) access_token: String,
    /// In seconds.
    #[serde(default = "a_while")]
    pub(super) expires_in: u64,
}

/// Where the bank does not say how long a token lives.
fn a_while() -> u64 {
    300
}
