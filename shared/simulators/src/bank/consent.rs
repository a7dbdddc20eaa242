//! A consent: what a payer is asked to agree to, and whether he did.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    debtor::Debtor,
    status::{ConsentStatus, Reason},
    time,
};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Consent {
    pub(super) id: String,
    pub(super) client: String,
    pub(super) idempotency_key: String,
    /// Unix seconds.
    pub(super) created: i64,
    /// When the status came, in Unix seconds.
    pub(super) updated: i64,
    pub(super) status: ConsentStatus,
    pub(super) reason: Option<Reason>,
    /// The request's whole body.
    pub(super) request: Value,
    /// In minor units.
    pub(super) amount: i64,
    pub(super) debtor: Debtor,
    /// Until when the payer may approve, in Unix seconds.
    pub(super) approve_by: i64,
    /// Where this bank was reached when the consent was made.
    pub(super) base_url: String,
    /// The payment that used it.
    pub(super) payment: Option<String>,
}

impl Consent {
    pub(super) fn initiation(&self) -> &Value {
        &self.request["Data"]["Initiation"]
    }

    pub(super) fn currency(&self) -> &str {
        self.initiation()["InstructedAmount"]["Currency"].as_str().unwrap_or_default()
    }

    pub(super) fn creditor(&self) -> &str {
        self.initiation()["CreditorAccount"]["Identification"].as_str().unwrap_or_default()
    }

    /// What the caller wrote into `SupplementaryData` under this name.
    pub(super) fn note(&self, name: &str) -> Option<&str> {
        self.initiation()["SupplementaryData"][name].as_str()
    }

    /// When it changes by itself.
    pub(super) fn due(&self) -> Option<i64> {
        (self.status == ConsentStatus::Awau).then_some(self.approve_by)
    }

    /// The account that a refund goes to, where the consent asked for it: the payer's own.
    pub(super) fn refund_account(&self) -> Option<Value> {
        if self.request["Data"]["ReadRefundAccount"] != "Yes" {
            return None;
        }
        let named = &self.initiation()["DebtorAccount"];
        let text = |name: &str, unknown: &str| named[name].as_str().unwrap_or(unknown).to_owned();
        Some(json!({
            "SchemeName": text("SchemeName", "UK.OBIE.SortCodeAccountNumber"),
            "Identification": text("Identification", "08080021325698"),
            "Name": text("Name", "A payer of the simulated bank"),
        }))
    }

    pub(super) fn path(&self) -> String {
        format!("/open-banking/v4.0/pisp/domestic-payment-consents/{}", self.id)
    }

    pub(super) fn link(&self) -> String {
        format!("{}{}", self.base_url, self.path())
    }

    /// As `OBWriteDomesticConsentResponse5`.
    pub(super) fn to_json(&self) -> Value {
        let mut data = json!({
            "ConsentId": self.id,
            "CreationDateTime": time::written(self.created),
            "Status": self.status.word(),
            "StatusUpdateDateTime": time::written(self.updated),
        });
        for (name, value) in self.request["Data"].as_object().into_iter().flatten() {
            data[name] = value.clone();
        }
        if let Some(reason) = self.reason {
            data["StatusReason"] = json!([reason.to_json()]);
        }
        let is_approved = matches!(self.status, ConsentStatus::Auth | ConsentStatus::Cond);
        if let Some(account) = self.refund_account().filter(|_| is_approved) {
            data["Debtor"] = account;
        }
        json!({"Data": data, "Risk": self.request["Risk"], "Links": {"Self": self.link()}, "Meta": {}})
    }
}
