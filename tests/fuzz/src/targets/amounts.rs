//! Amounts, as each provider writes them, and sums of them. Input: a line with a currency, one with an amount as text, and one with
//! two numbers and basis points.
//!
//! Holds: an amount that was read says what its text says, by a second reading; written and read again it is the same; no sum,
//! difference or fee wraps: it is exact, or refused.

use tollgate_domain::{Currency, Money, settlement::fee};
use tollgate_providers::{bank, paypal, stripe};

use crate::template::lines;

pub(crate) fn run(input: &[u8]) {
    let ([currency, text, numbers], _) = lines::<3>(input);
    let Ok(currency) = currency.parse::<Currency>() else { return };
    as_text(text, currency);
    as_integer(text, currency);
    sums(numbers, currency);
}

/// PayPal and the bank write decimals.
fn as_text(text: &str, currency: Currency) {
    let exact = exact(text, currency);
    let read = [paypal::amounts::from_wire(text, currency), bank::amounts::from_wire(text, currency)];
    for money in read.into_iter().flatten() {
        assert_eq!(Some(i128::from(money.minor())), exact, "{text} {currency}");
        assert_eq!(money.currency(), currency);
        written(money);
    }
}

/// Stripe writes whole numbers, in units of its own for some currencies.
fn as_integer(text: &str, currency: Currency) {
    let Ok(wire) = text.parse::<i64>() else { return };
    let Some(money) = stripe::amounts::from_wire(wire, currency) else { return };
    written(money);
    if let Some(again) = stripe::amounts::to_wire(money) {
        assert_eq!(again, wire, "{money:?}");
    }
    let code = stripe::amounts::currency_to_wire(currency);
    assert_eq!(stripe::amounts::currency_from_wire(&code), Some(currency));
}

/// What each provider would be sent is read back as the same.
fn written(money: Money) {
    let currency = money.currency();
    if let Some(wire) = paypal::amounts::to_wire(money) {
        assert_eq!(paypal::amounts::from_wire(&wire, currency), Some(money), "{wire}");
    }
    if let Some(wire) = bank::amounts::to_wire(money) {
        assert_eq!(bank::amounts::from_wire(&wire, currency), Some(money), "{wire}");
    }
    if let Some(wire) = stripe::amounts::to_wire(money) {
        assert_eq!(stripe::amounts::from_wire(wire, currency), Some(money), "{wire}");
    }
    if stripe::amounts::accepts(money).is_ok() {
        assert!(stripe::amounts::to_wire(money).is_some_and(|wire| wire > 0), "{money:?}");
    }
    if paypal::amounts::accepts(money).is_ok() {
        assert!(paypal::amounts::to_wire(money).is_some() && !money.is_zero(), "{money:?}");
    }
}

/// The value of a decimal in minor units, digit by digit; `None`: there are units smaller than the currency's, or no digits.
fn exact(text: &str, currency: Currency) -> Option<i128> {
    let exponent = usize::from(currency.exponent());
    let (mut minor, mut decimals) = (0_i128, None);
    for byte in text.bytes() {
        if byte == b'.' {
            decimals = decimals.is_none().then_some(0);
            decimals?;
            continue;
        }
        let digit = i128::from(byte.checked_sub(b'0').filter(|digit| *digit < 10)?);
        match &mut decimals {
            Some(count) if *count == exponent => {
                if digit != 0 {
                    return None;
                }
                continue;
            }
            Some(count) => *count += 1,
            None => {}
        }
        minor = minor.checked_mul(10)?.checked_add(digit)?;
    }
    for _ in decimals.unwrap_or(0)..exponent {
        minor = minor.checked_mul(10)?;
    }
    Some(minor)
}

fn sums(numbers: &str, currency: Currency) {
    let mut numbers = numbers.split(' ').map_while(|number| number.parse::<i64>().ok());
    let (Some(a), Some(b)) = (numbers.next(), numbers.next()) else { return };
    let in_range = |minor: i128| (0..=i128::from(Money::MAX_MINOR)).contains(&minor);
    let [x, y] = [a, b].map(|minor| {
        let money = Money::new(minor, currency);
        assert_eq!(money.is_ok(), in_range(i128::from(minor)), "{minor}");
        money
    });
    let (Ok(x), Ok(y)) = (x, y) else { return };
    let (a, b) = (i128::from(a), i128::from(b));
    for (result, exact) in [(x.plus(y), a + b), (x.minus(y), a - b)] {
        assert_eq!(result.ok().map(|money| i128::from(money.minor())), in_range(exact).then_some(exact), "{a} {b}");
    }
    assert_eq!(x.exceeds(y), Ok(a > b));
    if let Some(points) = numbers.next().and_then(|points| u32::try_from(points).ok()) {
        // Half up: twice the exact fee is at most one unit away from twice the rounded one.
        let twice = 2 * a * i128::from(points);
        match fee(x, points) {
            Ok(fee) => {
                let off = 20_000 * i128::from(fee.minor()) - twice;
                assert!(off > -10_000 && off <= 10_000, "{a} {points}: {fee:?}");
            }
            Err(_) => assert!(twice / 20_000 >= i128::from(Money::MAX_MINOR), "{a} {points}"),
        }
    }
}
