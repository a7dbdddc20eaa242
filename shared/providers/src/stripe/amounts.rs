//! Which amounts Stripe takes, and how they are written in its API (rule 24). Nothing else of Stripe is known here.
//!
//! Our amounts are in ISO's minor units. Stripe's are too, but for three currencies, where sending ours unchanged would
//! move a hundred times too little or too much:
//! - ISK and UGX have no decimals, but Stripe keeps writing them with two, always `00` ("an ISK amount of `100` will
//!   continue to represent 1 króna");
//! - MGA has two by ISO, and none at Stripe.

use tollgate_domain::{Currency, Money};
use tollgate_gateway::ports::provider::Unsupported;

/// Stripe's amounts have up to eight digits.
const LARGEST: i64 = 99_999_999;

/// Currencies of ISO 4217 that Stripe does not charge in. It may refuse more for a given account, and then says so.
const NOT_TAKEN: [&str; 17] = [
    "BTN", "CUP", "ERN", "IQD", "IRR", "KPW", "LYD", "MRU", "SDG", "SSP", "STN", "SVC", "SYP", "TMT", "VED", "VES",
    "ZWG",
];

/// Of which whole number an amount in our minor units must be a multiple.
fn step(currency: Currency) -> i64 {
    match currency.code() {
        // Three decimals, of which cards carry two.
        "BHD" | "JOD" | "KWD" | "OMR" | "TND" => 10,
        // Whole hundreds, as rule 24 has it. (MGA: only whole ariary can be written.)
        "ISK" | "UGX" | "MGA" => 100,
        _ => 1,
    }
}

/// Whether Stripe takes `amount`. Its minimum depends on the account, and is left to it.
pub fn accepts(amount: Money) -> Result<(), Unsupported> {
    if NOT_TAKEN.contains(&amount.currency().code()) {
        return Err(Unsupported::Currency);
    }
    match to_wire(amount) {
        Some(wire) if wire <= LARGEST && !amount.is_zero() => Ok(()),
        _ => Err(Unsupported::Amount),
    }
}

/// The amount as Stripe writes it; `None` where it cannot.
pub fn to_wire(amount: Money) -> Option<i64> {
    let minor = amount.minor();
    if minor % step(amount.currency()) != 0 {
        return None;
    }
    match amount.currency().code() {
        "ISK" | "UGX" => minor.checked_mul(100),
        "MGA" => Some(minor / 100),
        _ => Some(minor),
    }
}

/// An amount as Stripe wrote it; `None` if it is none of ours.
pub fn from_wire(wire: i64, currency: Currency) -> Option<Money> {
    let minor = match currency.code() {
        "ISK" | "UGX" if wire % 100 != 0 => return None,
        "ISK" | "UGX" => wire / 100,
        "MGA" => wire.checked_mul(100)?,
        _ => wire,
    };
    Money::new(minor, currency).ok()
}

/// The code as Stripe writes it: lower case.
pub fn currency_to_wire(currency: Currency) -> String {
    currency.code().to_ascii_lowercase()
}

/// A code as Stripe wrote it.
pub fn currency_from_wire(wire: &str) -> Option<Currency> {
    wire.to_ascii_uppercase().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(minor: i64, code: &str) -> Money {
        Money::new(minor, code.parse().unwrap()).unwrap()
    }

    #[test]
    fn what_stripe_does_not_take_is_refused_before_anything_is_sent() {
        use Unsupported::{Amount, Currency};
        let cases = [
            (1, "JPY", Ok(())),
            (99_999_999, "USD", Ok(())),
            (100_000_000, "USD", Err(Amount)),
            (0, "USD", Err(Amount)),
            (5_120, "KWD", Ok(())),
            (5_124, "KWD", Err(Amount)),
            (500, "ISK", Ok(())),
            (550, "ISK", Err(Amount)),
            (1_000_000, "ISK", Err(Amount)),
            (500, "UGX", Ok(())),
            (501, "UGX", Err(Amount)),
            (501, "MGA", Err(Amount)),
            (100, "KPW", Err(Currency)),
            (100, "LYD", Err(Currency)),
        ];
        for (minor, code, expected) in cases {
            assert_eq!(accepts(money(minor, code)), expected, "{minor} {code}");
        }
    }

    #[test]
    fn the_currencies_that_stripe_writes_otherwise_are_written_its_way() {
        for (minor, code, wire) in
            [(1000, "JPY", 1000), (1000, "USD", 1000), (500, "ISK", 50_000), (500, "UGX", 50_000), (500, "MGA", 5)]
        {
            let amount = money(minor, code);
            assert_eq!(to_wire(amount), Some(wire), "{amount:?}");
            assert_eq!(from_wire(wire, amount.currency()), Some(amount), "{amount:?}");
        }
        assert_eq!(from_wire(50_001, "ISK".parse().unwrap()), None);
        assert_eq!(from_wire(-1, "USD".parse().unwrap()), None);
        assert_eq!(from_wire(i64::MAX, "MGA".parse().unwrap()), None);
    }
}
