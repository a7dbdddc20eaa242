//! A clock that stands, and a network that answers at once what it was told to.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt;
use http::{Request, Response};
use tollgate_domain::Timestamp;
use tollgate_gateway::ports::{HttpClient, HttpError, Time};

/// What time it is, in every target: 2027-01-15T08:00:00Z.
pub(crate) const NOW: i64 = 1_800_000_000;

pub(crate) fn now() -> Timestamp {
    Timestamp::from_second(NOW).expect("a time")
}

/// Stands.
pub(crate) struct Clock;

#[async_trait]
impl Time for Clock {
    fn now(&self) -> Timestamp {
        now()
    }

    fn monotonic(&self) -> Duration {
        Duration::from_secs(1)
    }

    async fn sleep(&self, _: Duration) {
        std::future::pending::<()>().await;
    }
}

/// Answers by the end of the path.
#[derive(Default)]
pub(crate) struct Network {
    fixed: Vec<(&'static str, String)>,
    /// What anything else is answered with.
    other: Mutex<Bytes>,
}

impl Network {
    pub(crate) fn answering(fixed: Vec<(&'static str, String)>) -> Self {
        Self { fixed, ..Self::default() }
    }

    /// Everything that is not fixed is answered with this from now on; nothing: it is not there.
    pub(crate) fn others(&self, body: &[u8]) {
        *self.other.lock().unwrap_or_else(PoisonError::into_inner) = Bytes::copy_from_slice(body);
    }
}

#[async_trait]
impl HttpClient for Network {
    async fn send(&self, request: Request<Bytes>, _: Duration) -> Result<Response<Bytes>, HttpError> {
        let path = request.uri().path();
        let fixed = self.fixed.iter().find(|(end, _)| path.ends_with(end)).map(|(_, body)| Bytes::from(body.clone()));
        let other = || self.other.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let body = fixed.unwrap_or_else(other);
        let status = if body.is_empty() { 404 } else { 200 };
        let response = Response::builder().status(status).header("content-type", "application/json");
        response.body(body).map_err(|error| HttpError::NotReached(error.to_string()))
    }
}

/// What comes of `work`, which has nothing to wait for.
pub(crate) fn at_once<T>(work: impl Future<Output = T>) -> T {
    work.now_or_never().expect("it waits for nothing")
}
