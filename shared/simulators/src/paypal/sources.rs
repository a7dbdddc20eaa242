//! The payers of the sandbox: what stands behind each vault token, and how each way to pay is read.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    errors::ApiError,
    issues::{self, Area},
};

/// Types of `payment_source.token` that are known.
const TOKEN_TYPES: [&str; 2] = ["BILLING_AGREEMENT", "PAYMENT_METHOD_TOKEN"];

/// A payer's wallet, by how it behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Wallet {
    /// Pays.
    Plain,
    /// Is always declined.
    Declined,
    /// Pays once the payer has approved.
    NeedsApproval,
    /// Its captures take an hour.
    CapturePending,
    /// Its captures are declined at once.
    CaptureDeclined,
    /// Its captures are pending, and denied after an hour.
    CaptureDenied,
    /// Its captures are refused with an error.
    CaptureRefused,
    /// Its captures are charged back after an hour.
    CaptureReversed,
    /// Its refunds take an hour.
    RefundPending,
    /// Its refunds are pending, and fail after an hour.
    RefundFailed,
}

/// How a request wants to be paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// The order will say, or the payer.
    Unsaid,
    /// With PayPal, by whoever comes along.
    AnyPayer,
    /// With what is in the vault.
    Vaulted(Wallet),
}

impl Wallet {
    fn from_vault(id: &str) -> Option<Self> {
        Some(match id.strip_prefix("vault-")? {
            "ok" => Self::Plain,
            "declined" => Self::Declined,
            "needs-approval" => Self::NeedsApproval,
            "capture-pending" => Self::CapturePending,
            "capture-declined" => Self::CaptureDeclined,
            "capture-denied" => Self::CaptureDenied,
            "capture-refused" => Self::CaptureRefused,
            "capture-reversed" => Self::CaptureReversed,
            "refund-pending" => Self::RefundPending,
            "refund-failed" => Self::RefundFailed,
            _ => return None,
        })
    }
}

impl Source {
    /// Reads a request's `payment_source`, if it has one.
    pub(super) fn read(body: &Value, area: Area) -> Result<Self, ApiError> {
        let source = match &body["payment_source"] {
            Value::Null => return Ok(Self::Unsaid),
            Value::Object(source) => source,
            _ => return Err(ApiError::of(&issues::SYNTAX).field("/payment_source")),
        };
        if let Some(token) = source.get("token") {
            let field = |name: &str| format!("/payment_source/token/{name}");
            let text = |name: &str| {
                token[name].as_str().ok_or_else(|| ApiError::of(&issues::missing(area)).field(&field(name)))
            };
            let (id, kind) = (text("id")?, text("type")?);
            if !TOKEN_TYPES.contains(&kind) {
                return Err(ApiError::of(&issues::invalid(area)).field(&field("type")).value(kind));
            }
            let unknown = || ApiError::of(&issues::NO_AGREEMENT).field(&field("id")).value(id);
            return Wallet::from_vault(id).map(Self::Vaulted).ok_or_else(unknown);
        }
        if source.contains_key("card") {
            return Err(ApiError::of(&issues::NO_CARDS).field("/payment_source/card"));
        }
        let Some(paypal) = source.get("paypal") else {
            return Err(ApiError::of(&issues::missing(area)).field("/payment_source/paypal"));
        };
        match paypal["vault_id"].as_str() {
            None => Ok(Self::AnyPayer),
            Some(id) => Wallet::from_vault(id).map(Self::Vaulted).ok_or_else(|| {
                let issue = if area == Area::Create { issues::NO_SUCH_RESOURCE } else { issues::NO_TOKEN };
                ApiError::of(&issue).field("/payment_source/paypal/vault_id").value(id)
            }),
        }
    }
}
