//! Amounts as Open Banking writes them, in the minor units of ISO 4217. Real banks there take pounds only; this one takes
//! every currency.

use super::errors::ApiError;

/// ISO 4217's codes in use.
const CURRENCIES: &str = "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BOV BRL BSD BTN BWP \
    BYN BZD CAD CDF CHE CHF CHW CLF CLP CNY COP COU CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS \
    GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP \
    LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK \
    PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP \
    TRY TTD TWD TZS UAH UGX USD USN UYI UYU UYW UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG";
const NO_DECIMALS: &str = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF";
const THREE_DECIMALS: &str = "BHD IQD JOD KWD LYD OMR TND";
const FOUR_DECIMALS: &str = "CLF UYW";

const AMOUNT: &str = "Data.Initiation.InstructedAmount.Amount";
const CURRENCY: &str = "Data.Initiation.InstructedAmount.Currency";

fn lists(currencies: &str, currency: &str) -> bool {
    currencies.split_ascii_whitespace().any(|known| known == currency)
}

/// How many decimals `currency` has; none: there is no such currency.
pub(super) fn decimals(currency: &str) -> Option<usize> {
    if !lists(CURRENCIES, currency) {
        return None;
    }
    Some(match currency {
        _ if lists(NO_DECIMALS, currency) => 0,
        _ if lists(THREE_DECIMALS, currency) => 3,
        _ if lists(FOUR_DECIMALS, currency) => 4,
        _ => 2,
    })
}

/// 1 to 13 digits, and 1 to 5 decimals if there is a point.
pub(super) fn is_amount(text: &str) -> bool {
    let digits =
        |part: &str, most: usize| (1..=most).contains(&part.len()) && part.bytes().all(|digit| digit.is_ascii_digit());
    match text.split_once('.') {
        None => digits(text, 13),
        Some((whole, decimals)) => digits(whole, 13) && digits(decimals, 5),
    }
}

/// The amount in minor units, if it is one that this bank moves.
pub(super) fn minor_units(amount: &str, currency: &str) -> Result<i64, ApiError> {
    let exponent = decimals(currency).ok_or_else(|| ApiError::currency_unsupported(CURRENCY, currency))?;
    let (whole, fraction) = amount.split_once('.').unwrap_or((amount, ""));
    if fraction.len() > exponent {
        return Err(ApiError::field_invalid(AMOUNT, format!("{currency} has {exponent} decimals")));
    }
    let minor: i64 = format!("{whole}{fraction:0<exponent$}")
        .parse()
        .map_err(|_| ApiError::field_invalid(AMOUNT, "The amount is not a number"))?;
    if minor == 0 { Err(ApiError::field_invalid(AMOUNT, "The amount is zero")) } else { Ok(minor) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_as_many_decimals_as_their_currency() {
        let minor = |amount, currency| minor_units(amount, currency).ok();
        assert_eq!(minor("10", "GBP"), Some(1000));
        assert_eq!(minor("10.5", "GBP"), Some(1050));
        assert_eq!(minor("0.01", "GBP"), Some(1));
        assert_eq!(minor("1000", "JPY"), Some(1000));
        assert_eq!(minor("1.234", "KWD"), Some(1234));
        assert_eq!(minor("9999999999999.9999", "CLF"), Some(99_999_999_999_999_999));
        for (amount, currency) in [("10.005", "GBP"), ("1000.0", "JPY"), ("0.00", "GBP"), ("1", "ZZZ"), ("1", "gbp")] {
            assert_eq!(minor(amount, currency), None, "{amount} {currency}");
        }
    }

    #[test]
    fn amounts_follow_the_pattern() {
        for good in ["0", "1234567890123", "1.5", "1.12345"] {
            assert!(is_amount(good), "{good}");
        }
        for bad in ["", ".", "1.", ".5", "-1", "1,5", "12345678901234", "1.123456", "1.2.3", "１"] {
            assert!(!is_amount(bad), "{bad}");
        }
    }
}
