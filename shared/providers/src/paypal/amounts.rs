//! Which amounts PayPal takes, and how they are written in its API (rule 24). Nothing else of PayPal is known here.
//!
//! Amounts are decimal strings. Yen, forints and Taiwan dollars have no decimals there, whatever ISO says of the last two.

use tollgate_domain::{Currency, Money};
use tollgate_gateway::ports::provider::Unsupported;

/// The currencies of PayPal's list. Some of them work for accounts of one country only; PayPal says so then.
const TAKEN: [&str; 24] = [
    "AUD", "BRL", "CAD", "CHF", "CNY", "CZK", "DKK", "EUR", "GBP", "HKD", "HUF", "ILS", "JPY", "MXN", "MYR", "NOK",
    "NZD", "PHP", "PLN", "SEK", "SGD", "THB", "TWD", "USD",
];
/// Those that have decimals by ISO, and none at PayPal.
const WITHOUT_DECIMALS: [&str; 2] = ["HUF", "TWD"];
/// Longer values are no amounts of PayPal's.
const LONGEST: usize = 32;

/// Whether PayPal takes `amount`. Its limits depend on the account, and are left to it.
pub fn accepts(amount: Money) -> Result<(), Unsupported> {
    if !TAKEN.contains(&amount.currency().code()) {
        return Err(Unsupported::Currency);
    }
    match to_wire(amount) {
        Some(_) if !amount.is_zero() => Ok(()),
        _ => Err(Unsupported::Amount),
    }
}

/// The amount as PayPal writes it; `None` where it cannot.
pub fn to_wire(amount: Money) -> Option<String> {
    let (minor, currency) = (amount.minor(), amount.currency());
    let unit = unit(currency);
    match decimals(currency) {
        0 if minor % unit == 0 => Some((minor / unit).to_string()),
        0 => None,
        decimals => Some(format!("{}.{:0width$}", minor / unit, minor % unit, width = decimals)),
    }
}

/// An amount as PayPal wrote it; `None` if it is none. Decimals that are zero can be there where there are none to be.
pub fn from_wire(value: &str, currency: Currency) -> Option<Money> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, part) = value.split_once('.').unwrap_or((value, ""));
    if value.len() > LONGEST || !digits(whole) || !(part.is_empty() || digits(part)) || value.ends_with('.') {
        return None;
    }
    let wanted = exponent(currency);
    let (kept, rest) = part.split_at(part.len().min(wanted));
    if rest.bytes().any(|byte| byte != b'0') {
        return None;
    }
    let minor = format!("{whole}{kept:0<wanted$}").parse().ok()?;
    Money::new(minor, currency).ok()
}

/// How many of our minor units are one.
fn unit(currency: Currency) -> i64 {
    10_i64.pow(u32::try_from(exponent(currency)).unwrap_or_default())
}

fn exponent(currency: Currency) -> usize {
    usize::from(currency.exponent())
}

fn decimals(currency: Currency) -> usize {
    if WITHOUT_DECIMALS.contains(&currency.code()) { 0 } else { exponent(currency) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(minor: i64, code: &str) -> Money {
        Money::new(minor, code.parse().unwrap()).unwrap()
    }

    #[test]
    fn amounts_are_written_and_read_without_rounding() {
        for (minor, code, wire) in [
            (1000, "JPY", "1000"),
            (1, "JPY", "1"),
            (1000, "USD", "10.00"),
            (5, "USD", "0.05"),
            (123_456, "EUR", "1234.56"),
            (1200, "HUF", "12"),
            (900, "TWD", "9"),
        ] {
            assert_eq!(to_wire(money(minor, code)).as_deref(), Some(wire), "{minor} {code}");
            assert_eq!(from_wire(wire, code.parse().unwrap()), Some(money(minor, code)), "{wire} {code}");
        }
        assert_eq!(from_wire("12.00", "HUF".parse().unwrap()), Some(money(1200, "HUF")));
        assert_eq!(from_wire("10.5", "USD".parse().unwrap()), Some(money(1050, "USD")));
    }

    #[test]
    fn what_paypal_does_not_take_is_refused_before_anything_is_sent() {
        for (minor, code, expected) in [
            (1000, "KWD", Err(Unsupported::Currency)),
            (1000, "KRW", Err(Unsupported::Currency)),
            (1250, "HUF", Err(Unsupported::Amount)),
            (1, "TWD", Err(Unsupported::Amount)),
            (0, "USD", Err(Unsupported::Amount)),
            (1250, "USD", Ok(())),
        ] {
            assert_eq!(accepts(money(minor, code)), expected, "{minor} {code}");
        }
    }

    #[test]
    fn what_is_no_amount_is_none() {
        for wrong in ["", "-1", "1,00", "1.", ".5", "1.005", "1e3", " 1", "+1", &"9".repeat(40)] {
            assert_eq!(from_wire(wrong, "USD".parse().unwrap()), None, "{wrong}");
        }
        assert_eq!(from_wire("10.5", "JPY".parse().unwrap()), None);
    }
}
