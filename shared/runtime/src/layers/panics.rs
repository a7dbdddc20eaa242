//! Turns a handler's panic into an answer. The panic hook has logged it by then.
//!
//! Must not know: why it panicked.

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
};

use axum::response::Response;
use tollgate_api::{Problem, ProblemCode};

/// Runs `work`; its panic becomes an `internal_error`. What it held is dropped, and nothing looks at it again.
pub(super) async fn caught(work: impl Future<Output = Response>) -> Result<Response, Problem> {
    let mut work = pin!(work);
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
        Ok(poll) => poll.map(Ok),
        Err(_) => Poll::Ready(Err(Problem::new(
            ProblemCode::InternalError,
            "Something went wrong here. It has been logged under the correlation id.",
        ))),
    })
    .await
}
