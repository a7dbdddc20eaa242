//! One HTTP/1.1 connection, which moves only while somebody waits for it. No task of its own stands behind it: a send is
//! one task, woken once, and what is idle costs nothing. Knows neither addresses nor signatures.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{
    body::{Body, Incoming},
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tollgate_gateway::ports::webhook_sender::SendError;

/// The longest head of an answer.
const MAX_HEAD_BYTES: usize = 32 << 10;
/// So much of an answer's body is read, to keep the connection; nobody wants to know what it says.
const MAX_BODY_BYTES: u64 = 16 << 10;

/// Bytes in both directions, in the clear or not.
pub(crate) trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Socket for T {}

type Driver = http1::Connection<TokioIo<Box<dyn Socket>>, Full<Bytes>>;

/// A connection.
pub(crate) struct Connection {
    requests: SendRequest<Full<Bytes>>,
    /// `None` when it has ended.
    driver: Option<Pin<Box<Driver>>>,
    /// When it was made, on the monotonic clock.
    pub(crate) made: Duration,
}

/// Why a request got no answer.
pub(crate) enum Unanswered {
    /// The connection had ended before; the request was not sent and is handed back.
    NotSent(Box<Request<Full<Bytes>>>),
    /// Anything else.
    Failed(SendError),
}

impl Connection {
    /// Speaks HTTP on `socket`.
    pub(crate) async fn open(socket: Box<dyn Socket>, made: Duration) -> Result<Self, SendError> {
        let mut http = http1::Builder::new();
        let opened = http.max_buf_size(MAX_HEAD_BYTES).handshake(TokioIo::new(socket)).await;
        let (requests, driver) = opened.map_err(|_| SendError::Broken)?;
        Ok(Self { requests, driver: Some(Box::pin(driver)), made })
    }

    /// Sends `request` and waits for the head of the answer. The driver reads before it writes: a connection that was closed
    /// while it waited, or on which something was said unasked, takes no request.
    pub(crate) async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Unanswered> {
        let mut answer = pin!(self.requests.try_send_request(request));
        let answered = poll_fn(|context| {
            self.drive(context);
            answer.as_mut().poll(context)
        });
        answered.await.map_err(|mut error| {
            if let Some(request) = error.take_message() {
                return Unanswered::NotSent(Box::new(request));
            }
            tracing::debug!(error = %error.error(), "a webhook's connection broke");
            Unanswered::Failed(SendError::Broken)
        })
    }

    /// Reads the rest of an answer. Whether the connection can be used again.
    pub(crate) async fn finish(&mut self, mut body: Incoming) -> bool {
        let mut left = MAX_BODY_BYTES;
        if body.size_hint().lower() > left {
            return false;
        }
        while !body.is_end_stream() {
            match poll_fn(|context| self.poll_frame(&mut body, context)).await {
                None => break,
                Some(Err(_)) => return false,
                Some(Ok(frame)) => {
                    let length = frame.data_ref().map_or(0, Bytes::len);
                    let Some(rest) = left.checked_sub(length as u64) else { return false };
                    left = rest;
                }
            }
        }
        // Where the other side has closed, or has said something unasked, the driver has ended.
        poll_fn(|context| {
            self.drive(context);
            Poll::Ready(self.driver.is_some() && self.requests.is_ready())
        })
        .await
    }

    fn poll_frame(
        &mut self,
        body: &mut Incoming,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, hyper::Error>>> {
        // Asking first tells the driver that somebody wants to read on.
        if let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(context) {
            return Poll::Ready(frame);
        }
        self.drive(context);
        Pin::new(body).poll_frame(context)
    }

    /// Moves bytes. An error shows itself to whoever waits for the answer.
    fn drive(&mut self, context: &mut Context<'_>) {
        if let Some(driver) = &mut self.driver
            && driver.as_mut().poll(context).is_ready()
        {
            self.driver = None;
        }
    }
}
