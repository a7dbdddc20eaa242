//! Recognises what looks like a payment card's number, wherever it turns up, so that it can be refused before anything
//! stores or logs it.
//!
//! Must not know: which fields exist. It looks at every key, string and number. What it reports never holds the digits.

mod digits;
mod issuers;

use crate::{
    problem::{FieldError, Problem, ProblemCode},
    strict_json::{Json, Pointer},
};

use digits::{Glyph, glyph};

const MIN_DIGITS: usize = 13;
const MAX_DIGITS: usize = 19;
const MAX_REPORTED: usize = 20;
const UUID_LENGTH: usize = 36;

/// Refuses a body that holds what looks like a card number, naming the fields.
pub fn refuse(json: &Json) -> Result<(), Problem> {
    let pointers = find(json);
    if pointers.is_empty() {
        return Ok(());
    }
    let detail = "looks like a card number; send the provider's token instead";
    let errors = pointers.into_iter().map(|pointer| FieldError { pointer, detail: detail.to_owned() }).collect();
    Err(card_problem("The body").with_errors(errors))
}

/// Refuses a text from outside the body: a header, a query value, a path segment. `what` starts the sentence
/// (`The Idempotency-Key header`). The text must be decoded already.
pub fn refuse_in_text(what: &str, text: &str) -> Result<(), Problem> {
    if is_in(text) { Err(card_problem(what)) } else { Ok(()) }
}

fn card_problem(what: &str) -> Problem {
    let detail = format!(
        "{what} holds what looks like a card number. It was neither stored nor logged; send the provider's token instead."
    );
    Problem::new(ProblemCode::CardDataNotAccepted, detail)
}

/// Where in `json` there are card numbers: in keys, strings and numbers, in fields that nobody knows as well.
/// At most 20 places; a key that is itself a card number is masked in the pointer.
pub fn find(json: &Json) -> Vec<String> {
    let mut found = Vec::new();
    walk(json, &mut Pointer::root(), &mut found);
    found
}

fn walk(json: &Json, at: &mut Pointer, found: &mut Vec<String>) {
    if found.len() >= MAX_REPORTED {
        return;
    }
    match json {
        Json::Null | Json::Bool(_) => {}
        Json::Integer(number) => {
            if number.unsigned_abs() >= 10_u64.pow(12) {
                report_if(is_in(&number.to_string()), at, found);
            }
        }
        Json::OtherNumber(text) | Json::String(text) => report_if(is_in(text), at, found),
        Json::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                at.inside(&index.to_string(), |at| walk(item, at, found));
            }
        }
        Json::Object(members) => {
            for (key, value) in members {
                at.inside(key, |at| {
                    report_if(is_in(key), at, found);
                    walk(value, at, found);
                });
            }
        }
    }
}

fn report_if(card: bool, at: &Pointer, found: &mut Vec<String>) {
    if card && found.last().map(String::as_str) != Some(at.as_str()) {
        found.push(at.as_str().to_owned());
    }
}

/// Whether there is a card number in `text`: 13 to 19 digits of any script, single spaces or dashes between them at
/// most, no letter or digit right before or after, with an issuer's prefix, one of its lengths and a right check digit.
/// In the groups that are printed on cards (four times four, or four, six and the rest), whatever stands between them.
pub fn is_in(text: &str) -> bool {
    // Nearly every text ends here. A digit of another script is at least two bytes, none of them ASCII.
    let could_be_digits = text.bytes().filter(|byte| byte.is_ascii_digit() || *byte >= 0xc0).count();
    if could_be_digits < MIN_DIGITS {
        return false;
    }
    let mut rest = text;
    while let Some(at) = find_uuid(rest.as_bytes()) {
        if is_between_uuids(&rest[..at]) {
            return true;
        }
        rest = &rest[at + UUID_LENGTH..];
    }
    is_between_uuids(rest)
}

/// Where the first UUID starts: 8-4-4-4-12 hexadecimal digits. An id, even where chance made its first groups look like
/// a card number, as happens once in some ten thousand.
fn find_uuid(text: &[u8]) -> Option<usize> {
    let joined = |at: Option<&u8>| at.is_some_and(u8::is_ascii_alphanumeric);
    text.windows(UUID_LENGTH)
        .enumerate()
        .position(|(at, window)| is_uuid(window) && !joined(text[..at].last()) && !joined(text.get(at + UUID_LENGTH)))
}

