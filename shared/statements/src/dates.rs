//! Days as statements write them: a date, or the date of a time.

use jiff::civil::Date;

use crate::error::Problem;

/// `2026-11-26`.
const DATE_LEN: usize = 10;

/// The day of `text`, in the bank's own zone. A zone or a time behind it is not looked at further.
pub(crate) fn day(text: &str) -> Result<Date, Problem> {
    let date = text.get(..DATE_LEN).filter(|date| date.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-'));
    let rest = text.get(DATE_LEN..).unwrap_or_default();
    let is_plain = rest.is_empty() || rest.starts_with(['T', 'Z', '+', '-']);
    date.filter(|_| is_plain).and_then(|date| date.parse().ok()).ok_or_else(|| Problem::wrong("a date", text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_one_with_or_without_time_and_zone() {
        for text in ["2026-11-26", "2026-11-26Z", "2026-11-26+01:00", "2026-11-26T23:59:59.5+01:00"] {
            assert_eq!(day(text), Ok(jiff::civil::date(2026, 11, 26)), "{text}");
        }
        for text in ["", "2026-11", "2026-13-01", "2026-02-30", "26-11-2026", "2026-11-26 x", "20261126", "２026-11-26"]
        {
            assert!(day(text).is_err(), "{text}");
        }
    }
}
