//! Times as the API writes them.

use jiff::Timestamp;

/// Unix seconds in RFC 3339, with the offset spelt out.
pub(super) fn written(seconds: i64) -> String {
    let time = Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH).to_string();
    time.strip_suffix('Z').map(|time| format!("{time}+00:00")).unwrap_or(time)
}
