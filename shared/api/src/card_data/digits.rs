//! What a character means to somebody who types a number: a digit of whatever script, a separator, or neither.
//!
//! Must not know: what a card number is.

/// A character, as far as numbers are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Glyph {
    /// A decimal digit, 0 to 9.
    Digit(u8),
    /// A space or dash.
    Separator,
    /// A letter, or a number that is not a decimal digit.
    Letter,
    /// Anything else.
    Other,
}

/// Reads one character; `None` for those that take no room and mean nothing.
pub(super) fn glyph(character: char) -> Option<Glyph> {
    Some(match character {
        '0'..='9' => Glyph::Digit(character as u8 - b'0'),
        // Space; no-break, en to hair, narrow no-break, mathematical, ideographic. Hyphens and dashes, minus, small and
        // full-width.
        ' '
        | '\u{a0}'
        | '\u{2000}'..='\u{200a}'
        | '\u{202f}'
        | '\u{205f}'
        | '\u{3000}'
        | '-'
        | '\u{2010}'..='\u{2015}'
        | '\u{2212}'
        | '\u{fe58}'
        | '\u{fe63}'
        | '\u{ff0d}' => Glyph::Separator,
        // Soft hyphen, zero-width space and joiners, word joiner, byte order mark.
        '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}' => return None,
        _ if character.is_ascii_alphabetic() => Glyph::Letter,
        _ if character.is_ascii() => Glyph::Other,
        _ => other_script(character),
    })
}

fn other_script(character: char) -> Glyph {
    let code = u32::from(character);
    let zero = match ZEROS.partition_point(|&zero| zero <= code) {
        0 => return if character.is_alphanumeric() { Glyph::Letter } else { Glyph::Other },
        after => ZEROS[after - 1],
    };
    match u8::try_from(code - zero) {
        Ok(digit @ 0..=9) => Glyph::Digit(digit),
        _ if character.is_alphanumeric() => Glyph::Letter,
        _ => Glyph::Other,
    }
}

/// The zero of every run of ten decimal digits in Unicode (general category Nd), ASCII's aside.
#[rustfmt::skip]
const ZEROS: [u32; 65] = [
    0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6, 0xe50, 0xed0, 0xf20,
    0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40, 0x1c50, 0xa620, 0xa8d0,
    0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10, 0x104a0, 0x10d30, 0x11066, 0x110f0, 0x11136, 0x111d0, 0x112f0,
    0x11450, 0x114d0, 0x11650, 0x116c0, 0x11730, 0x118e0, 0x11950, 0x11c50, 0x11d50, 0x11da0, 0x16a60, 0x16ac0,
    0x16b50, 0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6, 0x1e140, 0x1e2f0, 0x1e950, 0x1fbf0,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_zero_starts_ten_numerals() {
        assert!(ZEROS.is_sorted());
        for zero in ZEROS {
            for (value, code) in (0_u8..).zip(zero..zero + 10) {
                let character = char::from_u32(code).unwrap();
                assert!(character.is_numeric(), "{code:x}");
                assert_eq!(glyph(character), Some(Glyph::Digit(value)), "{code:x}");
            }
        }
    }

    #[test]
    fn letters_of_any_script_are_letters() {
        for letter in ['a', 'Z', 'é', 'ж', '中', '½'] {
            assert_eq!(glyph(letter), Some(Glyph::Letter), "{letter}");
        }
    }
}
