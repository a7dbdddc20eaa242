//! Our stable failure codes for Stripe's: one table, with words fit for a merchant. Stripe's own messages are never passed
//! on. Decides nothing about what an error means for the operation.

use tollgate_domain::Failure;

use super::objects::ErrorCodes;

/// Ours, the words, and Stripe's `decline_code`s and `code`s that it stands for. A card that was reported lost or stolen
/// is `card_declined` on purpose: whoever holds it is not told.
const TABLE: [(&str, &str, &[&str]); 12] = [
    (
        "insufficient_funds",
        "The card has insufficient funds",
        &["insufficient_funds", "card_velocity_exceeded", "withdrawal_count_limit_exceeded"],
    ),
    (
        "expired_card",
        "The card has expired",
        &["expired_card", "expired_payment_method", "invalid_expiry_year", "invalid_expiry_month"],
    ),
    ("incorrect_cvc", "The card's security code is incorrect", &["incorrect_cvc", "invalid_cvc"]),
    ("incorrect_number", "The card number is incorrect", &["incorrect_number", "invalid_number"]),
    (
        "processing_error",
        "The card could not be processed; the payer may try again",
        &[
            "processing_error",
            "issuer_not_available",
            "try_again_later",
            "reenter_transaction",
            "payment_method_provider_timeout",
        ],
    ),
    (
        "authentication_required",
        "The card's issuer asks the payer to authenticate",
        &["authentication_required", "payment_intent_action_required"],
    ),
    (
        "authentication_failed",
        "The payer did not authenticate",
        &[
            "payment_intent_authentication_failure",
            "authentication_failure",
            "payment_intent_payment_attempt_expired",
            "authentication_not_handled",
        ],
    ),
    (
        "currency_not_supported",
        "The card does not support this currency",
        &["currency_not_supported", "payment_method_currency_mismatch"],
    ),
    (
        "amount_not_supported",
        "The provider does not take this amount",
        &[
            "amount_too_small",
            "amount_too_large",
            "invalid_charge_amount",
            "invalid_charge_amount_no_decimal_compatible",
            "charge_exceeds_transaction_limit",
            "charge_exceeds_source_limit",
        ],
    ),
    (
        "authorization_gone",
        "The authorization has ended at the provider; nothing can be captured",
        &["charge_expired_for_capture", "capture_charge_authorization_expired"],
    ),
    (
        "refund_not_possible",
        "The provider cannot refund this payment",
        &[
            "charge_already_refunded",
            "charge_disputed",
            "charge_not_refundable",
            "refund_disputed_payment",
            "balance_insufficient",
            "expired_or_canceled_card",
            "lost_or_stolen_card",
        ],
    ),
    ("card_declined", "The card was declined", &["card_declined", "card_decline_rate_limit_exceeded"]),
];

/// What the merchant is told. The `decline_code` is the closer word; a decline without one that we know is
/// `card_declined`, any other refusal `provider_refused`.
pub(super) fn failure(codes: &ErrorCodes) -> Failure {
    let code = codes.code.as_deref().and_then(token);
    let decline_code = codes.decline_code.as_deref().and_then(token);
    let known = [decline_code, code].into_iter().flatten().find_map(entry);
    let (ours, message) = match known {
        Some((ours, message, _)) => (*ours, *message),
        None if decline_code.is_some() => ("card_declined", "The card was declined"),
        None if is_payment_method(code) => {
            ("payment_method_invalid", "The payment method does not exist at the provider or cannot be used")
        }
        None => ("provider_refused", "The provider refused the request"),
    };
    Failure {
        code: ours.to_owned(),
        message: message.to_owned(),
        provider_code: decline_code.or(code).map(ToOwned::to_owned),
    }
}

/// The failure for a token that Stripe does not know.
pub(super) fn unknown_payment_method(codes: &ErrorCodes) -> Failure {
    let message = "The payment method does not exist at the provider or cannot be used";
    let provider_code = codes.code.as_deref().and_then(token).map(ToOwned::to_owned);
    Failure { provider_code, ..Failure::new("payment_method_invalid", message) }
}

fn entry(code: &str) -> Option<&'static (&'static str, &'static str, &'static [&'static str])> {
    TABLE.iter().find(|(_, _, theirs)| theirs.contains(&code))
}

fn is_payment_method(code: Option<&str>) -> bool {
    code.is_some_and(|code| code.starts_with("payment_method_") || code == "token_already_used")
}

/// A code that looks like one (`do_not_honor`): nothing else that an answer may hold gets into our books this way.
pub(super) fn token(text: &str) -> Option<&str> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let is_code =
        text.len() <= 64 && text.starts_with(|first: char| first.is_ascii_lowercase()) && text.bytes().all(plain);
    is_code.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(code: &str, decline_code: &str) -> ErrorCodes {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        ErrorCodes { code: some(code), decline_code: some(decline_code) }
    }

    #[test]
    fn every_code_has_a_word_of_ours() {
        let cases = [
            ("card_declined", "generic_decline", "card_declined", Some("generic_decline")),
            ("card_declined", "insufficient_funds", "insufficient_funds", Some("insufficient_funds")),
            ("card_declined", "stolen_card", "card_declined", Some("stolen_card")),
            ("expired_card", "expired_card", "expired_card", Some("expired_card")),
            ("incorrect_cvc", "", "incorrect_cvc", Some("incorrect_cvc")),
            (
                "payment_intent_authentication_failure",
                "",
                "authentication_failed",
                Some("payment_intent_authentication_failure"),
            ),
            ("charge_expired_for_capture", "", "authorization_gone", Some("charge_expired_for_capture")),
            ("payment_method_unactivated", "", "payment_method_invalid", Some("payment_method_unactivated")),
            ("parameter_missing", "", "provider_refused", Some("parameter_missing")),
            ("", "", "provider_refused", None),
        ];
        for (code, decline_code, ours, theirs) in cases {
            let failure = failure(&codes(code, decline_code));
            assert_eq!(
                (failure.code.as_str(), failure.provider_code.as_deref()),
                (ours, theirs),
                "{code}/{decline_code}"
            );
        }
    }

    #[test]
    fn what_does_not_look_like_a_code_is_not_kept() {
        for text in ["4242424242424242", "No such thing: 'pm_1'", "", "a\nb", "CARD", &"a".repeat(65)] {
            assert_eq!(failure(&codes(text, text)).provider_code, None, "{text}");
        }
    }

    #[test]
    fn no_code_stands_for_two_words() {
        let mut all: Vec<_> = TABLE.iter().flat_map(|(_, _, theirs)| theirs.iter()).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
