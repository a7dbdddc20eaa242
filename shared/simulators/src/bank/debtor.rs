//! The accounts that payments are asked of, and how each behaves: the bank's test tokens.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    errors::ApiError,
    status::{PaymentStatus, Reason},
};

/// What happens to a payment: its statuses, each with the seconds after which it comes. The first is there at once.
pub(super) type Course = &'static [(i64, PaymentStatus, Option<Reason>)];

/// An account, by the `Identification` of `DebtorAccount`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Debtor {
    /// `debtor-ok`: exempt from approval, and paid at once.
    Ok,
    /// `debtor-no-funds`: exempt, and without money.
    NoFunds,
    /// `debtor-slow`: exempt; its payments take a minute.
    Slow,
    /// `debtor-step-by-step`: exempt; its payments take every step, one each second.
    StepByStep,
    /// `debtor-late-reject`: exempt; its payments are taken, and rejected after a minute.
    LateReject,
    /// `debtor-blocked`: exempt; its payments are blocked for review.
    Blocked,
    /// `debtor-refund-slow`: exempt; what is paid back to it takes a minute.
    RefundSlow,
    /// `debtor-refund-rejected`: exempt; what is paid back to it is taken, and rejected after a minute.
    RefundRejected,
    /// `tollgate-…`: the gateway's own account, which pays refunds. Exempt.
    Own,
    /// `debtor-needs-consent`, every account that is no test token, and whichever the payer chooses: the payer has to
    /// approve, and then it pays at once.
    Account,
}

impl Debtor {
    /// The account that `initiation` names; none is one that the payer chooses.
    pub(super) fn of(initiation: &Value) -> Result<Self, ApiError> {
        Ok(match initiation["DebtorAccount"]["Identification"].as_str().unwrap_or_default() {
            "debtor-ok" => Self::Ok,
            "debtor-no-funds" => Self::NoFunds,
            "debtor-slow" => Self::Slow,
            "debtor-step-by-step" => Self::StepByStep,
            "debtor-late-reject" => Self::LateReject,
            "debtor-blocked" => Self::Blocked,
            "debtor-refund-slow" => Self::RefundSlow,
            "debtor-refund-rejected" => Self::RefundRejected,
            "debtor-needs-consent" => Self::Account,
            unknown if unknown.starts_with("debtor-") => {
                let path = "Data.Initiation.DebtorAccount.Identification";
                return Err(ApiError::field_invalid(path, "There is no test account with this name"));
            }
            own if is_own(own) => Self::Own,
            _ => Self::Account,
        })
    }

    /// May its money be moved without the payer's approval?
    pub(super) fn is_exempt(self) -> bool {
        self != Self::Account
    }

    pub(super) fn has_funds(self) -> bool {
        self != Self::NoFunds
    }

    /// What happens to a payment from it to the account `creditor`.
    pub(super) fn course(self, creditor: &str) -> Course {
        use PaymentStatus::{Accc, Accp, Acsc, Acsp, Actc, Acwp, Blck, Pdng, Rcvd, Rjct};
        const AT_ONCE: Course = &[(0, Acsc, None)];
        const LATE_REJECT: Course = &[(0, Acsp, None), (60, Rjct, Some(Reason::ClosedAccount))];
        match self {
            Self::Ok | Self::Account | Self::RefundSlow | Self::RefundRejected => AT_ONCE,
            Self::NoFunds => &[(0, Rjct, Some(Reason::InsufficientFunds))],
            Self::Slow => &[(0, Rcvd, None), (5, Pdng, None), (10, Acsp, None), (60, Acsc, None)],
            Self::StepByStep => &[
                (0, Rcvd, None),
                (1, Pdng, None),
                (2, Actc, None),
                (3, Accp, None),
                (4, Acsp, None),
                (5, Acwp, None),
                (6, Accc, None),
            ],
            Self::LateReject => LATE_REJECT,
            Self::Blocked => &[(0, Blck, Some(Reason::BlockedAccount))],
            Self::Own => match creditor {
                "debtor-refund-slow" => &[(0, Pdng, None), (60, Acsc, None)],
                "debtor-refund-rejected" => LATE_REJECT,
                _ => AT_ONCE,
            },
        }
    }
}

/// Is this the gateway's own account?
pub(super) fn is_own(identification: &str) -> bool {
    identification.starts_with("tollgate-")
}

/// A payment that a fault has declined.
pub(super) const DECLINED: Course = &[(0, PaymentStatus::Rjct, Some(Reason::Declined))];
