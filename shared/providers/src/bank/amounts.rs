//! Which amounts the bank takes, and how they are written in its API (rule 24): decimal strings with the currency's own
//! decimals. Nothing else of the bank is known here.

use tollgate_domain::{Currency, Money};
use tollgate_gateway::ports::provider::Unsupported;

/// How many digits may stand before the point.
const WHOLE_MAX: usize = 13;
/// Longer values are no amounts of the bank's.
const LONGEST: usize = WHOLE_MAX + 1 + 5;

/// Whether the bank takes `amount`; `currencies`: those of its accounts, none for every one.
pub fn accepts(amount: Money, currencies: &[Currency]) -> Result<(), Unsupported> {
    if !currencies.is_empty() && !currencies.contains(&amount.currency()) {
        return Err(Unsupported::Currency);
    }
    match to_wire(amount) {
        Some(_) if !amount.is_zero() => Ok(()),
        _ => Err(Unsupported::Amount),
    }
}

/// The amount as the bank writes it; `None` where it cannot.
pub fn to_wire(amount: Money) -> Option<String> {
    let decimals = usize::from(amount.currency().exponent());
    let digits = format!("{:0>width$}", amount.minor(), width = decimals + 1);
    let (whole, part) = digits.split_at(digits.len() - decimals);
    let point = if decimals == 0 { "" } else { "." };
    (whole.len() <= WHOLE_MAX).then(|| format!("{whole}{point}{part}"))
}

/// An amount as the bank wrote it; `None` if it is none. Zeros can be there where there are no decimals to be.
pub fn from_wire(value: &str, currency: Currency) -> Option<Money> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, part) = value.split_once('.').unwrap_or((value, "0"));
    if value.len() > LONGEST || !digits(whole) || !digits(part) {
        return None;
    }
    let wanted = usize::from(currency.exponent());
    let (kept, rest) = part.split_at(part.len().min(wanted));
    if rest.bytes().any(|byte| byte != b'0') {
        return None;
    }
    Money::new(format!("{whole}{kept:0<wanted$}").parse().ok()?, currency).ok()
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
            (1000, "GBP", "10.00"),
            (5, "GBP", "0.05"),
            (123_456, "EUR", "1234.56"),
            (1000, "JPY", "1000"),
            (1, "JPY", "1"),
            (1234, "KWD", "1.234"),
        ] {
            assert_eq!(to_wire(money(minor, code)).as_deref(), Some(wire), "{minor} {code}");
            assert_eq!(from_wire(wire, code.parse().unwrap()), Some(money(minor, code)), "{wire} {code}");
        }
        for (wire, minor, code) in
            [("10", 1000, "GBP"), ("10.5", 1050, "GBP"), ("10.50000", 1050, "GBP"), ("7.0", 7, "JPY")]
        {
            assert_eq!(from_wire(wire, code.parse().unwrap()), Some(money(minor, code)), "{wire} {code}");
        }
    }

    #[test]
    fn what_is_no_amount_is_none() {
        for wrong in ["", "-1", "1,00", "1.", ".5", "1.005", "1e3", " 1", "+1", &"9".repeat(40)] {
            assert_eq!(from_wire(wrong, "GBP".parse().unwrap()), None, "{wrong}");
        }
        assert_eq!(from_wire("10.5", "JPY".parse().unwrap()), None);
    }

    #[test]
    fn what_the_bank_does_not_take_is_refused_before_anything_is_sent() {
        let pounds: [Currency; 1] = ["GBP".parse().unwrap()];
        assert_eq!(accepts(money(1000, "GBP"), &pounds), Ok(()));
        assert_eq!(accepts(money(1000, "JPY"), &pounds), Err(Unsupported::Currency));
        assert_eq!(accepts(money(1000, "JPY"), &[]), Ok(()));
        assert_eq!(accepts(money(0, "GBP"), &pounds), Err(Unsupported::Amount));
    }
}
