//! Which first digits and lengths the card brands use.
//!
//! Must not know: where numbers come from, or their check digit.

use std::ops::RangeInclusive;

/// Numbers whose first `digits` digits lie in `prefixes`.
struct Range {
    digits: usize,
    prefixes: RangeInclusive<u32>,
    lengths: &'static [RangeInclusive<usize>],
}

const fn range(digits: usize, first: u32, last: u32, lengths: &'static [RangeInclusive<usize>]) -> Range {
    Range { digits, prefixes: first..=last, lengths }
}

const VISA: &[RangeInclusive<usize>] = &[13..=13, 16..=16, 19..=19];
const MASTERCARD: &[RangeInclusive<usize>] = &[16..=16];
const AMEX: &[RangeInclusive<usize>] = &[15..=15];
const DINERS: &[RangeInclusive<usize>] = &[14..=19];
const UP_TO_19: &[RangeInclusive<usize>] = &[16..=19];
const MAESTRO: &[RangeInclusive<usize>] = &[13..=19];

/// Every brand's ranges.
const ISSUERS: &[Range] = &[
    range(1, 4, 4, VISA),
    range(2, 51, 55, MASTERCARD),
    range(4, 2221, 2720, MASTERCARD),
    range(2, 34, 34, AMEX),
    range(2, 37, 37, AMEX),
    // Discover.
    range(4, 6011, 6011, UP_TO_19),
    range(3, 644, 649, UP_TO_19),
    range(2, 65, 65, UP_TO_19),
    // Diners Club.
    range(3, 300, 305, DINERS),
    range(2, 36, 36, DINERS),
    range(2, 38, 38, DINERS),
    // JCB.
    range(4, 3528, 3589, UP_TO_19),
    // UnionPay.
    range(2, 62, 62, UP_TO_19),
    // Maestro.
    range(2, 50, 50, MAESTRO),
    range(2, 56, 58, MAESTRO),
    range(4, 6304, 6304, MAESTRO),
    range(4, 6759, 6759, MAESTRO),
    range(3, 676, 676, MAESTRO),
];

/// Whether some brand issues numbers that start like `number` and are as long.
pub(super) fn issues(number: &[u8]) -> bool {
    ISSUERS.iter().any(|range| {
        range.lengths.iter().any(|lengths| lengths.contains(&number.len()))
            && range.prefixes.contains(&prefix(number, range.digits))
    })
}

fn prefix(number: &[u8], digits: usize) -> u32 {
    number.iter().take(digits).fold(0, |value, &digit| value * 10 + u32::from(digit))
}
