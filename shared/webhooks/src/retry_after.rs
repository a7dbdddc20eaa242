//! `Retry-After`: how long an endpoint asks to wait. The clock is the caller's.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, header};
use tollgate_domain::Timestamp;

/// Nobody is waited for longer than this.
const MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// What `headers` ask for, in seconds or as a date, which counts from `now`. What cannot be read asks for nothing.
pub(crate) fn read(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit()) {
        // More digits than fit are as good as very many seconds.
        return Some(text.parse().map_or(MAX, Duration::from_secs).min(MAX));
    }
    let until = httpdate::parse_http_date(text).ok()?;
    // A date that has passed asks for no wait at all.
    Some(until.duration_since(SystemTime::from(now)).unwrap_or_default().min(MAX))
}
