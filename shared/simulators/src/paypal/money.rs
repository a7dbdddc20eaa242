//! Amounts and currencies as PayPal takes them: decimal strings, and three currencies without decimals.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    errors::ApiError,
    issues::{self, Area},
};

/// The currencies that PayPal pays in.
const CURRENCIES: &str = "AUD BRL CAD CHF CNY CZK DKK EUR GBP HKD HUF ILS JPY MXN MYR NOK NZD PHP PLN RUB SEK SGD THB \
    TWD USD";
/// No decimals at PayPal.
const WHOLE: &str = "HUF JPY TWD";
/// PayPal's amounts have up to fifteen digits before the point.
const MOST_DIGITS: usize = 15;
/// Longer values are malformed.
const LONGEST_VALUE: usize = 32;
/// What PayPal keeps of a payment, in hundredths of a percent.
const FEE: i64 = 360;

fn lists(currencies: &str, currency: &str) -> bool {
    currencies.split_ascii_whitespace().any(|known| known == currency)
}

/// An amount in the minor units of ISO 4217, which has decimals for HUF and TWD.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Money {
    pub(super) minor: i64,
    pub(super) currency: String,
}

impl Money {
    pub(super) fn of(&self, minor: i64) -> Self {
        Self { minor, currency: self.currency.clone() }
    }

    /// How many minor units PayPal's smallest amount is.
    fn step(&self) -> i64 {
        if self.currency != "JPY" && lists(WHOLE, &self.currency) { 100 } else { 1 }
    }

    /// What PayPal keeps of it.
    pub(super) fn fee(&self) -> Self {
        let step = self.step();
        self.of(i64::try_from(i128::from(self.minor) * i128::from(FEE) / 10_000).unwrap_or(0) / step * step)
    }

    /// As the words of an event have it, such as `$ 10.5 USD`.
    pub(super) fn in_words(&self) -> String {
        format!("{} {}", self.value(), self.currency)
    }

    fn value(&self) -> String {
        if lists(WHOLE, &self.currency) {
            return (self.minor / self.step()).to_string();
        }
        format!("{}.{:02}", self.minor / 100, self.minor % 100)
    }

    pub(super) fn to_json(&self) -> Value {
        json!({"currency_code": self.currency, "value": self.value()})
    }

    /// Reads `{"currency_code","value"}`, which stands at `field` of the request.
    pub(super) fn read(value: &Value, field: &str, area: Area) -> Result<Self, ApiError> {
        let text = |name: &str| {
            let field = format!("{field}/{name}");
            match &value[name] {
                Value::String(text) => Ok((text.clone(), field)),
                Value::Null => Err(ApiError::of(&issues::missing(area)).field(&field)),
                other => Err(ApiError::of(&issues::SYNTAX).field(&field).value(&other.to_string())),
            }
        };
        let (currency, currency_field) = text("currency_code")?;
        let (amount, field) = text("value")?;
        if currency.len() != 3 {
            return Err(ApiError::of(&issues::length(area)).field(&currency_field).value(&currency));
        }
        if !lists(CURRENCIES, &currency) {
            return Err(ApiError::of(&issues::currency(area)).field(&currency_field).value(&currency));
        }
        let minor = minor_units(&amount, &currency, area).map_err(|error| error.field(&field).value(&amount))?;
        Ok(Self { minor, currency })
    }
}

fn minor_units(amount: &str, currency: &str, area: Area) -> Result<i64, ApiError> {
    let (whole, decimals) = amount.split_once('.').unwrap_or((amount, ""));
    let (negative, whole) = whole.strip_prefix('-').map_or((false, whole), |whole| (true, whole));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let complete = if amount.contains('.') { !decimals.is_empty() } else { !whole.is_empty() };
    if !(digits(whole) && digits(decimals) && complete && amount.len() <= LONGEST_VALUE) {
        return Err(ApiError::of(&issues::SYNTAX));
    }
    if negative {
        return Err(ApiError::of(&issues::NOT_POSITIVE));
    }
    if lists(WHOLE, currency) && amount.contains('.') {
        return Err(ApiError::of(&issues::NO_DECIMALS));
    }
    if decimals.len() > 2 {
        return Err(ApiError::of(&issues::PRECISION));
    }
    let whole = whole.trim_start_matches('0');
    if whole.len() > MOST_DIGITS {
        return Err(ApiError::of(&issues::too_large(area)));
    }
    // At most seventeen digits: these fit.
    let hundredths = format!("{whole}{decimals:0<2}").parse::<i64>().unwrap_or(i64::MAX);
    let minor = if currency == "JPY" { hundredths / 100 } else { hundredths };
    if minor == 0 {
        return Err(ApiError::of(&issues::NOT_POSITIVE));
    }
    Ok(minor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str, currency: &str) -> Result<i64, String> {
        let given = json!({"currency_code": currency, "value": value});
        Money::read(&given, "/amount", Area::Create)
            .map(|money| {
                assert_eq!(Money::read(&money.to_json(), "/amount", Area::Create).unwrap(), money);
                money.minor
            })
            .map_err(|error| error.issue().to_owned())
    }

    #[test]
    fn amounts_are_read_in_minor_units() {
        for (value, currency, minor) in [
            ("10.50", "USD", 1050),
            ("10.5", "USD", 1050),
            ("10", "EUR", 1000),
            (".99", "EUR", 99),
            ("1000", "JPY", 1000),
            ("1000", "HUF", 100_000),
            ("999999999999999.99", "USD", 99_999_999_999_999_999),
        ] {
            assert_eq!(read(value, currency), Ok(minor), "{value} {currency}");
        }
    }

    #[test]
    fn amounts_that_paypal_does_not_take_are_refused() {
        for (value, currency, issue) in [
            ("10.5", "JPY", "DECIMALS_NOT_SUPPORTED"),
            ("10.00", "TWD", "DECIMALS_NOT_SUPPORTED"),
            ("10.505", "USD", "DECIMAL_PRECISION"),
            ("0.00", "USD", "CANNOT_BE_ZERO_OR_NEGATIVE"),
            ("-1", "USD", "CANNOT_BE_ZERO_OR_NEGATIVE"),
            ("ten", "USD", "INVALID_PARAMETER_SYNTAX"),
            ("10.", "USD", "INVALID_PARAMETER_SYNTAX"),
            ("", "USD", "INVALID_PARAMETER_SYNTAX"),
            ("1000000000000000", "USD", "MAX_VALUE_EXCEEDED"),
            ("10", "KWD", "INVALID_CURRENCY_CODE"),
            ("10", "YEN!", "INVALID_STRING_LENGTH"),
        ] {
            assert_eq!(read(value, currency), Err(issue.to_owned()), "{value} {currency}");
        }
    }
}
