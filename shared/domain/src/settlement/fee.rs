//! Our fee on what is settled.

use crate::{Money, MoneyError};

/// Hundredths of a per cent in a whole.
const WHOLE: i128 = 10_000;

/// `basis_points` hundredths of a per cent of `amount`, rounded half up to a minor unit. It never wraps: a fee above the
/// largest amount is out of range.
pub fn fee(amount: Money, basis_points: u32) -> Result<Money, MoneyError> {
    let exact = i128::from(amount.minor()) * i128::from(basis_points);
    let minor = i64::try_from((exact + WHOLE / 2) / WHOLE).map_err(|_| MoneyError::OutOfRange)?;
    Money::new(minor, amount.currency())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn yen(minor: i64) -> Money {
        Money::new(minor, "JPY".parse().unwrap()).unwrap()
    }

    #[test]
    fn a_fee_is_rounded_half_up() {
        for (amount, basis_points, expected) in [
            (1000, 300, 30),
            (1000, 0, 0),
            (0, 300, 0),
            (50, 100, 1), // 0.5
            (49, 100, 0), // 0.49
            (149, 100, 1),
            (150, 100, 2), // 1.5
            (999, 10_000, 999),
            (1, 4_999, 0),
            (1, 5_000, 1),
        ] {
            assert_eq!(fee(yen(amount), basis_points), Ok(yen(expected)), "{basis_points} of {amount}");
        }
    }

    proptest! {
        #[test]
        fn a_fee_never_wraps_and_is_within_half_a_unit_of_the_exact_one(minor in 0..=Money::MAX_MINOR, basis_points: u32) {
            let exact = i128::from(minor) * i128::from(basis_points);
            match fee(yen(minor), basis_points) {
                Ok(fee) => {
                    let off = i128::from(fee.minor()) * WHOLE - exact;
                    prop_assert!((-WHOLE / 2..=WHOLE / 2).contains(&off) && off != -WHOLE / 2, "{off}");
                    prop_assert!(basis_points > 10_000 || fee.minor() <= minor, "never more than the amount");
                }
                Err(_) => prop_assert!(exact / WHOLE >= i128::from(Money::MAX_MINOR)),
            }
        }
    }
}
