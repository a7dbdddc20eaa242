//! Money: whole minor units of one currency. It never wraps, never rounds, never mixes currencies and is never
//! negative: what is owed the other way is another account, not another sign.

use std::fmt;

use crate::Currency;

/// An amount of one currency in minor units, from 0 to [`Money::MAX_MINOR`].
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Money {
    minor: i64,
    currency: Currency,
}

/// Why an amount cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Below zero, or above [`Money::MAX_MINOR`].
    #[error("amount out of range: 0 to {} minor units", Money::MAX_MINOR)]
    OutOfRange,
    /// Two currencies in one sum.
    #[error("amounts of different currencies cannot be added")]
    CurrencyMismatch,
}

impl Money {
    /// The largest amount: 12 digits. A million of them still fit an `i64`, so no sum of ours wraps.
    pub const MAX_MINOR: i64 = 999_999_999_999;

    /// An amount of `minor` units.
    pub const fn new(minor: i64, currency: Currency) -> Result<Self, MoneyError> {
        if minor < 0 || minor > Self::MAX_MINOR {
            return Err(MoneyError::OutOfRange);
        }
        Ok(Self { minor, currency })
    }

    /// Nothing, in `currency`.
    pub const fn zero(currency: Currency) -> Self {
        Self { minor: 0, currency }
    }

    /// The minor units.
    pub const fn minor(self) -> i64 {
        self.minor
    }

    /// The currency.
    pub const fn currency(self) -> Currency {
        self.currency
    }

    /// Whether this is nothing.
    pub const fn is_zero(self) -> bool {
        self.minor == 0
    }

    /// The sum.
    pub fn plus(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        Self::new(self.minor + other.minor, self.currency)
    }

    /// The difference; `OutOfRange` where `other` is more.
    pub fn minus(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        Self::new(self.minor - other.minor, self.currency)
    }

    /// Whether this is more than `other`.
    pub fn exceeds(self, other: Self) -> Result<bool, MoneyError> {
        self.same_currency(other)?;
        Ok(self.minor > other.minor)
    }

    fn same_currency(self, other: Self) -> Result<(), MoneyError> {
        if self.currency == other.currency { Ok(()) } else { Err(MoneyError::CurrencyMismatch) }
    }
}

/// With the decimals of its currency: `10.00 USD`, `1000 JPY`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exponent = u32::from(self.currency.exponent());
        let unit = 10_i64.pow(exponent);
        let (whole, rest) = (self.minor / unit, self.minor % unit);
        if exponent == 0 {
            write!(f, "{whole} {}", self.currency)
        } else {
            write!(f, "{whole}.{rest:0width$} {}", self.currency, width = exponent as usize)
        }
    }
}

impl fmt::Debug for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn currency(code: &str) -> Currency {
        code.parse().unwrap()
    }

    proptest! {
        #[test]
        fn no_sum_or_difference_wraps_or_leaves_the_range(a in any::<i64>(), b in any::<i64>()) {
            let jpy = currency("JPY");
            let (Ok(x), Ok(y)) = (Money::new(a, jpy), Money::new(b, jpy)) else {
                prop_assert!(!(0..=Money::MAX_MINOR).contains(&a) || !(0..=Money::MAX_MINOR).contains(&b));
                return Ok(());
            };
            match x.plus(y) {
                Ok(sum) => prop_assert_eq!(i128::from(sum.minor()), i128::from(a) + i128::from(b)),
                Err(_) => prop_assert!(a + b > Money::MAX_MINOR),
            }
            match x.minus(y) {
                Ok(rest) => prop_assert_eq!(rest.plus(y), Ok(x)),
                Err(_) => prop_assert!(b > a),
            }
        }

        #[test]
        fn amounts_in_range_add_and_subtract_back(a in 0..=Money::MAX_MINOR / 2, b in 0..=Money::MAX_MINOR / 2) {
            let usd = currency("USD");
            let (x, y) = (Money::new(a, usd).unwrap(), Money::new(b, usd).unwrap());
            prop_assert_eq!(x.plus(y).and_then(|sum| sum.minus(y)), Ok(x));
        }
    }

    #[test]
    fn currencies_do_not_mix() {
        let (yen, dollar) = (Money::zero(currency("JPY")), Money::zero(currency("USD")));
        assert_eq!(yen.plus(dollar), Err(MoneyError::CurrencyMismatch));
        assert_eq!(yen.exceeds(dollar), Err(MoneyError::CurrencyMismatch));
    }

    #[test]
    fn an_amount_is_shown_with_the_decimals_of_its_currency() {
        let show = |minor, code| Money::new(minor, currency(code)).unwrap().to_string();
        assert_eq!(show(1000, "JPY"), "1000 JPY");
        assert_eq!(show(1005, "USD"), "10.05 USD");
        assert_eq!(show(7, "KWD"), "0.007 KWD");
    }
}
