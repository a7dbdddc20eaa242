//! Stripe's test payment methods, and how each card behaves.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A test card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Card {
    Visa,
    Mastercard,
    Amex,
    Discover,
    Diners,
    Jcb,
    Unionpay,
    /// Needs the payer to approve on the issuer's page.
    ThreeDSecure,
    /// Its refunds take a while.
    SlowRefund,
    /// Its refunds fail after they succeeded.
    FailedRefund,
    /// Is always declined.
    Declined(Reason),
}

/// Why a payment failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reason {
    GenericDecline,
    InsufficientFunds,
    LostCard,
    StolenCard,
    ExpiredCard,
    IncorrectCvc,
    ProcessingError,
    /// The payer was not there to approve.
    AuthenticationRequired,
    /// The payer did not approve.
    AuthenticationFailed,
}

/// A failed attempt to pay.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Refusal {
    pub(super) reason: Reason,
    pub(super) charge: Option<String>,
}

/// What the issuer says to an attempt.
pub(super) enum Verdict {
    Approved,
    Refused(Reason),
    PayerMustAct,
}

impl Card {
    /// The card behind a test token such as `pm_card_visa`.
    pub(super) fn from_token(token: &str) -> Option<Self> {
        let name = token.strip_prefix("pm_card_")?;
        let card = match name {
            "visa" | "visa_debit" => Self::Visa,
            "mastercard" | "mastercard_debit" => Self::Mastercard,
            "amex" => Self::Amex,
            "discover" => Self::Discover,
            "diners" => Self::Diners,
            "jcb" => Self::Jcb,
            "unionpay" => Self::Unionpay,
            "threeDSecure2Required" | "threeDSecureRequired" | "authenticationRequired" => Self::ThreeDSecure,
            "pendingRefund" => Self::SlowRefund,
            "refundFail" => Self::FailedRefund,
            _ => Self::Declined(Reason::from_token(name.strip_prefix("visa_").unwrap_or(name))?),
        };
        Some(card)
    }

    /// What happens when it is charged; `payer_is_away` for a payment that cannot wait for an approval.
    pub(super) fn verdict(self, payer_is_away: bool) -> Verdict {
        match self {
            Self::Declined(reason) => Verdict::Refused(reason),
            Self::ThreeDSecure if payer_is_away => Verdict::Refused(Reason::AuthenticationRequired),
            Self::ThreeDSecure => Verdict::PayerMustAct,
            _ => Verdict::Approved,
        }
    }

    fn brand(self) -> &'static str {
        match self {
            Self::Mastercard => "mastercard",
            Self::Amex => "amex",
            Self::Discover => "discover",
            Self::Diners => "diners",
            Self::Jcb => "jcb",
            Self::Unionpay => "unionpay",
            _ => "visa",
        }
    }

    fn last4(self) -> &'static str {
        match self {
            Self::Visa => "4242",
            Self::Mastercard => "4444",
            Self::Amex => "8431",
            Self::Discover => "9424",
            Self::Diners => "1111",
            Self::Jcb => "0505",
            Self::Unionpay => "0005",
            Self::ThreeDSecure => "3220",
            Self::SlowRefund => "7726",
            Self::FailedRefund => "5126",
            Self::Declined(_) => "0002",
        }
    }

    pub(super) fn to_json(self) -> Value {
        json!({
            "brand": self.brand(),
            "checks": {"address_line1_check": null, "address_postal_code_check": null, "cvc_check": "pass"},
            "country": "US",
            "exp_month": 12,
            "exp_year": 2034,
            "funding": "credit",
            "last4": self.last4(),
            "network": self.brand(),
            "three_d_secure": null,
            "wallet": null,
        })
    }
}

impl Reason {
    fn from_token(name: &str) -> Option<Self> {
        Some(match name.strip_prefix("chargeDeclined")? {
            "" => Self::GenericDecline,
            "InsufficientFunds" => Self::InsufficientFunds,
            "LostCard" => Self::LostCard,
            "StolenCard" => Self::StolenCard,
            "ExpiredCard" => Self::ExpiredCard,
            "IncorrectCvc" => Self::IncorrectCvc,
            "ProcessingError" => Self::ProcessingError,
            _ => return None,
        })
    }

    pub(super) fn code(self) -> &'static str {
        match self {
            Self::GenericDecline | Self::InsufficientFunds | Self::LostCard | Self::StolenCard => "card_declined",
            Self::ExpiredCard => "expired_card",
            Self::IncorrectCvc => "incorrect_cvc",
            Self::ProcessingError => "processing_error",
            Self::AuthenticationRequired => "authentication_required",
            Self::AuthenticationFailed => "payment_intent_authentication_failure",
        }
    }

    pub(super) fn decline_code(self) -> Option<&'static str> {
        match self {
            Self::GenericDecline => Some("generic_decline"),
            Self::InsufficientFunds => Some("insufficient_funds"),
            Self::LostCard => Some("lost_card"),
            Self::StolenCard => Some("stolen_card"),
            Self::ExpiredCard => Some("expired_card"),
            Self::IncorrectCvc => Some("incorrect_cvc"),
            Self::ProcessingError => Some("processing_error"),
            Self::AuthenticationRequired => Some("authentication_required"),
            Self::AuthenticationFailed => None,
        }
    }

    pub(super) fn message(self) -> &'static str {
        match self {
            Self::GenericDecline | Self::LostCard | Self::StolenCard => "Your card was declined.",
            Self::InsufficientFunds => "Your card has insufficient funds.",
            Self::ExpiredCard => "Your card has expired.",
            Self::IncorrectCvc => "Your card's security code is incorrect.",
            Self::ProcessingError => "An error occurred while processing your card. Try again in a little bit.",
            Self::AuthenticationRequired => "Your card was declined. This transaction requires authentication.",
            Self::AuthenticationFailed => {
                "We are unable to authenticate your payment method. Please choose a different payment method and try \
                 again."
            }
        }
    }
}
