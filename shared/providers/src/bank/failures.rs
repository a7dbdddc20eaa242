//! Our stable failure codes for the bank's: one table, with words fit for a merchant. The bank's own messages are never
//! passed on.

use tollgate_domain::Failure;

use super::objects::{ApiError, Reason};

/// Ours, the words, and the codes (ISO 20022's, and Open Banking's that begin with U) that it stands for.
const TABLE: [(&str, &str, &[&str]); 10] = [
    ("insufficient_funds", "The payer's account has not enough money", &["AM04"]),
    (
        "payer_account_restricted",
        "The payer's account cannot pay at the moment",
        &["AC04", "AC06", "AC07", "AG01", "AG03"],
    ),
    (
        "payment_method_invalid",
        "The payment method does not exist at the provider or cannot be used",
        &["AC01", "AC02", "AC03"],
    ),
    ("payment_method_declined", "The payer's bank declined the payment", &["MS02", "MS03"]),
    ("approval_refused", "The payer refused the payment at the bank", &["U037"]),
    ("approval_expired", "The payer did not approve the payment in time", &["U036"]),
    ("approval_not_usable", "The bank did not take the payer's approval; nothing was charged", &["U028"]),
    ("authorization_gone", "The authorization has ended at the provider; nothing can be captured", &["U009"]),
    ("amount_not_supported", "The provider does not take this amount", &["AM01", "AM02", "AM14"]),
    ("currency_not_supported", "The provider does not take this currency", &["AM03", "U023"]),
];

/// The payer has no money.
pub(super) const NO_FUNDS: &str = "AM04";
/// The consent's status does not allow what was asked for.
pub(super) const CONSENT_STATUS: &str = "U009";
/// There is no such thing.
pub(super) const NO_SUCH: &str = "U011";
/// The call takes the token of the payer's approval.
pub(super) const PAYERS_TOKEN: &str = "U028";

/// What the merchant is told of an error.
pub(super) fn failure(error: &ApiError) -> Failure {
    // A field that has a wrong value is our mistake, unless the payer's account is that field.
    let about_the_payer = error.path().starts_with("Data.Initiation.DebtorAccount");
    let known = of_code(error.code());
    if about_the_payer { Failure { provider_code: known.provider_code, ..of_code("AC01") } } else { known }
}

/// What the merchant is told of why something has its status.
pub(super) fn of_reasons(reasons: &[Reason]) -> Failure {
    of_code(reasons.iter().find_map(|reason| reason.status_reason_code.as_deref()).unwrap_or_default())
}

/// What the merchant is told of a code.
pub(super) fn of_code(code: &str) -> Failure {
    let known = TABLE.iter().find(|(_, _, theirs)| theirs.contains(&code));
    let (ours, message) =
        known.map_or(("provider_refused", "The provider refused the request"), |(ours, message, _)| (*ours, *message));
    Failure { provider_code: token(code).map(ToOwned::to_owned), ..Failure::new(ours, message) }
}

/// A code that looks like one (`AM04`): nothing else that an answer may hold gets into our books this way.
pub(super) fn token(text: &str) -> Option<&str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.');
    ((1..=64).contains(&text.len()) && text.bytes().all(plain)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::{super::objects::Detail, *};

    fn error(code: &str, path: &str) -> ApiError {
        ApiError { errors: vec![Detail { error_code: code.to_owned(), path: Some(path.to_owned()) }] }
    }

    #[test]
    fn codes_have_words_of_ours_and_nothing_that_is_no_code_is_kept() {
        assert_eq!(of_code("AM04").code, "insufficient_funds");
        let unknown = of_code("XY99");
        assert_eq!((unknown.code.as_str(), unknown.provider_code.as_deref()), ("provider_refused", Some("XY99")));
        assert_eq!(of_code("<script>").provider_code, None);
        assert_eq!(of_reasons(&[]).code, "provider_refused");
    }

    #[test]
    fn an_account_that_does_not_exist_is_the_payers() {
        let failure = |path| failure(&error("U002", path));
        let payers = failure("Data.Initiation.DebtorAccount.Identification");
        assert_eq!((payers.code.as_str(), payers.provider_code.as_deref()), ("payment_method_invalid", Some("U002")));
        assert_eq!(failure("Data.Initiation.InstructedAmount").code, "provider_refused");
    }
}
