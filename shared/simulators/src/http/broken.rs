//! Answers that break the rules of HTTP: connections that close before, or within, what was promised.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use hyper::body::Frame;
use tollgate_gateway::ports::Time;

use crate::SandboxTime;

/// Marks an answer that must not be sent: the server closes the connection instead.
#[derive(Debug, Clone, Copy)]
pub(super) struct HangUp;

/// How much longer than its content a truncated answer claims to be.
const MISSING_BYTES: usize = 64;
/// What was sent gets this long to arrive before the connection closes.
const FLUSH: Duration = Duration::from_millis(50);

/// An answer that never arrives.
pub(super) fn hang_up() -> Response {
    let body = BreakingBody { content: None, pause: Box::pin(std::future::ready(())) };
    let mut response = Response::new(Body::new(body));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response.extensions_mut().insert(HangUp);
    response
}

/// `response`, closed before its announced length was sent.
pub(super) fn truncated(response: http::Response<Bytes>, time: &Arc<SandboxTime>) -> Response {
    let (mut parts, content) = response.into_parts();
    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(content.len() + MISSING_BYTES));
    let time = Arc::clone(time);
    let pause = Box::pin(async move { time.sleep(FLUSH).await });
    Response::from_parts(parts, Body::new(BreakingBody { content: Some(content), pause }))
}

/// A body that ends in an error.
struct BreakingBody {
    content: Option<Bytes>,
    pause: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl hyper::body::Body for BreakingBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(content) = self.content.take() {
            return Poll::Ready(Some(Ok(Frame::data(content))));
        }
        self.pause.as_mut().poll(context).map(|()| Some(Err(io::Error::other("a fault closed this connection"))))
    }
}
