//! Why an internal call is refused, in words that are a metric's label.
//!
//! Must not know: what the caller sent.

/// Why an internal call is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Nobody may call: the mode is not set.
    NotConfigured,
    /// There is no bearer token.
    Missing,
    /// There are several, and whoever looked before us may have taken another one.
    Duplicate,
    /// It is longer than any of Google's.
    Oversized,
    /// It is no JWT, or one without the claims that each of Google's has.
    Malformed,
    /// It is not signed by RS256.
    Algorithm,
    /// The platform took the signature away, and here it has to be checked.
    SignatureRemoved,
    /// The platform did not take the signature away: it did not check this token.
    NotFromPlatform,
    /// Google shows no key of that name.
    UnknownKey,
    /// Google's keys cannot be had.
    KeysUnavailable,
    /// That key did not sign it.
    Signature,
    /// Google did not make it.
    Issuer,
    /// It was made for somebody else.
    Audience,
    /// It was good once.
    Expired,
    /// It is not good yet.
    NotYetValid,
    /// It does not say whose it is, or Google has not verified that.
    AccountUnverified,
    /// It is good, and its account may not call.
    Account,
}

impl Refusal {
    /// The metric's label.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::NotConfigured => "not_configured",
            Self::Missing => "missing",
            Self::Duplicate => "duplicate",
            Self::Oversized => "oversized",
            Self::Malformed => "malformed",
            Self::Algorithm => "algorithm",
            Self::SignatureRemoved => "signature_removed",
            Self::NotFromPlatform => "not_from_platform",
            Self::UnknownKey => "unknown_key",
            Self::KeysUnavailable => "keys_unavailable",
            Self::Signature => "signature",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::AccountUnverified => "account_unverified",
            Self::Account => "account",
        }
    }
}
