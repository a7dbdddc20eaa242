//! What calls to every provider have in common: when they must have ended, what the audit trail keeps of them, how long a provider
//! asks to wait. Knows no provider's words, and decides nothing about what an answer means.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use tollgate_domain::Timestamp;
use tollgate_gateway::ports::{HttpClient, HttpError, Time, provider::Reply};

/// Longer waits than this are not believed.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);
const REFERENCE_MAX_LEN: usize = 100;

/// When the calls made for one operation must have ended, in real time since the process began to count.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline(Duration);

impl Deadline {
    /// So long from now.
    pub(crate) fn after(timeout: Duration, time: &dyn Time) -> Self {
        Self(time.monotonic() + timeout)
    }

    /// What is left until it.
    pub(crate) fn left(self, time: &dyn Time) -> Duration {
        self.0.saturating_sub(time.monotonic())
    }

    /// One in the middle of what is left.
    pub(crate) fn half(self, time: &dyn Time) -> Self {
        Self::after(self.left(time) / 2, time)
    }
}

/// Allow-listed fields of an answer: what the audit trail keeps.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trace {
    pub(crate) http_status: Option<u16>,
    /// The provider's own id of the call.
    pub(crate) reference: Option<String>,
    pub(crate) provider_code: Option<String>,
    /// The provider kept it from the first time.
    pub(crate) repeated: bool,
}

impl Trace {
    /// Of an answer whose header `named` holds the provider's id of the call. Its error code is the adapter's to read.
    pub(crate) fn of(response: &Response<Bytes>, named: &str) -> Self {
        let http_status = Some(response.status().as_u16());
        Self { http_status, reference: reference(response.headers(), named), ..Self::default() }
    }

    /// Of what was answered in the end.
    pub(crate) fn to<T>(self, answer: T) -> Reply<T> {
        let Self { http_status, reference, provider_code, repeated } = self;
        Reply { answer, http_status, reference, provider_code, repeated }
    }
}

/// Why there is no answer. For the log.
#[derive(Debug)]
pub(crate) enum NoAnswer {
    /// Nothing was sent.
    NotReached(String),
    /// Whether it was worked on is not known.
    Lost(String),
}

/// Sends `request` within what is left until `deadline`.
pub(crate) async fn exchange(
    http: &dyn HttpClient,
    time: &dyn Time,
    request: Request<Bytes>,
    deadline: Deadline,
) -> Result<Response<Bytes>, NoAnswer> {
    let left = deadline.left(time);
    if left.is_zero() {
        return Err(NoAnswer::NotReached("no time left for the call".to_owned()));
    }
    http.send(request, left).await.map_err(|error| match error {
        HttpError::NotReached(reason) => NoAnswer::NotReached(reason),
        HttpError::AnswerLost(reason) => NoAnswer::Lost(format!("answer lost: {reason}")),
    })
}

/// How long the provider asks to wait.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

/// An id in a header, if it looks like one.
fn reference(headers: &HeaderMap, named: &str) -> Option<String> {
    let text = headers.get(named)?.to_str().ok()?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (text.len() <= REFERENCE_MAX_LEN && text.bytes().all(plain)).then(|| text.to_owned())
}

/// `Bearer …`, which no log shows; `None`: it cannot be sent.
pub(crate) fn bearer(token: &str) -> Option<HeaderValue> {
    let mut bearer = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
    bearer.set_sensitive(true);
    Some(bearer)
}

/// Whether what was `sent` is neither older than `past` nor further than `future` ahead of `now`. Strangers write times, too, and some of
/// them stand at the end of all times: nothing is added to one.
pub(crate) fn is_recent(sent: Timestamp, now: Timestamp, past: Duration, future: Duration) -> bool {
    let age = now.duration_since(sent);
    age.unsigned_abs() <= if age.is_negative() { future } else { past }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_recent_up_to_its_bounds_and_no_time_is_too_far_away_to_ask_of() {
        let (now, past, future) = (Timestamp::from_second(1_800_000_000).unwrap(), 100, 10);
        let recent = |sent| is_recent(sent, now, Duration::from_secs(past), Duration::from_secs(future));
        for (offset, expected) in [(0, true), (-100, true), (-101, false), (10, true), (11, false)] {
            assert_eq!(recent(Timestamp::from_second(1_800_000_000 + offset).unwrap()), expected, "{offset}");
        }
        assert!(!recent(Timestamp::MAX) && !recent(Timestamp::MIN));
    }
}
