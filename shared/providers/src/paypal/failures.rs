//! Our stable failure codes for PayPal's issues: one table, with words fit for a merchant. PayPal's own messages are never
//! passed on.

use tollgate_domain::Failure;

use super::objects::ApiError;

/// Ours, the words, and PayPal's issues that it stands for.
const TABLE: [(&str, &str, &[&str]); 8] = [
    (
        "payment_method_declined",
        "The payer's PayPal account or its funding source was declined",
        &[
            "INSTRUMENT_DECLINED",
            "TRANSACTION_REFUSED",
            "PAYER_CANNOT_PAY",
            "CARD_EXPIRED",
            "REDIRECT_PAYER_FOR_ALTERNATE_FUNDING",
            "PAYEE_BLOCKED_TRANSACTION",
            "TRANSACTION_BLOCKED_BY_PAYEE",
            "AUTHORIZATION_DENIED",
        ],
    ),
    (
        "payer_account_restricted",
        "The payer's PayPal account cannot pay at the moment",
        &["PAYER_ACCOUNT_LOCKED_OR_CLOSED", "PAYER_ACCOUNT_RESTRICTED", "PAYER_COUNTRY_NOT_SUPPORTED"],
    ),
    (
        "payment_method_invalid",
        "The payment method does not exist at the provider or cannot be used",
        &["TOKEN_ID_NOT_FOUND", "INVALID_PAYMENT_TOKEN", "VAULT_ID_NOT_FOUND", "INVALID_RESOURCE_ID_VAULT"],
    ),
    (
        "authorization_gone",
        "The authorization has ended at the provider; nothing can be captured",
        &["AUTHORIZATION_EXPIRED", "AUTHORIZATION_VOIDED"],
    ),
    (
        "amount_not_supported",
        "The provider does not take this amount",
        &["MAX_CAPTURE_AMOUNT_EXCEEDED", "TRANSACTION_LIMIT_EXCEEDED", "AMOUNT_MISMATCH", "MAX_VALUE_EXCEEDED"],
    ),
    (
        "currency_not_supported",
        "The provider does not take this currency",
        &["CURRENCY_NOT_SUPPORTED_FOR_RECEIVER", "INVALID_CURRENCY_CODE", "CURRENCY_NOT_SUPPORTED_FOR_COUNTRY"],
    ),
    (
        "refund_not_possible",
        "The provider cannot refund this payment",
        &[
            "CAPTURE_FULLY_REFUNDED",
            "REFUND_AMOUNT_EXCEEDED",
            "REFUND_NOT_ALLOWED",
            "REFUND_TIME_LIMIT_EXCEEDED",
            "REFUND_FAILED_INSUFFICIENT_FUNDS",
            "PARTIAL_REFUND_NOT_ALLOWED",
            "CAPTURE_DISPUTED_PARTIAL_REFUND_NOT_ALLOWED",
        ],
    ),
    ("compliance", "The provider refused the payment for legal reasons", &["COMPLIANCE_VIOLATION"]),
];

/// What the merchant is told of an error.
pub(super) fn failure(error: &ApiError) -> Failure {
    of_code(error.code())
}

/// What the merchant is told of an issue.
pub(super) fn of_code(code: &str) -> Failure {
    let known = TABLE.iter().find(|(_, _, theirs)| theirs.contains(&code));
    let (ours, message) =
        known.map_or(("provider_refused", "The provider refused the request"), |(ours, message, _)| (*ours, *message));
    Failure { provider_code: token(code).map(ToOwned::to_owned), ..Failure::new(ours, message) }
}

/// A code that looks like one (`INSTRUMENT_DECLINED`): nothing else that an answer may hold gets into our books this way.
pub(super) fn token(text: &str) -> Option<&str> {
    let plain = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    let is_code =
        text.len() <= 64 && text.starts_with(|first: char| first.is_ascii_uppercase()) && text.bytes().all(plain);
    is_code.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issues_have_words_of_ours_and_nothing_that_is_no_code_is_kept() {
        assert_eq!(of_code("INSTRUMENT_DECLINED").code, "payment_method_declined");
        assert_eq!(of_code("AUTHORIZATION_EXPIRED").code, "authorization_gone");
        let unknown = of_code("SOMETHING_NEW");
        assert_eq!(
            (unknown.code.as_str(), unknown.provider_code.as_deref()),
            ("provider_refused", Some("SOMETHING_NEW"))
        );
        for text in ["4242 4242 4242 4242", "payer@example.com", "", "a\nb", &"A".repeat(65)] {
            assert_eq!(of_code(text).provider_code, None, "{text}");
        }
    }

    #[test]
    fn no_issue_stands_for_two_words() {
        let mut all: Vec<_> = TABLE.iter().flat_map(|(_, _, theirs)| theirs.iter()).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
