//! A payment: what became of a consent that was used.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    consent::Consent,
    status::{PaymentStatus, Reason},
    time,
};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Payment {
    pub(super) id: String,
    pub(super) consent: String,
    pub(super) client: String,
    pub(super) idempotency_key: String,
    /// Unix seconds.
    pub(super) created: i64,
    /// The statuses that it had, and the present one; never empty.
    pub(super) past: Vec<Step>,
    /// What is still to come, soonest first.
    pub(super) ahead: Vec<Step>,
}

/// A status with its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Step {
    /// Unix seconds.
    pub(super) at: i64,
    pub(super) status: PaymentStatus,
    pub(super) reason: Option<Reason>,
}

impl Payment {
    /// The present status; one that was just made is received.
    pub(super) fn now(&self) -> Step {
        let received = Step { at: self.created, status: PaymentStatus::Rcvd, reason: None };
        self.past.last().copied().unwrap_or(received)
    }

    /// When it changes by itself.
    pub(super) fn due(&self) -> Option<i64> {
        self.ahead.first().map(|step| step.at)
    }

    pub(super) fn path(&self) -> String {
        format!("/open-banking/v4.0/pisp/domestic-payments/{}", self.id)
    }

    /// As `OBWriteDomesticResponse5`.
    pub(super) fn to_json(&self, consent: &Consent) -> Value {
        let now = self.now();
        let mut data = json!({
            "DomesticPaymentId": self.id,
            "ConsentId": self.consent,
            "CreationDateTime": time::written(self.created),
            "Status": now.status.word(),
            "StatusUpdateDateTime": time::written(now.at),
            "Initiation": consent.initiation(),
        });
        if let Some(reason) = now.reason {
            data["StatusReason"] = json!([reason.to_json()]);
        }
        if let Some(account) = consent.refund_account() {
            data["Debtor"] = account.clone();
            data["Refund"] = json!({"Account": account});
        }
        json!({"Data": data, "Links": {"Self": format!("{}{}", consent.base_url, self.path())}, "Meta": {}})
    }

    /// As `OBWritePaymentDetailsResponse1`. The list of statuses there has no `RCVD`.
    pub(super) fn details(&self, consent: &Consent) -> Value {
        let steps = self.past.iter().filter(|step| step.status != PaymentStatus::Rcvd);
        let statuses: Vec<Value> = steps
            .map(|step| {
                let mut detail = json!({"LocalInstrument": "UK.OBIE.FPS", "Status": step.status.word()});
                if let Some(reason) = step.reason {
                    detail["StatusReason"] = reason.code().into();
                    detail["StatusReasonDescription"] = reason.description().into();
                }
                json!({
                    "PaymentTransactionId": self.id,
                    "Status": step.status.word(),
                    "StatusUpdateDateTime": time::written(step.at),
                    "StatusDetail": detail,
                })
            })
            .collect();
        let link = format!("{}{}/payment-details", consent.base_url, self.path());
        json!({"Data": {"PaymentStatus": statuses}, "Links": {"Self": link}, "Meta": {}})
    }
}
