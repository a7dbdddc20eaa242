//! Inputs as text that a person can read: lines, with places for what only a key can make. A fuzzer changes everything around
//! such a place, and what it makes is still signed; or it takes the place away, and what it makes is not.

/// The first `N` lines of `input`, and all that comes behind them. A line that is not there is empty.
pub(crate) fn lines<const N: usize>(input: &[u8]) -> ([&str; N], &[u8]) {
    let mut rest = input;
    let lines = std::array::from_fn(|_| {
        let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        let line = &rest[..end];
        rest = rest.get(end + 1..).unwrap_or_default();
        std::str::from_utf8(line).unwrap_or_default()
    });
    (lines, rest)
}

/// `body` with one bit changed, for each of a few places in it.
pub(crate) fn damaged(body: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let places = [0, body.len() / 2, body.len().saturating_sub(1)];
    places.into_iter().filter(|place| *place < body.len()).map(|place| {
        let mut changed = body.to_vec();
        changed[place] ^= 1;
        changed
    })
}