fn is_uuid(text: &[u8]) -> bool {
    text.iter().enumerate().all(|(at, byte)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    })
}

fn is_between_uuids(text: &str) -> bool {
    let glyphs: Vec<Glyph> = text.chars().filter_map(glyph).collect();
    let mut position = 0;
    while position < glyphs.len() {
        let run = run_length(&glyphs[position..]);
        let joined = position > 0 && glyphs[position - 1] == Glyph::Letter;
        if run > 0 && holds_card(&glyphs[position..position + run], joined, glyphs.get(position + run)) {
            return true;
        }
        position += run.max(1);
    }
    is_in_printed_groups(&glyphs)
}

/// How cards show their numbers: most brands, American Express, Diners Club.
const PRINTED_GROUPS: [&[usize]; 3] = [&[4, 4, 4, 4], &[4, 6, 5], &[4, 6, 4]];
/// How much may stand between two printed groups: `. `, two spaces, a bracket and a space.
const GAP_AT_MOST: usize = 2;

/// Whether there is a card number in groups as cards show them, with anything but letters between them:
/// `4242.4242.4242.4242`.
fn is_in_printed_groups(glyphs: &[Glyph]) -> bool {
    // Each group of digits with how far the one before it is; `None` where a letter stands between them.
    let mut groups: Vec<(Vec<u8>, Option<usize>)> = Vec::new();
    let mut gap = None;
    for glyph in glyphs {
        match (glyph, &mut gap, groups.last_mut()) {
            (Glyph::Digit(digit), Some(0), Some((digits, _))) => digits.push(*digit),
            (Glyph::Digit(digit), ..) => {
                groups.push((vec![*digit], gap));
                gap = Some(0);
            }
            (Glyph::Letter, ..) => gap = None,
            (_, Some(gap), _) => *gap += 1,
            (_, None, _) => {}
        }
    }
    PRINTED_GROUPS.iter().any(|printed| {
        groups.windows(printed.len()).any(|window| {
            let sizes = window.iter().zip(*printed).all(|((digits, _), size)| digits.len() == *size);
            let near = window[1..].iter().all(|(_, gap)| gap.is_some_and(|gap| gap <= GAP_AT_MOST));
            sizes && near && is_card(&window.iter().flat_map(|(digits, _)| digits.clone()).collect::<Vec<_>>())
        })
    })
}

/// How many glyphs from here on are digits, with single separators between them.
fn run_length(glyphs: &[Glyph]) -> usize {
    let mut end = 0;
    loop {
        match (glyphs.get(end), glyphs.get(end + 1)) {
            (Some(Glyph::Digit(_)), _) => end += 1,
            (Some(Glyph::Separator), Some(Glyph::Digit(_))) if end > 0 => end += 1,
            _ => return end,
        }
    }
}

/// Tries every stretch of whole groups within a run: `7 4242 4242 4242 4242` holds a card, after a 7.
fn holds_card(run: &[Glyph], joined_before: bool, after: Option<&Glyph>) -> bool {
    let joined_after = after == Some(&Glyph::Letter);
    let starts_group = |at: usize| if at == 0 { !joined_before } else { run[at - 1] == Glyph::Separator };
    (0..run.len()).filter(|&at| starts_group(at)).any(|start| {
        let mut number = [0_u8; MAX_DIGITS];
        let mut length = 0;
        for (offset, glyph) in run[start..].iter().enumerate() {
            let Glyph::Digit(digit) = glyph else { continue };
            if length == MAX_DIGITS {
                return false;
            }
            number[length] = *digit;
            length += 1;
            let ends_group = match run.get(start + offset + 1) {
                Some(next) => *next == Glyph::Separator,
                None => !joined_after,
            };
            if ends_group && length >= MIN_DIGITS && is_card(&number[..length]) {
                return true;
            }
        }
        false
    })
}

fn is_card(number: &[u8]) -> bool {
    issuers::issues(number) && has_check_digit(number)
}

/// The Luhn check.
fn has_check_digit(number: &[u8]) -> bool {
    let sum: u32 = number
        .iter()
        .rev()
        .enumerate()
        .map(|(place, &digit)| match (place % 2, u32::from(digit)) {
            (0, digit) => digit,
            (_, digit) if digit > 4 => digit * 2 - 9,
            (_, digit) => digit * 2,
        })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests;
