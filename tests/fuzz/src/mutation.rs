//! Changes inputs at random, the same way each time: what `cargo test` does without an engine.
//!
//! Must not know: what inputs mean.

/// Text that readers treat in ways of their own.
const TELLING: &[&str] = &[
    "\0",
    "\n",
    "\"",
    "\\",
    "\\u0000",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    ".",
    "-",
    "+",
    "0",
    "-1",
    "1e9",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551616",
    "999999999999",
    "null",
    "true",
    "{}",
    "[]",
    "é",
    "\u{202e}",
    "<",
    ">",
    "&",
    "]]>",
    "9999-12-30T22:00:00Z",
    "253402207200",
    "-377705023201",
    "%00",
    "{sig}",
    "{token}",
    "{data}",
];

/// Makes inputs out of inputs.
pub struct Mutator(u64);

impl Mutator {
    /// Two of the same `seed` do the same.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// `SplitMix64`.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Less than `end`; 0 where that is 0.
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % (end.max(1) as u64)).unwrap_or_default()
    }

    /// One of `corpus`, changed in one to four places.
    pub fn input(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut input = corpus.get(self.below(corpus.len())).cloned().unwrap_or_default();
        for _ in 0..=self.below(4) {
            self.change(&mut input, corpus);
        }
        input
    }

    fn change(&mut self, input: &mut Vec<u8>, corpus: &[Vec<u8>]) {
        let (place, length) = (self.below(input.len() + 1), self.below(16));
        let end = (place + length).min(input.len());
        match self.below(6) {
            0 => {
                let bit = self.below(8);
                if let Some(byte) = input.get_mut(place) {
                    *byte ^= 1 << bit;
                }
            }
            1 => drop(input.drain(place..end)),
            2 => {
                let telling = TELLING[self.below(TELLING.len())];
                input.splice(place..place, telling.bytes());
            }
            3 => {
                let telling = TELLING[self.below(TELLING.len())];
                input.splice(place..end, telling.bytes());
            }
            4 => {
                let again = input[place..end].to_vec();
                input.splice(place..place, again);
            }
            _ => {
                let other = &corpus[self.below(corpus.len())];
                let from = self.below(other.len() + 1);
                let until = (from + self.below(64)).min(other.len());
                input.splice(place..end, other[from..until].iter().copied());
            }
        }
    }
}
