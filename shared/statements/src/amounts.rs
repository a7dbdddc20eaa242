//! Amounts: ISO's decimals as whole minor units, exactly.

use tollgate_domain::Currency;

use crate::error::Problem;

/// ISO's amounts have 18 digits; somewhat more can be zeros.
const LONGEST: usize = 30;

/// The minor units of `text`. More decimals than the currency has must be zeros.
pub(crate) fn minor(text: &str, currency: Currency) -> Result<i128, Problem> {
    let wrong = || Problem::wrong("an amount of this currency", text);
    let unsigned = text.strip_prefix('+').unwrap_or(text);
    let (whole, decimals) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let are_digits = whole.bytes().chain(decimals.bytes()).all(|byte| byte.is_ascii_digit());
    if text.len() > LONGEST || !are_digits || whole.is_empty() && decimals.is_empty() {
        return Err(wrong());
    }
    let exponent = usize::from(currency.exponent());
    let (counting, rest) = decimals.split_at(decimals.len().min(exponent));
    if rest.bytes().any(|byte| byte != b'0') {
        return Err(wrong());
    }
    // 30 digits and three zeros more fit.
    format!("{whole}{counting:0<exponent$}").parse().map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tollgate_domain::Money;

    use super::*;

    fn of(text: &str, code: &str) -> Option<i128> {
        minor(text, code.parse().unwrap()).ok()
    }

    #[test]
    fn decimals_beyond_the_currencys_are_zeros_or_refused() {
        for (text, code, minor) in [
            ("10.05", "EUR", 1005),
            ("10.5", "EUR", 1050),
            ("10", "EUR", 1000),
            ("10.", "EUR", 1000),
            (".5", "EUR", 50),
            ("+1.00", "EUR", 100),
            ("1.00000", "EUR", 100),
            ("1000", "JPY", 1000),
            ("1000.00", "JPY", 1000),
            ("0.007", "KWD", 7),
            ("0", "EUR", 0),
            ("999999999999999999", "JPY", 999_999_999_999_999_999),
        ] {
            assert_eq!(of(text, code), Some(minor), "{text} {code}");
        }
        let long = "1".repeat(31);
        for (text, code) in [
            ("10.055", "EUR"),
            ("1.5", "JPY"),
            ("0.0001", "KWD"),
            ("-1.00", "EUR"),
            ("1,00", "EUR"),
            ("1e3", "EUR"),
            ("1.0.0", "EUR"),
            ("", "EUR"),
            (".", "EUR"),
            ("+", "EUR"),
            ("1 000", "EUR"),
            ("١", "EUR"),
            (long.as_str(), "EUR"),
        ] {
            assert_eq!(of(text, code), None, "{text} {code}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_to_the_last_unit(minor in 0..=Money::MAX_MINOR, index in 0_usize..3) {
            let code = ["JPY", "EUR", "KWD"][index];
            let written = Money::new(minor, code.parse().unwrap()).unwrap().to_string();
            let text = written.split(' ').next().unwrap();
            prop_assert_eq!(of(text, code), Some(i128::from(minor)));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}|[0-9.+-]{0,40}") {
            for code in ["JPY", "EUR", "KWD"] {
                if let Some(minor) = of(&text, code) {
                    prop_assert!(minor >= 0);
                }
            }
        }
    }
}
